/* Configuration as Cilium 1.15 has it: the address of a constant stands where its loader puts the constant. Taken
 * for an address, 32 bits of it are no number for the verifier. */
#include "bpf.h"

#ifdef LIBBPF
#define CONFIG(name) ({ __u64 out; asm volatile("%0 = 2596069104 ll" : "=r"(out)); (__u32)out; })
#else
SEC(".rodata.config") static const __u32 __config_security = 0x9abcdef0;
#define CONFIG(name) ({ __u64 out; asm volatile("%0 = __config_" #name " ll" : "=r"(out)); (__u32)out; })
#endif

SEC("tc")
int inlined_configuration(struct skb *skb)
{
	__u32 security = CONFIG(security);

	skb->mark = security & 0xffff;
	return security + skb->hash > 7 ? 0 : 2;
}
