// SPDX-License-Identifier: GPL-2.0
/*
 * ipccat: what goes in at one end comes out at the other; who waits for whom;
 * and how it ends when something goes wrong.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "tool.h"

/* Programs are started often, which takes long in a kernel with sanitizers. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 150

/* A few arenas full. */
#define BIG (5 * 1024 * 1024 + 77)

FIXTURE(ipccat) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct tool tx, rx;
	char *big;
};

FIXTURE_SETUP(ipccat)
{
	uint64_t x = 88172645463325252;

	accounts_read(&self->before);
	unique_name(self->name, "cat");
	tool_init(&self->tx);
	tool_init(&self->rx);
	self->big = malloc(BIG);
	ASSERT_NE(NULL, self->big);
	for (size_t i = 0; i < BIG; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		self->big[i] = x >> 32;
	}
}

FIXTURE_TEARDOWN(ipccat)
{
	tool_free(&self->tx);
	tool_free(&self->rx);
	free(self->big);
	EXPECT_EQ(0, drop_channel(self->name) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Begins ipccat, the name behind the words. */
static int cat(struct tool *t, const char *words, const char *name)
{
	char command[512];

	snprintf(command, sizeof(command), "ipccat %s %s", words, name);
	return tool_begin(t, command);
}

#define CAT(t, words)	cat(&self->t, words, self->name)
#define END(t)		tool_end(&self->t)
#define INPUT(data, size) tool_input(&self->tx, data, size)
/* Both ends, to the end. */
#define PASS(send, recv)	\
	do { \
		ASSERT_EQ(0, CAT(rx, recv)); \
		ASSERT_EQ(0, CAT(tx, send)); \
		EXPECT_EQ(0, END(tx)) TH_LOG("send: %s", self->tx.words); \
		EXPECT_EQ(0, END(rx)) TH_LOG("recv: %s", self->rx.words); \
		EXPECT_STREQ("", self->tx.words); \
		EXPECT_STREQ("", self->rx.words); \
	} while (0)
#define EXPECT_OUTPUT(data, length) \
	do { \
		EXPECT_EQ((size_t)(length), self->rx.size); \
		if (self->rx.size == (size_t)(length)) \
			EXPECT_EQ(0, memcmp(data, self->rx.output, length)); \
	} while (0)

static bool says(const struct tool *t, const char *format, const char *name)
{
	char line[512];

	snprintf(line, sizeof(line), format, name);
	if (!strcmp(t->words, line))
		return true;
	fprintf(stderr, "# it says: %s", t->words);
	return false;
}

/* Has the channel so many senders and receivers, within a few seconds? */
static bool comes_to(const char *name, uint32_t senders, uint32_t receivers)
{
	struct ipcchan_lookup lookup;

	for (int i = 0; i < 4000; i++) {
		if (!find_channel(name, &lookup) && lookup.senders == senders &&
		    lookup.receivers == receivers)
			return true;
		sleep_ms(5);
	}
	return false;
}

TEST_F(ipccat, stream)
{
	INPUT(self->big, BIG);
	PASS("send", "recv");
	EXPECT_OUTPUT(self->big, BIG);
	EXPECT_FALSE(channel_exists(self->name));
}

/* Pipes give and take less at a time than was asked for. */
TEST_F(ipccat, stream_between_pipes)
{
	char command[512];

	INPUT(self->big, BIG);
	tool_replace(&self->rx.in, self->tx.in);
	self->tx.in = -1;
	snprintf(command, sizeof(command), "ipccat recv %s | cat & cat | ipccat send %s && wait",
		 self->name, self->name);
	ASSERT_EQ(0, tool_start(&self->rx, (char *[]){ "sh", "-c", command, NULL }));
	EXPECT_EQ(0, END(rx));
	EXPECT_STREQ("", self->rx.words);
	EXPECT_OUTPUT(self->big, BIG);
}

TEST_F(ipccat, empty_input)
{
	PASS("send", "recv");
	EXPECT_EQ(0, self->rx.size);
	PASS("send -l", "recv -l");
	EXPECT_EQ(0, self->rx.size);
}

TEST_F(ipccat, lines)
{
	static const char text[] = "a\n\nb\0c\r\n\xff\xfe\nlast";

	INPUT(text, sizeof(text) - 1);
	PASS("send -l", "recv -l");
	EXPECT_OUTPUT("a\n\nb\0c\r\n\xff\xfe\nlast\n", sizeof(text));
	tool_input(&self->tx, "", 0);
	PASS("send --lines", "recv");
	EXPECT_OUTPUT("ab\0c\r\xff\xfelast", sizeof(text) - 1 - 4);
}

/* Lines across what is read at a time, up to one as long as a message may be. */
TEST_F(ipccat, lines_of_all_lengths)
{
	size_t at = 0, length = 1;

	for (size_t i = 0; i < BIG; i++)
		if (self->big[i] == '\n')
			self->big[i] = ' ';
	while (at + length < BIG - (1 << 20) - 1) {
		self->big[at += length] = '\n';
		at++;
		length = length * 3 / 2 + 1;
		if (length > 300000)
			length = 1;
	}
	self->big[at + (1 << 20)] = '\n';
	at += (1 << 20) + 1;
	INPUT(self->big, at);
	PASS("send -l", "recv -l");
	EXPECT_OUTPUT(self->big, at);
}

TEST_F(ipccat, many_lines)
{
	int count = slow_kernel() ? 5000 : 50000;
	char *text = malloc(count * 8);
	size_t used = 0;

	ASSERT_NE(NULL, text);
	for (int i = 0; i < count; i++)
		used += sprintf(text + used, "%d\n", i);
	INPUT(text, used);
	PASS("send -l", "recv -l");
	EXPECT_OUTPUT(text, used);
	free(text);
}

/* What went before is delivered, the line is not cut, and what follows not sent. */
TEST_F(ipccat, line_too_long)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "ipcadm channel add %s type topic max-message 10 persistent", self->name);
	ASSERT_EQ(0, tool_run(&self->tx, command)) TH_LOG("%s", self->tx.words);
	INPUT("0123456789\nok\n0123456789a\nmore\n", 31);
	ASSERT_EQ(0, CAT(rx, "recv -l"));
	ASSERT_EQ(0, CAT(tx, "send -l"));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: line 3 is longer than max-message, 10 bytes\n",
			 self->name));
	EXPECT_EQ(0, END(rx));
	EXPECT_OUTPUT("0123456789\nok\n", 14);
	/* the last, without a newline; a stream knows no lines */
	tool_replace(&self->tx.in, memfd_create("in", MFD_CLOEXEC));
	INPUT("\n0123456789abc", 14);
	ASSERT_EQ(0, CAT(rx, "recv -l"));
	ASSERT_EQ(0, CAT(tx, "send -l"));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx, "ipccat: %s: line 2 is longer than max-message, 10 bytes\n",
			 self->name));
	EXPECT_EQ(0, END(rx));
	EXPECT_OUTPUT("\n", 1);
	lseek(self->tx.in, 0, SEEK_SET);
	PASS("send", "recv");
	EXPECT_OUTPUT("\n0123456789abc", 14);
}

/* Who waits for whom */

TEST_F(ipccat, send_waits_for_a_receiver)
{
	INPUT("hello", 5);
	ASSERT_EQ(0, CAT(tx, "send"));
	ASSERT_TRUE(comes_to(self->name, 1, 0));
	EXPECT_TRUE(falls_asleep(self->tx.pid));
	EXPECT_EQ(0, lseek(self->tx.in, 0, SEEK_CUR));	/* nothing is read before */
	ASSERT_EQ(0, CAT(rx, "recv"));
	EXPECT_EQ(0, END(tx)) TH_LOG("%s", self->tx.words);
	EXPECT_EQ(0, END(rx));
	EXPECT_OUTPUT("hello", 5);
}

TEST_F(ipccat, recv_waits_for_a_sender)
{
	INPUT("hello", 5);
	ASSERT_EQ(0, CAT(rx, "recv"));
	ASSERT_TRUE(comes_to(self->name, 0, 1));
	EXPECT_TRUE(falls_asleep(self->rx.pid));
	ASSERT_EQ(0, CAT(tx, "send"));
	EXPECT_EQ(0, END(tx));
	EXPECT_EQ(0, END(rx));
	EXPECT_OUTPUT("hello", 5);
}

TEST_F(ipccat, send_waits_for_as_many_as_it_is_told)
{
	struct tool third;

	tool_init(&third);
	INPUT(self->big, BIG);
	ASSERT_EQ(0, CAT(tx, "send -n 2"));
	ASSERT_EQ(0, CAT(rx, "recv"));
	ASSERT_TRUE(comes_to(self->name, 1, 1));
	EXPECT_TRUE(falls_asleep(self->tx.pid));
	EXPECT_EQ(0, lseek(self->tx.in, 0, SEEK_CUR));
	ASSERT_EQ(0, cat(&third, "recv", self->name));
	EXPECT_EQ(0, END(tx)) TH_LOG("%s", self->tx.words);
	EXPECT_EQ(0, END(rx));
	EXPECT_EQ(0, tool_end(&third));
	EXPECT_OUTPUT(self->big, BIG);
	EXPECT_EQ(BIG, third.size);
	EXPECT_EQ(0, memcmp(self->big, third.output, BIG));
	tool_free(&third);
}

/* Two senders' lines: each sender's in order, none mixed. */
TEST_F(ipccat, two_senders)
{
	int a = 0, b = 0, lines = 0;
	struct tool other;
	size_t used = 0;
	char *line;

	tool_init(&other);
	for (int i = 0; i < 2000; i++)
		used += sprintf(self->big + used, "a %d\n", i);
	INPUT(self->big, used);
	used = 0;
	for (int i = 0; i < 2000; i++)
		used += sprintf(self->big + used, "b %d\n", i);
	tool_input(&other, self->big, used);
	/* recv comes last, so that it sees both before the first can leave */
	ASSERT_EQ(0, CAT(tx, "send -l"));
	ASSERT_EQ(0, cat(&other, "send -l", self->name));
	ASSERT_TRUE(comes_to(self->name, 2, 0));
	ASSERT_EQ(0, CAT(rx, "recv -l"));
	EXPECT_EQ(0, END(tx)) TH_LOG("%s", self->tx.words);
	EXPECT_EQ(0, tool_end(&other)) TH_LOG("%s", other.words);
	EXPECT_EQ(0, END(rx)) TH_LOG("%s", self->rx.words);
	for (line = strtok(self->rx.output, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		int *next = line[0] == 'a' ? &a : &b;

		EXPECT_EQ(*next, atoi(line + 2));
		++*next;
	}
	EXPECT_EQ(4000, lines);
	EXPECT_EQ(2000, a);
	tool_free(&other);
}

/* A receiver that does not go on stops the sender, and nothing is lost. */
TEST_F(ipccat, back_pressure)
{
	int ends[2];
	size_t got = 0;
	off_t at;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	INPUT(self->big, BIG);
	tool_replace(&self->rx.out, ends[1]);
	ASSERT_EQ(0, CAT(rx, "recv"));
	ASSERT_EQ(0, CAT(tx, "send -a 256K"));
	ASSERT_TRUE(comes_to(self->name, 1, 1));
	/* full are the pipe, what recv has gathered, and the arena */
	for (at = -1; at != lseek(self->tx.in, 0, SEEK_CUR); sleep_ms(300))
		at = lseek(self->tx.in, 0, SEEK_CUR);
	EXPECT_GT(BIG / 2, at);
	EXPECT_TRUE(falls_asleep(self->tx.pid));
	EXPECT_TRUE(falls_asleep(self->rx.pid));
	tool_replace(&self->rx.out, memfd_create("out", MFD_CLOEXEC));
	while (got < BIG) {
		ssize_t n = read(ends[0], self->rx.words, sizeof(self->rx.words));

		ASSERT_LT(0, n);
		ASSERT_EQ(0, memcmp(self->big + got, self->rx.words, n));
		got += n;
	}
	EXPECT_EQ(0, read(ends[0], self->rx.words, 1));
	EXPECT_EQ(0, END(tx)) TH_LOG("%s", self->tx.words);
	EXPECT_EQ(0, END(rx));
	close(ends[0]);
}

/* Channels it makes, users it serves */

TEST_F(ipccat, makes_the_channel)
{
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, CAT(rx, "recv"));
	ASSERT_TRUE(comes_to(self->name, 0, 1));
	ASSERT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(0600, lookup.mode);
	EXPECT_EQ(0, lookup.flags);
	EXPECT_EQ(0, lookup.uid);
	EXPECT_EQ(1 << 20, lookup.geometry.arena);
	EXPECT_EQ(256, lookup.geometry.depth);
	ASSERT_EQ(0, CAT(tx, "send"));
	EXPECT_EQ(0, END(tx));
	EXPECT_EQ(0, END(rx));
	EXPECT_FALSE(channel_exists(self->name));
}

TEST_F(ipccat, makes_the_channel_as_told)
{
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, CAT(tx, "send -p -m 0640 -a 64K --depth 16"));
	ASSERT_TRUE(comes_to(self->name, 1, 0));
	ASSERT_EQ(0, CAT(rx, "recv"));
	EXPECT_EQ(0, END(tx));
	EXPECT_EQ(0, END(rx));
	ASSERT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(0640, lookup.mode);
	EXPECT_EQ(IPCCHAN_CREATE_PERSISTENT, lookup.flags);
	EXPECT_EQ(65536, lookup.geometry.arena);
	EXPECT_EQ(16, lookup.geometry.depth);
	EXPECT_EQ(0, drop_channel(self->name));
}

TEST_F(ipccat, between_users)
{
	self->tx.uid = ALICE;
	self->rx.uid = BOB;
	INPUT("to whom it may concern", 22);
	ASSERT_EQ(0, CAT(tx, "send -m 0604"));
	ASSERT_TRUE(comes_to(self->name, 1, 0));
	ASSERT_EQ(0, CAT(rx, "send"));
	EXPECT_EQ(2, END(rx));
	EXPECT_TRUE(says(&self->rx, "ipccat: %s: no right to send\n", self->name));
	ASSERT_EQ(0, CAT(rx, "recv"));
	EXPECT_EQ(0, END(tx)) TH_LOG("%s", self->tx.words);
	EXPECT_EQ(0, END(rx));
	EXPECT_OUTPUT("to whom it may concern", 22);
}

TEST_F(ipccat, refused)
{
	self->tx.uid = ALICE;
	self->rx.uid = BOB;
	ASSERT_EQ(0, CAT(tx, "send"));
	ASSERT_TRUE(comes_to(self->name, 1, 0));
	ASSERT_EQ(0, CAT(rx, "recv"));
	EXPECT_EQ(2, END(rx));
	EXPECT_TRUE(says(&self->rx, "ipccat: %s: no right to receive\n", self->name));
	kill(self->tx.pid, SIGTERM);
	EXPECT_EQ(128 + SIGTERM, END(tx));
	ASSERT_EQ(0, CAT(tx, "send -d 3"));
	EXPECT_EQ(2, END(tx));
	EXPECT_TRUE(says(&self->tx,
			 "ipccat: %s: depth is not a power of two from 1 to 65536\n", self->name));
	ASSERT_EQ(0, cat(&self->tx, "recv", "sys/not-mine"));
	EXPECT_EQ(2, END(tx));
	EXPECT_STREQ("ipccat: sys/not-mine: names under sys/ are for CAP_NET_ADMIN to create\n",
		     self->tx.words);
}

TEST_F(ipccat, usage)
{
	static const struct { const char *words, *complaint; } wrong[] = {
		{ "frob x", "unknown word 'frob'; accepted: send, recv, listen, connect" },
		{ "send", "send: NAME is missing" }, { "recv", "recv: NAME is missing" },
		{ "send a b", "unknown word 'b'" }, { "-x send a", "'x'" },
		{ "send --frob a", "'--frob'" }, { "send a -n", "'n'" },
		{ "send -n 0 a", "--receivers: '0' is not accepted" },
		{ "send -n 65 a", "--receivers: '65'" }, { "send -n two a", "'two'" },
		{ "recv -a 4KB a", "--arena: '4KB' is not accepted" },
		{ "recv -a 0 a", "--arena: '0'" }, { "recv -d -1 a", "--depth: '-1'" },
		{ "recv -m 8 a", "--mode: '8'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char command[128];

		snprintf(command, sizeof(command), "ipccat %s", wrong[i].words);
		EXPECT_EQ(1, tool_run(&self->tx, command)) {
			TH_LOG("%s", command);
		}
		EXPECT_EQ(0, strncmp("ipccat: ", self->tx.words, 8));
		EXPECT_NE(NULL, strstr(self->tx.words, wrong[i].complaint)) {
			TH_LOG("%s: %s", command, self->tx.words);
		}
		EXPECT_EQ(0, self->tx.size);
	}
	EXPECT_EQ(1, tool_run(&self->tx, "ipccat"));
	EXPECT_NE(NULL, strstr(self->tx.words, "usage: ipccat send"));
	EXPECT_EQ(0, tool_run(&self->tx, "ipccat --help"));
	EXPECT_NE(NULL, strstr(self->tx.output, "usage: ipccat send"));
	EXPECT_EQ(0, tool_run(&self->tx, "ipccat send x --version"));
	EXPECT_EQ(0, strncmp(self->tx.output, "ipccat 0.", 9));
}

TEST_HARNESS_MAIN
