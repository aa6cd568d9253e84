/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Making messages visible, and waking who sleeps for them. */
#include "place.h"

/**
 * ipcchan_publish_one() - put a message into the next place of the ring
 * @loan:	its length, tag and priority
 * @block:	of the arena, or IPCCHAN_ARENA_NONE: the payload is @inside
 *
 * There is a place: room was found. Receivers may take it from here on; it is
 * for ipcchan_publish_end() to wake them.
 */
void ipcchan_publish_one(struct ipcchan_port *port, const struct ipcchan_loan *loan,
			 uint32_t block, const void *inside)
{
	uint64_t time = port->flags & IPCCHAN_OPEN_TIMESTAMPS ? ipcchan_device_now() : 0;
	struct ipcchan_tx *tx = port->tx;
	struct ipcchan_desc *desc = &tx->ring[(tx->head + 1) & tx->mask];

	tx->pending++;
	if (block != IPCCHAN_ARENA_NONE) {
		ipcchan_place_put(tx, loan, block, time);
		return;
	}
	ipcchan_put_any(desc->inside, inside, loan->length);
	ipcchan_describe_to(tx, desc, 0, loan->length, loan->tag, time, loan->priority);
}

/* Have as many been published as it awaits, since it was first seen to? */
static bool is_awaited(struct ipcchan_port *port, uint32_t slot, uint64_t before)
{
	uint64_t await = ipcchan_load(&port->receivers[slot].await);
	struct ipcchan_seen *seen = &port->tx->seen[slot];

	if (!await)
		return true;
	if (await != seen->await) {
		seen->await = await;
		seen->from = before;
	}
	return (await & IPCCHAN_AWAIT_COUNT) != IPCCHAN_AWAIT_COUNT &&
	       port->tx->head - seen->from >= (await & IPCCHAN_AWAIT_COUNT);
}

/* Is the newest message news to who sleeps there? */
static bool is_news(const struct ipcchan_port *port, uint32_t slot)
{
	const struct ipcchan_cursor *c = ipcchan_cursor_of(port, slot);

	return ipcchan_load(&c->passed) < port->tx->head &&
	       ipcchan_load(&c->closed) != port->tx->base;
}

/*
 * Of those who sleep, who has yet to take the newest message? Who has taken it
 * went to sleep after that, and is not to be kicked for it; nor is who reads no
 * more from us, or awaits more than that.
 */
static uint64_t whom_to_kick(struct ipcchan_port *port, uint64_t sleeping, uint64_t before)
{
	uint64_t kick = 0;

	sleeping &= ipcchan_slots_mask(port->geometry.receivers);
	for (uint64_t left = sleeping; left; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		if (is_news(port, slot) && is_awaited(port, slot, before))
			kick |= 1ull << slot;
	}
	return kick;
}

/**
 * ipcchan_publish_wake() - wake who sleeps for what was published beyond @before; after C
 *
 * 0 or -ESHUTDOWN
 */
int ipcchan_publish_wake(struct ipcchan_port *port, uint64_t before)
{
	/* the bit, then what is awaited */
	uint64_t sleeping = ipcchan_load_acquire(&port->roster->sleeping_receivers);

	sleeping = whom_to_kick(port, sleeping, before);
	if (sleeping)
		return ipcchan_kick_slots(port, sleeping, 0);
	return ipcchan_load(&port->roster->receiver_generation) ? 0 : -ESHUTDOWN;
}

/**
 * ipcchan_publish_end() - what was put into the ring counts as published
 *
 * Wakes who sleeps for it: 0 or -ESHUTDOWN.
 */
int ipcchan_publish_end(struct ipcchan_port *port)
{
	uint64_t before = ipcchan_published(port->tx);

	port->tx->pending = 0;
	if (ipcchan_unlikely(ipcchan_short_end(port, port->tx)))
		return ipcchan_publish_wake(port, before);
	return ipcchan_load(&port->roster->receiver_generation) ? 0 : -ESHUTDOWN;
}
