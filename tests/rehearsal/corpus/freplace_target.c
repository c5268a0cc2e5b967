/* A program with a function that others may replace, as libxdp's dispatcher has them. */
#define xdp xdp_md /* the verifier knows a context by its name */
#include "bpf.h"

NOINLINE int replaced(struct xdp *ctx)
{
	volatile int result = 2;

	return ctx ? result : 1;
}

SEC("xdp")
int freplace_target(struct xdp *ctx)
{
	return replaced(ctx);
}
