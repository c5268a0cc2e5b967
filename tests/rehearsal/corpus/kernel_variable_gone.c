/* A variable that no kernel has. */
#include "bpf.h"

extern const int of_no_kernel KSYM;

SEC("raw_tp/sys_enter")
int kernel_variable_gone(void *ctx)
{
	int *value = per_cpu_ptr(&of_no_kernel, 0);

	return value ? *value : 0;
}
