/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: what the library's unit tests share
 *
 * cmocka, ports of one channel ("test") opened in one line, and its pages, which
 * all ports see at the same addresses: so a test can look at what was written
 * there, and write what a hostile peer would. The device is selftests/sim.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipcchan.h"
#include "sim.h"

#define NAME	"test"
#define SEND	IPCCHAN_ROLE_SEND
#define RECEIVE	IPCCHAN_ROLE_RECEIVE
#define FOREVER	IPCCHAN_WAIT_FOREVER_NS
#define MS	INT64_C(1000000)
#define ARENA	(64u << 10)

#define assert_ok(x)		assert_int_equal(x, 0)
#define assert_error(x, e)	assert_int_equal(x, -(e))

/* The fixture: a channel that is made by the first port. */
static inline int begin(void **state)
{
	(void)state;
	sim_begin(SIM_FLAT);
	return 0;
}

/* The same with mappings as they are with the module. */
static inline int begin_apart(void **state)
{
	(void)state;
	sim_begin(0);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	sim_end();
	return 0;
}

#define test(name)		cmocka_unit_test_setup_teardown(name, begin, end)
#define test_apart(name)	cmocka_unit_test_setup_teardown(name, begin_apart, end)

static inline struct sim_pages pages(void)
{
	struct sim_pages p;

	assert_ok(sim_pages(NAME, &p));
	return p;
}

static inline struct ipcchan_roster *roster(void)
{
	struct sim_pages p = pages();

	return sim_roster(&p);
}

static inline struct ipcchan_slot *sender_slot(uint32_t slot)
{
	struct sim_pages p = pages();

	return sim_sender(&p, slot);
}

static inline struct ipcchan_slot *receiver_slot(uint32_t slot)
{
	struct sim_pages p = pages();

	return sim_receiver(&p, slot);
}

static inline struct ipcchan_cursor *cursor_of(uint32_t receiver, uint32_t sender)
{
	struct sim_pages p = pages();

	return sim_cursor(&p, receiver, sender);
}

static inline uint64_t *holds_of(uint32_t receiver)
{
	struct sim_pages p = pages();

	return sim_holds(&p, receiver);
}

static inline struct ipcchan_outbox *outbox_of(uint32_t sender)
{
	struct sim_pages p = pages();

	return sim_outbox(&p, sender);
}

static inline struct ipcchan_desc *desc_of(uint32_t sender, uint64_t seq)
{
	struct sim_pages p = pages();

	return sim_desc(&p, sender, seq);
}

/* Small unless told: depth 8, 4 of everything, 64 KiB; does not spin. */
static inline void options_small(struct ipcchan_options *options)
{
	ipcchan_options_init(options);
	options->flags = IPCCHAN_OPEN_CREATE;
	options->depth = 8;
	options->senders = 4;
	options->receivers = 4;
	options->holds = 4;
	options->arena = ARENA;
	options->spin_ns = 0;
}

static inline struct ipcchan_port *open_with(uint32_t roles, const struct ipcchan_options *options)
{
	struct ipcchan_error error;
	struct ipcchan_port *port;

	if (ipcchan_open(&port, NAME, roles, options, &error))
		fail_msg("cannot open: %s", error.text);
	return port;
}

static inline struct ipcchan_port *open_port(uint32_t roles)
{
	struct ipcchan_options options;

	options_small(&options);
	return open_with(roles, &options);
}

static inline int send_number(struct ipcchan_port *port, uint64_t n)
{
	return ipcchan_send(port, &n, sizeof(n), IPCCHAN_NO_WAIT);
}

/* Receives a number, or returns -errno. */
static inline int64_t recv_number(struct ipcchan_port *port)
{
	uint64_t n;
	ssize_t rc = ipcchan_recv(port, &n, sizeof(n), NULL, IPCCHAN_NO_WAIT);

	return rc < 0 ? rc : (int64_t)n;
}

/* One that lies in the arena. */
#define LONG	200

static inline int send_long(struct ipcchan_port *port, uint8_t fill)
{
	uint8_t data[LONG];

	memset(data, fill, sizeof(data));
	return ipcchan_send(port, data, sizeof(data), IPCCHAN_NO_WAIT);
}

/* Is it what send_long() sent? */
static inline bool is_long(const struct ipcchan_message *message, uint8_t fill)
{
	const uint8_t *data = message->data;

	for (size_t i = 0; i < LONG; i++) {
		if (message->length != LONG || data[i] != fill)
			return false;
	}
	return true;
}

/* How many numbers can be sent before there is no room. */
static inline int fill_with_numbers(struct ipcchan_port *port)
{
	int n = 0;
	int rc;

	while (!(rc = send_number(port, (uint64_t)n)))
		n++;
	assert_error(rc, EAGAIN);
	return n;
}

static inline struct ipcchan_stats stats_of(const struct ipcchan_port *port)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	assert_ok(ipcchan_port_get_stats(port, &stats));
	return stats;
}

#endif /* CHECK_H */
