// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile processes that write anything into their own pages, without pause,
 * while honest peers exchange checked messages beside them. The seed is told
 * when something fails.
 *
 * What breaks these: a word of a peer read twice or used unchecked, in the
 * library (a crash, a wrong message) or in the kernel (its log), and a lie that
 * costs others more than the liar's messages.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define DEPTH	16u
#define MOST	3000u
#define ARENA	65536u
#define HOLDS	8u
#define SLOTS	8u
#define SECONDS	90

/* Words of the board. */
enum { STOP, SENT, CULPRITS, FUZZED };

struct job {
	const char *name;
	uint64_t seed;
	uint32_t members;
};

/* Slot 0: the honest sender is there before the hostile ones. */
static void body_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, SPIN_DEFAULT);
	uint32_t n = 0;
	int rc;

	(void)me;
	crew_gate(crew, job->members);
	for (; !crew_word(crew, STOP); n++) {
		rc = send_pattern(port, tag_of(0, n), pattern_length(tag_of(0, n), MOST),
				  PATIENCE_NS);
		if (rc)
			crew_fail(crew, "send: %s", ipcchan_strerror(rc));
		random_pause(&random);
	}
	crew_add(crew, SENT, n);
	rc = send_pattern(port, UINT64_MAX, 0, PATIENCE_NS);
	if (rc)
		crew_fail(crew, "send: %s", ipcchan_strerror(rc));
	ipcchan_port_close(port);
}

/* Every byte of what a hostile sender says is a message can be read. */
static void touch(const struct ipcchan_message *m)
{
	const volatile char *byte = m->data;

	for (size_t i = 0; i < m->length; i += 64)
		(void)byte[i];
	if (m->length)
		(void)byte[m->length - 1];
}

static bool enter(struct crew *crew, struct ledger *ledger, const struct ipcchan_message *m)
{
	if (m->length > MOST)
		crew_fail(crew, "a message of %zu bytes", m->length);
	if (m->sender)
		touch(m);
	else if (m->tag == UINT64_MAX)
		return true;
	else
		ledger_enter(crew, ledger, m, m->data);
	return false;
}

static void body_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE,
					      me % 2 ? SPIN_DEFAULT : 0);
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	struct ipcchan_message m;
	bool last = false;
	int rc;

	ledger->most = MOST;
	crew_gate(crew, job->members);
	while (!last) {
		rc = ipcchan_receive(port, &m, PATIENCE_NS);
		if (rc == -EPROTO && ipcchan_port_culprit(port)) {
			crew_add(crew, CULPRITS, 1);
			continue;
		}
		if (rc)
			crew_fail(crew, "receive: %s, slot %u", ipcchan_strerror(rc),
				  ipcchan_port_culprit(port));
		last = enter(crew, ledger, &m);
		if (ipcchan_release(port, &m))
			crew_fail(crew, "release");
	}
	if (ledger->received != crew_word(crew, SENT))
		crew_fail(crew, "%lu messages of %lu", (unsigned long)ledger->received,
			  (unsigned long)crew_word(crew, SENT));
	ipcchan_port_close(port);
}

/* Extremes, neighbours of @near, bits, noise. */
static uint64_t strange(uint64_t *random, uint64_t near)
{
	uint64_t r = random_next(random);

	switch (r % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return 1ull << (r >> 8) % 64;
	case 3:
		return near | IPCCHAN_SEQ_VOID;
	case 4:
		return random_next(random);
	}
	return near + (r >> 8) % (4 * DEPTH) - 2 * DEPTH;
}

/* Calls that make the kernel look at what was written. */
static void look(const struct raw_port *port, uint64_t *random)
{
	uint64_t r = random_next(random), bits = random_next(random) % (1u << SLOTS);
	struct pollfd fd = { .fd = port->fd, .events = POLLIN | POLLOUT };
	uint64_t progress[SLOTS] = { r, bits };
	struct ipcchan_wait wait = {
		.size = sizeof(wait),
		.flags = IPCCHAN_WAIT_ROSTER,
		.await = strange(random, port->next),
		.progress = (uintptr_t)progress,
		.nr_progress = SLOTS,
		.deadline_ns = r % 4 ? 0 : now_ns() + 100000,
	};

	wait.flags |= port->attach.role & IPCCHAN_SEND ? IPCCHAN_WAIT_SEND : 0;
	wait.flags |= port->attach.role & IPCCHAN_RECEIVE ? IPCCHAN_WAIT_RECEIVE : 0;
	call(port->fd, IPCCHAN_IOC_WAIT, &wait);
	poll(&fd, 1, 0);
	if (port->attach.role & IPCCHAN_SEND)
		call_kick(port->fd, bits, 0);
	else
		call_kick(port->fd, 0, bits);
}

static void raw_open_again(struct crew *crew, struct raw_port *port, const struct job *job,
			   uint32_t role)
{
	int rc = -EUSERS;

	for (int i = 0; rc == -EUSERS && i < 20000; i++) {
		rc = raw_open(port, job->name, role);
		if (rc == -EUSERS)
			usleep(1000);
	}
	if (rc)
		crew_fail(crew, "raw open: %s", ipcchan_strerror(rc));
}

static void fuzz_desc(struct raw_port *port, uint64_t *random)
{
	struct ipcchan_desc *d = raw_desc(port, random_next(random));

	ipcchan_store(&d->offset, (uint32_t)strange(random, ARENA));
	ipcchan_store(&d->length, (uint32_t)strange(random, MOST));
	ipcchan_store(&d->tag, random_next(random));
	if (random_next(random) % 4 == 0)
		ipcchan_store(&d->flags, (uint16_t)strange(random, 0));
	if (random_next(random) % 4 == 0)
		ipcchan_store(&d->reserved, strange(random, 0));
	ipcchan_store_release(&d->seq, strange(random, port->next));
}

/* Now and then it begins anew, with some messages that are true: it is read again. */
static void body_fuzz_sender(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;
	struct raw_port port;

	crew_gate(crew, job->members);
	while (!crew_word(crew, STOP)) {
		raw_open_again(crew, &port, job, IPCCHAN_SEND);
		for (uint64_t i = random_next(&random) % 4; i; i--)
			raw_publish(&port, "true", 4, tag_of(1, i));
		raw_kick_receivers(&port);
		for (uint64_t i = random_next(&random) % 200; i; i--) {
			fuzz_desc(&port, &random);
			ipcchan_store_release(&raw_outbox(&port)->head, strange(&random, port.next));
			crew_add(crew, FUZZED, 1);
			if (i % 16 == 0)
				look(&port, &random);
		}
		raw_close(&port);
	}
}

static void fuzz_receipts(struct raw_port *port, uint64_t *random)
{
	struct ipcchan_cursor *c = raw_cursor(port, random_next(random) % SLOTS);
	uint64_t near = ipcchan_load(&raw_sender_slot(port, 0)->base);

	near += ipcchan_load(&raw_receipts(port)->received) % 4096;
	ipcchan_store_release(&c->passed, strange(random, near));
	ipcchan_store_release(&c->released, strange(random, 0));
	ipcchan_store_release(&c->closed, strange(random, near));
	ipcchan_store(&c->lost, strange(random, 0));
	ipcchan_store(&raw_receipts(port)->received, random_next(random));
	for (uint32_t i = 0; i < HOLDS; i++)
		ipcchan_store_release(&raw_holds(port)[i], strange(random, near));
}

/* Every now and then it lets the senders go on: standing still is its right. */
static void let_go(const struct raw_port *port)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		ipcchan_store_release(&raw_cursor(port, i)->passed, UINT64_MAX);
	for (uint32_t i = 0; i < HOLDS; i++)
		ipcchan_store_release(&raw_holds(port)[i], 0);
	ipcchan_barrier();
	raw_kick_senders(port);
}

static void body_fuzz_receiver(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;
	struct raw_port port;

	crew_gate(crew, job->members);
	while (!crew_word(crew, STOP)) {
		raw_open_again(crew, &port, job, IPCCHAN_RECEIVE);
		for (uint64_t i = random_next(&random) % 500; i; i--) {
			fuzz_receipts(&port, &random);
			crew_add(crew, FUZZED, 1);
			if (i % 16 == 0)
				look(&port, &random);
			if (i % 4 == 0)
				let_go(&port);
		}
		raw_close(&port);
	}
}

/* What these pages claim is shown to administrators; here it must only be harmless. */
static void body_show(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	char command[200];

	(void)me;
	snprintf(command, sizeof(command), "ipcadm -j port show %s > /dev/null", job->name);
	crew_gate(crew, job->members);
	while (!crew_word(crew, STOP)) {
		if (system(command))
			crew_fail(crew, "ipcadm port show failed");
		usleep(100000);
	}
}

FIXTURE(fuzz) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct crew crew;
	struct job job;
};

FIXTURE_SETUP(fuzz)
{
	struct ipcchan_options options;

	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "fuzz");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	options.depth = DEPTH;
	options.arena = ARENA;
	options.max_message = MOST;
	options.holds = HOLDS;
	options.senders = SLOTS;
	options.receivers = SLOTS;
	ASSERT_EQ(0, ipcchan_create(self->name, &options, NULL));
	self->job = (struct job){ .name = self->name, .seed = random_seed() };
}

FIXTURE_TEARDOWN(fuzz)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* The honest ones, and @many who run @hostile, for some seconds. */
static const char *run(struct crew *crew, struct job *job, crew_body hostile, int many)
{
	uint32_t seconds = heavy(4, 3);

	job->members = 4 + many;
	crew_start(crew, body_send, job);
	while (crew->board->ready < 1 && !crew->board->failed)
		usleep(1000);
	crew_start(crew, body_receive, job);
	crew_start(crew, body_receive, job);
	crew_start(crew, body_show, job);
	for (int i = 0; i < many; i++)
		crew_start(crew, hostile, job);
	for (uint32_t i = 0; i < 10 * seconds && !crew->board->failed; i++)
		usleep(100000);
	crew_add(crew, STOP, 1);
	return crew_end(crew, SECONDS);
}

#define EXPECT_HARMLESS(what) do { \
	const char *wrong = what; \
	EXPECT_EQ(NULL, wrong) \
		TH_LOG("%s; IPCCHAN_TEST_SEED=%lu", wrong, (unsigned long)self->job.seed); \
	TH_LOG("%lu messages, %lu lies, %lu times a culprit", \
	       (unsigned long)crew_word(&self->crew, SENT), \
	       (unsigned long)crew_word(&self->crew, FUZZED), \
	       (unsigned long)crew_word(&self->crew, CULPRITS)); \
	EXPECT_LT(100, crew_word(&self->crew, SENT)); \
	EXPECT_LT(1000, crew_word(&self->crew, FUZZED)); \
} while (0)

TEST_F_TIMEOUT(fuzz, senders_spoil_nothing, 120)
{
	EXPECT_HARMLESS(run(&self->crew, &self->job, body_fuzz_sender, 2));
	EXPECT_LT(10, crew_word(&self->crew, CULPRITS));
}

TEST_F_TIMEOUT(fuzz, receivers_spoil_nothing, 120)
{
	EXPECT_HARMLESS(run(&self->crew, &self->job, body_fuzz_receiver, 2));
}

TEST_HARNESS_MAIN
