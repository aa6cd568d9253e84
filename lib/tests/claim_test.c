/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Queues where things go wrong: messages vanish, ports end, verdicts come too late. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "preempt.h"
#include "queue.h"

#include "device.h"

#define MANY	1024u
#define TRIES	256u	/* as many as may vanish in a call */

static struct ipcchan_port *rx, *tx;

static void open_both(uint32_t depth, uint32_t holds)
{
	struct ipcchan_options o;

	ipcchan_options_init(&o);
	o.depth = depth;
	o.holds = holds;
	o.arena = 1 << 20;
	rx = open_as(RECEIVE, &o);
	tx = open_as(SEND, &o);
}

static void close_both(void)
{
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static uint64_t nr_retired(void)
{
	return sender_slot(0)->retired;
}

static void vanish(uint64_t n)
{
	uint64_t seq = sender_slot(0)->base + n;

	__atomic_store_n(&desc_of(0, seq)->seq, 0, __ATOMIC_RELEASE);
}

/* The module has taken in all that was sent, and nobody claims it. */
static void take_in(void)
{
	struct ipcchan_port *other = open_queue(RECEIVE);
	struct ipcchan_message m;

	assert_ok(ipcchan_receive(other, &m, 0));
	assert_ok(ipcchan_refuse(other, &m, 0));
	ipcchan_port_close(other);
}

/* All that can be claimed is not there any more. */
static void open_with_nothing(uint32_t depth)
{
	open_both(depth, 4);
	for (uint64_t i = 0; i < depth; i++)
		send_n(tx, i);
	take_in();
	for (uint64_t i = 1; i <= depth; i++)
		vanish(i);
}

static void what_vanishes_keeps_nobody(void **state)
{
	struct ipcchan_message m;
	uint64_t n;

	(void)state;
	open_with_nothing(MANY);
	assert_error(ipcchan_receive(rx, &m, IPCCHAN_NO_WAIT), EAGAIN);
	assert_int_equal(nr_retired(), TRIES);
	assert_error(ipcchan_recv(rx, &n, sizeof(n), NULL, IPCCHAN_NO_WAIT), EAGAIN);
	assert_int_equal(nr_retired(), 2 * TRIES);
	/* the time is over after the first */
	assert_error(ipcchan_receive(rx, &m, 1), ETIMEDOUT);
	assert_error(ipcchan_recv(rx, &n, sizeof(n), NULL, 1), ETIMEDOUT);
	assert_int_equal(nr_retired(), 2 * TRIES + 2);
	close_both();
}

static void on_alarm(int number)
{
	(void)number;
}

static void what_vanishes_drowns_no_signal(void **state)
{
	struct itimerval often = { .it_interval.tv_usec = 500, .it_value.tv_usec = 500 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct ipcchan_message m;

	(void)state;
	open_with_nothing(IPCCHAN_MAX_DEPTH);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_error(ipcchan_receive(rx, &m, FOREVER), EINTR);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_in_range(nr_retired(), TRIES, IPCCHAN_MAX_DEPTH - 1);
	close_both();
}

static uint8_t *buffer;

/* That of which a copy is being written: as many have been dropped before. */
static void vanish_now(void)
{
	vanish(nr_retired() + 1);
}

/* Each vanishes while it is copied: it is not handed out, and that has an end. */
static void what_vanishes_in_the_copy(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct iovec piece;
	struct ipcchan_message m;
	ssize_t rc[3];

	(void)state;
	open_both(MANY, 4);
	for (uint64_t i = 0; i < MANY; i++)
		send_n(tx, i);
	buffer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	piece = (struct iovec){ buffer, 8 };
	preempt_begin_at(buffer, page, 0, vanish_now);
	preempt.always = true;
	rc[0] = ipcchan_recv(rx, buffer, 8, NULL, IPCCHAN_NO_WAIT);
	rc[1] = ipcchan_recv(rx, buffer, 8, NULL, 1);
	rc[2] = ipcchan_recv_batch(rx, &piece, &m, 1, IPCCHAN_NO_WAIT);
	preempt.always = false;
	preempt_end();
	assert_error(rc[0], EAGAIN);
	assert_error(rc[1], ETIMEDOUT);
	assert_error(rc[2], EAGAIN);
	assert_int_equal(nr_retired(), 2 * TRIES + 1);
	assert_int_equal(stats_of(rx).holds, 0);
	munmap(buffer, page);
	close_both();
}

/* Of sender 0, and its first message. */
static struct sim_pages shared;
static struct ipcchan_desc *first;

/* May be in the module. */
static void overwrite(void)
{
	__atomic_store_n(&first->seq, 0, __ATOMIC_RELEASE);
	memset(first->inside, 'b', sizeof(first->inside));
	memset(sim_arena(&shared, 0), 'b', 4096);
}

/*
 * Of a message that is overwritten before the n-th access to the sender's pages: nothing,
 * or all of it as it was.
 */
static bool is_overwritten(size_t length, bool copy, uint64_t n)
{
	char text[200], good[200];
	struct ipcchan_message m;
	bool reached;
	ssize_t rc;

	memset(good, 'a', sizeof(good));
	open_both(16, 4);
	assert_ok(ipcchan_send(tx, good, length, 0));
	take_in();
	shared = pages();
	first = desc_of(0, sender_slot(0)->base + 1);
	preempt_begin_at(shared.outboxes, shared.layout.outbox_size, n, overwrite);
	if (copy)
		rc = ipcchan_recv(rx, text, sizeof(text), NULL, 0);
	else
		rc = ipcchan_receive(rx, &m, 0);
	reached = preempt_end();
	if (copy && rc >= 0) {
		assert_int_equal(rc, length);
		assert_memory_equal(text, good, length);
	} else if (!rc) {
		assert_int_equal(m.length, length);
		assert_memory_equal(m.data, good, length);
		assert_ok(ipcchan_release(rx, &m));
	} else {
		assert_error(rc, EAGAIN);
	}
	close_both();
	sim_end();
	sim_begin(SIM_FLAT);
	return reached;
}

static void what_is_overwritten_is_not_handed_out(void **state)
{
	(void)state;
	for (uint64_t n = 0; is_overwritten(8, false, n); n++)
		;
	for (uint64_t n = 0; is_overwritten(80, true, n); n++)
		;
	for (uint64_t n = 0; is_overwritten(200, true, n); n++)
		;
}

/* Verdicts go to the module once, though what is claimed with them has vanished. */
static void verdicts_count_once(void **state)
{
	struct ipcchan_message m, other;
	struct ipcchan_done done = { .message = &m, .result = 77 };

	(void)state;
	open_both(16, 4);
	send_n(tx, 1);
	send_n(tx, 2);
	assert_ok(ipcchan_receive(rx, &m, 0));
	vanish(2);
	assert_error(ipcchan_claim(rx, &done, 1, &other, 1, 0), EAGAIN);
	assert_ok(done.result);
	assert_null(m.data);
	assert_int_equal(stats_of(rx).holds, 0);
	assert_int_equal(nr_retired(), 2);
	close_both();
}

static void *claim_for_ever(void *arg)
{
	struct ipcchan_message m;

	*(ssize_t *)arg = ipcchan_claim(rx, NULL, 0, &m, 1, FOREVER);
	return NULL;
}

/* While another thread is in it nothing is taken. */
static void verdicts_of_a_busy_port(void **state)
{
	struct ipcchan_message m;
	struct ipcchan_done done = { .message = &m };
	pthread_t thread;
	ssize_t claimed;
	uint64_t bit;

	(void)state;
	open_both(16, 4);
	send_n(tx, 1);
	assert_ok(ipcchan_receive(rx, &m, 0));
	assert_ok(pthread_create(&thread, NULL, claim_for_ever, &claimed));
	do
		bit = __atomic_load_n(&roster()->sleeping_receivers, __ATOMIC_ACQUIRE);
	while (!bit);
	assert_error(ipcchan_claim(rx, &done, 1, NULL, 0, 0), EBUSY);
	assert_int_equal(number_in(&m), 1);
	send_n(tx, 2);
	pthread_join(thread, NULL);
	assert_int_equal(claimed, 1);
	assert_ok(ipcchan_release(rx, &m));
	close_both();
}

static void verdicts_of_a_port_that_has_ended(void **state)
{
	static struct ipcchan_message m[150];
	static struct ipcchan_done done[150];
	struct ipcchan_info info = { .size = sizeof(info) };

	(void)state;
	open_both(256, 200);
	for (uint64_t i = 0; i < 150; i++)
		send_n(tx, i);
	assert_int_equal(ipcchan_receive_batch(rx, m, 150, 0), 150);
	for (int i = 0; i < 150; i++)
		done[i] = (struct ipcchan_done){ .message = &m[i], .result = 77 };
	assert_ok(ipcchan_port_info(rx, &info));
	assert_ok(sim_evict(NAME, info.port_id));
	assert_error(ipcchan_claim(rx, done, 150, NULL, 0, 0), ESHUTDOWN);
	for (int i = 0; i < 150; i++) {
		assert_error(done[i].result, ESHUTDOWN);
		assert_null(m[i].data);
	}
	assert_int_equal(stats_of(rx).holds, 0);
	ipcchan_port_close(rx);
	rx = open_queue(RECEIVE);
	assert_ok(ipcchan_receive(rx, &m[0], 0));
	assert_int_equal(m[0].deliveries, 2);
	close_both();
}

static void releases_all_or_none(void **state)
{
	static struct ipcchan_message m[101];

	(void)state;
	open_both(256, 200);
	for (uint64_t i = 0; i < 100; i++)
		send_n(tx, i);
	assert_int_equal(ipcchan_receive_batch(rx, m, 100, 0), 100);
	m[100] = m[3];
	assert_error(ipcchan_release_batch(rx, m, 101), EINVAL);
	m[100].id = 199;
	assert_error(ipcchan_release_batch(rx, m, 101), EINVAL);
	assert_int_equal(stats_of(rx).holds, 100);
	assert_ok(ipcchan_release_batch(rx, m, 100));
	assert_int_equal(stats_of(rx).holds, 0);
	close_both();
}

static void *send_for_ever(void *arg)
{
	uint64_t n = 0;

	do
		*(int *)arg = ipcchan_send(tx, &n, sizeof(n), FOREVER);
	while (!*(int *)arg);
	return NULL;
}

/* Who polls for room sees that the channel goes, and does not poll to the end. */
static void who_polls_for_room_sees_the_end(void **state)
{
	struct ipcchan_options o;
	pthread_t thread;
	uint64_t begin;
	int rc;

	(void)state;
	ipcchan_options_init(&o);
	o.flags = IPCCHAN_OPEN_SPIN_FIXED;
	o.spin_ns = (uint64_t)(20000 * MS);
	rx = open_queue(RECEIVE);
	tx = open_as(SEND, &o);
	assert_ok(pthread_create(&thread, NULL, send_for_ever, &rc));
	while (!stats_of(tx).full)
		usleep(1000);
	usleep(10000);
	begin = ipcchan_device_now();
	assert_ok(ipcchan_delete(NAME, NULL));
	pthread_join(thread, NULL);
	assert_error(rc, ESHUTDOWN);
	assert_in_range(ipcchan_device_now() - begin, 0, 10000 * MS);
	assert_int_equal(sim_calls().waits, 0);
	close_both();
}

/* Of a batch only what is too long counts as refused. */
static void a_long_one_among_short_ones(void **state)
{
	struct iovec buffers[9];
	struct ipcchan_message m[9];
	struct ipcchan_options o;
	char longer[200] = "x";
	uint64_t n[9];

	(void)state;
	ipcchan_options_init(&o);
	o.max_deliveries = 3;
	rx = open_as(RECEIVE, &o);
	tx = open_as(SEND, &o);
	for (int i = 0; i < 9; i++)
		buffers[i] = (struct iovec){ &n[i], i < 6 ? 8 : 200 };
	assert_ok(ipcchan_send(tx, longer, sizeof(longer), 0));
	for (uint64_t i = 1; i <= 7; i++)
		send_n(tx, i);
	assert_int_equal(ipcchan_recv_batch(rx, buffers, m, 9, 0), 3);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(n[i], i + 1);
		assert_int_equal(m[i].length, 8);
		assert_int_equal(m[i].deliveries, 1);
	}
	assert_int_equal(ipcchan_recv_batch(rx, buffers, m, 1, 0), -EMSGSIZE);
	assert_int_equal(m[0].length, 200);
	assert_int_equal(m[0].deliveries, 2);
	assert_int_equal(ipcchan_recv_batch(rx, buffers, m, 9, 0), 3);
	assert_int_equal(n[2], 6);
	assert_int_equal(m[2].deliveries, 1);
	/* three times too long: dead */
	assert_int_equal(ipcchan_recv_batch(rx, buffers, m, 9, 0), 1);
	assert_int_equal(n[0], 7);
	assert_error(ipcchan_recv_batch(rx, buffers, m, 9, 0), EAGAIN);
	close_both();
}

static void lose_the_first(void)
{
	vanish(1);
}

/* What vanishes while a batch is copied is not in it, and what follows moves up. */
static void a_batch_without_what_vanished(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct iovec buffers[3];
	struct ipcchan_message m[3];
	uint64_t n;
	ssize_t rc;

	(void)state;
	open_both(16, 4);
	buffer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint64_t i = 0; i < 3; i++) {
		buffers[i] = (struct iovec){ buffer + 8 * i, 8 };
		send_n(tx, i);
	}
	preempt_begin_at(buffer, page, 0, lose_the_first);
	rc = ipcchan_recv_batch(rx, buffers, m, 3, 0);
	preempt_end();
	assert_int_equal(rc, 2);
	for (uint64_t i = 0; i < 2; i++) {
		memcpy(&n, buffer + 8 * i, sizeof(n));
		assert_int_equal(n, i + 1);
		assert_int_equal(m[i].sequence, sender_slot(0)->base + 2 + i);
	}
	munmap(buffer, page);
	close_both();
}

static void outlive_the_lease(void)
{
	usleep(20000);
}

/* Nor what another has by the time it is acknowledged. */
static void a_batch_that_was_too_late(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ipcchan_options o;
	struct ipcchan_message m[3];
	struct iovec buffers[3];
	ssize_t rc;

	(void)state;
	ipcchan_options_init(&o);
	o.lease_ns = (uint64_t)(10 * MS);
	rx = open_as(RECEIVE, &o);
	tx = open_as(SEND, &o);
	buffer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint64_t i = 0; i < 3; i++) {
		buffers[i] = (struct iovec){ buffer + 8 * i, 8 };
		send_n(tx, i);
	}
	preempt_begin_at(buffer, page, 0, outlive_the_lease);
	rc = ipcchan_recv_batch(rx, buffers, m, 3, 0);
	preempt_end();
	assert_error(rc, ESTALE);
	assert_int_equal(ipcchan_recv_batch(rx, buffers, m, 3, 0), 3);
	assert_int_equal(m[2].deliveries, 2);
	munmap(buffer, page);
	close_both();
}

static struct ipcchan_port *second;

static void evict_the_second(void)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	assert_ok(ipcchan_port_info(second, &info));
	assert_ok(sim_evict(NAME, info.port_id));
}

/* Of three the second's sender goes after that was copied: the third moves up. */
static void a_batch_without_what_was_taken_away(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ipcchan_message m[3];
	struct iovec buffers[3];
	uint64_t n[2];
	ssize_t rc;

	(void)state;
	open_both(16, 4);
	second = open_queue(SEND);
	buffer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint64_t i = 0; i < 2; i++)
		buffers[i] = (struct iovec){ n, sizeof(n[0]) };
	buffers[1].iov_base = &n[1];
	buffers[2] = (struct iovec){ buffer, 8 };
	send_n(tx, 1);
	send_n(tx, 3);
	send_n(second, 2);
	/* in turn */
	preempt_begin_at(buffer, page, 0, evict_the_second);
	rc = ipcchan_recv_batch(rx, buffers, m, 3, 0);
	preempt_end();
	assert_int_equal(rc, 2);
	assert_int_equal(n[0] + n[1], 4);
	assert_int_equal(m[0].sender, 0);
	assert_int_equal(m[1].sender, 0);
	assert_int_equal(m[1].length, 8);
	munmap(buffer, page);
	ipcchan_port_close(second);
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_vanishes_keeps_nobody),
		test(what_vanishes_drowns_no_signal),
		test(what_vanishes_in_the_copy),
		test(what_is_overwritten_is_not_handed_out),
		test(verdicts_count_once),
		test(verdicts_of_a_busy_port),
		test(verdicts_of_a_port_that_has_ended),
		test(releases_all_or_none),
		test(who_polls_for_room_sees_the_end),
		test(a_long_one_among_short_ones),
		test(a_batch_without_what_vanished),
		test(a_batch_that_was_too_late),
		test(a_batch_without_what_was_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
