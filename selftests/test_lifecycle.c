// SPDX-License-Identifier: GPL-2.0
/*
 * How attachments end, and that the others hear of it, whoever else holds the
 * file: by exit, signal, exec, munmap and close; and what does not end them.
 *
 * What breaks these: a port that hangs on its file alone (who holds a copy of the
 * file keeps a dead process attached), a forked child's mapping that counts, a
 * slot or a byte not given back (the accounts are compared after each test).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "probe.h"

#define LIMIT	300
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

FIXTURE(lifecycle) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port watch;
};

FIXTURE_SETUP(lifecycle)
{
	accounts_read(&self->before);
	unique_name(self->name, "life");
	ASSERT_EQ(small_channel(self->name, 0, 2), 0);
	ASSERT_EQ(raw_open(&self->watch, self->name, BOTH), 0);
}

FIXTURE_TEARDOWN(lifecycle)
{
	leave(&self->watch);
	EXPECT_EQ(channel_exists(self->name), false);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Slot 0 is that of who watches. */
static bool both_slots_become(const struct raw_port *watch, uint32_t state)
{
	return slot_becomes(watch, raw_sender_slot(watch, 1), state) &&
	       slot_becomes(watch, raw_receiver_slot(watch, 1), state);
}

/* A process that attaches, says so, and then does something. */
struct life {
	const char *name;
	int tell;		/* says so here */
	int socket;		/* to pass files on */
	const char *how;
	int signal;
};

static int attach_and_say(const struct life *life, struct raw_port *p)
{
	if (raw_open(p, life->name, BOTH))
		return 1;
	return write(life->tell, "x", 1) != 1;
}

static int live(void *arg)
{
	const struct life *life = arg;
	struct raw_port p;

	if (attach_and_say(life, &p))
		return 1;
	if (life->signal == SIGSEGV)
		*(volatile char *)p.window = 1;
	if (life->signal)
		kill(getpid(), life->signal);
	return 0;
}

static bool said(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, 30000) == 1 && read(fd, &byte, 1) == 1;
}

TEST_F_TIMEOUT(lifecycle, the_end_of_a_process_detaches, LIMIT)
{
	static const int ends[] = { 0, SIGKILL, SIGSEGV, SIGTERM, SIGABRT };
	struct life life = { .name = self->name };
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	life.tell = pipes[1];
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		pid_t pid;

		life.signal = ends[i];
		pid = child_start(live, &life);
		EXPECT_TRUE(said(pipes[0]));
		EXPECT_TRUE(both_slots_become(&self->watch, IPCCHAN_SLOT_EMPTY));
		EXPECT_EQ(child_end(pid, 20000), ends[i] ? 128 + ends[i] : 0);
		/* there was one, and it has gone */
		EXPECT_EQ(poll_for(&self->watch, POLLIN, 0) & POLLHUP, POLLHUP);
	}
}

TEST_F_TIMEOUT(lifecycle, close_does_not_detach_what_is_mapped, LIMIT)
{
	struct raw_port p;

	ASSERT_EQ(raw_open(&p, self->name, BOTH), 0);
	close(p.fd);
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_ACTIVE);
	raw_publish(&p, "still here", 11, 1);
	EXPECT_EQ(raw_take(&self->watch, 1, NULL, 0, NULL), 11);
	/* the window is not the port */
	munmap(p.window, p.attach.window_size);
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_ACTIVE);
	munmap(p.own, p.attach.own_size);
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_EMPTY);
	EXPECT_EQ(raw_receiver_slot(&self->watch, 1)->state, IPCCHAN_SLOT_EMPTY);
}

TEST_F_TIMEOUT(lifecycle, munmap_of_the_own_region_detaches, LIMIT)
{
	struct raw_port p;

	ASSERT_EQ(raw_open(&p, self->name, BOTH), 0);
	munmap(p.own, p.attach.own_size);
	p.own = NULL;
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_EMPTY);
	EXPECT_TRUE(poll_for(&self->watch, POLLIN, 0) & POLLHUP);
	/* for good */
	EXPECT_EQ(call_kick(p.fd, 0, 0), -ESHUTDOWN);
	EXPECT_EQ(map_own(&p), -ESHUTDOWN);
	EXPECT_EQ(raw_roster(&p)->sender_generation, 0);
	leave(&p);
}

/* exec() in a child that stays alive, with its file open or not. */
static int exec_away(void *arg)
{
	const struct life *life = arg;
	struct raw_port p;

	if (raw_open(&p, life->name, BOTH))
		return 1;
	if (fcntl(p.fd, F_SETFD, life->signal ? FD_CLOEXEC : 0))
		return 2;
	if (write(life->tell, "x", 1) != 1)
		return 3;
	execlp("sleep", "sleep", "100", NULL);
	return 4;
}

TEST_F_TIMEOUT(lifecycle, exec_detaches, LIMIT)
{
	struct life life = { .name = self->name };
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	life.tell = pipes[1];
	for (int cloexec = 0; cloexec < 2; cloexec++) {
		pid_t pid;

		life.signal = cloexec;
		pid = child_start(exec_away, &life);
		EXPECT_TRUE(said(pipes[0]));
		EXPECT_TRUE(both_slots_become(&self->watch, IPCCHAN_SLOT_EMPTY));
		EXPECT_EQ(kill(pid, 0), 0);
		EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
		kill(pid, SIGKILL);
		child_end(pid, 20000);
	}
}

TEST_F_TIMEOUT(lifecycle, starting_programs_does_not_detach, LIMIT)
{
	char *argv[] = { "true", NULL }, *env[] = { NULL };
	struct raw_port p;
	pid_t pid;

	ASSERT_EQ(raw_open(&p, self->name, BOTH), 0);
	ASSERT_EQ(posix_spawnp(&pid, "true", NULL, NULL, argv, env), 0);
	EXPECT_EQ(child_end(pid, 20000), 0);
	pid = vfork();
	if (!pid) {
		execlp("true", "true", NULL);
		_exit(1);
	}
	EXPECT_EQ(child_end(pid, 20000), 0);
	pid = fork();
	if (!pid)
		_exit(0);
	EXPECT_EQ(child_end(pid, 20000), 0);
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_ACTIVE);
	EXPECT_EQ(raw_receiver_slot(&self->watch, 1)->state, IPCCHAN_SLOT_ACTIVE);
	raw_publish(&p, "x", 1, 1);
	EXPECT_EQ(call_kick(p.fd, 1, 0), 0);
	EXPECT_EQ(raw_take(&self->watch, 1, NULL, 0, NULL), 1);
	leave(&p);
}

static void *attaching_thread(void *arg)
{
	const struct life *life = arg;
	static struct raw_port p;

	return raw_open(&p, life->name, BOTH) ? NULL : &p;
}

/* The port is the address space's, not the thread's. */
TEST_F_TIMEOUT(lifecycle, the_end_of_a_thread_does_not_detach, LIMIT)
{
	struct life life = { .name = self->name };
	pthread_t thread;
	void *port;

	ASSERT_EQ(pthread_create(&thread, NULL, attaching_thread, &life), 0);
	ASSERT_EQ(pthread_join(thread, &port), 0);
	ASSERT_NE(port, NULL);
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_ACTIVE);
	raw_publish(port, "x", 1, 1);
	EXPECT_EQ(raw_take(&self->watch, 1, NULL, 0, NULL), 1);
	leave(port);
}

/* The file goes to somebody else, then its port's process ends. */
static int pass_and_end(void *arg)
{
	const struct life *life = arg;
	struct raw_port p;

	if (raw_attach(&p, life->name, BOTH))
		return 1;
	if (!strcmp(life->how, "window only") && map_window(&p))
		return 2;
	if (!strcmp(life->how, "mapped") && (map_own(&p) || map_window(&p)))
		return 3;
	return send_file(life->socket, p.fd) ? 4 : 0;
}

TEST_F_TIMEOUT(lifecycle, a_file_held_by_another_keeps_nobody_attached, LIMIT)
{
	static const char * const ways[] = { "mapped", "window only", "not mapped" };
	struct life life = { .name = self->name };
	int pair[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	life.socket = pair[1];
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct raw_port next, held = {};
		pid_t pid;

		life.how = ways[i];
		pid = child_start(pass_and_end, &life);
		held.fd = recv_file(pair[0]);
		EXPECT_GE(held.fd, 0);
		EXPECT_EQ(child_end(pid, 20000), 0);
		EXPECT_TRUE(both_slots_become(&self->watch, IPCCHAN_SLOT_EMPTY));
		/* the slot is free, and the file of no use */
		EXPECT_EQ(raw_open(&next, self->name, BOTH), 0)
			TH_LOG("%s", ways[i]);
		leave(&next);
		EXPECT_NE(call_kick(held.fd, 0, 0), 0);
		EXPECT_EQ(poll_for(&held, POLLIN, 0) & POLLERR, POLLERR);
		close(held.fd);
	}
}

/* The same by fork(): a grandchild lives on with all it inherited. */
static int fork_and_end(void *arg)
{
	const struct life *life = arg;
	struct raw_port p;
	pid_t pid;

	if (raw_open(&p, life->name, BOTH))
		return 1;
	madvise(p.own, p.attach.own_size, MADV_DOFORK);
	madvise(p.window, p.attach.window_size, MADV_DOFORK);
	pid = fork();
	if (!pid) {
		sleep_ms(100000);
		_exit(0);
	}
	if (write(life->tell, &pid, sizeof(pid)) != sizeof(pid))
		return 2;
	return pid < 0;
}

TEST_F_TIMEOUT(lifecycle, a_child_keeps_nobody_attached, LIMIT)
{
	struct life life = { .name = self->name };
	pid_t pid, grandchild;
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	life.tell = pipes[1];
	pid = child_start(fork_and_end, &life);
	ASSERT_EQ(read(pipes[0], &grandchild, sizeof(pid)), (ssize_t)sizeof(pid));
	EXPECT_TRUE(both_slots_become(&self->watch, IPCCHAN_SLOT_EMPTY));
	EXPECT_TRUE(poll_for(&self->watch, POLLIN, 0) & POLLHUP);
	EXPECT_EQ(kill(grandchild, 0), 0);
	kill(grandchild, SIGKILL);
	EXPECT_EQ(child_end(pid, 20000), 0);
}

/* NEW: attached, not mapped. */

TEST_F_TIMEOUT(lifecycle, a_new_port_is_not_on_the_roster, LIMIT)
{
	uint64_t generation = raw_roster(&self->watch)->sender_generation;
	struct ipcchan_lookup found;
	struct raw_port p, other;

	ASSERT_EQ(raw_attach(&p, self->name, BOTH), 0);
	EXPECT_EQ(raw_sender_slot(&self->watch, 1)->state, IPCCHAN_SLOT_EMPTY);
	EXPECT_EQ(raw_roster(&self->watch)->sender_generation, generation);
	EXPECT_EQ(find_channel(self->name, &found), 0);
	EXPECT_EQ(found.senders, 1);
	/* but its slots are taken, and it makes no calls */
	EXPECT_EQ(raw_attach(&other, self->name, IPCCHAN_SEND), -EUSERS);
	EXPECT_EQ(call_kick(p.fd, 1, 0), -EINVAL);
	EXPECT_EQ(wait_for(&p, IPCCHAN_WAIT_RECEIVE, 0, NULL), -EINVAL);
	/* its going is nobody's hang-up */
	leave(&p);
	EXPECT_EQ(poll_for(&self->watch, POLLIN, 0), 0);
	EXPECT_EQ(raw_roster(&self->watch)->sender_generation, generation);
	EXPECT_EQ(raw_attach(&other, self->name, IPCCHAN_SEND), 0);
	leave(&other);
}

TEST_F_TIMEOUT(lifecycle, an_ephemeral_channel_outlives_new_ports, LIMIT)
{
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port p, q;

	unique_name(name, "ephemeral");
	ASSERT_EQ(small_channel(name, 0, 2), 0);
	/* never before its first */
	ASSERT_EQ(raw_attach(&p, name, BOTH), 0);
	leave(&p);
	EXPECT_TRUE(channel_exists(name));
	/* a NEW one keeps it when the last ACTIVE one goes */
	ASSERT_EQ(raw_open(&p, name, BOTH), 0);
	ASSERT_EQ(raw_attach(&q, name, BOTH), 0);
	leave(&p);
	EXPECT_TRUE(channel_exists(name));
	leave(&q);
	EXPECT_FALSE(channel_exists(name));
	EXPECT_EQ(raw_attach(&q, name, BOTH), -ENOENT);
}

TEST_HARNESS_MAIN
