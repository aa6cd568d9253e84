// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring's POLL_ADD, by liburing: once and multishot, for messages, room and
 * ends, cancelled, and with the file closed meanwhile. By bare calls: test_poll.c
 *
 * A multishot poll reports each wake-up of the port that brought something:
 * one at least for what came since it was last looked at, as an edge does.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "sleeper.h"

#define LIMIT	120
#define SOON_S	20
#define QUIET	40	/* ms */
#define NONE	(-ETIME)

FIXTURE(uring) {
	struct pair pair;
	struct raw_port *tx, *rx;
	struct io_uring ring;
	bool ready;
};

FIXTURE_SETUP(uring)
{
	int err;

	ASSERT_EQ(0, pair_open(&self->pair, 4));
	self->tx = &self->pair.tx;
	self->rx = &self->pair.rx;
	err = io_uring_queue_init(8, &self->ring, 0);
	self->ready = !err;
	if (err == -ENOSYS || err == -EPERM)
		SKIP(return, "io_uring: %s", strerror(-err));
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(uring)
{
	if (self->ready)
		io_uring_queue_exit(&self->ring);
	EXPECT_TRUE(pair_close(&self->pair));
}

/* What is completed within that time: its result, and of which request. */
static int completion(struct io_uring *ring, unsigned int ms, uint64_t *which, bool *more)
{
	struct __kernel_timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000ll };
	struct io_uring_cqe *cqe;
	int rc = io_uring_wait_cqe_timeout(ring, &cqe, &t);

	if (rc)
		return rc;
	rc = cqe->res;
	if (which)
		*which = cqe->user_data;
	if (more)
		*more = cqe->flags & IORING_CQE_F_MORE;
	io_uring_cqe_seen(ring, cqe);
	return rc;
}

static int soon(struct io_uring *ring, bool *more)
{
	return completion(ring, SOON_S * 1000, NULL, more);
}

static int add(struct io_uring *ring, int fd, unsigned int events, uint64_t which, bool multishot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (multishot)
		io_uring_prep_poll_multishot(sqe, fd, events);
	else
		io_uring_prep_poll_add(sqe, fd, events);
	sqe->user_data = which;
	return io_uring_submit(ring) == 1 ? 0 : -1;
}

static int cancel(struct io_uring *ring, uint64_t which, uint64_t me)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_poll_remove(sqe, which);
	sqe->user_data = me;
	return io_uring_submit(ring) == 1 ? 0 : -1;
}

TEST_F_TIMEOUT(uring, once, LIMIT)
{
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, false));
		EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
		publish_and_kick(self->tx);
		EXPECT_EQ(POLLIN, soon(&self->ring, NULL));
		publish_and_kick(self->tx);
		EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
		take_and_kick(self->rx);
		take_and_kick(self->rx);
	}
	publish_and_kick(self->tx);
	ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, false));
	EXPECT_EQ(POLLIN, soon(&self->ring, NULL));
}

TEST_F_TIMEOUT(uring, room_once, LIMIT)
{
	ASSERT_EQ(0, add(&self->ring, self->tx->fd, POLLOUT, 1, false));
	EXPECT_EQ(POLLOUT, soon(&self->ring, NULL));
	publish_and_kick(self->tx);
	ASSERT_EQ(-ETIMEDOUT, block(self->tx));
	ASSERT_EQ(0, add(&self->ring, self->tx->fd, POLLOUT, 1, false));
	EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
	take_and_kick(self->rx);
	EXPECT_EQ(POLLOUT, soon(&self->ring, NULL));
}

/* Breaks it: poll() that does not arm when it reports something. */
TEST_F_TIMEOUT(uring, multishot, LIMIT)
{
	bool more = false;

	ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, true));
	EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
	/* without taking any in between, and with */
	for (int taking = 0; taking < 2; taking++) {
		for (int i = 0; i < 5; i++) {
			publish_and_kick(self->tx);
			EXPECT_EQ(POLLIN, soon(&self->ring, &more));
			EXPECT_TRUE(more);
			EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
			if (taking)
				take_and_kick(self->rx);
		}
		while (!taking && raw_take(self->rx, 0, NULL, 0, NULL) >= 0)
			;
	}
	EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
}

TEST_F_TIMEOUT(uring, multishot_room, LIMIT)
{
	bool more = false;

	publish_and_kick(self->tx);
	ASSERT_EQ(-ETIMEDOUT, block(self->tx));
	ASSERT_EQ(0, add(&self->ring, self->tx->fd, POLLOUT, 1, true));
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
		take_and_kick(self->rx);
		EXPECT_EQ(POLLOUT, soon(&self->ring, &more));
		EXPECT_TRUE(more);
		publish_and_kick(self->tx);
		ASSERT_EQ(-ETIMEDOUT, block(self->tx));
	}
}

TEST_F_TIMEOUT(uring, multishot_hangup, LIMIT)
{
	bool more;

	ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN | POLLRDHUP, 1, true));
	publish_and_kick(self->tx);
	EXPECT_EQ(POLLIN, soon(&self->ring, &more));
	take_and_kick(self->rx);
	leave(self->tx);
	EXPECT_EQ(POLLRDHUP | POLLHUP, soon(&self->ring, &more));
	ASSERT_EQ(0, raw_open(self->tx, self->pair.name, IPCCHAN_SEND));
	if (!more)
		ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN | POLLRDHUP, 1, true));
	publish_and_kick(self->tx);
	EXPECT_EQ(POLLIN, soon(&self->ring, &more));
}

TEST_F_TIMEOUT(uring, cancelled, LIMIT)
{
	for (int multishot = 0; multishot < 2; multishot++) {
		int results[3] = { 1, 1, 1 };

		ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, multishot));
		EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
		ASSERT_EQ(0, cancel(&self->ring, 1, 2));
		for (int i = 0; i < 2; i++) {
			uint64_t which = 0;
			int rc = completion(&self->ring, SOON_S * 1000, &which, NULL);

			ASSERT_TRUE(which == 1 || which == 2);
			results[which] = rc;
		}
		EXPECT_EQ(-ECANCELED, results[1]);
		EXPECT_EQ(0, results[2]);
		publish_and_kick(self->tx);
		EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
		take_and_kick(self->rx);
	}
	/* there is no such request any more */
	ASSERT_EQ(0, cancel(&self->ring, 1, 2));
	EXPECT_EQ(-ENOENT, soon(&self->ring, NULL));
}

TEST_F_TIMEOUT(uring, evicted, LIMIT)
{
	ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, false));
	EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
	ASSERT_EQ(0, evict(self->pair.name, self->rx->attach.port_id));
	EXPECT_EQ(POLLERR | POLLHUP, soon(&self->ring, NULL));
}

/*
 * The ring has a reference on the file: the port is detached by its mapping,
 * which the poll is told of, and freed with the request.
 */
TEST_F_TIMEOUT(uring, closed_meanwhile, LIMIT)
{
	for (int multishot = 0; multishot < 2; multishot++) {
		ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, multishot));
		EXPECT_EQ(NONE, completion(&self->ring, QUIET, NULL, NULL));
		leave(self->rx);
		EXPECT_EQ(POLLERR | POLLHUP, soon(&self->ring, NULL));
		ASSERT_EQ(0, raw_open(self->rx, self->pair.name, IPCCHAN_RECEIVE));
	}
}

/* The ring goes, with a poll that waits in it. */
TEST_F_TIMEOUT(uring, ring_closed_meanwhile, LIMIT)
{
	ASSERT_EQ(0, add(&self->ring, self->rx->fd, POLLIN, 1, true));
	ASSERT_EQ(0, add(&self->ring, self->tx->fd, POLLIN, 2, false));
	io_uring_queue_exit(&self->ring);
	self->ready = false;
	publish_and_kick(self->tx);
	take_and_kick(self->rx);
}

/* As streams our files are refused here, too; io_uring asks when they are ready. */
TEST_F_TIMEOUT(uring, read_and_write, LIMIT)
{
	char byte = 'a';

	publish_and_kick(self->tx);
	for (int writing = 0; writing < 2; writing++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

		if (writing)
			io_uring_prep_write(sqe, self->tx->fd, &byte, 1, 0);
		else
			io_uring_prep_read(sqe, self->rx->fd, &byte, 1, 0);
		ASSERT_EQ(1, io_uring_submit(&self->ring));
		EXPECT_EQ(-EOPNOTSUPP, soon(&self->ring, NULL));
	}
}

/* A loop as a program would have it: the library, and a multishot poll. */
TEST_F_TIMEOUT(uring, by_the_library, LIMIT)
{
	struct ipcchan_options options;
	char name[IPCCHAN_NAME_SIZE];
	struct ipcchan_port *tx, *rx;
	uint32_t sent = 0, got = 0, n;

	unique_name(name, "loop");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.depth = 16;
	ASSERT_EQ(0, ipcchan_open(&rx, name, IPCCHAN_ROLE_RECEIVE, &options, NULL));
	ASSERT_EQ(0, ipcchan_open(&tx, name, IPCCHAN_ROLE_SEND, &options, NULL));
	ASSERT_EQ(0, add(&self->ring, ipcchan_port_fd(rx), POLLIN, 1, true));
	while (got < 1000) {
		bool more = true;

		for (int i = 0; i < 7 && sent < 1000; i++, sent++)
			ASSERT_EQ(0, ipcchan_send(tx, &sent, sizeof(sent), IPCCHAN_NO_WAIT));
		EXPECT_EQ(POLLIN, soon(&self->ring, &more) & POLLIN);
		EXPECT_TRUE(more);
		while (ipcchan_recv(rx, &n, sizeof(n), NULL, IPCCHAN_NO_WAIT) == sizeof(n)) {
			ASSERT_EQ(got, n);
			got++;
		}
		/* what was reported while we were reading, was read */
		while (completion(&self->ring, 0, NULL, NULL) != NONE)
			;
	}
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

TEST_HARNESS_MAIN
