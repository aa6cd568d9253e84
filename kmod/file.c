// SPDX-License-Identifier: GPL-2.0
/* Files: how they begin and end, and their operations. The calls: call.h */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/pseudo_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "file.h"
#include "ioctl.h"
#include "map.h"
#include "names.h"
#include "sigio.h"
#include "stream.h"
#include "wait.h"

#define IPCCHAN_FS_MAGIC	0x69706363	/* "ipcc" */

/*
 * A file's pages need an address_space of its own, so that unmapping them
 * touches no other's: an anonymous inode on a pseudo file system, which is
 * pinned while a file is open and no longer (or the module could not go).
 */
static struct vfsmount *mount;
static int mount_count;

static int init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, IPCCHAN_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type fs_type = {
	.owner = THIS_MODULE,
	.name = "ipcchan",
	.init_fs_context = init_fs_context,
	.kill_sb = kill_anon_super,
};

static struct inode *get_inode(void)
{
	struct inode *inode;
	int err;

	err = simple_pin_fs(&fs_type, &mount, &mount_count);
	if (err)
		return ERR_PTR(err);
	inode = alloc_anon_inode(mount->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&mount, &mount_count);
	return inode;
}

static void put_inode(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&mount, &mount_count);
}

/* The caller knows that @net lives. Returns an ERR_PTR(). */
static struct ipcchan_file *begin(struct net *net)
{
	struct ipcchan_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->inode = get_inode();
	if (IS_ERR(f->inode)) {
		int err = PTR_ERR(f->inode);

		kfree(f);
		return ERR_PTR(err);
	}
	mutex_init(&f->attach);
	f->in = ipcchan_net(get_net(net));
	return f;
}

static void end(struct ipcchan_file *f)
{
	ipcchan_port_free(f->port);
	ipcchan_grant_free(f->grant);
	put_inode(f->inode);
	put_net(f->in->net);
	kfree(f);
}

static int file_open(struct inode *node, struct file *file)
{
	struct ipcchan_file *f;

	if (in_compat_syscall())
		return -EOPNOTSUPP;
	f = begin(current->nsproxy->net_ns);
	if (IS_ERR(f))
		return PTR_ERR(f);
	file->private_data = f;
	file->f_mapping = f->inode->i_mapping;
	return nonseekable_open(node, file);
}

static int file_release(struct inode *node, struct file *file)
{
	end(file->private_data);
	return 0;
}

static int file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcchan_port *port = ipcchan_file_port(file->private_data);

	return port ? ipcchan_map(port, vma) : -ENOTCONN;
}

static __poll_t file_poll(struct file *file, struct poll_table_struct *table)
{
	struct ipcchan_port *port = ipcchan_file_port(file->private_data);

	return port ? ipcchan_poll(port, file, table) : EPOLLERR;
}

static int file_fasync(int fd, struct file *file, int on)
{
	struct ipcchan_port *port = ipcchan_file_port(file->private_data);

	if (!port)
		return on ? -ENOTCONN : 0;
	return ipcchan_sigio_listen(port, fd, file, on);
}

/* Files opened by 64-bit programs and used by 32-bit ones. */
static long file_compat_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	return -EOPNOTSUPP;
}

/* Of the device's files, and of those made here, which are never ->open()ed. */
const struct file_operations ipcchan_file_ops = {
	.owner = THIS_MODULE,
	.open = file_open,
	.release = file_release,
	.unlocked_ioctl = ipcchan_ioctl,
	.compat_ioctl = file_compat_ioctl,
	.mmap = file_mmap,
	.poll = file_poll,
	.fasync = file_fasync,
	.read_iter = ipcchan_stream_read,
	.write_iter = ipcchan_stream_write,
	.splice_read = ipcchan_stream_splice_read,
	.splice_write = ipcchan_stream_splice_write,
};

/*
 * ipcchan_file_make() - a file for reading and writing, and a descriptor for it
 * @in:		its namespace, which the caller holds
 *
 * To be installed or dropped. -EMFILE, -ENFILE, -ENOMEM.
 */
int ipcchan_file_make(struct ipcchan_net *in, struct ipcchan_making *making)
{
	making->f = begin(in->net);
	if (IS_ERR(making->f))
		return PTR_ERR(making->f);
	making->f->made = true;
	making->file = anon_inode_getfile("[ipcchan]", &ipcchan_file_ops,
					  making->f, O_RDWR);
	if (IS_ERR(making->file)) {
		end(making->f);
		return PTR_ERR(making->file);
	}
	making->file->f_mapping = making->f->inode->i_mapping;
	making->fd = get_unused_fd_flags(O_CLOEXEC);
	if (making->fd < 0) {
		fput(making->file);
		return making->fd;
	}
	return 0;
}

/* Now the process has it. */
void ipcchan_file_install(struct ipcchan_making *making)
{
	fd_install(making->fd, making->file);
}

/* Nobody has seen it: it ends, with what was put into it. */
void ipcchan_file_drop(struct ipcchan_making *making)
{
	put_unused_fd(making->fd);
	fput(making->file);
}
