/* Variables that the kernel's own configuration fills: an option, and the version as vmlinux.h has its type. */
#include "bpf.h"

extern __u32 LINUX_KERNEL_VERSION KCONFIG;
extern int CONFIG_HZ KCONFIG;
extern _Bool CONFIG_NO_SUCH_OPTION KCONFIG __attribute__((weak));

SEC("tc")
int kernel_options(struct skb *skb)
{
	if (CONFIG_NO_SUCH_OPTION)
		return *(volatile int *)0; /* refused, unless it is known that this is never done */
	return LINUX_KERNEL_VERSION > 0x050000 && CONFIG_HZ > 0 ? 0 : 2;
}
