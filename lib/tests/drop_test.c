/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Drop-oldest: what is lost is counted, what is held stays, nobody waits. */
#include "feed.h"

static struct ipcchan_options options;

static void dropping(uint32_t depth, uint32_t history)
{
	options_small(&options);
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.depth = depth;
	options.history = history;
	options.receivers = 2;
	options.holds = 2;
	options.arena = 0;
	options.max_message = FEED_LONGEST;
}

static struct feed new_feed(uint32_t id)
{
	return (struct feed){ .port = open_with(SEND, &options), .id = id,
			      .longest = FEED_LONGEST };
}

static struct feed_reader new_reader(void)
{
	return (struct feed_reader){ .port = open_with(RECEIVE, &options) };
}

static void send_many(struct feed *f, uint64_t n)
{
	while (n--)
		assert_ok(feed_send(f));
}

/* Everything that is there was taken: the rest of what was sent is lost. */
static void check_sum(const struct feed_reader *r, const struct feed *f)
{
	assert_int_equal(r->received + r->lost, f->sent);
	assert_int_equal(stats_of(r->port).lost, r->lost);
	assert_int_equal(cursor_of(0, f->id)->lost, r->lost);
}

/* One by one, up to several laps at a time, and far beyond. */
static void loses_what_was_overrun(uint32_t depth, uint32_t history)
{
	struct feed_reader rx;
	struct feed tx;

	dropping(depth, history);
	rx = new_reader();
	tx = new_feed(0);
	for (uint64_t n = 0; n < 5 * depth; n++) {
		send_many(&tx, n);
		feed_drain(&rx);
		check_sum(&rx, &tx);
	}
	for (uint64_t n = 100; n < 20000; n *= 7) {
		uint64_t before = rx.received;

		send_many(&tx, n);
		feed_drain(&rx);
		check_sum(&rx, &tx);
		assert_in_range(rx.received - before, depth - depth / 16, depth);
	}
	ipcchan_port_close(tx.port);
	ipcchan_port_close(rx.port);
}

static void counts_what_was_overrun(void **state)
{
	static const uint32_t depths[] = { 1, 2, 8, 64 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		loses_what_was_overrun(depths[i], 0);
		sim_begin(SIM_FLAT);
		loses_what_was_overrun(depths[i], depths[i] / 2);
		sim_begin(SIM_FLAT);
	}
}

/* A sixteenth of the ring is retired at a time: what is void is lost one by one. */
static void counts_voids(void **state)
{
	struct feed_reader rx;
	struct feed tx;

	(void)state;
	dropping(64, 0);
	rx = new_reader();
	tx = new_feed(0);
	send_many(&tx, 65);
	for (uint64_t n = 1; n <= 4; n++) {
		uint64_t seq = sender_slot(0)->base + n;

		assert_int_equal(desc_of(0, seq)->seq, n == 1 ? seq + 64 : seq | IPCCHAN_SEQ_VOID);
	}
	assert_ok(feed_recv(&rx));
	assert_int_equal(rx.lost, 4);
	assert_int_equal(rx.next[0], 5);
	feed_drain(&rx);
	check_sum(&rx, &tx);
	ipcchan_port_close(tx.port);
	ipcchan_port_close(rx.port);
}

/* Where all is void, and the sender says nothing more: nothing to receive, all lost. */
static void counts_voids_up_to_the_end(void **state)
{
	struct feed_reader rx;
	struct feed tx;

	(void)state;
	dropping(8, 0);
	rx = new_reader();
	tx = new_feed(0);
	send_many(&tx, 5);
	for (uint64_t n = 1; n <= 5; n++)
		desc_of(0, sender_slot(0)->base + n)->seq |= IPCCHAN_SEQ_VOID;
	assert_error(feed_recv(&rx), EAGAIN);
	assert_int_equal(stats_of(rx.port).lost, 5);
	assert_int_equal(cursor_of(0, 0)->passed, sender_slot(0)->base + 5);
	assert_ok(feed_send(&tx));
	assert_ok(feed_recv(&rx));
	assert_int_equal(rx.lost, 5);
	ipcchan_port_close(tx.port);
	ipcchan_port_close(rx.port);
}

static void counts_for_each_sender_and_receiver(void **state)
{
	struct feed_reader quick, slow;
	struct feed tx[3];

	(void)state;
	dropping(8, 0);
	quick = new_reader();
	slow = new_reader();
	for (uint32_t i = 0; i < 3; i++)
		tx[i] = new_feed(i);
	for (uint64_t round = 0; round < 500; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			send_many(&tx[i], round % (i * 3 + 2));
			feed_drain(&quick);
		}
		if (round % 7 == 0)
			feed_drain(&slow);
	}
	feed_drain(&slow);
	assert_int_equal(quick.lost, 0);
	assert_int_equal(quick.received, tx[0].sent + tx[1].sent + tx[2].sent);
	assert_int_equal(slow.received + slow.lost, quick.received);
	assert_int_equal(cursor_of(1, 0)->lost + cursor_of(1, 1)->lost + cursor_of(1, 2)->lost,
			 slow.lost);
	assert_int_equal(cursor_of(1, 0)->lost, 0);
	assert_int_not_equal(cursor_of(1, 2)->lost, 0);
	for (uint32_t i = 0; i < 3; i++)
		ipcchan_port_close(tx[i].port);
	ipcchan_port_close(quick.port);
	ipcchan_port_close(slow.port);
}

/* Both receivers hold all they may, while the sender goes round and round. */
static void keeps_what_is_held(void **state)
{
	struct ipcchan_message held[2][2];
	struct feed_reader rx[2];
	struct feed tx;

	(void)state;
	dropping(8, 0);
	rx[0] = new_reader();
	rx[1] = new_reader();
	tx = new_feed(0);
	for (int lap = 0; lap < 200; lap++) {
		for (int i = 0; i < 4; i++) {
			send_many(&tx, 1 + (uint64_t)(lap + i) % 5);
			assert_ok(feed_receive(&rx[i % 2], &held[i % 2][i / 2]));
		}
		send_many(&tx, (uint64_t)lap % 40);
		for (int i = 0; i < 4; i++) {
			struct ipcchan_message *h = &held[i % 2][i / 2];

			assert_int_not_equal(feed_number(h->data, h->length, 0), UINT64_MAX);
			assert_ok(ipcchan_release(rx[i % 2].port, h));
		}
	}
	for (int i = 0; i < 2; i++) {
		feed_drain(&rx[i]);
		assert_int_equal(rx[i].received + rx[i].lost, tx.sent);
		ipcchan_port_close(rx[i].port);
	}
	ipcchan_port_close(tx.port);
}

/* Once nothing is held, no more than the ring's messages are in the arena. */
static void gives_back_what_was_held(void **state)
{
	struct ipcchan_message held[2];
	struct feed_reader rx;
	struct feed tx;

	(void)state;
	dropping(2, 0);
	rx = new_reader();
	tx = new_feed(0);
	for (int i = 0; i < 100; i++) {
		send_many(&tx, 3);
		assert_ok(feed_receive(&rx, &held[0]));
		send_many(&tx, 3);
		assert_ok(feed_receive(&rx, &held[1]));
		send_many(&tx, 3);
		assert_ok(ipcchan_release_batch(rx.port, held, 2));
	}
	tx.longest = IPCCHAN_INSIDE;
	send_many(&tx, 4);
	assert_int_equal(stats_of(tx.port).arena_used, 0);
	/* who leaves gives everything back, too */
	tx.longest = FEED_LONGEST;
	send_many(&tx, 3);
	feed_drain(&rx);
	send_many(&tx, 2);
	assert_ok(feed_receive(&rx, &held[0]));
	assert_ok(feed_receive(&rx, &held[1]));
	ipcchan_port_close(rx.port);
	tx.longest = IPCCHAN_INSIDE;
	send_many(&tx, 4);
	assert_int_equal(stats_of(tx.port).arena_used, 0);
	ipcchan_port_close(tx.port);
}

#define HISTORY	3u
#define HELD	4u	/* by two receivers */

/* The arena is exactly what is needed: 2 x (4 + 3) + 1 of the longest messages. */
static void exact_arena(void)
{
	dropping(64, HISTORY);
	options.arena = (2 * (HELD + HISTORY) + 1) * FEED_LONGEST;
	options.max_message = FEED_LONGEST;
}

static void send_length(struct ipcchan_port *tx, size_t length)
{
	static const uint8_t data[FEED_LONGEST];

	assert_ok(ipcchan_send(tx, data, length, IPCCHAN_NO_WAIT));
}

/* Goes on to the newest, and holds it. */
static void hold_newest(struct ipcchan_port *rx, struct ipcchan_message *held)
{
	struct ipcchan_message message;

	while (!ipcchan_receive(rx, held, IPCCHAN_NO_WAIT)) {
		if (held->sequence == outbox_of(0)->head)
			return;
		message = *held;
		assert_ok(ipcchan_release(rx, &message));
	}
	fail();
}

/* Messages of one length between those that are held; the longest always finds room. */
static void split_arena(struct ipcchan_port *tx, struct ipcchan_port *rx[2], size_t between,
			size_t pinned, int apart)
{
	struct ipcchan_message held[HELD];

	for (uint32_t i = 0; i < HELD; i++) {
		for (int j = 0; j < apart; j++)
			send_length(tx, between);
		send_length(tx, pinned);
		hold_newest(rx[i % 2], &held[i]);
	}
	for (int i = 0; i < 100; i++)
		send_length(tx, i % 5 ? FEED_LONGEST : pinned);
	for (uint32_t i = 0; i < HELD; i++)
		assert_ok(ipcchan_release(rx[i % 2], &held[i]));
}

static void finds_room_whatever_is_held(void **state)
{
	static const size_t lengths[] = { 81, 128, 129, 1024, FEED_LONGEST / 2, FEED_LONGEST - 64,
					  FEED_LONGEST - 63, FEED_LONGEST };
	struct ipcchan_port *tx, *rx[2];

	(void)state;
	exact_arena();
	tx = open_with(SEND, &options);
	rx[0] = open_with(RECEIVE, &options);
	rx[1] = open_with(RECEIVE, &options);
	for (size_t i = 0; i < 8; i++) {
		for (size_t j = 0; j < 8; j++) {
			for (int apart = 0; apart < 4; apart++)
				split_arena(tx, rx, lengths[i], lengths[j], apart);
		}
	}
	ipcchan_port_close(rx[0]);
	ipcchan_port_close(rx[1]);
	ipcchan_port_close(tx);
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Anything may be held at any time, of any length. */
static void finds_room_at_random(void **state)
{
	struct ipcchan_message held[2][2] = { { { .data = NULL } } };
	struct ipcchan_port *tx, *rx[2];
	uint64_t x = 88172645463325252ull;

	(void)state;
	exact_arena();
	tx = open_with(SEND, &options);
	rx[0] = open_with(RECEIVE, &options);
	rx[1] = open_with(RECEIVE, &options);
	for (int i = 0; i < 50000; i++) {
		uint64_t r = next_random(&x);
		struct ipcchan_message *h = &held[r & 1][r >> 1 & 1];

		send_length(tx, r & 4 ? FEED_LONGEST : (r >> 8) % FEED_LONGEST);
		if (!(r & 0x38) && h->data) {
			assert_ok(ipcchan_release(rx[r & 1], h));
		} else if (r & 0x40 && !h->data) {
			assert_in_range(ipcchan_receive(rx[r & 1], h, 0), 0, 0);
		}
	}
	ipcchan_port_close(rx[0]);
	ipcchan_port_close(rx[1]);
	ipcchan_port_close(tx);
}

/* Loans are the sender's own business: they are what lacks, not time. */
static void says_what_is_on_loan(void **state)
{
	struct ipcchan_loan loans[8], extra;
	struct ipcchan_port *tx, *rx;

	(void)state;
	dropping(8, 2);
	tx = open_with(SEND, &options);
	rx = open_with(RECEIVE, &options);
	for (int i = 0; i < 20; i++)
		send_length(tx, 100);
	for (int i = 0; i < 6; i++)
		assert_ok(ipcchan_reserve(tx, 100, &loans[i], FOREVER));
	/* the last two are kept */
	assert_error(ipcchan_reserve(tx, 100, &extra, FOREVER), ENOBUFS);
	for (int i = 0; i < 6; i++)
		assert_ok(ipcchan_commit(tx, &loans[i]));
	assert_ok(ipcchan_reserve(tx, 100, &extra, FOREVER));
	ipcchan_abort(tx, &extra);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Who comes late gets exactly the last few of each sender, in order, nothing lost. */
static void gives_history(uint32_t overflow, uint32_t depth, uint32_t history)
{
	struct feed tx[2];

	dropping(depth, history);
	options.overflow = overflow;
	tx[0] = new_feed(0);
	tx[1] = new_feed(1);
	for (uint64_t n = 0; n < 4 * depth; n++) {
		struct feed_reader late = new_reader();
		uint64_t expected = 0;

		for (uint32_t i = 0; i < 2; i++) {
			uint64_t kept = tx[i].sent < history ? tx[i].sent : history;

			late.next[i] = tx[i].sent - kept;
			expected += kept;
		}
		feed_drain(&late);
		assert_int_equal(late.received, expected);
		assert_int_equal(late.lost, 0);
		for (uint64_t i = 0; i < 1 + n % 3; i++) {
			send_many(&tx[0], 1);
			feed_drain(&late);
		}
		assert_int_equal(late.received, expected + 1 + n % 3);
		ipcchan_port_close(late.port);
		send_many(&tx[1], 1);
	}
	ipcchan_port_close(tx[0].port);
	ipcchan_port_close(tx[1].port);
	sim_begin(SIM_FLAT);
}

static void gives_history_to_who_comes_late(void **state)
{
	(void)state;
	for (uint32_t overflow = 0; overflow < 2; overflow++) {
		gives_history(overflow, 8, 1);
		gives_history(overflow, 8, 5);
		gives_history(overflow, 8, 7);
		gives_history(overflow, 2, 1);
	}
}

/* With block the sender waits for who is slow, but not for what it keeps. */
static void waits_for_no_history(void **state)
{
	struct feed_reader rx;
	struct feed tx;

	(void)state;
	dropping(8, 7);
	options.overflow = IPCCHAN_BLOCK;
	tx = new_feed(0);
	send_many(&tx, 100);
	rx = new_reader();
	rx.next[0] = 93;
	/* the newcomer has seven to read: no room for one more, until it has read one */
	assert_ok(feed_send(&tx));
	assert_error(feed_send(&tx), EAGAIN);
	for (int i = 0; i < 200; i++) {
		assert_ok(feed_recv(&rx));
		assert_ok(feed_send(&tx));
		assert_error(feed_send(&tx), EAGAIN);
	}
	feed_drain(&rx);
	assert_int_equal(rx.lost, 0);
	assert_int_equal(rx.received, tx.sent - 93);
	ipcchan_port_close(rx.port);
	ipcchan_port_close(tx.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(counts_what_was_overrun),
		test(counts_voids),
		test(counts_voids_up_to_the_end),
		test(counts_for_each_sender_and_receiver),
		test(keeps_what_is_held),
		test(gives_back_what_was_held),
		test(finds_room_whatever_is_held),
		test(finds_room_at_random),
		test(says_what_is_on_loan),
		test(gives_history_to_who_comes_late),
		test(waits_for_no_history),
	};

	return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
