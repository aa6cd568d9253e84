// SPDX-License-Identifier: GPL-2.0
/* The list of what may be sent: Documentation/files.md */
#include <linux/dma-buf.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <net/sock.h>

#include "cargo.h"
#include "compat.h"
#include "file.h"

IPCCHAN_IMPORT_DMA_BUF();

/* Not of those that stand for a namespace. */
static bool is_regular(const struct file *file)
{
	return ipcchan_is_regular(file) &&
	       file_inode(file)->i_sb->s_magic != NSFS_MAGIC;
}

/* AF_UNIX sockets carry files themselves. */
static bool is_socket(struct file *file)
{
	struct socket *sock = sock_from_file(file);

	return sock && sock->sk && sock->sk->sk_family != AF_UNIX;
}

static bool is_eventfd(struct file *file)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return false;
	eventfd_ctx_put(ctx);
	return true;
}

/* It can be asked for by descriptor only; which may be another's by now. */
static bool is_dma_buf(struct file *file, int fd)
{
	struct dma_buf *buffer;
	bool same;

	if (!IS_ENABLED(CONFIG_DMA_SHARED_BUFFER))
		return false;
	buffer = dma_buf_get(fd);
	if (IS_ERR(buffer))
		return false;
	same = buffer->file == file;
	dma_buf_put(buffer);
	return same;
}

/* What one is, it is from the beginning. */
static bool is_handle(const struct file *file)
{
	const struct ipcchan_file *f = file->private_data;

	return file->f_op == &ipcchan_file_ops && f->grant;
}

/* Is it a disk, and no program, network or file that stands for one? */
static bool is_disk(const struct super_block *sb)
{
	return sb->s_bdev && sb->s_magic != FUSE_SUPER_MAGIC &&
	       MAJOR(sb->s_bdev->bd_dev) != LOOP_MAJOR &&
	       MAJOR(sb->s_bdev->bd_dev) != NBD_MAJOR;
}

/* Of a file system that lies on a disk or in memory, and on no other system. */
static bool is_contents(const struct file *file)
{
	const struct super_block *sb = file_inode(file)->i_sb;

	return is_disk(sb) || sb->s_magic == TMPFS_MAGIC ||
	       sb->s_magic == RAMFS_MAGIC || sb->s_magic == PIPEFS_MAGIC;
}

/*
 * ipcchan_cargo_stays() - may a queue keep it when its ports have gone?
 *
 * It refers to no channel and no network namespace, whatever is done with it.
 */
bool ipcchan_cargo_stays(struct file *file)
{
	if (is_regular(file) || S_ISFIFO(file_inode(file)->i_mode))
		return is_contents(file);
	return is_eventfd(file);
}

/* ipcchan_cargo_check() - may this file, which @fd refers to, be sent? -ELOOP */
int ipcchan_cargo_check(struct file *file, int fd, struct ipcchan_why *why)
{
	if (is_regular(file) || S_ISFIFO(file_inode(file)->i_mode) ||
	    is_socket(file) || is_eventfd(file) || is_dma_buf(file, fd) ||
	    is_handle(file))
		return 0;
	return ipcchan_refuse(why, -ELOOP,
			      "files of that kind may form a cycle, or are not known not to");
}
