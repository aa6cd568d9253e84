// SPDX-License-Identifier: GPL-2.0
/*
 * Who is behind a slot: stamped by the kernel at attach, told in the numbers of
 * whoever asks. Invariant 8.
 *
 * What breaks these: ids taken when asked, not when attached; the real ids for
 * the effective; numbers of the stamper's namespace handed to the asker.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "common.h"

FIXTURE(identity) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	uint64_t begin_ns;
	struct raw_port port;		/* root's, receives */
	int ready[2], done[2];		/* pipes to and from the other */
};

FIXTURE_SETUP(identity)
{
	accounts_read(&self->before);
	self->begin_ns = now_ns();
	unique_name(self->name, "identity");
	ASSERT_EQ(0, make_channel(self->name, 0, 0666));
	ASSERT_EQ(0, raw_open(&self->port, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, pipe(self->ready));
	ASSERT_EQ(0, pipe(self->done));
}

FIXTURE_TEARDOWN(identity)
{
	raw_close(&self->port);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* A sender in a process of its own, which stays until it is told to go. */
typedef int (*prepare_fn)(void);

static pid_t start(FIXTURE_DATA(identity) *self, prepare_fn before, prepare_fn after)
{
	pid_t pid = fork();
	struct raw_port port;
	char byte = 0;

	if (pid) {
		/* its answer comes when it is attached */
		return read(self->ready[0], &byte, 1) == 1 && byte == 'r' ? pid : -1;
	}
	if ((before && before()) || raw_open(&port, self->name, IPCCHAN_SEND)) {
		fprintf(stderr, "# the sender: %s\n", why);
		_exit(write(self->ready[1], "f", 1) != 1);
	}
	if (after && after())
		_exit(1);
	raw_publish(&port, "hello", 5, 1);
	if (write(self->ready[1], "r", 1) != 1 || read(self->done[0], &byte, 1) != 1)
		_exit(1);
	_exit(0);
}

static void finish(FIXTURE_DATA(identity) *self, pid_t pid)
{
	if (write(self->done[1], "d", 1) == 1)
		waitpid(pid, NULL, 0);
}

static int be_alice(void)
{
	become(ALICE);
	return 0;
}

TEST_F(identity, own)
{
	uint64_t now = now_ns();
	struct ipcchan_peer peer, again;

	ASSERT_EQ(0, call_peer(self->port.fd, 0, 0, &peer));
	EXPECT_EQ(self->port.attach.port_id, peer.port_id);
	EXPECT_EQ(IPCCHAN_RECEIVE, peer.roles);
	EXPECT_EQ(getpid(), peer.pid);
	EXPECT_EQ(0, peer.uid);
	EXPECT_EQ(0, peer.gid);
	EXPECT_GE(now, peer.attached_ns);
	EXPECT_LE(self->begin_ns, peer.attached_ns);
	ASSERT_EQ(0, call_peer(self->port.fd, IPCCHAN_RECEIVE, 0, &again));
	EXPECT_EQ(peer.port_id, again.port_id);
	EXPECT_EQ(peer.attached_ns, again.attached_ns);
}

TEST_F(identity, of_another)
{
	uint64_t before = now_ns();
	pid_t pid = start(self, be_alice, NULL);
	struct ipcchan_peer peer;

	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(pid, peer.pid);
	EXPECT_EQ(ALICE, peer.uid);
	EXPECT_EQ(ALICE, peer.gid);
	EXPECT_EQ(IPCCHAN_SEND, peer.roles);
	EXPECT_NE(self->port.attach.port_id, peer.port_id);
	EXPECT_LE(before, peer.attached_ns);
	EXPECT_GE(now_ns(), peer.attached_ns);
	finish(self, pid);
}

/* What it was, not what it has become. */
TEST_F(identity, stamped_at_attach)
{
	pid_t pid = start(self, NULL, be_alice);
	struct ipcchan_peer peer;

	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(0, peer.uid);
	EXPECT_EQ(0, peer.gid);
	finish(self, pid);
}

static int be_effectively_alice(void)
{
	return setegid(ALICE) || seteuid(ALICE);
}

TEST_F(identity, effective)
{
	pid_t pid = start(self, be_effectively_alice, NULL);
	struct ipcchan_peer peer;

	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(ALICE, peer.uid);
	EXPECT_EQ(ALICE, peer.gid);
	finish(self, pid);
}

/* A thread attaches for its process. */
static void *attach_in_thread(void *arg)
{
	FIXTURE_DATA(identity) *self = arg;
	static struct raw_port sender;

	return raw_open(&sender, self->name, IPCCHAN_SEND) ? NULL : &sender;
}

TEST_F(identity, of_a_thread)
{
	struct ipcchan_peer peer;
	pthread_t thread;
	void *sender;

	ASSERT_EQ(0, pthread_create(&thread, NULL, attach_in_thread, self));
	ASSERT_EQ(0, pthread_join(thread, &sender));
	ASSERT_NE(NULL, sender);
	ASSERT_EQ(0, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(getpid(), peer.pid);
	raw_close(sender);
}

/* It has left; what it sent has not been read: it can still be asked for. */
TEST_F(identity, of_one_that_has_left)
{
	pid_t pid = start(self, be_alice, NULL);
	struct ipcchan_peer peer;
	char text[8];

	ASSERT_GT(pid, 0);
	finish(self, pid);
	ASSERT_EQ(IPCCHAN_SLOT_DRAINING, ipcchan_load(&raw_sender_slot(&self->port, 0)->state));
	EXPECT_EQ(0, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(ALICE, peer.uid);
	EXPECT_EQ(IPCCHAN_SEND, peer.roles);
	EXPECT_EQ(pid, peer.pid);
	EXPECT_EQ(5, raw_take(&self->port, 0, text, sizeof(text), NULL));
	EXPECT_EQ(0, call_kick(self->port.fd, 0, 1));
	EXPECT_EQ(-ENOENT, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
}

/* Namespaces */

static int enter_mapped(void)
{
	int err = enter_userns_mapped(0, 100000, 10);

	become(3);
	return err;
}

TEST_F(identity, from_a_user_namespace)
{
	pid_t pid = start(self, enter_mapped, NULL);
	struct ipcchan_peer peer;

	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(100003, peer.uid);
	EXPECT_EQ(100003, peer.gid);
	EXPECT_EQ(pid, peer.pid);
	finish(self, pid);
}

/* The other asks who we are: it may not see our numbers as they are here. */
static int ask_from_userns(void *name)
{
	struct ipcchan_peer peer;
	struct raw_port port;
	int err;

	err = enter_mapped();
	if (err)
		return err;
	err = raw_open(&port, name, IPCCHAN_SEND);
	if (!err)
		err = call_peer(port.fd, IPCCHAN_RECEIVE, 0, &peer);
	if (err)
		return err;
	if (peer.uid != NOBODY || peer.gid != NOBODY || peer.pid != (uint32_t)getppid())
		return 1;
	err = call_peer(port.fd, 0, 0, &peer);
	raw_close(&port);
	return err ? err : peer.uid != 3 || peer.gid != 3 || peer.pid != (uint32_t)getpid();
}

TEST_F(identity, seen_from_a_user_namespace)
{
	EXPECT_EQ(0, run_child(ask_from_userns, self->name)) TH_LOG("%s", why);
}

static int ask_in_pidns(void *name)
{
	struct ipcchan_peer peer;
	struct raw_port port;
	int err = raw_open(&port, name, IPCCHAN_SEND);

	if (!err)
		err = call_peer(port.fd, IPCCHAN_RECEIVE, 0, &peer);
	if (err)
		return err;
	if (peer.pid != 0 || peer.uid != 0)
		return 1;
	err = call_peer(port.fd, 0, 0, &peer);
	raw_close(&port);
	return err ? err : getpid() != 1 || peer.pid != 1;
}

static int ask_from_pidns(void *name)
{
	return unshare(CLONE_NEWPID) ? -errno : run_child(ask_in_pidns, name);
}

TEST_F(identity, seen_from_a_pid_namespace)
{
	EXPECT_EQ(0, run_child(ask_from_pidns, self->name)) TH_LOG("%s", why);
}

/* And one in there, seen from here: by its number here. */
static int number_in_pidns(void *arg)
{
	FIXTURE_DATA(identity) *self = arg;
	struct ipcchan_peer peer;
	pid_t pid;
	int err;

	if (unshare(CLONE_NEWPID) || raw_open(&self->port, self->name, IPCCHAN_RECEIVE))
		return -errno;
	pid = start(self, NULL, NULL);
	if (pid < 0)
		return -ECHILD;
	err = call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer);
	finish(self, pid);
	raw_close(&self->port);
	return err ? err : peer.pid != (uint32_t)pid;
}

TEST_F(identity, of_one_in_a_pid_namespace)
{
	EXPECT_EQ(0, run_child(number_in_pidns, self)) TH_LOG("%s", why);
}

TEST_HARNESS_MAIN
