// SPDX-License-Identifier: GPL-2.0
/*
 * Names: what they look like, how long they live, whose they are.
 *
 * What breaks these: a letter let through that a shell or a path treats
 * otherwise; an ephemeral channel that goes before its first port or stays after
 * its last; a table that network namespaces share.
 */
#include <linux/capability.h>
#include <sys/socket.h>

#include <kselftest_harness.h>

#include "common.h"
#include "peers.h"

FIXTURE(names) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	int fd;
};

FIXTURE_SETUP(names)
{
	accounts_read(&self->before);
	unique_name(self->name, "names");
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(names)
{
	call_delete(self->fd, self->name);
	close(self->fd);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int create(int fd, const char *name)
{
	struct ipcchan_create args = create_args(name);

	return call_create(fd, &args);
}

static bool may_be_in_names(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == ':' || c == '/' || c == '-';
}

/* Every byte, at the beginning, within and at the end. */
TEST_F_TIMEOUT(names, letters, 90)
{
	static const char *const patterns[] = { "x-letters", "letxters", "lettersx" };
	char name[32];

	for (int c = 1; c < 256; c++) {
		int expected = may_be_in_names(c) ? 0 : -EINVAL;

		for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
			strcpy(name, patterns[i]);
			*strchr(name, 'x') = c;
			ASSERT_EQ(expected, create(self->fd, name)) TH_LOG("byte %#x", c);
			ASSERT_EQ(expected, call_delete(self->fd, name));
		}
	}
	EXPECT_EQ(-EINVAL, make_channel("", 0, 0600));
	EXPECT_STREQ("a name is 1 to 63 letters, digits and ._:/-", why);
}

TEST_F(names, lengths)
{
	char name[IPCCHAN_NAME_SIZE + 8];
	struct ipcchan_lookup lookup;

	for (size_t n = 1; n < sizeof(name) - 1; n++) {
		memset(name, 'n', n);
		name[n] = 0;
		if (n < IPCCHAN_NAME_SIZE) {
			ASSERT_EQ(0, make_channel(name, 0, 0600));
			ASSERT_EQ(0, find_channel(name, &lookup));
			ASSERT_STREQ(name, lookup.name);
			ASSERT_EQ(0, drop_channel(name));
		} else {
			ASSERT_EQ(-EINVAL, make_channel(name, 0, 0600));
			ASSERT_STREQ("the name is longer than 63 bytes", why);
		}
	}
}

/* All names of one table: different ones do not meet, however alike. */
TEST_F(names, alike)
{
	static const char *const alike[] = {
		"alike", "Alike", "alike/", "/alike", "alike.", "alik", "alike-", "a/like",
	};

	for (size_t i = 0; i < ARRAY_SIZE(alike); i++) {
		EXPECT_EQ(0, make_channel(alike[i], 0, 0600)) TH_LOG("%s: %s", alike[i], why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(alike); i++) {
		EXPECT_EQ(-EEXIST, make_channel(alike[i], 0, 0600));
	}
	EXPECT_STREQ("the name is taken", why);
	for (size_t i = 0; i < ARRAY_SIZE(alike); i++) {
		EXPECT_EQ(0, drop_channel(alike[i]));
	}
}

TEST_F_TIMEOUT(names, many, 90)
{
	struct ipcchan_lookup lookup;
	char name[32];
	int most = heavy(1000, 300);

	for (int i = 0; i < most; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		ASSERT_EQ(0, create(self->fd, name)) TH_LOG("%s", why);
	}
	EXPECT_EQ(self->before.channels + most, param_get("channels"));
	for (int i = most - 1; i >= 0; i--) {
		snprintf(name, sizeof(name), "many/%d", i);
		ASSERT_EQ(0, call_lookup(self->fd, name, &lookup));
		ASSERT_STREQ(name, lookup.name);
		ASSERT_EQ(0, call_delete(self->fd, name));
		ASSERT_EQ(-ENOENT, call_lookup(self->fd, name, &lookup));
	}
}

/* Who created it may go: it waits for its first port. */
TEST_F(names, ephemeral)
{
	struct raw_port a, b;

	ASSERT_EQ(0, make_channel(self->name, 0, 0600));
	usleep(50000);
	EXPECT_TRUE(channel_exists(self->name));
	ASSERT_EQ(0, raw_open(&a, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&b, self->name, IPCCHAN_RECEIVE));
	raw_close(&a);
	EXPECT_TRUE(channel_exists(self->name));
	raw_close(&b);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_EQ(-ENOENT, drop_channel(self->name));
	EXPECT_EQ(0, make_channel(self->name, 0, 0600));
}

/* A port that never took part is none. */
TEST_F(names, ephemeral_before_its_first)
{
	struct raw_port never, first;

	ASSERT_EQ(0, make_channel(self->name, 0, 0600));
	ASSERT_EQ(0, raw_attach(&never, self->name, IPCCHAN_SEND));
	raw_close(&never);
	EXPECT_TRUE(channel_exists(self->name));
	ASSERT_EQ(0, raw_attach(&never, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&first, self->name, IPCCHAN_SEND));
	raw_close(&first);
	EXPECT_TRUE(channel_exists(self->name));	/* somebody is about to take part */
	raw_close(&never);
	EXPECT_FALSE(channel_exists(self->name));
}

TEST_F(names, persistent)
{
	struct ipcchan_lookup lookup;
	struct raw_port a;

	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_open(&a, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
		ASSERT_EQ(0, find_channel(self->name, &lookup));
		EXPECT_EQ(1, lookup.senders);
		EXPECT_EQ(1, lookup.receivers);
		EXPECT_EQ(IPCCHAN_CREATE_PERSISTENT, lookup.flags);
		raw_close(&a);
		ASSERT_EQ(0, find_channel(self->name, &lookup));
		EXPECT_EQ(0, lookup.senders + lookup.receivers);
	}
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_FALSE(channel_exists(self->name));
}

/* The name is free at once, whoever is still attached to what had it. */
TEST_F(names, used_again)
{
	struct raw_port old, new;

	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	ASSERT_EQ(0, raw_open(&old, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, drop_channel(self->name));
	ASSERT_EQ(0, make_channel(self->name, 0, 0600));
	ASSERT_EQ(0, raw_open(&new, self->name, IPCCHAN_RECEIVE));
	raw_publish(&old, "old", 4, 0);
	EXPECT_EQ(-ESHUTDOWN, call_kick(old.fd, 1, 0));
	EXPECT_EQ(0, ipcchan_load(&raw_sender_slot(&new, 0)->state));
	raw_close(&old);
	EXPECT_TRUE(channel_exists(self->name));
	raw_close(&new);
	EXPECT_FALSE(channel_exists(self->name));
}

/* Reserved names */

static int create_named(void *name)
{
	int err = make_channel(name, 0, 0600);

	if (!err)
		drop_channel(name);
	return err;
}

TEST_F(names, of_users)
{
	static char own[] = "u1000/mine", own_too[] = "u1000/", others[] = "u1001/his",
		roots[] = "u0/root", zeros[] = "u01000/mine", longer[] = "u10000/mine",
		huge[] = "u99999999999999999999/x", no_user[] = "u/x", letters[] = "u1000x/y",
		bare[] = "u1000", upper[] = "U1001/x", inside[] = "x/u1001/y";

	EXPECT_EQ(0, run_as(ALICE, create_named, own));
	EXPECT_EQ(0, run_as(ALICE, create_named, own_too));
	EXPECT_EQ(-EPERM, run_as(ALICE, create_named, others));
	EXPECT_STREQ("names under u<uid>/ are for that user to create", why);
	EXPECT_EQ(-EPERM, run_as(ALICE, create_named, roots));
	EXPECT_EQ(-EPERM, run_as(ALICE, create_named, zeros));
	EXPECT_EQ(-EPERM, run_as(ALICE, create_named, longer));
	EXPECT_EQ(-EPERM, run_as(ALICE, create_named, huge));
	EXPECT_EQ(0, run_as(ALICE, create_named, no_user));
	EXPECT_EQ(0, run_as(ALICE, create_named, letters));
	EXPECT_EQ(0, run_as(ALICE, create_named, bare));
	EXPECT_EQ(0, run_as(ALICE, create_named, upper));
	EXPECT_EQ(0, run_as(ALICE, create_named, inside));
	/* to nobody else, whatever he may do */
	EXPECT_EQ(-EPERM, create_named(own));
	EXPECT_EQ(0, create_named(roots));
}

static int create_as_net_admin(void *name)
{
	become_with(ALICE, CAP_NET_ADMIN);
	return create_named(name);
}

static int create_without_net_admin(void *name)
{
	drop_capability(CAP_NET_ADMIN);
	return create_named(name);
}

TEST_F(names, of_the_system)
{
	static char of_system[] = "sys/clock", alike[] = "sys", other[] = "system/clock";

	EXPECT_EQ(0, create_named(of_system));
	EXPECT_EQ(0, run_child(create_as_net_admin, of_system));
	EXPECT_EQ(-EPERM, run_child(create_without_net_admin, of_system));
	EXPECT_STREQ("names under sys/ are for CAP_NET_ADMIN to create", why);
	EXPECT_EQ(-EPERM, run_as(ALICE, create_named, of_system));
	EXPECT_EQ(0, run_as(ALICE, create_named, alike));
	EXPECT_EQ(0, run_as(ALICE, create_named, other));
}

/* Network namespaces */

static int in_new_netns(void *name)
{
	struct ipcchan_lookup lookup;

	if (enter_netns() || find_channel(name, &lookup) != -ENOENT)
		return 1;
	if (make_channel(name, IPCCHAN_CREATE_PERSISTENT, 0600))
		return 2;
	return find_channel(name, &lookup);
}

/* Nobody removes what is there by name: it goes with the namespace. */
TEST_F(names, per_network_namespace)
{
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, make_channel(self->name, 0, 0640));
	EXPECT_EQ(0, run_child(in_new_netns, self->name));
	EXPECT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(0640, lookup.mode);
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Opened here, used there: it stays here. */
struct carried {
	const char *name;
	int fd;
};

static int use_carried(void *arg)
{
	const struct carried *c = arg;
	struct ipcchan_lookup lookup;
	struct ipcchan_attach args = attach_args(c->name, IPCCHAN_SEND);

	if (enter_netns() || find_channel(c->name, &lookup) != -ENOENT)
		return 1;
	if (call_lookup(c->fd, c->name, &lookup))
		return 2;
	return call_attach(c->fd, &args);
}

TEST_F(names, file_keeps_its_namespace)
{
	struct carried carried = { .name = self->name };

	carried.fd = device_open();
	ASSERT_GE(carried.fd, 0);
	ASSERT_EQ(0, make_channel(self->name, 0, 0600));
	EXPECT_EQ(0, run_child(use_carried, &carried)) TH_LOG("%s", why);
	close(carried.fd);
}

static int open_there_and_send(void *arg)
{
	int socket = *(int *)arg, fd;

	if (enter_netns())
		return 1;
	fd = device_open();
	return fd < 0 ? fd : send_file(socket, fd);
}

/* And the other way round: a file of a namespace in which no process is left. */
TEST_F(names, file_keeps_its_namespace_alive)
{
	struct ipcchan_create args = create_args(self->name);
	struct ipcchan_lookup lookup;
	int sockets[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, run_child(open_there_and_send, &sockets[1]));
	fd = recv_file(sockets[0]);
	ASSERT_GE(fd, 0);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	EXPECT_EQ(0, call_create(fd, &args)) TH_LOG("%s", why);
	EXPECT_EQ(0, call_lookup(fd, self->name, &lookup));
	EXPECT_FALSE(channel_exists(self->name));
	close(fd);
	close(sockets[0]);
	close(sockets[1]);
}

TEST_HARNESS_MAIN
