/* CO-RE: a field that each kernel has, somewhere. */
#include "bpf.h"

struct task_struct {
	int pid;
} CORE;

SEC("kprobe/do_exit")
int core_pid(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	int pid = 0;

	probe_read_kernel(&pid, sizeof(pid), &task->pid);
	return pid > 1;
}
