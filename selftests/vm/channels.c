// SPDX-License-Identifier: GPL-2.0
/*
 * Three channels lead to the host: the command's standard output, its standard
 * error, and "status", on which we write
 *	log N\n<N bytes>	the kernel log of the boot
 *	leaks N\n<N bytes>	what kmemleak found, see leaks.c
 *	ready\n			the command starts now
 *	fail TEXT\n		there will be no command
 *	ended\n			it has ended, and we look what it left behind
 *	exit CODE N M\n		all is over; N and M bytes of output were sent
 * They are virtio ports or, in kernels without those, serial lines.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <termios.h>
#include <unistd.h>

#include "init.h"

struct stream streams[2] = { { -1, -1, 0 }, { -1, -1, 0 } };
static int status_fd = -1;

void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
			continue;
		}
		if (n < 0)
			return;
		buf += n;
		len -= n;
	}
}

void tell(const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	write_all(status_fd, line, len);
}

void tell_block(const char *what, const char *data, size_t len)
{
	tell("%s %zu\n", what, len);
	write_all(status_fd, data, len);
}

void halt(void)
{
	for (;;)
		pause();
}

/* Not tell(): the host must see the reason even when there are no channels. */
void fail(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (status_fd >= 0)
		tell("fail %s\n", text);
	else
		dprintf(2, "vm-init: fail %s\n", text);
	halt();
}

/* The port's number is not known beforehand, its name is. */
static int open_port(const char *name)
{
	char path[300], label[32];
	struct dirent *entry;
	DIR *dir = opendir("/sys/class/virtio-ports");
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(label, sizeof(label), file)) {
			label[strcspn(label, "\n")] = 0;
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			if (!strcmp(label, name))
				fd = open(path, O_RDWR | O_CLOEXEC);
		}
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int open_serial(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &t)) {	/* a line without hardware */
		close(fd);
		return -1;
	}
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	cfsetspeed(&t, B115200);
	tcsetattr(fd, TCSANOW, &t);
	return fd;
}

void open_channels(void)
{
	/* The host announces the names after the device was found. */
	for (int tries = 0; tries < 500 && status_fd < 0; tries++) {
		status_fd = open_port("status");
		if (status_fd < 0 && access("/sys/bus/virtio/drivers/virtio_console", F_OK))
			break;
		if (status_fd < 0)
			usleep(10000);
	}
	if (status_fd >= 0) {
		streams[0].out = open_port("stdout");
		streams[1].out = open_port("stderr");
	} else {
		streams[0].out = open_serial("/dev/ttyS1");
		streams[1].out = open_serial("/dev/ttyS2");
		status_fd = open_serial("/dev/ttyS3");
	}
	if (status_fd < 0 || streams[0].out < 0 || streams[1].out < 0) {
		status_fd = -1;
		fail("the kernel has neither virtio ports nor four serial lines");
	}
}

/* From here on the console shows everything; what was before, we hand over. */
void send_boot_log(void)
{
	int size = klogctl(10, NULL, 0);
	char *buf = malloc(size > 0 ? size : 1);

	klogctl(8, NULL, 8);
	size = buf ? klogctl(3, buf, size) : 0;
	if (size > 0)
		tell_block("log", buf, size);
	free(buf);
}
