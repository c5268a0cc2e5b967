/* fentry on a function that each kernel has. */
#include "bpf.h"

SEC("fentry/vfs_read")
int fentry_vfs_read(void *ctx)
{
	return 0;
}
