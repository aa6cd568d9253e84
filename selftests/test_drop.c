// SPDX-License-Identifier: GPL-2.0
/*
 * Drop-oldest, the kernel's side, with raw ports: what counts as something to
 * receive, where a newcomer begins, and where a new sender may.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	120
#define DEPTH	16
#define HISTORY	5
#define SLOTS	2

static int channel(const char *name, uint32_t flags, uint32_t overflow)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open();
	int err;

	args.flags = flags;
	args.overflow = overflow;
	args.history = HISTORY;
	args.geometry = (struct ipcchan_geometry){
		.depth = DEPTH, .senders = SLOTS, .receivers = SLOTS, .holds = 1,
		.arena = 4096, .max_message = 64,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

FIXTURE(drop) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port tx, rx, stay, other;
	struct sleeper sleeper;
};

FIXTURE_VARIANT(drop) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(drop, persistent) { .flags = IPCCHAN_CREATE_PERSISTENT };
FIXTURE_VARIANT_ADD(drop, ephemeral) { };

FIXTURE_SETUP(drop)
{
	memset(&self->other, 0, sizeof(self->other));
	memset(&self->stay, 0, sizeof(self->stay));
	accounts_read(&self->before);
	unique_name(self->name, "drop");
	ASSERT_EQ(0, channel(self->name, variant->flags, IPCCHAN_OVERFLOW_DROP_OLDEST));
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	self->sleeper = (struct sleeper){ .port = &self->rx, .flags = IPCCHAN_WAIT_RECEIVE };
}

FIXTURE_TEARDOWN(drop)
{
	leave(&self->tx);
	leave(&self->rx);
	leave(&self->other);
	leave(&self->stay);
	if (variant->flags)
		EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static void retire(const struct raw_port *tx, uint64_t sequence)
{
	ipcchan_store(&raw_desc(tx, sequence)->seq, sequence | IPCCHAN_SEQ_VOID);
}

static bool has_something(const struct raw_port *rx)
{
	return poll_for(rx, POLLIN, 0) == POLLIN &&
	       !wait_for(rx, IPCCHAN_WAIT_RECEIVE, 0, NULL);
}

static bool has_nothing(const struct raw_port *rx)
{
	return !poll_for(rx, POLLIN, 0) &&
	       wait_for(rx, IPCCHAN_WAIT_RECEIVE, 0, NULL) == -ETIMEDOUT;
}

/* Breaks it: taking the mark of a void for part of its number. */
TEST_F_TIMEOUT(drop, voids_are_there, LIMIT)
{
	for (int i = 1; i <= 3; i++)
		raw_publish(&self->tx, "a", 1, i);
	for (int i = 1; i <= 3; i++)
		retire(&self->tx, self->tx.base + i);
	EXPECT_TRUE(has_something(&self->rx));
	ipcchan_store(&raw_cursor(&self->rx, 0)->passed, self->tx.base + 2);
	EXPECT_TRUE(has_something(&self->rx));
	ipcchan_store(&raw_cursor(&self->rx, 0)->passed, self->tx.base + 3);
	EXPECT_TRUE(has_nothing(&self->rx));
}

/* A receiver that slept while all it was kicked for went: it must come and count. */
TEST_F_TIMEOUT(drop, wakes_for_a_void, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	ASSERT_TRUE(sleep_in_wait(s));
	raw_publish(&self->tx, "a", 1, 1);
	retire(&self->tx, self->tx.base + 1);
	ASSERT_EQ(0, raw_kick_receivers(&self->tx));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, s->events);
}

/* Skips what is gone, as a receiver does: how many. */
static uint64_t skip(const struct raw_port *rx, const struct raw_port *tx)
{
	struct ipcchan_cursor *c = raw_cursor(rx, 0);
	uint64_t lost = 0;

	for (;;) {
		uint64_t seq = ipcchan_passed(c->passed, tx->base) + 1;
		uint64_t word = ipcchan_load_acquire(&raw_peer_desc(rx, 0, seq)->seq);
		int64_t delta = ipcchan_seq_delta(word, seq);

		if (delta <= 0)
			return lost;
		lost += delta - DEPTH + 1;
		ipcchan_store(&c->passed, word - DEPTH);
	}
}

/* Whole laps behind, and where arithmetic leads from there. */
TEST_F_TIMEOUT(drop, overrun, LIMIT)
{
	for (int lap = 1; lap <= 3; lap++) {
		for (int i = 0; i < lap * DEPTH + 3; i++)
			raw_publish(&self->tx, "a", 1, i);
		EXPECT_TRUE(has_something(&self->rx));
		EXPECT_EQ((lap - 1) * DEPTH + 3, skip(&self->rx, &self->tx));
		for (int i = 0; i < DEPTH; i++) {
			EXPECT_TRUE(has_something(&self->rx));
			EXPECT_EQ(1, raw_take(&self->rx, 0, NULL, 0, NULL));
		}
		EXPECT_TRUE(has_nothing(&self->rx));
	}
}

/* Where it begins: with the last few, or the first, if there are not as many. */
TEST_F_TIMEOUT(drop, newcomers_begin_in_the_past, LIMIT)
{
	struct raw_port both;

	for (int n = 0; n < 3 * DEPTH; n++) {
		uint64_t back = n < HISTORY ? n : HISTORY;

		ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
		EXPECT_EQ(self->tx.base + n - back, raw_cursor(&self->other, 0)->passed);
		EXPECT_EQ(n ? POLLIN : 0, poll_for(&self->other, POLLIN, 0));
		for (uint64_t i = 0; i < back; i++) {
			uint64_t tag;

			ASSERT_EQ(1, raw_take(&self->other, 0, NULL, 0, &tag));
			EXPECT_EQ(n - back + i, tag);
		}
		EXPECT_EQ(-EAGAIN, raw_take(&self->other, 0, NULL, 0, NULL));
		leave(&self->other);
		raw_publish(&self->tx, "a", 1, n);
	}
	/* each sender's own */
	ASSERT_EQ(0, raw_open(&both, self->name, IPCCHAN_SEND));
	raw_publish(&both, "a", 1, 0);
	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(self->tx.next - 1 - HISTORY, raw_cursor(&self->other, 0)->passed);
	EXPECT_EQ(both.base, raw_cursor(&self->other, 1)->passed);
	raw_close(&both);
}

/* Breaks it: subtracting from what a sender says before it is judged. */
TEST_F_TIMEOUT(drop, lying_heads, LIMIT)
{
	const uint64_t lies[] = {
		0, 1, self->tx.base - 1, self->tx.base, self->tx.base + HISTORY - 1,
		self->tx.base + (1ull << 50), ipcchan_seq_limit(0), 1ull << 63, ~0ull,
	};
	uint64_t most = self->tx.base + (now_ns() + 60 * SECOND) / 2, passed;

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		ipcchan_store(&raw_outbox(&self->tx)->head, lies[i]);
		ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
		passed = raw_cursor(&self->other, 0)->passed;
		EXPECT_LE(self->tx.base, passed) TH_LOG("%#llx", (unsigned long long)lies[i]);
		EXPECT_GT(most, passed) TH_LOG("%#llx", (unsigned long long)lies[i]);
		EXPECT_TRUE(has_nothing(&self->other));
		leave(&self->other);
	}
}

/* What a sender leaves is there for newcomers, if the channel is to keep it. */
TEST_F_TIMEOUT(drop, newcomers_after_the_sender, LIMIT)
{
	uint64_t base = self->tx.base;

	for (int i = 0; i < 2 * HISTORY; i++)
		raw_publish(&self->tx, "a", 1, i);
	leave(&self->tx);
	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(variant->flags ? POLLIN : 0, poll_for(&self->other, POLLIN, 0));
	EXPECT_EQ(variant->flags ? base + HISTORY : 0, raw_cursor(&self->other, 0)->passed);
	EXPECT_EQ(variant->flags ? 0 : base, raw_cursor(&self->other, 0)->closed);
}

/*
 * The receiver stores its cursor without a barrier and kicks nobody: the next
 * WAIT or poll() has the outbox emptied, unless it is kept for newcomers.
 */
TEST_F_TIMEOUT(drop, what_was_read_goes, LIMIT)
{
	uint32_t then = variant->flags ? IPCCHAN_SLOT_DRAINING : IPCCHAN_SLOT_EMPTY;

	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	for (int how = 0; how < 3; how++) {
		uint32_t i = self->tx.attach.sender_slot;
		const struct ipcchan_slot *slot = raw_sender_slot(&self->rx, i);

		ASSERT_EQ(0, raw_open(&self->stay, self->name, IPCCHAN_SEND));
		raw_publish(&self->tx, "a", 1, 1);
		leave(&self->tx);
		EXPECT_EQ(1, raw_take(&self->rx, i, NULL, 0, NULL));
		EXPECT_TRUE(has_nothing(&self->rx));
		/* another needs it yet */
		EXPECT_EQ(IPCCHAN_SLOT_DRAINING, ipcchan_load(&slot->state));
		EXPECT_EQ(1, raw_take(&self->other, i, NULL, 0, NULL));
		/* the last one who could send leaves, too */
		if (how == 2)
			leave(&self->stay);
		EXPECT_EQ(how == 2 ? POLLHUP : 0,
			  how > 0 ? poll_for(&self->other, POLLIN, 0) : 0);
		EXPECT_EQ(how == 2 ? 0 : -ETIMEDOUT,
			  how != 1 ? wait_for(&self->other, IPCCHAN_WAIT_RECEIVE, 0, NULL) :
				     -ETIMEDOUT);
		EXPECT_EQ(then, ipcchan_load(&slot->state)) TH_LOG("%d", how);
		leave(&self->stay);
		ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	}
}

/*
 * A receiver is about to skip what it saw to be lost, and stores that when the
 * slot is empty already. Breaks it: a next sender that begins after what the
 * cursors show: its messages would count as passed, and wake nobody.
 */
TEST_F_TIMEOUT(drop, a_late_jump, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	uint64_t base = self->tx.base;

	sleep_ms(20);
	leave(&self->tx);
	if (ipcchan_load(&raw_sender_slot(&self->rx, 0)->state) != IPCCHAN_SLOT_EMPTY)
		ASSERT_EQ(0, evict(self->name, raw_sender_slot(&self->rx, 0)->port_id));
	ipcchan_store(&raw_cursor(&self->rx, 0)->passed, base + 20 * MS / 2 / DEPTH * DEPTH);
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, self->tx.attach.sender_slot);
	EXPECT_TRUE(has_nothing(&self->rx));
	ASSERT_TRUE(sleep_in_wait(s));
	publish_and_kick(&self->tx);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, s->events);
}

TEST_HARNESS_MAIN
