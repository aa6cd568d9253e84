// SPDX-License-Identifier: GPL-2.0
/*
 * Dead-letter queues, and what others could do with them: who pays for the slot
 * there, what ends it, in whose turn the dead are copied, and who waits for it.
 *
 * What breaks these: dead.c, slot.c (lending), look.c, lease.c and stall.c (what
 * waits for whose work).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "queue.h"
#include "who.h"

#define MIB	(1u << 20)

FIXTURE(dead) {
	struct bench b;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port rx;
};

static int make_queue(const char *name, const char *dead_letter, struct ipcchan_geometry geometry)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	args.type = IPCCHAN_TYPE_QUEUE;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.mode = 0666;
	args.geometry = geometry;
	args.geometry.receivers = 2;
	args.geometry.holds = 8;
	if (dead_letter) {
		args.max_deliveries = 1;
		strcpy(args.dead_letter, dead_letter);
	}
	err = call_create(fd, &args);
	close(fd);
	return err;
}

/* The queue of the dead, and one that names it. */
FIXTURE_SETUP(dead)
{
	struct ipcchan_geometry geometry = { .depth = 4, .senders = 2, .arena = 512 };

	bench_init(&self->b);
	unique_name(self->name, "dead");
	ASSERT_EQ(0, make_queue(self->name, NULL, geometry)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->rx, self->name, IPCCHAN_RECEIVE));
	self->b.args.max_deliveries = 1;
	strcpy(self->b.args.dead_letter, self->name);
	ASSERT_EQ(0, bench_open(&self->b)) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(dead)
{
	drop_channel(self->b.name);
	drop_channel(self->name);
	leave(&self->rx);
	EXPECT_TRUE(bench_close(&self->b));
}

static int refuse_next(const struct raw_port *rx)
{
	struct ipcchan_claimed claim;
	int err = claim_one(rx, &claim);

	return err ? err : judge(rx, claim.sequence, IPCCHAN_REFUSE, 0);
}

/* A message of that length dies. */
static int kill_one(struct raw_port *tx, const struct raw_port *rx, uint32_t length, uint64_t tag)
{
	static const char text[16384];

	raw_publish(tx, text, length, tag);
	raw_kick_receivers(tx);
	return refuse_next(rx);
}

/* Waits for the next there: its tag, or -errno. */
static int64_t work_within(const struct raw_port *rx, uint32_t ms)
{
	struct ipcchan_claimed claim;
	int n = claim_call(rx, NULL, 0, &claim, 1, now_ns() + ms * MS);
	int64_t tag;

	if (n != 1)
		return n;
	tag = (int64_t)tag_at(rx, &claim);
	n = judge(rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0);
	return n ? n : tag;
}

static bool slot_empties(const struct raw_port *rx, uint32_t slot)
{
	return slot_becomes(rx, raw_sender_slot(rx, slot), IPCCHAN_SLOT_EMPTY);
}

/* The slot there is given up with the queue, though somebody has its file open. */
TEST_F(dead, end_with_the_queue)
{
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, raw_sender_slot(&self->rx, 0)->state);
	ASSERT_EQ(0, drop_channel(self->b.name));
	EXPECT_TRUE(slot_empties(&self->rx, 0));
}

/* What was copied there before is read; then the slot is free. */
TEST_F(dead, end_when_read)
{
	ASSERT_EQ(0, kill_one(&self->b.tx[0], &self->b.rx[0], 100, 5));
	sleep_ms(200);
	ASSERT_EQ(0, drop_channel(self->b.name));
	EXPECT_EQ(5, work_within(&self->rx, 1000));
	EXPECT_TRUE(slot_empties(&self->rx, 0));
}

/* None of a chain of them keeps another. */
static int chain(void *arg)
{
	struct ipcchan_geometry geometry = { .depth = 1, .senders = 1, .arena = 64 };
	char name[IPCCHAN_NAME_SIZE], next[IPCCHAN_NAME_SIZE];
	int err = make_queue("chain/0", NULL, geometry);

	strcpy(name, "chain/0");
	for (int i = 1; i < 400 && !err; i++) {
		snprintf(next, sizeof(next), "chain/%d", i);
		err = make_queue(next, name, geometry);
		if (!err)
			err = drop_channel(name);
		strcpy(name, next);
	}
	return err ? err : drop_channel(name);
}

TEST_F(dead, hang_not_together)
{
	EXPECT_EQ(0, run_as(ALICE, chain, NULL)) TH_LOG("%s", why);
}

/* Who names a queue for his dead pays for the room there, not its owner. */
static const struct ipcchan_geometry wide = { .depth = 16, .senders = 3, .arena = MIB };

static int make_wide(void *name)
{
	return make_queue(name, NULL, wide);
}

static int make_to_wide(void *name)
{
	struct ipcchan_geometry geometry = { .depth = 1, .senders = 1, .arena = 64 };

	return make_queue("bob/other", name, geometry);
}

static int attach_there(void *name)
{
	struct raw_port tx;

	return raw_open(&tx, name, IPCCHAN_SEND);
}

static int drop_there(void *arg)
{
	return drop_channel(arg);
}

TEST_F(dead, charge_who_names)
{
	uint64_t limit = param_get("max_user_bytes"), bytes;
	char name[IPCCHAN_NAME_SIZE];

	unique_name(name, "wide");
	ASSERT_EQ(0, run_as(ALICE, make_wide, name));
	param_set("max_user_bytes", 3 * MIB / 2);
	EXPECT_EQ(0, run_as(BOB, make_to_wide, name)) TH_LOG("%s", why);
	EXPECT_EQ(0, run_as(ALICE, attach_there, name)) TH_LOG("%s", why);
	param_set("max_user_bytes", limit);
	bytes = param_get("bytes");
	EXPECT_EQ(0, run_as(ALICE, drop_there, name));
	EXPECT_GE(bytes - MIB, param_get("bytes"));
	EXPECT_EQ(0, drop_channel("bob/other"));
}

/* An evicted slot costs nobody anything any more. */
TEST_F(dead, end_by_eviction)
{
	uint64_t bytes = param_get("bytes");

	ASSERT_EQ(0, evict(self->name, raw_sender_slot(&self->rx, 0)->port_id));
	EXPECT_GE(bytes - 4096, param_get("bytes"));
	EXPECT_EQ(0, kill_one(&self->b.tx[0], &self->b.rx[0], 100, 5));
	EXPECT_EQ(-ETIMEDOUT, work_within(&self->rx, 200));
}

/* A name that is taken leaves no trace in the other queue. */
TEST_F(dead, not_for_a_name_that_is_taken)
{
	uint64_t generation = raw_roster(&self->rx)->sender_generation;

	EXPECT_EQ(-EEXIST, make_queue(self->b.name, self->name, wide));
	EXPECT_EQ(generation, raw_roster(&self->rx)->sender_generation);
}

/* All room is one piece, once nothing is in it. */
TEST_F(dead, fit_when_it_is_empty)
{
	struct bench *b = &self->b;

	ASSERT_EQ(0, kill_one(&b->tx[0], &b->rx[0], 200, 5));
	EXPECT_EQ(5, work_within(&self->rx, 1000));
	ASSERT_EQ(0, kill_one(&b->tx[0], &b->rx[0], 500, 6));
	EXPECT_EQ(6, work_within(&self->rx, 1000));
}

/* Lengths that leave gaps at the end, with others still there. */
TEST_F(dead, go_round)
{
	struct bench *b = &self->b;

	for (uint32_t i = 0; i < 60; i++) {
		raw_publish(&b->tx[0], "", 70 + i * 37 % 50, i);
		raw_kick_receivers(&b->tx[0]);
		ASSERT_EQ(0, refuse_next(&b->rx[0]));
		if (i > 1)
			ASSERT_EQ(i - 2, work_within(&self->rx, 2000));
		while (!is_retired(&b->tx[0], b->tx[0].next - 1))
			sleep_ms(1);
		b->tx[0].room = 0;
	}
}

/* A letter that was not taken in yet is still there: the next goes elsewhere. */
TEST_F(dead, not_over_one_another)
{
	const struct ipcchan_geometry crowded = { .depth = 128, .senders = 2, .arena = 16384 };
	const struct ipcchan_geometry small = { .depth = 4, .senders = 1, .arena = 512 };
	char to[IPCCHAN_NAME_SIZE], from[IPCCHAN_NAME_SIZE], letter[200];
	struct raw_port early, there, tx, rx;
	struct ipcchan_claimed claim;
	int letters = 0;

	unique_name(to, "crowded");
	unique_name(from, "small");
	ASSERT_EQ(0, make_queue(to, NULL, crowded));
	ASSERT_EQ(0, raw_open(&early, to, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&there, to, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, make_queue(from, to, small));
	ASSERT_EQ(0, raw_open(&tx, from, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&rx, from, IPCCHAN_RECEIVE));
	/* more than is taken in at a time, and nobody is told */
	for (int i = 0; i < 100; i++)
		raw_publish(&early, "x", 1, i);
	for (int i = 0; i < 2; i++) {
		memset(letter, 'a' + i, sizeof(letter));
		raw_publish(&tx, letter, sizeof(letter), i);
		ASSERT_EQ(0, refuse_next(&rx));
		for (int ms = 0; ms < 2000 && !is_retired(&tx, tx.base + 1 + i); ms++)
			sleep_ms(1);
		ASSERT_TRUE(is_retired(&tx, tx.base + 1 + i));
	}
	while (!claim_one(&there, &claim)) {
		if (claim.slot) {
			EXPECT_EQ('a' + letters,
				  *raw_peer_payload(&there, claim.slot, claim.sequence));
			letters++;
		}
		ASSERT_EQ(0, judge(&there, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	}
	EXPECT_EQ(2, letters);
	leave(&tx);
	leave(&rx);
	leave(&early);
	leave(&there);
	ASSERT_EQ(0, drop_channel(from));
	ASSERT_EQ(0, drop_channel(to));
}

/* One that finds no room holds up only those of its own sender. */
TEST_F(dead, take_turns)
{
	struct bench *b = &self->b;

	ASSERT_EQ(0, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	ASSERT_EQ(0, kill_one(&b->tx[0], &b->rx[0], 300, 5));
	ASSERT_EQ(0, kill_one(&b->tx[0], &b->rx[0], 300, 6));
	sleep_ms(200);
	ASSERT_EQ(0, kill_one(&b->tx[1], &b->rx[0], 10, 7));
	sleep_ms(200);
	EXPECT_TRUE(is_retired(&b->tx[1], b->tx[1].base + 1));
	EXPECT_FALSE(is_retired(&b->tx[0], b->tx[0].base + 2));
	EXPECT_EQ(5, work_within(&self->rx, 1000));
	EXPECT_EQ(7, work_within(&self->rx, 1000));
	EXPECT_EQ(6, work_within(&self->rx, 1000));
}

/* Who waits for the roster hears of it. */
TEST_F(dead, wake_for_the_roster)
{
	uint64_t senders = raw_roster(&self->rx)->sender_generation;
	uint64_t receivers = raw_roster(&self->rx)->receiver_generation;
	struct ipcchan_geometry geometry = { .depth = 1, .senders = 1, .arena = 64 };
	char other[IPCCHAN_NAME_SIZE];
	uint32_t events = 0;
	int status;
	pid_t pid;

	unique_name(other, "other");
	pid = fork();
	if (!pid) {
		sleep_ms(300);
		_exit(!!make_queue(other, self->name, geometry));
	}
	EXPECT_EQ(0, wait_roster(&self->rx, senders, receivers, now_ns() + 5 * SECOND, &events));
	EXPECT_EQ(IPCCHAN_WAIT_ROSTER, events);
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	drop_channel(other);
}

/* Who reads the dead is not told that nobody is left, as long as they can come. */
TEST_F(dead, are_still_expected)
{
	struct bench *b = &self->b;
	struct raw_port tx;

	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	leave(&tx);
	EXPECT_EQ(-ETIMEDOUT, work_within(&self->rx, 10));
	EXPECT_EQ(0, poll_for(&self->rx, POLLIN | POLLRDHUP, 0));
	ASSERT_EQ(0, kill_one(&b->tx[0], &b->rx[0], 100, 5));
	EXPECT_EQ(5, work_within(&self->rx, 1000));
	EXPECT_EQ(-ETIMEDOUT, work_within(&self->rx, 10));
	ASSERT_EQ(0, drop_channel(b->name));
	EXPECT_EQ(-EPIPE, work_within(&self->rx, 1000));
}

/* Who sleeps there for the dead is woken when none can come any more. */
TEST_F(dead, hang_up)
{
	struct claimer c = { .port = &self->rx, .deadline_ns = FOREVER, .most = 1 };
	struct raw_port tx;

	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	leave(&tx);
	ASSERT_TRUE(claimer_start(&c));
	ASSERT_EQ(0, drop_channel(self->b.name));
	EXPECT_TRUE(claimer_ends(&c));
	EXPECT_EQ(-EPIPE, c.result);
}

/* Who is to be told by a signal, and sleeps nowhere, is told when the last is read. */
TEST_F(dead, hang_up_by_signal)
{
	struct timespec soon = { .tv_sec = 2 };
	struct ipcchan_claimed claim;
	struct raw_port tx;
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	leave(&tx);
	ASSERT_EQ(0, kill_one(&self->b.tx[0], &self->b.rx[0], 10, 5));
	ASSERT_EQ(1, claim_call(&self->rx, NULL, 0, &claim, 1, FOREVER));
	ASSERT_EQ(0, drop_channel(self->b.name));
	ASSERT_EQ(0, fcntl(self->rx.fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->rx.fd, F_SETSIG, SIGUSR1));
	ASSERT_EQ(0, fcntl(self->rx.fd, F_SETFL, O_ASYNC));
	ASSERT_EQ(0, judge(&self->rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	ASSERT_EQ(SIGUSR1, sigtimedwait(&set, &info, &soon));
	EXPECT_EQ(POLL_HUP, info.si_code);
}

/*
 * Copies of large messages of somebody's, as many as he likes: their descriptors
 * name the same bytes. Delays of others are kept meanwhile.
 */
#define HEAVY	(16 * MIB)

static int make_heavy(void)
{
	struct ipcchan_geometry geometry = { .depth = 64, .senders = 1, .arena = 2 * HEAVY };

	return make_queue("heavy/dead", NULL, geometry) ||
	       make_queue("heavy/queue", "heavy/dead", geometry);
}

static int be_heavy(int ready)
{
	struct raw_port tx, rx, dead;

	if (raw_open(&tx, "heavy/queue", IPCCHAN_SEND) ||
	    raw_open(&rx, "heavy/queue", IPCCHAN_RECEIVE) ||
	    raw_open(&dead, "heavy/dead", IPCCHAN_RECEIVE))
		return 1;
	for (unsigned int i = 0;; i++) {
		if (i == 64 && write(ready, "", 1) != 1)
			return 1;
		if (i >= 64 && work_within(&dead, 10000) != 1)
			return 1;
		while (i >= 64 && !is_retired(&tx, tx.next - 64))
			sleep_ms(1);
		raw_publish(&tx, NULL, 0, 1);
		raw_desc(&tx, tx.next - 1)->length = HEAVY;
		if (refuse_next(&rx))
			return 1;
	}
}

TEST_F(dead, delay_nobody_else)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	int ready[2];
	char byte;
	pid_t pid;

	drop_channel(b->name);
	leave(&b->tx[0]);
	leave(&b->rx[0]);
	b->args.max_deliveries = 0;
	memset(b->args.dead_letter, 0, sizeof(b->args.dead_letter));
	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, make_heavy());
	pid = fork();
	if (!pid)
		_exit(be_heavy(ready[1]));
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	for (int i = 0; i < 10; i++) {
		uint64_t start = now_ns();

		put(&b->tx[0], i, 0);
		ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
		ASSERT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_REFUSE, 20 * MS));
		ASSERT_EQ(1, claim_call(&b->rx[0], NULL, 0, &claim, 1, FOREVER));
		EXPECT_GE(SECOND, now_ns() - start);
		EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	}
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	drop_channel("heavy/queue");
	drop_channel("heavy/dead");
}

TEST_HARNESS_MAIN
