/* A program array, filled by the loader, and what it calls. */
#include "bpf.h"

int second(struct skb *skb);

struct {
	NUMBER(type, MAP_PROG_ARRAY);
	NUMBER(max_entries, 4);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
} calls SEC(".maps");

SEC("tc")
int second(struct skb *skb)
{
	return skb->len > 100 ? 2 : 0;
}

SEC("tc")
int first(struct skb *skb)
{
	tail_call(skb, &calls, 1);
	return 0;
}
