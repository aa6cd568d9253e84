/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What the tests on memory.h share: cmocka, and ports opened in one line. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipcchan.h"
#include "memory.h"

#define SEND	IPCCHAN_ROLE_SEND
#define RECEIVE	IPCCHAN_ROLE_RECEIVE
#define FOREVER	IPCCHAN_WAIT_FOREVER_NS
#define MS	1000000

#define assert_ok(x)		assert_int_equal(x, 0)
#define assert_error(x, e)	assert_int_equal(x, -(e))

/* The fixture: a channel that is made by the first port. */
static inline int begin(void **state)
{
	(void)state;
	memory_begin();
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	memory_end();
	return 0;
}

#define test(name)	cmocka_unit_test_setup_teardown(name, begin, end)

/* What memory.c makes of zeros: depth 8, 4 of everything, 64 KiB. */
static inline struct ipcchan_port *open_with(uint32_t roles, struct ipcchan_options *options)
{
	struct ipcchan_port *port;

	options->flags |= IPCCHAN_OPEN_CREATE;
	assert_ok(ipcchan_open(&port, "test", roles, options, NULL));
	return port;
}

static inline struct ipcchan_port *open_port(uint32_t roles)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.spin_ns = 0;
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

#endif /* CHECK_H */
