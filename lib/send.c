/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Loans, and publishing them.
 *
 * A loan keeps a place in the ring as well as a block of the arena, so that
 * a commit never fails for want of room.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LOAN_INDEX_BITS	16

_Static_assert(IPCCHAN_MAX_DEPTH <= 1u << LOAN_INDEX_BITS, "a loan's index fits its id");

/* Room in the ring, the arena and the slot's sequence numbers; 0 or -errno. */
static int find_room(struct ipcchan_tx *tx, size_t length, uint32_t *block)
{
	*block = IPCCHAN_ARENA_NONE;
	if (!tx->nr_free_loans)
		return -ENOBUFS;
	if (tx->head + tx->loans >= tx->limit)
		return -EOVERFLOW;
	if (tx->head - tx->passed + tx->loans > tx->mask)
		return -EAGAIN;
	if (!length)
		return 0;
	*block = ipcchan_arena_take(&tx->arena, length);
	return *block == IPCCHAN_ARENA_NONE ? -EAGAIN : 0;
}

static void lend(struct ipcchan_tx *tx, struct ipcchan_loan *loan, size_t length, uint32_t block)
{
	uint32_t index = tx->free_loans[--tx->nr_free_loans];
	struct ipcchan_lent *lent = &tx->lent[index];

	lent->block = block;
	lent->length = length;
	lent->out = true;
	lent->nonce++;
	ipcchan_count(&tx->loans, 1);
	*loan = (struct ipcchan_loan){
		.data = length ? tx->payload + ipcchan_arena_offset(&tx->arena, block) : NULL,
		.length = length,
		.id = (uint32_t)lent->nonce << LOAN_INDEX_BITS | index,
	};
}

static int take_loan(struct ipcchan_port *port, size_t length, struct ipcchan_loan *loan)
{
	struct ipcchan_tx *tx = port->tx;
	uint32_t block;
	int rc = find_room(tx, length, &block);

	if (rc == -EAGAIN && ipcchan_reclaim(port))
		rc = find_room(tx, length, &block);
	if (!rc)
		lend(tx, loan, length, block);
	return rc;
}

/* Nobody else has anything of ours, so what lacks is out on loan. */
static bool all_on_loan(const struct ipcchan_tx *tx)
{
	return tx->head == tx->passed && !tx->nr_pins;
}

static bool has_left(const struct ipcchan_port *port)
{
	return port->flags & IPCCHAN_OPEN_NEED_PEER && port->tx->met && !port->tx->peers;
}

static int try_reserve(struct ipcchan_port *port, size_t length, struct ipcchan_loan *loan)
{
	int rc = ipcchan_roster_readers(port);

	if (rc)
		return rc;
	if (has_left(port))
		return -EPIPE;
	rc = take_loan(port, length, loan);
	return rc == -EAGAIN && all_on_loan(port->tx) ? -ENOBUFS : rc;
}

/* Until something differs from what the scan that found no room has seen. */
static int await_room(struct ipcchan_port *port, struct ipcchan_patience *patience)
{
	struct ipcchan_wait wait = {
		.flags = IPCCHAN_WAIT_SEND,
		.receiver_generation = port->tx->generation,
		.await = ipcchan_reclaim_await(port->tx),
		.progress = (uintptr_t)port->tx->progress,
		.nr_progress = port->geometry.receivers,
	};

	while (ipcchan_turn(patience)) {
		if (ipcchan_reclaim_changed(port))
			return 0;
	}
	if (patience->timeout_ns)
		return ipcchan_sleep(port, patience, &wait);
	if (!ipcchan_load(&port->polled))
		return -EAGAIN;
	return ipcchan_look(port, patience, &wait);
}

static int reserve_slowly(struct ipcchan_port *port, size_t length, struct ipcchan_loan *loan,
			  int64_t timeout_ns)
{
	struct ipcchan_patience patience;
	int rc = ipcchan_patience_init(port, &patience, timeout_ns);

	if (rc)
		return rc;
	ipcchan_count(&port->tx->full, 1);
	do {
		rc = await_room(port, &patience);
		if (rc)
			return rc;
		rc = try_reserve(port, length, loan);
	} while (rc == -EAGAIN);
	return rc;
}

int ipcchan_reserve(struct ipcchan_port *port, size_t length, struct ipcchan_loan *loan,
		    int64_t timeout_ns)
{
	int rc = ipcchan_check(port, IPCCHAN_SEND);

	if (rc)
		return rc;
	if (length > port->geometry.max_message)
		return -EMSGSIZE;
	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	rc = try_reserve(port, length, loan);
	return rc == -EAGAIN ? reserve_slowly(port, length, loan, timeout_ns) : rc;
}

static struct ipcchan_lent *find_loan(struct ipcchan_tx *tx, const struct ipcchan_loan *loan)
{
	uint32_t index = loan->id & ((1u << LOAN_INDEX_BITS) - 1);
	struct ipcchan_lent *lent = &tx->lent[index];

	if (index > tx->mask || !lent->out || lent->nonce != loan->id >> LOAN_INDEX_BITS)
		return NULL;
	return lent;
}

static void end_loan(struct ipcchan_tx *tx, struct ipcchan_lent *lent)
{
	lent->out = false;
	tx->free_loans[tx->nr_free_loans++] = (uint32_t)(lent - tx->lent);
	ipcchan_count(&tx->loans, -1);
}

/* What the message does not fill goes back to the arena. */
static uint32_t shrink(struct ipcchan_tx *tx, struct ipcchan_lent *lent, size_t length)
{
	uint32_t block = lent->block;

	if (length == lent->length)
		return block;
	if (length) {
		ipcchan_arena_trim(&tx->arena, block, length);
		return block;
	}
	ipcchan_arena_give(&tx->arena, block);
	return IPCCHAN_ARENA_NONE;
}

static void write_desc(const struct ipcchan_port *port, struct ipcchan_desc *desc,
		       const struct ipcchan_loan *loan, uint32_t block)
{
	struct ipcchan_arena *arena = &port->tx->arena;
	uint64_t time = port->flags & IPCCHAN_OPEN_TIMESTAMPS ? ipcchan_device_now() : 0;
	uint64_t offset = block == IPCCHAN_ARENA_NONE ? 0 : ipcchan_arena_offset(arena, block);

	ipcchan_store(&desc->offset, (uint32_t)offset);
	ipcchan_store(&desc->length, (uint32_t)loan->length);
	ipcchan_store(&desc->tag, loan->tag);
	ipcchan_store(&desc->time_ns, time);
	ipcchan_store(&desc->priority, loan->priority);
}

/*
 * Of those who sleep, who has yet to take the newest message? Who has taken it
 * went to sleep after that, and is not to be kicked for it; nor is who reads no
 * more from us.
 */
static uint64_t behind(const struct ipcchan_port *port, uint64_t sleeping)
{
	uint64_t kick = 0;

	for (uint64_t left = sleeping; left; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);
		const struct ipcchan_cursor *c = ipcchan_cursor_of(port, slot);

		if (ipcchan_load(&c->passed) < port->tx->head &&
		    ipcchan_load(&c->closed) != port->tx->base)
			kick |= 1ull << slot;
	}
	return kick;
}

/* Makes the message visible, and wakes who sleeps; 0 or -ESHUTDOWN. */
static int publish(struct ipcchan_port *port, struct ipcchan_desc *desc, size_t length)
{
	struct ipcchan_tx *tx = port->tx;
	uint64_t sleeping;

	ipcchan_count(&tx->sent, 1);
	ipcchan_count(&tx->bytes, length);
	ipcchan_store(&tx->outbox->sent, tx->sent);
	ipcchan_store(&tx->outbox->bytes, tx->bytes);
	tx->head++;
	ipcchan_store_release(&desc->seq, tx->head);		/* A, pairs with B */
	ipcchan_store_release(&tx->outbox->head, tx->head);	/* L, pairs with L in the kernel */
	ipcchan_barrier();					/* C, pairs with D, K and N */
	sleeping = ipcchan_load(&port->roster->sleeping_receivers) &
		   ipcchan_slots_mask(port->geometry.receivers);
	if (sleeping)
		sleeping = behind(port, sleeping);
	if (sleeping)
		return ipcchan_kick_slots(port, sleeping, 0);
	return ipcchan_load(&port->roster->receiver_generation) ? 0 : -ESHUTDOWN;
}

int ipcchan_commit(struct ipcchan_port *port, struct ipcchan_loan *loan)
{
	int rc = ipcchan_check(port, IPCCHAN_SEND);
	struct ipcchan_tx *tx = port->tx;
	struct ipcchan_entry *entry;
	struct ipcchan_lent *lent;
	struct ipcchan_desc *desc;

	if (rc)
		return rc;
	lent = find_loan(tx, loan);
	if (!lent || loan->length > lent->length)
		return -EINVAL;
	entry = &tx->entries[(tx->head + 1) & tx->mask];
	desc = &tx->ring[(tx->head + 1) & tx->mask];
	entry->block = shrink(tx, lent, loan->length);
	write_desc(port, desc, loan, entry->block);
	end_loan(tx, lent);
	return publish(port, desc, loan->length);
}

void ipcchan_abort(struct ipcchan_port *port, struct ipcchan_loan *loan)
{
	struct ipcchan_lent *lent;

	if (ipcchan_check(port, IPCCHAN_SEND))
		return;
	lent = find_loan(port->tx, loan);
	if (!lent)
		return;
	ipcchan_arena_give(&port->tx->arena, lent->block);
	end_loan(port->tx, lent);
}

int ipcchan_send(struct ipcchan_port *port, const void *data, size_t length,
		 int64_t timeout_ns)
{
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(port, length, &loan, timeout_ns);

	if (rc)
		return rc;
	if (length)
		memcpy(loan.data, data, length);
	return ipcchan_commit(port, &loan);
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
	tx->base = ipcchan_load(&port->senders[tx->slot].base);
	tx->head = tx->base;
	tx->passed = tx->base;
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
