/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: an open file, and the calls on it
 */
#ifndef IPCCHAN_IOCTL_H
#define IPCCHAN_IOCTL_H

#include <linux/mutex.h>

#include "port.h"

struct file;
struct inode;

struct ipcchan_file {
	/* constant */
	struct ipcchan_net *in;		/* holds the network namespace */
	struct inode *inode;		/* whose mapping the file uses */
	/* set once, with attach held; read by anybody */
	struct mutex attach;
	struct ipcchan_port *port;
};

/* The port the file has become, or NULL. */
static inline struct ipcchan_port *
ipcchan_file_port(const struct ipcchan_file *f)
{
	/* pairs with the release in attach(): the port is complete */
	return smp_load_acquire(&f->port);
}

long ipcchan_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif
