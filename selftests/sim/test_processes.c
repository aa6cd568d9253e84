/* SPDX-License-Identifier: GPL-2.0 */
/* Processes over the simulated device: sleeping, waking, and the end of others. */
#include "simtest.h"

#define ROUNDS		2000
#define MANY		64
#define KILLS		40

static struct ipcchan_options small_ring(void)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.depth = 8;
	options.arena = 16 << 10;
	options.receivers = MANY;
	options.holds = 4;
	return options;
}

/* Sends back what comes, until there is nobody left. */
static int echo(void)
{
	struct ipcchan_port *rx = open_port("there", RECEIVE, NULL);
	struct ipcchan_port *tx = open_port("back", SEND, NULL);
	uint64_t n;
	ssize_t rc;

	while ((rc = ipcchan_recv(rx, &n, sizeof(n), NULL, FOREVER)) == sizeof(n))
		assert_ok(ipcchan_send(tx, &n, sizeof(n), FOREVER));
	ipcchan_port_close(rx);
	ipcchan_port_close(tx);
	return rc == -EPIPE ? 0 : 1;
}

static void both_sides_sleep(void **state)
{
	struct ipcchan_port *tx, *rx;
	uint64_t n;
	pid_t child;

	(void)state;
	child = spawn(echo);
	tx = open_port("there", SEND, NULL);
	rx = open_port("back", RECEIVE, NULL);
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	assert_ok(ipcchan_port_wait_peers(rx, SEND, 1, FOREVER));
	for (uint64_t i = 0; i < ROUNDS; i++) {
		assert_ok(ipcchan_send(tx, &i, sizeof(i), FOREVER));
		assert_int_equal(ipcchan_recv(rx, &n, sizeof(n), NULL, FOREVER), sizeof(n));
		assert_int_equal(n, i);
	}
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
	assert_ok(reap(child));
	assert_in_range(sim_calls().woken, ROUNDS / 4, 4 * ROUNDS);
}

/* Counts from 0 to what the last message says. */
static int count_to_the_end(void)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *rx = open_port("many", RECEIVE, &options);
	uint64_t n, expected = 0;
	ssize_t rc;

	while ((rc = ipcchan_recv(rx, &n, sizeof(n), NULL, FOREVER)) == sizeof(n)) {
		if (n != expected++)
			return 1;
	}
	ipcchan_port_close(rx);
	return rc == -EPIPE && expected == ROUNDS ? 0 : 2;
}

static void many_receive_all_of_it(void **state)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *tx = open_port("many", SEND, &options);
	pid_t children[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		children[i] = spawn(count_to_the_end);
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, MANY, FOREVER));
	for (uint64_t i = 0; i < ROUNDS; i++)
		assert_ok(ipcchan_send(tx, &i, sizeof(i), FOREVER));
	ipcchan_port_close(tx);
	for (int i = 0; i < MANY; i++)
		assert_ok(reap(children[i]));
}

/* Holds what it has got, so that the sender has to sleep for room. */
static int hold_and_release(void)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *rx = open_port("room", RECEIVE, &options);
	struct ipcchan_message held[2];

	for (int i = 0; i < 100; i++) {
		assert_ok(ipcchan_receive(rx, &held[0], FOREVER));
		assert_ok(ipcchan_receive(rx, &held[1], FOREVER));
		if (i % 10 == 0)
			rest(MS);
		assert_ok(ipcchan_release_batch(rx, held, 2));
	}
	ipcchan_port_close(rx);
	return 0;
}

/* Two messages fill the arena. */
static void sender_sleeps_for_room(void **state)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *tx = open_port("room", SEND, &options);
	static char block[8 << 10];
	pid_t child;

	(void)state;
	child = spawn(hold_and_release);
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	for (int i = 0; i < 200; i++)
		assert_ok(ipcchan_send(tx, block, sizeof(block), FOREVER));
	assert_ok(reap(child));
	assert_in_range(sim_calls().woken, 10, 2000);
	ipcchan_port_close(tx);
}

/* A child that sends numbers, each in words enough to lie in the arena, for ever. */
static int count_for_ever(void)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *tx = open_port("killed", SEND, &options);
	uint64_t words[32] = { 0 };

	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	while (!ipcchan_send(tx, words, sizeof(words), FOREVER)) {
		for (int i = 0; i < 32; i++)
			words[i]++;
	}
	return 1;
}

static void receive_until_killed(struct ipcchan_port *rx, pid_t child, unsigned int after)
{
	uint64_t words[32], expected = 0;
	ssize_t rc;

	while ((rc = ipcchan_recv(rx, words, sizeof(words), NULL, FOREVER)) == sizeof(words)) {
		for (int j = 0; j < 32; j++)
			assert_int_equal(words[j], expected);
		if (++expected == after)
			sim_kill(child);
	}
	assert_error(rc, EPIPE);
	assert_true(expected >= after);
}

/* What a process had published when it was killed can be read, and nothing else. */
static void killed_sender_is_hung_up(void **state)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *rx = open_port("killed", RECEIVE, &options);

	(void)state;
	for (unsigned int i = 0; i < KILLS; i++) {
		pid_t child = spawn(count_for_ever);

		assert_ok(ipcchan_port_wait_peers(rx, SEND, 1, FOREVER));
		receive_until_killed(rx, child, 1 + i * 37 % 500);
		assert_true(WIFSIGNALED(reap(child)));
		assert_ok(ipcchan_port_peers(rx, SEND));
	}
	ipcchan_port_close(rx);
}

/* Holds what it can, and reads no more. */
static int hog(void)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *rx = open_port("killed", RECEIVE, &options);
	struct ipcchan_message held;

	for (int i = 0; i < 4; i++)
		assert_ok(ipcchan_receive(rx, &held, FOREVER));
	pause();
	return 1;
}

static pid_t victim;

static int kill_it(void)
{
	rest(5 * MS);
	sim_kill(victim);
	return 0;
}

/* The sender sleeps for room that only the death of the receiver brings. */
static void killed_receiver_blocks_nobody(void **state)
{
	struct ipcchan_options options = small_ring();
	struct ipcchan_port *tx;
	pid_t killer;

	(void)state;
	options.flags = IPCCHAN_OPEN_NEED_PEER;
	tx = open_port("killed", SEND, &options);
	for (int i = 0; i < 5; i++) {
		int rc = 0;

		victim = spawn(hog);
		assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
		killer = spawn(kill_it);
		while (!rc)
			rc = ipcchan_send(tx, "x", 1, FOREVER);
		assert_error(rc, EPIPE);
		assert_ok(reap(killer));
		assert_true(WIFSIGNALED(reap(victim)));
	}
	ipcchan_port_close(tx);
}

/* Dies by itself, in the middle of everything, with nobody to say so. */
static int exit_without_closing(void)
{
	struct ipcchan_port *tx = open_port("ended", SEND, NULL);

	assert_ok(ipcchan_send(tx, "x", 1, 0));
	return 0;
}

static void ended_process_is_noticed(void **state)
{
	struct ipcchan_port *rx = open_port("ended", RECEIVE, NULL);
	pid_t child = spawn(exit_without_closing);
	char x;

	(void)state;
	assert_int_equal(ipcchan_recv(rx, &x, 1, NULL, FOREVER), 1);
	assert_error(ipcchan_recv(rx, &x, 1, NULL, FOREVER), EPIPE);
	assert_ok(reap(child));
	ipcchan_port_close(rx);
}

/* An ephemeral channel ends with its last process. */
static void channel_ends_with_its_processes(void **state)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	(void)state;
	assert_ok(reap(spawn(exit_without_closing)));
	assert_error(ipcchan_lookup("ended", &info, NULL), ENOENT);
}

/* Sleeps until it is told that it is gone; which reason? */
static int wait_to_be_gone(void)
{
	struct ipcchan_port *rx = open_port("gone", RECEIVE, NULL);
	int rc = (int)ipcchan_recv(rx, NULL, 0, NULL, FOREVER);

	if (rc != -ESHUTDOWN || ipcchan_port_peers(rx, SEND) != -ESHUTDOWN)
		return 100;
	rc = ipcchan_port_gone(rx);
	ipcchan_port_close(rx);
	return rc;
}

static void evicted_process_hears_of_it(void **state)
{
	struct ipcchan_port *tx = open_port("gone", SEND, NULL);
	pid_t child = spawn(wait_to_be_gone);

	(void)state;
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	assert_ok(sim_evict("gone", 2));
	assert_int_equal(WEXITSTATUS(reap(child)), IPCCHAN_GONE_EVICTED);
	assert_error(sim_evict("gone", 2), ENOENT);
	assert_ok(ipcchan_port_peers(tx, RECEIVE));
	ipcchan_port_close(tx);
}

static void deleted_channel_is_told_to_all(void **state)
{
	struct ipcchan_port *tx = open_port("gone", SEND, NULL);
	pid_t child = spawn(wait_to_be_gone);

	(void)state;
	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	assert_ok(ipcchan_delete("gone", NULL));
	assert_int_equal(WEXITSTATUS(reap(child)), IPCCHAN_GONE_DELETED);
	assert_error(ipcchan_send(tx, "x", 1, 0), ESHUTDOWN);
	assert_int_equal(ipcchan_port_gone(tx), IPCCHAN_GONE_DELETED);
	ipcchan_port_close(tx);
}

/* Evicted while it runs, with no call to tell it: it sees the roster. */
static int send_until_gone(void)
{
	struct ipcchan_port *tx = open_port("busy", SEND, NULL);
	int rc;

	assert_ok(ipcchan_port_wait_peers(tx, RECEIVE, 1, FOREVER));
	do
		rc = ipcchan_send(tx, "x", 1, FOREVER);
	while (!rc);
	ipcchan_port_close(tx);
	return rc == -ESHUTDOWN ? 0 : 1;
}

static void evicted_sender_is_stopped(void **state)
{
	struct ipcchan_port *rx = open_port("busy", RECEIVE, NULL);
	uint32_t id = 1;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t child = spawn(send_until_gone);
		char x;

		assert_ok(ipcchan_port_wait_peers(rx, SEND, 1, FOREVER));
		for (int j = 0; j < 1 + i * 50; j++)
			assert_int_equal(ipcchan_recv(rx, &x, 1, NULL, FOREVER), 1);
		assert_ok(sim_evict("busy", ++id));
		assert_ok(reap(child));
		while (ipcchan_recv(rx, &x, 1, NULL, 0) == 1)
			;
		assert_error(ipcchan_recv(rx, &x, 1, NULL, FOREVER), EPIPE);
	}
	ipcchan_port_close(rx);
}

/* One process waits for many channels; a child sends to each in turn. */
static int send_to_each(void)
{
	char name[16];

	for (int i = 0; i < MANY; i++) {
		struct ipcchan_port *tx;

		snprintf(name, sizeof(name), "each%d", i);
		tx = open_port(name, SEND, NULL);
		assert_ok(ipcchan_send(tx, &i, sizeof(i), 0));
		rest(MS / 4);
		ipcchan_port_close(tx);
	}
	return 0;
}

static void waits_for_many(void **state)
{
	struct ipcchan_ready items[MANY + 1] = { 0 };
	pid_t child;
	int got = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "each%d", i);
		items[i].port = open_port(name, RECEIVE, NULL);
		items[i].events = IPCCHAN_READY_RECEIVE;
	}
	assert_error(ipcchan_wait(items, MANY + 1, MS), ETIMEDOUT);
	child = spawn(send_to_each);
	while (got < MANY) {
		assert_true(ipcchan_wait(items, MANY + 1, FOREVER) > 0);
		for (int i = 0, n; i < MANY; i++) {
			if (!(items[i].ready & IPCCHAN_READY_RECEIVE))
				continue;
			assert_int_equal(ipcchan_recv(items[i].port, &n, sizeof(n), NULL, 0),
					 sizeof(n));
			assert_int_equal(n, i);
			ipcchan_port_close(items[i].port);
			items[i].port = NULL;
			items[i].ready = 0;
			got++;
		}
	}
	assert_ok(reap(child));
	assert_true(sim_calls().polls > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(both_sides_sleep),
		test(many_receive_all_of_it),
		test(sender_sleeps_for_room),
		test(killed_sender_is_hung_up),
		test(killed_receiver_blocks_nobody),
		test(ended_process_is_noticed),
		test(channel_ends_with_its_processes),
		test(evicted_process_hears_of_it),
		test(deleted_channel_is_told_to_all),
		test(evicted_sender_is_stopped),
		test(waits_for_many),
	};

	alarm(280);	/* a wake-up that is lost hangs it */
	return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
