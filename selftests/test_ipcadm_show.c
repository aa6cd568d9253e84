// SPDX-License-Identifier: GPL-2.0
/*
 * ipcadm: what it shows of channels and ports, as text and as JSON.
 */
#include <jansson.h>

#include <kselftest_harness.h>

#include "adm.h"
#include "queue.h"

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

/* What is left, and what becomes of it, as it moves. */
struct counts {
	json_int_t ready, claimed, delayed, acknowledged, redelivered, dead, dropped;
};

static struct counts queue_counts(struct tool *t, const char *name)
{
	struct counts c = { -1, -1, -1, -1, -1, -1, -1 };
	json_t *array, *one;

	if (adm(t, name, "-j channel show %s"))
		return c;
	array = document(t, "channels");
	one = json_object_get(json_array_get(array, 0), "queue");
	if (json_object_size(one) == 7)
		c = (struct counts){
			INT("ready"), INT("claimed"), INT("delayed"), INT("acknowledged"),
			INT("redelivered"), INT("dead"), INT("dropped"),
		};
	json_decref(array);
	return c;
}

static bool counts_are(struct tool *t, const char *name, struct counts want)
{
	struct counts is = queue_counts(t, name);

	if (!memcmp(&is, &want, sizeof(is)))
		return true;
	fprintf(stderr, "# ready %lld claimed %lld delayed %lld acknowledged %lld "
		"redelivered %lld dead %lld dropped %lld\n", is.ready, is.claimed, is.delayed,
		is.acknowledged, is.redelivered, is.dead, is.dropped);
	return false;
}

#define COUNTS(...)	counts_are(&self->t, self->name, (struct counts){ __VA_ARGS__ })

TEST_F(ipcadm, counts_of_a_queue)
{
	struct ipcchan_claimed claim;
	struct raw_port tx, rx;

	ASSERT_EQ(0, ADM("channel add %s type queue max-deliveries 2")) TH_LOG("%s", self->t.words);
	ASSERT_EQ(0, raw_open(&tx, self->name, IPCCHAN_SEND));
	ASSERT_EQ(0, raw_open(&rx, self->name, IPCCHAN_RECEIVE));
	EXPECT_TRUE(COUNTS(0));
	for (int i = 0; i < 4; i++)
		put(&tx, i, 0);
	ASSERT_EQ(0, claim_one(&rx, &claim));
	EXPECT_TRUE(COUNTS(.ready = 3, .claimed = 1));
	EXPECT_EQ(0, judge(&rx, claim.sequence, IPCCHAN_ACKNOWLEDGE, 0));
	EXPECT_TRUE(COUNTS(.ready = 3, .acknowledged = 1));
	ASSERT_EQ(0, claim_one(&rx, &claim));
	EXPECT_EQ(0, judge(&rx, claim.sequence, IPCCHAN_REFUSE, 3600 * SECOND));
	EXPECT_TRUE(COUNTS(.ready = 2, .delayed = 1, .acknowledged = 1));
	ASSERT_EQ(0, claim_one(&rx, &claim));
	EXPECT_EQ(0, judge(&rx, claim.sequence, IPCCHAN_REFUSE, 0));
	ASSERT_EQ(0, claim_one(&rx, &claim));
	EXPECT_TRUE(COUNTS(.ready = 1, .claimed = 1, .delayed = 1, .acknowledged = 1,
			   .redelivered = 1));
	EXPECT_EQ(0, judge(&rx, claim.sequence, IPCCHAN_REFUSE, 0));
	EXPECT_TRUE(COUNTS(.ready = 1, .delayed = 1, .acknowledged = 1, .redelivered = 1,
			   .dead = 1, .dropped = 1));
	ASSERT_EQ(0, claim_one(&rx, &claim));
	EXPECT_EQ(0, judge(&rx, claim.sequence, IPCCHAN_DISCARD, 0));
	EXPECT_TRUE(COUNTS(.delayed = 1, .acknowledged = 1, .redelivered = 1, .dead = 1,
			   .dropped = 2));
	/* with its sender goes what waits */
	EXPECT_EQ(0, evict(self->name, tx.attach.port_id));
	EXPECT_TRUE(COUNTS(.acknowledged = 1, .redelivered = 1, .dead = 1, .dropped = 3));
	raw_close(&tx);
	raw_close(&rx);
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

TEST_HARNESS_MAIN
