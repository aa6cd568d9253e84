// SPDX-License-Identifier: GPL-2.0
/* Reading outboxes and receipts. Letters: Documentation/protocol.md */
#include <asm/barrier.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "queue.h"
#include "ring.h"

static struct ipcchan_cursor *cursor(const struct ipcchan_region *receipts,
				     u32 slot)
{
	return ipcchan_region_at(receipts, sizeof(struct ipcchan_receipts) +
				 slot * sizeof(struct ipcchan_cursor));
}

static struct ipcchan_outbox *outbox(const struct ipcchan_region *region)
{
	return ipcchan_region_at(region, 0);
}

/* What a process says of a sender's sequences counts for no more than this. */
static u64 newest_possible(const struct ipcchan_sender_slot *s, u32 slot)
{
	return ipcchan_newest_possible(s->base, slot, s->since_ns, ktime_get_ns());
}

static u64 clamp_seq(u64 seq, const struct ipcchan_sender_slot *s, u32 slot)
{
	return clamp_t(u64, seq, s->base, newest_possible(s, slot));
}

/*
 * ipcchan_ring_readable() - is there something for a receiver in that slot?
 *
 * The library's own test: a descriptor at the place after the cursor that is
 * not older than what is expected there.
 */
bool ipcchan_ring_readable(const struct ipcchan_channel *chan,
			   const struct ipcchan_region *receipts, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	const struct ipcchan_cursor *c = cursor(receipts, slot);
	const struct ipcchan_desc *desc;
	u64 expected;

	if (!s->outbox || READ_ONCE(c->closed) == s->base)
		return false;
	expected = ipcchan_passed(READ_ONCE(c->passed), s->base) + 1;
	desc = ipcchan_region_at(s->outbox, chan->layout.ring +
				 (expected & (chan->geometry.depth - 1)) *
				 sizeof(*desc));
	/* B, pairs with A */
	return ipcchan_seq_delta(smp_load_acquire(&desc->seq), expected) >= 0;
}

/* The newest message of that slot a receiver says to have passed. */
u64 ipcchan_ring_passed(const struct ipcchan_channel *chan,
			const struct ipcchan_region *receipts, u32 slot)
{
	return ipcchan_passed(READ_ONCE(cursor(receipts, slot)->passed),
			      chan->senders[slot].base);
}

/* The same for who only asks what it may be needed for: all, if it is closed. */
u64 ipcchan_ring_passed_by(const struct ipcchan_channel *chan,
			   const struct ipcchan_region *receipts, u32 slot)
{
	const struct ipcchan_cursor *c = cursor(receipts, slot);

	if (READ_ONCE(c->closed) == chan->senders[slot].base)
		return U64_MAX;
	/* H, pairs with G */
	return ipcchan_passed(smp_load_acquire(&c->passed),
			      chan->senders[slot].base);
}

/* The newest that all receivers say to have passed; all, if there is none. */
u64 ipcchan_ring_passed_by_all(const struct ipcchan_channel *chan, u32 slot)
{
	u64 least = U64_MAX;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	for (i = 0; i < chan->geometry.receivers; i++) {
		const struct ipcchan_region *receipts = chan->receivers[i].receipts;

		if (receipts)
			least = min(least, ipcchan_ring_passed_by(chan, receipts,
								  slot));
	}
	return least;
}

/* What stands in the ring where the message with that sequence has its place. */
u64 ipcchan_ring_word(const struct ipcchan_channel *chan, u32 slot, u64 seq)
{
	const struct ipcchan_desc *desc;

	desc = ipcchan_region_at(chan->senders[slot].outbox, chan->layout.ring +
				 (seq & (chan->geometry.depth - 1)) *
				 sizeof(*desc));
	/* B, pairs with A */
	return smp_load_acquire(&desc->seq);
}

/*
 * ipcchan_ring_waiting() - how many messages of that slot wait for a receiver
 *
 * As the sender's head claims, but 0 only if there is nothing, and at most a
 * ring's depth.
 */
u32 ipcchan_ring_waiting(const struct ipcchan_channel *chan,
			 const struct ipcchan_region *receipts, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	u64 head;

	if (!ipcchan_ring_readable(chan, receipts, slot))
		return 0;
	head = READ_ONCE(outbox(s->outbox)->head);
	return clamp_t(s64, head - ipcchan_ring_passed(chan, receipts, slot),
		       1, chan->geometry.depth);
}

/* ipcchan_progress() of a receiver's line for that slot's sender. */
u64 ipcchan_ring_progress(const struct ipcchan_region *receipts, u32 slot)
{
	const struct ipcchan_cursor *c = cursor(receipts, slot);

	return ipcchan_progress(READ_ONCE(c->passed), READ_ONCE(c->released),
				READ_ONCE(c->closed));
}

/* How many messages the sender in that slot says to have published there. */
u64 ipcchan_ring_published(const struct ipcchan_channel *chan, u32 slot,
			   const struct ipcchan_region *region)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];

	lockdep_assert_held(&chan->mutex);
	return clamp_seq(READ_ONCE(outbox(region)->head), s, slot) - s->base;
}

/* What a receiver holds there, as it says. */
u64 ipcchan_ring_hold(const struct ipcchan_channel *chan,
		      const struct ipcchan_region *receipts, u32 i)
{
	const u64 *word = ipcchan_region_at(receipts, chan->layout.holds +
					    i * sizeof(*word));

	return READ_ONCE(*word);
}

/* Does this receiver hold a message of that slot's sender? */
bool ipcchan_ring_holds(const struct ipcchan_channel *chan,
			const struct ipcchan_region *receipts, u32 slot)
{
	u64 base = chan->senders[slot].base;
	u32 i;

	for (i = 0; i < chan->geometry.holds; i++) {
		u64 seq = ipcchan_ring_hold(chan, receipts, i);

		if (seq > base && seq <= ipcchan_seq_limit(slot))
			return true;
	}
	return false;
}

/* Does any receiver? */
bool ipcchan_ring_held(const struct ipcchan_channel *chan, u32 slot)
{
	u32 i;

	lockdep_assert_held(&chan->mutex);
	for (i = 0; i < chan->geometry.receivers; i++) {
		const struct ipcchan_region *receipts = chan->receivers[i].receipts;

		if (receipts && ipcchan_ring_holds(chan, receipts, slot))
			return true;
		cond_resched();
	}
	return false;
}

/*
 * ipcchan_ring_needs() - has a receiver that slot's messages yet to read, or to
 * give back?
 *
 * First the cursor, then the holds, as a sender does.
 */
bool ipcchan_ring_needs(const struct ipcchan_channel *chan,
			const struct ipcchan_region *receipts, u32 slot)
{
	if (ipcchan_ring_readable(chan, receipts, slot))
		return true;
	/* H and J, pair with G and I: a message passed is seen held */
	smp_rmb();
	return ipcchan_ring_holds(chan, receipts, slot);
}

/* Does any receiver still need that slot's outbox? */
bool ipcchan_ring_unread(struct ipcchan_channel *chan, u32 slot)
{
	u32 i;

	lockdep_assert_held(&chan->mutex);
	if (chan->queue)
		return ipcchan_queue_needs(chan, slot);
	for (i = 0; i < chan->geometry.receivers; i++) {
		const struct ipcchan_region *receipts = chan->receivers[i].receipts;

		if (receipts && ipcchan_ring_needs(chan, receipts, slot))
			return true;
		cond_resched();
	}
	return false;
}

/*
 * ipcchan_ring_room() - may a blocked sender find room where it found none?
 *
 * Compares with what it handed in: the receivers' generation; else all have
 * passed what it awaits, and something differs.
 */
bool ipcchan_ring_room(const struct ipcchan_port *sender)
{
	const struct ipcchan_channel *chan = sender->chan;
	u64 base = chan->senders[sender->sender_slot].base;
	bool changed = false;
	u64 left;

	if (!sender->blocked ||
	    sender->blocked_generation != chan->receiver_generation)
		return true;
	if (chan->queue)
		return ipcchan_queue_room(sender);
	for (left = chan->receipts; left; left &= left - 1) {
		u32 i = __ffs64(left);
		const struct ipcchan_cursor *c = cursor(chan->receivers[i].receipts,
							sender->sender_slot);
		u64 passed = READ_ONCE(c->passed);
		u64 closed = READ_ONCE(c->closed);

		if (closed != base && passed < sender->await)
			return false;
		changed |= sender->progress[i] !=
			   ipcchan_progress(passed, READ_ONCE(c->released), closed);
	}
	return changed;
}

/* Where a newcomer begins with a sender: after its newest, less the history. */
static void begin(const struct ipcchan_channel *chan,
		  struct ipcchan_cursor *c, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	u64 start;

	/* L, pairs with L in the library */
	start = smp_load_acquire(&outbox(s->outbox)->head);
	start = clamp_seq(start, s, slot);
	if (s->state == IPCCHAN_SLOT_DRAINING && !ipcchan_channel_keeps(chan)) {
		WRITE_ONCE(c->closed, s->base);
	} else {
		start -= min_t(u64, start - s->base, chan->history);
		WRITE_ONCE(c->passed, start);
	}
	WRITE_ONCE(c->before, s->past + start - s->base);
}

/*
 * ipcchan_ring_begin() - a newcomer's receipts: where it begins with each sender
 *
 * The newcomer is on the roster already. K, pairs with C: either its start is
 * after a message, or the message's sender sees the newcomer. The history before
 * its start is there: a sender keeps the last it has published, and of that no
 * less than what @head says is kept until it sees the newcomer.
 */
void ipcchan_ring_begin(const struct ipcchan_channel *chan,
			struct ipcchan_region *receipts)
{
	u32 i;

	lockdep_assert_held(&chan->lock);
	if (chan->queue)
		return;		/* nobody goes by its receipts */
	smp_mb();	/* K, pairs with C */
	for (i = 0; i < chan->geometry.senders; i++) {
		struct ipcchan_cursor *c = cursor(receipts, i);

		WRITE_ONCE(c->before, chan->senders[i].past);
		if (chan->senders[i].outbox)
			begin(chan, c, i);
	}
}

/*
 * ipcchan_ring_deafen() - a port of a connection does not hear itself
 *
 * Its own line says what it would say of a sender whose pages make no sense: that
 * it reads no more of it. It is on no slot yet for anybody to receive from.
 */
void ipcchan_ring_deafen(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	WRITE_ONCE(cursor(port->receipts, port->sender_slot)->closed,
		   port->chan->senders[port->sender_slot].base);
}

/*
 * ipcchan_ring_next_base() - where the slot's next sender may begin
 *
 * The slot is empty and its windows are too, but a receiver may still store a
 * cursor for what it found there before. With overflow block that is the next
 * message, at most one beyond what it shows. Where messages are dropped it may
 * have found a word that led it on by any number, true or not, but no further
 * than was possible at the time; so the next sender begins beyond that. On a
 * queue nobody knows of more than was taken in.
 */
u64 ipcchan_ring_next_base(const struct ipcchan_channel *chan, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	bool drops = chan->overflow == IPCCHAN_OVERFLOW_DROP_OLDEST;
	u64 most = newest_possible(s, slot);
	u64 next = drops ? most : s->base;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	if (s->old_items)
		next = s->old_items->taken;
	for (i = 0; i < chan->geometry.receivers && !chan->queue; i++) {
		const struct ipcchan_region *receipts = chan->receivers[i].receipts;
		u64 passed;

		if (!receipts)
			continue;
		passed = READ_ONCE(cursor(receipts, slot)->passed);
		next = max(next, min(passed, most));
	}
	return min(next + 2ull * chan->geometry.depth + 2,
		   ipcchan_seq_limit(slot));
}

static void receiver_claims(const struct ipcchan_port *port,
			    struct ipcchan_claims *claims)
{
	const struct ipcchan_channel *chan = port->chan;
	const struct ipcchan_receipts *r = ipcchan_region_at(port->receipts, 0);
	u32 i;

	claims->received = READ_ONCE(r->received);
	for (i = 0; i < chan->geometry.senders; i++) {
		claims->lost += READ_ONCE(cursor(port->receipts, i)->lost);
		if (!chan->queue)
			claims->behind += ipcchan_ring_waiting(chan, port->receipts, i);
	}
	for (i = 0; i < chan->geometry.holds; i++)
		claims->held += !!ipcchan_ring_hold(chan, port->receipts, i);
}

/* With the channel's mutex, on an ACTIVE port. */
void ipcchan_ring_claims(const struct ipcchan_port *port,
			 struct ipcchan_claims *claims)
{
	const struct ipcchan_channel *chan = port->chan;

	lockdep_assert_held(&chan->mutex);
	memset(claims, 0, sizeof(*claims));
	if (port->outbox) {
		claims->sent = max(READ_ONCE(outbox(port->outbox)->sent),
				   ipcchan_ring_published(chan, port->sender_slot,
							  port->outbox));
		claims->sent_bytes = READ_ONCE(outbox(port->outbox)->bytes);
	}
	if (port->receipts)
		receiver_claims(port, claims);
}
