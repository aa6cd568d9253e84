// SPDX-License-Identifier: GPL-2.0
/*
 * What a queue owes its senders: room, and to be told of it, whoever leaves or
 * hangs; and their bytes, when they have left.
 *
 * What breaks these: ipcchan_queue_pay() where it lacks, claimers that leave
 * (claim.c), items that nobody frees (member.c), who keeps what is stale (lease.c,
 * stall.c), sequences beyond a slot's last (queue.c).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "queue.h"

#define LIMIT	120

FIXTURE(room) {
	struct bench b;
};

FIXTURE_SETUP(room)
{
	bench_init(&self->b);
}

FIXTURE_TEARDOWN(room)
{
	EXPECT_TRUE(bench_close(&self->b));
}

/* What it had claimed was the last delivery: its room is there, and counted. */
TEST_F_TIMEOUT(room, last_delivery_leaves, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	b->args.max_deliveries = 1;
	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	for (uint64_t n = 1; n <= 2; n++) {
		put(&b->tx[0], n, 0);
		ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
		if (n == 1)
			leave(&b->rx[0]);
		else
			ASSERT_EQ(0, evict(b->name, b->rx[0].attach.port_id));
		EXPECT_TRUE(is_retired(&b->tx[0], claim.sequence));
		EXPECT_EQ(n, retired(&b->tx[0]));
		EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], retired(&b->tx[0]), 0, 0));
		leave(&b->rx[0]);
		ASSERT_EQ(0, raw_open(&b->rx[0], b->name, IPCCHAN_RECEIVE));
	}
}

/* Another has acknowledged it since; the last who could read it leaves. */
TEST_F_TIMEOUT(room, last_stale_claim_leaves, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed first, second;

	b->args.lease_ns = slow_kernel() ? SECOND : 200 * MS;
	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &first));
	ASSERT_EQ(1, claim_call(&b->rx[1], NULL, 0, &second, 1, FOREVER));
	ASSERT_EQ(0, judge(&b->rx[1], second.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(0, retired(&b->tx[0]));
	leave(&b->rx[0]);
	EXPECT_TRUE(is_retired(&b->tx[0], first.sequence));
	EXPECT_EQ(1, retired(&b->tx[0]));
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 1, 0, 0));
}

/* More claims than are given back at once. */
TEST_F_TIMEOUT(room, many_claims_leave, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[IPCCHAN_CLAIM_MOST];
	uint32_t n = 5 * IPCCHAN_CLAIM_MOST;

	b->args.geometry.depth = 512;
	b->args.geometry.holds = n;
	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	for (uint32_t i = 0; i < n; i++)
		put(&b->tx[0], i, 0);
	for (uint32_t i = 0; i < n; i += IPCCHAN_CLAIM_MOST)
		ASSERT_EQ(IPCCHAN_CLAIM_MOST,
			  claim_call(&b->rx[0], NULL, 0, claims, IPCCHAN_CLAIM_MOST, 0));
	leave(&b->rx[0]);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(i, work(&b->rx[1]));
	EXPECT_EQ(n, retired(&b->tx[0]));
}

/* Verdicts that fail, among some that do not: each has its own result. */
TEST_F_TIMEOUT(room, verdicts_that_fail, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[4];
	struct ipcchan_verdict v[IPCCHAN_CLAIM_MOST] = {};

	ASSERT_EQ(0, bench_open(b));
	for (int i = 0; i < 4; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(4, claim_call(&b->rx[0], NULL, 0, claims, 4, 0));
	for (uint32_t i = 0; i < IPCCHAN_CLAIM_MOST; i++)
		v[i].sequence = i % 16 ? (3ull << IPCCHAN_SEQ_SLOT_SHIFT) + 77 :
					 claims[i / 16].sequence;
	ASSERT_EQ(0, claim_call(&b->rx[0], v, IPCCHAN_CLAIM_MOST, NULL, 0, 0));
	for (uint32_t i = 0; i < IPCCHAN_CLAIM_MOST; i++)
		EXPECT_EQ(i % 16 ? -ENOENT : 0, v[i].result);
	EXPECT_EQ(4, retired(&b->tx[0]));
}

/* A slot's sequences are used up, and its sender goes on: nothing more is taken from it. */
TEST_F_TIMEOUT(room, beyond_the_last_sequence, LIMIT)
{
	unsigned long long first = param_get("first_sequence");
	struct bench *b = &self->b;
	uint64_t last = ipcchan_seq_limit(0);
	uint64_t n = 0;

	ASSERT_EQ(0, param_set("first_sequence", IPCCHAN_SEQ_COUNT - 40));
	EXPECT_EQ(0, bench_open(b));
	EXPECT_EQ(0, param_set("first_sequence", first));
	ASSERT_EQ(0, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	while (b->tx[0].next <= last) {
		put(&b->tx[0], n, 0);
		ASSERT_EQ(n++, work(&b->rx[0]));
	}
	put(&b->tx[0], n, 0);
	put(&b->tx[0], n, 0);
	put(&b->tx[1], 77, 0);
	EXPECT_EQ(77, work(&b->rx[0]));
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
	EXPECT_EQ(0, poll_for(&b->rx[0], POLLIN, 0));
	EXPECT_EQ(n, retired(&b->tx[0]));
}

/* A sender that has closed all is charged for nothing, whoever keeps what. */
TEST_F_TIMEOUT(room, bytes_of_who_has_left, LIMIT)
{
	struct bench *b = &self->b;
	unsigned long long before, after = 0;

	b->args.geometry.depth = 65536;
	ASSERT_EQ(0, bench_open(b));
	leave(&b->tx[0]);
	before = param_get("bytes");
	ASSERT_EQ(0, raw_open(&b->tx[0], b->name, IPCCHAN_SEND));
	EXPECT_GT(param_get("bytes"), before);
	ASSERT_EQ(0, drop_channel(b->name));
	leave(&b->tx[0]);
	for (int i = 0; i < 100; i++) {
		after = param_get("bytes");
		if (after <= before)
			break;
		sleep_ms(20);
	}
	EXPECT_LE(after, before);
}

/* A receiver that hangs, with a lease: it keeps the message's place. */
FIXTURE(hang) {
	struct bench b;
	uint64_t lease;
	uint64_t kept;		/* the sequence of what it keeps */
};

/* rx[0] hangs with the first message, rx[1] has acknowledged it; the ring is full. */
static int hang(FIXTURE_DATA(hang) *self)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	int err;

	put(&b->tx[0], 0, 0);
	err = claim_one(&b->rx[0], &claim);
	self->kept = claim.sequence;
	if (!err && claim_call(&b->rx[1], NULL, 0, &claim, 1, FOREVER) != 1)
		err = -EPROTO;
	if (!err)
		err = judge(&b->rx[1], self->kept, IPCCHAN_ACKNOWLEDGE, 0);
	for (int i = 1; i < 4 && !err; i++) {
		put(&b->tx[0], i, 0);
		err = work(&b->rx[1]) == i ? 0 : -EPROTO;
	}
	return err;
}

FIXTURE_SETUP(hang)
{
	bench_init(&self->b);
	self->lease = slow_kernel() ? SECOND : 200 * MS;
	self->b.args.lease_ns = self->lease;
	self->b.args.geometry.depth = 4;
	ASSERT_EQ(0, bench_open(&self->b));
	ASSERT_EQ(0, raw_open(&self->b.rx[1], self->b.name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, hang(self));
}

FIXTURE_TEARDOWN(hang)
{
	EXPECT_TRUE(bench_close(&self->b));
}

static uint32_t reason(const struct raw_port *p)
{
	struct ipcchan_peer peer;

	return call_peer(p->fd, 0, 0, &peer) ? ~0u : peer.reason;
}

/* Its place lacks, and its sender waits: it is evicted, after four leases; nobody else is. */
TEST_F_TIMEOUT(hang, evicted_for_a_place, LIMIT)
{
	struct bench *b = &self->b;
	uint64_t began = now_ns();
	struct ipcchan_claimed claim;

	EXPECT_EQ(0, wait_room(&b->tx[0], 3, self->kept, began + 60 * SECOND));
	EXPECT_GE(now_ns() - began, 2 * self->lease);
	EXPECT_TRUE(is_retired(&b->tx[0], self->kept));
	EXPECT_EQ(4, retired(&b->tx[0]));
	EXPECT_EQ(-ESHUTDOWN, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(IPCCHAN_REASON_STALLED, reason(&b->rx[0]));
	put(&b->tx[0], 9, 0);
	EXPECT_EQ(9, work(&b->rx[1]));
}

/* Or bytes lack. */
TEST_F_TIMEOUT(hang, evicted_for_bytes, LIMIT)
{
	struct bench *b = &self->b;

	EXPECT_EQ(0, wait_room(&b->tx[0], 3, 0, now_ns() + 60 * SECOND));
	EXPECT_TRUE(is_retired(&b->tx[0], self->kept));
	EXPECT_EQ(IPCCHAN_REASON_STALLED, reason(&b->rx[0]));
}

/* Nobody waits, or for something else: it stays. */
TEST_F_TIMEOUT(hang, left_alone, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	sleep_ms(8 * self->lease / MS);
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 3, self->kept - 1, now_ns() + 4 * self->lease));
	EXPECT_EQ(-ESTALE, judge(&b->rx[0], self->kept, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason(&b->rx[0]));
	EXPECT_EQ(4, retired(&b->tx[0]));
}

/* What nobody else has done is not the fault of who had it first. */
TEST_F_TIMEOUT(hang, not_done, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	uint64_t kept;

	ASSERT_EQ(-ESTALE, judge(&b->rx[0], self->kept, IPCCHAN_ACKNOWLEDGE, 0));
	put(&b->tx[0], 4, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	kept = claim.sequence;
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 4, kept, now_ns() + 8 * self->lease));
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason(&b->rx[0]));
	EXPECT_EQ(4, work(&b->rx[1]));
	EXPECT_EQ(0, wait_room(&b->tx[0], 4, kept, now_ns() + 60 * SECOND));
	EXPECT_EQ(IPCCHAN_REASON_STALLED, reason(&b->rx[0]));
}

TEST_HARNESS_MAIN
