/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Who comes and goes: what is lost with a sender whose slot another has, and the
 * words by which a receiver that sleeps says what it awaits.
 */
#include "feed.h"

static struct ipcchan_options options;

/* One slot for senders: a newcomer takes what the last has left unread. */
static struct feed_reader only_slot(uint32_t overflow)
{
	options_small(&options);
	options.overflow = overflow;
	options.senders = 1;
	options.receivers = 2;
	options.holds = 2;
	options.arena = 0;
	options.max_message = FEED_LONGEST;
	return (struct feed_reader){ .port = open_with(RECEIVE, &options) };
}

/* Somebody comes, sends so many, and leaves. */
static void pass_by(uint64_t n)
{
	struct feed tx = { .port = open_with(SEND, &options), .longest = FEED_LONGEST };

	while (n--)
		assert_ok(feed_send(&tx));
	ipcchan_port_close(tx.port);
}

/* Of each sender as many are read; in the end every message was read, or is lost. */
static void counts_with(uint64_t sends, uint64_t reads)
{
	struct feed_reader rx = only_slot(IPCCHAN_DROP_OLDEST);
	struct ipcchan_port *stay;
	uint64_t sent = 0;

	for (uint64_t i = 0; i < 10; i++) {
		pass_by(sends + i);
		sent += sends + i;
		rx.next[0] = 0;
		for (uint64_t j = 0; j < reads; j++) {
			struct ipcchan_message message;
			uint8_t data[FEED_LONGEST];

			if (ipcchan_recv(rx.port, data, sizeof(data), &message, 0) < 0)
				break;
			rx.received++;
		}
	}
	stay = open_with(SEND, &options);
	assert_error(recv_number(rx.port), EAGAIN);
	assert_int_equal(rx.received + stats_of(rx.port).lost, sent);
	ipcchan_port_close(stay);
	ipcchan_port_close(rx.port);
}

static void counts_what_was_given_up(void **state)
{
	(void)state;
	for (uint64_t sends = 0; sends < 20; sends += 3) {
		counts_with(sends, 0);	/* some of them it has never seen */
		counts_with(sends, 1);
		counts_with(sends, 4);
		counts_with(sends, 100);
	}
}

/* What was before its time is not lost to who comes late. */
static void counts_from_when_it_came(void **state)
{
	struct feed_reader first = only_slot(IPCCHAN_DROP_OLDEST), late;
	struct ipcchan_port *stay;

	(void)state;
	pass_by(5);
	while (!feed_recv(&first))
		;
	assert_int_equal(sender_slot(0)->state, IPCCHAN_SLOT_EMPTY);
	late = (struct feed_reader){ .port = open_with(RECEIVE, &options) };
	assert_int_equal(stats_of(late.port).lost, 0);
	pass_by(3);
	stay = open_with(SEND, &options);
	assert_error(recv_number(late.port), EAGAIN);
	assert_error(recv_number(first.port), EAGAIN);
	assert_int_equal(stats_of(late.port).lost, 3);
	assert_int_equal(stats_of(first.port).lost, 3);
	ipcchan_port_close(stay);
	ipcchan_port_close(late.port);
	ipcchan_port_close(first.port);
}

/* It came while one was leaving, and missed the next altogether. */
static void counts_the_next_of_who_was_leaving(void **state)
{
	struct feed_reader first = only_slot(IPCCHAN_DROP_OLDEST), late;
	struct ipcchan_port *stay;

	(void)state;
	pass_by(5);
	late = (struct feed_reader){ .port = open_with(RECEIVE, &options) };
	pass_by(3);
	stay = open_with(SEND, &options);
	assert_error(recv_number(late.port), EAGAIN);
	assert_error(recv_number(first.port), EAGAIN);
	assert_int_equal(stats_of(late.port).lost, 3);
	assert_int_equal(stats_of(first.port).lost, 8);
	ipcchan_port_close(stay);
	ipcchan_port_close(late.port);
	ipcchan_port_close(first.port);
}

/* Only who is evicted loses anything where nothing is dropped. */
static void loses_by_eviction(void **state)
{
	struct feed_reader rx = only_slot(IPCCHAN_BLOCK);
	struct ipcchan_info info = { .size = sizeof(info) };
	struct feed tx = { .port = open_with(SEND, &options), .longest = FEED_LONGEST };
	struct ipcchan_message message;

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_ok(feed_send(&tx));
	assert_ok(feed_recv(&rx));
	assert_ok(feed_recv(&rx));
	assert_ok(ipcchan_port_info(tx.port, &info));
	assert_ok(sim_evict(NAME, info.port_id));
	ipcchan_port_close(tx.port);
	assert_error(feed_recv(&rx), EPIPE);
	tx = (struct feed){ .port = open_with(SEND, &options), .longest = FEED_LONGEST };
	assert_error(feed_recv(&rx), EAGAIN);
	assert_int_equal(stats_of(rx.port).lost, 4);
	/* and it is told with the next that is taken from that slot */
	assert_ok(feed_send(&tx));
	assert_ok(ipcchan_receive(rx.port, &message, 0));
	assert_int_equal(message.lost, 4);
	assert_ok(ipcchan_release(rx.port, &message));
	ipcchan_port_close(tx.port);
	ipcchan_port_close(rx.port);
}

/* A sender that was closed for what it said is not counted, whatever it says it sent. */
static void does_not_count_nonsense(void **state)
{
	struct feed_reader rx = only_slot(IPCCHAN_DROP_OLDEST);
	struct ipcchan_port *tx = open_with(SEND, &options);

	(void)state;
	assert_ok(send_number(tx, 1));
	desc_of(0, sender_slot(0)->base + 1)->flags = 1;
	outbox_of(0)->head += 1000;
	assert_error(recv_number(rx.port), EPROTO);
	ipcchan_port_close(tx);
	tx = open_with(SEND, &options);
	assert_ok(send_number(tx, 2));
	assert_int_equal(recv_number(rx.port), 2);
	assert_int_equal(stats_of(rx.port).lost, 0);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx.port);
}

/* As if the receiver in slot 0 slept, awaiting that. */
static void sleep_for(uint64_t await)
{
	receiver_slot(0)->await = await;
	roster()->sleeping_receivers = 1;
}

/* After how many messages is it kicked? 0: not within a hundred. */
static uint64_t kicked_after(struct ipcchan_port *tx)
{
	uint64_t kicks = sim_calls().kicks;

	for (uint64_t n = 1; n <= 100; n++) {
		assert_ok(send_number(tx, n));
		if (sim_calls().kicks != kicks)
			return n;
		/* that there is room is its doing, too: it must not be thought awake for it */
		if (n % 4 == 0 && cursor_of(0, 0)->passed < outbox_of(0)->head)
			cursor_of(0, 0)->passed = outbox_of(0)->head - 1;
	}
	return 0;
}

static void kicks_when_enough_is_there(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);

	(void)state;
	sleep_for(0);
	assert_int_equal(kicked_after(tx), 1);
	cursor_of(0, 0)->passed = outbox_of(0)->head;
	sleep_for(1ull << 32 | 1);
	assert_int_equal(kicked_after(tx), 1);
	cursor_of(0, 0)->passed = outbox_of(0)->head;
	sleep_for(2ull << 32 | 5);
	assert_int_equal(kicked_after(tx), 5);
	/* the same word says no more than before: it goes on being kicked */
	assert_int_equal(kicked_after(tx), 1);
	/* another word begins anew */
	cursor_of(0, 0)->passed = outbox_of(0)->head;
	sleep_for(3ull << 32 | 20);
	assert_int_equal(kicked_after(tx), 20);
	cursor_of(0, 0)->passed = outbox_of(0)->head;
	sleep_for(4ull << 32 | IPCCHAN_AWAIT_COUNT);
	assert_int_equal(kicked_after(tx), 0);
	/* who has taken the newest is asleep since then */
	cursor_of(0, 0)->passed = outbox_of(0)->head + 100;
	sleep_for(0);
	assert_int_equal(kicked_after(tx), 0);
	roster()->sleeping_receivers = 0;
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* A batch counts from before its first. */
static void counts_batches_whole(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct iovec one[8] = { { NULL, 0 } };
	uint64_t kicks = sim_calls().kicks;

	(void)state;
	sleep_for(1ull << 32 | 4);
	assert_int_equal(ipcchan_send_batch(tx, one, 3, 0), 3);
	assert_int_equal(sim_calls().kicks, kicks);
	assert_int_equal(ipcchan_send_batch(tx, one, 1, 0), 1);
	assert_int_equal(sim_calls().kicks, kicks + 1);
	cursor_of(0, 0)->passed = outbox_of(0)->head;
	sleep_for(2ull << 32 | 4);
	assert_int_equal(ipcchan_send_batch(tx, one, 8, 0), 8);
	assert_int_equal(sim_calls().kicks, kicks + 2);
	roster()->sleeping_receivers = 0;
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(counts_what_was_given_up),
		test(counts_from_when_it_came),
		test(counts_the_next_of_who_was_leaving),
		test(loses_by_eviction),
		test(does_not_count_nonsense),
		test(kicks_when_enough_is_there),
		test(counts_batches_whole),
	};

	return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
