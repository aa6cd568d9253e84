// SPDX-License-Identifier: GPL-2.0
/*
 * Lies of a receiver: in its cursor, its holds, its counts. It can say that it
 * has read what it has not, which harms it alone; it can keep what it says it
 * holds, and it can stand still, as any receiver of a lossless channel can,
 * until it goes. It cannot free what others read, nor make a sender lose count,
 * wait for ever or go round and round.
 *
 * What breaks these: believing one receiver for all (read_cursors()), progress that
 * is believed to bring room, a base taken from a cursor (ipcchan_ring_next_base()).
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "honest.h"
#include "peers.h"

typedef void (*lie_fn)(const struct raw_port *evil, uint64_t base, uint64_t head);

FIXTURE(receipts) {
	struct honest h;
	struct raw_port evil;
};

FIXTURE_VARIANT(receipts) {
	lie_fn lie;
};

/* All of these let the sender go on: passed is ahead, or closed. */
static void say_passed(const struct raw_port *evil, uint64_t passed)
{
	ipcchan_store_release(&raw_cursor(evil, 0)->passed, passed);
}

static void say_holds(const struct raw_port *evil, uint64_t hold)
{
	for (uint32_t i = 0; i < HONEST_HOLDS; i++)
		ipcchan_store_release(&raw_holds(evil)[i], hold);
	say_passed(evil, UINT64_MAX);
}

#define LIE(what, code) \
	static void what(const struct raw_port *evil, uint64_t base, uint64_t head) \
	{ \
		(void)base, (void)head; \
		code; \
	} \
	FIXTURE_VARIANT_ADD(receipts, what) { .lie = what }

LIE(passed_all_ones, say_passed(evil, UINT64_MAX));
LIE(passed_top_bit, say_passed(evil, 1ull << 63 | head));
LIE(passed_one_ahead, say_passed(evil, head + 1));
LIE(passed_a_lap_ahead, say_passed(evil, head + HONEST_DEPTH));
LIE(passed_another_slots, say_passed(evil, 5ull << IPCCHAN_SEQ_SLOT_SHIFT));
LIE(passed_back_and_forth, say_passed(evil, UINT64_MAX);
	say_passed(evil, head % 2 ? UINT64_MAX : base + 1));
LIE(holds_all_ones, say_holds(evil, UINT64_MAX));
LIE(holds_one, say_holds(evil, 1));
LIE(holds_base, say_holds(evil, base));
LIE(holds_below_base, say_holds(evil, base - 1));
LIE(holds_the_next, say_holds(evil, head + 1));
LIE(holds_a_lap_ahead, say_holds(evil, head + HONEST_DEPTH));
LIE(holds_a_lap_behind, say_holds(evil, head - HONEST_DEPTH));
LIE(holds_void, say_holds(evil, head | IPCCHAN_SEQ_VOID));
LIE(holds_the_newest, say_holds(evil, head));
LIE(holds_another_slots, say_holds(evil, head | 3ull << IPCCHAN_SEQ_SLOT_SHIFT));
LIE(closed, ipcchan_store_release(&raw_cursor(evil, 0)->closed, base));
LIE(closed_another, ipcchan_store_release(&raw_cursor(evil, 0)->closed, base + 1);
	say_passed(evil, UINT64_MAX));
LIE(closed_all_ones, ipcchan_store_release(&raw_cursor(evil, 0)->closed, UINT64_MAX);
	say_passed(evil, UINT64_MAX));
LIE(released_all_ones, ipcchan_store_release(&raw_cursor(evil, 0)->released, UINT64_MAX);
	say_passed(evil, UINT64_MAX));
LIE(lost_and_reserved, ipcchan_store(&raw_cursor(evil, 0)->lost, UINT64_MAX);
	for (int i = 0; i < 4; i++)
		ipcchan_store(&raw_cursor(evil, 0)->reserved[i], UINT64_MAX);
	ipcchan_store(&raw_receipts(evil)->received, UINT64_MAX);
	say_passed(evil, UINT64_MAX));

FIXTURE_SETUP(receipts)
{
	ASSERT_EQ(0, honest_open(&self->h));
	ASSERT_EQ(0, raw_open(&self->evil, self->h.name, IPCCHAN_RECEIVE));
}

FIXTURE_TEARDOWN(receipts)
{
	raw_close(&self->evil);
	EXPECT_TRUE(honest_close(&self->h));
}

static uint64_t base_of_sender(const struct raw_port *evil)
{
	return ipcchan_load(&raw_sender_slot(evil, 0)->base);
}

TEST_F(receipts, harm_nobody_else)
{
	uint64_t base = base_of_sender(&self->evil);

	for (uint32_t i = 0; i < 20 * HONEST_DEPTH; i++) {
		variant->lie(&self->evil, base, base + i);
		ASSERT_EQ(1, honest_pass(&self->h, 1)) TH_LOG("message %u", i);
	}
}

/* What honest receivers have not read, or still hold, stays as it is. */
TEST_F(receipts, free_nothing_unread)
{
	uint64_t base = base_of_sender(&self->evil), tag = 0;
	struct ipcchan_message kept;

	for (int round = 0; round < 5; round++) {
		uint64_t first = tag;

		do {
			variant->lie(&self->evil, base, base + tag);
		} while (!send_pattern(self->h.tx, tag, 1000, IPCCHAN_NO_WAIT) && ++tag);
		ASSERT_EQ(HONEST_DEPTH, tag - first);
		ASSERT_EQ(0, ipcchan_receive(self->h.rx[0], &kept, IPCCHAN_NO_WAIT));
		EXPECT_EQ(first, kept.tag);
		for (uint64_t i = first; i < tag; i++) {
			EXPECT_TRUE(i == first || honest_take(&self->h, 0, i, 1000));
			EXPECT_TRUE(honest_take(&self->h, 1, i, 1000));
		}
		variant->lie(&self->evil, base, base + tag);
		EXPECT_EQ(0, send_pattern(self->h.tx, tag, 1000, IPCCHAN_NO_WAIT));
		EXPECT_TRUE(honest_take(&self->h, 0, tag, 1000));
		EXPECT_TRUE(honest_take(&self->h, 1, tag++, 1000));
		EXPECT_TRUE(pattern_matches(kept.data, 1000, first));
		EXPECT_EQ(0, ipcchan_release(self->h.rx[0], &kept));
	}
}

static uint32_t slot_of_sender(const struct raw_port *evil)
{
	for (uint32_t i = 0; i < HONEST_SLOTS; i++) {
		if (ipcchan_load(&raw_sender_slot(evil, i)->state) == IPCCHAN_SLOT_ACTIVE)
			return i;
	}
	return IPCCHAN_NO_SLOT;
}

/*
 * The next sender begins where nobody can confuse it. It may get another slot:
 * a receiver can always say that it has yet to read what the first one left.
 */
TEST_F(receipts, leave_a_good_slot)
{
	uint64_t base = base_of_sender(&self->evil);
	uint32_t slot;

	variant->lie(&self->evil, base, base);
	ASSERT_EQ(1, honest_pass(&self->h, 1));
	ipcchan_port_close(self->h.tx);
	self->h.tx = NULL;
	variant->lie(&self->evil, base, base + 1);
	ASSERT_EQ(0, ipcchan_open(&self->h.tx, self->h.name, IPCCHAN_ROLE_SEND, NULL, NULL));
	slot = slot_of_sender(&self->evil);
	ASSERT_GT(HONEST_SLOTS, slot);
	if (!slot) {
		EXPECT_LE(base + 1 + 2 * HONEST_DEPTH, base_of_sender(&self->evil));
	}
	/* Now it says that it has read all, and holds nothing; old lies count no more. */
	say_holds(&self->evil, 0);
	ipcchan_store_release(&raw_cursor(&self->evil, slot)->passed, UINT64_MAX);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(HONEST_DEPTH, honest_pass(&self->h, HONEST_DEPTH));
	}
}

FIXTURE(stubborn) {
	struct honest h;
	struct raw_port evil;
	bool stop;
};

FIXTURE_SETUP(stubborn)
{
	ASSERT_EQ(0, honest_open(&self->h));
	ASSERT_EQ(0, raw_open(&self->evil, self->h.name, IPCCHAN_RECEIVE));
}

FIXTURE_TEARDOWN(stubborn)
{
	raw_close(&self->evil);
	EXPECT_TRUE(honest_close(&self->h));
}

/* It holds up the sender as long as it is there: lossless is lossless. */
TEST_F(stubborn, blocks_until_it_goes)
{
	EXPECT_EQ(HONEST_DEPTH, honest_pass(&self->h, HONEST_DEPTH));
	EXPECT_EQ(-EAGAIN, send_pattern(self->h.tx, 0, 0, IPCCHAN_NO_WAIT));
	/* A cursor below the base says "nothing passed". */
	say_passed(&self->evil, base_of_sender(&self->evil) - 1);
	EXPECT_EQ(-EAGAIN, send_pattern(self->h.tx, 0, 0, IPCCHAN_NO_WAIT));
	raw_close(&self->evil);
	EXPECT_EQ(HONEST_DEPTH, honest_pass(&self->h, HONEST_DEPTH));
}

/* As many as the channel allows, and no more; they are free when it goes. */
TEST_F(stubborn, keeps_what_it_holds)
{
	uint64_t base = base_of_sender(&self->evil);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint32_t sent = 0;

	/* 16 of these fill the arena: 4 are held. */
	for (; sent < 100; sent++) {
		if (sent < HONEST_HOLDS)
			ipcchan_store_release(&raw_holds(&self->evil)[sent], base + 1 + sent);
		say_passed(&self->evil, UINT64_MAX);
		ASSERT_EQ(0, send_pattern(self->h.tx, sent, HONEST_MOST, IPCCHAN_NO_WAIT));
		ASSERT_TRUE(honest_take(&self->h, 0, sent, HONEST_MOST));
		ASSERT_TRUE(honest_take(&self->h, 1, sent, HONEST_MOST));
	}
	for (uint32_t i = 0; i < HONEST_HOLDS; i++) {
		EXPECT_TRUE(pattern_matches(self->evil.window +
					    self->evil.layout.window_outboxes +
					    self->evil.layout.arena + i * HONEST_MOST,
					    HONEST_MOST, i));
	}
	raw_close(&self->evil);
	EXPECT_EQ(2 * HONEST_DEPTH, honest_pass(&self->h, 2 * HONEST_DEPTH));
	ASSERT_EQ(0, ipcchan_port_get_stats(self->h.tx, &stats));
	EXPECT_GE(HONEST_DEPTH * HONEST_MOST, stats.arena_used);
}

static void *flap(void *arg)
{
	FIXTURE_DATA(stubborn) *self = arg;
	struct ipcchan_cursor *cursor = raw_cursor(&self->evil, 0);

	while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED))
		ipcchan_store_release(&cursor->released, cursor->released + 1);
	return NULL;
}

/* Progress without end, and never room: the sender's time is over all the same. */
TEST_F_TIMEOUT(stubborn, cannot_stretch_a_time_out, 60)
{
	pthread_t thread;
	uint64_t begin;

	EXPECT_EQ(HONEST_DEPTH, honest_pass(&self->h, HONEST_DEPTH));
	ASSERT_EQ(0, pthread_create(&thread, NULL, flap, self));
	for (int i = 0; i < 3; i++) {
		begin = now_ns();
		EXPECT_EQ(-ETIMEDOUT, send_pattern(self->h.tx, 0, 0, SECOND_NS / 5));
		EXPECT_LE(SECOND_NS / 5, now_ns() - begin);
		EXPECT_GE(10 * SECOND_NS, now_ns() - begin);
	}
	EXPECT_EQ(-EAGAIN, send_pattern(self->h.tx, 0, 0, IPCCHAN_NO_WAIT));
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* A cursor that claims the last number of the slot cannot use it up. */
TEST_F(stubborn, cannot_use_up_sequences)
{
	for (int i = 0; i < 20; i++) {
		uint64_t old = base_of_sender(&self->evil), new;

		say_passed(&self->evil, ipcchan_seq_limit(0));
		ipcchan_port_close(self->h.tx);
		self->h.tx = NULL;
		ASSERT_EQ(0, ipcchan_open(&self->h.tx, self->h.name, IPCCHAN_ROLE_SEND, NULL, NULL));
		new = base_of_sender(&self->evil);
		EXPECT_LT(old, new);
		/* One in two nanoseconds since the first sender came, and two laps. */
		EXPECT_GE(60 * SECOND_NS / 2, new - old);
		say_passed(&self->evil, UINT64_MAX);
		EXPECT_EQ(1, honest_pass(&self->h, 1));
	}
}

TEST_HARNESS_MAIN
