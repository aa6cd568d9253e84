// SPDX-License-Identifier: GPL-2.0
/* Writing the roster. */
#include <asm/barrier.h>

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
	WRITE_ONCE(s->state, state);
	WRITE_ONCE(s->port_id, port_id);
	WRITE_ONCE(s->base, base);
}

/* Generations begin at 1: 0 is what an evicted port reads. */
void ipcchan_roster_init(struct ipcchan_channel *chan)
{
	chan->sender_generation = 1;
	chan->receiver_generation = 1;
	roster(chan)->sender_generation = 1;
	roster(chan)->receiver_generation = 1;
}

/* The slot, then the generation. */
void ipcchan_roster_sender(struct ipcchan_channel *chan, u32 slot, u32 state,
			   u32 port_id, u64 base)
{
	lockdep_assert_held(&chan->lock);
	write_slot(sender(chan, slot), state, port_id, base);
	/* M, pairs with M in the library: who sees the generation sees the slot */
	smp_store_release(&roster(chan)->sender_generation,
			  ++chan->sender_generation);
}

void ipcchan_roster_receiver(struct ipcchan_channel *chan, u32 slot, u32 state,
			     u32 port_id)
{
	lockdep_assert_held(&chan->lock);
	write_slot(receiver(chan, slot), state, port_id, port_id);
	/* M, pairs with M in the library: who sees the generation sees the slot */
	smp_store_release(&roster(chan)->receiver_generation,
			  ++chan->receiver_generation);
}

void ipcchan_roster_await(struct ipcchan_channel *chan, u32 slot, u64 await)
{
	lockdep_assert_held(&chan->lock);
	WRITE_ONCE(sender(chan, slot)->await, await);
}

/* The words of sleepers: the OR of the ports' armed flags. */
void ipcchan_roster_sleeping(struct ipcchan_channel *chan)
{
	struct ipcchan_port *port;
	u64 receivers = 0, senders = 0;
	u32 i;

	lockdep_assert_held(&chan->lock);
	for (i = 0; i < chan->geometry.receivers; i++) {
		port = chan->receivers[i].port;
		if (port && port->armed & IPCCHAN_WAIT_RECEIVE)
			receivers |= BIT_ULL(i);
	}
	for (i = 0; i < chan->geometry.senders; i++) {
		port = chan->senders[i].port;
		if (port && port->armed & IPCCHAN_WAIT_SEND)
			senders |= BIT_ULL(i);
	}
	WRITE_ONCE(roster(chan)->sleeping_receivers, receivers);
	/* after the slots' await: a receiver loads the bit, then await */
	smp_store_release(&roster(chan)->sleeping_senders, senders);
}
