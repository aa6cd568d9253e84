/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: closing the files of messages
 *
 * Who sent a file chooses how long its last copy takes to close: a socket may
 * linger, a file system may be gone. So no task that lets go of a message closes
 * them, nor a worker that others need: each user has a closer, which closes what
 * he has sent, one after the other. A user is who he is in the initial user
 * namespace, whatever namespaces he makes.
 *
 * Files that are to be closed hold the module, and are limited in number.
 */
#ifndef IPCCHAN_CLOSER_H
#define IPCCHAN_CLOSER_H

#include <linux/atomic.h>
#include <linux/llist.h>
#include <linux/workqueue.h>

struct ipcchan_bundle;

struct ipcchan_closer {
	struct llist_head bundles;
	atomic_t files;		/* to be closed */
	struct work_struct work;
};

int ipcchan_closer_start(void);
void ipcchan_closer_stop(void);

void ipcchan_closer_init(struct ipcchan_closer *closer);
bool ipcchan_closer_lags(const struct ipcchan_closer *closer);
void ipcchan_closer_take(struct ipcchan_bundle *bundle);

#endif
