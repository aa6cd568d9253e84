/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory: the module's objects, and pages for processes.
 *
 * Objects come in powers of two, with a header before each; what is free of a
 * size is a list. An address sanitizer is told what is free, as long as there is
 * one process: it does not know what another frees.
 */
#include "machine.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>

#if defined(__has_feature)
#define SIM_ASAN	__has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN	1
#else
#define SIM_ASAN	0
#endif

#if SIM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)		((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n)	((void)(p), (void)(n))
#endif

#define SMALLEST	32u

struct header {
	u64 class;
	u64 reserved;		/* objects are aligned to 16 */
};

static u8 *at(u64 offset)
{
	return (u8 *)sim_machine + offset;
}

static u64 size_of(u64 class)
{
	return (u64)SMALLEST << class;
}

static u64 class_of(size_t size)
{
	u64 class = 0;

	while (size_of(class) < size)
		class++;
	SIM_ASSERT(class < SIM_SIZES);
	return class;
}

/* The first word of what is free leads to the next. */
static struct header *take(u64 class)
{
	struct sim_machine *m = sim_machine;
	struct header *h = m->heap_free[class];

	if (h) {
		ASAN_UNPOISON_MEMORY_REGION(h, sizeof(*h) + size_of(class));
		memcpy(&m->heap_free[class], h + 1, sizeof(void *));
		return h;
	}
	h = (struct header *)at(m->heap_next);
	m->heap_next += sizeof(*h) + size_of(class);
	SIM_ASSERT(m->heap_next <= SIM_HEAP_END);
	return h;
}

void *sim_alloc(size_t size)
{
	struct header *h = take(class_of(size));
	u64 class = class_of(size);

	h->class = class;
	memset(h + 1, 0, size);
	if (!sim_machine->forked)
		ASAN_POISON_MEMORY_REGION((u8 *)(h + 1) + size, size_of(class) - size);
	return h + 1;
}

void sim_free(const void *p)
{
	struct header *h;
	u64 class;

	if (!p)
		return;
	h = (struct header *)(uintptr_t)p - 1;
	class = h->class;
	SIM_ASSERT(class < SIM_SIZES);
	ASAN_UNPOISON_MEMORY_REGION(h + 1, size_of(class));
	memcpy(h + 1, &sim_machine->heap_free[class], sizeof(void *));
	h->class = SIM_SIZES;		/* freeing twice is found */
	sim_machine->heap_free[class] = h;
	if (!sim_machine->forked)
		ASAN_POISON_MEMORY_REGION(h, sizeof(*h) + size_of(class));
}

/* From now on another process takes and frees, too. */
static void before_fork(void)
{
	if (!sim_machine)
		return;
	sim_lock();
	sim_machine->forked = true;
	ASAN_UNPOISON_MEMORY_REGION(at(0), SIM_HEAP_END);
	sim_unlock();
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, NULL, NULL);
}

void sim_heap_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sim_machine *m = sim_machine;

	pthread_once(&once, watch_forks);
	ASAN_UNPOISON_MEMORY_REGION(at(0), SIM_HEAP_END);
	m->heap_next = ipcchan_round_up(sizeof(*m), PAGE_SIZE);
	m->extents[0] = (struct sim_extent){
		.page = SIM_HEAP_END >> PAGE_SHIFT,
		.nr = (SIM_SIZE - SIM_HEAP_END) >> PAGE_SHIFT,
	};
	m->nr_extents = 1;
	m->limbo = sim_pages_alloc(4 * PAGE_SIZE);
}

static void remove_extent(u32 i)
{
	struct sim_machine *m = sim_machine;

	m->nr_extents--;
	memmove(&m->extents[i], &m->extents[i + 1], (m->nr_extents - i) * sizeof(m->extents[0]));
}

/* Zeroed, side by side; NULL: there are no more. */
u8 *sim_pages_alloc(u64 size)
{
	struct sim_machine *m = sim_machine;
	u64 nr = ipcchan_round_up(size, PAGE_SIZE) >> PAGE_SHIFT;

	for (u32 i = 0; i < m->nr_extents; i++) {
		struct sim_extent *e = &m->extents[i];
		u64 page = e->page;

		if (e->nr < nr)
			continue;
		e->page += nr;
		e->nr -= nr;
		if (!e->nr)
			remove_extent(i);
		return at(page << PAGE_SHIFT);
	}
	return NULL;
}

/* The extents are by ascending page, and never touch. */
static void insert_extent(u64 page, u64 nr)
{
	struct sim_machine *m = sim_machine;
	u32 i = 0;

	while (i < m->nr_extents && m->extents[i].page < page)
		i++;
	SIM_ASSERT(m->nr_extents < SIM_EXTENTS);
	memmove(&m->extents[i + 1], &m->extents[i], (m->nr_extents - i) * sizeof(m->extents[0]));
	m->extents[i] = (struct sim_extent){ .page = page, .nr = nr };
	m->nr_extents++;
	if (i + 1 < m->nr_extents && page + nr == m->extents[i + 1].page) {
		m->extents[i].nr += m->extents[i + 1].nr;
		remove_extent(i + 1);
	}
	if (i && m->extents[i - 1].page + m->extents[i - 1].nr == page) {
		m->extents[i - 1].nr += m->extents[i].nr;
		remove_extent(i);
	}
}

void sim_pages_free(u8 *pages, u64 size)
{
	if (!pages)
		return;
	size = ipcchan_round_up(size, PAGE_SIZE);
	sim_pages_clear(pages, size);
	insert_extent((u64)(pages - at(0)) >> PAGE_SHIFT, size >> PAGE_SHIFT);
}

/* Zeros, at once, wherever they are mapped; and the memory is given back. */
void sim_pages_clear(u8 *pages, u64 size)
{
	SIM_ASSERT(!fallocate(sim_memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      pages - at(0), (off_t)size));
}
