/* Maps whose size the agent decides when it loads them: the object has none. */
#include "bpf.h"

struct {
	NUMBER(type, MAP_LRU_HASH);
#ifdef LIBBPF
	NUMBER(max_entries, 16);
#endif
	KIND(key, __u32);
	KIND(value, __u64);
} flows SEC(".maps");

struct {
	NUMBER(type, MAP_RINGBUF);
#ifdef LIBBPF
	NUMBER(max_entries, 4096);
#endif
} events SEC(".maps");

SEC("tc")
int sized_by_agent(struct skb *skb)
{
	__u32 key = skb->ifindex;
	__u64 *found = map_lookup(&flows, &key);
	void *event = ringbuf_reserve(&events, 8, 0);

	if (event)
		ringbuf_discard(event, 0);
	return found ? (int)*found & 1 : 0;
}
