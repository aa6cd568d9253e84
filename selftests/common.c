// SPDX-License-Identifier: GPL-2.0
/* Calls, names, the module's accounts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define PARAMETERS "/sys/module/ipcchan/parameters/"

char why[WHY_SIZE];

void unique_name(char *name, const char *what)
{
	static unsigned int number;

	snprintf(name, IPCCHAN_NAME_SIZE, "test/%.30s.%d.%u", what, getpid(), number++);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Files */

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t used = 0, got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, text + used, size - 1 - used)) > 0)
		used += got;
	if (got < 0)
		used = -errno;
	close(fd);
	text[used < 0 ? 0 : used] = 0;
	return used;
}

/* The module */

unsigned long long param_get(const char *name)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	if (read_text(path, text, sizeof(text)) <= 0) {
		fprintf(stderr, "# cannot read %s\n", path);
		return ~0ull;
	}
	return strtoull(text, NULL, 10);
}

int param_set(const char *name, unsigned long long value)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	snprintf(text, sizeof(text), "%llu\n", value);
	return write_text(path, text);
}

void accounts_read(struct accounts *accounts)
{
	accounts->channels = param_get("channels");
	accounts->ports = param_get("ports");
	accounts->bytes = param_get("bytes");
	accounts->files = param_get("files");
}

static bool accounts_equal(const struct accounts *a, const struct accounts *b)
{
	return a->channels == b->channels && a->ports == b->ports &&
	       a->bytes == b->bytes && a->files == b->files;
}

bool accounts_settle(const struct accounts *before)
{
	struct accounts now;

	for (int tries = 0; tries < 1000; tries++) {
		accounts_read(&now);
		if (accounts_equal(&now, before))
			return true;
		usleep(10000);
	}
	fprintf(stderr, "# channels %llu, were %llu; ports %llu, were %llu; bytes %llu, were %llu; "
		"files %llu, were %llu\n",
		now.channels, before->channels, now.ports, before->ports, now.bytes,
		before->bytes, now.files, before->files);
	return false;
}

bool slow_kernel(void)
{
	/* KASAN itself shows nowhere; our debug kernel has this too */
	return access("/sys/kernel/debug/failslab", F_OK) == 0;
}

/* Calls */

int device_open(void)
{
	int fd = open(IPCCHAN_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int call(int fd, unsigned int number, void *arg)
{
	why[0] = 0;
	return ioctl(fd, number, arg) ? -errno : 0;
}

static uint64_t address(void *p)
{
	return (uintptr_t)p;
}

/* One that is too long is left without an end. */
static void put_name(char *field, const char *name)
{
	memcpy(field, name, strnlen(name, IPCCHAN_NAME_SIZE));
}

struct ipcchan_create create_args(const char *name)
{
	struct ipcchan_create args = {
		.size = sizeof(args),
		.type = IPCCHAN_TYPE_TOPIC,
		.mode = 0600,
		.uid = IPCCHAN_ID_SELF,
		.gid = IPCCHAN_ID_SELF,
		.why = address(why),
		.why_len = sizeof(why),
	};

	put_name(args.name, name);
	return args;
}

struct ipcchan_attach attach_args(const char *name, uint32_t role)
{
	struct ipcchan_attach args = {
		.size = sizeof(args),
		.role = role,
		.why = address(why),
		.why_len = sizeof(why),
	};

	put_name(args.name, name);
	return args;
}

int call_create(int fd, struct ipcchan_create *args)
{
	return call(fd, IPCCHAN_IOC_CREATE, args);
}

int call_attach(int fd, struct ipcchan_attach *args)
{
	return call(fd, IPCCHAN_IOC_ATTACH, args);
}

int call_lookup(int fd, const char *name, struct ipcchan_lookup *out)
{
	*out = (struct ipcchan_lookup){
		.size = sizeof(*out),
		.why = address(why),
		.why_len = sizeof(why),
	};
	put_name(out->name, name);
	return call(fd, IPCCHAN_IOC_LOOKUP, out);
}

int call_delete(int fd, const char *name)
{
	struct ipcchan_delete args = {
		.size = sizeof(args),
		.why = address(why),
		.why_len = sizeof(why),
	};

	put_name(args.name, name);
	return call(fd, IPCCHAN_IOC_DELETE, &args);
}

int call_kick(int fd, uint64_t receivers, uint64_t senders)
{
	struct ipcchan_kick args = {
		.size = sizeof(args),
		.receivers = receivers,
		.senders = senders,
	};

	return call(fd, IPCCHAN_IOC_KICK, &args);
}

int call_peer(int fd, uint32_t role, uint32_t slot, struct ipcchan_peer *out)
{
	*out = (struct ipcchan_peer){ .size = sizeof(*out), .role = role, .slot = slot };
	return call(fd, IPCCHAN_IOC_PEER, out);
}

int handle_open(int fd, const char *name, uint32_t rights)
{
	struct ipcchan_handle args = {
		.size = sizeof(args),
		.rights = rights,
		.why = address(why),
		.why_len = sizeof(why),
	};
	int err;

	put_name(args.name, name);
	err = call(fd, IPCCHAN_IOC_HANDLE, &args);
	return err ? err : args.fd;
}

int handle_create(uint32_t slots)
{
	struct ipcchan_create args = create_args("");
	int fd = device_open(), err;

	if (fd < 0)
		return fd;
	args.flags = IPCCHAN_CREATE_UNNAMED;
	args.geometry.senders = slots;
	args.geometry.receivers = slots;
	err = call_create(fd, &args);
	close(fd);
	return err ? err : args.handle;
}

int call_revoke(int fd)
{
	struct ipcchan_revoke args = {
		.size = sizeof(args),
		.why = address(why),
		.why_len = sizeof(why),
	};

	return call(fd, IPCCHAN_IOC_REVOKE, &args);
}

int make_channel(const char *name, uint32_t flags, uint32_t mode)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	if (fd < 0)
		return fd;
	args.flags = flags;
	args.mode = mode;
	err = call_create(fd, &args);
	close(fd);
	return err;
}

int drop_channel(const char *name)
{
	int fd = device_open(), err;

	if (fd < 0)
		return fd;
	err = call_delete(fd, name);
	close(fd);
	return err;
}

int find_channel(const char *name, struct ipcchan_lookup *out)
{
	int fd = device_open(), err;

	if (fd < 0)
		return fd;
	err = call_lookup(fd, name, out);
	close(fd);
	return err;
}

bool channel_exists(const char *name)
{
	struct ipcchan_lookup lookup;

	return find_channel(name, &lookup) != -ENOENT;
}
