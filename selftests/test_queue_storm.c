// SPDX-License-Identifier: GPL-2.0
/*
 * A million messages from four senders to four workers, one of which is killed
 * with every ten thousand: each message is acknowledged exactly once, or comes
 * again with a higher count; none is lost, nor spoiled. What comes for the first
 * time comes in its sender's order.
 *
 * A worker writes down, in memory that outlives it, what it is given, what it is
 * about to acknowledge, and what it was told to have acknowledged. One killed
 * between the last two leaves a message of which only the kernel knows that it
 * is done; that number of them is bounded, and the kernel's own count is exact.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "common.h"
#include "ipcchan.h"
#include "tool.h"

#define LIMIT		900
#define SENDERS		4
#define WORKERS		4
#define MESSAGES	1000000u
#define FEWER		20000u		/* where all is slow */
#define KILL_EVERY	10000u
#define BATCH		16
#define MOST_WORDS	25		/* of a payload: one in four lies in the arena */
#define TICK_NS		200000000ll

struct book {
	uint32_t stop;
	uint32_t total;			/* acknowledged, as the workers were told */
	uint32_t twice;			/* acknowledged a second time */
	uint32_t after;			/* given out although it was acknowledged */
	uint32_t wrong;			/* with a count or a flag that cannot be */
	uint32_t spoiled;		/* with a length or a payload that was not sent */
	uint32_t unordered;		/* new, after a newer one of that sender's */
	uint32_t failed;		/* calls, or verdicts */
	uint32_t again;			/* given out again */
	uint8_t given[MESSAGES];
	uint8_t meant[MESSAGES];
	uint8_t done[MESSAGES];
};

FIXTURE(storm) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct book *book;
	uint32_t messages;
	pid_t senders[SENDERS];
	pid_t workers[WORKERS];
};

#define ADD(word, n)	__atomic_add_fetch(&(word), n, __ATOMIC_SEQ_CST)
#define GET(word)	__atomic_load_n(&(word), __ATOMIC_SEQ_CST)

static void defaults(struct ipcchan_options *o)
{
	ipcchan_options_init(o);
	o->type = IPCCHAN_QUEUE;
	o->flags = IPCCHAN_OPEN_PERSISTENT;
	o->senders = SENDERS;
	o->receivers = WORKERS;
	o->depth = 256;
	o->holds = BATCH;
	o->arena = 16384;
}

static uint32_t words_of(uint64_t tag)
{
	return tag % 4 ? tag % 10 + 1 : MOST_WORDS;
}

static uint64_t word_of(uint64_t tag, uint32_t i)
{
	return (tag + 1) * 0x9e3779b97f4a7c15ull + i;
}

static bool is_spoiled(const struct ipcchan_message *m)
{
	uint32_t words = words_of(m->tag);

	if (m->length != words * 8ull)
		return true;
	for (uint32_t i = 0; i < words; i++)
		if (((const uint64_t *)m->data)[i] != word_of(m->tag, i))
			return true;
	return false;
}

/* @newest: of each sender, what has come to this worker for the first time */
static void enter_given(struct book *book, const struct ipcchan_message *m, uint64_t *newest)
{
	uint32_t before = ADD(book->given[m->tag], 1) - 1u;
	bool again = m->flags & IPCCHAN_MESSAGE_REDELIVERED;

	if (m->deliveries <= before || again != (m->deliveries > 1))
		ADD(book->wrong, 1);
	if (GET(book->done[m->tag]))
		ADD(book->after, 1);
	ADD(book->spoiled, is_spoiled(m));
	if (again) {
		ADD(book->again, 1);
		return;
	}
	ADD(book->unordered, m->sequence <= newest[m->sender]);
	newest[m->sender] = m->sequence;
}

static void enter_done(struct book *book, const struct ipcchan_done *done, uint64_t tag)
{
	if (done->result) {
		ADD(book->failed, 1);
		return;
	}
	if (ADD(book->done[tag], 1) > 1)
		ADD(book->twice, 1);
	ADD(book->total, 1);
}

/*
 * All of the last batch is acknowledged by the call that claims the next. Over one
 * in 16 it thinks for a while, so that there is something in hand when it is killed.
 */
static int work(struct book *book, const char *name)
{
	uint32_t batches = 0;
	struct ipcchan_message messages[BATCH];
	struct ipcchan_done done[BATCH];
	uint64_t tags[BATCH], newest[SENDERS] = { 0 };
	struct ipcchan_port *port;
	ssize_t had = 0, n;

	if (ipcchan_open(&port, name, IPCCHAN_ROLE_RECEIVE, NULL, NULL))
		return 1;
	while (!GET(book->stop) || had) {
		struct ipcchan_message next[BATCH];

		for (ssize_t i = 0; i < had; i++) {
			done[i] = (struct ipcchan_done){ .message = &messages[i] };
			tags[i] = messages[i].tag;
			__atomic_store_n(&book->meant[tags[i]], 1, __ATOMIC_SEQ_CST);
		}
		n = ipcchan_claim(port, done, (size_t)had, next, GET(book->stop) ? 0 : BATCH,
				  TICK_NS);
		for (ssize_t i = 0; i < had; i++)
			enter_done(book, &done[i], tags[i]);
		if (n < 0 && n != -ETIMEDOUT && n != -EAGAIN && n != -EPIPE)
			return 2;
		had = n > 0 ? n : 0;
		for (ssize_t i = 0; i < had; i++) {
			messages[i] = next[i];
			enter_given(book, &messages[i], newest);
		}
		if (had && !(++batches % 16))
			usleep(1000);
	}
	ipcchan_port_close(port);
	return 0;
}

static int feed(const char *name, uint32_t first, uint32_t count)
{
	struct ipcchan_port *port;

	if (ipcchan_open(&port, name, IPCCHAN_ROLE_SEND, NULL, NULL))
		return 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t words = words_of(first + i);
		struct ipcchan_loan loan;

		if (ipcchan_reserve(port, words * 8, &loan, IPCCHAN_WAIT_FOREVER_NS))
			return 2;
		for (uint32_t w = 0; w < words; w++)
			((uint64_t *)loan.data)[w] = word_of(first + i, w);
		loan.tag = first + i;
		if (ipcchan_commit(port, &loan))
			return 3;
	}
	ipcchan_port_close(port);
	return 0;
}

static pid_t begin_worker(struct book *book, const char *name)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(work(book, name));
	}
	return pid;
}

static pid_t begin_sender(const char *name, uint32_t first, uint32_t count)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(feed(name, first, count));
	}
	return pid;
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A count of the kernel's. */
static long long kernel_count(const char *name, const char *what)
{
	char key[64], command[256];
	long long count = -1;
	const char *at;
	struct tool t;

	tool_init(&t);
	snprintf(command, sizeof(command), "ipcadm -j channel show %s", name);
	snprintf(key, sizeof(key), "\"%s\": ", what);
	if (!tool_run(&t, command)) {
		at = t.output ? strstr(t.output, key) : NULL;
		count = at ? atoll(at + strlen(key)) : -1;
	}
	tool_free(&t);
	return count;
}

FIXTURE_SETUP(storm)
{
	struct ipcchan_options o;

	accounts_read(&self->before);
	unique_name(self->name, "storm");
	self->messages = slow_kernel() ? FEWER : MESSAGES;
	self->book = mmap(NULL, sizeof(*self->book), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->book);
	defaults(&o);
	ASSERT_EQ(0, ipcchan_create(self->name, &o, NULL));
}

FIXTURE_TEARDOWN(storm)
{
	EXPECT_EQ(0, drop_channel(self->name));
	munmap(self->book, sizeof(*self->book));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Waits until so many are done: false if there is no more for a while. */
static bool await_total(struct book *book, uint32_t total)
{
	uint32_t last = GET(book->total);

	for (int i = 0; i < 1000 && GET(book->total) < total; i++) {
		usleep(200);
		if (GET(book->total) != last)
			i = 0;
		last = GET(book->total);
	}
	return GET(book->total) >= total;
}

/* Kills a worker with every so many, until the kernel has all. How many it killed. */
static uint32_t kill_on(struct book *book, const char *name, uint32_t messages, pid_t *workers)
{
	uint32_t every = messages / (MESSAGES / KILL_EVERY), kills = 0;

	while (await_total(book, (kills + 1) * every) ||
	       kernel_count(name, "acknowledged") != messages) {
		uint32_t who = kills % WORKERS;

		if (GET(book->total) < (kills + 1) * every)
			continue;
		kill(workers[who], SIGKILL);
		waitpid(workers[who], NULL, 0);
		workers[who] = begin_worker(book, name);
		kills++;
	}
	return kills;
}

TEST_F_TIMEOUT(storm, exactly_once, LIMIT)
{
	uint32_t each = self->messages / SENDERS, kills, lost = 0, unsaid = 0;
	struct book *book = self->book;

	for (int i = 0; i < WORKERS; i++)
		self->workers[i] = begin_worker(book, self->name);
	for (int i = 0; i < SENDERS; i++)
		self->senders[i] = begin_sender(self->name, i * each, each);
	kills = kill_on(book, self->name, self->messages, self->workers);
	for (int i = 0; i < SENDERS; i++)
		EXPECT_TRUE(ended_well(self->senders[i]));
	__atomic_store_n(&book->stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < WORKERS; i++)
		EXPECT_TRUE(ended_well(self->workers[i]));

	for (uint32_t i = 0; i < self->messages; i++) {
		lost += !book->done[i] && !book->meant[i];
		unsaid += !book->done[i];
	}
	TH_LOG("%u messages, %u kills, %u given out again", self->messages, kills, book->again);
	EXPECT_EQ(0, lost);
	EXPECT_LE(unsaid, kills * BATCH);
	EXPECT_EQ(0, book->twice);
	EXPECT_EQ(0, book->after);
	EXPECT_EQ(0, book->wrong);
	EXPECT_EQ(0, book->spoiled);
	EXPECT_EQ(0, book->unordered);
	EXPECT_EQ(0, book->failed);
	EXPECT_GE(kills, MESSAGES / KILL_EVERY / 2);
	EXPECT_GT(book->again, 0);
	EXPECT_LE(book->again, kills * BATCH);
	EXPECT_EQ(self->messages, kernel_count(self->name, "acknowledged"));
	EXPECT_EQ(0, kernel_count(self->name, "dropped"));
	EXPECT_EQ(0, kernel_count(self->name, "claimed"));
}

TEST_HARNESS_MAIN
