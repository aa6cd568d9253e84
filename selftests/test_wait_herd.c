// SPDX-License-Identifier: GPL-2.0
/*
 * As many sleepers as a channel can have: a kick is no stampede. And what a
 * sleeping sender costs its receivers; the other way round: test_stream.c
 */
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "sleeper.h"

#define LIMIT	120

/* As many as a channel can have, all asleep; half of them have work. */
#define MANY	IPCCHAN_MAX_SLOTS

FIXTURE(herd) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port one;
	struct raw_port many[MANY];
	struct sleeper sleepers[MANY];
};

FIXTURE_VARIANT(herd) {
	uint32_t role;
};

FIXTURE_VARIANT_ADD(herd, of_receivers) { .role = IPCCHAN_RECEIVE };
FIXTURE_VARIANT_ADD(herd, of_senders) { .role = IPCCHAN_SEND };

FIXTURE_SETUP(herd)
{
	accounts_read(&self->before);
	unique_name(self->name, "herd");
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, MANY));
	ASSERT_EQ(0, raw_open(&self->one, self->name,
			      variant->role ^ (IPCCHAN_SEND | IPCCHAN_RECEIVE)));
	for (uint32_t i = 0; i < MANY; i++) {
		ASSERT_EQ(0, raw_open(&self->many[i], self->name, variant->role));
	}
}

FIXTURE_TEARDOWN(herd)
{
	for (uint32_t i = 0; i < MANY; i++)
		leave(&self->many[i]);
	leave(&self->one);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Work for one half, by the parity of the slot. */
static void give_work(struct raw_port *one, struct raw_port *many, uint32_t parity)
{
	if (one->attach.role == IPCCHAN_SEND) {
		for (uint32_t i = !parity; i < MANY; i += 2)
			ipcchan_store(&raw_cursor(&many[i], 0)->passed, one->next);
		raw_publish(one, "w", 1, 0);
		return;
	}
	for (uint32_t i = parity; i < MANY; i += 2) {
		if (raw_take(one, i, NULL, 0, NULL) != 1)
			abort();
	}
}

static int kick_all(const struct raw_port *one)
{
	bool sends = one->attach.role == IPCCHAN_SEND;

	return call_kick(one->fd, sends ? ~0ull : 0, sends ? 0 : ~0ull);
}

/* Breaks it: a kick that wakes all whom it names. */
TEST_F_TIMEOUT(herd, only_those_with_work, LIMIT)
{
	struct sleeper *s = self->sleepers;
	unsigned long before[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		ASSERT_EQ(i, variant->role == IPCCHAN_SEND ? self->many[i].attach.sender_slot :
							     self->many[i].attach.receiver_slot);
		if (variant->role == IPCCHAN_SEND)
			raw_publish(&self->many[i], "a", 1, 0);
		s[i] = (struct sleeper){
			.port = &self->many[i],
			.flags = variant->role == IPCCHAN_SEND ? IPCCHAN_WAIT_SEND :
								 IPCCHAN_WAIT_RECEIVE,
		};
		ASSERT_TRUE(sleep_in_wait(&s[i]));
	}
	for (uint32_t i = 0; i < MANY; i++)
		before[i] = switches(&s[i]);
	ASSERT_EQ(0, kick_all(&self->one));
	give_work(&self->one, self->many, 1);
	ASSERT_EQ(0, kick_all(&self->one));
	for (uint32_t i = 1; i < MANY; i += 2) {
		ASSERT_TRUE(wakes(&s[i])) TH_LOG("slot %u", i);
	}
	for (uint32_t i = 0; i < MANY; i += 2) {
		EXPECT_TRUE(sleeps_on(&s[i], before[i])) TH_LOG("slot %u", i);
	}
	give_work(&self->one, self->many, 0);
	ASSERT_EQ(0, kick_all(&self->one));
	for (uint32_t i = 0; i < MANY; i += 2) {
		ASSERT_TRUE(wakes(&s[i])) TH_LOG("slot %u", i);
	}
}

/* A sender that sleeps whenever there is no room, and two receivers. */
enum { WAITS, FIRST_KICKS };

struct job {
	const char *name;
	uint32_t messages;
	uint64_t seed;
};

static void body_cost(struct crew *crew, int me, const void *arg)
{
	const struct job *job = arg;
	struct ipcchan_port *port = crew_open(crew, job->name,
					      me ? IPCCHAN_ROLE_RECEIVE : IPCCHAN_ROLE_SEND, 0);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	uint64_t random = job->seed + me;

	crew_gate(crew, 3);
	for (uint32_t i = 0; i < job->messages; i++) {
		ssize_t rc = me ? ipcchan_recv(port, NULL, 0, NULL, PATIENCE_NS) :
				  ipcchan_send(port, NULL, 0, PATIENCE_NS);

		if (rc)
			crew_fail(crew, "%s", ipcchan_strerror((int)rc));
		if (me)
			random_pause(&random);
	}
	ipcchan_port_get_stats(port, &stats);
	crew_add(crew, me ? FIRST_KICKS + me - 1 : WAITS, me ? stats.kicks : stats.waits);
	crew_gate(crew, 6);
	ipcchan_port_close(port);
}

FIXTURE(cost) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct crew crew;
	struct job job;
};

FIXTURE_SETUP(cost)
{
	accounts_read(&self->before);
	unique_name(self->name, "cost");
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2));
	ASSERT_EQ(0, crew_init(&self->crew));
	self->job = (struct job){
		.name = self->name, .messages = heavy(3000, 600), .seed = random_seed(),
	};
	TH_LOG("IPCCHAN_TEST_SEED=%llu", (unsigned long long)self->job.seed);
}

FIXTURE_TEARDOWN(cost)
{
	crew_free(&self->crew);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Breaks it: a kick for every message passed, whatever the sender awaits. */
TEST_F_TIMEOUT(cost, one_kick_for_a_sleep, LIMIT)
{
	uint64_t waits, kicks[2];
	const char *wrong;

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(i, crew_start(&self->crew, body_cost, &self->job));
	}
	wrong = crew_end(&self->crew, LIMIT - 20);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	waits = crew_word(&self->crew, WAITS);
	kicks[0] = crew_word(&self->crew, FIRST_KICKS);
	kicks[1] = crew_word(&self->crew, FIRST_KICKS + 1);
	TH_LOG("%u messages, %lu waits, %lu and %lu kicks", self->job.messages,
	       (unsigned long)waits, (unsigned long)kicks[0], (unsigned long)kicks[1]);
	EXPECT_LT(0, waits);
	EXPECT_LT(0, kicks[0] + kicks[1]);
	EXPECT_GE(waits, kicks[0]);
	EXPECT_GE(waits, kicks[1]);
	EXPECT_GT(2 * self->job.messages, waits);
}

TEST_HARNESS_MAIN
