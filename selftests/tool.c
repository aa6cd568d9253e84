// SPDX-License-Identifier: GPL-2.0
/* Running programs; see tool.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

/* On the slowest kernel too. */
#define PATIENCE_MS 60000

/* Where the guests have it. */
#define MODULE "/vm/ipcchan.ko"

void tool_init(struct tool *t)
{
	memset(t, 0, sizeof(*t));
	t->in = memfd_create("in", MFD_CLOEXEC);
	t->out = memfd_create("out", MFD_CLOEXEC);
	t->err = memfd_create("err", MFD_CLOEXEC);
}

void tool_replace(int *stream, int fd)
{
	if (*stream >= 0)
		close(*stream);
	*stream = fd;
}

void tool_free(struct tool *t)
{
	tool_replace(&t->in, -1);
	tool_replace(&t->out, -1);
	tool_replace(&t->err, -1);
	free(t->output);
	t->output = NULL;
	t->size = 0;
}

void tool_input(struct tool *t, const void *data, size_t size)
{
	size_t done = 0;
	ssize_t put;

	while (done < size && (put = write(t->in, (const char *)data + done, size - done)) > 0)
		done += put;
	lseek(t->in, 0, SEEK_SET);
}

/* Each stream to its number; what is negative is closed. */
static void take_streams(const struct tool *t)
{
	const int streams[] = { t->in, t->out, t->err };

	for (int i = 0; i < 3; i++)
		if (streams[i] < 0)
			close(i);
		else
			dup2(streams[i], i);
}

int tool_start(struct tool *t, char *const argv[])
{
	t->pid = fork();
	if (t->pid)
		return t->pid < 0 ? -errno : 0;
	if (t->uid)
		become(t->uid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	take_streams(t);
	execvp(argv[0], argv);
	_exit(127);
}

static size_t size_of(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) ? st.st_size : 0;
}

/* What a memory file holds; it is empty afterwards. */
static void collect(struct tool *t)
{
	size_t size = size_of(t->err);

	if (size > sizeof(t->words) - 1)
		size = sizeof(t->words) - 1;
	if (pread(t->err, t->words, size, 0) != (ssize_t)size)
		size = 0;
	t->words[size] = 0;
	free(t->output);
	t->size = size_of(t->out);
	t->output = calloc(1, t->size + 1);
	if (!t->output || pread(t->out, t->output, t->size, 0) != (ssize_t)t->size)
		t->size = 0;
	if (size && !ftruncate(t->err, 0))
		lseek(t->err, 0, SEEK_SET);
	if (t->size && !ftruncate(t->out, 0))
		lseek(t->out, 0, SEEK_SET);
}

int tool_end(struct tool *t)
{
	int status = child_end(t->pid, PATIENCE_MS);

	collect(t);
	t->pid = 0;
	return status;
}

int tool_begin(struct tool *t, const char *command)
{
	char text[1024], *argv[TOOL_WORDS + 1] = { NULL }, *save, *word;
	int words = 0;

	snprintf(text, sizeof(text), "%s", command);
	for (word = strtok_r(text, " ", &save); word && words < TOOL_WORDS;
	     word = strtok_r(NULL, " ", &save))
		argv[words++] = word;
	return words ? tool_start(t, argv) : -EINVAL;
}

int tool_run(struct tool *t, const char *command)
{
	int err = tool_begin(t, command);

	return err ? err : tool_end(t);
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "ipcchan", O_NONBLOCK) ? -errno : 0;
}

int module_load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		err = -errno;
	close(fd);
	return err;
}
