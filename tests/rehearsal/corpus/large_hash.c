/* Hash, LRU and LPM maps of a million entries each, as connection tracking has them. */
#include "bpf.h"

struct prefix {
	__u32 length, address;
};

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 1000000);
	KIND(key, __u64);
	KIND(value, __u64[8]);
} tracked SEC(".maps");

struct {
	NUMBER(type, MAP_LPM_TRIE);
	NUMBER(max_entries, 1000000);
	NUMBER(map_flags, 1);
	KIND(key, struct prefix);
	KIND(value, __u32);
} routes SEC(".maps");

SEC("tc")
int large_hash(struct skb *skb)
{
	struct prefix prefix = { 32, skb->hash };
	__u64 key = skb->hash;
	__u64 *known = map_lookup(&tracked, &key);

	return known || map_lookup(&routes, &prefix) ? 0 : 2;
}
