// SPDX-License-Identifier: GPL-2.0
/*
 * Room, to the message and the byte: what runs out first, the ring or the
 * arena, what a sender is told, and when there is room again.
 *
 * What breaks these: miscounting places or loans in find_room(), freeing what
 * one of two receivers has not passed, EAGAIN where waiting would never end.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

FIXTURE(room) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct ipcchan_port *tx;
	struct ipcchan_port *rx;
	struct ipcchan_message m;
};

FIXTURE_VARIANT(room) {
	uint32_t depth;
	uint64_t arena;
	uint64_t length;	/* of each message */
	uint32_t fit;		/* so many */
	int nothing;		/* what then becomes of an empty message */
};

FIXTURE_VARIANT_ADD(room, depth_1) {
	.depth = 1, .arena = 65536, .length = 64, .fit = 1, .nothing = -EAGAIN,
};

FIXTURE_VARIANT_ADD(room, ring_first) {
	.depth = 8, .arena = 65536, .length = 64, .fit = 8, .nothing = -EAGAIN,
};

FIXTURE_VARIANT_ADD(room, arena_first) {
	.depth = 256, .arena = 65536, .length = 8192, .fit = 8, .nothing = 0,
};

FIXTURE_VARIANT_ADD(room, one_fills_the_arena) {
	.depth = 256, .arena = 65536, .length = 65536, .fit = 1, .nothing = 0,
};

FIXTURE_VARIANT_ADD(room, both_at_once) {
	.depth = 16, .arena = 65536, .length = 4096, .fit = 16, .nothing = -EAGAIN,
};

/* Empty messages need no arena: only the ring counts. */
FIXTURE_VARIANT_ADD(room, empty_messages) {
	.depth = 4096, .arena = 4096, .length = 0, .fit = 4096, .nothing = -EAGAIN,
};

FIXTURE_VARIANT_ADD(room, deepest) {
	.depth = IPCCHAN_MAX_DEPTH, .arena = IPCCHAN_MAX_DEPTH * 64, .length = 64,
	.fit = IPCCHAN_MAX_DEPTH, .nothing = -EAGAIN,
};

FIXTURE_SETUP(room)
{
	struct ipcchan_options options;
	struct ipcchan_error error;

	accounts_read(&self->before);
	unique_name(self->name, "room");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.depth = variant->depth;
	options.arena = variant->arena;
	ASSERT_EQ(0, ipcchan_open(&self->rx, self->name, IPCCHAN_ROLE_RECEIVE, &options, &error))
		TH_LOG("%s", error.text);
	ASSERT_EQ(0, ipcchan_open(&self->tx, self->name, IPCCHAN_ROLE_SEND, NULL, &error))
		TH_LOG("%s", error.text);
}

FIXTURE_TEARDOWN(room)
{
	ipcchan_port_close(self->tx);
	ipcchan_port_close(self->rx);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Sends until it is refused: how many went, and the refusal. */
static uint32_t fill(struct ipcchan_port *tx, uint64_t first, size_t length, int *refusal)
{
	uint32_t n = 0;

	for (;; n++) {
		*refusal = send_pattern(tx, first + n, length, IPCCHAN_NO_WAIT);
		if (*refusal)
			return n;
	}
}

static bool take(struct ipcchan_port *rx, uint64_t tag, size_t length)
{
	struct ipcchan_message m;

	return !ipcchan_receive(rx, &m, IPCCHAN_NO_WAIT) && m.tag == tag && m.length == length &&
	       pattern_matches(m.data, length, tag) && !ipcchan_release(rx, &m);
}

/* Takes those from @first on, up to the first that is not as it should be; their number. */
static uint32_t take_many(struct ipcchan_port *rx, uint64_t first, uint32_t most, size_t length)
{
	uint32_t n = 0;

	while (n < most && take(rx, first + n, length))
		n++;
	return n;
}

TEST_F_TIMEOUT(room, is_counted_exactly, 120)
{
	uint32_t fit = variant->fit;
	int rc;

	EXPECT_EQ(fit, fill(self->tx, 0, variant->length, &rc));
	EXPECT_EQ(-EAGAIN, rc);
	/* One out, one in. */
	EXPECT_TRUE(take(self->rx, 0, variant->length));
	EXPECT_EQ(1, fill(self->tx, fit, variant->length, &rc));
	EXPECT_EQ(-EAGAIN, rc);
	EXPECT_EQ(fit, take_many(self->rx, 1, fit, variant->length));
	EXPECT_EQ(-EAGAIN, ipcchan_receive(self->rx, &self->m, IPCCHAN_NO_WAIT));
	/* All out, all in. */
	EXPECT_EQ(fit, fill(self->tx, 0, variant->length, &rc));
}

TEST_F(room, an_empty_message_needs_a_place_only)
{
	int rc;

	fill(self->tx, 0, variant->length, &rc);
	EXPECT_EQ(variant->nothing, send_pattern(self->tx, 1, 0, IPCCHAN_NO_WAIT));
}

/* Waiting takes the time asked for, and no message is lost or doubled by it. */
TEST_F(room, waiting_ends_in_time)
{
	struct timespec begin, end;
	double ms;
	int rc;

	fill(self->tx, 0, variant->length, &rc);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	EXPECT_EQ(-ETIMEDOUT, send_pattern(self->tx, 0, variant->length, SECOND_NS / 10));
	clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6;
	EXPECT_LE(99, ms);
	EXPECT_GE(10000, ms);
	EXPECT_EQ(variant->fit, take_many(self->rx, 0, variant->fit, variant->length));
	EXPECT_EQ(-EAGAIN, ipcchan_receive(self->rx, &self->m, IPCCHAN_NO_WAIT));
}

/* The slowest receiver counts. */
TEST_F_TIMEOUT(room, all_receivers_must_pass, 120)
{
	struct ipcchan_port *slow;
	int rc;

	ASSERT_EQ(0, ipcchan_open(&slow, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	fill(self->tx, 0, variant->length, &rc);
	EXPECT_EQ(variant->fit, take_many(self->rx, 0, variant->fit, variant->length));
	EXPECT_EQ(-EAGAIN, send_pattern(self->tx, 0, variant->length, IPCCHAN_NO_WAIT));
	EXPECT_TRUE(take(slow, 0, variant->length));
	EXPECT_EQ(1, fill(self->tx, variant->fit, variant->length, &rc));
	/* Its leaving makes room. */
	ipcchan_port_close(slow);
	EXPECT_EQ(variant->fit - 1, fill(self->tx, variant->fit + 1, variant->length, &rc));
	EXPECT_TRUE(take(self->rx, variant->fit, variant->length));
}

/* Nobody but the loans has anything: waiting would have no end. */
TEST_F(room, all_on_loan_is_no_wait)
{
	struct ipcchan_loan *loans = calloc(variant->fit, sizeof(*loans)), one;
	uint32_t n = 0;

	ASSERT_NE(NULL, loans);
	while (n < variant->fit &&
	       !ipcchan_reserve(self->tx, variant->length, &loans[n], IPCCHAN_NO_WAIT))
		n++;
	EXPECT_EQ(variant->fit, n);
	EXPECT_EQ(-ENOBUFS, ipcchan_reserve(self->tx, variant->length, &one,
					    IPCCHAN_WAIT_FOREVER_NS));
	ipcchan_abort(self->tx, &loans[0]);
	EXPECT_EQ(0, ipcchan_reserve(self->tx, variant->length, &loans[0], IPCCHAN_NO_WAIT));
	while (n--)
		ipcchan_abort(self->tx, &loans[n]);
	free(loans);
}

TEST_HARNESS_MAIN
