// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of examples/ do what they say: what each reports is asserted
 * here, line by line, and nothing is left behind.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "tool.h"

#define LIMIT	150

FIXTURE(examples) {
	struct accounts before;
	struct tool tool;
};

FIXTURE_SETUP(examples)
{
	accounts_read(&self->before);
	tool_init(&self->tool);
	/* many write there: a file in memory has no lock for its position */
	tool_replace(&self->tool.out, open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600));
	ASSERT_LE(0, self->tool.out);
}

FIXTURE_TEARDOWN(examples)
{
	tool_free(&self->tool);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* The number behind "NAME=" in the line that begins with LINE; -1: there is none. */
static long said(const struct tool *t, const char *line, const char *name)
{
	const char *at = t->output, *end, *found;
	char what[32];

	snprintf(what, sizeof(what), " %s=", name);
	while (at && strncmp(at, line, strlen(line))) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	found = at ? strstr(at, what) : NULL;
	end = at ? strchr(at, '\n') : NULL;
	return found && found < end ? atol(found + strlen(what)) : -1;
}

/* Every frame is shown or counted as lost, by whoever lost it. */
TEST_F_TIMEOUT(examples, camera, LIMIT)
{
	struct tool *t = &self->tool;
	long processed;

	ASSERT_EQ(0, tool_run(t, "/examples/camera 60")) TH_LOG("%s", t->words);
	EXPECT_EQ(60, said(t, "capture:", "frames"));
	processed = said(t, "process:", "frames");
	EXPECT_EQ(60, processed + said(t, "process:", "lost"));
	EXPECT_EQ(processed, said(t, "display:", "frames") + said(t, "display:", "lost"));
	EXPECT_EQ(0, said(t, "display:", "torn"));
	TH_LOG("%s", t->output);
}

/*
 * One job kills a worker and is done by the next; one kills three, and is dead.
 * More than once: who dies last may be found dead too late to be replaced.
 */
TEST_F_TIMEOUT(examples, jobs, LIMIT)
{
	struct tool *t = &self->tool;

	for (int i = 0; i < (slow_kernel() ? 3 : 10); i++) {
		ASSERT_EQ(0, tool_run(t, "/examples/jobs")) TH_LOG("%s", t->words);
		EXPECT_EQ(99, said(t, "jobs:", "finished"));
		EXPECT_LE(1, said(t, "jobs:", "again"));
		EXPECT_EQ(1 + 3, said(t, "jobs:", "crashed"));
		EXPECT_EQ(27, said(t, "jobs:", "dead"));
	}
}

TEST_F_TIMEOUT(examples, table, LIMIT)
{
	struct tool *t = &self->tool;

	ASSERT_EQ(0, tool_run(t, "/examples/table")) TH_LOG("%s", t->words);
	EXPECT_EQ(1000, said(t, "table:", "keys"));
	EXPECT_EQ(0, said(t, "table:", "torn"));
}

/* One crashes, and what it had not done is all that lacks. */
TEST_F_TIMEOUT(examples, workers, LIMIT)
{
	struct tool *t = &self->tool;

	ASSERT_EQ(0, tool_run(t, "/examples/workers")) TH_LOG("%s", t->words);
	EXPECT_EQ(64 - 7, said(t, "workers:", "done"));
	EXPECT_EQ(0, said(t, "workers:", "wrong"));
	EXPECT_EQ(1, said(t, "workers:", "crashed"));
}

/* Who cannot shut them in is told, and is not left to wait. */
TEST_F_TIMEOUT(examples, workers_of_nobody, LIMIT)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		if (!setresgid(1000, 1000, 1000) && !setresuid(1000, 1000, 1000))
			execl("/examples/workers", "workers", NULL);
		_exit(127);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(1, WEXITSTATUS(status));
}

/* The front gets what it may have and not what it asks for besides; another user nothing. */
TEST_F_TIMEOUT(examples, privsep, LIMIT)
{
	struct tool *t = &self->tool;

	int fd = open("/tmp/secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ASSERT_EQ(14, write(fd, "what root read\n", 14));
	close(fd);
	ASSERT_EQ(0, tool_run(t, "/examples/privsep /tmp/secret")) TH_LOG("%s", t->words);
	EXPECT_NE(NULL, strstr(t->output, "uid=65534 secret=0 other=-13 own=-13 text=what root read\n"))
		TH_LOG("%s", t->output);
	EXPECT_NE(NULL, strstr(t->output, "uid=1000 secret=-13 other=-13 own=-13 text=\n"));
	unlink("/tmp/secret");
}

TEST_HARNESS_MAIN
