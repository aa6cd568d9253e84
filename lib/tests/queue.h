/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* DOC: what the tests of queues share: ports of one queue, and numbers to send */
#ifndef QUEUE_H
#define QUEUE_H

#include "check.h"

/* Small unless told: depth 16, 4 holds, 4 KiB. */
static inline struct ipcchan_port *open_as(uint32_t roles, struct ipcchan_options *o)
{
	struct ipcchan_port *port;

	o->flags |= IPCCHAN_OPEN_CREATE;
	o->type = IPCCHAN_QUEUE;
	if (!o->depth) {
		o->depth = 16;
		o->holds = 4;
		o->arena = 4096;
	}
	assert_ok(ipcchan_open(&port, NAME, roles, o, NULL));
	return port;
}

static inline struct ipcchan_port *open_queue(uint32_t roles)
{
	struct ipcchan_options o;

	ipcchan_options_init(&o);
	return open_as(roles, &o);
}

static inline void send_n(struct ipcchan_port *tx, uint64_t n)
{
	assert_ok(ipcchan_send(tx, &n, sizeof(n), 0));
}

static inline uint64_t number_in(const struct ipcchan_message *m)
{
	uint64_t n;

	assert_int_equal(m->length, sizeof(n));
	memcpy(&n, m->data, sizeof(n));
	return n;
}

#endif /* QUEUE_H */
