// SPDX-License-Identifier: GPL-2.0
/* Files of ours as streams of bytes: they are none. */
#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>

#include "stream.h"

#define READS	"reads a port: messages are taken with ipcchan_recv() or 'ipccat recv'"
#define WRITES	"writes a port: messages are sent with ipcchan_send() or 'ipccat send'"

/* Anybody can make us say it: seldom, and without counting what was not said. */
static int refuse(const char *what)
{
	static struct ratelimit_state limit =
		RATELIMIT_STATE_INIT_FLAGS(limit, 60 * HZ, 4,
					   RATELIMIT_MSG_ON_RELEASE);

	if (__ratelimit(&limit))
		pr_info("ipcchan: %s[%d] %s\n", current->comm,
			task_pid_nr(current), what);
	return -EOPNOTSUPP;
}

ssize_t ipcchan_stream_read(struct kiocb *iocb, struct iov_iter *to)
{
	return refuse(READS);
}

ssize_t ipcchan_stream_write(struct kiocb *iocb, struct iov_iter *from)
{
	return refuse(WRITES);
}

ssize_t ipcchan_stream_splice_read(struct file *in, loff_t *pos,
				   struct pipe_inode_info *pipe, size_t length,
				   unsigned int flags)
{
	return refuse(READS);
}

ssize_t ipcchan_stream_splice_write(struct pipe_inode_info *pipe,
				    struct file *out, loff_t *pos,
				    size_t length, unsigned int flags)
{
	return refuse(WRITES);
}
