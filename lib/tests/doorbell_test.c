/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Messages without bytes: they wake, count, and carry a tag. */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "check.h"

static int ring(struct ipcchan_port *port, uint64_t tag)
{
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(port, 0, &loan, IPCCHAN_NO_WAIT);

	if (rc)
		return rc;
	loan.tag = tag;
	return ipcchan_commit(port, &loan);
}

static struct ipcchan_port *open_bell(uint32_t roles, uint32_t depth, uint32_t history)
{
	struct ipcchan_options options;

	options_small(&options);
	options.depth = depth;
	options.history = history;
	options.overflow = IPCCHAN_DROP_OLDEST;
	return open_with(roles, &options);
}

static void counts_every_ring(void **state)
{
	struct ipcchan_port *receiver = open_port(RECEIVE), *sender = open_port(SEND);
	struct ipcchan_message m;
	uint64_t rings = 0;

	(void)state;
	while (!ring(sender, rings))
		rings++;
	assert_int_equal(rings, 8);
	assert_int_equal(stats_of(sender).arena_used, 0);
	assert_error(ipcchan_send(sender, NULL, 0, IPCCHAN_NO_WAIT), EAGAIN);
	/* by copy and in place: nothing to copy, but a length and a tag */
	assert_int_equal(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), 0);
	assert_int_equal(m.tag, 0);
	for (uint64_t i = 1; i < rings; i++) {
		assert_ok(ipcchan_receive(receiver, &m, IPCCHAN_NO_WAIT));
		assert_int_equal(m.length, 0);
		assert_int_equal(m.tag, i);
		assert_int_equal(m.lost, 0);
		assert_ok(ipcchan_release(receiver, &m));
	}
	assert_error(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), EAGAIN);
	assert_ok(ipcchan_send(sender, NULL, 0, IPCCHAN_NO_WAIT));
	ipcchan_port_close(sender);
	ipcchan_port_close(receiver);
}

/* However often it is rung it is one, and the ringer never waits. */
static void many_rings_are_one(void **state)
{
	struct ipcchan_port *receiver = open_bell(RECEIVE, 1, 0), *sender = open_bell(SEND, 1, 0);
	struct ipcchan_message m;

	(void)state;
	for (uint64_t round = 1; round <= 100; round++) {
		for (uint64_t i = 1; i <= round; i++)
			assert_ok(ring(sender, i));
		assert_int_equal(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), 0);
		assert_int_equal(m.tag, round);
		assert_int_equal(m.lost, round - 1);
		assert_error(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), EAGAIN);
	}
	ipcchan_port_close(sender);
	ipcchan_port_close(receiver);
}

static void who_comes_late_hears_the_last(void **state)
{
	struct ipcchan_port *sender = open_bell(SEND, 2, 1), *receiver;
	struct ipcchan_message m;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++)
		assert_ok(ring(sender, i));
	receiver = open_bell(RECEIVE, 2, 1);
	assert_int_equal(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), 0);
	assert_int_equal(m.tag, 5);
	assert_error(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), EAGAIN);
	ipcchan_port_close(sender);
	ipcchan_port_close(receiver);
}

static void *ring_when_asleep(void *port)
{
	while (!ipcchan_load(&roster()->sleeping_receivers))
		sched_yield();
	return (void *)(intptr_t)ring(port, 7);
}

/* One that sleeps wakes by it; one that does not costs no call. */
static void wakes(void **state)
{
	struct ipcchan_port *receiver = open_bell(RECEIVE, 1, 0), *sender = open_bell(SEND, 1, 0);
	struct ipcchan_message m;
	pthread_t thread;
	void *rc;

	(void)state;
	for (uint64_t i = 1; i <= 10; i++) {
		assert_ok(pthread_create(&thread, NULL, ring_when_asleep, sender));
		assert_int_equal(ipcchan_recv(receiver, NULL, 0, &m, FOREVER), 0);
		assert_int_equal(m.tag, 7);
		pthread_join(thread, &rc);
		assert_null(rc);
		assert_int_equal(stats_of(sender).kicks, i);
		assert_ok(ring(sender, 8));
		assert_int_equal(stats_of(sender).kicks, i);
		assert_int_equal(ipcchan_recv(receiver, NULL, 0, &m, IPCCHAN_NO_WAIT), 0);
	}
	ipcchan_port_close(sender);
	ipcchan_port_close(receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(counts_every_ring),
		test(many_rings_are_one),
		test(who_comes_late_hears_the_last),
		test(wakes),
	};

	alarm(60);	/* a wake-up that is lost */
	return cmocka_run_group_tests_name("doorbell", tests, NULL, NULL);
}
