/* A weak map, as headers that define one define it (libbpf's usdt.bpf.h). */
#include "bpf.h"

struct {
	NUMBER(type, MAP_HASH);
	NUMBER(max_entries, 16);
	KIND(key, __u32);
	KIND(value, __u64);
} shared SEC(".maps") __attribute__((weak));

SEC("tc")
int weak_map(struct skb *skb)
{
	__u32 key = skb->ifindex;
	__u64 *found = map_lookup(&shared, &key);

	return found ? (int)*found & 1 : 0;
}
