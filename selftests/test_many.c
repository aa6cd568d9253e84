// SPDX-License-Identifier: GPL-2.0
/*
 * Many ports at once, by poll() and epoll: whichever has something wakes, once,
 * and what a call has left armed when it ended costs one kick.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	120
#define MANY	64u

/* Channels of one sender and one receiver each. */
FIXTURE(many) {
	struct accounts before;
	char names[MANY][IPCCHAN_NAME_SIZE];
	struct raw_port tx[MANY], rx[MANY];
	struct pollfd in[MANY], out[MANY];
	uint64_t random;
};

FIXTURE_SETUP(many)
{
	accounts_read(&self->before);
	for (uint32_t i = 0; i < MANY; i++) {
		unique_name(self->names[i], "many");
		ASSERT_EQ(0, small_channel(self->names[i], IPCCHAN_CREATE_PERSISTENT, 1));
		ASSERT_EQ(0, raw_open(&self->tx[i], self->names[i], IPCCHAN_SEND));
		ASSERT_EQ(0, raw_open(&self->rx[i], self->names[i], IPCCHAN_RECEIVE));
		self->in[i] = (struct pollfd){ .fd = self->rx[i].fd, .events = POLLIN };
		self->out[i] = (struct pollfd){ .fd = self->tx[i].fd, .events = POLLOUT };
	}
	self->random = random_seed();
	TH_LOG("IPCCHAN_TEST_SEED=%llu", (unsigned long long)self->random);
}

FIXTURE_TEARDOWN(many)
{
	for (uint32_t i = 0; i < MANY; i++) {
		leave(&self->tx[i]);
		leave(&self->rx[i]);
		EXPECT_EQ(0, drop_channel(self->names[i]));
	}
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* All of them, in some order. */
static void shuffle(uint32_t order[MANY], uint64_t *random)
{
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t j = random_next(random) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

/* Which of them, and no other, has that event? MANY: none. */
static uint32_t only(const struct pollfd fds[MANY], short event)
{
	uint32_t which = MANY;

	for (uint32_t i = 0; i < MANY; i++) {
		if (!fds[i].revents)
			continue;
		if (which < MANY || fds[i].revents != event)
			return ~0u;
		which = i;
	}
	return which;
}

static bool receiver_armed(const struct raw_port *tx)
{
	return ipcchan_load(&raw_roster(tx)->sleeping_receivers);
}

TEST_F_TIMEOUT(many, each_wakes_poll, LIMIT)
{
	struct sleeper s = { .fds = self->in, .nr_fds = MANY };
	uint32_t order[MANY];

	shuffle(order, &self->random);
	for (uint32_t n = 0; n < MANY; n++) {
		uint32_t i = order[n];

		ASSERT_TRUE(sleep_in_poll(&s));
		publish_and_kick(&self->tx[i]);
		ASSERT_TRUE(wakes(&s)) TH_LOG("port %u", i);
		EXPECT_EQ(0, s.result);
		EXPECT_EQ(i, only(self->in, POLLIN));
		take_and_kick(&self->rx[i]);
	}
}

TEST_F_TIMEOUT(many, each_finds_room, LIMIT)
{
	struct sleeper s = { .fds = self->out, .nr_fds = MANY };
	uint32_t order[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		raw_publish(&self->tx[i], "a", 1, 0);
		ASSERT_EQ(-ETIMEDOUT, block(&self->tx[i]));
	}
	shuffle(order, &self->random);
	for (uint32_t n = 0; n < MANY; n++) {
		uint32_t i = order[n];

		ASSERT_TRUE(sleep_in_poll(&s));
		take_and_kick(&self->rx[i]);
		ASSERT_TRUE(wakes(&s)) TH_LOG("port %u", i);
		EXPECT_EQ(i, only(self->out, POLLOUT));
		raw_publish(&self->tx[i], "a", 1, 0);
		ASSERT_EQ(-ETIMEDOUT, block(&self->tx[i]));
	}
}

/*
 * One edge for each, whether they come one by one, all at once, or while an
 * earlier one is unread. Breaks it: a port that is not armed again when its
 * event is reported.
 */
TEST_F_TIMEOUT(many, each_is_an_edge, LIMIT)
{
	struct epoll_event events[MANY + 1];
	int set = epoll_create1(EPOLL_CLOEXEC);
	uint32_t order[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u32 = i };

		ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, self->rx[i].fd, &event));
	}
	for (int round = 0; round < 4; round++) {
		uint64_t seen = 0;

		shuffle(order, &self->random);
		for (uint32_t n = 0; n < MANY; n++) {
			struct sleeper s = { .epoll = set };

			if (round % 2) {
				publish_and_kick(&self->tx[order[n]]);
				continue;
			}
			ASSERT_TRUE(sleep_in_epoll(&s));
			publish_and_kick(&self->tx[order[n]]);
			ASSERT_TRUE(wakes(&s)) TH_LOG("round %d, port %u", round, order[n]);
			EXPECT_EQ(EPOLLIN, s.events);
		}
		if (round % 2) {
			ASSERT_EQ(MANY, epoll_wait(set, events, MANY + 1, 0));
			for (uint32_t n = 0; n < MANY; n++)
				seen |= 1ull << events[n].data.u32;
			EXPECT_EQ(~0ull, seen);
		}
		EXPECT_EQ(0, epoll_wait(set, events, MANY, 0));
	}
	close(set);
}

/* Breaks it: a kick that leaves armed whom it finds to have something. */
TEST_F_TIMEOUT(many, what_is_left_armed_costs_one_kick, LIMIT)
{
	for (int call = 0; call < 2; call++) {
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, poll(self->in, MANY, 5 * call));
		}
		for (uint32_t i = 0; i < MANY; i++) {
			EXPECT_TRUE(receiver_armed(&self->tx[i]));
			publish_and_kick(&self->tx[i]);
			EXPECT_FALSE(receiver_armed(&self->tx[i]));
			raw_publish(&self->tx[i], "b", 1, 0);
			take_and_kick(&self->rx[i]);
			take_and_kick(&self->rx[i]);
		}
	}
}

/* Calls that time out, or find something elsewhere, do not disarm who stays. */
TEST_F_TIMEOUT(many, others_come_and_go, LIMIT)
{
	struct pollfd again[MANY];
	struct sleeper all = { .fds = self->in, .nr_fds = MANY };
	struct sleeper also = { .fds = again, .nr_fds = MANY };

	memcpy(again, self->in, sizeof(again));
	for (uint32_t i = 0; i < MANY; i++) {
		struct pollfd few[2] = {
			{ .fd = self->rx[i].fd, .events = POLLIN },
			{ .fd = self->rx[(i + 1) % MANY].fd, .events = POLLIN },
		};

		ASSERT_TRUE(sleep_in_poll(&all));
		ASSERT_TRUE(sleep_in_poll(&also));
		EXPECT_EQ(0, poll(few, 2, i % 4));
		EXPECT_EQ(-ETIMEDOUT, wait_for(&self->rx[i], IPCCHAN_WAIT_RECEIVE,
					       now_ns() + MS, NULL));
		publish_and_kick(&self->tx[i]);
		ASSERT_TRUE(wakes(&all)) TH_LOG("port %u", i);
		ASSERT_TRUE(wakes(&also)) TH_LOG("port %u", i);
		EXPECT_EQ(i, only(self->in, POLLIN));
		EXPECT_EQ(i, only(again, POLLIN));
		take_and_kick(&self->rx[i]);
	}
}

/* Some of them wait for more than one message, or for a while. */
TEST_F_TIMEOUT(many, some_are_patient, LIMIT)
{
	struct sleeper s = { .fds = self->in, .nr_fds = MANY };
	unsigned long before;

	for (uint32_t i = 0; i < MANY; i += 8) {
		leave(&self->rx[i]);
		ASSERT_EQ(0, open_patient(&self->rx[i], self->names[i], i % 16 ? 0 : 3,
					  i % 16 ? 40 * MS : 0));
		self->in[i].fd = self->rx[i].fd;
	}
	for (uint32_t i = 0; i < MANY; i += 8) {
		ASSERT_TRUE(sleep_in_poll(&s));
		before = switches(&s);
		publish_and_kick(&self->tx[i]);
		if (!(i % 16)) {
			publish_and_kick(&self->tx[i]);
			EXPECT_TRUE(sleeps_on(&s, before));
			publish_and_kick(&self->tx[i]);
		}
		ASSERT_TRUE(wakes(&s)) TH_LOG("port %u", i);
		EXPECT_EQ(i, only(self->in, POLLIN));
		while (raw_take(&self->rx[i], 0, NULL, 0, NULL) >= 0)
			;
	}
	ASSERT_TRUE(sleep_in_poll(&s));
	publish_and_kick(&self->tx[1]);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(1, only(self->in, POLLIN));
}

TEST_HARNESS_MAIN
