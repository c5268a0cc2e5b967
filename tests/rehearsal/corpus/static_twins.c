/* Static functions of two sources, which have the same name once these are linked: twin_b is twin_a. */
#include "bpf.h"

static NOINLINE int twin_a(struct skb *skb)
{
	return skb->len > 1000;
}

static NOINLINE int twin_b(struct skb *skb)
{
	return skb->mark > 1000;
}

SEC("tc")
int static_twins(struct skb *skb)
{
	return twin_a(skb) + twin_b(skb);
}
