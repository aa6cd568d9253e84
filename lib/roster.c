/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Who is there. Only the kernel writes the roster; a generation that has not
 * changed says that nothing else on it has. 0 says that this port is gone: its
 * window reads as zeros.
 */
#include "internal.h"

/* What the receiver in a slot says to this sender. */
const struct ipcchan_cursor *ipcchan_cursor_of(const struct ipcchan_port *port, uint32_t slot)
{
	const struct ipcchan_layout *l = &port->layout;

	return (const void *)(port->window + l->window_receipts +
			      slot * l->receipts_size +
			      sizeof(struct ipcchan_receipts) +
			      port->tx->slot * sizeof(struct ipcchan_cursor));
}

static const uint64_t *holds_of(const struct ipcchan_port *port, uint32_t slot)
{
	const struct ipcchan_layout *l = &port->layout;

	return (const void *)(port->window + l->window_receipts +
			      slot * l->receipts_size + l->holds);
}

/* A slot's new owner has passed nothing that we know of. */
static void see_reader(struct ipcchan_port *port, uint32_t slot)
{
	struct ipcchan_tx *tx = port->tx;
	struct ipcchan_seen *seen = &tx->seen[slot];
	uint32_t state = ipcchan_load(&port->receivers[slot].state);
	uint64_t base = ipcchan_load(&port->receivers[slot].base);

	seen->here = state != IPCCHAN_SLOT_EMPTY;
	if (!seen->here)
		return;
	if (seen->base != base)
		seen->passed = tx->base;
	seen->base = base;
	tx->readers[tx->nr_readers++] = (struct ipcchan_reader){
		.slot = slot,
		.cursor = ipcchan_cursor_of(port, slot),
		.holds = holds_of(port, slot),
	};
}

/*
 * The sending thread's list of receivers anew: 0 or -ESHUTDOWN. A
 * generation that changes when there was nobody says that somebody came,
 * though he may have left again.
 */
int ipcchan_roster_renew_readers(struct ipcchan_port *port, uint64_t generation)
{
	struct ipcchan_tx *tx = port->tx;
	bool vacant = tx->generation && !tx->peers;

	if (!generation)
		return -ESHUTDOWN;
	tx->nr_readers = 0;
	tx->peers = 0;
	for (uint32_t i = 0; i < port->geometry.receivers; i++) {
		see_reader(port, i);
		if (tx->seen[i].here && !(port->rx && port->rx->slot == i))
			tx->peers++;
	}
	tx->met |= vacant || tx->peers;
	tx->generation = generation;
	ipcchan_room_changed(port);
	return 0;
}

/*
 * What those published who have given the slot up since, without what we know
 * to have got, or lost, of the last of them, or what was before our time if we
 * saw none yet. Who said nonsense is not counted.
 */
static uint64_t lost_with(const struct ipcchan_source *s, uint64_t past)
{
	bool began = s->base && !s->closed;
	uint64_t known = began ? s->past + s->expected - 1 - s->base :
				 ipcchan_load(&s->cursor->before);

	return s->corrupt || past < known ? 0 : past - known;
}

/* A slot's new owner begins at its base, or where the kernel has set us. */
static void renew_source(struct ipcchan_rx *rx, struct ipcchan_source *s, uint64_t base,
			 uint64_t past)
{
	uint64_t passed = ipcchan_load(&s->cursor->passed);

	ipcchan_source_lose(rx, s, lost_with(s, past));
	s->base = base;
	s->past = past;
	s->expected = ipcchan_passed(passed, base) + 1;
	s->closed = ipcchan_load(&s->cursor->closed) == base;
	s->corrupt = false;
	s->held = 0;
	s->drained = false;
}

static void see_source(struct ipcchan_port *port, uint32_t slot)
{
	struct ipcchan_rx *rx = port->rx;
	struct ipcchan_source *s = &rx->sources[slot];
	uint32_t state = ipcchan_load(&port->senders[slot].state);
	uint64_t base = ipcchan_load(&port->senders[slot].base);
	uint64_t past = ipcchan_load(&port->senders[slot].past);

	s->state = state;
	s->since_ns = ipcchan_load(&port->senders[slot].since_ns);
	if (!base)
		s->state = IPCCHAN_SLOT_EMPTY;	/* or half written: another generation follows */
	if (s->state == IPCCHAN_SLOT_EMPTY)
		return;
	if (s->base != base)
		renew_source(rx, s, base, past);
	if (!s->closed)
		rx->order[rx->nr_sources++] = (uint8_t)slot;
}

/* The same for the receiving thread's list of senders; on a queue IPCCHAN_AGAIN. */
int ipcchan_roster_renew_sources(struct ipcchan_port *port, uint64_t generation)
{
	struct ipcchan_rx *rx = port->rx;
	bool vacant = rx->generation && rx->vacant;

	if (!generation)
		return -ESHUTDOWN;
	if (port->queue)
		return IPCCHAN_AGAIN;
	rx->nr_sources = 0;
	rx->peers = 0;
	rx->vacant = true;
	for (uint32_t i = 0; i < port->geometry.senders; i++) {
		see_source(port, i);
		if (port->tx && port->tx->slot == i)
			continue;
		rx->peers += rx->sources[i].state == IPCCHAN_SLOT_ACTIVE;
		rx->vacant &= rx->sources[i].state == IPCCHAN_SLOT_EMPTY;
	}
	rx->met |= vacant || rx->peers;
	rx->nr_hot = 0;
	rx->until_look = 0;
	rx->turn = 0;
	rx->generation = generation;
	return 0;
}

struct census {
	uint64_t sender_generation;
	uint64_t receiver_generation;
	uint32_t count;
};

/* The ports with a role, without this one; touches neither thread's state. */
static int count_peers(const struct ipcchan_port *port, uint32_t role, struct census *c)
{
	bool senders = role == IPCCHAN_ROLE_SEND;
	const struct ipcchan_slot *slots = senders ? port->senders : port->receivers;
	uint32_t nr = senders ? port->geometry.senders : port->geometry.receivers;

	c->sender_generation = ipcchan_load_acquire(&port->roster->sender_generation);
	c->receiver_generation = ipcchan_load_acquire(&port->roster->receiver_generation);
	if (!c->sender_generation || !c->receiver_generation)
		return -ESHUTDOWN;
	c->count = 0;
	for (uint32_t i = 0; i < nr; i++) {
		if (ipcchan_load(&slots[i].state) == IPCCHAN_SLOT_ACTIVE &&
		    ipcchan_load(&slots[i].port_id) != port->id)
			c->count++;
	}
	return 0;
}

static int check_role(const struct ipcchan_port *port, uint32_t role)
{
	if (ipcchan_is_forked(port))
		return -EBUSY;
	return role == IPCCHAN_ROLE_SEND || role == IPCCHAN_ROLE_RECEIVE ? 0 : -EINVAL;
}

int ipcchan_port_peers(struct ipcchan_port *port, uint32_t role)
{
	struct census census;
	int rc = check_role(port, role);

	if (!rc)
		rc = count_peers(port, role, &census);
	return rc ? rc : (int)census.count;
}

int ipcchan_port_wait_peers(struct ipcchan_port *port, uint32_t role, uint32_t count,
			    int64_t timeout_ns)
{
	struct ipcchan_patience patience;
	struct census census;
	int rc = check_role(port, role);

	if (!rc)
		rc = ipcchan_patience_init(port, &patience, NULL, timeout_ns);
	while (!rc) {
		struct ipcchan_wait wait = { .flags = IPCCHAN_WAIT_ROSTER };

		rc = count_peers(port, role, &census);
		if (rc || census.count >= count)
			return rc;
		wait.sender_generation = census.sender_generation;
		wait.receiver_generation = census.receiver_generation;
		rc = ipcchan_sleep(port, &patience, &wait);
	}
	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}
