/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Which sender is asked next.
 *
 * Senders that had a message when they were last asked are hot, and are asked in
 * turn, a message each. The others are looked at when no hot one has anything,
 * and every so many messages: so 63 silent senders cost one that talks little.
 */
#include "internal.h"

#define LOOK_EVERY	32
/* Messages that vanished while they were being taken, in one call. */
#define MAX_TRIES	256

static inline struct ipcchan_source *at(const struct ipcchan_rx *rx, uint32_t i)
{
	return &rx->sources[rx->order[i]];
}

static void swap(struct ipcchan_rx *rx, uint32_t i, uint32_t j)
{
	uint8_t slot = rx->order[i];

	rx->order[i] = rx->order[j];
	rx->order[j] = slot;
}

static void cool(struct ipcchan_rx *rx, uint32_t i)
{
	swap(rx, i, --rx->nr_hot);
	if (!rx->nr_hot)
		rx->until_look = 0;
	if (rx->turn >= rx->nr_hot)
		rx->turn = 0;
}

/* Its turn is next. When none was hot all have just been asked. */
static void heat(struct ipcchan_rx *rx, uint32_t i)
{
	if (!rx->nr_hot)
		rx->until_look = LOOK_EVERY;
	if (i >= rx->nr_hot) {
		swap(rx, i, rx->nr_hot);
		i = rx->nr_hot++;
	}
	rx->turn = i;
}

/** ipcchan_order_forget() - a sender is asked no more */
void ipcchan_order_forget(struct ipcchan_rx *rx, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < rx->nr_sources && rx->order[i] != slot; i++)
		;
	if (i == rx->nr_sources)
		return;
	if (i < rx->nr_hot) {
		cool(rx, i);
		i = rx->nr_hot;
	}
	swap(rx, i, --rx->nr_sources);
}

/* Asks the hot ones, beginning with the one whose turn it is. */
static inline int ask_hot(struct ipcchan_port *port, struct ipcchan_found *found)
{
	struct ipcchan_rx *rx = port->rx;

	while (rx->nr_hot) {
		uint32_t turn = rx->turn;
		struct ipcchan_source *s = at(rx, turn);
		int rc = ipcchan_source_peek(port, s, found);

		if (ipcchan_likely(rc != -EAGAIN))
			return rc;
		cool(rx, turn);
		ipcchan_source_drain(port, s);
	}
	return -EAGAIN;
}

static void look_at_others(struct ipcchan_port *port)
{
	struct ipcchan_rx *rx = port->rx;

	rx->until_look = LOOK_EVERY;
	for (uint32_t i = rx->nr_hot; i < rx->nr_sources; i++) {
		if (ipcchan_source_readable(rx, at(rx, i)))
			swap(rx, i, rx->nr_hot++);
		else
			ipcchan_source_drain(port, at(rx, i));
	}
	if (!rx->nr_hot)
		rx->until_look = 0;
}

static int ask(struct ipcchan_port *port, struct ipcchan_found *found)
{
	struct ipcchan_rx *rx = port->rx;
	int rc = -EAGAIN;

	if (ipcchan_likely(rx->until_look))
		rc = ask_hot(port, found);
	if (ipcchan_likely(rc != -EAGAIN))
		return rc;
	look_at_others(port);
	rc = ask_hot(port, found);
	return rc == -EAGAIN && rx->met && !rx->peers ? -EPIPE : rc;
}

/**
 * ipcchan_order_find() - what comes next, from whom; it is not taken yet
 *
 * 0, IPCCHAN_WITH_FILES, -EAGAIN, -EPIPE, -EPROTO, -ESHUTDOWN
 */
int ipcchan_order_find(struct ipcchan_port *port, struct ipcchan_found *found)
{
	int rc = IPCCHAN_AGAIN;

	for (int i = 0; i < MAX_TRIES && rc == IPCCHAN_AGAIN; i++) {
		rc = ipcchan_roster_sources(port);
		if (ipcchan_likely(!rc))
			rc = ask(port, found);
	}
	return rc == IPCCHAN_AGAIN ? -EAGAIN : rc;
}

/** ipcchan_order_readable() - is it worth while to find? */
bool ipcchan_order_readable(const struct ipcchan_port *port)
{
	const struct ipcchan_rx *rx = port->rx;

	if (ipcchan_load(&port->roster->sender_generation) != rx->generation)
		return true;
	for (uint32_t i = 0; i < rx->nr_sources; i++) {
		if (ipcchan_source_readable(rx, at(rx, i)))
			return true;
	}
	return false;
}

/**
 * ipcchan_order_poll() - the same for who waits: whoever has something is asked first
 */
bool ipcchan_order_poll(struct ipcchan_port *port)
{
	struct ipcchan_rx *rx = port->rx;

	if (ipcchan_load(&port->roster->sender_generation) != rx->generation)
		return true;
	for (uint32_t i = 0; i < rx->nr_sources; i++) {
		if (ipcchan_source_readable(rx, at(rx, i))) {
			heat(rx, i);
			return true;
		}
		ipcchan_source_expect(port, at(rx, i));
	}
	return false;
}

/**
 * ipcchan_order_look() - where one is hot: look at the others, if it is time to
 *
 * So that the short way is open again. Who has come or gone is for the long one.
 */
void ipcchan_order_look(struct ipcchan_port *port)
{
	struct ipcchan_rx *rx = port->rx;

	if (rx->nr_hot && !rx->until_look &&
	    ipcchan_load_acquire(&port->roster->sender_generation) == rx->generation)
		look_at_others(port);
}
