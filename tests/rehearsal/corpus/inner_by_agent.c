/* Maps in a map, of which the agent says what they are like when it loads the object (systemd's restrict_filesystems). */
#include "bpf.h"

struct path {
	__u64 parts[4];
};

#ifdef LIBBPF
struct inner {
	NUMBER(type, MAP_HASH);
	NUMBER(max_entries, 8);
	NUMBER(key_size, sizeof(struct path));
	NUMBER(value_size, sizeof(__u64));
};
#endif

struct {
	NUMBER(type, MAP_HASH_OF_MAPS);
	NUMBER(max_entries, 8);
	KIND(key, __u32);
#ifdef LIBBPF
	struct inner *values[];
#else
	NUMBER(value_size, sizeof(__u32));
#endif
} rules SEC(".maps");

SEC("tc")
int inner_by_agent(struct skb *skb)
{
	struct path path = {.parts = {skb->mark}};
	__u32 key = skb->ifindex;
	void *inner = map_lookup(&rules, &key);
	__u64 *found;

	if (!inner)
		return 0;
	found = map_lookup(inner, &path);
	return found ? (int)*found & 1 : 0;
}
