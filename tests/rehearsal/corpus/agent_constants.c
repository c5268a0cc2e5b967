/* A constant that the agent sets when it loads its object. As it was built, the verifier never sees the checks. */
#include "checks.h"

const volatile __u32 inspect = 0;

SEC("tc")
int agent_constants(struct skb *skb)
{
	__u64 x = ktime_get_ns();

	if (!inspect)
		return 0;
	return FOUR(FORKS, x) + FOUR(FORKS, x << 5) + FOUR(FORKS, x << 10) + FOUR(FORKS, x << 15) + FOUR(FORKS, x << 20) > 100;
}
