/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The allocator: waste, overlap, joining, exhaustion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

#define MIB	(1ull << 20)
#define LONGEST	(64u << 10)

/* What is taken: a message in the order of sending. */
struct block {
	uint32_t id;
	uint32_t bytes;
};

struct load {
	struct ipcchan_arena arena;
	uint64_t size;
	struct block *blocks;
	uint32_t nr;
	uint64_t bytes;
	uint64_t random;
};

static uint64_t next(struct load *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->random;
}

/* As many small messages as large ones: every power of two is as likely. */
static uint32_t mixed(struct load *l)
{
	uint32_t power = 64u << next(l) % 10;

	return power + (uint32_t)(next(l) % power) + 1;
}

static uint32_t even(struct load *l)
{
	return 64 + (uint32_t)(next(l) % (LONGEST - 63));
}

static void begin(struct load *l, uint64_t size, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->size = size;
	l->random = seed * 7919 + 1;
	l->blocks = calloc(size / 64, sizeof(*l->blocks));
	assert_non_null(l->blocks);
	assert_int_equal(ipcchan_arena_init(&l->arena, size, (uint32_t)(size / 64)), 0);
}

static void end(struct load *l)
{
	ipcchan_arena_destroy(&l->arena);
	free(l->blocks);
}

static int by_offset(const void *a, const void *b, void *arena)
{
	uint64_t x = ipcchan_arena_offset(arena, ((const struct block *)a)->id);
	uint64_t y = ipcchan_arena_offset(arena, ((const struct block *)b)->id);

	return x < y ? -1 : x > y;
}

static void assert_apart(struct load *l)
{
	uint64_t end = 0;
	struct block *sorted = malloc((l->nr + 1) * sizeof(*sorted));

	assert_non_null(sorted);
	memcpy(sorted, l->blocks, l->nr * sizeof(*sorted));
	qsort_r(sorted, l->nr, sizeof(*sorted), by_offset, &l->arena);
	for (uint32_t i = 0; i < l->nr; i++) {
		uint64_t offset = ipcchan_arena_offset(&l->arena, sorted[i].id);

		assert_true(offset >= end && offset % IPCCHAN_ARENA_GRANULE == 0);
		end = offset + sorted[i].bytes;
	}
	assert_true(end <= l->size);
	free(sorted);
}

static void fill(struct load *l, uint32_t (*size)(struct load *))
{
	for (;;) {
		uint32_t bytes = size(l);
		uint32_t id = ipcchan_arena_take(&l->arena, bytes);

		if (id == IPCCHAN_ARENA_NONE)
			return;
		l->blocks[l->nr++] = (struct block){ id, bytes };
		l->bytes += bytes;
	}
}

static void give(struct load *l, uint32_t i)
{
	ipcchan_arena_give(&l->arena, l->blocks[i].id);
	l->bytes -= l->blocks[i].bytes;
	l->blocks[i].id = IPCCHAN_ARENA_NONE;
}

static void pack(struct load *l)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->nr; i++) {
		if (l->blocks[i].id != IPCCHAN_ARENA_NONE)
			l->blocks[kept++] = l->blocks[i];
	}
	l->nr = kept;
}

/* The older half, as receivers that keep pace do. */
static void give_oldest(struct load *l)
{
	for (uint32_t i = 0; i < l->nr / 2; i++)
		give(l, i);
	pack(l);
}

/* The older half but for some that are held. */
static void give_most(struct load *l)
{
	for (uint32_t i = 0; i < l->nr / 2; i++) {
		if (next(l) % 8)
			give(l, i);
	}
	pack(l);
}

static void give_random(struct load *l)
{
	for (uint32_t i = 0; i < l->nr; i++) {
		if (next(l) % 2)
			give(l, i);
	}
	pack(l);
}

static void assert_waste(struct load *l)
{
	uint64_t waste = l->size - l->bytes;

	if (waste * 8 > l->size)
		print_message("# %llu of %llu bytes wasted\n", (unsigned long long)waste,
			      (unsigned long long)l->size);
	assert_true(waste * 8 <= l->size);
}

static void assert_whole(struct load *l)
{
	uint32_t id;

	assert_int_equal(ipcchan_arena_used(&l->arena), 0);
	id = ipcchan_arena_take(&l->arena, l->size);
	assert_int_not_equal(id, IPCCHAN_ARENA_NONE);
	assert_int_equal(ipcchan_arena_offset(&l->arena, id), 0);
	assert_int_equal(ipcchan_arena_used(&l->arena), l->size);
	assert_int_equal(ipcchan_arena_take(&l->arena, 1), IPCCHAN_ARENA_NONE);
	ipcchan_arena_give(&l->arena, id);
}

static void empty(struct load *l)
{
	while (l->nr) {
		uint32_t i = (uint32_t)(next(l) % l->nr);

		give(l, i);
		l->blocks[i] = l->blocks[--l->nr];
	}
}

static void churn(uint64_t size, uint32_t (*mix)(struct load *), void (*some)(struct load *))
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct load l;

		begin(&l, size, seed);
		fill(&l, mix);
		assert_waste(&l);
		for (int round = 0; round < 20; round++) {
			some(&l);
			fill(&l, mix);
			assert_waste(&l);
		}
		assert_apart(&l);
		empty(&l);
		assert_whole(&l);
		end(&l);
	}
}

static void wastes_little_in_order(void **state)
{
	(void)state;
	churn(MIB, mixed, give_oldest);
	churn(MIB, even, give_oldest);
	churn(16 * MIB, mixed, give_oldest);
}

static void wastes_little_when_some_are_held(void **state)
{
	(void)state;
	churn(16 * MIB, mixed, give_most);
	churn(16 * MIB, even, give_most);
}

static void wastes_little_at_random(void **state)
{
	(void)state;
	churn(16 * MIB, mixed, give_random);
	churn(16 * MIB, even, give_random);
}

static void rounds_up_to_granules_only(void **state)
{
	struct load l;

	(void)state;
	begin(&l, MIB, 1);
	for (uint32_t bytes = 1; bytes <= LONGEST; bytes += 61) {
		uint32_t id = ipcchan_arena_take(&l.arena, bytes);

		assert_int_equal(ipcchan_arena_used(&l.arena), (bytes + 63) / 64 * 64);
		ipcchan_arena_give(&l.arena, id);
	}
	assert_whole(&l);
	end(&l);
}

static void takes_every_granule(void **state)
{
	struct load l;

	(void)state;
	begin(&l, MIB, 1);
	for (uint64_t i = 0; i < MIB / 64; i++) {
		l.blocks[l.nr].id = ipcchan_arena_take(&l.arena, 1);
		assert_int_not_equal(l.blocks[l.nr].id, IPCCHAN_ARENA_NONE);
		l.blocks[l.nr++].bytes = 1;
	}
	assert_int_equal(ipcchan_arena_take(&l.arena, 1), IPCCHAN_ARENA_NONE);
	assert_apart(&l);
	empty(&l);
	assert_whole(&l);
	end(&l);
}

/* The pool of nodes lasts for the number of blocks that was asked for. */
static void keeps_nodes_enough(void **state)
{
	struct ipcchan_arena a;
	uint32_t ids[100];

	(void)state;
	assert_int_equal(ipcchan_arena_init(&a, MIB, 100), 0);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 100; i++) {
			ids[i] = ipcchan_arena_take(&a, 64 * (1 + (round * 7 + i * 13) % 100));
			assert_int_not_equal(ids[i], IPCCHAN_ARENA_NONE);
		}
		for (int i = 0; i < 100; i++)
			ipcchan_arena_give(&a, ids[(i * 37) % 100]);
		assert_int_equal(ipcchan_arena_used(&a), 0);
	}
	ipcchan_arena_destroy(&a);
}

static void trims(void **state)
{
	struct load l;
	uint32_t a, b;

	(void)state;
	begin(&l, MIB, 1);
	a = ipcchan_arena_take(&l.arena, MIB);
	ipcchan_arena_trim(&l.arena, a, MIB - 64);
	assert_int_equal(ipcchan_arena_used(&l.arena), MIB - 64);
	ipcchan_arena_trim(&l.arena, a, 100);
	assert_int_equal(ipcchan_arena_used(&l.arena), 128);
	b = ipcchan_arena_take(&l.arena, MIB - 128);
	assert_int_equal(ipcchan_arena_offset(&l.arena, b), 128);
	ipcchan_arena_trim(&l.arena, b, MIB);
	ipcchan_arena_give(&l.arena, a);
	ipcchan_arena_give(&l.arena, b);
	assert_whole(&l);
	end(&l);
}

static void handles_a_gibibyte(void **state)
{
	struct ipcchan_arena a;
	uint32_t whole, small;

	(void)state;
	assert_int_equal(ipcchan_arena_init(&a, 1024 * MIB, 1000), 0);
	whole = ipcchan_arena_take(&a, 1024 * MIB);
	assert_int_equal(ipcchan_arena_used(&a), 1024 * MIB);
	ipcchan_arena_give(&a, whole);
	small = ipcchan_arena_take(&a, 1);
	assert_int_equal(ipcchan_arena_take(&a, 1024 * MIB), IPCCHAN_ARENA_NONE);
	whole = ipcchan_arena_take(&a, 1024 * MIB - 64);
	assert_int_equal(ipcchan_arena_offset(&a, whole), 64);
	ipcchan_arena_give(&a, small);
	ipcchan_arena_give(&a, whole);
	assert_int_equal(ipcchan_arena_used(&a), 0);
	ipcchan_arena_destroy(&a);
}

static void refuses(void **state)
{
	struct ipcchan_arena a;

	(void)state;
	assert_int_equal(ipcchan_arena_init(&a, 63, 1), -22);
	assert_int_equal(ipcchan_arena_init(&a, MIB, 0), -22);
	assert_int_equal(ipcchan_arena_init(&a, IPCCHAN_ARENA_MAX + 64, 1), -22);
	assert_int_equal(ipcchan_arena_init(&a, 4096, 1), 0);
	assert_int_equal(ipcchan_arena_take(&a, 0), IPCCHAN_ARENA_NONE);
	assert_int_equal(ipcchan_arena_take(&a, 4097), IPCCHAN_ARENA_NONE);
	assert_int_equal(ipcchan_arena_take(&a, UINT64_MAX), IPCCHAN_ARENA_NONE);
	ipcchan_arena_give(&a, IPCCHAN_ARENA_NONE);
	ipcchan_arena_destroy(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wastes_little_in_order),
		cmocka_unit_test(wastes_little_when_some_are_held),
		cmocka_unit_test(wastes_little_at_random),
		cmocka_unit_test(rounds_up_to_granules_only),
		cmocka_unit_test(takes_every_granule),
		cmocka_unit_test(keeps_nodes_enough),
		cmocka_unit_test(trims),
		cmocka_unit_test(handles_a_gibibyte),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
