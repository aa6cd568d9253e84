// SPDX-License-Identifier: GPL-2.0
/*
 * ipccat listen and connect: a pipe both ways, each direction with an end of its
 * own.
 *
 * Breaks these: an end of input that ends the other direction too; an empty
 * line that is taken for the end; one thread for both; a failure, or an end that
 * left, that one side keeps to itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "peers.h"
#include "tool.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150

#define BIG	(3 * 1024 * 1024 + 77)

FIXTURE(link) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct tool server, client;
};

FIXTURE_SETUP(link)
{
	accounts_read(&self->before);
	unique_name(self->name, "link");
	tool_init(&self->server);
	tool_init(&self->client);
}

FIXTURE_TEARDOWN(link)
{
	tool_free(&self->server);
	tool_free(&self->client);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int cat(struct tool *t, const char *words, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "ipccat %s %s", words, name);
	return tool_begin(t, command);
}

#define START(options) \
	do { \
		ASSERT_EQ(0, cat(&self->server, "listen " options, self->name)); \
		ASSERT_EQ(0, cat(&self->client, "connect " options, self->name)); \
	} while (0)
#define EXPECT_ENDS(t, status) \
	EXPECT_EQ(status, tool_end(&self->t)) TH_LOG("%s", self->t.words)

TEST_F(link, both_ways)
{
	tool_input(&self->server, "hello\n", 6);
	tool_input(&self->client, "dear service\n", 13);
	START("");
	EXPECT_ENDS(server, 0);
	EXPECT_ENDS(client, 0);
	EXPECT_STREQ("dear service\n", self->server.output);
	EXPECT_STREQ("hello\n", self->client.output);
	EXPECT_STREQ("", self->server.words);
	EXPECT_STREQ("", self->client.words);
}

/* More than fits in between, both ways at once. */
TEST_F(link, much_both_ways)
{
	char *there = malloc(BIG), *back = malloc(BIG);

	ASSERT_TRUE(there && back);
	pattern_fill(there, BIG, 1);
	pattern_fill(back, BIG, 2);
	tool_input(&self->client, there, BIG);
	tool_input(&self->server, back, BIG);
	START("");
	EXPECT_ENDS(server, 0);
	EXPECT_ENDS(client, 0);
	EXPECT_EQ(BIG, self->server.size);
	EXPECT_EQ(BIG, self->client.size);
	EXPECT_EQ(0, memcmp(there, self->server.output, self->server.size));
	EXPECT_EQ(0, memcmp(back, self->client.output, self->client.size));
	free(there);
	free(back);
}

/* Where one input has ended, the other direction goes on. */
TEST_F(link, half_closed)
{
	int feed[2], drain[2];
	char text[64] = "";

	ASSERT_EQ(0, pipe2(feed, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(drain, O_CLOEXEC));
	tool_replace(&self->client.in, feed[0]);
	tool_replace(&self->server.out, drain[1]);
	tool_input(&self->server, "all I have to say", 17);
	START("");
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(4, write(feed[1], "more", 4));
		ASSERT_EQ(4, read(drain[0], text, sizeof(text)));
	}
	EXPECT_TRUE(falls_asleep(self->server.pid));
	close(feed[1]);
	EXPECT_ENDS(client, 0);
	EXPECT_ENDS(server, 0);
	EXPECT_STREQ("all I have to say", self->client.output);
	close(drain[0]);
}

TEST_F(link, lines)
{
	tool_input(&self->server, "\n\na\n\n", 5);
	tool_input(&self->client, "\nlast", 5);
	START("-l");
	EXPECT_ENDS(server, 0);
	EXPECT_ENDS(client, 0);
	EXPECT_STREQ("\n\na\n\n", self->client.output);
	EXPECT_STREQ("\nlast\n", self->server.output);
}

TEST_F(link, waits_for_who_listens)
{
	tool_input(&self->client, "early", 5);
	ASSERT_EQ(0, cat(&self->client, "connect", self->name));
	EXPECT_TRUE(falls_asleep(self->client.pid));
	EXPECT_FALSE(channel_exists(self->name));
	ASSERT_EQ(0, cat(&self->server, "listen", self->name));
	EXPECT_ENDS(server, 0);
	EXPECT_ENDS(client, 0);
	EXPECT_STREQ("early", self->server.output);
}

/* The other end's leaving ends it, where nothing was sent and nothing is there to be. */
TEST_F(link, other_end_leaves)
{
	for (int i = 0; i < 2; i++) {
		struct tool *victim = i ? &self->client : &self->server;
		struct tool *other = i ? &self->server : &self->client;
		int feed[2];

		ASSERT_EQ(0, pipe2(feed, O_CLOEXEC));
		tool_replace(&other->in, feed[0]);
		tool_replace(&victim->in, memfd_create("in", MFD_CLOEXEC));
		tool_input(victim, "hello", 5);
		START("");
		for (int tries = 0; tries < 2000 && !lseek(other->out, 0, SEEK_END); tries++)
			sleep_ms(10);
		kill(victim->pid, SIGKILL);
		EXPECT_EQ(128 + SIGKILL, tool_end(victim));
		EXPECT_EQ(0, tool_end(other)) TH_LOG("%s", other->words);
		EXPECT_STREQ("hello", other->output);
		close(feed[1]);
	}
}

/* What was sent, or was to be, may not have been read: that is said. */
TEST_F(link, unread)
{
	char *data = calloc(1, BIG), some[4096];
	int drain[2];

	ASSERT_NE(NULL, data);
	ASSERT_EQ(0, pipe2(drain, O_CLOEXEC));
	tool_replace(&self->server.out, drain[1]);
	tool_input(&self->client, data, BIG);
	START("");
	ASSERT_LT(0, read(drain[0], some, sizeof(some)));
	kill(self->server.pid, SIGKILL);
	EXPECT_ENDS(server, 128 + SIGKILL);
	EXPECT_ENDS(client, 2);
	EXPECT_NE(NULL, strstr(self->client.words, "the other end has left before all was sent"));
	close(drain[0]);
	free(data);
}

/* A side that fails ends the whole, though the other would go on. */
TEST_F(link, failed_side)
{
	int feed[2];

	ASSERT_EQ(0, pipe2(feed, O_CLOEXEC));
	tool_replace(&self->server.in, feed[0]);
	ASSERT_EQ(0, cat(&self->server, "listen", self->name));
	ASSERT_EQ(0, cat(&self->client, "connect -b 1G", self->name));
	EXPECT_ENDS(client, 2);
	EXPECT_NE(NULL, strstr(self->client.words, "is longer than max-message"));
	EXPECT_ENDS(server, 0);
	close(feed[1]);
}

TEST_F(link, between_users)
{
	self->server.uid = ALICE;
	self->client.uid = BOB;
	tool_input(&self->client, "hi", 2);
	ASSERT_EQ(0, cat(&self->server, "listen -m 0622", self->name));
	ASSERT_EQ(0, cat(&self->client, "connect", self->name));
	EXPECT_ENDS(client, 0);
	EXPECT_ENDS(server, 0);
	EXPECT_STREQ("hi", self->server.output);
}

TEST_F(link, refused)
{
	EXPECT_EQ(1, tool_run(&self->client, "ipccat listen -t queue a"));
	EXPECT_NE(NULL, strstr(self->client.words, "listen: --type is for send and recv"));
	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	ASSERT_EQ(0, cat(&self->client, "connect", self->name));
	EXPECT_ENDS(client, 2);
	ASSERT_EQ(0, cat(&self->server, "listen", self->name));
	EXPECT_ENDS(server, 2);
	ASSERT_EQ(0, drop_channel(self->name));
}

TEST_HARNESS_MAIN
