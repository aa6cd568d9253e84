// SPDX-License-Identifier: GPL-2.0
/*
 * When the files of a message are closed: with the message, not before and not
 * much later, however it ends; and never kept by nobody.
 *
 * What breaks these: a way for a message to end that does not look at its files;
 * a look at the holds before that at the cursors; files that keep their own
 * channel, or its network namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "freight.h"
#include "probe.h"

FIXTURE(end) {
	struct freight f;
	struct watch w;
	int copy;
};

FIXTURE_SETUP(end)
{
	ASSERT_EQ(0, freight_open(&self->f, IPCCHAN_BLOCK, 0));
	ASSERT_EQ(0, watch_open(&self->w));
}

FIXTURE_TEARDOWN(end)
{
	watch_close(&self->w);
	EXPECT_TRUE(freight_close(&self->f));
}

/* Onto a message, and away. */
#define SEND(tx) do { \
		ASSERT_EQ(0, freight_send(tx, FREIGHT_SHORT, &self->w.fd, 1)); \
		close(self->w.fd); \
		self->w.fd = -1; \
	} while (0)

static void close_port(struct ipcchan_port **port)
{
	ipcchan_port_close(*port);
	*port = NULL;
}

TEST_F(end, when_all_have_passed_it)
{
	SEND(self->f.tx);
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(1, freight_take(self->f.rx[1], &self->copy, 1));
	close(self->copy);
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(end, not_while_it_is_held)
{
	struct ipcchan_message m;

	for (uint32_t length = FREIGHT_SHORT; length <= FREIGHT_LONG;
	     length += FREIGHT_LONG - FREIGHT_SHORT) {
		struct watch w;

		ASSERT_EQ(0, watch_open(&w));
		ASSERT_EQ(0, freight_send(self->f.tx, length, &w.fd, 1));
		close(w.fd);
		w.fd = -1;
		ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
		ASSERT_EQ(0, freight_pass(self->f.rx[1]));
		/* others are sent and passed */
		for (uint32_t i = 0; i < 3 * FREIGHT_DEPTH; i++) {
			ASSERT_EQ(0, freight_send(self->f.tx, FREIGHT_LONG, NULL, 0));
			ASSERT_EQ(0, freight_pass(self->f.rx[0]));
			ASSERT_EQ(0, freight_pass(self->f.rx[1]));
		}
		EXPECT_TRUE(watch_is_open(&w));
		ASSERT_EQ(1, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
		close(self->copy);
		EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
		EXPECT_TRUE(watch_ends(&w));
		watch_close(&w);
	}
}

TEST_F(end, at_once_if_nobody_is_there)
{
	close_port(&self->f.rx[0]);
	close_port(&self->f.rx[1]);
	SEND(self->f.tx);
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(end, when_the_last_who_needs_it_leaves)
{
	SEND(self->f.tx);
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	EXPECT_TRUE(watch_is_open(&self->w));
	close_port(&self->f.rx[1]);
	EXPECT_TRUE(watch_ends(&self->w));
}

static int receiver(void *name)
{
	struct raw_port rx;

	if (raw_open(&rx, name, IPCCHAN_RECEIVE))
		return 1;
	for (;;)
		pause();
}

TEST_F(end, receiver_is_killed)
{
	pid_t child = child_start(receiver, self->f.name);

	ASSERT_EQ(0, ipcchan_port_wait_peers(self->f.tx, IPCCHAN_ROLE_RECEIVE, 3, PATIENCE_NS));
	SEND(self->f.tx);
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	ASSERT_EQ(0, freight_pass(self->f.rx[1]));
	EXPECT_TRUE(watch_is_open(&self->w));
	kill(child, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, child_end(child, 60000));
	EXPECT_TRUE(watch_ends(&self->w));
}

struct sender {
	const char *name;
	struct watch *w;
	bool publish;
};

/* Gives its files to the kernel, publishes perhaps, and dies. */
static int sender(void *arg)
{
	const struct sender *s = arg;
	struct raw_port tx;
	struct ipcchan_files_put put = { .size = sizeof(put), .nr = 1 };

	close(s->w->end);
	if (raw_open(&tx, s->name, IPCCHAN_SEND))
		return 1;
	put.fds = (uintptr_t)&s->w->fd;
	put.sequence = tx.next;
	if (call(tx.fd, IPCCHAN_IOC_FILES_PUT, &put) || files_in_flight() != 1)
		return 2;
	ipcchan_store(&raw_desc(&tx, tx.next)->files, 1);
	if (s->publish)
		raw_publish(&tx, "files", 5, 0);
	kill(getpid(), SIGKILL);
	return 3;
}

static int send_and_die(FIXTURE_DATA(end) *self, bool publish)
{
	struct sender job = { self->f.name, &self->w, publish };
	int status = child_end(child_start(sender, &job), 60000);

	close(self->w.fd);
	self->w.fd = -1;
	return status;
}

TEST_F(end, sender_is_killed_before_it_publishes)
{
	EXPECT_EQ(128 + SIGKILL, send_and_die(self, false));
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(0, files_in_flight());
}

/* With something else left behind, so that its slot stays. */
TEST_F(end, sender_leaves_before_it_publishes)
{
	struct ipcchan_files_put put = { .size = sizeof(put), .nr = 1 };
	struct raw_port tx;

	ASSERT_EQ(0, raw_open(&tx, self->f.name, IPCCHAN_SEND));
	raw_publish(&tx, "stays", 5, 0);
	put.fds = (uintptr_t)&self->w.fd;
	put.sequence = tx.next;
	ASSERT_EQ(0, call(tx.fd, IPCCHAN_IOC_FILES_PUT, &put));
	close(self->w.fd);
	self->w.fd = -1;
	raw_close(&tx);
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(0, freight_pass(self->f.rx[0]));
	EXPECT_EQ(0, freight_pass(self->f.rx[1]));
}

/* What it has published can be read, with its files. */
TEST_F(end, sender_is_killed_when_it_has_published)
{
	EXPECT_EQ(128 + SIGKILL, send_and_die(self, true));
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(1, freight_take(self->f.rx[0], &self->copy, 1));
	ASSERT_EQ(0, freight_pass(self->f.rx[1]));
	EXPECT_TRUE(watch_is_open(&self->w));
	close(self->copy);
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(end, sender_is_evicted)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_message m;

	SEND(self->f.tx);
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
	ASSERT_EQ(0, ipcchan_port_info(self->f.tx, &info));
	ASSERT_EQ(0, evict(self->f.name, info.port_id));
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(-ENOENT, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
}

TEST_F(end, receiver_is_evicted)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	SEND(self->f.tx);
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	ASSERT_EQ(0, ipcchan_port_info(self->f.rx[1], &info));
	ASSERT_EQ(0, evict(self->f.name, info.port_id));
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(end, channel_is_deleted)
{
	struct ipcchan_message m;

	SEND(self->f.tx);
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
	ASSERT_EQ(0, drop_channel(self->f.name));
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(0, files_in_flight());
	EXPECT_EQ(-ESHUTDOWN, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
}

/* A receiver that says it has passed all, and one that says it holds all. */
TEST_F(end, liars_keep_and_lose_their_own)
{
	struct raw_port liar;

	ASSERT_EQ(0, raw_open(&liar, self->f.name, IPCCHAN_RECEIVE));
	ipcchan_store_release(&raw_cursor(&liar, 0)->passed, UINT64_MAX >> 1);
	SEND(self->f.tx);
	ASSERT_EQ(1, freight_take(self->f.rx[0], &self->copy, 1));
	close(self->copy);
	EXPECT_TRUE(watch_is_open(&self->w));
	ipcchan_store_release(&raw_cursor(&liar, 0)->passed, 0);
	for (uint32_t i = 0; i < FREIGHT_HOLDS; i++) {
		ipcchan_store_release(&raw_holds(&liar)[i],
				      ipcchan_load(&raw_sender_slot(&liar, 0)->base) + 1);
	}
	ASSERT_EQ(1, freight_take(self->f.rx[1], &self->copy, 1));
	close(self->copy);
	EXPECT_TRUE(watch_is_open(&self->w));
	leave(&liar);
	EXPECT_TRUE(watch_ends(&self->w));
}

/* The receiver is told of files that there are not. */
TEST_F(end, sender_lies)
{
	struct ipcchan_message m;
	struct raw_port liar;
	char text[5];

	ASSERT_EQ(0, raw_open(&liar, self->f.name, IPCCHAN_SEND));
	raw_desc(&liar, liar.next)->files = 3;
	raw_publish(&liar, "liar", 4, 0);
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(3, m.nr_files);
	EXPECT_EQ(-ENOENT, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
	EXPECT_EQ(4, ipcchan_recv_files(self->f.rx[1], text, 5, &m, &self->copy, 1, 0));
	EXPECT_EQ(0, m.nr_files);
	raw_close(&liar);
}

/* Where messages are dropped their files go with them, but for what is held. */
TEST(drop_oldest)
{
	struct watch w[5 * FREIGHT_DEPTH];
	struct ipcchan_message m;
	struct freight f;
	int copy;

	ASSERT_EQ(0, freight_open(&f, IPCCHAN_DROP_OLDEST, 0));
	ASSERT_EQ(0, watch_send(&w[0], f.tx));
	ASSERT_EQ(0, ipcchan_receive(f.rx[0], &m, IPCCHAN_NO_WAIT));
	for (uint32_t i = 1; i < 5 * FREIGHT_DEPTH; i++) {
		ASSERT_EQ(0, watch_send(&w[i], f.tx));
		EXPECT_LE(files_in_flight(), FREIGHT_DEPTH + 1);
	}
	for (uint32_t i = 1; i < 4 * FREIGHT_DEPTH; i++) {
		EXPECT_TRUE(watch_ends(&w[i]));
	}
	EXPECT_TRUE(watch_is_open(&w[0]));
	ASSERT_EQ(1, ipcchan_message_files(f.rx[0], &m, &copy, 1));
	close(copy);
	EXPECT_EQ(0, ipcchan_release(f.rx[0], &m));
	EXPECT_TRUE(watch_ends(&w[0]));
	/* the newest, after all that were lost */
	ASSERT_EQ(0, ipcchan_receive(f.rx[0], &m, IPCCHAN_NO_WAIT));
	EXPECT_LT(0, m.lost);
	ASSERT_EQ(1, ipcchan_message_files(f.rx[0], &m, &copy, 1));
	close(copy);
	EXPECT_EQ(0, ipcchan_release(f.rx[0], &m));
	/* a voided place is given to one without files */
	for (uint32_t i = 0; i < 2 * FREIGHT_DEPTH; i++) {
		ASSERT_EQ(0, freight_send(f.tx, 16, NULL, 0));
	}
	for (uint32_t i = 1; i < 5 * FREIGHT_DEPTH; i++) {
		EXPECT_TRUE(watch_ends(&w[i]));
		watch_close(&w[i]);
	}
	ASSERT_EQ(0, ipcchan_receive(f.rx[1], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(0, m.nr_files);
	EXPECT_EQ(0, ipcchan_release(f.rx[1], &m));
	watch_close(&w[0]);
	EXPECT_TRUE(freight_close(&f));
}

/* The last two are kept for who comes late, on a channel of either policy. */
static void keep_history(struct __test_metadata *_metadata, uint32_t overflow)
{
	struct watch w[4];
	struct freight f;
	int copy;

	ASSERT_EQ(0, freight_open(&f, overflow, 2));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, watch_send(&w[i], f.tx));
		ASSERT_EQ(0, freight_pass(f.rx[0]));
		ASSERT_EQ(0, freight_pass(f.rx[1]));
	}
	EXPECT_TRUE(watch_ends(&w[0]));
	EXPECT_TRUE(watch_ends(&w[1]));
	ipcchan_port_close(f.rx[1]);
	ASSERT_EQ(0, ipcchan_open(&f.rx[1], f.name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	for (int i = 2; i < 4; i++) {
		EXPECT_TRUE(watch_is_open(&w[i]));
		ASSERT_EQ(1, freight_take(f.rx[1], &copy, 1));
		EXPECT_EQ(1, write(w[i].end, "x", 1));
		EXPECT_EQ(1, read(copy, w, 1));
		close(copy);
	}
	for (uint32_t i = 0; i < 2 * FREIGHT_DEPTH; i++) {
		ASSERT_EQ(0, freight_send(f.tx, 16, NULL, 0));
		ASSERT_EQ(0, freight_pass(f.rx[0]));
		ASSERT_EQ(0, freight_pass(f.rx[1]));
	}
	for (int i = 2; i < 4; i++) {
		EXPECT_TRUE(watch_ends(&w[i]));
	}
	EXPECT_EQ(0, files_in_flight());
	EXPECT_TRUE(freight_close(&f));
}

TEST(history_block)
{
	keep_history(_metadata, IPCCHAN_BLOCK);
}

TEST(history_drop_oldest)
{
	keep_history(_metadata, IPCCHAN_DROP_OLDEST);
}

/* A persistent channel keeps history without any port, but no files. */
TEST(nobody_is_left)
{
	struct ipcchan_message m;
	struct accounts before;
	struct freight f;
	struct watch w;
	int copy;

	accounts_read(&before);
	ASSERT_EQ(0, freight_open(&f, IPCCHAN_BLOCK, 1));
	EXPECT_TRUE(freight_close(&f));
	f.options.flags |= IPCCHAN_OPEN_PERSISTENT;
	ASSERT_EQ(0, ipcchan_open(&f.tx, f.name, IPCCHAN_ROLE_SEND, &f.options, NULL));
	ASSERT_EQ(0, ipcchan_open(&f.rx[0], f.name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	ASSERT_EQ(0, watch_send(&w, f.tx));
	ipcchan_port_close(f.tx);
	ASSERT_EQ(0, freight_pass(f.rx[0]));
	/* as long as somebody is there they are history, too */
	EXPECT_TRUE(watch_is_open(&w));
	ASSERT_EQ(0, ipcchan_open(&f.rx[1], f.name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	ASSERT_EQ(1, freight_take(f.rx[1], &copy, 1));
	close(copy);
	ipcchan_port_close(f.rx[1]);
	ipcchan_port_close(f.rx[0]);
	EXPECT_TRUE(watch_ends(&w));
	EXPECT_EQ(0, files_in_flight());
	ASSERT_EQ(0, ipcchan_open(&f.rx[0], f.name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	ASSERT_EQ(0, ipcchan_receive(f.rx[0], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(1, m.nr_files);
	EXPECT_EQ(-ENOENT, ipcchan_message_files(f.rx[0], &m, &copy, 1));
	EXPECT_EQ(0, ipcchan_release(f.rx[0], &m));
	ipcchan_port_close(f.rx[0]);
	EXPECT_EQ(0, drop_channel(f.name));
	watch_close(&w);
	EXPECT_TRUE(accounts_settle(&before));
}

/* Sockets refer to their network namespace, that to the channel, that to the message. */
static int leave_a_ring(void *arg)
{
	struct ipcchan_options options;
	struct ipcchan_port *tx;
	int fds[2];

	(void)arg;
	if (enter_netns())
		return -1;
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_PERSISTENT;
	options.history = 1;
	if (ipcchan_open(&tx, "ring", IPCCHAN_ROLE_SEND, &options, NULL))
		return -2;
	fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
	fds[1] = open("/proc/self/net/protocols", O_RDONLY);
	return freight_send(tx, FREIGHT_SHORT, fds, fds[1] < 0 ? 1 : 2);
}

TEST(network_namespace_in_a_message)
{
	struct accounts before;

	accounts_read(&before);
	ASSERT_EQ(0, run_child(leave_a_ring, NULL));
	EXPECT_TRUE(accounts_settle(&before));
}

/* Everybody is killed at any time; nothing is left behind. */
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
	char text[FREIGHT_LONG];
	int fds[4];

	for (;;) {
		if (ipcchan_open(&rx, name, IPCCHAN_ROLE_RECEIVE, NULL, NULL))
			continue;
		for (int i = 0; i < 200; i++) {
			int n = 0;

			if (i % 2 && ipcchan_recv_files(rx, text, sizeof(text), &m, fds, 4, 0) >= 0)
				n = m.nr_files;
			else if (!ipcchan_receive(rx, &m, 0)) {
				n = ipcchan_message_files(rx, &m, fds, 4);
				if (n > 0)
					close_fds(fds, n);
				n = ipcchan_message_files(rx, &m, fds, 4);
				ipcchan_release(rx, &m);
			}
			close_fds(fds, n);
		}
		ipcchan_port_close(rx);
	}
	return 0;
}

#define STORM	5

static void storm(struct __test_metadata *_metadata, uint32_t overflow, uint32_t history)
{
	uint64_t random = random_seed();
	struct ipcchan_message m;
	pid_t pids[STORM];
	struct freight f;

	ASSERT_EQ(0, freight_open(&f, overflow, history));
	ipcchan_port_close(f.rx[1]);
	f.rx[1] = NULL;
	for (int i = 0; i < STORM; i++)
		pids[i] = child_start(i < 2 ? storm_sender : storm_receiver, f.name);
	for (uint32_t n = 0; n < heavy(100, 20); n++) {
		int i = random_next(&random) % STORM;

		usleep(random_next(&random) % 20000);
		while (!ipcchan_receive(f.rx[0], &m, IPCCHAN_NO_WAIT))
			ipcchan_release(f.rx[0], &m);
		kill(pids[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, child_end(pids[i], 60000));
		pids[i] = child_start(i < 2 ? storm_sender : storm_receiver, f.name);
	}
	for (int i = 0; i < STORM; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, child_end(pids[i], 60000));
	}
	EXPECT_TRUE(freight_close(&f));
}

TEST(storm_block)
{
	storm(_metadata, IPCCHAN_BLOCK, 0);
}

TEST(storm_history)
{
	storm(_metadata, IPCCHAN_BLOCK, 3);
}

TEST(storm_drop_oldest)
{
	storm(_metadata, IPCCHAN_DROP_OLDEST, 2);
}

TEST_HARNESS_MAIN
