/* SPDX-License-Identifier: GPL-2.0 */
/* Thresholds, stall, history and drop-oldest between processes, simulated. */
#include "simtest.h"

#define K	100

static struct ipcchan_options options;

static int begin_policy(void **state)
{
	ipcchan_options_init(&options);
	return begin(state);
}

#define policy(name)	cmocka_unit_test_setup_teardown(name, begin_policy, end)

static int send_numbers(struct ipcchan_port *tx, uint64_t from, uint64_t to)
{
	int rc = 0;

	for (uint64_t i = from; i < to && !rc; i++)
		rc = ipcchan_send(tx, &i, sizeof(i), FOREVER);
	return rc;
}

/* Takes what waits whenever it is woken: how often was it, for ten times K? */
static int take_by_the_hundred(void)
{
	struct ipcchan_port *rx;
	uint64_t n, got = 0;
	int wakes = 0;

	options.wake_count = K;
	rx = open_port("t", RECEIVE, &options);
	while (got < 10 * K) {
		assert_int_equal(ipcchan_recv(rx, &n, sizeof(n), NULL, FOREVER), sizeof(n));
		wakes++;
		do
			assert_int_equal(n, got++);
		while (ipcchan_recv(rx, &n, sizeof(n), NULL, 0) == sizeof(n));
	}
	ipcchan_port_close(rx);
	return wakes;
}

static void wakes_for_as_many_as_asked(void **state)
{
	struct ipcchan_port *tx = open_port("t", SEND, NULL);
	pid_t child = spawn(take_by_the_hundred);

	(void)state;
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	for (uint64_t i = 0; i < 10; i++) {
		rest(3 * MS);
		assert_ok(send_numbers(tx, i * K, (i + 1) * K));
	}
	assert_in_range(WEXITSTATUS(reap(child)), 1, 12);
	assert_in_range(sim_calls().woken, 1, 12);
	ipcchan_port_close(tx);
}

/* How long after it was sent does a lone message come, in milliseconds? */
static int take_late(void)
{
	struct ipcchan_port *rx;
	uint64_t sent;

	options.wake_count = K;
	options.wake_delay_ns = 30 * MS;
	rx = open_port("t", RECEIVE, &options);
	assert_int_equal(ipcchan_recv(rx, &sent, sizeof(sent), NULL, FOREVER), sizeof(sent));
	ipcchan_port_close(rx);
	return (int)((now_ns() - sent) / MS);
}

static void wakes_when_the_time_is_over(void **state)
{
	struct ipcchan_port *tx = open_port("t", SEND, NULL);
	pid_t child = spawn(take_late);
	uint64_t now;

	(void)state;
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	rest(5 * MS);
	now = now_ns();
	assert_ok(ipcchan_send(tx, &now, sizeof(now), 0));
	assert_in_range(WEXITSTATUS(reap(child)), 29, 200);
	ipcchan_port_close(tx);
}

/* Takes one message, and then stands still until it is gone. */
static int stand_still(void)
{
	struct ipcchan_port *rx = open_port("s", RECEIVE, &options);
	struct ipcchan_message held;

	assert_ok(ipcchan_receive(rx, &held, FOREVER));
	while (!ipcchan_port_gone(rx))
		rest(MS);
	return ipcchan_port_gone(rx);
}

static void evicts_who_stands_still(void **state)
{
	struct ipcchan_port *tx;
	uint64_t start;
	pid_t child;

	(void)state;
	options.depth = 8;
	options.stall_ns = 100 * MS;
	tx = open_port("s", SEND, &options);
	child = spawn(stand_still);
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	start = now_ns();
	assert_ok(send_numbers(tx, 0, 20));
	assert_in_range((now_ns() - start) / MS, 100, 400);
	assert_int_equal(WEXITSTATUS(reap(child)), IPCCHAN_GONE_STALLED);
	ipcchan_port_close(tx);
}

/* A message every 20 ms is slow, but not still. */
static int move_slowly(void)
{
	struct ipcchan_port *rx = open_port("s", RECEIVE, &options);
	uint64_t n, got = 0;

	while (ipcchan_recv(rx, &n, sizeof(n), NULL, FOREVER) == sizeof(n)) {
		assert_int_equal(n, got++);
		rest(20 * MS);
	}
	return got == 30 ? ipcchan_port_gone(rx) : 100;
}

static void leaves_alone_who_moves(void **state)
{
	struct ipcchan_port *tx;
	pid_t child;

	(void)state;
	options.depth = 8;
	options.stall_ns = 100 * MS;
	tx = open_port("s", SEND, &options);
	child = spawn(move_slowly);
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	assert_ok(send_numbers(tx, 0, 30));
	ipcchan_port_close(tx);
	assert_int_equal(WEXITSTATUS(reap(child)), IPCCHAN_GONE_NOT);
}

static int send_and_die(void)
{
	struct ipcchan_port *tx = open_port("h", SEND, &options);

	assert_ok(send_numbers(tx, 0, 50));
	return 0;
}

/* What is kept outlives the process, and its channel's last port. */
static void history_outlives_its_sender(void **state)
{
	struct ipcchan_port *rx;
	uint64_t n;

	(void)state;
	options.history = 10;
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	assert_ok(reap(spawn(send_and_die)));
	for (int i = 0; i < 2; i++) {
		rx = open_port("h", RECEIVE, &options);
		for (uint64_t expected = 40; expected < 50; expected++) {
			assert_int_equal(ipcchan_recv(rx, &n, sizeof(n), NULL, 0), sizeof(n));
			assert_int_equal(n, expected);
		}
		ipcchan_port_close(rx);
	}
}

#define FLOOD	200000

static int flood(void)
{
	struct ipcchan_port *tx = open_port("d", SEND, &options);
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	assert_ok(send_numbers(tx, 0, FLOOD));
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	ipcchan_port_close(tx);
	return stats.waits > 1;	/* for its peer, and for room never */
}

/* The sender never waits, and every loss is counted. */
static void drops_the_oldest_and_counts_them(void **state)
{
	struct ipcchan_message message;
	struct ipcchan_port *rx;
	uint64_t n, expected = 0;
	ssize_t rc;
	pid_t child;

	(void)state;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.depth = 16;
	options.receivers = 1;
	options.holds = 2;
	rx = open_port("d", RECEIVE, &options);
	child = spawn(flood);
	while ((rc = ipcchan_recv(rx, &n, sizeof(n), &message, FOREVER)) == sizeof(n)) {
		assert_int_equal(n, expected + message.lost);
		expected = n + 1;
		if (n % 1000 == 0)
			rest(MS / 4);
	}
	assert_error(rc, EPIPE);
	assert_int_equal(expected, FLOOD);
	assert_ok(reap(child));
	ipcchan_port_close(rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		policy(wakes_for_as_many_as_asked),
		policy(wakes_when_the_time_is_over),
		policy(evicts_who_stands_still),
		policy(leaves_alone_who_moves),
		policy(history_outlives_its_sender),
		policy(drops_the_oldest_and_counts_them),
	};

	alarm(60);
	return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
