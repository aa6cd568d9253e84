// SPDX-License-Identifier: GPL-2.0
/*
 * IPCCHAN_IOC_WAIT: who is there. Hang-up, and changes of the roster.
 */
#include <errno.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "sleeper.h"

#define LIMIT	120

/* Hang-up: no sender is left, and there was one. */
FIXTURE(roster) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port rx;
	struct raw_port tx[2];
};

FIXTURE_SETUP(roster)
{
	accounts_read(&self->before);
	memset(self->tx, 0, sizeof(self->tx));
	unique_name(self->name, "roster");
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 3));
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
}

FIXTURE_TEARDOWN(roster)
{
	for (int i = 0; i < 2; i++)
		leave(&self->tx[i]);
	leave(&self->rx);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* What there is at this moment, or -errno. */
static int look(const struct raw_port *p)
{
	uint32_t events;
	int err = wait_for(p, IPCCHAN_WAIT_RECEIVE, 0, &events);

	return err ? err : (int)events;
}

static void come(struct raw_port *p, const char *name)
{
	if (raw_open(p, name, IPCCHAN_SEND))
		abort();
}

TEST_F_TIMEOUT(roster, hangup_not_before_the_first, LIMIT)
{
	struct sleeper s = { .port = &self->rx, .flags = IPCCHAN_WAIT_RECEIVE };
	struct raw_port other = { .fd = -1 };
	unsigned long before;

	EXPECT_EQ(-ETIMEDOUT, look(&self->rx));
	ASSERT_TRUE(sleep_in_wait(&s));
	before = switches(&s);
	/* receivers are no peers, nor is who has not come yet */
	ASSERT_EQ(0, raw_open(&other, self->name, IPCCHAN_RECEIVE));
	leave(&other);
	ASSERT_EQ(0, raw_attach(&other, self->name, IPCCHAN_SEND));
	leave(&other);
	EXPECT_TRUE(sleeps_on(&s, before));
	come(&self->tx[0], self->name);
	EXPECT_TRUE(sleeps_on(&s, before));
	leave(&self->tx[0]);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, s.events);
}

/* Breaks it: waking for every sender that leaves. */
TEST_F_TIMEOUT(roster, hangup_with_the_last, LIMIT)
{
	struct sleeper s = { .port = &self->rx, .flags = IPCCHAN_WAIT_RECEIVE };
	unsigned long before;

	come(&self->tx[0], self->name);
	come(&self->tx[1], self->name);
	ASSERT_TRUE(sleep_in_wait(&s));
	before = switches(&s);
	leave(&self->tx[0]);
	EXPECT_TRUE(sleeps_on(&s, before));
	leave(&self->tx[1]);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, s.events);
}

TEST_F_TIMEOUT(roster, hangup_ends_when_one_comes_back, LIMIT)
{
	for (int i = 0; i < 5; i++) {
		come(&self->tx[i % 2], self->name);
		EXPECT_EQ(-ETIMEDOUT, look(&self->rx));
		leave(&self->tx[i % 2]);
		EXPECT_EQ(IPCCHAN_WAIT_HANGUP, look(&self->rx));
	}
}

/* What it left unread can be read; a newcomer does not hide that. */
TEST_F_TIMEOUT(roster, hangup_with_messages_unread, LIMIT)
{
	come(&self->tx[0], self->name);
	raw_publish(&self->tx[0], "1", 1, 1);
	raw_publish(&self->tx[0], "2", 1, 2);
	leave(&self->tx[0]);
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_HANGUP, look(&self->rx));
	EXPECT_EQ(1, raw_take(&self->rx, 0, NULL, 0, NULL));
	come(&self->tx[1], self->name);
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, look(&self->rx));
	leave(&self->tx[1]);
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_HANGUP, look(&self->rx));
	EXPECT_EQ(1, raw_take(&self->rx, 0, NULL, 0, NULL));
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, look(&self->rx));
}

/* A sender that has left, and is still read by others, is not known. */
TEST_F_TIMEOUT(roster, hangup_latecomers_know_nobody, LIMIT)
{
	struct raw_port late;

	come(&self->tx[0], self->name);
	raw_publish(&self->tx[0], "1", 1, 1);
	leave(&self->tx[0]);
	ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(-ETIMEDOUT, look(&late));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_HANGUP, look(&self->rx));
	leave(&late);
}

TEST_F_TIMEOUT(roster, hangup_oneself_is_no_peer, LIMIT)
{
	struct raw_port both;

	ASSERT_EQ(0, raw_open(&both, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	EXPECT_EQ(-ETIMEDOUT, look(&both));
	come(&self->tx[0], self->name);
	EXPECT_EQ(-ETIMEDOUT, look(&both));
	leave(&self->tx[0]);
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, look(&both));
	EXPECT_EQ(-ETIMEDOUT, look(&self->rx));
	leave(&both);
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, look(&self->rx));
}

/* For who receives and sends: the last sender leaves, receivers stay. */
TEST_F_TIMEOUT(roster, hangup_of_senders_alone, LIMIT)
{
	struct raw_port both;
	struct sleeper s = { .port = &both, .flags = IPCCHAN_WAIT_RECEIVE };

	ASSERT_EQ(0, raw_open(&both, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	come(&self->tx[0], self->name);
	ASSERT_TRUE(sleep_in_wait(&s));
	leave(&self->tx[0]);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, s.events);
	leave(&both);
}

/* WAIT_ROSTER: somebody came or went. */
TEST_F_TIMEOUT(roster, as_seen, LIMIT)
{
	struct seen seen;
	uint32_t events;

	see(&self->rx, &seen);
	EXPECT_EQ(-ETIMEDOUT, wait_roster(&self->rx, seen.senders, seen.receivers, 0, NULL));
	EXPECT_EQ(0, wait_roster(&self->rx, seen.senders - 1, seen.receivers, FOREVER, &events));
	EXPECT_EQ(IPCCHAN_WAIT_ROSTER, events);
	EXPECT_EQ(0, wait_roster(&self->rx, seen.senders, seen.receivers + 1, FOREVER, &events));
	EXPECT_EQ(IPCCHAN_WAIT_ROSTER, events);
}

/* Breaks it: not waking for one of these; arming what others must kick. */
TEST_F_TIMEOUT(roster, wakes, LIMIT)
{
	struct sleeper s = { .port = &self->rx, .flags = IPCCHAN_WAIT_ROSTER };
	struct raw_port other = { .fd = -1 };

	for (int step = 0; step < 4; step++) {
		int err = 0;

		ASSERT_TRUE(sleep_in_wait(&s));
		EXPECT_EQ(0, ipcchan_load(&raw_roster(&self->rx)->sleeping_receivers));
		ASSERT_TRUE(sleeps_on(&s, switches(&s)));
		if (step == 0)
			come(&self->tx[0], self->name);
		else if (step == 1)
			leave(&self->tx[0]);
		else if (step == 2)
			err = raw_open(&other, self->name, IPCCHAN_RECEIVE);
		else
			leave(&other);
		ASSERT_EQ(0, err);
		ASSERT_TRUE(wakes(&s)) TH_LOG("step %d", step);
		EXPECT_EQ(0, s.result);
		EXPECT_EQ(IPCCHAN_WAIT_ROSTER, s.events);
	}
}

/*
 * Another thread saw the change before it was announced, and has come to wait
 * for the next one: who waits for this one must hear of it all the same.
 */
TEST_F_TIMEOUT(roster, as_each_thread_has_seen, LIMIT)
{
	struct sleeper s = { .port = &self->rx, .flags = IPCCHAN_WAIT_ROSTER };
	uint32_t events;

	ASSERT_TRUE(sleep_in_wait(&s));
	EXPECT_EQ(0, wait_roster(&self->rx, s.seen.senders + 1, s.seen.receivers, 0, &events));
	EXPECT_EQ(IPCCHAN_WAIT_ROSTER, events);
	ASSERT_TRUE(sleeps_again(&s));
	come(&self->tx[0], self->name);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(IPCCHAN_WAIT_ROSTER, s.events);
}

/* Several things at once: each is told. */
TEST_F_TIMEOUT(roster, and_messages, LIMIT)
{
	const uint32_t both = IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_ROSTER;
	struct seen seen;
	uint32_t events;

	see(&self->rx, &seen);
	come(&self->tx[0], self->name);
	raw_publish(&self->tx[0], "1", 1, 1);
	EXPECT_EQ(0, wait_seen(&self->rx, &seen, both, 0, 0, &events));
	EXPECT_EQ(both, events);
	see(&self->rx, &seen);
	EXPECT_EQ(0, wait_seen(&self->rx, &seen, both, 0, 0, &events));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, events);
}

TEST_HARNESS_MAIN
