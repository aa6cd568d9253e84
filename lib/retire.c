/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Freeing what a sender has published on a queue. In place of receivers' cursors
 * there are the kernel's words, one for each place of the ring: a message is
 * retired once its word is its sequence. Payloads are free in any order, places in
 * the ring's.
 */
#include "internal.h"

static bool is_retired(const struct ipcchan_tx *tx, uint64_t seq)
{
	/* T, pairs with S in the kernel */
	return ipcchan_load_acquire(&tx->words[seq & tx->mask]) == seq;
}

/* Its block, if it has one. */
static bool give_block(struct ipcchan_tx *tx, uint64_t seq)
{
	struct ipcchan_entry *e = &tx->entries[seq & tx->mask];

	if (e->block == IPCCHAN_ARENA_NONE)
		return false;
	ipcchan_arena_give(&tx->arena, e->block);
	e->block = IPCCHAN_ARENA_NONE;
	tx->nr_blocks--;
	return true;
}

/* The places of what is retired, up to the first that is not. */
static bool free_places(struct ipcchan_port *port)
{
	struct ipcchan_tx *tx = port->tx;
	uint64_t floor = tx->floor;

	while (tx->floor < tx->head && is_retired(tx, tx->floor + 1)) {
		give_block(tx, ++tx->floor);
		if (ipcchan_unlikely(tx->nr_files))
			ipcchan_files_forget(tx, tx->floor);
	}
	if (tx->floor == floor)
		return false;
	ipcchan_room_changed(port);
	return true;
}

/* The blocks of what is retired beyond that. */
static bool free_blocks(struct ipcchan_tx *tx)
{
	bool freed = false;

	for (uint64_t seq = tx->floor + 1; seq <= tx->head && tx->nr_blocks; seq++)
		freed |= is_retired(tx, seq) && give_block(tx, seq);
	return freed;
}

/**
 * ipcchan_retire() - free what is free; true if there was anything
 * @place:	it is a place in the ring that lacks
 *
 * What was counted before the look is kept for who waits then.
 */
bool ipcchan_retire(struct ipcchan_port *port, bool place)
{
	struct ipcchan_tx *tx = port->tx;
	bool freed;

	/* V, pairs with U in the kernel; before all T */
	tx->progress[0] = ipcchan_load_acquire(&port->senders[tx->slot].retired);
	if (tx->looked && tx->progress[0] == tx->retired)
		return false;
	freed = free_places(port);
	tx->looked = !place;
	if (!place)
		freed |= free_blocks(tx);
	tx->retired = tx->progress[0];
	return freed;
}

/** ipcchan_retire_changed() - was anything retired since then? */
bool ipcchan_retire_changed(const struct ipcchan_port *port)
{
	const struct ipcchan_tx *tx = port->tx;

	return ipcchan_load(&port->roster->receiver_generation) != tx->generation ||
	       ipcchan_load(&port->senders[tx->slot].retired) != tx->progress[0];
}
