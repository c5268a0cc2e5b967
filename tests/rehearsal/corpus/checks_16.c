/* Nearly the incident: what took 130 instructions takes 70% of the limit on the kernels that refuse 20. */
#include "checks.h"

SEC("tc")
int checks_16(struct skb *skb)
{
	__u64 x = ktime_get_ns();
	__u64 sum = FOUR(FORKS, x) + FOUR(FORKS, x << 5) + FOUR(FORKS, x << 10) + FOUR(FORKS, x << 15);

	return sum > 100 ? 2 : 0;
}
