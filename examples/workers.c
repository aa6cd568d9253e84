// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * workers: a parent and eight workers that it need not trust.
 *            jobs (topic)               results (topic)
 *   parent ──────────────► workers ──────────────────► parent
 * A worker needs no name to attach by, nor a /dev: it has two handles, to receive
 * jobs and to send results, in user, mount and network namespaces of its own, as
 * another uid. Once it has attached it keeps its ports and few calls. One crashes on
 * purpose: the kernel gives its slot back, the parent sees it go, the others go on.
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include <ipcchan.h>

#define WORKERS	8
#define JOBS	64
#define FIRST_UID 20000
#define LOOK_NS	100000000

static void check(const char *what, int error)
{
	if (error < 0) {
		fprintf(stderr, "workers: %s: %s\n", what, ipcchan_strerror(error));
		_exit(1);
	}
}

static int created(uint32_t senders, uint32_t receivers)
{
	struct ipcchan_options options;
	int handle;

	ipcchan_options_init(&options);
	options.senders = senders;
	options.receivers = receivers;
	handle = ipcchan_handle_create(&options, NULL);
	check("create", handle);
	return handle;
}

static struct ipcchan_port *attach(int handle, uint32_t role)
{
	struct ipcchan_port *port;

	check("attach", ipcchan_open_handle(&port, handle, role, NULL, NULL));
	return port;
}

/* Nobody, nowhere. */
static void confine(int me, pid_t parent)
{
	uid_t uid = FIRST_UID + me;

	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC))
		check("confine", -errno);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* what is above would clear it */
	check("parent", getppid() == parent ? 0 : -ESRCH);
}

/* What the library calls once it is attached: ioctl() to sleep and to wake. */
static void seal(void)
{
	const int allowed[] = { SCMP_SYS(ioctl), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
				SCMP_SYS(restart_syscall), SCMP_SYS(exit_group) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	check("seccomp", error);
	close_range(0, 2, 0);		/* ioctl() is for the ports alone */
	check("seccomp", seccomp_load(filter));
}

/* Each takes every eighth job; number 3 crashes in its second. */
static void work(int me, int jobs, int results)
{
	struct ipcchan_port *to = attach(results, IPCCHAN_ROLE_SEND);
	struct ipcchan_port *from = attach(jobs, IPCCHAN_ROLE_RECEIVE);
	uint64_t job[2];

	seal();
	while (ipcchan_recv(from, job, sizeof(job), NULL, IPCCHAN_WAIT_FOREVER_NS) > 0) {
		if (job[0] % WORKERS != (uint64_t)me)
			continue;
		if (me == 3 && job[0] >= WORKERS)
			__builtin_trap();
		job[1] = job[1] * job[1];
		check("send", ipcchan_send(to, job, sizeof(job), IPCCHAN_WAIT_FOREVER_NS));
	}
	_exit(0);
}

/* All have attached; or one could not be shut in, and has said why. */
static void await_workers(struct ipcchan_port *to)
{
	int error = -ETIMEDOUT;

	while (error == -ETIMEDOUT && !waitpid(-1, NULL, WNOHANG))
		error = ipcchan_port_wait_peers(to, IPCCHAN_ROLE_RECEIVE, WORKERS, LOOK_NS);
	check("wait", error);
}

int main(void)
{
	pid_t parent = getpid();
	int jobs = created(1, WORKERS), results = created(WORKERS, 1);
	struct ipcchan_port *to = attach(jobs, IPCCHAN_ROLE_SEND);
	struct ipcchan_port *from = attach(results, IPCCHAN_ROLE_RECEIVE);
	int may_take, may_send, crashed = 0, done = 0, wrong = 0, status;
	uint64_t job[2];

	check("narrow", may_take = ipcchan_handle_narrow(jobs, IPCCHAN_ROLE_RECEIVE, NULL));
	check("narrow", may_send = ipcchan_handle_narrow(results, IPCCHAN_ROLE_SEND, NULL));
	for (int me = 0; me < WORKERS; me++) {
		if (fork())
			continue;
		confine(me, parent);
		close(jobs);
		close(results);
		work(me, may_take, may_send);
	}
	await_workers(to);
	/* all are attached: nobody can any more, whoever has got hold of a handle */
	check("revoke", ipcchan_handle_revoke(jobs, NULL) ?: ipcchan_handle_revoke(results, NULL));
	for (job[0] = 0; job[0] < JOBS; job[0]++) {
		job[1] = job[0] + 1;
		check("send", ipcchan_send(to, job, sizeof(job), IPCCHAN_WAIT_FOREVER_NS));
	}
	ipcchan_port_close(to);
	while (ipcchan_recv(from, job, sizeof(job), NULL, IPCCHAN_WAIT_FOREVER_NS) > 0) {
		wrong += job[1] != (job[0] + 1) * (job[0] + 1);
		done++;
	}
	while (wait(&status) > 0)
		crashed += WIFSIGNALED(status);
	printf("workers: done=%d wrong=%d crashed=%d\n", done, wrong, crashed);
	return wrong || crashed != 1 || done != JOBS - JOBS / WORKERS + 1;
}
