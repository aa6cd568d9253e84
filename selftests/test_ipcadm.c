// SPDX-License-Identifier: GPL-2.0
/*
 * ipcadm: its grammar, its text and its JSON, its exit codes. What the kernel
 * refuses, and why, is in test_netlink.c.
 */
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>

#include <kselftest_harness.h>

#include "tool.h"

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

/* Runs ipcadm, %s being our channel's name. */
static int adm(struct tool *t, const char *name, const char *words)
{
	char command[512] = "ipcadm ";
	const char *at = strstr(words, "%s");

	if (at)
		snprintf(command + 7, sizeof(command) - 7, "%.*s%s%s", (int)(at - words), words,
			 name, at + 2);
	else
		snprintf(command + 7, sizeof(command) - 7, "%s", words);
	return tool_run(t, command);
}

#define ADM(words)	adm(&self->t, self->name, words)

/* All of standard error is that line. */
static bool says(const struct tool *t, const char *format, const char *name)
{
	char line[512];

	snprintf(line, sizeof(line), format, name);
	if (!strcmp(t->words, line))
		return true;
	fprintf(stderr, "# it says: %s", t->words);
	return false;
}

/* What does not depend on the kernel is tried in part only on a slow one. */
#define STEP	(slow_kernel() ? 4 : 1)

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

/* JSON */

static const char *const channel_keys[] = {
	"name", "id", "type", "overflow", "depth", "arena", "max-message", "senders", "receivers",
	"holds", "mode", "owner", "group", "persistent", "history", "stall", "label",
	"senders-attached", "receivers-attached", "bytes", "rights", "backlog", "max-per-user",
	"waiting", "service", "lease", "max-deliveries", "dead-letter", "queue",
};

static const char *const port_keys[] = {
	"channel", "channel-id", "port-id", "roles", "status", "pid", "uid", "gid", "sender-slot",
	"receiver-slot", "sleeping", "attached-ns", "bytes", "claims",
};

static const char *const claim_keys[] = {
	"sent", "sent-bytes", "received", "lost", "held", "behind",
};

/* Has it these keys and no other? */
static bool has_keys(const json_t *object, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!json_object_get(object, keys[i])) {
			fprintf(stderr, "# no key %s\n", keys[i]);
			return false;
		}
	return json_object_size(object) == count;
}

/* The array of the one document that was written; it is json_decref()'d by the caller. */
static json_t *document(const struct tool *t, const char *plural)
{
	json_error_t error;
	json_t *all = json_loads(t->output, JSON_REJECT_DUPLICATES, &error), *array;

	if (!all)
		fprintf(stderr, "# %s, line %d: %s\n", error.text, error.line, t->output);
	array = json_object_size(all) == 1 ? json_object_get(all, plural) : NULL;
	json_incref(array);
	json_decref(all);
	return json_is_array(array) ? array : NULL;
}

#define INT(key)	json_integer_value(json_object_get(one, key))
#define STRING(key)	json_string_value(json_object_get(one, key))

TEST_F(ipcadm, channel_as_json)
{
	json_t *array, *one;

	ASSERT_EQ(0, ADM("channel add %s type topic")) TH_LOG("%s", self->t.words);
	EXPECT_EQ(0, self->t.size);
	EXPECT_STREQ("", self->t.words);
	ASSERT_EQ(0, ADM("-j channel show %s"));
	array = document(&self->t, "channels");
	ASSERT_EQ(1, json_array_size(array));
	one = json_array_get(array, 0);
	EXPECT_TRUE(has_keys(one, channel_keys, ARRAY_SIZE(channel_keys)));
	EXPECT_STREQ(self->name, STRING("name"));
	EXPECT_STREQ("topic", STRING("type"));
	EXPECT_STREQ("block", STRING("overflow"));
	EXPECT_EQ(256, INT("depth"));
	EXPECT_EQ(1 << 20, INT("arena"));
	EXPECT_EQ(1 << 20, INT("max-message"));
	EXPECT_EQ(16, INT("senders"));
	EXPECT_EQ(16, INT("receivers"));
	EXPECT_EQ(16, INT("holds"));
	EXPECT_STREQ("0600", STRING("mode"));
	EXPECT_TRUE(json_is_integer(json_object_get(one, "owner")));
	EXPECT_EQ(0, INT("owner"));
	EXPECT_EQ(0, INT("group"));
	EXPECT_TRUE(json_is_false(json_object_get(one, "persistent")));
	EXPECT_EQ(0, INT("history"));
	EXPECT_EQ(0, INT("stall"));
	EXPECT_STREQ("", STRING("label"));
	EXPECT_EQ(3, json_array_size(json_object_get(one, "rights")));
	json_decref(array);
}

/* Every word of the grammar, in another order than the help's; and where it shows. */
TEST_F(ipcadm, channel_with_everything)
{
	json_t *array, *one;

	ASSERT_EQ(0, ADM("channel add %s persistent group 1001 owner 1000 mode 640 holds 3"
			 " receivers 5 senders 7 max-message 1K arena 2M depth 64 type topic"))
		TH_LOG("%s", self->t.words);
	ASSERT_EQ(0, ADM("-j channel show"));
	array = document(&self->t, "channels");
	ASSERT_EQ(1, json_array_size(array));
	one = json_array_get(array, 0);
	EXPECT_EQ(64, INT("depth"));
	EXPECT_EQ(2 << 20, INT("arena"));
	EXPECT_EQ(1024, INT("max-message"));
	EXPECT_EQ(7, INT("senders"));
	EXPECT_EQ(5, INT("receivers"));
	EXPECT_EQ(3, INT("holds"));
	EXPECT_STREQ("0640", STRING("mode"));
	EXPECT_EQ(ALICE, INT("owner"));
	EXPECT_EQ(BOB, INT("group"));
	EXPECT_TRUE(json_is_true(json_object_get(one, "persistent")));
	json_decref(array);
	ASSERT_EQ(0, ADM("channel show %s"));
	EXPECT_NE(NULL, strstr(self->t.output, "arena                2M\n"));
	EXPECT_NE(NULL, strstr(self->t.output, "mode                 0640\n"));
	EXPECT_NE(NULL, strstr(self->t.output, "persistent           yes\n"));
	EXPECT_EQ(0, ADM("channel del %s"));
	EXPECT_FALSE(channel_exists(self->name));
}

TEST_F(ipcadm, channel_with_a_policy)
{
	json_t *array, *one;

	ASSERT_EQ(0, ADM("channel add %s label imu/3 history 5 overflow drop-oldest type topic"))
		TH_LOG("%s", self->t.words);
	ASSERT_EQ(0, ADM("-j channel show"));
	array = document(&self->t, "channels");
	ASSERT_EQ(1, json_array_size(array));
	one = json_array_get(array, 0);
	EXPECT_STREQ("drop-oldest", STRING("overflow"));
	EXPECT_EQ(5, INT("history"));
	EXPECT_STREQ("imu/3", STRING("label"));
	EXPECT_EQ(0, INT("stall"));
	/* 1 MiB / (2 x (16 x 16 + 5) + 1), in granules */
	EXPECT_EQ(1984, INT("max-message"));
	json_decref(array);
	ASSERT_EQ(0, ADM("channel show %s"));
	EXPECT_NE(NULL, strstr(self->t.output, "overflow             drop-oldest\n"));
	EXPECT_NE(NULL, strstr(self->t.output, "history              5\n"));
	EXPECT_NE(NULL, strstr(self->t.output, "stall                -\n"));
	EXPECT_NE(NULL, strstr(self->t.output, "label                imu/3\n"));
	EXPECT_EQ(0, ADM("channel del %s"));
}

TEST_F(ipcadm, label_of_many_words)
{
	char *add[] = { "ipcadm", "channel", "add", self->name, "type", "topic", "label",
			"point cloud, v2", NULL };
	char *bad[] = { "ipcadm", "channel", "add", self->name, "type", "topic", "label", "a\nb",
			NULL };
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, tool_start(&self->t, add));
	EXPECT_EQ(0, tool_end(&self->t));
	ASSERT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_STREQ("point cloud, v2", lookup.label);
	ASSERT_EQ(0, ADM("channel show %s"));
	EXPECT_NE(NULL, strstr(self->t.output, "label                point cloud, v2\n"));
	EXPECT_EQ(0, ADM("channel del %s"));
	ASSERT_EQ(0, tool_start(&self->t, bad));
	EXPECT_EQ(2, tool_end(&self->t));
	EXPECT_NE(NULL, strstr(self->t.words, "a label is printable ASCII"));
}

TEST_F(ipcadm, times)
{
	static const struct { const char *words, *shown; uint64_t ns; } times[] = {
		{ "channel add %s type topic stall 1ms", "stall                1ms\n", 1000000 },
		{ "channel add %s type topic stall 1500us", "stall                1500us\n", 1500000 },
		{ "channel add %s type topic stall 500ms", "stall                500ms\n", 500000000 },
		{ "channel add %s type topic stall 2000ms", "stall                2s\n", 2000000000 },
		{ "channel add %s type topic stall 1000001ns", "stall                1000001ns\n",
		  1000001 },
		{ "channel add %s type topic stall 3600s overflow block",
		  "stall                3600s\n", 3600000000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i += STEP) {
		struct ipcchan_lookup lookup;

		ASSERT_EQ(0, ADM(times[i].words)) TH_LOG("%s", self->t.words);
		ASSERT_EQ(0, find_channel(self->name, &lookup));
		EXPECT_EQ(times[i].ns, lookup.stall_ns);
		ASSERT_EQ(0, ADM("channel show %s"));
		EXPECT_NE(NULL, strstr(self->t.output, times[i].shown));
		ASSERT_EQ(0, ADM("channel del %s"));
	}
	EXPECT_EQ(2, ADM("channel add %s type topic stall 3601s"));
	EXPECT_NE(NULL, strstr(self->t.words, "stall is not from a millisecond to an hour"));
}

TEST_F(ipcadm, sizes)
{
	static const struct { const char *words; uint64_t bytes; } sizes[] = {
		{ "channel add %s type topic arena 8192", 8192 },
		{ "channel add %s type topic arena 8K", 8192 },
		{ "channel add %s type topic arena 3M", 3 << 20 },
		{ "channel add %s type topic arena 1G", 1 << 30 },
		{ "channel add %s type topic arena 1048576K", 1 << 30 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i += STEP) {
		struct ipcchan_lookup lookup;

		ASSERT_EQ(0, ADM(sizes[i].words)) TH_LOG("%s", self->t.words);
		ASSERT_EQ(0, find_channel(self->name, &lookup));
		EXPECT_EQ(sizes[i].bytes, lookup.geometry.arena);
		ASSERT_EQ(0, ADM("channel del %s"));
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

TEST_F(ipcadm, channel_list_as_text)
{
	ASSERT_EQ(0, ADM("channel add %s type topic arena 12K mode 0644"));
	ASSERT_EQ(0, ADM("channel show"));
	EXPECT_EQ(0, strncmp(self->t.output, "NAME ", 5)) {
		TH_LOG("%s", self->t.output);
	}
	EXPECT_NE(NULL, strstr(self->t.output, self->name));
	EXPECT_NE(NULL, strstr(self->t.output, " 12K "));
	EXPECT_NE(NULL, strstr(self->t.output, " 0644 "));
	EXPECT_EQ(0, ADM("channel del %s"));
}

/* Ports */

TEST_F(ipcadm, ports)
{
	struct raw_port tx, rx;
	json_t *array, *one;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	ASSERT_EQ(0, raw_open(&rx, self->name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, ADM("-j port show"));
	array = document(&self->t, "ports");
	ASSERT_EQ(2, json_array_size(array));
	one = json_array_get(array, 0);
	EXPECT_TRUE(has_keys(one, port_keys, ARRAY_SIZE(port_keys)));
	EXPECT_TRUE(has_keys(json_object_get(one, "claims"), claim_keys, ARRAY_SIZE(claim_keys)));
	EXPECT_STREQ(self->name, STRING("channel"));
	EXPECT_EQ(rx.attach.port_id, INT("port-id"));
	EXPECT_EQ(getpid(), INT("pid"));
	EXPECT_STREQ("active", STRING("status"));
	EXPECT_TRUE(json_is_null(json_object_get(one, "sender-slot")));
	EXPECT_EQ(0, INT("receiver-slot"));
	EXPECT_TRUE(json_equal(json_object_get(one, "roles"), json_pack("[s]", "receive")));
	json_decref(array);
	ASSERT_EQ(0, ADM("port show %s"));
	EXPECT_EQ(0, strncmp(self->t.output, "CHANNEL ", 8));
	EXPECT_NE(NULL, strstr(self->t.output, "send "));
	EXPECT_EQ(0, ADM("port evict %s 1")) TH_LOG("%s", self->t.words);
	EXPECT_EQ(0, self->t.size);
	EXPECT_EQ(-ESHUTDOWN, call_kick(rx.fd, 0, 0));
	EXPECT_EQ(0, call_kick(tx.fd, 0, 0));
	EXPECT_EQ(2, ADM("port evict %s 1"));
	EXPECT_TRUE(says(&self->t, "ipcadm: %s: port 1: the channel has no port of that number\n",
			 self->name));
	raw_close(&tx);
	raw_close(&rx);
}

/* Without a name: its number does. */
TEST_F(ipcadm, channel_without_a_name)
{
	int handle = handle_create(2), number;
	char words[64];
	struct raw_port port;
	json_t *array, *one;

	ASSERT_EQ(0, raw_open_by(&port, handle, IPCCHAN_SEND));
	ASSERT_EQ(0, ADM("-j channel show"));
	array = document(&self->t, "channels");
	ASSERT_EQ(1, json_array_size(array));
	one = json_array_get(array, 0);
	EXPECT_TRUE(has_keys(one, channel_keys, ARRAY_SIZE(channel_keys)));
	EXPECT_TRUE(json_is_null(json_object_get(one, "name")));
	EXPECT_TRUE(json_equal(json_object_get(one, "rights"), json_pack("[s]", "admin")));
	number = INT("id");
	json_decref(array);
	ASSERT_EQ(0, ADM("-j port show"));
	array = document(&self->t, "ports");
	ASSERT_EQ(1, json_array_size(array));
	one = json_array_get(array, 0);
	EXPECT_TRUE(json_is_null(json_object_get(one, "channel")));
	EXPECT_EQ(number, INT("channel-id"));
	json_decref(array);

	snprintf(words, sizeof(words), "channel show id %d", number);
	EXPECT_EQ(0, ADM(words)) TH_LOG("%s", self->t.words);
	EXPECT_NE(NULL, strstr(self->t.output, "topic"));
	snprintf(words, sizeof(words), "port show id %d", number);
	EXPECT_EQ(0, ADM(words)) TH_LOG("%s", self->t.words);
	EXPECT_NE(NULL, strstr(self->t.output, "send"));
	snprintf(words, sizeof(words), "port evict id %d %u", number, port.attach.port_id);
	EXPECT_EQ(0, ADM(words)) TH_LOG("%s", self->t.words);
	EXPECT_EQ(-ESHUTDOWN, call_kick(port.fd, 0, 0));
	EXPECT_EQ(2, ADM(words));
	snprintf(words, sizeof(words), "channel del id %d", number);
	EXPECT_EQ(0, ADM(words)) TH_LOG("%s", self->t.words);
	EXPECT_EQ(2, ADM(words));
	snprintf(words, sizeof(words), "ipcadm: id %d: there is no channel of that number\n",
		 number);
	EXPECT_STREQ(words, self->t.words);
	raw_close(&port);
	close(handle);
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

/* A claim is what a hostile port says of itself: any number must stay a number. */
TEST_F(ipcadm, claims_of_a_liar)
{
	struct raw_port tx;
	json_t *array, *one;

	ASSERT_EQ(0, small_channel(self->name, 0, 2));
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	raw_outbox(&tx)->sent = UINT64_MAX;
	raw_outbox(&tx)->bytes = 1ull << 63;
	ASSERT_EQ(0, ADM("-j port show %s"));
	array = document(&self->t, "ports");
	ASSERT_EQ(1, json_array_size(array));
	one = json_object_get(json_array_get(array, 0), "claims");
	EXPECT_EQ(INT64_MAX, INT("sent"));
	EXPECT_EQ(INT64_MAX, INT("sent-bytes"));
	json_decref(array);
	EXPECT_EQ(0, ADM("port show"));
	EXPECT_NE(NULL, strstr(self->t.output, " 18446744073709551615"));
	raw_close(&tx);
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

/* More than one datagram of answers. */
TEST_F(ipcadm, many)
{
	const int count = slow_kernel() ? 100 : 300;
	char name[IPCCHAN_NAME_SIZE];
	json_t *array;

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%.50s.%d", self->name, i);
		ASSERT_EQ(0, small_channel(name, IPCCHAN_CREATE_PERSISTENT, 1));
	}
	ASSERT_EQ(0, ADM("-j channel show"));
	array = document(&self->t, "channels");
	EXPECT_EQ(count, json_array_size(array));
	json_decref(array);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%.50s.%d", self->name, i);
		EXPECT_EQ(0, drop_channel(name));
	}
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
