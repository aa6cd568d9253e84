// SPDX-License-Identifier: GPL-2.0
/*
 * Lossless order: every receiver gets every message that was sent since it
 * came, once, in its sender's order, with the sender's bytes; whatever runs
 * full, whoever is slow, comes or goes.
 *
 * What breaks these: a descriptor or a block of the arena given out again before
 * all receivers have passed it (reclaim.c), a receiver that begins at the wrong
 * place (joining in the kernel, renew_source()), a base that is not beyond old
 * cursors, a wake-up lost (the crew then runs into its time-out).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define SECONDS		120
#define MOST_MESSAGE	65536

struct job {
	const char *name;
	uint32_t messages;	/* of each sender */
	uint32_t members;	/* who meet at the gate */
	uint32_t senders;
	size_t most;		/* the longest message */
	uint64_t seed;
};

/* Words of the board. */
enum { SESSIONS, BEGUN, COMMITTED, FINISHED, SENT };

/* How a receiver goes about it. */
enum way { BY_COPY, IN_PLACE, HOLDING, WAYS };

struct taker {
	struct crew *crew;
	struct ipcchan_port *port;
	enum way way;
	uint64_t random;
	struct ledger ledger;
	struct ipcchan_message held[3];
	int nr_held;
	char copy[MOST_MESSAGE];
};

static void give_back(struct taker *t, int i)
{
	struct ipcchan_message *m = &t->held[i];

	if (!pattern_matches(m->data, m->length, m->tag))
		crew_fail(t->crew, "a held message has changed");
	if (ipcchan_release(t->port, m))
		crew_fail(t->crew, "cannot release");
	*m = t->held[--t->nr_held];
}

static int take_copy(struct taker *t, int64_t timeout_ns)
{
	struct ipcchan_message m;
	ssize_t got = ipcchan_recv(t->port, t->copy, sizeof(t->copy), &m, timeout_ns);

	if (got < 0)
		return got;
	ledger_enter(t->crew, &t->ledger, &m, t->copy);
	return 0;
}

/* Who sleeps holds nothing: what he holds might be all the arena. */
static int take_in_place(struct taker *t, int64_t timeout_ns)
{
	struct ipcchan_message *m = &t->held[t->nr_held];
	int rc = ipcchan_receive(t->port, m, IPCCHAN_NO_WAIT);

	if (rc == -EAGAIN) {
		while (t->nr_held)
			give_back(t, 0);
		m = &t->held[0];
		rc = ipcchan_receive(t->port, m, timeout_ns);
	}
	if (rc)
		return rc;
	ledger_enter(t->crew, &t->ledger, m, m->data);
	t->nr_held++;
	if (t->way == IN_PLACE || t->nr_held == 3)
		give_back(t, random_next(&t->random) % t->nr_held);
	return 0;
}

/* One message: 0, or -errno. */
static int take(struct taker *t, int64_t timeout_ns)
{
	return t->way == BY_COPY ? take_copy(t, timeout_ns) : take_in_place(t, timeout_ns);
}

static struct taker *taker_new(struct crew *crew, int me, const struct job *job, uint32_t roles)
{
	struct taker *t = calloc(1, sizeof(*t));

	t->crew = crew;
	t->way = me % WAYS;
	t->random = job->seed + me;
	t->ledger.most = job->most;
	t->port = crew_open(crew, job->name, roles, me % 2 ? SPIN_DEFAULT : 0);
	return t;
}

static void take_to_the_end(struct taker *t)
{
	int rc;

	do {
		rc = take(t, PATIENCE_NS);
		random_pause(&t->random);
	} while (!rc);
	if (rc != -EPIPE)
		crew_fail(t->crew, "receive: %s", ipcchan_strerror(rc));
	while (t->nr_held)
		give_back(t, 0);
	ipcchan_port_close(t->port);
}

static void expect_all(const struct taker *t, const struct job *job)
{
	const struct ledger *ledger = &t->ledger;

	for (uint32_t s = 0; s < LEDGER_SENDERS; s++) {
		if (ledger->known[s] && ledger->next[s] != job->messages)
			crew_fail(t->crew, "sender %u: the end after %u messages", s,
				  ledger->next[s]);
	}
	if (ledger->received != (uint64_t)job->senders * job->messages)
		crew_fail(t->crew, "%lu messages in all", (unsigned long)ledger->received);
}

static void send_one(struct crew *crew, struct ipcchan_port *port, uint64_t tag, size_t most)
{
	int rc = send_pattern(port, tag, pattern_length(tag, most), PATIENCE_NS);

	if (rc)
		crew_fail(crew, "send: %s", ipcchan_strerror(rc));
}

static void body_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct taker *t = taker_new(crew, me, job, IPCCHAN_ROLE_RECEIVE);

	crew_gate(crew, job->members);
	take_to_the_end(t);
	expect_all(t, job);
}

static void body_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND,
					      me % 2 ? SPIN_DEFAULT : 0);

	crew_gate(crew, job->members);
	for (uint32_t i = 0; i < job->messages; i++) {
		send_one(crew, port, tag_of(me, i), job->most);
		random_pause(&random);
	}
	ipcchan_port_close(port);
}

FIXTURE(order) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct crew crew;
	struct job job;
};

FIXTURE_VARIANT(order) {
	uint32_t depth;
	uint64_t arena;
	uint64_t most;
	uint32_t messages;
};

/* One message at a time. */
FIXTURE_VARIANT_ADD(order, depth_one) {
	.depth = 1, .arena = 8192, .most = 4096, .messages = 600,
};

FIXTURE_VARIANT_ADD(order, depth_runs_out) {
	.depth = 4, .arena = 1 << 20, .most = 3000, .messages = 1500,
};

FIXTURE_VARIANT_ADD(order, arena_runs_out) {
	.depth = 256, .arena = 16384, .most = 6000, .messages = 1500,
};

/* The longest message fills the arena. */
FIXTURE_VARIANT_ADD(order, whole_arena) {
	.depth = 16, .arena = 8192, .most = 8192, .messages = 800,
};

FIXTURE_VARIANT_ADD(order, deep) {
	.depth = 4096, .arena = 1 << 20, .most = 300, .messages = 3000,
};

FIXTURE_SETUP(order)
{
	struct ipcchan_options options;
	struct ipcchan_error error;

	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "order");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	options.depth = variant->depth;
	options.arena = variant->arena;
	options.max_message = variant->most;
	ASSERT_EQ(0, ipcchan_create(self->name, &options, &error)) TH_LOG("%s", error.text);
	self->job = (struct job){
		.name = self->name,
		.messages = heavy(variant->messages, 200),
		.most = variant->most,
		.seed = random_seed(),
	};
}

FIXTURE_TEARDOWN(order)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

#define EXPECT_CREW_ENDS() do { \
	const char *wrong = crew_end(&self->crew, SECONDS); \
	EXPECT_EQ(NULL, wrong) TH_LOG("%s; IPCCHAN_TEST_SEED=%lu", wrong, self->job.seed); \
} while (0)

/* Three senders, three receivers, each with a way of its own. */
TEST_F_TIMEOUT(order, many_to_many, 150)
{
	self->job.senders = 3;
	self->job.members = 6;
	for (int i = 0; i < 6; i++)
		ASSERT_LE(0, crew_start(&self->crew, i < 3 ? body_receive : body_send, &self->job));
	EXPECT_CREW_ENDS();
}

/* Receives from all, itself among them, while a thread of it sends. */
static void *thread_send(void *arg)
{
	struct taker *t = arg;
	const struct job *job = (const void *)(uintptr_t)t->ledger.job;

	for (uint32_t i = 0; i < job->messages; i++) {
		send_one(t->crew, t->port, tag_of(t->me, i), job->most);
		random_pause(&random);
	}
	return NULL;
}
