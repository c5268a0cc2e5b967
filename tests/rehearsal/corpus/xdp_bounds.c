/* XDP that looks at the packet within its bounds. Loads everywhere. */
#include "bpf.h"

SEC("xdp")
int xdp_bounds(struct xdp *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 14 > end)
		return 1;
	return data[12] == 8 && data[13] == 0 ? 2 : 1;
}
