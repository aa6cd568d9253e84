/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: counting instructions
 *
 * In a guest run with `selftests/vm/run --icount` every instruction takes one
 * nanosecond and the time stamp counter shows them, so that a measurement is an
 * exact number, the same in every run. Elsewhere it shows something else:
 * count_check() ends the program there.
 *
 * A window is some piece of work that is done again and again, short enough that
 * the timer's interrupt falls into few of them; what most of them cost is the
 * work alone. So a figure is the median of the windows.
 */
#ifndef BARS_COUNT_H
#define BARS_COUNT_H

#include <stdint.h>

static inline uint64_t count_now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* What a begin and an end cost by themselves. */
extern uint64_t count_cost;

void count_check(void);

static inline uint64_t count_since(uint64_t begin)
{
	return count_now() - begin - count_cost;
}

/* Does the work of a window; returns what was counted of it. */
typedef uint64_t count_window(void *what);

#define COUNT_WINDOWS	2000u	/* at most */

/* The median of so many windows, after one to warm up. */
uint64_t count_median(count_window *window, void *what, unsigned int windows);

/* Prints a figure: what one of so many pieces costs. */
void count_show(const char *name, uint64_t count, uint64_t pieces);

void give_up(int rc, const char *what) __attribute__((cold, noreturn));

/* Ends the program where something went wrong; @rc is a negative errno. */
static inline void need(int rc, const char *what)
{
	if (rc < 0)
		give_up(rc, what);
}

#endif
