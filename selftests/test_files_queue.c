// SPDX-License-Identifier: GPL-2.0
/*
 * Files on a queue's messages: whoever has claimed a message takes copies, nobody
 * else; they stay with it from one receiver to the next, and are closed when it is
 * retired, however that comes about.
 *
 * What breaks these: files that are given to who has no claim, or has one no more;
 * a claim that comes back without its files; a way for a message to be retired that
 * does not close them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "freight.h"
#include "probe.h"
#include "queue.h"

#define NONE	"there are no files of that message for this receiver"
#define OVER	"the claim on that message is over"

FIXTURE(claimed) {
	struct freight f;
	struct watch w;
	int copy;
};

FIXTURE_VARIANT(claimed) {
	uint32_t max_deliveries;
	uint64_t lease_ns;
};

FIXTURE_VARIANT_ADD(claimed, forever) {};
FIXTURE_VARIANT_ADD(claimed, twice) { .max_deliveries = 2 };
FIXTURE_VARIANT_ADD(claimed, lease) { .lease_ns = 3600 * SECOND_NS };

FIXTURE_SETUP(claimed)
{
	freight_init(&self->f);
	self->f.options.type = IPCCHAN_QUEUE;
	self->f.options.max_deliveries = variant->max_deliveries;
	self->f.options.lease_ns = variant->lease_ns;
	ASSERT_EQ(0, freight_begin(&self->f));
	ASSERT_EQ(0, watch_send(&self->w, self->f.tx));
}

FIXTURE_TEARDOWN(claimed)
{
	EXPECT_TRUE(freight_close(&self->f));
	watch_close(&self->w);
	EXPECT_EQ(0, files_in_flight());
}

/* Not by the library, which asks only for what it has: how many, or -errno. */
static int take(struct ipcchan_port *rx, uint64_t sequence, int *fds, uint32_t room)
{
	struct ipcchan_files_take args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why),
		.sequence = sequence,
		.slot = (uint32_t)((sequence & ~IPCCHAN_SEQ_VOID) >> IPCCHAN_SEQ_SLOT_SHIFT),
		.fds = (uintptr_t)fds, .nr = room,
	};
	int rc = call(ipcchan_port_fd(rx), IPCCHAN_IOC_FILES_TAKE, &args);

	return rc ? rc : (int)args.nr;
}

TEST_F(claimed, by_one)
{
	struct ipcchan_port *one = self->f.rx[0], *other = self->f.rx[1];
	struct ipcchan_message m;
	int again, first = next_fd();

	ASSERT_EQ(0, ipcchan_receive(one, &m, PATIENCE_NS));
	EXPECT_EQ(1, m.nr_files);
	EXPECT_EQ(-ENOENT, take(other, m.sequence, &self->copy, 1));
	EXPECT_STREQ(NONE, why);
	EXPECT_EQ(-EMSGSIZE, ipcchan_message_files(one, &m, NULL, 0));
	EXPECT_EQ(first, next_fd());
	ASSERT_EQ(1, ipcchan_message_files(one, &m, &self->copy, 1));
	ASSERT_EQ(1, ipcchan_message_files(one, &m, &again, 1));
	EXPECT_TRUE(same_file(self->copy, again));
	EXPECT_TRUE(closes_on_exec(self->copy));
	EXPECT_EQ(1, files_in_flight());
	close(again);
	close(self->copy);
	EXPECT_TRUE(watch_is_open(&self->w));
	EXPECT_EQ(0, ipcchan_release(one, &m));
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(-EINVAL, ipcchan_message_files(one, &m, &self->copy, 1));
	EXPECT_EQ(-ENOENT, take(one, m.sequence, &self->copy, 1));
}

TEST_F(claimed, not_before_it_is)
{
	uint64_t sequence = 0;
	struct ipcchan_message m;

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-ENOENT, take(self->f.rx[i], sequence + 1, &self->copy, 1));
		EXPECT_EQ(-ENOENT, take(self->f.rx[i], 0, &self->copy, 1));
	}
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	EXPECT_EQ(-ENOENT, take(self->f.rx[0], m.sequence + 1, &self->copy, 1));
	EXPECT_EQ(-ENOENT, take(self->f.rx[0], m.sequence | IPCCHAN_SEQ_VOID, &self->copy, 1));
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
}

TEST_F(claimed, refused)
{
	struct ipcchan_message m;

	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	ASSERT_EQ(0, ipcchan_refuse(self->f.rx[0], &m, 20000000));
	EXPECT_EQ(-ENOENT, take(self->f.rx[0], m.sequence, &self->copy, 1));
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[1], &m, PATIENCE_NS));
	EXPECT_EQ(2, m.deliveries);
	EXPECT_EQ(-ENOENT, take(self->f.rx[0], m.sequence, &self->copy, 1));
	ASSERT_EQ(1, ipcchan_message_files(self->f.rx[1], &m, &self->copy, 1));
	close(self->copy);
	EXPECT_EQ(0, ipcchan_refuse(self->f.rx[1], &m, 0));
	if (!variant->max_deliveries) {
		EXPECT_TRUE(watch_is_open(&self->w));
		ASSERT_EQ(1, freight_take(self->f.rx[0], &self->copy, 1));
		close(self->copy);
	}
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(claimed, discarded)
{
	struct ipcchan_message m;
	struct ipcchan_done done = { .message = &m, .verdict = IPCCHAN_DONE_DISCARD };

	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	ASSERT_EQ(0, ipcchan_claim(self->f.rx[0], &done, 1, NULL, 0, 0));
	EXPECT_TRUE(watch_ends(&self->w));
}

static int claim_and_wait(void *name)
{
	struct ipcchan_message m;
	struct ipcchan_port *rx;
	int copy;

	if (ipcchan_open(&rx, name, IPCCHAN_ROLE_RECEIVE, NULL, NULL) ||
	    ipcchan_receive(rx, &m, PATIENCE_NS) || ipcchan_message_files(rx, &m, &copy, 1) != 1)
		return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

TEST_F(claimed, by_one_who_is_killed)
{
	pid_t child;

	/* the writing end is nobody else's: who dies with it proves nothing */
	fcntl(self->w.end, F_SETFD, FD_CLOEXEC);
	child = child_start(claim_and_wait, self->f.name);
	EXPECT_EQ(128 + SIGKILL, child_end(child, 60000));
	EXPECT_TRUE(watch_is_open(&self->w));
	EXPECT_EQ(1, files_in_flight());
	ASSERT_EQ(1, freight_take(self->f.rx[0], &self->copy, 1));
	close(self->copy);
	EXPECT_TRUE(watch_ends(&self->w));
}

/* The last delivery there is: with its receiver the message goes, and its files. */
TEST_F(claimed, again_and_again_by_who_is_killed)
{
	for (int i = 0; i < 2; i++) {
		EXPECT_TRUE(watch_is_open(&self->w));
		EXPECT_EQ(128 + SIGKILL, child_end(child_start(claim_and_wait, self->f.name), 60000));
	}
	if (!variant->max_deliveries) {
		EXPECT_TRUE(watch_is_open(&self->w));
		ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	}
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(0, files_in_flight());
}

TEST_F(claimed, receiver_is_evicted)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_message m;

	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	ASSERT_EQ(0, ipcchan_port_info(self->f.rx[0], &info));
	ASSERT_EQ(0, evict(self->f.name, info.port_id));
	EXPECT_EQ(-ESHUTDOWN, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
	ASSERT_EQ(1, freight_take(self->f.rx[1], &self->copy, 1));
	close(self->copy);
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(claimed, sender_is_evicted)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_message m;

	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	ASSERT_EQ(0, ipcchan_port_info(self->f.tx, &info));
	ASSERT_EQ(0, evict(self->f.name, info.port_id));
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(-ESTALE, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
	EXPECT_EQ(-ENOENT, take(self->f.rx[1], m.sequence, &self->copy, 1));
	EXPECT_EQ(-ESTALE, ipcchan_release(self->f.rx[0], &m));
}

TEST_F(claimed, sender_has_left)
{
	ipcchan_port_close(self->f.tx);
	self->f.tx = NULL;
	EXPECT_TRUE(watch_is_open(&self->w));
	ASSERT_EQ(1, freight_take(self->f.rx[0], &self->copy, 1));
	close(self->copy);
	EXPECT_TRUE(watch_ends(&self->w));
}

TEST_F(claimed, channel_is_deleted)
{
	struct ipcchan_message m;

	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, PATIENCE_NS));
	ASSERT_EQ(0, drop_channel(self->f.name));
	EXPECT_TRUE(watch_ends(&self->w));
	EXPECT_EQ(-ESHUTDOWN, ipcchan_message_files(self->f.rx[0], &m, &self->copy, 1));
}

/* Too late: another has it, and its files; they go when both have let go. */
TEST(for_too_long)
{
	struct ipcchan_message late, m;
	struct freight f;
	struct watch w;
	int copy;

	freight_init(&f);
	f.options.type = IPCCHAN_QUEUE;
	f.options.lease_ns = 50000000;
	ASSERT_EQ(0, freight_begin(&f));
	ASSERT_EQ(0, watch_send(&w, f.tx));
	ASSERT_EQ(0, ipcchan_receive(f.rx[0], &late, PATIENCE_NS));
	usleep(60000);
	EXPECT_EQ(-ESTALE, ipcchan_message_files(f.rx[0], &late, &copy, 1));
	EXPECT_EQ(-ESTALE, take(f.rx[0], late.sequence, &copy, 1));
	EXPECT_STREQ(OVER, why);
	/* under load it may be over again at once */
	do {
		ASSERT_EQ(0, ipcchan_receive(f.rx[1], &m, PATIENCE_NS));
		EXPECT_EQ(late.sequence, m.sequence);
		EXPECT_EQ(-ESTALE, take(f.rx[0], late.sequence, &copy, 1));
		copy = -1;
		ipcchan_message_files(f.rx[1], &m, &copy, 1);
		close(copy);
	} while (ipcchan_release(f.rx[1], &m));
	EXPECT_TRUE(watch_is_open(&w));
	EXPECT_EQ(-ESTALE, ipcchan_release(f.rx[0], &late));
	EXPECT_TRUE(watch_ends(&w));
	watch_close(&w);
	EXPECT_TRUE(freight_close(&f));
}

TEST_F(claimed, copied_out)
{
	struct ipcchan_message m;
	char text[FREIGHT_LONG];
	struct watch w;

	EXPECT_EQ(-EMSGSIZE, ipcchan_recv_files(self->f.rx[0], text, 1, &m, &self->copy, 1, 0));
	ASSERT_EQ((ssize_t)FREIGHT_SHORT,
		  ipcchan_recv_files(self->f.rx[0], text, sizeof(text), &m, &self->copy, 1, 0));
	EXPECT_EQ(2, m.deliveries);
	EXPECT_EQ(1, m.nr_files);
	EXPECT_TRUE(watch_is_open(&self->w));
	close(self->copy);
	EXPECT_TRUE(watch_ends(&self->w));
	/* no room for the files: refused; and by who does not ask for them */
	ASSERT_EQ(0, watch_send(&w, self->f.tx));
	EXPECT_EQ(-EMSGSIZE, ipcchan_recv_files(self->f.rx[0], text, sizeof(text), &m, NULL, 0, 0));
	ASSERT_EQ((ssize_t)FREIGHT_SHORT,
		  ipcchan_recv(self->f.rx[0], text, sizeof(text), &m, 0));
	EXPECT_EQ(2, m.deliveries);
	EXPECT_TRUE(watch_ends(&w));
	watch_close(&w);
	ASSERT_EQ(0, freight_send(self->f.tx, FREIGHT_LONG, NULL, 0));
	ASSERT_EQ((ssize_t)FREIGHT_LONG,
		  ipcchan_recv_files(self->f.rx[0], text, sizeof(text), &m, &self->copy, 1, 0));
	EXPECT_EQ(0, m.nr_files);
	EXPECT_EQ(-EAGAIN, ipcchan_recv_files(self->f.rx[0], text, 1, &m, &self->copy, 1, 0));
}

/* What was a message with files becomes a place for one without. */
TEST_F(claimed, places_are_used_again)
{
	struct ipcchan_message m;
	int fds[16], n = 0;

	for (int i = 0; i < 16; i++) {
		fds[i] = memfd_create("files", MFD_CLOEXEC);
	}
	ASSERT_EQ(0, freight_pass(self->f.rx[0]));
	for (uint32_t i = 0; i < 5 * FREIGHT_DEPTH; i++) {
		n = i % 3 ? 0 : 1 + i % 16;
		ASSERT_EQ(0, freight_send(self->f.tx, i % 2 ? FREIGHT_SHORT : FREIGHT_LONG,
					  n ? fds : NULL, n));
		ASSERT_EQ(0, ipcchan_receive(self->f.rx[i % 2], &m, 0));
		EXPECT_EQ(n, (int)m.nr_files);
		EXPECT_EQ(n, (int)files_in_flight());
		EXPECT_EQ(0, ipcchan_release(self->f.rx[i % 2], &m));
	}
	close_fds(fds, 16);
}

/* Senders without scruple, and without the library. */
FIXTURE(liar) {
	struct bench b;
	int fds[2];
};

FIXTURE_SETUP(liar)
{
	bench_init(&self->b);
	ASSERT_EQ(0, bench_open(&self->b)) TH_LOG("%s", why);
	for (int i = 0; i < 2; i++)
		self->fds[i] = memfd_create("liar", MFD_CLOEXEC);
}

FIXTURE_TEARDOWN(liar)
{
	close_fds(self->fds, 2);
	EXPECT_TRUE(bench_close(&self->b));
	EXPECT_EQ(0, files_in_flight());
}

static int put_files(const struct raw_port *tx, uint64_t sequence, const int *fds, uint32_t n)
{
	struct ipcchan_files_put args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why),
		.sequence = sequence, .nr = n, .fds = (uintptr_t)fds,
	};

	return call(tx->fd, IPCCHAN_IOC_FILES_PUT, &args);
}

static int take_files(const struct raw_port *rx, uint64_t sequence, int *fds, uint32_t room)
{
	struct ipcchan_files_take args = {
		.size = sizeof(args), .sequence = sequence, .nr = room, .fds = (uintptr_t)fds,
		.slot = (uint32_t)(sequence >> IPCCHAN_SEQ_SLOT_SHIFT),
	};
	int rc = call(rx->fd, IPCCHAN_IOC_FILES_TAKE, &args);

	return rc ? rc : (int)args.nr;
}

/* What was taken in gets no files, though the ring says that it was never there. */
TEST_F(liar, rewinds)
{
	struct raw_port *tx = &self->b.tx[0], *rx = &self->b.rx[0];
	uint64_t sequence = tx->next;
	struct ipcchan_claimed claim;

	put(tx, 1, 0);
	ASSERT_EQ(0, claim_one(rx, &claim));
	ipcchan_store(&raw_desc(tx, sequence)->seq, 0);
	ipcchan_store(&raw_outbox(tx)->head, tx->base);
	EXPECT_EQ(-EINVAL, put_files(tx, sequence, self->fds, 1));
	EXPECT_STREQ("the sequence is none that this sender publishes next", why);
	EXPECT_EQ(0, judge(rx, sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-EINVAL, put_files(tx, sequence, self->fds, 1));
}

/* What was claimed is, though the ring says something else by now. */
TEST_F(liar, says_it_was_another)
{
	struct raw_port *tx = &self->b.tx[0], *rx = &self->b.rx[0];
	uint64_t sequence = tx->next;
	struct ipcchan_claimed claim;
	int copy;

	ASSERT_EQ(0, put_files(tx, sequence, self->fds, 1));
	ipcchan_store(&raw_desc(tx, sequence)->files, 0);
	put(tx, 1, 0);
	ASSERT_EQ(0, claim_one(rx, &claim));
	ipcchan_store(&raw_desc(tx, sequence)->seq, 0);
	ASSERT_EQ(1, take_files(rx, sequence, &copy, 1));
	close(copy);
	EXPECT_EQ(0, judge(rx, sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(0, files_in_flight());
}

TEST_F(liar, has_none_or_too_many)
{
	struct raw_port *tx = &self->b.tx[0];
	struct ipcchan_message m;
	struct ipcchan_port *rx;
	int copy;

	leave(&self->b.rx[0]);
	ASSERT_EQ(0, ipcchan_open(&rx, self->b.name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	ipcchan_store(&raw_desc(tx, tx->next)->files, 16);
	put(tx, 1, 0);
	ipcchan_store(&raw_desc(tx, tx->next)->files, 17);
	put(tx, 2, 0);
	ASSERT_EQ(0, ipcchan_receive(rx, &m, 0));
	EXPECT_EQ(16, m.nr_files);
	EXPECT_EQ(-ENOENT, ipcchan_message_files(rx, &m, &copy, 1));
	EXPECT_EQ(0, ipcchan_release(rx, &m));
	EXPECT_EQ(-EPROTO, ipcchan_receive(rx, &m, 0));
	ipcchan_port_close(rx);
}

/* Put, and never published; with what was published before, so that the slot stays. */
TEST_F(liar, leaves_before_it_publishes)
{
	struct raw_port *tx = &self->b.tx[0];

	put(tx, 1, 0);
	ASSERT_EQ(0, put_files(tx, tx->next, self->fds, 2));
	EXPECT_EQ(2, files_in_flight());
	leave(tx);
	EXPECT_EQ(0, files_in_flight());
	EXPECT_EQ(1, work(&self->b.rx[0]));
}

TEST_F(liar, has_too_many_in_all)
{
	unsigned long long most = param_get("max_user_files");
	struct raw_port *tx = &self->b.tx[0];

	ASSERT_EQ(0, param_set("max_user_files", 2));
	EXPECT_EQ(0, put_files(tx, tx->next, self->fds, 2));
	put(tx, 1, 0);
	EXPECT_EQ(-EDQUOT, put_files(tx, tx->next, self->fds, 1));
	EXPECT_EQ(1, work(&self->b.rx[0]));
	EXPECT_EQ(0, put_files(tx, tx->next, self->fds, 2));
	put(tx, 2, 0);
	EXPECT_EQ(2, work(&self->b.rx[0]));
	EXPECT_EQ(0, param_set("max_user_files", most));
}

/* Taken by one thread while another acknowledges: all of them, or none. */
struct race {
	const struct raw_port *rx;
	uint64_t sequence;
	int bad;
	uint32_t taken;
};

static void *take_while_there(void *arg)
{
	struct race *r = arg;
	int fds[2], n;

	while ((n = take_files(r->rx, r->sequence, fds, 2)) == 2) {
		r->taken++;
		close_fds(fds, 2);
	}
	r->bad = n == -ENOENT ? 0 : n;
	return NULL;
}

TEST_F(liar, takes_while_it_acknowledges)
{
	struct raw_port *tx = &self->b.tx[0], *rx = &self->b.rx[0];
	uint64_t random = random_seed();
	struct ipcchan_claimed claim;
	struct race r = { .rx = rx };
	pthread_t thread;

	for (uint32_t i = 0; i < heavy(300, 50); i++) {
		ASSERT_EQ(0, put_files(tx, tx->next, self->fds, 2));
		put(tx, i, 0);
		ASSERT_EQ(0, claim_one(rx, &claim));
		r.sequence = claim.sequence;
		ASSERT_EQ(0, pthread_create(&thread, NULL, take_while_there, &r));
		usleep(random_next(&random) % 2000);
		EXPECT_EQ(0, judge(rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, r.bad);
		EXPECT_EQ(0, files_in_flight());
	}
	EXPECT_LT(0, r.taken);
}

TEST_HARNESS_MAIN
