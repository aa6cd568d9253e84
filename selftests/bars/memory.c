// SPDX-License-Identifier: GPL-2.0
/* What /proc tells about memory: see memory.h. */
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"

static int64_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static FILE *must_open(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void read_meminfo(struct memory *memory)
{
	FILE *file = must_open("/proc/meminfo");
	char name[64];
	long long kib, total = 0;

	while (fscanf(file, "%63[^:]: %lld%*[^\n]\n", name, &kib) == 2) {
		if (!strcmp(name, "MemTotal"))
			total = kib * 1024;
		else if (!strcmp(name, "MemFree"))
			memory->used = total - kib * 1024;
		else if (!strcmp(name, "AnonPages"))
			memory->user = kib * 1024;
		else if (!strcmp(name, "Slab"))
			memory->slab = kib * 1024;
		else if (!strcmp(name, "PageTables"))
			memory->page_tables = kib * 1024;
		else if (!strcmp(name, "Percpu"))
			memory->percpu = kib * 1024;
	}
	fclose(file);
}

/* Free pages on the processors' own lists. */
static int64_t read_lists(void)
{
	FILE *file = must_open("/proc/zoneinfo");
	char line[256];
	long long count, pages = 0;

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %lld", &count) == 1)
			pages += count;
	fclose(file);
	return pages * page_size();
}

static void read_caches(struct memory *memory)
{
	FILE *file = must_open("/proc/slabinfo");
	char line[512];

	memory->nr_caches = 0;
	while (memory->nr_caches < MEMORY_CACHES && fgets(line, sizeof(line), file)) {
		struct memory_cache *cache = &memory->caches[memory->nr_caches];
		unsigned long long objects, size;

		if (sscanf(line, "%39s %llu %*u %llu", cache->name, &objects, &size) != 3)
			continue;
		cache->objects = objects;
		cache->size = size;
		memory->nr_caches++;
	}
	fclose(file);
}

static int64_t read_regions(void)
{
	FILE *file = must_open("/sys/module/ipcchan/parameters/bytes");
	long long bytes;

	if (fscanf(file, "%lld", &bytes) != 1)
		bytes = 0;
	fclose(file);
	return bytes;
}

void memory_read(struct memory *memory)
{
	for (int i = 0; i < 5; i++) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		usleep(200000);
	}
	/* what opening and reading these takes is then there both times */
	for (int i = 0; i < 2; i++) {
		read_caches(memory);
		memory->regions = read_regions();
		read_meminfo(memory);
		memory->used -= read_lists();
	}
}
