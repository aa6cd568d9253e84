// SPDX-License-Identifier: GPL-2.0
/*
 * Kicks: they wake those who have something to do, and nobody else.
 *
 * "Sleeps on" means: has not even been scheduled (sleeper.h).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	120
#define ALL(n)	((n) < 64 ? (1ull << (n)) - 1 : ~0ull)
#define SLOTS	4u

/* One who sleeps until there is a message, or room. */
FIXTURE(kick) {
	struct pair pair;
	struct sleeper sleeper;
};

FIXTURE_VARIANT(kick) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(kick, receive) { .flags = IPCCHAN_WAIT_RECEIVE };
FIXTURE_VARIANT_ADD(kick, send) { .flags = IPCCHAN_WAIT_SEND };

FIXTURE_SETUP(kick)
{
	bool receive = variant->flags == IPCCHAN_WAIT_RECEIVE;

	ASSERT_EQ(0, pair_open(&self->pair, SLOTS));
	self->sleeper.port = receive ? &self->pair.rx : &self->pair.tx;
	self->sleeper.flags = variant->flags;
	if (!receive)
		raw_publish(&self->pair.tx, "a", 1, 0);
}

FIXTURE_TEARDOWN(kick)
{
	EXPECT_TRUE(pair_close(&self->pair));
}

/* Breaks it: a kick that wakes before it looks, or disarms whom it does not wake. */
TEST_F_TIMEOUT(kick, bogus_kicks_wake_nobody, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	ASSERT_TRUE(sleep_in_wait(s));
	before = switches(s);
	for (uint32_t i = 0; i < heavy(5000, 1000); i++) {
		ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, ALL(SLOTS)));
	}
	EXPECT_TRUE(sleeps_on(s, before));
	EXPECT_EQ(1, pair_armed(&self->pair, variant->flags));
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(variant->flags, s->events);
	EXPECT_EQ(0, pair_armed(&self->pair, variant->flags));
}

/* Breaks it: waking whom nobody named. */
TEST_F_TIMEOUT(kick, others_are_meant, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	ASSERT_TRUE(sleep_in_wait(s));
	before = switches(s);
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 0));
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, ALL(SLOTS) & ~1ull));
	EXPECT_TRUE(sleeps_on(s, before));
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
}

/*
 * Ports that come and go, and that the sleeper does not await: a message, or
 * room, is not in it. Breaks it: waking all with every change of the roster.
 */
TEST_F_TIMEOUT(kick, roster_wakes_nobody_else, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;
	struct raw_port other;

	ASSERT_TRUE(sleep_in_wait(s));
	before = switches(s);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, raw_open(&other, self->pair.name, IPCCHAN_SEND));
		raw_close(&other);
		if (variant->flags == IPCCHAN_WAIT_SEND)
			continue;
		ASSERT_EQ(0, raw_open(&other, self->pair.name, IPCCHAN_RECEIVE));
		raw_close(&other);
	}
	EXPECT_TRUE(sleeps_on(s, before));
	EXPECT_EQ(1, pair_armed(&self->pair, variant->flags));
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(s));
}

/* One kick, and all threads at the port have seen it; one of them waits, or all that can. */
TEST_F_TIMEOUT(kick, wakes_all_threads_of_a_port, LIMIT)
{
	bool receive = variant->flags == IPCCHAN_WAIT_RECEIVE;
	struct sleeper more[8];

	ASSERT_TRUE(sleep_in_wait(&self->sleeper));
	for (int i = 0; i < 8; i++) {
		bool poll = !receive || i % 2;

		more[i] = self->sleeper;
		if (poll)
			more[i].flags = receive ? POLLIN : POLLOUT;
		ASSERT_TRUE(poll ? sleep_in_poll(&more[i]) : sleep_in_wait(&more[i]));
	}
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(&self->sleeper));
	for (int i = 0; i < 8; i++) {
		ASSERT_TRUE(wakes(&more[i])) TH_LOG("thread %d", i);
		EXPECT_EQ(0, more[i].result);
		EXPECT_NE(0, more[i].events);
	}
}

/* Breaks it: a waiter that leaves and disarms the port, though others stay. */
TEST_F_TIMEOUT(kick, who_leaves_disarms_nobody_else, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	struct seen seen;

	see(s->port, &seen);
	EXPECT_EQ(-ETIMEDOUT, wait_seen(s->port, &seen, variant->flags, 0, 0, NULL));
	s->flags = variant->flags == IPCCHAN_WAIT_RECEIVE ? POLLIN : POLLOUT;
	ASSERT_TRUE(sleep_in_poll(s));
	for (int ms = 0; ms <= 50; ms += 10) {
		uint64_t deadline = ms ? now_ns() + ms * MS : 0;

		EXPECT_EQ(-ETIMEDOUT, wait_seen(s->port, &seen, variant->flags, 0, deadline,
						NULL));
		EXPECT_EQ(1, pair_armed(&self->pair, variant->flags));
	}
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(s->flags, s->events);
}

/* Senders: what they await. */
FIXTURE(room) {
	struct pair pair;
	struct raw_port second;
	struct sleeper sleeper;
};

FIXTURE_SETUP(room)
{
	memset(&self->second, 0, sizeof(self->second));
	ASSERT_EQ(0, pair_open(&self->pair, SLOTS));
	self->sleeper.port = &self->pair.tx;
	self->sleeper.flags = IPCCHAN_WAIT_SEND;
	ASSERT_EQ(0, raw_open(&self->second, self->pair.name, IPCCHAN_RECEIVE));
	for (int i = 1; i <= 4; i++)
		raw_publish(&self->pair.tx, "a", 1, i);
}

FIXTURE_TEARDOWN(room)
{
	leave(&self->second);
	EXPECT_TRUE(pair_close(&self->pair));
}

static bool sleep_for_room(struct sleeper *s, uint64_t await)
{
	s->await = await;
	return sleep_in_wait(s);
}

static void ignore(int sig)
{
}

static void handle_nothing(int sig)
{
	sigaction(sig, &(struct sigaction){ .sa_handler = ignore }, NULL);
}

/* Breaks it: waking at the first change; looking at one receiver only. */
TEST_F_TIMEOUT(room, awaits_until_all_have_passed, LIMIT)
{
	const uint64_t third = self->pair.tx.base + 3;
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	ASSERT_TRUE(sleep_for_room(s, third));
	before = switches(s);
	EXPECT_EQ(third, ipcchan_load(&raw_sender_slot(&self->pair.rx, 0)->await));
	for (int i = 1; i <= 4; i++) {
		take_and_kick(&self->pair.rx);
	}
	EXPECT_TRUE(sleeps_on(s, before));
	for (int i = 1; i <= 2; i++) {
		take_and_kick(&self->second);
	}
	ipcchan_store(&raw_cursor(&self->second, 0)->released, 2);
	ASSERT_EQ(0, call_kick(self->second.fd, 0, 1));
	EXPECT_TRUE(sleeps_on(s, before));
	take_and_kick(&self->second);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(IPCCHAN_WAIT_SEND, s->events);
}

TEST_F_TIMEOUT(room, any_release_will_do, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	for (int i = 1; i <= 3; i++) {
		ASSERT_TRUE(sleep_for_room(s, 0));
		ipcchan_store_release(&raw_cursor(&self->second, 0)->released, i);
		ASSERT_EQ(0, call_kick(self->second.fd, 0, 1));
		ASSERT_TRUE(wakes(s));
		EXPECT_EQ(0, s->result);
		EXPECT_EQ(IPCCHAN_WAIT_SEND, s->events);
	}
}

/* Who reads no more from a sender has passed all of it. */
TEST_F_TIMEOUT(room, closed_is_passed, LIMIT)
{
	const uint64_t third = self->pair.tx.base + 3;
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	ASSERT_TRUE(sleep_for_room(s, third));
	before = switches(s);
	for (int i = 1; i <= 3; i++) {
		take_and_kick(&self->pair.rx);
	}
	/* another's base says nothing */
	ipcchan_store(&raw_cursor(&self->second, 0)->closed, self->pair.tx.base + 1);
	ASSERT_EQ(0, call_kick(self->second.fd, 0, 1));
	EXPECT_TRUE(sleeps_on(s, before));
	ipcchan_store(&raw_cursor(&self->second, 0)->closed, self->pair.tx.base);
	ASSERT_EQ(0, call_kick(self->second.fd, 0, 1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
}

/* With or without a kick: who has left is waited for no more. */
TEST_F_TIMEOUT(room, receivers_that_come_or_leave, LIMIT)
{
	const uint64_t never = self->pair.tx.base + 1000;
	struct sleeper *s = &self->sleeper;

	ASSERT_TRUE(sleep_for_room(s, never));
	leave(&self->second);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(IPCCHAN_WAIT_SEND, s->events);
	ASSERT_TRUE(sleep_for_room(s, never));
	ASSERT_EQ(0, raw_open(&self->second, self->pair.name, IPCCHAN_RECEIVE));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(IPCCHAN_WAIT_SEND, s->events);
	ASSERT_TRUE(sleep_for_room(s, never));
	leave(&self->pair.rx);
	ASSERT_TRUE(wakes(s));
	ASSERT_TRUE(sleep_for_room(s, never));
	leave(&self->second);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(IPCCHAN_WAIT_SEND, s->events);
}

/* Nobody is left to send to: that is no reason to wake with every newcomer. */
TEST_F_TIMEOUT(room, hung_up_and_left_alone, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	struct raw_port other;
	unsigned long before;

	leave(&self->pair.rx);
	leave(&self->second);
	ASSERT_TRUE(sleep_for_room(s, 0));
	before = switches(s);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&other, self->pair.name, IPCCHAN_SEND));
		raw_close(&other);
	}
	EXPECT_TRUE(sleeps_on(s, before));
	ASSERT_EQ(0, raw_open(&self->second, self->pair.name, IPCCHAN_RECEIVE));
	ASSERT_TRUE(wakes(s));
}

/*
 * What a sender has seen is kept with its port. Breaks it: a second one that
 * replaces that by what it has seen itself: the kick for the first is lost.
 */
TEST_F_TIMEOUT(room, one_thread_at_a_time, LIMIT)
{
	const uint64_t never = self->pair.tx.base + 1000;
	struct sleeper *s = &self->sleeper;
	const struct raw_port *tx = &self->pair.tx;
	struct seen seen;

	handle_nothing(SIGUSR1);
	for (int i = 0; i < 3; i++) {
		see(tx, &seen);
		seen.receivers--;
		ASSERT_TRUE(sleep_for_room(s, 0));
		EXPECT_EQ(-EBUSY, wait_seen(tx, &seen, IPCCHAN_WAIT_SEND, never, 0, NULL));
		EXPECT_EQ(-EBUSY, wait_seen(tx, &seen, IPCCHAN_WAIT_SEND, 0, FOREVER, NULL));
		EXPECT_EQ(-EBUSY, wait_seen(tx, &seen, IPCCHAN_WAIT_SEND | IPCCHAN_WAIT_ROSTER,
					    never, 0, NULL));
		EXPECT_EQ(0, wait_seen(tx, &seen, IPCCHAN_WAIT_ROSTER, 0, 0, NULL));
		/* it ends by a kick, or by a signal: then comes the next */
		if (i == 1)
			pthread_kill(s->thread, SIGUSR1);
		else
			take_and_kick(&self->second);
		ASSERT_TRUE(wakes(s));
		EXPECT_EQ(i == 1 ? -EINTR : 0, s->result);
	}
}

/* One thread receives and one sends: each is woken by its own, and stays armed till then. */
TEST_F_TIMEOUT(room, both_directions_of_a_port, LIMIT)
{
	struct sleeper in, out;
	struct raw_port both;
	uint32_t slot;

	ASSERT_EQ(0, raw_open(&both, self->pair.name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	slot = both.attach.receiver_slot;
	raw_publish(&both, "b", 1, 1);
	ASSERT_EQ(1, raw_take(&both, both.attach.sender_slot, NULL, 0, NULL));
	in = (struct sleeper){ .port = &both, .flags = IPCCHAN_WAIT_RECEIVE };
	out = (struct sleeper){ .port = &both, .flags = IPCCHAN_WAIT_SEND };
	ASSERT_TRUE(sleep_in_wait(&in));
	ASSERT_TRUE(sleep_in_wait(&out));
	raw_publish(&self->pair.tx, "c", 1, 1);
	ASSERT_EQ(0, call_kick(self->pair.tx.fd, 1ull << slot, 0));
	ASSERT_TRUE(wakes(&in));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, in.events);
	ASSERT_TRUE(sleeps_again(&out));
	EXPECT_EQ(1ull << both.attach.sender_slot,
		  ipcchan_load(&raw_roster(&both)->sleeping_senders));
	ASSERT_EQ(1, raw_take(&self->second, both.attach.sender_slot, NULL, 0, NULL));
	ASSERT_EQ(0, raw_kick_senders(&self->second));
	ASSERT_TRUE(wakes(&out));
	EXPECT_EQ(IPCCHAN_WAIT_SEND, out.events);
	raw_close(&both);
}

TEST_HARNESS_MAIN
