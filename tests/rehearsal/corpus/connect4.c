/* A hook of a cgroup: a socket is redirected before it connects. */
#include "bpf.h"

SEC("cgroup/connect4")
int connect4(struct sock_addr *ctx)
{
	if (ctx->user_port == 0x5000)
		ctx->user_ip4 = 0x0100007f;
	return 1;
}
