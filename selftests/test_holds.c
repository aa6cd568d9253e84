// SPDX-License-Identifier: GPL-2.0
/*
 * Messages held, and loans out: several at a time, ended in any order.
 *
 * What breaks these: the order of H and J in a scan, a pin forgotten (the arena
 * is given out again under a hold), a release that wakes no sender (E), an id
 * taken for another's.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

/* The shortest message that takes room in the arena. */
#define LONG (IPCCHAN_INSIDE + 1)
#define DEPTH	16
#define ARENA	65536
#define HOLDS	5

FIXTURE(holds) {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct crew crew;
	struct ipcchan_port *tx;
	struct ipcchan_port *rx;
	struct ipcchan_message m[HOLDS + 1];
	struct ipcchan_loan loans[DEPTH + 1];
	char buffer[ARENA];
};

FIXTURE_SETUP(holds)
{
	struct ipcchan_options options;
	struct ipcchan_error error;

	accounts_read(&self->before);
	ASSERT_EQ(0, crew_init(&self->crew));
	unique_name(self->name, "holds");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE | IPCCHAN_OPEN_TIMESTAMPS;
	options.depth = DEPTH;
	options.arena = ARENA;
	options.holds = HOLDS;
	ASSERT_EQ(0, ipcchan_open(&self->rx, self->name, IPCCHAN_ROLE_RECEIVE, &options, &error))
		TH_LOG("%s", error.text);
	ASSERT_EQ(0, ipcchan_open(&self->tx, self->name, IPCCHAN_ROLE_SEND, &options, &error))
		TH_LOG("%s", error.text);
}

FIXTURE_TEARDOWN(holds)
{
	crew_free(&self->crew);
	ipcchan_port_close(self->tx);
	ipcchan_port_close(self->rx);
	EXPECT_TRUE(accounts_settle(&self->before));
}

#define SEND(tag, length) \
	ASSERT_EQ(0, send_pattern(self->tx, tag, length, IPCCHAN_NO_WAIT))
#define RECEIVE(i) \
	ASSERT_EQ(0, ipcchan_receive(self->rx, &self->m[i], IPCCHAN_NO_WAIT))
#define RELEASE(i) \
	EXPECT_EQ(0, ipcchan_release(self->rx, &self->m[i]))
#define EXPECT_INTACT(i) \
	EXPECT_TRUE(pattern_matches(self->m[i].data, self->m[i].length, self->m[i].tag))

TEST_F(holds, as_many_as_the_channel_says)
{
	for (int i = 0; i <= HOLDS; i++) {
		SEND(i, 100);
	}
	for (int i = 0; i < HOLDS; i++) {
		RECEIVE(i);
	}
	/* It is said at once, also to one who would wait. */
	EXPECT_EQ(-ENOBUFS, ipcchan_receive(self->rx, &self->m[HOLDS], IPCCHAN_NO_WAIT));
	EXPECT_EQ(-ENOBUFS, ipcchan_receive(self->rx, &self->m[HOLDS], IPCCHAN_WAIT_FOREVER_NS));
	RELEASE(2);
	RECEIVE(2);
	EXPECT_EQ(HOLDS, self->m[2].tag);
	EXPECT_EQ(-ENOBUFS, ipcchan_receive(self->rx, &self->m[HOLDS], IPCCHAN_NO_WAIT));
	for (int i = 0; i < HOLDS; i++) {
		EXPECT_INTACT(i);
		RELEASE(i);
	}
}

TEST_F(holds, released_in_any_order)
{
	static const int order[HOLDS] = { 2, 0, 4, 1, 3 };
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < HOLDS; i++) {
			SEND(round * HOLDS + i, 1000 + 3000 * i);
			RECEIVE(i);
		}
		for (int i = 0; i < HOLDS; i++) {
			EXPECT_INTACT(order[i]);
			RELEASE(order[i]);
		}
	}
	ASSERT_EQ(0, ipcchan_port_get_stats(self->rx, &stats));
	EXPECT_EQ(0, stats.holds);
	EXPECT_EQ(20 * HOLDS, stats.received);
}

static bool overlap(const struct ipcchan_message *a, const struct ipcchan_message *b)
{
	const char *p = a->data, *q = b->data;

	return a->length && b->length && p < q + b->length && q < p + a->length;
}

/* The ring goes round many times while some are held, some by turns. */
TEST_F(holds, held_messages_never_change)
{
	uint64_t random = random_seed();
	int held = HOLDS - 1;
	uint32_t tag = 0;

	for (int i = 0; i < held; i++, tag++) {
		SEND(tag, 700 * i + 64);
		RECEIVE(i);
	}
	for (uint32_t n = 0; n < heavy(2000, 500); n++, tag++) {
		struct ipcchan_message *new = &self->m[held];
		int other = random_next(&random) % held;

		SEND(tag, pattern_length(tag, 8192));
		RECEIVE(held);
		EXPECT_EQ(tag, new->tag);
		EXPECT_INTACT(held);
		for (int i = 0; i < held; i++) {
			ASSERT_FALSE(overlap(&self->m[i], new));
			EXPECT_INTACT(i);
		}
		/* Mostly it is the new one that goes. */
		if (n % 8) {
			RELEASE(held);
			continue;
		}
		RELEASE(other);
		self->m[other] = *new;
	}
}

/* What two hold is free when both have let go. */
TEST_F(holds, two_hold_the_same)
{
	struct ipcchan_message mine, other;
	struct ipcchan_port *rx2;

	ASSERT_EQ(0, ipcchan_open(&rx2, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	SEND(1, ARENA);
	ASSERT_EQ(0, ipcchan_receive(self->rx, &mine, IPCCHAN_NO_WAIT));
	ASSERT_EQ(0, ipcchan_receive(rx2, &other, IPCCHAN_NO_WAIT));
	EXPECT_EQ(-EAGAIN, send_pattern(self->tx, 2, LONG, IPCCHAN_NO_WAIT));
	EXPECT_EQ(0, ipcchan_release(self->rx, &mine));
	EXPECT_EQ(-EAGAIN, send_pattern(self->tx, 2, LONG, IPCCHAN_NO_WAIT));
	EXPECT_TRUE(pattern_matches(other.data, ARENA, 1));
	EXPECT_EQ(0, ipcchan_release(rx2, &other));
	EXPECT_EQ(0, send_pattern(self->tx, 2, ARENA, IPCCHAN_NO_WAIT));
	ipcchan_port_close(rx2);
}

/* A message that was passed long ago, its descriptor's place used again. */
TEST_F(holds, a_hold_does_not_stop_the_ring)
{
	SEND(0, 30000);
	RECEIVE(0);
	for (int i = 1; i < 5 * DEPTH; i++) {
		SEND(i, 30000);
		RECEIVE(1);
		RELEASE(1);
	}
	EXPECT_EQ(-EAGAIN, send_pattern(self->tx, 9, ARENA, IPCCHAN_NO_WAIT));
	EXPECT_INTACT(0);
	RELEASE(0);
	EXPECT_EQ(0, send_pattern(self->tx, 9, ARENA, IPCCHAN_NO_WAIT));
}

/* Sleeps until the arena is free. */
static void body_blocked(struct crew *crew, int me, const void *arg)
{
	struct ipcchan_port *port = crew_open(crew, arg, IPCCHAN_ROLE_SEND, 0);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	int rc;

	(void)me;
	if (send_pattern(port, 0, ARENA / 2, IPCCHAN_NO_WAIT) ||
	    send_pattern(port, 1, ARENA / 2, IPCCHAN_NO_WAIT))
		crew_fail(crew, "no room for the first two");
	crew_gate(crew, 1);
	rc = send_pattern(port, 2, ARENA / 2, PATIENCE_NS);
	if (rc)
		crew_fail(crew, "the third: %s", ipcchan_strerror(rc));
	ipcchan_port_get_stats(port, &stats);
	if (stats.full != 1 || !stats.waits)
		crew_fail(crew, "did not sleep: full %lu, waits %lu", (unsigned long)stats.full,
			  (unsigned long)stats.waits);
	ipcchan_port_close(port);
}

static void start_blocked(struct crew *crew, const char *name)
{
	crew_start(crew, body_blocked, name);
	for (int i = 0; i < 10000 && !crew->board->ready; i++)
		usleep(1000);
	usleep(200000);
}

/* In either order: what was passed last, or first, is given back. */
TEST_F_TIMEOUT(holds, a_release_wakes_the_sender, 90)
{
	for (int last = 0; last < 2; last++) {
		const char *wrong;

		self->crew.board->ready = 0;
		start_blocked(&self->crew, self->name);
		RECEIVE(0);
		RECEIVE(1);
		usleep(50000);
		RELEASE(last);
		wrong = crew_join(&self->crew, last, 60);
		EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
		EXPECT_INTACT(!last);
		RELEASE(!last);
		RECEIVE(0);
		EXPECT_EQ(2, self->m[0].tag);
		EXPECT_INTACT(0);
		RELEASE(0);
	}
}

TEST_F_TIMEOUT(holds, a_dead_receivers_holds_are_free, 90)
{
	const char *wrong;

	start_blocked(&self->crew, self->name);
	RECEIVE(0);
	RECEIVE(1);
	ipcchan_port_close(self->rx);
	self->rx = NULL;
	wrong = crew_end(&self->crew, 60);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
}

TEST_F(holds, only_what_is_held_can_be_released)
{
	struct ipcchan_message stale, nothing = { 0 };

	SEND(0, 10);
	SEND(1, 10);
	RECEIVE(0);
	stale = self->m[0];
	RELEASE(0);
	EXPECT_EQ(NULL, self->m[0].data);
	EXPECT_EQ(-EINVAL, ipcchan_release(self->rx, &self->m[0]));
	EXPECT_EQ(-EINVAL, ipcchan_release(self->rx, &stale));
	/* Its number may be in use again. */
	RECEIVE(1);
	EXPECT_EQ(-EINVAL, ipcchan_release(self->rx, &stale));
	EXPECT_EQ(-EINVAL, ipcchan_release(self->rx, &nothing));
	stale.id = UINT32_MAX - 1;
	EXPECT_EQ(-EINVAL, ipcchan_release(self->rx, &stale));
	EXPECT_INTACT(1);
	RELEASE(1);
	EXPECT_EQ(-EPERM, ipcchan_release(self->tx, &stale));
}

TEST_F(holds, a_message_too_long_for_recv_comes_again)
{
	struct ipcchan_message m = { 0 };

	SEND(5, 1000);
	SEND(6, 0);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-EMSGSIZE, ipcchan_recv(self->rx, self->buffer, 999, &m, IPCCHAN_NO_WAIT));
		EXPECT_EQ(1000, m.length);
		EXPECT_EQ(5, m.tag);
		EXPECT_EQ(NULL, m.data);
	}
	EXPECT_EQ(-EMSGSIZE, ipcchan_recv(self->rx, NULL, 0, NULL, IPCCHAN_NO_WAIT));
	EXPECT_EQ(1000, ipcchan_recv(self->rx, self->buffer, 1000, &m, IPCCHAN_NO_WAIT));
	EXPECT_TRUE(pattern_matches(self->buffer, 1000, 5));
	EXPECT_EQ(-EINVAL, ipcchan_release(self->rx, &m));
	EXPECT_EQ(0, ipcchan_recv(self->rx, NULL, 0, &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(6, m.tag);
	EXPECT_EQ(-EAGAIN, ipcchan_recv(self->rx, self->buffer, 1, NULL, IPCCHAN_NO_WAIT));
}

/* What goes with a message. */
TEST_F(holds, a_message_brings_its_tag_priority_time)
{
	struct ipcchan_peer_info who = { .size = sizeof(who) };
	struct timespec before, after;
	struct ipcchan_loan loan;
	uint64_t last = 0;

	for (int i = 0; i < 4; i++) {
		clock_gettime(CLOCK_MONOTONIC, &before);
		ASSERT_EQ(0, ipcchan_reserve(self->tx, 1, &loan, IPCCHAN_NO_WAIT));
		EXPECT_EQ(0, loan.tag);
		EXPECT_EQ(0, loan.priority);
		loan.tag = UINT64_MAX - i;
		loan.priority = 65535 - i;
		ASSERT_EQ(0, ipcchan_commit(self->tx, &loan));
		clock_gettime(CLOCK_MONOTONIC, &after);
		RECEIVE(i);
		EXPECT_EQ(UINT64_MAX - i, self->m[i].tag);
		EXPECT_EQ(65535 - i, self->m[i].priority);
		EXPECT_LE(before.tv_sec * SECOND_NS + before.tv_nsec, self->m[i].time_ns);
		EXPECT_GE(after.tv_sec * SECOND_NS + after.tv_nsec, self->m[i].time_ns);
		if (last) {
			EXPECT_EQ(last + 1, self->m[i].sequence);
		}
		last = self->m[i].sequence;
		EXPECT_EQ(0, ipcchan_port_peer(self->rx, IPCCHAN_ROLE_SEND, self->m[i].sender, &who));
		EXPECT_EQ(getpid(), who.pid);
	}
}

TEST_F(holds, loans_are_committed_in_any_order)
{
	static const int order[] = { 3, 0, 4, 1, 2 };

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, ipcchan_reserve(self->tx, 3000, &self->loans[i], IPCCHAN_NO_WAIT));
		pattern_fill(self->loans[i].data, 3000, i);
		self->loans[i].tag = i;
	}
	EXPECT_EQ(-EAGAIN, ipcchan_receive(self->rx, &self->m[0], IPCCHAN_NO_WAIT));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, ipcchan_commit(self->tx, &self->loans[order[i]]));
		RECEIVE(i);
		EXPECT_EQ(order[i], self->m[i].tag);
		EXPECT_INTACT(i);
	}
}

TEST_F(holds, an_aborted_loan_was_never_there)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ipcchan_reserve(self->tx, ARENA / 4, &self->loans[i], IPCCHAN_NO_WAIT));
		pattern_fill(self->loans[i].data, ARENA / 4, i);
		self->loans[i].tag = i;
	}
	ipcchan_abort(self->tx, &self->loans[1]);
	EXPECT_EQ(-EINVAL, ipcchan_commit(self->tx, &self->loans[1]));
	EXPECT_EQ(0, ipcchan_commit(self->tx, &self->loans[2]));
	EXPECT_EQ(-EINVAL, ipcchan_commit(self->tx, &self->loans[2]));
	ipcchan_abort(self->tx, &self->loans[2]);
	EXPECT_EQ(0, ipcchan_commit(self->tx, &self->loans[0]));
	RECEIVE(0);
	RECEIVE(1);
	EXPECT_EQ(2, self->m[0].tag);
	EXPECT_EQ(0, self->m[1].tag);
	EXPECT_INTACT(0);
	EXPECT_INTACT(1);
	EXPECT_EQ(-EAGAIN, ipcchan_receive(self->rx, &self->m[2], IPCCHAN_NO_WAIT));
	ASSERT_EQ(0, ipcchan_port_get_stats(self->tx, &stats));
	EXPECT_EQ(0, stats.loans);
	EXPECT_EQ(ARENA / 2, stats.arena_used);
}

/* The place of a loan that has ended may be that of another. */
TEST_F(holds, a_stale_loan_is_nobodys)
{
	struct ipcchan_loan stale;

	ASSERT_EQ(0, ipcchan_reserve(self->tx, 100, &self->loans[0], IPCCHAN_NO_WAIT));
	stale = self->loans[0];
	ipcchan_abort(self->tx, &self->loans[0]);
	ASSERT_EQ(0, ipcchan_reserve(self->tx, 100, &self->loans[1], IPCCHAN_NO_WAIT));
	EXPECT_EQ(-EINVAL, ipcchan_commit(self->tx, &stale));
	ipcchan_abort(self->tx, &stale);
	stale.id = UINT32_MAX;
	EXPECT_EQ(-EINVAL, ipcchan_commit(self->tx, &stale));
	EXPECT_EQ(0, ipcchan_commit(self->tx, &self->loans[1]));
}

/* What a message does not fill is free at once; it cannot grow. */
TEST_F(holds, a_loan_can_be_lowered_only)
{
	struct ipcchan_loan *loan = &self->loans[0];

	ASSERT_EQ(0, ipcchan_reserve(self->tx, ARENA, loan, IPCCHAN_NO_WAIT));
	loan->length = ARENA + 1;
	EXPECT_EQ(-EINVAL, ipcchan_commit(self->tx, loan));
	pattern_fill(loan->data, 100, 1);
	loan->length = 100;
	loan->tag = 1;
	EXPECT_EQ(0, ipcchan_commit(self->tx, loan));
	ASSERT_EQ(0, ipcchan_reserve(self->tx, ARENA - 128, loan, IPCCHAN_NO_WAIT));
	memset(loan->data, 0xff, ARENA - 128);
	loan->length = 0;
	EXPECT_EQ(0, ipcchan_commit(self->tx, loan));
	SEND(3, ARENA - 128);
	RECEIVE(0);
	EXPECT_EQ(100, self->m[0].length);
	EXPECT_INTACT(0);
	RECEIVE(1);
	EXPECT_EQ(0, self->m[1].length);
	RECEIVE(2);
	EXPECT_INTACT(2);
}

TEST_F(holds, as_many_loans_as_the_ring_is_deep)
{
	for (int i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, ipcchan_reserve(self->tx, 1, &self->loans[i], IPCCHAN_NO_WAIT));
	}
	EXPECT_EQ(-ENOBUFS, ipcchan_reserve(self->tx, 1, &self->loans[DEPTH], IPCCHAN_NO_WAIT));
	EXPECT_EQ(-ENOBUFS, ipcchan_reserve(self->tx, 0, &self->loans[DEPTH], PATIENCE_NS));
	for (int i = 0; i < DEPTH; i++) {
		EXPECT_EQ(0, ipcchan_commit(self->tx, &self->loans[i]));
	}
	/* Now it is a matter of waiting. */
	EXPECT_EQ(-EAGAIN, ipcchan_reserve(self->tx, 1, &self->loans[DEPTH], IPCCHAN_NO_WAIT));
}

TEST_F(holds, the_whole_arena_and_no_more)
{
	for (int i = 0; i < 3; i++) {
		SEND(i, ARENA);
		EXPECT_EQ(-EAGAIN, send_pattern(self->tx, 9, LONG, IPCCHAN_NO_WAIT));
		RECEIVE(0);
		EXPECT_EQ(ARENA, self->m[0].length);
		EXPECT_INTACT(0);
		EXPECT_EQ(-EAGAIN, send_pattern(self->tx, 9, LONG, IPCCHAN_NO_WAIT));
		RELEASE(0);
	}
	EXPECT_EQ(-EMSGSIZE, ipcchan_reserve(self->tx, ARENA + 1, &self->loans[0], PATIENCE_NS));
	EXPECT_EQ(-EMSGSIZE, ipcchan_reserve(self->tx, SIZE_MAX, &self->loans[0], PATIENCE_NS));
	EXPECT_EQ(-EMSGSIZE, ipcchan_send(self->tx, self->buffer, ARENA + 1, PATIENCE_NS));
	/* All of it on loan: nobody else could give anything back. */
	ASSERT_EQ(0, ipcchan_reserve(self->tx, ARENA, &self->loans[0], IPCCHAN_NO_WAIT));
	EXPECT_EQ(-ENOBUFS, ipcchan_reserve(self->tx, LONG, &self->loans[1], PATIENCE_NS));
	ipcchan_abort(self->tx, &self->loans[0]);
	EXPECT_EQ(0, ipcchan_reserve(self->tx, ARENA, &self->loans[0], IPCCHAN_NO_WAIT));
	ipcchan_abort(self->tx, &self->loans[0]);
}

TEST_F(holds, max_message_is_the_limit)
{
	struct ipcchan_options options;
	struct ipcchan_port *tx;
	char name[IPCCHAN_NAME_SIZE];

	unique_name(name, "max");
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.arena = ARENA;
	options.max_message = 1000;
	ASSERT_EQ(0, ipcchan_open(&tx, name, IPCCHAN_ROLE_SEND, &options, NULL));
	EXPECT_EQ(0, send_pattern(tx, 1, 1000, IPCCHAN_NO_WAIT));
	EXPECT_EQ(-EMSGSIZE, send_pattern(tx, 1, 1001, IPCCHAN_NO_WAIT));
	ipcchan_port_close(tx);
}

TEST_HARNESS_MAIN
