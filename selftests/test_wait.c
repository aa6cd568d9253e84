// SPDX-License-Identifier: GPL-2.0
/*
 * IPCCHAN_IOC_WAIT: when it ends. Time-outs and signals.
 *
 * Hang-up: test_wait_roster.c; kicks: test_wait_kick.c; races: test_wait_race.c; poll: test_poll.c
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "sleeper.h"

#define LIMIT	120
#define HOUR	(3600 * SECOND)
/* What a deadline may be late, on a machine that is busy. */
#define LATE	(15 * SECOND)

/* One who sleeps until there is a message, or room. */
FIXTURE(wait) {
	struct pair pair;
	struct sleeper sleeper;
	struct seen seen;
};

FIXTURE_VARIANT(wait) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(wait, receive) { .flags = IPCCHAN_WAIT_RECEIVE };
FIXTURE_VARIANT_ADD(wait, send) { .flags = IPCCHAN_WAIT_SEND };

FIXTURE_SETUP(wait)
{
	bool receive = variant->flags == IPCCHAN_WAIT_RECEIVE;

	ASSERT_EQ(0, pair_open(&self->pair, 2));
	self->sleeper.port = receive ? &self->pair.rx : &self->pair.tx;
	self->sleeper.flags = variant->flags;
	if (!receive)
		raw_publish(&self->pair.tx, "a", 1, 0);
	see(self->sleeper.port, &self->seen);
}

FIXTURE_TEARDOWN(wait)
{
	EXPECT_TRUE(pair_close(&self->pair));
}

/* Must senders, or receivers, kick anybody? */
static bool nobody_armed(const struct pair *p)
{
	return !ipcchan_load(&raw_roster(&p->rx)->sleeping_receivers) &&
	       !ipcchan_load(&raw_roster(&p->rx)->sleeping_senders);
}

/* Breaks it: sleeping, or leaving the bit, with a deadline that is over. */
TEST_F_TIMEOUT(wait, over_it_looks_and_does_not_sleep, LIMIT)
{
	const uint64_t over[] = { 0, 1, now_ns() - 1, now_ns() };
	const struct raw_port *port = self->sleeper.port;
	uint32_t events;

	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(-ETIMEDOUT,
			  wait_seen(port, &self->seen, variant->flags, 0, over[i], NULL));
		EXPECT_TRUE(nobody_armed(&self->pair));
	}
	pair_change(&self->pair, variant->flags);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(0, wait_seen(port, &self->seen, variant->flags, 0, over[i], &events));
		EXPECT_EQ(variant->flags, events);
		EXPECT_TRUE(nobody_armed(&self->pair));
	}
}

/* Breaks it: a relative deadline, another clock, disarming only in kicks. */
TEST_F_TIMEOUT(wait, deadline_is_kept, LIMIT)
{
	for (int ms = 1; ms <= 125; ms *= 5) {
		uint64_t deadline = now_ns() + ms * MS;

		EXPECT_EQ(-ETIMEDOUT, wait_seen(self->sleeper.port, &self->seen, variant->flags,
						0, deadline, NULL));
		EXPECT_LE(deadline, now_ns());
		EXPECT_GT(deadline + LATE, now_ns());
		EXPECT_TRUE(nobody_armed(&self->pair));
	}
}

/* Breaks it: a deadline taken as signed, or added to. */
TEST_F_TIMEOUT(wait, far_deadlines, LIMIT)
{
	const uint64_t far[] = { now_ns() + HOUR, INT64_MAX, 1ull << 63, UINT64_MAX - 1, FOREVER };

	for (int i = 0; i < 5; i++) {
		struct sleeper *s = &self->sleeper;

		s->deadline_ns = far[i];
		ASSERT_TRUE(sleep_in_wait(s));
		EXPECT_TRUE(sleeps_on(s, switches(s)));
		if (variant->flags == IPCCHAN_WAIT_SEND)
			raw_publish(&self->pair.tx, "c", 1, 0);
		pair_change(&self->pair, variant->flags);
		ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
		ASSERT_TRUE(wakes(s));
		EXPECT_EQ(0, s->result);
		EXPECT_EQ(variant->flags, s->events);
		if (variant->flags == IPCCHAN_WAIT_RECEIVE) {
			EXPECT_LT(0, raw_take(&self->pair.rx, 0, NULL, 0, NULL));
		}
	}
}

/* Breaks it: not looking again when the time is over. Nobody kicks here. */
TEST_F_TIMEOUT(wait, deadline_looks_once_more, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	uint64_t patience = 250 * MS, changed;

	/* again, with more time, if the change came too late */
	do {
		s->deadline_ns = now_ns() + patience;
		if (sleep_in_wait(s))
			pair_change(&self->pair, variant->flags);
		changed = now_ns();
		ASSERT_TRUE(wakes(s));
		patience *= 4;
	} while (changed >= s->deadline_ns);
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(variant->flags, s->events);
	EXPECT_LE(s->deadline_ns, s->ended_ns);
	EXPECT_TRUE(nobody_armed(&self->pair));
}

static volatile int signals;

static void count_signal(int sig)
{
	signals++;
}

static void handle(int sig, int flags)
{
	struct sigaction action = { .sa_handler = count_signal, .sa_flags = flags };

	signals = 0;
	sigaction(sig, &action, NULL);
}

TEST_F_TIMEOUT(wait, signal_interrupts, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	handle(SIGUSR1, 0);
	ASSERT_TRUE(sleep_in_wait(s));
	ASSERT_EQ(0, pthread_kill(s->thread, SIGUSR1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(-EINTR, s->result);
	EXPECT_EQ(1, signals);
	EXPECT_TRUE(nobody_armed(&self->pair));
}

/* Breaks it: EINTR for all; a restart that forgets what the sender had seen. */
TEST_F_TIMEOUT(wait, signal_restarts, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	handle(SIGUSR1, SA_RESTART);
	ASSERT_TRUE(sleep_in_wait(s));
	for (int i = 1; i <= 5; i++) {
		ASSERT_EQ(0, pthread_kill(s->thread, SIGUSR1));
		while (signals < i)
			sleep_ms(1);
		sleep_ms(10);
		while (!is_asleep(s) && !s->ended)
			sleep_ms(1);
		EXPECT_FALSE(s->ended);
		EXPECT_FALSE(nobody_armed(&self->pair));
	}
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(variant->flags, s->events);
	EXPECT_EQ(5, signals);
}

/* A restart that began the time anew would never see it end: more come sooner. */
TEST_F_TIMEOUT(wait, restarts_do_not_lengthen, LIMIT)
{
	const struct itimerval often = { { 0, 50000 }, { 0, 50000 } }, never = { 0 };
	uint64_t deadline = now_ns() + 500 * MS;
	struct sleeper *s = &self->sleeper;
	sigset_t alarms;

	handle(SIGALRM, SA_RESTART);
	s->deadline_ns = deadline;
	start_wait(s);
	/* they are for that thread alone */
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ASSERT_TRUE(wakes(s));
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_EQ(-ETIMEDOUT, s->result);
	EXPECT_LE(deadline, s->ended_ns);
	EXPECT_GT(deadline + LATE, s->ended_ns);
	EXPECT_LT(0, signals);
}

/* Breaks it: not looking again after a signal. Nobody kicks here. */
TEST_F_TIMEOUT(wait, change_comes_before_signal, LIMIT)
{
	struct sleeper *s = &self->sleeper;

	handle(SIGUSR1, 0);
	ASSERT_TRUE(sleep_in_wait(s));
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pthread_kill(s->thread, SIGUSR1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(variant->flags, s->events);
	EXPECT_EQ(1, signals);
}

TEST_F_TIMEOUT(wait, ignored_signals_wake_nobody, LIMIT)
{
	struct sleeper *s = &self->sleeper;
	unsigned long before;
	sigset_t usr2;

	/* one that is ignored, one that is blocked */
	signal(SIGUSR1, SIG_IGN);
	handle(SIGUSR2, 0);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	ASSERT_TRUE(sleep_in_wait(s));
	before = switches(s);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, pthread_kill(s->thread, SIGUSR1));
		ASSERT_EQ(0, pthread_kill(s->thread, SIGUSR2));
	}
	EXPECT_TRUE(sleeps_on(s, before));
	pair_change(&self->pair, variant->flags);
	ASSERT_EQ(0, pair_kick(&self->pair, variant->flags, 1));
	ASSERT_TRUE(wakes(s));
	EXPECT_EQ(0, s->result);
}

struct stopped {
	const char *name;
	int ready;
};

/* A receiver of its own, that waits for one message. */
static int receive_one(void *arg)
{
	const struct stopped *job = arg;
	struct raw_port rx;
	uint32_t events;

	if (raw_open(&rx, job->name, IPCCHAN_RECEIVE) || write(job->ready, "", 1) != 1)
		return 1;
	if (wait_for(&rx, IPCCHAN_WAIT_RECEIVE, FOREVER, &events))
		return 2;
	return events == IPCCHAN_WAIT_RECEIVE ? 0 : 3;
}

/* Stopped and continued in its sleep, a process is still asleep. */
TEST_F_TIMEOUT(wait, stop_and_continue, LIMIT)
{
	struct stopped job = { .name = self->pair.name };
	int pipes[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	job.ready = pipes[1];
	pid = child_start(receive_one, &job);
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	ASSERT_TRUE(receiver_sleeps(&self->pair.tx, 1));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(falls_asleep(pid));
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		/* published while it is stopped, the last time */
		if (i == 2) {
			raw_publish(&self->pair.tx, "s", 1, 0);
			raw_kick_receivers(&self->pair.tx);
		}
		ASSERT_EQ(0, kill(pid, SIGCONT));
		if (i < 2) {
			ASSERT_EQ(pid, waitpid(pid, &status, WCONTINUED));
			ASSERT_TRUE(WIFCONTINUED(status));
		}
	}
	EXPECT_EQ(0, child_end(pid, 20000));
	close(pipes[0]);
	close(pipes[1]);
}

TEST_HARNESS_MAIN
