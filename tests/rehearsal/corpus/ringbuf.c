/* A ring buffer (5.8). */
#include "bpf.h"

struct {
	NUMBER(type, MAP_RINGBUF);
	NUMBER(max_entries, 4096);
} events SEC(".maps");

SEC("tp_btf/sched_switch")
int ringbuf(void *ctx)
{
	__u64 *event = ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	*event = ktime_get_ns();
	ringbuf_submit(event, 0);
	return 0;
}
