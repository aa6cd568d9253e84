/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what differs between the kernels we build for, and nothing else
 */
#ifndef IPCCHAN_COMPAT_H
#define IPCCHAN_COMPAT_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set,
				vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* Where symbols of DMA-BUF are. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define IPCCHAN_IMPORT_DMA_BUF()	MODULE_IMPORT_NS(DMA_BUF)
#else
#define IPCCHAN_IMPORT_DMA_BUF()	MODULE_IMPORT_NS("DMA_BUF")
#endif

/* A descriptor of the caller's, O_CLOEXEC, if the security module agrees. */
static inline int ipcchan_receive_fd(struct file *file)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	return receive_fd(file, O_CLOEXEC);
#else
	return receive_fd(file, NULL, O_CLOEXEC);
#endif
}

/* Kernels call files regular, too, that are processes, or of no kind. */
static inline bool ipcchan_is_regular(const struct file *file)
{
	const struct inode *inode = file_inode(file);

#ifdef S_ANON_INODE
	if (inode->i_flags & S_ANON_INODE)
		return false;
#endif
#ifdef PID_FS_MAGIC
	if (inode->i_sb->s_magic == PID_FS_MAGIC)
		return false;
#endif
	return S_ISREG(inode->i_mode);
}

/* The attributes of a request to dump. */
static inline struct nlattr **ipcchan_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_dumpit_info(cb)->info.attrs;
#endif
}

#endif
