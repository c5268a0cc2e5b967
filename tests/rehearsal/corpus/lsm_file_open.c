/* An LSM hook, found by BTF. */
#include "bpf.h"

SEC("lsm/file_open")
int lsm_file_open(void *ctx)
{
	return 0;
}
