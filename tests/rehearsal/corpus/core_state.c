/* CO-RE: a field that was renamed (task_struct.state is __state since 5.14), read without asking whether it is there. */
#include "bpf.h"

struct task_struct {
	volatile long state;
} CORE;

SEC("kprobe/do_exit")
int core_state(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	long state = 0;

	probe_read_kernel(&state, sizeof(state), (void *)&task->state);
	return state > 1;
}
