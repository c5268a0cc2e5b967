/* Events by a perf buffer, and a counter for each processor. */
#include "bpf.h"

struct {
	NUMBER(type, MAP_PERF_EVENT_ARRAY);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
} events SEC(".maps");

struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	KIND(key, __u32);
	KIND(value, __u64);
} counts SEC(".maps");

SEC("tc")
int perf_events(struct skb *skb)
{
	__u32 zero = 0;
	__u64 *count = map_lookup(&counts, &zero);

	if (count)
		*count += 1;
	perf_event_output(skb, &events, 0xffffffffULL, &zero, sizeof(zero));
	return 0;
}
