/* The incident's fix: the same sum by a logical shift and a product. Loads everywhere. */
#include "checks.h"

SEC("tc")
int checks_20_fixed(struct skb *skb)
{
	__u64 x = ktime_get_ns();
	__u64 sum = FOUR(DOES_NOT, x) + FOUR(DOES_NOT, x << 5) + FOUR(DOES_NOT, x << 10) + FOUR(DOES_NOT, x << 15) +
		    FOUR(DOES_NOT, x << 20);

	return sum > 100 ? 2 : 0;
}
