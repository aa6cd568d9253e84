// SPDX-License-Identifier: GPL-2.0
/*
 * No wake-up is lost, and none comes early, when several senders bring together
 * what a receiver waits for.
 *
 * In every round the senders publish exactly as many messages as it takes, each
 * its part, at once and with pauses between any two steps; then they wait for
 * the receiver to have taken them. What breaks it: a count that is told once
 * and not again, or told without a second look; a sender, the library too, that
 * counts from a message it has published after it was told.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	150
#define SECONDS	120
#define LOST	(20 * SECOND)
#define SENDERS	3u
#define COUNT	13u	/* no multiple of the senders; the ring holds 16 */

struct job {
	const char *name;
	uint32_t rounds;
	uint64_t seed;
	void (*sleep)(struct crew *crew, const struct raw_port *rx);
};

/* Words of the board. */
enum { ROUND, KICKS };

static void dawdle(uint64_t *random)
{
	uint64_t r = random_next(random);

	if (r % 4 == 0)
		for (uint32_t turns = r >> 32 & 0xfff; turns; turns--)
			__asm__ volatile("" ::: "memory");
	else if (r % 16 == 1)
		sched_yield();
	else if (r % 256 == 2)
		usleep(r >> 32 & 127);
}

/* The same for all: how many of a round are whose. */
static void share_out(const struct job *job, uint32_t round, uint32_t parts[SENDERS])
{
	uint64_t random = job->seed ^ round * 0x9e3779b97f4a7c15ull;
	uint32_t left = COUNT, last = random_next(&random) % SENDERS;

	for (uint32_t i = 0; i < SENDERS; i++) {
		parts[i] = i == last ? 0 : random_next(&random) % (left + 1);
		left -= parts[i];
	}
	parts[last] = left;
}

static void send_part(struct crew *crew, struct raw_port *tx, struct thrift *t, uint32_t n,
		      uint64_t *random)
{
	while (n) {
		uint32_t batch = 1 + random_next(random) % 3;
		uint64_t before = tx->next - 1;
		bool asked;

		batch = batch < n ? batch : n;
		n -= batch;
		dawdle(random);
		for (; batch; batch--)
			raw_publish(tx, NULL, 0, 0);
		dawdle(random);
		asked = thrift_asks(tx, t, 0, before);
		dawdle(random);
		if (!asked)
			continue;
		crew_add(crew, KICKS, 1);
		if (call_kick(tx->fd, 1, 0))
			crew_fail(crew, "kick");
	}
}

static void await_round(struct crew *crew, uint32_t round)
{
	while (crew_word(crew, ROUND) < round)
		usleep(20);
}

static void body_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct thrift thrift = { 0 };
	uint64_t random = job->seed + me;
	uint32_t parts[SENDERS];
	struct raw_port tx;

	if (raw_open(&tx, job->name, IPCCHAN_SEND))
		crew_fail(crew, "open");
	crew_gate(crew, SENDERS + 1);
	for (uint32_t round = 0; round < job->rounds; round++) {
		await_round(crew, round);
		share_out(job, round, parts);
		send_part(crew, &tx, &thrift, parts[me - 1], &random);
	}
	crew_gate(crew, 2 * (SENDERS + 1));
}

/* By the library: one by one, or by batches. */
static void body_library(struct crew *crew, int me, const void *arg)
{
	const struct iovec empty[COUNT] = { 0 };
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, SPIN_DEFAULT);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint64_t random = job->seed + me;
	uint32_t parts[SENDERS];

	crew_gate(crew, SENDERS + 1);
	for (uint32_t round = 0; round < job->rounds; round++) {
		await_round(crew, round);
		share_out(job, round, parts);
		for (uint32_t left = parts[me - 1]; left;) {
			uint32_t n = 1 + random_next(&random) % left;

			dawdle(&random);
			if (n == 1 ? ipcchan_send(port, NULL, 0, 0) :
				     ipcchan_send_batch(port, empty, n, 0) != n)
				crew_fail(crew, "send");
			left -= n;
		}
	}
	ipcchan_port_get_stats(port, &stats);
	crew_add(crew, KICKS, stats.kicks);
	crew_gate(crew, 2 * (SENDERS + 1));
}

static void sleep_by_wait(struct crew *crew, const struct raw_port *rx)
{
	uint32_t events;
	int err = wait_for(rx, IPCCHAN_WAIT_RECEIVE, now_ns() + LOST, &events);

	if (err || events != IPCCHAN_WAIT_RECEIVE)
		crew_fail(crew, "wait: %s, events %#x", strerror(-err), events);
}

static void sleep_by_poll(struct crew *crew, const struct raw_port *rx)
{
	int got = poll_for(rx, POLLIN, LOST / MS);

	if (got != POLLIN)
		crew_fail(crew, "poll: %#x", got);
}

static void sleep_by_edge(struct crew *crew, const struct raw_port *rx)
{
	static int set = -1;

	if (set < 0)
		set = make_set(rx, EPOLLIN | EPOLLET);
	if (ask_set(set, LOST / MS) != EPOLLIN)
		crew_fail(crew, "epoll: no edge");
}

static void take_all(struct crew *crew, struct raw_port *rx, uint32_t round)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < SENDERS; i++)
		while (raw_take(rx, i, NULL, 0, NULL) >= 0)
			taken++;
	if (taken != COUNT)
		crew_fail(crew, "round %u: woken for %u", round, taken);
}

static void body_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed;
	struct raw_port rx;

	if (open_patient(&rx, job->name, COUNT, 0))
		crew_fail(crew, "open");
	crew_gate(crew, SENDERS + 1);
	for (uint32_t round = 0; round < job->rounds; round++) {
		dawdle(&random);
		job->sleep(crew, &rx);
		take_all(crew, &rx, round);
		crew_add(crew, ROUND, 1);
	}
	crew_gate(crew, 2 * (SENDERS + 1));
}

FIXTURE(together) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct crew crew;
	struct job job;
};

FIXTURE_VARIANT(together) {
	void (*sleep)(struct crew *crew, const struct raw_port *rx);
	crew_body send;
};

FIXTURE_VARIANT_ADD(together, wait) { .sleep = sleep_by_wait, .send = body_send };
FIXTURE_VARIANT_ADD(together, poll) { .sleep = sleep_by_poll, .send = body_send };
FIXTURE_VARIANT_ADD(together, edge) { .sleep = sleep_by_edge, .send = body_send };
FIXTURE_VARIANT_ADD(together, library) { .sleep = sleep_by_wait, .send = body_library };

FIXTURE_SETUP(together)
{
	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "together");
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, SENDERS));
	self->job = (struct job){
		.name = self->name, .rounds = heavy(10000, 1000), .seed = random_seed(),
		.sleep = variant->sleep,
	};
	TH_LOG("IPCCHAN_TEST_SEED=%llu", (unsigned long long)self->job.seed);
}

FIXTURE_TEARDOWN(together)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

TEST_F_TIMEOUT(together, none_lost_none_early, LIMIT)
{
	const char *wrong;

	for (uint32_t i = 0; i <= SENDERS; i++) {
		ASSERT_EQ(i, crew_start(&self->crew, i ? variant->send : body_receive, &self->job));
	}
	wrong = crew_end(&self->crew, SECONDS);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	TH_LOG("%u rounds of %u, %lu kicks", self->job.rounds, COUNT,
	       (unsigned long)crew_word(&self->crew, KICKS));
}

TEST_HARNESS_MAIN
