/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Waiting for many ports at once. */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define MANY	64u

static struct ipcchan_port *rx[MANY], *tx[MANY];
static struct ipcchan_ready items[2 * MANY];

/* All on one channel: whatever is sent comes to all. */
static void open_all(uint32_t n, uint64_t spin_ns)
{
	struct ipcchan_options options;

	options_small(&options);
	options.senders = MANY;
	options.receivers = MANY;
	options.holds = 1;
	options.arena = 4096;
	options.spin_ns = spin_ns;
	for (uint32_t i = 0; i < n; i++) {
		rx[i] = open_with(RECEIVE, &options);
		items[i] = (struct ipcchan_ready){ .port = rx[i],
						   .events = IPCCHAN_READY_RECEIVE };
	}
	tx[0] = open_with(SEND, &options);
}

static void close_all(uint32_t n)
{
	ipcchan_port_close(tx[0]);
	for (uint32_t i = 0; i < n; i++)
		ipcchan_port_close(rx[i]);
}

static void take_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(recv_number(rx[i]), 1);
}

static void says_who_is_ready(void **state)
{
	(void)state;
	open_all(MANY, 0);
	assert_error(ipcchan_wait(items, MANY, 0), ETIMEDOUT);
	assert_error(ipcchan_wait(items, MANY, 2 * MS), ETIMEDOUT);
	assert_int_equal(sim_calls().polls, 2);
	assert_ok(send_number(tx[0], 1));
	assert_int_equal(ipcchan_wait(items, MANY, FOREVER), MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(items[i].ready, IPCCHAN_READY_RECEIVE);
		if (i % 5)
			assert_int_equal(recv_number(rx[i]), 1);
	}
	assert_int_equal(ipcchan_wait(items, MANY, 0), 13);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(items[i].ready, i % 5 ? 0 : IPCCHAN_READY_RECEIVE);
	/* what can be seen in the pages needs no call */
	assert_int_equal(sim_calls().polls, 2);
	close_all(MANY);
}

static void refuses_what_makes_no_sense(void **state)
{
	struct ipcchan_ready one;

	(void)state;
	open_all(2, 0);
	one = (struct ipcchan_ready){ .port = rx[0], .events = IPCCHAN_READY_RECEIVE };
	assert_error(ipcchan_wait(&one, 1, -2), EINVAL);
	one.events = 0;
	assert_error(ipcchan_wait(&one, 1, 0), EINVAL);
	one.events = IPCCHAN_READY_SEND;
	assert_error(ipcchan_wait(&one, 1, 0), EINVAL);
	one.events = IPCCHAN_READY_RECEIVE | IPCCHAN_READY_HANGUP;
	assert_error(ipcchan_wait(&one, 1, 0), EINVAL);
	one.port = tx[0];
	one.events = IPCCHAN_READY_SEND | IPCCHAN_READY_RECEIVE;
	assert_error(ipcchan_wait(&one, 1, 0), EINVAL);
	one.port = NULL;
	one.events = 77;
	assert_error(ipcchan_wait(&one, 1, 0), ETIMEDOUT);
	assert_error(ipcchan_wait(NULL, 0, 0), ETIMEDOUT);
	assert_error(ipcchan_wait(NULL, 0, MS), ETIMEDOUT);
	close_all(2);
}

static void *send_when_asleep(void *n)
{
	uint64_t all = (uintptr_t)n >= 64 ? UINT64_MAX : (1ull << (uintptr_t)n) - 1;

	while (ipcchan_load(&roster()->sleeping_receivers) != all)
		sched_yield();
	return (void *)(intptr_t)send_number(tx[0], 1);
}

/* Some are left out. More than 64 ports need memory. */
static void is_woken(void **state)
{
	pthread_t thread;
	void *rc;

	(void)state;
	open_all(MANY, 0);
	for (uint32_t i = 0; i < MANY; i++)
		items[MANY + i] = (struct ipcchan_ready){ .port = NULL };
	for (uint32_t n = MANY; n <= 2 * MANY; n += MANY) {
		assert_ok(pthread_create(&thread, NULL, send_when_asleep, (void *)(uintptr_t)MANY));
		assert_in_range(ipcchan_wait(items, n, FOREVER), 1, MANY);
		pthread_join(thread, &rc);
		assert_null(rc);
		take_all(MANY);
		assert_error(ipcchan_wait(items, n, 0), ETIMEDOUT);
	}
	close_all(MANY);
}

/* What comes while it polls needs no call to the module. */
static void *send_soon(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		sched_yield();
	return (void *)(intptr_t)send_number(tx[0], 1);
}

static void polls_before_it_sleeps(void **state)
{
	pthread_t thread;
	uint64_t polls;
	void *rc;

	(void)state;
	open_all(3, 0);
	items[2].port = NULL;
	ipcchan_port_set_spin(rx[1], UINT64_MAX);
	polls = sim_calls().polls;
	assert_ok(pthread_create(&thread, NULL, send_soon, NULL));
	assert_in_range(ipcchan_wait(items, 3, FOREVER), 1, 2);	/* the other a moment later */
	pthread_join(thread, &rc);
	assert_null(rc);
	assert_int_equal(sim_calls().polls, polls);
	take_all(3);
	/* and not for longer than it may wait */
	assert_error(ipcchan_wait(items, 3, MS), ETIMEDOUT);
	close_all(3);
}

static void tells_of_hangup(void **state)
{
	(void)state;
	open_all(2, 0);
	assert_ok(send_number(tx[0], 1));
	ipcchan_port_close(tx[0]);
	tx[0] = NULL;
	assert_int_equal(ipcchan_wait(items, 2, FOREVER), 2);
	assert_int_equal(items[0].ready, IPCCHAN_READY_RECEIVE | IPCCHAN_READY_HANGUP);
	take_all(2);
	assert_int_equal(ipcchan_wait(items, 2, FOREVER), 2);
	assert_int_equal(items[1].ready, IPCCHAN_READY_HANGUP);
	assert_error(recv_number(rx[1]), EPIPE);
	close_all(2);
}

/* It came and went before this port had ever looked: only the module knows. */
static void tells_of_who_was_never_seen(void **state)
{
	struct ipcchan_ready one = { .events = IPCCHAN_READY_RECEIVE };
	struct ipcchan_options options;
	struct ipcchan_port *sender;

	(void)state;
	options_small(&options);
	one.port = open_with(RECEIVE, &options);
	sender = open_with(SEND, &options);
	ipcchan_port_close(sender);
	assert_int_equal(ipcchan_wait(&one, 1, FOREVER), 1);
	assert_int_equal(one.ready & IPCCHAN_READY_HANGUP, IPCCHAN_READY_HANGUP);
	assert_error(recv_number(one.port), EPIPE);
	ipcchan_port_close(one.port);
}

static void *take_one_when_asleep(void *port)
{
	while (!ipcchan_load(&roster()->sleeping_senders))
		sched_yield();
	return (void *)(intptr_t)recv_number(port);
}

/* Room is what it lacked when it last looked; before that it is ready. */
static void waits_for_room(void **state)
{
	struct ipcchan_port *receiver = open_port(RECEIVE), *sender = open_port(SEND);
	struct ipcchan_ready one = { .port = sender, .events = IPCCHAN_READY_SEND };
	pthread_t thread;
	void *rc;

	(void)state;
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	assert_int_equal(one.ready, IPCCHAN_READY_SEND);
	fill_with_numbers(sender);
	assert_error(ipcchan_wait(&one, 1, 0), ETIMEDOUT);
	assert_error(ipcchan_wait(&one, 1, MS), ETIMEDOUT);
	assert_ok(pthread_create(&thread, NULL, take_one_when_asleep, receiver));
	assert_int_equal(ipcchan_wait(&one, 1, FOREVER), 1);
	assert_int_equal(one.ready, IPCCHAN_READY_SEND);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	assert_ok(send_number(sender, 8));
	assert_error(send_number(sender, 9), EAGAIN);
	/* seen in the pages, without a call */
	assert_int_equal(recv_number(receiver), 1);
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	ipcchan_port_close(receiver);
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	assert_ok(send_number(sender, 9));
	ipcchan_port_close(sender);
}

/* Room that the sender itself gives back, it need not wait for. */
static void own_room_counts(void **state)
{
	struct ipcchan_port *receiver = open_port(RECEIVE), *sender = open_port(SEND);
	struct ipcchan_ready one = { .port = sender, .events = IPCCHAN_READY_SEND };
	struct ipcchan_loan loan;

	(void)state;
	for (int how = 0; how < 3; how++) {
		assert_ok(ipcchan_reserve(sender, ARENA - 512, &loan, 0));
		assert_ok(send_long(sender, 1));
		assert_error(ipcchan_reserve(sender, 512, &(struct ipcchan_loan){ 0 }, 0), EAGAIN);
		assert_error(ipcchan_wait(&one, 1, 0), ETIMEDOUT);
		loan.length = how ? 300 : 10;
		if (how == 2)
			ipcchan_abort(sender, &loan);
		else
			assert_ok(ipcchan_commit(sender, &loan));
		assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
		assert_ok(ipcchan_reserve(sender, 512, &loan, 0));
		ipcchan_abort(sender, &loan);
		while (recv_number(receiver) != -EAGAIN) {
			struct ipcchan_message m;

			if (!ipcchan_receive(receiver, &m, 0))
				assert_ok(ipcchan_release(receiver, &m));
		}
	}
	ipcchan_port_close(receiver);
	ipcchan_port_close(sender);
}

static void both_ways(void **state)
{
	struct ipcchan_port *both = open_port(SEND | RECEIVE);
	struct ipcchan_ready one = { .port = both,
				     .events = IPCCHAN_READY_SEND | IPCCHAN_READY_RECEIVE };

	(void)state;
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	assert_int_equal(one.ready, IPCCHAN_READY_SEND);
	fill_with_numbers(both);
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	assert_int_equal(one.ready, IPCCHAN_READY_RECEIVE);
	assert_int_equal(recv_number(both), 0);
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	assert_int_equal(one.ready, IPCCHAN_READY_RECEIVE | IPCCHAN_READY_SEND);
	/* nobody else ever was there: no hang-up */
	while (recv_number(both) >= 0)
		;
	one.events = IPCCHAN_READY_RECEIVE;
	assert_error(ipcchan_wait(&one, 1, MS), ETIMEDOUT);
	assert_error(recv_number(both), EAGAIN);
	ipcchan_port_close(both);
}

static void tells_of_eviction(void **state)
{
	struct ipcchan_port *receiver = open_port(RECEIVE), *sender = open_port(SEND);
	struct ipcchan_ready all[2] = {
		{ .port = receiver, .events = IPCCHAN_READY_RECEIVE },
		{ .port = sender, .events = IPCCHAN_READY_SEND },
	};

	(void)state;
	assert_ok(ipcchan_delete(NAME, NULL));
	assert_int_equal(ipcchan_wait(all, 2, FOREVER), 2);
	assert_int_equal(all[0].ready, IPCCHAN_READY_ERROR);
	assert_int_equal(all[1].ready, IPCCHAN_READY_ERROR);
	assert_int_equal(ipcchan_port_gone(sender), IPCCHAN_GONE_DELETED);
	ipcchan_port_close(receiver);
	ipcchan_port_close(sender);
}

/* What is there is the answer; else it is armed, and stays so when others give up. */
static void arms_for_a_message(void **state)
{
	uint64_t waits;

	(void)state;
	open_all(1, 0);
	assert_int_equal(ipcchan_port_arm(rx[0], IPCCHAN_READY_RECEIVE), 0);
	assert_int_equal(ipcchan_load(&roster()->sleeping_receivers), 1);
	assert_error(ipcchan_recv(rx[0], NULL, 0, NULL, MS), ETIMEDOUT);
	assert_int_equal(ipcchan_load(&roster()->sleeping_receivers), 1);
	waits = stats_of(tx[0]).kicks;
	assert_ok(send_number(tx[0], 1));
	assert_int_equal(stats_of(tx[0]).kicks, waits + 1);
	assert_int_equal(ipcchan_load(&roster()->sleeping_receivers), 0);
	waits = sim_calls().waits;
	assert_int_equal(ipcchan_port_arm(rx[0], IPCCHAN_READY_RECEIVE), IPCCHAN_READY_RECEIVE);
	assert_int_equal(sim_calls().waits, waits);
	take_all(1);
	ipcchan_port_close(tx[0]);
	tx[0] = NULL;
	assert_int_equal(ipcchan_port_arm(rx[0], IPCCHAN_READY_RECEIVE), IPCCHAN_READY_HANGUP);
	close_all(1);
}

static void arms_for_room(void **state)
{
	struct ipcchan_port *receiver = open_port(RECEIVE), *sender = open_port(SEND);

	(void)state;
	assert_int_equal(ipcchan_port_arm(sender, IPCCHAN_READY_SEND), IPCCHAN_READY_SEND);
	fill_with_numbers(sender);
	assert_int_equal(ipcchan_port_arm(sender, IPCCHAN_READY_SEND), 0);
	assert_int_equal(ipcchan_load(&roster()->sleeping_senders), 1);
	assert_int_equal(recv_number(receiver), 0);
	assert_int_equal(ipcchan_load(&roster()->sleeping_senders), 0);
	assert_int_equal(stats_of(receiver).kicks, 1);
	assert_int_equal(ipcchan_port_arm(sender, IPCCHAN_READY_SEND), IPCCHAN_READY_SEND);
	ipcchan_port_close(sender);
	ipcchan_port_close(receiver);
}

static void arms_for_nothing_else(void **state)
{
	struct ipcchan_port *receiver = open_port(RECEIVE);

	(void)state;
	assert_error(ipcchan_port_arm(receiver, 0), EINVAL);
	assert_error(ipcchan_port_arm(receiver, IPCCHAN_READY_SEND), EINVAL);
	assert_error(ipcchan_port_arm(receiver, IPCCHAN_READY_RECEIVE | IPCCHAN_READY_HANGUP),
		     EINVAL);
	assert_ok(ipcchan_delete(NAME, NULL));
	assert_int_equal(ipcchan_port_arm(receiver, IPCCHAN_READY_RECEIVE), IPCCHAN_READY_ERROR);
	ipcchan_port_close(receiver);
}

/* A child has none of its parent's ports. */
static void is_not_the_childs(void **state)
{
	pid_t child;
	int status;

	(void)state;
	open_all(2, 0);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(ipcchan_port_arm(rx[0], IPCCHAN_READY_RECEIVE) != -EBUSY ||
		      ipcchan_wait(items, 2, 0) != 2 || items[0].ready != IPCCHAN_READY_ERROR ||
		      items[1].ready != IPCCHAN_READY_ERROR);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close_all(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(says_who_is_ready),
		test(refuses_what_makes_no_sense),
		test(is_woken),
		test(polls_before_it_sleeps),
		test(tells_of_hangup),
		test(tells_of_who_was_never_seen),
		test(waits_for_room),
		test(own_room_counts),
		test(both_ways),
		test(arms_for_a_message),
		test(arms_for_room),
		test_apart(arms_for_nothing_else),
		test_apart(tells_of_eviction),
		test_apart(is_not_the_childs),
	};

	alarm(60);	/* a wake-up that is lost */
	return cmocka_run_group_tests_name("many", tests, NULL, NULL);
}
