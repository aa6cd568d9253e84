// SPDX-License-Identifier: GPL-2.0
/*
 * bars: how many instructions a message costs. Prints a line "NAME COUNT" for
 * each figure; scripts/bars runs it and compares.
 *
 *   send_receive_N   send and recv of N bytes, nobody sleeps
 *   in_place_N       reserve, commit, receive, release; the payload untouched
 *   publish_R        send of 32 bytes to R receivers, with what it costs to get
 *                    the room back
 *   receive_S        recv of 32 bytes where S senders are attached, one active
 *   trip_64          there and back between two processes of one CPU, each
 *                    asleep while the other has the message
 *   trip_64_*        the same by other means
 *   queue_N          a message of 64 bytes from send to acknowledgement, on a queue,
 *                    sent and claimed in batches of N; the calls to the kernel too
 *   queue_posix      mq_send and mq_receive of the same
 *
 * All but the trips are between ports of one process. Those who make the trips
 * are SCHED_BATCH: somebody woken does not run before his waker sleeps. Else the
 * scheduler decides by the past of both, and one guest in six counts less.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcchan.h>

#include "count.h"
#include "links.h"
#include "queues.h"

#define DEPTH		256
/* Whole laps of the ring: reclaiming is part of the cost, in every window alike. */
#define LAPS		4
#define MESSAGES	(LAPS * DEPTH)
/* At most so many are unread at a time. */
#define PART		(DEPTH / 2)
#define WINDOWS		15
#define TRIPS		4
#define TRIP_WINDOWS	1500
#define MOST_PORTS	64
#define SMALL		32

struct group {
	struct ipcchan_port *senders[MOST_PORTS];
	struct ipcchan_port *receivers[MOST_PORTS];
	unsigned int nr_senders;
	unsigned int nr_receivers;
	struct ipcchan_port *active;	/* of the senders */
	size_t length;			/* of a message */
};

static unsigned char buffer[4096];

static void open_ports(struct ipcchan_port **ports, unsigned int n, uint32_t role,
		       const struct ipcchan_options *options)
{
	for (unsigned int i = 0; i < n; i++)
		need(ipcchan_open(&ports[i], "bars.group", role, options, NULL), "open");
}

static void open_group(struct group *group, unsigned int senders, unsigned int receivers,
		       size_t length)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.flags |= IPCCHAN_OPEN_CREATE;
	options.depth = DEPTH;
	options.senders = senders;
	options.receivers = receivers;
	options.holds = 8;
	options.arena = 2 * DEPTH * length;
	options.max_message = length;
	group->nr_senders = senders;
	group->nr_receivers = receivers;
	group->length = length;
	open_ports(group->senders, senders, IPCCHAN_ROLE_SEND, &options);
	open_ports(group->receivers, receivers, IPCCHAN_ROLE_RECEIVE, &options);
	/* neither the first nor the last to be asked */
	group->active = group->senders[senders / 2];
}

static void close_group(struct group *group)
{
	for (unsigned int i = 0; i < group->nr_senders; i++)
		ipcchan_port_close(group->senders[i]);
	for (unsigned int i = 0; i < group->nr_receivers; i++)
		ipcchan_port_close(group->receivers[i]);
}

/* With what they need at hand, so that it is the calls that are counted. */
static inline void send_one(struct ipcchan_port *port, size_t length)
{
	need(ipcchan_send(port, buffer, length, IPCCHAN_NO_WAIT), "send");
}

static inline void recv_one(struct ipcchan_port *port)
{
	need((int)ipcchan_recv(port, buffer, sizeof(buffer), NULL, IPCCHAN_NO_WAIT), "recv");
}

static uint64_t send_receive(void *what)
{
	struct group *group = what;
	struct ipcchan_port *from = group->active, *to = group->receivers[0];
	size_t length = group->length;
	uint64_t begin = count_now();

	for (int i = 0; i < MESSAGES; i++) {
		send_one(from, length);
		recv_one(to);
	}
	return count_since(begin);
}

static uint64_t in_place(void *what)
{
	struct group *group = what;
	struct ipcchan_port *from = group->active, *to = group->receivers[0];
	size_t length = group->length;
	struct ipcchan_message message;
	struct ipcchan_loan loan;
	uint64_t begin = count_now();

	for (int i = 0; i < MESSAGES; i++) {
		need(ipcchan_reserve(from, length, &loan, IPCCHAN_NO_WAIT), "reserve");
		need(ipcchan_commit(from, &loan), "commit");
		need(ipcchan_receive(to, &message, IPCCHAN_NO_WAIT), "receive");
		need(ipcchan_release(to, &message), "release");
	}
	return count_since(begin);
}

static uint64_t send_part(struct ipcchan_port *port, size_t length)
{
	uint64_t begin = count_now();

	for (int i = 0; i < PART; i++)
		send_one(port, length);
	return count_since(begin);
}

static uint64_t receive_part(struct ipcchan_port *port)
{
	uint64_t begin = count_now();

	for (int i = 0; i < PART; i++)
		recv_one(port);
	return count_since(begin);
}

static uint64_t publish(void *what)
{
	struct group *group = what;
	uint64_t count = 0;

	for (int i = 0; i < MESSAGES / PART; i++) {
		count += send_part(group->active, group->length);
		for (unsigned int r = 0; r < group->nr_receivers; r++)
			receive_part(group->receivers[r]);
	}
	return count;
}

static uint64_t receive(void *what)
{
	struct group *group = what;
	uint64_t count = 0;

	for (int i = 0; i < MESSAGES / PART; i++) {
		send_part(group->active, group->length);
		count += receive_part(group->receivers[0]);
	}
	return count;
}

static const struct {
	const char *name;
	count_window *window;
	unsigned int senders;
	unsigned int receivers;
	size_t length;
} awake[] = {
	{ "send_receive_32", send_receive, 1, 1, 32 },
	{ "send_receive_64", send_receive, 1, 1, 64 },
	{ "in_place_4096", in_place, 1, 1, 4096 },
	{ "publish_1", publish, 1, 1, SMALL },
	{ "publish_64", publish, 1, 64, SMALL },
	{ "receive_1", receive, 1, 1, SMALL },
	{ "receive_64", receive, 64, 1, SMALL },
};

static void run_awake(void)
{
	for (size_t i = 0; i < sizeof(awake) / sizeof(awake[0]); i++) {
		static struct group group;

		open_group(&group, awake[i].senders, awake[i].receivers, awake[i].length);
		count_show(awake[i].name, count_median(awake[i].window, &group, WINDOWS), MESSAGES);
		close_group(&group);
	}
}

static uint64_t trips(void *what)
{
	const struct link *link = what;
	uint64_t begin = count_now();

	for (int i = 0; i < TRIPS; i++) {
		link->put(0, buffer);
		link->get(0, buffer);
	}
	return count_since(begin);
}

static void __attribute__((noreturn)) echo(const struct link *link)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	link->join(1);
	for (;;) {
		link->get(1, buffer);
		link->put(1, buffer);
	}
}

static void run_trips(const struct link *link)
{
	const struct sched_param param = { };
	pid_t pid;

	need(sched_setscheduler(0, SCHED_BATCH, &param) ? -errno : 0, "SCHED_BATCH");
	link->make();
	pid = fork();
	need(pid < 0 ? -1 : 0, "fork");
	if (!pid)
		echo(link);
	link->join(0);
	count_show(link->name, count_median(trips, (void *)link, TRIP_WINDOWS), TRIPS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	count_check();
	setvbuf(stdout, NULL, _IOLBF, 0);
	run_awake();
	run_queues();
	for (unsigned int i = 0; i < nr_links; i++)
		run_trips(&links[i]);
	return 0;
}
