/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the layout prototype: what shapes of a descriptor cost
 *
 * Not the library: the least that has the library's data path. One sender, its
 * receivers, a ring in shared memory; two processes, pinned to a processor each,
 * made by one fork. The parent measures, the child is its peer and does one job
 * at a time; between jobs it sleeps on a pipe, so that a measurement in one
 * process has the machine for itself.
 *
 *   layout.c         tables: rounds, medians
 *   layout_peer.c    the two processes and the memory they share
 *   layout_ring.h    the data path, from constants that say what the shape is
 *   layout_trip.c    round trips
 *   layout_stream.c  one way
 *   layout_alone.c   both ends in one thread; barriers
 *   layout_place.c   where receivers keep their words
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE		64
#define DEPTH		256u
#define BATCH		16u
#define MAX_RECEIVERS	64u
#define MAX_MESSAGE	(1u << 20)

/* The tag of the last message of a window. */
#define TAG_STOP	(~0ull)

/* What the kernel would write: a line for senders, one for receivers. */
struct roster {
	_Alignas(LINE) uint64_t receiver_generation;
	uint64_t sleeping_receivers;
	_Alignas(LINE) uint64_t sender_generation;
	uint64_t sleeping_senders;
};

/* One direction: a sender's pages, its receivers' pages, the roster. */
struct link {
	uint8_t *outbox;
	uint8_t *arena;
	size_t arena_size;
	uint8_t *receipts[MAX_RECEIVERS];
	struct roster *roster;
};

/* Words of the two processes, a line each. */
struct board {
	_Alignas(LINE) uint64_t ready;		/* the child has begun its job */
	_Alignas(LINE) uint64_t done;		/* ... and has come so far */
	_Alignas(LINE) uint64_t go;		/* the child may go so far */
	_Alignas(2 * LINE) uint8_t lines[2][DEPTH * LINE];
};

extern struct link links[2];
extern struct board *board;
extern uint64_t window_ns;
extern uint32_t nr_receivers;	/* set before peer_begin(); the child is told */

/* Private to each process; as long as the longest message. */
extern uint8_t *source;
extern uint8_t *target;

/* layout_peer.c */
typedef void job(size_t length);

void peer_start(void);
void peer_stop(void);
void links_clear(size_t length);
void peer_begin(job *job, size_t length);
void peer_end(void);
void target_check(size_t length);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

uint64_t now_ns(void);

static inline void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

#define load(p)			__atomic_load_n(p, __ATOMIC_RELAXED)
#define load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v)		__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/* How many messages go by between two looks at the clock. */
static inline uint32_t stride(size_t length)
{
	return length < 4096 ? 256 : length < 65536 ? 64 : 4;
}

#define MAX_ROWS	16
#define MAX_COLUMNS	8

/*
 * A table of figures. measure() takes one window and returns nanoseconds an
 * operation, or a negative number where there is nothing to measure.
 */
struct table {
	const char *title;
	const char *rows[MAX_ROWS];
	const char *columns[MAX_COLUMNS];
	double (*measure)(unsigned int row, unsigned int column);
};

extern const struct table trip_table;
extern const struct table single_table;
extern const struct table batch_table;
extern const struct table alone_table;
extern const struct table barrier_table;
extern const struct table place_inside_table;
extern const struct table place_arena_table;
extern const struct table sharing_table;

#endif /* LAYOUT_H */
