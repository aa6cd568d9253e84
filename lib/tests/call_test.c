/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Calls: replies find them, in whatever order, and those that come too late find nothing. */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "meet.h"
#include "preempt.h"

#include "internal.h"

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

/* Each call has one reply, however often it is answered. */
static void answered_twice(void **state)
{
	struct ipcchan_message r[2];
	struct meeting m;
	uint64_t a, b;

	(void)state;
	meet(&m, NULL, NULL);
	a = start(&m, 1);
	b = start(&m, 2);
	r[0] = request(&m, 1);
	r[1] = request(&m, 2);
	for (uint64_t i = 0; i < 3; i++)
		answer(&m, &r[0], 10 + i);
	answer(&m, &r[1], 20);
	assert_int_equal(result(&m, b), 20);
	assert_int_equal(stats_of(m.client).holds, 1);
	assert_int_equal(result(&m, IPCCHAN_ANY_CALL), 10);
	assert_error(result(&m, IPCCHAN_ANY_CALL), ENOENT);
	assert_error(result(&m, a), ENOENT);
	assert_int_equal(stats_of(m.client).holds, 0);
	part(&m);
}

static void *answer_late(void *arg)
{
	struct meeting *m = arg;
	struct ipcchan_message r;

	for (int i = 0; i < 2; i++) {
		assert_ok(ipcchan_receive(m->server, &r, INT64_MAX));
		rest(10 * MS);
		assert_ok(ipcchan_reply(m->server, &r, "ok", 2, INT64_MAX));
		assert_ok(ipcchan_release(m->server, &r));
	}
	assert_ok(send_number(m->server, 7));
	return NULL;
}

/* As good as for ever. */
static void the_longest_time(void **state)
{
	struct ipcchan_message reply;
	struct meeting m;
	pthread_t thread;
	uint64_t call;

	(void)state;
	meet(&m, NULL, NULL);
	assert_int_equal(pthread_create(&thread, NULL, answer_late, &m), 0);
	assert_ok(ipcchan_call(m.client, "a", 1, &reply, INT64_MAX));
	assert_ok(ipcchan_release(m.client, &reply));
	assert_ok(ipcchan_call_start(m.client, "a", 1, &call, INT64_MAX));
	assert_ok(ipcchan_call_finish(m.client, call, &reply, INT64_MAX));
	assert_ok(ipcchan_release(m.client, &reply));
	assert_ok(ipcchan_call_receive(m.client, &reply, INT64_MAX));
	pthread_join(thread, NULL);
	part(&m);
}

/* A server that fills its ring with replies nobody asked for, as soon as there is room. */
struct flood {
	struct meeting m;
	pthread_t thread;
	int stopped;
};

/* From @next on, what there is room for; returns the next after it. */
static uint64_t pour(struct ipcchan_port *server, uint64_t next)
{
	struct ipcchan_tx *tx = server->tx;
	const struct ipcchan_cursor *c = ipcchan_cursor_of(server, 1 - tx->slot);
	uint64_t passed = ipcchan_load_acquire(&c->passed);

	if (passed < tx->base)
		passed = tx->base;
	for (; next <= passed + tx->mask + 1; next++) {
		struct ipcchan_desc *desc = &tx->ring[next & tx->mask];

		desc->tag = IPCCHAN_TAG_CALL | IPCCHAN_TAG_REPLY | 1000;
		ipcchan_store_release(&desc->seq, next);
	}
	return next;
}

static void *flood(void *arg)
{
	struct flood *f = arg;
	uint64_t next = f->m.server->tx->base + 1;

	while (!__atomic_load_n(&f->stopped, __ATOMIC_RELAXED))
		next = pour(f->m.server, next);
	return NULL;
}

static void flood_begin(struct flood *f, uint32_t depth)
{
	struct ipcchan_options o;

	service_options(&o);
	o.depth = depth;
	f->stopped = 0;
	meet(&f->m, &o, NULL);
	assert_int_equal(pthread_create(&f->thread, NULL, flood, f), 0);
	while (recv_number(f->m.client) == -EAGAIN)
		;
}

static void flood_end(struct flood *f)
{
	__atomic_store_n(&f->stopped, 1, __ATOMIC_RELAXED);
	pthread_join(f->thread, NULL);
	part(&f->m);
}

static struct meeting met;
static uint64_t poured;

/* Always as many as there is room for, up to a thousand. */
static void pour_more(void)
{
	if (poured < met.server->tx->base + 1000)
		poured = pour(met.server, poured);
}

/* Who does not wait takes no more than there was when it came. */
static void a_flood_of_replies_keeps_nobody(void **state)
{
	struct ipcchan_message message;
	uint64_t call;
	int rc[2];

	(void)state;
	meet(&met, NULL, NULL);
	call = start(&met, 1);
	poured = pour(met.server, met.server->tx->base + 1);
	preempt_begin_at((void *)(uintptr_t)met.client->rx->sources[met.server->tx->slot].outbox,
			 met.client->layout.arena, 0, pour_more);
	preempt.always = true;
	rc[0] = ipcchan_call_finish(met.client, call, &message, IPCCHAN_NO_WAIT);
	rc[1] = ipcchan_call_receive(met.client, &message, IPCCHAN_NO_WAIT);
	preempt.always = false;
	preempt_end();
	assert_error(rc[0], EAGAIN);
	assert_error(rc[1], EAGAIN);
	assert_int_equal(stats_of(met.client).received, 2 * 8);
	part(&met);
}

/* After each message the time is looked at: the first is one too many. */
static void a_flood_of_replies_stops_no_clock(void **state)
{
	struct ipcchan_message message;
	struct flood f;
	uint64_t call;

	(void)state;
	flood_begin(&f, 1024);
	call = start(&f.m, 1);
	for (int i = 0; i < 100; i++) {
		uint64_t before = stats_of(f.m.client).received;

		assert_error(ipcchan_call_finish(f.m.client, call, &message, 1), ETIMEDOUT);
		assert_error(ipcchan_call_receive(f.m.client, &message, 1), ETIMEDOUT);
		assert_in_range(stats_of(f.m.client).received - before, 0, 2);
	}
	assert_ok(ipcchan_call_cancel(f.m.client, call));
	/* nor while there is no room */
	while (!ipcchan_call_start(f.m.client, "a", 1, &call, 0))
		assert_ok(ipcchan_call_cancel(f.m.client, call));
	for (int i = 0; i < 100; i++) {
		uint64_t before = stats_of(f.m.client).received;

		assert_error(ipcchan_call(f.m.client, "a", 1, &message, 1), ETIMEDOUT);
		assert_in_range(stats_of(f.m.client).received - before, 0, 2);
	}
	flood_end(&f);
}

static void on_alarm(int number)
{
	(void)number;
}

static void a_flood_of_replies_drowns_no_signal(void **state)
{
	struct itimerval often = { .it_interval.tv_usec = 500, .it_value.tv_usec = 500 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct ipcchan_message message;
	struct ipcchan_options o;
	struct meeting m;

	(void)state;
	service_options(&o);
	o.depth = 65536;
	meet(&m, &o, NULL);
	pour(m.server, m.server->tx->base + 1);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_error(ipcchan_call(m.client, "a", 1, &message, FOREVER), EINTR);
	assert_error(ipcchan_call_receive(m.client, &message, FOREVER), EINTR);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_in_range(stats_of(m.client).received, 1, 65535);
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
		test_apart(answered_twice),
		test_apart(the_longest_time),
		test(a_flood_of_replies_keeps_nobody),
		test(a_flood_of_replies_stops_no_clock),
		test(a_flood_of_replies_drowns_no_signal),
		test_apart(full_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
