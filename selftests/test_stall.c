// SPDX-License-Identifier: GPL-2.0
/*
 * Stall: who stands still while a sender waits for him is evicted, after T and
 * not before; who has read all, or moves, or keeps nobody waiting, never is.
 *
 * What breaks these: stall.c (each of its conditions), a sender that is not
 * counted as waiting between two sleeps, an arming that poll() left behind,
 * or one of an epoll set that has room.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "sleeper.h"

#define LIMIT		120
#define NONE		IPCCHAN_REASON_NONE
#define STALLED		IPCCHAN_REASON_STALLED

/* A sender in a thread, that finds no room whatever happens. */
struct waiter {
	const struct raw_port *port;
	uint64_t await;
	bool once;		/* ends when it is woken */
	int poll_ms;		/* after a look, sleeps in poll() for so long */
	int result;
	uint32_t rounds;
	pthread_t thread;
	bool running;
};

static void *wait_for_room(void *arg)
{
	struct waiter *w = arg;

	do {
		w->result = wait_await(w->port, w->await, FOREVER, NULL);
		__atomic_fetch_add(&w->rounds, 1, __ATOMIC_RELAXED);
	} while (!w->result && !w->once);
	return NULL;
}

static void *poll_for_room(void *arg)
{
	struct waiter *w = arg;

	w->result = wait_await(w->port, w->await, 0, NULL);
	if (w->result == -ETIMEDOUT)
		w->result = poll_for(w->port, POLLOUT, w->poll_ms);
	return NULL;
}

static bool start(struct waiter *w)
{
	w->running = !pthread_create(&w->thread, NULL, w->poll_ms ? poll_for_room : wait_for_room, w);
	return w->running && sender_sleeps(w->port, w->port->attach.sender_slot);
}

static int join(struct waiter *w)
{
	w->running = false;
	pthread_join(w->thread, NULL);
	return w->result;
}

FIXTURE(stall) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	uint64_t T;
	struct raw_port tx, rx[2];
	struct waiter waiter;
};

static int make(FIXTURE_DATA(stall) *self, uint32_t flags)
{
	struct ipcchan_create args = create_args(self->name);
	int fd = device_open(), err;

	args.flags = flags;
	args.stall_ns = self->T;
	args.geometry = (struct ipcchan_geometry){
		.depth = 16, .senders = 2, .receivers = 4, .holds = 4, .arena = 4096,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

FIXTURE_SETUP(stall)
{
	accounts_read(&self->before);
	unique_name(self->name, "stall");
	self->T = slow_kernel() ? 1500 * MS : 400 * MS;
	ASSERT_EQ(0, make(self, IPCCHAN_CREATE_PERSISTENT)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&self->rx[0], self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&self->rx[1], self->name, IPCCHAN_RECEIVE));
	self->waiter.port = &self->tx;
}

FIXTURE_TEARDOWN(stall)
{
	drop_channel(self->name);
	if (self->waiter.running)
		join(&self->waiter);
	leave(&self->tx);
	leave(&self->rx[0]);
	leave(&self->rx[1]);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static uint32_t reason(const struct raw_port *p)
{
	struct ipcchan_peer peer;

	return call_peer(p->fd, 0, 0, &peer) ? UINT32_MAX : peer.reason;
}

/* When it was evicted, counted from @since; 0: it is not within some seconds. */
static uint64_t evicted_after(const struct raw_port *p, uint64_t since)
{
	while (reason(p) == NONE) {
		if (now_ns() - since > 30 * SECOND)
			return 0;
		sleep_ms(1);
	}
	return now_ns() - since;
}

static void take_all(struct raw_port *rx)
{
	while (raw_take(rx, 0, NULL, 0, NULL) >= 0)
		;
}

/* So often somebody looks that a delay of ours is seldom among all of them. */
#define TRIES	5

TEST_F_TIMEOUT(stall, after_t_and_not_before, LIMIT)
{
	bool in_time = false;

	for (int i = 0; i < TRIES && !in_time; i++) {
		struct raw_port *rx = &self->rx[0];
		uint64_t since = now_ns(), took;

		raw_publish(&self->tx, "x", 1, 0);
		take_all(&self->rx[1]);
		self->waiter.once = true;
		ASSERT_TRUE(start(&self->waiter));
		took = evicted_after(rx, since);
		EXPECT_EQ(STALLED, reason(rx));
		EXPECT_LE(self->T, took);
		in_time = took < self->T * 3 / 2 + 60 * MS;
		TH_LOG("T %llu ms, took %llu ms", (unsigned long long)(self->T / MS),
		       (unsigned long long)(took / MS));
		/* the sender hears it, and the other receiver is as it was */
		EXPECT_EQ(0, join(&self->waiter));
		EXPECT_EQ(-ESHUTDOWN, call_kick(rx->fd, 0, 0));
		EXPECT_EQ(NONE, reason(&self->rx[1]));
		leave(rx);
		ASSERT_EQ(0, raw_open(rx, self->name, IPCCHAN_RECEIVE));
	}
	EXPECT_TRUE(in_time);
}

/* The sender goes on with those that are left. */
TEST_F_TIMEOUT(stall, the_sender_goes_on, LIMIT)
{
	uint64_t tag;

	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	self->waiter.once = true;
	ASSERT_TRUE(start(&self->waiter));
	EXPECT_EQ(0, join(&self->waiter));
	EXPECT_EQ(STALLED, reason(&self->rx[0]));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, raw_receiver_slot(&self->tx, 0)->state);
	raw_publish(&self->tx, "y", 1, 8);
	EXPECT_EQ(1, raw_take(&self->rx[1], 0, NULL, 0, &tag));
	EXPECT_EQ(8, tag);
	EXPECT_EQ(-EINVAL, call_kick(self->tx.fd, 0, 1));	/* and is alive */
}

TEST_F_TIMEOUT(stall, who_holds, LIMIT)
{
	struct raw_port *rx = &self->rx[0];
	uint64_t since = now_ns();

	raw_publish(&self->tx, "x", 1, 0);
	raw_holds(rx)[2] = self->tx.base + 1;
	take_all(rx);
	take_all(&self->rx[1]);
	ASSERT_TRUE(start(&self->waiter));
	EXPECT_LE(self->T, evicted_after(rx, since));
	EXPECT_EQ(STALLED, reason(rx));
	EXPECT_EQ(NONE, reason(&self->rx[1]));
}

/* Nothing to read and nothing held: it may sleep as long as it likes. */
TEST_F_TIMEOUT(stall, not_who_has_read_all, LIMIT)
{
	struct raw_port *idle = &self->rx[1];

	for (int i = 0; i < 3; i++) {
		raw_publish(&self->tx, "x", 1, 0);
		take_all(idle);
		take_all(&self->rx[0]);
	}
	ASSERT_TRUE(start(&self->waiter));
	sleep_ms(4 * self->T / MS);
	EXPECT_EQ(NONE, reason(idle));
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	/* nor at once when there is something, however long it had nothing */
	raw_publish(&self->tx, "x", 1, 0);
	sleep_ms(self->T / 2 / MS);
	EXPECT_EQ(NONE, reason(idle));
	take_all(idle);
	EXPECT_NE(0, evicted_after(&self->rx[0], now_ns()));
	sleep_ms(2 * self->T / MS);
	EXPECT_EQ(NONE, reason(idle));
}

/* Another sender's messages are none of this one's. */
TEST_F_TIMEOUT(stall, not_for_what_another_sent, LIMIT)
{
	struct raw_port other;

	ASSERT_EQ(0, raw_open(&other, self->name, IPCCHAN_SEND));
	raw_publish(&other, "x", 1, 0);
	raw_holds(&self->rx[1])[0] = other.base + 1;
	ASSERT_TRUE(start(&self->waiter));
	sleep_ms(3 * self->T / MS);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	EXPECT_EQ(NONE, reason(&self->rx[1]));
	leave(&other);
}

TEST_F_TIMEOUT(stall, not_while_nobody_waits, LIMIT)
{
	raw_publish(&self->tx, "x", 1, 0);
	/* it has waited, not long enough, and waits no more */
	EXPECT_EQ(-ETIMEDOUT, wait_await(&self->tx, 0, now_ns() + self->T / 2, NULL));
	sleep_ms(3 * self->T / MS);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	/* looking is not waiting */
	for (int i = 0; i < 30; i++) {
		EXPECT_EQ(-ETIMEDOUT, wait_await(&self->tx, 0, 0, NULL));
		sleep_ms(self->T / 10 / MS);
	}
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	/* what counts is this sleep, not the one before */
	EXPECT_EQ(-ETIMEDOUT, wait_await(&self->tx, 0, now_ns() + self->T * 7 / 10, NULL));
	EXPECT_EQ(NONE, reason(&self->rx[0]));
}

TEST_F_TIMEOUT(stall, not_who_moves_slowly, LIMIT)
{
	struct raw_port *rx = &self->rx[0];

	for (int i = 0; i < 8; i++)
		raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	ASSERT_TRUE(start(&self->waiter));
	for (int i = 0; i < 6; i++) {
		sleep_ms(self->T * 6 / 10 / MS);
		ASSERT_EQ(1, raw_take(rx, 0, NULL, 0, NULL));
		EXPECT_EQ(NONE, reason(rx));
	}
	/* nor who gives back slowly */
	for (int i = 0; i < 4; i++)
		raw_holds(rx)[i] = self->tx.base + 1 + i;
	take_all(rx);
	for (int i = 0; i < 4; i++) {
		sleep_ms(self->T * 6 / 10 / MS);
		raw_holds(rx)[i] = 0;
		raw_cursor(rx, 0)->released++;
		EXPECT_EQ(NONE, reason(rx));
	}
	sleep_ms(2 * self->T / MS);
	EXPECT_EQ(NONE, reason(rx));
}

/* Others wake the sender all the time, in vain: that is no excuse. */
TEST_F_TIMEOUT(stall, who_is_slow_among_the_quick, LIMIT)
{
	uint64_t since = now_ns();

	for (int i = 0; i < 3; i++)
		raw_publish(&self->tx, "x", 1, 0);
	ASSERT_TRUE(start(&self->waiter));
	while (reason(&self->rx[0]) == NONE && now_ns() - since < 30 * SECOND) {
		raw_cursor(&self->rx[1], 0)->released++;
		call_kick(self->rx[1].fd, 0, 1);
		usleep(500);
	}
	EXPECT_EQ(STALLED, reason(&self->rx[0]));
	EXPECT_LE(self->T, now_ns() - since);
	/* it is seen only when the sender, who is woken all the time, sleeps just then */
	EXPECT_GT(20 * self->T, now_ns() - since);
	EXPECT_EQ(NONE, reason(&self->rx[1]));
	EXPECT_LT(20, __atomic_load_n(&self->waiter.rounds, __ATOMIC_RELAXED));
}

static void *receive_one(void *arg)
{
	struct waiter *w = arg;

	w->result = wait_for(w->port, IPCCHAN_WAIT_RECEIVE, FOREVER, NULL);
	return NULL;
}

/* Nobody kicked it: it is woken, and has T from then. */
TEST_F_TIMEOUT(stall, a_sleeper_is_woken_first, LIMIT)
{
	struct waiter sleeper = { .port = &self->rx[0] };
	uint64_t since, woken;

	take_all(&self->rx[1]);
	ASSERT_EQ(0, pthread_create(&sleeper.thread, NULL, receive_one, &sleeper));
	ASSERT_TRUE(receiver_sleeps(&self->tx, 0));
	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	since = now_ns();
	ASSERT_TRUE(start(&self->waiter));
	pthread_join(sleeper.thread, NULL);
	woken = now_ns();
	EXPECT_EQ(0, sleeper.result);
	EXPECT_GT(self->T, woken - since);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	EXPECT_LE(self->T - 20 * MS, evicted_after(&self->rx[0], woken));
	EXPECT_EQ(STALLED, reason(&self->rx[0]));
}

/* It asks all the time whether there is something, and never takes it. */
TEST_F_TIMEOUT(stall, who_polls_and_does_not_read, LIMIT)
{
	uint64_t since = now_ns();

	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	ASSERT_TRUE(start(&self->waiter));
	while (poll_for(&self->rx[0], POLLIN, 0) == POLLIN && now_ns() - since < 30 * SECOND)
		usleep(500);
	EXPECT_EQ(STALLED, reason(&self->rx[0]));
	EXPECT_LE(self->T, now_ns() - since);
	EXPECT_GT(4 * self->T, now_ns() - since);
}

TEST_F_TIMEOUT(stall, a_sender_in_poll_waits_too, LIMIT)
{
	uint64_t since = now_ns();

	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	self->waiter.poll_ms = 30000;
	ASSERT_TRUE(start(&self->waiter));
	EXPECT_LE(self->T, evicted_after(&self->rx[0], since));
	EXPECT_EQ(STALLED, reason(&self->rx[0]));
	EXPECT_EQ(POLLOUT, join(&self->waiter) & POLLOUT);
}

/* It is over, and has left its port armed. */
TEST_F_TIMEOUT(stall, a_poll_that_ended_does_not, LIMIT)
{
	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	self->waiter.poll_ms = self->T / 2 / MS;
	ASSERT_TRUE(start(&self->waiter));
	EXPECT_EQ(0, join(&self->waiter));
	EXPECT_EQ(1, raw_roster(&self->tx)->sleeping_senders);
	sleep_ms(3 * self->T / MS);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
}

/* It gave up. What is still on the queue is a set that asks for something else. */
TEST_F_TIMEOUT(stall, a_wait_that_ended_beside_a_set_does_not, LIMIT)
{
	int set = make_set(&self->tx, EPOLLIN);

	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	ASSERT_EQ(-ETIMEDOUT, wait_await(&self->tx, 0, now_ns() + self->T / 2, NULL));
	sleep_ms(4 * self->T / MS);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	close(set);
}

/* But one that asks for room waits on. */
TEST_F_TIMEOUT(stall, a_wait_that_ended_beside_a_set_for_room_does, LIMIT)
{
	int set = make_set(&self->tx, EPOLLOUT | EPOLLET);
	uint64_t since = now_ns();

	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	EXPECT_EQ(EPOLLOUT, ask_set(set, 0));
	ASSERT_EQ(-ETIMEDOUT, block(&self->tx));
	EXPECT_LE(self->T, evicted_after(&self->rx[0], since));
	EXPECT_EQ(STALLED, reason(&self->rx[0]));
	EXPECT_EQ(EPOLLOUT, ask_set(set, 10000) & EPOLLOUT);
	close(set);
}

/*
 * It found no room once, and is in an epoll set: that was woken, has been told
 * that there is room, and is armed again. Nobody waits, though much is unread.
 */
TEST_F_TIMEOUT(stall, a_sender_in_a_set_that_has_room_does_not, LIMIT)
{
	int set;

	raw_publish(&self->tx, "x", 1, 0);
	raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	ASSERT_EQ(-ETIMEDOUT, block(&self->tx));
	set = make_set(&self->tx, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, ask_set(set, 0));
	take_and_kick(&self->rx[0]);
	EXPECT_EQ(EPOLLOUT, ask_set(set, 10000));
	EXPECT_EQ(1, raw_roster(&self->tx)->sleeping_senders);
	sleep_ms(4 * self->T / MS);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	close(set);
}

/* A sender that waits for what cannot be: only who owes it something goes. */
TEST_F_TIMEOUT(stall, a_sender_that_lies, LIMIT)
{
	struct raw_port *rx = &self->rx[0];
	uint64_t progress[4] = { 1, UINT64_MAX, 77, 0 };
	struct ipcchan_wait w = {
		.size = sizeof(w), .flags = IPCCHAN_WAIT_SEND, .await = UINT64_MAX,
		.progress = (uintptr_t)progress, .nr_progress = 4,
		.deadline_ns = now_ns() + 3 * self->T,
		.receiver_generation = raw_roster(&self->tx)->receiver_generation,
	};

	raw_publish(&self->tx, "x", 1, 0);
	take_all(rx);
	take_all(&self->rx[1]);
	EXPECT_EQ(-ETIMEDOUT, call(self->tx.fd, IPCCHAN_IOC_WAIT, &w));
	EXPECT_EQ(NONE, reason(rx));
	EXPECT_EQ(NONE, reason(&self->rx[1]));
	raw_publish(&self->tx, "x", 1, 0);
	take_all(rx);
	w.deadline_ns = FOREVER;
	EXPECT_EQ(0, call(self->tx.fd, IPCCHAN_IOC_WAIT, &w));
	EXPECT_EQ(NONE, reason(rx));
	EXPECT_EQ(STALLED, reason(&self->rx[1]));
}

/* A receiver that writes nonsense, and no more, harms itself at most. */
TEST_F_TIMEOUT(stall, receivers_that_lie, LIMIT)
{
	static const uint64_t words[] = { 1, UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 1ull << 56 };

	for (int i = 0; i < 10; i++)
		raw_publish(&self->tx, "x", 1, 0);
	take_all(&self->rx[1]);
	ASSERT_TRUE(start(&self->waiter));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct ipcchan_cursor *c = raw_cursor(&self->rx[0], 0);

		ipcchan_store(&c->passed, words[i]);
		ipcchan_store(&c->released, words[(i + 1) % ARRAY_SIZE(words)]);
		ipcchan_store(&c->closed, words[(i + 3) % ARRAY_SIZE(words)]);
		raw_holds(&self->rx[0])[i % 4] = words[i];
		sleep_ms(self->T / 2 / MS);
	}
	EXPECT_EQ(NONE, reason(&self->rx[1]));
	/* it stood still, and holds what is none of this sender's */
	ipcchan_store(&raw_cursor(&self->rx[0], 0)->closed, self->tx.base);
	sleep_ms(3 * self->T / MS);
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	EXPECT_EQ(NONE, reason(&self->rx[1]));
}

/* The last receivers go, on an ephemeral channel the sender too: no look is left. */
TEST_F_TIMEOUT(stall, the_channel_ends_meanwhile, LIMIT)
{
	raw_publish(&self->tx, "x", 1, 0);
	ASSERT_TRUE(start(&self->waiter));
	sleep_ms(self->T / 2 / MS);
	ASSERT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(-ESHUTDOWN, join(&self->waiter));
	EXPECT_EQ(IPCCHAN_REASON_DELETED, reason(&self->rx[0]));
	EXPECT_EQ(IPCCHAN_REASON_DELETED, reason(&self->tx));
	sleep_ms(2 * self->T / MS);
	EXPECT_EQ(IPCCHAN_REASON_DELETED, reason(&self->rx[0]));
}

/* A port that does not take its own messages keeps itself waiting. */
TEST_F_TIMEOUT(stall, ones_own_receiver, LIMIT)
{
	struct raw_port both;
	struct waiter w = { .port = &both };

	ASSERT_EQ(0, raw_open(&both, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	raw_publish(&both, "x", 1, 0);
	raw_take(&self->rx[0], both.attach.sender_slot, NULL, 0, NULL);
	raw_take(&self->rx[1], both.attach.sender_slot, NULL, 0, NULL);
	ASSERT_TRUE(start(&w));
	EXPECT_EQ(-ESHUTDOWN, join(&w));
	EXPECT_EQ(STALLED, reason(&both));
	EXPECT_EQ(NONE, reason(&self->rx[0]));
	leave(&both);
}

TEST_HARNESS_MAIN
