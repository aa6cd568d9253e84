/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The newest value of a sender: the blackboard. */
#include "check.h"

static struct ipcchan_options options;

/* Persistent, so that what was written outlives who wrote it. */
static void board(uint32_t history)
{
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_PERSISTENT;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.history = history;
	options.arena = 0;
	options.max_message = LONG;
}

/* The number that is the newest, or -errno. */
static int64_t latest_number(struct ipcchan_port *rx, uint32_t sender)
{
	struct ipcchan_message message;
	int rc = ipcchan_latest(rx, sender, &message);
	uint64_t n;

	if (rc)
		return rc;
	memcpy(&n, message.data, sizeof(n));
	assert_int_equal(message.lost, 0);
	assert_ok(ipcchan_release(rx, &message));
	return (int64_t)n;
}

static int64_t latest(struct ipcchan_port *rx)
{
	return latest_number(rx, IPCCHAN_ANY_SENDER);
}

static void says_what_it_cannot(void **state)
{
	struct ipcchan_message held[5];
	struct ipcchan_port *rx, *tx;

	(void)state;
	board(1);
	tx = open_with(SEND, &options);
	rx = open_with(RECEIVE, &options);
	assert_error(ipcchan_latest(tx, 0, &held[0]), EPERM);
	assert_error(latest(rx), EAGAIN);
	assert_error(latest_number(rx, 0), EAGAIN);
	assert_error(latest_number(rx, 3), EAGAIN);
	assert_error(latest_number(rx, 4), EINVAL);
	assert_ok(send_long(tx, 1));
	for (int i = 0; i < 4; i++)
		assert_ok(ipcchan_latest(rx, 0, &held[i]));
	assert_error(ipcchan_latest(rx, 0, &held[4]), ENOBUFS);
	assert_ok(ipcchan_release_batch(rx, held, 4));
	assert_error(ipcchan_release(rx, &held[0]), EINVAL);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void needs_history_and_dropping(void **state)
{
	struct ipcchan_message message;
	struct ipcchan_port *rx;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		board(i);
		options.flags &= ~IPCCHAN_OPEN_PERSISTENT;
		options.overflow = i ? IPCCHAN_BLOCK : IPCCHAN_DROP_OLDEST;
		rx = open_with(RECEIVE, &options);
		assert_error(ipcchan_latest(rx, 0, &message), EOPNOTSUPP);
		ipcchan_port_close(rx);
	}
}

/* Neither what comes next nor what was lost is changed by it. */
static void takes_nothing(void **state)
{
	struct ipcchan_port *rx, *tx;

	(void)state;
	board(1);
	tx = open_with(SEND, &options);
	rx = open_with(RECEIVE, &options);
	for (int64_t n = 0; n < 6; n++) {
		assert_ok(send_number(tx, (uint64_t)n));
		assert_int_equal(latest(rx), n);
		assert_int_equal(latest_number(rx, 0), n);
	}
	assert_int_equal(cursor_of(0, 0)->passed, sender_slot(0)->base);
	for (int64_t n = 0; n < 3; n++)
		assert_int_equal(recv_number(rx), n);
	for (int64_t n = 6; n < 100; n++) {
		assert_ok(send_number(tx, (uint64_t)n));
		assert_int_equal(latest(rx), n);
	}
	assert_int_equal(stats_of(rx).lost, 0);
	assert_int_equal(recv_number(rx), 92);
	assert_int_equal(stats_of(rx).lost, 89);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* What was the newest once is held as any message is. */
static void holds_what_it_gave(void **state)
{
	struct ipcchan_message held[4];
	struct ipcchan_port *rx, *tx;

	(void)state;
	board(1);
	tx = open_with(SEND, &options);
	rx = open_with(RECEIVE, &options);
	for (uint8_t n = 0; n < 4; n++) {
		assert_ok(send_long(tx, n));
		assert_ok(ipcchan_latest(rx, 0, &held[n]));
	}
	for (int n = 0; n < 200; n++)
		assert_ok(send_long(tx, 0xff));
	for (uint8_t n = 0; n < 4; n++)
		assert_true(is_long(&held[n], n));
	assert_ok(ipcchan_release_batch(rx, held, 4));
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void chooses_by_time(void **state)
{
	struct ipcchan_port *rx, *tx[3];

	(void)state;
	board(2);
	options.flags |= IPCCHAN_OPEN_TIMESTAMPS;
	rx = open_with(RECEIVE, &options);
	for (int i = 0; i < 3; i++)
		tx[i] = open_with(SEND, &options);
	for (int n = 0; n < 50; n++) {
		int who = n * 7 % 3;

		assert_ok(send_number(tx[who], (uint64_t)n));
		assert_int_equal(latest(rx), n);
		assert_int_equal(latest_number(rx, (uint32_t)who), n);
	}
	/* attached before those that left, however old what they have said */
	assert_ok(send_number(tx[1], 1000));
	assert_ok(send_number(tx[2], 2000));
	assert_int_equal(latest(rx), 2000);
	ipcchan_port_close(tx[2]);
	assert_int_equal(latest(rx), 1000);
	ipcchan_port_close(tx[1]);
	assert_int_equal(latest(rx), 49 / 3 * 3);
	assert_int_equal(latest_number(rx, 2), 2000);
	ipcchan_port_close(tx[0]);
	/* and of those that left, again by time */
	assert_int_equal(latest(rx), 2000);
	ipcchan_port_close(rx);
}

static void chooses_the_lowest_without_time(void **state)
{
	struct ipcchan_port *rx, *tx[2];

	(void)state;
	board(1);
	rx = open_with(RECEIVE, &options);
	tx[0] = open_with(SEND, &options);
	tx[1] = open_with(SEND, &options);
	assert_ok(send_number(tx[1], 1));
	assert_int_equal(latest(rx), 1);
	assert_ok(send_number(tx[0], 2));
	assert_ok(send_number(tx[1], 3));
	assert_int_equal(latest(rx), 2);
	ipcchan_port_close(tx[0]);
	ipcchan_port_close(tx[1]);
	ipcchan_port_close(rx);
}

static void outlives_its_sender(void **state)
{
	struct ipcchan_port *rx, *tx;

	(void)state;
	board(1);
	tx = open_with(SEND, &options);
	assert_ok(send_number(tx, 1));
	ipcchan_port_close(tx);
	rx = open_with(RECEIVE, &options);
	assert_int_equal(latest(rx), 1);
	/* a newcomer that has said nothing yet takes nothing away */
	tx = open_with(SEND, &options);
	assert_int_equal(latest(rx), 1);
	assert_ok(send_number(tx, 2));
	assert_int_equal(latest(rx), 2);
	ipcchan_port_close(rx);
	ipcchan_port_close(tx);
	rx = open_with(RECEIVE, &options);
	assert_int_equal(latest_number(rx, 0), 1);
	assert_int_equal(latest_number(rx, 1), 2);
	ipcchan_port_close(rx);
}

/* A slot has another sender, and what is held is the former one's. */
static void stays_while_slots_change_hands(void **state)
{
	struct ipcchan_message held;
	struct ipcchan_port *rx, *tx;

	(void)state;
	board(1);
	options.senders = 2;
	rx = open_with(RECEIVE, &options);
	tx = open_with(SEND, &options);
	assert_ok(send_long(tx, 1));
	ipcchan_port_close(tx);
	assert_ok(ipcchan_latest(rx, 0, &held));
	for (uint8_t n = 2; n < 20; n++) {
		tx = open_with(SEND, &options);
		for (int i = 0; i < 20; i++)
			assert_ok(send_long(tx, n));
		ipcchan_port_close(tx);
		assert_true(is_long(&held, 1));
	}
	assert_ok(ipcchan_release(rx, &held));
	assert_ok(ipcchan_latest(rx, IPCCHAN_ANY_SENDER, &held));
	ipcchan_port_close(rx);
}

struct lie {
	uint64_t head;		/* beyond the base */
	uint64_t word;		/* likewise; 0: as it is */
	int rc;
};

/* What a sender says of its newest message is its own affair, but for itself. */
static void heads_may_lie(void **state)
{
	static const struct lie lies[] = {
		{ 5, 0, 0 },			/* the truth */
		{ 3, 0, 0 },			/* an older one */
		{ 6, 0, -EPROTO },		/* one that is not there */
		{ 13, 0, -EPROTO },
		{ 1ull << 50, 0, -EPROTO },
		{ 1ull << 50, 1ull << 50, 0 },
		{ 1ull << 57, 0, -EPROTO },	/* another slot's */
		{ 1ull << 57, 1ull << 57, -EPROTO },
		{ 1ull << 63, 1ull << 63, -EPROTO },
		{ 5 + IPCCHAN_SEQ_VOID, 5 + IPCCHAN_SEQ_VOID, -EPROTO },
		{ 0, 0, -EAGAIN },
		{ UINT64_MAX, 0, -EAGAIN },	/* before the base */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct ipcchan_port *rx, *tx;
		uint64_t base;
		int64_t rc;

		board(1);
		options.flags &= ~IPCCHAN_OPEN_PERSISTENT;
		tx = open_with(SEND, &options);
		rx = open_with(RECEIVE, &options);
		base = sender_slot(0)->base;
		for (uint64_t n = 1; n <= 5; n++)
			assert_ok(send_number(tx, n));
		outbox_of(0)->head = base + lies[i].head;
		if (lies[i].word)
			desc_of(0, base + lies[i].head)->seq = base + lies[i].word;
		rc = latest_number(rx, 0);
		assert_int_equal(rc < 0 ? rc : 0, lies[i].rc);
		assert_int_equal(ipcchan_port_culprit(rx), rc == -EPROTO ? 0 : UINT32_MAX);
		assert_int_equal(cursor_of(0, 0)->closed, rc == -EPROTO ? base : 0);
		for (int j = 0; j < 4; j++)
			assert_int_equal(holds_of(0)[j], 0);
		ipcchan_port_close(tx);
		ipcchan_port_close(rx);
	}
}

/* A hostile one among several is left out, and named. */
static void others_are_still_read(void **state)
{
	struct ipcchan_port *rx, *bad, *good;

	(void)state;
	board(1);
	bad = open_with(SEND, &options);
	good = open_with(SEND, &options);
	rx = open_with(RECEIVE, &options);
	assert_ok(send_number(bad, 1));
	assert_ok(send_number(good, 2));
	desc_of(0, outbox_of(0)->head)->flags = 1;
	latest(rx);
	assert_int_equal(ipcchan_port_culprit(rx), 0);
	assert_int_equal(latest(rx), 2);
	assert_error(latest_number(rx, 0), EAGAIN);
	ipcchan_port_close(bad);
	ipcchan_port_close(good);
	ipcchan_port_close(rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(says_what_it_cannot),
		test(needs_history_and_dropping),
		test(takes_nothing),
		test(holds_what_it_gave),
		test(chooses_by_time),
		test(chooses_the_lowest_without_time),
		test(outlives_its_sender),
		test(stays_while_slots_change_hands),
		test(heads_may_lie),
		test(others_are_still_read),
	};

	return cmocka_run_group_tests_name("latest", tests, NULL, NULL);
}
