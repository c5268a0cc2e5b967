/* fentry on a function that newer kernels do not have any more (set_fs_root and its like stay; account_page_dirtied went with 5.16). */
#include "bpf.h"

SEC("fentry/__set_page_dirty_nobuffers")
int fentry_gone(void *ctx)
{
	return 0;
}
