// SPDX-License-Identifier: GPL-2.0
/*
 * Signals in place of sleeping: one for each arming, with the right band and
 * descriptor, to the right task. That none is lost: test_wait_race.c
 *
 * Breaks them: a waiter that leaves and disarms who stands armed; standing that
 * is kept after it was told; a port's own end that is told; a timer that looks
 * for nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "sleeper.h"

#define LIMIT	120
#define SIGNAL	(SIGRTMIN + 3)
#define SOON	20000		/* ms; what comes takes much less */
#define QUIET	40		/* ms, for what must not come */

#define ARM_RX	(IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_ARM)
#define ARM_TX	(IPCCHAN_WAIT_SEND | IPCCHAN_WAIT_ARM)

/* The caller's thread is to get them, and takes them when it likes. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	sigaddset(&set, SIGIO);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int switch_on(int fd, int type, pid_t who)
{
	struct f_owner_ex owner = { .type = type, .pid = who };

	if (fcntl(fd, F_SETOWN_EX, &owner) || fcntl(fd, F_SETSIG, SIGNAL) ||
	    fcntl(fd, F_SETFL, O_ASYNC))
		return -errno;
	return 0;
}

static int to_me(const struct raw_port *p)
{
	return switch_on(p->fd, F_OWNER_TID, gettid());
}

/* The next signal: its si_code (or SI_KERNEL), 0 if none comes in that time. */
static int next_signal(siginfo_t *info, unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };
	siginfo_t unwanted;
	sigset_t set;
	int got;

	info = info ? info : &unwanted;
	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	sigaddset(&set, SIGIO);
	do
		got = sigtimedwait(&set, info, &t);
	while (got < 0 && errno == EINTR);
	return got < 0 ? 0 : info->si_code;
}

FIXTURE(signal) {
	struct pair pair;
	struct raw_port *tx, *rx;
	uint32_t events;
};

FIXTURE_SETUP(signal)
{
	block_signals();
	ASSERT_EQ(0, pair_open(&self->pair, 4));
	self->tx = &self->pair.tx;
	self->rx = &self->pair.rx;
	self->events = ~0u;
	ASSERT_EQ(0, to_me(self->rx));
	ASSERT_EQ(0, to_me(self->tx));
}

FIXTURE_TEARDOWN(signal)
{
	EXPECT_TRUE(pair_close(&self->pair));
}

TEST_F_TIMEOUT(signal, of_a_message, LIMIT)
{
	siginfo_t info;

	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	EXPECT_EQ(0, self->events);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	publish_and_kick(self->tx);
	ASSERT_EQ(POLL_IN, next_signal(&info, SOON));
	EXPECT_EQ(SIGNAL, info.si_signo);
	EXPECT_EQ(self->rx->fd, info.si_fd);
	EXPECT_EQ(POLLIN | POLLRDNORM, info.si_band);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

TEST_F_TIMEOUT(signal, of_room, LIMIT)
{
	siginfo_t info;

	publish_and_kick(self->tx);
	EXPECT_EQ(0, wait_for(self->tx, ARM_TX, 0, &self->events));
	EXPECT_EQ(0, self->events);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	take_and_kick(self->rx);
	ASSERT_EQ(POLL_OUT, next_signal(&info, SOON));
	EXPECT_EQ(self->tx->fd, info.si_fd);
	EXPECT_EQ(POLLOUT | POLLWRNORM | POLLWRBAND, info.si_band);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

/* However many messages, and kicks. */
TEST_F_TIMEOUT(signal, one_for_an_arming, LIMIT)
{
	for (int round = 0; round < 5; round++) {
		EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
		ASSERT_EQ(0, self->events);
		EXPECT_EQ(1, pair_armed(&self->pair, IPCCHAN_WAIT_RECEIVE));
		publish_and_kick(self->tx);
		EXPECT_EQ(0, pair_armed(&self->pair, IPCCHAN_WAIT_RECEIVE));
		EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
		for (int i = 0; i < 2; i++) {
			raw_publish(self->tx, "b", 1, 0);
			ASSERT_EQ(0, call_kick(self->tx->fd, 1, 0));
			EXPECT_EQ(0, next_signal(NULL, QUIET));
		}
		for (int i = 0; i < 3; i++) {
			take_and_kick(self->rx);
		}
	}
}

/* Who has asked for none, or no more, gets none. */
TEST_F_TIMEOUT(signal, none_unasked, LIMIT)
{
	publish_and_kick(self->tx);
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->tx, IPCCHAN_WAIT_SEND, 0, NULL));
	take_and_kick(self->rx);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	ASSERT_EQ(0, fcntl(self->rx->fd, F_SETFL, 0));
	publish_and_kick(self->tx);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

/* What is there already is the answer, and no signal comes for it. */
TEST_F_TIMEOUT(signal, not_what_is_there, LIMIT)
{
	publish_and_kick(self->tx);
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, self->events);
	EXPECT_EQ(0, pair_armed(&self->pair, IPCCHAN_WAIT_RECEIVE));
	publish_and_kick(self->tx);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

/* Kicks without a change wake nobody. */
TEST_F_TIMEOUT(signal, none_for_nothing, LIMIT)
{
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	for (int i = 0; i < 500; i++) {
		ASSERT_EQ(0, call_kick(self->tx->fd, 0xf, 0));
	}
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	publish_and_kick(self->tx);
	EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
}

/* Breaks it: a waiter that leaves and disarms whoever stands armed. */
TEST_F_TIMEOUT(signal, outlasts_other_waiters, LIMIT)
{
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->rx, IPCCHAN_WAIT_RECEIVE, now_ns() + MS, NULL));
	EXPECT_EQ(0, poll_for(self->rx, POLLIN, 1));
	EXPECT_EQ(1, pair_armed(&self->pair, IPCCHAN_WAIT_RECEIVE));
	publish_and_kick(self->tx);
	EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
}

/* And one who sleeps beside it wakes by the same kick. */
TEST_F_TIMEOUT(signal, beside_a_sleeper, LIMIT)
{
	struct sleeper s = { .port = self->rx, .flags = IPCCHAN_WAIT_RECEIVE };

	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	ASSERT_TRUE(sleep_in_wait(&s));
	publish_and_kick(self->tx);
	ASSERT_TRUE(wakes(&s));
	EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

/* SIGIO, and no more, where F_SETSIG was not called. */
TEST_F_TIMEOUT(signal, sigio, LIMIT)
{
	siginfo_t info;

	ASSERT_EQ(0, fcntl(self->rx->fd, F_SETSIG, 0));
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	publish_and_kick(self->tx);
	EXPECT_EQ(SI_KERNEL, next_signal(&info, SOON));
	EXPECT_EQ(SIGIO, info.si_signo);
}

TEST_F_TIMEOUT(signal, of_the_last_peer, LIMIT)
{
	siginfo_t info;

	/* armed or not */
	for (int armed = 0; armed < 2; armed++) {
		if (armed) {
			ASSERT_EQ(0, raw_open(self->tx, self->pair.name, IPCCHAN_SEND));
			EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
			EXPECT_EQ(0, self->events);
		}
		leave(self->tx);
		ASSERT_EQ(POLL_HUP, next_signal(&info, SOON));
		EXPECT_EQ(self->rx->fd, info.si_fd);
		EXPECT_EQ(POLLHUP | POLLERR, info.si_band);
		EXPECT_EQ(0, next_signal(NULL, QUIET));
	}
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, self->events);
}

TEST_F_TIMEOUT(signal, of_the_last_receiver, LIMIT)
{
	publish_and_kick(self->tx);
	EXPECT_EQ(0, wait_for(self->tx, ARM_TX, 0, &self->events));
	leave(self->rx);
	EXPECT_EQ(POLL_HUP, next_signal(NULL, SOON));
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

/* One that leaves others behind is no hang-up, but for who waits for room a change. */
TEST_F_TIMEOUT(signal, of_one_of_two_receivers, LIMIT)
{
	struct raw_port other;

	ASSERT_EQ(0, raw_open(&other, self->pair.name, IPCCHAN_RECEIVE));
	EXPECT_EQ(0, wait_for(self->tx, ARM_TX, 0, &self->events));
	leave(&other);
	EXPECT_EQ(POLL_OUT, next_signal(NULL, SOON));
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

TEST_F_TIMEOUT(signal, of_eviction, LIMIT)
{
	siginfo_t info;

	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	ASSERT_EQ(0, evict(self->pair.name, self->rx->attach.port_id));
	for (int i = 0; i < 2; i++) {	/* the sender has lost its last receiver */
		int code = next_signal(&info, SOON);

		EXPECT_EQ(info.si_fd == self->rx->fd ? POLL_ERR : POLL_HUP, code);
		if (code == POLL_ERR)
			EXPECT_EQ(POLLERR, info.si_band);
	}
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	EXPECT_EQ(-ESHUTDOWN, wait_for(self->rx, ARM_RX, 0, &self->events));
	EXPECT_EQ(0, fcntl(self->rx->fd, F_SETFL, 0));
	EXPECT_EQ(-ESHUTDOWN, to_me(self->rx));
}

TEST_F_TIMEOUT(signal, of_deletion, LIMIT)
{
	siginfo_t info;
	int seen = 0;

	ASSERT_EQ(0, drop_channel(self->pair.name));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(POLL_ERR, next_signal(&info, SOON));
		seen |= info.si_fd == self->rx->fd ? 1 : 2;
	}
	EXPECT_EQ(3, seen);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	ASSERT_EQ(0, small_channel(self->pair.name, IPCCHAN_CREATE_PERSISTENT, 1));
}

/* Breaks it: a port's own end that is told; after exec() another would die of it. */
TEST_F_TIMEOUT(signal, not_of_its_own_end, LIMIT)
{
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	ASSERT_EQ(0, fcntl(self->tx->fd, F_SETFL, 0));
	unmap_both(self->rx);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

TEST_F_TIMEOUT(signal, by_count, LIMIT)
{
	struct raw_port patient;

	ASSERT_EQ(0, open_patient(&patient, self->pair.name, 3, 0));
	ASSERT_EQ(0, to_me(&patient));
	EXPECT_EQ(0, wait_for(&patient, ARM_RX, 0, &self->events));
	for (int i = 0; i < 2; i++) {
		raw_publish(self->tx, "a", 1, 0);
		ASSERT_EQ(0, call_kick(self->tx->fd, 0xf, 0));
		EXPECT_EQ(0, next_signal(NULL, QUIET));
	}
	publish_and_kick(self->tx);
	EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
	leave(&patient);
}

/* Breaks it: a timer that wakes the queue alone. */
TEST_F_TIMEOUT(signal, by_time, LIMIT)
{
	struct raw_port patient;

	ASSERT_EQ(0, open_patient(&patient, self->pair.name, 0, 30 * MS));
	ASSERT_EQ(0, to_me(&patient));
	for (int round = 0; round < 3; round++) {
		uint64_t begun;

		EXPECT_EQ(0, wait_for(&patient, ARM_RX, 0, &self->events));
		EXPECT_EQ(0, self->events);
		begun = now_ns();
		publish_and_kick(self->tx);
		EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
		EXPECT_LE(begun + 30 * MS, now_ns());
		EXPECT_EQ(0, next_signal(NULL, QUIET));
		EXPECT_EQ(1, raw_take(&patient, 0, NULL, 0, NULL));
	}
	leave(&patient);
}

/* Breaks it: a sender that stands armed and does not count as waiting. */
TEST_F_TIMEOUT(signal, of_a_receiver_that_stalls, LIMIT)
{
	struct ipcchan_create args = create_args("");
	struct ipcchan_peer peer;
	struct raw_port tx, rx;
	int fd = device_open();

	unique_name(args.name, "stall");
	args.stall_ns = 50 * MS;
	ASSERT_EQ(0, call_create(fd, &args));
	ASSERT_EQ(0, raw_open(&tx, args.name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&rx, args.name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, to_me(&tx));
	raw_publish(&tx, "a", 1, 0);
	EXPECT_EQ(0, wait_for(&tx, ARM_TX, 0, &self->events));
	EXPECT_EQ(POLL_HUP, next_signal(NULL, SOON));
	EXPECT_EQ(0, call_peer(rx.fd, 0, 0, &peer));
	EXPECT_EQ(IPCCHAN_REASON_STALLED, peer.reason);
	leave(&tx);
	leave(&rx);
	close(fd);
}

/* Nobody else's: neither by a call, nor from a child. */
TEST_F_TIMEOUT(signal, refusals, LIMIT)
{
	int fresh = device_open(), handle = ipcchan_handle_create(NULL, NULL);
	struct seen nothing = { 0 };

	EXPECT_EQ(-EINVAL, wait_for(self->rx, IPCCHAN_WAIT_ARM, 0, NULL));
	EXPECT_EQ(-EINVAL, wait_for(self->rx, ARM_RX, 1, NULL));
	EXPECT_EQ(-EINVAL, wait_for(self->rx, ARM_RX, FOREVER, NULL));
	EXPECT_EQ(-EINVAL, wait_for(self->rx, ARM_RX | IPCCHAN_WAIT_ROSTER, 0, NULL));
	EXPECT_EQ(-EINVAL, wait_seen(self->rx, &nothing, ARM_TX, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, wait_for(self->tx, ARM_RX, 0, NULL));
	EXPECT_EQ(0, pair_armed(&self->pair, IPCCHAN_WAIT_RECEIVE));
	EXPECT_EQ(-ENOTCONN, switch_on(fresh, F_OWNER_PID, getpid()));
	EXPECT_EQ(-ENOTCONN, switch_on(handle, F_OWNER_PID, getpid()));
	close(handle);
	EXPECT_EQ(0, fcntl(fresh, F_SETFL, 0));
	close(fresh);
}

struct shared {
	struct raw_port *rx, *tx;
	int to_parent[2], to_child[2];
};

static void wake_other(int fd)
{
	if (write(fd, "x", 1) != 1)
		abort();
}

static void await_other(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		abort();
}

/* The child of a port's owner: may do nothing with it, hears nothing of it. */
static int stay_out(void *arg)
{
	struct shared *s = arg;
	int rc = 0;

	if (wait_for(s->rx, ARM_RX, 0, NULL) != -EBUSY)
		rc = 1;
	if (fcntl(s->rx->fd, F_SETFL, 0) || fcntl(s->rx->fd, F_SETFL, O_ASYNC) != -1 ||
	    errno != EBUSY)
		rc = 2;
	wake_other(s->to_parent[1]);
	await_other(s->to_child[0]);
	if (next_signal(NULL, QUIET))
		rc = 3;
	close(s->rx->fd);
	wake_other(s->to_parent[1]);
	await_other(s->to_child[0]);
	return next_signal(NULL, QUIET) ? 4 : rc;
}

TEST_F_TIMEOUT(signal, not_a_childs, LIMIT)
{
	struct shared s = { .rx = self->rx, .tx = self->tx };
	pid_t child;

	ASSERT_EQ(0, pipe(s.to_parent));
	ASSERT_EQ(0, pipe(s.to_child));
	ASSERT_EQ(0, switch_on(self->rx->fd, F_OWNER_PID, getpid()));
	child = child_start(stay_out, &s);
	await_other(s.to_parent[0]);
	/* it has cleared the flag, which all share: that it may */
	ASSERT_EQ(0, fcntl(self->rx->fd, F_SETFL, O_ASYNC));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
		publish_and_kick(self->tx);
		EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
		take_and_kick(self->rx);
		wake_other(s.to_child[1]);
		if (!i)
			await_other(s.to_parent[0]);	/* it has closed the file */
	}
	EXPECT_EQ(0, child_end(child, SOON));
}

struct listener {
	pid_t tid;
	int code;
};

static void *listen_in_thread(void *arg)
{
	struct listener *l = arg;

	__atomic_store_n(&l->tid, gettid(), __ATOMIC_RELEASE);
	l->code = next_signal(NULL, SOON);
	return NULL;
}

/* F_OWNER_TID: that thread and no other. */
TEST_F_TIMEOUT(signal, to_a_thread, LIMIT)
{
	struct listener l = { 0 };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, listen_in_thread, &l));
	while (!__atomic_load_n(&l.tid, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	ASSERT_EQ(0, switch_on(self->rx->fd, F_OWNER_TID, l.tid));
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	publish_and_kick(self->tx);
	pthread_join(thread, NULL);
	EXPECT_EQ(POLL_IN, l.code);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

static int listen_in_child(void *arg)
{
	(void)arg;
	return next_signal(NULL, SOON) == POLL_IN ? 0 : 1;
}

/* F_OWNER_PGRP: all of them. */
TEST_F_TIMEOUT(signal, to_a_group, LIMIT)
{
	pid_t children[3];

	for (int i = 0; i < 3; i++) {
		children[i] = child_start(listen_in_child, NULL);
		ASSERT_EQ(0, setpgid(children[i], children[0]));
	}
	ASSERT_EQ(0, switch_on(self->rx->fd, F_OWNER_PGRP, children[0]));
	EXPECT_EQ(0, wait_for(self->rx, ARM_RX, 0, &self->events));
	publish_and_kick(self->tx);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, child_end(children[i], SOON));
	}
	EXPECT_EQ(0, next_signal(NULL, QUIET));
}

/* With the library: what it says is ready, and what the signal says. */
TEST_F_TIMEOUT(signal, by_the_library, LIMIT)
{
	struct ipcchan_port *tx, *rx;
	char name[IPCCHAN_NAME_SIZE];
	struct ipcchan_options o;
	int sent = 0;

	ipcchan_options_init(&o);
	o.flags = IPCCHAN_OPEN_CREATE;
	o.depth = 4;
	unique_name(name, "library");
	ASSERT_EQ(0, ipcchan_open(&rx, name, IPCCHAN_ROLE_RECEIVE, &o, NULL));
	ASSERT_EQ(0, ipcchan_open(&tx, name, IPCCHAN_ROLE_SEND, &o, NULL));
	ASSERT_EQ(0, switch_on(ipcchan_port_fd(rx), F_OWNER_TID, gettid()));
	ASSERT_EQ(0, switch_on(ipcchan_port_fd(tx), F_OWNER_TID, gettid()));
	EXPECT_EQ(IPCCHAN_READY_SEND, ipcchan_port_arm(tx, IPCCHAN_READY_SEND));
	EXPECT_EQ(0, ipcchan_port_arm(rx, IPCCHAN_READY_RECEIVE));
	while (!ipcchan_send(tx, &sent, sizeof(sent), IPCCHAN_NO_WAIT))
		sent++;
	EXPECT_EQ(POLL_IN, next_signal(NULL, SOON));
	EXPECT_EQ(IPCCHAN_READY_RECEIVE, ipcchan_port_arm(rx, IPCCHAN_READY_RECEIVE));
	EXPECT_EQ(0, ipcchan_port_arm(tx, IPCCHAN_READY_SEND));
	EXPECT_EQ(4, ipcchan_recv(rx, &sent, sizeof(sent), NULL, IPCCHAN_NO_WAIT));
	EXPECT_EQ(POLL_OUT, next_signal(NULL, SOON));
	EXPECT_EQ(0, ipcchan_send(tx, &sent, sizeof(sent), IPCCHAN_NO_WAIT));
	ipcchan_port_close(tx);
	EXPECT_EQ(POLL_HUP, next_signal(NULL, SOON));
	ipcchan_port_close(rx);
}

/* On a queue each who is armed hears of a message; who is too late arms again. */
TEST_F_TIMEOUT(signal, on_a_queue, LIMIT)
{
	struct ipcchan_port *tx, *rx[2];
	char name[IPCCHAN_NAME_SIZE];
	struct ipcchan_options o;
	struct ipcchan_message m;
	siginfo_t info;

	ipcchan_options_init(&o);
	o.flags = IPCCHAN_OPEN_CREATE;
	o.type = IPCCHAN_QUEUE;
	o.depth = 4;
	unique_name(name, "queue");
	ASSERT_EQ(0, ipcchan_open(&tx, name, IPCCHAN_ROLE_SEND, &o, NULL));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ipcchan_open(&rx[i], name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
		ASSERT_EQ(0, switch_on(ipcchan_port_fd(rx[i]), F_OWNER_TID, gettid()));
		EXPECT_EQ(0, ipcchan_port_arm(rx[i], IPCCHAN_READY_RECEIVE));
	}
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	ASSERT_EQ(0, ipcchan_send(tx, "job", 3, IPCCHAN_NO_WAIT));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(POLL_IN, next_signal(&info, SOON));
		EXPECT_EQ(POLLIN | POLLRDNORM, info.si_band);
	}
	EXPECT_EQ(IPCCHAN_READY_RECEIVE, ipcchan_port_arm(rx[1], IPCCHAN_READY_RECEIVE));
	ASSERT_EQ(0, ipcchan_receive(rx[0], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(-EAGAIN, ipcchan_receive(rx[1], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(0, ipcchan_port_arm(rx[1], IPCCHAN_READY_RECEIVE));
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	/* what is refused is there for who is armed, and no one else */
	EXPECT_EQ(0, ipcchan_refuse(rx[0], &m, 0));
	ASSERT_EQ(POLL_IN, next_signal(&info, SOON));
	EXPECT_EQ(ipcchan_port_fd(rx[1]), info.si_fd);
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	ASSERT_EQ(0, ipcchan_receive(rx[1], &m, IPCCHAN_NO_WAIT));
	/* and room for who sends */
	ASSERT_EQ(0, switch_on(ipcchan_port_fd(tx), F_OWNER_TID, gettid()));
	while (!ipcchan_send(tx, "job", 3, IPCCHAN_NO_WAIT))
		;
	EXPECT_EQ(0, ipcchan_port_arm(tx, IPCCHAN_READY_SEND));
	EXPECT_EQ(0, next_signal(NULL, QUIET));
	EXPECT_EQ(0, ipcchan_release(rx[1], &m));
	EXPECT_EQ(POLL_OUT, next_signal(NULL, SOON));
	/* the end, when nothing can come any more */
	while (!ipcchan_receive(rx[0], &m, IPCCHAN_NO_WAIT))
		ipcchan_release(rx[0], &m);
	EXPECT_EQ(0, ipcchan_port_arm(rx[0], IPCCHAN_READY_RECEIVE));
	ipcchan_port_close(tx);
	EXPECT_EQ(POLL_HUP, next_signal(NULL, SOON));
	ipcchan_port_close(rx[0]);
	ipcchan_port_close(rx[1]);
}

TEST_HARNESS_MAIN
