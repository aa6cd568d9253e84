// SPDX-License-Identifier: GPL-2.0
/*
 * Lies in one's own pages, one at a time: what a hostile port writes there
 * spoils its own messages, and honest peers go on. A sender that makes no sense
 * is named, and read no more.
 *
 * What breaks these: a check missing in makes_sense(), a word of a peer used
 * without being clamped (read_cursor(), mark()), a kernel that believes a
 * cursor (ipcchan_ring_next_base()), a sleep that a lie ends at once, for ever.
 */
#include <errno.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "honest.h"
#include "peers.h"

/* Of a sender. */
FIXTURE(liar) {
	struct honest s;
	struct raw_port evil;
};

FIXTURE_VARIANT(liar) {
	uint32_t offset;
	uint32_t length;
	uint16_t flags;
	uint32_t files;
	uint64_t reserved;
	uint64_t add;		/* to the sequence */
	uint64_t bits;		/* set in it */
	bool blank;		/* it is 0 */
	int verdict;		/* of a receiver */
};

#define LIE(what, ...)   FIXTURE_VARIANT_ADD(liar, what) { .verdict = -EPROTO, __VA_ARGS__ }
#define BLANK(what, ...) FIXTURE_VARIANT_ADD(liar, what) { .verdict = -EAGAIN, __VA_ARGS__ }

LIE(offset_beyond_the_arena, .offset = HONEST_ARENA, .length = 100);
LIE(offset_far_beyond, .offset = UINT32_MAX, .length = 100);
LIE(end_beyond_the_arena, .offset = HONEST_ARENA - 100, .length = 101);
LIE(sum_wraps, .offset = UINT32_MAX - 99, .length = 100);
LIE(offset_of_a_short_one, .offset = 1, .length = 1);
LIE(offset_far_of_a_short_one, .offset = UINT32_MAX - 9, .length = 10);
LIE(offset_of_the_longest_inside, .offset = 1, .length = IPCCHAN_INSIDE);
LIE(longer_than_max_message, .length = HONEST_MOST + 1);
LIE(longest, .length = UINT32_MAX);
LIE(all_ones, .offset = UINT32_MAX, .length = UINT32_MAX);
LIE(empty_beyond_the_arena, .offset = HONEST_ARENA + 1, .length = 0);
LIE(flag, .length = 1, .flags = 1);
LIE(last_flag, .length = 1, .flags = 0x8000);
LIE(files, .length = 1, .files = IPCCHAN_MAX_FILES + 1);
LIE(most_files, .length = 1, .files = UINT32_MAX);
LIE(reserved, .length = 1, .reserved = 1);
LIE(last_reserved, .length = 1, .reserved = 1ull << 63);
LIE(skips_one, .length = 1, .add = 1);
LIE(skips_a_lap, .length = 1, .add = HONEST_DEPTH);
LIE(skips_far, .length = 1, .add = 1ull << 40);
LIE(another_slots_number, .length = 1, .add = 1ull << IPCCHAN_SEQ_SLOT_SHIFT);
LIE(void_in_block, .length = 1, .bits = IPCCHAN_SEQ_VOID);
/* These say that there is nothing. */
BLANK(steps_back, .length = 1, .add = -1ull);
BLANK(a_lap_behind, .length = 1, .add = -(uint64_t)HONEST_DEPTH);
BLANK(zero, .length = 1, .blank = true);
/* This one is no lie: the control. */
FIXTURE_VARIANT_ADD(liar, the_truth) { .offset = HONEST_ARENA - HONEST_MOST, .length = HONEST_MOST };

FIXTURE_SETUP(liar)
{
	ASSERT_EQ(0, honest_open(&self->s));
	ASSERT_EQ(0, raw_open(&self->evil, self->s.name, IPCCHAN_SEND));
}

FIXTURE_TEARDOWN(liar)
{
	raw_close(&self->evil);
	EXPECT_TRUE(honest_close(&self->s));
}

static void tell(struct raw_port *evil, const FIXTURE_VARIANT(liar) *lie)
{
	struct ipcchan_desc *d = raw_desc(evil, evil->next);
	uint64_t word = lie->blank ? 0 : (evil->next + lie->add) | lie->bits;

	*d = (struct ipcchan_desc){
		.seq = d->seq,
		.offset = lie->offset,
		.length = lie->length,
		.flags = lie->flags,
		.files = lie->files,
		.reserved = lie->reserved,
	};
	ipcchan_store_release(&d->seq, word);
}

/* Receiver 1 reads by copy. */
static int take_any(struct honest *s, int i, struct ipcchan_message *m)
{
	char copy[HONEST_MOST];
	ssize_t rc;

	if (i) {
		rc = ipcchan_recv(s->rx[i], copy, HONEST_MOST, m, IPCCHAN_NO_WAIT);
		return rc < 0 ? rc : 0;
	}
	rc = ipcchan_receive(s->rx[i], m, IPCCHAN_NO_WAIT);
	return rc ? rc : ipcchan_release(s->rx[i], m);
}

TEST_F(liar, spoils_its_own_messages_only)
{
	struct honest *s = &self->s;

	/* One that is true, so that it is read at all. */
	raw_publish(&self->evil, "truth", 5, 42);
	for (int i = 0; i < 2; i++) {
		struct ipcchan_message m = { 0 };

		EXPECT_EQ(0, take_any(s, i, &m));
		EXPECT_EQ(42, m.tag);
		EXPECT_EQ(self->evil.attach.sender_slot, m.sender);
	}
	tell(&self->evil, variant);
	for (int i = 0; i < 2; i++) {
		struct ipcchan_message m = { 0 };
		int rc = take_any(s, i, &m);

		EXPECT_EQ(variant->verdict, rc);
		if (rc == -EPROTO) {
			EXPECT_EQ(self->evil.attach.sender_slot, ipcchan_port_culprit(s->rx[i]));
			EXPECT_EQ(self->evil.base,
				  ipcchan_load(&raw_peer_cursor(&self->evil, i)->closed));
		}
		/* It is said once. */
		EXPECT_EQ(-EAGAIN, take_any(s, i, &m));
	}
	EXPECT_EQ(3 * HONEST_DEPTH, honest_pass(s, 3 * HONEST_DEPTH));
}

/* A sleep among lies is a sleep: neither kernel nor library goes round and round. */
TEST_F(liar, ends_no_sleep)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct honest *s = &self->s;
	struct ipcchan_message m;
	int rc;

	tell(&self->evil, variant);
	rc = ipcchan_receive(s->rx[0], &m, SECOND_NS / 50);
	EXPECT_EQ(variant->verdict == -EAGAIN ? -ETIMEDOUT : variant->verdict, rc);
	EXPECT_EQ(-ETIMEDOUT, ipcchan_receive(s->rx[0], &m, SECOND_NS / 10));
	ASSERT_EQ(0, ipcchan_port_get_stats(s->rx[0], &stats));
	EXPECT_GE(5, stats.waits);
}

/* Who has the slot after it is not blamed. */
TEST_F(liar, leaves_a_good_slot)
{
	struct honest *s = &self->s;
	uint32_t slot = self->evil.attach.sender_slot;
	struct ipcchan_message m;
	struct ipcchan_port *next;

	tell(&self->evil, variant);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(variant->verdict, take_any(s, i, &m));
	}
	raw_close(&self->evil);
	ASSERT_EQ(0, ipcchan_open(&next, s->name, IPCCHAN_ROLE_SEND, NULL, NULL));
	EXPECT_EQ(0, send_pattern(next, 7, 100, IPCCHAN_NO_WAIT));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, take_any(s, i, &m));
		EXPECT_EQ(slot, m.sender);
		EXPECT_EQ(7, m.tag);
	}
	ipcchan_port_close(next);
}

/* Heads: only the kernel reads them, when a receiver joins. */
FIXTURE(head) {
	struct honest s;
	struct raw_port evil;
};

FIXTURE_SETUP(head)
{
	ASSERT_EQ(0, honest_open(&self->s));
	ASSERT_EQ(0, raw_open(&self->evil, self->s.name, IPCCHAN_SEND));
}

FIXTURE_TEARDOWN(head)
{
	raw_close(&self->evil);
	EXPECT_TRUE(honest_close(&self->s));
}

#define HEADS(evil) { \
	0, 1, UINT64_MAX, 1ull << 63, (evil).base - 1, (evil).base + 1, \
	(evil).base + HONEST_DEPTH + 1, (evil).base + (1ull << 40), \
	ipcchan_seq_limit((evil).attach.sender_slot), \
	ipcchan_seq_limit((evil).attach.sender_slot + 1), 0x5555555555555555, \
}
#define NR_HEADS 11

TEST_F(head, lies_deceive_nobody_else)
{
	struct honest *s = &self->s;
	const uint64_t heads[NR_HEADS] = HEADS(self->evil);

	for (size_t i = 0; i < NR_HEADS; i++) {
		struct ipcchan_stats stats = { .size = sizeof(stats) };
		struct ipcchan_port *late;
		struct ipcchan_message m;

		ipcchan_store_release(&raw_outbox(&self->evil)->head, heads[i]);
		ASSERT_EQ(0, ipcchan_open(&late, s->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
		EXPECT_EQ(-ETIMEDOUT, ipcchan_receive(late, &m, SECOND_NS / 50));
		EXPECT_EQ(0, send_pattern(s->tx, i, 100, IPCCHAN_NO_WAIT));
		EXPECT_EQ(0, ipcchan_receive(late, &m, IPCCHAN_NO_WAIT));
		EXPECT_EQ(i, m.tag);
		EXPECT_TRUE(pattern_matches(m.data, 100, i));
		EXPECT_EQ(0, ipcchan_release(late, &m));
		ASSERT_EQ(0, ipcchan_port_get_stats(late, &stats));
		EXPECT_GE(5, stats.waits);
		ipcchan_port_close(late);
		EXPECT_TRUE(honest_take(s, 0, i, 100));
		EXPECT_TRUE(honest_take(s, 1, i, 100));
	}
}

/*
 * Who joined while the head lied hears the next owner of the slot: the kernel
 * must not have believed it when it set the newcomer's cursor.
 */
TEST_F(head, lies_hide_no_later_sender)
{
	uint32_t slot = self->evil.attach.sender_slot;
	struct ipcchan_port *late, *next;
	struct ipcchan_message m;

	for (size_t i = 0; i < NR_HEADS; i++) {
		const uint64_t heads[NR_HEADS] = HEADS(self->evil);

		ipcchan_store_release(&raw_outbox(&self->evil)->head, heads[i]);
		ASSERT_EQ(0, ipcchan_open(&late, self->s.name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
		raw_close(&self->evil);
		ASSERT_EQ(0, ipcchan_open(&next, self->s.name, IPCCHAN_ROLE_SEND, NULL, NULL));
		EXPECT_EQ(0, send_pattern(next, i, 100, IPCCHAN_NO_WAIT));
		EXPECT_EQ(0, ipcchan_receive(late, &m, SECOND_NS / 5));
		EXPECT_EQ(i, m.tag);
		EXPECT_EQ(slot, m.sender);
		ipcchan_port_close(late);
		EXPECT_TRUE(honest_take(&self->s, 0, i, 100));
		EXPECT_TRUE(honest_take(&self->s, 1, i, 100));
		ipcchan_port_close(next);
		ASSERT_EQ(0, raw_open(&self->evil, self->s.name, IPCCHAN_SEND));
		ASSERT_EQ(slot, self->evil.attach.sender_slot);
	}
}

TEST_HARNESS_MAIN
