/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Taking messages and giving them back.
 *
 * A sender's words are read once, into a copy of the descriptor, and only a
 * copy that was checked is used. A sender that makes no sense is left alone
 * from then on; the others go on.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* In ipcchan_message: this message is not held. */
#define NOT_HELD	UINT32_MAX

/* The roster has changed under us: look at it, and begin again. */
#define RC_AGAIN	(-ESTALE)

static const struct ipcchan_desc *next_place(const struct ipcchan_rx *rx,
					     const struct ipcchan_source *s)
{
	return &s->ring[s->expected & rx->mask];
}

static uint64_t next_word(const struct ipcchan_rx *rx, const struct ipcchan_source *s)
{
	return ipcchan_load_acquire(&next_place(rx, s)->seq);	/* B, pairs with A */
}

static bool is_readable(const struct ipcchan_rx *rx, const struct ipcchan_source *s)
{
	return ipcchan_seq_delta(next_word(rx, s), s->expected) >= 0;
}

/* Each word once. */
static void copy_desc(struct ipcchan_desc *to, const struct ipcchan_desc *from)
{
	to->offset = ipcchan_load(&from->offset);
	to->length = ipcchan_load(&from->length);
	to->tag = ipcchan_load(&from->tag);
	to->time_ns = ipcchan_load(&from->time_ns);
	to->flags = ipcchan_load(&from->flags);
	to->priority = ipcchan_load(&from->priority);
	to->files = ipcchan_load(&from->files);
	for (int i = 0; i < 3; i++)
		to->reserved[i] = ipcchan_load(&from->reserved[i]);
}

static bool makes_sense(const struct ipcchan_geometry *g, const struct ipcchan_desc *d)
{
	return d->length <= g->max_message && (uint64_t)d->offset + d->length <= g->arena &&
	       !d->flags && !d->files && !(d->reserved[0] | d->reserved[1] | d->reserved[2]);
}

/*
 * Wakes the sender if what we have just stored is what it sleeps for. The bit
 * comes before what is awaited.
 */
static void wake(struct ipcchan_port *port, const struct ipcchan_source *s, uint64_t old,
		 uint64_t passed)
{
	uint64_t bit = 1ull << s->slot;
	uint64_t await;

	ipcchan_barrier();	/* E, pairs with F and N */
	if (!(ipcchan_load_acquire(&port->roster->sleeping_senders) & bit))
		return;
	await = ipcchan_load(&port->senders[s->slot].await);
	if (!await || (old < await && await <= passed))
		ipcchan_kick_slots(port, 0, bit);
}

/* Lets the kernel have the outbox of a sender that left and was read to the end. */
static void drain(struct ipcchan_port *port, struct ipcchan_source *s)
{
	if (s->state != IPCCHAN_SLOT_DRAINING || s->held || s->drained)
		return;
	if (!s->closed && is_readable(port->rx, s))
		return;
	s->drained = true;
	ipcchan_kick_slots(port, 0, 1ull << s->slot);
}

static void forget_source(struct ipcchan_rx *rx, uint32_t slot)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < rx->nr_sources; i++) {
		if (rx->order[i] != slot)
			rx->order[kept++] = rx->order[i];
	}
	rx->nr_sources = kept;
	if (rx->turn >= kept)
		rx->turn = 0;
}

/* Reads no more from a sender, and lets it wait for us no more. */
static int close_source(struct ipcchan_port *port, struct ipcchan_source *s)
{
	s->closed = true;
	port->rx->culprit = s->slot;
	forget_source(port->rx, s->slot);
	ipcchan_store_release(&s->cursor->closed, s->base);	/* G, pairs with H */
	wake(port, s, 0, UINT64_MAX);
	drain(port, s);
	return -EPROTO;
}

/*
 * A place does not show what it must: this port is gone and sees zeros, or the
 * slot has another sender, or none, or the sender makes no sense. The kernel is
 * asked first, for the roster may still be seen as it was.
 */
static int doubt(struct ipcchan_port *port, struct ipcchan_source *s)
{
	int rc = ipcchan_kick_slots(port, 0, 0);

	if (rc)
		return rc;
	if (ipcchan_load_acquire(&port->roster->sender_generation) != port->rx->generation)
		return RC_AGAIN;
	return close_source(port, s);
}

/* Is the message expected still in its place, after something was read from it? */
static bool is_still_there(const struct ipcchan_rx *rx, const struct ipcchan_source *s)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ipcchan_load(&next_place(rx, s)->seq) == s->expected;
}

/* The next message of one sender: 0, -EAGAIN, -EPROTO, -ESHUTDOWN or RC_AGAIN. */
static int peek(struct ipcchan_port *port, struct ipcchan_source *s, struct ipcchan_desc *copy)
{
	uint64_t word = next_word(port->rx, s);

	if (ipcchan_seq_delta(word, s->expected) < 0)
		return -EAGAIN;
	if (word != s->expected)
		return doubt(port, s);
	copy_desc(copy, next_place(port->rx, s));
	if (!is_still_there(port->rx, s))
		return doubt(port, s);
	return makes_sense(&port->geometry, copy) ? 0 : close_source(port, s);
}

/* Asks each sender, beginning with the one whose turn it is. */
static int ask_all(struct ipcchan_port *port, struct ipcchan_source **source,
		   struct ipcchan_desc *copy)
{
	struct ipcchan_rx *rx = port->rx;
	uint32_t turn = rx->turn;

	for (uint32_t i = rx->nr_sources; i; i--) {
		struct ipcchan_source *s = &rx->sources[rx->order[turn]];
		int rc = peek(port, s, copy);

		if (rc != -EAGAIN) {
			rx->turn = rc ? rx->turn : turn;
			*source = s;
			return rc;
		}
		drain(port, s);
		if (++turn == rx->nr_sources)
			turn = 0;
	}
	return rx->met && !rx->peers ? -EPIPE : -EAGAIN;
}

/* What comes next, from whom; it is not taken yet. */
static int find_message(struct ipcchan_port *port, struct ipcchan_source **source,
			struct ipcchan_desc *copy)
{
	int rc;

	do {
		rc = ipcchan_roster_sources(port);
		if (!rc)
			rc = ask_all(port, source, copy);
	} while (rc == RC_AGAIN);
	return rc;
}

static bool any_readable(const struct ipcchan_port *port)
{
	const struct ipcchan_rx *rx = port->rx;

	if (ipcchan_load(&port->roster->sender_generation) != rx->generation)
		return true;
	for (uint32_t i = 0; i < rx->nr_sources; i++) {
		if (is_readable(rx, &rx->sources[rx->order[i]]))
			return true;
	}
	return false;
}

static int await_message(struct ipcchan_port *port, struct ipcchan_patience *patience)
{
	struct ipcchan_wait wait = { .flags = IPCCHAN_WAIT_RECEIVE };
	int rc;

	while (ipcchan_turn(patience)) {
		if (any_readable(port))
			return 0;
	}
	rc = ipcchan_sleep(port, patience, &wait);
	if (!rc && wait.events & IPCCHAN_WAIT_HANGUP)
		port->rx->met = true;
	return rc;
}

static int find_slowly(struct ipcchan_port *port, struct ipcchan_source **source,
		       struct ipcchan_desc *copy, int64_t timeout_ns)
{
	struct ipcchan_patience patience;
	int rc = ipcchan_patience_init(port, &patience, timeout_ns);

	while (!rc) {
		rc = await_message(port, &patience);
		if (rc)
			break;
		rc = find_message(port, source, copy);
		if (rc != -EAGAIN)
			break;
		rc = 0;
	}
	return rc;
}

/*
 * Who waits by poll() and has met nobody asks the module: a sender may have come
 * and gone before the roster was first read, and poll() reports its hang-up.
 */
static int ask_for_hangup(struct ipcchan_port *port)
{
	struct ipcchan_wait wait = { .flags = IPCCHAN_WAIT_RECEIVE };
	struct ipcchan_patience patience = { .looks = 0 };
	int rc;

	if (port->rx->met || !ipcchan_load(&port->polled))
		return -EAGAIN;
	rc = ipcchan_look(port, &patience, &wait);
	if (rc)
		return rc;
	port->rx->met = wait.events & IPCCHAN_WAIT_HANGUP;
	return port->rx->met && !(wait.events & IPCCHAN_WAIT_RECEIVE) ? -EPIPE : -EAGAIN;
}

static int find(struct ipcchan_port *port, struct ipcchan_source **source,
		struct ipcchan_desc *copy, int64_t timeout_ns)
{
	int rc = find_message(port, source, copy);

	if (rc != -EAGAIN)
		return rc;
	return timeout_ns ? find_slowly(port, source, copy, timeout_ns) : ask_for_hangup(port);
}

/* Moves on to the sender's next message. */
static void advance(struct ipcchan_port *port, struct ipcchan_source *s, uint32_t length)
{
	struct ipcchan_rx *rx = port->rx;
	uint64_t passed = s->expected++;

	if (++rx->turn == rx->nr_sources)
		rx->turn = 0;
	ipcchan_count(&rx->received, 1);
	ipcchan_count(&rx->bytes, length);
	ipcchan_store(&rx->receipts->received, rx->received);
	ipcchan_store_release(&s->cursor->passed, passed);	/* G, pairs with H */
	wake(port, s, passed - 1, passed);
}

static void describe(struct ipcchan_message *message, const struct ipcchan_source *s,
		     const struct ipcchan_desc *copy)
{
	*message = (struct ipcchan_message){
		.length = copy->length,
		.tag = copy->tag,
		.time_ns = copy->time_ns,
		.sequence = s->expected,
		.sender = s->slot,
		.priority = copy->priority,
		.id = NOT_HELD,
	};
}

static uint32_t hold(struct ipcchan_rx *rx, struct ipcchan_source *s)
{
	uint32_t id = rx->free_holds[--rx->nr_free_holds];

	rx->held[id] = (struct ipcchan_held){
		.seq = s->expected, .base = s->base, .slot = s->slot,
	};
	s->held++;
	ipcchan_count(&rx->holds, 1);
	ipcchan_store(&rx->hold_words[id], s->expected);	/* before G */
	return id;
}

int ipcchan_receive(struct ipcchan_port *port, struct ipcchan_message *message,
		    int64_t timeout_ns)
{
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	struct ipcchan_source *s;
	struct ipcchan_desc copy;

	if (rc)
		return rc;
	if (!port->rx->nr_free_holds)
		return -ENOBUFS;
	rc = find(port, &s, &copy, timeout_ns);
	if (rc)
		return rc;
	describe(message, s, &copy);
	message->data = s->payload + copy.offset;
	message->id = hold(port->rx, s);
	advance(port, s, copy.length);
	return 0;
}

static void unhold(struct ipcchan_port *port, uint32_t id)
{
	struct ipcchan_rx *rx = port->rx;
	struct ipcchan_held *held = &rx->held[id];
	struct ipcchan_source *s = &rx->sources[held->slot];
	struct ipcchan_cursor *cursor = s->cursor;

	ipcchan_store_release(&rx->hold_words[id], 0);		/* I, pairs with J */
	ipcchan_store_release(&cursor->released, cursor->released + 1);
	wake(port, s, 0, 0);
	held->seq = 0;
	rx->free_holds[rx->nr_free_holds++] = (uint16_t)id;
	ipcchan_count(&rx->holds, -1);
	if (s->base != held->base)
		return;		/* its sender was evicted, the slot has another */
	s->held--;
	drain(port, s);
}

int ipcchan_release(struct ipcchan_port *port, struct ipcchan_message *message)
{
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);

	if (rc)
		return rc;
	if (message->id >= port->geometry.holds || !message->sequence ||
	    port->rx->held[message->id].seq != message->sequence)
		return -EINVAL;
	unhold(port, message->id);
	message->data = NULL;
	message->id = NOT_HELD;
	return 0;
}

/* Copies the payload of the message found; what vanished meanwhile was not it. */
static int copy_payload(struct ipcchan_port *port, struct ipcchan_source *s,
			const struct ipcchan_desc *copy, void *data)
{
	if (copy->length)
		memcpy(data, s->payload + copy->offset, copy->length);
	return is_still_there(port->rx, s) ? 0 : doubt(port, s);
}

/*
 * No hold is needed: the cursor moves on when the payload has been copied, and
 * until then the message is not passed.
 */
ssize_t ipcchan_recv(struct ipcchan_port *port, void *data, size_t size,
		     struct ipcchan_message *message, int64_t timeout_ns)
{
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	struct ipcchan_source *s;
	struct ipcchan_desc copy;

	if (rc)
		return rc;
	do {
		rc = find(port, &s, &copy, timeout_ns);
		if (rc)
			return rc;
		if (message)
			describe(message, s, &copy);
		if (copy.length > size)
			return -EMSGSIZE;
		rc = copy_payload(port, s, &copy, data);
	} while (rc == RC_AGAIN);
	if (rc)
		return rc;
	advance(port, s, copy.length);
	return (ssize_t)copy.length;
}

uint32_t ipcchan_port_culprit(const struct ipcchan_port *port)
{
	return port->rx ? port->rx->culprit : IPCCHAN_NO_SLOT;
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
