// SPDX-License-Identifier: GPL-2.0
/*
 * Queues: each message to one receiver; order, priorities, senders in turn;
 * acknowledgements in any order, and what comes back of them; refusals, delays.
 *
 * What breaks these: queue.c (choosing, returning, retiring), claim.c (whose claim
 * it is), a priority that is not strict.
 */
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "queue.h"

FIXTURE(queue) {
	struct bench b;
};

FIXTURE_SETUP(queue)
{
	bench_init(&self->b);
	ASSERT_EQ(0, bench_open(&self->b)) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(queue)
{
	EXPECT_TRUE(bench_close(&self->b));
}

TEST_F(queue, one_gets_it)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	put(&b->tx[0], 7, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(b->tx[0].base + 1, claim.sequence);
	EXPECT_EQ(b->tx[0].attach.sender_slot, claim.slot);
	EXPECT_EQ(1, claim.deliveries);
	EXPECT_EQ(0, claim.flags);
	EXPECT_EQ(0, claim.reserved);
	EXPECT_EQ(7, tag_at(&b->rx[0], &claim));
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[1], &claim));
	EXPECT_EQ(-ENOENT, judge(&b->rx[1], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_FALSE(is_retired(&b->tx[0], claim.sequence));
	EXPECT_EQ(0, retired(&b->tx[0]));
	EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_TRUE(is_retired(&b->tx[0], claim.sequence));
	EXPECT_EQ(1, retired(&b->tx[0]));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
}

/* In one call: what is done, and what is next. */
TEST_F(queue, verdicts_and_claims_at_once)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[4];
	struct ipcchan_verdict v[4] = {};

	for (int i = 0; i < 8; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(4, claim_call(&b->rx[0], NULL, 0, claims, 4, 0));
	/* in another order than they came */
	for (int i = 0; i < 4; i++)
		v[i].sequence = claims[3 - i].sequence;
	v[2].kind = IPCCHAN_REFUSE;
	v[3].kind = IPCCHAN_DISCARD;
	ASSERT_EQ(4, claim_call(&b->rx[0], v, 4, claims, 4, 0));
	/* what was refused comes before newer ones, and says so */
	EXPECT_EQ(1, tag_at(&b->rx[0], &claims[0]));
	EXPECT_EQ(2, claims[0].deliveries);
	EXPECT_EQ(IPCCHAN_CLAIM_REDELIVERED, claims[0].flags);
	for (int i = 1; i < 4; i++) {
		EXPECT_EQ(3 + i, tag_at(&b->rx[0], &claims[i]));
		EXPECT_EQ(1, claims[i].deliveries);
	}
	EXPECT_EQ(3, retired(&b->tx[0]));
	EXPECT_FALSE(is_retired(&b->tx[0], b->tx[0].base + 2));
	EXPECT_TRUE(is_retired(&b->tx[0], b->tx[0].base + 1));
}

TEST_F(queue, priorities_are_strict)
{
	static const uint16_t priorities[] = { 0, 5, 31, 5, 0, 65535, 31, 1 };
	static const int order[] = { 2, 5, 6, 1, 3, 7, 0, 4 };
	struct bench *b = &self->b;

	for (int i = 0; i < 8; i++)
		put(&b->tx[0], i, priorities[i]);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(order[i], work(&b->rx[0]));
	/* also those of which nothing was taken in yet */
	put(&b->tx[0], 1, 0);
	EXPECT_EQ(1, work(&b->rx[0]));
	ASSERT_EQ(0, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	put(&b->tx[0], 2, 0);
	put(&b->tx[1], 3, 9);
	EXPECT_EQ(3, work(&b->rx[0]));
	EXPECT_EQ(2, work(&b->rx[0]));
}

TEST_F(queue, senders_in_turn)
{
	struct bench *b = &self->b;
	int64_t seen[4] = {};

	for (int i = 1; i < 4; i++)
		ASSERT_EQ(0, raw_open(&b->tx[i], b->name, IPCCHAN_SEND));
	for (int j = 0; j < 10; j++)
		put(&b->tx[0], j, 3);
	for (int i = 1; i < 4; i++)
		for (int j = 0; j < 3; j++)
			put(&b->tx[i], i * 100 + j, 3);
	for (int i = 0; i < 12; i++) {
		int64_t tag = work(&b->rx[0]);
		int sender = tag / 100;

		EXPECT_EQ(i % 4, sender);
		EXPECT_EQ(seen[sender]++, tag % 100);
	}
	for (int j = 3; j < 10; j++)
		EXPECT_EQ(j, work(&b->rx[0]));
}

/* A ring's places are its sender's again only in order; and no more than the depth. */
TEST_F(queue, ring_is_bounded)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[16];

	for (int i = 0; i < 16; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(8, claim_call(&b->rx[0], NULL, 0, claims, 16, 0));
	EXPECT_EQ(-ENOBUFS, claim_one(&b->rx[0], &claims[8]));
	/* over what is not retired: nobody gets that, before its place is free */
	put(&b->tx[0], 16, 0);
	for (int i = 1; i < 8; i++)
		EXPECT_EQ(0, judge(&b->rx[0], claims[i].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	for (int i = 8; i < 16; i++)
		EXPECT_EQ(i, work(&b->rx[0]));
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
	EXPECT_EQ(0, judge(&b->rx[0], claims[0].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(16, work(&b->rx[0]));
}

TEST_F(queue, sender_waits_for_room)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[3];
	uint64_t first;

	put(&b->tx[0], 0, 0);
	put(&b->tx[0], 1, 0);
	ASSERT_EQ(2, claim_call(&b->rx[0], NULL, 0, claims, 3, 0));
	first = claims[0].sequence;
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 0, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 0, first, 0));
	ASSERT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	/* something is retired, but not what it awaits */
	EXPECT_EQ(0, wait_room(&b->tx[0], 0, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 1, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 0, first, 0));
	ASSERT_EQ(0, judge(&b->rx[0], first, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(0, wait_room(&b->tx[0], 0, first, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_room(&b->tx[0], 0, first + 100, 0));
}

TEST_F(queue, refused_with_a_delay)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	uint64_t began;

	put(&b->tx[0], 1, 0);
	put(&b->tx[0], 2, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	began = now_ns();
	EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_REFUSE, 300 * MS));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(2, work(&b->rx[0]));
	EXPECT_EQ(1, claim_call(&b->rx[0], NULL, 0, &claim, 1, FOREVER));
	EXPECT_GE(now_ns() - began, 300 * MS);
	EXPECT_EQ(1, tag_at(&b->rx[0], &claim));
	EXPECT_EQ(2, claim.deliveries);
}

/* Those that are due, by when that is; then they are as all that come back. */
TEST_F(queue, delays_of_many)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[8];

	for (int i = 0; i < 4; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(4, claim_call(&b->rx[0], NULL, 0, claims, 8, 0));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, judge(&b->rx[0], claims[i].sequence, IPCCHAN_REFUSE, (4 - i) * 30 * MS));
	sleep_ms(200);
	ASSERT_EQ(4, claim_call(&b->rx[0], NULL, 0, claims, 8, FOREVER));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(i, tag_at(&b->rx[0], &claims[i]));
}

TEST_F(queue, poll_and_wait_see_it)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	uint32_t events;

	EXPECT_EQ(0, poll_for(&b->rx[0], POLLIN, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_for(&b->rx[0], IPCCHAN_WAIT_RECEIVE, 0, &events));
	put(&b->tx[0], 1, 0);
	EXPECT_EQ(POLLIN, poll_for(&b->rx[0], POLLIN, 0));
	EXPECT_EQ(0, wait_for(&b->rx[0], IPCCHAN_WAIT_RECEIVE, 0, &events));
	EXPECT_EQ(IPCCHAN_WAIT_RECEIVE, events);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(0, poll_for(&b->rx[0], POLLIN, 0));
	EXPECT_EQ(-ETIMEDOUT, wait_for(&b->rx[0], IPCCHAN_WAIT_RECEIVE, 0, &events));
	EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_REFUSE, 0));
	EXPECT_EQ(POLLIN, poll_for(&b->rx[0], POLLIN, 0));
}

/* The last sender has left: what is there is there; and what another has may come. */
TEST_F(queue, hang_up)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;
	uint32_t events;

	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	leave(&b->tx[0]);
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[1], &claim));
	EXPECT_EQ(0, poll_for(&b->rx[1], POLLIN | POLLRDHUP, 0));
	EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_REFUSE, 0));
	EXPECT_EQ(1, work(&b->rx[1]));
	EXPECT_EQ(-EPIPE, claim_one(&b->rx[1], &claim));
	EXPECT_EQ(-EPIPE, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(POLLHUP | POLLRDHUP, poll_for(&b->rx[1], POLLIN | POLLRDHUP, 0));
	EXPECT_EQ(0, wait_for(&b->rx[1], IPCCHAN_WAIT_RECEIVE, 0, &events));
	EXPECT_EQ(IPCCHAN_WAIT_HANGUP, events);
	ASSERT_EQ(0, raw_open(&b->tx[0], b->name, IPCCHAN_SEND));
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[1], &claim));
}

/* What the kernel cannot write to the caller goes back as it was. */
TEST_F(queue, bad_addresses)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[2];
	struct ipcchan_verdict v = {};
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *fixed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	put(&b->tx[0], 1, 4);
	put(&b->tx[0], 2, 4);
	EXPECT_EQ(-EFAULT, claim_call(&b->rx[0], NULL, 0, nowhere, 2, 0));
	EXPECT_EQ(-EFAULT, claim_call(&b->rx[0], nowhere, 1, claims, 2, 0));
	/* the argument itself cannot be written */
	*(struct ipcchan_claim *)fixed = (struct ipcchan_claim){
		.size = sizeof(struct ipcchan_claim), .claims = (uintptr_t)claims, .nr_claims = 2,
	};
	ASSERT_EQ(0, mprotect(fixed, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, call(b->rx[0].fd, IPCCHAN_IOC_CLAIM, fixed));
	ASSERT_EQ(2, claim_call(&b->rx[0], NULL, 0, claims, 2, 0));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(1 + i, tag_at(&b->rx[0], &claims[i]));
		EXPECT_EQ(1, claims[i].deliveries);
		EXPECT_EQ(0, claims[i].flags);
	}
	/* a verdict counts all the same */
	v.sequence = claims[0].sequence;
	EXPECT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_REFUSE, 0));
	EXPECT_EQ(-EFAULT, claim_call(&b->rx[0], &v, 1, nowhere, 1, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], claims[0].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(2, work(&b->rx[0]));
	munmap(nowhere, 4096);
	munmap(fixed, 4096);
}

TEST_F(queue, refusals)
{
	static const struct ipcchan_verdict bad[] = {
		{ .kind = 3 }, { .kind = UINT32_MAX }, { .reserved = 1 },
		{ .kind = IPCCHAN_ACKNOWLEDGE, .delay_ns = 1 },
		{ .kind = IPCCHAN_REFUSE, .delay_ns = 86400000000001 },
	};
	struct ipcchan_claim args[] = {
		{ .flags = 1 }, { .nr_claimed = 1 }, { .nr_failed = 1 },
		{ .nr_verdicts = IPCCHAN_CLAIM_MOST + 1 }, { .nr_claims = IPCCHAN_CLAIM_MOST + 1 },
	};
	struct ipcchan_claimed claims[IPCCHAN_CLAIM_MOST + 1];
	struct ipcchan_verdict many[IPCCHAN_CLAIM_MOST + 1] = {};
	struct bench *b = &self->b;
	struct raw_port fresh;

	put(&b->tx[0], 1, 0);
	for (int i = 0; i < 5; i++) {
		struct ipcchan_verdict v = bad[i];

		EXPECT_EQ(-EINVAL, claim_call(&b->rx[0], &v, 1, claims, 1, 0));
		args[i].size = sizeof(args[i]);
		args[i].claims = (uintptr_t)claims;
		args[i].verdicts = (uintptr_t)many;
		EXPECT_EQ(-EINVAL, call(b->rx[0].fd, IPCCHAN_IOC_CLAIM, &args[i]));
	}
	EXPECT_EQ(-EINVAL, claim_call(&b->tx[0], NULL, 0, claims, 1, 0));
	EXPECT_EQ(0, claim_call(&b->rx[0], NULL, 0, NULL, 0, 0));
	ASSERT_EQ(0, raw_attach(&fresh, b->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(-EINVAL, claim_call(&fresh, NULL, 0, claims, 1, 0));
	close(fresh.fd);
	/* sequences of nobody */
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], 0, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], UINT64_MAX, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], b->tx[0].base, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], b->tx[0].base + 1, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], 3ull << 56 | 5, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], 4ull << 56 | 5, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(1, work(&b->rx[0]));
}

/* The refusals of CREATE and ATTACH that are about queues. */
TEST_F(queue, creation)
{
	static const struct {
		uint32_t type, overflow, history, max_deliveries;
		uint64_t stall_ns, lease_ns;
		const char *dead_letter;
		int err;
		const char *words;
	} cases[] = {
		{ .type = 1, .lease_ns = 1000000, .err = -EINVAL, .words = "a lease is for queues" },
		{ .type = 1, .max_deliveries = 1, .err = -EINVAL, .words = "max-deliveries is for queues" },
		{ .type = 1, .dead_letter = "x", .err = -EINVAL,
		  .words = "a dead-letter queue is for queues" },
		{ .type = 2, .overflow = 1, .err = -EINVAL,
		  .words = "a queue loses nothing: overflow is block" },
		{ .type = 2, .history = 1, .err = -EINVAL, .words = "a queue has no history" },
		{ .type = 2, .stall_ns = 1000000, .err = -EINVAL,
		  .words = "a queue has no stall, but a lease" },
		{ .type = 2, .lease_ns = 999999, .err = -EINVAL,
		  .words = "lease is not from a millisecond to a day" },
		{ .type = 2, .lease_ns = 86400000000001, .err = -EINVAL,
		  .words = "lease is not from a millisecond to a day" },
		{ .type = 2, .dead_letter = "x", .err = -EINVAL,
		  .words = "a dead-letter queue needs max-deliveries" },
		{ .type = 2, .max_deliveries = 1, .dead_letter = "*", .err = -EINVAL,
		  .words = "a name is 1 to 63 letters, digits and ._:/-" },
		{ .type = 2, .max_deliveries = 1, .dead_letter = "test/none", .err = -ENOENT,
		  .words = "there is no dead-letter queue of that name" },
	};
	struct ipcchan_create args;
	struct ipcchan_attach attach;
	int fd = device_open();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		args = create_args("test/refused");
		args.type = cases[i].type;
		args.overflow = cases[i].overflow;
		args.history = cases[i].history;
		args.stall_ns = cases[i].stall_ns;
		args.lease_ns = cases[i].lease_ns;
		args.max_deliveries = cases[i].max_deliveries;
		if (cases[i].dead_letter)
			strcpy(args.dead_letter, cases[i].dead_letter);
		EXPECT_EQ(cases[i].err, call_create(fd, &args)) TH_LOG("case %zu", i);
		EXPECT_STREQ(cases[i].words, why);
	}
	args = create_args("test/refused");
	args.reserved2 = 1;
	EXPECT_EQ(-EINVAL, call_create(fd, &args));
	EXPECT_STREQ("reserved is not zero", why);
	args = create_args("test/refused");
	args.type = IPCCHAN_TYPE_QUEUE;
	args.max_deliveries = 1;
	memset(args.dead_letter, 'x', sizeof(args.dead_letter));
	EXPECT_EQ(-EINVAL, call_create(fd, &args));
	EXPECT_STREQ("the name of the dead-letter queue is longer than 63 bytes", why);
	EXPECT_FALSE(channel_exists("test/refused"));

	attach = attach_args(self->b.name, IPCCHAN_RECEIVE);
	attach.wake_count = 2;
	EXPECT_EQ(-EINVAL, call_attach(fd, &attach));
	EXPECT_STREQ("a queue has no wake-up thresholds", why);
	close(fd);
}

TEST_F(queue, lookup_tells)
{
	struct ipcchan_create args = create_args("test/told");
	struct ipcchan_lookup found;
	int fd = device_open();

	args.type = IPCCHAN_TYPE_QUEUE;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.lease_ns = 5000000;
	args.max_deliveries = 3;
	strcpy(args.dead_letter, self->b.name);
	ASSERT_EQ(0, call_create(fd, &args)) TH_LOG("%s", why);
	ASSERT_EQ(0, find_channel("test/told", &found));
	EXPECT_EQ(IPCCHAN_TYPE_QUEUE, found.type);
	EXPECT_EQ(5000000, found.lease_ns);
	EXPECT_EQ(3, found.max_deliveries);
	EXPECT_STREQ(self->b.name, found.dead_letter);
	EXPECT_EQ(0, drop_channel("test/told"));
	close(fd);
}

TEST_HARNESS_MAIN
