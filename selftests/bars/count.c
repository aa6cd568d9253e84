// SPDX-License-Identifier: GPL-2.0
/* Counting instructions, and giving up: see count.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"

#define TURNS		1000
#define TRIES		15

uint64_t count_cost;

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint64_t count_median(count_window *window, void *what, unsigned int windows)
{
	static uint64_t counts[COUNT_WINDOWS];

	window(what);
	for (unsigned int i = 0; i < windows; i++)
		counts[i] = window(what);
	qsort(counts, windows, sizeof(counts[0]), compare);
	return counts[windows / 2];
}

/* A loop of two instructions a turn. */
static uint64_t known_loop(void *what)
{
	uint64_t turns = *(uint64_t *)what;
	uint64_t begin = count_now();

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc", "memory");
	return count_now() - begin;
}

static uint64_t nothing(void *what)
{
	uint64_t begin = count_now();

	(void)what;
	return count_now() - begin;
}

void count_check(void)
{
	uint64_t one = 1, many = 1 + TURNS;
	uint64_t seen = count_median(known_loop, &many, TRIES) -
			count_median(known_loop, &one, TRIES);

	if (seen != 2 * TURNS) {
		fprintf(stderr, "bars: %d instructions count as %lld: not a guest with --icount\n",
			2 * TURNS, (long long)seen);
		exit(1);
	}
	count_cost = count_median(nothing, NULL, TRIES);
}

void count_show(const char *name, uint64_t count, uint64_t pieces)
{
	printf("%s %.1f\n", name, (double)count / (double)pieces);
}

void give_up(int rc, const char *what)
{
	fprintf(stderr, "bars: %s: %s\n", what, strerror(-rc));
	exit(1);
}
