// SPDX-License-Identifier: GPL-2.0
/*
 * A thousand processes killed at random points, senders and receivers, and those
 * that live notice nothing but that they went: lossless order holds for each
 * sender that lives, of each that was killed there is a beginning without gaps,
 * and nobody stops.
 *
 * What breaks these: state of a process that others need after its death; who
 * slept not woken by its leaving (all stops, and the watchdog says so); a slot, a
 * hold or memory not given back (attaching fails at last, or the accounts differ).
 *
 * IPCCHAN_TEST_SEED=... repeats a run as far as the scheduler lets it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "probe.h"

#define LIMIT		450
#define SLOTS		8
#define VICTIMS		4	/* at a time */
#define LONGEST		2000
#define WATCH_S		30	/* nothing moves for so long: it has stopped */

enum { STOP, SENT, TAKEN, TAKEN_TOO };	/* words of the crew's board */

struct job {
	const char *name;
	uint64_t seed;
};

FIXTURE(kills) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct crew crew;
	struct job job;
	pid_t victims[VICTIMS];
};

FIXTURE_SETUP(kills)
{
	accounts_read(&self->before);
	unique_name(self->name, "kills");
	ASSERT_EQ(small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, SLOTS), 0);
	ASSERT_EQ(crew_init(&self->crew), 0);
	self->job = (struct job){ .name = self->name, .seed = random_seed() };
	TH_LOG("IPCCHAN_TEST_SEED=%lu", (unsigned long)self->job.seed);
}

FIXTURE_TEARDOWN(kills)
{
	for (int i = 0; i < VICTIMS; i++) {
		if (self->victims[i] > 0) {
			kill(self->victims[i], SIGKILL);
			child_end(self->victims[i], 20000);
		}
	}
	crew_free(&self->crew);
	EXPECT_EQ(drop_channel(self->name), 0);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Those who live. */

static void live_sender(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, SPIN_DEFAULT);
	uint64_t random = job->seed + me;

	crew_gate(crew, 3);
	for (uint32_t i = 0; !crew_word(crew, STOP); i++) {
		uint64_t tag = tag_of(0, i);
		int rc = send_pattern(port, tag, pattern_length(tag, LONGEST), PATIENCE_NS);

		if (rc)
			crew_fail(crew, "sender that lives: %s", ipcchan_strerror(rc));
		crew_add(crew, SENT, 1);
		random_pause(&random);
		if (i % 8 == 0)
			usleep(300);	/* leaves time for the dying */
	}
	ipcchan_port_close(port);
}

static void live_receiver(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, SPIN_DEFAULT);
	struct taker *t = taker_new(crew, port, me % 2 ? HOLDING : BY_COPY, LONGEST, job->seed + me);
	int rc;

	crew_gate(crew, 3);
	while (!(rc = taker_take(t, PATIENCE_NS)))
		crew_add(crew, me == 1 ? TAKEN : TAKEN_TOO, 1);
	if (rc != -EPIPE)
		crew_fail(crew, "receiver that lives: %s", ipcchan_strerror(rc));
	if (t->ledger.next[0] != crew_word(crew, SENT))
		crew_fail(crew, "receiver that lives: %u messages of %lu", t->ledger.next[0],
			  (unsigned long)crew_word(crew, SENT));
	taker_free(t);
}

/* Those who do not. */

struct victim {
	struct crew *crew;
	struct ipcchan_port *port;
	uint32_t number;	/* 1 and up: its messages bear it */
	uint64_t random;
};

static void *send_until_killed(void *arg)
{
	struct victim *v = arg;
	uint64_t random = v->random;

	for (uint32_t i = 0;; i++) {
		uint64_t tag = tag_of(v->number, i);
		int rc = send_pattern(v->port, tag, pattern_length(tag, LONGEST), PATIENCE_NS);

		if (rc)
			crew_fail(v->crew, "sender to be killed: %s", ipcchan_strerror(rc));
		random_pause(&random);
	}
}

/* It comes in the middle of everything: no gaps from there on. */
static void check_order(struct victim *v, uint32_t *next, const struct ipcchan_message *m)
{
	uint32_t sender = (m->tag >> 32) % LEDGER_SENDERS, number = (uint32_t)m->tag + 1;

	if (next[sender] && number != next[sender] + 1)
		crew_fail(v->crew, "receiver to be killed: %u after %u of sender %u", number,
			  next[sender], sender);
	next[sender] = number;
	if (m->length != pattern_length(m->tag, LONGEST) ||
	    !pattern_matches(m->data, m->length, m->tag))
		crew_fail(v->crew, "receiver to be killed: other bytes");
}

static void *receive_until_killed(void *arg)
{
	struct victim *v = arg;
	static uint32_t next[LEDGER_SENDERS];
	struct ipcchan_message held[2];
	uint64_t random = ~v->random;

	for (uint64_t i = 0;; i++) {
		struct ipcchan_message *m = &held[i % 2];
		int rc;

		if (i >= 2)
			ipcchan_release(v->port, m);
		rc = ipcchan_receive(v->port, m, PATIENCE_NS);
		if (rc)
			crew_fail(v->crew, "receiver to be killed: %s", ipcchan_strerror(rc));
		check_order(v, next, m);
		random_pause(&random);
	}
}

static void live_until_killed(struct victim *v, const struct job *job)
{
	uint32_t roles = 1 + random_next(&v->random) % 3;
	pthread_t thread;

	v->port = crew_open(v->crew, job->name, roles, v->random & 1 ? 0 : SPIN_DEFAULT);
	if (roles == (IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE))
		pthread_create(&thread, NULL, send_until_killed, v);
	if (roles & IPCCHAN_ROLE_RECEIVE)
		receive_until_killed(v);
	send_until_killed(v);
}

static pid_t victim_start(struct crew *crew, const struct job *job, uint32_t number)
{
	struct victim v = { .crew = crew, .number = number };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 0);
	v.random = job->seed + number;
	live_until_killed(&v, job);
	_exit(0);
}

/* Some time goes by: none, a little, or as much as it takes to get going. */
static void pass_time(uint64_t *random)
{
	uint64_t r = random_next(random);

	if (r % 4)
		usleep((r >> 8) % (r % 4 == 1 ? 200 : 4000));
}

static bool has_moved(struct crew *crew, uint64_t seen[3])
{
	for (int i = 0; i < WATCH_S * 100; i++) {
		bool all = true;

		for (int w = 0; w < 3; w++)
			all &= crew_word(crew, SENT + w) != seen[w];
		if (all || crew->board->failed)
			break;
		usleep(10000);
	}
	for (int w = 0; w < 3; w++) {
		if (crew_word(crew, SENT + w) == seen[w])
			return false;
		seen[w] = crew_word(crew, SENT + w);
	}
	return true;
}

TEST_F_TIMEOUT(kills, who_lives_notices_nothing, LIMIT)
{
	const uint32_t count = heavy(1000, 100);
	uint64_t random = self->job.seed, seen[3] = { 0 };
	const char *wrong;

	ASSERT_EQ(crew_start(&self->crew, live_sender, &self->job), 0);
	ASSERT_EQ(crew_start(&self->crew, live_receiver, &self->job), 1);
	ASSERT_EQ(crew_start(&self->crew, live_receiver, &self->job), 2);
	/* who lives is there first: it is owed all that the dying send */
	ASSERT_TRUE(has_moved(&self->crew, seen));
	/* who kills is not kept waiting by those who work */
	setpriority(PRIO_PROCESS, 0, -10);
	for (uint32_t i = 0; i < count + VICTIMS && !self->crew.board->failed; i++) {
		pid_t *victim = &self->victims[random_next(&random) % VICTIMS];

		if (*victim > 0) {
			kill(*victim, SIGKILL);
			EXPECT_EQ(child_end(*victim, 20000), 128 + SIGKILL);
		}
		*victim = victim_start(&self->crew, &self->job, i + 1);
		ASSERT_GT(*victim, 0);
		if (i % 50 == 49)
			ASSERT_TRUE(has_moved(&self->crew, seen));
		pass_time(&random);
	}
	for (int i = 0; i < VICTIMS; i++) {
		if (self->victims[i] > 0) {
			kill(self->victims[i], SIGKILL);
			child_end(self->victims[i], 20000);
		}
		self->victims[i] = 0;
	}
	EXPECT_TRUE(has_moved(&self->crew, seen));
	crew_add(&self->crew, STOP, 1);
	wrong = crew_end(&self->crew, 60);
	EXPECT_EQ(wrong, NULL)
		TH_LOG("%s", wrong);
	TH_LOG("%u kills, %lu messages of the sender that lives", count,
	       (unsigned long)crew_word(&self->crew, SENT));
}

TEST_HARNESS_MAIN
