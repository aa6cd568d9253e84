// SPDX-License-Identifier: GPL-2.0
/*
 * How ipccat ends when the other end, its input, its output, its channel or
 * the module is not there, or no more. What works is in test_ipccat.c.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "tool.h"

/* Programs are started often, which takes long in a kernel with sanitizers. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150

FIXTURE(ends) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct tool tx, rx;
	int feed;		/* writes to what the sender reads */
	int drain;		/* reads what the receiver writes */
};

/* Input that does not end, output that is not taken. */
FIXTURE_SETUP(ends)
{
	int in[2], out[2];

	accounts_read(&self->before);
	unique_name(self->name, "ends");
	tool_init(&self->tx);
	tool_init(&self->rx);
	ASSERT_EQ(0, pipe2(in, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	self->feed = in[1];
	self->drain = out[0];
	tool_replace(&self->tx.in, in[0]);
	tool_replace(&self->rx.out, out[1]);
}

FIXTURE_TEARDOWN(ends)
{
	close(self->feed);
	close(self->drain);
	tool_free(&self->tx);
	tool_free(&self->rx);
	EXPECT_EQ(0, drop_channel(self->name) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int cat(struct tool *t, const char *words, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "ipccat %s %s", words, name);
	return tool_begin(t, command);
}

/* Our ends of the pipes are no longer held by us too. */
static void hand_over(struct tool *tx, struct tool *rx)
{
	tool_replace(&tx->in, -1);
	tool_replace(&rx->out, -1);
}

static bool says(const struct tool *t, const char *format, const char *name)
{
	char line[512];

	snprintf(line, sizeof(line), format, name);
	if (!strcmp(t->words, line))
		return true;
	fprintf(stderr, "# it says: %s", t->words);
	return false;
}

/* Both run, and one message has arrived. */
static int run_both(struct tool *tx, struct tool *rx, const char *name, int feed, int drain)
{
	char byte;
	int err = cat(rx, "recv", name);

	if (!err)
		err = cat(tx, "send", name);
	hand_over(tx, rx);
	if (err)
		return err;
	return write(feed, "x", 1) == 1 && read(drain, &byte, 1) == 1 ? 0 : -EIO;
}

#define RUN_BOTH() run_both(&self->tx, &self->rx, self->name, self->feed, self->drain)
#define END(t)	tool_end(&self->t)

/* The port of the process, by its slot; both have slot 0. */
static uint32_t port_of(const char *name, uint32_t role)
{
	struct ipcchan_peer peer = { .port_id = 0 };
	struct raw_port looker;

	if (raw_open(&looker, name, role == IPCCHAN_SEND ? IPCCHAN_RECEIVE : IPCCHAN_SEND))
		return 0;
	call_peer(looker.fd, role, 0, &peer);
	raw_close(&looker);
	return peer.port_id;
}

TEST_F(ends, input_ends)
{
	ASSERT_EQ(0, RUN_BOTH());
	close(self->feed);
	self->feed = -1;
	EXPECT_EQ(0, END(tx)) TH_LOG("%s", self->tx.words);
	EXPECT_EQ(0, END(rx)) TH_LOG("%s", self->rx.words);
}

/* recv ends as a filter does whose output nobody wants; send says what happened. */
TEST_F(ends, output_is_closed)
{
	char chunk[4096] = "";

	ASSERT_EQ(0, RUN_BOTH());
	close(self->drain);
	self->drain = -1;
	EXPECT_EQ(sizeof(chunk), write(self->feed, chunk, sizeof(chunk)));
	EXPECT_EQ(128 + SIGPIPE, END(rx));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: the last receiver has left before all was sent\n",
			 self->name));
}

/* No input comes: it is the leaving that ends it, not the next message. */
TEST_F(ends, receiver_is_killed)
{
	ASSERT_EQ(0, RUN_BOTH());
	kill(self->rx.pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, END(rx));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: the last receiver has left before all was sent\n",
			 self->name));
}

TEST_F(ends, sender_is_killed)
{
	ASSERT_EQ(0, RUN_BOTH());
	kill(self->tx.pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, END(tx));
	EXPECT_EQ(0, END(rx)) TH_LOG("%s", self->rx.words);
}

TEST_F(ends, signals)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		ASSERT_EQ(0, cat(&self->rx, "recv", self->name));
		EXPECT_TRUE(falls_asleep(self->rx.pid));
		kill(self->rx.pid, signals[i]);
		EXPECT_EQ(128 + signals[i], END(rx));
	}
}

/* Stopped and continued, asleep and at work: nothing comes of it. */
TEST_F(ends, stopped_and_continued)
{
	char byte;

	ASSERT_EQ(0, RUN_BOTH());
	for (int i = 0; i < 10; i++) {
		kill(self->rx.pid, SIGSTOP);
		kill(self->tx.pid, SIGSTOP);
		ASSERT_EQ(1, write(self->feed, "y", 1));
		kill(self->rx.pid, SIGCONT);
		kill(self->tx.pid, SIGCONT);
		ASSERT_EQ(1, read(self->drain, &byte, 1));
		EXPECT_EQ('y', byte);
	}
	close(self->feed);
	self->feed = -1;
	EXPECT_EQ(0, END(tx));
	EXPECT_EQ(0, END(rx));
}

TEST_F(ends, channel_is_deleted)
{
	ASSERT_EQ(0, RUN_BOTH());
	ASSERT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(2, END(tx));
	EXPECT_EQ(2, END(rx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: the port was evicted, or its channel deleted\n",
			 self->name));
	EXPECT_TRUE(says(&self->rx, "ipccat: %s: the port was evicted, or its channel deleted\n",
			 self->name));
}

TEST_F(ends, receiver_is_evicted)
{
	ASSERT_EQ(0, RUN_BOTH());
	EXPECT_EQ(0, evict(self->name, port_of(self->name, IPCCHAN_RECEIVE)));
	EXPECT_EQ(2, END(rx));
	EXPECT_TRUE(says(&self->rx, "ipccat: %s: the port was evicted, or its channel deleted\n",
			 self->name));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: the last receiver has left before all was sent\n",
			 self->name));
}

TEST_F(ends, sender_is_evicted)
{
	ASSERT_EQ(0, RUN_BOTH());
	EXPECT_EQ(0, evict(self->name, port_of(self->name, IPCCHAN_SEND)));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: the port was evicted, or its channel deleted\n",
			 self->name));
	EXPECT_EQ(0, END(rx)) TH_LOG("%s", self->rx.words);
}

/* Deleted while they wait for each other. */
TEST_F(ends, deleted_before_all_came)
{
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, cat(&self->tx, "send -n 2", self->name));
	for (int i = 0; i < 4000 && (find_channel(self->name, &lookup) || !lookup.senders); i++)
		sleep_ms(5);
	ASSERT_TRUE(falls_asleep(self->tx.pid));
	ASSERT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: the port was evicted, or its channel deleted\n",
			 self->name));
}

/* Input and output that fail */

TEST_F(ends, input_is_a_directory)
{
	tool_replace(&self->tx.in, open("/", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(0, cat(&self->rx, "recv", self->name));
	ASSERT_EQ(0, cat(&self->tx, "send", self->name));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: cannot read standard input: %s\n", strerror(EISDIR)));
	EXPECT_EQ(0, END(rx));
}

TEST_F(ends, input_is_closed)
{
	tool_replace(&self->tx.in, -1);
	ASSERT_EQ(0, cat(&self->rx, "recv", self->name));
	ASSERT_EQ(0, cat(&self->tx, "send", self->name));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: cannot read standard input: %s\n", strerror(EBADF)));
	EXPECT_EQ(0, END(rx));
}

/* For what is gathered, and for what is written in place. */
TEST_F(ends, output_is_full)
{
	static const size_t sizes[] = { 1, 60000 };
	char *bytes = calloc(1, 60000);

	ASSERT_NE(NULL, bytes);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		tool_replace(&self->tx.in, memfd_create("in", MFD_CLOEXEC));
		tool_input(&self->tx, bytes, sizes[i]);
		tool_replace(&self->rx.out, open("/dev/full", O_WRONLY | O_CLOEXEC));
		ASSERT_EQ(0, cat(&self->rx, "recv", self->name));
		ASSERT_EQ(0, cat(&self->tx, "send", self->name));
		EXPECT_EQ(2, END(rx));
		EXPECT_TRUE(says(&self->rx, "ipccat: cannot write standard output: %s\n",
				 strerror(ENOSPC)));
		END(tx);	/* 0 or 2: whether all was read when it left */
	}
	free(bytes);
}

TEST_F(ends, output_does_not_block)
{
	char buffer[4096];
	size_t got = 0;
	ssize_t n;
	char *bytes = calloc(1, 1 << 20);

	ASSERT_NE(NULL, bytes);
	tool_replace(&self->tx.in, memfd_create("in", MFD_CLOEXEC));
	tool_input(&self->tx, bytes, 1 << 20);
	fcntl(self->rx.out, F_SETFL, O_NONBLOCK);
	ASSERT_EQ(0, cat(&self->rx, "recv", self->name));
	ASSERT_EQ(0, cat(&self->tx, "send", self->name));
	hand_over(&self->tx, &self->rx);
	while ((n = read(self->drain, buffer, sizeof(buffer))) > 0)
		got += n;
	EXPECT_EQ(1 << 20, got);
	EXPECT_EQ(0, END(tx));
	EXPECT_EQ(0, END(rx)) TH_LOG("%s", self->rx.words);
	free(bytes);
}

TEST(without_the_module)
{
	struct tool t;
	int err;

	tool_init(&t);
	for (int i = 0; (err = module_unload()) == -EAGAIN && i < 100; i++)
		sleep_ms(20);
	ASSERT_EQ(0, err);
	EXPECT_EQ(2, tool_run(&t, "ipccat send x"));
	EXPECT_STREQ("ipccat: the ipcchan module is not loaded\n", t.words);
	EXPECT_EQ(2, tool_run(&t, "ipccat recv -l x"));
	EXPECT_STREQ("ipccat: the ipcchan module is not loaded\n", t.words);
	EXPECT_EQ(1, tool_run(&t, "ipccat recv"));
	EXPECT_EQ(0, tool_run(&t, "ipccat --help"));
	EXPECT_EQ(0, module_load());
	tool_free(&t);
}

TEST_HARNESS_MAIN
