/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * An allocator of blocks in a stretch of memory that it never touches.
 *
 * DOC: two-level segregated fit, kept outside
 *
 * What is free is known from private nodes alone, so a stretch that others can
 * see, or even write, gives them no hold on the allocator. Free blocks stand
 * in classes, 8 to each power of two; two levels of bit maps find the next
 * class that is not empty. Taking looks at a fixed number of blocks at most.
 *
 * A block given back is put aside first, for who wants the same size again;
 * when others push it out, or nothing else is found, it is joined with its free
 * neighbours.
 *
 * All nodes are allocated by ipcchan_arena_init(), and nothing after it.
 *
 * One thread at a time; ipcchan_arena_used() from any.
 */
#ifndef IPCCHAN_ARENA_H
#define IPCCHAN_ARENA_H

#include <stdint.h>

#define IPCCHAN_ARENA_NONE	UINT32_MAX	/* no block */
#define IPCCHAN_ARENA_GRANULE	64u		/* bytes; blocks are multiples */
#define IPCCHAN_ARENA_MAX	(1ull << 37)	/* bytes */

#define IPCCHAN_ARENA_LEVELS	30
#define IPCCHAN_ARENA_CLASSES	8
#define IPCCHAN_ARENA_ASIDE	16

struct ipcchan_arena_node;

struct ipcchan_arena {
	/* constant */
	struct ipcchan_arena_node *nodes;
	uint32_t granules;

	uint32_t used;		/* granules; stored atomically */
	uint32_t spare;		/* list of nodes that are no block */
	uint32_t levels;	/* a bit for each level with a free block */
	uint32_t nr_aside;	/* ever put aside or taken from there: the next is at it */
	uint32_t aside[IPCCHAN_ARENA_ASIDE];	/* blocks, or IPCCHAN_ARENA_NONE */
	uint8_t classes[IPCCHAN_ARENA_LEVELS];	/* likewise for each class */
	uint32_t bins[IPCCHAN_ARENA_LEVELS][IPCCHAN_ARENA_CLASSES];
};

/**
 * ipcchan_arena_init() - begin with everything free
 * @bytes:	of the stretch; less than a granule at its end is left out
 * @blocks:	most blocks that will be taken at a time
 *
 * -ENOMEM; -EINVAL nothing to give out, or too much.
 */
int ipcchan_arena_init(struct ipcchan_arena *arena, uint64_t bytes, uint32_t blocks);

/** ipcchan_arena_destroy() - free the nodes */
void ipcchan_arena_destroy(struct ipcchan_arena *arena);

/**
 * ipcchan_arena_take() - take a block
 * @bytes:	at least 1
 *
 * Returns the block, or IPCCHAN_ARENA_NONE.
 */
uint32_t ipcchan_arena_take(struct ipcchan_arena *arena, uint64_t bytes);

/** ipcchan_arena_trim() - keep the first @bytes (at least 1) of a block */
void ipcchan_arena_trim(struct ipcchan_arena *arena, uint32_t block, uint64_t bytes);

/** ipcchan_arena_give() - give a block back; IPCCHAN_ARENA_NONE is allowed */
void ipcchan_arena_give(struct ipcchan_arena *arena, uint32_t block);

/** ipcchan_arena_offset() - where a block begins, bytes */
uint64_t ipcchan_arena_offset(const struct ipcchan_arena *arena, uint32_t block);

/** ipcchan_arena_free() - bytes not taken now, wherever they are */
static inline uint64_t ipcchan_arena_free(const struct ipcchan_arena *arena)
{
	return (uint64_t)(arena->granules - arena->used) * IPCCHAN_ARENA_GRANULE;
}

/** ipcchan_arena_used() - bytes taken now */
uint64_t ipcchan_arena_used(const struct ipcchan_arena *arena);

#endif /* IPCCHAN_ARENA_H */
