/* Cilium's old tail calls beside an XDP program: their sections say nothing of a type, so that it is the object's. */
#include "bpf.h"

#ifdef LIBBPF
#define TAIL_CALL SEC("xdp") int
#else
#define TAIL_CALL SEC("2/7") static int
#endif

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	NUMBER(max_entries, 50);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
} legacy_xdp_calls SEC(".maps");

TAIL_CALL tail_legacy_xdp(struct xdp *ctx)
{
	__u8 *data = (void *)(__u64)ctx->data, *end = (void *)(__u64)ctx->data_end;

	return data + 1 > end ? 1 : 2 + (*data & 1);
}

SEC("xdp")
int legacy_xdp(struct xdp *ctx)
{
	tail_call(ctx, &legacy_xdp_calls, 7);
	return 2;
}
