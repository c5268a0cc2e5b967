/* Configuration as newer Cilium has it: read-only data of its own section, which the agent writes before it loads. */
#include "bpf.h"

const volatile __u32 __config_limit __attribute__((section(".rodata.config"))) = 12;

SEC("tc")
int configuration(struct skb *skb)
{
	return skb->len > __config_limit ? 2 : 0;
}
