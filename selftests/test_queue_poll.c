// SPDX-License-Identifier: GPL-2.0
/*
 * Who polls a queue, or waits for it without claiming, is woken when something
 * became claimable, for him too; and by nothing else that others do.
 *
 * What breaks these: ipcchan_claim_wake() and what it goes by, claims that are all
 * used (look.c, claim.c).
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "queue.h"
#include "sleeper.h"

#define LIMIT	120
#define SOON	200	/* ms, in which nothing must come */
#define LATE	10000	/* ms, in which something must */

FIXTURE(poll) {
	struct bench b;
	int set;	/* edge-triggered, of rx[0] */
};

FIXTURE_SETUP(poll)
{
	bench_init(&self->b);
	self->b.args.geometry.holds = 2;
	ASSERT_EQ(0, bench_open(&self->b));
	ASSERT_EQ(0, raw_open(&self->b.rx[1], self->b.name, IPCCHAN_RECEIVE));
	self->set = make_set(&self->b.rx[0], EPOLLIN | EPOLLRDHUP | EPOLLET);
	ASSERT_LE(0, self->set);
	ASSERT_EQ(0, ask_set(self->set, 0));
}

FIXTURE_TEARDOWN(poll)
{
	close(self->set);
	EXPECT_TRUE(bench_close(&self->b));
}

/* One edge for what became READY, whatever calls another makes. */
TEST_F_TIMEOUT(poll, no_edge_by_calls, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	raw_publish(&b->tx[0], NULL, 0, 1);
	put(&b->tx[0], 2, 0);
	EXPECT_EQ(EPOLLIN, ask_set(self->set, LATE));
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, claim_call(&b->rx[1], NULL, 0, NULL, 0, 0));
		EXPECT_EQ(0, ask_set(self->set, 0));
	}
	/* nor for what another has done */
	ASSERT_EQ(0, claim_one(&b->rx[1], &claim));
	EXPECT_EQ(0, ask_set(self->set, 0));
	ASSERT_EQ(0, judge(&b->rx[1], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(0, ask_set(self->set, SOON));
	/* but for what comes back, and what comes */
	ASSERT_EQ(0, claim_one(&b->rx[1], &claim));
	ASSERT_EQ(0, judge(&b->rx[1], claim.sequence, IPCCHAN_REFUSE, 0));
	EXPECT_EQ(EPOLLIN, ask_set(self->set, LATE));
	put(&b->tx[0], 3, 0);
	EXPECT_EQ(EPOLLIN, ask_set(self->set, LATE));
}

/* The end is told once. */
TEST_F_TIMEOUT(poll, one_end, LIMIT)
{
	struct bench *b = &self->b;
	uint32_t end = EPOLLRDHUP | EPOLLHUP;
	struct ipcchan_claimed claim;

	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[1], &claim));
	ask_set(self->set, SOON);
	leave(&b->tx[0]);
	EXPECT_EQ(0, ask_set(self->set, SOON));
	ASSERT_EQ(0, judge(&b->rx[1], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(end, ask_set(self->set, LATE));
	ask_set(self->set, SOON);
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, claim_call(&b->rx[1], NULL, 0, NULL, 0, 0));
		EXPECT_EQ(0, ask_set(self->set, 0));
	}
}

/* All its claims are used: it could not have any more, and is told when it can. */
TEST_F_TIMEOUT(poll, claims_used, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[2], none;
	struct sleeper s = { .port = &b->rx[0], .flags = IPCCHAN_WAIT_RECEIVE };

	put(&b->tx[0], 1, 0);
	put(&b->tx[0], 2, 0);
	ASSERT_EQ(2, claim_call(&b->rx[0], NULL, 0, claims, 2, 0));
	ask_set(self->set, SOON);
	put(&b->tx[0], 3, 0);
	EXPECT_EQ(-ENOBUFS, claim_one(&b->rx[0], &none));
	EXPECT_EQ(0, ask_set(self->set, SOON));
	EXPECT_EQ(0, poll_for(&b->rx[0], POLLIN, 0));
	EXPECT_EQ(POLLIN, poll_for(&b->rx[1], POLLIN, 0));
	ASSERT_TRUE(sleep_in_wait(&s));
	ASSERT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_TRUE(wakes(&s));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(EPOLLIN, ask_set(self->set, LATE));
	EXPECT_EQ(3, work(&b->rx[0]));
}

TEST_HARNESS_MAIN
