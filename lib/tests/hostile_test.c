/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Peers that write what they like, and ports that are taken away. */
#include <pthread.h>
#include <sched.h>

#include "check.h"


/* A descriptor of sender 0, as an honest one would have written it. */
static struct ipcchan_desc *forge(uint64_t n)
{
	uint64_t seq = sender_slot(0)->base + n;
	struct ipcchan_desc *desc = desc_of(0, seq);

	memset(desc, 0, sizeof(*desc));
	desc->length = 8;
	desc->seq = seq;
	return desc;
}

static struct ipcchan_desc *forge_long(uint64_t n, uint32_t offset, uint32_t length)
{
	struct ipcchan_desc *desc = forge(n);

	desc->offset = offset;
	desc->length = length;
	return desc;
}

static void forged_is_received(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message message;
	static char all[ARENA];

	(void)state;
	forge(1);
	assert_int_equal(recv_number(rx), 0);
	forge(2)->length = 0;
	assert_int_equal(ipcchan_recv(rx, NULL, 0, NULL, 0), 0);
	forge(3)->length = IPCCHAN_INSIDE;
	assert_int_equal(ipcchan_recv(rx, all, sizeof(all), NULL, 0), IPCCHAN_INSIDE);
	forge_long(4, ARENA - IPCCHAN_INSIDE - 1, IPCCHAN_INSIDE + 1);
	assert_int_equal(ipcchan_recv(rx, all, sizeof(all), NULL, 0), IPCCHAN_INSIDE + 1);
	forge_long(5, 0, ARENA);
	assert_int_equal(ipcchan_recv(rx, all, sizeof(all), NULL, 0), ARENA);
	/* the last byte that there is, in place */
	forge_long(6, ARENA - 100, 100);
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_int_equal(((const uint8_t *)message.data)[99], 0);
	assert_ok(ipcchan_release(rx, &message));
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* Each of these makes no sense: that sender is closed, the other goes on. */
static void spoil(struct ipcchan_desc *d, int how)
{
	switch (how) {
	case 0: d->offset = 1; break;
	case 1: d->offset = UINT32_MAX; break;
	case 2: d->offset = UINT32_MAX - 7; break;
	case 3: d->length = 81, d->offset = ARENA - 80; break;
	case 4: d->length = 81, d->offset = UINT32_MAX - 80; break;
	case 5: d->length = ARENA + 1; break;
	case 6: d->length = UINT32_MAX; break;
	case 7: d->length = ARENA, d->offset = 1; break;
	case 8: d->flags = 1; break;
	case 9: d->files = 17; break;
	case 10: d->reserved = 1; break;
	case 11: d->reserved = 1ull << 63; break;
	case 12: d->length = 0, d->offset = 1; break;
	case 13: d->seq |= IPCCHAN_SEQ_VOID; break;
	case 14: d->seq += 8; break;
	case 15: d->seq += 1; break;
	case 16: d->seq += 1ull << 40; break;
	case 17: d->seq = IPCCHAN_SEQ_VOID - 1; break;
	default: break;
	}
}

#define SPOILED	18

static void refuse_one(int how)
{
	struct ipcchan_port *rx = open_port(RECEIVE);
	struct ipcchan_port *bad = open_port(SEND), *good = open_port(SEND);

	assert_ok(send_number(good, 1));
	spoil(forge(1), how);
	assert_error(recv_number(rx), EPROTO);
	assert_int_equal(ipcchan_port_culprit(rx), 0);
	assert_int_equal(cursor_of(0, 0)->closed, sender_slot(0)->base);
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
	for (int how = 0; how < SPOILED; how++) {
		refuse_one(how);
		sim_end();
		sim_begin(SIM_FLAT);
	}
}

/* Longer than a message may be, though the arena has room for it. */
static void longer_than_allowed_is_refused(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_port *rx, *tx;
	char data[2000];

	(void)state;
	options_small(&options);
	options.max_message = 1000;
	rx = open_with(RECEIVE, &options);
	tx = open_with(SEND, &options);
	forge_long(1, 0, 1000);
	assert_int_equal(ipcchan_recv(rx, data, sizeof(data), NULL, 0), 1000);
	forge_long(2, 0, 1001);
	assert_error(ipcchan_recv(rx, data, sizeof(data), NULL, 0), EPROTO);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void old_words_are_not_there_yet(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx;

	(void)state;
	sim_set_base(NAME, 0, 1000);
	tx = open_port(SEND);
	forge(1)->seq = 0;
	assert_error(recv_number(rx), EAGAIN);
	forge(1)->seq = sender_slot(0)->base - 7;
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
	while (!ipcchan_load(&roster()->sleeping_senders))
		sched_yield();
	ipcchan_store(&desc_of(0, sender_slot(0)->base + 1)->flags, 1);
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
	while (!ipcchan_load(&roster()->sleeping_receivers))
		sched_yield();
	for (int i = 0; i < 20; i++)
		assert_ok(send_number(tx, 0));
	assert_int_equal(sim_calls().kicks, 0);
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
	assert_ok(send_long(tx, 1));
	assert_ok(ipcchan_receive(rx, &held, 0));
	forge(2)->flags = 1;
	assert_error(recv_number(rx), EPROTO);
	ipcchan_port_close(tx);
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_DRAINING);
	assert_error(recv_number(rx), EPIPE);
	assert_ok(ipcchan_release(rx, &held));
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_EMPTY);
	ipcchan_port_close(rx);
}

static void lying_cursors_are_clamped(void **state)
{
	struct ipcchan_port *honest = open_port(RECEIVE), *liar = open_port(RECEIVE);
	struct ipcchan_port *tx = open_port(SEND);
	struct ipcchan_cursor *c = cursor_of(1, 0);

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
	c->closed = sender_slot(0)->base;
	assert_int_equal(fill_with_numbers(tx), 8);
	ipcchan_port_close(liar);
	ipcchan_port_close(honest);
	ipcchan_port_close(tx);
}

static void fill_with_long(struct ipcchan_port *tx)
{
	while (!send_long(tx, 1))
		;
}

/* It can pin as many messages as it has holds, and no more. */
static void lying_holds_pin_no_more_than_they_may(void **state)
{
	struct ipcchan_port *liar = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint64_t base = sender_slot(0)->base;
	uint64_t *holds = holds_of(0);

	(void)state;
	for (uint64_t n = 1; n <= 1000; n++) {
		assert_ok(send_long(tx, 1));
		cursor_of(0, 0)->passed = base + n;
		for (uint64_t i = 0; i < 4; i++)
			holds[i] = base + n * (i + 7) * 2654435761u % (n + 3);
	}
	for (int i = 0; i < 4; i++)
		holds[i] = base + 1000;
	fill_with_long(tx);
	cursor_of(0, 0)->passed = base + 1008;
	assert_ok(send_long(tx, 0));
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_in_range(stats.arena_used, 256, (4 + 8) * 256);
	for (int i = 0; i < 4; i++)
		holds[i] = i ? UINT64_MAX : base;
	fill_with_long(tx);
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_in_range(stats.arena_used, 256, 8 * 256);
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
	sim_restless(true);
	assert_error(send_number(tx, 0), EAGAIN);
	assert_in_range(sim_calls().waits, 1, 4);
	assert_error(ipcchan_send(tx, NULL, 0, MS), ETIMEDOUT);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static uint32_t id_of(struct ipcchan_port *port)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	assert_ok(ipcchan_port_info(port, &info));
	return info.port_id;
}

static void evicted_sender_is_told(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_loan loan;

	(void)state;
	assert_ok(send_number(tx, 1));
	assert_ok(ipcchan_reserve(tx, 8, &loan, 0));
	assert_int_equal(ipcchan_port_gone(tx), IPCCHAN_GONE_NOT);
	assert_ok(sim_evict(NAME, id_of(tx)));
	assert_error(ipcchan_commit(tx, &loan), ESHUTDOWN);
	assert_error(send_number(tx, 3), ESHUTDOWN);
	assert_error(ipcchan_send(tx, NULL, 0, FOREVER), ESHUTDOWN);
	assert_error(ipcchan_reserve(tx, 8, &loan, 0), ESHUTDOWN);
	assert_error(ipcchan_port_peers(tx, RECEIVE), ESHUTDOWN);
	assert_int_equal(ipcchan_port_gone(tx), IPCCHAN_GONE_EVICTED);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void evicted_receiver_is_told(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message held, more[2];
	struct iovec piece = { NULL, 0 };

	(void)state;
	assert_ok(send_long(tx, 1));
	assert_ok(ipcchan_receive(rx, &held, 0));
	assert_ok(send_long(tx, 2));
	assert_ok(sim_evict(NAME, id_of(rx)));
	assert_error(recv_number(rx), ESHUTDOWN);
	assert_error(ipcchan_receive(rx, &more[0], FOREVER), ESHUTDOWN);
	assert_error(ipcchan_receive_batch(rx, more, 2, FOREVER), ESHUTDOWN);
	assert_error(ipcchan_recv_batch(rx, &piece, more, 1, FOREVER), ESHUTDOWN);
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
	struct ipcchan_message held, next;
	uint64_t kicks;

	(void)state;
	assert_ok(send_long(tx, 1));
	assert_ok(send_long(tx, 2));
	assert_ok(ipcchan_receive(rx, &held, 0));
	assert_ok(sim_evict(NAME, id_of(tx)));
	ipcchan_port_close(tx);
	assert_error(recv_number(rx), EPIPE);
	tx = open_port(SEND);
	assert_error(recv_number(rx), EAGAIN);
	assert_int_equal(stats_of(rx).lost, 1);
	assert_ok(send_long(tx, 3));
	assert_ok(ipcchan_receive(rx, &next, 0));
	assert_int_equal(next.sequence, sender_slot(0)->base + 1);
	assert_int_equal(next.lost, 1);
	assert_ok(ipcchan_release(rx, &held));
	ipcchan_port_close(tx);
	kicks = sim_calls().kicks;
	assert_error(recv_number(rx), EPIPE);
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_DRAINING);
	assert_int_equal(sim_calls().kicks, kicks);
	assert_ok(ipcchan_release(rx, &next));
	assert_int_equal(sim_calls().kicks, kicks + 1);
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_EMPTY);
	ipcchan_port_close(rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(forged_is_received),
		test(nonsense_is_refused),
		test(longer_than_allowed_is_refused),
		test(old_words_are_not_there_yet),
		test(closed_sender_waits_no_more),
		test(closed_sender_does_not_kick),
		test(closed_sender_is_drained),
		test(lying_cursors_are_clamped),
		test(lying_holds_pin_no_more_than_they_may),
		test(restless_receiver_does_not_keep_us),
		test_apart(evicted_sender_is_told),
		test_apart(evicted_receiver_is_told),
		test(slot_may_change_hands_under_a_hold),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
