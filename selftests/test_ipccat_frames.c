// SPDX-License-Identifier: GPL-2.0
/*
 * ipccat: what is a message, where that is not a line: blocks, and what was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "peers.h"
#include "tool.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150

#define SIZE 4567

FIXTURE(frames) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct tool tool;
	struct ipcchan_port *port;	/* the other end, by the library */
	char data[SIZE], copy[2 * SIZE];
};

FIXTURE_SETUP(frames)
{
	accounts_read(&self->before);
	unique_name(self->name, "frames");
	tool_init(&self->tool);
	pattern_fill(self->data, SIZE, 1);
}

FIXTURE_TEARDOWN(frames)
{
	ipcchan_port_close(self->port);
	tool_free(&self->tool);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int open_end(FIXTURE_DATA(frames) *self, uint32_t role)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	return ipcchan_open(&self->port, self->name, role, &options, NULL);
}

static int cat(FIXTURE_DATA(frames) *self, const char *words)
{
	char command[512];

	snprintf(command, sizeof(command), "ipccat %s %s", words, self->name);
	return tool_begin(&self->tool, command);
}

/* The length of the next message, its bytes behind those before; -errno. */
static ssize_t next(FIXTURE_DATA(frames) *self, size_t *done)
{
	ssize_t got = ipcchan_recv(self->port, self->copy + *done, sizeof(self->copy) - *done,
				   NULL, PATIENCE_NS);

	*done += got > 0 ? got : 0;
	return got;
}

TEST_F(frames, blocks)
{
	size_t done = 0;

	ASSERT_EQ(0, open_end(self, IPCCHAN_ROLE_RECEIVE));
	tool_input(&self->tool, self->data, SIZE);
	ASSERT_EQ(0, cat(self, "send -b 1000"));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(1000, next(self, &done));
	}
	EXPECT_EQ(567, next(self, &done));
	EXPECT_EQ(-EPIPE, next(self, &done));
	EXPECT_EQ(0, tool_end(&self->tool)) TH_LOG("%s", self->tool.words);
	EXPECT_EQ(0, memcmp(self->data, self->copy, SIZE));
}

/* Nothing is left over, and nothing empty follows. */
TEST_F(frames, blocks_without_a_rest)
{
	size_t done = 0;

	ASSERT_EQ(0, open_end(self, IPCCHAN_ROLE_RECEIVE));
	tool_input(&self->tool, self->data, 4096);
	ASSERT_EQ(0, cat(self, "send --block 2K"));
	EXPECT_EQ(2048, next(self, &done));
	EXPECT_EQ(2048, next(self, &done));
	EXPECT_EQ(-EPIPE, next(self, &done));
	EXPECT_EQ(0, tool_end(&self->tool)) TH_LOG("%s", self->tool.words);
}

/* However little comes at a time. Without -b a message is what was read. */
TEST_F(frames, input_in_pieces)
{
	for (int block = 0; block < 2; block++) {
		int ends[2];
		size_t done = 0;

		ASSERT_EQ(0, open_end(self, IPCCHAN_ROLE_RECEIVE));
		ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
		tool_replace(&self->tool.in, ends[0]);
		ASSERT_EQ(0, cat(self, block ? "send -b 300" : "send"));
		for (int i = 0; i < 9; i++) {
			ASSERT_EQ(100, write(ends[1], self->data + 100 * i, 100));
			if (!block) {
				EXPECT_EQ(100, next(self, &done));
			} else {
				ASSERT_TRUE(falls_asleep(self->tool.pid));
			}
		}
		close(ends[1]);
		for (int i = 0; block && i < 3; i++) {
			EXPECT_EQ(300, next(self, &done));
		}
		EXPECT_EQ(-EPIPE, next(self, &done));
		EXPECT_EQ(0, tool_end(&self->tool)) TH_LOG("%s", self->tool.words);
		EXPECT_EQ(0, memcmp(self->data, self->copy, 900));
		ipcchan_port_close(self->port);
		self->port = NULL;
	}
}

/* Sends messages of these lengths; the tool's exit status. */
static int receive_lengths(FIXTURE_DATA(frames) *self, const size_t *lengths)
{
	int status;

	if (open_end(self, IPCCHAN_ROLE_SEND) || cat(self, "recv -b 1000") ||
	    ipcchan_port_wait_peers(self->port, IPCCHAN_ROLE_RECEIVE, 1, PATIENCE_NS))
		return -1;
	for (size_t i = 0; lengths[i]; i++)
		if (ipcchan_send(self->port, self->data, lengths[i], PATIENCE_NS))
			return -1;
	ipcchan_port_close(self->port);
	self->port = NULL;
	status = tool_end(&self->tool);
	return status;
}

static bool says(FIXTURE_DATA(frames) *self, const char *what)
{
	char words[256];

	snprintf(words, sizeof(words), "ipccat: %s: %s\n", self->name, what);
	return !strcmp(self->tool.words, words);
}

TEST_F(frames, blocks_are_checked)
{
	EXPECT_EQ(0, receive_lengths(self, (size_t[]){ 1000, 1000, 500, 0 }));
	EXPECT_EQ(2500, self->tool.size);
	EXPECT_EQ(2, receive_lengths(self, (size_t[]){ 1000, 1001, 1000, 0 }));
	EXPECT_TRUE(says(self, "message 2, of 1001 bytes, is no block of 1000")) {
		TH_LOG("%s", self->tool.words);
	}
	EXPECT_EQ(1000, self->tool.size);
	EXPECT_EQ(2, receive_lengths(self, (size_t[]){ 1000, 999, 1000, 0 }));
	EXPECT_TRUE(says(self, "message 2, of 999 bytes, is no block of 1000")) {
		TH_LOG("%s", self->tool.words);
	}
	EXPECT_EQ(1999, self->tool.size);
}

/* The channel it makes has room for some; one that is there must do. */
TEST_F(frames, long_blocks)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_lookup lookup;

	tool_input(&self->tool, self->data, SIZE);
	ASSERT_EQ(0, cat(self, "send -b 8M"));
	for (int tries = 0; tries < 2000 && find_channel(self->name, &lookup); tries++)
		sleep_ms(10);
	ASSERT_EQ(0, open_end(self, IPCCHAN_ROLE_RECEIVE));
	ASSERT_EQ(0, ipcchan_port_info(self->port, &info));
	EXPECT_EQ(32 << 20, info.arena);
	EXPECT_EQ(SIZE, ipcchan_recv(self->port, self->copy, SIZE, NULL, PATIENCE_NS));
	EXPECT_EQ(0, tool_end(&self->tool)) TH_LOG("%s", self->tool.words);
	ipcchan_port_close(self->port);

	ASSERT_EQ(0, open_end(self, IPCCHAN_ROLE_RECEIVE));
	lseek(self->tool.in, 0, SEEK_SET);
	ASSERT_EQ(0, cat(self, "send -b 2M"));
	EXPECT_EQ(2, tool_end(&self->tool));
	EXPECT_TRUE(says(self, "a block of 2097152 bytes is longer than max-message, 1048576 bytes")) {
		TH_LOG("%s", self->tool.words);
	}
}

TEST_F(frames, usage)
{
	EXPECT_EQ(1, tool_run(&self->tool, "ipccat send -b 0 a"));
	EXPECT_NE(NULL, strstr(self->tool.words, "--block: '0' is not accepted"));
	EXPECT_EQ(1, tool_run(&self->tool, "ipccat recv -l -b 1K a"));
	EXPECT_NE(NULL, strstr(self->tool.words, "a message is a line or a block"));
}

TEST_HARNESS_MAIN
