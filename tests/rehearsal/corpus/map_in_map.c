/* An array of maps, with its inner map in its definition. */
#include "bpf.h"

struct inner {
	NUMBER(type, MAP_ARRAY);
	NUMBER(max_entries, 8);
	KIND(key, __u32);
	KIND(value, __u64);
} inner_0 SEC(".maps");

struct {
	NUMBER(type, MAP_ARRAY_OF_MAPS);
	NUMBER(max_entries, 4);
	NUMBER(key_size, 4);
	__attribute__((unused)) struct inner *values[];
} outer SEC(".maps") = {
	.values = { &inner_0 },
};

SEC("xdp")
int map_in_map(struct xdp *ctx)
{
	__u32 zero = 0;
	void *inner = map_lookup(&outer, &zero);
	__u64 *value = inner ? map_lookup(inner, &zero) : 0;

	return value && *value ? 1 : 2;
}
