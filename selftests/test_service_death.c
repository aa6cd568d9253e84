// SPDX-License-Identifier: GPL-2.0
/*
 * Connections whose ends die, at each step: who is left hears of it, what had
 * been sent is read first, and nothing is left behind.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "parley.h"

#define LIMIT	120

FIXTURE(death) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port l, c, s;
	int pair[2];		/* what the child says comes out of [0] */
	pid_t pid;
};

FIXTURE_SETUP(death)
{
	accounts_read(&self->before);
	unique_name(self->name, "death");
	ASSERT_EQ(0, make_service(self->name, IPCCHAN_CREATE_PERSISTENT, 4));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->pair));
}

FIXTURE_TEARDOWN(death)
{
	leave(&self->c);
	leave(&self->s);
	leave(&self->l);
	EXPECT_EQ(0, drop_channel(self->name));
	close(self->pair[0]);
	close(self->pair[1]);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* How far a process goes before it says so, and stays. */
enum step { NEW, WAITING, TAKEN, ESTABLISHED, SENT };

struct life {
	const char *name;
	enum step last;
	int say;
	bool serves;
	int expect;	/* how many messages it has got before it stays */
};

static void say(int to, char c)
{
	if (write(to, &c, 1) != 1)
		_exit(2);
}

static int live_as_client(const struct life *life)
{
	struct raw_port c;

	if (client_attach(&c, life->name) || (life->last >= WAITING && raw_map(&c)))
		return 1;
	if (life->last == WAITING)
		say(life->say, 'w');
	while (life->last >= ESTABLISHED && !sees_peer(&c))
		sleep_ms(1);
	if (life->last == SENT) {
		raw_publish(&c, "one", 3, 0);
		raw_publish(&c, "a longer one that lies in the arena, where it has to be found after its sender is no more",
			    90, 0);
	}
	say(life->say, 'd');
	for (;;)
		pause();
}

static int live_as_server(const struct life *life)
{
	struct raw_port l, s;

	if (listen_at(&l, life->name, 0, 0))
		return 1;
	say(life->say, 'l');
	if (life->last < TAKEN)
		for (;;)
			pause();
	if (server_take(&l, &s, FOREVER, NULL) || (life->last >= ESTABLISHED && server_join(&s)))
		return 1;
	if (life->last == SENT) {
		raw_publish(&s, "two", 3, 0);
		raw_kick_receivers(&s);
	}
	say(life->say, 'd');
	for (;;)
		pause();
}

static int live(void *arg)
{
	const struct life *life = arg;

	return life->serves ? live_as_server(life) : live_as_client(life);
}

static bool hears(int from, char c)
{
	struct pollfd fd = { .fd = from, .events = POLLIN };
	char got = 0;

	return poll(&fd, 1, 30000) == 1 && read(from, &got, 1) == 1 && got == c;
}

#define BEGIN(SERVES, LAST) do { \
	struct life life = { self->name, LAST, self->pair[1], SERVES, 0 }; \
	self->pid = child_start(live, &life); \
	ASSERT_LT(0, self->pid); \
} while (0)

static int finish(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? 0 : -1;
}

TEST_F_TIMEOUT(death, of_a_client_that_is_new, LIMIT)
{
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	BEGIN(false, NEW);
	ASSERT_TRUE(hears(self->pair[0], 'd'));
	EXPECT_EQ(1, connections_of(self->name));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_EQ(-ETIMEDOUT, server_take(&self->l, &self->s, 0, NULL));
	EXPECT_EQ(0, connections_of(self->name));
}

TEST_F_TIMEOUT(death, of_a_client_that_waits, LIMIT)
{
	ASSERT_EQ(0, listen_at(&self->l, self->name, 1, 0));
	BEGIN(false, WAITING);
	ASSERT_TRUE(hears(self->pair[0], 'w'));
	EXPECT_EQ(POLLIN, poll_for(&self->l, POLLIN, 0));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_EQ(0, poll_for(&self->l, POLLIN, 0));
	/* its place is free */
	EXPECT_EQ(0, client_wait(&self->c, self->name));
	EXPECT_EQ(0, server_take(&self->l, &self->s, 0, NULL));
}

TEST_F_TIMEOUT(death, of_a_client_that_is_taken, LIMIT)
{
	struct ipcchan_accept a;
	struct ipcchan_peer peer;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	BEGIN(false, WAITING);
	ASSERT_TRUE(hears(self->pair[0], 'w'));
	ASSERT_EQ(0, server_take(&self->l, &self->s, 0, &a));
	EXPECT_EQ(self->pid, a.pid);
	ASSERT_EQ(0, finish(self->pid));
	/* it comes to meet nobody, and hears of it at once */
	ASSERT_EQ(0, server_join(&self->s));
	EXPECT_TRUE(hung_up(&self->s));
	EXPECT_EQ(-ENOENT, call_peer(self->s.fd, IPCCHAN_RECEIVE, 0, &peer));
	EXPECT_EQ(1, connections_of(self->name));
	leave(&self->s);
	EXPECT_EQ(0, connections_of(self->name));
}

TEST_F_TIMEOUT(death, of_a_client_after_it_has_sent, LIMIT)
{
	char text[128];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	BEGIN(false, SENT);
	ASSERT_EQ(0, server_take(&self->l, &self->s, FOREVER, NULL));
	ASSERT_EQ(0, server_join(&self->s));
	ASSERT_TRUE(hears(self->pair[0], 'd'));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_TRUE(hung_up(&self->s));
	EXPECT_EQ(3, raw_take(&self->s, 0, text, sizeof(text), NULL));
	EXPECT_EQ(90, raw_take(&self->s, 0, text, sizeof(text), NULL));
	EXPECT_EQ(0, memcmp(text, "a longer one that lies in the arena", 35));
	EXPECT_EQ(-EAGAIN, raw_take(&self->s, 0, text, sizeof(text), NULL));
}

TEST_F_TIMEOUT(death, of_the_last_listener, LIMIT)
{
	BEGIN(true, WAITING);
	ASSERT_TRUE(hears(self->pair[0], 'l'));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	ASSERT_EQ(0, client_attach(&self->s, self->name));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_TRUE(goes_for(&self->c, IPCCHAN_REASON_REFUSED));
	EXPECT_EQ(POLLERR | POLLHUP, poll_for(&self->c, POLLIN, 0));
	/* the other was not refused yet, and is when it comes */
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason_of(&self->s));
	EXPECT_EQ(-ECONNREFUSED, map_own(&self->s));
	EXPECT_EQ(1, connections_of(self->name));
}

TEST_F_TIMEOUT(death, of_a_server_before_it_takes_part, LIMIT)
{
	BEGIN(true, TAKEN);
	ASSERT_TRUE(hears(self->pair[0], 'l'));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	ASSERT_TRUE(hears(self->pair[0], 'd'));
	EXPECT_FALSE(sees_peer(&self->c));
	/* there is another who listens, but this one has been taken */
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_TRUE(goes_for(&self->c, IPCCHAN_REASON_REFUSED));
	EXPECT_EQ(0, connections_of(self->name));
}

/* A child has its files still, and holds them as long as it lives. */
static int leave_to_a_child(void *arg)
{
	const struct life *life = arg;
	struct raw_port l, s;
	pid_t pid;

	if (listen_at(&l, life->name, 0, 0))
		return 1;
	say(life->say, 'l');
	if (server_take(&l, &s, FOREVER, NULL))
		return 1;
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	if (write(life->say, &pid, sizeof(pid)) != sizeof(pid))
		return 1;
	say(life->say, 'd');
	for (;;)
		pause();
}

TEST_F_TIMEOUT(death, of_a_server_whose_file_others_hold, LIMIT)
{
	struct life life = { self->name, TAKEN, self->pair[1], true, 0 };
	struct raw_port established, other;
	pid_t child;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	/* what this process has taken, or has not, is not concerned */
	ASSERT_EQ(0, establish(&self->l, self->name, &established, &other));
	ASSERT_EQ(0, client_wait(&self->s, self->name));
	leave(&self->l);
	ASSERT_TRUE(goes_for(&self->s, IPCCHAN_REASON_REFUSED));
	leave(&self->s);
	self->pid = child_start(leave_to_a_child, &life);
	ASSERT_TRUE(hears(self->pair[0], 'l'));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	ASSERT_EQ(sizeof(child), recv(self->pair[0], &child, sizeof(child), MSG_WAITALL));
	ASSERT_TRUE(hears(self->pair[0], 'd'));
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason_of(&self->c));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_TRUE(goes_for(&self->c, IPCCHAN_REASON_REFUSED));
	EXPECT_TRUE(sees_peer(&established));
	leave(&established);
	leave(&other);
	kill(child, SIGKILL);
	EXPECT_EQ(0, connections_of(self->name));
}

TEST_F_TIMEOUT(death, of_a_server_that_has_sent, LIMIT)
{
	char text[8];

	BEGIN(true, SENT);
	ASSERT_TRUE(hears(self->pair[0], 'l'));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	ASSERT_TRUE(hears(self->pair[0], 'd'));
	ASSERT_EQ(0, finish(self->pid));
	EXPECT_TRUE(hung_up(&self->c));
	EXPECT_EQ(3, raw_take(&self->c, 1, text, sizeof(text), NULL));
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason_of(&self->c));
}

/* Evicted: the listener; and an end of a connection, by the number of that. */
TEST_F_TIMEOUT(death, by_eviction, LIMIT)
{
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	ASSERT_EQ(0, evict(self->name, self->l.attach.port_id));
	EXPECT_EQ(IPCCHAN_REASON_EVICTED, reason_of(&self->l));
	EXPECT_EQ(IPCCHAN_REASON_REFUSED, reason_of(&self->c));
	EXPECT_EQ(-ESHUTDOWN, server_take(&self->l, &self->s, 0, NULL));
}

/* Deleted: who waits hears that, who has met goes on. */
TEST_F_TIMEOUT(death, of_the_service, LIMIT)
{
	struct raw_port waits;
	char text[4];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, establish(&self->l, self->name, &self->c, &self->s));
	ASSERT_EQ(0, client_wait(&waits, self->name));
	ASSERT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(IPCCHAN_REASON_DELETED, reason_of(&waits));
	EXPECT_EQ(IPCCHAN_REASON_DELETED, reason_of(&self->l));
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason_of(&self->c));
	raw_publish(&self->c, "x", 1, 0);
	EXPECT_EQ(1, raw_take(&self->s, 0, text, sizeof(text), NULL));
	leave(&waits);
	/* the name is free, for another */
	ASSERT_EQ(0, make_service(self->name, IPCCHAN_CREATE_PERSISTENT, 4));
}

/* An ephemeral service ends with its last listener; what is established does not. */
TEST_F_TIMEOUT(death, of_an_ephemeral_service, LIMIT)
{
	char name[IPCCHAN_NAME_SIZE];

	unique_name(name, "ephemeral");
	ASSERT_EQ(0, make_service(name, 0, 2));
	ASSERT_EQ(0, listen_at(&self->l, name, 0, 0));
	ASSERT_EQ(0, establish(&self->l, name, &self->c, &self->s));
	leave(&self->l);
	EXPECT_FALSE(channel_exists(name));
	EXPECT_TRUE(sees_peer(&self->c));
	leave(&self->c);
	EXPECT_TRUE(hung_up(&self->s));
}

TEST_HARNESS_MAIN
