// SPDX-License-Identifier: GPL-2.0
/*
 * Queues when somebody goes: what a receiver had claimed comes back, before newer
 * ones, whether it was killed, evicted or closed its port; what a sender leaves is
 * there; what one that was evicted leaves is not. Persistence, leases, dead letters.
 *
 * What breaks these: claim.c (leaving, expiring), queue.c (hiding, dying), slot.c
 * and member.c (draining), lease.c, dead.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "queue.h"

FIXTURE(leave) {
	struct bench b;
};

FIXTURE_SETUP(leave)
{
	bench_init(&self->b);
}

FIXTURE_TEARDOWN(leave)
{
	EXPECT_TRUE(bench_close(&self->b));
}

/* A child that claims 3 and says so, then waits to be killed. */
struct victim {
	const char *name;
	int fds[2];
};

static int be_victim(void *arg)
{
	struct victim *v = arg;
	struct ipcchan_claimed claims[3];
	struct raw_port rx;
	char n;

	if (raw_open(&rx, v->name, IPCCHAN_RECEIVE))
		return 1;
	n = (char)claim_call(&rx, NULL, 0, claims, 3, 0);
	if (write(v->fds[1], &n, 1) != 1)
		return 1;
	pause();
	return 0;
}

TEST_F(leave, killed)
{
	struct bench *b = &self->b;
	struct victim v = { .name = b->name };
	struct ipcchan_claimed claims[8];
	struct claimer sleeper = { .port = &b->rx[0], .most = 3 };
	pid_t pid;
	char n;

	ASSERT_EQ(0, bench_open(b));
	for (int i = 0; i < 3; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(0, pipe(v.fds));
	pid = child_start(be_victim, &v);
	ASSERT_EQ(1, read(v.fds[0], &n, 1));
	ASSERT_EQ(3, n);
	ASSERT_EQ(true, claimer_start(&sleeper));
	kill(pid, SIGKILL);
	/* and that wakes who waits */
	ASSERT_EQ(true, claimer_ends(&sleeper));
	ASSERT_EQ(3, sleeper.result);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(i, tag_at(&b->rx[0], &sleeper.claims[i]));
		EXPECT_EQ(2, sleeper.claims[i].deliveries);
		EXPECT_EQ(IPCCHAN_CLAIM_REDELIVERED, sleeper.claims[i].flags);
	}
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[0], claims));
	EXPECT_EQ(128 + SIGKILL, child_end(pid, 10000));
	close(v.fds[0]);
	close(v.fds[1]);
}

/* Before newer ones of its sender and priority, in their order; and of nothing else. */
TEST_F(leave, closed_and_evicted)
{
	static const int order[] = { 2, 0, 1, 3, 4, 5 };
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[8];

	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&b->rx[2], b->name, IPCCHAN_RECEIVE));
	for (int i = 0; i < 6; i++)
		put(&b->tx[0], i, i == 2 ? 9 : 0);
	ASSERT_EQ(2, claim_call(&b->rx[1], NULL, 0, claims, 2, 0));
	ASSERT_EQ(2, claim_call(&b->rx[2], NULL, 0, claims, 2, 0));
	EXPECT_EQ(1, tag_at(&b->rx[2], &claims[0]));
	ASSERT_EQ(0, evict(b->name, b->rx[2].attach.port_id));
	EXPECT_EQ(-ESHUTDOWN, claim_one(&b->rx[2], claims));
	leave(&b->rx[1]);
	ASSERT_EQ(6, claim_call(&b->rx[0], NULL, 0, claims, 8, 0));
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(order[i], tag_at(&b->rx[0], &claims[i]));
		EXPECT_EQ(i < 4 ? 2 : 1, claims[i].deliveries);
	}
}

/* What a sender has left can be claimed; then its slot is free. */
TEST_F(leave, sender_drains)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[2];
	const struct ipcchan_slot *slot;
	uint64_t base;

	b->args.geometry.senders = 1;
	ASSERT_EQ(0, bench_open(b));
	base = b->tx[0].base;
	put(&b->tx[0], 1, 0);
	put(&b->tx[0], 2, 0);
	leave(&b->tx[0]);
	slot = raw_sender_slot(&b->rx[0], 0);
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, slot->state);
	EXPECT_EQ(-EUSERS, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	ASSERT_EQ(2, claim_call(&b->rx[0], NULL, 0, claims, 2, 0));
	EXPECT_EQ(1, tag_at(&b->rx[0], &claims[0]));
	EXPECT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, slot->state);
	EXPECT_EQ(0, judge(&b->rx[0], claims[0].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, slot->state);
	ASSERT_EQ(0, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	EXPECT_GT(b->tx[1].base, base + 2);
	EXPECT_EQ(0, retired(&b->tx[1]));
	put(&b->tx[1], 3, 0);
	EXPECT_FALSE(is_retired(&b->tx[1], b->tx[1].base + 1));
	EXPECT_EQ(3, work(&b->rx[0]));
}

/* An evicted sender's messages are given up; who has one is told when it is done. */
TEST_F(leave, sender_evicted)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claims[3];

	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	for (int i = 0; i < 4; i++)
		put(&b->tx[0], i, 0);
	put(&b->tx[1], 9, 0);
	ASSERT_EQ(3, claim_call(&b->rx[0], NULL, 0, claims, 3, 0));
	EXPECT_EQ(9, tag_at(&b->rx[0], &claims[1]));
	EXPECT_EQ(0, judge(&b->rx[0], claims[2].sequence, IPCCHAN_REFUSE, 50 * MS));
	ASSERT_EQ(0, evict(b->name, b->tx[0].attach.port_id));
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[0], &claims[2]));
	EXPECT_EQ(-ESTALE, judge(&b->rx[0], claims[0].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], claims[0].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(0, judge(&b->rx[0], claims[1].sequence, IPCCHAN_ACKNOWLEDGE, 0));
	sleep_ms(100);
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[0], &claims[2]));
	/* and the slot's next sender begins with nothing */
	leave(&b->tx[0]);
	ASSERT_EQ(0, raw_open(&b->tx[0], b->name, IPCCHAN_SEND));
	put(&b->tx[0], 11, 0);
	EXPECT_EQ(11, work(&b->rx[0]));
}

TEST_F(leave, persistent)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	b->args.flags = IPCCHAN_CREATE_PERSISTENT;
	ASSERT_EQ(0, bench_open(b));
	for (int i = 0; i < 3; i++)
		put(&b->tx[0], i, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	leave(&b->rx[0]);
	leave(&b->tx[0]);
	/* nobody is there any more, and nothing is lost */
	ASSERT_EQ(0, raw_open(&b->rx[0], b->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(0, tag_at(&b->rx[0], &claim));
	EXPECT_EQ(2, claim.deliveries);
	EXPECT_EQ(1, work(&b->rx[0]));
	EXPECT_EQ(2, work(&b->rx[0]));
	EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	/* no sender was there in this one's time */
	EXPECT_EQ(-ETIMEDOUT, claim_one(&b->rx[0], &claim));
}

/* Who comes when something is left hears of the end; who comes later waits, as who comes early. */
TEST_F(leave, latecomers)
{
	struct bench *b = &self->b;
	struct raw_port *late = &b->rx[1];
	struct claimer sleeper = { .port = late, .most = 1, .deadline_ns = FOREVER };
	struct ipcchan_claimed claim;
	uint32_t events;

	ASSERT_EQ(0, bench_open(b));
	put(&b->tx[0], 1, 0);
	leave(&b->tx[0]);
	ASSERT_EQ(0, raw_open(late, b->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(1, work(late));
	EXPECT_EQ(-EPIPE, claim_one(&b->rx[0], &claim));
	EXPECT_EQ(-EPIPE, claim_one(late, &claim));
	leave(late);
	ASSERT_EQ(0, raw_open(late, b->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(-ETIMEDOUT, claim_one(late, &claim));
	EXPECT_EQ(-ETIMEDOUT, wait_for(late, IPCCHAN_WAIT_RECEIVE, 0, &events));
	EXPECT_EQ(0, poll_for(late, POLLIN, 0));
	/* until it has known one */
	ASSERT_TRUE(claimer_start(&sleeper));
	ASSERT_EQ(0, raw_open(&b->tx[1], b->name, IPCCHAN_SEND));
	EXPECT_FALSE(sleeper.ended);
	leave(&b->tx[1]);
	ASSERT_TRUE(claimer_ends(&sleeper));
	EXPECT_EQ(-EPIPE, sleeper.result);
}

TEST_F(leave, ephemeral)
{
	struct bench *b = &self->b;

	ASSERT_EQ(0, bench_open(b));
	put(&b->tx[0], 1, 0);
	leave(&b->rx[0]);
	EXPECT_TRUE(channel_exists(b->name));
	leave(&b->tx[0]);
	EXPECT_FALSE(channel_exists(b->name));
}

/* Claimed for too long: another gets it, the memory stays, the first is too late. */
TEST_F(leave, lease)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed first, second;
	struct claimer sleeper = { .port = &b->rx[1] };

	b->args.lease_ns = 200 * MS;
	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &first));
	ASSERT_EQ(true, claimer_start(&sleeper));
	ASSERT_EQ(true, claimer_ends(&sleeper));
	ASSERT_EQ(1, sleeper.result);
	second = sleeper.claims[0];
	EXPECT_EQ(first.sequence, second.sequence);
	EXPECT_EQ(2, second.deliveries);
	EXPECT_EQ(IPCCHAN_CLAIM_REDELIVERED, second.flags);
	/* the second may be too late by now, too, on a slow machine */
	if (!judge(&b->rx[1], second.sequence, IPCCHAN_ACKNOWLEDGE, 0)) {
		EXPECT_FALSE(is_retired(&b->tx[0], first.sequence));
		EXPECT_EQ(0, retired(&b->tx[0]));
		EXPECT_EQ(-ESTALE, judge(&b->rx[0], first.sequence, IPCCHAN_ACKNOWLEDGE, 0));
		EXPECT_TRUE(is_retired(&b->tx[0], first.sequence));
		EXPECT_EQ(1, retired(&b->tx[0]));
	}
	EXPECT_EQ(-ENOENT, judge(&b->rx[0], first.sequence, IPCCHAN_ACKNOWLEDGE, 0));
}

/* The same port has it twice: a verdict says which of them it is on. */
TEST_F(leave, lease_and_claimed_again)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed first, second;
	struct ipcchan_verdict v = {};

	b->args.lease_ns = 1000 * MS;
	ASSERT_EQ(0, bench_open(b));
	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &first));
	ASSERT_EQ(1, claim_call(&b->rx[0], NULL, 0, &second, 1, FOREVER));
	ASSERT_EQ(2, second.deliveries);
	v.sequence = first.sequence;
	v.deliveries = first.deliveries;
	ASSERT_EQ(0, claim_call(&b->rx[0], &v, 1, NULL, 0, 0));
	EXPECT_EQ(-ESTALE, v.result);
	EXPECT_FALSE(is_retired(&b->tx[0], first.sequence));
	v.result = 0;
	ASSERT_EQ(0, claim_call(&b->rx[0], &v, 1, NULL, 0, 0));
	EXPECT_EQ(-ENOENT, v.result);
	v.result = 0;
	v.deliveries = second.deliveries;
	ASSERT_EQ(0, claim_call(&b->rx[0], &v, 1, NULL, 0, 0));
	/* it may be too late by now on a slow machine: then it is stale as well */
	EXPECT_TRUE(v.result == -ESTALE || is_retired(&b->tx[0], first.sequence));
}

/* Its holder dies with it: then, too, it is free. */
TEST_F(leave, lease_over_and_gone)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed first, second;

	b->args.lease_ns = 200 * MS;
	ASSERT_EQ(0, bench_open(b));
	ASSERT_EQ(0, raw_open(&b->rx[1], b->name, IPCCHAN_RECEIVE));
	put(&b->tx[0], 1, 0);
	ASSERT_EQ(0, claim_one(&b->rx[0], &first));
	/* the same may have it again */
	ASSERT_EQ(1, claim_call(&b->rx[0], NULL, 0, &second, 1, FOREVER));
	EXPECT_EQ(first.sequence, second.sequence);
	leave(&b->rx[0]);
	EXPECT_EQ(1, work(&b->rx[1]));
	EXPECT_TRUE(is_retired(&b->tx[0], first.sequence));
}

TEST_F(leave, max_deliveries)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	b->args.max_deliveries = 3;
	ASSERT_EQ(0, bench_open(b));
	put(&b->tx[0], 1, 0);
	put(&b->tx[0], 2, 0);
	for (uint32_t i = 1; i <= 3; i++) {
		ASSERT_EQ(0, claim_one(&b->rx[0], &claim));
		EXPECT_EQ(1, tag_at(&b->rx[0], &claim));
		EXPECT_EQ(i, claim.deliveries);
		EXPECT_EQ(0, judge(&b->rx[0], claim.sequence, IPCCHAN_REFUSE, 0));
	}
	EXPECT_TRUE(is_retired(&b->tx[0], claim.sequence));
	EXPECT_EQ(2, work(&b->rx[0]));
	EXPECT_EQ(-ETIMEDOUT, work(&b->rx[0]));
}

/* Dead letters: a second queue. */
FIXTURE(dead) {
	struct bench b;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port rx;
};

static int make_dead(const char *name, uint32_t senders)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	args.type = IPCCHAN_TYPE_QUEUE;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.geometry = (struct ipcchan_geometry){
		.depth = 4, .senders = senders, .receivers = 2, .holds = 8, .arena = 512,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

FIXTURE_SETUP(dead)
{
	bench_init(&self->b);
	unique_name(self->name, "dead");
	ASSERT_EQ(0, make_dead(self->name, 2)) TH_LOG("%s", why);
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

#define LONG_TEXT	"a text that does not fit into a descriptor, for it is longer than all " \
			"that there is room for inside it"

static int refuse_next(const struct raw_port *rx)
{
	struct ipcchan_claimed claim;
	int err = claim_one(rx, &claim);

	return err ? err : judge(rx, claim.sequence, IPCCHAN_REFUSE, 0);
}

TEST_F(dead, come_to_the_other)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	raw_publish(&b->tx[0], LONG_TEXT, sizeof(LONG_TEXT), 5);
	put(&b->tx[0], 6, 0);
	ASSERT_EQ(0, refuse_next(&b->rx[0]));
	ASSERT_EQ(1, claim_call(&self->rx, NULL, 0, &claim, 1, FOREVER));
	EXPECT_EQ(5, tag_at(&self->rx, &claim));
	EXPECT_EQ(1, claim.deliveries);
	EXPECT_STREQ(LONG_TEXT, raw_peer_payload(&self->rx, claim.slot, claim.sequence));
	EXPECT_EQ(0, judge(&self->rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_EQ(6, work(&b->rx[0]));
	EXPECT_TRUE(is_retired(&b->tx[0], b->tx[0].base + 1));
}

/* No room there: it waits in its ring, and comes when there is. */
TEST_F(dead, wait_for_room)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	for (int i = 0; i < 12; i++)
		raw_publish(&b->tx[0], LONG_TEXT, sizeof(LONG_TEXT) - i, i);
	for (int i = 0; i < 12; i++)
		ASSERT_EQ(0, refuse_next(&b->rx[0]));
	sleep_ms(200);
	EXPECT_FALSE(is_retired(&b->tx[0], b->tx[0].base + 12));
	for (int i = 0; i < 12; i++) {
		ASSERT_EQ(1, claim_call(&self->rx, NULL, 0, &claim, 1, FOREVER));
		EXPECT_EQ(i, tag_at(&self->rx, &claim));
		EXPECT_EQ(0, strncmp(LONG_TEXT, raw_peer_payload(&self->rx, claim.slot, claim.sequence),
				     sizeof(LONG_TEXT) - i));
		EXPECT_EQ(0, judge(&self->rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	}
	for (int i = 0; i < 100 && !is_retired(&b->tx[0], b->tx[0].base + 12); i++)
		sleep_ms(20);
	EXPECT_TRUE(is_retired(&b->tx[0], b->tx[0].base + 12));
}

/* What is there stays, when the queue it comes from has gone. */
TEST_F(dead, outlive_their_queue)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	put(&b->tx[0], 5, 0);
	ASSERT_EQ(0, refuse_next(&b->rx[0]));
	ASSERT_EQ(1, claim_call(&self->rx, NULL, 0, &claim, 1, FOREVER));
	drop_channel(b->name);
	for (int i = 0; i < 4; i++) {
		leave(&b->tx[i]);
		leave(&b->rx[i]);
	}
	EXPECT_EQ(5, tag_at(&self->rx, &claim));
	EXPECT_EQ(0, judge(&self->rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_TRUE(slot_becomes(&self->rx, raw_sender_slot(&self->rx, claim.slot),
				 IPCCHAN_SLOT_EMPTY));
}

/* The other is gone, or the slot there was taken away: dropped. */
TEST_F(dead, nowhere_to_go)
{
	struct bench *b = &self->b;
	struct ipcchan_claimed claim;

	put(&b->tx[0], 5, 0);
	put(&b->tx[0], 6, 0);
	ASSERT_EQ(0, refuse_next(&b->rx[0]));
	ASSERT_EQ(1, claim_call(&self->rx, NULL, 0, &claim, 1, FOREVER));
	EXPECT_EQ(0, judge(&self->rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	ASSERT_EQ(0, evict(self->name, raw_sender_slot(&self->rx, 0)->port_id));
	ASSERT_EQ(0, refuse_next(&b->rx[0]));
	for (int i = 0; i < 100 && !is_retired(&b->tx[0], b->tx[0].base + 2); i++)
		sleep_ms(20);
	EXPECT_TRUE(is_retired(&b->tx[0], b->tx[0].base + 2));
	EXPECT_EQ(-ETIMEDOUT, work(&self->rx));
	ASSERT_EQ(0, drop_channel(self->name));
	put(&b->tx[0], 7, 0);
	ASSERT_EQ(0, refuse_next(&b->rx[0]));
	for (int i = 0; i < 100 && !is_retired(&b->tx[0], b->tx[0].base + 3); i++)
		sleep_ms(20);
	EXPECT_TRUE(is_retired(&b->tx[0], b->tx[0].base + 3));
}

TEST_F(dead, refusals)
{
	struct ipcchan_create args = create_args("test/other");
	char topic[IPCCHAN_NAME_SIZE];
	struct raw_port tx;
	int fd = device_open();

	unique_name(topic, "topic");
	ASSERT_EQ(0, make_channel(topic, IPCCHAN_CREATE_PERSISTENT, 0600));
	args.type = IPCCHAN_TYPE_QUEUE;
	args.max_deliveries = 1;
	strcpy(args.dead_letter, topic);
	EXPECT_EQ(-EPROTOTYPE, call_create(fd, &args));
	EXPECT_STREQ("the dead-letter channel is no queue", why);
	strcpy(args.dead_letter, self->name);
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	EXPECT_EQ(-EUSERS, call_create(fd, &args));
	EXPECT_STREQ("all sender slots are taken", why);
	leave(&tx);
	EXPECT_FALSE(channel_exists("test/other"));
	drop_channel(topic);
	close(fd);
}

static int create_with(const char *dead_letter)
{
	struct ipcchan_create args = create_args("test/other");
	int fd = device_open(), err;

	args.type = IPCCHAN_TYPE_QUEUE;
	args.max_deliveries = 1;
	strcpy(args.dead_letter, dead_letter);
	err = call_create(fd, &args);
	close(fd);
	return err;
}

static int create_as_other(void *name)
{
	return create_with(name);
}

TEST_F(dead, not_without_right)
{
	EXPECT_EQ(-EACCES, run_as(NOBODY, create_as_other, self->name));
	EXPECT_STREQ("no right to send to the dead-letter queue", why);
}

TEST_HARNESS_MAIN
