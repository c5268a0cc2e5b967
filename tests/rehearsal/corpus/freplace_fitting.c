/* A replacement for a function of another object's program (freplace_target). bpftool can't say of which: as a program of
 * its own it is the same code.
 */
#define xdp xdp_md /* the verifier knows a context by its name */
#include "bpf.h"

#ifdef LIBBPF
SEC("xdp")
#else
SEC("freplace/replaced")
#endif
int freplace_fitting(struct xdp *ctx)
{
	return 2;
}
