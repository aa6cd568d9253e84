// SPDX-License-Identifier: GPL-2.0
/*
 * History: who comes late gets the last messages of each sender, also of senders
 * that have gone if the channel is persistent; and what becomes of their slots.
 *
 * What breaks these (slot.c, ring.c): a newcomer that begins elsewhere, a slot
 * that is emptied although the channel keeps it, or is not given to a newcomer;
 * the wrong one given up; messages of former owners counted wrongly.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "peers.h"
#include "probe.h"

#define LIMIT	120
#define DEPTH	16u
#define HISTORY	4u
#define PAGE	4096ull

#define BLOCK	IPCCHAN_OVERFLOW_BLOCK
#define DROP	IPCCHAN_OVERFLOW_DROP_OLDEST
#define KEEPS	IPCCHAN_CREATE_PERSISTENT

FIXTURE(history) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port keeper;		/* so that an ephemeral channel stays */
};

FIXTURE_VARIANT(history) {
	uint32_t overflow;
};

FIXTURE_VARIANT_ADD(history, block) { .overflow = BLOCK };
FIXTURE_VARIANT_ADD(history, drop_oldest) { .overflow = DROP };

static int make(const char *name, uint32_t flags, uint32_t overflow, uint32_t senders)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	args.flags = flags;
	args.overflow = overflow;
	args.history = HISTORY;
	args.geometry = (struct ipcchan_geometry){
		.depth = DEPTH, .senders = senders, .receivers = 4, .holds = 2, .arena = 32768,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

FIXTURE_SETUP(history)
{
	accounts_read(&self->before);
	unique_name(self->name, "history");
	self->keeper.fd = -1;
}

FIXTURE_TEARDOWN(history)
{
	leave(&self->keeper);
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static uint32_t state_of(const struct raw_port *p, uint32_t slot)
{
	return ipcchan_load_acquire(&raw_sender_slot(p, slot)->state);
}

/* Messages tagged from @first on. */
static void publish(struct raw_port *p, uint64_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		raw_publish(p, "of the past", 12, first + i);
}

/* Everything there is of that slot: so many, tagged from @first on? */
static bool gets(struct raw_port *p, uint32_t slot, uint64_t first, uint32_t n)
{
	uint64_t tag = 0, got = 0;
	char text[12];

	while (raw_take(p, slot, text, sizeof(text), &tag) == 12) {
		if (tag != first + got || strcmp(text, "of the past"))
			return false;
		got++;
	}
	if (got != n)
		fprintf(stderr, "# slot %u: %llu messages, not %u\n", slot,
			(unsigned long long)got, n);
	return got == n;
}

/* A sender comes, publishes, and closes. */
static int visit(const char *name, uint64_t first, uint32_t n, uint32_t *slot)
{
	struct raw_port p;
	int err = raw_open(&p, name, IPCCHAN_SEND);

	if (err)
		return err;
	publish(&p, first, n);
	if (slot)
		*slot = p.attach.sender_slot;
	leave(&p);
	return 0;
}

TEST_F_TIMEOUT(history, the_last_of_each_sender, LIMIT)
{
	static const uint32_t counts[] = { 0, 1, HISTORY - 1, HISTORY, HISTORY + 1, 3 * DEPTH + 5 };
	struct raw_port senders[ARRAY_SIZE(counts)], late;

	ASSERT_EQ(0, make(self->name, 0, variant->overflow, 8)) TH_LOG("%s", why);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		ASSERT_EQ(0, raw_open(&senders[i], self->name, IPCCHAN_SEND));
		publish(&senders[i], 100 * i, counts[i]);
	}
	ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(HISTORY, late.attach.history);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		uint32_t n = counts[i] < HISTORY ? counts[i] : HISTORY;

		EXPECT_TRUE(gets(&late, i, 100 * i + counts[i] - n, n));
		publish(&senders[i], 7, 1);
		EXPECT_TRUE(gets(&late, i, 7, 1));
		leave(&senders[i]);
	}
	leave(&late);
}

/* A sender that lies about its newest leads nobody before its first. */
TEST_F_TIMEOUT(history, begins_no_earlier_than_the_sender, LIMIT)
{
	struct raw_port p, late;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 2)) TH_LOG("%s", why);
	ASSERT_EQ(0, visit(self->name, 0, 10, NULL));		/* slot 0 had an owner */
	ASSERT_EQ(0, visit(self->name, 0, 10, NULL));
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, p.attach.sender_slot);
	for (uint64_t head = p.base - 2; head <= p.base + HISTORY + 1; head++) {
		uint64_t begins = head > p.base + HISTORY ? head - HISTORY : p.base;

		ipcchan_store_release(&raw_outbox(&p)->head, head);
		ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
		EXPECT_EQ(begins, ipcchan_passed(raw_cursor(&late, 0)->passed, p.base));
		leave(&late);
	}
	leave(&p);
}

TEST_F_TIMEOUT(history, outlives_its_sender, LIMIT)
{
	struct raw_port late;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 4)) TH_LOG("%s", why);
	ASSERT_EQ(0, visit(self->name, 50, 9, NULL));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
		EXPECT_EQ(IPCCHAN_SLOT_DRAINING, state_of(&late, 0));
		EXPECT_TRUE(gets(&late, 0, 50 + 9 - HISTORY, HISTORY));
		/* all is read, and it stays */
		EXPECT_EQ(0, call_kick(late.fd, 0, 1));
		EXPECT_EQ(IPCCHAN_SLOT_DRAINING, state_of(&late, 0));
		leave(&late);
	}
	/* who was there all the time has read all: it stays for others */
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	EXPECT_TRUE(gets(&self->keeper, 0, 50 + 9 - HISTORY, HISTORY));
	ASSERT_EQ(0, visit(self->name, 70, 2, NULL));
	EXPECT_TRUE(gets(&self->keeper, 1, 70, 2));
	EXPECT_EQ(0, call_kick(self->keeper.fd, 0, 3));
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, state_of(&self->keeper, 1));
	ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	EXPECT_TRUE(gets(&late, 1, 70, 2));
	leave(&late);
}

static int publish_and_die(void *arg)
{
	struct raw_port p;

	if (raw_open(&p, arg, IPCCHAN_SEND))
		return 1;
	publish(&p, 30, 6);
	kill(getpid(), SIGKILL);
	return 2;
}

TEST_F_TIMEOUT(history, outlives_its_senders_process, LIMIT)
{
	struct raw_port late;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 4)) TH_LOG("%s", why);
	ASSERT_EQ(128 + SIGKILL, in_child(publish_and_die, self->name));
	ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	EXPECT_TRUE(gets(&late, 0, 30 + 6 - HISTORY, HISTORY));
	leave(&late);
}

/* On an ephemeral channel it lasts as long as its sender; what is unread is read. */
TEST_F_TIMEOUT(history, ephemeral, LIMIT)
{
	struct raw_port p, late;

	ASSERT_EQ(0, make(self->name, 0, variant->overflow, 4)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	publish(&p, 10, 8);
	EXPECT_TRUE(gets(&self->keeper, 0, 10, 8));
	leave(&p);
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, state_of(&self->keeper, 0));
	ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	EXPECT_TRUE(gets(&late, 0, 0, 0));

	ASSERT_EQ(0, visit(self->name, 20, 8, NULL));
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, state_of(&self->keeper, 0));
	leave(&late);
	/* this one comes too late */
	ASSERT_EQ(0, raw_open(&late, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(raw_sender_slot(&late, 0)->base, raw_cursor(&late, 0)->closed);
	EXPECT_TRUE(gets(&self->keeper, 0, 20, 8));
	EXPECT_EQ(0, call_kick(self->keeper.fd, 0, 1));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, state_of(&self->keeper, 0));
	leave(&late);
}

/* A slot in which nothing was said is not kept, nor one whose sender was evicted. */
TEST_F_TIMEOUT(history, nothing_to_keep, LIMIT)
{
	unsigned long long bytes;
	struct raw_port p;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 4)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	bytes = param_get("bytes");
	ASSERT_EQ(0, visit(self->name, 0, 0, NULL));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, state_of(&self->keeper, 0));
	EXPECT_EQ(bytes, param_get("bytes"));
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	publish(&p, 0, 3);
	ASSERT_EQ(0, evict(self->name, p.attach.port_id));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, state_of(&self->keeper, 0));
	leave(&p);
	EXPECT_EQ(bytes, param_get("bytes"));
}

/* The one that left first goes first, and none while there is an empty slot. */
TEST_F_TIMEOUT(history, order_of_reuse, LIMIT)
{
	static const uint32_t order[] = { 2, 0, 1 };
	struct raw_port p[3], next;
	uint32_t slot;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 4)) TH_LOG("%s", why);
	for (uint32_t i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&p[i], self->name, IPCCHAN_SEND));
		publish(&p[i], 100 * i, 5);
	}
	for (uint32_t i = 0; i < 3; i++)
		leave(&p[order[i]]);
	ASSERT_EQ(0, raw_open(&next, self->name, IPCCHAN_SEND));
	EXPECT_EQ(3, next.attach.sender_slot);
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	for (uint32_t i = 0; i < 3; i++) {
		EXPECT_TRUE(gets(&self->keeper, i, 100 * i + 5 - HISTORY, HISTORY));
	}
	for (uint32_t i = 0; i < 3; i++) {
		ASSERT_EQ(0, visit(self->name, 1000 + i, 1, &slot));
		EXPECT_EQ(order[i], slot);
		EXPECT_TRUE(gets(&self->keeper, slot, 1000 + i, 1));
	}
	/* round again, by when they left */
	for (uint32_t i = 0; i < 3; i++) {
		ASSERT_EQ(0, visit(self->name, 2000 + i, 1, &slot));
		EXPECT_EQ(order[i], slot);
		EXPECT_TRUE(gets(&self->keeper, slot, 2000 + i, 1));
	}
	leave(&next);
}

/* Somebody has it yet to read: with block it stays, with drop-oldest it goes. */
TEST_F_TIMEOUT(history, unread, LIMIT)
{
	bool drops = variant->overflow == DROP;
	struct raw_port second, p;
	uint32_t slot;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 2)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&second, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, visit(self->name, 100, 5, NULL));
	ASSERT_EQ(0, visit(self->name, 200, 5, &slot));
	ASSERT_EQ(0, slot - 1);
	EXPECT_TRUE(gets(&self->keeper, 0, 100, 5));
	EXPECT_TRUE(gets(&self->keeper, 1, 200, 5));
	EXPECT_EQ(drops ? 0 : -EUSERS, raw_open(&p, self->name, IPCCHAN_SEND));
	if (drops) {
		EXPECT_EQ(0, p.attach.sender_slot);
		leave(&p);
		/* the first that left of those that are read, before one that is not */
		EXPECT_TRUE(gets(&second, 1, 200, 5));
		ASSERT_EQ(0, visit(self->name, 300, 5, &slot));
		ASSERT_EQ(0, visit(self->name, 400, 5, &slot));
		EXPECT_EQ(1, slot);
	} else {
		EXPECT_STREQ("all sender slots are taken", why);
		EXPECT_TRUE(gets(&second, 1, 200, 5));
		ASSERT_EQ(0, visit(self->name, 300, 5, &slot));
		EXPECT_EQ(1, slot);
		EXPECT_TRUE(gets(&second, 0, 100, 5));
	}
	leave(&second);
}

/* What is held is given up for nobody. */
TEST_F_TIMEOUT(history, held, LIMIT)
{
	const struct ipcchan_slot *slot;
	struct raw_port p;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 1)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	slot = raw_sender_slot(&self->keeper, 0);
	ASSERT_EQ(0, visit(self->name, 100, 5, NULL));
	EXPECT_TRUE(gets(&self->keeper, 0, 100, 5));
	raw_holds(&self->keeper)[1] = slot->base + 3;
	EXPECT_EQ(-EUSERS, raw_open(&p, self->name, IPCCHAN_SEND));
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, slot->state);
	EXPECT_STREQ("of the past", raw_peer_payload(&self->keeper, 0, slot->base + 3));
	/* nor retired for nothing: somebody may want the rest */
	EXPECT_EQ(slot->base + 4, raw_peer_desc(&self->keeper, 0, slot->base + 4)->seq);
	raw_holds(&self->keeper)[1] = 0;
	EXPECT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	leave(&p);
}

/* An attach that fails for another reason costs no history. */
TEST_F_TIMEOUT(history, a_failed_attach_takes_none, LIMIT)
{
	unsigned long long most = param_get("max_user_bytes");
	struct raw_port p, q[3];

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 1)) TH_LOG("%s", why);
	ASSERT_EQ(0, visit(self->name, 100, 5, NULL));
	ASSERT_EQ(0, param_set("max_user_bytes", PAGE));
	EXPECT_EQ(-EDQUOT, raw_open(&p, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, param_set("max_user_bytes", most));
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&q[i], self->name, IPCCHAN_RECEIVE));
		EXPECT_TRUE(gets(&q[i], 0, 100 + 5 - HISTORY, HISTORY));
	}
	EXPECT_TRUE(gets(&self->keeper, 0, 100 + 5 - HISTORY, HISTORY));
	/* there is a slot to send, but none to receive */
	EXPECT_EQ(-EUSERS, raw_open(&p, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	EXPECT_STREQ("all receiver slots are taken", why);
	EXPECT_EQ(IPCCHAN_SLOT_DRAINING, state_of(&self->keeper, 0));
	for (int i = 0; i < 3; i++)
		leave(&q[i]);
}

/* Memory is charged while it is kept, shown, and given back by eviction. */
TEST_F_TIMEOUT(history, evicted, LIMIT)
{
	unsigned long long empty, kept, size;
	uint32_t id;
	struct genl_answers answers = { 0 };
	struct genl_request r;
	struct raw_port p;
	struct genl g;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 4)) TH_LOG("%s", why);
	empty = param_get("bytes");
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	publish(&p, 100, 5);
	raw_outbox(&p)->sent = 5;
	id = p.attach.port_id;
	size = p.layout.outbox_size;
	leave(&p);
	kept = param_get("bytes");
	EXPECT_EQ(size, kept - empty);

	ASSERT_EQ(0, genl_open(&g));
	r = genl_of_port(IPCCHAN_CMD_PORT_GET, self->name, id);
	ASSERT_EQ(0, genl_talk(&g, &r, &answers)) TH_LOG("%s", why);
	EXPECT_EQ(IPCCHAN_PORT_STATUS_DRAINING,
		  genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_PORT_STATUS));
	EXPECT_EQ(size, genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_PORT_BYTES));
	genl_free(&answers);
	r = genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, self->name);
	ASSERT_EQ(0, genl_talk(&g, &r, &answers)) TH_LOG("%s", why);
	EXPECT_EQ(kept - self->before.bytes,
		  genl_number(genl_attrs(answers.messages[0]), IPCCHAN_A_CHANNEL_BYTES));
	EXPECT_EQ(0, genl_number(genl_attrs(answers.messages[0]),
				 IPCCHAN_A_CHANNEL_SENDERS_ATTACHED));
	genl_free(&answers);
	genl_close(&g);

	EXPECT_EQ(0, evict(self->name, id));
	EXPECT_EQ(empty, param_get("bytes"));
	EXPECT_EQ(2, evict(self->name, id));	/* there is none any more */
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, state_of(&self->keeper, 0));
}

TEST_F_TIMEOUT(history, goes_with_its_channel, LIMIT)
{
	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 4)) TH_LOG("%s", why);
	for (uint64_t i = 0; i < 4; i++)
		ASSERT_EQ(0, visit(self->name, i, 5, NULL));
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, drop_channel(self->name));
	/* all but what the port itself has */
	EXPECT_EQ(self->before.bytes + self->keeper.attach.own_size + PAGE, param_get("bytes"));
	leave(&self->keeper);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* How much was published in a slot before its owner of now, whatever became of it. */
TEST_F_TIMEOUT(history, past, LIMIT)
{
	const struct ipcchan_slot *slot;
	struct raw_port p;

	ASSERT_EQ(0, make(self->name, KEEPS, variant->overflow, 1)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->keeper, self->name, IPCCHAN_RECEIVE));
	slot = raw_sender_slot(&self->keeper, 0);
	EXPECT_EQ(0, slot->past);
	ASSERT_EQ(0, visit(self->name, 100, 5, NULL));
	EXPECT_EQ(0, slot->past);			/* it is there still */
	EXPECT_TRUE(gets(&self->keeper, 0, 100, 5));
	ASSERT_EQ(0, visit(self->name, 200, 33, NULL));
	EXPECT_EQ(5, slot->past);
	raw_cursor(&self->keeper, 0)->passed = slot->base + 33;
	/* of which nothing could be read */
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	EXPECT_EQ(38, slot->past);
	publish(&p, 300, 7);
	ASSERT_EQ(0, evict(self->name, p.attach.port_id));
	EXPECT_EQ(45, slot->past);			/* told at once */
	leave(&p);
	ASSERT_EQ(0, visit(self->name, 0, 0, NULL));
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND));
	EXPECT_EQ(45, slot->past);
	EXPECT_LE(slot->since_ns, now_ns());
	EXPECT_GT(slot->since_ns + SECOND * LIMIT, now_ns());
	/* a lie counts for no more than was possible */
	ipcchan_store_release(&raw_outbox(&p)->head, UINT64_MAX);
	leave(&p);
	ASSERT_EQ(0, raw_open(&p, self->name, IPCCHAN_SEND)) TH_LOG("%s", why);
	EXPECT_LE(45, slot->past);
	EXPECT_GT(45 + SECOND * LIMIT, slot->past);
	leave(&p);
}

TEST_HARNESS_MAIN
