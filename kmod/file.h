/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: files
 *
 * A file holds a network namespace and the inode whose mapping its pages are
 * found by. It is bare when it was opened from /dev/ipcchan, and may become a
 * port once. The module makes files too, handles and ports: they need no /dev,
 * are what they are from the beginning, and reach no channel by name, so that
 * whoever is given one has got nothing else.
 *
 * A file being made is invisible until ipcchan_file_install(), which cannot
 * fail; until then ipcchan_file_drop() undoes all of it.
 */
#ifndef IPCCHAN_FILE_H
#define IPCCHAN_FILE_H

#include <linux/mutex.h>

#include "grant.h"
#include "port.h"

struct file;
struct inode;

struct ipcchan_file {
	/* constant */
	struct ipcchan_net *in;		/* holds the network namespace */
	struct inode *inode;		/* whose mapping the file uses */
	bool made;			/* by the module: knows no names */
	struct ipcchan_grant *grant;	/* a handle's; or NULL */
	/* set once, with attach held; read by anybody */
	struct mutex attach;
	struct ipcchan_port *port;
};

/* A file on its way to its descriptor. */
struct ipcchan_making {
	struct ipcchan_file *f;
	struct file *file;
	int fd;
};

/* The port the file has become, or NULL. */
static inline struct ipcchan_port *
ipcchan_file_port(const struct ipcchan_file *f)
{
	/* pairs with the release of who sets it: the port is complete */
	return smp_load_acquire(&f->port);
}

int ipcchan_file_make(struct ipcchan_net *in, struct ipcchan_making *making);
void ipcchan_file_install(struct ipcchan_making *making);
void ipcchan_file_drop(struct ipcchan_making *making);

extern const struct file_operations ipcchan_file_ops;

#endif
