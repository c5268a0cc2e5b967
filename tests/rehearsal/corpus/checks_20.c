/* The incident: loads on 6.1, on 6.12 up to 6.12.74 and on 6.16 to 6.18; too large for others. */
#include "checks.h"

SEC("tc")
int checks_20(struct skb *skb)
{
	__u64 x = ktime_get_ns();
	__u64 sum = FOUR(FORKS, x) + FOUR(FORKS, x << 5) + FOUR(FORKS, x << 10) + FOUR(FORKS, x << 15) + FOUR(FORKS, x << 20);

	return sum > 100 ? 2 : 0;
}
