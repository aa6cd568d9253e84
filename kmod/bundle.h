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
 * On a queue none of that counts: files are for who has claimed the message, and
 * are closed when it is retired. They are taken out of the tree there and then,
 * and closed by ipcchan_bundle_sweep(), without the lock.
 *
 * When the last port that took part has left, no files are kept in messages,
 * whatever of these is; but those on a queue that refer to no channel and no
 * namespace (cargo.h). So each bundle of others has a living process, and files
 * that refer to their own channel, or namespace, cannot keep each other for ever.
 *
 * All with the channel's mutex, but for what says otherwise. A tree is changed
 * with the channel's lock, too; a queue's is read with that. What is in no tree any
 * more is closed later: closer.h
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
 * @spent:	taken out: in the queue's list of what is to be closed
 * @account:	what the files are charged to; has a reference
 * @seq:	the message's sequence
 * @owed:	receivers' slots it is for, a bit each
 * @over:	while it is looked at: nobody has it yet to read
 * @held:	while it is looked at: somebody holds it
 * @stays:	it may outlive the ports
 * @nr:		of @files
 * @files:	with a reference each
 */
struct ipcchan_bundle {
	union {
		struct rb_node node;
		struct list_head spent;
		struct llist_node closing;
	};
	struct ipcchan_account *account;
	u64 seq;
	u64 owed;
	bool over;
	bool held;
	bool stays;
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

void ipcchan_bundle_spend(struct ipcchan_channel *chan, u32 slot, u64 seq);
void ipcchan_bundle_sweep(struct ipcchan_channel *chan);
struct ipcchan_bundle *ipcchan_bundle_take_out(struct ipcchan_channel *chan,
					       u64 seq);
bool ipcchan_bundle_put_in(struct ipcchan_channel *chan,
			   struct ipcchan_bundle *bundle, u64 seq);
void ipcchan_bundle_destroy(struct ipcchan_channel *chan,
			    struct ipcchan_bundle *bundle);

#endif
