/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Copyright: Friday contributors */
/*
 * Not part of Cilium: an addition of Friday's lab, to have an incident that happens for real.
 *
 * Twenty branch-free checks of a packet's hash and length against thresholds, their weights added up.
 * The second way, for every kernel: the sign, spread over all bits by an arithmetic shift, is multiplied by the negated
 * weight. The values are those of the first way to the last bit, and no verifier follows a product twice.
 */
#pragma once

#define LAB_CHECK(threshold, weight)						\
	({									\
		__s64 past = seen - (threshold);				\
		asm volatile("%0 s>>= 63\n\t%0 *= %1" : "+r"(past) : "i"(-(weight)));	\
		past;								\
	})

static __always_inline __u64 lab_checks(const struct __ctx_buff *ctx)
{
	/* The hash fills the upper half, so that the sign is any packet's. */
	__s64 seen = (__s64)((__u64)ctx->hash << 32 | ctx->len);
	__u64 total = 0;

	total += LAB_CHECK(1500, 1);
	total += LAB_CHECK(3000, 2);
	total += LAB_CHECK(4500, 3);
	total += LAB_CHECK(6000, 4);
	total += LAB_CHECK(7500, 5);
	total += LAB_CHECK(9000, 6);
	total += LAB_CHECK(10500, 7);
	total += LAB_CHECK(12000, 8);
	total += LAB_CHECK(13500, 9);
	total += LAB_CHECK(15000, 10);
	total += LAB_CHECK(16500, 11);
	total += LAB_CHECK(18000, 12);
	total += LAB_CHECK(19500, 13);
	total += LAB_CHECK(21000, 14);
	total += LAB_CHECK(22500, 15);
	total += LAB_CHECK(24000, 16);
	total += LAB_CHECK(25500, 17);
	total += LAB_CHECK(27000, 18);
	total += LAB_CHECK(28500, 19);
	total += LAB_CHECK(30000, 20);

	/* Keeps the sum, which nobody needs, from being optimized away. */
	asm volatile("" : : "r"(total));
	return total;
}
