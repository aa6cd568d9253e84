// SPDX-License-Identifier: GPL-2.0
/*
 * User namespaces: CAP_NET_ADMIN counts where the user namespace owns the
 * network namespace, and nowhere else; ids are those of whoever asks.
 *
 * What breaks these: capable() for ns_capable(), from_kuid() in the wrong
 * namespace, a capability looked up in the file's or the channel's owner's.
 */
#include <linux/capability.h>
#include <sys/socket.h>

#include <kselftest_harness.h>

#include "common.h"

FIXTURE(userns) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];	/* bob's, mode 0600 */
};

FIXTURE_SETUP(userns)
{
	struct ipcchan_create args;
	int fd = device_open();

	accounts_read(&self->before);
	unique_name(self->name, "userns");
	args = create_args(self->name);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.uid = BOB;
	args.gid = BOB;
	ASSERT_EQ(0, call_create(fd, &args)) TH_LOG("%s", why);
	close(fd);
}

FIXTURE_TEARDOWN(userns)
{
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int make_and_drop(const char *name)
{
	int err = make_channel(name, 0, 0600);

	return err ? err : drop_channel(name);
}

static int attach_to(const char *name, struct ipcchan_attach args)
{
	int fd = device_open(), err;

	memcpy(args.name, name, strlen(name) + 1);
	err = call_attach(fd, &args);
	close(fd);
	return err;
}

/* These return 0, or the number of the line that went wrong. */
#define CHECK(condition) do { \
	if (!(condition)) \
		return __LINE__; \
} while (0)

/* All capabilities there, but the network namespace is not theirs. */
static int stranger_in_own_userns(void *name)
{
	struct ipcchan_lookup lookup;

	become(ALICE);
	CHECK(enter_userns() == 0);
	CHECK(geteuid() == 0);
	CHECK(find_channel(name, &lookup) == -EACCES);
	CHECK(drop_channel(name) == -EPERM);
	CHECK(attach_to(name, attach_args("", IPCCHAN_SEND)) == -EACCES);
	CHECK(make_and_drop("sys/mine") == -EPERM);
	return 0;
}

TEST_F(userns, does_not_administer_outside)
{
	EXPECT_EQ(0, run_child(stranger_in_own_userns, self->name)) TH_LOG("%s", why);
}

/* Nor does a file from outside become theirs. */
static int stranger_with_a_file(void *name)
{
	struct ipcchan_lookup lookup;
	int fd;

	become(ALICE);
	fd = device_open();
	CHECK(enter_userns() == 0 && enter_netns() == 0);
	CHECK(call_lookup(fd, name, &lookup) == -EACCES);
	CHECK(call_delete(fd, name) == -EPERM);
	CHECK(find_channel(name, &lookup) == -ENOENT);
	return 0;
}

TEST_F(userns, does_not_administer_outside_by_a_file)
{
	EXPECT_EQ(0, run_child(stranger_with_a_file, self->name)) TH_LOG("%s", why);
}

static int drop_as_another_there(void *name)
{
	become(5);
	return drop_channel(name);
}

static int make_as_another_there(void *name)
{
	become(5);
	return make_channel(name, IPCCHAN_CREATE_PERSISTENT, 0600);
}

/* In a network namespace of its own it does what root does here. */
static int administer(void *unused)
{
	static char his[] = "his", mine[] = "mine";
	struct ipcchan_lookup lookup;

	CHECK(enter_userns_mapped(0, 100000, 10) == 0);
	CHECK(enter_netns() == 0);
	CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
	CHECK(make_and_drop("sys/mine") == 0);
	CHECK(run_child(make_as_another_there, his) == 0);
	CHECK(find_channel(his, &lookup) == 0);
	CHECK(lookup.uid == 5 && lookup.gid == 5 && lookup.rights == 7);
	CHECK(attach_to(his, attach_args("", IPCCHAN_SEND | IPCCHAN_RECEIVE)) == 0);
	CHECK(make_channel(mine, IPCCHAN_CREATE_PERSISTENT, 0600) == 0);
	CHECK(run_child(drop_as_another_there, mine) == -EPERM);
	CHECK(drop_channel(his) == 0);
	CHECK(drop_channel(mine) == 0);
	drop_capability(CAP_NET_ADMIN);
	CHECK(make_and_drop("sys/mine") == -EPERM);
	return 0;
}

TEST_F(userns, administers_its_own)
{
	EXPECT_EQ(0, run_child(administer, NULL)) TH_LOG("%s", why);
}

/* Names under u<uid>/ speak of the namespace that owns the network namespace. */
static int own_names(void *unused)
{
	become(ALICE);
	CHECK(enter_userns() == 0);
	CHECK(make_and_drop("u1000/x") == 0);
	CHECK(make_and_drop("u0/x") == -EPERM);
	CHECK(enter_netns() == 0);
	CHECK(make_and_drop("u0/x") == 0);
	CHECK(make_and_drop("u1000/x") == -EPERM);
	return 0;
}

TEST_F(userns, own_names)
{
	EXPECT_EQ(0, run_child(own_names, NULL)) TH_LOG("%s", why);
}

/* Owners and groups that have no number there. */
static int odd_ids(void *name)
{
	struct ipcchan_create args = create_args("test/odd-ids");
	int fd = device_open();

	CHECK(enter_userns_mapped(0, 100000, 10) == 0);
	args.uid = 10;
	CHECK(call_create(fd, &args) == -EINVAL);
	CHECK(!strcmp(why, "the owner is no user of this user namespace"));
	args.uid = IPCCHAN_ID_SELF;
	/* who it is itself has no number there, but is somebody */
	args.gid = 10;
	CHECK(call_create(fd, &args) == -EINVAL);
	CHECK(!strcmp(why, "the group is no group of this user namespace"));
	args.gid = IPCCHAN_ID_SELF;
	CHECK(call_create(fd, &args) == 0);
	CHECK(call_delete(fd, "test/odd-ids") == 0);
	return 0;
}

TEST_F(userns, ids_without_a_number)
{
	EXPECT_EQ(0, run_child(odd_ids, self->name)) TH_LOG("%s", why);
}

struct seen {
	const char *name;
	uint32_t owner;		/* as given to create there */
};

static int create_there(void *arg)
{
	const struct seen *seen = arg;
	struct ipcchan_create args = create_args(seen->name);
	int fd;

	CHECK(enter_userns_mapped(0, 100000, 10) == 0);
	become(seen->owner);
	fd = device_open();
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.mode = 0604;
	args.uid = seen->owner;
	CHECK(call_create(fd, &args) == 0);
	return 0;
}

static int look_from_elsewhere(void *name)
{
	struct ipcchan_lookup lookup;

	CHECK(enter_userns_mapped(0, 200000, 10) == 0);
	CHECK(find_channel(name, &lookup) == 0);
	CHECK(lookup.uid == NOBODY && lookup.gid == NOBODY);
	return 0;
}

TEST_F(userns, owners_are_translated)
{
	static char name[] = "test/userns-there";
	struct seen seen = { name, 7 };
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, run_child(create_there, &seen)) TH_LOG("%s", why);
	EXPECT_EQ(0, find_channel(name, &lookup));
	EXPECT_EQ(100007, lookup.uid);
	EXPECT_EQ(100007, lookup.gid);
	EXPECT_EQ(0, run_child(look_from_elsewhere, name)) TH_LOG("%s", why);
	EXPECT_EQ(0, drop_channel(name));
}

/* IPCCHAN_ATTACH_OWNER: the number is the asker's. */
static int attach_owner_there(void *name)
{
	struct ipcchan_attach args = attach_args("", IPCCHAN_SEND);

	become(BOB);
	CHECK(enter_userns() == 0);
	args.flags = IPCCHAN_ATTACH_OWNER;
	args.owner = 0;
	CHECK(attach_to(name, args) == 0);
	args.owner = BOB;		/* has no number there */
	CHECK(attach_to(name, args) == -EINVAL);
	CHECK(!strcmp(why, "the owner is no user of this user namespace"));
	args.owner = UINT32_MAX;
	CHECK(attach_to(name, args) == -EINVAL);
	return 0;
}

TEST_F(userns, expected_owner)
{
	EXPECT_EQ(0, run_child(attach_owner_there, self->name)) TH_LOG("%s", why);
}

/* From outside: who owns the user namespace, and who has the capability above it. */
static int make_theirs(void *arg)
{
	struct ipcchan_create args = create_args("theirs");
	int fd;

	become(ALICE);
	CHECK(enter_userns() == 0 && enter_netns() == 0);
	fd = device_open();
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	CHECK(call_create(fd, &args) == 0);
	return send_file(*(int *)arg, fd);
}

static int try_theirs(void *arg)
{
	struct ipcchan_lookup lookup;

	return call_lookup(*(int *)arg, "theirs", &lookup);
}

TEST_F(userns, administered_from_outside)
{
	struct ipcchan_lookup lookup;
	int sockets[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, run_child(make_theirs, &sockets[1])) TH_LOG("%s", why);
	fd = recv_file(sockets[0]);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EACCES, run_as(BOB, try_theirs, &fd));
	EXPECT_EQ(0, run_as(ALICE, try_theirs, &fd));
	EXPECT_EQ(0, call_lookup(fd, "theirs", &lookup));
	EXPECT_EQ(ALICE, lookup.uid);
	EXPECT_EQ(7, lookup.rights);
	EXPECT_EQ(0, call_delete(fd, "theirs"));
	close(fd);
	close(sockets[0]);
	close(sockets[1]);
}

TEST_HARNESS_MAIN
