/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The allocator of arena.h.
 *
 * A node is a block, taken or free, or spare. Blocks are linked with their
 * neighbours by address; free blocks with others of their class, spare nodes
 * with each other. Sizes and places are counted in granules.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define NONE	IPCCHAN_ARENA_NONE
#define LEVELS	IPCCHAN_ARENA_LEVELS
#define CLASSES	IPCCHAN_ARENA_CLASSES
#define CLASS_BITS	3
/* How many blocks of a class are compared for the best fit. */
#define LOOK	16

_Static_assert(CLASSES == 1 << CLASS_BITS, "one byte of classes a level");

struct ipcchan_arena_node {
	uint32_t start;
	uint32_t size;
	uint32_t before;	/* neighbours by address */
	uint32_t after;
	uint32_t previous;	/* in the class, if free */
	uint32_t next;		/* likewise; in the list of spares */
	bool free;
};

struct class {
	uint32_t level;
	uint32_t index;
};

/*
 * Level 0 has a class for each size below 8; level n the sizes from 2^(n+2) to
 * 2^(n+3) in eight steps.
 */
static struct class class_of(uint32_t size)
{
	uint32_t log = 31 - (uint32_t)__builtin_clz(size);

	if (log < CLASS_BITS)
		return (struct class){ 0, size };
	return (struct class){ log - CLASS_BITS + 1,
			       (size >> (log - CLASS_BITS)) - CLASSES };
}

static uint32_t granules(uint64_t bytes)
{
	return (uint32_t)((bytes + IPCCHAN_ARENA_GRANULE - 1) / IPCCHAN_ARENA_GRANULE);
}

static void set_used(struct ipcchan_arena *a, uint32_t used)
{
	__atomic_store_n(&a->used, used, __ATOMIC_RELAXED);
}

static uint32_t node_new(struct ipcchan_arena *a)
{
	uint32_t n = a->spare;

	if (n != NONE)
		a->spare = a->nodes[n].next;
	return n;
}

static void node_put(struct ipcchan_arena *a, uint32_t n)
{
	a->nodes[n].free = false;
	a->nodes[n].next = a->spare;
	a->spare = n;
}

static void insert(struct ipcchan_arena *a, uint32_t n)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	struct class c = class_of(node->size);
	uint32_t *bin = &a->bins[c.level][c.index];

	node->free = true;
	node->previous = NONE;
	node->next = *bin;
	if (*bin != NONE)
		a->nodes[*bin].previous = n;
	*bin = n;
	a->classes[c.level] |= (uint8_t)(1u << c.index);
	a->levels |= 1u << c.level;
}

static void clear_class(struct ipcchan_arena *a, struct class c)
{
	a->classes[c.level] &= (uint8_t)~(1u << c.index);
	if (!a->classes[c.level])
		a->levels &= ~(1u << c.level);
}

static void withdraw(struct ipcchan_arena *a, uint32_t n)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	struct class c = class_of(node->size);

	node->free = false;
	if (node->next != NONE)
		a->nodes[node->next].previous = node->previous;
	if (node->previous != NONE)
		a->nodes[node->previous].next = node->next;
	else
		a->bins[c.level][c.index] = node->next;
	if (a->bins[c.level][c.index] == NONE)
		clear_class(a, c);
}

/* The smallest of the first blocks in a class that is large enough. */
static uint32_t best_of(const struct ipcchan_arena *a, struct class c, uint32_t size)
{
	uint32_t n = a->bins[c.level][c.index];
	uint32_t best = NONE;

	for (int i = 0; n != NONE && i < LOOK; i++, n = a->nodes[n].next) {
		const struct ipcchan_arena_node *node = &a->nodes[n];

		if (node->size < size)
			continue;
		if (best == NONE || node->size < a->nodes[best].size)
			best = n;
	}
	return best;
}

/* The next class above @c with a free block: every block in it is larger. */
static bool next_class(const struct ipcchan_arena *a, struct class *c)
{
	uint32_t classes = a->classes[c->level] & ~((2u << c->index) - 1);
	uint32_t levels = a->levels & ~((2u << c->level) - 1);

	if (!classes) {
		if (!levels)
			return false;
		c->level = (uint32_t)__builtin_ctz(levels);
		classes = a->classes[c->level];
	}
	c->index = (uint32_t)__builtin_ctz(classes);
	return true;
}

static uint32_t find(const struct ipcchan_arena *a, uint32_t size)
{
	struct class c = class_of(size);
	uint32_t n = best_of(a, c, size);

	if (n == NONE && next_class(a, &c))
		n = best_of(a, c, size);
	return n;
}

/* Joins a block with the one after it. */
static void join(struct ipcchan_arena *a, uint32_t n)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	uint32_t gone = node->after;

	node->size += a->nodes[gone].size;
	node->after = a->nodes[gone].after;
	if (node->after != NONE)
		a->nodes[node->after].before = n;
	node_put(a, gone);
}

/* Makes what lies behind the first @size granules of a taken block free. */
static void split(struct ipcchan_arena *a, uint32_t n, uint32_t size)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	uint32_t r;

	if (node->size == size)
		return;
	r = node_new(a);
	if (r == NONE)
		return;		/* the block stays larger: nothing is lost */
	a->nodes[r].start = node->start + size;
	a->nodes[r].size = node->size - size;
	a->nodes[r].before = n;
	a->nodes[r].after = node->after;
	if (node->after != NONE)
		a->nodes[node->after].before = r;
	node->after = r;
	node->size = size;
	if (a->nodes[r].after != NONE && a->nodes[a->nodes[r].after].free) {
		withdraw(a, a->nodes[r].after);
		join(a, r);
	}
	insert(a, r);
}

uint32_t ipcchan_arena_take(struct ipcchan_arena *a, uint64_t bytes)
{
	uint32_t size, n;

	if (!bytes || bytes > (uint64_t)a->granules * IPCCHAN_ARENA_GRANULE)
		return NONE;
	size = granules(bytes);
	n = find(a, size);
	if (n == NONE)
		return NONE;
	withdraw(a, n);
	split(a, n, size);
	set_used(a, a->used + a->nodes[n].size);
	return n;
}

void ipcchan_arena_trim(struct ipcchan_arena *a, uint32_t n, uint64_t bytes)
{
	uint32_t size = granules(bytes);
	uint32_t had = a->nodes[n].size;

	if (size >= had)
		return;
	split(a, n, size);
	set_used(a, a->used - (had - a->nodes[n].size));
}

void ipcchan_arena_give(struct ipcchan_arena *a, uint32_t n)
{
	uint32_t neighbour;

	if (n == NONE)
		return;
	set_used(a, a->used - a->nodes[n].size);
	neighbour = a->nodes[n].after;
	if (neighbour != NONE && a->nodes[neighbour].free) {
		withdraw(a, neighbour);
		join(a, n);
	}
	neighbour = a->nodes[n].before;
	if (neighbour != NONE && a->nodes[neighbour].free) {
		withdraw(a, neighbour);
		join(a, neighbour);
		n = neighbour;
	}
	insert(a, n);
}

uint64_t ipcchan_arena_offset(const struct ipcchan_arena *a, uint32_t n)
{
	return (uint64_t)a->nodes[n].start * IPCCHAN_ARENA_GRANULE;
}

uint64_t ipcchan_arena_used(const struct ipcchan_arena *a)
{
	return (uint64_t)__atomic_load_n(&a->used, __ATOMIC_RELAXED) *
	       IPCCHAN_ARENA_GRANULE;
}

/* Free blocks never lie side by side, so there is at most one more of them. */
static uint64_t nodes_needed(uint32_t size, uint32_t blocks)
{
	uint64_t n = 2 * (uint64_t)blocks + 1;

	return n < size ? n : size;
}

int ipcchan_arena_init(struct ipcchan_arena *a, uint64_t bytes, uint32_t blocks)
{
	uint64_t nr;

	memset(a, 0, sizeof(*a));
	if (bytes < IPCCHAN_ARENA_GRANULE || bytes > IPCCHAN_ARENA_MAX || !blocks)
		return -EINVAL;
	a->granules = (uint32_t)(bytes / IPCCHAN_ARENA_GRANULE);
	nr = nodes_needed(a->granules, blocks);
	a->nodes = calloc(nr, sizeof(*a->nodes));
	if (!a->nodes)
		return -ENOMEM;

	memset(a->bins, 0xff, sizeof(a->bins));
	a->spare = NONE;
	while (nr)
		node_put(a, (uint32_t)--nr);

	uint32_t n = node_new(a);

	a->nodes[n].size = a->granules;
	a->nodes[n].before = NONE;
	a->nodes[n].after = NONE;
	insert(a, n);
	return 0;
}

void ipcchan_arena_destroy(struct ipcchan_arena *a)
{
	free(a->nodes);
	a->nodes = NULL;
}
