// SPDX-License-Identifier: GPL-2.0
/*
 * footprint: the memory that a small idle channel with one sender and one
 * receiver takes in the kernel. Prints the parts, and one test: that their sum
 * is within bounds. The processes are not counted: this one opens all ports.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <linux/ipcchan.h>

#include <ipcchan.h>

#include "count.h"
#include "memory.h"

#define CHANNELS	512
/* The first ones fill what the kernel has begun and not used up. */
#define BEFORE		128
#define LIMIT		(32 * 1024)
#define AIM		(24 * 1024)

static struct ipcchan_port *senders[BEFORE + CHANNELS];
static struct ipcchan_port *receivers[BEFORE + CHANNELS];

static void open_channel(int n)
{
	struct ipcchan_options options;
	char name[IPCCHAN_NAME_SIZE];

	snprintf(name, sizeof(name), "footprint.%d", n);
	ipcchan_options_init(&options);
	options.flags |= IPCCHAN_OPEN_CREATE;
	options.depth = 8;
	options.arena = IPCCHAN_MIN_ARENA;
	options.senders = 1;
	options.receivers = 1;
	options.holds = 4;
	need(ipcchan_open(&senders[n], name, IPCCHAN_ROLE_SEND, &options, NULL), "open");
	need(ipcchan_open(&receivers[n], name, IPCCHAN_ROLE_RECEIVE, &options, NULL), "open");
}

/* So that every page that is used is there. */
static void use_channel(int n)
{
	char message[8] = "";

	for (int i = 0; i < 16; i++) {
		need(ipcchan_send(senders[n], message, sizeof(message), IPCCHAN_NO_WAIT), "send");
		need((int)ipcchan_recv(receivers[n], message, sizeof(message), NULL,
				       IPCCHAN_NO_WAIT), "recv");
	}
}

static void open_channels(int from, int to)
{
	for (int n = from; n < to; n++) {
		open_channel(n);
		use_channel(n);
	}
}

static void show(const char *what, int64_t bytes)
{
	printf("# %-32s %8.0f\n", what, (double)bytes / CHANNELS);
}

/* Caches by name: which objects, and how many a channel. */
static void show_caches(const struct memory *before, const struct memory *after)
{
	for (unsigned int i = 0; i < after->nr_caches && i < before->nr_caches; i++) {
		const struct memory_cache *a = &before->caches[i], *b = &after->caches[i];
		int64_t more = (int64_t)(b->objects - a->objects);

		if (!strcmp(a->name, b->name) && more >= CHANNELS / 4)
			printf("#   %-30s %8.0f  %.2f of %llu\n", b->name,
			       (double)more * (double)b->size / CHANNELS,
			       (double)more / CHANNELS, (unsigned long long)b->size);
	}
}

static int64_t show_parts(const struct memory *before, const struct memory *after)
{
	int64_t user = after->user - before->user;
	int64_t all = after->used - before->used - user;
	int64_t slab = after->slab - before->slab;
	int64_t page_tables = after->page_tables - before->page_tables;
	int64_t percpu = after->percpu - before->percpu;
	int64_t regions = after->regions - before->regions;

	printf("# bytes for each channel with one sender and one receiver\n");
	show("regions", regions);
	show("slabs, in whole pages", slab);
	show_caches(before, after);
	show("page tables", page_tables);
	show("per-cpu memory", percpu);
	show("rest", all - regions - slab - page_tables - percpu);
	show("all", all);
	show("the library's own, not counted", user);
	return all / CHANNELS;
}

static void raise_limits(void)
{
	struct rlimit files = { 8 * (BEFORE + CHANNELS), 8 * (BEFORE + CHANNELS) };

	if (setrlimit(RLIMIT_NOFILE, &files))
		perror("setrlimit");
}

int main(void)
{
	static struct memory before, after;
	int64_t bytes;

	raise_limits();
	open_channels(0, BEFORE);
	memory_read(&before);
	open_channels(BEFORE, BEFORE + CHANNELS);
	memory_read(&after);
	bytes = show_parts(&before, &after);
	printf("1..1\n%s 1 an idle channel: %lld bytes, at most %d, aim %d\n",
	       bytes <= LIMIT ? "ok" : "not ok", (long long)bytes, LIMIT, AIM);
	return bytes > LIMIT;
}
