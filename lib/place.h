/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: the path of a message in place
 *
 * As short.h, for a message that lies in the arena: reserved, committed, received
 * in place and released while nobody sleeps, nothing has changed, and a block
 * of its size is at hand. What is not as usual goes the long way (loan.c, order.c,
 * take.c), which does the same steps and does them for every case.
 *
 * Here it is the lines fetched from the other processor that count, and what has
 * to wait for them: the payload's is asked for as soon as its place is known.
 */
#ifndef IPCCHAN_PLACE_H
#define IPCCHAN_PLACE_H

#include "short.h"

/*
 * May a message of this length be reserved at once, if the arena has a block? Where
 * there is a place there is a loan to be had: as many may be out as there are places.
 */
static IPCCHAN_INLINE bool ipcchan_place_fits(const struct ipcchan_port *port,
					      const struct ipcchan_tx *tx, size_t length)
{
	return length > IPCCHAN_INSIDE && length <= tx->most_in_place && tx->head < tx->until &&
	       /* M, pairs with M in the kernel; after the last publish's C */
	       ipcchan_load_acquire(&port->roster->receiver_generation) == tx->generation;
}

/* Puts a block of the arena into the next place of the ring; see ipcchan_publish_one(). */
static IPCCHAN_INLINE void ipcchan_place_put(struct ipcchan_tx *tx, const struct ipcchan_loan *loan,
					     uint32_t block, uint64_t time_ns)
{
	uint32_t index = (uint32_t)(tx->head + 1) & tx->mask;

	tx->entries[index].block = block;
	tx->nr_blocks++;
	ipcchan_describe_to(tx, &tx->ring[index],
			    (uint32_t)ipcchan_arena_offset(&tx->arena, block), loan->length,
			    loan->tag, time_ns, loan->priority);
}

/* Is there nothing wrong with what it says, and does it lie in the arena? */
static IPCCHAN_INLINE bool ipcchan_place_is_sound(const struct ipcchan_port *port,
						  const struct ipcchan_rx *rx,
						  const struct ipcchan_desc *desc,
						  uint32_t offset, uint32_t length)
{
	return length > IPCCHAN_INSIDE && length <= rx->most_in_place &&
	       (uint64_t)offset + length <= port->geometry.arena &&
	       !ipcchan_load(&desc->reserved) &&
	       !(ipcchan_load((const ipcchan_two_words *)&desc->flags) &
		 IPCCHAN_ALL_BUT_PRIORITY);
}

/* It is held by @id, a free one; the cursor is left as it was. */
static IPCCHAN_INLINE void ipcchan_place_hold(struct ipcchan_rx *rx, struct ipcchan_source *s,
					      uint32_t id)
{
	struct ipcchan_held *held = &rx->held[id];

	held->pinned = true;
	held->seq = s->expected;
	held->base = s->base;
	held->slot = s->slot;
	s->held++;
	ipcchan_count(&rx->holds, 1);
	ipcchan_store(&rx->hold_words[id], s->expected);	/* before G */
}

/*
 * Holds the next message, if it is one in the arena, of the sender whose turn it
 * is; there is a free hold. False: the long way.
 */
static IPCCHAN_INLINE bool ipcchan_place_get(const struct ipcchan_port *port,
					     struct ipcchan_rx *rx, struct ipcchan_source *s,
					     struct ipcchan_message *message)
{
	const struct ipcchan_desc *desc = &s->ring[s->expected & rx->mask];
	uint32_t offset, length, id;

	if (ipcchan_load_acquire(&desc->seq) != s->expected)	/* B, pairs with A */
		return false;
	offset = ipcchan_load(&desc->offset);
	length = ipcchan_load(&desc->length);
	if (ipcchan_unlikely(!ipcchan_place_is_sound(port, rx, desc, offset, length)))
		return false;
	__builtin_prefetch(s->payload + offset);
	ipcchan_short_describe(message, s, desc, length);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);		/* R, pairs with O */
	if (ipcchan_unlikely(ipcchan_load(&desc->seq) != s->expected))
		return false;
	id = rx->free_holds[--rx->nr_free_holds];
	ipcchan_place_hold(rx, s, id);
	message->data = s->payload + offset;
	message->id = id;
	return true;
}

#endif /* IPCCHAN_PLACE_H */
