// SPDX-License-Identifier: GPL-2.0
/* The two processes of the bars, and the words they share. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bars.h"

#define MAX_ROWS	64
#define OVER		UINT32_MAX	/* in place of a row: no more jobs */

struct board *board;
uint64_t window_ns = 20000000;
int processors[2] = { -1, -1 };
bool is_peer;

static const struct row *rows;
static bool opened[MAX_ROWS];
static int orders[2];
static pid_t peer;

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bars: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	_exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void find_processors(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity: %s", strerror(errno));
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
		if (CPU_ISSET(i, &set))
			processors[n++] = i;
	}
}

static void go_to(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot have processor %d: %s", processor, strerror(errno));
}

/* Before ports are opened: what a port learns of processors it learns here. */
static void prepare(uint32_t i)
{
	go_to(processors[is_peer && rows[i].place == APART]);
	if (!opened[i] && rows[i].open)
		rows[i].open(&rows[i]);
	opened[i] = true;
}

static void work(void)
{
	uint32_t i;

	while (read(orders[0], &i, sizeof(i)) == sizeof(i) && i != OVER) {
		prepare(i);
		store_release(&board->ready, 1);
		rows[i].job(&rows[i]);
		store_release(&board->ready, 0);
	}
	_exit(0);
}

static void order(uint32_t i)
{
	if (write(orders[1], &i, sizeof(i)) != sizeof(i))
		die("the peer has gone");
}

/* Else the parent would wait for it for ever. */
static void lost(int number)
{
	static const char text[] = "bars: the peer has died\n";

	(void)number;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

void pair_start(const struct row *all, size_t n)
{
	if (n > MAX_ROWS)
		die("more than %d rows", MAX_ROWS);
	rows = all;
	find_processors();
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (board == MAP_FAILED || pipe(orders))
		die("%s", strerror(errno));
	device_begin();
	peers_make();
	signal(SIGCHLD, lost);
	peer = fork();
	if (peer < 0)
		die("fork: %s", strerror(errno));
	if (peer)
		return;
	is_peer = true;
	close(orders[1]);	/* a parent that dies ends it */
	work();
}

void pair_stop(void)
{
	int status;

	signal(SIGCHLD, SIG_DFL);
	order(OVER);
	if (waitpid(peer, &status, 0) != peer || status)
		die("the peer failed");
}

/** pair_can() - has the machine what the row asks for? */
bool pair_can(const struct row *row)
{
	return (row->place != APART || processors[1] >= 0) &&
	       (!row->wants_module || device_is_module);
}

/*
 * On one processor the peer has to be let run. That it has gone back to sleep is
 * for the next order to wait for: it is not in anybody's way.
 */
static void await_peer(uint64_t ready)
{
	while (load_acquire(&board->ready) != ready)
		sched_yield();
}

/** pair_measure() - one window of a row */
double pair_measure(const struct row *row)
{
	uint32_t i = (uint32_t)(row - rows);
	double ns;

	prepare(i);
	if (!row->job)
		return row->measure(row);
	order(i);
	await_peer(1);
	ns = row->measure(row);
	await_peer(0);
	return ns;
}
