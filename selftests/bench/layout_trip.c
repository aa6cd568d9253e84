// SPDX-License-Identifier: GPL-2.0
/* Round trips: a message there and one back, by two rings. */
#include "layout.h"
#include "layout_ring.h"

static const size_t lengths[] = { 8, 32, 64, 256, 4096, 65536, MAX_MESSAGE };

struct end {
	struct sender tx;
	struct receiver rx;
};

inlined void end_init(struct end *end, const struct shape *shape, const struct link *out,
		      const struct link *in)
{
	sender_init(&end->tx, shape, out, 0, 1);
	receiver_init(&end->rx, shape, in, 0, 0);
}

inlined void pong(const struct shape *shape, size_t length)
{
	struct end end;
	uint64_t tag;

	end_init(&end, shape, &links[1], &links[0]);
	do {
		tag = receive(&end.rx, shape, target);
		send(&end.tx, shape, source, length, tag);
	} while (tag != TAG_STOP);
	target_check(length);
}

inlined double ping(const struct shape *shape, size_t length)
{
	uint64_t begin = now_ns();
	uint64_t end_ns = begin;
	uint64_t n = 0;
	struct end end;
	bool stop;

	end_init(&end, shape, &links[0], &links[1]);
	do {
		n++;
		if (n % stride(length) == 0)
			end_ns = now_ns();
		stop = end_ns - begin >= window_ns;
		send(&end.tx, shape, source, length, stop ? TAG_STOP : n);
		if (receive(&end.rx, shape, target) != (stop ? TAG_STOP : n))
			die("an answer to something else");
	} while (!stop);
	end_ns = now_ns();
	target_check(length);
	return (double)(end_ns - begin) / (double)n;
}

#define INSTANCE(shape)							\
static void pong_##shape(size_t length) { pong(&shape, length); }	\
static double ping_##shape(size_t length)				\
{									\
	peer_begin(pong_##shape, length);				\
	return ping(&shape, length);					\
}
FOR_SHAPES(INSTANCE)

/*
 * The least there can be: a word each way. Always in the same line; in the next
 * line every time, as rings do; or in lines so scattered that no processor
 * guesses which comes next.
 */
inlined uint64_t *raw_word(unsigned int way, uint64_t n, uint32_t step)
{
	return (uint64_t *)(board->lines[way] + (n * step & (DEPTH - 1)) * LINE);
}

inlined void pong_raw(uint32_t step)
{
	uint64_t n = 0;
	uint64_t word;

	do {
		n++;
		while ((word = load_acquire(raw_word(0, n, step))) < n)
			relax();
		store_release(raw_word(1, n, step), word);
	} while (word != TAG_STOP);
}

inlined double ping_raw(uint32_t step)
{
	uint64_t begin = now_ns();
	uint64_t end = begin;
	uint64_t n = 0;
	uint64_t word;

	do {
		n++;
		if (n % stride(0) == 0)
			end = now_ns();
		word = end - begin >= window_ns ? TAG_STOP : n;
		store_release(raw_word(0, n, step), word);
		while (load_acquire(raw_word(1, n, step)) != word)
			relax();
	} while (word != TAG_STOP);
	return (double)(now_ns() - begin) / (double)n;
}

#define RAW(step)							\
static void pong_raw##step(size_t length)				\
{									\
	(void)length;							\
	pong_raw(step);							\
}									\
static double ping_raw##step(size_t length)				\
{									\
	peer_begin(pong_raw##step, length);				\
	return ping_raw(step);						\
}
RAW(0)
RAW(1)
RAW(99)

static double measure(unsigned int row, unsigned int column)
{
#define POINTER(shape) ping_##shape,
	static double (*const pings[])(size_t length) = {
		FOR_SHAPES(POINTER) ping_raw0, ping_raw1, ping_raw99
	};
	double ns;

	if (row >= NR_SHAPES && column)
		return -1;
	ns = pings[row](lengths[column]);
	peer_end();
	return ns;
}

const struct table trip_table = {
	.title = "Round trip, spinning, ns",
	.rows = { SHAPE_NAMES, "raw: same line", "raw: next line", "raw: scattered lines" },
	.columns = { "8 B", "32 B", "64 B", "256 B", "4 KiB", "64 KiB", "1 MiB" },
	.measure = measure,
};
