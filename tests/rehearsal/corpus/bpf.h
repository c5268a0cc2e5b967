/* Copyright: Friday contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 *
 * What the corpus needs of the kernel's interface, written down by hand: types, helpers by their numbers
 * (include/uapi/linux/bpf.h), map definitions in BTF's form.
 */
#ifndef CORPUS_BPF_H
#define CORPUS_BPF_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define CORE __attribute__((preserve_access_index))
#define KSYM __attribute__((section(".ksyms")))
#define KCONFIG __attribute__((section(".kconfig")))

/* Members of a map's definition. */
#define NUMBER(name, value) int(*name)[value]
#define KIND(name, type) typeof(type) *name

enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PROG_ARRAY = 3,
	MAP_PERF_EVENT_ARRAY = 4,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_LPM_TRIE = 11,
	MAP_ARRAY_OF_MAPS = 12,
	MAP_HASH_OF_MAPS = 13,
	MAP_RINGBUF = 27,
};

struct skb { /* struct __sk_buff, up to what is used */
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	__u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

struct xdp { /* struct xdp_md */
	__u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct sock_addr { /* struct bpf_sock_addr, up to what is used */
	__u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol;
};

struct sock_ops { /* struct bpf_sock_ops, up to what is used */
	__u32 op, args[4], family, remote_ip4, local_ip4;
};

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static __u64 (*ktime_get_ns)(void) = (void *)5;
static __u32 (*get_prandom_u32)(void) = (void *)7;
static long (*tail_call)(void *ctx, void *array, __u32 index) = (void *)12;
static __u64 (*get_current_pid_tgid)(void) = (void *)14;
static long (*perf_event_output)(void *ctx, void *map, __u64 flags, void *data, __u64 size) = (void *)25;
static __u64 (*get_current_task)(void) = (void *)35;
static long (*probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)113;
static void *(*ringbuf_reserve)(void *map, __u64 size, __u64 flags) = (void *)131;
static void (*ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static void (*ringbuf_discard)(void *data, __u64 flags) = (void *)133;
static long (*seq_write)(void *seq, const void *data, __u32 size) = (void *)127;
static void *(*per_cpu_ptr)(const void *variable, __u32 processor) = (void *)153;
static long (*loop)(__u32 count, void *callback, void *ctx, __u64 flags) = (void *)181;
static __u64 (*ktime_get_tai_ns)(void) = (void *)208;

char _license[] SEC("license") = "GPL";

#endif
