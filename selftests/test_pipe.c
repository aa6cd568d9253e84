// SPDX-License-Identifier: GPL-2.0
/*
 * A large file through ipccat, from one user to another, whole; and the same
 * while a second receiver is killed and restarted a hundred times, in the midst
 * of messages, more often than not when the sender waits for it.
 *
 * What breaks these: anything lost, doubled or out of order; a dead receiver
 * that holds up the others, or whose memory is not given back.
 *
 * The size is in the tests' names: less on a kernel with sanitizers.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest.h>

#include "common.h"
#include "peers.h"

#define MIB		(1u << 20)
#define KILLS		100
#define PATIENCE_S	120

static char folder[64], input[80], output[80];
static char name[IPCCHAN_NAME_SIZE];
static uint32_t mebibytes;

static void die(const char *what)
{
	ksft_exit_fail_msg("%s: %s\n", what, strerror(errno));
}

static void make_input(void)
{
	char *block = malloc(MIB);
	int fd = open(input, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	if (!block || fd < 0)
		die(input);
	for (uint32_t i = 0; i < mebibytes; i++) {
		pattern_fill(block, MIB, i);
		if (write(fd, block, MIB) != MIB)
			die(input);
	}
	if (fchown(fd, ALICE, ALICE))
		die(input);
	close(fd);
	free(block);
}

/* A folder of our own, with room for the file twice. */
static void make_folder(void)
{
	char options[40];

	snprintf(folder, sizeof(folder), "/tmp/test_pipe.%d", getpid());
	snprintf(input, sizeof(input), "%s/in", folder);
	snprintf(output, sizeof(output), "%s/out", folder);
	snprintf(options, sizeof(options), "size=%uM,mode=0777", 2 * mebibytes + 1);
	if (mkdir(folder, 0777) || mount("tmpfs", folder, "tmpfs", 0, options))
		die(folder);
}

static void remove_folder(void)
{
	umount(folder);
	rmdir(folder);
}

/* ipccat VERB NAME as @uid, with these streams. */
static pid_t start(uid_t uid, const char *verb, int in, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	if (in >= 0)
		dup2(in, STDIN_FILENO);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	become(uid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execlp("ipccat", "ipccat", verb, name, NULL);
	_exit(127);
}

static pid_t start_file(uid_t uid, const char *verb, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);
	pid_t pid;

	if (fd < 0)
		die(path);
	pid = start(uid, verb, flags ? -1 : fd, flags ? fd : -1);
	close(fd);
	return pid;
}

static bool ends_well(pid_t pid, const char *what)
{
	int status;

	for (int i = 0; i < PATIENCE_S * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			if (status)
				ksft_print_msg("%s: status %#x\n", what, status);
			return !status;
		}
		usleep(10000);
	}
	ksft_print_msg("%s: no end after %d s\n", what, PATIENCE_S);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return false;
}

static bool same_files(void)
{
	char command[200];

	snprintf(command, sizeof(command), "cmp %s %s", input, output);
	return !system(command);
}

/* Readable for 1001, writable for 1000, for nobody else. */
static void make_pipe(const char *arena)
{
	char command[200];

	unique_name(name, "pipe");
	snprintf(command, sizeof(command),
		 "ipcadm channel add %s type topic arena %s mode 0640 owner %u group %u",
		 name, arena, ALICE, BOB);
	if (system(command))
		ksft_exit_fail_msg("cannot create %s\n", name);
}

static bool attached(uint32_t receivers)
{
	struct ipcchan_lookup now;

	for (int i = 0; i < PATIENCE_S * 1000; i++) {
		if (!find_channel(name, &now) && now.receivers == receivers)
			return true;
		usleep(1000);
	}
	ksft_print_msg("there are not %u receivers\n", receivers);
	return false;
}

static bool file_arrives(void)
{
	pid_t receiver, sender;
	bool good;

	make_pipe("1M");
	receiver = start_file(BOB, "recv", output, O_CREAT | O_WRONLY | O_TRUNC);
	sender = start_file(ALICE, "send", input, O_RDONLY);
	good = ends_well(sender, "send");
	good &= ends_well(receiver, "recv");
	good &= same_files();
	return good && !channel_exists(name);
}

/* Feeds the sender from the file, up to a place in it. */
struct feed {
	int from;
	int to;
	uint64_t at;
};

/* Some of it; false: the sender takes no more for now. */
static bool feed_some(struct feed *feed, uint64_t until, int timeout_ms)
{
	struct pollfd fd = { .fd = feed->to, .events = POLLOUT };
	char block[4096];
	size_t want = until - feed->at < sizeof(block) ? until - feed->at : sizeof(block);
	ssize_t got;

	if (poll(&fd, 1, timeout_ms) != 1)
		return false;
	got = pread(feed->from, block, want, feed->at);
	if (got <= 0 || write(feed->to, block, got) != got)
		die("feed");
	feed->at += got;
	return true;
}

static bool feed_until(struct feed *feed, uint64_t until)
{
	while (feed->at < until) {
		if (!feed_some(feed, until, PATIENCE_S * 1000)) {
			ksft_print_msg("the sender stands still at byte %lu\n",
				       (unsigned long)feed->at);
			return false;
		}
	}
	return true;
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

/*
 * A second receiver comes, has written something that nobody reads, holds up
 * the sender, and is killed. @until is where the sender may be at the most.
 */
static bool kill_one(struct feed *feed, uint64_t until, uint64_t *random, int *held_up)
{
	int ends[2], status;
	bool stuck = false;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		die("pipe");
	pid = start(BOB, "recv", -1, ends[1]);
	close(ends[1]);
	if (!attached(2))
		return false;
	while (feed->at < until && !stuck)
		stuck = !feed_some(feed, until, is_readable(ends[0]) ? 20 : 1000);
	*held_up += stuck && is_readable(ends[0]);
	usleep(random_next(random) % 2000);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ends[0]);
	return WIFSIGNALED(status) && attached(1);
}

static bool file_arrives_among_kills(void)
{
	uint64_t total = (uint64_t)mebibytes * MIB, random = random_seed();
	pid_t receiver, sender;
	struct feed feed = { .from = open(input, O_RDONLY | O_CLOEXEC) };
	int ends[2], killed = 0, held_up = 0;
	bool good = true;

	make_pipe("64K");	/* much less than passes between two kills */
	if (pipe2(ends, O_CLOEXEC) || feed.from < 0)
		die("pipe");
	feed.to = ends[1];
	sender = start(ALICE, "send", ends[0], -1);
	close(ends[0]);
	receiver = start_file(BOB, "recv", output, O_CREAT | O_WRONLY | O_TRUNC);
	good = attached(1);
	for (; good && killed < KILLS; killed++) {
		/* Enough left for each: the file does not end before the kills. */
		good = kill_one(&feed, feed.at + (total - feed.at) / (KILLS - killed + 1), &random,
				&held_up);
		good = good && feed_until(&feed, total / (KILLS + 1) * (killed + 1));
	}
	good = good && feed_until(&feed, total);
	close(feed.to);
	close(feed.from);
	good &= ends_well(sender, "send");
	good &= ends_well(receiver, "recv");
	good &= same_files();
	ksft_print_msg("%d killed, %d of them held up the sender\n", killed, held_up);
	return good && killed == KILLS && held_up > KILLS / 2 && !channel_exists(name);
}

int main(void)
{
	struct accounts before;

	signal(SIGPIPE, SIG_IGN);
	mebibytes = heavy(256, 32);
	ksft_print_header();
	ksft_set_plan(3);
	accounts_read(&before);
	make_folder();
	make_input();
	ksft_test_result(file_arrives(), "pipe.a_file_of_%u_MiB_arrives\n", mebibytes);
	ksft_test_result(file_arrives_among_kills(), "pipe.%u_MiB_arrive_among_%d_kills\n",
			 mebibytes, KILLS);
	ksft_test_result(accounts_settle(&before), "pipe.everything_is_given_back\n");
	remove_folder();
	ksft_finished();
}
