// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family, request by request: what it does, and each refusal with
 * its words. Dumps are in test_netlink_dump.c, who may ask for what is in
 * test_netlink_rights.c.
 */
#include <poll.h>
#include <pthread.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "probe.h"

FIXTURE(netlink) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct genl genl;
	struct genl_answers answers;
};

FIXTURE_SETUP(netlink)
{
	accounts_read(&self->before);
	unique_name(self->name, "netlink");
	ASSERT_EQ(0, genl_open(&self->genl)) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(netlink)
{
	genl_free(&self->answers);
	genl_close(&self->genl);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static struct genl_request new_topic(const char *name)
{
	struct genl_request r = genl_of_channel(IPCCHAN_CMD_CHANNEL_NEW, name);

	genl_put_u32(&r, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
	return r;
}

#define TALK(r) ({ \
	struct genl_request r_ = (r); \
	genl_free(&self->answers); \
	genl_talk(&self->genl, &r_, &self->answers); })

#define NEW(name)		TALK(new_topic(name))
#define DEL(name)		TALK(genl_of_channel(IPCCHAN_CMD_CHANNEL_DEL, name))
#define GET(name)		TALK(genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, name))
#define PORT(name, id)		TALK(genl_of_port(IPCCHAN_CMD_PORT_GET, name, id))
#define EVICT(name, id)		TALK(genl_of_port(IPCCHAN_CMD_PORT_EVICT, name, id))

/* Of the one message that came. */
#define NUMBER(a)	genl_number(genl_attrs(self->answers.messages[0]), IPCCHAN_A_##a)
#define TEXT(a)		genl_text(genl_attrs(self->answers.messages[0]), IPCCHAN_A_##a)
#define CLAIM(a)	genl_number(genl_nest(genl_attrs(self->answers.messages[0]), \
					      IPCCHAN_A_PORT_CLAIMS), IPCCHAN_A_CLAIMS_##a)

#define EXPECT_REFUSED(err, words, does) \
	do { \
		EXPECT_EQ(err, does); \
		EXPECT_STREQ(words, why); \
	} while (0)

TEST_F(netlink, new_by_default)
{
	ASSERT_EQ(0, NEW(self->name)) TH_LOG("%s", why);
	EXPECT_EQ(0, self->answers.count);
	ASSERT_EQ(0, GET(self->name)) TH_LOG("%s", why);
	ASSERT_EQ(1, self->answers.count);
	EXPECT_GT(NUMBER(CHANNEL_ID), 0);
	EXPECT_STREQ(self->name, TEXT(CHANNEL_NAME));
	EXPECT_EQ(IPCCHAN_TYPE_TOPIC, NUMBER(CHANNEL_TYPE));
	EXPECT_EQ(IPCCHAN_OVERFLOW_BLOCK, NUMBER(CHANNEL_OVERFLOW));
	EXPECT_EQ(0, NUMBER(CHANNEL_FLAGS));
	EXPECT_EQ(IPCCHAN_DEFAULT_DEPTH, NUMBER(CHANNEL_DEPTH));
	EXPECT_EQ(IPCCHAN_DEFAULT_SLOTS, NUMBER(CHANNEL_SENDERS));
	EXPECT_EQ(IPCCHAN_DEFAULT_SLOTS, NUMBER(CHANNEL_RECEIVERS));
	EXPECT_EQ(IPCCHAN_DEFAULT_HOLDS, NUMBER(CHANNEL_HOLDS));
	EXPECT_EQ(IPCCHAN_DEFAULT_ARENA, NUMBER(CHANNEL_ARENA));
	EXPECT_EQ(IPCCHAN_DEFAULT_ARENA, NUMBER(CHANNEL_MAX_MESSAGE));
	EXPECT_EQ(0600, NUMBER(CHANNEL_MODE));
	EXPECT_EQ(0, NUMBER(CHANNEL_UID));
	EXPECT_EQ(0, NUMBER(CHANNEL_GID));
	EXPECT_EQ(0, NUMBER(CHANNEL_HISTORY));
	EXPECT_EQ(0, NUMBER(CHANNEL_STALL_NS));
	EXPECT_STREQ("", TEXT(CHANNEL_LABEL));
	EXPECT_EQ(0, NUMBER(CHANNEL_SENDERS_ATTACHED));
	EXPECT_EQ(0, NUMBER(CHANNEL_RECEIVERS_ATTACHED));
	EXPECT_EQ(IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN, NUMBER(CHANNEL_RIGHTS));
	EXPECT_EQ(param_get("bytes") - self->before.bytes, NUMBER(CHANNEL_BYTES));
	EXPECT_EQ(0, DEL(self->name));
	EXPECT_FALSE(channel_exists(self->name));
}

/* Likewise. */
TEST_F(netlink, new_with_a_policy)
{
	struct genl_request r = new_topic(self->name);
	struct ipcchan_lookup lookup;

	genl_put_u32(&r, IPCCHAN_A_CHANNEL_OVERFLOW, IPCCHAN_OVERFLOW_DROP_OLDEST);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_HISTORY, 300);
	genl_put_text(&r, IPCCHAN_A_CHANNEL_LABEL, "imu/3");
	ASSERT_EQ(0, TALK(r)) TH_LOG("%s", why);
	ASSERT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(IPCCHAN_OVERFLOW_DROP_OLDEST, lookup.overflow);
	EXPECT_EQ(300, lookup.history);
	EXPECT_EQ(512, lookup.geometry.depth);
	EXPECT_STREQ("imu/3", lookup.label);
	ASSERT_EQ(0, GET(self->name));
	EXPECT_EQ(IPCCHAN_OVERFLOW_DROP_OLDEST, NUMBER(CHANNEL_OVERFLOW));
	EXPECT_EQ(300, NUMBER(CHANNEL_HISTORY));
	EXPECT_EQ(0, NUMBER(CHANNEL_STALL_NS));
	EXPECT_STREQ("imu/3", TEXT(CHANNEL_LABEL));
	EXPECT_EQ(0, DEL(self->name));

	r = new_topic(self->name);
	genl_put_u64(&r, IPCCHAN_A_CHANNEL_STALL_NS, 1500000);
	ASSERT_EQ(0, TALK(r)) TH_LOG("%s", why);
	ASSERT_EQ(0, GET(self->name));
	EXPECT_EQ(1500000, NUMBER(CHANNEL_STALL_NS));
	EXPECT_EQ(0, DEL(self->name));
}

/* What is said arrives, and netlink and the calls see the same channel. */
TEST_F(netlink, new_with_everything)
{
	struct genl_request r = new_topic(self->name);
	struct ipcchan_lookup lookup;

	genl_put_u32(&r, IPCCHAN_A_CHANNEL_OVERFLOW, IPCCHAN_OVERFLOW_BLOCK);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_FLAGS, IPCCHAN_CREATE_PERSISTENT);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_DEPTH, 8);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_SENDERS, 2);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_RECEIVERS, 3);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_HOLDS, 4);
	genl_put_u64(&r, IPCCHAN_A_CHANNEL_ARENA, 12345);
	genl_put_u64(&r, IPCCHAN_A_CHANNEL_MAX_MESSAGE, 77);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_MODE, 0642);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_UID, ALICE);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_GID, BOB);
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_HISTORY, 0);
	genl_put_u64(&r, IPCCHAN_A_CHANNEL_STALL_NS, 0);
	genl_put_text(&r, IPCCHAN_A_CHANNEL_LABEL, "");
	ASSERT_EQ(0, TALK(r)) TH_LOG("%s", why);
	ASSERT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(IPCCHAN_CREATE_PERSISTENT, lookup.flags);
	EXPECT_EQ(8, lookup.geometry.depth);
	EXPECT_EQ(2, lookup.geometry.senders);
	EXPECT_EQ(3, lookup.geometry.receivers);
	EXPECT_EQ(4, lookup.geometry.holds);
	EXPECT_EQ(16384, lookup.geometry.arena);
	EXPECT_EQ(77, lookup.geometry.max_message);
	EXPECT_EQ(0642, lookup.mode);
	EXPECT_EQ(ALICE, lookup.uid);
	EXPECT_EQ(BOB, lookup.gid);
	ASSERT_EQ(0, GET(self->name));
	EXPECT_EQ(IPCCHAN_CREATE_PERSISTENT, NUMBER(CHANNEL_FLAGS));
	EXPECT_EQ(8, NUMBER(CHANNEL_DEPTH));
	EXPECT_EQ(2, NUMBER(CHANNEL_SENDERS));
	EXPECT_EQ(3, NUMBER(CHANNEL_RECEIVERS));
	EXPECT_EQ(4, NUMBER(CHANNEL_HOLDS));
	EXPECT_EQ(16384, NUMBER(CHANNEL_ARENA));
	EXPECT_EQ(77, NUMBER(CHANNEL_MAX_MESSAGE));
	EXPECT_EQ(0642, NUMBER(CHANNEL_MODE));
	EXPECT_EQ(ALICE, NUMBER(CHANNEL_UID));
	EXPECT_EQ(BOB, NUMBER(CHANNEL_GID));
	EXPECT_EQ(0, DEL(self->name));
}

/* An attribute that is wrong in a request that is right; no words: any. */
struct fault {
	uint16_t type;
	uint16_t size;
	uint64_t value;
	int err;
	const char *words;
};

#define U32(a, value, err, words) { IPCCHAN_A_CHANNEL_##a, 4, value, err, words }
#define U64(a, value, err, words) { IPCCHAN_A_CHANNEL_##a, 8, value, err, words }

static const struct fault faults[] = {
	/* the policy's */
	U32(TYPE, 0, -ERANGE, NULL),
	U32(TYPE, 5, -ERANGE, NULL),
	U32(OVERFLOW, 2, -ERANGE, NULL),
	U32(FLAGS, 4, -EINVAL, NULL),
	U32(FLAGS, 1u << 31 | 1, -EINVAL, NULL),
	{ IPCCHAN_A_CHANNEL_PAD, 0, 0, -EINVAL, NULL },
	U32(ID, 1, -EINVAL, NULL),
	U32(SENDERS_ATTACHED, 1, -EINVAL, NULL),
	U32(RECEIVERS_ATTACHED, 1, -EINVAL, NULL),
	U64(BYTES, 1, -EINVAL, NULL),
	U32(RIGHTS, 7, -EINVAL, NULL),
	{ IPCCHAN_A_CHANNEL_MAX + 1, 4, 1, -EINVAL, NULL },
	{ 16383, 4, 1, -EINVAL, NULL },
	{ 0, 4, 1, -EINVAL, NULL },
	{ IPCCHAN_A_CHANNEL_DEPTH | NLA_F_NESTED, 4, 8, -EINVAL, NULL },
	{ IPCCHAN_A_CHANNEL_DEPTH, 2, 8, -EINVAL, NULL },
	{ IPCCHAN_A_CHANNEL_DEPTH, 8, 8, -EINVAL, NULL },
	{ IPCCHAN_A_CHANNEL_DEPTH, 0, 0, -EINVAL, NULL },
	{ IPCCHAN_A_CHANNEL_ARENA, 4, 8192, -EINVAL, NULL },
	{ IPCCHAN_A_CHANNEL_NAME, 4, 0x61616161, -EINVAL, NULL },	/* no NUL */
	{ IPCCHAN_A_CHANNEL_LABEL, 4, 0x61616161, -EINVAL, NULL },
	/* ours */
	{ IPCCHAN_A_CHANNEL_NAME, 1, 0, -EINVAL, "a name is 1 to 63 letters, digits and ._:/-" },
	{ IPCCHAN_A_CHANNEL_NAME, 2, '*', -EINVAL, "a name is 1 to 63 letters, digits and ._:/-" },
	U32(TYPE, IPCCHAN_TYPE_CONNECTION, -EINVAL, "unknown type of channel"),
	U32(FLAGS, IPCCHAN_CREATE_UNNAMED, -EINVAL,
	    "an unnamed channel is made with its handle, not here"),
	U32(HISTORY, 65536, -EINVAL, "history is more than 65535"),
	U64(STALL_NS, 999999, -EINVAL, "stall is not from a millisecond to an hour"),
	{ IPCCHAN_A_CHANNEL_LABEL, 2, '\n', -EINVAL, "a label is printable ASCII" },
	U32(DEPTH, 3, -EINVAL, "depth is not a power of two from 1 to 65536"),
	U32(SENDERS, 65, -EINVAL, "more than 64 senders"),
	U32(RECEIVERS, 65, -EINVAL, "more than 64 receivers"),
	U32(HOLDS, 1025, -EINVAL, "more than 1024 holds"),
	U64(ARENA, 63, -EINVAL, "the arena is not from 64 bytes to 1 GiB"),
	U64(ARENA, 1ull << 63, -EINVAL, "the arena is not from 64 bytes to 1 GiB"),
	U64(MAX_MESSAGE, 1ull << 32, -EINVAL,
	    "max-message and policy need an arena of more than 1 GiB"),
	U32(MODE, 0700, -EINVAL, "mode has bits other than r (4) and w (2)"),
};

/*
 * Breaks when a policy is not strict, or names an attribute that only comes
 * out; when a refusal has no words; or when a refused channel is made.
 */
TEST_F(netlink, new_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const struct fault *f = &faults[i];
		struct genl_request r = new_topic(self->name);

		genl_put(&r, f->type, &f->value, f->size);
		EXPECT_EQ(f->err, TALK(r)) {
			TH_LOG("fault %zu: %s", i, why);
		}
		EXPECT_STREQ(f->words ? f->words : why, why);
		EXPECT_NE(0, why[0]) {
			TH_LOG("fault %zu has no words", i);
		}
	}
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

TEST_F(netlink, new_incomplete)
{
	struct genl_request r = genl_request(IPCCHAN_CMD_CHANNEL_NEW);

	EXPECT_REFUSED(-EINVAL, "the name of the channel is missing", TALK(r));
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
	EXPECT_REFUSED(-EINVAL, "the name of the channel is missing", TALK(r));
	r = genl_of_channel(IPCCHAN_CMD_CHANNEL_NEW, self->name);
	EXPECT_REFUSED(-EINVAL, "the type of the channel is missing", TALK(r));
}

TEST_F(netlink, new_twice)
{
	ASSERT_EQ(0, NEW(self->name));
	EXPECT_REFUSED(-EEXIST, "the name is taken", NEW(self->name));
	EXPECT_EQ(0, DEL(self->name));
	EXPECT_EQ(0, NEW(self->name));
	EXPECT_EQ(0, DEL(self->name));
}

TEST_F(netlink, new_beyond_the_limit)
{
	unsigned long long most = param_get("max_user_channels");

	ASSERT_EQ(0, param_set("max_user_channels", self->before.channels));
	EXPECT_REFUSED(-EDQUOT, "the user has as many channels as allowed (max_user_channels)",
		       NEW(self->name));
	EXPECT_EQ(0, param_set("max_user_channels", most));
	EXPECT_FALSE(channel_exists(self->name));
}

/* A NUL, or its end, within the 64 bytes of a name. */
TEST_F(netlink, names_of_all_lengths)
{
	static const uint8_t commands[] = {
		IPCCHAN_CMD_CHANNEL_NEW, IPCCHAN_CMD_CHANNEL_GET, IPCCHAN_CMD_CHANNEL_DEL,
	};
	char name[80];

	memset(name, 'n', sizeof(name));
	name[63] = 0;
	ASSERT_EQ(0, NEW(name)) TH_LOG("%s", why);
	ASSERT_EQ(0, GET(name));
	EXPECT_STREQ(name, TEXT(CHANNEL_NAME));
	EXPECT_EQ(0, DEL(name));
	name[63] = 'n';
	name[64] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct genl_request r = genl_of_channel(commands[i], name);

		genl_put_u32(&r, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
		EXPECT_EQ(-EINVAL, TALK(r));
		EXPECT_NE(0, why[0]);
	}
	EXPECT_EQ(-EINVAL, PORT(name, 1));
	EXPECT_EQ(-EINVAL, EVICT(name, 1));
}

TEST_F(netlink, get_and_del_refused)
{
	EXPECT_REFUSED(-EINVAL, "the name of the channel is missing",
		       TALK(genl_request(IPCCHAN_CMD_CHANNEL_GET)));
	EXPECT_REFUSED(-EINVAL, "the name of the channel is missing",
		       TALK(genl_request(IPCCHAN_CMD_CHANNEL_DEL)));
	EXPECT_REFUSED(-EINVAL, "a name is 1 to 63 letters, digits and ._:/-", GET("a b"));
	EXPECT_REFUSED(-EINVAL, "a name is 1 to 63 letters, digits and ._:/-", DEL(""));
	EXPECT_REFUSED(-ENOENT, "there is no channel of that name", GET(self->name));
	EXPECT_REFUSED(-ENOENT, "there is no channel of that name", DEL(self->name));
}

TEST_F(netlink, ports_refused)
{
	struct genl_request get = genl_request(IPCCHAN_CMD_PORT_GET);
	struct genl_request evict = genl_request(IPCCHAN_CMD_PORT_EVICT);

	EXPECT_REFUSED(-EINVAL, "the name of the channel is missing", TALK(get));
	EXPECT_REFUSED(-EINVAL, "the name of the channel is missing", TALK(evict));
	EXPECT_REFUSED(-ENOENT, "there is no channel of that name", PORT(self->name, 1));
	EXPECT_REFUSED(-ENOENT, "there is no channel of that name", EVICT(self->name, 1));
	ASSERT_EQ(0, NEW(self->name));
	EXPECT_REFUSED(-ENOENT, "the channel has no such port", PORT(self->name, 1));
	EXPECT_REFUSED(-ENOENT, "the channel has no such port", PORT(self->name, UINT32_MAX));
	EXPECT_REFUSED(-ENOENT, "the channel has no port of that number", EVICT(self->name, 0));
	genl_put_text(&get, IPCCHAN_A_PORT_CHANNEL, self->name);
	genl_put_text(&evict, IPCCHAN_A_PORT_CHANNEL, self->name);
	EXPECT_REFUSED(-EINVAL, "the number of the port is missing", TALK(get));
	EXPECT_REFUSED(-EINVAL, "the number of the port is missing", TALK(evict));
	EXPECT_EQ(0, DEL(self->name));
}

/* No command takes what it does not know, be it right for another. */
TEST_F(netlink, strict_policies)
{
	static const struct { uint8_t command; uint16_t type; } strangers[] = {
		{ IPCCHAN_CMD_CHANNEL_GET, IPCCHAN_A_CHANNEL_PAD },
		{ IPCCHAN_CMD_CHANNEL_GET, IPCCHAN_A_CHANNEL_TYPE },
		{ IPCCHAN_CMD_CHANNEL_DEL, IPCCHAN_A_CHANNEL_RIGHTS },
		{ IPCCHAN_CMD_PORT_GET, IPCCHAN_A_PORT_ROLES },
		{ IPCCHAN_CMD_PORT_GET, IPCCHAN_A_PORT_CLAIMS },
		{ IPCCHAN_CMD_PORT_EVICT, IPCCHAN_A_PORT_PAD },
		{ IPCCHAN_CMD_PORT_EVICT, IPCCHAN_A_PORT_PID },
		{ IPCCHAN_CMD_PORT_EVICT, 999 },
	};

	ASSERT_EQ(0, NEW(self->name));
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		struct genl_request r = genl_request(strangers[i].command);

		/* the name's attribute is another for ports */
		genl_put_text(&r, strangers[i].command < IPCCHAN_CMD_PORT_GET ?
			      IPCCHAN_A_CHANNEL_NAME : IPCCHAN_A_PORT_CHANNEL, self->name);
		genl_put_u32(&r, strangers[i].type, 1);
		EXPECT_EQ(-EINVAL, TALK(r)) {
			TH_LOG("command %u took attribute %u", strangers[i].command,
			       strangers[i].type);
		}
		EXPECT_NE(0, why[0]);
	}
	EXPECT_EQ(0, DEL(self->name));
}

TEST_F(netlink, malformed)
{
	struct genl_request r = genl_request(IPCCHAN_CMD_MAX + 1);

	EXPECT_EQ(-EOPNOTSUPP, TALK(r));
	EXPECT_EQ(-EOPNOTSUPP, TALK(genl_request(0)));
	EXPECT_EQ(-EOPNOTSUPP, TALK(genl_dump(IPCCHAN_CMD_CHANNEL_NEW)));
	EXPECT_EQ(-EOPNOTSUPP, TALK(genl_dump(IPCCHAN_CMD_PORT_EVICT)));
	/* a part of a header is no attribute, an attribute beyond the message is none */
	r = genl_of_channel(IPCCHAN_CMD_CHANNEL_DEL, "nothing");
	r.header.nlmsg_len += 3;
	EXPECT_EQ(-EINVAL, TALK(r));
	EXPECT_NE(0, why[0]);
	r = genl_of_channel(IPCCHAN_CMD_CHANNEL_DEL, "nothing");
	r.header.nlmsg_len -= 4;
	EXPECT_EQ(-EINVAL, TALK(r));
	r.header.nlmsg_len = NLMSG_HDRLEN;
	EXPECT_EQ(-EINVAL, TALK(r));
	r = genl_request(IPCCHAN_CMD_CHANNEL_DEL);
	((struct genlmsghdr *)NLMSG_DATA(&r.header))->reserved = 1;
	EXPECT_EQ(-EINVAL, TALK(r));
}

TEST_F(netlink, port_of_a_sender)
{
	uint64_t before = now_ns();
	struct raw_port tx;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	ASSERT_EQ(0, raw_attach(&tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, PORT(self->name, tx.attach.port_id)) TH_LOG("%s", why);
	ASSERT_EQ(1, self->answers.count);
	EXPECT_EQ(IPCCHAN_PORT_STATUS_NEW, NUMBER(PORT_STATUS));
	EXPECT_EQ(0, CLAIM(SENT));
	ASSERT_EQ(0, raw_map(&tx));
	raw_publish(&tx, "four", 4, 0);
	raw_publish(&tx, "seven..", 7, 0);
	raw_outbox(&tx)->sent = 12;
	raw_outbox(&tx)->bytes = 345;
	ASSERT_EQ(0, PORT(self->name, tx.attach.port_id));
	EXPECT_STREQ(self->name, TEXT(PORT_CHANNEL));
	EXPECT_EQ(tx.attach.port_id, NUMBER(PORT_ID));
	EXPECT_EQ(IPCCHAN_SEND, NUMBER(PORT_ROLES));
	EXPECT_EQ(tx.attach.sender_slot, NUMBER(PORT_SENDER_SLOT));
	EXPECT_EQ(-1, NUMBER(PORT_RECEIVER_SLOT));
	EXPECT_EQ(IPCCHAN_PORT_STATUS_ACTIVE, NUMBER(PORT_STATUS));
	EXPECT_EQ(0, NUMBER(PORT_SLEEPING));
	EXPECT_EQ(getpid(), NUMBER(PORT_PID));
	EXPECT_EQ(0, NUMBER(PORT_UID));
	EXPECT_EQ(0, NUMBER(PORT_GID));
	EXPECT_GE(now_ns(), NUMBER(PORT_ATTACHED_NS));
	EXPECT_LE(before, NUMBER(PORT_ATTACHED_NS));
	EXPECT_EQ(tx.layout.outbox_size, NUMBER(PORT_BYTES));
	EXPECT_EQ(12, CLAIM(SENT));
	EXPECT_EQ(345, CLAIM(SENT_BYTES));
	raw_close(&tx);
}

TEST_F(netlink, port_of_a_receiver)
{
	struct raw_port tx, rx;
	char byte;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	ASSERT_EQ(0, raw_open(&rx, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	for (int i = 0; i < 5; i++)
		raw_publish(&tx, "x", 1, 0);
	ASSERT_EQ(1, raw_take(&rx, tx.attach.sender_slot, &byte, 1, NULL));
	ASSERT_EQ(0, PORT(self->name, rx.attach.port_id));
	EXPECT_EQ(IPCCHAN_RECEIVE, NUMBER(PORT_ROLES));
	EXPECT_EQ(-1, NUMBER(PORT_SENDER_SLOT));
	EXPECT_EQ(rx.attach.receiver_slot, NUMBER(PORT_RECEIVER_SLOT));
	EXPECT_EQ(rx.layout.receipts_size, NUMBER(PORT_BYTES));
	EXPECT_EQ(4, CLAIM(BEHIND));
	EXPECT_EQ(0, CLAIM(HELD));
	raw_holds(&rx)[0] = raw_cursor(&rx, tx.attach.sender_slot)->passed;
	raw_cursor(&rx, tx.attach.sender_slot)->lost = 17;
	ASSERT_EQ(0, PORT(self->name, rx.attach.port_id));
	EXPECT_EQ(1, CLAIM(HELD));
	EXPECT_EQ(17, CLAIM(LOST));
	ASSERT_EQ(0, GET(self->name));
	EXPECT_EQ(1, NUMBER(CHANNEL_SENDERS_ATTACHED));
	EXPECT_EQ(1, NUMBER(CHANNEL_RECEIVERS_ATTACHED));
	EXPECT_EQ(param_get("bytes") - self->before.bytes, NUMBER(CHANNEL_BYTES));
	raw_close(&tx);
	raw_close(&rx);
}

/* It has left, but what it sent is unread: it can be seen, and that be thrown away. */
TEST_F(netlink, port_of_a_sender_that_left)
{
	struct raw_port tx, rx;
	uint32_t id;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	ASSERT_EQ(0, raw_open(&rx, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	raw_publish(&tx, "x", 1, 0);
	id = tx.attach.port_id;
	raw_close(&tx);
	ASSERT_EQ(0, PORT(self->name, id)) TH_LOG("%s", why);
	EXPECT_EQ(IPCCHAN_PORT_STATUS_DRAINING, NUMBER(PORT_STATUS));
	EXPECT_EQ(id, NUMBER(PORT_ID));
	EXPECT_EQ(tx.attach.sender_slot, NUMBER(PORT_SENDER_SLOT));
	EXPECT_EQ(tx.layout.outbox_size, NUMBER(PORT_BYTES));
	EXPECT_EQ(getpid(), NUMBER(PORT_PID));
	EXPECT_EQ(0, EVICT(self->name, id)) TH_LOG("%s", why);
	EXPECT_REFUSED(-ENOENT, "the channel has no such port", PORT(self->name, id));
	EXPECT_EQ(IPCCHAN_SLOT_EMPTY, raw_sender_slot(&rx, tx.attach.sender_slot)->state);
	raw_close(&rx);
}

static void *sleep_there(void *port)
{
	uint32_t events;

	return (void *)(long)wait_for(port, IPCCHAN_WAIT_RECEIVE, FOREVER, &events);
}

/* Seen asleep; then evicted: told so, awake, and no crash whatever it touches. */
TEST_F(netlink, evicted)
{
	struct raw_port tx, rx;
	pthread_t sleeper;
	void *result;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&rx, self->name, IPCCHAN_RECEIVE));
	raw_publish(&tx, "x", 1, 0);
	raw_cursor(&rx, 0)->passed = tx.next - 1;
	ASSERT_EQ(0, pthread_create(&sleeper, NULL, sleep_there, &rx));
	ASSERT_TRUE(receiver_sleeps(&tx, rx.attach.receiver_slot));
	ASSERT_EQ(0, PORT(self->name, rx.attach.port_id));
	EXPECT_EQ(IPCCHAN_RECEIVE, NUMBER(PORT_SLEEPING));
	EXPECT_EQ(0, EVICT(self->name, rx.attach.port_id)) TH_LOG("%s", why);
	ASSERT_EQ(0, pthread_join(sleeper, &result));
	EXPECT_EQ(-ESHUTDOWN, (long)result);
	EXPECT_EQ(-ESHUTDOWN, call_kick(rx.fd, 0, 1));
	EXPECT_TRUE(poll_for(&rx, POLLIN, 0) & POLLERR);
	EXPECT_EQ(0, touch_write(rx.own));
	EXPECT_EQ(0, touch_read(rx.window + rx.attach.window_size - 1));
	EXPECT_EQ(-ENOENT, PORT(self->name, rx.attach.port_id));
	EXPECT_EQ(-ENOENT, EVICT(self->name, rx.attach.port_id));
	ASSERT_EQ(0, GET(self->name));
	EXPECT_EQ(0, NUMBER(CHANNEL_RECEIVERS_ATTACHED));
	EXPECT_EQ(0, EVICT(self->name, tx.attach.port_id));
	EXPECT_EQ(0, touch_write(tx.own));
	EXPECT_EQ(-ESHUTDOWN, call_kick(tx.fd, 1, 0));
	/* it was the last, on an ephemeral channel */
	EXPECT_FALSE(channel_exists(self->name));
	raw_close(&tx);
	raw_close(&rx);
}

TEST_F(netlink, deleted_under_its_ports)
{
	struct raw_port tx, rx;

	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&rx, self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(0, DEL(self->name));
	EXPECT_EQ(-ESHUTDOWN, call_kick(tx.fd, 1, 0));
	EXPECT_EQ(-ESHUTDOWN, call_kick(rx.fd, 0, 1));
	EXPECT_EQ(0, touch_write(tx.own));
	EXPECT_EQ(-ENOENT, PORT(self->name, tx.attach.port_id));
	raw_close(&tx);
	raw_close(&rx);
}

TEST_HARNESS_MAIN
