// SPDX-License-Identifier: GPL-2.0
/* The messages of a queue: taking in, choosing, returning, retiring. */
#include <asm/barrier.h>
#include <linux/bitops.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "bundle.h"
#include "claim.h"
#include "dead.h"
#include "lease.h"
#include "queue.h"
#include "roster.h"
#include "wait.h"

/* Taken in with the lock held. */
#define TAKE_MOST	64

static struct ipcchan_items *items_of(struct ipcchan_channel *chan,
				      const struct ipcchan_item *item)
{
	return chan->senders[ipcchan_seq_slot(item->seq)].items;
}

static bool is_older(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcchan_item, node)->seq <
	       rb_entry(b, struct ipcchan_item, node)->seq;
}

static bool is_sooner(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcchan_item, node)->due_ns <
	       rb_entry(b, struct ipcchan_item, node)->due_ns;
}

/* Ready: as it comes from the ring, or again. */
static void make_ready(struct ipcchan_channel *chan, struct ipcchan_items *items,
		       struct ipcchan_item *item, bool returned)
{
	struct ipcchan_queue *q = chan->queue;
	u32 priority = item->priority;

	item->state = IPCCHAN_ITEM_READY;
	item->returned = returned;
	q->news |= IPCCHAN_NEWS_READY;
	if (returned)
		rb_add_cached(&item->node, &items->returned[priority], is_older);
	else
		list_add_tail(&item->entry, &items->fresh[priority]);
	items->nr_ready++;
	q->nr_ready++;
	q->ready[priority] |= BIT_ULL(ipcchan_seq_slot(item->seq));
	q->priorities |= 1u << priority;
}

static void unready(struct ipcchan_channel *chan, struct ipcchan_items *items,
		    struct ipcchan_item *item)
{
	struct ipcchan_queue *q = chan->queue;
	u32 priority = item->priority;

	if (item->returned)
		rb_erase_cached(&item->node, &items->returned[priority]);
	else
		list_del(&item->entry);
	items->nr_ready--;
	q->nr_ready--;
	if (!list_empty(&items->fresh[priority]) ||
	    rb_first_cached(&items->returned[priority]))
		return;
	q->ready[priority] &= ~BIT_ULL(ipcchan_seq_slot(item->seq));
	if (!q->ready[priority])
		q->priorities &= ~(1u << priority);
}

/* The descriptor after the newest taken in, if its place is free. */
static const struct ipcchan_desc *next_desc(const struct ipcchan_channel *chan,
					    u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	u64 seq = s->items->taken + 1;

	if (ipcchan_items_at(chan, s->items, seq)->state != IPCCHAN_ITEM_FREE)
		return NULL;
	return ipcchan_region_at(s->outbox, chan->layout.ring +
				 (seq & (chan->geometry.depth - 1)) *
				 sizeof(struct ipcchan_desc));
}

static void take(struct ipcchan_channel *chan, struct ipcchan_items *items,
		 const struct ipcchan_desc *desc)
{
	u64 seq = ++items->taken;
	struct ipcchan_item *item = ipcchan_items_at(chan, items, seq);

	item->seq = seq;
	item->deliveries = 0;
	item->priority = min_t(u32, READ_ONCE(desc->priority),
			       IPCCHAN_PRIORITIES - 1);
	items->nr_used++;
	make_ready(chan, items, item, false);
}

/* Takes in what that sender has published; true: @most were, there may be more. */
static bool take_from(struct ipcchan_channel *chan, u32 slot, u32 *most)
{
	struct ipcchan_items *items = chan->senders[slot].items;

	for (; *most; --*most) {
		const struct ipcchan_desc *desc = next_desc(chan, slot);
		u64 word;

		if (!desc)
			return false;
		word = smp_load_acquire(&desc->seq);	/* B, pairs with A */
		if (word != items->taken + 1 || word > ipcchan_seq_limit(slot)) {
			/* a sender that makes no sense is left alone */
			if (ipcchan_seq_delta(word, items->taken + 1) >= 0)
				chan->queue->open &= ~BIT_ULL(slot);
			return false;
		}
		take(chan, items, desc);
	}
	return true;
}

/*
 * ipcchan_queue_take_in() - take in what has been published
 *
 * True: there may be more; but the lock was held long enough.
 */
bool ipcchan_queue_take_in(struct ipcchan_channel *chan)
{
	u64 left = chan->queue->open;
	u32 most = TAKE_MOST;

	lockdep_assert_held(&chan->lock);
	for (; left; left &= left - 1)
		if (take_from(chan, __ffs64(left), &most))
			return true;
	return false;
}

/* Is there something to be taken in from that slot? */
static bool has_news(const struct ipcchan_channel *chan, u32 slot)
{
	const struct ipcchan_desc *desc = next_desc(chan, slot);

	/* B, pairs with A */
	return desc && smp_load_acquire(&desc->seq) ==
		       chan->senders[slot].items->taken + 1;
}

/*
 * ipcchan_queue_claimable() - is there something to claim?
 */
bool ipcchan_queue_claimable(const struct ipcchan_channel *chan)
{
	u64 left = chan->queue->open;

	lockdep_assert_held(&chan->lock);
	if (chan->queue->nr_ready)
		return true;
	for (; left; left &= left - 1)
		if (has_news(chan, __ffs64(left)))
			return true;
	return false;
}

/* Is there anything that is, or may become, something to claim? */
bool ipcchan_queue_pending(const struct ipcchan_channel *chan)
{
	const struct ipcchan_queue *q = chan->queue;

	return q->nr_delayed || q->nr_claimed || ipcchan_queue_claimable(chan);
}

/*
 * ipcchan_queue_needs() - is anything of that slot's sender not retired?
 *
 * With the mutex, without the lock.
 */
bool ipcchan_queue_needs(struct ipcchan_channel *chan, u32 slot)
{
	bool needs;

	lockdep_assert_held(&chan->mutex);
	spin_lock(&chan->lock);
	needs = chan->senders[slot].items &&
		(chan->senders[slot].items->nr_used ||
		 (chan->queue->open & BIT_ULL(slot) && has_news(chan, slot)));
	spin_unlock(&chan->lock);
	return needs;
}

/* The item of a message that was given out; NULL: its sender was evicted. */
struct ipcchan_item *ipcchan_queue_find(struct ipcchan_channel *chan, u64 seq)
{
	const struct ipcchan_sender_slot *s =
		&chan->senders[ipcchan_seq_slot(seq)];
	struct ipcchan_item *item;

	lockdep_assert_held(&chan->lock);
	if (!s->items || seq <= s->base)
		return NULL;
	item = ipcchan_items_at(chan, s->items, seq);
	return item->seq == seq ? item : NULL;
}

/* The next slot in turn, of those with something of the highest priority. */
static u32 choose_slot(struct ipcchan_queue *q, u32 priority)
{
	u64 all = q->ready[priority];
	u64 after = all & ~((2ull << q->last[priority]) - 1);

	q->last[priority] = __ffs64(after ?: all);
	return q->last[priority];
}

/*
 * ipcchan_queue_claim() - the next item, for the caller to have; NULL: none
 *
 * It counts as one more delivery.
 */
struct ipcchan_item *ipcchan_queue_claim(struct ipcchan_channel *chan)
{
	struct ipcchan_queue *q = chan->queue;
	struct ipcchan_items *items;
	struct ipcchan_item *item;
	struct rb_node *node;
	u32 priority;

	lockdep_assert_held(&chan->lock);
	if (!q->priorities)
		return NULL;
	priority = fls(q->priorities) - 1;
	items = chan->senders[choose_slot(q, priority)].items;
	node = rb_first_cached(&items->returned[priority]);
	item = node ? rb_entry(node, struct ipcchan_item, node) :
		      list_first_entry(&items->fresh[priority],
				       struct ipcchan_item, entry);
	unready(chan, items, item);
	item->state = IPCCHAN_ITEM_CLAIMED;
	items->nr_claimed++;
	q->nr_claimed++;
	q->redelivered += !!item->deliveries;
	item->deliveries++;
	item->nr_claims++;
	return item;
}

static void end_claimed(struct ipcchan_channel *chan, struct ipcchan_items *items,
			struct ipcchan_item *item)
{
	item->claim = NULL;
	items->nr_claimed--;
	chan->queue->nr_claimed--;
	chan->queue->news |= IPCCHAN_NEWS_LESS;
}

/* What no claim is on any more is its sender's again. */
static void retire(struct ipcchan_channel *chan, struct ipcchan_items *items,
		   struct ipcchan_item *item)
{
	u32 slot = ipcchan_seq_slot(item->seq);

	item->state = IPCCHAN_ITEM_FREE;
	items->nr_used--;
	items->retired++;
	ipcchan_roster_retired(chan, slot, item->seq);
	ipcchan_bundle_spend(chan, slot, item->seq);
	chan->queue->owed |= BIT_ULL(slot);
	if (!items->nr_used && chan->draining & BIT_ULL(slot))
		chan->queue->reap = true;
}

static void finish(struct ipcchan_channel *chan, struct ipcchan_items *items,
		   struct ipcchan_item *item)
{
	item->state = IPCCHAN_ITEM_DONE;
	if (!item->nr_claims)
		retire(chan, items, item);
}

/* A claim on the item has ended; the caller has no other business with it. */
void ipcchan_queue_let_go(struct ipcchan_channel *chan,
			  struct ipcchan_item *item)
{
	lockdep_assert_held(&chan->lock);
	if (!--item->nr_claims && item->state == IPCCHAN_ITEM_DONE)
		retire(chan, items_of(chan, item), item);
}

/* Acknowledged: CLAIMED becomes DONE. The claim is still on it. */
void ipcchan_queue_done(struct ipcchan_channel *chan, struct ipcchan_item *item)
{
	struct ipcchan_items *items = items_of(chan, item);

	lockdep_assert_held(&chan->lock);
	end_claimed(chan, items, item);
	finish(chan, items, item);
}

/* CLAIMED, and nobody shall get it. The claim is still on it. */
void ipcchan_queue_drop(struct ipcchan_channel *chan, struct ipcchan_item *item)
{
	struct ipcchan_items *items = items_of(chan, item);

	lockdep_assert_held(&chan->lock);
	end_claimed(chan, items, item);
	chan->queue->dropped++;
	finish(chan, items, item);
}

static void delay(struct ipcchan_channel *chan, struct ipcchan_items *items,
		  struct ipcchan_item *item, u64 delay_ns)
{
	struct ipcchan_queue *q = chan->queue;

	item->state = IPCCHAN_ITEM_DELAYED;
	item->due_ns = ktime_get_ns() + delay_ns;
	rb_add_cached(&item->node, &items->delayed, is_sooner);
	items->nr_delayed++;
	q->nr_delayed++;
	q->delayed |= BIT_ULL(ipcchan_seq_slot(item->seq));
	ipcchan_lease_alarm(chan, item->due_ns);
}

/* It is due: DELAYED becomes READY. */
void ipcchan_queue_undelay(struct ipcchan_channel *chan,
			   struct ipcchan_item *item)
{
	struct ipcchan_items *items = items_of(chan, item);
	struct ipcchan_queue *q = chan->queue;

	lockdep_assert_held(&chan->lock);
	rb_erase_cached(&item->node, &items->delayed);
	q->nr_delayed--;
	if (!--items->nr_delayed)
		q->delayed &= ~BIT_ULL(ipcchan_seq_slot(item->seq));
	make_ready(chan, items, item, true);
}

static void die(struct ipcchan_channel *chan, struct ipcchan_items *items,
		struct ipcchan_item *item)
{
	struct ipcchan_queue *q = chan->queue;

	q->died++;
	if (!q->dead) {
		q->dropped++;
		finish(chan, items, item);
		return;
	}
	item->state = IPCCHAN_ITEM_DEAD;
	list_add_tail(&item->entry, &items->dead);
	items->nr_dead++;
	q->nr_dead++;
	q->dying |= BIT_ULL(ipcchan_seq_slot(item->seq));
	ipcchan_dead_alarm(chan);
}

/* DEAD: it was copied, or cannot be. */
void ipcchan_queue_undead(struct ipcchan_channel *chan,
			  struct ipcchan_item *item, bool buried)
{
	struct ipcchan_items *items = items_of(chan, item);
	struct ipcchan_queue *q = chan->queue;

	lockdep_assert_held(&chan->lock);
	list_del(&item->entry);
	q->nr_dead--;
	if (!--items->nr_dead)
		q->dying &= ~BIT_ULL(ipcchan_seq_slot(item->seq));
	q->dropped += !buried;
	finish(chan, items, item);
}

/*
 * ipcchan_queue_return() - CLAIMED comes back: to be claimed again, at once or
 * later, or never
 */
void ipcchan_queue_return(struct ipcchan_channel *chan,
			  struct ipcchan_item *item, u64 delay_ns)
{
	struct ipcchan_items *items = items_of(chan, item);
	u32 most = chan->queue->max_deliveries;

	lockdep_assert_held(&chan->lock);
	end_claimed(chan, items, item);
	if (most && item->deliveries >= most)
		die(chan, items, item);
	else if (delay_ns)
		delay(chan, items, item, delay_ns);
	else
		make_ready(chan, items, item, true);
}

/* As if it had not been claimed. */
void ipcchan_queue_unclaim(struct ipcchan_channel *chan,
			   struct ipcchan_item *item)
{
	struct ipcchan_items *items = items_of(chan, item);

	lockdep_assert_held(&chan->lock);
	end_claimed(chan, items, item);
	item->deliveries--;
	chan->queue->redelivered -= !!item->deliveries;
	make_ready(chan, items, item, true);
}

/* Is the message retired whose place the sender lacks? */
static bool is_retired(const struct ipcchan_channel *chan,
		       struct ipcchan_items *items, u64 seq)
{
	const struct ipcchan_item *item = ipcchan_items_at(chan, items, seq);

	return item->seq > seq ||
	       (item->seq == seq && item->state == IPCCHAN_ITEM_FREE);
}

/*
 * ipcchan_queue_room() - may a blocked sender find room where it found none?
 */
bool ipcchan_queue_room(const struct ipcchan_port *sender)
{
	const struct ipcchan_channel *chan = sender->chan;
	struct ipcchan_items *items = chan->senders[sender->sender_slot].items;

	lockdep_assert_held(&chan->lock);
	return sender->progress[0] != items->retired &&
	       (!sender->await || is_retired(chan, items, sender->await));
}

static void pay(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	if (!s->items)
		return;
	ipcchan_roster_retired_count(chan, slot, s->items->retired);
	if (s->port)
		ipcchan_wake_retired(s->port);
}

/*
 * ipcchan_queue_pay() - tell the senders what was retired, and wake who waits
 * for it
 */
void ipcchan_queue_pay(struct ipcchan_channel *chan)
{
	u64 left = chan->queue->owed;

	lockdep_assert_held(&chan->lock);
	chan->queue->owed = 0;
	for (; left; left &= left - 1)
		pay(chan, __ffs64(left));
}

/*
 * ipcchan_queue_settle() - pay, and wake the receivers whom any of it concerns;
 * before the lock is dropped
 */
void ipcchan_queue_settle(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->lock);
	ipcchan_queue_pay(chan);
	if (chan->sleeping_receivers || !(chan->nr_senders + chan->nr_lent))
		ipcchan_claim_wake(chan);
	else
		chan->queue->news = 0;
}

/*
 * ipcchan_queue_pause() - much was done with the lock held: give others a turn
 */
void ipcchan_queue_pause(struct ipcchan_channel *chan)
{
	ipcchan_queue_pay(chan);
	spin_unlock(&chan->lock);
	cond_resched();
	spin_lock(&chan->lock);
}

/* The sender is about to be on the roster. */
void ipcchan_queue_join(struct ipcchan_channel *chan, u32 slot,
			struct ipcchan_items *items)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	lockdep_assert_held(&chan->lock);
	items->taken = s->base;
	s->items = items;
	chan->queue->open |= BIT_ULL(slot);
	ipcchan_roster_retired_count(chan, slot, 0);
}

/* What a sender says to have published, and was not taken in. */
static u64 not_taken(const struct ipcchan_channel *chan, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	const struct ipcchan_outbox *outbox = ipcchan_region_at(s->outbox, 0);

	return clamp_t(s64, READ_ONCE(outbox->head) - s->items->taken, 0,
		       chan->geometry.depth);
}

/*
 * ipcchan_queue_hide() - the slot is given up, with what is in it
 *
 * Claims find out when they look for their items. The items are freed when the
 * slot is vacated.
 */
void ipcchan_queue_hide(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];
	struct ipcchan_items *items = s->items;
	struct ipcchan_queue *q = chan->queue;
	u32 i;

	lockdep_assert_held(&chan->lock);
	if (!items)
		return;
	q->dropped += not_taken(chan, slot) + items->nr_ready +
		      items->nr_delayed + items->nr_claimed + items->nr_dead -
		      items->burying;
	q->nr_ready -= items->nr_ready;
	q->nr_delayed -= items->nr_delayed;
	q->nr_claimed -= items->nr_claimed;
	q->nr_dead -= items->nr_dead;
	for (i = 0; i < IPCCHAN_PRIORITIES; i++) {
		q->ready[i] &= ~BIT_ULL(slot);
		if (!q->ready[i])
			q->priorities &= ~(1u << i);
	}
	q->open &= ~BIT_ULL(slot);
	q->delayed &= ~BIT_ULL(slot);
	q->dying &= ~BIT_ULL(slot);
	q->owed &= ~BIT_ULL(slot);
	s->items = NULL;
	s->old_items = items;
}
