// SPDX-License-Identifier: GPL-2.0
/* Other users, capabilities, namespaces; children that act as such. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

/* What a child has to say. */
struct report {
	int result;
	char why[WHY_SIZE];
};

static void __attribute__((noreturn)) give_up(const char *what)
{
	fprintf(stderr, "# %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int hear(int in, pid_t child)
{
	struct report report;
	int got = read(in, &report, sizeof(report));

	close(in);
	waitpid(child, NULL, 0);
	if (got != sizeof(report))
		return -ECHILD;
	memcpy(why, report.why, sizeof(why));
	return report.result;
}

int run_child(task_fn task, void *arg)
{
	struct report report;
	int ends[2];
	pid_t child;

	if (pipe(ends))
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child) {
		close(ends[1]);
		return hear(ends[0], child);
	}
	close(ends[0]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	why[0] = 0;
	report.result = task(arg);
	memcpy(report.why, why, sizeof(why));
	_exit(write(ends[1], &report, sizeof(report)) != sizeof(report));
}

struct disguise {
	uid_t uid;
	task_fn task;
	void *arg;
};

static int disguised(void *arg)
{
	const struct disguise *d = arg;

	become(d->uid);
	return d->task(d->arg);
}

int run_as(uid_t uid, task_fn task, void *arg)
{
	return run_child(disguised, &(struct disguise){ uid, task, arg });
}

/* Afterwards the process is as open to /proc as one that always was that user. */
static void change_ids(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		give_up("cannot change to another user");
	prctl(PR_SET_DUMPABLE, 1);
}

void become(uid_t uid)
{
	change_ids(uid);
}

struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
};

static void get_capabilities(struct capabilities *c)
{
	c->header = (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
	if (syscall(SYS_capget, &c->header, c->data))
		give_up("capget");
}

static void set_capabilities(struct capabilities *c)
{
	if (syscall(SYS_capset, &c->header, c->data))
		give_up("capset");
}

void drop_capability(int capability)
{
	uint32_t keep = ~(1u << (capability & 31));
	struct capabilities c;

	get_capabilities(&c);
	c.data[capability / 32].effective &= keep;
	c.data[capability / 32].permitted &= keep;
	c.data[capability / 32].inheritable &= keep;
	set_capabilities(&c);
}

void become_with(uid_t uid, int capability)
{
	uint32_t bit = 1u << (capability & 31);
	struct capabilities c;

	if (prctl(PR_SET_KEEPCAPS, 1))
		give_up("keepcaps");
	change_ids(uid);
	get_capabilities(&c);
	memset(c.data, 0, sizeof(c.data));
	c.data[capability / 32].effective = bit;
	c.data[capability / 32].permitted = bit;
	set_capabilities(&c);
}

/* Namespaces */

static int write_map(const char *path, uint32_t inside, uint32_t outside, uint32_t count)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u %u", inside, outside, count);
	return write_text(path, text);
}

int enter_userns(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int err;

	if (unshare(CLONE_NEWUSER))
		return -errno;
	err = write_text("/proc/self/setgroups", "deny");
	if (!err)
		err = write_map("/proc/self/uid_map", 0, uid, 1);
	return err ? err : write_map("/proc/self/gid_map", 0, gid, 1);
}

/* Maps of more than one id are written from outside. */
static int map_from_outside(pid_t pid, int go, uid_t inside, uid_t outside, uint32_t count)
{
	char path[64], byte;
	int err;

	if (read(go, &byte, 1) != 1)
		return -EPIPE;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	err = write_map(path, inside, outside, count);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return err ? err : write_map(path, inside, outside, count);
}

int enter_userns_mapped(uid_t inside, uid_t outside, uint32_t count)
{
	pid_t me = getpid(), helper;
	int go[2], status;

	if (pipe(go))
		return -errno;
	helper = fork();
	if (helper < 0)
		return -errno;
	if (!helper) {
		close(go[1]);
		_exit(-map_from_outside(me, go[0], inside, outside, count));
	}
	close(go[0]);
	if (unshare(CLONE_NEWUSER) || write(go[1], "", 1) != 1)
		return -errno;
	close(go[1]);
	if (waitpid(helper, &status, 0) != helper || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

int enter_netns(void)
{
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

/* Files between processes */

union control {
	char buffer[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int send_file(int socket, int fd)
{
	union control control = { .buffer = "" };
	struct iovec byte = { .iov_base = "f", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int recv_file(int socket)
{
	union control control;
	char letter;
	struct iovec byte = { .iov_base = &letter, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header;
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	int fd;

	if (got != 1)
		return got ? -errno : -EPIPE;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}
