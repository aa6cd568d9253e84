/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Freeing what a sender has published. Only the sending thread is here, and only
 * when room lacks: one scan frees whatever has become free since the last.
 *
 * A scan reads the receivers' cursors, then their holds. It looks at each of
 * these once, and at each message that is retired by it once, so its time is
 * bounded whatever the receivers write.
 *
 * With overflow block a message is retired when all have passed it; with
 * drop-oldest also when room lacks: then its descriptor is voided first, and
 * who is about to take it finds out (O, pairs with P and R).
 */
#include "internal.h"

/* A sixteenth of the ring is voided at a time, where places lack. */
#define VOID_SHIFT	4

/* The newest message a reader has passed, and its progress as it was then. */
static uint64_t read_cursor(struct ipcchan_tx *tx, const struct ipcchan_reader *r)
{
	struct ipcchan_seen *seen = &tx->seen[r->slot];
	/* H, pairs with G */
	uint64_t passed = ipcchan_load_acquire(&r->cursor->passed);
	uint64_t released = ipcchan_load_acquire(&r->cursor->released);
	uint64_t closed = ipcchan_load_acquire(&r->cursor->closed);

	tx->progress[r->slot] = ipcchan_progress(passed, released, closed);
	if (closed == tx->base)
		passed = tx->head;
	if (passed > tx->head)
		passed = tx->head;
	if (passed > seen->passed)
		seen->passed = passed;
	return seen->passed;
}

/* The newest message all have passed; everything, if nobody is there. */
static uint64_t read_cursors(struct ipcchan_tx *tx)
{
	uint64_t least = tx->head;

	for (uint32_t i = 0; i < tx->nr_readers; i++) {
		uint64_t passed = read_cursor(tx, &tx->readers[i]);

		if (passed < least)
			least = passed;
	}
	return least;
}

static struct ipcchan_pin *find_pin(struct ipcchan_tx *tx, uint64_t seq)
{
	uint32_t from = 0, to = tx->nr_pins;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (tx->pins[middle].seq < seq)
			from = middle + 1;
		else
			to = middle;
	}
	return from < tx->nr_pins && tx->pins[from].seq == seq ? &tx->pins[from] : NULL;
}

/* A hold that is not on a message of ours says nothing. */
static void mark(struct ipcchan_tx *tx, uint64_t seq)
{
	struct ipcchan_pin *pin;

	if (seq <= tx->base || seq > tx->head)
		return;
	if (seq > tx->floor) {
		tx->entries[seq & tx->mask].marked = tx->scans;
		return;
	}
	pin = find_pin(tx, seq);
	if (pin)
		pin->marked = tx->scans;
}

static void read_holds(struct ipcchan_port *port)
{
	struct ipcchan_tx *tx = port->tx;

	for (uint32_t i = 0; i < tx->nr_readers; i++) {
		const uint64_t *hold = tx->readers[i].holds;
		const uint64_t *end = hold + port->geometry.holds;

		for (; hold < end; hold++) {
			/* J, pairs with I; after all of H */
			uint64_t seq = ipcchan_load_acquire(hold);

			if (seq)
				mark(tx, seq);
		}
	}
}

/* Gives back what is held no more. */
static bool free_pins(struct ipcchan_tx *tx)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < tx->nr_pins; i++) {
		if (tx->pins[i].marked == tx->scans)
			tx->pins[kept++] = tx->pins[i];
		else
			ipcchan_arena_give(&tx->arena, tx->pins[i].block);
	}
	if (kept == tx->nr_pins)
		return false;
	tx->nr_pins = kept;
	return true;
}

/*
 * Gives back what is retired, or pins it. There is a pin for each hold of each
 * receiver, and every pin was seen in another of them, in this very scan.
 */
static bool free_retired(struct ipcchan_port *port, uint64_t to)
{
	struct ipcchan_tx *tx = port->tx;

	if (to == tx->floor)
		return false;
	for (uint64_t seq = tx->floor + 1; seq <= to && tx->nr_blocks; seq++) {
		struct ipcchan_entry *e = &tx->entries[seq & tx->mask];

		if (e->block == IPCCHAN_ARENA_NONE)
			continue;
		if (e->marked == tx->scans)
			tx->pins[tx->nr_pins++] = (struct ipcchan_pin){
				.seq = seq, .block = e->block,
			};
		else
			ipcchan_arena_give(&tx->arena, e->block);
		e->block = IPCCHAN_ARENA_NONE;
		tx->nr_blocks--;
	}
	if (ipcchan_unlikely(tx->nr_files))
		ipcchan_files_retire(port, to);
	tx->floor = to;
	ipcchan_room_changed(port);
	return true;
}

static bool scan(struct ipcchan_port *port, uint64_t to)
{
	struct ipcchan_tx *tx = port->tx;
	bool freed;

	tx->scans++;
	if (tx->nr_blocks || tx->nr_pins)
		read_holds(port);
	freed = free_pins(tx);
	return free_retired(port, to) || freed;
}

/**
 * ipcchan_reclaim_kept() - the newest message that need not be kept
 *
 * History is counted from the newest that C has followed: who joins after that
 * is seen in the roster by whoever looks now (M), and begins there.
 */
uint64_t ipcchan_reclaim_kept(const struct ipcchan_tx *tx)
{
	uint64_t newest = ipcchan_published(tx);

	return newest - tx->base > tx->history ? newest - tx->history : tx->base;
}

/*
 * What costs nobody a message; beyond it as few as are needed: some places, or the
 * first message that has a block.
 */
static uint64_t choose_victims(const struct ipcchan_tx *tx, uint64_t passed, uint64_t kept,
			       bool place)
{
	uint64_t to = tx->floor + 1 + (place ? tx->mask >> VOID_SHIFT : 0);

	while (!place && to < kept && tx->entries[to & tx->mask].block == IPCCHAN_ARENA_NONE)
		to++;
	if (!place && (to > kept || tx->entries[to & tx->mask].block == IPCCHAN_ARENA_NONE))
		to = passed;	/* none has: dropping them would bring nothing */
	if (to < passed)
		to = passed;
	return to < kept ? to : kept;
}

/* The sequence is kept: a receiver goes on from it to the next. */
static void void_up_to(struct ipcchan_tx *tx, uint64_t to)
{
	for (uint64_t seq = tx->floor + 1; seq <= to; seq++)
		ipcchan_store(&tx->ring[seq & tx->mask].seq, seq | IPCCHAN_SEQ_VOID);
}

static bool drop(struct ipcchan_port *port, uint64_t passed, uint64_t kept, bool place)
{
	struct ipcchan_tx *tx = port->tx;
	uint64_t to = choose_victims(tx, passed, kept, place);

	if (to == tx->floor && !tx->nr_pins)
		return false;
	void_up_to(tx, to);
	ipcchan_barrier();	/* O, pairs with P and R */
	return scan(port, to);
}

/**
 * ipcchan_reclaim() - free what is free; true if there was anything
 * @place:	it is a place in the ring that lacks
 *
 * The list of receivers is one read after the newest publish's barrier (M).
 */
bool ipcchan_reclaim(struct ipcchan_port *port, bool place)
{
	struct ipcchan_tx *tx = port->tx;
	uint64_t kept, passed;

	if (ipcchan_unlikely(tx->words))
		return ipcchan_retire(port, place);
	kept = ipcchan_reclaim_kept(tx);
	passed = read_cursors(tx);

	tx->scanned = tx->head;
	if (passed > kept)
		passed = kept;
	if (passed < tx->floor)
		passed = tx->floor;
	if (ipcchan_drops(port))
		return drop(port, passed, kept, place);
	if (passed == tx->floor && !tx->nr_pins)
		return false;
	return scan(port, passed);
}

/**
 * ipcchan_reclaim_await() - the sequence that must be passed before there can be
 * room, or 0 if anything may bring it
 */
uint64_t ipcchan_reclaim_await(const struct ipcchan_tx *tx)
{
	bool ring_full = tx->head - tx->floor + tx->loans > tx->mask;

	if (tx->floor == ipcchan_reclaim_kept(tx) ||
	    ((tx->nr_pins || tx->words) && !ring_full))
		return 0;
	return tx->floor + 1;
}

/** ipcchan_reclaim_changed() - does anything differ from what the last scan saw? */
bool ipcchan_reclaim_changed(const struct ipcchan_port *port)
{
	const struct ipcchan_tx *tx = port->tx;

	if (tx->words)
		return ipcchan_retire_changed(port);
	if (ipcchan_load(&port->roster->receiver_generation) != tx->generation)
		return true;
	for (uint32_t i = 0; i < tx->nr_readers; i++) {
		const struct ipcchan_reader *r = &tx->readers[i];
		uint64_t progress = ipcchan_progress(ipcchan_load(&r->cursor->passed),
						     ipcchan_load(&r->cursor->released),
						     ipcchan_load(&r->cursor->closed));

		if (progress != tx->progress[r->slot])
			return true;
	}
	return false;
}
