/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Calls: replies find them, in whatever order, and those that come too late find nothing. */
#include <unistd.h>

#include "meet.h"

#define HOLDS	64	/* of a service, by default */

static void meet_to_call(struct meeting *m)
{
	struct ipcchan_options o;

	service_options(&o);
	o.max_calls = 2;
	meet(m, &o, NULL);
}

static uint64_t start(struct meeting *m, uint64_t n)
{
	uint64_t call;

	assert_ok(ipcchan_call_start(m->client, &n, sizeof(n), &call, IPCCHAN_NO_WAIT));
	assert_int_equal(call & (IPCCHAN_TAG_CALL | IPCCHAN_TAG_REPLY), IPCCHAN_TAG_CALL);
	return call;
}

/* The server takes a request; it says n. */
static struct ipcchan_message request(struct meeting *m, uint64_t n)
{
	struct ipcchan_message message;
	uint64_t said;

	assert_int_equal(ipcchan_recv(m->server, &said, sizeof(said), &message, IPCCHAN_NO_WAIT),
			 sizeof(said));
	assert_int_equal(said, n);
	return message;
}

static void answer(struct meeting *m, const struct ipcchan_message *request, uint64_t n)
{
	assert_ok(ipcchan_reply(m->server, request, &n, sizeof(n), IPCCHAN_NO_WAIT));
}

/* The reply to a call: what it said. */
static int64_t result(struct meeting *m, uint64_t call)
{
	struct ipcchan_message reply;
	int64_t n;
	int rc = ipcchan_call_finish(m->client, call, &reply, IPCCHAN_NO_WAIT);

	if (rc)
		return rc;
	assert_int_equal(reply.length, sizeof(n));
	if (call != IPCCHAN_ANY_CALL)
		assert_int_equal(reply.tag, call);
	memcpy(&n, reply.data, sizeof(n));
	assert_ok(ipcchan_release(m->client, &reply));
	return n;
}

static void *serve(void *arg)
{
	struct meeting *m = arg;
	struct ipcchan_message message;

	while (!ipcchan_receive(m->server, &message, FOREVER)) {
		assert_ok(ipcchan_reply(m->server, &message, message.data, message.length, FOREVER));
		assert_ok(ipcchan_release(m->server, &message));
	}
	return NULL;
}

static void an_echo(void **state)
{
	struct ipcchan_message reply;
	struct meeting m;
	pthread_t thread;
	uint8_t data[3000];

	(void)state;
	meet(&m, NULL, NULL);
	assert_int_equal(pthread_create(&thread, NULL, serve, &m), 0);
	for (size_t length = 0; length < sizeof(data); length += 7) {
		memset(data, (int)length, length);
		assert_ok(ipcchan_call(m.client, data, length, &reply, FOREVER));
		assert_int_equal(reply.length, length);
		if (length)
			assert_memory_equal(reply.data, data, length);
		assert_ok(ipcchan_release(m.client, &reply));
	}
	ipcchan_port_close(m.client);
	m.client = NULL;
	pthread_join(thread, NULL);
	part(&m);
}

static void in_any_order(void **state)
{
	uint64_t calls[8];
	struct ipcchan_message requests[8];
	struct meeting m;

	(void)state;
	meet(&m, NULL, NULL);
	for (uint64_t i = 0; i < 8; i++)
		calls[i] = start(&m, i);
	for (uint64_t i = 0; i < 8; i++)
		requests[i] = request(&m, i);
	for (uint64_t i = 8; i--;)
		answer(&m, &requests[i], 100 + i);
	for (uint64_t i = 0; i < 8; i += 2)
		assert_int_equal(result(&m, calls[i]), 100 + i);
	/* the first that came of those left */
	for (uint64_t i = 8; i; i -= 2)
		assert_int_equal(result(&m, IPCCHAN_ANY_CALL), 100 + i - 1);
	assert_error(result(&m, IPCCHAN_ANY_CALL), ENOENT);
	assert_error(result(&m, calls[0]), ENOENT);
	assert_int_equal(stats_of(m.client).holds, 0);
	part(&m);
}

static void too_late(void **state)
{
	struct ipcchan_message r, reply;
	uint64_t n = 1, call;
	struct meeting m;

	(void)state;
	meet(&m, NULL, NULL);
	assert_error(ipcchan_call(m.client, &n, sizeof(n), &reply, MS), ETIMEDOUT);
	r = request(&m, 1);
	call = start(&m, 2);
	answer(&m, &r, 1);
	assert_error(result(&m, call), EAGAIN);
	assert_error(ipcchan_call_finish(m.client, call, &reply, MS), ETIMEDOUT);
	assert_int_equal(stats_of(m.client).holds, 0);
	r = request(&m, 2);
	answer(&m, &r, 2);
	answer(&m, &r, 3);	/* once more, for nobody */
	assert_int_equal(result(&m, call), 2);
	assert_error(ipcchan_call(m.client, &n, sizeof(n), &reply, IPCCHAN_NO_WAIT), EAGAIN);
	assert_int_equal(stats_of(m.client).holds, 0);
	part(&m);
}

static void cancelled(void **state)
{
	struct ipcchan_message r;
	struct meeting m;
	uint64_t a, b;

	(void)state;
	meet(&m, NULL, NULL);
	a = start(&m, 1);
	b = start(&m, 2);
	assert_ok(ipcchan_call_cancel(m.client, a));
	assert_error(ipcchan_call_cancel(m.client, a), ENOENT);
	assert_error(ipcchan_call_cancel(m.client, 0), ENOENT);
	assert_error(result(&m, a), ENOENT);
	r = request(&m, 1);
	answer(&m, &r, 1);
	r = request(&m, 2);
	answer(&m, &r, 2);
	/* it has come, is kept, and then not wanted */
	a = start(&m, 3);
	assert_error(result(&m, a), EAGAIN);
	assert_int_equal(stats_of(m.client).holds, 1);
	assert_ok(ipcchan_call_cancel(m.client, b));
	assert_int_equal(stats_of(m.client).holds, 0);
	part(&m);
}

static void others_are_kept(void **state)
{
	struct ipcchan_message message, r;
	struct meeting m;
	uint64_t call, n;

	(void)state;
	meet(&m, NULL, NULL);
	for (int round = 0; round < 100; round++) {
		call = start(&m, 1);
		r = request(&m, 1);
		assert_ok(send_number(m.server, 10));
		assert_ok(send_number(m.server, 11));
		answer(&m, &r, 2);
		assert_ok(send_number(m.server, 12));
		assert_int_equal(result(&m, call), 2);
		for (uint64_t i = 10; i < 13; i++) {
			assert_ok(ipcchan_call_receive(m.client, &message, IPCCHAN_NO_WAIT));
			memcpy(&n, message.data, sizeof(n));
			assert_int_equal(n, i);
			assert_ok(ipcchan_release(m.client, &message));
		}
		assert_error(ipcchan_call_receive(m.client, &message, IPCCHAN_NO_WAIT), EAGAIN);
	}
	assert_error(ipcchan_call_receive(m.client, &message, MS), ETIMEDOUT);
	part(&m);
}

/* Replies wait while others are received. */
static void replies_are_kept(void **state)
{
	struct ipcchan_message message, r;
	struct meeting m;
	uint64_t call;

	(void)state;
	meet(&m, NULL, NULL);
	call = start(&m, 1);
	r = request(&m, 1);
	answer(&m, &r, 2);
	assert_error(ipcchan_call_receive(m.client, &message, IPCCHAN_NO_WAIT), EAGAIN);
	assert_int_equal(result(&m, call), 2);
	part(&m);
}

static void in_place(void **state)
{
	struct ipcchan_message message, reply;
	struct ipcchan_loan loan;
	struct meeting m;
	uint64_t call;

	(void)state;
	meet(&m, NULL, NULL);
	assert_ok(ipcchan_reserve(m.client, LONG, &loan, IPCCHAN_NO_WAIT));
	memset(loan.data, 3, LONG);
	assert_ok(ipcchan_call_commit(m.client, &loan, &call));
	assert_error(ipcchan_call_commit(m.client, &loan, &call), EINVAL);
	assert_int_equal(call, IPCCHAN_ANY_CALL);

	assert_ok(ipcchan_receive(m.server, &message, IPCCHAN_NO_WAIT));
	assert_true(is_long(&message, 3));
	assert_ok(ipcchan_reserve(m.server, LONG, &loan, IPCCHAN_NO_WAIT));
	memset(loan.data, 4, LONG);
	assert_ok(ipcchan_reply_commit(m.server, &message, &loan));
	assert_ok(ipcchan_release(m.server, &message));

	assert_ok(ipcchan_call_finish(m.client, IPCCHAN_ANY_CALL, &reply, IPCCHAN_NO_WAIT));
	assert_true(is_long(&reply, 4));
	assert_ok(ipcchan_release(m.client, &reply));
	part(&m);
}

static void from_pieces(void **state)
{
	struct iovec pieces[2] = { { .iov_base = "ab", .iov_len = 2 }, { .iov_base = "cde", .iov_len = 3 } };
	struct ipcchan_message message, reply;
	struct meeting m;
	uint64_t call;

	(void)state;
	meet(&m, NULL, NULL);
	assert_ok(ipcchan_call_startv(m.client, pieces, 2, &call, IPCCHAN_NO_WAIT));
	assert_ok(ipcchan_receive(m.server, &message, IPCCHAN_NO_WAIT));
	assert_int_equal(message.length, 5);
	assert_memory_equal(message.data, "abcde", 5);
	assert_ok(ipcchan_replyv(m.server, &message, pieces, 2, IPCCHAN_NO_WAIT));
	assert_ok(ipcchan_release(m.server, &message));
	assert_ok(ipcchan_call_finish(m.client, call, &reply, IPCCHAN_NO_WAIT));
	assert_memory_equal(reply.data, "abcde", 5);
	assert_ok(ipcchan_release(m.client, &reply));
	part(&m);
}

static void either_end_calls(void **state)
{
	struct ipcchan_message r, message;
	struct meeting m;
	uint64_t call, back, third, n = 9;

	(void)state;
	meet_to_call(&m);
	call = start(&m, 1);
	assert_ok(ipcchan_call_receive(m.server, &r, IPCCHAN_NO_WAIT));
	/* it asks back before it answers: its request is no reply */
	assert_ok(ipcchan_call_start(m.server, &n, sizeof(n), &back, IPCCHAN_NO_WAIT));
	assert_error(result(&m, call), EAGAIN);
	assert_ok(ipcchan_call_receive(m.client, &message, IPCCHAN_NO_WAIT));
	assert_ok(ipcchan_reply(m.client, &message, "yes", 3, IPCCHAN_NO_WAIT));
	assert_ok(ipcchan_release(m.client, &message));
	assert_ok(ipcchan_call_finish(m.server, back, &message, IPCCHAN_NO_WAIT));
	assert_int_equal(message.length, 3);
	answer(&m, &r, 7);
	assert_int_equal(result(&m, call), 7);
	assert_ok(ipcchan_call_start(m.server, &n, sizeof(n), &back, IPCCHAN_NO_WAIT));
	assert_ok(ipcchan_call_start(m.server, &n, sizeof(n), &call, IPCCHAN_NO_WAIT));
	assert_error(ipcchan_call_start(m.server, &n, sizeof(n), &third, IPCCHAN_NO_WAIT), ENOBUFS);
	part(&m);
}

static void what_is_refused(void **state)
{
	struct ipcchan_port *topic = open_port(SEND | RECEIVE), *sender = open_port(SEND);
	struct ipcchan_message message = { .tag = 1 };
	struct ipcchan_loan loan;
	struct meeting m;
	uint64_t call;

	(void)state;
	assert_error(ipcchan_call(topic, "a", 1, &message, IPCCHAN_NO_WAIT), EOPNOTSUPP);
	assert_error(ipcchan_call(sender, "a", 1, &message, IPCCHAN_NO_WAIT), EPERM);
	ipcchan_port_close(topic);
	ipcchan_port_close(sender);

	meet(&m, NULL, NULL);
	assert_error(ipcchan_call(m.server, "a", 1, &message, IPCCHAN_NO_WAIT), EOPNOTSUPP);
	assert_error(ipcchan_call_start(m.server, "a", 1, &call, IPCCHAN_NO_WAIT), EOPNOTSUPP);
	assert_error(ipcchan_call_finish(m.server, 1, &message, IPCCHAN_NO_WAIT), EOPNOTSUPP);
	assert_error(ipcchan_call_cancel(m.server, 1), EOPNOTSUPP);
	assert_error(ipcchan_call_receive(m.server, &message, IPCCHAN_NO_WAIT), EOPNOTSUPP);
	assert_error(ipcchan_call(m.client, "a", 1, &message, -2), EINVAL);
	assert_error(ipcchan_call_start(m.client, "a", 1, &call, -2), EINVAL);
	assert_error(ipcchan_call_finish(m.client, 1, &message, -2), EINVAL);
	assert_error(ipcchan_call_receive(m.client, &message, -2), EINVAL);
	assert_error(ipcchan_call(m.client, "a", 1u << 20, &message, IPCCHAN_NO_WAIT), EMSGSIZE);
	message.tag = 1;
	assert_error(ipcchan_reply(m.server, &message, "a", 1, IPCCHAN_NO_WAIT), EINVAL);
	message.tag = IPCCHAN_TAG_CALL | IPCCHAN_TAG_REPLY;
	assert_error(ipcchan_reply(m.server, &message, "a", 1, IPCCHAN_NO_WAIT), EINVAL);
	assert_ok(ipcchan_reserve(m.server, 1, &loan, IPCCHAN_NO_WAIT));
	assert_error(ipcchan_reply_commit(m.server, &message, &loan), EINVAL);
	assert_error(ipcchan_call_commit(m.server, &loan, &call), EOPNOTSUPP);
	ipcchan_abort(m.server, &loan);
	part(&m);
}

static void a_call_whose_server_dies(void **state)
{
	struct ipcchan_message r, reply;
	struct meeting m;
	uint64_t a, b;

	(void)state;
	meet(&m, NULL, NULL);
	a = start(&m, 1);
	b = start(&m, 2);
	r = request(&m, 1);
	answer(&m, &r, 5);
	ipcchan_port_close(m.server);
	m.server = NULL;
	assert_error(ipcchan_call_finish(m.client, b, &reply, FOREVER), EPIPE);
	assert_int_equal(result(&m, a), 5);
	assert_error(ipcchan_call(m.client, "a", 1, &reply, FOREVER), EPIPE);
	assert_error(ipcchan_call_start(m.client, "a", 1, &a, FOREVER), EPIPE);
	part(&m);
}

/* As many as there are holds: a stranger's tags, and what nobody asked for. */
static void a_flood(void **state)
{
	struct ipcchan_message message, r;
	struct meeting m;
	uint64_t call;
	int sent = 0;

	(void)state;
	meet(&m, NULL, NULL);
	call = start(&m, 1);
	r = request(&m, 1);
	while (sent < HOLDS + 4) {
		while (!send_number(m.server, 1))
			sent++;
		if (result(&m, call) == -ENOBUFS)
			break;
	}
	assert_int_equal(stats_of(m.client).holds, HOLDS);
	assert_error(result(&m, call), ENOBUFS);
	for (int i = 0; i < HOLDS; i++) {
		assert_ok(ipcchan_call_receive(m.client, &message, IPCCHAN_NO_WAIT));
		assert_ok(ipcchan_release(m.client, &message));
	}
	/* a reply nobody waits for, from a table's end */
	message.tag = IPCCHAN_TAG_CALL | 1023;
	while (!ipcchan_call_receive(m.client, &message, IPCCHAN_NO_WAIT))
		assert_ok(ipcchan_release(m.client, &message));
	message.tag = IPCCHAN_TAG_CALL | 1023;
	assert_ok(ipcchan_reply(m.server, &message, "a", 1, IPCCHAN_NO_WAIT));
	answer(&m, &r, 4);
	assert_int_equal(result(&m, call), 4);
	part(&m);
}

/* Answers every request before it takes the next, and has no room either. */
static void *serve_slowly(void *arg)
{
	struct meeting *m = arg;
	struct ipcchan_message message;
	uint8_t data[LONG];
	ssize_t length;
	int rc = 0;

	while (!rc && (length = ipcchan_recv(m->server, data, sizeof(data), &message, FOREVER)) > 0)
		rc = ipcchan_reply(m->server, &message, data, (size_t)length, FOREVER);
	assert_true(!rc || rc == -EPIPE);
	return NULL;
}

/* More than rings and arenas hold, both ways: neither end may wait for the other. */
static void full_both_ways(void **state)
{
	struct connecting c = { .timeout_ns = FOREVER, .max_calls = HOLDS };
	struct ipcchan_options o;
	struct ipcchan_message reply;
	uint64_t calls[HOLDS];
	struct meeting m;
	pthread_t thread;
	uint8_t data[LONG];

	(void)state;
	/* all replies may be kept at a time: those fit, the requests need not */
	service_options(&o);
	o.arena = 2 * HOLDS * 256;
	meet(&m, &o, &c);
	assert_int_equal(pthread_create(&thread, NULL, serve_slowly, &m), 0);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < HOLDS; i++) {
			memset(data, i, sizeof(data));
			assert_ok(ipcchan_call_start(m.client, data, sizeof(data), &calls[i], FOREVER));
		}
		for (int i = HOLDS; i--;) {
			assert_ok(ipcchan_call_finish(m.client, calls[i], &reply, FOREVER));
			assert_true(is_long(&reply, (uint8_t)i));
			assert_ok(ipcchan_release(m.client, &reply));
		}
	}
	/* the same without waiting */
	for (int i = 0; i < HOLDS; i++) {
		int rc = ipcchan_call_start(m.client, data, sizeof(data), &calls[i], IPCCHAN_NO_WAIT);

		assert_true(!rc || rc == -EAGAIN);
	}
	ipcchan_port_close(m.client);
	m.client = NULL;
	pthread_join(thread, NULL);
	part(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_apart(an_echo),
		test_apart(in_any_order),
		test_apart(too_late),
		test_apart(cancelled),
		test_apart(others_are_kept),
		test_apart(replies_are_kept),
		test_apart(in_place),
		test_apart(from_pieces),
		test_apart(either_end_calls),
		test_apart(what_is_refused),
		test_apart(a_call_whose_server_dies),
		test_apart(a_flood),
		test_apart(full_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
