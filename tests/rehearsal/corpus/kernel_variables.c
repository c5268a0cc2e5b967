/* Variables of the kernel's: one with its type, of each processor; one that no kernel has, weak; and a mere address. */
#include "bpf.h"

struct rq {
	unsigned int nr_running;
} CORE;

extern const struct rq runqueues KSYM;
extern const struct rq of_no_kernel KSYM __attribute__((weak));
extern const void bpf_prog_fops KSYM;

SEC("raw_tp/sys_enter")
int kernel_variables(void *ctx)
{
	struct rq *queue = per_cpu_ptr(&runqueues, 0);
	unsigned int running = queue ? queue->nr_running : 0;

	if (&of_no_kernel)
		running += of_no_kernel.nr_running;
	return running > 3 && (__u64)&bpf_prog_fops > 3;
}
