/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Many messages in a call, messages in pieces, and every length. */
#include <pthread.h>

#include "feed.h"

#define N	40u

static struct iovec pieces[N];
static uint8_t bytes[N][FEED_LONGEST];

/* Messages 0 to n - 1 of sender 0. */
static void prepare(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		pieces[i].iov_base = bytes[i];
		pieces[i].iov_len = feed_length(FEED_LONGEST, i);
		feed_fill(bytes[i], (uint32_t)pieces[i].iov_len, 0, i);
	}
}

static void empty(struct iovec buffers[N])
{
	for (uint32_t i = 0; i < N; i++)
		buffers[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
}

static void sends_what_there_is_room_for(void **state)
{
	struct feed_reader rx = { .port = open_port(RECEIVE) };
	struct ipcchan_port *tx = open_port(SEND);

	(void)state;
	prepare(N);
	assert_int_equal(ipcchan_send_batch(tx, pieces, 5, 0), 5);
	assert_int_equal(ipcchan_send_batch(tx, pieces + 5, 5, 0), 3);
	assert_error(ipcchan_send_batch(tx, pieces + 8, 5, 0), EAGAIN);
	assert_int_equal(ipcchan_send_batch(tx, pieces, 0, 0), 0);
	assert_error(ipcchan_send_batch(tx, pieces, 1, -2), EINVAL);
	assert_error(ipcchan_send_batch(tx, pieces + 8, 5, MS), ETIMEDOUT);
	assert_int_equal(outbox_of(0)->head, sender_slot(0)->base + 8);
	feed_drain(&rx);
	assert_int_equal(rx.received, 8);
	/* published is nothing but what was sent */
	assert_int_equal(ipcchan_send_batch(tx, pieces + 8, N - 8, 2 * MS), 8);
	feed_drain(&rx);
	assert_int_equal(rx.received, 16);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx.port);
}

/* One in the middle is too long: those before it are sent. */
static void stops_before_one_that_is_too_long(void **state)
{
	struct feed_reader rx = { .port = open_port(RECEIVE) };
	struct ipcchan_port *tx = open_port(SEND);

	(void)state;
	prepare(4);
	pieces[2].iov_len = ARENA + 1;
	assert_int_equal(ipcchan_send_batch(tx, pieces, 4, FOREVER), 2);
	assert_error(ipcchan_send_batch(tx, pieces + 2, 2, FOREVER), EMSGSIZE);
	feed_drain(&rx);
	assert_int_equal(rx.received, 2);
	assert_int_equal(ipcchan_send_batch(tx, pieces + 3, 1, FOREVER), 1);
	rx.next[0] = 3;
	feed_drain(&rx);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx.port);
}

static void *send_all(void *port)
{
	return (void *)ipcchan_send_batch(port, pieces, N, FOREVER);
}

/* More than the ring takes: what is in it is published, for others to make room. */
static void publishes_what_it_waits_for(void **state)
{
	struct feed_reader rx = { .port = open_port(RECEIVE) };
	struct ipcchan_port *tx = open_port(SEND);
	pthread_t thread;
	void *rc;

	(void)state;
	prepare(N);
	assert_ok(pthread_create(&thread, NULL, send_all, tx));
	while (rx.received < N) {
		struct ipcchan_message message;

		assert_ok(ipcchan_receive(rx.port, &message, FOREVER));
		feed_account(&rx, &message, message.data);
		assert_ok(ipcchan_release(rx.port, &message));
	}
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, N);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx.port);
}

/* With drop-oldest there is always room, for batches longer than the ring too. */
static void drops_within_a_batch(void **state)
{
	struct ipcchan_options options;
	struct feed_reader rx;
	struct ipcchan_port *tx;

	(void)state;
	for (uint32_t history = 0; history < 8; history += 7) {
		options_small(&options);
		options.overflow = IPCCHAN_DROP_OLDEST;
		options.history = history;
		options.receivers = 1;
		options.holds = 1;
		options.arena = 0;
		options.max_message = FEED_LONGEST;
		rx = (struct feed_reader){ .port = open_with(RECEIVE, &options) };
		tx = open_with(SEND, &options);
		prepare(N);
		assert_int_equal(ipcchan_send_batch(tx, pieces, N, 0), N);
		feed_drain(&rx);
		assert_int_equal(rx.received + rx.lost, N);
		assert_in_range(rx.received, history ? history : 1, 8);
		ipcchan_port_close(tx);
		ipcchan_port_close(rx.port);
	}
}

static void receives_up_to_what_there_is(void **state)
{
	struct feed_reader rx = { .port = open_port(RECEIVE) };
	struct ipcchan_port *tx = open_port(SEND);
	struct ipcchan_message messages[N];
	struct iovec buffers[N];

	(void)state;
	prepare(N);
	assert_error(ipcchan_receive_batch(rx.port, messages, 4, 0), EAGAIN);
	assert_int_equal(ipcchan_receive_batch(rx.port, messages, 0, 0), 0);
	assert_int_equal(ipcchan_send_batch(tx, pieces, 8, 0), 8);
	assert_int_equal(ipcchan_receive_batch(rx.port, messages, 3, FOREVER), 3);
	/* one hold is left; then none */
	assert_int_equal(ipcchan_receive_batch(rx.port, messages + 3, 5, FOREVER), 1);
	assert_error(ipcchan_receive_batch(rx.port, messages + 4, 5, FOREVER), ENOBUFS);
	for (int i = 0; i < 4; i++)
		feed_account(&rx, &messages[i], messages[i].data);
	assert_int_equal(cursor_of(0, 0)->passed, sender_slot(0)->base + 4);
	/* all or none are given back */
	messages[4] = messages[1];
	assert_error(ipcchan_release_batch(rx.port, messages, 5), EINVAL);
	assert_int_equal(stats_of(rx.port).holds, 4);
	assert_ok(ipcchan_release_batch(rx.port, messages, 4));
	assert_int_equal(stats_of(rx.port).holds, 0);
	assert_error(ipcchan_release_batch(rx.port, messages, 1), EINVAL);
	assert_ok(ipcchan_release_batch(rx.port, messages, 0));
	/* and copied out */
	empty(buffers);
	assert_int_equal(ipcchan_recv_batch(rx.port, buffers, messages, N, FOREVER), 4);
	for (int i = 0; i < 4; i++)
		feed_account(&rx, &messages[i], bytes[i]);
	assert_error(ipcchan_recv_batch(rx.port, buffers, messages, N, MS), ETIMEDOUT);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx.port);
}

/* One too long for its buffer ends a batch, and stays. */
static void keeps_one_that_is_too_long(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message messages[4];
	struct iovec buffers[N];

	(void)state;
	prepare(4);
	assert_int_equal(ipcchan_send_batch(tx, pieces, 4, 0), 4);
	empty(buffers);
	buffers[2].iov_len = 81;
	assert_int_equal(ipcchan_recv_batch(rx, buffers, messages, 4, 0), 2);
	assert_error(ipcchan_recv_batch(rx, buffers + 2, messages, 2, 0), EMSGSIZE);
	assert_int_equal(messages[0].length, feed_length(FEED_LONGEST, 2));
	buffers[2].iov_len = feed_length(FEED_LONGEST, 2);
	assert_int_equal(ipcchan_recv_batch(rx, buffers + 2, messages, 2, 0), 2);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* From several senders in one call: each learns how far we are. */
static void tells_every_sender(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx[3];
	struct ipcchan_message messages[N];
	struct iovec buffers[N];

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		tx[i] = open_port(SEND);
		for (uint64_t n = 0; n <= i; n++)
			assert_ok(send_number(tx[i], n));
	}
	empty(buffers);
	assert_int_equal(ipcchan_recv_batch(rx, buffers, messages, N, 0), 6);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(cursor_of(0, i)->passed, sender_slot(i)->base + i + 1);
		assert_int_equal(fill_with_numbers(tx[i]), 8);
		ipcchan_port_close(tx[i]);
	}
	ipcchan_port_close(rx);
}

static void commits_all_or_none(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_loan loans[8], twice[2];

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		assert_ok(ipcchan_reserve(tx, i % 2 ? LONG : 8, &loans[i], 0));
		memcpy(loans[i].data, &i, 8);
		loans[i].length = 8;
	}
	assert_ok(ipcchan_commit_batch(tx, loans, 0));
	twice[0] = twice[1] = loans[3];
	assert_error(ipcchan_commit_batch(tx, twice, 2), EINVAL);
	loans[7].length = LONG + 1;
	assert_error(ipcchan_commit_batch(tx, loans, 8), EINVAL);
	assert_int_equal(stats_of(tx).loans, 8);
	assert_int_equal(outbox_of(0)->head, 0);
	assert_error(recv_number(rx), EAGAIN);
	loans[7].length = 8;
	assert_ok(ipcchan_commit_batch(tx, loans + 4, 4));
	assert_error(ipcchan_commit_batch(tx, loans, 5), EINVAL);
	assert_ok(ipcchan_commit_batch(tx, loans, 4));
	assert_int_equal(stats_of(tx).loans, 0);
	/* what was made short lies in the ring */
	assert_int_equal(stats_of(tx).arena_used, 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(rx), (i + 4) % 8);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void keeps_to_roles(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message message = { .sequence = 0 };
	struct ipcchan_loan loan = { .length = 0 };
	struct iovec piece = { NULL, 0 };

	(void)state;
	assert_error(ipcchan_send_batch(rx, &piece, 1, 0), EPERM);
	assert_error(ipcchan_sendv(rx, &piece, 1, 0), EPERM);
	assert_error(ipcchan_send(rx, "", 0, 0), EPERM);
	assert_error(ipcchan_commit_batch(rx, &loan, 1), EPERM);
	assert_error(ipcchan_receive_batch(tx, &message, 1, 0), EPERM);
	assert_error(ipcchan_recv_batch(tx, &piece, &message, 1, 0), EPERM);
	assert_error(ipcchan_recvv(tx, &piece, 1, &message, 0), EPERM);
	assert_error(ipcchan_release_batch(tx, &message, 1), EPERM);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Cut into pieces of those sizes, in turn; the last takes the rest. */
static size_t cut(struct iovec out[4], uint8_t *data, size_t length, const size_t sizes[3])
{
	size_t i;

	for (i = 0; i < 3; i++) {
		size_t part = sizes[i] < length ? sizes[i] : length;

		out[i] = (struct iovec){ part ? data : NULL, part };
		data += part;
		length -= part;
	}
	out[3] = (struct iovec){ data, length };
	return 4;
}

static void joins_and_scatters(void **state)
{
	static const size_t sizes[][3] = {
		{ 0, 0, 0 }, { 1, 0, 7 }, { 79, 1, 1 }, { 80, 1, 0 }, { 81, 0, 0 }, { 0, 100, 1 },
	};
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	uint8_t in[300], out[300];
	struct ipcchan_message m;
	struct iovec v[4];

	(void)state;
	for (size_t length = 0; length <= 200; length++) {
		for (size_t i = 0; i < 36; i++) {
			feed_fill(in, sizeof(in), 1, length * 6 + i);
			assert_ok(ipcchan_sendv(tx, v, cut(v, in, length, sizes[i % 6]), 0));
			memset(out, 0xee, sizeof(out));
			cut(v, out, length + i / 6, sizes[i / 6]);
			assert_int_equal(ipcchan_recvv(rx, v, 4, &m, 0), length);
			assert_memory_equal(in, out, length);
			assert_int_equal(out[length], 0xee);
			assert_int_equal(m.length, length);
		}
	}
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void pieces_may_be_none_or_too_many(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct iovec huge[2] = { { NULL, SIZE_MAX - 5 }, { NULL, 10 } };
	struct iovec long_one = { bytes[0], ARENA + 1 };
	struct ipcchan_message m;

	(void)state;
	assert_ok(ipcchan_sendv(tx, NULL, 0, 0));
	assert_int_equal(ipcchan_recvv(rx, NULL, 0, &m, 0), 0);
	assert_int_equal(m.length, 0);
	assert_error(ipcchan_sendv(tx, huge, 2, 0), EMSGSIZE);
	assert_error(ipcchan_sendv(tx, huge, 1, 0), EMSGSIZE);
	assert_error(ipcchan_sendv(tx, &long_one, 1, 0), EMSGSIZE);
	assert_error(ipcchan_sendv(tx, NULL, 0, -2), EINVAL);
	/* too little room for it, then room without end */
	assert_ok(ipcchan_send(tx, "abc", 3, 0));
	assert_error(ipcchan_recvv(rx, NULL, 0, &m, 0), EMSGSIZE);
	huge[0] = (struct iovec){ bytes[0], 2 };
	huge[1] = (struct iovec){ bytes[1], SIZE_MAX };
	assert_int_equal(ipcchan_recvv(rx, huge, 2, NULL, 0), 3);
	assert_int_equal(bytes[1][0], 'c');
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* By loan, in place; what is lent may be made shorter across what fits inside. */
static void lends_every_length(struct ipcchan_port *tx, struct ipcchan_port *rx, size_t length,
			       size_t less)
{
	struct ipcchan_message m;
	struct ipcchan_loan loan;

	assert_ok(ipcchan_reserve(tx, length, &loan, 0));
	if (length)
		memset(loan.data, (int)length + 1, length);
	loan.length = less;
	loan.tag = length;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_ok(ipcchan_receive(rx, &m, 0));
	assert_int_equal(m.length, less);
	assert_int_equal(m.tag, length);
	for (size_t i = 0; i < less; i++)
		assert_int_equal(((const uint8_t *)m.data)[i], (uint8_t)(length + 1));
	assert_int_equal(stats_of(rx).holds, 1);
	assert_int_equal(holds_of(0)[0] != 0, less > IPCCHAN_INSIDE);
	assert_ok(ipcchan_release(rx, &m));
	assert_int_equal(cursor_of(0, 0)->passed, m.sequence);
}

static void carries_every_length(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	uint8_t in[256], out[256];

	(void)state;
	for (size_t length = 0; length <= 200; length++) {
		memset(in, (int)length, sizeof(in));
		memset(out, 0xee, sizeof(out));
		assert_ok(ipcchan_send(tx, in, length, 0));
		assert_int_equal(ipcchan_recv(rx, out, length, NULL, 0), length);
		assert_memory_equal(in, out, length);
		assert_int_equal(out[length], 0xee);
		for (size_t less = 0; less <= length; less += less < 70 || less > 90 ? 9 : 1)
			lends_every_length(tx, rx, length, less);
		lends_every_length(tx, rx, length, length);
	}
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Limits below what would fit inside hold there, too. */
static void carries_short_messages_only(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_port *rx, *tx;
	char data[100];

	(void)state;
	for (uint32_t most = 1; most <= 82; most += 9) {
		options_small(&options);
		options.max_message = most;
		rx = open_with(RECEIVE, &options);
		tx = open_with(SEND, &options);
		assert_ok(ipcchan_send(tx, "0123456789", 1, 0));
		assert_error(ipcchan_send(tx, data, most + 1, 0), EMSGSIZE);
		assert_int_equal(ipcchan_recv(rx, data, 100, NULL, 0), 1);
		assert_ok(ipcchan_send(tx, data, most, 0));
		desc_of(0, sender_slot(0)->base + 2)->length++;
		assert_error(ipcchan_recv(rx, data, 100, NULL, 0), EPROTO);
		ipcchan_port_close(tx);
		ipcchan_port_close(rx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(sends_what_there_is_room_for),
		test(stops_before_one_that_is_too_long),
		test(publishes_what_it_waits_for),
		test(drops_within_a_batch),
		test(receives_up_to_what_there_is),
		test(keeps_one_that_is_too_long),
		test(tells_every_sender),
		test(commits_all_or_none),
		test(keeps_to_roles),
		test(joins_and_scatters),
		test(pieces_may_be_none_or_too_many),
		test(carries_every_length),
		test(carries_short_messages_only),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
