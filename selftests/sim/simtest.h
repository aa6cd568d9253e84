/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests on sim.h share: cmocka, ports opened in one line, children. */
#ifndef SIMTEST_H
#define SIMTEST_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipcchan.h"
#include "sim.h"

#define SEND	IPCCHAN_ROLE_SEND
#define RECEIVE	IPCCHAN_ROLE_RECEIVE
#define FOREVER	IPCCHAN_WAIT_FOREVER_NS
#define MS	INT64_C(1000000)

#define assert_ok(x)		assert_int_equal(x, 0)
#define assert_error(x, e)	assert_int_equal(x, -(e))

static inline int begin(void **state)
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

#define test(name)	cmocka_unit_test_setup_teardown(name, begin, end)

/* Does not spin; makes the channel if it is not there. */
static inline struct ipcchan_port *open_port(const char *name, uint32_t roles,
					     const struct ipcchan_options *given)
{
	struct ipcchan_options options;
	struct ipcchan_error error;
	struct ipcchan_port *port;
	int rc;

	ipcchan_options_init(&options);
	if (given)
		options = *given;
	options.flags |= IPCCHAN_OPEN_CREATE;
	options.spin_ns = 0;
	rc = ipcchan_open(&port, name, roles, &options, &error);
	if (rc)
		fail_msg("%s: %s", name, error.text);
	return port;
}

static inline void rest(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	nanosleep(&t, NULL);
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A child that runs @body and exits by what it returns. */
static inline pid_t spawn(int (*body)(void))
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that fails leaves nobody behind */
	setenv("CMOCKA_TEST_ABORT", "1", 1);	/* nor goes on with the next in the child */
	_exit(body());
}

/* How it has ended: 0, or its status. */
static inline int reap(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

#endif /* SIMTEST_H */
