/* Reads through an argument of a tracepoint that may be NULL, without asking: newer kernels know which may be. */
#include "bpf.h"

struct task_struct {
	int pid;
} CORE;

SEC("tp_btf/sched_pi_setprio")
int nullable_argument(__u64 *context)
{
	struct task_struct *boss = (void *)context[1];

	return boss->pid == 1;
}
