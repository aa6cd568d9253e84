// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 10: unloading the module is refused while it is in use, and complete
 * otherwise; and it can be loaded again.
 *
 * What breaks these: a reference that a mapping, a file under way or a channel
 * has not (a crash), or has for ever (refused): a kern_mount that is not given
 * back, channels of a network namespace that nobody frees.
 *
 * Nothing else may use the module meanwhile: test programs run one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "probe.h"

#define LIMIT	300
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

/* Where a guest of ours has it. */
static const char *module_file(void)
{
	const char *given = getenv("IPCCHAN_MODULE");

	return given ? given : "/vm/ipcchan.ko";
}

static int load(void)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "ipcchan", O_NONBLOCK) ? -errno : 0;
}

static bool loaded(void)
{
	return !access("/sys/module/ipcchan", F_OK);
}

FIXTURE(unload) {
	char name[IPCCHAN_NAME_SIZE];
};

FIXTURE_SETUP(unload)
{
	unique_name(self->name, "unload");
	ASSERT_TRUE(loaded());
	ASSERT_EQ(small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2), 0);
}

/* Gone without a trace, and back, and all is well. */
static void expect_reload(struct __test_metadata *_metadata, const char *name)
{
	struct accounts now;
	struct raw_port p;

	EXPECT_EQ(unload(), 0);
	EXPECT_FALSE(loaded());
	EXPECT_NE(access(IPCCHAN_DEVICE, F_OK), 0);
	ASSERT_EQ(load(), 0);
	accounts_read(&now);
	EXPECT_EQ(now.channels | now.ports | now.bytes, 0);
	EXPECT_FALSE(channel_exists(name));
	ASSERT_EQ(small_channel(name, 0, 2), 0);
	ASSERT_EQ(raw_open(&p, name, BOTH), 0);
	raw_publish(&p, "x", 1, 0);
	EXPECT_EQ(raw_take(&p, 0, NULL, 0, NULL), 1);
	leave(&p);
}

FIXTURE_TEARDOWN(unload)
{
	if (!loaded())
		load();
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&(struct accounts){ 0, 0, 0, 0 }));
}

TEST_F_TIMEOUT(unload, refused_while_a_file_is_open, LIMIT)
{
	int fd = device_open(), copy, pair[2];

	ASSERT_GE(fd, 0);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	copy = dup(fd);
	close(fd);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	/* under way to nobody */
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ASSERT_EQ(send_file(pair[0], copy), 0);
	close(copy);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	EXPECT_TRUE(channel_exists(self->name));
	close(pair[0]);
	close(pair[1]);
	expect_reload(_metadata, self->name);
}

TEST_F_TIMEOUT(unload, refused_while_a_handle_is_open, LIMIT)
{
	int handle = handle_create(2), device, pair[2];
	struct raw_port p;

	ASSERT_GE(handle, 0);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	ASSERT_EQ(raw_open_by(&p, handle, BOTH), 0);
	EXPECT_EQ(call_revoke(handle), 0);
	close(handle);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	leave(&p);
	device = device_open();
	handle = handle_open(device, self->name, IPCCHAN_SEND);
	close(device);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ASSERT_EQ(send_file(pair[0], handle), 0);
	close(handle);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	close(pair[0]);
	close(pair[1]);
	expect_reload(_metadata, self->name);
}

TEST_F_TIMEOUT(unload, refused_while_something_is_mapped, LIMIT)
{
	struct raw_port p;

	ASSERT_EQ(raw_open(&p, self->name, BOTH), 0);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	close(p.fd);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	munmap(p.own, p.attach.own_size);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	EXPECT_EQ(touch_read(p.window), 0);
	munmap(p.window, p.attach.window_size);
	expect_reload(_metadata, self->name);
}

/* Evicted, deleted: the file is there still. */
TEST_F_TIMEOUT(unload, refused_while_a_port_that_is_gone_is_open, LIMIT)
{
	struct raw_port p;

	ASSERT_EQ(raw_open(&p, self->name, BOTH), 0);
	ASSERT_EQ(drop_channel(self->name), 0);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	EXPECT_EQ(touch_write(p.own), 0);
	leave(&p);
	expect_reload(_metadata, self->name);
}

/* A page in a pipe is just a page: it holds no module, and outlives it. */
TEST_F_TIMEOUT(unload, a_pinned_page_does_not_hold_it, LIMIT)
{
	char text[8] = "";
	struct iovec v;
	struct raw_port p;
	int pipes[2];

	ASSERT_EQ(raw_open(&p, self->name, BOTH), 0);
	strcpy(raw_arena(&p), "pinned");
	v = (struct iovec){ (char *)raw_peer_arena(&p, 0), 7 };
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &v, 1, 0), 7);
	leave(&p);
	expect_reload(_metadata, self->name);
	EXPECT_EQ(read(pipes[0], text, sizeof(text)), 7);
	EXPECT_STREQ(text, "pinned");
}

static int use_and_wait(void *arg)
{
	struct ipcchan_port *port;

	if (ipcchan_open(&port, arg, BOTH, NULL, NULL))
		return 1;
	for (;;)
		ipcchan_send(port, "x", 1, IPCCHAN_NO_WAIT);
}

TEST_F_TIMEOUT(unload, works_at_once_after_a_kill, LIMIT)
{
	const int rounds = slow_kernel() ? 10 : 30;

	for (int i = 0; i < rounds; i++) {
		pid_t pid = child_start(use_and_wait, self->name);

		sleep_ms(i % 20);
		kill(pid, SIGKILL);
		EXPECT_EQ(child_end(pid, 20000), 128 + SIGKILL);
		ASSERT_EQ(unload(), 0);
		ASSERT_EQ(load(), 0);
		ASSERT_EQ(small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2), 0);
	}
}

TEST_F_TIMEOUT(unload, takes_persistent_channels_along, LIMIT)
{
	char name[IPCCHAN_NAME_SIZE];

	for (int i = 0; i < 100; i++) {
		unique_name(name, "persistent");
		ASSERT_EQ(small_channel(name, IPCCHAN_CREATE_PERSISTENT, 2), 0);
	}
	expect_reload(_metadata, name);
}

/* In a network namespace of its own; which lives as long as the process. */
static int create_elsewhere(void *arg)
{
	const int *tell = arg;
	char name[IPCCHAN_NAME_SIZE];

	if (unshare(CLONE_NEWNET))
		return 1;
	for (int i = 0; i < 10; i++) {
		unique_name(name, "elsewhere");
		if (small_channel(name, IPCCHAN_CREATE_PERSISTENT, 2))
			return 2;
	}
	if (write(tell[1], "x", 1) != 1)
		return 3;
	return *tell ? pause() : 0;
}

TEST_F_TIMEOUT(unload, takes_other_namespaces_channels_along, LIMIT)
{
	int pipes[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(pipe(pipes), 0);
	/* one that lives */
	pid = child_start(create_elsewhere, pipes);
	ASSERT_EQ(read(pipes[0], &byte, 1), 1);
	EXPECT_EQ(param_get("channels"), 11);
	expect_reload(_metadata, self->name);
	kill(pid, SIGKILL);
	child_end(pid, 20000);
	/* one that is being taken down at this moment, or was */
	pipes[0] = 0;
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(in_child(create_elsewhere, pipes), 0);
		sleep_ms(i % 5 * 10);
		ASSERT_EQ(unload(), 0);
		ASSERT_EQ(load(), 0);
	}
}

/* The last file of a namespace's is all that holds it: closing it frees all, in that order. */
static int hand_over(void *arg)
{
	const int *socket = arg;
	struct raw_port p;
	int fd;

	if (unshare(CLONE_NEWNET) || small_channel("elsewhere", IPCCHAN_CREATE_PERSISTENT, 2))
		return 1;
	fd = device_open();
	if (raw_open(&p, "elsewhere", BOTH))
		return 2;
	return send_file(socket[1], fd) || send_file(socket[1], p.fd);
}

TEST_F_TIMEOUT(unload, works_after_the_last_file_of_a_namespace, LIMIT)
{
	int pair[2], fds[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	EXPECT_EQ(in_child(hand_over, pair), 0);
	for (int i = 0; i < 2; i++)
		fds[i] = recv_file(pair[0]);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	close(fds[1]);
	EXPECT_EQ(unload(), -EWOULDBLOCK);
	close(fds[0]);
	EXPECT_EQ(unload(), 0);
	ASSERT_EQ(load(), 0);
}

/* Leaves a look for stalled receivers pending: a sender has waited. */
static int leave_a_look(uint32_t flags, uint64_t stall_ns, uint64_t wait_ns)
{
	struct ipcchan_create args = create_args("looked-at");
	struct raw_port tx, rx;
	int fd = device_open(), err;

	args.flags = flags;
	args.stall_ns = stall_ns;
	args.geometry = (struct ipcchan_geometry){ 8, 2, 2, 2, 4096, 0 };
	err = call_create(fd, &args);
	close(fd);
	if (!err)
		err = raw_open(&tx, "looked-at", IPCCHAN_SEND);
	if (!err)
		err = raw_open(&rx, "looked-at", IPCCHAN_RECEIVE);
	if (err)
		return err;
	raw_publish(&tx, "x", 1, 0);
	/* or the receiver is evicted meanwhile */
	err = wait_for(&tx, IPCCHAN_WAIT_SEND, now_ns() + wait_ns, NULL);
	leave(&rx);
	leave(&tx);
	return err == -ETIMEDOUT ? 0 : err;
}

TEST_F_TIMEOUT(unload, calls_off_what_is_pending, LIMIT)
{
	for (uint32_t flags = 0; flags <= IPCCHAN_CREATE_PERSISTENT; flags++) {
		ASSERT_EQ(leave_a_look(flags, 3600 * SECOND, 10 * MS), 0) TH_LOG("%s", why);
		expect_reload(_metadata, self->name);
	}
	/* one that is due at this moment, or under way */
	for (int i = 0; i < 40; i++) {
		ASSERT_EQ(leave_a_look(i % 2, 1 * MS, i % 8 * MS), 0) TH_LOG("%s", why);
		ASSERT_EQ(unload(), 0);
		ASSERT_EQ(load(), 0);
	}
}

struct elsewhere {
	uint32_t flags;
	uint64_t stall_ns;
	uint64_t wait_ns;
};

static int look_elsewhere(void *arg)
{
	const struct elsewhere *e = arg;

	return unshare(CLONE_NEWNET) || leave_a_look(e->flags, e->stall_ns, e->wait_ns);
}

/* The namespace ends while a look is pending, due or under way. */
TEST_F_TIMEOUT(unload, works_after_a_look_elsewhere, LIMIT)
{
	struct accounts before;

	accounts_read(&before);
	for (int i = 0; i < 40; i++) {
		struct elsewhere e = {
			.flags = i % 2, .stall_ns = i % 4 < 2 ? 1 * MS : 3600 * SECOND,
			.wait_ns = i % 8 * MS,
		};

		EXPECT_EQ(in_child(look_elsewhere, &e), 0);
	}
	EXPECT_TRUE(accounts_settle(&before));
	EXPECT_EQ(unload(), 0);
	ASSERT_EQ(load(), 0);
}

static bool stop;

static void *opening_thread(void *arg)
{
	long *opened = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct raw_port p;
		int fd = device_open();

		if (fd >= 0)
			close(fd);
		if (small_channel("race", 0, 2) == 0 && raw_open(&p, "race", BOTH) == 0) {
			leave(&p);
			++*opened;
		}
		sched_yield();
	}
	return NULL;
}

/* Who opens at that moment gets it, or finds nothing. */
TEST_F_TIMEOUT(unload, races_with_who_opens, LIMIT)
{
	const int rounds = slow_kernel() ? 10 : 40;
	long opened = 0;
	pthread_t thread;
	int done = 0;

	ASSERT_EQ(pthread_create(&thread, NULL, opening_thread, &opened), 0);
	for (int i = 0; i < rounds; i++) {
		for (int tries = 0; tries < 1000 && unload(); tries++)
			sched_yield();
		done += !loaded();
		if (!loaded())
			ASSERT_EQ(load(), 0);
		sleep_ms(5);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	drop_channel("race");
	EXPECT_GT(opened, 0);
	EXPECT_GT(done, 0);
}

TEST_HARNESS_MAIN
