// SPDX-License-Identifier: GPL-2.0
/*
 * Lossless order: every receiver gets every message of every sender, once, in
 * its sender's order, with the sender's bytes; whatever runs full and whoever
 * is slow.
 *
 * What breaks these: a descriptor or a block of the arena given out again before
 * all receivers have passed it or while one holds it (reclaim.c), a barrier
 * missing, a wake-up lost (the crew then runs into its time-out).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define SECONDS		120

struct job {
	const char *name;
	uint32_t messages;	/* of each sender */
	uint32_t members;
	uint32_t senders;
	size_t most;		/* the longest message */
	uint64_t seed;
};

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

static uint64_t spin_of(int member)
{
	return member % 2 ? SPIN_DEFAULT : 0;
}

static void body_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, spin_of(me));
	struct taker *t = taker_new(crew, port, me % WAYS, job->most, job->seed + me);

	crew_gate(crew, job->members);
	taker_take_all(t);
	expect_all(t, job);
	taker_free(t);
}

static void send_one(struct crew *crew, struct ipcchan_port *port, uint64_t tag, size_t most)
{
	int rc = send_pattern(port, tag, pattern_length(tag, most), PATIENCE_NS);

	if (rc)
		crew_fail(crew, "send: %s", ipcchan_strerror(rc));
}

static void send_all(struct crew *crew, struct ipcchan_port *port, int me, const struct job *job)
{
	uint64_t random = job->seed - me;

	for (uint32_t i = 0; i < job->messages; i++) {
		send_one(crew, port, tag_of(me, i), job->most);
		random_pause(&random);
	}
}

static void body_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, spin_of(me));

	crew_gate(crew, job->members);
	send_all(crew, port, me, job);
	ipcchan_port_close(port);
}

/* A port with both roles: a thread sends while another receives. */
struct thread {
	struct crew *crew;
	struct ipcchan_port *port;
	int me;
	const struct job *job;
};

static void *thread_send(void *arg)
{
	const struct thread *t = arg;

	send_all(t->crew, t->port, t->me, t->job);
	return NULL;
}

static void take_expected(struct taker *t, const struct job *job)
{
	while (t->ledger.received < (uint64_t)job->senders * job->messages) {
		int rc = taker_take(t, PATIENCE_NS);

		if (rc)
			crew_fail(t->crew, "receive: %s", ipcchan_strerror(rc));
	}
	expect_all(t, job);
}

static void body_threads(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name,
					      IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE,
					      spin_of(me));
	struct taker *t = taker_new(crew, port, me % WAYS, job->most, job->seed + me);
	struct thread sending = { crew, port, me, job };
	pthread_t thread;

	crew_gate(crew, job->members);
	if (pthread_create(&thread, NULL, thread_send, &sending))
		crew_fail(crew, "no thread");
	take_expected(t, job);
	pthread_join(thread, NULL);
	taker_free(t);
}

/* Or one thread that never blocks but in poll(). */
static bool try_send(struct crew *crew, struct ipcchan_port *port, uint64_t tag, size_t most)
{
	int rc = send_pattern(port, tag, pattern_length(tag, most), IPCCHAN_NO_WAIT);

	if (rc && rc != -EAGAIN)
		crew_fail(crew, "send: %s", ipcchan_strerror(rc));
	return !rc;
}

static bool try_take(struct taker *t)
{
	int rc = taker_take(t, IPCCHAN_NO_WAIT);

	if (rc && rc != -EAGAIN)
		crew_fail(t->crew, "receive: %s", ipcchan_strerror(rc));
	return !rc;
}

static void wait_event(struct taker *t, bool sending)
{
	struct pollfd fd = {
		.fd = ipcchan_port_fd(t->port),
		.events = POLLIN | (sending ? POLLOUT : 0),
	};

	if (poll(&fd, 1, PATIENCE_NS / 1000000) != 1)
		crew_fail(t->crew, "poll: no event");
	if (fd.revents & (POLLERR | POLLNVAL))
		crew_fail(t->crew, "poll: events %#x", fd.revents);
}

static void body_poll(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t expected = (uint64_t)job->senders * job->messages;
	struct ipcchan_port *port = crew_open(crew, job->name,
					      IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE, 0);
	struct taker *t = taker_new(crew, port, me % WAYS, job->most, job->seed + me);
	uint32_t sent = 0;

	ipcchan_port_fd(port);
	crew_gate(crew, job->members);
	while (sent < job->messages || t->ledger.received < expected) {
		bool more = sent < job->messages;
		bool moved = more && try_send(crew, port, tag_of(me, sent), job->most);

		sent += moved;
		moved |= t->ledger.received < expected && try_take(t);
		if (!moved)
			wait_event(t, more);
	}
	expect_all(t, job);
	taker_free(t);
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

FIXTURE_VARIANT_ADD(order, depth_1) {
	.depth = 1, .arena = 8192, .most = 4096, .messages = 400,
};

FIXTURE_VARIANT_ADD(order, depth_runs_out) {
	.depth = 4, .arena = 1 << 20, .most = 3000, .messages = 800,
};

FIXTURE_VARIANT_ADD(order, arena_runs_out) {
	.depth = 256, .arena = 16384, .most = 6000, .messages = 800,
};

/* The longest message fills the arena. */
FIXTURE_VARIANT_ADD(order, whole_arena) {
	.depth = 16, .arena = 8192, .most = 8192, .messages = 500,
};

FIXTURE_VARIANT_ADD(order, deep) {
	.depth = 4096, .arena = 1 << 20, .most = 300, .messages = 2000,
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
		.messages = heavy(variant->messages, 100),
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

/* The first @receivers members run @body, the others send. */
static const char *run(struct crew *crew, struct job *job, crew_body body, int receivers,
		       int members)
{
	job->members = members;
	for (int i = 0; i < members; i++) {
		if (crew_start(crew, i < receivers ? body : body_send, job) < 0)
			return "cannot start a process";
	}
	return crew_end(crew, SECONDS);
}

#define EXPECT_ORDER(what) do { \
	const char *wrong = what; \
	EXPECT_EQ(NULL, wrong) \
		TH_LOG("%s; IPCCHAN_TEST_SEED=%lu", wrong, (unsigned long)self->job.seed); \
} while (0)

/* Three receivers, each with a way of its own. */
TEST_F_TIMEOUT(order, many_to_many, 150)
{
	self->job.senders = 3;
	EXPECT_ORDER(run(&self->crew, &self->job, body_receive, 3, 6));
}

/* Everybody gets from everybody, himself among them. */
TEST_F_TIMEOUT(order, both_roles_threads, 150)
{
	self->job.senders = 3;
	self->job.messages /= 2;
	EXPECT_ORDER(run(&self->crew, &self->job, body_threads, 3, 3));
}

TEST_F_TIMEOUT(order, both_roles_poll, 150)
{
	self->job.senders = 3;
	self->job.messages /= 2;
	EXPECT_ORDER(run(&self->crew, &self->job, body_poll, 3, 3));
}

TEST_HARNESS_MAIN
