// SPDX-License-Identifier: GPL-2.0
/*
 * Who may send, receive and administer: owner, group, mode bits, CAP_NET_ADMIN;
 * and that whoever may do nothing learns nothing. User namespaces: test_userns.c.
 *
 * What breaks these: a right derived from uid 0; group bits that add to the
 * owner's; a check after something was told or taken.
 */
#include <grp.h>
#include <linux/capability.h>

#include <kselftest_harness.h>

#include "common.h"

#define S	IPCCHAN_SEND
#define R	IPCCHAN_RECEIVE
#define A	IPCCHAN_ADMIN

/* Of a channel whose owner is alice, and whose group is bob's. */
enum who { OWNER, GROUP, SUPPLEMENTARY, OTHER, ROOT_ALONE, NET_ADMIN, WHO };

static const char *const who_names[WHO] = {
	"the owner", "the group", "a supplementary group", "another", "root alone",
	"CAP_NET_ADMIN",
};

FIXTURE(rights) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	int fd;
};

FIXTURE_SETUP(rights)
{
	accounts_read(&self->before);
	unique_name(self->name, "rights");
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(rights)
{
	drop_channel(self->name);
	close(self->fd);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int create_for(int fd, const char *name, uint32_t mode, uid_t uid, gid_t gid)
{
	struct ipcchan_create args = create_args(name);

	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.mode = mode;
	args.uid = uid;
	args.gid = gid;
	return call_create(fd, &args);
}

static void be(enum who who)
{
	gid_t group = BOB;

	switch (who) {
	case OWNER:
		become(ALICE);
		break;
	case GROUP:
		become(BOB);
		break;
	case SUPPLEMENTARY:
		if (setgroups(1, &group) || setresgid(CAROL, CAROL, CAROL) ||
		    setresuid(CAROL, CAROL, CAROL))
			_exit(1);
		break;
	case OTHER:
		become(CAROL);
		break;
	case ROOT_ALONE:
		drop_capability(CAP_NET_ADMIN);
		break;
	default:
		become_with(CAROL, CAP_NET_ADMIN);
	}
}

struct asked {
	const char *name;
	enum who who;
	uint32_t rights;	/* expected */
};

static int try_attach(const char *name, uint32_t role)
{
	struct raw_port port;
	int err = raw_attach(&port, name, role);

	if (!err)
		raw_close(&port);
	return err;
}

/* 0, or the number of the first check that failed. */
static int try_all(void *arg)
{
	const struct asked *asked = arg;
	uint32_t rights = asked->rights;
	struct ipcchan_lookup lookup;
	int err;

	be(asked->who);
	err = find_channel(asked->name, &lookup);
	if (err != (rights ? 0 : -EACCES))
		return 1;
	if (err ? strcmp(why, "no right to the channel") : lookup.rights != rights)
		return 2;
	err = try_attach(asked->name, S);
	if (err != (rights & S ? 0 : -EACCES) || (err && strcmp(why, "no right to send")))
		return 3;
	err = try_attach(asked->name, R);
	if (err != (rights & R ? 0 : -EACCES) || (err && strcmp(why, "no right to receive")))
		return 4;
	err = try_attach(asked->name, S | R);
	if (err != ((rights & (S | R)) == (S | R) ? 0 : -EACCES))
		return 5;
	if (rights & A)
		return 0;
	err = drop_channel(asked->name);
	if (err != -EPERM || strcmp(why, "only the owner or CAP_NET_ADMIN deletes a channel"))
		return 6;
	return 0;
}

static void expect_rights(struct __test_metadata *_metadata, FIXTURE_DATA(rights) *self,
			  uint32_t mode, const uint32_t *rights)
{
	ASSERT_EQ(0, create_for(self->fd, self->name, mode, ALICE, BOB)) TH_LOG("%s", why);
	for (int who = 0; who < WHO; who++) {
		struct asked asked = { self->name, who, rights[who] };

		EXPECT_EQ(0, run_child(try_all, &asked)) {
			TH_LOG("mode %o, %s: %s", mode, who_names[who], why);
		}
	}
	ASSERT_EQ(0, call_delete(self->fd, self->name));
}

#define EXPECT_RIGHTS(mode, owner, group, other) \
	expect_rights(_metadata, self, mode, \
		      (uint32_t[WHO]){ (owner) | A, group, group, other, other, S | R | A })

/* r is 4 and receives, w is 2 and sends. */
TEST_F_TIMEOUT(rights, modes, 60)
{
	EXPECT_RIGHTS(0600, S | R, 0, 0);
	EXPECT_RIGHTS(0640, S | R, R, 0);
	EXPECT_RIGHTS(0660, S | R, S | R, 0);
	EXPECT_RIGHTS(0622, S | R, S, S);
	EXPECT_RIGHTS(0444, R, R, R);
	EXPECT_RIGHTS(0222, S, S, S);
	EXPECT_RIGHTS(0666, S | R, S | R, S | R);
	EXPECT_RIGHTS(0000, 0, 0, 0);
}

/* The first that fits counts, as for files. */
TEST_F_TIMEOUT(rights, modes_that_do_not_add, 60)
{
	EXPECT_RIGHTS(0606, S | R, 0, S | R);
	EXPECT_RIGHTS(0066, 0, S | R, S | R);
	EXPECT_RIGHTS(0426, R, S, S | R);
	EXPECT_RIGHTS(0060, 0, S | R, 0);
}

/* The capability adds to what the owner has by the mode. */
TEST_F(rights, owner_with_the_capability)
{
	struct asked alone = { self->name, ROOT_ALONE, A };
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, create_for(self->fd, self->name, 0, 0, 0));
	EXPECT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(S | R | A, lookup.rights);
	EXPECT_EQ(0, try_attach(self->name, S | R));
	EXPECT_EQ(0, run_child(try_all, &alone));
}

struct made {
	const char *name;
	enum who who;
	uid_t uid;
	gid_t gid;
};

static int try_make(void *arg)
{
	const struct made *made = arg;
	int fd, err;

	be(made->who);
	fd = device_open();
	err = create_for(fd, made->name, 0600, made->uid, made->gid);
	close(fd);
	return err;
}

static int make_as(FIXTURE_DATA(rights) *self, enum who who, uid_t uid, gid_t gid,
		   struct ipcchan_lookup *lookup)
{
	struct made made = { self->name, who, uid, gid };
	int err = run_child(try_make, &made);

	if (err)
		return err;
	err = find_channel(self->name, lookup);
	return err ? err : drop_channel(self->name);
}

TEST_F(rights, owners)
{
	static const char words[] = "only CAP_NET_ADMIN gives a channel to another owner";
	uint32_t mine = IPCCHAN_ID_SELF;
	struct ipcchan_lookup lookup;

	EXPECT_EQ(0, make_as(self, OWNER, mine, mine, &lookup));
	EXPECT_EQ(ALICE, lookup.uid);
	EXPECT_EQ(ALICE, lookup.gid);
	EXPECT_EQ(0, make_as(self, OWNER, ALICE, ALICE, &lookup));
	EXPECT_EQ(ALICE, lookup.uid);
	EXPECT_EQ(-EPERM, make_as(self, OWNER, BOB, mine, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EPERM, make_as(self, OWNER, 0, mine, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EPERM, make_as(self, ROOT_ALONE, ALICE, mine, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(0, make_as(self, NET_ADMIN, ALICE, mine, &lookup));
	EXPECT_EQ(ALICE, lookup.uid);
	EXPECT_EQ(CAROL, lookup.gid);
}

TEST_F(rights, groups)
{
	static const char words[] = "only CAP_NET_ADMIN gives a channel to a group it is not in";
	uint32_t mine = IPCCHAN_ID_SELF;
	struct ipcchan_lookup lookup;

	EXPECT_EQ(-EPERM, make_as(self, OWNER, mine, BOB, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EPERM, make_as(self, ROOT_ALONE, mine, BOB, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(0, make_as(self, SUPPLEMENTARY, mine, BOB, &lookup)) TH_LOG("%s", why);
	EXPECT_EQ(CAROL, lookup.uid);
	EXPECT_EQ(BOB, lookup.gid);
	EXPECT_EQ(-EPERM, make_as(self, SUPPLEMENTARY, mine, ALICE, &lookup));
	EXPECT_EQ(0, make_as(self, NET_ADMIN, mine, 4294967294u, &lookup));
	EXPECT_EQ(4294967294u, lookup.gid);
}

/* Who gave the channel away has it no more. */
static int given_away(void *arg)
{
	struct ipcchan_lookup lookup;

	become(CAROL);
	return find_channel(arg, &lookup);
}

TEST_F(rights, who_created_it_does_not_count)
{
	struct made made = { self->name, NET_ADMIN, ALICE, ALICE };	/* by carol */

	ASSERT_EQ(0, run_child(try_make, &made));
	EXPECT_EQ(-EACCES, run_child(given_away, self->name));
}

static int delete_it(void *name)
{
	return drop_channel(name);
}

TEST_F(rights, owner_deletes)
{
	ASSERT_EQ(0, create_for(self->fd, self->name, 0, ALICE, ALICE));
	EXPECT_EQ(-EPERM, run_as(BOB, delete_it, self->name));
	EXPECT_EQ(0, run_as(ALICE, delete_it, self->name));
	EXPECT_EQ(-ENOENT, run_as(ALICE, delete_it, self->name));
}

/* Full or empty, whoever's: the answer is the same. */
static int look_as_a_stranger(void *name)
{
	struct ipcchan_attach args = attach_args(name, R);
	struct ipcchan_lookup lookup, clean = { 0 };
	int fd = device_open(), err;

	if (call_lookup(fd, name, &lookup) != -EACCES)
		return 1;
	if (memcmp(&lookup.type, &clean.type, sizeof(lookup) - offsetof(typeof(lookup), type)) ||
	    lookup.rights)
		return 2;
	args.flags = IPCCHAN_ATTACH_OWNER;
	args.owner = ALICE;
	if (call_attach(fd, &args) != -EACCES || strcmp(why, "no right to receive"))
		return 3;
	args.owner = CAROL;
	if (call_attach(fd, &args) != -EACCES || strcmp(why, "no right to receive"))
		return 4;
	err = args.port_id || args.geometry.depth || args.own_size;
	close(fd);
	return err ? 5 : 0;
}

TEST_F(rights, strangers_learn_nothing)
{
	struct ipcchan_create args = create_args(self->name);
	struct raw_port port;

	args.uid = ALICE;
	args.geometry.senders = args.geometry.receivers = 1;
	ASSERT_EQ(0, call_create(self->fd, &args));
	EXPECT_EQ(0, run_as(BOB, look_as_a_stranger, self->name));
	ASSERT_EQ(0, raw_open(&port, self->name, S | R));
	EXPECT_EQ(0, run_as(BOB, look_as_a_stranger, self->name));
	raw_close(&port);
}

struct owned {
	const char *name;
	uint32_t flags;
	uint32_t owner;
};

static int attach_owned(void *arg)
{
	const struct owned *owned = arg;
	struct ipcchan_attach args = attach_args(owned->name, R);
	int fd = device_open(), err;

	args.flags = owned->flags;
	args.owner = owned->owner;
	err = call_attach(fd, &args);
	close(fd);
	return err;
}

/* So that nobody is served by whoever took the name first. */
TEST_F(rights, expected_owner)
{
	struct owned owned = { self->name, IPCCHAN_ATTACH_OWNER, ALICE };

	ASSERT_EQ(0, create_for(self->fd, self->name, 0666, ALICE, ALICE));
	EXPECT_EQ(0, run_as(BOB, attach_owned, &owned));
	EXPECT_EQ(0, run_as(ALICE, attach_owned, &owned));
	owned.owner = BOB;
	EXPECT_EQ(-EACCES, run_as(BOB, attach_owned, &owned));
	EXPECT_STREQ("the channel has another owner", why);
	EXPECT_EQ(-EACCES, attach_owned(&owned));
	owned.owner = 0;
	EXPECT_EQ(-EACCES, attach_owned(&owned));
	EXPECT_STREQ("the channel has another owner", why);
	owned.owner = UINT32_MAX;
	EXPECT_EQ(-EINVAL, run_as(ALICE, attach_owned, &owned));
	EXPECT_STREQ("the owner is no user of this user namespace", why);
	owned = (struct owned){ self->name, 0, 0 };
	EXPECT_EQ(0, run_as(BOB, attach_owned, &owned));
}

TEST_HARNESS_MAIN
