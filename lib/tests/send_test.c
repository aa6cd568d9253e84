/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Loans, room, and what a blocked sender waits for. */
#include "check.h"


static void lends_and_publishes(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message message;
	struct ipcchan_loan loan;
	char text[16] = "";

	(void)state;
	assert_ok(ipcchan_reserve(tx, 6, &loan, 0));
	memcpy(loan.data, "hello", 6);
	loan.tag = 42;
	loan.priority = 7;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_int_equal(ipcchan_recv(rx, text, sizeof(text), &message, 0), 6);
	assert_string_equal(text, "hello");
	assert_int_equal(message.tag, 42);
	assert_int_equal(message.priority, 7);
	assert_int_equal(message.length, 6);
	assert_int_equal(message.time_ns, 0);
	assert_null(message.data);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void commits_in_any_order(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_loan loans[4];

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		assert_ok(ipcchan_reserve(tx, 8, &loans[i], 0));
		memcpy(loans[i].data, &i, 8);
	}
	assert_ok(ipcchan_commit(tx, &loans[2]));
	assert_ok(ipcchan_commit(tx, &loans[0]));
	ipcchan_abort(tx, &loans[3]);
	assert_ok(ipcchan_commit(tx, &loans[1]));
	assert_int_equal(recv_number(rx), 2);
	assert_int_equal(recv_number(rx), 0);
	assert_int_equal(recv_number(rx), 1);
	assert_error(recv_number(rx), EAGAIN);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void refuses_what_is_not_lent(void **state)
{
	struct ipcchan_port *tx = open_port(SEND);
	struct ipcchan_loan loan, stale, wrong;

	(void)state;
	assert_ok(ipcchan_reserve(tx, 100, &loan, 0));
	stale = loan;
	loan.length = 101;
	assert_error(ipcchan_commit(tx, &loan), EINVAL);
	loan.length = 100;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_error(ipcchan_commit(tx, &stale), EINVAL);
	ipcchan_abort(tx, &stale);
	assert_ok(ipcchan_reserve(tx, 100, &loan, 0));
	assert_error(ipcchan_commit(tx, &stale), EINVAL);
	wrong = loan;
	wrong.id = UINT32_MAX;
	assert_error(ipcchan_commit(tx, &wrong), EINVAL);
	assert_ok(ipcchan_commit(tx, &loan));
	assert_error(ipcchan_reserve(tx, ARENA + 1, &loan, 0), EMSGSIZE);
	assert_error(ipcchan_reserve(tx, 1, &loan, -2), EINVAL);
	ipcchan_port_close(tx);
}

static void gives_back_what_is_not_filled(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_loan loan;

	(void)state;
	assert_ok(ipcchan_reserve(tx, ARENA, &loan, 0));
	loan.length = 129;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_int_equal(stats.arena_used, 192);
	assert_ok(ipcchan_reserve(tx, ARENA - 192, &loan, 0));
	loan.length = 0;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_int_equal(stats.arena_used, 192);
	assert_int_equal(stats.sent, 2);
	assert_int_equal(stats.sent_bytes, 129);
	assert_int_equal(ipcchan_recv(rx, NULL, 0, NULL, 0), -EMSGSIZE);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void needs_no_room_for_nothing(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_loan loan;

	(void)state;
	assert_ok(ipcchan_reserve(tx, ARENA, &loan, 0));
	assert_ok(ipcchan_commit(tx, &loan));
	for (int i = 0; i < 7; i++)
		assert_ok(ipcchan_send(tx, NULL, 0, 0));
	assert_error(ipcchan_send(tx, NULL, 0, 0), EAGAIN);
	ipcchan_port_close(rx);
	ipcchan_port_close(tx);
}

static void never_fills_up_without_receivers(void **state)
{
	struct ipcchan_port *tx = open_port(SEND);
	struct ipcchan_loan loan;

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_ok(ipcchan_reserve(tx, ARENA, &loan, 0));
		assert_ok(ipcchan_commit(tx, &loan));
	}
	ipcchan_port_close(tx);
}

static void says_when_all_is_on_loan(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_loan loans[8], extra;

	(void)state;
	assert_ok(ipcchan_reserve(tx, ARENA - 64, &loans[0], 0));
	assert_error(ipcchan_reserve(tx, 81, &extra, FOREVER), ENOBUFS);
	for (int i = 1; i < 8; i++)
		assert_ok(ipcchan_reserve(tx, 0, &loans[i], 0));
	assert_error(ipcchan_reserve(tx, 0, &extra, FOREVER), ENOBUFS);
	for (int i = 0; i < 8; i++)
		assert_ok(ipcchan_commit(tx, &loans[i]));
	assert_error(ipcchan_reserve(tx, 0, &extra, 0), EAGAIN);
	ipcchan_port_close(rx);
	assert_ok(ipcchan_reserve(tx, ARENA, &extra, 0));
	ipcchan_port_close(tx);
}

static void waits_for_the_slowest(void **state)
{
	struct ipcchan_port *quick = open_port(RECEIVE), *slow = open_port(RECEIVE);
	struct ipcchan_port *tx = open_port(SEND);

	(void)state;
	assert_int_equal(fill_with_numbers(tx), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(quick), i);
	assert_error(send_number(tx, 8), EAGAIN);
	assert_int_equal(recv_number(slow), 0);
	assert_ok(send_number(tx, 8));
	assert_error(send_number(tx, 9), EAGAIN);
	ipcchan_port_close(slow);
	assert_int_equal(fill_with_numbers(tx), 7);
	ipcchan_port_close(tx);
	ipcchan_port_close(quick);
}

/* A newcomer gets what is sent from then on, and holds nobody up for before. */
static void begins_where_a_receiver_joins(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_port *late;

	(void)state;
	assert_int_equal(fill_with_numbers(tx), 8);
	late = open_port(RECEIVE);
	assert_error(recv_number(late), EAGAIN);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(rx), i);
	assert_ok(send_number(tx, 100));
	assert_int_equal(recv_number(late), 100);
	assert_int_equal(recv_number(rx), 100);
	ipcchan_port_close(late);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void keeps_what_is_held(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held[2];
	char block[ARENA / 4];

	(void)state;
	memset(block, 'a', sizeof(block));
	assert_ok(ipcchan_send(tx, block, sizeof(block), 0));
	assert_ok(ipcchan_receive(rx, &held[0], 0));
	memset(block, 'b', sizeof(block));
	assert_ok(ipcchan_send(tx, block, sizeof(block), 0));
	assert_ok(ipcchan_receive(rx, &held[1], 0));
	/* many laps of ring and arena */
	for (int i = 0; i < 100; i++) {
		memset(block, i, sizeof(block));
		assert_ok(ipcchan_send(tx, block, sizeof(block), 0));
		assert_int_equal(ipcchan_recv(rx, block, sizeof(block), NULL, 0), sizeof(block));
	}
	memset(block, 'b', sizeof(block));
	assert_memory_equal(held[1].data, block, sizeof(block));
	memset(block, 'a', sizeof(block));
	assert_memory_equal(held[0].data, block, sizeof(block));
	assert_ok(ipcchan_release(rx, &held[1]));
	assert_ok(ipcchan_release(rx, &held[0]));
	assert_ok(ipcchan_reserve(tx, ARENA, &(struct ipcchan_loan){ 0 }, 0));
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* What the module is told to wake us for. */
static void awaits_what_blocks_it(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held;
	char block[ARENA / 2];

	(void)state;
	memset(block, 0, sizeof(block));
	assert_ok(ipcchan_send(tx, block, sizeof(block), 0));
	assert_ok(ipcchan_send(tx, block, sizeof(block), 0));
	/* the arena: the oldest message must be passed first */
	assert_error(ipcchan_send(tx, block, 81, MS), ETIMEDOUT);
	assert_int_equal(sim_calls().await, sender_slot(0)->base + 1);
	/* it is held: anything may bring room */
	assert_ok(ipcchan_receive(rx, &held, 0));
	assert_error(ipcchan_send(tx, block, 81, MS), ETIMEDOUT);
	assert_int_equal(sim_calls().await, 0);
	/* the ring: holds do not matter */
	for (int i = 0; i < 7; i++)
		assert_ok(ipcchan_send(tx, NULL, 0, 0));
	assert_error(ipcchan_send(tx, NULL, 0, MS), ETIMEDOUT);
	assert_int_equal(sim_calls().await, sender_slot(0)->base + 2);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void looks_only_when_polled(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);

	(void)state;
	fill_with_numbers(tx);
	assert_int_equal(sim_calls().waits, 0);
	assert_true(ipcchan_port_fd(tx) >= 0);
	assert_error(send_number(tx, 0), EAGAIN);
	assert_int_equal(sim_calls().waits, 1);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void says_when_the_last_receiver_left(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_port *tx, *rx;

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_NEED_PEER;
	tx = open_with(SEND, &options);
	assert_ok(send_number(tx, 1));
	rx = open_port(RECEIVE);
	assert_ok(send_number(tx, 2));
	ipcchan_port_close(rx);
	assert_error(send_number(tx, 3), EPIPE);
	rx = open_port(RECEIVE);
	assert_ok(send_number(tx, 4));
	assert_int_equal(recv_number(rx), 4);
	ipcchan_port_close(rx);
	assert_error(send_number(tx, 5), EPIPE);
	ipcchan_port_close(tx);
}

static void notices_who_came_and_left(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_port *tx;

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_NEED_PEER;
	tx = open_with(SEND, &options);
	assert_ok(send_number(tx, 1));
	ipcchan_port_close(open_port(RECEIVE));
	assert_error(send_number(tx, 2), EPIPE);
	ipcchan_port_close(tx);
}

/* Each length that fits inside, the first time and when all is as usual: nothing beyond it. */
static void any_short_length(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	uint8_t got[IPCCHAN_INSIDE + 1];

	(void)state;
	for (size_t length = 0; length <= IPCCHAN_INSIDE; length++) {
		uint8_t *sent = malloc(length ? length : 1);	/* so that reading beyond it is seen */

		for (size_t i = 0; i < length; i++)
			sent[i] = (uint8_t)(length + i + 1);
		memset(got, 0xee, sizeof(got));
		assert_ok(ipcchan_send(tx, sent, length, 0));
		if (length)
			assert_int_equal(ipcchan_recv(rx, got, length - 1, NULL, 0), -EMSGSIZE);
		assert_int_equal(ipcchan_recv(rx, got, length, NULL, 0), length);
		assert_memory_equal(got, sent, length);
		assert_int_equal(got[length], 0xee);
		free(sent);
	}
	assert_error(ipcchan_recv(rx, got, sizeof(got), NULL, 0), EAGAIN);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void stamps_if_asked(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_message message;
	struct ipcchan_port *tx, *rx;

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_TIMESTAMPS;
	tx = open_with(SEND, &options);
	rx = open_port(RECEIVE);
	assert_ok(send_number(tx, 1));
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_int_not_equal(message.time_ns, 0);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void ends_with_its_sequence_numbers(void **state)
{
	struct ipcchan_port *rx, *tx;

	(void)state;
	rx = open_port(RECEIVE);
	sim_set_base(NAME, 0, ipcchan_seq_limit(0) - 20);
	tx = open_port(SEND);
	for (int i = 0; i < 20; i++) {
		assert_ok(send_number(tx, (uint64_t)i));
		assert_int_equal(recv_number(rx), i);
	}
	assert_error(send_number(tx, 0), EOVERFLOW);
	assert_error(recv_number(rx), EAGAIN);
	ipcchan_port_close(tx);
	assert_error(recv_number(rx), EPIPE);
	ipcchan_port_close(rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(lends_and_publishes),
		test(commits_in_any_order),
		test(refuses_what_is_not_lent),
		test(gives_back_what_is_not_filled),
		test(needs_no_room_for_nothing),
		test(never_fills_up_without_receivers),
		test(says_when_all_is_on_loan),
		test(waits_for_the_slowest),
		test(begins_where_a_receiver_joins),
		test(keeps_what_is_held),
		test(awaits_what_blocks_it),
		test(looks_only_when_polled),
		test(says_when_the_last_receiver_left),
		test(notices_who_came_and_left),
		test(any_short_length),
		test(stamps_if_asked),
		test(ends_with_its_sequence_numbers),
	};

	return cmocka_run_group_tests_name("send", tests, NULL, NULL);
}
