// SPDX-License-Identifier: GPL-2.0
/*
 * With drop-oldest a receiver takes hold of what it finds in a ring, whenever;
 * also of what a sender left, whose slot is about to go to another. Whoever
 * found, after it had said what it holds, that the message was still there may
 * rely on it: not a byte of it changes until it is given back.
 *
 * What breaks these: slot.c's retire() left out, or its barrier; the holds looked
 * at before it; a slot taken although something of it is held.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "probe.h"

#define LIMIT	120
#define WORDS	40u		/* of a message: too long for a descriptor */
#define RECEIVERS 3
#define MOST	8u		/* messages of an owner */

struct job {
	const char *name;
	uint64_t until_ns;
	uint64_t random;
	int number;
	/* results */
	uint64_t held;		/* messages that were there */
	uint64_t missed;	/* that went meanwhile */
	uint64_t wrong;		/* words that were not what they must be */
	uint64_t owners;
	uint64_t refused;
	int err;
};

FIXTURE(reuse) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
};

FIXTURE_VARIANT(reuse) {
	uint32_t flags;
	uint32_t history;
};

FIXTURE_VARIANT_ADD(reuse, kept) { .flags = IPCCHAN_CREATE_PERSISTENT, .history = 2 };
FIXTURE_VARIANT_ADD(reuse, persistent) { .flags = IPCCHAN_CREATE_PERSISTENT };
FIXTURE_VARIANT_ADD(reuse, ephemeral) { .history = 2 };

FIXTURE_SETUP(reuse)
{
	struct ipcchan_create args;
	int fd = device_open();

	accounts_read(&self->before);
	unique_name(self->name, "reuse");
	args = create_args(self->name);
	args.flags = variant->flags;
	args.overflow = IPCCHAN_OVERFLOW_DROP_OLDEST;
	args.history = variant->history;
	args.geometry = (struct ipcchan_geometry){
		.depth = 16, .senders = 1, .receivers = RECEIVERS + 1, .holds = 2, .arena = 65536,
	};
	EXPECT_EQ(0, call_create(fd, &args)) TH_LOG("%s", why);
	close(fd);
}

FIXTURE_TEARDOWN(reuse)
{
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* One owner of the slot after another; each leaves what nobody may have read. */
static void *own(void *arg)
{
	struct job *job = arg;
	uint64_t text[WORDS];
	struct raw_port p;

	while (now_ns() < job->until_ns) {
		int err = raw_open(&p, job->name, IPCCHAN_SEND);

		if (err == -EUSERS) {
			job->refused++;
			usleep(20);
			continue;
		}
		job->err = err;
		if (err)
			break;
		for (uint64_t i = random_next(&job->random) % MOST + 1; i; i--) {
			uint64_t tag = p.base << 8 | i;

			for (uint32_t w = 0; w < WORDS; w++)
				text[w] = tag;
			raw_publish(&p, text, sizeof(text), tag);
		}
		job->owners++;
		leave(&p);
	}
	return NULL;
}

static void read_held(struct job *job, const uint64_t *text, uint64_t tag)
{
	job->held++;
	for (uint64_t looks = random_next(&job->random) % 4 + 1; looks; looks--) {
		for (uint32_t w = 0; w < WORDS; w++)
			job->wrong += ipcchan_load(&text[w]) != tag;
		if (random_next(&job->random) % 16 == 0)
			usleep(random_next(&job->random) % 100);
	}
}

/* The newest there is, as protocol.md has it; no cursor moves. */
static void hold_latest(struct job *job, struct raw_port *p, uint64_t seq)
{
	const struct ipcchan_desc *desc = raw_peer_desc(p, 0, seq);
	uint64_t *hold = &raw_holds(p)[0];
	uint64_t offset, tag;

	if (ipcchan_load_acquire(&desc->seq) != seq)
		return;
	offset = ipcchan_load(&desc->offset);
	tag = ipcchan_load(&desc->tag);
	ipcchan_store(hold, seq);
	ipcchan_barrier();	/* P */
	if (ipcchan_load_acquire(&desc->seq) == seq)
		read_held(job, (const uint64_t *)(raw_peer_arena(p, 0) + offset), tag);
	else
		job->missed++;
	ipcchan_store_release(hold, 0);
	ipcchan_store_release(&raw_cursor(p, 0)->released, raw_cursor(p, 0)->released + 1);
}

/* Of the receivers one reads all, one now and then, and one never. */
static void *hold(void *arg)
{
	struct job *job = arg;
	struct raw_port p;

	job->err = raw_open(&p, job->name, IPCCHAN_RECEIVE);
	while (!job->err && now_ns() < job->until_ns) {
		const struct ipcchan_outbox *outbox = (const void *)window_outbox(&p, 0);
		uint64_t head = ipcchan_load_acquire(&outbox->head);

		if (head)
			hold_latest(job, &p, head);
		if (head && (job->number == 1 || (job->number == 2 &&
						  random_next(&job->random) % 8 == 0)))
			ipcchan_store_release(&raw_cursor(&p, 0)->passed, head);
		call_kick(p.fd, 0, 1);
		/* owners shall come and go; then a few in a row, to meet one that does */
		if (random_next(&job->random) % 8 == 0)
			usleep(random_next(&job->random) % 2000);
	}
	leave(&p);
	return NULL;
}

TEST_F_TIMEOUT(reuse, a_held_message_does_not_change, LIMIT)
{
	uint64_t until = now_ns() + (slow_kernel() ? 8 : 4) * SECOND, held = 0, missed = 0;
	struct job jobs[RECEIVERS + 1] = {};
	pthread_t threads[RECEIVERS + 1];
	struct raw_port keeper;		/* attached, not on the roster: the channel stays */

	ASSERT_EQ(0, raw_attach(&keeper, self->name, IPCCHAN_RECEIVE));
	for (int i = 0; i <= RECEIVERS; i++) {
		jobs[i] = (struct job){
			.name = self->name, .until_ns = until, .random = random_seed() + i,
			.number = i,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, i ? hold : own, &jobs[i]));
	}
	for (int i = 0; i <= RECEIVERS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, jobs[i].err);
		EXPECT_EQ(0, jobs[i].wrong);
		held += jobs[i].held;
		missed += jobs[i].missed;
	}
	raw_close(&keeper);
	TH_LOG("%llu owners, %llu refused, %llu held, %llu missed", (unsigned long long)jobs[0].owners,
	       (unsigned long long)jobs[0].refused, (unsigned long long)held,
	       (unsigned long long)missed);
	/* enough to have met, however busy the machine */
	EXPECT_LT(5, jobs[0].owners);
	EXPECT_LT(100, held);
}

TEST_HARNESS_MAIN
