// SPDX-License-Identifier: GPL-2.0
/* Taking and emptying slots. */
#include <asm/barrier.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "bundle.h"
#include "dead.h"
#include "map.h"
#include "queue.h"
#include "ring.h"
#include "roster.h"
#include "slot.h"
#include "wait.h"

/* The slot shows nothing from now on; give back what it showed. */
struct ipcchan_region *ipcchan_slot_hide(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];
	struct ipcchan_region *outbox = s->outbox;

	lockdep_assert_held(&chan->lock);
	if (chan->queue)
		ipcchan_queue_hide(chan, slot);
	s->outbox = NULL;
	s->port = NULL;
	chan->nr_lent -= !!s->lent;
	s->lent = NULL;
	s->state = IPCCHAN_SLOT_EMPTY;
	chan->outboxes &= ~BIT_ULL(slot);
	chan->draining &= ~BIT_ULL(slot);
	ipcchan_roster_sender(chan, slot, s->state, 0, 0);
	return outbox;
}

/* With the windows emptied: the slot can have another sender. */
void ipcchan_slot_vacate(struct ipcchan_channel *chan, u32 slot,
			 const struct ipcchan_region *outbox)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	lockdep_assert_held(&chan->mutex);
	ipcchan_bundle_drop_all(chan, slot);
	s->past += ipcchan_ring_published(chan, slot, outbox);
	s->next_base = ipcchan_ring_next_base(chan, slot);
	s->old_items = ipcchan_items_free(s->old_items);
	spin_lock(&chan->lock);
	ipcchan_roster_past(chan, slot);
	spin_unlock(&chan->lock);
	ipcchan_identity_clear(&s->identity);
}

/* A DRAINING slot is given up, whoever needs it. */
void ipcchan_slot_empty(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_dead *lent = chan->senders[slot].lent;
	struct ipcchan_region *outbox;

	lockdep_assert_held(&chan->mutex);
	spin_lock(&chan->lock);
	outbox = ipcchan_slot_hide(chan, slot);
	ipcchan_wake_changed(chan);
	spin_unlock(&chan->lock);

	ipcchan_map_outbox_changed(chan, slot, outbox);
	ipcchan_slot_vacate(chan, slot, outbox);
	ipcchan_region_put(outbox);
	if (lent)
		ipcchan_dead_lost(lent);
}

void ipcchan_slot_empty_all(struct ipcchan_channel *chan)
{
	u32 i;

	for (i = 0; i < chan->geometry.senders; i++)
		if (chan->senders[i].state == IPCCHAN_SLOT_DRAINING)
			ipcchan_slot_empty(chan, i);
}

/*
 * ipcchan_slot_drains() - does a sender that leaves leave something behind?
 *
 * With drop-oldest always: only what is DRAINING is retired.
 */
bool ipcchan_slot_drains(const struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	u32 slot = port->sender_slot;

	return ipcchan_channel_drops(chan) || ipcchan_ring_unread(chan, slot) ||
	       (ipcchan_channel_keeps(chan) &&
		ipcchan_ring_published(chan, slot, port->outbox));
}

/* An ACTIVE sender has left; it is emptied when nobody needs it. */
void ipcchan_slot_drain(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	lockdep_assert_held(&chan->mutex);
	lockdep_assert_held(&chan->lock);
	s->port = NULL;
	s->state = IPCCHAN_SLOT_DRAINING;
	s->left = ++chan->departures;
	s->retired = false;
	if (!ipcchan_channel_keeps(chan) ||
	    !ipcchan_ring_published(chan, slot, s->outbox))
		chan->draining |= BIT_ULL(slot);
	ipcchan_roster_sender(chan, slot, s->state, s->port_id, s->base);
}

static void retire_messages(struct ipcchan_channel *chan,
			    const struct ipcchan_region *outbox)
{
	u32 i;

	for (i = 0; i < chan->geometry.depth; i++) {
		struct ipcchan_desc *desc =
			ipcchan_region_at(outbox, chan->layout.ring +
					  i * sizeof(*desc));
		u64 seq = READ_ONCE(desc->seq);

		if (seq)
			WRITE_ONCE(desc->seq, seq | IPCCHAN_SEQ_VOID);
		if (!(i % 1024))
			cond_resched();
	}
}

/*
 * The slot is to be emptied: is it certain that nobody takes hold of a message
 * any more? If not, it will be, by when what is held is given back.
 */
static bool retire(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	/* who has read all takes no more */
	if (!ipcchan_channel_drops(chan))
		return true;
	if (!s->retired) {
		retire_messages(chan, s->outbox);
		spin_lock(&chan->lock);
		s->retired = true;
		chan->draining |= BIT_ULL(slot);
		spin_unlock(&chan->lock);
	}
	smp_mb();	/* O, pairs with P */
	return !ipcchan_ring_held(chan, slot);
}

static bool needed(struct ipcchan_channel *chan, u32 slot)
{
	if (chan->senders[slot].retired)
		return ipcchan_ring_held(chan, slot);
	return ipcchan_ring_unread(chan, slot);
}

/* Empty what is left and nobody needs. */
void ipcchan_slot_reap(struct ipcchan_channel *chan)
{
	u32 i;

	lockdep_assert_held(&chan->mutex);
	for (i = 0; i < chan->geometry.senders && chan->draining; i++) {
		if (chan->draining & BIT_ULL(i) && !needed(chan, i) &&
		    retire(chan, i))
			ipcchan_slot_empty(chan, i);
		cond_resched();
	}
}

/* Which of them left first? -1: there is none. */
static int first_to_go(struct ipcchan_channel *chan, bool unread)
{
	int best = -1;
	u32 i;

	for (i = 0; i < chan->geometry.senders; i++) {
		const struct ipcchan_sender_slot *s = &chan->senders[i];

		if (s->state != IPCCHAN_SLOT_DRAINING || s->lent ||
		    (best >= 0 && s->left > chan->senders[best].left))
			continue;
		if (unread ? !ipcchan_ring_held(chan, i) :
			     !ipcchan_ring_unread(chan, i))
			best = i;
	}
	return best;
}

/* What a newcomer without a slot may have: -1: nothing. */
static int spare(struct ipcchan_channel *chan)
{
	int slot = first_to_go(chan, false);

	if (slot < 0 && ipcchan_channel_drops(chan))
		slot = first_to_go(chan, true);
	return slot;
}

/* Tries each once at most: what is held meanwhile is no longer spare. */
static bool make_room(struct ipcchan_channel *chan)
{
	u32 tries;

	for (tries = 0; tries < chan->geometry.senders; tries++) {
		int slot = spare(chan);

		if (slot < 0)
			return false;
		if (retire(chan, slot)) {
			ipcchan_slot_empty(chan, slot);
			return true;
		}
		cond_resched();
	}
	return false;
}

/* A slot for a sender: EUSERS none, EOVERFLOW only used-up ones. */
static int find_empty(const struct ipcchan_channel *chan, u32 *slot,
		      struct ipcchan_why *why)
{
	bool used_up = false;
	u32 i;

	for (i = 0; i < chan->geometry.senders; i++) {
		const struct ipcchan_sender_slot *s = &chan->senders[i];

		if (s->holder || s->state != IPCCHAN_SLOT_EMPTY)
			continue;
		*slot = i;
		if (ipcchan_seq_limit(i) - s->next_base >
		    2ull * chan->geometry.depth)
			return 0;
		used_up = true;
	}
	if (used_up)
		return ipcchan_refuse(why, -EOVERFLOW,
				      "the free sender slots have used up their sequence numbers");
	return ipcchan_refuse(why, -EUSERS, "all sender slots are taken");
}

static int find_receiver(const struct ipcchan_channel *chan, u32 *slot,
			 struct ipcchan_why *why)
{
	for (*slot = 0; *slot < chan->geometry.receivers; ++*slot)
		if (!chan->receivers[*slot].holder)
			return 0;
	return ipcchan_refuse(why, -EUSERS, "all receiver slots are taken");
}

static int check_active(const struct ipcchan_channel *chan,
			struct ipcchan_why *why)
{
	if (chan->state != IPCCHAN_CHANNEL_ACTIVE)
		return ipcchan_refuse(why, -ENOENT,
				      "there is no channel of that name");
	return 0;
}

/*
 * ipcchan_slot_find() - are there slots for a port of those roles?
 *
 * Takes and empties nothing. -ENOENT, -EUSERS, -EOVERFLOW.
 */
int ipcchan_slot_find(struct ipcchan_channel *chan, u32 role,
		      struct ipcchan_why *why)
{
	int err = check_active(chan, why);
	u32 slot;

	lockdep_assert_held(&chan->mutex);
	if (!err && role & IPCCHAN_SEND) {
		err = find_empty(chan, &slot, why);
		if (err && spare(chan) >= 0)
			err = 0;
	}
	if (!err && role & IPCCHAN_RECEIVE)
		err = find_receiver(chan, &slot, why);
	return err;
}

static int take_sender(struct ipcchan_channel *chan, u32 *slot,
		       struct ipcchan_why *why)
{
	int err;

	do {
		err = find_empty(chan, slot, why);
	} while (err && make_room(chan));
	return err;
}

/*
 * ipcchan_slot_take() - give the port slots for its roles
 *
 * Errors as ipcchan_slot_find(). A slot of a sender that left is emptied if
 * there is no other, so this is the last that can fail.
 */
int ipcchan_slot_take(struct ipcchan_port *port, struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = port->chan;
	int err = check_active(chan, why);

	lockdep_assert_held(&chan->mutex);
	port->sender_slot = IPCCHAN_NO_SLOT;
	port->receiver_slot = IPCCHAN_NO_SLOT;
	if (!err && port->roles & IPCCHAN_RECEIVE)
		err = find_receiver(chan, &port->receiver_slot, why);
	if (!err && port->roles & IPCCHAN_SEND)
		err = take_sender(chan, &port->sender_slot, why);
	if (err)
		return err;
	if (port->roles & IPCCHAN_SEND)
		chan->senders[port->sender_slot].holder = port;
	if (port->roles & IPCCHAN_RECEIVE)
		chan->receivers[port->receiver_slot].holder = port;
	return 0;
}

/*
 * ipcchan_slot_lend() - give the module itself a sender's slot
 * @base:	after which its sequences begin
 *
 * Errors as ipcchan_slot_find(). Takes the mutex. The items are the slot's then,
 * and a reference on @dead.
 */
int ipcchan_slot_lend(struct ipcchan_channel *chan, struct ipcchan_dead *dead,
		      struct ipcchan_region *outbox, struct ipcchan_items *items,
		      u64 *base, struct ipcchan_why *why)
{
	struct ipcchan_sender_slot *s;
	u32 slot;
	int err;

	mutex_lock(&chan->mutex);
	err = check_active(chan, why) ?: take_sender(chan, &slot, why);
	if (err)
		goto unlock;
	s = &chan->senders[slot];
	ipcchan_roster_unretired(chan, slot);
	spin_lock(&chan->lock);
	s->outbox = ipcchan_region_ref(outbox);
	chan->outboxes |= BIT_ULL(slot);
	s->base = s->next_base;
	*base = s->base;
	s->since_ns = ktime_get_ns();
	s->port_id = ++chan->last_port_id;
	ipcchan_identity_stamp(&s->identity);
	spin_unlock(&chan->lock);

	ipcchan_map_outbox_changed(chan, slot, NULL);

	spin_lock(&chan->lock);
	s->state = IPCCHAN_SLOT_DRAINING;
	s->left = ++chan->departures;
	s->retired = false;
	s->lent = dead;
	chan->nr_lent++;
	ipcchan_queue_join(chan, slot, items);
	ipcchan_roster_sender(chan, slot, s->state, s->port_id, s->base);
	ipcchan_wake_changed(chan);
	spin_unlock(&chan->lock);
unlock:
	mutex_unlock(&chan->mutex);
	return err;
}

/*
 * ipcchan_slot_return() - what was sent there stays to be read
 *
 * False: the slot is not lent any more; else the reference on @dead is the
 * caller's. The mutex of the queue that had it, which is younger, may be held.
 */
bool ipcchan_slot_return(struct ipcchan_channel *chan, u32 slot,
			 const struct ipcchan_dead *dead)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];
	bool was_lent;

	mutex_lock_nested(&chan->mutex, SINGLE_DEPTH_NESTING);
	was_lent = s->lent == dead;
	if (was_lent) {
		spin_lock(&chan->lock);
		s->lent = NULL;
		chan->nr_lent--;
		chan->draining |= BIT_ULL(slot);
		ipcchan_wake_changed(chan);
		spin_unlock(&chan->lock);
		ipcchan_slot_reap(chan);
	}
	mutex_unlock(&chan->mutex);
	return was_lent;
}

/* Nobody is attached who could remember a sequence: used-up slots begin anew. */
void ipcchan_slot_forget(struct ipcchan_channel *chan)
{
	u32 i;

	for (i = 0; i < chan->geometry.senders; i++)
		if (chan->senders[i].state == IPCCHAN_SLOT_EMPTY &&
		    ipcchan_seq_limit(i) - chan->senders[i].next_base <=
		    2ull * chan->geometry.depth)
			chan->senders[i].next_base =
				((u64)i << IPCCHAN_SEQ_SLOT_SHIFT) | 1;
}
