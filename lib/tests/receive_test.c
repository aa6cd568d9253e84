/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Taking and giving back, turns, hang-up, and two threads. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static void keeps_a_message_that_is_too_long(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message message;
	char text[8];

	(void)state;
	assert_ok(ipcchan_send(tx, "12345678", 8, 0));
	assert_error(ipcchan_recv(rx, text, 7, &message, 0), EMSGSIZE);
	assert_int_equal(message.length, 8);
	assert_error(ipcchan_release(rx, &message), EINVAL);
	assert_error(ipcchan_recv(rx, text, 0, NULL, 0), EMSGSIZE);
	assert_int_equal(ipcchan_recv(rx, text, 8, &message, 0), 8);
	assert_memory_equal(text, "12345678", 8);
	assert_error(ipcchan_recv(rx, text, 8, NULL, 0), EAGAIN);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void holds_as_many_as_it_may(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held[4], copy;

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		assert_ok(send_number(tx, i));
	for (int i = 0; i < 4; i++)
		assert_ok(ipcchan_receive(rx, &held[i], 0));
	assert_error(ipcchan_receive(rx, &copy, 0), ENOBUFS);
	/* copying holds nothing */
	assert_int_equal(recv_number(rx), 4);
	copy = held[1];
	assert_ok(ipcchan_release(rx, &held[1]));
	assert_error(ipcchan_release(rx, &held[1]), EINVAL);
	assert_error(ipcchan_release(rx, &copy), EINVAL);
	assert_ok(ipcchan_receive(rx, &held[1], 0));
	assert_error(ipcchan_release(rx, &copy), EINVAL);
	assert_int_equal(*(const uint64_t *)held[1].data, 5);
	for (int i = 0; i < 4; i++)
		assert_ok(ipcchan_release(rx, &held[i]));
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void serves_senders_in_turn(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx[3];
	struct ipcchan_message message;

	(void)state;
	for (int i = 0; i < 3; i++)
		tx[i] = open_port(SEND);
	for (uint64_t i = 0; i < 6; i++)
		assert_ok(send_number(tx[0], i));
	assert_ok(send_number(tx[1], 100));
	assert_ok(send_number(tx[2], 200));
	assert_int_equal(recv_number(rx), 0);
	assert_int_equal(recv_number(rx), 100);
	assert_int_equal(recv_number(rx), 200);
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_int_equal(message.sender, 0);
	assert_int_equal(*(const uint64_t *)message.data, 1);
	for (int i = 0; i < 3; i++)
		ipcchan_port_close(tx[i]);
	ipcchan_port_close(rx);
}

static void says_when_the_last_sender_left(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx;
	struct ipcchan_message message;

	(void)state;
	assert_error(recv_number(rx), EAGAIN);
	tx = open_port(SEND);
	assert_error(recv_number(rx), EAGAIN);
	assert_ok(send_number(tx, 1));
	assert_ok(send_long(tx, 2));
	ipcchan_port_close(tx);
	/* what it has left behind can be read */
	assert_int_equal(recv_number(rx), 1);
	assert_ok(ipcchan_receive(rx, &message, FOREVER));
	assert_error(ipcchan_recv(rx, NULL, 0, NULL, FOREVER), EPIPE);
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_DRAINING);
	assert_int_equal(sim_calls().kicks, 0);
	assert_true(is_long(&message, 2));
	assert_ok(ipcchan_release(rx, &message));
	/* and then its slot is freed, with one kick */
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_EMPTY);
	assert_int_equal(sim_calls().kicks, 1);
	assert_error(recv_number(rx), EPIPE);
	assert_int_equal(sim_calls().kicks, 1);
	/* the next owner of the slot is another sender */
	tx = open_port(SEND);
	assert_ok(send_number(tx, 3));
	assert_int_equal(recv_number(rx), 3);
	ipcchan_port_close(tx);
	/* one that came and left between two calls */
	tx = open_port(SEND);
	ipcchan_port_close(tx);
	assert_error(recv_number(rx), EPIPE);
	ipcchan_port_close(rx);
}

static void does_not_know_who_left_before(void **state)
{
	struct ipcchan_port *first = open_port(RECEIVE), *tx = open_port(SEND), *rx;

	(void)state;
	assert_ok(send_number(tx, 1));
	ipcchan_port_close(tx);
	rx = open_port(RECEIVE);
	assert_error(recv_number(rx), EAGAIN);
	assert_int_equal(recv_number(first), 1);
	assert_error(recv_number(first), EPIPE);
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_EMPTY);
	assert_error(recv_number(rx), EAGAIN);
	ipcchan_port_close(first);
	ipcchan_port_close(rx);
}

static void receives_what_it_sends(void **state)
{
	struct ipcchan_port *both = open_port(SEND | RECEIVE);

	(void)state;
	assert_ok(send_number(both, 1));
	assert_int_equal(recv_number(both), 1);
	assert_error(recv_number(both), EAGAIN);
	assert_int_equal(fill_with_numbers(both), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(both), i);
	assert_int_equal(ipcchan_port_peers(both, SEND), 0);
	assert_int_equal(ipcchan_port_peers(both, RECEIVE), 0);
	ipcchan_port_close(both);
}

static void times_out(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);

	(void)state;
	assert_error(ipcchan_recv(rx, NULL, 0, NULL, 2 * MS), ETIMEDOUT);
	ipcchan_port_set_spin(rx, UINT64_MAX);
	assert_error(ipcchan_recv(rx, NULL, 0, NULL, 2 * MS), ETIMEDOUT);
	assert_error(ipcchan_recv(rx, NULL, 0, NULL, -2), EINVAL);
	assert_error(ipcchan_port_wait_peers(rx, SEND, 2, MS), ETIMEDOUT);
	assert_error(ipcchan_port_wait_peers(rx, SEND, 2, 0), ETIMEDOUT);
	assert_ok(ipcchan_port_wait_peers(rx, SEND, 1, 0));
	assert_error(ipcchan_port_wait_peers(rx, 3, 1, 0), EINVAL);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void *send_large(void *port)
{
	struct ipcchan_loan loan;
	int rc = ipcchan_reserve(port, 64 << 10, &loan, FOREVER);

	return (void *)(intptr_t)(rc ? rc : ipcchan_commit(port, &loan));
}

/* What it waits for is only that a message be given back. */
static void wakes_the_sender_by_releasing(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held;
	pthread_t thread;
	void *rc;

	(void)state;
	assert_ok(send_long(tx, 1));
	assert_ok(ipcchan_receive(rx, &held, 0));
	assert_ok(pthread_create(&thread, NULL, send_large, tx));
	while (!ipcchan_load(&roster()->sleeping_senders))
		sched_yield();
	assert_ok(ipcchan_release(rx, &held));
	pthread_join(thread, &rc);
	assert_null(rc);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

struct stream {
	uint64_t spin_ns;
	uint32_t messages;
	uint32_t longest;
	uint32_t depth;
	bool copies;
};

static struct ipcchan_port *open_stream(uint32_t roles, const struct stream *s)
{
	struct ipcchan_options options;

	options_small(&options);
	options.spin_ns = s->spin_ns;
	options.depth = s->depth;
	return open_with(roles, &options);
}

static uint8_t pattern(uint32_t n)
{
	return (uint8_t)(n * 7 + n / 256);
}

static uint32_t length_of(const struct stream *s, uint32_t n)
{
	return n * 2654435761u % (s->longest + 1);
}

struct worker {
	pthread_t thread;
	const struct stream *stream;
	struct ipcchan_port *port;
	int error;
};

static void *send_all(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < w->stream->messages && !w->error; i++) {
		uint32_t length = length_of(w->stream, i);
		struct ipcchan_loan loan;

		w->error = ipcchan_reserve(w->port, length, &loan, FOREVER);
		if (w->error)
			break;
		loan.tag = i;
		if (length)
			memset(loan.data, pattern(i), length);
		w->error = ipcchan_commit(w->port, &loan);
	}
	return NULL;
}

static int check_message(const struct stream *s, const void *data, size_t length, uint64_t tag,
			 uint32_t expected)
{
	const uint8_t *bytes = data;

	if (tag != expected || length != length_of(s, expected))
		return -EBADMSG;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != pattern(expected))
			return -EBADMSG;
	}
	return 0;
}

static int receive_held(struct worker *w, struct ipcchan_message *held, uint32_t n)
{
	int rc = ipcchan_receive(w->port, held, FOREVER);

	return rc ? rc : check_message(w->stream, held->data, held->length, held->tag, n);
}

static int receive_copy(struct worker *w, uint8_t *buffer, uint32_t n)
{
	struct ipcchan_message message;
	ssize_t rc = ipcchan_recv(w->port, buffer, w->stream->longest, &message, FOREVER);

	return rc < 0 ? (int)rc : check_message(w->stream, buffer, (size_t)rc, message.tag, n);
}

/* Holds three messages at a time, and checks each again when it lets go. */
static void *receive_all(void *arg)
{
	struct worker *w = arg;
	struct ipcchan_message held[3] = { 0 };
	uint8_t *buffer = malloc(w->stream->longest + 1);

	for (uint32_t i = 0; i < w->stream->messages && !w->error; i++) {
		struct ipcchan_message *h = &held[i % 3];

		if (w->stream->copies) {
			w->error = receive_copy(w, buffer, i);
			continue;
		}
		if (i >= 3)
			w->error = check_message(w->stream, h->data, h->length, h->tag, i - 3);
		if (i >= 3 && !w->error)
			w->error = ipcchan_release(w->port, h);
		if (!w->error)
			w->error = receive_held(w, h, i);
	}
	free(buffer);
	return NULL;
}

/* One sender, two receivers. */
static void run_stream(const struct stream *s)
{
	struct worker w[3] = { { 0 } };

	w[0] = (struct worker){ .stream = s, .port = open_stream(RECEIVE, s) };
	w[1] = (struct worker){ .stream = s, .port = open_stream(RECEIVE, s) };
	w[2] = (struct worker){ .stream = s, .port = open_stream(SEND, s) };
	for (int i = 0; i < 3; i++)
		assert_ok(pthread_create(&w[i].thread, NULL, i < 2 ? receive_all : send_all, &w[i]));
	for (int i = 0; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		assert_ok(w[i].error);
	}
	for (int i = 2; i >= 0; i--)
		ipcchan_port_close(w[i].port);
}

static void streams_through_a_short_ring(void **state)
{
	(void)state;
	run_stream(&(struct stream){ .messages = 20000, .longest = 3000, .depth = 8 });
}

static void streams_through_a_small_arena(void **state)
{
	(void)state;
	run_stream(&(struct stream){ .messages = 20000, .longest = 3600, .depth = 256 });
}

static void streams_spinning(void **state)
{
	(void)state;
	run_stream(&(struct stream){ .messages = 20000, .longest = 3600, .depth = 256,
				     .spin_ns = 20000 });
}

static void streams_copying(void **state)
{
	(void)state;
	run_stream(&(struct stream){ .messages = 20000, .longest = 200, .depth = 8,
				     .copies = true });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(keeps_a_message_that_is_too_long),
		test(holds_as_many_as_it_may),
		test(serves_senders_in_turn),
		test(says_when_the_last_sender_left),
		test(does_not_know_who_left_before),
		test(receives_what_it_sends),
		test(times_out),
		test(wakes_the_sender_by_releasing),
		test(streams_through_a_short_ring),
		test(streams_through_a_small_arena),
		test(streams_spinning),
		test(streams_copying),
	};

	alarm(120);	/* a wake-up that is lost hangs a stream */
	return cmocka_run_group_tests_name("receive", tests, NULL, NULL);
}
