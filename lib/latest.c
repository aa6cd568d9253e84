/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The newest value, of one sender or of all. */
#include "internal.h"

/* Values that vanished while they were being held, in one call. */
#define MAX_TRIES	256

/* Who has a newer value: those attached first, then by time stamp. */
static bool is_better(const struct ipcchan_found *a, const struct ipcchan_found *b)
{
	bool a_here = a->source->state == IPCCHAN_SLOT_ACTIVE;
	bool b_here;

	if (!b->source)
		return true;
	b_here = b->source->state == IPCCHAN_SLOT_ACTIVE;
	return a_here != b_here ? a_here : a->time_ns > b->time_ns;
}

/* Is that sender asked for, and is there one? */
static bool is_asked(const struct ipcchan_source *s, uint32_t sender)
{
	return (sender == IPCCHAN_ANY_SENDER || s->slot == sender) && !s->closed && s->base &&
	       s->state != IPCCHAN_SLOT_EMPTY;
}

/*
 * The newest of one sender, or of all: 0, IPCCHAN_WITH_FILES, -EAGAIN, IPCCHAN_AGAIN, or why not.
 * One that vanished may have been the newest of all; but who makes his vanish
 * again and again (@patient: not yet) shall not hide the others'.
 */
static int find_newest(struct ipcchan_port *port, uint32_t sender, uint64_t *seq,
		       struct ipcchan_found *best, bool patient)
{
	int rc = -EAGAIN;

	best->source = NULL;
	for (uint32_t i = 0; i < port->geometry.senders; i++) {
		struct ipcchan_source *s = &port->rx->sources[i];
		struct ipcchan_found found;
		uint64_t newest;
		int one;

		if (!is_asked(s, sender))
			continue;
		one = ipcchan_source_newest(port, s, &newest, &found);
		if (one == -EPROTO || one == -ESHUTDOWN || (one == IPCCHAN_AGAIN && patient))
			return one;
		if (one >= 0 && is_better(&found, best)) {
			*best = found;
			*seq = newest;
			rc = one;
		}
	}
	return rc;
}

int ipcchan_latest(struct ipcchan_port *port, uint32_t sender, struct ipcchan_message *message)
{
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	struct ipcchan_found found;
	uint64_t seq = 0;

	if (rc)
		return rc == -EPERM && port->queue ? -EOPNOTSUPP : rc;
	if (!ipcchan_drops(port) || !port->history)
		return -EOPNOTSUPP;
	if (sender != IPCCHAN_ANY_SENDER && sender >= port->geometry.senders)
		return -EINVAL;
	if (!port->rx->nr_free_holds)
		return -ENOBUFS;
	rc = IPCCHAN_AGAIN;
	for (int i = 0; i < MAX_TRIES && rc == IPCCHAN_AGAIN; i++) {
		rc = ipcchan_roster_sources(port);
		if (!rc)
			rc = find_newest(port, sender, &seq, &found, i < MAX_TRIES / 2);
		if (!rc)
			rc = ipcchan_hold(port, &found, seq, message);
		else if (rc == IPCCHAN_WITH_FILES)
			rc = ipcchan_files_hold(port, &found, seq, message);
	}
	return rc == IPCCHAN_AGAIN ? -EAGAIN : rc;
}
