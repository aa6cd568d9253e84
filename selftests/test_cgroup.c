// SPDX-License-Identifier: GPL-2.0
/*
 * Memory is charged to the cgroup of who attaches, and when that has no more the
 * attach is refused: nobody is killed for it.
 *
 * What breaks these: __GFP_ACCOUNT or __GFP_RETRY_MAYFAIL left out in region.c.
 */
#include <sys/stat.h>

#include <kselftest_harness.h>

#include "common.h"

#define GROUPS	"/sys/fs/cgroup"
#define MIB	(1024 * 1024ull)
#define ARENA	(16 * MIB)

FIXTURE(cgroup) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	char group[64];
};

static int group_write(const char *group, const char *file, unsigned long long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	snprintf(text, sizeof(text), "%llu", value);
	return write_text(path, text);
}

/* A number, or that which follows @key. */
static long long group_read(const char *group, const char *file, const char *key)
{
	char path[128], text[4096], *at = text;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	if (read_text(path, text, sizeof(text)) < 0)
		return -1;
	if (key) {
		at = strstr(text, key);
		if (!at)
			return -1;
		at += strlen(key);
	}
	return strtoll(at, NULL, 10);
}

FIXTURE_SETUP(cgroup)
{
	struct ipcchan_create args;
	int fd = device_open();

	accounts_read(&self->before);
	unique_name(self->name, "cgroup");
	args = create_args(self->name);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.geometry.arena = ARENA;
	ASSERT_EQ(0, call_create(fd, &args));
	close(fd);
	snprintf(self->group, sizeof(self->group), GROUPS "/ipcchan.%d", getpid());
	ASSERT_EQ(0, mkdir(self->group, 0755)) TH_LOG("no cgroups: %s", strerror(errno));
	ASSERT_LE(0, group_read(self->group, "memory.current", NULL));
}

FIXTURE_TEARDOWN(cgroup)
{
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(0, rmdir(self->group));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* In the group: what attaching has added to its memory; and that it is given back. */
static int attach_charged(void *arg)
{
	FIXTURE_DATA(cgroup) *self = arg;
	long long before, during, after;
	struct raw_port port;
	int err;

	if (group_write(self->group, "cgroup.procs", getpid()))
		return -EIO;
	before = group_read(self->group, "memory.current", NULL);
	err = raw_attach(&port, self->name, IPCCHAN_SEND);
	if (err)
		return err;
	during = group_read(self->group, "memory.current", NULL);
	raw_close(&port);
	after = group_read(self->group, "memory.current", NULL);
	fprintf(stderr, "# %lld KiB, attached %lld KiB, then %lld KiB\n", before / 1024,
		during / 1024, after / 1024);
	if (during - before < (long long)ARENA || during - before > (long long)(ARENA + 2 * MIB))
		return 1;
	return after - before > (long long)MIB ? 2 : 0;
}

TEST_F(cgroup, charged_to_who_attaches)
{
	EXPECT_EQ(0, run_child(attach_charged, self)) TH_LOG("%s", why);
}

static int attach_limited(void *arg)
{
	FIXTURE_DATA(cgroup) *self = arg;
	struct raw_port port;

	if (group_write(self->group, "cgroup.procs", getpid()))
		return -EIO;
	return raw_attach(&port, self->name, IPCCHAN_SEND);
}

TEST_F(cgroup, refused_when_it_has_no_more)
{
	ASSERT_EQ(0, group_write(self->group, "memory.max", ARENA / 2));
	EXPECT_EQ(-ENOMEM, run_child(attach_limited, self));
	EXPECT_STREQ("not enough memory for the region", why);
	EXPECT_EQ(0, group_read(self->group, "memory.events", "oom_kill "));
	ASSERT_EQ(0, group_write(self->group, "memory.max", ARENA * 2));
	EXPECT_EQ(0, run_child(attach_limited, self)) TH_LOG("%s", why);
}

TEST_HARNESS_MAIN
