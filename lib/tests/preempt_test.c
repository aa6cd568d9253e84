/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Drop-oldest, one side stopped before each of its looks at the pages, and the
 * other doing there whatever it may: nothing is lost but what is counted, what is
 * held stays, and what was read was one message.
 */
#include "feed.h"
#include "preempt.h"

#define DEPTH	8u
#define HOLDS	3u

static struct feed tx;
static struct feed_reader rx, other;
static struct ipcchan_message held[HOLDS];
static uint32_t nr_held;
static uint64_t burst;

static void open_both(uint32_t history)
{
	struct ipcchan_options options;

	options_small(&options);
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.depth = DEPTH;
	options.history = history;
	options.senders = 1;
	options.receivers = 2;
	options.holds = HOLDS;
	options.arena = 0;
	options.max_message = 400;
	rx = (struct feed_reader){ .port = open_with(RECEIVE, &options) };
	other = (struct feed_reader){ .port = open_with(RECEIVE, &options) };
	tx = (struct feed){ .port = open_with(SEND, &options), .longest = 400 };
	nr_held = 0;
}

static void close_both(void)
{
	ipcchan_port_close(tx.port);
	ipcchan_port_close(rx.port);
	ipcchan_port_close(other.port);
}

static void send_many(uint64_t n)
{
	while (n--)
		assert_ok(feed_send(&tx));
}

static void send_burst(void)
{
	send_many(burst);
}

/* They are as they were when they were taken; then they are given back. */
static void check_held(struct ipcchan_port *port)
{
	for (uint32_t i = 0; i < nr_held; i++) {
		uint64_t n = held[i].sequence - sender_slot(0)->base - 1;

		assert_int_equal(feed_number(held[i].data, held[i].length, 0), n);
	}
	assert_ok(ipcchan_release_batch(port, held, nr_held));
	nr_held = 0;
}

/* The ways to take a message; 0 or -EAGAIN. */
static int take_copy(void)
{
	return feed_recv(&rx);
}

static int take_in_place(void)
{
	int rc = feed_receive(&rx, &held[nr_held]);

	nr_held += !rc;
	return rc;
}

static int take_batch(void)
{
	ssize_t n = ipcchan_receive_batch(rx.port, held, HOLDS, IPCCHAN_NO_WAIT);

	for (ssize_t i = 0; i < n; i++)
		feed_account(&rx, &held[i], held[i].data);
	nr_held = n < 0 ? 0 : (uint32_t)n;
	return n < 0 ? (int)n : 0;
}

static int take_pieces(void)
{
	struct ipcchan_message message;
	uint8_t data[FEED_LONGEST];
	struct iovec pieces[2] = { { data, 13 }, { data + 13, sizeof(data) - 13 } };
	ssize_t rc = ipcchan_recvv(rx.port, pieces, 2, &message, IPCCHAN_NO_WAIT);

	if (rc < 0)
		return (int)rc;
	feed_account(&rx, &message, data);
	return 0;
}

/* One that has too little room says so, or takes one that has enough. */
static int take_with_little_room(void)
{
	struct ipcchan_message message;
	uint8_t data[FEED_LONGEST];
	ssize_t rc = ipcchan_recv(rx.port, data, 20, &message, IPCCHAN_NO_WAIT);

	if (rc == -EMSGSIZE)
		return 0;
	if (rc < 0)
		return (int)rc;
	feed_account(&rx, &message, data);
	return 0;
}

static int take_newest(void)
{
	uint64_t before = tx.sent;
	int rc = ipcchan_latest(rx.port, 0, &held[0]);

	if (rc)
		return rc;
	nr_held = 1;
	/* what is being sent may be there already */
	assert_in_range(held[0].sequence - sender_slot(0)->base, before, tx.sent + 1);
	return 0;
}

/*
 * The receiver takes, from a ring with @ahead unread in it, and before its n-th
 * look the sender sends so many.
 */
static bool overtake(int (*take)(void), uint64_t ahead, uint64_t n)
{
	bool reached;
	int rc;

	feed_drain(&rx);
	/* its turn: the short way is taken, where it can be */
	send_many(1);
	assert_ok(feed_recv(&rx));
	send_many(ahead);
	preempt_begin(n, send_burst);
	rc = take();
	reached = preempt_end();
	if (ahead && rc != -EAGAIN)
		assert_ok(rc);
	send_many(3 * DEPTH);
	check_held(rx.port);
	feed_drain(&rx);
	assert_int_equal(rx.received + stats_of(rx.port).lost, tx.sent);
	return reached;
}

static void receiver_is_overtaken_by(int (*take)(void), uint32_t history)
{
	static const uint64_t bursts[] = { 1, DEPTH, DEPTH + 1, 50 };
	static const uint64_t aheads[] = { 0, 1, DEPTH - 1, DEPTH, 2 * DEPTH };

	open_both(history);
	send_many(1);
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 5; j++) {
			uint64_t n = 0;

			burst = bursts[i];
			while (overtake(take, aheads[j], n))
				n++;
			assert_in_range(n, 1, 400);
		}
	}
	close_both();
	sim_begin(SIM_FLAT);
}

static void receiver_is_overtaken(void **state)
{
	(void)state;
	for (uint32_t history = 0; history < 3; history += 2) {
		receiver_is_overtaken_by(take_copy, history);
		receiver_is_overtaken_by(take_in_place, history);
		receiver_is_overtaken_by(take_batch, history);
		receiver_is_overtaken_by(take_pieces, history);
		receiver_is_overtaken_by(take_with_little_room, history);
	}
	receiver_is_overtaken_by(take_newest, 1);
	receiver_is_overtaken_by(take_newest, 3);
}

/* The sender sends, and before its n-th look the receiver does. */
static void do_take_in_place(void)
{
	while (nr_held < HOLDS && !take_in_place())
		;
}

static void do_take_one(void)
{
	take_in_place();
}

static void do_take_newest(void)
{
	assert_ok(take_newest());
}

static void do_take_copies(void)
{
	while (!take_copy())
		;
}

static bool be_looked_at(void (*look)(void), uint64_t sends, uint64_t n)
{
	bool reached;

	feed_drain(&rx);
	send_many(DEPTH);
	preempt_begin(n, look);
	send_many(sends);
	reached = preempt_end();
	send_many(3 * DEPTH);
	check_held(rx.port);
	feed_drain(&rx);
	assert_int_equal(rx.received + rx.lost, tx.sent);
	return reached;
}

static void sender_is_stopped_for(void (*look)(void), uint32_t history)
{
	open_both(history);
	for (uint64_t sends = 1; sends < 5; sends++) {
		uint64_t n = 0;

		while (be_looked_at(look, sends, n))
			n++;
		assert_in_range(n, 1, 400);
	}
	close_both();
	sim_begin(SIM_FLAT);
}

static void sender_is_stopped(void **state)
{
	(void)state;
	for (uint32_t history = 0; history < 3; history += 2) {
		sender_is_stopped_for(do_take_in_place, history);
		sender_is_stopped_for(do_take_one, history);
		sender_is_stopped_for(do_take_copies, history);
	}
	sender_is_stopped_for(do_take_newest, 1);
}

/* One more message is held, of one that is about to be retired: by the other receiver. */
static void let_go_and_take(void)
{
	if (nr_held == HOLDS)
		assert_ok(ipcchan_release(rx.port, &held[--nr_held]));
	take_in_place();
}

static void sender_is_stopped_while_holds_change(void **state)
{
	(void)state;
	open_both(0);
	for (uint64_t n = 0; n < 200; n++) {
		feed_drain(&rx);
		send_many(DEPTH);
		while (nr_held < HOLDS)
			assert_ok(take_in_place());
		preempt_begin(n, let_go_and_take);
		send_many(4);
		preempt_end();
		send_many(2 * DEPTH);
		check_held(rx.port);
	}
	feed_drain(&rx);
	assert_int_equal(rx.received + rx.lost, tx.sent);
	close_both();
}

/* A hostile sender, overflow block: what it changes between two looks. */
static int change;

static void change_words(void)
{
	uint64_t seq = cursor_of(0, 0)->passed;
	struct ipcchan_desc *d;

	seq = ipcchan_passed(seq, sender_slot(0)->base) + 1;
	d = desc_of(0, seq);
	switch (change) {
	case 0: d->length = UINT32_MAX; break;
	case 1: d->length = 401; break;
	case 2: d->length = 0, d->offset = UINT32_MAX; break;
	case 3: d->offset = UINT32_MAX; break;
	case 4: d->length = IPCCHAN_INSIDE; break;
	case 5: d->seq |= IPCCHAN_SEQ_VOID; break;
	case 6: d->seq += DEPTH; break;
	case 7: d->seq = 0; break;
	case 8: d->flags = 1; break;
	case 9: outbox_of(0)->head = UINT64_MAX; break;
	case 10: outbox_of(0)->head = seq | 1ull << 60; break;
	default: memset(d, 0xff, sizeof(*d)); break;
	}
}

#define CHANGES	12

static bool is_expected(int rc)
{
	return !rc || rc == -EAGAIN || rc == -EPROTO;
}

/* The first byte of the next message, or -errno. */
static int recv_what(struct ipcchan_port *port)
{
	uint8_t data[400];
	ssize_t rc = ipcchan_recv(port, data, sizeof(data), NULL, IPCCHAN_NO_WAIT);

	return rc < 0 ? (int)rc : data[0];
}

/* Each of two that may be read: a hostile one, and one that must not suffer from it. */
static bool be_lied_to(int (*take)(struct ipcchan_port *port), uint32_t overflow, uint64_t n)
{
	struct ipcchan_options options;
	struct ipcchan_port *bad, *good, *port;
	bool reached;

	options_small(&options);
	options.overflow = overflow;
	options.history = 1;
	options.max_message = 400;
	port = open_with(RECEIVE, &options);
	bad = open_with(SEND, &options);
	good = open_with(SEND, &options);
	assert_ok(n % 2 ? send_long(bad, 1) : send_number(bad, 1));
	preempt_begin(n, change_words);
	assert_true(is_expected(take(port)));
	reached = preempt_end();
	assert_ok(send_number(good, 77));
	for (int i = 0; recv_what(port) != 77; i++)
		assert_in_range(i, 0, 8);
	if (ipcchan_port_culprit(port) != UINT32_MAX)
		assert_int_equal(ipcchan_port_culprit(port), 0);
	ipcchan_port_close(bad);
	ipcchan_port_close(good);
	ipcchan_port_close(port);
	return reached;
}

static int recv_any(struct ipcchan_port *port)
{
	uint8_t data[400];
	ssize_t rc = ipcchan_recv(port, data, sizeof(data), NULL, IPCCHAN_NO_WAIT);

	return rc < 0 ? (int)rc : 0;
}

/* All of it can be read, whatever it is. */
static int receive_any(struct ipcchan_port *port)
{
	struct ipcchan_message message;
	uint8_t data[400];
	int rc = ipcchan_receive(port, &message, IPCCHAN_NO_WAIT);

	if (rc)
		return rc;
	assert_in_range(message.length, 0, sizeof(data));
	memcpy(data, message.data, message.length);
	return ipcchan_release(port, &message);
}

static int latest_any(struct ipcchan_port *port)
{
	struct ipcchan_message message;
	uint8_t data[400];
	int rc = ipcchan_latest(port, IPCCHAN_ANY_SENDER, &message);

	if (rc)
		return rc;
	assert_in_range(message.length, 0, sizeof(data));
	memcpy(data, message.data, message.length);
	return ipcchan_release(port, &message);
}

static void words_change_between_looks(void **state)
{
	int (*const takes[])(struct ipcchan_port *port) = { recv_any, receive_any, latest_any };

	(void)state;
	/* the newest there is only with drop-oldest */
	for (int i = 0; i < 6; i += i < 3 ? 1 : 2) {
		for (change = 0; change < CHANGES; change++) {
			uint64_t n = 0;

			while (be_lied_to(takes[i / 2], i % 2, n))
				n++;
			assert_in_range(n, 1, 400);
		}
	}
}

int main(void)
{
#ifdef __x86_64__
	const struct CMUnitTest tests[] = {
		test(receiver_is_overtaken),
		test(sender_is_stopped),
		test(sender_is_stopped_while_holds_change),
		test(words_change_between_looks),
	};

	return cmocka_run_group_tests_name("preempt", tests, NULL, NULL);
#endif
}
