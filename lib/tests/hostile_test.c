/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Peers that write what they like, and ports that are taken away. */
#include <pthread.h>
#include <sched.h>

#include "check.h"

#define ARENA	(64u << 10)

/* The next descriptor of sender 0, as an honest one would have written it. */
static struct ipcchan_desc *forge(uint64_t n)
{
	uint64_t seq = memory_sender(0)->base + n;
	struct ipcchan_desc *desc = memory_desc(0, seq);

	memset(desc, 0, sizeof(*desc));
	desc->length = 8;
	desc->seq = seq;
	return desc;
}

static void forged_is_received(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_desc *desc;

	(void)state;
	desc = forge(1);
	desc->offset = ARENA - 8;
	assert_int_equal(recv_number(rx), 0);
	desc = forge(2);
	desc->offset = ARENA;
	desc->length = 0;
	assert_int_equal(ipcchan_recv(rx, NULL, 0, NULL, 0), 0);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Each of these makes no sense: that sender is closed, the other goes on. */
static void spoil(struct ipcchan_desc *d, int how)
{
	switch (how) {
	case 0: d->offset = ARENA - 7; break;
	case 1: d->offset = UINT32_MAX; break;
	case 2: d->offset = UINT32_MAX - 6; break;
	case 3: d->length = ARENA + 1; break;
	case 4: d->length = UINT32_MAX; break;
	case 5: d->flags = 1; break;
	case 6: d->files = 1; break;
	case 7: d->reserved[0] = 1; break;
	case 8: d->reserved[1] = 1ull << 63; break;
	case 9: d->reserved[2] = 1; break;
	case 10: d->seq |= IPCCHAN_SEQ_VOID; break;
	case 11: d->seq += 8; break;
	case 12: d->seq += 1; break;
	case 13: d->seq += 1ull << 40; break;
	case 14: d->seq = IPCCHAN_SEQ_VOID - 1; break;
	default: break;
	}
}

static void refuse_one(int how)
{
	struct ipcchan_port *rx = open_port(RECEIVE);
	struct ipcchan_port *bad = open_port(SEND), *good = open_port(SEND);

	assert_ok(send_number(good, 1));
	spoil(forge(1), how);
	assert_error(recv_number(rx), EPROTO);
	assert_int_equal(ipcchan_port_culprit(rx), 0);
	assert_int_equal(memory_cursor(0, 0)->closed, memory_sender(0)->base);
	assert_int_equal(recv_number(rx), 1);
	assert_error(recv_number(rx), EAGAIN);
	/* it can still send, to whoever wants to read */
	for (int i = 0; i < 20; i++)
		assert_ok(send_number(bad, 0));
	assert_error(recv_number(rx), EAGAIN);
	ipcchan_port_close(bad);
	ipcchan_port_close(good);
	assert_error(recv_number(rx), EPIPE);
	ipcchan_port_close(rx);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	for (int how = 0; how < 15; how++) {
		refuse_one(how);
		memory_end();
		memory_begin();
	}
}

static void old_words_are_not_there_yet(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx;

	(void)state;
	memory_set_base(0, 1000);
	tx = open_port(SEND);
	forge(1)->seq = 0;
	assert_error(recv_number(rx), EAGAIN);
	forge(1)->seq = memory_sender(0)->base - 7;
	assert_error(recv_number(rx), EAGAIN);
	forge(1)->seq = IPCCHAN_SEQ_VOID;
	assert_error(recv_number(rx), EAGAIN);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void *send_blocking(void *port)
{
	return (void *)(intptr_t)ipcchan_send(port, NULL, 0, FOREVER);
}

/* A sender that waits for us is told that we read no more from it. */
static void closed_sender_waits_no_more(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	pthread_t thread;
	void *rc;

	(void)state;
	fill_with_numbers(tx);
	assert_ok(pthread_create(&thread, NULL, send_blocking, tx));
	while (!ipcchan_load(&memory_roster()->sleeping_senders))
		sched_yield();
	ipcchan_store(&memory_desc(0, memory_sender(0)->base + 1)->flags, 1);
	assert_error(recv_number(rx), EPROTO);
	pthread_join(thread, &rc);
	assert_null(rc);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void *recv_blocking(void *port)
{
	return (void *)(intptr_t)ipcchan_recv(port, NULL, 0, NULL, FOREVER);
}

/* Nor does it kick us for messages that we do not read. */
static void closed_sender_does_not_kick(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	pthread_t thread;
	void *rc;

	(void)state;
	forge(1)->flags = 1;
	assert_error(recv_number(rx), EPROTO);
	assert_ok(pthread_create(&thread, NULL, recv_blocking, rx));
	while (!ipcchan_load(&memory_roster()->sleeping_receivers))
		sched_yield();
	for (int i = 0; i < 20; i++)
		assert_ok(send_number(tx, 0));
	assert_int_equal(memory_calls().kicks, 0);
	ipcchan_port_close(tx);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -EPIPE);
	ipcchan_port_close(rx);
}

/* A closed sender that was held from: its slot goes when that is given back. */
static void closed_sender_is_drained(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held;

	(void)state;
	assert_ok(send_number(tx, 1));
	assert_ok(ipcchan_receive(rx, &held, 0));
	forge(2)->flags = 1;
	assert_error(recv_number(rx), EPROTO);
	ipcchan_port_close(tx);
	assert_int_equal(memory_sender(0)->state, IPCCHAN_SLOT_DRAINING);
	assert_error(recv_number(rx), EPIPE);
	assert_ok(ipcchan_release(rx, &held));
	assert_int_equal(memory_sender(0)->state, IPCCHAN_SLOT_EMPTY);
	ipcchan_port_close(rx);
}

static void lying_cursors_are_clamped(void **state)
{
	struct ipcchan_port *honest = open_port(RECEIVE), *liar = open_port(RECEIVE);
	struct ipcchan_port *tx = open_port(SEND);
	struct ipcchan_cursor *c = memory_cursor(1, 0);

	(void)state;
	fill_with_numbers(tx);
	c->passed = UINT64_MAX;
	assert_error(send_number(tx, 0), EAGAIN);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(honest), i);
	assert_int_equal(fill_with_numbers(tx), 8);
	c->passed = 0;
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(honest), i);
	/* it went back: what was passed stays passed, the rest is not */
	assert_int_equal(fill_with_numbers(tx), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv_number(honest), i);
	assert_error(send_number(tx, 0), EAGAIN);
	c->closed = memory_sender(0)->base;
	assert_int_equal(fill_with_numbers(tx), 8);
	ipcchan_port_close(liar);
	ipcchan_port_close(honest);
	ipcchan_port_close(tx);
}

/* It can pin as many messages as it has holds, and no more. */
static void lying_holds_pin_no_more_than_they_may(void **state)
{
	struct ipcchan_port *liar = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint64_t base = memory_sender(0)->base;
	uint64_t *holds = memory_holds(0);

	(void)state;
	for (uint64_t n = 1; n <= 1000; n++) {
		assert_ok(send_number(tx, n));
		memory_cursor(0, 0)->passed = base + n;
		for (uint64_t i = 0; i < 4; i++)
			holds[i] = base + n * (i + 7) * 2654435761u % (n + 3);
	}
	for (int i = 0; i < 4; i++)
		holds[i] = base + 1000;
	fill_with_numbers(tx);
	memory_cursor(0, 0)->passed = base + 1008;
	assert_ok(send_number(tx, 0));
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_in_range(stats.arena_used, 64, (4 + 8) * 64);
	for (int i = 0; i < 4; i++)
		holds[i] = i ? UINT64_MAX : base;
	fill_with_numbers(tx);
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_in_range(stats.arena_used, 64, 8 * 64);
	ipcchan_port_close(tx);
	ipcchan_port_close(liar);
}

/* Words that change all the time do not keep a call longer than it may take. */
static void restless_receiver_does_not_keep_us(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);

	(void)state;
	fill_with_numbers(tx);
	ipcchan_port_fd(tx);
	memory_restless();
	assert_error(send_number(tx, 0), EAGAIN);
	assert_in_range(memory_calls().waits, 1, 4);
	assert_error(ipcchan_send(tx, NULL, 0, MS), ETIMEDOUT);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void eviction_is_told(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held;
	struct ipcchan_loan loan;

	(void)state;
	assert_ok(send_number(tx, 1));
	assert_ok(ipcchan_receive(rx, &held, 0));
	assert_ok(send_number(tx, 2));
	assert_ok(ipcchan_reserve(tx, 8, &loan, 0));
	memory_evict();
	assert_error(ipcchan_commit(tx, &loan), ESHUTDOWN);
	assert_error(send_number(tx, 3), ESHUTDOWN);
	assert_error(ipcchan_send(tx, NULL, 0, FOREVER), ESHUTDOWN);
	assert_error(recv_number(rx), ESHUTDOWN);
	assert_error(ipcchan_receive(rx, &held, FOREVER), ESHUTDOWN);
	assert_ok(ipcchan_release(rx, &held));
	assert_error(ipcchan_port_peers(rx, SEND), ESHUTDOWN);
	assert_error(ipcchan_port_wait_peers(rx, SEND, 1, FOREVER), ESHUTDOWN);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* The sender of what we hold was evicted, and its slot has a new owner. */
static void slot_may_change_hands_under_a_hold(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_slot *slot = memory_sender(0);
	struct ipcchan_message held, next;

	(void)state;
	assert_ok(send_number(tx, 1));
	assert_ok(send_number(tx, 2));
	assert_ok(ipcchan_receive(rx, &held, 0));
	slot->state = IPCCHAN_SLOT_EMPTY;
	memory_roster()->sender_generation++;
	assert_error(recv_number(rx), EPIPE);
	slot->state = IPCCHAN_SLOT_ACTIVE;
	slot->base += 1000;
	memory_roster()->sender_generation++;
	assert_error(recv_number(rx), EAGAIN);
	forge(1);
	assert_ok(ipcchan_receive(rx, &next, 0));
	assert_int_equal(next.sequence, slot->base + 1);
	assert_ok(ipcchan_release(rx, &held));
	slot->state = IPCCHAN_SLOT_DRAINING;
	memory_roster()->sender_generation++;
	assert_error(recv_number(rx), EPIPE);
	assert_int_equal(memory_calls().kicks, 0);
	assert_ok(ipcchan_release(rx, &next));
	assert_int_equal(memory_calls().kicks, 1);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(forged_is_received),
		test(nonsense_is_refused),
		test(old_words_are_not_there_yet),
		test(closed_sender_waits_no_more),
		test(closed_sender_does_not_kick),
		test(closed_sender_is_drained),
		test(lying_cursors_are_clamped),
		test(lying_holds_pin_no_more_than_they_may),
		test(restless_receiver_does_not_keep_us),
		test(eviction_is_told),
		test(slot_may_change_hands_under_a_hold),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
