// SPDX-License-Identifier: GPL-2.0
/*
 * Receivers that are woken for many messages at a time, or after a while.
 *
 * A message too few wakes nobody, however it is kicked for; the last one that is
 * wanted does, though its sender knows nothing of the others'. Ends of ports and
 * of time: test_threshold_time.c
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	120
#define SLOTS	4
#define DEPTH	256
#define COUNT	12

static int channel(const char *name)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open();
	int err;

	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.geometry = (struct ipcchan_geometry){
		.depth = DEPTH, .senders = SLOTS, .receivers = 2, .holds = 4, .arena = 4096,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

FIXTURE(count) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port rx, tx[SLOTS];
	struct thrift thrift[SLOTS];
	struct sleeper sleeper;
	int set;
};

FIXTURE_VARIANT(count) {
	bool (*sleep)(struct sleeper *s);
	uint32_t flags;		/* of the call it sleeps in */
	uint32_t epoll;
};

FIXTURE_VARIANT_ADD(count, wait) { .sleep = sleep_in_wait, .flags = IPCCHAN_WAIT_RECEIVE };
FIXTURE_VARIANT_ADD(count, poll) { .sleep = sleep_in_poll, .flags = POLLIN };
FIXTURE_VARIANT_ADD(count, level) { .sleep = sleep_in_epoll, .epoll = EPOLLIN };
FIXTURE_VARIANT_ADD(count, edge) { .sleep = sleep_in_epoll, .epoll = EPOLLIN | EPOLLET };

FIXTURE_SETUP(count)
{
	memset(self->tx, 0, sizeof(self->tx));
	memset(self->thrift, 0, sizeof(self->thrift));
	accounts_read(&self->before);
	unique_name(self->name, "count");
	ASSERT_EQ(0, channel(self->name));
	ASSERT_EQ(0, open_patient(&self->rx, self->name, COUNT, 0));
	ASSERT_EQ(0, raw_open(&self->tx[0], self->name, IPCCHAN_SEND));
	self->set = variant->epoll ? make_set(&self->rx, variant->epoll) : -1;
	self->sleeper = (struct sleeper){
		.port = &self->rx, .flags = variant->flags, .epoll = self->set,
	};
}

FIXTURE_TEARDOWN(count)
{
	for (int i = 0; i < SLOTS; i++)
		leave(&self->tx[i]);
	if (self->set >= 0)
		close(self->set);
	leave(&self->rx);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static void take_all(struct raw_port *rx)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		while (raw_take(rx, i, NULL, 0, NULL) >= 0)
			;
	}
}

/* Breaks it: a kick that looks whether there is anything at all. */
TEST_F_TIMEOUT(count, not_one_too_few, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	ASSERT_TRUE(variant->sleep(s));
	before = switches(s);
	for (int i = 1; i < COUNT; i++) {
		raw_publish(&self->tx[0], NULL, 0, 0);
		for (uint32_t k = 0; k < heavy(500, 100); k++) {
			ASSERT_EQ(0, call_kick(self->tx[0].fd, 1, 0));
		}
	}
	EXPECT_TRUE(sleeps_on(s, before));
	EXPECT_EQ(1, ipcchan_load(&raw_roster(&self->tx[0])->sleeping_receivers));
	EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
	publish_and_kick(&self->tx[0]);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(variant->epoll ? EPOLLIN : variant->flags, s->events);
	EXPECT_EQ(POLLIN, poll_for(&self->rx, POLLIN, 0));
	EXPECT_EQ(0, wait_for(&self->rx, IPCCHAN_WAIT_RECEIVE, 0, NULL));
}

/* What waits already counts, and what was taken does not. */
TEST_F_TIMEOUT(count, what_waits_counts, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	publish_thrifty(&self->tx[0], &self->thrift[0], 0, COUNT - 1);
	ASSERT_EQ(0, raw_take(&self->rx, 0, NULL, 0, NULL));
	ASSERT_TRUE(variant->sleep(s));
	before = switches(s);
	publish_thrifty(&self->tx[0], &self->thrift[0], 0, 1);
	EXPECT_TRUE(sleeps_on(s, before));
	publish_thrifty(&self->tx[0], &self->thrift[0], 0, 1);
	ASSERT_TRUE(wakes(s));
	/* what is left is too little again */
	ASSERT_EQ(0, raw_take(&self->rx, 0, NULL, 0, NULL));
	EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_for(&self->rx, IPCCHAN_WAIT_RECEIVE, 0, NULL));
	take_all(&self->rx);
}

/*
 * One sender kicks once for a sleep, as soon as there are enough, in batches or
 * not. An edge-triggered set does not ask again when it goes to sleep: then the
 * first of the next messages makes the kernel look, too.
 */
TEST_F_TIMEOUT(count, one_kick, LIMIT)
{
	unsigned int kicks = 1;

	for (uint32_t batch = 1; batch <= 5; batch += 2) {
		ASSERT_TRUE(variant->sleep(&self->sleeper));
		for (uint32_t sent = 0; sent < COUNT; sent += batch)
			publish_thrifty(&self->tx[0], &self->thrift[0], 0, batch);
		ASSERT_TRUE(wakes(&self->sleeper));
		EXPECT_EQ(kicks, self->thrift[0].kicks);
		self->thrift[0].kicks = 0;
		take_all(&self->rx);
		ask_set(self->set, 0);
		kicks = variant->epoll & EPOLLET ? 2 : 1;
	}
}

/*
 * Each sender knows but its own messages. Breaks it: telling each to come with
 * its part of the whole, and leaving it at that: the first has asked in vain
 * when the last one's is the one that was wanting.
 */
TEST_F_TIMEOUT(count, of_all_senders_together, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	uint64_t random = random_seed();
	uint32_t rounds = heavy(60, 12);
	unsigned int kicks = 0;

	TH_LOG("IPCCHAN_TEST_SEED=%llu", (unsigned long long)random);
	for (int i = 1; i < SLOTS; i++)
		ASSERT_EQ(0, raw_open(&self->tx[i], self->name, IPCCHAN_SEND));
	for (uint32_t round = 0; round < rounds; round++) {
		/* who sends, and how unevenly */
		uint32_t favour = 1 + random_next(&random) % 20, i = 0;
		unsigned long before;

		ASSERT_TRUE(variant->sleep(s));
		before = switches(s);
		for (uint32_t sent = 1; sent < COUNT; sent++) {
			if (!(random_next(&random) % favour))
				i = random_next(&random) % SLOTS;
			publish_thrifty(&self->tx[i], &self->thrift[i], 0, 1);
		}
		ASSERT_TRUE(sleeps_on(s, before)) TH_LOG("round %u", round);
		i = random_next(&random) % SLOTS;
		publish_thrifty(&self->tx[i], &self->thrift[i], 0, 1);
		ASSERT_TRUE(wakes(s)) TH_LOG("round %u", round);
		take_all(&self->rx);
		if (self->set >= 0)
			ask_set(self->set, 0);
	}
	for (int i = 0; i < SLOTS; i++)
		kicks += self->thrift[i].kicks;
	TH_LOG("%u rounds, %u kicks", rounds, kicks);
	EXPECT_LE(rounds, kicks);
	EXPECT_GE(rounds * COUNT * 3 / 4, kicks);
}

/* One who comes while it sleeps, and one who leaves something behind. */
TEST_F_TIMEOUT(count, senders_come_and_go, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;

	ASSERT_TRUE(variant->sleep(s));
	before = switches(s);
	publish_thrifty(&self->tx[0], &self->thrift[0], 0, COUNT / 2);
	EXPECT_EQ(0, self->thrift[0].kicks);
	ASSERT_EQ(0, raw_open(&self->tx[1], self->name, IPCCHAN_SEND));
	for (int i = 1; i < COUNT / 2; i++)
		publish_thrifty(&self->tx[1], &self->thrift[1], 0, 1);
	EXPECT_TRUE(sleeps_on(s, before));
	leave(&self->tx[1]);
	EXPECT_TRUE(sleeps_on(s, before));
	publish_thrifty(&self->tx[0], &self->thrift[0], 0, 1);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
}

/* Breaks it: waiting for what nobody is there to send. */
TEST_F_TIMEOUT(count, the_last_leaves, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	uint32_t events = variant->sleep == sleep_in_wait ?
			  IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_HANGUP : POLLIN | POLLHUP;

	ASSERT_EQ(0, raw_open(&self->tx[1], self->name, IPCCHAN_SEND));
	ASSERT_TRUE(variant->sleep(s));
	publish_thrifty(&self->tx[0], &self->thrift[0], 0, 2);
	leave(&self->tx[0]);
	ASSERT_TRUE(sleeps_again(s));
	leave(&self->tx[1]);
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(events, s->events);
}

/*
 * A sender lacks room, and what keeps it is in the hands of who waits for more.
 * In whatever order the two go to sleep, and also if the sender gives up at once.
 */
TEST_F_TIMEOUT(count, a_sender_lacks_room, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	struct sleeper sender = { .port = &self->tx[0], .flags = IPCCHAN_WAIT_SEND };

	sender.await = self->tx[0].base + 3;
	raw_publish(&self->tx[0], NULL, 0, 0);
	raw_publish(&self->tx[0], NULL, 0, 0);
	raw_publish(&self->tx[0], NULL, 0, 0);
	ASSERT_TRUE(variant->sleep(s));
	ASSERT_TRUE(sleep_in_wait(&sender));
	ASSERT_TRUE(wakes(s));
	/* it goes on lacking it, till all that it awaits is taken */
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, wait_for(&self->rx, IPCCHAN_WAIT_RECEIVE, FOREVER, NULL));
		EXPECT_EQ(POLLIN, poll_for(&self->rx, POLLIN, 0));
		ASSERT_EQ(0, raw_take(&self->rx, 0, NULL, 0, NULL));
	}
	ASSERT_EQ(0, raw_kick_senders(&self->rx));
	ASSERT_TRUE(wakes(&sender));
	raw_publish(&self->tx[0], NULL, 0, 0);
	EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
	/* who does not wait leaves the word that there was none */
	ask_set(self->set, 0);
	ASSERT_TRUE(variant->sleep(s));
	EXPECT_EQ(-ETIMEDOUT, block(&self->tx[0]));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(POLLIN, poll_for(&self->rx, POLLIN, 0));
	ASSERT_EQ(0, raw_take(&self->rx, 0, NULL, 0, NULL));
	raw_publish(&self->tx[0], NULL, 0, 0);
	EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
}

/* Likewise a sender that polls; but not one that polls and has room. */
TEST_F_TIMEOUT(count, a_sender_polls, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;
	struct seen seen;

	ASSERT_EQ(0, raw_open(&self->tx[1], self->name, IPCCHAN_SEND));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-ETIMEDOUT, block(&self->tx[i]));
	}
	raw_publish(&self->tx[0], "a", 1, 0);
	ASSERT_TRUE(variant->sleep(s));
	before = switches(s);
	/* what this one lacks is in another's hands */
	EXPECT_EQ(0, poll_for(&self->tx[1], POLLOUT, 0));
	ASSERT_EQ(0, call_kick(self->tx[0].fd, 1, 0));
	EXPECT_TRUE(sleeps_on(s, before));
	EXPECT_EQ(0, poll_for(&self->tx[0], POLLOUT, 0));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(POLLIN, poll_for(&self->rx, POLLIN, 0));
	/* nor does it wait for room who was told of something else */
	take_and_kick(&self->rx);
	raw_publish(&self->tx[0], "a", 1, 0);
	see(&self->tx[0], &seen);
	seen.senders--;
	EXPECT_EQ(0, wait_seen(&self->tx[0], &seen, IPCCHAN_WAIT_SEND | IPCCHAN_WAIT_ROSTER, 0,
			       FOREVER, NULL));
	EXPECT_EQ(0, poll_for(&self->rx, POLLIN, 0));
	/* taken: there is room, and polling for it is no hurry */
	take_and_kick(&self->rx);
	ask_set(self->set, 0);
	raw_publish(&self->tx[0], "a", 1, 0);
	ASSERT_TRUE(variant->sleep(s));
	before = switches(s);
	EXPECT_EQ(POLLOUT, poll_for(&self->tx[0], POLLOUT, 0));
	ASSERT_EQ(0, call_kick(self->tx[0].fd, 1, 0));
	EXPECT_TRUE(sleeps_on(s, before));
	EXPECT_EQ(1, raw_take(&self->rx, 0, NULL, 0, NULL));
	publish_thrifty(&self->tx[0], &self->thrift[0], 0, COUNT);
	ASSERT_TRUE(wakes(s));
}

TEST_HARNESS_MAIN
