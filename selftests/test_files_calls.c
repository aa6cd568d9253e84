// SPDX-License-Identifier: GPL-2.0
/*
 * The calls for files on messages, without the library: every refusal in its
 * words, who may have the files of which message, and the limits.
 *
 * What breaks these: a check that is left out, files that a stranger to the
 * message can take or that can be taken too early, a failure half way that leaves
 * a descriptor or a charge behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "freight.h"
#include "probe.h"

#define DEPTH	8
#define NONE	"there are no files of that message for this receiver"
#define SEQUENCE "the sequence is none that this sender publishes next"
#define USER_FILES "the user has as many files in messages as allowed (max_user_files)"
#define NET_FILES \
	"the network namespace has as many files in messages as allowed (max_net_files)"
#define NOFILE	"the user has more files in messages than RLIMIT_NOFILE"

FIXTURE(put) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port tx, rx, other;
	int fds[IPCCHAN_MAX_FILES];
	int copies[IPCCHAN_MAX_FILES];
};

FIXTURE_VARIANT(put) {
	uint32_t history;
};

FIXTURE_VARIANT_ADD(put, plain) { 0 };
FIXTURE_VARIANT_ADD(put, history) { 2 };

FIXTURE_SETUP(put)
{
	struct ipcchan_create args;
	int fd = device_open();

	memset(&self->other, 0, sizeof(self->other));
	accounts_read(&self->before);
	unique_name(self->name, "put");
	args = create_args(self->name);
	args.mode = 0666;
	args.history = variant->history;
	args.geometry = (struct ipcchan_geometry){ DEPTH, 2, 2, 2, 4096, 64 };
	ASSERT_EQ(0, call_create(fd, &args)) TH_LOG("%s", why);
	close(fd);
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	for (uint32_t i = 0; i < IPCCHAN_MAX_FILES; i++) {
		self->fds[i] = memfd_create("put", MFD_CLOEXEC);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(put)
{
	close_fds(self->fds, IPCCHAN_MAX_FILES);
	leave(&self->other);
	leave(&self->rx);
	leave(&self->tx);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static struct ipcchan_files_put put_args(uint64_t sequence, const int *fds, uint32_t n)
{
	return (struct ipcchan_files_put){
		.size = sizeof(struct ipcchan_files_put), .why = (uintptr_t)why,
		.why_len = sizeof(why), .nr = n, .sequence = sequence, .fds = (uintptr_t)fds,
	};
}

static int put(const struct raw_port *p, uint64_t sequence, const int *fds, uint32_t n)
{
	struct ipcchan_files_put args = put_args(sequence, fds, n);

	return call(p->fd, IPCCHAN_IOC_FILES_PUT, &args);
}

static int drop(const struct raw_port *p, uint64_t sequence)
{
	struct ipcchan_files_put args = put_args(sequence, NULL, 0);

	args.flags = IPCCHAN_FILES_DROP;
	return call(p->fd, IPCCHAN_IOC_FILES_PUT, &args);
}

static struct ipcchan_files_take take_args(uint32_t slot, uint64_t sequence, int *fds, uint32_t n)
{
	return (struct ipcchan_files_take){
		.size = sizeof(struct ipcchan_files_take), .why = (uintptr_t)why,
		.why_len = sizeof(why), .nr = n, .slot = slot, .sequence = sequence,
		.fds = (uintptr_t)fds,
	};
}

/* How many, or -errno. */
static int take(const struct raw_port *p, uint64_t sequence, int *fds, uint32_t n)
{
	struct ipcchan_files_take args = take_args(0, sequence, fds, n);
	int rc = call(p->fd, IPCCHAN_IOC_FILES_TAKE, &args);

	return rc ? rc : (int)args.nr;
}

static int done(const struct raw_port *p, uint32_t slot)
{
	struct ipcchan_files_done args = { .size = sizeof(args), .slot = slot };

	return call(p->fd, IPCCHAN_IOC_FILES_DONE, &args);
}

/* Puts them, and publishes: the sequence. */
static uint64_t publish(struct raw_port *tx, const int *fds, uint32_t n)
{
	uint64_t sequence = tx->next;

	if (put(tx, sequence, fds, n))
		return 0;
	ipcchan_store(&raw_desc(tx, sequence)->files, n);
	raw_publish(tx, "files", 5, 0);
	ipcchan_store(&raw_desc(tx, sequence + 1)->files, 0);
	return sequence;
}

static void pass(struct raw_port *rx)
{
	raw_take(rx, 0, NULL, 0, NULL);
}

#define REFUSED(err, words, expression) do { \
		EXPECT_EQ(err, expression); \
		EXPECT_STREQ(words, why); \
	} while (0)

TEST_F(put, arguments)
{
	struct ipcchan_files_put args = put_args(self->tx.next, self->fds, 1);
	uint64_t next = self->tx.next;
	int sockets[2], fd = epoll_create1(0);

	args.flags = 2;
	REFUSED(-EINVAL, "unknown flags", call(self->tx.fd, IPCCHAN_IOC_FILES_PUT, &args));
	args.flags = IPCCHAN_FILES_DROP;
	REFUSED(-EINVAL, "what is given up names no files",
		call(self->tx.fd, IPCCHAN_IOC_FILES_PUT, &args));
	args.nr = 0;
	REFUSED(-EINVAL, "what is given up names no files",
		call(self->tx.fd, IPCCHAN_IOC_FILES_PUT, &args));
	REFUSED(-EINVAL, "the port does not send", put(&self->rx, next, self->fds, 1));
	REFUSED(-EINVAL, "a message carries 1 to 16 files", put(&self->tx, next, self->fds, 0));
	REFUSED(-EINVAL, "a message carries 1 to 16 files", put(&self->tx, next, self->fds, 17));
	REFUSED(-EINVAL, "a message carries 1 to 16 files",
		put(&self->tx, next, self->fds, UINT32_MAX));
	REFUSED(-EFAULT, "", put(&self->tx, next, (int *)8, 1));
	REFUSED(-ELOOP, "files of that kind may form a cycle, or are not known not to",
		put(&self->tx, next, &fd, 1));
	close(fd);
	REFUSED(-EBADF, "a descriptor is not that of an open file", put(&self->tx, next, &fd, 1));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	EXPECT_EQ(-ELOOP, put(&self->tx, next, sockets, 2));
	close_fds(sockets, 2);
	EXPECT_EQ(0, files_in_flight());
}

TEST_F(put, sequences)
{
	uint64_t base = self->tx.base, next = self->tx.next;

	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, 0, self->fds, 1));
	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, base, self->fds, 1));
	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, base + DEPTH + 1, self->fds, 1));
	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, UINT64_MAX, self->fds, 1));
	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, next | IPCCHAN_SEQ_VOID, self->fds, 1));
	EXPECT_EQ(0, put(&self->tx, base + DEPTH, self->fds, 1));
	EXPECT_EQ(0, put(&self->tx, next, self->fds, 1));
	REFUSED(-EEXIST, "the message has files already", put(&self->tx, next, self->fds, 1));
	EXPECT_EQ(2, files_in_flight());
	/* published, but its head is not stored yet */
	ipcchan_store_release(&raw_desc(&self->tx, next + 1)->seq, next + 1);
	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, next + 1, self->fds, 1));
	ipcchan_store_release(&raw_desc(&self->tx, next + 1)->seq, 0);
	raw_publish(&self->tx, "files", 5, 0);
	REFUSED(-EINVAL, SEQUENCE, put(&self->tx, next, self->fds, 1));
}

TEST_F(put, given_up)
{
	uint64_t next = self->tx.next;

	for (uint64_t i = 0; i < 4; i++) {
		ASSERT_EQ(0, put(&self->tx, next + i, self->fds, 2));
	}
	raw_publish(&self->tx, "files", 5, 0);
	EXPECT_EQ(0, drop(&self->tx, next + 2));
	EXPECT_EQ(4, files_in_flight());
	/* what is published is not given up any more */
	EXPECT_EQ(0, drop(&self->tx, 0));
	EXPECT_EQ(2, files_in_flight());
	EXPECT_EQ(2, take(&self->rx, next, self->copies, 16));
	close_fds(self->copies, 2);
}

TEST_F(put, take_arguments)
{
	struct ipcchan_files_take args = take_args(0, self->tx.next, self->copies, 16);
	uint64_t sequence = publish(&self->tx, self->fds, 3);
	int first = next_fd();

	args.flags = 1;
	REFUSED(-EINVAL, "unknown flags", call(self->rx.fd, IPCCHAN_IOC_FILES_TAKE, &args));
	args.flags = 0;
	args.reserved = 1;
	REFUSED(-EINVAL, "reserved is not zero", call(self->rx.fd, IPCCHAN_IOC_FILES_TAKE, &args));
	args.reserved = 0;
	args.slot = 2;
	REFUSED(-EINVAL, "the channel has no such sender slot",
		call(self->rx.fd, IPCCHAN_IOC_FILES_TAKE, &args));
	args.slot = 1;
	REFUSED(-ENOENT, NONE, call(self->rx.fd, IPCCHAN_IOC_FILES_TAKE, &args));
	REFUSED(-EINVAL, "the port does not receive", take(&self->tx, sequence, self->copies, 16));
	REFUSED(-EMSGSIZE, "the message has more files than there is room for",
		take(&self->rx, sequence, self->copies, 2));
	REFUSED(-EMSGSIZE, "the message has more files than there is room for",
		take(&self->rx, sequence, self->copies, 0));
	REFUSED(-EFAULT, "", take(&self->rx, sequence, (int *)8, 16));
	REFUSED(-ENOENT, NONE, take(&self->rx, sequence + 1, self->copies, 16));
	REFUSED(-ENOENT, NONE, take(&self->rx, 0, self->copies, 16));
	EXPECT_EQ(first, next_fd());
	EXPECT_EQ(3, take(&self->rx, sequence, self->copies, UINT32_MAX));
	close_fds(self->copies, 3);
}

TEST_F(put, done_arguments)
{
	struct ipcchan_files_done args = { .size = sizeof(args), .flags = 1 };

	EXPECT_EQ(-EINVAL, call(self->rx.fd, IPCCHAN_IOC_FILES_DONE, &args));
	args.flags = 0;
	args.reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->rx.fd, IPCCHAN_IOC_FILES_DONE, &args));
	EXPECT_EQ(-EINVAL, done(&self->rx, 2));
	EXPECT_EQ(-EINVAL, done(&self->rx, UINT32_MAX));
	EXPECT_EQ(-EINVAL, done(&self->tx, 1));
	EXPECT_EQ(0, done(&self->rx, 1));
	EXPECT_EQ(0, done(&self->rx, 0));
	EXPECT_EQ(0, done(&self->tx, 0));
}

static int try_all(void *arg)
{
	FIXTURE_DATA(put) *self = arg;
	bool all = put(&self->tx, self->tx.next, self->fds, 1) == -EBUSY &&
		   take(&self->rx, self->tx.next, self->copies, 1) == -EBUSY &&
		   done(&self->rx, 0) == -EBUSY;

	return all ? 0 : -1;
}

/* A port that takes no part, another process's, one that is gone. */
TEST_F(put, states)
{
	struct raw_port fresh;
	uint64_t sequence = publish(&self->tx, self->fds, 1);

	ASSERT_EQ(0, raw_attach(&fresh, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	EXPECT_EQ(-EINVAL, put(&fresh, 1, self->fds, 1));
	EXPECT_EQ(-EINVAL, drop(&fresh, 1));
	EXPECT_EQ(-EINVAL, take(&fresh, sequence, self->copies, 1));
	EXPECT_EQ(-EINVAL, done(&fresh, 0));
	raw_close(&fresh);
	EXPECT_EQ(0, run_child(try_all, self));
	ASSERT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(-ESHUTDOWN, put(&self->tx, self->tx.next, self->fds, 1));
	EXPECT_EQ(-ESHUTDOWN, take(&self->rx, sequence, self->copies, 1));
	EXPECT_EQ(-ESHUTDOWN, done(&self->rx, 0));
}

TEST_F(put, not_before_it_is_published)
{
	uint64_t next = self->tx.next;

	ASSERT_EQ(0, put(&self->tx, next, self->fds, 1));
	REFUSED(-ENOENT, NONE, take(&self->rx, next, self->copies, 1));
	raw_publish(&self->tx, "files", 5, 0);
	EXPECT_EQ(1, take(&self->rx, next, self->copies, 1));
	close(self->copies[0]);
}

/* Who joins between the files and the message gets it, and them. */
TEST_F(put, joined_before_it_was_published)
{
	uint64_t next = self->tx.next;

	ASSERT_EQ(0, put(&self->tx, next, self->fds, 1));
	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	raw_publish(&self->tx, "files", 5, 0);
	pass(&self->rx);
	EXPECT_EQ(0, done(&self->rx, 0));
	EXPECT_EQ(1, take(&self->other, next, self->copies, 1));
	close(self->copies[0]);
}

/* Of older messages a newcomer has what is history to it. */
TEST_F(put, joined_late)
{
	uint64_t sequences[3];

	for (int i = 0; i < 3; i++) {
		sequences[i] = publish(&self->tx, self->fds, 1);
	}
	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	for (int i = 0; i < 3; i++) {
		bool history = i >= 3 - (int)variant->history;

		EXPECT_EQ(history ? 1 : -ENOENT, take(&self->other, sequences[i], self->copies, 1));
		if (history)
			close(self->copies[0]);
	}
}

/* Another receiver in the slot is another. */
TEST_F(put, slots_are_given_to_others)
{
	uint64_t sequence;

	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	sequence = publish(&self->tx, self->fds, 1);
	for (int i = 0; i < 5; i++) {
		raw_publish(&self->tx, "other", 5, 0);
	}
	EXPECT_EQ(1, take(&self->other, sequence, self->copies, 1));
	close(self->copies[0]);
	leave(&self->other);
	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(1, self->other.attach.receiver_slot);
	EXPECT_EQ(-ENOENT, take(&self->other, sequence, self->copies, 1));
	EXPECT_EQ(1, take(&self->rx, sequence, self->copies, 1));
	close(self->copies[0]);
}

/* All descriptors, or none: the last that there is room for is one too few. */
TEST_F(put, descriptors_run_out)
{
	uint64_t sequence = publish(&self->tx, self->fds, 4);
	int first = next_fd();
	struct rlimit old, few;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	few.rlim_cur = first + 3;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	REFUSED(-EMFILE, "a file could not be installed, so none is",
		take(&self->rx, sequence, self->copies, 16));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	EXPECT_EQ(first, next_fd());
	EXPECT_EQ(4, take(&self->rx, sequence, self->copies, 16));
	EXPECT_EQ(4, files_in_flight());
	close_fds(self->copies, 4);
}

/* Limits. */
FIXTURE(limit) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port rx;
	unsigned long long user, net;
};

FIXTURE_SETUP(limit)
{
	accounts_read(&self->before);
	self->user = param_get("max_user_files");
	self->net = param_get("max_net_files");
	unique_name(self->name, "limit");
	ASSERT_EQ(0, make_channel(self->name, 0, 0666));
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
}

FIXTURE_TEARDOWN(limit)
{
	param_set("max_user_files", self->user);
	param_set("max_net_files", self->net);
	leave(&self->rx);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Puts files one by one until it is refused: how many, or -errno; its words remain. */
static int put_until(const char *name, int err)
{
	int fd = memfd_create("limit", MFD_CLOEXEC), n;
	struct raw_port tx;

	if (raw_open(&tx, name, IPCCHAN_SEND))
		return -1;
	for (n = 0; n < 100; n++) {
		int rc = put(&tx, tx.next + n, &fd, 1);

		if (rc == err)
			return n;
		if (rc)
			return rc;
	}
	return n;
}

static int put_to_the_limit(void *name)
{
	return put_until(name, -EDQUOT);
}

static int put_as_owner_of_a_namespace(void *name)
{
	return enter_userns() ? -1 : put_until(name, -EDQUOT);
}

static int put_with_few_descriptors(void *name)
{
	struct rlimit few = { 12, 12 };

	return setrlimit(RLIMIT_NOFILE, &few) ? -1 : put_until(name, -ETOOMANYREFS);
}

static int put_with_few_in_a_namespace(void *name)
{
	return enter_userns() ? -1 : put_with_few_descriptors(name);
}

TEST_F(limit, defaults)
{
	EXPECT_EQ(16384, self->user);
	EXPECT_EQ(65536, self->net);
}

TEST_F(limit, of_a_user)
{
	ASSERT_EQ(0, param_set("max_user_files", 3));
	EXPECT_EQ(3, run_as(ALICE, put_to_the_limit, self->name)) TH_LOG("%s", why);
	EXPECT_STREQ(USER_FILES, why);
	EXPECT_EQ(3, run_as(ALICE, put_as_owner_of_a_namespace, self->name)) TH_LOG("%s", why);
	EXPECT_STREQ(USER_FILES, why);
	EXPECT_EQ(0, files_in_flight());
}

TEST_F(limit, of_a_network_namespace)
{
	ASSERT_EQ(0, param_set("max_net_files", 5));
	EXPECT_EQ(5, run_as(BOB, put_to_the_limit, self->name)) TH_LOG("%s", why);
	EXPECT_STREQ(NET_FILES, why);
}

TEST_F(limit, of_descriptors)
{
	EXPECT_EQ(12, run_as(ALICE, put_with_few_descriptors, self->name)) TH_LOG("%s", why);
	EXPECT_STREQ(NOFILE, why);
	EXPECT_EQ(12, run_as(ALICE, put_with_few_in_a_namespace, self->name)) TH_LOG("%s", why);
	EXPECT_STREQ(NOFILE, why);
	/* not for who may have more */
	EXPECT_EQ(100, run_child(put_with_few_descriptors, self->name)) TH_LOG("%s", why);
}

/* What one user has, another does not count. */
TEST_F(limit, each_for_himself)
{
	struct raw_port tx;
	int fd = memfd_create("limit", MFD_CLOEXEC);

	ASSERT_EQ(0, param_set("max_user_files", 3));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, put(&tx, tx.next + i, &fd, 1));
	}
	EXPECT_EQ(-EDQUOT, put(&tx, tx.next + 3, &fd, 1));
	EXPECT_EQ(3, run_as(ALICE, put_to_the_limit, self->name)) TH_LOG("%s", why);
	EXPECT_EQ(3, files_in_flight());
	close(fd);
	raw_close(&tx);
}

TEST_HARNESS_MAIN
