/* An iterator over tasks. */
#include "bpf.h"

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CORE;

struct iter_task {
	struct bpf_iter_meta *meta;
	void *task;
};

SEC("iter/task")
int iterator(struct iter_task *ctx)
{
	char line[] = "task\n";

	if (ctx->task)
		seq_write(ctx->meta->seq, line, sizeof(line) - 1);
	return 0;
}
