/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the messages of a queue, as the kernel knows them
 *
 * An item for each place of each sender's ring, in one of these states:
 *
 *   FREE		nothing there, or the sender's own: retired
 *   READY	to be claimed
 *   DELAYED	refused, not to be claimed yet
 *   CLAIMED	a receiver has it: the item's claim
 *   DEAD	came back too often: waits for a place in the dead-letter queue
 *   DONE	acknowledged or dropped; FREE when no claim is on it
 *
 * READY items stand in a list for each priority of a sender: those taken in from
 * the ring in its order, and those that came back, all older than the former,
 * by their sequence. A bit mask a priority says which senders have any.
 *
 * Items belong to who attached the sender, who is charged for them; they are its
 * slot's from when it joins, and end with it. All else is the channel's. Under
 * the channel's lock, and no loop there is over more than 64 messages or slots,
 * but for one: the claims of a port (1024 at most) are searched for one that is
 * stale, and the lock is dropped before the next search.
 *
 * What a sender is owed (room, and a wake-up) is paid by ipcchan_queue_pay(),
 * before the lock is dropped. Files of what is retired are closed by
 * ipcchan_bundle_sweep(), after that.
 */
#ifndef IPCCHAN_QUEUE_H
#define IPCCHAN_QUEUE_H

#include <linux/rbtree.h>

#include "port.h"

struct ipcchan_holding;
struct ipcchan_dead;

/* What has come about since receivers were woken: in ipcchan_queue.news. */
#define IPCCHAN_NEWS_READY	1	/* something can be claimed */
#define IPCCHAN_NEWS_LESS	2	/* something may have been the last */

enum ipcchan_item_state {
	IPCCHAN_ITEM_FREE,
	IPCCHAN_ITEM_READY,
	IPCCHAN_ITEM_DELAYED,
	IPCCHAN_ITEM_CLAIMED,
	IPCCHAN_ITEM_DEAD,
	IPCCHAN_ITEM_DONE,
};

struct ipcchan_item {
	u64 seq;
	union {
		struct list_head entry;	/* READY as it came, DEAD */
		struct rb_node node;	/* READY again, DELAYED */
	};
	u64 due_ns;			/* DELAYED */
	struct ipcchan_holding *claim;	/* CLAIMED: the current one */
	u32 deliveries;
	u32 nr_claims;			/* on it, with those that are stale */
	u8 state;
	u8 priority;
	bool returned;			/* READY: among those that came back */
};

struct ipcchan_items {
	/* constant */
	struct ipcchan_account *account;
	struct ipcchan_usage *net;
	u64 bytes;

	/* protected by the channel's lock */
	u64 taken;		/* the newest taken in */
	u64 retired;		/* how many, ever; as the roster says */
	u32 nr_used;		/* that are not FREE */
	u32 nr_ready;
	u32 nr_delayed;
	u32 nr_claimed;
	u32 nr_dead;
	bool burying;		/* one of those is being copied */
	struct list_head fresh[IPCCHAN_PRIORITIES];
	struct rb_root_cached returned[IPCCHAN_PRIORITIES];
	struct rb_root_cached delayed;	/* by when they are due */
	struct list_head dead;
	struct ipcchan_item item[];
};

struct ipcchan_queue {
	/* constant */
	struct ipcchan_channel *chan;
	u64 lease_ns;
	u32 max_deliveries;

	/* protected by the channel's lock */
	u64 open;		/* slots from which is taken in, a bit each */
	u64 ready[IPCCHAN_PRIORITIES];	/* slots with READY items, likewise */
	u32 priorities;		/* for which there are any */
	u8 last[IPCCHAN_PRIORITIES];	/* slot that had its turn */
	u64 delayed;		/* slots with DELAYED items */
	u64 dying;		/* slots with DEAD items */
	u64 nr_ready;
	u64 nr_delayed;
	u64 nr_claimed;
	u64 nr_dead;
	u32 news;		/* IPCCHAN_NEWS_* */
	u64 owed;		/* slots with retired items their senders know not of */
	struct list_head spent;	/* files of what is retired; bundle.h */
	bool reap;		/* one that drains has become empty */

	struct ipcchan_dead *dead;	/* NULL: what is dead is dropped */
	u32 last_dead;		/* slot that had its turn to be copied */

	struct list_head sleepers;	/* claim.c: who sleeps in CLAIM */
	u32 nr_woken;		/* who was woken and has not come back */
	struct list_head leased;	/* claims, by when they are over; lease.c */
	u64 alarm_ns;		/* when work is to run; 0: it is not */

	u64 acknowledged;
	u64 redelivered;
	u64 died;
	u64 dropped;

	struct delayed_work work;	/* lease.c */
	struct delayed_work burial;	/* dead.c */
	bool ended;			/* they are not started any more */
};

int ipcchan_queue_alloc(struct ipcchan_channel *chan,
			const struct ipcchan_create *args,
			struct ipcchan_why *why);
void ipcchan_queue_free(struct ipcchan_channel *chan);

struct ipcchan_items *ipcchan_items_alloc(const struct ipcchan_channel *chan,
					  struct ipcchan_account *account,
					  struct ipcchan_why *why);
struct ipcchan_items *ipcchan_items_free(struct ipcchan_items *items);

void ipcchan_queue_join(struct ipcchan_channel *chan, u32 slot,
			struct ipcchan_items *items);
void ipcchan_queue_hide(struct ipcchan_channel *chan, u32 slot);

bool ipcchan_queue_take_in(struct ipcchan_channel *chan);
bool ipcchan_queue_claimable(const struct ipcchan_channel *chan);
bool ipcchan_queue_pending(const struct ipcchan_channel *chan);
bool ipcchan_queue_needs(struct ipcchan_channel *chan, u32 slot);

struct ipcchan_item *ipcchan_queue_find(struct ipcchan_channel *chan, u64 seq);
struct ipcchan_item *ipcchan_queue_claim(struct ipcchan_channel *chan);
void ipcchan_queue_return(struct ipcchan_channel *chan,
			  struct ipcchan_item *item, u64 delay_ns);
void ipcchan_queue_unclaim(struct ipcchan_channel *chan,
			   struct ipcchan_item *item);
void ipcchan_queue_done(struct ipcchan_channel *chan,
			struct ipcchan_item *item);
void ipcchan_queue_drop(struct ipcchan_channel *chan,
			struct ipcchan_item *item);
void ipcchan_queue_let_go(struct ipcchan_channel *chan,
			  struct ipcchan_item *item);
void ipcchan_queue_undead(struct ipcchan_channel *chan,
			  struct ipcchan_item *item, bool buried);
void ipcchan_queue_undelay(struct ipcchan_channel *chan,
			   struct ipcchan_item *item);

bool ipcchan_queue_room(const struct ipcchan_port *sender);
void ipcchan_queue_pay(struct ipcchan_channel *chan);
void ipcchan_queue_settle(struct ipcchan_channel *chan);
void ipcchan_queue_pause(struct ipcchan_channel *chan);

static inline u32 ipcchan_seq_slot(u64 seq)
{
	return (seq & ~IPCCHAN_SEQ_VOID) >> IPCCHAN_SEQ_SLOT_SHIFT;
}

/* An item of a sender that is there. */
static inline struct ipcchan_item *
ipcchan_items_at(const struct ipcchan_channel *chan,
		 struct ipcchan_items *items, u64 seq)
{
	return &items->item[seq & (chan->geometry.depth - 1)];
}

#endif
