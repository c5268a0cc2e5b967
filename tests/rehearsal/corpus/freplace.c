/* A replacement for a function of another program: not to be tried by itself. */
#include "bpf.h"

SEC("freplace/somebody")
int freplace(struct xdp *ctx)
{
	return 2;
}
