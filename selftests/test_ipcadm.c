// SPDX-License-Identifier: GPL-2.0
/*
 * ipcadm: its grammar, its complaints, its exit codes. What the kernel refuses,
 * and why, is in test_netlink.c; what ipcadm shows in test_ipcadm_show.c.
 */
#include <fcntl.h>
#include <pthread.h>

#include <kselftest_harness.h>

#include "adm.h"

/* Programs are started often, which takes long in a kernel with sanitizers. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150

FIXTURE(ipcadm) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct tool t;
};

FIXTURE_SETUP(ipcadm)
{
	accounts_read(&self->before);
	unique_name(self->name, "adm");
	tool_init(&self->t);
}

FIXTURE_TEARDOWN(ipcadm)
{
	tool_free(&self->t);
	EXPECT_EQ(0, drop_channel(self->name) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

#define ADM(words)	adm(&self->t, self->name, words)

/* What is wrong, and what the complaint must have in it. */
static const struct { const char *words, *complaint; } wrong[] = {
	{ "frob", "unknown object 'frob'; accepted: channel, port, help" },
	{ "frob show", "unknown object 'frob'" },
	{ "channel", "a verb is missing; accepted: add, show, del" },
	{ "port", "a verb is missing; accepted: show, evict" },
	{ "channel frob", "unknown verb 'frob'; accepted: add, show, del" },
	{ "port del x 1", "unknown verb 'del'; accepted: show, evict" },
	{ "help frob", "unknown topic 'frob'" },
	{ "-x channel show", "unknown option '-x'" },
	{ "channel show --frob", "unknown option '--frob'" },
	{ "-jj channel show", "unknown option '-jj'" },
	{ "channel show -- -j x", "unknown word 'x'" },
	{ "channel add", "NAME is missing" },
	{ "channel add %s", "type: is missing" },
	{ "channel add %s depth 8", "type: is missing" },
	{ "channel add %s type", "type: a value is missing; accepted: topic, queue, service" },
	{ "channel add %s type heap", "type: 'heap' is not accepted; accepted: topic, queue, service" },
	{ "channel add %s type queue lease 0ms", "lease: '0ms' is not accepted" },
	{ "channel add %s type connection", "'connection' is not accepted" },
	{ "channel add %s type serv", "'serv' is not accepted" },
	{ "channel add %s type topic,", "'topic,' is not accepted" },
	{ "channel add %s topic", "unknown word 'topic'; accepted: type, overflow, depth" },
	{ "channel add %s type topic type topic", "type: given twice" },
	{ "channel add %s type topic persistent persistent", "persistent: given twice" },
	{ "channel add %s type topic depth 8 arena 1M depth 8", "depth: given twice" },
	{ "channel add %s type topic persistent yes", "unknown word 'yes'" },
	{ "channel add %s type topic overflow drop", "overflow: 'drop' is not accepted; accepted: "
	  "block, drop-oldest" },
	{ "channel add %s type topic overflow", "a value is missing; accepted: block, drop-oldest" },
	{ "channel add %s type topic history 0", "history: '0' is not accepted" },
	{ "channel add %s type topic history -1", "history: '-1' is not accepted" },
	{ "channel add %s type topic stall 0ms", "stall: '0ms' is not accepted" },
	{ "channel add %s type topic stall 500", "stall: '500' is not accepted; accepted: a number "
	  "with ns, us, ms or s after it" },
	{ "channel add %s type topic stall ms", "stall: 'ms' is not accepted" },
	{ "channel add %s type topic stall 1.5s", "stall: '1.5s' is not accepted" },
	{ "channel add %s type topic stall 5m", "stall: '5m' is not accepted" },
	{ "channel add %s type topic stall 5msx", "stall: '5msx' is not accepted" },
	{ "channel add %s type topic stall 9223372037s", "stall: '9223372037s' is not accepted" },
	{ "channel add %s type topic stall-ns 1000000", "unknown word 'stall-ns'" },
	{ "channel add %s type topic label", "label: a value is missing; accepted: 1 to 63" },
	{ "channel add %s type topic label 123456789012345678901234567890123456789012345678901234567"
	  "8901234", "is not accepted; accepted: 1 to 63 printable characters" },
	{ "channel add %s type topic depth", "depth: a value is missing" },
	{ "channel add %s type topic depth -1", "depth: '-1' is not accepted" },
	{ "channel add %s type topic depth +1", "depth: '+1' is not accepted" },
	{ "channel add %s type topic depth 0", "depth: '0' is not accepted" },
	{ "channel add %s type topic depth 0x10", "depth: '0x10' is not accepted" },
	{ "channel add %s type topic depth 8K", "depth: '8K' is not accepted" },
	{ "channel add %s type topic depth 4294967296", "'4294967296' is not accepted" },
	{ "channel add %s type topic senders two", "senders: 'two' is not accepted" },
	{ "channel add %s type topic receivers 1.0", "receivers: '1.0' is not accepted" },
	{ "channel add %s type topic holds 99999999999999999999", "holds: '9999" },
	{ "channel add %s type topic arena 4KB", "arena: '4KB' is not accepted" },
	{ "channel add %s type topic arena 4k", "arena: '4k' is not accepted" },
	{ "channel add %s type topic arena 4T", "arena: '4T' is not accepted" },
	{ "channel add %s type topic arena 1.5M", "arena: '1.5M' is not accepted" },
	{ "channel add %s type topic arena K", "arena: 'K' is not accepted" },
	{ "channel add %s type topic arena 0", "arena: '0' is not accepted" },
	{ "channel add %s type topic arena 18446744073709551616", "arena: '1844" },
	{ "channel add %s type topic arena 17179869184G", "arena: '17179869184G'" },
	{ "channel add %s type topic max-message -5", "max-message: '-5'" },
	{ "channel add %s type topic mode 0680", "mode: '0680' is not accepted; accepted: an octal" },
	{ "channel add %s type topic mode 10000", "mode: '10000' is not accepted" },
	{ "channel add %s type topic mode u=rw", "mode: 'u=rw' is not accepted" },
	{ "channel add %s type topic owner alice", "owner: 'alice' is not accepted" },
	{ "channel add %s type topic owner 4294967295", "owner: '4294967295'" },
	{ "channel add %s type topic group -1", "group: '-1' is not accepted" },
	{ "channel show a b", "unknown word 'b'" },
	{ "channel del", "takes NAME, or id N, and nothing else" },
	{ "channel del a b", "takes NAME, or id N, and nothing else" },
	{ "channel del id x", "id: 'x' is not accepted: a number from 0 to 4294967295" },
	{ "channel show id -1", "id: '-1' is not accepted" },
	{ "channel show id 4294967296", "id: '4294967296' is not accepted" },
	{ "port show id 1x", "id: '1x' is not accepted" },
	{ "port show id 1 2", "unknown word '1'" },
	{ "port evict id x 1", "id: 'x' is not accepted" },
	{ "port evict id 1 x", "PORT-ID: 'x' is not accepted" },
	{ "port show a b", "unknown word 'b'" },
	{ "port evict", "takes NAME, or id N, and PORT-ID and nothing else" },
	{ "port evict a", "takes NAME, or id N, and PORT-ID and nothing else" },
	{ "port evict a 1 2", "takes NAME, or id N, and PORT-ID and nothing else" },
	{ "port evict a one", "PORT-ID: 'one' is not accepted" },
	{ "port evict a 1x", "PORT-ID: '1x' is not accepted" },
	{ "port evict a -1", "PORT-ID: '-1' is not accepted" },
	{ "port evict a 4294967296", "PORT-ID: '4294967296' is not accepted" },
	{ "channel show x234567890123456789012345678901234567890123456789012345678901234",
	  "has 64 bytes; accepted: 1 to 63" },
};

/* Exit code 1, one line that names the word, nothing on standard output, nothing done. */
TEST_F(ipcadm, usage)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i += 2 * STEP - 1) {
		EXPECT_EQ(1, ADM(wrong[i].words)) {
			TH_LOG("%s", wrong[i].words);
		}
		EXPECT_EQ(0, strncmp(self->t.words, "ipcadm: ", 8));
		EXPECT_NE(NULL, strstr(self->t.words, wrong[i].complaint)) {
			TH_LOG("%s: %s", wrong[i].words, self->t.words);
		}
		EXPECT_EQ(self->t.words + strlen(self->t.words) - 1, strchr(self->t.words, '\n'));
		EXPECT_EQ(0, self->t.size);
	}
	EXPECT_FALSE(channel_exists(self->name));
}

TEST_F(ipcadm, usage_of_words_with_spaces)
{
	char *none[] = { "ipcadm", NULL };
	char *empty[] = { "ipcadm", "channel", "show", "", NULL };
	char *space[] = { "ipcadm", "channel", "add", self->name, "type", "topic", "depth", "8 ",
			  NULL };

	ASSERT_EQ(0, tool_start(&self->t, none));
	EXPECT_EQ(1, tool_end(&self->t));
	EXPECT_NE(NULL, strstr(self->t.words, "usage: ipcadm"));
	EXPECT_EQ(0, self->t.size);
	ASSERT_EQ(0, tool_start(&self->t, empty));
	EXPECT_EQ(1, tool_end(&self->t));
	ASSERT_EQ(0, tool_start(&self->t, space));
	EXPECT_EQ(1, tool_end(&self->t));
	EXPECT_FALSE(channel_exists(self->name));
}

TEST_F(ipcadm, help)
{
	static const struct { const char *words, *part; } asked[] = {
		{ "help", "channel add NAME type topic" }, { "-h", "Exit codes" },
		{ "--help", "port evict { NAME | id N } PORT-ID" }, { "help channel", "max-message SIZE" },
		{ "help port", "port evict" }, { "channel --help", "persistent" },
		{ "port evict -h", "evict" }, { "--version", "ipcadm 0." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(asked); i += STEP) {
		EXPECT_EQ(0, ADM(asked[i].words)) {
			TH_LOG("%s: %s", asked[i].words, self->t.words);
		}
		EXPECT_NE(NULL, strstr(self->t.output, asked[i].part)) {
			TH_LOG("%s: %s", asked[i].words, self->t.output);
		}
		EXPECT_STREQ("", self->t.words);
	}
}

TEST_F(ipcadm, options_anywhere)
{
	static const char *const same[] = {
		"-j channel show", "channel -j show", "channel show -j", "--json channel show",
		"channel show --json", "-j -- channel show", "-j channel --json show -j",
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i += STEP) {
		EXPECT_EQ(0, ADM(same[i])) {
			TH_LOG("%s: %s", same[i], self->t.words);
		}
		EXPECT_STREQ("{\n  \"channels\": []\n}\n", self->t.output);
	}
	EXPECT_EQ(0, ADM("port show -j"));
	EXPECT_STREQ("{\n  \"ports\": []\n}\n", self->t.output);
}

/* That is a name like any other. */
TEST_F(ipcadm, channel_called_id)
{
	ASSERT_EQ(0, ADM("channel add id type topic"));
	EXPECT_EQ(0, ADM("channel show id"));
	EXPECT_EQ(0, ADM("port show id"));
	EXPECT_EQ(2, ADM("port evict id 1"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: port 1: the channel has no port of that number\n",
			 "id"));
	EXPECT_EQ(0, ADM("channel del id"));
}

/* Refusals */

TEST_F(ipcadm, refused)
{
	EXPECT_EQ(2, ADM("channel show %s"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: there is no channel of that name\n", self->name));
	EXPECT_EQ(0, self->t.size);
	EXPECT_EQ(2, ADM("-j channel show %s"));
	EXPECT_EQ(0, self->t.size);
	EXPECT_EQ(2, ADM("channel del %s"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: there is no channel of that name\n", self->name));
	EXPECT_EQ(2, ADM("port show %s"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: there is no channel of that name\n", self->name));
	EXPECT_EQ(2, ADM("port evict %s 1"));
	EXPECT_EQ(2, ADM("channel add %s type topic depth 3"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: depth is not a power of two from 1 to 65536\n",
			 self->name));
	EXPECT_EQ(2, ADM("channel add %s type topic mode 0700"));
	EXPECT_EQ(2, ADM("channel add a*b type topic"));
	EXPECT_TRUE(says(&self->t, "ipcadm: a*b: a name is 1 to 63 letters, digits and ._:/-\n",
			 ""));
	EXPECT_EQ(0, ADM("channel add %s type topic"));
	EXPECT_EQ(2, ADM("channel add %s type topic"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: the name is taken\n", self->name));
	EXPECT_EQ(0, ADM("channel del %s"));
}

TEST_F(ipcadm, strangers)
{
	ASSERT_EQ(0, ADM("channel add %s type topic owner 1000 group 1000 persistent"));
	self->t.uid = BOB;
	EXPECT_EQ(2, ADM("channel show %s"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: no right to the channel\n", self->name));
	EXPECT_EQ(2, ADM("channel del %s"));
	EXPECT_TRUE(says(&self->t,
			 "ipcadm: %s: only the channel's owner or CAP_NET_ADMIN may do that\n",
			 self->name));
	EXPECT_EQ(0, ADM("-j channel show"));
	EXPECT_STREQ("{\n  \"channels\": []\n}\n", self->t.output);
	EXPECT_EQ(0, ADM("-j port show"));
	EXPECT_STREQ("{\n  \"ports\": []\n}\n", self->t.output);
	self->t.uid = ALICE;
	EXPECT_EQ(0, ADM("channel show %s"));
	EXPECT_EQ(0, ADM("channel del %s")) TH_LOG("%s", self->t.words);
}

/* Output that goes nowhere is no success. */
TEST_F(ipcadm, output_lost)
{
	static const char *const talkers[] = {
		"channel show", "-j channel show", "channel show %s", "-j port show", "help",
		"--version",
	};

	ASSERT_EQ(0, ADM("channel add %s type topic"));
	for (size_t i = 0; i < ARRAY_SIZE(talkers); i += STEP) {
		tool_replace(&self->t.out, open("/dev/full", O_WRONLY | O_CLOEXEC));
		EXPECT_EQ(2, ADM(talkers[i])) {
			TH_LOG("%s", talkers[i]);
		}
		EXPECT_TRUE(says(&self->t, "ipcadm: cannot write standard output: %s\n",
				 strerror(ENOSPC)));
		tool_replace(&self->t.out, -1);
		EXPECT_EQ(2, ADM(talkers[i]));
		EXPECT_TRUE(says(&self->t, "ipcadm: cannot write standard output: %s\n",
				 strerror(EBADF)));
	}
	EXPECT_EQ(0, ADM("channel del %s"));
}

static void *come_and_go(void *name)
{
	char other[IPCCHAN_NAME_SIZE];

	snprintf(other, sizeof(other), "%.50s.other", (char *)name);
	for (int i = 0; i < 20000 && *(volatile char *)name; i++) {
		if (small_channel(other, 0, 1) || drop_channel(other))
			break;
		usleep(3000);
	}
	return NULL;
}

/* A list that changes while it is made is made again; no channel of ours is missed. */
TEST_F(ipcadm, list_while_others_come_and_go)
{
	const int rounds = slow_kernel() ? 4 : 20;
	char name[IPCCHAN_NAME_SIZE];
	pthread_t other;
	void *done;

	strcpy(name, self->name);
	ASSERT_EQ(0, ADM("channel add %s type topic"));
	ASSERT_EQ(0, pthread_create(&other, NULL, come_and_go, name));
	for (int i = 0; i < rounds; i++) {
		EXPECT_EQ(0, ADM("channel show")) {
			TH_LOG("%s", self->t.words);
		}
		EXPECT_NE(NULL, strstr(self->t.output, self->name));
		EXPECT_EQ(0, ADM("-j port show")) {
			TH_LOG("%s", self->t.words);
		}
	}
	name[0] = 0;
	pthread_join(other, &done);
	EXPECT_EQ(0, ADM("channel del %s"));
}

/* Nothing may be open: it has a process of its own. */
TEST(without_the_module)
{
	static const char *const commands[] = {
		"ipcadm channel show", "ipcadm port show -j", "ipcadm channel add x type topic",
		"ipcadm channel del x", "ipcadm port evict x 1",
	};
	struct tool t;
	int err;

	tool_init(&t);
	for (int i = 0; (err = module_unload()) == -EAGAIN && i < 100; i++)
		sleep_ms(20);
	ASSERT_EQ(0, err);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(2, tool_run(&t, commands[i]));
		EXPECT_STREQ("ipcadm: the ipcchan module is not loaded\n", t.words);
		EXPECT_EQ(0, t.size);
	}
	/* what needs no module */
	EXPECT_EQ(0, tool_run(&t, "ipcadm help"));
	EXPECT_EQ(1, tool_run(&t, "ipcadm channel add x"));
	ASSERT_EQ(0, module_load());
	EXPECT_EQ(0, tool_run(&t, "ipcadm channel show"));
	tool_free(&t);
}

TEST_HARNESS_MAIN
