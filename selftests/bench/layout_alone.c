// SPDX-License-Identifier: GPL-2.0
/* Both ends in one thread: what the instructions cost, and the barriers. */
#include "layout.h"
#include "layout_ring.h"

static const size_t lengths[] = { 8, 32, 64, 256 };

inlined double pair(const struct shape *shape, size_t length)
{
	struct sender tx;
	struct receiver rx;
	uint64_t begin, end;
	uint64_t n = 0;

	links_clear(length);
	sender_init(&tx, shape, &links[0], 0, 1);
	receiver_init(&rx, shape, &links[0], 0, 0);
	begin = end = now_ns();
	while (end - begin < window_ns) {
		for (uint32_t i = 0; i < stride(length); i++, n++) {
			send(&tx, shape, source, length, n);
			if (receive(&rx, shape, target) != n)
				die("another message than was sent");
		}
		end = now_ns();
	}
	target_check(length);
	return (double)(end - begin) / (double)n;
}

#define INSTANCE(shape) \
static double pair_##shape(size_t length) { return pair(&shape, length); }
FOR_SHAPES(INSTANCE)

static const struct shape mfence = { SHAPE_HEAD, .barrier = MFENCE, .taken = MFENCE };
static const struct shape locked = { SHAPE_HEAD, .barrier = LOCKED_ADD, .taken = LOCKED_ADD };
static const struct shape exchange = { SHAPE_HEAD, .barrier = EXCHANGE, .taken = EXCHANGE };
static const struct shape senders = { SHAPE_HEAD, .taken = NO_BARRIER };
static const struct shape neither = { SHAPE_HEAD, .barrier = NO_BARRIER, .taken = NO_BARRIER };

/* The first of them name an instruction. */
#define NR_NAMED	3
#define FOR_BARRIERS(X) X(mfence) X(locked) X(exchange) X(senders) X(neither)
FOR_BARRIERS(INSTANCE)

static double measure_pair(unsigned int row, unsigned int column)
{
#define POINTER(shape) pair_##shape,
	static double (*const pairs[])(size_t length) = {
		FOR_SHAPES(POINTER) FOR_BARRIERS(POINTER)
	};

	if (row >= NR_SHAPES && row < NR_SHAPES + NR_NAMED && !HAS_NAMED_BARRIERS)
		return -1;
	return pairs[row](lengths[column]);
}

const struct table alone_table = {
	.title = "Send and receive in one thread, ns a pair",
	.rows = { SHAPE_NAMES, "D128I mfence", "D128I lock addl", "D128I xchg",
		  "D128I only sender's", "D128I no barrier" },
	.columns = { "8 B", "32 B", "64 B", "256 B" },
	.measure = measure_pair,
};

/* A store, the barrier, a load from another line; both lines in the cache. */
inlined double barrier(enum barrier kind)
{
	uint64_t *mine = (uint64_t *)board->lines[0];
	const uint64_t *theirs = (const uint64_t *)board->lines[1];
	uint64_t begin = now_ns();
	uint64_t end = begin;
	uint64_t n = 0;

	while (end - begin < window_ns) {
		for (uint32_t i = 0; i < 1024; i++) {
			store(mine, ++n);
			full_barrier(kind);
			if (load(theirs))
				die("nobody writes that word");
		}
		end = now_ns();
	}
	return (double)(end - begin) / (double)n;
}

static double measure_barrier(unsigned int row, unsigned int column)
{
	(void)column;
	if (row >= 1 && row <= NR_NAMED && !HAS_NAMED_BARRIERS)
		return -1;
	links_clear(8);
	switch (row) {
	case 0:
		return barrier(FENCE);
	case 1:
		return barrier(MFENCE);
	case 2:
		return barrier(LOCKED_ADD);
	case 3:
		return barrier(EXCHANGE);
	default:
		return barrier(NO_BARRIER);
	}
}

const struct table barrier_table = {
	.title = "Store, full barrier, load, ns",
	.rows = { "as compiled", "mfence", "lock addl", "xchg", "none" },
	.columns = { "ns" },
	.measure = measure_barrier,
};
