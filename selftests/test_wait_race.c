// SPDX-License-Identifier: GPL-2.0
/*
 * No wake-up is lost, whoever is how far with what.
 *
 * Processes that sleep whenever they can, and dawdle at random between any two
 * steps of the protocol. Nobody else kicks, and no time is short: whoever is
 * woken by the clock has lost his wake-up. What breaks these: looking before
 * arming, in wait or poll; disarming where others sleep; a kick that disarms and
 * wakes nobody; signals that are forgotten after they were told, not before. A barrier taken out need not show here: for that there are the
 * models Documentation/protocol.md speaks of.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	150
#define SECONDS	120
#define LOST	(20 * SECOND)
#define RING	4u

struct job {
	const char *names[2];	/* of channels: there and back */
	uint32_t rounds;
	uint32_t receivers;
	uint64_t seed;
	void (*sleep)(struct crew *crew, const struct raw_port *port, const struct seen *seen);
};

/* Words of the board: how often somebody went to sleep. */
enum { SLEEPS };

/* Mostly some thousand instructions, sometimes the rest of the time slice. */
static void dawdle(uint64_t *random)
{
	uint64_t r = random_next(random);

	if (r % 4 == 0)
		for (uint32_t turns = r >> 32 & 0xfff; turns; turns--)
			__asm__ volatile("" ::: "memory");
	else if (r % 64 == 1)
		sched_yield();
	else if (r % 256 == 2)
		usleep(r >> 32 & 127);
}

/*
 * On one CPU they run by turns, and much faster where CPUs are emulated; on two
 * they run at once. By turns, both.
 */
static void wander(int me, uint32_t round, uint64_t *random)
{
	cpu_set_t cpus;

	if (round % 128)
		return;
	CPU_ZERO(&cpus);
	CPU_SET(me && random_next(random) % 8 == 0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static struct raw_port open_raw(struct crew *crew, const char *name, uint32_t role)
{
	struct raw_port port;
	int err = raw_open(&port, name, role);

	if (err)
		crew_fail(crew, "open: %s", strerror(-err));
	return port;
}

static uint32_t direction(const struct raw_port *port)
{
	return port->attach.role == IPCCHAN_SEND ? IPCCHAN_WAIT_SEND : IPCCHAN_WAIT_RECEIVE;
}

static void sleep_by_wait(struct crew *crew, const struct raw_port *port, const struct seen *seen)
{
	uint64_t begun = now_ns();
	uint32_t events;
	int err = wait_seen(port, seen, direction(port), 0, begun + LOST, &events);

	if (err || now_ns() >= begun + LOST)
		crew_fail(crew, "wait: %s", err ? strerror(-err) : "only the clock woke it");
	if (events & IPCCHAN_WAIT_HANGUP)
		crew_fail(crew, "wait: hang-up");
}

/* Leaves with the port what it has seen. */
static bool has_changed(struct crew *crew, const struct raw_port *port, const struct seen *seen)
{
	int err = wait_seen(port, seen, direction(port), 0, 0, NULL);

	if (err && err != -ETIMEDOUT)
		crew_fail(crew, "look: %s", strerror(-err));
	return !err;
}

static void sleep_by_poll(struct crew *crew, const struct raw_port *port, const struct seen *seen)
{
	int got;

	if (port->attach.role == IPCCHAN_SEND && has_changed(crew, port, seen))
		return;
	got = poll_for(port, port->attach.role == IPCCHAN_SEND ? POLLOUT : POLLIN, LOST / MS);
	if (got != POLLIN && got != POLLOUT)
		crew_fail(crew, "poll: %#x", got);
}

/* Edge-triggered, one set for a process and all its ports: events mean "look again". */
static void sleep_by_edge(struct crew *crew, const struct raw_port *port, const struct seen *seen)
{
	static int set = -1, added[2] = { -1, -1 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int i = port->attach.role == IPCCHAN_SEND;

	if (set < 0)
		set = epoll_create1(EPOLL_CLOEXEC);
	if (added[i] != port->fd && epoll_ctl(set, EPOLL_CTL_ADD, port->fd, &event))
		crew_fail(crew, "epoll_ctl: errno %d", errno);
	added[i] = port->fd;
	if (i && has_changed(crew, port, seen))
		return;
	if (epoll_wait(set, &event, 1, LOST / MS) != 1)
		crew_fail(crew, "epoll: no edge");
	if (event.events & ~(EPOLLIN | EPOLLOUT))
		crew_fail(crew, "epoll: %#x", event.events);
}

/* One of the process' signals for each port, which then is armed no more. */
static void sleep_by_signal(struct crew *crew, const struct raw_port *port, const struct seen *seen)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = gettid() };
	int signal = SIGRTMIN + (port->attach.role == IPCCHAN_SEND);
	struct timespec lost = { .tv_sec = LOST / SECOND };
	uint32_t events;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (fcntl(port->fd, F_GETSIG) != signal &&
	    (fcntl(port->fd, F_SETOWN_EX, &owner) || fcntl(port->fd, F_SETSIG, signal) ||
	     fcntl(port->fd, F_SETFL, O_ASYNC)))
		crew_fail(crew, "O_ASYNC: errno %d", errno);
	if (wait_seen(port, seen, direction(port) | IPCCHAN_WAIT_ARM, 0, 0, &events))
		crew_fail(crew, "arm");
	if (!events && sigtimedwait(&set, NULL, &lost) != signal)
		crew_fail(crew, "no signal");
}

/* A, C, the load of the sleepers, the kick: and a pause between any two. */
static void publish(struct crew *crew, struct raw_port *tx, uint64_t *random, uint64_t tag)
{
	uint64_t asleep;

	dawdle(random);
	raw_publish(tx, &tag, sizeof(tag), tag);
	dawdle(random);
	asleep = ipcchan_load(&raw_roster(tx)->sleeping_receivers);
	dawdle(random);
	if (asleep && call_kick(tx->fd, asleep, 0))
		crew_fail(crew, "kick");
}

/* Likewise for G, E. */
static bool take(struct crew *crew, struct raw_port *rx, uint64_t *random, uint64_t tag)
{
	uint64_t data, found, asleep;
	ssize_t got = raw_take(rx, 0, &data, sizeof(data), &found);

	if (got == -EAGAIN)
		return false;
	if (got != sizeof(data) || found != tag || data != tag)
		crew_fail(crew, "message %lu instead of %lu", (unsigned long)found,
			  (unsigned long)tag);
	dawdle(random);
	asleep = ipcchan_load_acquire(&raw_roster(rx)->sleeping_senders);
	dawdle(random);
	if (asleep && call_kick(rx->fd, 0, asleep))
		crew_fail(crew, "kick");
	return true;
}

static void receive(struct crew *crew, const struct job *job, struct raw_port *rx,
		    uint64_t *random, uint64_t tag)
{
	struct seen seen;

	for (;;) {
		see(rx, &seen);
		if (take(crew, rx, random, tag))
			return;
		dawdle(random);
		crew_add(crew, SLEEPS, 1);
		job->sleep(crew, rx, &seen);
	}
}

/* What is published and not passed by all must fit. */
static bool has_room(const struct raw_port *tx, uint32_t receivers)
{
	for (uint32_t i = 0; i < receivers; i++) {
		uint64_t passed = ipcchan_load_acquire(&raw_peer_cursor(tx, i)->passed);

		if (tx->next - ipcchan_passed(passed, tx->base) > RING)
			return false;
	}
	return true;
}

static void send_one(struct crew *crew, const struct job *job, struct raw_port *tx,
		     uint64_t *random, uint64_t tag)
{
	struct seen seen;

	for (;;) {
		see(tx, &seen);
		dawdle(random);
		if (has_room(tx, job->receivers))
			break;
		dawdle(random);
		crew_add(crew, SLEEPS, 1);
		job->sleep(crew, tx, &seen);
	}
	publish(crew, tx, random, tag);
}

/* One serves, the other returns. */
static void body_ping_pong(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct raw_port rx = open_raw(crew, job->names[me], IPCCHAN_RECEIVE);
	struct raw_port tx = open_raw(crew, job->names[!me], IPCCHAN_SEND);
	uint64_t random = job->seed + me;

	crew_gate(crew, 2);
	for (uint32_t i = 0; i < job->rounds; i++) {
		wander(me, i, &random);
		if (me)
			publish(crew, &tx, &random, i);
		receive(crew, job, &rx, &random, i);
		if (!me)
			publish(crew, &tx, &random, i);
	}
	crew_gate(crew, 4);
}

/* The sender runs into the full ring all the time. */
static void body_stream(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct raw_port port = open_raw(crew, job->names[0], me ? IPCCHAN_RECEIVE : IPCCHAN_SEND);
	uint32_t all = job->receivers + 1;
	uint64_t random = job->seed + me;

	crew_gate(crew, all);
	for (uint32_t i = 0; i < job->rounds; i++) {
		wander(me, i, &random);
		if (me)
			receive(crew, job, &port, &random, i);
		else
			send_one(crew, job, &port, &random, i);
	}
	crew_gate(crew, 2 * all);
}

FIXTURE(race) {
	struct accounts before;
	char names[2][IPCCHAN_NAME_SIZE];
	struct crew crew;
	struct job job;
};

FIXTURE_VARIANT(race) {
	void (*sleep)(struct crew *crew, const struct raw_port *port, const struct seen *seen);
	uint32_t rounds;
};

FIXTURE_VARIANT_ADD(race, wait) { .sleep = sleep_by_wait, .rounds = 20000 };
FIXTURE_VARIANT_ADD(race, poll) { .sleep = sleep_by_poll, .rounds = 3000 };
FIXTURE_VARIANT_ADD(race, signal) { .sleep = sleep_by_signal, .rounds = 6000 };
FIXTURE_VARIANT_ADD(race, edge) { .sleep = sleep_by_edge, .rounds = 6000 };

FIXTURE_SETUP(race)
{
	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	for (int i = 0; i < 2; i++) {
		unique_name(self->names[i], "race");
		ASSERT_EQ(0, small_channel(self->names[i], IPCCHAN_CREATE_PERSISTENT, 4));
	}
	self->job = (struct job){
		.names = { self->names[0], self->names[1] },
		.rounds = heavy(variant->rounds, 1000),
		.seed = random_seed(),
		.sleep = variant->sleep,
	};
	TH_LOG("IPCCHAN_TEST_SEED=%llu", (unsigned long long)self->job.seed);
}

FIXTURE_TEARDOWN(race)
{
	crew_free(&self->crew);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, drop_channel(self->names[i]));
	}
	EXPECT_TRUE(accounts_settle(&self->before));
}

TEST_F_TIMEOUT(race, ping_pong, LIMIT)
{
	const char *wrong;

	for (int i = 0; i < 2; i++) {
		ASSERT_LE(0, crew_start(&self->crew, body_ping_pong, &self->job));
	}
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	TH_LOG("%u rounds, %lu sleeps", self->job.rounds,
	       (unsigned long)crew_word(&self->crew, SLEEPS));
	EXPECT_LE(self->job.rounds / 8, crew_word(&self->crew, SLEEPS));
}

TEST_F_TIMEOUT(race, full_ring, LIMIT)
{
	const char *wrong;

	self->job.receivers = 2;
	self->job.rounds /= 4;
	for (int i = 0; i < 3; i++) {
		ASSERT_LE(0, crew_start(&self->crew, body_stream, &self->job));
	}
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	TH_LOG("%u rounds, %lu sleeps", self->job.rounds,
	       (unsigned long)crew_word(&self->crew, SLEEPS));
	EXPECT_LE(self->job.rounds / 8, crew_word(&self->crew, SLEEPS));
}

TEST_HARNESS_MAIN
