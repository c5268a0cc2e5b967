/* Copyright: Friday contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 *
 * A congestion control of TCP, a struct of the kernel's whose functions are BPF programs. REGISTERED is the section of the
 * struct: it says how it is registered.
 */
#include "bpf.h"

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	char name[16];
} CORE;

SEC("struct_ops/ssthresh")
__u32 ssthresh(__u64 *context)
{
	return 2;
}

SEC("struct_ops/undo_cwnd")
__u32 undo_cwnd(__u64 *context)
{
	return 10;
}

SEC("struct_ops/cong_avoid")
int cong_avoid(__u64 *context)
{
	return 0;
}

struct tcp_congestion_ops corpus SEC(REGISTERED) = {
	.ssthresh = (void *)ssthresh,
	.undo_cwnd = (void *)undo_cwnd,
	.cong_avoid = (void *)cong_avoid,
	.name = "corpus",
};
