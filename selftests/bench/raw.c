// SPDX-License-Identifier: GPL-2.0
/*
 * What the machine can do at best: words in lines of memory, looked at until they
 * change; and a futex, which is what sleeping and waking cost.
 */
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bars.h"

/* A line with a message: the sequence is stored last. */
struct line {
	uint64_t seq;
	uint64_t payload[7];
};

static inline struct line *at(uint8_t *ring, uint64_t n)
{
	return (struct line *)ring + n % RING;
}

/*
 * A word in a line of its own, each way. The lines are changed after @argument
 * trips: what a line takes depends on where the machine has put it, for the
 * same two processors as 440 to 660 ns, and one line for all would be a lottery.
 */
void raw_pong(const struct row *row)
{
	uint64_t n = 0;
	uint64_t word;

	do {
		uint64_t i = ++n / row->argument;

		while ((word = load_acquire(&at(board->there, i)->seq)) != n && word != STOP)
			relax();
		store_release(&at(board->back, i)->seq, word);
	} while (word != STOP);
}

static inline void ping(uint64_t i, uint64_t word)
{
	store_release(&at(board->there, i)->seq, word);
	while (load_acquire(&at(board->back, i)->seq) != word)
		relax();
}

static void clear_rings(void)
{
	memset(board->there, 0, sizeof(board->there));
	memset(board->back, 0, sizeof(board->back));
	store_release(&board->taken, 0);
}

double raw_ping(const struct row *row)
{
	struct window w;
	double ns;

	for (window_begin(&w, 256); window_goes_on(&w); )
		ping(w.n / row->argument, w.n);
	ns = window_end(&w);
	ping((w.n + 1) / row->argument, STOP);
	clear_rings();
	return ns;
}

static inline void take(uint64_t n, uint64_t *sum)
{
	struct line *line = at(board->there, n);

	while (load_acquire(&line->seq) != n)
		relax();
	for (int i = 0; i < 7; i++)
		*sum += load(&line->payload[i]);
}

/* 56 bytes a line; how far it is, it says every so many. */
void raw_take(const struct row *row)
{
	uint64_t sum = 0;
	uint64_t n = 0;
	uint64_t stop;

	(void)row;
	do {
		for (unsigned int i = 0; i < BATCH; i++)
			take(++n, &sum);
		stop = load(&at(board->there, n)->payload[0]);
		store_release(&board->taken, n);
	} while (stop != STOP);
	store(&board->pong, sum);
}

static inline void give(uint64_t n, uint64_t word)
{
	struct line *line = at(board->there, n);

	for (int i = 0; i < 7; i++)
		store(&line->payload[i], word);
	store_release(&line->seq, n);
}

static inline void give_batch(uint64_t n, uint64_t word)
{
	static uint64_t taken;

	if (n == 1)
		taken = 0;
	while (n + BATCH - 1 - taken > RING) {
		taken = load_acquire(&board->taken);
		if (n + BATCH - 1 - taken > RING)
			relax();
	}
	for (unsigned int i = 0; i < BATCH; i++)
		give(n + i, word);
}

double raw_give(const struct row *row)
{
	struct window w;
	uint64_t n = 1;
	double ns;

	(void)row;
	for (window_begin(&w, 16); window_goes_on(&w); n += BATCH)
		give_batch(n, n);
	give_batch(n, STOP);
	n += BATCH - 1;
	while (load_acquire(&board->taken) != n)
		relax();
	w.n = n;
	ns = window_end(&w);
	clear_rings();
	return ns;
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint32_t await(uint32_t *word, uint32_t old)
{
	uint32_t now;

	while ((now = load_acquire(word)) == old)
		syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0);
	return now;
}

void raw_pong_sleeping(const struct row *row)
{
	uint32_t n = 0;

	(void)row;
	do {
		n = await(&board->asked, n);
		store_release(&board->answered, n);
		wake(&board->answered);
	} while (n != UINT32_MAX);
}

static inline uint32_t ping_sleeping(uint32_t n, uint32_t last)
{
	store_release(&board->asked, n);
	wake(&board->asked);
	return await(&board->answered, last);
}

double raw_ping_sleeping(const struct row *row)
{
	uint32_t last = 0;
	struct window w;
	double ns;

	(void)row;
	for (window_begin(&w, 16); window_goes_on(&w); )
		last = ping_sleeping((uint32_t)w.n, last);
	ns = window_end(&w);
	ping_sleeping(UINT32_MAX, last);
	store(&board->asked, 0);
	store(&board->answered, 0);
	return ns;
}
