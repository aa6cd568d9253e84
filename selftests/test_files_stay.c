// SPDX-License-Identifier: GPL-2.0
/*
 * Files on a queue that nobody is attached to, and on one for dead letters: they stay
 * with their message if they refer to nothing but their own contents, and are closed
 * with the last port if not.
 *
 * What breaks these: files that keep their own channel, or its network namespace; files
 * that come to a channel by another way than from a port of it; one that is forgotten
 * between two queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "freight.h"
#include "probe.h"
#include "who.h"

FIXTURE(stay) {
	struct freight f;
	struct watch w;
	struct accounts before;
	int copy[2];
};

FIXTURE_SETUP(stay)
{
	accounts_read(&self->before);
	freight_init(&self->f);
	self->f.options.type = IPCCHAN_QUEUE;
	self->f.options.flags |= IPCCHAN_OPEN_PERSISTENT;
	ASSERT_EQ(0, freight_begin(&self->f));
	ASSERT_EQ(0, watch_open(&self->w));
}

static void close_ports(struct freight *f)
{
	ipcchan_port_close(f->tx);
	ipcchan_port_close(f->rx[0]);
	ipcchan_port_close(f->rx[1]);
	f->tx = f->rx[0] = f->rx[1] = NULL;
}

FIXTURE_TEARDOWN(stay)
{
	close_ports(&self->f);
	drop_channel(self->f.name);
	if (self->w.fd < 0)
		EXPECT_TRUE(watch_ends(&self->w));
	watch_close(&self->w);
	EXPECT_TRUE(accounts_settle(&self->before));
	EXPECT_EQ(0, files_in_flight());
}

/* With the watched one, and away: 0 or -errno. */
static int send_with(struct ipcchan_port *tx, struct watch *w, int fd)
{
	int fds[2] = { w->fd, fd };
	int rc = freight_send(tx, FREIGHT_SHORT, fds, fd < 0 ? 1 : 2);

	close_fds(fds, fd < 0 ? 1 : 2);
	w->fd = -1;
	return rc;
}

static int attach(struct freight *f)
{
	return ipcchan_open(&f->rx[0], f->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL);
}

static int on_disk(void)
{
	char path[] = "/tmp/stay.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	return fd;
}

TEST_F(stay, when_all_have_gone)
{
	int more[] = { -1, memfd_create("stay", MFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), on_disk() };

	for (int i = 0; i < 4; i++) {
		struct watch w;
		int n = i ? 2 : 1;

		ASSERT_EQ(0, watch_open(&w));
		if (!self->f.tx)
			ASSERT_EQ(0, ipcchan_open(&self->f.tx, self->f.name, IPCCHAN_ROLE_SEND,
						  NULL, NULL));
		ASSERT_EQ(0, send_with(self->f.tx, &w, more[i]));
		close_ports(&self->f);
		EXPECT_TRUE(watch_is_open(&w));
		EXPECT_EQ(n, (int)files_in_flight());
		ASSERT_EQ(0, attach(&self->f));
		ASSERT_EQ(n, freight_take(self->f.rx[0], self->copy, 2));
		EXPECT_EQ(1, write(w.end, "x", 1));
		EXPECT_EQ(1, read(self->copy[0], &n, 1));
		close_fds(self->copy, i ? 2 : 1);
		EXPECT_TRUE(watch_ends(&w));
		watch_close(&w);
	}
}

TEST_F(stay, until_the_channel_is_deleted)
{
	ASSERT_EQ(0, send_with(self->f.tx, &self->w, -1));
	close_ports(&self->f);
	EXPECT_TRUE(watch_is_open(&self->w));
	EXPECT_EQ(0, drop_channel(self->f.name));
}

TEST_F(stay, until_the_sender_is_evicted)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, ipcchan_port_info(self->f.tx, &info));
	ASSERT_EQ(0, send_with(self->f.tx, &self->w, -1));
	close_ports(&self->f);
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(0, evict(self->f.name, info.port_id));
	EXPECT_TRUE(watch_ends(&self->w));
}

/* Claimed by who goes last, too. */
TEST_F(stay, when_the_claimer_goes_last)
{
	struct ipcchan_message m;

	ASSERT_EQ(0, send_with(self->f.tx, &self->w, -1));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, 0));
	close_ports(&self->f);
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(0, attach(&self->f));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, 0));
	EXPECT_EQ(2, m.deliveries);
	EXPECT_EQ(1, ipcchan_message_files(self->f.rx[0], &m, self->copy, 2));
	close(self->copy[0]);
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
}

/* All files of a message, or none: one that may not stay takes the others along. */
static void does_not_stay(struct __test_metadata *_metadata, FIXTURE_DATA(stay) *self, int fd)
{
	struct ipcchan_message m;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_with(self->f.tx, &self->w, fd));
	ipcchan_port_close(self->f.tx);
	self->f.tx = NULL;
	EXPECT_TRUE(watch_is_open(&self->w));
	close_ports(&self->f);
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(0, files_in_flight());
	ASSERT_EQ(0, attach(&self->f));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, 0));
	EXPECT_EQ(2, m.nr_files);
	EXPECT_EQ(-ENOENT, ipcchan_message_files(self->f.rx[0], &m, self->copy, 2));
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
}

TEST_F(stay, not_with_a_socket)
{
	does_not_stay(_metadata, self, socket(AF_INET, SOCK_DGRAM, 0));
}

TEST_F(stay, not_with_a_file_of_proc)
{
	does_not_stay(_metadata, self, open("/proc/self/net/protocols", O_RDONLY));
}

TEST_F(stay, not_with_a_handle)
{
	does_not_stay(_metadata, self, handle_open(device_open(), self->f.name, IPCCHAN_SEND));
}

/* A queue that outlives its processes, in a namespace that is to end with them. */
static int leave_a_ring(void *arg)
{
	struct ipcchan_options options;
	struct watch *w = arg;
	struct ipcchan_port *tx;
	int rc;

	if (enter_netns())
		return -1;
	ipcchan_options_init(&options);
	options.type = IPCCHAN_QUEUE;
	options.flags = IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_PERSISTENT;
	if (ipcchan_open(&tx, "ring", IPCCHAN_ROLE_SEND, &options, NULL))
		return -2;
	rc = freight_send(tx, FREIGHT_SHORT, &w->fd, 1);
	return rc ? rc : send_with(tx, w, socket(AF_INET, SOCK_DGRAM, 0));
}

TEST_F(stay, not_longer_than_the_namespace)
{
	ASSERT_EQ(0, run_child(leave_a_ring, &self->w));
	close(self->w.fd);
	self->w.fd = -1;
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(0, files_in_flight());
}

/* Dead letters: f is the queue for them, and what is sent to q dies there at once. */
FIXTURE(dead) {
	struct accounts before;
	struct freight f, q;
	struct watch w;
	int copy[2];
};

FIXTURE_VARIANT(dead) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(dead, ephemeral) {};
FIXTURE_VARIANT_ADD(dead, persistent) { .flags = IPCCHAN_OPEN_PERSISTENT };

FIXTURE_SETUP(dead)
{
	accounts_read(&self->before);
	freight_init(&self->f);
	self->f.options.type = IPCCHAN_QUEUE;
	self->f.options.flags |= variant->flags;
	ASSERT_EQ(0, freight_begin(&self->f));
	freight_init(&self->q);
	self->q.options.type = IPCCHAN_QUEUE;
	self->q.options.max_deliveries = 1;
	self->q.options.max_message = 2 * FREIGHT_LONG;
	self->q.options.dead_letter = self->f.name;
	ASSERT_EQ(0, freight_begin(&self->q));
	ASSERT_EQ(0, watch_open(&self->w));
}

FIXTURE_TEARDOWN(dead)
{
	close_ports(&self->q);
	close_ports(&self->f);
	drop_channel(self->f.name);
	if (self->w.fd < 0)
		EXPECT_TRUE(watch_ends(&self->w));
	watch_close(&self->w);
	EXPECT_TRUE(accounts_settle(&self->before));
	EXPECT_EQ(0, files_in_flight());
}

static int refuse_next(struct ipcchan_port *rx)
{
	struct ipcchan_message m;
	int rc = ipcchan_receive(rx, &m, PATIENCE_NS);

	return rc ? rc : ipcchan_refuse(rx, &m, 0);
}

TEST_F(dead, files_go_along)
{
	int fd = memfd_create("dead", MFD_CLOEXEC);
	struct ipcchan_message m;

	ASSERT_EQ(0, freight_send(self->q.tx, FREIGHT_SHORT, NULL, 0));
	ASSERT_EQ(0, send_with(self->q.tx, &self->w, fd));
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[1], &m, PATIENCE_NS));
	EXPECT_EQ(2, m.nr_files);
	EXPECT_EQ(2, files_in_flight());
	/* with the queue they come from gone */
	close_ports(&self->q);
	ASSERT_EQ(2, ipcchan_message_files(self->f.rx[1], &m, self->copy, 2));
	close_fds(self->copy, 2);
	EXPECT_TRUE(watch_is_open(&self->w));
	EXPECT_EQ(0, ipcchan_release(self->f.rx[1], &m));
}

TEST_F(dead, too_long_for_it)
{
	ASSERT_EQ(0, freight_send(self->q.tx, 2 * FREIGHT_LONG, &self->w.fd, 1));
	close(self->w.fd);
	self->w.fd = -1;
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	EXPECT_TRUE(watch_ends(&self->w));
}

/* Until there is room they wait where they are. */
TEST_F(dead, wait_for_room)
{
	int rc;

	for (uint32_t i = 0; i < FREIGHT_DEPTH; i++) {
		ASSERT_EQ(0, freight_send(self->q.tx, FREIGHT_SHORT, NULL, 0));
		ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	}
	/* the last of these is retired when it is over there */
	while ((rc = freight_send(self->q.tx, FREIGHT_SHORT, &self->w.fd, 1)) == -EAGAIN)
		usleep(1000);
	ASSERT_EQ(0, rc);
	close(self->w.fd);
	self->w.fd = -1;
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	usleep(100000);
	EXPECT_TRUE(watch_is_open(&self->w));
	for (uint32_t i = 0; i < FREIGHT_DEPTH; i++) {
		ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	}
	ASSERT_EQ(1, freight_take(self->f.rx[0], self->copy, 1));
	close(self->copy[0]);
}

TEST_F(dead, slot_was_taken_away)
{
	struct ipcchan_message m;
	uint32_t lent = 0;

	ASSERT_EQ(0, send_with(self->q.tx, &self->w, -1));
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	for (uint32_t id = 1; id < 16 && !lent; id++) {
		if (watch_is_open(&self->w) && evict(self->f.name, id) == 0)
			lent = watch_is_open(&self->w) ? 0 : id;
	}
	EXPECT_TRUE(watch_ends(&self->w));
}

/* Nobody is attached there: then nobody keeps there what may not stay. */
TEST_F(dead, nobody_is_there)
{
	struct watch w;
	int rc;

	if (!variant->flags)
		return;
	close_ports(&self->f);
	ASSERT_EQ(0, watch_open(&w));
	ASSERT_EQ(0, send_with(self->q.tx, &w, socket(AF_INET, SOCK_DGRAM, 0)));
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	EXPECT_TRUE(watch_ends(&w));
	watch_close(&w);
	ASSERT_EQ(0, send_with(self->q.tx, &self->w, -1));
	ASSERT_EQ(0, refuse_next(self->q.rx[0]));
	/* once its place can be had it is over there */
	for (uint32_t n = 0; n < FREIGHT_DEPTH; n += !rc) {
		rc = freight_send(self->q.tx, FREIGHT_SHORT, NULL, 0);
		ASSERT_TRUE(!rc || rc == -EAGAIN);
		usleep(1000);
	}
	close_ports(&self->q);
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(0, attach(&self->f));
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(1, freight_take(self->f.rx[0], self->copy, 1));
	close(self->copy[0]);
}

/* Everybody is killed at any time, the dead go to another queue: nothing is left. */
static int storm_sender(void *name)
{
	struct ipcchan_port *tx;
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = memfd_create("storm", MFD_CLOEXEC);
	for (;;) {
		if (ipcchan_open(&tx, name, IPCCHAN_ROLE_SEND, NULL, NULL))
			continue;
		for (int i = 0; i < 200; i++)
			freight_send(tx, i % 2 ? FREIGHT_SHORT : FREIGHT_LONG, fds, 1 + i % 3);
		ipcchan_port_close(tx);
	}
	return 0;
}

static int storm_receiver(void *name)
{
	struct ipcchan_port *rx;
	struct ipcchan_message m;
	int fds[4];

	for (;;) {
		if (ipcchan_open(&rx, name, IPCCHAN_ROLE_RECEIVE, NULL, NULL))
			continue;
		for (int i = 0; i < 200; i++) {
			int n;

			if (ipcchan_receive(rx, &m, 1000000))
				continue;
			n = ipcchan_message_files(rx, &m, fds, 4);
			close_fds(fds, n);
			if (i % 5)
				ipcchan_release(rx, &m);
			else
				ipcchan_refuse(rx, &m, i % 10 ? 1000000 : 0);
		}
		ipcchan_port_close(rx);
	}
	return 0;
}

#define STORM	5

TEST(storm)
{
	uint64_t random = random_seed();
	struct accounts before;
	struct freight f, q;
	pid_t pids[STORM];

	accounts_read(&before);
	freight_init(&f);
	f.options.type = IPCCHAN_QUEUE;
	ASSERT_EQ(0, freight_begin(&f));
	freight_init(&q);
	q.options.type = IPCCHAN_QUEUE;
	q.options.receivers = 6;
	q.options.lease_ns = 2000000;
	q.options.max_deliveries = 3;
	q.options.dead_letter = f.name;
	ASSERT_EQ(0, freight_begin(&q));
	for (int i = 0; i < STORM; i++)
		pids[i] = child_start(i < 2 ? storm_sender : storm_receiver,
				      i == 4 ? f.name : q.name);
	for (uint32_t n = 0; n < heavy(150, 30); n++) {
		int i = random_next(&random) % STORM;

		usleep(random_next(&random) % 20000);
		kill(pids[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, child_end(pids[i], 60000));
		pids[i] = child_start(i < 2 ? storm_sender : storm_receiver,
				      i == 4 ? f.name : q.name);
	}
	for (int i = 0; i < STORM; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, child_end(pids[i], 60000));
	}
	close_ports(&q);
	close_ports(&f);
	EXPECT_TRUE(accounts_settle(&before));
	EXPECT_EQ(0, files_in_flight());
}

TEST_HARNESS_MAIN
