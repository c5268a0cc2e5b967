/* A bpf_loop() (5.17) whose callback counts with two scalars that do not converge: 127 instructions on 6.1, too large
 * since callbacks are verified as if they were called any number of times (6.8, 6.6.x). */
#include "bpf.h"

struct sums {
	__u64 a, b;
};

static long add(__u32 index, struct sums *sums)
{
	sums->a += 1;
	if (sums->a > sums->b)
		sums->b += 3;
	return sums->b == 12345678;
}

SEC("tc")
int loop_callback(struct skb *skb)
{
	struct sums sums = {};

	loop(100, add, &sums, 0);
	return sums.a > 3 ? 0 : 2;
}
