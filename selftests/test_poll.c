// SPDX-License-Identifier: GPL-2.0
/*
 * poll(), select(), epoll and io_uring: what they report of a port, and when.
 *
 * Hang-up and other endings: test_poll_end.c; edges under load: test_poll_edge.c
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "sleeper.h"

#define LIMIT	120
#define IN	(POLLIN | POLLRDNORM)
#define OUT	(POLLOUT | POLLWRNORM)
#define ANY	(IN | OUT | POLLPRI | POLLRDHUP)

FIXTURE(poll) {
	struct pair pair;
	struct raw_port *tx, *rx;
	struct seen seen;
};

FIXTURE_SETUP(poll)
{
	ASSERT_EQ(0, pair_open(&self->pair, 4));
	self->tx = &self->pair.tx;
	self->rx = &self->pair.rx;
	see(self->tx, &self->seen);
}

FIXTURE_TEARDOWN(poll)
{
	EXPECT_TRUE(pair_close(&self->pair));
}

TEST_F_TIMEOUT(poll, in_is_a_level, LIMIT)
{
	EXPECT_EQ(0, poll_for(self->rx, ANY, 0));
	publish_and_kick(self->tx);
	publish_and_kick(self->tx);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(IN, poll_for(self->rx, ANY, -1));
		EXPECT_EQ(POLLIN, poll_for(self->rx, POLLIN, -1));
		EXPECT_EQ(POLLRDNORM, poll_for(self->rx, POLLRDNORM, -1));
		EXPECT_EQ(0, poll_for(self->rx, POLLOUT | POLLPRI, 0));
		take_and_kick(self->rx);
	}
	EXPECT_EQ(0, poll_for(self->rx, ANY, 0));
}

/* Breaks it: forgetting what the last WAIT_SEND has seen, or keeping it too long. */
TEST_F_TIMEOUT(poll, out_as_last_seen, LIMIT)
{
	EXPECT_EQ(OUT, poll_for(self->tx, ANY, -1));
	publish_and_kick(self->tx);
	EXPECT_EQ(OUT, poll_for(self->tx, ANY, -1));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-ETIMEDOUT, block(self->tx));
		EXPECT_EQ(0, poll_for(self->tx, ANY, 0));
		EXPECT_EQ(0, poll_for(self->tx, ANY, 5));
		take_and_kick(self->rx);
		EXPECT_EQ(OUT, poll_for(self->tx, ANY, -1));
		EXPECT_EQ(POLLOUT, poll_for(self->tx, POLLOUT, -1));
		EXPECT_EQ(0, poll_for(self->tx, POLLIN | POLLPRI, 0));
		publish_and_kick(self->tx);
	}
}

TEST_F_TIMEOUT(poll, both_roles, LIMIT)
{
	struct raw_port both;

	ASSERT_EQ(0, raw_open(&both, self->pair.name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	EXPECT_EQ(OUT, poll_for(&both, ANY, 0));
	EXPECT_EQ(-ETIMEDOUT, block(&both));
	EXPECT_EQ(0, poll_for(&both, ANY, 0));
	publish_and_kick(self->tx);
	EXPECT_EQ(IN, poll_for(&both, ANY, 0));
	take_and_kick(&both);
	EXPECT_EQ(0, poll_for(&both, ANY, 0));
	raw_close(&both);
}

TEST_F_TIMEOUT(poll, by_select, LIMIT)
{
	int n = self->rx->fd > self->tx->fd ? self->rx->fd + 1 : self->tx->fd + 1;
	fd_set in, out, other;

	for (int full = 0; full < 2; full++) {
		struct timeval t = { 0, 5000 };

		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_ZERO(&other);
		FD_SET(self->rx->fd, &in);
		FD_SET(self->tx->fd, &out);
		FD_SET(self->rx->fd, &other);
		EXPECT_EQ(1, select(n, &in, &out, &other, &t));
		EXPECT_EQ(full, FD_ISSET(self->rx->fd, &in));
		EXPECT_EQ(!full, FD_ISSET(self->tx->fd, &out));
		EXPECT_FALSE(FD_ISSET(self->rx->fd, &other));
		publish_and_kick(self->tx);
		EXPECT_EQ(-ETIMEDOUT, block(self->tx));
	}
}

TEST_F_TIMEOUT(poll, time_is_kept, LIMIT)
{
	for (int ms = 1; ms <= 125; ms *= 5) {
		uint64_t begun = now_ns();

		EXPECT_EQ(0, poll_for(self->rx, ANY, ms));
		EXPECT_LE(begun + ms * MS, now_ns());
	}
}

/* Asleep in poll and in epoll: a kick with work wakes, others do not. */
TEST_F_TIMEOUT(poll, sleepers_in, LIMIT)
{
	int set = make_set(self->rx, EPOLLIN | EPOLLET);
	struct sleeper a = { .port = self->rx, .flags = POLLIN }, b = { .epoll = set };
	unsigned long before_a, before_b;

	ASSERT_TRUE(sleep_in_poll(&a));
	ASSERT_TRUE(sleep_in_epoll(&b));
	before_a = switches(&a);
	before_b = switches(&b);
	for (int i = 0; i < 500; i++) {
		ASSERT_EQ(0, call_kick(self->tx->fd, 0xf, 0));
	}
	EXPECT_TRUE(sleeps_on(&a, before_a));
	EXPECT_TRUE(sleeps_on(&b, before_b));
	publish_and_kick(self->tx);
	ASSERT_TRUE(wakes(&a));
	ASSERT_TRUE(wakes(&b));
	EXPECT_EQ(POLLIN, a.events);
	EXPECT_EQ(EPOLLIN, b.events);
	close(set);
}

TEST_F_TIMEOUT(poll, sleepers_out, LIMIT)
{
	int set = make_set(self->tx, EPOLLOUT | EPOLLET);
	struct sleeper a = { .port = self->tx, .flags = POLLOUT }, b = { .epoll = set };
	unsigned long before_a, before_b;

	EXPECT_EQ(EPOLLOUT, ask_set(set, 0));
	publish_and_kick(self->tx);
	ASSERT_EQ(-ETIMEDOUT, block(self->tx));
	ASSERT_TRUE(sleep_in_poll(&a));
	ASSERT_TRUE(sleep_in_epoll(&b));
	before_a = switches(&a);
	before_b = switches(&b);
	for (int i = 0; i < 500; i++) {
		ASSERT_EQ(0, call_kick(self->rx->fd, 0, 0xf));
	}
	EXPECT_TRUE(sleeps_on(&a, before_a));
	EXPECT_TRUE(sleeps_on(&b, before_b));
	take_and_kick(self->rx);
	ASSERT_TRUE(wakes(&a));
	ASSERT_TRUE(wakes(&b));
	EXPECT_EQ(POLLOUT, a.events);
	EXPECT_EQ(EPOLLOUT, b.events);
	close(set);
}

/* Breaks it: poll() that does not arm when it reports something. */
TEST_F_TIMEOUT(poll, an_edge_for_each_kick, LIMIT)
{
	int set = make_set(self->rx, EPOLLIN | EPOLLET);

	EXPECT_EQ(0, ask_set(set, 0));
	publish_and_kick(self->tx);
	EXPECT_EQ(EPOLLIN, ask_set(set, 0));
	EXPECT_EQ(0, ask_set(set, 0));
	/* more, while the first is unread */
	for (int i = 0; i < 10; i++) {
		publish_and_kick(self->tx);
		EXPECT_EQ(EPOLLIN, ask_set(set, 0));
		EXPECT_EQ(0, ask_set(set, 0));
	}
	for (int i = 0; i < 11; i++) {
		take_and_kick(self->rx);
	}
	/* an edge that is over when it is asked for is none */
	publish_and_kick(self->tx);
	take_and_kick(self->rx);
	EXPECT_EQ(0, ask_set(set, 0));
	publish_and_kick(self->tx);
	EXPECT_EQ(EPOLLIN, ask_set(set, 0));
	close(set);
}

/*
 * A sender gives up though receivers moved on between what it has seen and its
 * look: what it leaves is older than what the look found, so the set must ask
 * again. Breaks it: a look that finds something and rouses nobody.
 */
TEST_F_TIMEOUT(poll, an_edge_for_a_look_that_finds, LIMIT)
{
	uint32_t events = 0;
	int set;

	publish_and_kick(self->tx);
	ASSERT_EQ(-ETIMEDOUT, block(self->tx));
	set = make_set(self->tx, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, ask_set(set, 0));
	see(self->tx, &self->seen);
	pair_change(&self->pair, IPCCHAN_WAIT_SEND);
	EXPECT_EQ(0, wait_seen(self->tx, &self->seen, IPCCHAN_WAIT_SEND, 0, 0, &events));
	EXPECT_EQ(IPCCHAN_WAIT_SEND, events);
	EXPECT_EQ(EPOLLOUT, ask_set(set, 0));
	close(set);
}

TEST_F_TIMEOUT(poll, one_shot, LIMIT)
{
	struct epoll_event again = { .events = EPOLLIN | EPOLLONESHOT };
	int set = make_set(self->rx, EPOLLIN | EPOLLONESHOT);

	publish_and_kick(self->tx);
	EXPECT_EQ(EPOLLIN, ask_set(set, 0));
	publish_and_kick(self->tx);
	EXPECT_EQ(0, ask_set(set, 0));
	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_MOD, self->rx->fd, &again));
	EXPECT_EQ(EPOLLIN, ask_set(set, 0));
	take_and_kick(self->rx);
	take_and_kick(self->rx);
	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_MOD, self->rx->fd, &again));
	EXPECT_EQ(0, ask_set(set, 0));
	publish_and_kick(self->tx);
	EXPECT_EQ(EPOLLIN, ask_set(set, 0));
	close(set);
}

/* A set in a set. */
TEST_F_TIMEOUT(poll, nested_sets, LIMIT)
{
	int inner = make_set(self->rx, EPOLLIN), outer = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct sleeper s = { .epoll = outer };

	ASSERT_EQ(0, epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
	for (int i = 0; i < 5; i++) {
		ASSERT_TRUE(sleep_in_epoll(&s));
		publish_and_kick(self->tx);
		ASSERT_TRUE(wakes(&s));
		EXPECT_EQ(EPOLLIN, ask_set(inner, 0));
		take_and_kick(self->rx);
		EXPECT_EQ(0, ask_set(inner, 0));
	}
	close(outer);
	close(inner);
}

/* Two sets, one of each kind, a thread in wait and one in poll: one kick for all. */
TEST_F_TIMEOUT(poll, all_kinds_at_once, LIMIT)
{
	int level = make_set(self->rx, EPOLLIN), edge = make_set(self->rx, EPOLLIN | EPOLLET);
	struct sleeper s[4] = {
		{ .port = self->rx, .flags = IPCCHAN_WAIT_RECEIVE },
		{ .port = self->rx, .flags = POLLIN },
		{ .epoll = level },
		{ .epoll = edge },
	};

	for (int round = 0; round < 20; round++) {
		ASSERT_TRUE(sleep_in_wait(&s[0]));
		ASSERT_TRUE(sleep_in_poll(&s[1]));
		ASSERT_TRUE(sleep_in_epoll(&s[2]));
		ASSERT_TRUE(sleep_in_epoll(&s[3]));
		raw_publish(self->tx, "a", 1, 0);
		ASSERT_EQ(1, ipcchan_load(&raw_roster(self->tx)->sleeping_receivers));
		ASSERT_EQ(0, call_kick(self->tx->fd, 1, 0));
		for (int i = 0; i < 4; i++) {
			ASSERT_TRUE(wakes(&s[i])) TH_LOG("round %d, %d", round, i);
			EXPECT_EQ(0, s[i].result);
		}
		EXPECT_EQ(EPOLLIN, ask_set(level, 0));
		EXPECT_EQ(0, ask_set(edge, 0));
		take_and_kick(self->rx);
		EXPECT_EQ(0, ask_set(level, 0));
	}
	close(level);
	close(edge);
}

/* One call for many ports, of which one has a message. */
TEST_F_TIMEOUT(poll, many_ports, LIMIT)
{
	struct raw_port more[3];
	struct pollfd fds[4] = { { .fd = self->rx->fd, .events = POLLIN } };

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&more[i], self->pair.name, IPCCHAN_RECEIVE));
		fds[i + 1] = (struct pollfd){ .fd = more[i].fd, .events = POLLIN };
	}
	EXPECT_EQ(0, poll(fds, 4, 0));
	raw_publish(self->tx, "a", 1, 0);
	EXPECT_EQ(1, raw_take(self->rx, 0, NULL, 0, NULL));
	EXPECT_EQ(1, raw_take(&more[0], 0, NULL, 0, NULL));
	EXPECT_EQ(1, raw_take(&more[2], 0, NULL, 0, NULL));
	EXPECT_EQ(1, poll(fds, 4, -1));
	EXPECT_EQ(POLLIN, fds[2].revents);
	for (int i = 0; i < 3; i++) {
		raw_close(&more[i]);
	}
}

/* io_uring, by its calls: POLL_ADD sleeps by the same word. */
struct uring {
	struct io_uring_params p;
	struct io_uring_sqe *sqes;
	char *rings;
	int fd;
};

static int uring_open(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = syscall(SYS_io_uring_setup, 4, &u->p);
	if (u->fd < 0)
		return -errno;
	u->sqes = mmap(NULL, 4 * sizeof(*u->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		       IORING_OFF_SQES);
	u->rings = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	return u->sqes == MAP_FAILED || u->rings == MAP_FAILED ? -ENOMEM : 0;
}

static int uring_poll_add(struct uring *u, int fd, uint32_t events)
{
	uint32_t *tail = (uint32_t *)(u->rings + u->p.sq_off.tail), at = *tail & 3;

	u->sqes[at] = (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = fd, .poll32_events = events,
	};
	((uint32_t *)(u->rings + u->p.sq_off.array))[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, u->fd, 1, 0, 0, NULL, 0) == 1 ? 0 : -errno;
}

static uint32_t uring_completions(const struct uring *u)
{
	return __atomic_load_n((uint32_t *)(u->rings + u->p.cq_off.tail), __ATOMIC_ACQUIRE);
}

static int uring_result(const struct uring *u, uint32_t i)
{
	syscall(SYS_io_uring_enter, u->fd, 0, i + 1, IORING_ENTER_GETEVENTS, NULL, 0);
	return ((struct io_uring_cqe *)(u->rings + u->p.cq_off.cqes))[i & 7].res;
}

TEST_F_TIMEOUT(poll, by_io_uring, LIMIT)
{
	struct uring u;
	int err = uring_open(&u);

	if (err == -ENOSYS || err == -EPERM)
		SKIP(return, "io_uring: %s", strerror(-err));
	ASSERT_EQ(0, err);
	for (uint32_t i = 0; i < 4; i += 2) {
		ASSERT_EQ(0, uring_poll_add(&u, self->rx->fd, POLLIN));
		sleep_ms(10);
		EXPECT_EQ(i, uring_completions(&u));
		publish_and_kick(self->tx);
		EXPECT_EQ(POLLIN, uring_result(&u, i));
		ASSERT_EQ(-ETIMEDOUT, block(self->tx));
		ASSERT_EQ(0, uring_poll_add(&u, self->tx->fd, POLLOUT));
		sleep_ms(10);
		EXPECT_EQ(i + 1, uring_completions(&u));
		take_and_kick(self->rx);
		EXPECT_EQ(POLLOUT, uring_result(&u, i + 1));
	}
	close(u.fd);
}

TEST_HARNESS_MAIN
