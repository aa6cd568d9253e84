// SPDX-License-Identifier: GPL-2.0
/*
 * Files that take their time to be closed: a socket that lingers, of which the
 * message has the last copy. It is nobody's trouble but its sender's.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "freight.h"
#include "probe.h"

#define LIMIT		120
#define LINGER_S	60
#define SOON		(20 * SECOND)

FIXTURE(linger) {
	struct freight f;
	int fd;			/* the end that lingers */
	int peer;		/* who does not read */
};

static int loopback_up(int fd)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	return ioctl(fd, SIOCSIFFLAGS, &request);
}

static int tcp_pair(int *fd, int *peer)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int rc, l = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof(at);

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	rc = loopback_up(l) || bind(l, (struct sockaddr *)&at, size) || listen(l, 1) ||
	     getsockname(l, (struct sockaddr *)&at, &size) ||
	     connect(*fd, (struct sockaddr *)&at, size);
	*peer = accept(l, NULL, NULL);
	close(l);
	return rc || *peer < 0 ? -errno : 0;
}

/* Full of what nobody reads, so that close() waits for it to be sent. */
static int linger(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = LINGER_S };
	static const char junk[65536];

	while (send(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

FIXTURE_SETUP(linger)
{
	ASSERT_EQ(0, freight_open(&self->f, IPCCHAN_BLOCK, 0));
	ASSERT_EQ(0, tcp_pair(&self->fd, &self->peer));
	ASSERT_EQ(0, linger(self->fd));
}

FIXTURE_TEARDOWN(linger)
{
	/* with unread data that is a reset, and the lingering is over */
	close(self->peer);
	EXPECT_TRUE(freight_close(&self->f));
}

/* The only copy goes, and both receivers let go of it: how long did that take? */
static uint64_t let_go(FIXTURE_DATA(linger) *self)
{
	uint64_t start;

	if (freight_send(self->f.tx, FREIGHT_SHORT, &self->fd, 1) || close(self->fd))
		return ~0ull;
	start = now_ns();
	if (freight_pass(self->f.rx[0]) || freight_pass(self->f.rx[1]))
		return ~0ull;
	return now_ns() - start;
}

/* Breaks it: it is closed by whoever is the last to let go of the message. */
TEST_F_TIMEOUT(linger, nobody_waits_for_it, LIMIT)
{
	EXPECT_GT(SOON, let_go(self));
	EXPECT_EQ(0, files_in_flight());
}

/* Another user's channel, and his files. */
static int send_and_see(void *unused)
{
	struct freight f;
	struct watch w;
	uint64_t start;

	if (freight_open(&f, IPCCHAN_BLOCK, 0) || watch_send(&w, f.tx))
		return 1;
	start = now_ns();
	if (freight_pass(f.rx[0]) || freight_pass(f.rx[1]) || !watch_ends(&w))
		return 2;
	return now_ns() - start < SOON ? 0 : 3;
}

/* Breaks it: one closes for all. */
TEST_F_TIMEOUT(linger, nor_do_the_files_of_others, LIMIT)
{
	EXPECT_GT(SOON, let_go(self));
	EXPECT_EQ(0, run_as(ALICE, send_and_see, NULL));
}

static int put(struct ipcchan_port *tx, int fd)
{
	struct ipcchan_files_put args = {
		.size = sizeof(args), .nr = 1, .sequence = 1, .fds = (uintptr_t)&fd,
		.why = (uintptr_t)why, .why_len = WHY_SIZE,
	};

	return call(ipcchan_port_fd(tx), IPCCHAN_IOC_FILES_PUT, &args);
}

/* What waits to be closed is limited; it is closed when the first is. */
TEST_F_TIMEOUT(linger, so_many_and_no_more, LIMIT)
{
	int fds[IPCCHAN_FILES_MOST], rc = 0, n;
	struct watch w;

	EXPECT_GT(SOON, let_go(self));
	ASSERT_EQ(0, watch_open(&w));
	for (uint32_t i = 0; i < IPCCHAN_FILES_MOST; i++)
		fds[i] = w.fd;
	for (n = 0; n < 2000 && !rc; n++) {
		rc = freight_send(self->f.tx, FREIGHT_SHORT, fds, IPCCHAN_FILES_MOST);
		if (!rc)
			rc = freight_pass(self->f.rx[0]);
		if (!rc)
			rc = freight_pass(self->f.rx[1]);
	}
	EXPECT_EQ(-EDQUOT, rc);
	EXPECT_EQ(1025, n);
	EXPECT_EQ(-EDQUOT, put(self->f.tx, w.fd));
	EXPECT_STREQ("too many files of the user's messages are still to be closed", why);
	close(w.fd);
	w.fd = -1;
	EXPECT_TRUE(watch_is_open(&w));
	close(self->peer);
	EXPECT_TRUE(watch_ends(&w));
	close(w.end);
}

TEST_HARNESS_MAIN
