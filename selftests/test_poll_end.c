// SPDX-License-Identifier: GPL-2.0
/*
 * poll and epoll: ports that begin and end, and other processes.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "sleeper.h"

#define LIMIT	120
#define IN	(POLLIN | POLLRDNORM)
#define OUT	(POLLOUT | POLLWRNORM)
#define ANY	(IN | OUT | POLLPRI | POLLRDHUP)
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

FIXTURE(poll_end) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port tx, rx, other;
};

FIXTURE_SETUP(poll_end)
{
	accounts_read(&self->before);
	unique_name(self->name, "end");
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 4));
}

FIXTURE_TEARDOWN(poll_end)
{
	leave(&self->tx);
	leave(&self->rx);
	leave(&self->other);
	if (channel_exists(self->name)) {
		EXPECT_EQ(0, drop_channel(self->name));
	}
	EXPECT_TRUE(accounts_settle(&self->before));
}

TEST_F_TIMEOUT(poll_end, of_senders, LIMIT)
{
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(0, poll_for(&self->rx, ANY, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
		EXPECT_EQ(0, poll_for(&self->rx, ANY, 0));
		publish_and_kick(&self->tx);
		leave(&self->tx);
		EXPECT_EQ(IN | POLLRDHUP | POLLHUP, poll_for(&self->rx, ANY, 0));
		EXPECT_EQ(POLLHUP, poll_for(&self->rx, 0, 0));
		EXPECT_EQ(1, raw_take(&self->rx, 0, NULL, 0, NULL));
		EXPECT_EQ(POLLRDHUP | POLLHUP, poll_for(&self->rx, ANY, 0));
		ASSERT_EQ(0, call_kick(self->rx.fd, 0, 1));
	}
}

TEST_F_TIMEOUT(poll_end, of_receivers, LIMIT)
{
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(OUT | (i ? POLLHUP : 0), poll_for(&self->tx, ANY, 0));
		ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
		EXPECT_EQ(OUT, poll_for(&self->tx, ANY, 0));
		EXPECT_EQ(-ETIMEDOUT, block(&self->tx));
		EXPECT_EQ(0, poll_for(&self->tx, ANY, 0));
		leave(&self->rx);
		EXPECT_EQ(OUT | POLLHUP, poll_for(&self->tx, ANY, 0));
		EXPECT_EQ(POLLHUP, poll_for(&self->tx, 0, 0));
	}
}

/* Who has both roles hangs up when nobody is there for either. */
TEST_F_TIMEOUT(poll_end, of_both, LIMIT)
{
	struct raw_port *both = &self->other;

	ASSERT_EQ(0, raw_open(both, self->name, BOTH));
	EXPECT_EQ(OUT, poll_for(both, ANY, 0));
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(OUT, poll_for(both, ANY, 0));
	leave(&self->tx);
	EXPECT_EQ(OUT | POLLRDHUP, poll_for(both, ANY, 0));
	leave(&self->rx);
	EXPECT_EQ(OUT | POLLRDHUP | POLLHUP, poll_for(both, ANY, 0));
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(OUT | POLLRDHUP, poll_for(both, ANY, 0));
}

/* Asked for nothing, or for one thing only: a hang-up wakes all the same. */
TEST_F_TIMEOUT(poll_end, wakes, LIMIT)
{
	const short asked[] = { 0, POLLIN, POLLRDHUP, POLLOUT };

	for (int i = 0; i < 4; i++) {
		struct sleeper in = { .port = &self->rx, .flags = asked[i] };
		struct sleeper out = { .port = &self->other, .flags = asked[i] };

		ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
		ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
		ASSERT_TRUE(sleep_in_poll(&in));
		leave(&self->tx);
		ASSERT_TRUE(wakes(&in));
		EXPECT_EQ(POLLHUP | (asked[i] & POLLRDHUP), in.events);
		ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_SEND));
		ASSERT_EQ(-ETIMEDOUT, block(&self->other));
		ASSERT_TRUE(sleep_in_poll(&out));
		leave(&self->rx);
		ASSERT_TRUE(wakes(&out));
		EXPECT_EQ(POLLHUP | (asked[i] & POLLOUT), out.events);
		leave(&self->other);
	}
}

/* One edge for a hang-up. Breaks it: an edge for whatever changes on the roster then. */
TEST_F_TIMEOUT(poll_end, is_one_edge, LIMIT)
{
	int set;

	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	set = make_set(&self->rx, EPOLLET);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
		EXPECT_EQ(0, ask_set(set, 0));
		leave(&self->tx);
		EXPECT_EQ(EPOLLHUP, ask_set(set, 0));
		for (int j = 0; j < 3; j++) {
			ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
			EXPECT_EQ(0, ask_set(set, 0));
			leave(&self->other);
			EXPECT_EQ(0, ask_set(set, 0));
		}
	}
	close(set);
}

/* Attached and not mapped: nothing yet. What was added then is heard of later. */
TEST_F_TIMEOUT(poll_end, or_beginning, LIMIT)
{
	int in, out;

	ASSERT_EQ(0, raw_attach(&self->rx, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(0, poll_for(&self->rx, ANY, 0));
	in = make_set(&self->rx, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, ask_set(in, 0));
	ASSERT_EQ(0, raw_attach(&self->tx, self->name, IPCCHAN_SEND));
	EXPECT_EQ(0, poll_for(&self->tx, ANY, 0));
	out = make_set(&self->tx, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, ask_set(out, 0));
	ASSERT_EQ(0, raw_map(&self->rx));
	EXPECT_EQ(0, ask_set(in, 0));
	ASSERT_EQ(0, raw_map(&self->tx));
	EXPECT_EQ(EPOLLOUT, ask_set(out, 0));
	publish_and_kick(&self->tx);
	EXPECT_EQ(EPOLLIN, ask_set(in, 0));
	close(in);
	close(out);
}

/* Asleep before it takes part. */
TEST_F_TIMEOUT(poll_end, or_beginning_wakes, LIMIT)
{
	struct sleeper s = { .flags = POLLOUT };

	ASSERT_EQ(0, raw_attach(&self->tx, self->name, IPCCHAN_SEND));
	s.epoll = make_set(&self->tx, EPOLLOUT);
	ASSERT_TRUE(sleep_in_epoll(&s));
	ASSERT_EQ(0, raw_map(&self->tx));
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(EPOLLOUT, s.events);
	close(s.epoll);
}

TEST_F_TIMEOUT(poll_end, no_port_at_all, LIMIT)
{
	struct raw_port none = { .fd = device_open() };

	ASSERT_LE(0, none.fd);
	EXPECT_EQ(POLLERR, poll_for(&none, ANY, 0));
	close(none.fd);
}

/* Evicted, or the channel deleted: sleepers of all kinds are told. */
static void end_of_port(struct __test_metadata *_metadata, struct raw_port *p, bool by_eviction,
			const char *name)
{
	int level = make_set(p, EPOLLIN), edge = make_set(p, EPOLLIN | EPOLLET);
	struct sleeper s[4] = {
		{ .port = p, .flags = 0 }, { .port = p, .flags = POLLIN },
		{ .epoll = level }, { .epoll = edge },
	};

	for (int i = 0; i < 4; i++) {
		ASSERT_TRUE(i < 2 ? sleep_in_poll(&s[i]) : sleep_in_epoll(&s[i]));
	}
	ASSERT_EQ(0, by_eviction ? evict(name, p->attach.port_id) : drop_channel(name));
	for (int i = 0; i < 4; i++) {
		ASSERT_TRUE(wakes(&s[i]));
		EXPECT_EQ(POLLERR | POLLHUP, s[i].events) TH_LOG("sleeper %d", i);
	}
	EXPECT_EQ(POLLERR | POLLHUP, poll_for(p, ANY, 0));
	EXPECT_EQ(EPOLLERR | EPOLLHUP, ask_set(level, 0));
	EXPECT_EQ(0, ask_set(edge, 0));
	close(level);
	close(edge);
}

TEST_F_TIMEOUT(poll_end, by_eviction, LIMIT)
{
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	end_of_port(_metadata, &self->rx, true, self->name);
}

TEST_F_TIMEOUT(poll_end, by_deletion, LIMIT)
{
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	end_of_port(_metadata, &self->rx, false, self->name);
}

struct heir {
	const struct raw_port *port;
	int set;
};

/* In a child: the port is not its own. */
static int poll_as_child(void *arg)
{
	const struct heir *h = arg;

	for (int i = 0; i < 200; i++) {
		if (poll_for(h->port, ANY, -1) != POLLERR || poll_for(h->port, 0, -1) != POLLERR)
			return 1;
	}
	return 0;
}

static int ask_as_child(void *arg)
{
	const struct heir *h = arg;

	return ask_set(h->set, 20000) == EPOLLERR ? 0 : 1;
}

TEST_F_TIMEOUT(poll_end, children_get_an_error, LIMIT)
{
	struct heir heir = { .port = &self->rx };
	struct sleeper s = { .port = &self->rx, .flags = IPCCHAN_WAIT_RECEIVE };
	unsigned long before;

	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	ASSERT_TRUE(sleep_in_wait(&s));
	before = switches(&s);
	EXPECT_EQ(0, in_child(poll_as_child, &heir));
	EXPECT_TRUE(sleeps_on(&s, before));
	publish_and_kick(&self->tx);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(0, in_child(poll_as_child, &heir));
	EXPECT_EQ(IN, poll_for(&self->rx, ANY, 0));
}

/*
 * A set shared with a child: what the child is told is lost for us, but not
 * what comes after. Breaks it: poll() that does not arm for the child.
 */
TEST_F_TIMEOUT(poll_end, children_take_no_later_edge, LIMIT)
{
	struct heir heir = { .port = &self->rx };

	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	heir.set = make_set(&self->rx, EPOLLIN | EPOLLET);
	for (int i = 0; i < 3; i++) {
		publish_and_kick(&self->tx);
		EXPECT_EQ(0, in_child(ask_as_child, &heir));
		EXPECT_EQ(1, ipcchan_load(&raw_roster(&self->tx)->sleeping_receivers));
		publish_and_kick(&self->tx);
		EXPECT_EQ(EPOLLIN, ask_set(heir.set, 20000));
	}
	close(heir.set);
}

TEST_HARNESS_MAIN
