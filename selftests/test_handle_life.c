// SPDX-License-Identifier: GPL-2.0
/*
 * Channels without a name, and how long handles keep a channel: the last of
 * ports and handles that are good for something ends it, and gives all back.
 *
 * What breaks these: a handle that is not counted, or counted twice; one that is
 * revoked and still counted; a channel that is made and not given back when its
 * handle cannot be.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "probe.h"

#define ALL	(IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN)
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

FIXTURE(life) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
};

FIXTURE_SETUP(life)
{
	accounts_read(&self->before);
	unique_name(self->name, "life");
}

FIXTURE_TEARDOWN(life)
{
	EXPECT_EQ(0, drop_channel(self->name) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* So many more channels than before. */
static bool channels(const struct accounts *before, unsigned int more)
{
	return param_get("channels") == before->channels + more;
}

#define CHANNELS(more)	channels(&self->before, more)

TEST_F(life, unnamed)
{
	int handle = handle_create(2);
	struct ipcchan_lookup lookup;
	struct raw_port tx, rx;
	char text[8] = "";

	ASSERT_GE(handle, 0) TH_LOG("%s", why);
	EXPECT_TRUE(CHANNELS(1));
	ASSERT_EQ(0, call_lookup(handle, "", &lookup));
	EXPECT_EQ(ALL, lookup.rights);
	EXPECT_EQ(IPCCHAN_CREATE_UNNAMED, lookup.flags);
	EXPECT_EQ(2, lookup.geometry.senders);
	ASSERT_EQ(0, raw_open_by(&rx, handle, IPCCHAN_RECEIVE)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open_by(&tx, handle, IPCCHAN_SEND));
	raw_publish(&tx, "private", 8, 0);
	EXPECT_EQ(8, raw_take(&rx, tx.attach.sender_slot, text, 8, NULL));
	EXPECT_STREQ("private", text);
	raw_close(&tx);
	raw_close(&rx);
	EXPECT_TRUE(CHANNELS(1));
	close(handle);
	EXPECT_TRUE(accounts_settle(&self->before));
}

TEST_F(life, ends_with_the_last_handle)
{
	int handle = handle_create(2), narrow = handle_open(handle, "", IPCCHAN_SEND);
	int copy = dup(narrow);

	close(handle);
	EXPECT_TRUE(CHANNELS(1));
	close(narrow);
	EXPECT_TRUE(CHANNELS(1));
	close(copy);
	EXPECT_TRUE(CHANNELS(0));
}

TEST_F(life, ends_with_the_last_port)
{
	int handle = handle_create(2);
	struct raw_port tx, rx;

	ASSERT_EQ(0, raw_open_by(&rx, handle, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open_by(&tx, handle, IPCCHAN_SEND));
	close(handle);
	EXPECT_TRUE(CHANNELS(1));
	raw_publish(&tx, "x", 1, 0);
	EXPECT_EQ(1, raw_take(&rx, tx.attach.sender_slot, NULL, 0, NULL));
	raw_close(&rx);
	EXPECT_TRUE(CHANNELS(1));
	raw_close(&tx);
	EXPECT_TRUE(CHANNELS(0));
}

/* Attached, but not mapped: it is a port already. */
TEST_F(life, a_new_port_keeps_it)
{
	int handle = handle_create(2);
	struct raw_port tx;

	ASSERT_EQ(0, raw_attach_by(&tx, handle, IPCCHAN_SEND));
	close(handle);
	EXPECT_TRUE(CHANNELS(1));
	ASSERT_EQ(0, raw_map(&tx));
	raw_close(&tx);
	EXPECT_TRUE(CHANNELS(0));
}

/* On its way to nobody in a socket. */
TEST_F(life, a_handle_under_way_keeps_it)
{
	int handle = handle_create(2), ends[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	ASSERT_EQ(0, send_file(ends[0], handle));
	close(handle);
	EXPECT_TRUE(CHANNELS(1));
	handle = recv_file(ends[1]);
	ASSERT_GE(handle, 0);
	EXPECT_TRUE(CHANNELS(1));
	ASSERT_EQ(0, send_file(ends[0], handle));
	close(handle);
	close(ends[0]);
	close(ends[1]);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Neither a channel nor a name ends while somebody has a handle. */
TEST_F(life, ephemeral_with_a_name)
{
	int device = device_open(), handle;
	struct raw_port port;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	handle = handle_open(device, self->name, IPCCHAN_SEND);
	ASSERT_EQ(0, raw_open(&port, self->name, BOTH));
	raw_close(&port);
	EXPECT_TRUE(channel_exists(self->name));
	ASSERT_EQ(0, raw_open_by(&port, handle, IPCCHAN_SEND)) TH_LOG("%s", why);
	close(handle);
	EXPECT_TRUE(channel_exists(self->name));
	raw_close(&port);
	EXPECT_FALSE(channel_exists(self->name));
	close(device);
}

/* Who may merely send could end it else, before its first receiver has come. */
TEST_F(life, ephemeral_that_had_a_handle_only)
{
	int device = device_open(), handle;
	struct raw_port port;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	handle = handle_open(device, self->name, IPCCHAN_SEND);
	close(handle);
	EXPECT_TRUE(channel_exists(self->name));
	ASSERT_EQ(0, raw_open(&port, self->name, BOTH));
	raw_close(&port);
	EXPECT_FALSE(channel_exists(self->name));
	close(device);
}

TEST_F(life, persistent)
{
	int device = device_open(), handle;

	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2));
	handle = handle_open(device, self->name, IPCCHAN_SEND);
	EXPECT_EQ(0, call_revoke(handle));
	close(handle);
	EXPECT_TRUE(channel_exists(self->name));
	close(device);
}

/* Who was shut out keeps nothing that another pays for. */
TEST_F(life, a_revoked_handle_keeps_nothing)
{
	int handle = handle_create(2), theirs = handle_open(handle, "", BOTH);
	int below = handle_open(theirs, "", IPCCHAN_SEND);

	close(handle);
	EXPECT_TRUE(CHANNELS(1));
	EXPECT_EQ(0, call_revoke(theirs));
	EXPECT_TRUE(CHANNELS(0));
	EXPECT_EQ(-EKEYREVOKED, handle_open(below, "", IPCCHAN_SEND));
	close(theirs);
	close(below);
}

TEST_F(life, a_port_keeps_what_was_revoked)
{
	int handle = handle_create(2);
	struct raw_port port;

	ASSERT_EQ(0, raw_open_by(&port, handle, BOTH));
	EXPECT_EQ(0, call_revoke(handle));
	EXPECT_TRUE(CHANNELS(1));
	raw_publish(&port, "x", 1, 0);
	EXPECT_EQ(1, raw_take(&port, 0, NULL, 0, NULL));
	raw_close(&port);
	EXPECT_TRUE(CHANNELS(0));
	close(handle);
}

TEST_F(life, create_refused)
{
	struct ipcchan_create args = create_args("");
	int device = device_open();

	args.flags = IPCCHAN_CREATE_UNNAMED | IPCCHAN_CREATE_PERSISTENT;
	EXPECT_EQ(-EINVAL, call_create(device, &args));
	EXPECT_STREQ("an unnamed channel is not persistent", why);
	args = create_args(self->name);
	args.flags = IPCCHAN_CREATE_UNNAMED;
	EXPECT_EQ(-EINVAL, call_create(device, &args));
	EXPECT_STREQ("an unnamed channel has no name", why);
	args = create_args("");
	args.flags = IPCCHAN_CREATE_UNNAMED;
	args.geometry.depth = 3;
	EXPECT_EQ(-EINVAL, call_create(device, &args));
	EXPECT_EQ(0, args.handle);
	args = create_args("");
	EXPECT_EQ(-EINVAL, call_create(device, &args));
	EXPECT_STREQ("a name is 1 to 63 letters, digits and ._:/-", why);
	EXPECT_TRUE(CHANNELS(0));
	close(device);
}

/* No file for the handle, and no memory to say which: then no channel, too. */
TEST_F(life, create_without_room_for_the_handle)
{
	struct ipcchan_create args = create_args(""), *constant;
	struct rlimit before, now;
	int device = device_open();

	args.flags = IPCCHAN_CREATE_UNNAMED;
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	now = before;
	now.rlim_cur = device + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &now));
	EXPECT_EQ(-EMFILE, call_create(device, &args));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	EXPECT_TRUE(accounts_settle(&self->before));

	constant = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, constant);
	*constant = args;
	ASSERT_EQ(0, mprotect(constant, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, call_create(device, constant));
	EXPECT_TRUE(accounts_settle(&self->before));
	EXPECT_EQ(device + 1, dup(device));	/* nor is a file left */
	close(device + 1);
	close(device);
}

TEST_F(life, counts_as_a_channel)
{
	unsigned long long most = param_get("max_user_channels");
	int handle;

	ASSERT_EQ(0, param_set("max_user_channels", self->before.channels));
	EXPECT_EQ(-EDQUOT, handle_create(2));
	EXPECT_STREQ("the user has as many channels as allowed (max_user_channels)", why);
	ASSERT_EQ(0, param_set("max_user_channels", most));
	handle = handle_create(2);
	EXPECT_GE(handle, 0);
	close(handle);
}

/* Its memory is the attaching process's, not that of who made the handle. */
static int attach_and_count(void *handle)
{
	struct raw_port port;

	return raw_attach_by(&port, *(int *)handle, IPCCHAN_SEND);
}

TEST_F(life, ports_are_charged_to_who_attaches)
{
	unsigned long long most = param_get("max_user_ports");
	int handle = handle_create(4);
	struct raw_port port;

	ASSERT_EQ(0, raw_open_by(&port, handle, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, param_set("max_user_ports", 1));
	EXPECT_EQ(-EDQUOT, attach_and_count(&handle));
	EXPECT_EQ(0, run_as(BOB, attach_and_count, &handle)) TH_LOG("%s", why);
	ASSERT_EQ(0, param_set("max_user_ports", most));
	raw_close(&port);
	close(handle);
}

/* Through netlink it has a number, for its owner. */
static int64_t number_of(struct genl_answers *answers)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_CHANNEL_GET);
	struct genl g;
	int64_t number = -1;

	if (genl_open(&g))
		return -1;
	if (!genl_talk(&g, &r, answers)) {
		for (size_t i = 0; i < answers->count; i++) {
			struct genl_attrs attrs = genl_attrs(answers->messages[i]);

			if (!genl_text(attrs, IPCCHAN_A_CHANNEL_NAME))
				number = genl_number(attrs, IPCCHAN_A_CHANNEL_ID);
		}
	}
	genl_close(&g);
	return number;
}

static struct genl_request by_number(uint8_t command, uint32_t number)
{
	struct genl_request r = genl_request(command);

	genl_put_u32(&r, IPCCHAN_A_CHANNEL_ID, number);
	return r;
}

static struct genl_request ports_by_number(uint8_t command, uint32_t number, uint32_t port)
{
	struct genl_request r = genl_request(command);

	genl_put_u32(&r, IPCCHAN_A_PORT_CHANNEL_ID, number);
	genl_put_u32(&r, IPCCHAN_A_PORT_ID, port);
	return r;
}

static int make_for_alice(void *out)
{
	*(int *)out = handle_create(2);
	return *(int *)out < 0 ? *(int *)out : 0;
}

struct asking {
	struct genl_request request;
	int handle;
};

/* As alice: makes one, and asks about it by its number, which is the next. */
static int ask_about_own(void *arg)
{
	struct asking *a = arg;
	struct genl_answers answers = { 0 };
	int64_t number;
	int err = make_for_alice(&a->handle);

	number = number_of(&answers);
	genl_free(&answers);
	if (err || number < 0)
		return err ? err : -ENOENT;
	a->request = by_number(IPCCHAN_CMD_CHANNEL_DEL, number);
	return genl_ask(&a->request);
}

TEST_F(life, seen_by_its_owner)
{
	struct asking asking;

	EXPECT_EQ(0, run_as(ALICE, ask_about_own, &asking)) TH_LOG("%s", why);
}

static int count_nameless(void *unused)
{
	struct genl_answers answers = { 0 };
	int64_t number = number_of(&answers);

	(void)unused;
	genl_free(&answers);
	return number >= 0;
}

#define ASK(r)	({ struct genl_request r_ = r; genl_ask(&r_); })
#define ASK_AS(who, r)	({ struct genl_request r_ = r; run_as(who, genl_ask, &r_); })

TEST_F(life, not_seen_by_others)
{
	struct ipcchan_create args = create_args("");
	struct genl_answers answers = { 0 };
	int device = device_open();
	int64_t number;

	args.flags = IPCCHAN_CREATE_UNNAMED;
	args.mode = 0666;			/* counts for nothing */
	ASSERT_EQ(0, call_create(device, &args));
	number = number_of(&answers);
	genl_free(&answers);
	ASSERT_GE(number, 0);
	EXPECT_EQ(0, run_as(BOB, count_nameless, NULL));
	/* nor does it differ from one that is not there */
	EXPECT_EQ(-ENOENT, ASK_AS(BOB, by_number(IPCCHAN_CMD_CHANNEL_GET, number)));
	EXPECT_STREQ("there is no channel of that number", why);
	EXPECT_EQ(-ENOENT, ASK_AS(BOB, by_number(IPCCHAN_CMD_CHANNEL_GET, number + 1)));
	EXPECT_STREQ("there is no channel of that number", why);
	EXPECT_EQ(-ENOENT, ASK_AS(BOB, by_number(IPCCHAN_CMD_CHANNEL_DEL, number)));
	EXPECT_EQ(-ENOENT, ASK_AS(BOB, ports_by_number(IPCCHAN_CMD_PORT_EVICT, number, 1)));
	EXPECT_EQ(-ENOENT, ASK_AS(BOB, ports_by_number(IPCCHAN_CMD_PORT_GET, number, 1)));
	close(args.handle);
	close(device);
}

TEST_F(life, administered_by_its_number)
{
	struct genl_answers answers = { 0 };
	int handle = handle_create(2);
	int64_t number = number_of(&answers);
	struct genl_request both;
	struct raw_port port;

	ASSERT_GE(number, 0);
	EXPECT_EQ(IPCCHAN_ADMIN, genl_number(genl_attrs(genl_with_number(&answers,
		  IPCCHAN_A_CHANNEL_ID, number)), IPCCHAN_A_CHANNEL_RIGHTS));
	EXPECT_EQ(IPCCHAN_CREATE_UNNAMED, genl_number(genl_attrs(genl_with_number(&answers,
		  IPCCHAN_A_CHANNEL_ID, number)), IPCCHAN_A_CHANNEL_FLAGS));
	genl_free(&answers);
	ASSERT_EQ(0, raw_open_by(&port, handle, BOTH));
	EXPECT_EQ(0, ASK(by_number(IPCCHAN_CMD_CHANNEL_GET, number)));
	EXPECT_EQ(0, ASK(ports_by_number(IPCCHAN_CMD_PORT_GET, number, port.attach.port_id)));
	EXPECT_EQ(0, ASK(ports_by_number(IPCCHAN_CMD_PORT_EVICT, number, port.attach.port_id)));
	EXPECT_EQ(-ESHUTDOWN, call_kick(port.fd, 0, 0));
	both = by_number(IPCCHAN_CMD_CHANNEL_GET, number);
	genl_put_text(&both, IPCCHAN_A_CHANNEL_NAME, "x");
	EXPECT_EQ(-EINVAL, ASK(both));
	EXPECT_STREQ("the channel is given by name and by number", why);
	both = genl_dump(IPCCHAN_CMD_CHANNEL_GET);
	genl_put_u32(&both, IPCCHAN_A_CHANNEL_ID, number);
	EXPECT_EQ(-EINVAL, ASK(both));
	EXPECT_STREQ("a dump of channels takes no number", why);
	EXPECT_EQ(0, ASK(by_number(IPCCHAN_CMD_CHANNEL_DEL, number)));
	EXPECT_EQ(-ESHUTDOWN, handle_open(handle, "", IPCCHAN_SEND));
	EXPECT_EQ(-ENOENT, ASK(by_number(IPCCHAN_CMD_CHANNEL_GET, number)));
	raw_close(&port);
	close(handle);
}

TEST_HARNESS_MAIN
