// SPDX-License-Identifier: GPL-2.0
/*
 * Who sleeps in CLAIM: one wake-up a message, none lost; and senders that write
 * nonsense.
 *
 * What breaks these: ipcchan_claim_wake() and what is counted there, a bit that is
 * cleared while somebody sleeps, a return that wakes nobody, a retired message that
 * wakes no sender.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "queue.h"
#include "sleeper.h"

#define LIMIT	120
#define MANY	32

FIXTURE(wake) {
	struct bench b;
	struct raw_port many[MANY];
	struct claimer claimers[MANY];
};

FIXTURE_SETUP(wake)
{
	bench_init(&self->b);
	self->b.args.geometry.receivers = MANY + 1;
	self->b.args.geometry.depth = 64;
	ASSERT_EQ(0, bench_open(&self->b)) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(wake)
{
	for (int i = 0; i < MANY; i++)
		leave(&self->many[i]);
	EXPECT_TRUE(bench_close(&self->b));
}

static bool all_sleep(FIXTURE_DATA(wake) *self)
{
	for (int i = 0; i < MANY; i++) {
		if (raw_open(&self->many[i], self->b.name, IPCCHAN_RECEIVE))
			return false;
		self->claimers[i].port = &self->many[i];
		if (!claimer_start(&self->claimers[i]))
			return false;
	}
	return true;
}

static unsigned long switches_of(const struct claimer *c)
{
	struct sleeper s = { .tid = c->tid };

	return switches(&s);
}

/* The first come are the first woken, one for each message; the rest sleep on. */
TEST_F_TIMEOUT(wake, one_for_each, LIMIT)
{
	struct raw_port *tx = &self->b.tx[0];
	unsigned long before[MANY], woken = 0;

	ASSERT_TRUE(all_sleep(self));
	for (int i = 0; i < MANY; i++)
		before[i] = switches_of(&self->claimers[i]);
	for (int i = 0; i < 5; i++) {
		put(tx, i, 0);
		ASSERT_TRUE(claimer_ends(&self->claimers[i])) TH_LOG("%d", i);
		EXPECT_EQ(1, self->claimers[i].result);
	}
	/* several with one kick */
	for (int i = 5; i < 12; i++)
		raw_publish(tx, NULL, 0, i);
	raw_kick_receivers(tx);
	for (int i = 5; i < 12; i++) {
		ASSERT_TRUE(claimer_ends(&self->claimers[i])) TH_LOG("%d", i);
		EXPECT_EQ(1, self->claimers[i].result);
	}
	/* and kicks for nothing */
	for (int i = 0; i < 100; i++)
		call_kick(tx->fd, (1ull << (MANY + 1)) - 1, 0);
	sleep_ms(200);
	for (int i = 12; i < MANY; i++)
		woken += switches_of(&self->claimers[i]) - before[i];
	EXPECT_EQ(0, woken);
	/* who sleeps stays armed */
	EXPECT_EQ((1ull << (MANY + 1)) - (1ull << 13), raw_roster(tx)->sleeping_receivers);
	drop_channel(self->b.name);
	for (int i = 12; i < MANY; i++) {
		ASSERT_TRUE(claimer_ends(&self->claimers[i]));
		EXPECT_EQ(-ESHUTDOWN, self->claimers[i].result);
	}
}

/* What is refused, or comes back, wakes one too. */
TEST_F_TIMEOUT(wake, what_comes_back, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[3];
	struct claimer *c = self->claimers;

	for (int i = 0; i < 3; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(3, claim_call(&b->rx[0], NULL, 0, claims, 3, 0));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, raw_open(&self->many[i], b->name, IPCCHAN_RECEIVE));
		c[i].port = &self->many[i];
		ASSERT_TRUE(claimer_start(&c[i]));
	}
	ASSERT_EQ(0, judge(&b->rx[0], claims[0].sequence, IPCCHAN_REFUSE, 0));
	ASSERT_TRUE(claimer_ends(&c[0]));
	EXPECT_EQ(claims[0].sequence, c[0].claims[0].sequence);
	ASSERT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_REFUSE, 50 * MS));
	ASSERT_TRUE(claimer_ends(&c[1]));
	EXPECT_EQ(claims[1].sequence, c[1].claims[0].sequence);
	leave(&b->rx[0]);
	ASSERT_TRUE(claimer_ends(&c[2]));
	EXPECT_EQ(claims[2].sequence, c[2].claims[0].sequence);
	/* a sender that is gone before it could kick */
	raw_publish(&b->tx[0], NULL, 0, 9);
	leave(&b->tx[0]);
	ASSERT_TRUE(claimer_ends(&c[3]));
	EXPECT_EQ(9, tag_at(&self->many[3], &c[3].claims[0]));
}

/* All that is claimed is done, and no sender is there: nobody waits in vain. */
TEST_F_TIMEOUT(wake, hang_up, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	struct claimer *c = self->claimers;

	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, raw_open(&self->many[i], b->name, IPCCHAN_RECEIVE));
		c[i].port = &self->many[i];
		ASSERT_TRUE(claimer_start(&c[i]));
	}
	leave(&b->tx[0]);
	EXPECT_TRUE(receiver_sleeps(&self->many[0], self->many[0].attach.receiver_slot));
	ASSERT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(claimer_ends(&c[i]));
		EXPECT_EQ(-EPIPE, c[i].result);
	}
}

TEST_F_TIMEOUT(wake, times_out, LIMIT)
{
	struct bench *b = &self->b;
	uint64_t began = now_ns();
	struct ipcchan_claimed claim;

	EXPECT_EQ(-ETIMEDOUT, claim_call(&b->rx[0], NULL, 0, &claim, 1, began + 100 * MS));
	EXPECT_GE(now_ns() - began, 100 * MS);
	EXPECT_EQ(0, raw_roster(&b->tx[0])->sleeping_receivers);
}

static void nothing(int signal)
{
}

/* A signal: what was acknowledged in the same call is not acknowledged again. */
TEST_F_TIMEOUT(wake, interrupted, LIMIT)
{
	struct sigaction act = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	struct ipcchan_verdict v = {};

	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	v.sequence = claim.sequence;
	sigaction(SIGALRM, &act, NULL);
	ualarm(300000, 0);
	EXPECT_EQ(-EINTR, claim_call(&b->rx[0], &v, 1, &claim, 1, FOREVER));
	EXPECT_EQ(0, v.result);
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(1, retired(&b->tx[0]));
	EXPECT_EQ(0, raw_roster(&b->tx[0])->sleeping_receivers);
}

/* One thread at a time; and poll() beside it is woken as ever. */
TEST_F_TIMEOUT(wake, one_thread_a_port, LIMIT)
{
	struct bench *b = &self->b;
	struct claimer c = { .port = &b->rx[0] };
	struct ipcchan_claimed claim;
	struct sleeper poller = { .port = &b->rx[1], .flags = POLLIN };

	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	ASSERT_TRUE(claimer_start(&c));
	EXPECT_EQ(-EBUSY, claim_one(&b->rx[0], &claim));
	ASSERT_TRUE(sleep_in_poll(&poller));
	raw_publish(&b->tx[0], NULL, 0, 1);
	put(&b->tx[0], 2, 0);
	ASSERT_TRUE(claimer_ends(&c));
	EXPECT_EQ(1, c.result);
	EXPECT_TRUE(wakes(&poller));
}

/* A sender that sleeps for room, as a thread. */
struct blocked {
	const struct raw_port *port;
	uint64_t await, deadline_ns, ended_ns;
	int result;
	bool ended;
	pthread_t thread;
};

static void *wait_blocked(void *arg)
{
	struct blocked *s = arg;

	s->result = wait_room(s->port, 0, s->await, s->deadline_ns);
	s->ended_ns = now_ns();
	__atomic_store_n(&s->ended, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A blocked sender is woken when what it awaits is retired, and not before. */
TEST_F_TIMEOUT(wake, senders, LIMIT)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[2];
	struct blocked s = { .port = &b->tx[0], .deadline_ns = now_ns() + 20 * SECOND };

	put(&b->tx[0], 1, 0);
	put(&b->tx[0], 2, 0);
	ASSERT_EQ(2, claim_call(&b->rx[0], NULL, 0, claims, 2, 0));
	s.await = claims[0].sequence;
	EXPECT_EQ(-ETIMEDOUT, wait_room(s.port, 0, s.await, now_ns() + 100 * MS));
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, wait_blocked, &s));
	EXPECT_TRUE(sender_sleeps(&b->rx[0], b->tx[0].attach.sender_slot));
	ASSERT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	sleep_ms(100);
	EXPECT_FALSE(__atomic_load_n(&s.ended, __ATOMIC_SEQ_CST));
	EXPECT_TRUE(sender_sleeps(&b->rx[0], b->tx[0].attach.sender_slot));
	ASSERT_EQ(0, judge(&b->rx[0], claims[0].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(0, s.result);
	/* a time-out would find it retired, too */
	EXPECT_LT(s.ended_ns, s.deadline_ns - 5 * SECOND);
}

/* Words that make no sense: whoever writes them harms nobody else. */
TEST_F_TIMEOUT(wake, hostile_words, LIMIT)
{
	struct bench *b = &self->b;
	struct raw_port *bad = &b->tx[0], *good = &b->tx[1];
	uint32_t events;

	ASSERT_EQ(0, raw_open(good, b->name, IPCCHAN_SEND));
	/* all places at once, a head that is nowhere */
	for (uint64_t i = 1; i <= 64; i++)
		ipcchan_store_release(&raw_desc(bad, bad->base + i)->seq, bad->base + i);
	raw_outbox(bad)->head = UINT64_MAX;
	put(good, 77, 0);
	for (int i = 0; i < 65; i++)
		EXPECT_LE(0, work(&b->rx[0]));
	/* its places are written again before they are free, and out of order */
	ipcchan_store_release(&raw_desc(bad, bad->base + 66)->seq, bad->base + 66);
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
	/* one from the future, and one that is void: it is left alone from then on */
	ipcchan_store_release(&raw_desc(bad, bad->base + 65)->seq, bad->base + 65 + 64);
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
	ipcchan_store_release(&raw_desc(bad, bad->base + 65)->seq, bad->base + 65);
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
	EXPECT_EQ(-ETIMEDOUT, wait_for(&b->rx[0], IPCCHAN_WAIT_RECEIVE, 0, &events));
	put(good, 78, 0);
	EXPECT_EQ(78, work(&b->rx[0]));
	ipcchan_store_release(&raw_desc(good, good->next)->seq, good->next | IPCCHAN_SEQ_VOID);
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
	/* they leave, and the slots can be had */
	leave(bad);
	EXPECT_TRUE(slot_becomes(&b->rx[0], raw_sender_slot(&b->rx[0], 0), IPCCHAN_SLOT_EMPTY));
	ASSERT_EQ(0, raw_open(bad, b->name, IPCCHAN_SEND));
	put(bad, 79, 0);
	EXPECT_EQ(79, work(&b->rx[0]));
}

TEST_HARNESS_MAIN
