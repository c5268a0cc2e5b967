/* A socket operations program. */
#include "bpf.h"

SEC("sockops")
int sock_ops_program(struct sock_ops *ctx)
{
	return ctx->family == 2 && ctx->op == 4 ? 1 : 0;
}
