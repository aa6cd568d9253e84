// SPDX-License-Identifier: GPL-2.0
/* Writing the roster. */
#include <asm/barrier.h>
#include <linux/sched.h>

#include "port.h"
#include "roster.h"

static struct ipcchan_roster *roster(struct ipcchan_channel *chan)
{
	return ipcchan_region_at(chan->roster, 0);
}

static struct ipcchan_slot *sender(struct ipcchan_channel *chan, u32 slot)
{
	return ipcchan_region_at(chan->roster, sizeof(struct ipcchan_roster) +
				 slot * sizeof(struct ipcchan_slot));
}

static struct ipcchan_slot *receiver(struct ipcchan_channel *chan, u32 slot)
{
	return ipcchan_region_at(chan->roster, chan->layout.receivers +
				 slot * sizeof(struct ipcchan_slot));
}

static void write_slot(struct ipcchan_slot *s, u32 state, u32 port_id, u64 base)
{
	WRITE_ONCE(s->port_id, port_id);
	WRITE_ONCE(s->base, base);
	WRITE_ONCE(s->state, state);
	WRITE_ONCE(s->await, 0);
}

/* Generations begin at 1: 0 is what an evicted port reads. */
void ipcchan_roster_init(struct ipcchan_channel *chan)
{
	chan->sender_generation = 1;
	chan->receiver_generation = 1;
	roster(chan)->sender_generation = 1;
	roster(chan)->receiver_generation = 1;
}

/*
 * The channel is being deleted: all ports are told so at once, before one could
 * see the others leave and take that for what has happened.
 */
void ipcchan_roster_end(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->lock);
	chan->ended = true;
	WRITE_ONCE(roster(chan)->sender_generation, 0);
	WRITE_ONCE(roster(chan)->receiver_generation, 0);
}

/* The slot, then the generation. */
void ipcchan_roster_sender(struct ipcchan_channel *chan, u32 slot, u32 state,
			   u32 port_id, u64 base)
{
	struct ipcchan_slot *s = sender(chan, slot);

	lockdep_assert_held(&chan->lock);
	write_slot(s, state, port_id, base);
	WRITE_ONCE(s->since_ns, chan->senders[slot].since_ns);
	WRITE_ONCE(s->past, chan->senders[slot].past);
	++chan->sender_generation;
	/* M, pairs with M in the library: who sees the generation sees the slot */
	smp_store_release(&roster(chan)->sender_generation,
			  chan->ended ? 0 : chan->sender_generation);
}

/* What the slot's former owners published has become known. */
void ipcchan_roster_past(struct ipcchan_channel *chan, u32 slot)
{
	lockdep_assert_held(&chan->lock);
	WRITE_ONCE(sender(chan, slot)->past, chan->senders[slot].past);
}

void ipcchan_roster_receiver(struct ipcchan_channel *chan, u32 slot, u32 state,
			     u32 port_id)
{
	lockdep_assert_held(&chan->lock);
	write_slot(receiver(chan, slot), state, port_id, port_id);
	++chan->receiver_generation;
	/* M, pairs with M in the library: who sees the generation sees the slot */
	smp_store_release(&roster(chan)->receiver_generation,
			  chan->ended ? 0 : chan->receiver_generation);
}

/* What a sender awaits, before its bit says that it sleeps. */
void ipcchan_roster_await(struct ipcchan_channel *chan, u32 slot, u64 await)
{
	lockdep_assert_held(&chan->lock);
	WRITE_ONCE(sender(chan, slot)->await, await);
}

/* What a receiver awaits, likewise, and again while it sleeps. */
void ipcchan_roster_threshold(struct ipcchan_channel *chan, u32 slot, u64 word)
{
	lockdep_assert_held(&chan->lock);
	WRITE_ONCE(receiver(chan, slot)->await, word);
}

static u64 *retired_word(struct ipcchan_channel *chan, u32 slot, u32 index)
{
	u64 place = (u64)slot * chan->geometry.depth + index;

	return ipcchan_region_at(chan->roster, chan->layout.retired +
				 place * sizeof(u64));
}

/* A message of a queue is nobody's any more: its room is its sender's. */
void ipcchan_roster_retired(struct ipcchan_channel *chan, u32 slot, u64 seq)
{
	lockdep_assert_held(&chan->lock);
	/* S, pairs with T; after all that its holders have read */
	smp_store_release(retired_word(chan, slot,
				       seq & (chan->geometry.depth - 1)), seq);
}

/* So many are, by now, of this sender. */
void ipcchan_roster_retired_count(struct ipcchan_channel *chan, u32 slot, u64 n)
{
	lockdep_assert_held(&chan->lock);
	/* U, pairs with V; after the words */
	smp_store_release(&sender(chan, slot)->retired, n);
}

/* None is, of who takes the slot next: nobody reads there, the slot is empty. */
void ipcchan_roster_unretired(struct ipcchan_channel *chan, u32 slot)
{
	u32 i;

	lockdep_assert_held(&chan->mutex);
	for (i = 0; i < chan->geometry.depth; i++) {
		WRITE_ONCE(*retired_word(chan, slot, i), 0);
		if (!(i % 1024))
			cond_resched();
	}
}

static u64 with_bit(u64 word, u32 bit, bool set)
{
	return set ? word | BIT_ULL(bit) : word & ~BIT_ULL(bit);
}

/* The port's bits in the words of sleepers: set while it is on a slot, armed. */
void ipcchan_roster_sleeping(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	bool on = port->state == IPCCHAN_PORT_ACTIVE;

	lockdep_assert_held(&chan->lock);
	if (on && port->roles & IPCCHAN_RECEIVE) {
		chan->sleeping_receivers = with_bit(chan->sleeping_receivers,
						    port->receiver_slot,
						    port->armed &
						    (IPCCHAN_WAIT_RECEIVE |
						     IPCCHAN_ARMED_CLAIM));
		/* after the slot's await: a sender loads the bit first */
		smp_store_release(&roster(chan)->sleeping_receivers,
				  chan->sleeping_receivers);
	}
	if (on && port->roles & IPCCHAN_SEND) {
		chan->sleeping_senders = with_bit(chan->sleeping_senders,
						  port->sender_slot,
						  port->armed & IPCCHAN_WAIT_SEND);
		/* after the slot's await: a receiver loads the bit first */
		smp_store_release(&roster(chan)->sleeping_senders,
				  chan->sleeping_senders);
	}
}
