/* XDP that reads a packet that may be too short. Refused everywhere. */
#include "bpf.h"

SEC("xdp")
int xdp_out_of_bounds(struct xdp *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data[12] == 8 ? 2 : 1;
}
