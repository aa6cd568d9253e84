/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Queues: claiming, verdicts, the calls of topics there, room, and nonsense. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "queue.h"

static void claims_and_acknowledges(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	struct ipcchan_message m[4];
	struct ipcchan_done done[4] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		send_n(tx, i);
	assert_int_equal(ipcchan_claim(rx, NULL, 0, m, 8, 0), 4);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(number_in(&m[i]), i);
		assert_int_equal(m[i].deliveries, 1);
		assert_int_equal(m[i].flags, 0);
		done[i].message = &m[i];
	}
	done[1].verdict = IPCCHAN_DONE_REFUSE;
	done[2].verdict = IPCCHAN_DONE_DISCARD;
	struct ipcchan_message next[4];

	assert_int_equal(ipcchan_claim(rx, done, 4, next, 2, 0), 2);
	for (int i = 0; i < 4; i++) {
		assert_ok(done[i].result);
		assert_null(m[i].data);
		assert_error(ipcchan_release(rx, &m[i]), EINVAL);
	}
	assert_int_equal(number_in(&next[0]), 1);
	assert_int_equal(next[0].deliveries, 2);
	assert_int_equal(next[0].flags, IPCCHAN_MESSAGE_REDELIVERED);
	assert_int_equal(number_in(&next[1]), 4);
	assert_ok(ipcchan_refuse(rx, &next[1], 0));
	assert_error(ipcchan_refuse(rx, &next[1], 0), EINVAL);
	assert_ok(ipcchan_release_batch(rx, next, 1));
	assert_int_equal(ipcchan_claim(rx, NULL, 0, next, 4, 0), 2);
	assert_int_equal(number_in(&next[0]), 4);
	assert_int_equal(number_in(&next[1]), 5);
	assert_ok(ipcchan_release_batch(rx, next, 2));
	assert_error(ipcchan_claim(rx, NULL, 0, next, 4, 0), EAGAIN);
	assert_error(ipcchan_claim(rx, NULL, 0, next, 4, MS), ETIMEDOUT);
	assert_int_equal(ipcchan_claim(rx, NULL, 0, NULL, 0, 0), 0);
	ipcchan_port_close(tx);
	assert_error(ipcchan_claim(rx, NULL, 0, next, 4, FOREVER), EPIPE);
	ipcchan_port_close(rx);
}

/* The calls of topics: the same with a hold, or with a copy. */
static void receives_as_topics_do(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	struct ipcchan_message m[6];
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	char longer[200], text[200];
	struct iovec pieces[2] = { { text, 100 }, { text + 100, 100 } }, buffers[101] = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer));
	for (uint64_t i = 0; i < 5; i++)
		send_n(tx, i);
	assert_ok(ipcchan_receive(rx, &m[0], 0));
	assert_int_equal(number_in(&m[0]), 0);
	assert_int_equal(ipcchan_receive_batch(rx, &m[1], 5, 0), 3);
	assert_error(ipcchan_receive(rx, &m[4], 0), ENOBUFS);
	assert_ok(ipcchan_release_batch(rx, m, 4));
	assert_int_equal(ipcchan_recv(rx, text, sizeof(text), &m[0], 0), 8);
	assert_null(m[0].data);
	assert_error(ipcchan_recv(rx, text, sizeof(text), NULL, 0), EAGAIN);
	/* a long one, in place and in pieces */
	assert_ok(ipcchan_send(tx, longer, sizeof(longer), 0));
	assert_ok(ipcchan_receive(rx, &m[0], FOREVER));
	assert_memory_equal(m[0].data, longer, sizeof(longer));
	assert_ok(ipcchan_refuse(rx, &m[0], 0));
	memset(text, 0, sizeof(text));
	assert_int_equal(ipcchan_recvv(rx, pieces, 2, &m[0], 0), 200);
	assert_memory_equal(text, longer, sizeof(longer));
	assert_int_equal(m[0].deliveries, 2);
	/* too long: it counts as a delivery */
	assert_ok(ipcchan_send(tx, longer, sizeof(longer), 0));
	assert_error(ipcchan_recv(rx, text, 199, &m[0], 0), EMSGSIZE);
	assert_int_equal(m[0].length, 200);
	assert_int_equal(ipcchan_recv(rx, text, 200, &m[0], 0), 200);
	assert_int_equal(m[0].deliveries, 2);
	for (int i = 0; i < 3; i++) {
		buffers[i] = (struct iovec){ text + 50 * i, i == 1 ? 4 : 8 };
		send_n(tx, (uint64_t)i);
	}
	assert_int_equal(ipcchan_recv_batch(rx, buffers, m, 3, 0), 1);
	assert_error(ipcchan_recv_batch(rx, &buffers[1], m, 1, 0), EMSGSIZE);
	buffers[1].iov_len = 8;
	assert_int_equal(ipcchan_recv_batch(rx, &buffers[1], m, 100, 0), 2);
	assert_error(ipcchan_recv_batch(rx, buffers, m, 3, 0), EAGAIN);
	assert_error(ipcchan_latest(rx, 0, &m[0]), EOPNOTSUPP);
	assert_ok(ipcchan_port_get_stats(rx, &stats));
	assert_int_equal(stats.holds, 0);
	ipcchan_port_close(tx);
	assert_error(ipcchan_recv(rx, text, sizeof(text), NULL, FOREVER), EPIPE);
	ipcchan_port_close(rx);
}

static void refuses_what_is_wrong(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND), *topic;
	struct ipcchan_message m = { 0 }, copy;
	struct ipcchan_done done[2] = { { .message = &m }, { .message = &m } };
	struct ipcchan_options o;
	struct ipcchan_error error;

	(void)state;
	send_n(tx, 1);
	assert_error(ipcchan_claim(tx, NULL, 0, &m, 1, 0), EPERM);
	assert_error(ipcchan_receive(tx, &m, 0), EPERM);
	assert_error(ipcchan_recv(tx, NULL, 0, NULL, 0), EPERM);
	assert_error(ipcchan_release(tx, &m), EPERM);
	assert_error(ipcchan_receive_batch(tx, &m, 1, 0), EPERM);
	assert_error(ipcchan_claim(rx, NULL, 0, &m, 1, -2), EINVAL);
	assert_error(ipcchan_claim(rx, done, 1, &m, 1, 0), EINVAL);
	assert_ok(ipcchan_receive(rx, &m, 0));
	copy = m;
	assert_error(ipcchan_claim(rx, done, 2, NULL, 0, 0), EINVAL);
	done[0].verdict = 3;
	assert_error(ipcchan_claim(rx, done, 1, NULL, 0, 0), EINVAL);
	done[0].verdict = 0;
	done[0].delay_ns = 1;
	assert_error(ipcchan_claim(rx, done, 1, NULL, 0, 0), EINVAL);
	assert_error(ipcchan_refuse(rx, &m, UINT64_MAX), EINVAL);
	assert_ok(ipcchan_release(rx, &m));
	assert_error(ipcchan_release(rx, &copy), EINVAL);
	ipcchan_options_init(&o);
	o.type = IPCCHAN_SERVICE + 1;
	assert_error(ipcchan_open(&topic, NAME, SEND, &o, &error), EINVAL);
	o.type = IPCCHAN_SERVICE;
	assert_error(ipcchan_open(&topic, NAME, SEND, &o, &error), EPROTOTYPE);
	o.type = IPCCHAN_TOPIC;
	assert_error(ipcchan_open(&topic, NAME, SEND, &o, &error), EPROTOTYPE);
	assert_string_equal(error.text, "the channel is of another type");
	o.flags = IPCCHAN_OPEN_CREATE;
	assert_ok(ipcchan_open(&topic, "topic", RECEIVE, &o, &error));
	assert_error(ipcchan_claim(topic, NULL, 0, &m, 1, 0), EOPNOTSUPP);
	ipcchan_port_close(topic);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Payloads are free in any order, places in the ring's. */
static void finds_room_again(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	struct ipcchan_message m[4];
	struct ipcchan_loan loan;
	char kilobyte[1024] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_ok(ipcchan_send(tx, kilobyte, sizeof(kilobyte), 0));
	assert_error(ipcchan_send(tx, kilobyte, sizeof(kilobyte), 0), EAGAIN);
	assert_int_equal(ipcchan_receive_batch(rx, m, 4, 0), 4);
	assert_ok(ipcchan_release(rx, &m[2]));
	assert_ok(ipcchan_send(tx, kilobyte, sizeof(kilobyte), 0));
	assert_error(ipcchan_reserve(tx, sizeof(kilobyte), &loan, MS), ETIMEDOUT);
	assert_ok(ipcchan_release(rx, &m[1]));
	assert_ok(ipcchan_reserve(tx, sizeof(kilobyte), &loan, FOREVER));
	ipcchan_abort(tx, &loan);
	/* six messages so far, of which the first is not retired: ten places */
	for (uint64_t i = 0; i < 11; i++)
		send_n(tx, i);
	assert_error(ipcchan_send(tx, kilobyte, 8, 0), EAGAIN);
	assert_ok(ipcchan_release(rx, &m[3]));
	assert_error(ipcchan_send(tx, kilobyte, 8, 0), EAGAIN);
	assert_error(ipcchan_send(tx, kilobyte, 8, MS), ETIMEDOUT);
	assert_int_equal(sim_calls().await, m[0].sequence);
	assert_ok(ipcchan_release(rx, &m[0]));
	for (uint64_t i = 0; i < 4; i++)
		send_n(tx, i);
	assert_error(ipcchan_send(tx, kilobyte, 8, 0), EAGAIN);
	ipcchan_port_close(tx);
	for (int i = 0; i < 16; i++)
		assert_in_range(ipcchan_recv(rx, kilobyte, sizeof(kilobyte), NULL, FOREVER), 8, 1024);
	assert_error(ipcchan_recv(rx, kilobyte, sizeof(kilobyte), NULL, FOREVER), EPIPE);
	ipcchan_port_close(rx);
}

static void *release_later(void *arg)
{
	struct ipcchan_port *rx = arg;
	struct ipcchan_message m;

	for (int i = 0; i < 200; i++) {
		assert_ok(ipcchan_receive(rx, &m, FOREVER));
		assert_int_equal(number_in(&m), i);
		if (i % 7 == 3)
			usleep(200);
		assert_ok(ipcchan_release(rx, &m));
	}
	return NULL;
}

/* Both sides sleep for each other. */
static void waits_for_room(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	pthread_t thread;

	(void)state;
	assert_ok(pthread_create(&thread, NULL, release_later, rx));
	for (uint64_t i = 0; i < 200; i++) {
		if (i % 50 == 20)
			usleep(1000);
		assert_ok(ipcchan_send(tx, &i, sizeof(i), FOREVER));
	}
	pthread_join(thread, NULL);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void waits_for_many(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	struct ipcchan_ready ready[2] = {
		{ .port = rx, .events = IPCCHAN_READY_RECEIVE },
		{ .port = tx, .events = IPCCHAN_READY_SEND },
	};
	struct ipcchan_message m;

	(void)state;
	assert_error(ipcchan_wait(ready, 1, 0), ETIMEDOUT);
	assert_error(ipcchan_wait(ready, 1, MS), ETIMEDOUT);
	send_n(tx, 1);
	assert_int_equal(ipcchan_wait(ready, 1, FOREVER), 1);
	assert_int_equal(ready[0].ready, IPCCHAN_READY_RECEIVE);
	assert_ok(ipcchan_receive(rx, &m, 0));
	assert_error(ipcchan_wait(ready, 1, 0), ETIMEDOUT);
	for (uint64_t i = 0; i < 15; i++)
		send_n(tx, i);
	assert_error(ipcchan_send(tx, NULL, 0, 0), EAGAIN);
	assert_error(ipcchan_wait(&ready[1], 1, 0), ETIMEDOUT);
	assert_ok(ipcchan_release(rx, &m));
	assert_int_equal(ipcchan_wait(&ready[1], 1, FOREVER), 1);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Held beyond its lease: it is not ours any more. */
static void is_too_late(void **state)
{
	struct ipcchan_options o;
	struct ipcchan_port *rx, *tx, *other;
	struct ipcchan_message first, second;

	(void)state;
	ipcchan_options_init(&o);
	o.lease_ns = (uint64_t)(50 * MS);
	rx = open_as(RECEIVE, &o);
	other = open_as(RECEIVE, &o);
	tx = open_as(SEND, &o);
	send_n(tx, 7);
	assert_ok(ipcchan_receive(rx, &first, 0));
	assert_ok(ipcchan_receive(other, &second, FOREVER));
	assert_int_equal(second.deliveries, 2);
	assert_int_equal(number_in(&first), 7);
	assert_error(ipcchan_release(rx, &first), ESTALE);
	assert_error(ipcchan_release(rx, &first), EINVAL);
	assert_ok(ipcchan_release(other, &second));
	ipcchan_port_close(tx);
	ipcchan_port_close(other);
	ipcchan_port_close(rx);
}

static void tells_what_it_is(void **state)
{
	struct ipcchan_options o;
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_port *rx;

	(void)state;
	ipcchan_options_init(&o);
	o.type = IPCCHAN_QUEUE;
	assert_ok(ipcchan_create("dead", &o, NULL));
	o.lease_ns = (uint64_t)MS;
	o.max_deliveries = 2;
	o.dead_letter = "dead";
	rx = open_as(RECEIVE, &o);
	assert_ok(ipcchan_lookup(NAME, &info, NULL));
	assert_int_equal(info.type, IPCCHAN_QUEUE);
	assert_int_equal(info.lease_ns, MS);
	assert_int_equal(info.max_deliveries, 2);
	assert_string_equal(info.dead_letter, "dead");
	assert_ok(ipcchan_port_info(rx, &info));
	assert_int_equal(info.type, IPCCHAN_QUEUE);
	ipcchan_port_close(rx);
	assert_ok(ipcchan_delete("dead", NULL));
}

/* What comes back too often goes to the other queue. */
static void buries_the_dead(void **state)
{
	struct ipcchan_port *rx, *tx, *dead;
	struct ipcchan_options o;
	struct ipcchan_message m;
	char longer[200];

	(void)state;
	memset(longer, 'd', sizeof(longer));
	ipcchan_options_init(&o);
	o.type = IPCCHAN_QUEUE;
	o.flags = IPCCHAN_OPEN_CREATE;
	assert_ok(ipcchan_open(&dead, "dead", RECEIVE, &o, NULL));
	o.max_deliveries = 1;
	o.dead_letter = "dead";
	rx = open_as(RECEIVE, &o);
	tx = open_as(SEND, &o);
	for (int i = 0; i < 3; i++) {
		assert_ok(ipcchan_send(tx, longer, i == 1 ? 8 : sizeof(longer), 0));
		assert_ok(ipcchan_receive(rx, &m, 0));
		assert_ok(ipcchan_refuse(rx, &m, 0));
		assert_ok(ipcchan_receive(dead, &m, FOREVER));
		assert_int_equal(m.length, i == 1 ? 8 : sizeof(longer));
		assert_memory_equal(m.data, longer, m.length);
		assert_ok(ipcchan_release(dead, &m));
	}
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
	ipcchan_port_close(dead);
}

/* A sender writes nonsense into what the module has given out already. */
static void discards_nonsense(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	struct ipcchan_message m[3];
	struct sim_pages pages;

	(void)state;
	assert_ok(sim_pages(NAME, &pages));
	for (uint64_t i = 0; i < 3; i++)
		send_n(tx, i);
	sim_desc(&pages, 0, sim_sender(&pages, 0)->base + 2)->length = 1u << 30;
	assert_int_equal(ipcchan_claim(rx, NULL, 0, m, 3, 0), 2);
	assert_int_equal(ipcchan_port_culprit(rx), 0);
	assert_int_equal(number_in(&m[1]), 2);
	assert_ok(ipcchan_release_batch(rx, m, 2));
	send_n(tx, 9);
	sim_desc(&pages, 0, sim_sender(&pages, 0)->base + 4)->files = IPCCHAN_MAX_FILES + 1;
	assert_error(ipcchan_receive(rx, &m[0], 0), EPROTO);
	/* so many there could be, and are not */
	send_n(tx, 10);
	sim_desc(&pages, 0, sim_sender(&pages, 0)->base + 5)->files = IPCCHAN_MAX_FILES;
	assert_ok(ipcchan_receive(rx, &m[0], 0));
	assert_int_equal(m[0].nr_files, IPCCHAN_MAX_FILES);
	assert_error(ipcchan_message_files(rx, &m[0], NULL, 0), ENOENT);
	assert_ok(ipcchan_release(rx, &m[0]));
	assert_error(ipcchan_receive(rx, &m[0], 0), EAGAIN);
	/* nobody has it any more */
	ipcchan_port_close(tx);
	assert_error(ipcchan_receive(rx, &m[0], 0), EPIPE);
	ipcchan_port_close(rx);
}

/* More verdicts than one call takes, and a claim that sees many. */
static void judges_many(void **state)
{
	static struct ipcchan_message m[150];
	static struct ipcchan_done done[150];
	struct ipcchan_options o;
	struct ipcchan_port *rx, *tx;

	(void)state;
	ipcchan_options_init(&o);
	o.depth = 256;
	o.holds = 200;
	rx = open_as(RECEIVE, &o);
	tx = open_as(SEND, &o);
	for (uint64_t i = 0; i < 200; i++)
		send_n(tx, i);
	assert_int_equal(ipcchan_receive_batch(rx, m, 150, 0), 150);
	for (int i = 0; i < 150; i++)
		done[i] = (struct ipcchan_done){ .message = &m[i] };
	static struct ipcchan_message more[64];

	assert_int_equal(ipcchan_claim(rx, done, 150, more, 64, 0), 50);
	assert_int_equal(number_in(&more[0]), 150);
	assert_ok(ipcchan_release_batch(rx, more, 50));
	for (uint64_t i = 0; i < 250; i++)
		send_n(tx, i);
	assert_int_equal(ipcchan_receive_batch(rx, m, 150, 0), 150);
	assert_ok(ipcchan_release_batch(rx, m, 150));
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* This port is evicted, or a sender is, while a message is held. */
static void survives_eviction(void **state)
{
	struct ipcchan_port *rx = open_queue(RECEIVE), *tx = open_queue(SEND);
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_message m;
	char text[8];

	(void)state;
	send_n(tx, 1);
	assert_ok(ipcchan_receive(rx, &m, 0));
	assert_ok(ipcchan_port_info(tx, &info));
	assert_ok(sim_evict(NAME, info.port_id));
	assert_error(ipcchan_release(rx, &m), ESTALE);
	ipcchan_port_close(tx);
	tx = open_queue(SEND);
	send_n(tx, 2);
	assert_ok(ipcchan_receive(rx, &m, 0));
	assert_ok(ipcchan_port_info(rx, &info));
	assert_ok(sim_evict(NAME, info.port_id));
	assert_error(ipcchan_release(rx, &m), ESHUTDOWN);
	assert_error(ipcchan_recv(rx, text, sizeof(text), NULL, FOREVER), ESHUTDOWN);
	ipcchan_port_close(rx);
	rx = open_queue(RECEIVE);
	assert_ok(ipcchan_receive(rx, &m, 0));
	assert_int_equal(m.deliveries, 2);
	ipcchan_port_close(rx);
	ipcchan_port_close(tx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(claims_and_acknowledges),
		test(receives_as_topics_do),
		test(refuses_what_is_wrong),
		test(finds_room_again),
		test(waits_for_room),
		test(waits_for_many),
		test(is_too_late),
		test(tells_what_it_is),
		test_apart(buries_the_dead),
		test(discards_nonsense),
		test(judges_many),
		test_apart(survives_eviction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
