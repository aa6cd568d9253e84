/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a call fails at each of its points in turn
 *
 * What programs share that sweep: the fixture, with a channel and somebody who is
 * there, and sweep(), which prepares an attempt, lets it fail once, cleans up and
 * looks at the accounts, until nothing is left to fail at.
 */
#ifndef SELFTESTS_SWEEP_H
#define SELFTESTS_SWEEP_H

#include <errno.h>
#include <fcntl.h>

#include <kselftest_harness.h>

#include "common.h"
#include "genl.h"
#include "rawport.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MOST		5000	/* points of failure of one call */

FIXTURE(memory) {
	struct accounts before, there;
	char name[IPCCHAN_NAME_SIZE];	/* there */
	char fresh[IPCCHAN_NAME_SIZE];	/* to be made */
	int fail_nth;
	int home;			/* a file of the namespace of these */
	int fd;				/* of the attempt, -1 */
	struct raw_port port;		/* likewise */
	struct raw_port other;		/* somebody who is there */
	struct raw_port third;		/* of an attempt, too */
	struct genl genl;
	int file;			/* to be sent */
	unsigned int injected;
	char words[1024];		/* all that were said */
};

typedef int (*attempt_fn)(FIXTURE_DATA(memory) *self);

static bool inject_everywhere(void)
{
	return !write_text(DEBUGFS "failslab/ignore-gfp-wait", "N") &&
	       !write_text(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N") &&
	       !write_text(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
}

/* Those of whole pages come when slabs run out: now here, now there. */
static bool inject_pages(bool pages)
{
	return !write_text(DEBUGFS "fail_page_alloc/min-order", pages ? "0" : "20");
}

FIXTURE_SETUP(memory)
{
	struct ipcchan_create args;

	if (access(DEBUGFS "failslab", F_OK) || access(FAIL_NTH, F_OK))
		SKIP(return, "this kernel has no fault injection");
	ASSERT_TRUE(inject_everywhere());
	accounts_read(&self->before);
	unique_name(self->name, "memory");
	unique_name(self->fresh, "memory-fresh");
	args = create_args(self->name);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.stall_ns = 1000000000;		/* a port then needs memory for it */
	args.geometry = (struct ipcchan_geometry){ 4, 2, 2, 2, 16384, 16384 };
	self->home = device_open();
	ASSERT_EQ(0, call_create(self->home, &args));
	ASSERT_EQ(0, raw_open(&self->other, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	self->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fail_nth, 0);
	ASSERT_EQ(0, genl_open(&self->genl));
	self->fd = -1;
	self->port.fd = -1;
	self->third.fd = -1;
	accounts_read(&self->there);
}

FIXTURE_TEARDOWN(memory)
{
	TH_LOG("%u failures; said: %s", self->injected, self->words);
	genl_close(&self->genl);
	close(self->fail_nth);
	raw_close(&self->other);
	EXPECT_EQ(0, call_delete(self->home, self->name));
	close(self->home);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static void arm(FIXTURE_DATA(memory) *self, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	while (pwrite(self->fail_nth, text, strlen(text), 0) < 0)
		;		/* what is left of the last one may hit this, once */
}

/* Has the failure been used up? Even reading it may be hit, if it has not. */
static bool disarm(FIXTURE_DATA(memory) *self)
{
	char text[16] = "";
	bool spent = pread(self->fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(self, 0);
	return spent;
}

static void note_words(FIXTURE_DATA(memory) *self)
{
	size_t used = strlen(self->words);

	if (!why[0] || strstr(self->words, why))
		return;
	snprintf(self->words + used, sizeof(self->words) - used, "\"%s\" ", why);
}

static inline bool said(FIXTURE_DATA(memory) *self, const char *words)
{
	char quoted[WHY_SIZE];

	snprintf(quoted, sizeof(quoted), "\"%s\"", words);
	return strstr(self->words, quoted);
}

static void clean_up(FIXTURE_DATA(memory) *self)
{
	char words[WHY_SIZE];

	strcpy(words, why);
	raw_close(&self->third);
	raw_close(&self->port);
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	drop_channel(self->fresh);
	strcpy(why, words);
}

/* Fails at each point in turn, until there is none left to fail at. */
static void sweep_once(struct __test_metadata *_metadata, FIXTURE_DATA(memory) *self,
		       attempt_fn prepare, attempt_fn attempt, bool other_errors)
{
	unsigned int n;
	bool hit = true;

	for (n = 1; hit && n < MOST; n++) {
		int err = prepare ? prepare(self) : 0;

		ASSERT_EQ(0, err) TH_LOG("before failure %u: %s", n, why);
		why[0] = 0;
		arm(self, n);
		err = attempt(self);
		hit = disarm(self);
		note_words(self);
		if (!hit) {
			EXPECT_EQ(0, err) TH_LOG("without a failure: %s", why);
		} else if (!other_errors) {
			EXPECT_TRUE(!err || err == -ENOMEM || err == -EFAULT) {
				TH_LOG("failure %u: %d %s", n, err, why);
			}
		}
		clean_up(self);
		ASSERT_TRUE(accounts_settle(&self->there)) TH_LOG("failure %u: %s", n, why);
		self->injected += hit;
	}
	ASSERT_LT(n, MOST);
}

/* First the points that are always the same, then all. */
static void sweep(struct __test_metadata *_metadata, FIXTURE_DATA(memory) *self,
		  attempt_fn prepare, attempt_fn attempt, bool other_errors)
{
	ASSERT_TRUE(inject_pages(false));
	sweep_once(_metadata, self, prepare, attempt, other_errors);
	ASSERT_TRUE(inject_pages(true));
	sweep_once(_metadata, self, prepare, attempt, other_errors);
	EXPECT_LT(1, self->injected);
}

#endif
