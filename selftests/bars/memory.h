/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: how much memory the kernel has in use, and for what
 *
 * The total is the truth: pages that are not free, wherever they went. Pages
 * that wait on a processor's own lists count as free, or a figure would be off
 * by what happens to lie there. The parts are what the kernel itself tells; no
 * part tells of the pages a module takes for itself, which are in the rest.
 */
#ifndef BARS_MEMORY_H
#define BARS_MEMORY_H

#include <stdint.h>

#define MEMORY_CACHES	400

struct memory_cache {
	char name[40];
	uint64_t objects;
	uint64_t size;		/* of one */
};

/* All in bytes. */
struct memory {
	int64_t used;
	int64_t user;		/* anonymous pages of programs */
	int64_t slab;		/* whole pages */
	int64_t page_tables;
	int64_t percpu;
	int64_t regions;	/* by the module's own accounts */
	unsigned int nr_caches;
	struct memory_cache caches[MEMORY_CACHES];
};

/* Waits until what was freed is free, and looks. */
void memory_read(struct memory *memory);

#endif
