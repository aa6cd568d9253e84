// SPDX-License-Identifier: GPL-2.0
/* The two processes of the layout prototype, and the memory they share. */
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

#include "layout.h"
#include "layout_ring.h"

#define PAGE		4096u
#define OUTBOX_SIZE	(9 * PAGE)		/* header and the largest ring */
#define RECEIPTS_SIZE	PAGE
#define ARENA_SIZE	(1u << 20)		/* the library's default ... */
#define ARENA_MESSAGES	8u			/* ... or room for so many */
#define ARENA_MAX	(ARENA_MESSAGES * MAX_MESSAGE)

struct order {
	job *job;	/* NULL: it is over */
	size_t length;
	uint32_t receivers;
};

struct link links[2];
struct board *board;
uint8_t *source;
uint8_t *target;
uint64_t window_ns;
uint32_t nr_receivers = 1;

static int orders[2];
static pid_t child;

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "layout: ");
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

static void *shared(size_t size)
{
	int fd = memfd_create("layout", MFD_CLOEXEC);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)size))
		die("memfd: %s", strerror(errno));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	close(fd);
	return p;
}

/* Regions of their own, as ports have: so lines of receivers alias as theirs do. */
static void make_link(struct link *link)
{
	/* the ring, after the header, begins at a pair of lines */
	link->outbox = shared(OUTBOX_SIZE);
	link->arena = shared(ARENA_MAX);
	link->roster = shared(PAGE);
	for (uint32_t i = 0; i < MAX_RECEIVERS; i++)
		link->receipts[i] = shared(RECEIPTS_SIZE);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot have processor %d: %s", cpu, strerror(errno));
}

static void make_private(void)
{
	source = aligned_alloc(PAGE, MAX_MESSAGE);
	target = aligned_alloc(PAGE, MAX_MESSAGE);
	if (!source || !target)
		die("no memory");
	for (size_t i = 0; i < MAX_MESSAGE; i++)
		source[i] = (uint8_t)(i * 7 + i / 251);
	memset(target, 0, MAX_MESSAGE);
}

/* Known to both: small messages have the library's default arena. */
static void size_arenas(size_t length)
{
	size_t size = ARENA_MESSAGES * length;

	links[0].arena_size = size < ARENA_SIZE ? ARENA_SIZE : size;
	links[1].arena_size = links[0].arena_size;
}

static void work(void)
{
	struct order order;

	while (read(orders[0], &order, sizeof(order)) == sizeof(order) && order.job) {
		nr_receivers = order.receivers;
		size_arenas(order.length);
		store_release(&board->ready, 1);
		order.job(order.length);
		store_release(&board->ready, 0);
	}
	_exit(0);
}

/* Else the parent would wait for it for ever. */
static void lost(int number)
{
	(void)number;
	_exit(1);
}

void peer_start(void)
{
	make_link(&links[0]);
	make_link(&links[1]);
	board = shared(sizeof(*board));
	if (pipe(orders))
		die("pipe: %s", strerror(errno));
	signal(SIGCHLD, lost);
	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	make_private();
	pin(!child);
	if (!child) {
		close(orders[1]);	/* a parent that dies ends it */
		work();
	}
}

void peer_stop(void)
{
	struct order order = { 0 };
	int status;

	signal(SIGCHLD, SIG_DFL);
	if (write(orders[1], &order, sizeof(order)) != sizeof(order) ||
	    waitpid(child, &status, 0) != child || status)
		die("the peer failed");
}

static void clear(struct link *link)
{
	memset(link->outbox, 0, OUTBOX_SIZE);
	memset(link->roster, 0, sizeof(*link->roster));
	for (uint32_t i = 0; i < MAX_RECEIVERS; i++)
		memset(link->receipts[i], 0, RECEIPTS_SIZE);
	link->roster->receiver_generation = 1;
	link->roster->sender_generation = 1;
}

void links_clear(size_t length)
{
	size_arenas(length);
	clear(&links[0]);
	clear(&links[1]);
	memset(board, 0, sizeof(*board));
	memset(target, 0, length);
}

/* Gives the child a job and waits until it has begun. */
void peer_begin(job *job, size_t length)
{
	struct order order = { .job = job, .length = length, .receivers = nr_receivers };

	links_clear(length);
	if (write(orders[1], &order, sizeof(order)) != sizeof(order))
		die("the peer has gone");
	while (!load_acquire(&board->ready))
		relax();
}

void peer_end(void)
{
	while (load_acquire(&board->ready))
		relax();
}

/* Did the payload come through? The two sources are alike. */
void target_check(size_t length)
{
	if (memcmp(source, target, length))
		die("a payload of %zu bytes was not what was sent", length);
}
