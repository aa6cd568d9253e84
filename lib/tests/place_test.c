/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Messages in place, the short way there and what leaves it (place.h). */
#include "check.h"
#include "preempt.h"

#define BLOCK	(ARENA / 4)

static struct ipcchan_port *rx, *tx;

static void open_both(void)
{
	rx = open_port(RECEIVE);
	tx = open_port(SEND);
}

static void close_both(void)
{
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void send_block(uint8_t fill)
{
	struct ipcchan_loan loan;

	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	memset(loan.data, fill, BLOCK);
	assert_ok(ipcchan_commit(tx, &loan));
}

static void take_block(uint8_t fill, struct ipcchan_message *message)
{
	assert_ok(ipcchan_receive(rx, message, 0));
	assert_int_equal(message->length, BLOCK);
	assert_int_equal(*(const uint8_t *)message->data, fill);
	assert_int_equal(*((const uint8_t *)message->data + BLOCK - 1), fill);
}

static void take_and_release(uint8_t fill)
{
	struct ipcchan_message message;

	take_block(fill, &message);
	assert_ok(ipcchan_release(rx, &message));
	assert_null(message.data);
}

static void pass_on(uint8_t fill)
{
	send_block(fill);
	take_and_release(fill);
}

static uint64_t blocks_used(void)
{
	return stats_of(tx).arena_used / BLOCK;
}

static void goes_round(void **state)
{
	struct ipcchan_message message;
	struct ipcchan_loan loan;

	(void)state;
	open_both();
	for (int i = 0; i < 100; i++)
		pass_on((uint8_t)i);
	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	loan.tag = 42;
	loan.priority = 7;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_int_equal(message.tag, 42);
	assert_int_equal(message.priority, 7);
	assert_int_equal(message.time_ns, 0);
	assert_int_equal(message.sender, 0);
	assert_int_equal(message.sequence, sender_slot(0)->base + 101);
	assert_int_equal(message.lost, 0);
	assert_int_equal(holds_of(0)[message.id], message.sequence);
	assert_int_equal(cursor_of(0, 0)->passed, message.sequence);
	assert_ok(ipcchan_release(rx, &message));
	assert_error(ipcchan_release(rx, &message), EINVAL);
	assert_int_equal(cursor_of(0, 0)->released, 101);
	assert_int_equal(stats_of(tx).loans, 0);
	assert_int_equal(stats_of(tx).sent_bytes, 101 * BLOCK);
	assert_int_equal(stats_of(rx).holds, 0);
	assert_int_equal(stats_of(rx).received_bytes, 101 * BLOCK);
	assert_error(ipcchan_receive(rx, &message, 0), EAGAIN);
	close_both();
}

static void leaves_the_short_way(void **state)
{
	struct ipcchan_message held[4], message;
	struct ipcchan_loan loan;
	char text[8];

	(void)state;
	open_both();
	pass_on(0);
	assert_error(ipcchan_reserve(tx, BLOCK, &loan, -2), EINVAL);
	assert_error(ipcchan_reserve(tx, ARENA + 1, &loan, 0), EMSGSIZE);
	assert_error(ipcchan_reserve(rx, BLOCK, &loan, 0), EPERM);
	assert_error(ipcchan_receive(tx, &message, 0), EPERM);
	/* a short one, and one that is less than was reserved */
	assert_ok(ipcchan_send(tx, "short", 6, 0));
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_string_equal(message.data, "short");
	assert_ok(ipcchan_release(rx, &message));
	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	assert_error(ipcchan_commit(rx, &loan), EPERM);
	loan.length = LONG;
	assert_ok(ipcchan_commit(tx, &loan));
	assert_int_equal(ipcchan_recv(rx, text, sizeof(text), &message, 0), -EMSGSIZE);
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_int_equal(message.length, LONG);
	assert_error(ipcchan_release(tx, &message), EPERM);
	assert_ok(ipcchan_release(rx, &message));
	/* as many as may be held */
	for (int i = 0; i < 4; i++) {
		assert_ok(send_long(tx, (uint8_t)i));
		assert_ok(ipcchan_receive(rx, &held[i], 0));
	}
	assert_ok(send_long(tx, 4));
	assert_error(ipcchan_receive(rx, &message, 0), ENOBUFS);
	for (int i = 0; i < 4; i++) {
		assert_true(is_long(&held[i], (uint8_t)i));
		assert_ok(ipcchan_release(rx, &held[i]));
	}
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_true(is_long(&message, 4));
	close_both();
}

/* A place that is lent is one again when the loan has ended, but for who has nobody to send to. */
static void nobody_is_there_any_more(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_loan loan, other;

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_NEED_PEER;
	tx = open_with(SEND, &options);
	rx = open_port(RECEIVE);
	pass_on(1);
	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	assert_ok(ipcchan_reserve(tx, BLOCK, &other, 0));
	ipcchan_port_close(rx);
	assert_error(send_number(tx, 1), EPIPE);
	assert_ok(ipcchan_commit(tx, &loan));
	assert_error(send_number(tx, 1), EPIPE);
	ipcchan_abort(tx, &other);
	assert_error(ipcchan_reserve(tx, BLOCK, &loan, 0), EPIPE);
	rx = open_port(RECEIVE);
	pass_on(2);
	close_both();
}

/* Stamped, as with every other call. */
static void stamps_if_asked(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_message message;

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_TIMESTAMPS;
	rx = open_port(RECEIVE);
	tx = open_with(SEND, &options);
	pass_on(1);
	send_block(2);
	take_block(2, &message);
	assert_int_not_equal(message.time_ns, 0);
	close_both();
}

/* A descriptor of sender 0, as it would be if the sender were honest. */
static struct ipcchan_desc *forge(uint64_t n)
{
	uint64_t seq = sender_slot(0)->base + n;
	struct ipcchan_desc *desc = desc_of(0, seq);

	*desc = (struct ipcchan_desc){ .length = BLOCK, .offset = BLOCK, .seq = seq };
	return desc;
}

static void spoil(struct ipcchan_desc *d, int how)
{
	switch (how) {
	case 0: d->offset = ARENA - BLOCK + 1; break;
	case 1: d->offset = UINT32_MAX; break;
	case 2: d->offset = UINT32_MAX - BLOCK + 1; break;
	case 3: d->length = ARENA + 1; break;
	case 4: d->length = UINT32_MAX; break;
	case 5: d->length = IPCCHAN_INSIDE; break;
	case 6: d->flags = 1; break;
	case 7: d->files = IPCCHAN_MAX_FILES + 1; break;
	case 8: d->files = 1u << 31; break;
	case 9: d->reserved = 1; break;
	case 10: d->seq |= IPCCHAN_SEQ_VOID; break;
	case 11: d->seq += 8; break;
	default: break;
	}
}

static void nothing_is_held(void)
{
	assert_int_equal(stats_of(rx).holds, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(holds_of(0)[i], 0);
}

#define SPOILED	12

/* When it has been read from before: the way there is the short one. */
static void nonsense_is_refused(void **state)
{
	struct ipcchan_message message;

	(void)state;
	for (int how = 0; how < SPOILED; how++) {
		open_both();
		pass_on(0);
		forge(2)->priority = 5;
		assert_ok(ipcchan_receive(rx, &message, 0));
		assert_int_equal(message.priority, 5);
		assert_ok(ipcchan_release(rx, &message));
		spoil(forge(3), how);
		assert_error(ipcchan_receive(rx, &message, 0), EPROTO);
		assert_int_equal(ipcchan_port_culprit(rx), 0);
		assert_int_equal(cursor_of(0, 0)->closed, sender_slot(0)->base);
		nothing_is_held();
		close_both();
		sim_end();
		sim_begin(SIM_FLAT);
	}
}

/* While a receiver looks at it, a sender writes another descriptor over it. */
static void write_over(void)
{
	struct ipcchan_desc *desc = forge(2);

	desc->offset = UINT32_MAX;
	desc->length = UINT32_MAX;
	desc->flags = UINT16_MAX;
	desc->tag = 666;
	desc->seq += 8;
}

static bool change_before(uint64_t n, int *taken)
{
	struct ipcchan_message message;
	bool reached;
	int rc;

	open_both();
	pass_on(1);
	send_block(2);
	preempt_begin(n, write_over);
	rc = ipcchan_receive(rx, &message, 0);
	reached = preempt_end();
	if (!rc) {
		assert_int_equal(message.tag, 0);
		assert_int_equal(message.length, BLOCK);
		assert_int_equal(*(const uint8_t *)message.data, 2);
		assert_int_equal(holds_of(0)[message.id], message.sequence);
		++*taken;
	} else {
		assert_error(rc, EPROTO);
		nothing_is_held();
	}
	close_both();
	sim_end();
	sim_begin(SIM_FLAT);
	return reached;
}

static void changed_while_it_is_read(void **state)
{
	uint64_t n = 0;
	int taken = 0;

	(void)state;
	while (change_before(n, &taken))
		n++;
	assert_in_range(n, 10, 100);
	assert_in_range(taken, 3, n - 5);
}

/* What a sender asleep awaits: how often is it kicked for a message taken, and given back? */
static void await(uint64_t sequence, uint64_t taken, uint64_t released)
{
	struct ipcchan_message message;
	uint64_t kicks = sim_calls().kicks;

	send_block(2);
	sender_slot(0)->await = sequence;
	roster()->sleeping_senders = 1;
	take_block(2, &message);
	assert_int_equal(sim_calls().kicks - kicks, taken);
	assert_ok(ipcchan_release(rx, &message));
	assert_int_equal(sim_calls().kicks - kicks, taken + released);
	roster()->sleeping_senders = 0;
}

static void wakes_a_sender(void **state)
{
	uint64_t base;

	(void)state;
	open_both();
	base = sender_slot(0)->base;
	pass_on(1);
	await(0, 1, 1);
	await(base + 3, 1, 0);
	await(base + 3, 0, 0);
	await(base + 6, 0, 0);
	close_both();
}

static void wakes_a_receiver(void **state)
{
	uint64_t kicks;

	(void)state;
	open_both();
	pass_on(1);
	roster()->sleeping_receivers = 1;
	kicks = sim_calls().kicks;
	send_block(2);
	assert_int_equal(sim_calls().kicks - kicks, 1);
	roster()->sleeping_receivers = 0;
	take_and_release(2);
	close_both();
}

/* What is free is taken back when the next would lack room, not when it does. */
static void reclaims_ahead(void **state)
{
	struct ipcchan_message first;

	(void)state;
	open_both();
	for (int round = 0; round < 3; round++) {
		/* of the round before its last is still there */
		for (uint64_t i = round ? 1 : 0; i < 3; i++) {
			pass_on(3);
			assert_int_equal(blocks_used(), i + 1);
		}
		pass_on(3);
		assert_int_equal(blocks_used(), 1);
	}
	send_block(4);
	take_block(4, &first);
	pass_on(5);
	pass_on(6);
	assert_int_equal(blocks_used(), 2);
	assert_int_equal(*(const uint8_t *)first.data, 4);
	assert_ok(ipcchan_release(rx, &first));
	close_both();
}

/* Who is ahead by all the room there is looks once for a message, not twice. */
static void looks_once_for_a_message(void **state)
{
	struct ipcchan_loan loan;

	(void)state;
	open_both();
	for (int i = 0; i < 4; i++)
		send_block((uint8_t)i);
	assert_error(ipcchan_reserve(tx, BLOCK, &loan, 0), EAGAIN);
	take_and_release(0);
	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	take_and_release(1);
	assert_ok(ipcchan_commit(tx, &loan));
	assert_int_equal(blocks_used(), 4);
	send_block(5);
	assert_int_equal(blocks_used(), 4);
	close_both();
}

/* Not by a list of receivers that is not the newest. */
static void a_newcomer_is_waited_for(void **state)
{
	struct ipcchan_port *newcomer;
	struct ipcchan_loan loan;

	(void)state;
	open_both();
	for (int i = 0; i < 3; i++)
		pass_on(1);
	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	newcomer = open_port(RECEIVE);
	assert_ok(ipcchan_commit(tx, &loan));
	assert_int_equal(blocks_used(), 4);
	send_block(2);
	assert_int_equal(blocks_used(), 2);
	ipcchan_port_close(newcomer);
	close_both();
}

/* Where messages may be dropped none is, before its room is needed. */
static void drops_nothing_ahead(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_message message;
	struct ipcchan_loan loan;

	(void)state;
	options_small(&options);
	options.overflow = IPCCHAN_DROP_OLDEST;
	options.receivers = 1;
	options.senders = 1;
	options.holds = 1;
	options.max_message = BLOCK;
	options.arena = 3 * BLOCK;
	rx = open_with(RECEIVE, &options);
	tx = open_with(SEND, &options);
	for (uint8_t i = 0; i < 3; i++)
		send_block(i);
	assert_int_equal(blocks_used(), 3);
	for (uint8_t i = 0; i < 3; i++)
		take_and_release(i);
	assert_int_equal(stats_of(rx).lost, 0);
	for (uint8_t i = 0; i < 4; i++)
		send_block(i);
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_int_equal(message.lost, 1);
	assert_ok(ipcchan_reserve(tx, BLOCK, &loan, 0));
	assert_ok(ipcchan_commit(tx, &loan));
	assert_int_equal(*(const uint8_t *)message.data, 1);
	close_both();
}

/* Room that was found ahead is room for who waits for many ports. */
static void ahead_is_ready(void **state)
{
	struct ipcchan_ready one = { .events = IPCCHAN_READY_SEND };
	struct ipcchan_loan loans[2], more;

	(void)state;
	open_both();
	one.port = tx;
	send_block(1);
	send_block(2);
	assert_ok(ipcchan_reserve(tx, BLOCK, &loans[0], 0));
	assert_ok(ipcchan_reserve(tx, BLOCK, &loans[1], 0));
	assert_error(ipcchan_reserve(tx, BLOCK, &more, 0), EAGAIN);
	assert_error(ipcchan_wait(&one, 1, 0), ETIMEDOUT);
	take_and_release(1);
	take_and_release(2);
	assert_ok(ipcchan_commit(tx, &loans[0]));
	assert_int_equal(blocks_used(), 4);
	assert_ok(ipcchan_commit(tx, &loans[1]));
	assert_int_equal(blocks_used(), 2);
	assert_int_equal(ipcchan_wait(&one, 1, 0), 1);
	assert_int_equal(one.ready, IPCCHAN_READY_SEND);
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(goes_round),
		test(leaves_the_short_way),
		test(nobody_is_there_any_more),
		test(stamps_if_asked),
		test(nonsense_is_refused),
		test(changed_while_it_is_read),
		test(wakes_a_sender),
		test(wakes_a_receiver),
		test(reclaims_ahead),
		test(looks_once_for_a_message),
		test(a_newcomer_is_waited_for),
		test(drops_nothing_ahead),
		test(ahead_is_ready),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
