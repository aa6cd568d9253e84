/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Whose message comes next, and how long polling lasts. */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "internal.h"

#define MANY	64u

static struct ipcchan_port *tx[MANY];

static struct ipcchan_port *open_many(uint32_t n, uint32_t depth)
{
	struct ipcchan_options options;
	struct ipcchan_port *rx;

	options_small(&options);
	options.senders = MANY;
	options.receivers = 1;
	options.arena = 4096;
	options.depth = depth;
	rx = open_with(RECEIVE, &options);
	for (uint32_t i = 0; i < n; i++)
		tx[i] = open_with(SEND, &options);
	return rx;
}

static void close_many(struct ipcchan_port *rx, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ipcchan_port_close(tx[i]);
	ipcchan_port_close(rx);
}

/* The next message's sender; MANY: there is none. */
static uint32_t next_sender(struct ipcchan_port *rx)
{
	struct ipcchan_message message;
	uint64_t n;
	ssize_t rc = ipcchan_recv(rx, &n, sizeof(n), &message, IPCCHAN_NO_WAIT);

	return rc < 0 ? MANY : message.sender;
}

/* All are busy: each has its turn before any has two. */
static void each_has_its_turn(void **state)
{
	struct ipcchan_port *rx = open_many(MANY, 16);

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(fill_with_numbers(tx[i]), 16);
	for (int lap = 0; lap < 100; lap++) {
		uint64_t seen = 0;

		for (uint32_t i = 0; i < MANY; i++) {
			uint32_t s = next_sender(rx);

			assert_in_range(s, 0, MANY - 1);
			seen |= 1ull << s;
			assert_ok(send_number(tx[s], 0));
		}
		assert_true(seen == UINT64_MAX);
	}
	close_many(rx, MANY);
}

/* In place and in batches as well. */
static void batches_go_round(void **state)
{
	struct ipcchan_port *rx = open_many(4, 16);
	struct ipcchan_message messages[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		fill_with_numbers(tx[i]);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(ipcchan_receive_batch(rx, messages, 4, 0), 4);
		for (uint32_t j = 0; j < 4; j++)
			assert_int_equal(messages[j].sender, j);
		assert_ok(ipcchan_release_batch(rx, messages, 4));
	}
	assert_int_equal(next_sender(rx), MANY);
	close_many(rx, 4);
}

/* While one talks without a pause, another that begins is heard within 32 messages. */
static void who_begins_is_noticed(void **state)
{
	struct ipcchan_port *rx = open_many(MANY, 16);

	(void)state;
	for (uint32_t who = 1; who < MANY; who++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < 7 * who % 50; i++) {
			assert_ok(send_number(tx[0], 0));
			assert_int_equal(next_sender(rx), 0);
		}
		assert_ok(send_number(tx[who], 1));
		assert_ok(send_number(tx[0], 0));
		while (next_sender(rx) == 0) {
			assert_ok(send_number(tx[0], 0));
			assert_in_range(++n, 0, 33);
		}
		while (next_sender(rx) != MANY)
			;
	}
	close_many(rx, MANY);
}

/* Of those who were busy some fall silent; the others go on in turn, and nobody is forgotten. */
static void who_falls_silent_is_passed_over(void **state)
{
	struct ipcchan_port *rx = open_many(8, 16);
	uint64_t sent[8] = { 0 }, got[8] = { 0 };
	uint32_t s;

	(void)state;
	for (uint32_t round = 0; round < 2000; round++) {
		for (uint32_t i = 0; i < 8; i++) {
			if ((round >> i % 4) % (i + 1) == 0)
				sent[i] += !send_number(tx[i], 0);
		}
		for (uint32_t i = 0; i < round % 5; i++) {
			s = next_sender(rx);
			if (s != MANY)
				got[s]++;
		}
	}
	while ((s = next_sender(rx)) != MANY)
		got[s]++;
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(got[i], sent[i]);
	close_many(rx, 8);
}

/* One is closed for what it said while others are hot: they keep their turns. */
static void who_is_closed_leaves_the_turn(void **state)
{
	(void)state;
	for (uint32_t bad = 0; bad < 4; bad++) {
		struct ipcchan_port *rx = open_many(4, 16);
		uint64_t n, got[4] = { 0 };

		for (uint32_t i = 0; i < 4; i++)
			fill_with_numbers(tx[i]);
		for (uint32_t i = 0; i < 8; i++)
			got[next_sender(rx)]++;
		desc_of(bad, sender_slot(bad)->base + 3)->flags = 1;
		for (uint32_t i = 0; i < 4 * 14;) {
			struct ipcchan_message m;
			ssize_t rc = ipcchan_recv(rx, &n, sizeof(n), &m, 0);

			if (rc == -EAGAIN)
				break;
			if (rc == -EPROTO) {
				assert_int_equal(ipcchan_port_culprit(rx), bad);
				continue;
			}
			assert_int_equal(rc, 8);
			got[m.sender]++;
			i++;
		}
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(got[i], i == bad ? 2 : 16);
		close_many(rx, 4);
	}
}

/* A roster that changes all the time takes nobody's message away. */
static void roster_may_change(void **state)
{
	struct ipcchan_port *rx = open_many(8, 16);
	uint64_t got = 0;

	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		fill_with_numbers(tx[i]);
	for (uint32_t i = 0; i < 8 * 16; i++) {
		struct ipcchan_port *guest = NULL;

		if (i % 3 == 0)
			assert_ok(ipcchan_open(&guest, NAME, SEND, NULL, NULL));
		got += next_sender(rx) != MANY;
		ipcchan_port_close(guest);
	}
	assert_int_equal(got, 8 * 16);
	close_many(rx, 8);
}

/* What has been learned of how long it takes is twice that, and a little. */
static void learns_how_long_it_takes(void **state)
{
	struct ipcchan_port *rx = open_many(1, 16);
	struct ipcchan_spin *spin = &rx->rx->spin;
	struct ipcchan_patience p;

	(void)state;
	ipcchan_port_set_spin(rx, 1000 * 1000);
	rx->spin_turns = 10000;
	assert_int_equal(ipcchan_spin_budget(rx, spin), 10000);
	assert_int_equal(ipcchan_spin_budget(rx, NULL), 0);
	for (int i = 0; i < 100; i++) {
		assert_ok(ipcchan_patience_init(rx, &p, spin, FOREVER));
		for (int turn = 0; turn < 30; turn++)
			assert_true(ipcchan_turn(&p));
		ipcchan_spin_succeeded(&p);
	}
	assert_in_range(ipcchan_spin_budget(rx, spin), 60, 76);
	/* never more than it may */
	rx->spin_turns = 50;
	assert_int_equal(ipcchan_spin_budget(rx, spin), 50);
	rx->spin_turns = 10000;
	/* in vain: soon hardly at all, and now and then all it may */
	for (int i = 0; i < 30; i++) {
		assert_ok(ipcchan_patience_init(rx, &p, spin, FOREVER));
		while (ipcchan_turn(&p))
			;
	}
	assert_in_range(ipcchan_spin_budget(rx, spin), 16, 20);
	assert_ok(ipcchan_patience_init(rx, &p, spin, FOREVER));
	while (ipcchan_turn(&p))
		;
	assert_int_equal(ipcchan_spin_budget(rx, spin), 10000);
	assert_error(ipcchan_patience_init(rx, &p, spin, -2), EINVAL);
	close_many(rx, 1);
}

static void spins_all_if_told(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_patience p;
	struct ipcchan_port *rx;

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_SPIN_FIXED;
	options.spin_ns = 1000;
	rx = open_with(RECEIVE, &options);
	rx->spin_turns = 1000;
	for (int i = 0; i < 50; i++) {
		uint64_t turns = 0;

		assert_ok(ipcchan_patience_init(rx, &p, &rx->rx->spin, FOREVER));
		while (ipcchan_turn(&p))
			turns++;
		assert_int_equal(turns, 1000);
	}
	/* a call that may wait for less spins for less */
	rx->spin_rate = 1ull << 20;
	assert_ok(ipcchan_patience_init(rx, &p, &rx->rx->spin, 10));
	assert_int_equal(p.budget, 10);
	assert_ok(ipcchan_patience_init(rx, &p, &rx->rx->spin, 0));
	assert_false(ipcchan_turn(&p));
	ipcchan_port_close(rx);
}

static void *send_soon(void *port)
{
	for (int i = 0; i < 1000; i++)
		sched_yield();
	return (void *)(intptr_t)send_number(port, 5);
}

/* What comes while it polls needs no call. */
static void is_found_by_polling(void **state)
{
	struct ipcchan_port *rx = open_many(1, 16);
	struct ipcchan_message message;
	pthread_t thread;
	uint64_t n;
	void *rc;

	(void)state;
	rx->flags |= IPCCHAN_OPEN_SPIN_FIXED;
	ipcchan_port_set_spin(rx, UINT64_MAX);
	assert_ok(pthread_create(&thread, NULL, send_soon, tx[0]));
	assert_int_equal(ipcchan_recv(rx, &n, sizeof(n), &message, FOREVER), 8);
	pthread_join(thread, &rc);
	assert_null(rc);
	assert_int_equal(sim_calls().waits, 0);
	assert_int_equal(sim_calls().kicks, 0);
	close_many(rx, 1);
}

/* Time is what it says, wherever the rate of turns comes from. */
static void knows_its_rate(void **state)
{
	struct ipcchan_port port = { .spin_rate = 0 };

	(void)state;
	assert_int_equal(ipcchan_spin_ns(&port, 1000), 0);
	assert_int_equal(ipcchan_spin_turns(&port, 1000), 0);
	port.spin_rate = ipcchan_spin_rate();
	assert_in_range(port.spin_rate, 1, 1ull << 31);
	assert_in_range(ipcchan_spin_ns(&port, ipcchan_spin_turns(&port, 1000000)), 900000, 1000000);
	assert_true(ipcchan_spin_turns(&port, UINT64_MAX) == ipcchan_spin_turns(&port, 1ull << 42));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(each_has_its_turn),
		test(batches_go_round),
		test(who_begins_is_noticed),
		test(who_falls_silent_is_passed_over),
		test(who_is_closed_leaves_the_turn),
		test(roster_may_change),
		test(learns_how_long_it_takes),
		test(spins_all_if_told),
		test(is_found_by_polling),
		test(knows_its_rate),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
