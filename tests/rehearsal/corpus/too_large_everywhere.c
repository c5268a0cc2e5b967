/* More paths than any verifier walks: each of 24 bits is asked for, and remembered apart. */
#include "bpf.h"

#define ASK(n)                                                                                                         \
	if (value & (1ULL << (n)))                                                                                       \
		asm volatile("%0 += %1" : "+r"(sum) : "i"(1 << ((n) % 20)));
#define ASK8(n) ASK(n) ASK(n + 1) ASK(n + 2) ASK(n + 3) ASK(n + 4) ASK(n + 5) ASK(n + 6) ASK(n + 7)

struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(max_entries, 1 << 21);
	KIND(key, __u32);
	KIND(value, __u8);
} table SEC(".maps");

SEC("tc")
int too_large_everywhere(struct skb *skb)
{
	__u64 value = ktime_get_ns();
	__u64 sum = 0;
	__u8 bytes[8] = {};

	ASK8(0) ASK8(8) ASK8(16)
	/* Its exact value matters: no two paths are the same. */
	if (sum < 1 << 21) {
		__u32 key = sum;
		__u8 *found = map_lookup(&table, &key);

		return found ? *found : 0;
	}
	return 2;
}
