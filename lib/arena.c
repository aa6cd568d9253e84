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
/* How many blocks of a class are compared for the best fit; when all else fails. */
#define LOOK		16
#define LOOK_HARD	1024
/* How many of those put aside last are looked at. */
#define LOOK_ASIDE	4

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

/* The smallest of the first @most blocks in a class that is large enough. */
static uint32_t best_of(const struct ipcchan_arena *a, struct class c, uint32_t size, int most)
{
	uint32_t n = a->bins[c.level][c.index];
	uint32_t best = NONE;

	for (; n != NONE && most; most--, n = a->nodes[n].next) {
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
	struct class own = class_of(size);
	struct class above = own;
	uint32_t n = best_of(a, own, size, LOOK);

	if (n != NONE)
		return n;
	if (next_class(a, &above))
		return best_of(a, above, size, LOOK);
	return best_of(a, own, size, LOOK_HARD);
}

/* Puts block @n between its neighbours, @before and @after. */
static void link(struct ipcchan_arena *a, uint32_t n, uint32_t before, uint32_t after)
{
	a->nodes[n].before = before;
	a->nodes[n].after = after;
	if (before != NONE)
		a->nodes[before].after = n;
	if (after != NONE)
		a->nodes[after].before = n;
}

/* Takes a block out from between its neighbours. */
static void unlink(struct ipcchan_arena *a, uint32_t n)
{
	uint32_t before = a->nodes[n].before;
	uint32_t after = a->nodes[n].after;

	if (before != NONE)
		a->nodes[before].after = after;
	if (after != NONE)
		a->nodes[after].before = before;
	node_put(a, n);
}

/* Gives a free block another place and size; mostly it keeps its class. */
static void move(struct ipcchan_arena *a, uint32_t n, uint32_t start, uint32_t size)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	struct class from = class_of(node->size);
	struct class to = class_of(size);
	bool stays = from.level == to.level && from.index == to.index;

	if (!stays)
		withdraw(a, n);
	node->start = start;
	node->size = size;
	if (!stays)
		insert(a, n);
}

/* The first @size granules of free block @n, or all of it. */
static uint32_t carve(struct ipcchan_arena *a, uint32_t n, uint32_t size)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	uint32_t taken = node->size > size ? node_new(a) : NONE;

	if (taken == NONE) {
		withdraw(a, n);
		return n;
	}
	a->nodes[taken].start = node->start;
	a->nodes[taken].size = size;
	link(a, taken, node->before, n);
	move(a, n, node->start + size, node->size - size);
	return taken;
}

static bool is_free(const struct ipcchan_arena *a, uint32_t n)
{
	return n != NONE && a->nodes[n].free;
}

/* Joined with what is free on either side. */
static void join(struct ipcchan_arena *a, uint32_t n)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	uint32_t before = node->before;
	uint32_t after = node->after;
	uint32_t size = node->size;

	if (is_free(a, before)) {
		if (is_free(a, after)) {
			size += a->nodes[after].size;
			withdraw(a, after);
			unlink(a, after);
		}
		unlink(a, n);
		move(a, before, a->nodes[before].start, a->nodes[before].size + size);
	} else if (is_free(a, after)) {
		move(a, after, node->start, a->nodes[after].size + size);
		unlink(a, n);
	} else {
		insert(a, n);
	}
}

/* The place of the @i-th from the newest that was put aside. */
static inline uint32_t *aside(struct ipcchan_arena *a, uint32_t i)
{
	return &a->aside[(a->nr_aside - 1 - i) % IPCCHAN_ARENA_ASIDE];
}

static inline uint32_t take_aside(struct ipcchan_arena *a, uint32_t size)
{
	for (uint32_t i = 0; i < LOOK_ASIDE; i++) {
		uint32_t *place = aside(a, i);
		uint32_t n = *place;

		if (n == NONE || a->nodes[n].size != size)
			continue;
		*place = *aside(a, 0);
		*aside(a, 0) = NONE;
		a->nr_aside--;
		return n;
	}
	return NONE;
}

/* Nothing is put aside any more; true if anything was. */
static bool join_aside(struct ipcchan_arena *a)
{
	bool any = false;

	for (uint32_t i = 0; i < IPCCHAN_ARENA_ASIDE; i++) {
		uint32_t n = a->aside[i];

		a->aside[i] = NONE;
		if (n == NONE)
			continue;
		join(a, n);
		any = true;
	}
	return any;
}

uint32_t ipcchan_arena_take(struct ipcchan_arena *a, uint64_t bytes)
{
	uint32_t size, n;

	/* what is more than all that is free need not be looked for */
	if (!bytes || bytes > ipcchan_arena_free(a))
		return NONE;
	size = granules(bytes);
	n = take_aside(a, size);
	if (n == NONE) {
		n = find(a, size);
		if (n == NONE && join_aside(a))
			n = find(a, size);
		if (n == NONE)
			return NONE;
		n = carve(a, n, size);
	}
	set_used(a, a->used + a->nodes[n].size);
	return n;
}

void ipcchan_arena_trim(struct ipcchan_arena *a, uint32_t n, uint64_t bytes)
{
	struct ipcchan_arena_node *node = &a->nodes[n];
	uint32_t size = granules(bytes);
	uint32_t rest = node->size > size ? node->size - size : 0;
	uint32_t r;

	if (!rest)
		return;
	if (is_free(a, node->after)) {
		r = node->after;
		move(a, r, node->start + size, rest + a->nodes[r].size);
	} else {
		r = node_new(a);
		if (r == NONE)
			return;		/* it stays longer: nothing is lost */
		a->nodes[r].start = node->start + size;
		a->nodes[r].size = rest;
		link(a, r, n, node->after);
		insert(a, r);
	}
	node->size = size;
	set_used(a, a->used - rest);
}

void ipcchan_arena_give(struct ipcchan_arena *a, uint32_t n)
{
	uint32_t *place;

	if (n == NONE)
		return;
	set_used(a, a->used - a->nodes[n].size);
	a->nr_aside++;
	place = aside(a, 0);
	if (*place != NONE)
		join(a, *place);
	*place = n;
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
static uint64_t nodes_needed(uint32_t size, uint64_t blocks)
{
	uint64_t n = 2 * blocks + 1;

	return n < size ? n : size;
}

int ipcchan_arena_init(struct ipcchan_arena *a, uint64_t bytes, uint32_t blocks)
{
	uint64_t nr;

	memset(a, 0, sizeof(*a));
	if (bytes < IPCCHAN_ARENA_GRANULE || bytes > IPCCHAN_ARENA_MAX || !blocks)
		return -EINVAL;
	a->granules = (uint32_t)(bytes / IPCCHAN_ARENA_GRANULE);
	nr = nodes_needed(a->granules, (uint64_t)blocks + IPCCHAN_ARENA_ASIDE);
	a->nodes = calloc(nr, sizeof(*a->nodes));
	if (!a->nodes)
		return -ENOMEM;

	memset(a->bins, 0xff, sizeof(a->bins));
	memset(a->aside, 0xff, sizeof(a->aside));
	a->spare = NONE;
	for (; nr; nr--)
		node_put(a, (uint32_t)nr - 1);

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
