/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: claims: what a receiver has of a queue, and who sleeps for more
 *
 * A receiving port on a queue has as many claims as the geometry has holds. A
 * claim names a message by its sequence and is the item's current one, or stale:
 * the lease was over, or the sender was evicted. Stale ones stay until their
 * holder lets go of them, or goes.
 *
 * Who sleeps in CLAIM stands in the queue's list, first come first woken, one for
 * each message that can be claimed. Who was woken counts until it is back in
 * CLAIM, under the lock; then, and whenever a message has become claimable, the
 * next is woken if there are more messages than such.
 *
 * All under the channel's lock, but for the buffers of a call: those are whose
 * thread has made the claimer busy. One thread at a time.
 */
#ifndef IPCCHAN_CLAIM_KERNEL_H
#define IPCCHAN_CLAIM_KERNEL_H

#include "port.h"

struct ipcchan_holding {
	struct ipcchan_port *port;	/* constant */
	struct list_head lease;		/* in the queue's, or empty */
	u64 expires_ns;
	u64 seq;			/* 0: free */
	u32 deliveries;			/* of the message, with this claim */
	u32 next;			/* free: the next that is */
};

struct ipcchan_claimer {
	/* constant */
	struct ipcchan_port *port;
	u64 bytes;

	/* of the one thread in CLAIM */
	atomic_t busy;
	u32 nr_claimed;
	struct ipcchan_verdict verdicts[IPCCHAN_CLAIM_MOST];
	struct ipcchan_claimed claimed[IPCCHAN_CLAIM_MOST];
	u32 claimed_by[IPCCHAN_CLAIM_MOST];	/* which holding */

	/* protected by the channel's lock */
	struct list_head sleeping;	/* in the queue's, or empty */
	bool woken;
	u32 nr_stale;
	u32 nr_free;
	u32 free;
	struct ipcchan_holding holding[];
};

int ipcchan_claimer_alloc(struct ipcchan_port *port, struct ipcchan_why *why);
void ipcchan_claimer_free(struct ipcchan_port *port);
void ipcchan_claimer_leave(struct ipcchan_port *port);
void ipcchan_claimer_return(struct ipcchan_port *port);

int ipcchan_claim(struct ipcchan_port *port, struct ipcchan_claim *args,
		  struct ipcchan_claim __user *user);

int ipcchan_claim_has(struct ipcchan_port *port, u64 seq);

void ipcchan_claim_expire(struct ipcchan_channel *chan,
			  struct ipcchan_holding *holding);
void ipcchan_claim_wake(struct ipcchan_channel *chan);

#endif
