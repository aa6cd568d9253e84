// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever sleeps is woken in bounded time when what it waits for has died, also if
 * that died between changing its pages and kicking; and when itself is evicted or
 * its channel deleted. For every way to sleep, in both directions.
 *
 * What breaks these (member.c, wait.c): nobody looked at who sleeps when a port
 * leaves (what was published before it died waits for ever); own sleepers not
 * woken by an eviction. The sleepers here never time out: the test does.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "probe.h"

#define LIMIT	300
#define SOON_NS	(20 * SECOND)

enum sleep_by { BY_WAIT, BY_POLL, BY_EPOLL, BY_EDGE, SLEEPS };

FIXTURE(blocked) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
};

FIXTURE_VARIANT(blocked) {
	enum sleep_by by;
};

FIXTURE_VARIANT_ADD(blocked, wait) { .by = BY_WAIT };
FIXTURE_VARIANT_ADD(blocked, poll) { .by = BY_POLL };
FIXTURE_VARIANT_ADD(blocked, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(blocked, edge) { .by = BY_EDGE };

FIXTURE_SETUP(blocked)
{
	accounts_read(&self->before);
	unique_name(self->name, "blocked");
	ASSERT_EQ(small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2), 0);
}

FIXTURE_TEARDOWN(blocked)
{
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* A thread that sleeps on a port, for good; and what woke it. */
struct sleeper {
	pthread_t thread;
	struct raw_port *port;
	enum sleep_by by;
	uint32_t flags;		/* IPCCHAN_WAIT_RECEIVE or IPCCHAN_WAIT_SEND */
	int result;		/* of wait: events or -errno; else the poll's */
	bool woke;
};

static int sleep_in_epoll(const struct sleeper *s, uint32_t events)
{
	struct epoll_event e = { .events = events }, got = {};
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(set, EPOLL_CTL_ADD, s->port->fd, &e))
		return -errno;
	while (epoll_wait(set, &got, 1, -1) < 0 && errno == EINTR)
		;
	close(set);
	return got.events;
}

static void *sleeping_thread(void *arg)
{
	struct sleeper *s = arg;
	bool receive = s->flags & IPCCHAN_WAIT_RECEIVE;
	uint32_t events = 0;

	switch (s->by) {
	case BY_WAIT:
		s->result = wait_for(s->port, s->flags, FOREVER, &events);
		s->result = s->result ? s->result : (int)events;
		break;
	case BY_POLL:
		s->result = poll_for(s->port, receive ? POLLIN : POLLOUT, -1);
		break;
	default:
		s->result = sleep_in_epoll(s, (receive ? EPOLLIN : EPOLLOUT) |
					   (s->by == BY_EDGE ? EPOLLET : 0));
	}
	__atomic_store_n(&s->woke, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Starts it, and waits until it would have to be kicked. */
static bool fall_asleep(struct sleeper *s, struct raw_port *port, enum sleep_by by, uint32_t flags)
{
	*s = (struct sleeper){ .port = port, .by = by, .flags = flags };
	/* what WAIT_SEND looks at, poll() takes from the last one */
	if (flags & IPCCHAN_WAIT_SEND && wait_for(port, flags, 0, NULL) != -ETIMEDOUT)
		return false;
	if (pthread_create(&s->thread, NULL, sleeping_thread, s))
		return false;
	return flags & IPCCHAN_WAIT_SEND ? sender_sleeps(port, port->attach.sender_slot) :
					   receiver_sleeps(port, port->attach.receiver_slot);
}

static bool wakes(struct sleeper *s)
{
	uint64_t end = now_ns() + SOON_NS;

	while (!__atomic_load_n(&s->woke, __ATOMIC_ACQUIRE)) {
		if (now_ns() > end)
			return false;
		sleep_ms(1);
	}
	return !pthread_join(s->thread, NULL);
}

static bool told(const struct sleeper *s, uint32_t wait_event, int poll_event)
{
	return s->by == BY_WAIT ? s->result > 0 && s->result & wait_event :
				  s->result & poll_event;
}

static bool told_of_the_end(const struct sleeper *s)
{
	return s->by == BY_WAIT ? s->result == -ESHUTDOWN : s->result & POLLERR;
}

/* The other side, in a process of its own; told to go on by a byte. */
struct other {
	const char *name;
	int go, ready;
	bool dies;	/* before it kicks; else it just goes */
};

static bool meet(const struct other *o)
{
	char byte;

	return write(o->ready, "x", 1) == 1 && read(o->go, &byte, 1) == 1;
}

static int publishing_peer(void *arg)
{
	struct other *o = arg;
	struct raw_port p;

	if (raw_open(&p, o->name, IPCCHAN_SEND) || !meet(o))
		return 1;
	if (!receiver_sleeps(&p, 0))
		return 2;
	if (o->dies)
		raw_publish(&p, "x", 1, 0);
	kill(getpid(), SIGKILL);
	return 3;
}

static int taking_peer(void *arg)
{
	struct other *o = arg;
	struct raw_port p;

	if (raw_open(&p, o->name, IPCCHAN_RECEIVE) || !meet(o))
		return 1;
	if (!sender_sleeps(&p, 0))
		return 2;
	if (o->dies)
		raw_take(&p, 0, NULL, 0, NULL);
	kill(getpid(), SIGKILL);
	return 3;
}

static pid_t start(struct other *o, int (*peer)(void *), int *go)
{
	int there[2], back[2];
	char byte;
	pid_t pid;

	if (pipe(there) || pipe(back))
		return -1;
	o->go = there[0];
	o->ready = back[1];
	pid = child_start(peer, o);
	*go = there[1];
	return read(back[0], &byte, 1) == 1 ? pid : -1;
}

TEST_F_TIMEOUT(blocked, a_sender_dies_before_its_kick, LIMIT)
{
	struct other o = { .name = self->name, .dies = true };
	struct raw_port port;
	struct sleeper s;
	pid_t pid;
	int go;

	ASSERT_EQ(raw_open(&port, self->name, IPCCHAN_RECEIVE), 0);
	pid = start(&o, publishing_peer, &go);
	ASSERT_GT(pid, 0);
	ASSERT_TRUE(fall_asleep(&s, &port, variant->by, IPCCHAN_WAIT_RECEIVE));
	ASSERT_EQ(write(go, "x", 1), 1);
	EXPECT_EQ(child_end(pid, 20000), 128 + SIGKILL);
	ASSERT_TRUE(wakes(&s));
	EXPECT_TRUE(told(&s, IPCCHAN_WAIT_RECEIVE, POLLIN));
	EXPECT_EQ(raw_take(&port, 0, NULL, 0, NULL), 1);
	leave(&port);
}

TEST_F_TIMEOUT(blocked, the_last_sender_dies, LIMIT)
{
	struct other o = { .name = self->name };
	struct raw_port port;
	struct sleeper s;
	pid_t pid;
	int go;

	ASSERT_EQ(raw_open(&port, self->name, IPCCHAN_RECEIVE), 0);
	pid = start(&o, publishing_peer, &go);
	ASSERT_GT(pid, 0);
	ASSERT_TRUE(fall_asleep(&s, &port, variant->by, IPCCHAN_WAIT_RECEIVE));
	ASSERT_EQ(write(go, "x", 1), 1);
	EXPECT_EQ(child_end(pid, 20000), 128 + SIGKILL);
	ASSERT_TRUE(wakes(&s));
	EXPECT_TRUE(told(&s, IPCCHAN_WAIT_HANGUP, POLLHUP));
	leave(&port);
}

/* Whether it has taken what the sender waits for, or just dies. */
TEST_F_TIMEOUT(blocked, a_receiver_dies_before_its_kick, LIMIT)
{
	for (int took = 0; took < 2; took++) {
		struct other o = { .name = self->name, .dies = took };
		struct raw_port port, slow;
		struct sleeper s;
		pid_t pid;
		int go;

		ASSERT_EQ(raw_open(&port, self->name, IPCCHAN_SEND), 0);
		pid = start(&o, taking_peer, &go);
		ASSERT_GT(pid, 0);
		/* another receiver stays, that takes nothing */
		ASSERT_EQ(raw_open(&slow, self->name, IPCCHAN_RECEIVE), 0);
		raw_publish(&port, "x", 1, 0);
		ASSERT_TRUE(fall_asleep(&s, &port, variant->by, IPCCHAN_WAIT_SEND));
		ASSERT_EQ(write(go, "x", 1), 1);
		EXPECT_EQ(child_end(pid, 20000), 128 + SIGKILL);
		ASSERT_TRUE(wakes(&s));
		EXPECT_TRUE(told(&s, IPCCHAN_WAIT_SEND, POLLOUT));
		leave(&port);
		leave(&slow);
	}
}

static int end_it(const char *name, const struct raw_port *port, bool delete)
{
	return delete ? drop_channel(name) : evict(name, port->attach.port_id);
}

TEST_F_TIMEOUT(blocked, a_receiver_hears_of_its_own_end, LIMIT)
{
	for (int delete = 0; delete < 2; delete++) {
		struct raw_port port;
		struct sleeper s;

		ASSERT_EQ(raw_open(&port, self->name, IPCCHAN_RECEIVE), 0);
		ASSERT_TRUE(fall_asleep(&s, &port, variant->by, IPCCHAN_WAIT_RECEIVE));
		EXPECT_EQ(end_it(self->name, &port, delete), 0);
		ASSERT_TRUE(wakes(&s));
		EXPECT_TRUE(told_of_the_end(&s))
			TH_LOG("delete %d: %d", delete, s.result);
		leave(&port);
	}
}

TEST_F_TIMEOUT(blocked, a_sender_hears_of_its_own_end, LIMIT)
{
	for (int delete = 0; delete < 2; delete++) {
		struct raw_port port, slow;
		struct sleeper s;

		ASSERT_EQ(raw_open(&port, self->name, IPCCHAN_SEND), 0);
		ASSERT_EQ(raw_open(&slow, self->name, IPCCHAN_RECEIVE), 0);
		raw_publish(&port, "x", 1, 0);
		ASSERT_TRUE(fall_asleep(&s, &port, variant->by, IPCCHAN_WAIT_SEND));
		EXPECT_EQ(end_it(self->name, &port, delete), 0);
		ASSERT_TRUE(wakes(&s));
		EXPECT_TRUE(told_of_the_end(&s))
			TH_LOG("delete %d: %d", delete, s.result);
		leave(&port);
		leave(&slow);
	}
}

/* Its own region unmapped by another thread. */
TEST_F_TIMEOUT(blocked, a_sleeper_hears_of_its_munmap, LIMIT)
{
	struct raw_port port;
	struct sleeper s;

	ASSERT_EQ(raw_open(&port, self->name, IPCCHAN_RECEIVE), 0);
	ASSERT_TRUE(fall_asleep(&s, &port, variant->by, IPCCHAN_WAIT_RECEIVE));
	ASSERT_EQ(munmap(port.own, port.attach.own_size), 0);
	port.own = NULL;
	ASSERT_TRUE(wakes(&s));
	EXPECT_TRUE(told_of_the_end(&s));
	leave(&port);
}

/* The library, blocked for want of room by one who holds all and is killed. */
FIXTURE(blocked_library) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
};

FIXTURE_SETUP(blocked_library)
{
	accounts_read(&self->before);
	unique_name(self->name, "blocked");
	ASSERT_EQ(small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2), 0);
}

FIXTURE_TEARDOWN(blocked_library)
{
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int holding_peer(void *arg)
{
	struct other *o = arg;
	struct ipcchan_message m;
	struct ipcchan_port *port;

	if (ipcchan_open(&port, o->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL) || !meet(o))
		return 1;
	while (!o->dies && !ipcchan_receive(port, &m, IPCCHAN_NO_WAIT))
		;	/* holds as many as it may */
	sleep_ms(100);
	kill(getpid(), SIGKILL);
	return 3;
}

TEST_F_TIMEOUT(blocked_library, a_receiver_that_holds_all_dies, LIMIT)
{
	for (int idle = 0; idle < 2; idle++) {
		struct other o = { .name = self->name, .dies = idle };
		struct ipcchan_port *port;
		static char text[4000];
		pid_t pid;
		int go, sent, rc = 0;

		ASSERT_EQ(ipcchan_open(&port, self->name, IPCCHAN_ROLE_SEND, NULL, NULL), 0);
		pid = start(&o, holding_peer, &go);
		ASSERT_GT(pid, 0);
		for (sent = 0; !rc; sent++)
			rc = ipcchan_send(port, text, sizeof(text), IPCCHAN_NO_WAIT);
		EXPECT_EQ(rc, -EAGAIN);
		EXPECT_GT(sent, 2);
		ASSERT_EQ(write(go, "x", 1), 1);
		EXPECT_EQ(ipcchan_send(port, text, sizeof(text), SOON_NS), 0);
		EXPECT_EQ(child_end(pid, 20000), 128 + SIGKILL);
		/* nobody is left to wait for */
		for (int i = 0; i < 100; i++)
			EXPECT_EQ(ipcchan_send(port, text, sizeof(text), IPCCHAN_NO_WAIT), 0);
		ipcchan_port_close(port);
	}
}

TEST_HARNESS_MAIN
