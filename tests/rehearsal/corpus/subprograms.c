/* Functions that are not inlined, global data, a bounded loop. mcpu=v3 */
#include "bpf.h"

volatile __u64 seen;
const volatile __u32 most = 64;

static NOINLINE __u32 mix(__u32 value)
{
	return (value ^ (value >> 7)) * 31;
}

SEC("tc")
int subprograms(struct skb *skb)
{
	__u32 value = skb->hash;

	for (__u32 i = 0; i < 64 && i < most; i++)
		value = mix(value);
	seen += value & 1;
	return 0;
}
