/* A helper that came with 6.1 (bpf_ktime_get_tai_ns). */
#include "bpf.h"

SEC("tc")
int helper_tai(struct skb *skb)
{
	return ktime_get_tai_ns() > 1 ? 0 : 2;
}
