/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Room for messages, and loans of it.
 *
 * A loan keeps a place in the ring as well as a block of the arena, so that
 * a commit never fails for want of room. A short payload is lent from private
 * memory, and goes into the descriptor when it is committed: which descriptor
 * that is, the order of commits decides.
 */
#include <stdlib.h>
#include <string.h>

#include "place.h"

#define LOAN_INDEX_BITS	16

_Static_assert(IPCCHAN_MAX_DEPTH <= 1u << LOAN_INDEX_BITS, "a loan's index fits its id");

static bool has_left(const struct ipcchan_port *port)
{
	return port->flags & IPCCHAN_OPEN_NEED_PEER && port->tx->met && !port->tx->peers;
}

/**
 * ipcchan_room_changed() - of what a place depends on something is different: loans,
 * what is retired, or who receives
 */
void ipcchan_room_changed(struct ipcchan_port *port)
{
	struct ipcchan_tx *tx = port->tx;
	uint64_t end = tx->floor + tx->mask + 1;

	tx->until = has_left(port) ? 0 : (end < tx->limit ? end : tx->limit) - tx->loans;
}

static bool lacks_place(const struct ipcchan_tx *tx)
{
	return tx->head - tx->floor + tx->loans > tx->mask;
}

/* Room in the slot's sequence numbers, the ring and the arena; 0 or -errno. */
static int find(struct ipcchan_tx *tx, size_t length, uint32_t *block)
{
	*block = IPCCHAN_ARENA_NONE;
	if (ipcchan_unlikely(tx->head >= tx->until))
		return tx->head + tx->loans >= tx->limit ? -EOVERFLOW : -EAGAIN;
	if (length <= IPCCHAN_INSIDE)
		return 0;
	*block = ipcchan_arena_take(&tx->arena, length);
	return *block == IPCCHAN_ARENA_NONE ? -EAGAIN : 0;
}

/* Nobody else has anything of ours, so what lacks is out on loan. */
static bool all_on_loan(const struct ipcchan_port *port)
{
	const struct ipcchan_tx *tx = port->tx;

	return ipcchan_drops(port) ||
	       (tx->floor == ipcchan_reclaim_kept(tx) && !tx->nr_pins);
}

static int find_by_reclaim(struct ipcchan_port *port, size_t length, uint32_t *block)
{
	int rc = -EAGAIN;

	while (rc == -EAGAIN && ipcchan_reclaim(port, lacks_place(port->tx)))
		rc = find(port->tx, length, block);
	if (rc == -EAGAIN && !port->tx->pending && all_on_loan(port))
		rc = -ENOBUFS;
	port->tx->lacking = rc == -EAGAIN;
	return rc;
}

/**
 * ipcchan_room_find() - room for a message, now
 * @block:	out: of the arena, or IPCCHAN_ARENA_NONE if it needs none
 *
 * -EAGAIN, -ENOBUFS, -EOVERFLOW, -EPIPE, -ESHUTDOWN
 */
int ipcchan_room_find(struct ipcchan_port *port, size_t length, uint32_t *block)
{
	int rc = ipcchan_roster_readers(port);

	if (ipcchan_unlikely(rc))
		return rc;
	if (ipcchan_unlikely(has_left(port)))
		return -EPIPE;
	rc = find(port->tx, length, block);
	if (ipcchan_likely(rc != -EAGAIN))
		return rc;
	return find_by_reclaim(port, length, block);
}

/* Until something differs from what the scan that found no room has seen. */
static int await_change(struct ipcchan_port *port, struct ipcchan_patience *patience)
{
	struct ipcchan_wait wait = {
		.flags = IPCCHAN_WAIT_SEND,
		.receiver_generation = port->tx->generation,
		.await = ipcchan_reclaim_await(port->tx),
		.progress = (uintptr_t)port->tx->progress,
		.nr_progress = ipcchan_nr_progress(port),
	};

	while (ipcchan_turn(patience)) {
		if (ipcchan_reclaim_changed(port)) {
			ipcchan_spin_succeeded(patience);
			return 0;
		}
	}
	if (patience->timeout_ns)
		return ipcchan_sleep(port, patience, &wait);
	if (!ipcchan_load(&port->polled))
		return -EAGAIN;
	return ipcchan_look(port, patience, &wait);
}

/**
 * ipcchan_room_await() - the same after an -EAGAIN, within a call's patience
 */
int ipcchan_room_await(struct ipcchan_port *port, size_t length, uint32_t *block,
		       struct ipcchan_patience *patience)
{
	int rc;

	ipcchan_count(&port->tx->full, 1);
	do {
		rc = await_change(port, patience);
		if (rc)
			return rc;
		rc = ipcchan_room_find(port, length, block);
	} while (rc == -EAGAIN);
	if (!rc)
		ipcchan_patience_renew(port, patience);
	return rc;
}

static int find_slowly(struct ipcchan_port *port, size_t length, uint32_t *block,
		       int64_t timeout_ns)
{
	struct ipcchan_patience patience;
	int rc = ipcchan_patience_init(port, &patience, &port->tx->spin, timeout_ns);

	return rc ? rc : ipcchan_room_await(port, length, block, &patience);
}

/** ipcchan_room() - the same for a call of its own: checks, finds, waits */
int ipcchan_room(struct ipcchan_port *port, size_t length, uint32_t *block, int64_t timeout_ns)
{
	int rc;

	if (ipcchan_unlikely(length > port->geometry.max_message))
		return -EMSGSIZE;
	if (ipcchan_unlikely(timeout_ns < IPCCHAN_WAIT_FOREVER_NS))
		return -EINVAL;
	rc = ipcchan_room_find(port, length, block);
	if (ipcchan_likely(rc != -EAGAIN))
		return rc;
	return find_slowly(port, length, block, timeout_ns);
}

static void *memory_of(struct ipcchan_tx *tx, struct ipcchan_lent *lent)
{
	if (lent->block == IPCCHAN_ARENA_NONE)
		return lent->inside;
	return tx->payload + ipcchan_arena_offset(&tx->arena, lent->block);
}

static inline void lend(struct ipcchan_tx *tx, struct ipcchan_loan *loan, size_t length, uint32_t block)
{
	uint32_t index = tx->free_loans[--tx->nr_free_loans];
	struct ipcchan_lent *lent = &tx->lent[index];

	lent->block = block;
	lent->length = length;
	lent->out = true;
	lent->nonce++;
	ipcchan_count(&tx->loans, 1);
	tx->until--;
	*loan = (struct ipcchan_loan){
		.data = length ? memory_of(tx, lent) : NULL,
		.length = length,
		.id = (uint32_t)lent->nonce << LOAN_INDEX_BITS | index,
	};
}

static __attribute__((noinline)) int reserve_slowly(struct ipcchan_port *port, size_t length,
						    struct ipcchan_loan *loan,
						    int64_t timeout_ns)
{
	int rc = ipcchan_check(port, IPCCHAN_SEND);
	uint32_t block;

	if (rc)
		return rc;
	if (!port->tx->nr_free_loans)
		return -ENOBUFS;
	rc = ipcchan_room(port, length, &block, timeout_ns);
	if (rc)
		return rc;
	lend(port->tx, loan, length, block);
	return 0;
}

int ipcchan_reserve(struct ipcchan_port *port, size_t length, struct ipcchan_loan *loan,
		    int64_t timeout_ns)
{
	struct ipcchan_tx *tx = ipcchan_tx(port);
	uint32_t block;

	if (ipcchan_unlikely(!tx || timeout_ns < IPCCHAN_WAIT_FOREVER_NS ||
			     !ipcchan_place_fits(port, tx, length)))
		return reserve_slowly(port, length, loan, timeout_ns);
	block = ipcchan_arena_take(&tx->arena, length);
	if (ipcchan_unlikely(block == IPCCHAN_ARENA_NONE))
		return reserve_slowly(port, length, loan, timeout_ns);
	lend(tx, loan, length, block);
	return 0;
}

/* What a loan refers to, if it is out and has nothing to go with it. */
static inline struct ipcchan_lent *find_lent(struct ipcchan_tx *tx, const struct ipcchan_loan *loan)
{
	uint64_t last;		/* nr_files and reserved2 */
	uint32_t index = loan->id & ((1u << LOAN_INDEX_BITS) - 1);
	struct ipcchan_lent *lent = &tx->lent[index];

	memcpy(&last, &loan->nr_files, sizeof(last));
	if (index > tx->mask || !lent->out || lent->nonce != loan->id >> LOAN_INDEX_BITS ||
	    loan->reserved | (uintptr_t)loan->files | last)
		return NULL;
	return lent;
}

/* The same, whatever goes with it. */
static struct ipcchan_lent *find_bare(struct ipcchan_tx *tx, const struct ipcchan_loan *loan)
{
	struct ipcchan_loan bare = *loan;

	bare.files = NULL;
	bare.nr_files = 0;
	return find_lent(tx, &bare);
}

/* The same, with files or without. */
static struct ipcchan_lent *find_any(struct ipcchan_tx *tx, const struct ipcchan_loan *loan)
{
	if (!loan->files != !loan->nr_files || loan->nr_files > IPCCHAN_MAX_FILES)
		return NULL;
	return find_bare(tx, loan);
}

static inline void end_loan(struct ipcchan_tx *tx, struct ipcchan_lent *lent)
{
	lent->out = false;
	tx->free_loans[tx->nr_free_loans++] = (uint32_t)(lent - tx->lent);
	ipcchan_count(&tx->loans, -1);
	tx->until += !!tx->until;	/* 0: nobody is there to send to */
}

/* What the message does not fill goes back to the arena: the block it keeps. */
static uint32_t shrink(struct ipcchan_tx *tx, struct ipcchan_lent *lent, size_t length)
{
	uint32_t block = lent->block;

	if (block == IPCCHAN_ARENA_NONE || length == lent->length)
		return block;
	tx->lacking = false;
	if (length > IPCCHAN_INSIDE) {
		ipcchan_arena_trim(&tx->arena, block, length);
		return block;
	}
	return IPCCHAN_ARENA_NONE;
}

/* Publishes what was lent, but for the barrier. */
static void commit(struct ipcchan_port *port, const struct ipcchan_loan *loan,
		   struct ipcchan_lent *lent)
{
	struct ipcchan_tx *tx = port->tx;
	uint32_t block = shrink(tx, lent, loan->length);

	ipcchan_publish_one(port, loan, block, memory_of(tx, lent));
	if (block != lent->block)
		ipcchan_arena_give(&tx->arena, lent->block);
	end_loan(tx, lent);
}

static __attribute__((noinline)) int commit_slowly(struct ipcchan_port *port,
						   const struct ipcchan_loan *loan,
						   struct ipcchan_lent *lent)
{
	commit(port, loan, lent);
	return ipcchan_publish_end(port);
}

/*
 * Where the next message of that length would lack room, look already now for what
 * receivers have given back: their lines are fetched while they are busy with the message
 * just published, and not while they wait for the next. Once for two messages at
 * most: who is ahead of them by all the room there is would fetch the lines twice for each.
 *
 * 0, or -ESHUTDOWN: the port was evicted.
 */
static IPCCHAN_INLINE int reclaim_ahead(struct ipcchan_port *port, struct ipcchan_tx *tx,
					size_t length)
{
	/* M, pairs with M in the kernel; after C */
	uint64_t generation = ipcchan_load_acquire(&port->roster->receiver_generation);

	if (ipcchan_unlikely(ipcchan_arena_free(&tx->arena) < length) &&
	    tx->head - tx->scanned > 1 && generation == tx->generation && !ipcchan_drops(port) &&
	    ipcchan_reclaim(port, false))
		tx->lacking = false;
	return ipcchan_likely(generation) ? 0 : -ESHUTDOWN;
}

/* The files of loans that are about to become the next messages: all, or none. */
static int put_files(struct ipcchan_port *port, const struct ipcchan_loan *loans, size_t n)
{
	uint64_t head = port->tx->head;
	int rc = 0;
	size_t i;

	for (i = 0; i < n && !rc; i++) {
		if (loans[i].nr_files)
			rc = ipcchan_files_put(port, head + 1 + i, loans[i].files,
					       loans[i].nr_files);
	}
	if (rc)
		ipcchan_files_drop(port, head + i);
	return rc;
}

/* What is not a plain loan: one with files, or none at all. */
static __attribute__((noinline)) int commit_files(struct ipcchan_port *port,
						  struct ipcchan_loan *loan)
{
	struct ipcchan_lent *lent = find_any(port->tx, loan);
	int rc;

	if (!lent || loan->length > lent->length)
		return -EINVAL;
	rc = put_files(port, loan, 1);
	if (rc)
		return rc;
	commit(port, loan, lent);
	rc = ipcchan_publish_end(port);
	ipcchan_files_sent(port);
	return rc;
}

int ipcchan_commit(struct ipcchan_port *port, struct ipcchan_loan *loan)
{
	struct ipcchan_tx *tx = ipcchan_tx(port);
	struct ipcchan_lent *lent;

	if (ipcchan_unlikely(!tx))
		return ipcchan_check(port, IPCCHAN_SEND);
	lent = find_lent(tx, loan);
	if (ipcchan_unlikely(!lent || loan->length > lent->length))
		return commit_files(port, loan);
	if (ipcchan_unlikely(lent->block == IPCCHAN_ARENA_NONE || loan->length < lent->length ||
			     !tx->most_in_place))
		return commit_slowly(port, loan, lent);
	ipcchan_place_put(tx, loan, lent->block, 0);
	end_loan(tx, lent);
	if (ipcchan_unlikely(ipcchan_short_end(port, tx)))
		return ipcchan_publish_wake(port, tx->head - 1);
	return reclaim_ahead(port, tx, loan->length);
}

static struct ipcchan_lent *lent_of(struct ipcchan_tx *tx, const struct ipcchan_loan *loan)
{
	return &tx->lent[loan->id & ((1u << LOAN_INDEX_BITS) - 1)];
}

typedef struct ipcchan_lent *find_fn(struct ipcchan_tx *tx, const struct ipcchan_loan *loan);

static void unclaim(struct ipcchan_tx *tx, const struct ipcchan_loan *loans, size_t n)
{
	while (n--)
		lent_of(tx, &loans[n])->out = true;
}

/* Marks the loans as no longer out, so that none is taken twice: all, or none. */
static inline bool claim(struct ipcchan_tx *tx, const struct ipcchan_loan *loans, size_t n,
			 find_fn *find_one)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct ipcchan_lent *lent = find_one(tx, &loans[i]);

		if (!lent || loans[i].length > lent->length)
			break;
		lent->out = false;
	}
	if (i == n)
		return true;
	unclaim(tx, loans, i);
	return false;
}

/* Some have files, or are none at all. */
static __attribute__((noinline)) int commit_batch_files(struct ipcchan_port *port,
							struct ipcchan_loan *loans, size_t n)
{
	struct ipcchan_tx *tx = port->tx;
	int rc;

	if (!claim(tx, loans, n, find_any))
		return -EINVAL;
	rc = put_files(port, loans, n);
	if (rc) {
		unclaim(tx, loans, n);
		return rc;
	}
	for (size_t i = 0; i < n; i++)
		commit(port, &loans[i], lent_of(tx, &loans[i]));
	rc = ipcchan_publish_end(port);
	ipcchan_files_sent(port);
	return rc;
}

int ipcchan_commit_batch(struct ipcchan_port *port, struct ipcchan_loan *loans, size_t n)
{
	int rc = ipcchan_check(port, IPCCHAN_SEND);

	if (rc)
		return rc;
	if (!claim(port->tx, loans, n, find_lent))
		return commit_batch_files(port, loans, n);
	for (size_t i = 0; i < n; i++)
		commit(port, &loans[i], lent_of(port->tx, &loans[i]));
	return n ? ipcchan_publish_end(port) : 0;
}

void ipcchan_abort(struct ipcchan_port *port, struct ipcchan_loan *loan)
{
	struct ipcchan_lent *lent;

	if (ipcchan_check(port, IPCCHAN_SEND))
		return;
	lent = find_bare(port->tx, loan);
	if (!lent)
		return;
	ipcchan_arena_give(&port->tx->arena, lent->block);
	end_loan(port->tx, lent);
	port->tx->lacking = false;
}

/* Blocks taken at a time: what is lent or not passed, and what is held beyond. */
static uint32_t most_blocks(const struct ipcchan_geometry *g)
{
	return g->depth + g->receivers * g->holds;
}

static bool allocate(struct ipcchan_tx *tx, const struct ipcchan_geometry *g)
{
	tx->entries = ipcchan_alloc(g->depth, sizeof(*tx->entries));
	tx->lent = ipcchan_alloc(g->depth, sizeof(*tx->lent));
	tx->free_loans = ipcchan_alloc(g->depth, sizeof(*tx->free_loans));
	tx->pins = ipcchan_alloc((size_t)g->receivers * g->holds, sizeof(*tx->pins));
	tx->readers = ipcchan_alloc(g->receivers, sizeof(*tx->readers));
	tx->seen = ipcchan_alloc(g->receivers, sizeof(*tx->seen));
	tx->progress = ipcchan_alloc(g->receivers, sizeof(*tx->progress));
	return !ipcchan_arena_init(&tx->arena, g->arena, most_blocks(g)) && tx->entries &&
	       tx->lent && tx->free_loans && tx->pins && tx->readers && tx->seen &&
	       tx->progress;
}

/* NULL: no memory. Nothing is allocated later. */
struct ipcchan_tx *ipcchan_tx_new(const struct ipcchan_port *port, uint32_t slot)
{
	const struct ipcchan_geometry *g = &port->geometry;
	struct ipcchan_tx *tx = ipcchan_alloc(1, sizeof(*tx));

	if (!tx)
		return NULL;
	if (!allocate(tx, g)) {
		ipcchan_tx_free(tx);
		return NULL;
	}
	tx->slot = slot;
	tx->mask = g->depth - 1;
	if (!(port->flags & IPCCHAN_OPEN_TIMESTAMPS)) {
		tx->short_end = 1 + (g->max_message < IPCCHAN_INSIDE ?
				     (uint32_t)g->max_message : IPCCHAN_INSIDE);
		tx->most_in_place = g->max_message;
	}
	tx->history = port->history;
	for (uint32_t i = 0; i < g->depth; i++)
		tx->entries[i].block = IPCCHAN_ARENA_NONE;
	tx->limit = ipcchan_seq_limit(slot);
	for (uint32_t i = 0; i < g->depth; i++)
		tx->free_loans[i] = g->depth - 1 - i;
	tx->nr_free_loans = g->depth;
	return tx;
}

/* The own region is mapped: the port has its base, and is on the roster. */
void ipcchan_tx_start(struct ipcchan_port *port)
{
	uint64_t offset = port->rx ? port->layout.receipts_size : 0;
	struct ipcchan_tx *tx = port->tx;
	uint8_t *outbox = port->own + offset;

	tx->outbox = (void *)outbox;
	tx->ring = (void *)(outbox + port->layout.ring);
	tx->payload = outbox + port->layout.arena;
	if (port->queue)
		tx->words = (const void *)(port->window + port->layout.retired +
					   (uint64_t)tx->slot * port->geometry.depth * 8);
	tx->base = ipcchan_load(&port->senders[tx->slot].base);
	tx->head = tx->base;
	tx->floor = tx->base;
	for (uint32_t i = 0; i < port->geometry.receivers; i++)
		tx->seen[i].passed = tx->base;
	ipcchan_roster_readers(port);
}

void ipcchan_tx_free(struct ipcchan_tx *tx)
{
	if (!tx)
		return;
	ipcchan_arena_destroy(&tx->arena);
	free(tx->progress);
	free(tx->seen);
	free(tx->readers);
	free(tx->pins);
	free(tx->free_loans);
	free(tx->lent);
	free(tx->entries);
	free(tx);
}
