/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the calls on a file
 */
#ifndef IPCCHAN_IOCTL_H
#define IPCCHAN_IOCTL_H

struct file;

long ipcchan_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif
