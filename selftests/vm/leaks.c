// SPDX-License-Identifier: GPL-2.0
/*
 * Looks for memory that was leaked while the command ran. What kmemleak found,
 * once while the module is there (so that its functions have names) and once
 * more after it has gone, is told to the host as it stands.
 *
 * kmemleak reports what it found unreferenced, older than five seconds and
 * unchanged since it last looked: hence the pause, and two scans.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define WANTED		"/vm/kmemleak"
#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define AGE_SECONDS	6
#define SCANS		2
#define REPORT_MAX	(1 << 20)

static int kmemleak = -1;

static int command(const char *text)
{
	return write(kmemleak, text, strlen(text)) < 0 ? -errno : 0;
}

void leaks_begin(void)
{
	int err;

	if (access(WANTED, F_OK))
		return;
	kmemleak = open(KMEMLEAK, O_RDWR | O_CLOEXEC);
	if (kmemleak < 0)
		fail("this kernel has no kmemleak");
	/* Not of its own accord; and this tells whether it is switched on. */
	err = command("scan=off");
	if (err)
		fail("kmemleak: %s", strerror(-err));
}

static size_t read_report(char *buf, size_t size)
{
	int fd = open(KMEMLEAK, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while (have < size && (n = read(fd, buf + have, size - have)) > 0)
		have += n;
	close(fd);
	return have;
}

static void tell_report(void)
{
	char *buf = malloc(REPORT_MAX);
	size_t len = buf ? read_report(buf, REPORT_MAX) : 0;

	if (len)
		tell_block("leaks", buf, len);
	free(buf);
}

/* kmemleak gives up when it lacks memory itself: then nobody knows. */
static int scan(void)
{
	static const char lost[] = "kmemleak has given up\n";
	int err = 0;

	for (int i = 0; i < SCANS && !err; i++)
		err = command("scan");
	if (err)
		tell_block("leaks", lost, strlen(lost));
	else
		tell_report();
	return err;
}

static int unload(void)
{
	int err = -EAGAIN;

	/* What holds it may be on its way out. */
	for (int tries = 0; tries < 20 && err; tries++) {
		err = syscall(SYS_delete_module, "ipcchan", O_NONBLOCK) ? -errno : 0;
		if (err && err != -EBUSY && err != -EWOULDBLOCK)
			break;
		usleep(100000);
	}
	return err;
}

void leaks_end(void)
{
	if (kmemleak < 0)
		return;
	sleep(AGE_SECONDS);
	if (scan())
		return;
	command("clear");
	if (unload())
		return;
	sleep(1);
	scan();
}
