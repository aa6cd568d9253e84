// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a test guest. Sets the guest up, loads the module, runs
 * one command and tells the host how it ended. The host then stops the guest:
 * this process never returns.
 *
 * What to run is in /vm: argv (strings, each ended by a zero byte), modules
 * (one file a line, in order), ipcchan.ko (the module under test, may be
 * absent), kmemleak (is there if leaks are to be looked for).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		dprintf(2, "vm-init: %s: %s\n", path, strerror(errno));
	close(fd);
}

static const struct {
	const char *type, *where, *options;
	mode_t mode;
} mounts[] = {
	{ "devtmpfs", "/dev", "mode=0755", 0755 },
	{ "proc", "/proc", "", 0755 },
	{ "sysfs", "/sys", "", 0755 },
	{ "tmpfs", "/tmp", "mode=1777", 01777 },
	{ "tmpfs", "/run", "mode=0755", 0755 },
	{ "tmpfs", "/dev/shm", "mode=1777", 01777 },
	{ "devpts", "/dev/pts", "mode=0620,ptmxmode=0666", 0755 },
	{ "mqueue", "/dev/mqueue", "", 01777 },
	{ "debugfs", "/sys/kernel/debug", "", 0 },
	{ "tracefs", "/sys/kernel/tracing", "", 0 },
	{ "cgroup2", "/sys/fs/cgroup", "", 0 },
};

static void mount_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		if (mounts[i].mode)
			mkdir(mounts[i].where, mounts[i].mode);
		/* What this kernel lacks, the command will find missing. */
		mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, mounts[i].options);
	}
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("/proc/self/fd/0", "/dev/stdin") ||
	    symlink("/proc/self/fd/1", "/dev/stdout") || symlink("/proc/self/fd/2", "/dev/stderr"))
		dprintf(2, "vm-init: /dev/fd: %s\n", strerror(errno));
}

/*
 * An emulated guest on a busy machine may stand still for a minute: that is no
 * fault of the module. Injected faults announce themselves with a backtrace
 * each, which would bury everything else.
 */
static void tune(void)
{
	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	put("/sys/fs/cgroup/cgroup.subtree_control", "+pids");
	put("/proc/sys/kernel/hung_task_timeout_secs", "240");
	put("/proc/sys/kernel/watchdog_thresh", "60");
	put("/sys/kernel/debug/failslab/verbose", "0");
	put("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	put("/sys/kernel/debug/fail_usercopy/verbose", "0");
	if (sethostname("guest", 5))
		dprintf(2, "vm-init: sethostname: %s\n", strerror(errno));
}

static void loopback_up(void)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req))
		dprintf(2, "vm-init: lo: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

/* Drivers: what is missing or built in shows when the channels are opened. */
static void load_drivers(void)
{
	char line[256];
	FILE *list = fopen("/vm/modules", "re");

	if (!list)
		return;
	while (fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = 0;
		load(line);
	}
	fclose(list);
}

static void load_module(void)
{
	char path[] = "/vm/ipcchan.ko";
	int err;

	if (access(path, F_OK))
		return;
	err = load(path);
	if (err)
		fail("the module does not load: %s", strerror(-err));
}

/* The command's arguments, or NULL if there is no command. */
static char **read_argv(void)
{
	struct stat st;
	char **argv, *buf;
	int fd = open("/vm/argv", O_RDONLY | O_CLOEXEC);
	off_t have = 0;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	buf = malloc(st.st_size + 1);
	while (have < st.st_size) {
		ssize_t got = read(fd, buf + have, st.st_size - have);

		if (got <= 0)
			fail("cannot read the arguments");
		have += got;
	}
	close(fd);
	for (off_t i = 0; i < have; i++)
		n += !buf[i];
	argv = calloc(n + 1, sizeof(*argv));
	for (size_t i = 0; i < n; i++) {
		argv[i] = buf;
		buf += strlen(buf) + 1;
	}
	return argv;
}

static void set_environment(void)
{
	static const char *const vars[][2] = {
		{ "PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "HOME", "/root" }, { "USER", "root" }, { "LOGNAME", "root" },
		{ "SHELL", "/bin/sh" }, { "TERM", "dumb" }, { "LC_ALL", "C" },
	};

	clearenv();
	for (size_t i = 0; i < ARRAY_SIZE(vars); i++)
		setenv(vars[i][0], vars[i][1], 1);
}

static void __attribute__((noreturn)) become(char **argv, const int *writers)
{
	struct rlimit core = { 0, RLIM_INFINITY };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	setrlimit(RLIMIT_CORE, &core);
	set_environment();
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	dup2(writers[0], 1);
	dup2(writers[1], 2);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT || errno == ENOTDIR ? 127 : 126);
}

static pid_t spawn(char **argv)
{
	int writers[2];
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC))
			fail("pipe: %s", strerror(errno));
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		/* Ordinary users may open /dev/stdout, too. */
		fchmod(ends[1], 0666);
		streams[i].in = ends[0];
		writers[i] = ends[1];
	}
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid)
		become(argv, writers);
	close(writers[0]);
	close(writers[1]);
	return pid;
}

/* Passes on a piece: how much, 0 when no writer is left, negative if nothing is there. */
static ssize_t pass_on(struct stream *s)
{
	static char buf[65536];
	ssize_t n = read(s->in, buf, sizeof(buf));

	if (n > 0) {
		write_all(s->out, buf, n);
		s->sent += n;
	}
	return n;
}

/* Reaps whatever has ended; true when @pid is among it. */
static int reap(pid_t pid, int *status)
{
	int found = 0, s;
	pid_t got;

	while ((got = waitpid(-1, &s, WNOHANG)) > 0) {
		if (got == pid) {
			*status = s;
			found = 1;
		}
	}
	return found;
}

static int attend(pid_t pid, int signals)
{
	struct pollfd fds[3] = {
		{ .fd = streams[0].in, .events = POLLIN },
		{ .fd = streams[1].in, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	int status = 0;

	for (;;) {
		poll(fds, 3, -1);
		for (int i = 0; i < 2; i++)
			if (fds[i].revents && pass_on(&streams[i]) == 0)
				fds[i].fd = -1;
		if (fds[2].revents && read(signals, &info, sizeof(info)) > 0 && reap(pid, &status))
			break;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What the command left behind ends under our eyes, and so do its RCU callbacks. */
static void settle(void)
{
	kill(-1, SIGKILL);
	for (int tries = 0; tries < 500; tries++) {
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			break;
		usleep(10000);
	}
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

int main(void)
{
	char **argv;
	sigset_t set;
	int signals, code;

	mount_all();
	argv = read_argv();
	if (!argv) {		/* the host only wants to see a guest start */
		dprintf(2, "vm-init: started\n");
		reboot(RB_AUTOBOOT);
		halt();
	}
	load_drivers();
	open_channels();
	send_boot_log();
	tune();
	loopback_up();
	load_module();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	umask(022);
	if (chdir("/test"))
		fail("/test: %s", strerror(errno));
	leaks_begin();
	tell("ready\n");
	code = attend(spawn(argv), signals);
	tell("ended\n");
	settle();
	for (int i = 0; i < 2; i++)
		while (pass_on(&streams[i]) > 0)
			;
	leaks_end();
	put("/dev/kmsg", "<6>vm-init: end\n");
	tell("exit %d %llu %llu\n", code, streams[0].sent, streams[1].sent);
	halt();
}
