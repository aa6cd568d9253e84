// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * jobs: a work queue whose workers may crash.
 *
 *   parent ──jobs──► worker, worker, worker ──done──► parent
 *             ▲  │
 *             └──┴─ claimed by one that died: to another, with a count
 *
 * A job that was claimed and not acknowledged comes again, and says so. Job 13
 * kills the first worker that takes it, and is done by the next. Job 27 kills
 * everyone: after three deliveries it is dead, and goes where somebody may look
 * at it. The parent puts a new worker in each dead one's place. Results go through
 * a queue too: what a worker had sent before it died is not lost with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcchan.h>

#define JOBS	100
#define WORKERS	3
#define ONCE	13	/* kills one worker */
#define ALWAYS	27	/* kills all */
#define TRIES	3
#define SOON_NS	20000000

static char jobs[64], done[64], dead[64];

struct result {
	uint32_t job;
	uint32_t deliveries;
};

static void check(const char *what, ssize_t error)
{
	if (error < 0) {
		fprintf(stderr, "jobs: %s: %s\n", what, ipcchan_strerror((int)error));
		exit(1);
	}
}

/* The parent is attached to each: they are there as long as it is. */
static struct ipcchan_port *attach(const char *name, uint32_t role, const char *dead_letter)
{
	struct ipcchan_options options;
	struct ipcchan_port *port;

	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.type = IPCCHAN_QUEUE;
	options.max_deliveries = dead_letter ? TRIES : 0;
	options.dead_letter = dead_letter;
	check(name, ipcchan_open(&port, name, role, &options, NULL));
	return port;
}

/* Takes a job, does it, says so; then acknowledges: so it may be done twice, never not at all. */
static void work(void)
{
	struct ipcchan_port *from = attach(jobs, IPCCHAN_ROLE_RECEIVE, dead);
	struct ipcchan_port *to = attach(done, IPCCHAN_ROLE_SEND, NULL);
	struct ipcchan_message m;
	int error;

	while (!(error = ipcchan_receive(from, &m, IPCCHAN_WAIT_FOREVER_NS))) {
		struct result r = { .job = (uint32_t)m.tag, .deliveries = m.deliveries };

		if (r.job == ALWAYS || (r.job == ONCE && r.deliveries == 1))
			abort();
		check(done, ipcchan_send(to, &r, sizeof(r), IPCCHAN_WAIT_FOREVER_NS));
		check(jobs, ipcchan_release(from, &m));
	}
	exit(error != -EPIPE);		/* no sender is left, and nothing that may come back */
}

static void start_worker(void)
{
	if (!fork())
		work();
}

/* Puts a new worker in the place of each that has crashed: how many. */
static int replace_crashed(void)
{
	int crashed = 0, status;

	for (; waitpid(-1, &status, WNOHANG) > 0; crashed++) {
		if (!WIFSIGNALED(status))
			exit(1);		/* it has said why */
		start_worker();
	}
	return crashed;
}

static void send_all(struct ipcchan_port *to)
{
	struct ipcchan_loan loan;

	for (int i = 0; i < JOBS; i++) {
		check(jobs, ipcchan_reserve(to, 0, &loan, IPCCHAN_WAIT_FOREVER_NS));
		loan.tag = i;
		check(jobs, ipcchan_commit(to, &loan));
	}
}

int main(void)
{
	int finished = 0, again = 0, crashed = 0, lost = -1, error, status;
	struct ipcchan_port *to, *results, *bad;
	struct ipcchan_message m;
	char seen[JOBS] = { 0 };
	struct result r;

	snprintf(jobs, sizeof(jobs), "jobs.%d", getpid());
	snprintf(done, sizeof(done), "jobs.%d/done", getpid());
	snprintf(dead, sizeof(dead), "jobs.%d/dead", getpid());
	bad = attach(dead, IPCCHAN_ROLE_RECEIVE, NULL);
	results = attach(done, IPCCHAN_ROLE_RECEIVE, NULL);
	to = attach(jobs, IPCCHAN_ROLE_SEND, dead);
	for (int i = 0; i < WORKERS; i++)
		start_worker();
	send_all(to);
	while (finished + (lost >= 0) < JOBS) {
		if (ipcchan_recv(results, &r, sizeof(r), NULL, SOON_NS) == sizeof(r)) {
			finished += !seen[r.job]++;
			again += r.deliveries > 1;
		}
		if (ipcchan_recv(bad, NULL, 0, &m, IPCCHAN_NO_WAIT) == 0)
			lost = (int)m.tag;
		crashed += replace_crashed();
	}
	/* the last one leaving sends home who has known one, so nobody may come later */
	while ((error = ipcchan_port_wait_peers(to, IPCCHAN_ROLE_RECEIVE, WORKERS, SOON_NS)) ==
	       -ETIMEDOUT)
		crashed += replace_crashed();
	check(jobs, error);
	ipcchan_port_close(to);
	while (wait(&status) > 0)
		crashed += WIFSIGNALED(status);
	printf("jobs: finished=%d again=%d crashed=%d dead=%d\n", finished, again, crashed, lost);
	ipcchan_port_close(results);
	ipcchan_port_close(bad);
	return finished != JOBS - 1 || lost != ALWAYS;
}
