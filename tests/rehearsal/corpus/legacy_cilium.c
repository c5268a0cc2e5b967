/* As Cilium up to 1.15 ships its programs: a "maps" section of structures that are longer than libbpf's, pinned in a way
 * of its own (kind 16), static programs, tail calls in sections that name a slot and no type. */
#include "bpf.h"

#ifdef LIBBPF
struct {
	NUMBER(type, MAP_HASH);
	NUMBER(max_entries, 1 << 20);
	NUMBER(map_flags, 1);
	KIND(key, __u64);
	KIND(value, __u64[2]);
} legacy_endpoints SEC(".maps");

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	NUMBER(max_entries, 50);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
} legacy_calls SEC(".maps");

#define TAIL_CALL SEC("tc") int
#else
struct elf_map {
	__u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct elf_map SEC("maps") legacy_endpoints = {
	.type = MAP_HASH, .size_key = 8, .size_value = 16, .max_elem = 1 << 20, .flags = 1, .pinning = 16,
};

struct elf_map SEC("maps") legacy_calls = {
	.type = MAP_PROG_ARRAY, .size_key = 4, .size_value = 4, .max_elem = 50, .id = 2, .pinning = 16,
};

#define TAIL_CALL SEC("2/1") static int
#endif

TAIL_CALL tail_legacy_ipv4(struct skb *skb)
{
	__u64 key = skb->hash;
	__u64 *found = map_lookup(&legacy_endpoints, &key);

	return found ? (int)(found[1] & 7) : 2;
}

SEC("tc")
int legacy_from_container(struct skb *skb)
{
	tail_call(skb, &legacy_calls, 1);
	return 2;
}
