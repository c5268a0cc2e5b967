/* Copyright: Friday contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 *
 * The incident's checks: each takes a value down to 0 or all ones by an arithmetic shift and masks a weight with that,
 * as compilers write `x < 0 ? weight : 0`. A verifier that forks its state there has 2^N paths through N of them, in
 * straight-line code that gives it no place to prune.
 */
#include "bpf.h"

#define FORKS(x, weight)                                                                                               \
	({                                                                                                             \
		__u64 y = (x);                                                                                         \
		asm volatile("%0 s>>= 63\n\t%0 &= %1" : "+r"(y) : "i"(weight));                                        \
		y;                                                                                                     \
	})

#define DOES_NOT(x, weight)                                                                                            \
	({                                                                                                             \
		__u64 y = (x);                                                                                         \
		asm volatile("%0 >>= 63\n\t%0 *= %1" : "+r"(y) : "i"(weight));                                         \
		y;                                                                                                     \
	})

#define FOUR(check, x)                                                                                                 \
	(check((x) << 1, 3) + check((x) << 2, 5) + check((x) << 3, 7) + check((x) << 4, 9))
