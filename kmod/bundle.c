// SPDX-License-Identifier: GPL-2.0
/* Keeping files until nobody needs them. Letters: Documentation/protocol.md */
#include <asm/barrier.h>
#include <linux/rbtree.h>
#include <linux/sched.h>

#include "bundle.h"
#include "closer.h"
#include "names.h"
#include "queue.h"
#include "ring.h"

static struct ipcchan_bundle *bundle_of(const struct rb_node *node)
{
	return rb_entry(node, struct ipcchan_bundle, node);
}

static int compare_seq(u64 seq, const struct rb_node *node)
{
	u64 other = bundle_of(node)->seq;

	return seq < other ? -1 : seq > other;
}

static int compare_key(const void *key, const struct rb_node *node)
{
	return compare_seq(*(const u64 *)key, node);
}

static int compare_nodes(struct rb_node *a, const struct rb_node *b)
{
	return compare_seq(bundle_of(a)->seq, b);
}

static struct ipcchan_bundle *find(const struct ipcchan_sender_slot *s, u64 seq)
{
	struct rb_node *node = rb_find(&seq, &s->bundles, compare_key);

	return node ? bundle_of(node) : NULL;
}

/* ipcchan_bundle_destroy() - in no tree any more: its files are closed soon */
void ipcchan_bundle_destroy(struct ipcchan_channel *chan,
			    struct ipcchan_bundle *bundle)
{
	ipcchan_uncharge(bundle->account, &chan->net->usage, IPCCHAN_FILES,
			 bundle->nr);
	ipcchan_closer_take(bundle);
}

static void erase(struct ipcchan_channel *chan, u32 slot,
		  struct ipcchan_bundle *bundle)
{
	spin_lock(&chan->lock);
	rb_erase(&bundle->node, &chan->senders[slot].bundles);
	spin_unlock(&chan->lock);
	ipcchan_bundle_destroy(chan, bundle);
}

/* Has the message been put into the ring, whatever became of it? */
static bool is_published(const struct ipcchan_channel *chan, u32 slot, u64 seq)
{
	return ipcchan_seq_delta(ipcchan_ring_word(chan, slot, seq), seq) >= 0;
}

static u64 everybody(const struct ipcchan_channel *chan)
{
	u64 slots = 0;
	u32 i;

	for (i = 0; i < chan->geometry.receivers; i++)
		if (chan->receivers[i].port)
			slots |= BIT_ULL(i);
	return slots;
}

/* May the slot's sender still give files to that message? */
static bool is_next(const struct ipcchan_channel *chan, u32 slot, u64 seq)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	u64 newest = s->base + ipcchan_ring_published(chan, slot, s->outbox);

	return seq > newest && seq <= ipcchan_seq_limit(slot) &&
	       seq - newest <= chan->geometry.depth &&
	       (!s->items || seq > s->items->taken) &&
	       !is_published(chan, slot, seq);
}

static int add(struct ipcchan_channel *chan, u32 slot,
	       struct ipcchan_bundle *bundle, struct ipcchan_why *why)
{
	if (!is_next(chan, slot, bundle->seq))
		return ipcchan_refuse(why, -EINVAL,
				      "the sequence is none that this sender publishes next");
	if (rb_find_add(&bundle->node, &chan->senders[slot].bundles,
			compare_nodes))
		return ipcchan_refuse(why, -EEXIST,
				      "the message has files already");
	return 0;
}

/*
 * ipcchan_bundle_add() - from here on it is its slot's
 *
 * The port is an ACTIVE sender. -EINVAL, -EEXIST.
 */
int ipcchan_bundle_add(struct ipcchan_port *port, struct ipcchan_bundle *bundle,
		       struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = port->chan;
	int err;

	lockdep_assert_held(&chan->mutex);
	bundle->owed = everybody(chan);
	spin_lock(&chan->lock);
	err = add(chan, port->sender_slot, bundle, why);
	spin_unlock(&chan->lock);
	return err;
}

/* May this receiver have them? On a queue it has claimed the message. */
static bool is_owed(const struct ipcchan_channel *chan, u32 slot,
		    const struct ipcchan_bundle *bundle,
		    const struct ipcchan_port *port)
{
	return chan->queue || (bundle->owed & BIT_ULL(port->receiver_slot) &&
			       is_published(chan, slot, bundle->seq));
}

/*
 * ipcchan_bundle_find() - files a receiver may have, or NULL
 *
 * The port is an ACTIVE receiver, and on a queue has claimed the message; @slot
 * is one. With the lock.
 */
struct ipcchan_bundle *ipcchan_bundle_find(struct ipcchan_port *port, u32 slot,
					   u64 seq)
{
	struct ipcchan_channel *chan = port->chan;
	struct ipcchan_bundle *bundle = find(&chan->senders[slot], seq);

	lockdep_assert_held(&chan->lock);
	return bundle && is_owed(chan, slot, bundle, port) ? bundle : NULL;
}

/* The newest message that is not kept for who comes late. */
static u64 newest_not_kept(const struct ipcchan_channel *chan, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	u64 published;

	if (!chan->history)
		return U64_MAX;
	published = ipcchan_ring_published(chan, slot, s->outbox);
	return s->base + published - min_t(u64, published, chan->history);
}

/* Retired, or passed by all; perhaps still held. */
static bool is_over(const struct ipcchan_channel *chan, u32 slot, u64 seq,
		    u64 passed)
{
	u64 word = ipcchan_ring_word(chan, slot, seq);
	s64 delta = ipcchan_seq_delta(word, seq);

	if (delta || word & IPCCHAN_SEQ_VOID)
		return delta >= 0;
	return seq <= passed;
}

/* The first of them that are over: senders retire their messages in order. */
static bool mark_over(struct ipcchan_channel *chan, u32 slot)
{
	u64 passed = min(ipcchan_ring_passed_by_all(chan, slot),
			 newest_not_kept(chan, slot));
	struct rb_root *root = &chan->senders[slot].bundles;
	struct rb_node *node;
	bool any = false;

	for (node = rb_first(root); node; node = rb_next(node)) {
		struct ipcchan_bundle *bundle = bundle_of(node);

		if (!is_over(chan, slot, bundle->seq, passed))
			break;
		bundle->over = true;
		bundle->held = false;
		any = true;
		cond_resched();
	}
	return any;
}

static void mark_held(struct ipcchan_channel *chan, u32 slot)
{
	u32 i, j;

	for (i = 0; i < chan->geometry.receivers; i++) {
		const struct ipcchan_region *receipts = chan->receivers[i].receipts;

		for (j = 0; receipts && j < chan->geometry.holds; j++) {
			u64 seq = ipcchan_ring_hold(chan, receipts, j);
			struct ipcchan_bundle *bundle =
				seq ? find(&chan->senders[slot], seq) : NULL;

			if (bundle)
				bundle->held = true;
		}
		cond_resched();
	}
}

static void let_go(struct ipcchan_channel *chan, u32 slot)
{
	struct rb_node *node, *next;

	for (node = rb_first(&chan->senders[slot].bundles); node; node = next) {
		struct ipcchan_bundle *bundle = bundle_of(node);

		next = rb_next(node);
		if (!bundle->over)
			break;
		bundle->over = false;
		if (!bundle->held)
			erase(chan, slot, bundle);
		cond_resched();
	}
}

/*
 * ipcchan_bundle_look() - let go of what nobody needs any more
 *
 * As a sender does: cursors and sequences first, then the holds.
 */
void ipcchan_bundle_look(struct ipcchan_channel *chan, u32 slot)
{
	lockdep_assert_held(&chan->mutex);
	if (chan->queue)
		return ipcchan_bundle_sweep(chan);
	if (RB_EMPTY_ROOT(&chan->senders[slot].bundles) ||
	    !mark_over(chan, slot))
		return;
	smp_mb();	/* O, pairs with P */
	mark_held(chan, slot);
	let_go(chan, slot);
}

/*
 * ipcchan_bundle_join() - a receiver has joined: what it is given is for it, too
 *
 * Its cursors say where it begins; they are still as the kernel has set them.
 */
void ipcchan_bundle_join(struct ipcchan_channel *chan, u32 receiver)
{
	const struct ipcchan_region *receipts = chan->receivers[receiver].receipts;
	struct rb_node *node;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	if (chan->queue)
		return;
	for (i = 0; i < chan->geometry.senders; i++) {
		u64 passed = ipcchan_ring_passed_by(chan, receipts, i);

		node = rb_first(&chan->senders[i].bundles);
		for (; node; node = rb_next(node)) {
			if (bundle_of(node)->seq > passed)
				bundle_of(node)->owed |= BIT_ULL(receiver);
			cond_resched();
		}
	}
}

/* ipcchan_bundle_leave() - a receiver has left its slot, to another perhaps */
void ipcchan_bundle_leave(struct ipcchan_channel *chan, u32 receiver)
{
	struct rb_node *node;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	if (chan->queue)
		return ipcchan_bundle_sweep(chan);
	for (i = 0; i < chan->geometry.senders; i++) {
		node = rb_first(&chan->senders[i].bundles);
		for (; node; node = rb_next(node)) {
			bundle_of(node)->owed &= ~BIT_ULL(receiver);
			cond_resched();
		}
		ipcchan_bundle_look(chan, i);
	}
}

/* The first from @from on; with the lock. */
static struct ipcchan_bundle *first_from(const struct ipcchan_sender_slot *s,
					 u64 from)
{
	struct rb_node *node = s->bundles.rb_node;
	struct ipcchan_bundle *best = NULL;

	while (node) {
		if (bundle_of(node)->seq >= from)
			best = bundle_of(node);
		node = best == bundle_of(node) ? node->rb_left : node->rb_right;
	}
	return best;
}

typedef bool (*goes_t)(const struct ipcchan_channel *chan, u32 slot,
		       const struct ipcchan_bundle *bundle);

/* The next from @from on, which moves beyond it: out, if it goes. False: none. */
static bool cut(struct ipcchan_channel *chan, u32 slot, u64 *from, goes_t goes)
{
	struct ipcchan_bundle *bundle;
	bool out = false, found;

	spin_lock(&chan->lock);
	bundle = first_from(&chan->senders[slot], *from);
	found = bundle;
	if (found) {
		*from = bundle->seq + 1;
		out = goes(chan, slot, bundle);
	}
	if (out)
		rb_erase(&bundle->node, &chan->senders[slot].bundles);
	spin_unlock(&chan->lock);
	if (out)
		ipcchan_bundle_destroy(chan, bundle);
	return found;
}

/* One after the other: on a queue others may go at any time. */
static void cut_all(struct ipcchan_channel *chan, u32 slot, u64 from, goes_t goes)
{
	lockdep_assert_held(&chan->mutex);
	while (cut(chan, slot, &from, goes))
		cond_resched();
	ipcchan_bundle_sweep(chan);
}

static bool is_unpublished(const struct ipcchan_channel *chan, u32 slot,
			   const struct ipcchan_bundle *bundle)
{
	return !is_published(chan, slot, bundle->seq);
}

static bool is_any(const struct ipcchan_channel *chan, u32 slot,
		   const struct ipcchan_bundle *bundle)
{
	return true;
}

static bool needs_ports(const struct ipcchan_channel *chan, u32 slot,
			const struct ipcchan_bundle *bundle)
{
	return !chan->queue || !bundle->stays;
}

static bool is_deserted(const struct ipcchan_channel *chan)
{
	return !chan->nr_senders && !chan->nr_receivers;
}

/* ipcchan_bundle_drop() - from @from on nothing more will be published */
void ipcchan_bundle_drop(struct ipcchan_channel *chan, u32 slot, u64 from)
{
	cut_all(chan, slot, from, is_unpublished);
}

/* ipcchan_bundle_drop_all() - the slot shows no messages any more */
void ipcchan_bundle_drop_all(struct ipcchan_channel *chan, u32 slot)
{
	cut_all(chan, slot, 0, is_any);
}

/* ipcchan_bundle_desert() - a port has left: was it the last that took part? */
void ipcchan_bundle_desert(struct ipcchan_channel *chan)
{
	u32 i;

	lockdep_assert_held(&chan->mutex);
	if (!is_deserted(chan))
		return;
	for (i = 0; i < chan->geometry.senders; i++)
		cut_all(chan, i, 0, needs_ports);
}

/*
 * ipcchan_bundle_spend() - a queue's message is retired, its files are nobody's
 *
 * With the lock. They are closed by the next sweep, which the caller sees to.
 */
void ipcchan_bundle_spend(struct ipcchan_channel *chan, u32 slot, u64 seq)
{
	struct ipcchan_bundle *bundle = find(&chan->senders[slot], seq);

	lockdep_assert_held(&chan->lock);
	if (likely(!bundle))
		return;
	rb_erase(&bundle->node, &chan->senders[slot].bundles);
	list_add_tail(&bundle->spent, &chan->queue->spent);
}

/*
 * ipcchan_bundle_sweep() - close what is spent
 *
 * Without the lock; the mutex does not matter. What others have spent is theirs
 * to sweep, but gone sooner.
 */
void ipcchan_bundle_sweep(struct ipcchan_channel *chan)
{
	struct ipcchan_bundle *bundle, *next;
	LIST_HEAD(spent);

	if (!chan->queue || likely(list_empty(&chan->queue->spent)))
		return;
	spin_lock(&chan->lock);
	list_splice_init(&chan->queue->spent, &spent);
	spin_unlock(&chan->lock);
	list_for_each_entry_safe(bundle, next, &spent, spent) {
		ipcchan_bundle_destroy(chan, bundle);
		cond_resched();
	}
}

/*
 * ipcchan_bundle_take_out() - the files of a queue's message, to go elsewhere
 *
 * The caller's then. NULL: it has none. Takes the lock.
 */
struct ipcchan_bundle *ipcchan_bundle_take_out(struct ipcchan_channel *chan,
					       u64 seq)
{
	struct ipcchan_sender_slot *s = &chan->senders[ipcchan_seq_slot(seq)];
	struct ipcchan_bundle *bundle;

	spin_lock(&chan->lock);
	bundle = find(s, seq);
	if (bundle)
		rb_erase(&bundle->node, &s->bundles);
	spin_unlock(&chan->lock);
	return bundle;
}

/*
 * ipcchan_bundle_put_in() - files of a message that comes from another queue
 *
 * Of the same namespace, so that what they are charged to stays. With the lock.
 * False: the channel does not keep them, they are the caller's still.
 */
bool ipcchan_bundle_put_in(struct ipcchan_channel *chan,
			   struct ipcchan_bundle *bundle, u64 seq)
{
	struct ipcchan_sender_slot *s = &chan->senders[ipcchan_seq_slot(seq)];

	lockdep_assert_held(&chan->lock);
	if (is_deserted(chan) && !bundle->stays)
		return false;
	bundle->seq = seq;
	return !rb_find_add(&bundle->node, &s->bundles, compare_nodes);
}
