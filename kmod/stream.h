/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: read(), write() and splice(): refused
 *
 * A message is taken by what its receiver writes into its receipts, and sent by
 * what its sender writes into its outbox: pages that the kernel does not write
 * in their place. It would have to be a second writer, and a copy through the
 * kernel is what sockets are for. So all get EOPNOTSUPP, and since an errno cannot
 * name the right call, a line in the kernel's log does. Documentation/streams.md
 */
#ifndef IPCCHAN_STREAM_H
#define IPCCHAN_STREAM_H

#include <linux/fs.h>

ssize_t ipcchan_stream_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t ipcchan_stream_write(struct kiocb *iocb, struct iov_iter *from);
ssize_t ipcchan_stream_splice_read(struct file *in, loff_t *pos,
				   struct pipe_inode_info *pipe, size_t length,
				   unsigned int flags);
ssize_t ipcchan_stream_splice_write(struct pipe_inode_info *pipe,
				    struct file *out, loff_t *pos,
				    size_t length, unsigned int flags);

#endif
