/* Kfuncs that came with 6.2 (bpf_rcu_read_lock). */
#include "bpf.h"

extern void bpf_rcu_read_lock(void) KSYM;
extern void bpf_rcu_read_unlock(void) KSYM;

SEC("tc")
int kfunc_rcu(struct skb *skb)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}
