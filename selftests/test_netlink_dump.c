// SPDX-License-Identifier: GPL-2.0
/*
 * Lists of channels and ports: complete when they take more than one message,
 * marked when something changed meanwhile, and without what is none of the
 * asker's business.
 */
#include <kselftest_harness.h>

#include "genl.h"
#include "probe.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 90

/* Each takes 200 bytes and more: lists of so many take several datagrams. */
#define CHANNELS	200
#define PORTS		64

FIXTURE(dump) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct genl genl;
	struct genl_answers answers;
};

FIXTURE_SETUP(dump)
{
	accounts_read(&self->before);
	unique_name(self->name, "dump");
	ASSERT_EQ(0, genl_open(&self->genl)) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(dump)
{
	genl_free(&self->answers);
	genl_close(&self->genl);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static void number_name(char *name, const char *base, int number)
{
	snprintf(name, IPCCHAN_NAME_SIZE, "%.50s.%d", base, number);
}

/* Small ones. */
static int make_many(const char *base, int count)
{
	char name[IPCCHAN_NAME_SIZE];
	int err = 0;

	for (int i = 0; i < count && !err; i++) {
		number_name(name, base, i);
		err = small_channel(name, IPCCHAN_CREATE_PERSISTENT, 2);
	}
	return err;
}

static int drop_many(const char *base, int count)
{
	char name[IPCCHAN_NAME_SIZE];
	int err = 0;

	for (int i = 0; i < count; i++) {
		number_name(name, base, i);
		err |= drop_channel(name);
	}
	return err;
}

static struct genl_request list_channels(void)
{
	return genl_dump(IPCCHAN_CMD_CHANNEL_GET);
}

static struct genl_request list_ports(const char *name)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_PORT_GET);

	genl_put_text(&r, IPCCHAN_A_PORT_CHANNEL, name);
	return r;
}

static int begin(struct genl *g, struct genl_request r, struct genl_answers *answers)
{
	int err = genl_send(g, &r);

	return err ? err : genl_receive(g, answers);
}

static int finish(struct genl *g, struct genl_answers *answers)
{
	int err = 0;

	while (!err && !answers->done)
		err = genl_receive(g, answers);
	return err;
}

static int whole(struct genl *g, struct genl_request r, struct genl_answers *answers)
{
	int err;

	genl_free(answers);
	err = begin(g, r, answers);
	return err ? err : finish(g, answers);
}

#define WHOLE(r)	whole(&self->genl, r, &self->answers)
#define BEGIN(r)	(genl_free(&self->answers), begin(&self->genl, r, &self->answers))
#define FINISH()	finish(&self->genl, &self->answers)
#define LISTED(name)	(!!genl_with_text(&self->answers, IPCCHAN_A_CHANNEL_NAME, name))
#define PORT_LISTED(id)	(!!genl_with_number(&self->answers, IPCCHAN_A_PORT_ID, id))

/* How many of these names are there, each once. */
static int listed_once(const struct genl_answers *answers, const char *base, int count)
{
	char name[IPCCHAN_NAME_SIZE];
	int found = 0;

	for (int i = 0; i < count; i++) {
		int times = 0;

		number_name(name, base, i);
		for (size_t m = 0; m < answers->count; m++)
			times += !strcmp(name, genl_text(genl_attrs(answers->messages[m]),
							 IPCCHAN_A_CHANNEL_NAME));
		found += times == 1;
	}
	return found;
}

TEST_F(dump, nothing)
{
	ASSERT_EQ(0, self->before.channels);
	EXPECT_EQ(0, WHOLE(list_channels()));
	EXPECT_EQ(0, self->answers.count);
	EXPECT_FALSE(self->answers.disturbed);
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2));
	EXPECT_EQ(0, WHOLE(list_ports(self->name)));
	EXPECT_EQ(0, self->answers.count);
	EXPECT_EQ(0, drop_channel(self->name));
}

/* Breaks when a piece begins with another channel than where the last one ended. */
TEST_F(dump, many_channels)
{
	ASSERT_EQ(0, make_many(self->name, CHANNELS));
	EXPECT_EQ(0, WHOLE(list_channels())) TH_LOG("%s", why);
	EXPECT_LT(3, self->answers.datagrams);
	EXPECT_EQ(CHANNELS, self->answers.count);
	EXPECT_EQ(CHANNELS, listed_once(&self->answers, self->name, CHANNELS));
	EXPECT_FALSE(self->answers.disturbed);
	EXPECT_EQ(0, drop_many(self->name, CHANNELS));
	EXPECT_EQ(0, WHOLE(list_channels()));
	EXPECT_EQ(0, self->answers.count);
}

/* What a dump of one tells is what a question tells. */
TEST_F(dump, same_as_get)
{
	struct genl_request r = genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, self->name);
	struct genl_answers one = { 0 };
	struct genl_attrs a, b;

	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 2));
	ASSERT_EQ(0, genl_talk(&self->genl, &r, &one));
	ASSERT_EQ(0, WHOLE(list_channels()));
	ASSERT_EQ(1, one.count);
	ASSERT_EQ(1, self->answers.count);
	a = genl_attrs(one.messages[0]);
	b = genl_attrs(self->answers.messages[0]);
	ASSERT_EQ(a.size, b.size);
	EXPECT_EQ(0, memcmp(a.at, b.at, a.size));
	genl_free(&one);
	EXPECT_EQ(0, drop_channel(self->name));
}

/* Breaks without cb->seq: the asker would take half the truth for all of it. */
TEST_F(dump, channel_made_meanwhile)
{
	ASSERT_EQ(0, make_many(self->name, CHANNELS));
	ASSERT_EQ(0, BEGIN(list_channels()));
	ASSERT_FALSE(self->answers.done);
	ASSERT_EQ(0, make_channel("test/dump.meanwhile", 0, 0600));
	EXPECT_EQ(0, FINISH());
	EXPECT_TRUE(self->answers.disturbed);
	EXPECT_EQ(CHANNELS, listed_once(&self->answers, self->name, CHANNELS));
	EXPECT_EQ(0, drop_channel("test/dump.meanwhile"));
	EXPECT_EQ(0, drop_many(self->name, CHANNELS));
}

TEST_F(dump, channel_gone_meanwhile)
{
	char first[IPCCHAN_NAME_SIZE], last[IPCCHAN_NAME_SIZE];

	number_name(first, self->name, 0);
	number_name(last, self->name, CHANNELS - 1);
	ASSERT_EQ(0, make_many(self->name, CHANNELS));
	ASSERT_EQ(0, BEGIN(list_channels()));
	ASSERT_FALSE(self->answers.done);
	EXPECT_EQ(0, drop_channel(first));
	EXPECT_EQ(0, drop_channel(last));
	EXPECT_EQ(0, FINISH());
	EXPECT_TRUE(self->answers.disturbed);
	EXPECT_TRUE(LISTED(first));
	EXPECT_FALSE(LISTED(last));
	EXPECT_EQ(0, drop_many(self->name, CHANNELS - 1) & ~-ENOENT);
}

/* A list that is not read to its end, by a socket that goes: nothing is left. */
TEST_F(dump, given_up)
{
	struct genl other;

	ASSERT_EQ(0, make_many(self->name, CHANNELS));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, genl_open(&other));
		EXPECT_EQ(0, begin(&other, list_channels(), &self->answers));
		genl_close(&other);
		genl_free(&self->answers);
	}
	EXPECT_EQ(0, drop_many(self->name, CHANNELS));
}

/* A crowd of ports: as many receivers, and senders. */
struct crowd {
	struct raw_port rx[PORTS];
	struct raw_port tx[PORTS];
};

static struct crowd crowd;

static int gather(const char *name, int count)
{
	int err = small_channel(name, 0, PORTS);

	for (int i = 0; i < count && !err; i++) {
		err = raw_open(&crowd.rx[i], name, IPCCHAN_RECEIVE);
		if (!err)
			err = raw_open(&crowd.tx[i], name, IPCCHAN_SEND);
	}
	return err;
}

static void disperse(int count)
{
	for (int i = 0; i < count; i++) {
		raw_close(&crowd.rx[i]);
		raw_close(&crowd.tx[i]);
	}
}

TEST_F(dump, many_ports)
{
	int found = 0;

	ASSERT_EQ(0, gather(self->name, PORTS)) TH_LOG("%s", why);
	EXPECT_EQ(0, WHOLE(list_ports(self->name)));
	EXPECT_LT(3, self->answers.datagrams);
	EXPECT_EQ(2 * PORTS, self->answers.count);
	for (int i = 0; i < PORTS; i++)
		found += PORT_LISTED(crowd.rx[i].attach.port_id) +
			 PORT_LISTED(crowd.tx[i].attach.port_id);
	EXPECT_EQ(2 * PORTS, found);
	EXPECT_FALSE(self->answers.disturbed);
	disperse(PORTS);
}

/* Senders that left with messages unread stand behind the others. */
TEST_F(dump, ports_that_left)
{
	int left = 0;

	ASSERT_EQ(0, gather(self->name, PORTS)) TH_LOG("%s", why);
	for (int i = 0; i < PORTS; i++) {
		raw_publish(&crowd.tx[i], "x", 1, 0);
		raw_close(&crowd.tx[i]);
	}
	EXPECT_EQ(0, WHOLE(list_ports(self->name)));
	EXPECT_EQ(2 * PORTS, self->answers.count);
	for (size_t i = 0; i < self->answers.count; i++)
		left += genl_number(genl_attrs(self->answers.messages[i]), IPCCHAN_A_PORT_STATUS) ==
			IPCCHAN_PORT_STATUS_DRAINING;
	EXPECT_EQ(PORTS, left);
	for (int i = 0; i < PORTS; i++) {
		EXPECT_TRUE(PORT_LISTED(crowd.tx[i].attach.port_id));
		raw_close(&crowd.rx[i]);
	}
}

TEST_F(dump, port_comes_meanwhile)
{
	ASSERT_EQ(0, gather(self->name, PORTS - 1)) TH_LOG("%s", why);
	ASSERT_EQ(0, BEGIN(list_ports(self->name)));
	ASSERT_FALSE(self->answers.done);
	ASSERT_EQ(0, raw_open(&crowd.rx[PORTS - 1], self->name, IPCCHAN_RECEIVE));
	EXPECT_EQ(0, FINISH());
	EXPECT_TRUE(self->answers.disturbed);
	raw_close(&crowd.rx[PORTS - 1]);
	disperse(PORTS - 1);
}

TEST_F(dump, port_goes_meanwhile)
{
	ASSERT_EQ(0, gather(self->name, PORTS)) TH_LOG("%s", why);
	ASSERT_EQ(0, BEGIN(list_ports(self->name)));
	ASSERT_FALSE(self->answers.done);
	raw_close(&crowd.rx[0]);
	raw_close(&crowd.tx[PORTS - 1]);
	EXPECT_EQ(0, FINISH());
	EXPECT_TRUE(self->answers.disturbed);
	EXPECT_FALSE(PORT_LISTED(crowd.tx[PORTS - 1].attach.port_id));
	for (int i = 1; i < PORTS; i++)
		raw_close(&crowd.rx[i]);
	for (int i = 0; i < PORTS - 1; i++)
		raw_close(&crowd.tx[i]);
}

/* The words come with the end of the list, since it had begun well. */
TEST_F(dump, channel_of_the_ports_gone_meanwhile)
{
	ASSERT_EQ(0, gather(self->name, PORTS)) TH_LOG("%s", why);
	ASSERT_EQ(0, BEGIN(list_ports(self->name)));
	ASSERT_FALSE(self->answers.done);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(-ENOENT, FINISH());
	EXPECT_STREQ("there is no channel of that name", why);
	disperse(PORTS);
}

/*
 * Another of the same name, on which as much has happened: it is not taken for
 * the one that was begun with, whose ports would seem to have gone.
 */
TEST_F(dump, other_channel_meanwhile)
{
	const int comings = PORTS + 1, stay = 2;	/* 2 PORTS = 2 comings - stay */
	struct raw_port rx[PORTS + 1];

	ASSERT_EQ(0, gather(self->name, PORTS)) TH_LOG("%s", why);
	ASSERT_EQ(0, BEGIN(list_ports(self->name)));
	ASSERT_FALSE(self->answers.done);
	disperse(PORTS);
	ASSERT_EQ(0, small_channel(self->name, IPCCHAN_CREATE_PERSISTENT, PORTS));
	for (int i = 0; i < comings; i++) {
		ASSERT_EQ(0, raw_open(&rx[i], self->name, IPCCHAN_RECEIVE));
		if (i >= stay)
			raw_close(&rx[i]);
	}
	EXPECT_EQ(0, FINISH());
	EXPECT_TRUE(self->answers.disturbed);
	raw_close(&rx[0]);
	raw_close(&rx[1]);
	EXPECT_EQ(0, drop_channel(self->name));
}

TEST_F(dump, refused)
{
	struct genl_request r = list_channels();

	genl_put_text(&r, IPCCHAN_A_CHANNEL_NAME, "any");
	EXPECT_EQ(-EINVAL, WHOLE(r));
	EXPECT_STREQ("a dump of channels takes no name", why);
	EXPECT_EQ(-EINVAL, WHOLE(genl_dump(IPCCHAN_CMD_PORT_GET)));
	EXPECT_STREQ("the name of the channel is missing", why);
	r = list_ports("any");
	EXPECT_EQ(-ENOENT, WHOLE(r));
	EXPECT_STREQ("there is no channel of that name", why);
	genl_put_u32(&r, IPCCHAN_A_PORT_ID, 1);
	EXPECT_EQ(-EINVAL, WHOLE(r));
	EXPECT_STREQ("a dump of ports takes no number", why);
	r = list_channels();
	genl_put_u32(&r, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
	EXPECT_EQ(-EINVAL, WHOLE(r));
	EXPECT_NE(0, why[0]);
	r = list_ports("any");
	genl_put_u32(&r, IPCCHAN_A_PORT_UID, 0);
	EXPECT_EQ(-EINVAL, WHOLE(r));
	EXPECT_NE(0, why[0]);
}

TEST_HARNESS_MAIN
