// SPDX-License-Identifier: GPL-2.0
/* The character device: files and their operations. The calls: ioctl.c */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/nsproxy.h>
#include <linux/pseudo_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "device.h"
#include "ioctl.h"
#include "map.h"
#include "names.h"
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

static int device_open(struct inode *node, struct file *file)
{
	struct ipcchan_file *f;

	if (in_compat_syscall())
		return -EOPNOTSUPP;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->inode = get_inode();
	if (IS_ERR(f->inode)) {
		int err = PTR_ERR(f->inode);

		kfree(f);
		return err;
	}
	mutex_init(&f->attach);
	f->in = ipcchan_net(get_net(current->nsproxy->net_ns));
	file->private_data = f;
	file->f_mapping = f->inode->i_mapping;
	return nonseekable_open(node, file);
}

static int device_release(struct inode *node, struct file *file)
{
	struct ipcchan_file *f = file->private_data;

	ipcchan_port_free(f->port);
	put_inode(f->inode);
	put_net(f->in->net);
	kfree(f);
	return 0;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcchan_port *port = ipcchan_file_port(file->private_data);

	return port ? ipcchan_map(port, vma) : -ENOTCONN;
}

static __poll_t device_poll(struct file *file, struct poll_table_struct *table)
{
	struct ipcchan_port *port = ipcchan_file_port(file->private_data);

	return port ? ipcchan_poll(port, file, table) : EPOLLERR;
}

/* Files opened by 64-bit programs and used by 32-bit ones. */
static long device_compat_ioctl(struct file *file, unsigned int cmd,
				unsigned long arg)
{
	return -EOPNOTSUPP;
}

static const struct file_operations device_ops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = ipcchan_ioctl,
	.compat_ioctl = device_compat_ioctl,
	.mmap = device_mmap,
	.poll = device_poll,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcchan",
	.fops = &device_ops,
	.mode = 0666,
};

int ipcchan_device_init(void)
{
	return misc_register(&device);
}

void ipcchan_device_exit(void)
{
	misc_deregister(&device);
}
