// SPDX-License-Identifier: GPL-2.0
/*
 * Lossless from the moment of joining: who comes late misses nothing from then
 * on and gets nothing from before; senders and receivers come and go, slots
 * change owners, and whoever stays notices nothing.
 *
 * What breaks these: barrier K or the kernel's storing of heads at joining, a
 * base within reach of old cursors, a slot given on while it is DRAINING, a
 * receiver that keeps the old base (renew_source()).
 */
#include <errno.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

#define SECONDS		60
#define MOST		1500

/* Words of the board. SENT and after: messages of each session. */
enum { BEGUN, COMMITTED, SESSIONS, COMERS_DONE, SENT };

struct job {
	const char *name;
	uint32_t messages;
	uint32_t rounds;
	uint32_t members;
	uint32_t comers;	/* senders that come and go */
	uint64_t seed;
};

static void send_one(struct crew *crew, struct ipcchan_port *port, uint64_t tag)
{
	int rc = send_pattern(port, tag, pattern_length(tag, MOST), PATIENCE_NS);

	if (rc)
		crew_fail(crew, "send: %s", ipcchan_strerror(rc));
}

/* Says before and after each message how far it is. */
static void body_announce(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, SPIN_DEFAULT);

	crew_gate(crew, job->members);
	for (uint32_t i = 0; i < job->messages; i++) {
		crew_add(crew, BEGUN, 1);
		send_one(crew, port, tag_of(0, i));
		crew_add(crew, COMMITTED, 1);
		random_pause(&random);
	}
	ipcchan_port_close(port);
}

static int take(struct taker *t)
{
	int rc = taker_take(t, PATIENCE_NS);

	if (rc && rc != -EPIPE)
		crew_fail(t->crew, "receive: %s", ipcchan_strerror(rc));
	return rc;
}

/* The first message for us, however long it takes; -EPIPE there will be none. */
static int first(struct crew *crew, const struct job *job, struct ipcchan_port *port,
		 struct ipcchan_message *m)
{
	uint64_t begun = crew_word(crew, BEGUN);
	int rc;

	do {
		bool all = crew_word(crew, COMMITTED) == job->messages;

		rc = ipcchan_receive(port, m, SECOND_NS / 10);
		if (rc == -ETIMEDOUT && all)
			rc = -EPIPE;
	} while (rc == -ETIMEDOUT);
	if (rc && begun < job->messages)
		crew_fail(crew, "nothing came, joined before message %lu: %s",
			  (unsigned long)begun, ipcchan_strerror(rc));
	return rc;
}

/*
 * Joins, takes a few, leaves, and again until the sender has left. @before was
 * committed before we began to join, so is not for us; what had not begun when
 * we had joined is for us.
 */
static bool visit(struct crew *crew, int me, const struct job *job, uint64_t *random)
{
	uint64_t before = crew_word(crew, COMMITTED);
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE,
					      me % 2 ? SPIN_DEFAULT : 0);
	uint64_t begun = crew_word(crew, BEGUN);
	struct taker *t = taker_new(crew, port, me % WAYS, MOST, *random);
	struct ipcchan_message m;
	uint32_t many;
	int rc;

	rc = first(crew, job, port, &m);
	if (!rc) {
		t->ledger.next[0] = (uint32_t)m.tag;
		if (m.tag < before)
			crew_fail(crew, "got message %lu, %lu were sent before",
				  (unsigned long)m.tag, (unsigned long)before);
		if (m.tag > begun)
			crew_fail(crew, "began with message %lu, joined before %lu",
				  (unsigned long)m.tag, (unsigned long)begun);
		ledger_enter(crew, &t->ledger, &m, m.data);
		ipcchan_release(port, &m);
	}
	many = random_next(random) % 60;
	while (!rc && many--)
		rc = take(t);
	if (rc && t->ledger.received && t->ledger.next[0] != job->messages)
		crew_fail(crew, "the end after %u messages", t->ledger.next[0]);
	taker_free(t);
	return !rc && crew_word(crew, COMMITTED) < job->messages;
}

static void body_visit(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;
	struct ipcchan_message m;
	struct ipcchan_port *stay;

	/* A first look before the gate: there is nothing to get. */
	stay = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, 0);
	if (ipcchan_receive(stay, &m, IPCCHAN_NO_WAIT) != -EAGAIN)
		crew_fail(crew, "a message before the first");
	crew_gate(crew, job->members);
	ipcchan_port_close(stay);
	while (visit(crew, me, job, &random))
		;
}

/* A sender that comes and goes: each time a session of its own. */
static void body_come_and_send(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;

	crew_gate(crew, job->members);
	for (uint32_t i = 0; i < job->rounds; i++) {
		struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, 0);
		uint32_t session = crew_add(crew, SESSIONS, 1) - 1;
		uint32_t many = random_next(&random) % 40;

		for (uint32_t n = 0; n < many; n++) {
			send_one(crew, port, tag_of(session, n));
			crew_add(crew, SENT + session, 1);
		}
		ipcchan_port_close(port);
	}
	crew_add(crew, COMERS_DONE, 1);
}

/* Keeps the others from seeing a hang-up before the end. */
static void body_anchor(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_SEND, 0);

	(void)me;
	crew_gate(crew, job->members);
	while (crew_word(crew, COMERS_DONE) < job->comers)
		usleep(2000);
	ipcchan_port_close(port);
}

static void body_steady(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, SPIN_DEFAULT);
	struct taker *t = taker_new(crew, port, HOLDING, MOST, job->seed + me);

	crew_gate(crew, job->members);
	taker_take_all(t);
	for (uint32_t s = 0; s < crew_word(crew, SESSIONS); s++) {
		if (t->ledger.next[s] != crew_word(crew, SENT + s))
			crew_fail(crew, "session %u: %u messages of %lu", s, t->ledger.next[s],
				  (unsigned long)crew_word(crew, SENT + s));
	}
	taker_free(t);
}

/* Comes in the middle of some sessions, and before others. */
static void enter_late(struct taker *t, uint32_t since)
{
	struct ipcchan_message m;
	int rc = ipcchan_receive(t->port, &m, SECOND_NS / 20);
	uint32_t session = m.tag >> 32;

	if (rc == -ETIMEDOUT || rc == -EPIPE)
		return;
	if (rc)
		crew_fail(t->crew, "receive: %s", ipcchan_strerror(rc));
	if (session < since && !t->ledger.known[session])
		t->ledger.next[session] = (uint32_t)m.tag;
	ledger_enter(t->crew, &t->ledger, &m, m.data);
	ipcchan_release(t->port, &m);
}

static void body_come_and_receive(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	uint64_t random = job->seed + me;

	crew_gate(crew, job->members);
	while (crew_word(crew, COMERS_DONE) < job->comers) {
		struct ipcchan_port *port = crew_open(crew, job->name, IPCCHAN_ROLE_RECEIVE, 0);
		struct taker *t = taker_new(crew, port, IN_PLACE, MOST, random);
		uint32_t since = crew_word(crew, SESSIONS);
		uint32_t many = random_next(&random) % 60;

		while (many--)
			enter_late(t, since);
		taker_free(t);
	}
}

FIXTURE(join) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct crew crew;
	struct job job;
};

FIXTURE_SETUP(join)
{
	struct ipcchan_options options;
	struct ipcchan_error error;

	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "join");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	options.depth = 8;
	options.arena = 16384;
	options.max_message = MOST;
	options.senders = 8;
	options.receivers = 8;
	ASSERT_EQ(0, ipcchan_create(self->name, &options, &error)) TH_LOG("%s", error.text);
	self->job = (struct job){ .name = self->name, .seed = random_seed() };
}

FIXTURE_TEARDOWN(join)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, ipcchan_delete(self->name, NULL));
	EXPECT_TRUE(accounts_settle(&self->before));
}

#define START(body, job) ASSERT_LE(0, crew_start(&self->crew, body, job))

#define EXPECT_CREW_ENDS() do { \
	const char *wrong = crew_end(&self->crew, SECONDS); \
	EXPECT_EQ(NULL, wrong) \
		TH_LOG("%s; IPCCHAN_TEST_SEED=%lu", wrong, (unsigned long)self->job.seed); \
} while (0)

TEST_F_TIMEOUT(join, late_receivers_miss_nothing, 90)
{
	self->job.messages = heavy(4000, 800);
	self->job.members = 4;
	START(body_announce, &self->job);
	for (int i = 0; i < 3; i++) {
		START(body_visit, &self->job);
	}
	EXPECT_CREW_ENDS();
}

TEST_F_TIMEOUT(join, senders_and_receivers_come_and_go, 90)
{
	self->job.rounds = heavy(60, 15);
	self->job.comers = 3;
	self->job.members = 7;
	START(body_anchor, &self->job);
	START(body_steady, &self->job);
	for (int i = 0; i < 3; i++) {
		START(body_come_and_send, &self->job);
	}
	for (int i = 0; i < 2; i++) {
		START(body_come_and_receive, &self->job);
	}
	EXPECT_CREW_ENDS();
	EXPECT_EQ(3 * self->job.rounds, crew_word(&self->crew, SESSIONS));
}

/* What was sent before anybody came is for nobody, and blocks nobody. */
TEST_F(join, nobody_there_is_no_obstacle)
{
	struct ipcchan_port *tx, *rx;
	struct ipcchan_message m;

	ASSERT_EQ(0, ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL));
	for (uint32_t i = 0; i < 100; i++) {
		EXPECT_EQ(0, send_pattern(tx, i, 1000, IPCCHAN_NO_WAIT));
	}
	ASSERT_EQ(0, ipcchan_open(&rx, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	EXPECT_EQ(-EAGAIN, ipcchan_receive(rx, &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(0, send_pattern(tx, 7, 1000, IPCCHAN_NO_WAIT));
	EXPECT_EQ(0, ipcchan_receive(rx, &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(7, m.tag);
	ipcchan_port_close(rx);
	ipcchan_port_close(tx);
}

/* What a sender left behind is there, to the last message, for who was there. */
TEST_F(join, left_messages_stay_readable)
{
	struct ipcchan_port *tx, *early, *late;
	struct ipcchan_message m;

	ASSERT_EQ(0, ipcchan_open(&early, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	ASSERT_EQ(0, ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, NULL, NULL));
	for (uint32_t i = 0; i < 5; i++) {
		EXPECT_EQ(0, send_pattern(tx, i, 1000, IPCCHAN_NO_WAIT));
	}
	ipcchan_port_close(tx);
	ASSERT_EQ(0, ipcchan_open(&late, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	EXPECT_EQ(-EAGAIN, ipcchan_receive(late, &m, IPCCHAN_NO_WAIT));
	for (uint32_t i = 0; i < 5; i++) {
		ASSERT_EQ(0, ipcchan_receive(early, &m, IPCCHAN_NO_WAIT));
		EXPECT_EQ(i, m.tag);
		EXPECT_TRUE(pattern_matches(m.data, m.length, m.tag));
		EXPECT_EQ(0, ipcchan_release(early, &m));
	}
	EXPECT_EQ(-EPIPE, ipcchan_receive(early, &m, IPCCHAN_NO_WAIT));
	ipcchan_port_close(early);
	ipcchan_port_close(late);
}

TEST_HARNESS_MAIN
