/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Taking messages and giving them back.
 *
 * What is held of a long message is a word in our receipts that names it; of a
 * short one, a copy: that frees its place in the ring, and no sender is ever
 * concerned by its release.
 */
#include <stdlib.h>
#include <string.h>

#include "short.h"
#include "work.h"

/** ipcchan_describe() - a message that is not held */
void ipcchan_describe(struct ipcchan_message *message, const struct ipcchan_found *f,
		      uint64_t seq)
{
	*message = (struct ipcchan_message){
		.length = f->length,
		.tag = f->tag,
		.time_ns = f->time_ns,
		.sequence = seq,
		.sender = f->source->slot,
		.priority = f->priority,
		.id = IPCCHAN_NOT_HELD,
	};
}

/** ipcchan_short_describe() - the same as it stands in the descriptor */
void ipcchan_short_describe(struct ipcchan_message *message, const struct ipcchan_source *s,
			    const struct ipcchan_desc *desc, size_t length)
{
	*message = (struct ipcchan_message){
		.length = length,
		.tag = ipcchan_load(&desc->tag),
		.time_ns = ipcchan_load(&desc->time_ns),
		.sequence = s->expected,
		.lost = s->lost,
		.sender = s->slot,
		.priority = ipcchan_load(&desc->priority),
		.id = IPCCHAN_NOT_HELD,
	};
}

/* Names the message in a hold, or copies it there: where its payload is. */
static const void *grab(struct ipcchan_port *port, const struct ipcchan_found *f, uint64_t seq,
			uint32_t id)
{
	struct ipcchan_rx *rx = port->rx;
	struct ipcchan_held *held = &rx->held[id];

	held->pinned = f->length > IPCCHAN_INSIDE;
	if (!held->pinned) {
		ipcchan_source_copy(rx, f->source, seq, held->inside, f->length);
		return held->inside;
	}
	ipcchan_store(&rx->hold_words[id], seq);	/* before G */
	if (ipcchan_drops(port))
		ipcchan_barrier();			/* P, pairs with O */
	return f->source->payload + f->offset;
}

/**
 * ipcchan_hold() - hold a message that was found, wherever our cursor is
 *
 * There is a free hold. 0, or what ipcchan_source_vanished() says.
 */
int ipcchan_hold(struct ipcchan_port *port, const struct ipcchan_found *f, uint64_t seq,
		 struct ipcchan_message *message)
{
	struct ipcchan_rx *rx = port->rx;
	uint32_t id = rx->free_holds[rx->nr_free_holds - 1];
	struct ipcchan_held *held = &rx->held[id];
	const void *data = grab(port, f, seq, id);

	if (ipcchan_unlikely(!ipcchan_source_shows(rx, f->source, seq))) {
		if (held->pinned)
			ipcchan_store(&rx->hold_words[id], 0);
		return ipcchan_source_vanished(port, f->source);
	}
	rx->nr_free_holds--;
	held->seq = seq;
	held->base = f->source->base;
	held->slot = f->source->slot;
	f->source->held += held->pinned;
	ipcchan_count(&rx->holds, 1);
	ipcchan_describe(message, f, seq);
	message->data = data;
	message->id = id;
	return 0;
}

static size_t scatter(const struct iovec *pieces, size_t n, const uint8_t *from, size_t length)
{
	for (size_t i = 0; i < n && length; i++) {
		size_t part = pieces[i].iov_len < length ? pieces[i].iov_len : length;

		if (part)
			memcpy(pieces[i].iov_base, from, part);
		from += part;
		length -= part;
	}
	return length;
}

/*
 * The payload is read while a hostile sender, or one that may drop it, can
 * write there: what was read counts only if the source still shows the message.
 */
static void copy_payload(const struct ipcchan_port *port, const struct ipcchan_found *f,
			 const struct iovec *pieces, size_t n)
{
	const struct ipcchan_source *s = f->source;
	uint64_t inside[IPCCHAN_INSIDE_WORDS];

	if (f->length > IPCCHAN_INSIDE) {
		scatter(pieces, n, s->payload + f->offset, f->length);
	} else if (n == 1) {
		ipcchan_source_copy(port->rx, s, s->expected, pieces->iov_base, f->length);
	} else {
		ipcchan_source_copy(port->rx, s, s->expected, inside, f->length);
		scatter(pieces, n, (const uint8_t *)inside, f->length);
	}
}

/**
 * ipcchan_take_copy() - copy out what was found; the pieces have room for it
 *
 * No hold is needed: the cursor moves on when the payload has been copied, and
 * until then the message is not passed. 0, or what ipcchan_source_vanished() says.
 */
int ipcchan_take_copy(struct ipcchan_port *port, const struct ipcchan_found *f,
		      const struct iovec *pieces, size_t n)
{
	struct ipcchan_source *s = f->source;

	copy_payload(port, f, pieces, n);
	if (ipcchan_likely(ipcchan_source_shows(port->rx, s, s->expected)))
		return 0;
	return ipcchan_source_vanished(port, s);
}

/**
 * ipcchan_advance() - what was found is taken: go on to the sender's next
 *
 * Others see it with ipcchan_advance_end(). Returns what was lost before it.
 */
uint64_t ipcchan_advance(struct ipcchan_port *port, const struct ipcchan_found *f)
{
	struct ipcchan_source *s = f->source;
	struct ipcchan_rx *rx = port->rx;
	uint64_t lost = s->lost;

	ipcchan_short_advance(rx, s, f->length);
	rx->touched |= 1ull << s->slot;
	return lost;
}

static void store_cursor(struct ipcchan_source *s)
{
	s->before = ipcchan_load(&s->cursor->passed);
	ipcchan_store_release(&s->cursor->passed, s->expected - 1);	/* G, pairs with H */
}

/**
 * ipcchan_advance_end() - tell the senders how far we are, and wake who waits for it
 *
 * No sender waits for a cursor where messages may be dropped.
 */
void ipcchan_advance_end(struct ipcchan_port *port)
{
	struct ipcchan_rx *rx = port->rx;
	uint64_t touched = rx->touched;

	if (!touched)
		return;
	rx->touched = 0;
	for (uint64_t left = touched; left; left &= left - 1)
		store_cursor(&rx->sources[__builtin_ctzll(left)]);
	if (ipcchan_drops(port))
		return;
	ipcchan_barrier();					/* E, pairs with F and N */
	touched &= ipcchan_load(&port->roster->sleeping_senders);
	for (; ipcchan_unlikely(touched); touched &= touched - 1) {
		const struct ipcchan_source *s = &rx->sources[__builtin_ctzll(touched)];

		ipcchan_wake_sender(port, s, s->before, s->expected - 1);
	}
}

static inline bool is_held(const struct ipcchan_port *port, const struct ipcchan_message *message)
{
	return message->id < port->geometry.holds && message->sequence &&
	       port->rx->held[message->id].seq == message->sequence;
}

/* Gives a hold back: the bit of the slot whose sender it may concern, or 0. */
static inline uint64_t unhold(struct ipcchan_rx *rx, uint32_t id)
{
	struct ipcchan_held *held = &rx->held[id];
	struct ipcchan_source *s = &rx->sources[held->slot];

	held->seq = 0;
	rx->free_holds[rx->nr_free_holds++] = (uint16_t)id;
	ipcchan_count(&rx->holds, -1);
	if (!held->pinned)
		return 0;
	ipcchan_store_release(&rx->hold_words[id], 0);		/* I, pairs with J */
	ipcchan_store_release(&s->cursor->released, s->cursor->released + 1);
	if (s->base == held->base)
		s->held--;	/* else its sender was evicted, the slot has another */
	return 1ull << held->slot;
}

/* Wakes who may wait for what was given back to the senders in these slots; after E. */
static __attribute__((noinline)) void wake_owners(struct ipcchan_port *port, uint64_t slots)
{
	for (; slots; slots &= slots - 1) {
		struct ipcchan_source *s = &port->rx->sources[__builtin_ctzll(slots)];

		if (!ipcchan_drops(port))
			ipcchan_wake_sender(port, s, 0, 0);
		ipcchan_source_drain(port, s);
	}
}

static inline uint64_t release(struct ipcchan_rx *rx, struct ipcchan_message *message)
{
	uint64_t slot = unhold(rx, message->id);

	message->data = NULL;
	message->id = IPCCHAN_NOT_HELD;
	return slot;
}

/* One that is not held as others are: it has files, or is not held at all. */
static int release_files(struct ipcchan_port *port, struct ipcchan_message *message)
{
	uint32_t slot;

	if (!ipcchan_files_is_held(port, message))
		return -EINVAL;
	slot = port->rx->held[message->id].slot;
	release(port->rx, message);
	if (!ipcchan_drops(port))
		ipcchan_barrier();				/* E, pairs with F and N */
	wake_owners(port, 1ull << slot);
	ipcchan_files_done(port, slot);
	return 0;
}

int ipcchan_release(struct ipcchan_port *port, struct ipcchan_message *message)
{
	struct ipcchan_rx *rx = ipcchan_rx(port);
	uint64_t slot;

	if (ipcchan_unlikely(!rx))
		return ipcchan_work_release(port, message, 1,
					    ipcchan_check(port, IPCCHAN_RECEIVE));
	if (ipcchan_unlikely(!is_held(port, message)))
		return release_files(port, message);
	slot = release(rx, message);
	if (!slot)
		return 0;
	if (!ipcchan_drops(port))
		ipcchan_barrier();				/* E, pairs with F and N */
	if (ipcchan_unlikely(ipcchan_load(&port->roster->sleeping_senders) ||
			     rx->sources[__builtin_ctzll(slot)].state == IPCCHAN_SLOT_DRAINING))
		wake_owners(port, slot);
	return 0;
}

/* None twice: what a first pass has marked as given back is not held for it any more. */
static bool all_held(struct ipcchan_port *port, const struct ipcchan_message *messages, size_t n)
{
	struct ipcchan_held *held = port->rx->held;
	size_t i;

	for (i = 0; i < n && is_held(port, &messages[i]); i++)
		held[messages[i].id].seq = 0;
	for (size_t j = 0; j < i; j++)
		held[messages[j].id].seq = messages[j].sequence;
	return i == n;
}

/* The same, be they with files or without. */
static int release_each(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n)
{
	uint64_t marked[IPCCHAN_MAX_HOLDS / 64] = { 0 };

	for (size_t i = 0; i < n; i++) {
		uint32_t id = messages[i].id;

		if (!is_held(port, &messages[i]) && !ipcchan_files_is_held(port, &messages[i]))
			return -EINVAL;
		if (marked[id / 64] >> id % 64 & 1)
			return -EINVAL;
		marked[id / 64] |= 1ull << id % 64;
	}
	for (size_t i = 0; i < n; i++)
		ipcchan_release(port, &messages[i]);
	return 0;
}

int ipcchan_release_batch(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n)
{
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	uint64_t slots = 0;

	if (rc)
		return ipcchan_work_release(port, messages, n, rc);
	if (!all_held(port, messages, n))
		return release_each(port, messages, n);
	for (size_t i = 0; i < n; i++)
		slots |= release(port->rx, &messages[i]);
	if (!slots)
		return 0;
	if (!ipcchan_drops(port))
		ipcchan_barrier();				/* E, pairs with F and N */
	wake_owners(port, slots);
	return 0;
}

static bool allocate(struct ipcchan_rx *rx, const struct ipcchan_geometry *g)
{
	rx->sources = ipcchan_alloc(g->senders, sizeof(*rx->sources));
	rx->held = ipcchan_alloc(g->holds, sizeof(*rx->held));
	rx->free_holds = ipcchan_alloc(g->holds, sizeof(*rx->free_holds));
	return rx->sources && rx->held && rx->free_holds;
}

/* NULL: no memory. Nothing is allocated later. */
struct ipcchan_rx *ipcchan_rx_new(const struct ipcchan_port *port, uint32_t slot)
{
	const struct ipcchan_geometry *g = &port->geometry;
	struct ipcchan_rx *rx = ipcchan_alloc(1, sizeof(*rx));

	if (!rx)
		return NULL;
	if (!allocate(rx, g)) {
		ipcchan_rx_free(rx);
		return NULL;
	}
	rx->slot = slot;
	rx->mask = g->depth - 1;
	rx->most_inside = g->max_message < IPCCHAN_INSIDE ? (uint32_t)g->max_message :
							    IPCCHAN_INSIDE;
	if (!ipcchan_drops(port))
		rx->most_in_place = g->max_message;
	rx->culprit = IPCCHAN_NO_SLOT;
	for (uint32_t i = 0; i < g->holds; i++)
		rx->free_holds[i] = (uint16_t)(g->holds - 1 - i);
	rx->nr_free_holds = g->holds;
	return rx;
}

/* The own region is mapped: the port is on the roster. */
void ipcchan_rx_start(struct ipcchan_port *port)
{
	struct ipcchan_rx *rx = port->rx;
	struct ipcchan_cursor *cursors =
		(void *)(port->own + sizeof(struct ipcchan_receipts));

	rx->receipts = (void *)port->own;
	rx->hold_words = (void *)(port->own + port->layout.holds);
	for (uint32_t i = 0; i < port->geometry.senders; i++) {
		const uint8_t *outbox = port->window + port->layout.window_outboxes +
					i * port->layout.outbox_size;

		rx->sources[i].slot = i;
		rx->sources[i].cursor = &cursors[i];
		rx->sources[i].outbox = (const void *)outbox;
		rx->sources[i].ring = (const void *)(outbox + port->layout.ring);
		rx->sources[i].payload = outbox + port->layout.arena;
	}
	ipcchan_roster_sources(port);
}

void ipcchan_rx_free(struct ipcchan_rx *rx)
{
	if (!rx)
		return;
	free(rx->free_holds);
	free(rx->held);
	free(rx->sources);
	free(rx);
}
