/* A variable of the kernel's that is something else there. */
#include "bpf.h"

extern const int runqueues KSYM;

SEC("raw_tp/sys_enter")
int kernel_variable_other_type(void *ctx)
{
	int *value = per_cpu_ptr(&runqueues, 0);

	return value ? *value : 0;
}
