/* Few instructions and many jumps: more branches wait to be looked at than a verifier keeps (8192). Refused everywhere. */
#include "bpf.h"

SEC("tc")
int too_many_jumps(struct skb *skb)
{
	__u64 length = skb->len, sum = 0;

	asm volatile(".rept 8300\n\tif %1 == 7 goto +1\n\t%0 += 1\n\t.endr" : "+r"(sum) : "r"(length));
	return sum > 100 ? 2 : 0;
}
