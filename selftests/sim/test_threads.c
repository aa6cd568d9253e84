/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads of one process over a flat machine, for a thread sanitizer: the
 * library's sides against each other, and all of it against the module.
 *
 * The sanitizer knows nothing of fences: where only C to P order accesses it
 * sees none, and where a message is copied out while its sender may drop it
 * there is a race, which R finds out. So what may be dropped is held here.
 */
#include "simtest.h"
#include "stream.h"

#include <pthread.h>

#define RECEIVERS	2
#define ROUNDS		60

static struct ipcchan_options options;
static struct stream stream;
static uint64_t spin_ns;

struct worker {
	pthread_t thread;
	struct ipcchan_port *port;
	int rc;
	uint64_t sent;
	struct stream_sum sum;
};

static void *send_all(void *arg)
{
	struct worker *w = arg;

	w->rc = stream_send(w->port, &stream, &w->sent);
	ipcchan_port_close(w->port);
	return NULL;
}

static void *receive_all(void *arg)
{
	struct worker *w = arg;

	w->rc = stream_receive(w->port, &stream, &w->sum);
	ipcchan_port_close(w->port);
	return NULL;
}

static void start(struct worker *w, uint32_t roles, void *(*body)(void *))
{
	*w = (struct worker){ .port = open_port("stream", roles, &options) };
	ipcchan_port_set_spin(w->port, spin_ns);
	assert_ok(pthread_create(&w->thread, NULL, body, w));
}

static void run(void)
{
	struct worker tx, rx[RECEIVERS];

	for (int i = 0; i < RECEIVERS; i++)
		start(&rx[i], RECEIVE, receive_all);
	start(&tx, SEND, send_all);
	pthread_join(tx.thread, NULL);
	assert_ok(tx.rc);
	for (int i = 0; i < RECEIVERS; i++) {
		pthread_join(rx[i].thread, NULL);
		assert_ok(rx[i].rc);
		assert_int_equal(rx[i].sum.taken + rx[i].sum.lost, tx.sent);
	}
}

static int prepare(void **state)
{
	(void)state;
	ipcchan_options_init(&options);
	options.receivers = RECEIVERS;
	options.holds = 8;
	options.depth = 8;
	options.flags = IPCCHAN_OPEN_TIMESTAMPS;
	spin_ns = 0;
	stream = (struct stream){
		.messages = 20000,
		.longest = 1000,
		.kept = 6,
		.batch = 5,
	};
	sim_begin(SIM_FLAT);
	return 0;
}

static void short_ring(void **state)
{
	(void)state;
	run();
}

static void spinning(void **state)
{
	(void)state;
	spin_ns = 20000;
	options.depth = 64;
	options.arena = 16 << 10;
	run();
}

static void copied_out(void **state)
{
	(void)state;
	stream.kept = 0;
	run();
}

static void dropped(void **state)
{
	(void)state;
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.max_message = stream.longest;
	run();
}

static void with_thresholds(void **state)
{
	(void)state;
	options.depth = 64;
	options.wake_count = 20;
	options.wake_delay_ns = MS;
	run();
}

/* Comes and goes while the others stream: and waits while all slots are still being read. */
static void *visit(void *arg)
{
	uint64_t *stop = arg;
	struct ipcchan_message m;

	while (!ipcchan_load_acquire(stop)) {
		struct ipcchan_port *port;
		int rc = ipcchan_open(&port, "stream", SEND | RECEIVE, &options, NULL);

		if (rc == -EUSERS) {
			rest(MS / 4);
			continue;
		}
		if (rc == -ENOENT && ipcchan_load_acquire(stop))
			break;
		assert_ok(rc);
		assert_ok(ipcchan_send(port, "visitor", 8, FOREVER));
		if (!ipcchan_receive(port, &m, MS))
			ipcchan_release(port, &m);
		ipcchan_port_close(port);
	}
	return NULL;
}

struct counting {
	struct ipcchan_port *port;
	uint64_t numbers;
};

static void *count(void *arg)
{
	struct counting *c = arg;

	for (uint64_t i = 0; i < c->numbers; i++)
		assert_ok(ipcchan_send(c->port, &i, sizeof(i), FOREVER));
	ipcchan_port_close(c->port);
	return NULL;
}

/* What one sender has sent comes in order, whoever else comes and goes. */
static void while_others_come_and_go(void **state)
{
	struct ipcchan_port *rx = open_port("stream", RECEIVE, &options);
	/* attached before the first visitor leaves: there is always a sender */
	struct counting c = { open_port("stream", SEND, &options), 5000 };
	pthread_t counter, visitor;
	uint64_t stop = 0, n, expected = 0;

	(void)state;
	assert_ok(pthread_create(&visitor, NULL, visit, &stop));
	assert_ok(pthread_create(&counter, NULL, count, &c));
	while (expected < c.numbers) {
		assert_int_equal(ipcchan_recv(rx, &n, sizeof(n), NULL, FOREVER), sizeof(n));
		if (memcmp(&n, "visitor", 8))
			assert_int_equal(n, expected++);
	}
	ipcchan_store_release(&stop, 1);
	pthread_join(counter, NULL);
	ipcchan_port_close(rx);
	pthread_join(visitor, NULL);
}

static void *wait_to_be_gone(void *port)
{
	ssize_t rc = ipcchan_recv(port, NULL, 0, NULL, FOREVER);

	return (void *)(intptr_t)rc;
}

static void channel_is_deleted(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct ipcchan_port *rx = open_port("stream", RECEIVE, &options);
		pthread_t thread;
		void *rc;

		assert_ok(pthread_create(&thread, NULL, wait_to_be_gone, rx));
		if (i % 2)
			rest(MS / 4);
		assert_ok(ipcchan_delete("stream", NULL));
		pthread_join(thread, &rc);
		assert_int_equal((intptr_t)rc, -ESHUTDOWN);
		ipcchan_port_close(rx);
	}
}

#define threads(name)	cmocka_unit_test_setup_teardown(name, prepare, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		threads(short_ring),
		threads(spinning),
		threads(copied_out),
		threads(dropped),
		threads(with_thresholds),
		threads(while_others_come_and_go),
		threads(channel_is_deleted),
	};

	alarm(300);
	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
