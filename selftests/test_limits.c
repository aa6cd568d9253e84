// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: per user, for the owners of the namespaces above, per network
 * namespace, in all. Invariant 9: nobody exceeds them, by namespaces or
 * otherwise, and everything is given back.
 *
 * What breaks these: a charge that is not given back on one of the ways out; a
 * namespace whose owner is not charged; a comparison that wraps around.
 */
#include <sys/socket.h>

#include <kselftest_harness.h>

#include "common.h"

#define CHANNELS_WORDS	"the user has as many channels as allowed (max_user_channels)"
#define PORTS_WORDS	"the user has as many ports as allowed (max_user_ports)"
#define BYTES_WORDS	"the user has as many bytes as allowed (max_user_bytes)"
#define NET_CHANNELS_WORDS \
	"the network namespace has as many channels as allowed (max_net_channels)"
#define NET_PORTS_WORDS	"the network namespace has as many ports as allowed (max_net_ports)"
#define NET_BYTES_WORDS	"the network namespace has as many bytes as allowed (max_net_bytes)"
#define ALL_BYTES_WORDS	"there are as many bytes as allowed in all (max_bytes)"

static const char *const params[] = {
	"max_user_channels", "max_user_ports", "max_user_bytes",
	"max_net_channels", "max_net_ports", "max_net_bytes", "max_bytes",
};

#define PARAMS ARRAY_SIZE(params)

FIXTURE(limits) {
	struct accounts before;
	unsigned long long values[PARAMS];
	char name[IPCCHAN_NAME_SIZE];	/* there, persistent, for all */
};

FIXTURE_SETUP(limits)
{
	accounts_read(&self->before);
	for (size_t i = 0; i < PARAMS; i++)
		self->values[i] = param_get(params[i]);
	unique_name(self->name, "limits");
	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0666));
}

FIXTURE_TEARDOWN(limits)
{
	for (size_t i = 0; i < PARAMS; i++) {
		EXPECT_EQ(0, param_set(params[i], self->values[i]));
	}
	EXPECT_EQ(0, drop_channel(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static unsigned long long memory(void)
{
	return (unsigned long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

/* As a module that was loaded without parameters has them. */
TEST_F(limits, defaults)
{
	static const unsigned long long counts[] = { 4096, 32768, 0, 16384, 65536 };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		if (counts[i]) {
			EXPECT_EQ(counts[i], self->values[i]);
		}
	}
	EXPECT_EQ(memory() / 4096 / 2, self->values[2] / 4096);
	EXPECT_EQ(memory() / 4 * 3 / 4096, self->values[5] / 4096);
	EXPECT_EQ(memory() / 4 * 3 / 4096, self->values[6] / 4096);
}

/* What there is cannot be set. */
static int set_account(void *name)
{
	return param_set(name, 0);
}

static int read_account(void *name)
{
	char path[64], text[32];
	ssize_t got;

	snprintf(path, sizeof(path), "/sys/module/ipcchan/parameters/%s", (char *)name);
	got = read_text(path, text, sizeof(text));
	return got < 0 ? got : 0;
}

TEST_F(limits, accounts_are_the_kernels)
{
	static char bytes[] = "bytes", limit[] = "max_user_bytes";

	EXPECT_EQ(-EACCES, run_as(ALICE, set_account, bytes));
	EXPECT_EQ(-EACCES, run_as(ALICE, read_account, bytes));
	EXPECT_EQ(-EACCES, run_as(ALICE, set_account, limit));
	EXPECT_EQ(0, run_as(ALICE, read_account, limit));
}

/* One thing of each kind, of which there may be as many as the limit says. */
static int make_one(int i)
{
	char name[32];

	snprintf(name, sizeof(name), "limits/%d", i);
	return make_channel(name, IPCCHAN_CREATE_PERSISTENT, 0600);
}

static int drop_one(int i)
{
	char name[32];

	snprintf(name, sizeof(name), "limits/%d", i);
	return drop_channel(name);
}

/* How many channels can be made, at most @most; and all are gone again. */
static int count_channels(int most)
{
	int n = 0, err = 0;
	char words[WHY_SIZE];

	while (n < most && !(err = make_one(n)))
		n++;
	strcpy(words, why);
	for (int i = n - 1; i >= 0; i--)
		if (drop_one(i))
			return -EIO;
	strcpy(why, words);
	return err && err != -EDQUOT ? err : n;
}

static int count_channels_task(void *arg)
{
	return count_channels(*(int *)arg);
}

static int count_ports(const char *name, int most)
{
	static struct raw_port ports[64];
	char words[WHY_SIZE];
	int n = 0, err = 0;

	while (n < most && !(err = raw_attach(&ports[n], name, IPCCHAN_RECEIVE)))
		n++;
	strcpy(words, why);
	for (int i = 0; i < n; i++)
		raw_close(&ports[i]);
	strcpy(why, words);
	return err && err != -EDQUOT ? err : n;
}

struct ports {
	const char *name;
	int most;
};

static int count_ports_task(void *arg)
{
	const struct ports *ports = arg;

	return count_ports(ports->name, ports->most);
}

TEST_F(limits, channels_of_a_user)
{
	int most = 20;

	ASSERT_EQ(0, param_set("max_user_channels", 7));
	EXPECT_EQ(7, run_as(ALICE, count_channels_task, &most));
	EXPECT_STREQ(CHANNELS_WORDS, why);
	EXPECT_EQ(7, run_as(BOB, count_channels_task, &most));	/* of his own */
	EXPECT_EQ(6, count_channels(most));			/* root has the fixture's */
	ASSERT_EQ(0, param_set("max_user_channels", 0));
	EXPECT_EQ(0, run_as(ALICE, count_channels_task, &most));
	ASSERT_EQ(0, param_set("max_user_channels", 18446744073709551615ull));
	EXPECT_EQ(20, run_as(ALICE, count_channels_task, &most));
}

TEST_F(limits, ports_of_a_user)
{
	struct ports ports = { self->name, 16 };

	ASSERT_EQ(0, param_set("max_user_ports", 5));
	EXPECT_EQ(5, run_as(ALICE, count_ports_task, &ports));
	EXPECT_STREQ(PORTS_WORDS, why);
	EXPECT_EQ(5, run_as(BOB, count_ports_task, &ports));
	ASSERT_EQ(0, param_set("max_user_ports", 0));
	EXPECT_EQ(0, run_as(ALICE, count_ports_task, &ports));
}

/* A receiver of that channel takes one page, which the limit counts to the byte. */
TEST_F(limits, bytes_of_a_user)
{
	struct ports ports = { self->name, 16 };

	ASSERT_EQ(0, param_set("max_user_bytes", 3 * 4096));
	EXPECT_EQ(3, run_as(ALICE, count_ports_task, &ports));
	EXPECT_STREQ(BYTES_WORDS, why);
	ASSERT_EQ(0, param_set("max_user_bytes", 3 * 4096 - 1));
	EXPECT_EQ(2, run_as(ALICE, count_ports_task, &ports));
	ASSERT_EQ(0, param_set("max_user_bytes", 0));
	EXPECT_EQ(0, run_as(ALICE, count_ports_task, &ports));
	EXPECT_STREQ(BYTES_WORDS, why);
}

/* The roster is its creator's. */
TEST_F(limits, bytes_of_channels)
{
	int most = 20;

	ASSERT_EQ(0, param_set("max_user_bytes", 4 * 4096));
	EXPECT_EQ(4, run_as(ALICE, count_channels_task, &most));
	EXPECT_STREQ(BYTES_WORDS, why);
}

/* The largest there is does not wrap around. */
static int make_largest(void *unused)
{
	struct ipcchan_create args = create_args("limits/largest");
	char words[WHY_SIZE];
	struct raw_port port;
	int fd = device_open(), err;

	args.geometry.arena = 1ull << 30;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	err = call_create(fd, &args);
	if (!err)
		err = raw_attach(&port, "limits/largest", IPCCHAN_SEND);
	strcpy(words, why);
	drop_channel("limits/largest");
	strcpy(why, words);
	close(fd);
	return err;
}

TEST_F(limits, no_wrap)
{
	ASSERT_EQ(0, param_set("max_user_bytes", 1ull << 30));
	EXPECT_EQ(-EDQUOT, run_as(ALICE, make_largest, NULL));
	EXPECT_STREQ(BYTES_WORDS, why);
}

/* Lowered below what there is: nothing goes, nothing is added. */
TEST_F(limits, lowered)
{
	struct raw_port a, b;

	ASSERT_EQ(0, raw_open(&a, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, param_set("max_user_ports", 0));
	ASSERT_EQ(0, param_set("max_user_bytes", 0));
	ASSERT_EQ(0, param_set("max_user_channels", 0));
	EXPECT_EQ(-EDQUOT, raw_open(&b, self->name, IPCCHAN_SEND));
	EXPECT_EQ(-EDQUOT, make_one(0));
	EXPECT_EQ(0, call_kick(a.fd, 0, 1));
	raw_close(&a);
}

/* Per network namespace */

static int count_in_new_netns(void *arg)
{
	return enter_netns() ? -EIO : count_channels(*(int *)arg);
}

TEST_F(limits, channels_of_a_network_namespace)
{
	int most = 20;

	ASSERT_EQ(0, param_set("max_net_channels", 7 + self->before.channels));
	EXPECT_EQ(6, run_as(ALICE, count_channels_task, &most));	/* one is there */
	EXPECT_STREQ(NET_CHANNELS_WORDS, why);
	ASSERT_EQ(0, param_set("max_net_channels", 7));
	EXPECT_EQ(7, run_child(count_in_new_netns, &most));		/* none is there */
	EXPECT_STREQ(NET_CHANNELS_WORDS, why);
	/* in all of them together the user's own limit counts */
	ASSERT_EQ(0, param_set("max_user_channels", 5));
	EXPECT_EQ(4, run_child(count_in_new_netns, &most));
	EXPECT_STREQ(CHANNELS_WORDS, why);
}

TEST_F(limits, ports_and_bytes_of_a_network_namespace)
{
	struct ports ports = { self->name, 16 };

	ASSERT_EQ(0, param_set("max_net_ports", self->before.ports + 5));
	EXPECT_EQ(5, run_as(ALICE, count_ports_task, &ports));
	EXPECT_STREQ(NET_PORTS_WORDS, why);
	ASSERT_EQ(0, param_set("max_net_ports", 100));
	ASSERT_EQ(0, param_set("max_net_bytes", param_get("bytes") + 3 * 4096));
	EXPECT_EQ(3, run_as(ALICE, count_ports_task, &ports));
	EXPECT_STREQ(NET_BYTES_WORDS, why);
}

TEST_F(limits, bytes_in_all)
{
	struct ports ports = { self->name, 16 };
	int most = 20;

	ASSERT_EQ(0, param_set("max_bytes", param_get("bytes") + 3 * 4096));
	EXPECT_EQ(3, run_as(ALICE, count_ports_task, &ports));
	EXPECT_STREQ(ALL_BYTES_WORDS, why);
	EXPECT_EQ(3, run_child(count_in_new_netns, &most));
	EXPECT_STREQ(ALL_BYTES_WORDS, why);
	ASSERT_EQ(0, param_set("max_bytes", 0));
	EXPECT_EQ(0, run_as(ALICE, count_ports_task, &ports));
}

/* By namespaces */

static int count_in_userns(void *arg)
{
	int depth = 3, err;

	become(ALICE);
	if (make_one(100))
		return -EIO;
	for (int i = 0; i < depth; i++) {
		err = enter_userns();
		if (err)
			return err;
		if (enter_netns())
			return -EIO;
	}
	return count_channels(*(int *)arg);
}

/* A user who makes namespaces has no more than one who does not. */
TEST_F(limits, owners_of_user_namespaces)
{
	int most = 20;

	ASSERT_EQ(0, param_set("max_user_channels", 6));
	EXPECT_EQ(5, run_child(count_in_userns, &most)) TH_LOG("%s", why);
	EXPECT_STREQ(CHANNELS_WORDS, why);
	EXPECT_EQ(0, drop_one(100));
}

/* Another id inside: counted for it, and for who made the namespace. */
static int count_as_other_inside(void *arg)
{
	int err = enter_userns_mapped(0, 100000, 100);

	if (err)
		return err;
	become(1);
	return count_channels(*(int *)arg);
}

TEST_F(limits, ids_inside)
{
	int most = 20;

	ASSERT_EQ(0, param_set("max_user_channels", 6));
	/* the namespace is root's, who has one already */
	EXPECT_EQ(5, run_child(count_as_other_inside, &most)) TH_LOG("%s", why);
	EXPECT_STREQ(CHANNELS_WORDS, why);
}

/* Who attaches pays, not who owns. */
static int attach_one(void *name)
{
	struct raw_port port;
	int err = raw_open(&port, name, IPCCHAN_SEND);

	if (!err)
		raw_close(&port);
	return err;
}

TEST_F(limits, who_attaches_pays)
{
	struct raw_port port;

	ASSERT_EQ(0, raw_open(&port, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, param_set("max_user_bytes", port.attach.own_size));
	EXPECT_EQ(0, run_as(ALICE, attach_one, self->name)) TH_LOG("%s", why);
	EXPECT_EQ(-EDQUOT, attach_one(self->name));	/* root has as much already */
	raw_close(&port);
}

/* Refused late, with all else taken: nothing stays behind. */
TEST_F(limits, nothing_is_charged_for_refusals)
{
	struct accounts now, there;
	struct raw_port port;

	accounts_read(&there);
	for (unsigned int pages = 0; pages < 300; pages += 23) {
		ASSERT_EQ(0, param_set("max_user_bytes", there.bytes + pages * 4096));
		int err = raw_attach(&port, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);

		if (!err)
			raw_close(&port);
		else
			ASSERT_EQ(-EDQUOT, err);
		accounts_read(&now);
		ASSERT_EQ(0, memcmp(&there, &now, sizeof(now))) TH_LOG("%u pages", pages);
		ASSERT_EQ(pages < 262 ? -EDQUOT : 0, err) TH_LOG("%u pages", pages);
	}
}

TEST_HARNESS_MAIN
