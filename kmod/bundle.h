/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the files of messages on their way
 *
 * A bundle is what a sender has put for one message: its files, and the
 * receivers it is for, a bit for each slot. It hangs on the sender's slot, by
 * its sequence, from before the message is published until nobody may read that
 * any more, or the slot shows it no more. Files are charged to the sender's
 * account while they are in a bundle.
 *
 * A bundle's bit is set while it is put, for who is on the roster, and when a
 * receiver joins that is given the message; it is cleared when that leaves. That
 * a receiver has no more use for a message is read in its own words, the cursor
 * and the holds: a lie costs it its own files.
 *
 * When the last port that took part has left, no files are kept in messages,
 * whatever of these is. So each bundle has a living process, and files that
 * refer to their own channel, or namespace, cannot keep each other for ever.
 *
 * All with the channel's mutex, but that files are closed later: closer.h
 */
#ifndef IPCCHAN_BUNDLE_H
#define IPCCHAN_BUNDLE_H

#include <linux/llist.h>

#include "port.h"

struct file;

/**
 * struct ipcchan_bundle - files of one message
 * @node:	in its slot's tree, by @seq
 * @closing:	in its closer's list, when it is in no tree any more
 * @account:	what the files are charged to; has a reference
 * @seq:	the message's sequence
 * @owed:	receivers' slots it is for, a bit each
 * @over:	while it is looked at: nobody has it yet to read
 * @held:	while it is looked at: somebody holds it
 * @nr:		of @files
 * @files:	with a reference each
 */
struct ipcchan_bundle {
	struct rb_node node;
	struct llist_node closing;
	struct ipcchan_account *account;
	u64 seq;
	u64 owed;
	bool over;
	bool held;
	u32 nr;
	struct file *files[];
};

int ipcchan_bundle_add(struct ipcchan_port *port, struct ipcchan_bundle *bundle,
		       struct ipcchan_why *why);
struct ipcchan_bundle *ipcchan_bundle_find(struct ipcchan_port *port, u32 slot,
					   u64 seq);

void ipcchan_bundle_look(struct ipcchan_channel *chan, u32 slot);
void ipcchan_bundle_join(struct ipcchan_channel *chan, u32 receiver);
void ipcchan_bundle_leave(struct ipcchan_channel *chan, u32 receiver);
void ipcchan_bundle_drop(struct ipcchan_channel *chan, u32 slot, u64 from);
void ipcchan_bundle_drop_all(struct ipcchan_channel *chan, u32 slot);
void ipcchan_bundle_desert(struct ipcchan_channel *chan);

#endif
