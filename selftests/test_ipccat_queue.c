// SPDX-License-Identifier: GPL-2.0
/*
 * ipccat on queues: each message is written by one recv, and acknowledged after
 * that: what is not written is not lost.
 *
 * Breaks these: acknowledging before what was gathered is written; taking for the
 * end what is only nothing to claim for now.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "tool.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150

#define LINES 1000	/* more than a small pipe holds */

FIXTURE(queue) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct tool tx, rx[2];
	char input[LINES * 16];
	size_t size;
};

FIXTURE_SETUP(queue)
{
	accounts_read(&self->before);
	unique_name(self->name, "queue");
	tool_init(&self->tx);
	tool_init(&self->rx[0]);
	tool_init(&self->rx[1]);
	self->size = 0;
	for (int i = 0; i < LINES; i++)
		self->size += sprintf(self->input + self->size, "line %d\n", i);
	tool_input(&self->tx, self->input, self->size);
}

FIXTURE_TEARDOWN(queue)
{
	tool_free(&self->tx);
	tool_free(&self->rx[0]);
	tool_free(&self->rx[1]);
	EXPECT_EQ(0, drop_channel(self->name) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int cat(struct tool *t, const char *words, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "ipccat %s %s", words, name);
	return tool_begin(t, command);
}

/* Enters how often each line came. */
static void count(const struct tool *t, int *times)
{
	for (const char *at = t->output; at && *at; at = strchr(at, '\n') + 1) {
		int n;

		if (sscanf(at, "line %d\n", &n) == 1 && n >= 0 && n < LINES)
			times[n]++;
	}
}

TEST_F(queue, each_line_to_one)
{
	int times[LINES] = { 0 };

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, cat(&self->rx[i], "recv -l -t queue", self->name));
	}
	ASSERT_EQ(0, cat(&self->tx, "send -l -n 2 -t queue", self->name));
	EXPECT_EQ(0, tool_end(&self->tx)) TH_LOG("%s", self->tx.words);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, tool_end(&self->rx[i])) TH_LOG("%s", self->rx[i].words);
		count(&self->rx[i], times);
	}
	for (int i = 0; i < LINES; i++) {
		EXPECT_EQ(1, times[i]) TH_LOG("line %d", i);
	}
	EXPECT_FALSE(channel_exists(self->name));
}

/* A persistent one keeps what it is sent when there is nobody. */
static void fill(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self)
{
	ASSERT_EQ(0, cat(&self->tx, "send -l -p -t queue -d 1024", self->name));
	ASSERT_EQ(0, tool_end(&self->tx)) TH_LOG("%s", self->tx.words);
}

TEST_F(queue, kept_for_later)
{
	fill(_metadata, self);
	ASSERT_EQ(0, cat(&self->rx[0], "recv -l", self->name));
	EXPECT_EQ(0, tool_end(&self->rx[0])) TH_LOG("%s", self->rx[0].words);
	EXPECT_EQ(self->size, self->rx[0].size);
	if (self->size == self->rx[0].size)
		EXPECT_EQ(0, memcmp(self->input, self->rx[0].output, self->size));
}

/* What another has claimed is not the end, though the senders have left. */
TEST_F(queue, another_has_it)
{
	struct ipcchan_port *tx, *other;
	struct ipcchan_options o;
	struct ipcchan_message m;

	ipcchan_options_init(&o);
	o.type = IPCCHAN_QUEUE;
	o.flags = IPCCHAN_OPEN_CREATE;
	ASSERT_EQ(0, ipcchan_open(&tx, self->name, IPCCHAN_ROLE_SEND, &o, NULL));
	ASSERT_EQ(0, ipcchan_open(&other, self->name, IPCCHAN_ROLE_RECEIVE, NULL, NULL));
	ASSERT_EQ(0, ipcchan_send(tx, "two", 3, IPCCHAN_NO_WAIT));
	ASSERT_EQ(0, ipcchan_send(tx, "one", 3, IPCCHAN_NO_WAIT));
	ASSERT_EQ(0, ipcchan_receive(other, &m, IPCCHAN_NO_WAIT));
	ipcchan_port_close(tx);
	ASSERT_EQ(0, cat(&self->rx[0], "recv -l", self->name));
	for (int i = 0; i < 2000 && !lseek(self->rx[0].out, 0, SEEK_END); i++)
		sleep_ms(10);
	EXPECT_TRUE(falls_asleep(self->rx[0].pid));
	ipcchan_port_close(other);
	EXPECT_EQ(0, tool_end(&self->rx[0])) TH_LOG("%s", self->rx[0].words);
	EXPECT_STREQ("one\ntwo\n", self->rx[0].output);
}

/* One that cannot write has acknowledged nothing of it. */
TEST_F(queue, unwritten_is_not_lost)
{
	int times[LINES] = { 0 };

	fill(_metadata, self);
	tool_replace(&self->rx[0].out, open("/dev/full", O_WRONLY | O_CLOEXEC));
	ASSERT_EQ(0, cat(&self->rx[0], "recv -l", self->name));
	EXPECT_EQ(2, tool_end(&self->rx[0]));
	EXPECT_NE(NULL, strstr(self->rx[0].words, "cannot write standard output"));
	ASSERT_EQ(0, cat(&self->rx[1], "recv -l", self->name));
	EXPECT_EQ(0, tool_end(&self->rx[1])) TH_LOG("%s", self->rx[1].words);
	count(&self->rx[1], times);
	for (int i = 0; i < LINES; i++) {
		EXPECT_EQ(1, times[i]) TH_LOG("line %d", i);
	}
}

/* One that is killed as it writes: all comes, some of it twice perhaps. */
TEST_F(queue, killed_while_writing)
{
	int times[LINES] = { 0 }, ends[2];
	char some[sizeof(self->input) + 1] = "";
	struct tool early = { .output = some };
	ssize_t got, used;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_LE(4096, fcntl(ends[1], F_SETPIPE_SZ, 4096));
	fill(_metadata, self);
	tool_replace(&self->rx[0].out, ends[1]);
	ASSERT_EQ(0, cat(&self->rx[0], "recv -l", self->name));
	used = read(ends[0], some, sizeof(some) - 1);
	ASSERT_LT(0, used);
	EXPECT_TRUE(falls_asleep(self->rx[0].pid));
	kill(self->rx[0].pid, SIGKILL);
	EXPECT_NE(-1, tool_end(&self->rx[0]));
	tool_replace(&self->rx[0].out, -1);
	while ((got = read(ends[0], some + used, sizeof(some) - 1 - used)) > 0)
		used += got;
	count(&early, times);
	ASSERT_EQ(0, cat(&self->rx[1], "recv -l", self->name));
	EXPECT_EQ(0, tool_end(&self->rx[1])) TH_LOG("%s", self->rx[1].words);
	count(&self->rx[1], times);
	for (int i = 0; i < LINES; i++) {
		EXPECT_LE(1, times[i]) TH_LOG("line %d", i);
	}
	close(ends[0]);
}

TEST_F(queue, of_another_type)
{
	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	EXPECT_EQ(0, cat(&self->rx[0], "recv -t queue", self->name));
	EXPECT_EQ(2, tool_end(&self->rx[0]));
	EXPECT_EQ(1, tool_run(&self->rx[0], "ipccat recv -t heap a"));
	EXPECT_NE(NULL, strstr(self->rx[0].words, "--type: 'heap' is not accepted"));
}

TEST_HARNESS_MAIN
