// SPDX-License-Identifier: GPL-2.0
/* See scene.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

#define MUST(what) \
	((what) ? (void)0 : give_up(#what, __func__, __LINE__))

static void give_up(const char *what, const char *where, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", where, line, what);
	abort();
}

/* What message @n of the honest sender is made of. */
static uint32_t length_of(uint64_t n)
{
	return (uint32_t)(n * 2654435761u >> 7) % (SCENE_MOST + 1);
}

static void fill(uint8_t *to, uint64_t n, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		to[i] = (uint8_t)(n * 31 + i * 7);
}

static bool is_filled(const uint8_t *from, uint64_t n, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (from[i] != (uint8_t)(n * 31 + i * 7))
			return false;
	}
	return true;
}

static struct ipcchan_port *open_port(struct scene *s, uint32_t roles, uint32_t *id)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_port *port;

	MUST(!ipcchan_open(&port, s->name, roles, NULL, NULL));
	MUST(!ipcchan_port_info(port, &info));
	*id = info.port_id;
	return port;
}

static uint32_t slot_of(const struct scene *s, uint32_t id, bool sends)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct ipcchan_slot *slot = sends ? sim_sender(&s->pages, i) :
							  sim_receiver(&s->pages, i);

		if (slot->port_id == id)
			return i;
	}
	MUST(!"on the roster");
	return 0;
}

void scene_open(struct scene *s, unsigned int policy)
{
	static unsigned int scenes;
	struct ipcchan_options o;
	uint32_t tx_id, rx_id;

	*s = (struct scene){ .drops = policy & 1, .history = policy >> 1 & 3 };
	snprintf(s->name, sizeof(s->name), "fuzz/%u", scenes++);
	ipcchan_options_init(&o);
	o.depth = SCENE_DEPTH;
	o.senders = 2;
	o.receivers = 2;
	o.holds = SCENE_HOLDS;
	o.max_message = SCENE_MOST;
	o.arena = s->drops ? 0 : 8192;
	o.overflow = s->drops ? IPCCHAN_DROP_OLDEST : IPCCHAN_BLOCK;
	o.history = s->history;
	MUST(!ipcchan_create(s->name, &o, NULL));
	s->bad_tx = open_port(s, IPCCHAN_ROLE_SEND, &s->bad_tx_id);
	s->tx = open_port(s, IPCCHAN_ROLE_SEND, &tx_id);
	s->rx = open_port(s, IPCCHAN_ROLE_RECEIVE, &rx_id);
	s->bad_rx = open_port(s, IPCCHAN_ROLE_RECEIVE, &s->bad_rx_id);
	MUST(!sim_pages(s->name, &s->pages));
	s->tx_slot = slot_of(s, tx_id, true);
	s->bad_tx_slot = slot_of(s, s->bad_tx_id, true);
	s->bad_rx_slot = slot_of(s, s->bad_rx_id, false);
}

void scene_close(struct scene *s)
{
	ipcchan_port_close(s->rx);
	ipcchan_port_close(s->tx);
	ipcchan_port_close(s->bad_rx);
	ipcchan_port_close(s->bad_tx);
}

void scene_send(struct scene *s, uint32_t way)
{
	uint32_t length = length_of(s->sent);
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(s->tx, length, &loan, IPCCHAN_NO_WAIT);

	MUST(!rc || (rc == -EAGAIN && !s->drops));
	if (rc)
		return;
	fill(loan.data, s->sent, length);
	if (way % 16 == 0) {
		ipcchan_abort(s->tx, &loan);
		return;
	}
	loan.tag = s->sent;
	MUST(!ipcchan_commit(s->tx, &loan));
	s->sent++;
}

/* The honest sender's next message, or one after those that were lost. */
static void check_honest(struct scene *s, const struct ipcchan_message *m, const uint8_t *data)
{
	MUST(s->drops || !m->lost);
	s->seen += m->lost;
	s->lost += m->lost;
	MUST(m->tag == s->seen);
	MUST(m->length == length_of(m->tag));
	MUST(is_filled(data, m->tag, (uint32_t)m->length));
	s->seen++;
}

static bool is_within(const struct scene *s, const struct ipcchan_message *m)
{
	return m->length <= SCENE_MOST && m->sender == s->bad_tx_slot;
}

/* Read all of it: a sanitizer sees where it lies. */
static void touch(const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		(void)*(const volatile uint8_t *)&data[i];
}

static void take_in_place(struct scene *s, struct ipcchan_message *m)
{
	if (m->sender == s->tx_slot) {
		check_honest(s, m, m->data);
		return;
	}
	MUST(is_within(s, m));
	touch(m->data, m->length);
}

/* What is no message: nothing there, or the hostile sender at fault. */
static void check_error(struct scene *s, ssize_t rc)
{
	if (rc == -EPROTO) {
		MUST(ipcchan_port_culprit(s->rx) == s->bad_tx_slot);
		s->errors++;
		return;
	}
	MUST(rc == -EAGAIN || rc == -ENOBUFS);
}

/* Who was found out is read no more: another takes its place. */
static void replace_culprit(struct scene *s)
{
	for (uint32_t i = 0; i < SCENE_HOLDS; i++) {
		if (s->held[i].sequence && s->held[i].sender == s->bad_tx_slot)
			scene_release(s, i);
	}
	MUST(!sim_evict(s->name, s->bad_tx_id));
	ipcchan_port_close(s->bad_tx);
	s->bad_tx = open_port(s, IPCCHAN_ROLE_SEND, &s->bad_tx_id);
	MUST(slot_of(s, s->bad_tx_id, true) == s->bad_tx_slot);
}

static struct ipcchan_message *free_hold(struct scene *s)
{
	for (uint32_t i = 0; i < SCENE_HOLDS; i++) {
		if (!s->held[i].sequence)
			return &s->held[i];
	}
	return NULL;
}

static void receive(struct scene *s)
{
	struct ipcchan_message *m = free_hold(s);
	int rc;

	if (!m)
		return;
	rc = ipcchan_receive(s->rx, m, IPCCHAN_NO_WAIT);
	if (rc) {
		check_error(s, rc);
		m->sequence = 0;
		return;
	}
	take_in_place(s, m);
}

static void receive_copy(struct scene *s)
{
	uint8_t copy[SCENE_MOST];
	struct ipcchan_message m;
	ssize_t rc = ipcchan_recv(s->rx, copy, sizeof(copy), &m, IPCCHAN_NO_WAIT);

	if (rc < 0)
		check_error(s, rc);
	else if (m.sender == s->tx_slot)
		check_honest(s, &m, copy);
	else
		MUST(is_within(s, &m));
}

static void receive_batch(struct scene *s)
{
	struct ipcchan_message m[SCENE_HOLDS];
	ssize_t n = ipcchan_receive_batch(s->rx, m, SCENE_HOLDS, IPCCHAN_NO_WAIT);

	if (n < 0) {
		check_error(s, n);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		take_in_place(s, &m[i]);
	MUST(!ipcchan_release_batch(s->rx, m, (size_t)n));
}

static void receive_latest(struct scene *s, uint32_t sender)
{
	struct ipcchan_message m;
	int rc = ipcchan_latest(s->rx, sender, &m);

	if (!s->drops || !s->history) {
		MUST(rc == -EOPNOTSUPP);
		return;
	}
	if (rc) {
		check_error(s, rc);
		return;
	}
	if (m.sender == s->tx_slot) {
		MUST(m.tag == s->sent - 1);
		MUST(is_filled(m.data, m.tag, (uint32_t)m.length));
	} else {
		MUST(is_within(s, &m));
		touch(m.data, m.length);
	}
	MUST(!ipcchan_release(s->rx, &m));
}

void scene_receive(struct scene *s, unsigned int way)
{
	uint64_t errors = s->errors;

	switch (way % 8) {
	case 0:
	case 1:
	case 2: receive(s); break;
	case 3:
	case 4: receive_copy(s); break;
	case 5: receive_batch(s); break;
	case 6: receive_latest(s, s->tx_slot); break;
	default: receive_latest(s, s->bad_tx_slot);
	}
	if (s->errors != errors)
		replace_culprit(s);
}

void scene_release(struct scene *s, unsigned int which)
{
	struct ipcchan_message *m = &s->held[which % SCENE_HOLDS];

	if (!m->sequence)
		return;
	/* what is held has not changed */
	if (m->sender == s->tx_slot)
		MUST(is_filled(m->data, m->tag, (uint32_t)m->length));
	MUST(!ipcchan_release(s->rx, m));
	m->sequence = 0;
}

void scene_settle(struct scene *s)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint64_t before = s->sent;

	MUST(!sim_evict(s->name, s->bad_rx_id));
	for (uint32_t i = 0; i < SCENE_HOLDS; i++)
		scene_release(s, i);
	/* at most a lap of each sender, and as much of the hostile one's again as it can lie */
	for (uint32_t i = 0; i < 64 * SCENE_DEPTH && s->seen < before; i++)
		receive_copy(s);
	MUST(s->seen == before);
	scene_send(s, 1);
	MUST(s->sent == before + 1);
	MUST(!ipcchan_port_get_stats(s->tx, &stats));
}
