// SPDX-License-Identifier: GPL-2.0
/*
 * Edge-triggered epoll under load, in both directions, with the library.
 *
 * Each process sends and receives on one port and sleeps in one set, and only
 * when there is neither room nor a message. An edge that is missed is a stall:
 * both then sleep for ever. What breaks it: a poll() that does not arm when it
 * reports something, a sender's -EAGAIN that does not tell the kernel what was
 * seen, a waiter that leaves and disarms the set.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define LIMIT	150
#define SECONDS	120
#define MOST	600
#define LOST_MS	20000

/* Words of the board: edges, and how often there was no room. */
enum { EDGES, FULL };

struct job {
	const char *name;
	uint32_t messages;	/* of each */
	uint32_t members;
	uint64_t seed;
};

struct worker {
	struct crew *crew;
	const struct job *job;
	struct taker *taker;
	uint32_t me, sent;
	uint64_t random;
	int set;
};

static void add(struct worker *w, uint32_t events)
{
	struct epoll_event event = { .events = events };

	w->set = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(w->set, EPOLL_CTL_ADD, ipcchan_port_fd(w->taker->port), &event))
		crew_fail(w->crew, "epoll_ctl: errno %d", errno);
}

/* As many as there is room for, with pauses. */
static void send_some(struct worker *w)
{
	while (w->sent < w->job->messages) {
		uint64_t tag = tag_of(w->me, w->sent);
		int rc = send_pattern(w->taker->port, tag, pattern_length(tag, MOST),
				      IPCCHAN_NO_WAIT);

		if (rc == -EAGAIN) {
			crew_add(w->crew, FULL, 1);
			return;
		}
		if (rc)
			crew_fail(w->crew, "send: %s", ipcchan_strerror(rc));
		w->sent++;
		random_pause(&w->random);
	}
}

static void receive_some(struct worker *w)
{
	int rc;

	while (!(rc = taker_take(w->taker, IPCCHAN_NO_WAIT)))
		random_pause(&w->random);
	if (rc != -EAGAIN)
		crew_fail(w->crew, "receive: %s", ipcchan_strerror(rc));
}

static void wait_for_edge(struct worker *w)
{
	struct epoll_event event;

	if (epoll_wait(w->set, &event, 1, LOST_MS) != 1)
		crew_fail(w->crew, "no edge: %u sent, %lu received", w->sent,
			  (unsigned long)w->taker->ledger.received);
	if (event.events & ~(EPOLLIN | EPOLLOUT))
		crew_fail(w->crew, "event %#x", event.events);
	crew_add(w->crew, EDGES, 1);
}

/* Receives its own messages too: all of all. */
static void body_both(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct worker w = { .crew = crew, .job = job, .me = me, .random = job->seed + me };
	struct ipcchan_port *port = crew_open(crew, job->name,
					      IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE, 0);

	w.taker = taker_new(crew, port, me % WAYS, MOST, w.random);
	add(&w, EPOLLIN | EPOLLOUT | EPOLLET);
	crew_gate(crew, job->members);
	for (;;) {
		send_some(&w);
		receive_some(&w);
		if (w.taker->ledger.received == (uint64_t)job->members * job->messages)
			break;
		wait_for_edge(&w);
	}
	while (w.taker->nr_held)
		taker_take(w.taker, IPCCHAN_NO_WAIT);
	crew_gate(crew, 2 * job->members);
	taker_free(w.taker);
}

/* One direction each. */
static void body_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct worker w = { .crew = crew, .job = job, .random = job->seed };
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, 0);

	w.taker = taker_new(crew, port, BY_COPY, MOST, 0);
	add(&w, EPOLLOUT | EPOLLET);
	crew_gate(crew, job->members);
	for (send_some(&w); w.sent < job->messages; send_some(&w))
		wait_for_edge(&w);
	crew_gate(crew, 2 * job->members);
	taker_free(w.taker);
}

static void body_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct worker w = { .crew = crew, .job = job, .random = job->seed + me };
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, 0);

	w.taker = taker_new(crew, port, me % WAYS, MOST, w.random);
	add(&w, EPOLLIN | EPOLLET);
	crew_gate(crew, job->members);
	for (receive_some(&w); w.taker->ledger.received < job->messages; receive_some(&w))
		wait_for_edge(&w);
	crew_gate(crew, 2 * job->members);
	taker_free(w.taker);
}

FIXTURE(edge) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct crew crew;
	struct job job;
};

FIXTURE_SETUP(edge)
{
	struct ipcchan_options options;

	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "edge");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	options.depth = 8;
	options.arena = 4096;
	options.max_message = MOST;
	ASSERT_EQ(0, ipcchan_create(self->name, &options, NULL));
	self->job = (struct job){ .name = self->name, .seed = random_seed() };
	TH_LOG("IPCCHAN_TEST_SEED=%llu", (unsigned long long)self->job.seed);
}

FIXTURE_TEARDOWN(edge)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static void end(struct __test_metadata *_metadata, struct crew *crew)
{
	const char *wrong = crew_end(crew, SECONDS);

	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	TH_LOG("%lu edges, no room %lu times", (unsigned long)crew_word(crew, EDGES),
	       (unsigned long)crew_word(crew, FULL));
	EXPECT_LT(100, crew_word(crew, EDGES));
	EXPECT_LT(100, crew_word(crew, FULL));
}

TEST_F_TIMEOUT(edge, both_roles_never_stall, LIMIT)
{
	self->job.members = 2;
	self->job.messages = heavy(5000, 1000);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(i, crew_start(&self->crew, body_both, &self->job));
	}
	end(_metadata, &self->crew);
}

TEST_F_TIMEOUT(edge, one_to_two_never_stall, LIMIT)
{
	self->job.members = 3;
	self->job.messages = heavy(10000, 2000);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(i, crew_start(&self->crew, i ? body_receive : body_send, &self->job));
	}
	end(_metadata, &self->crew);
}

TEST_HARNESS_MAIN
