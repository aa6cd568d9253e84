// SPDX-License-Identifier: GPL-2.0
/* One way, as fast as it goes: messages singly, and in batches. */
#include "layout.h"
#include "layout_ring.h"

static const size_t lengths[] = { 8, 32, 64, 256, 4096, 65536, MAX_MESSAGE };

#define RAW_BYTES	(LINE - 8)

inlined void drain_singly(const struct shape *shape, size_t length)
{
	struct receiver rx;

	receiver_init(&rx, shape, &links[0], 0, 0);
	while (receive(&rx, shape, target) != TAG_STOP)
		;
	target_check(length);
}

/* What there is, up to a batch: one cursor store, one barrier. */
inlined uint64_t receive_batch(struct receiver *rx, const struct shape *shape)
{
	struct taken t[BATCH];
	uint32_t n = 0;

	while (!take(rx, shape, 0, target, &t[0]))
		relax();
	for (n = 1; n < BATCH && take(rx, shape, n, target, &t[n]); n++)
		;
	take_end(rx, shape);
	for (uint32_t i = 0; i < n; i++)
		read_out(rx, shape, i, target, &t[i]);
	return t[n - 1].tag;
}

inlined void drain_batches(const struct shape *shape, size_t length)
{
	struct receiver rx;

	receiver_init(&rx, shape, &links[0], 0, 0);
	while (receive_batch(&rx, shape) != TAG_STOP)
		;
	target_check(length);
}

inlined void send_batch(struct sender *tx, const struct shape *shape, size_t length, uint64_t tag)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		/* what waits for room is published first, or it waits for ever */
		if (!has_room(tx, shape, length)) {
			publish_end(tx, shape);
			room(tx, shape, length);
		}
		publish_one(tx, shape, source, length, i == BATCH - 1 ? tag : 0);
	}
	publish_end(tx, shape);
}

inlined double fill(const struct shape *shape, size_t length, bool batches)
{
	const uint32_t step = batches ? BATCH : 1;
	uint64_t begin = now_ns();
	uint64_t end = begin;
	uint64_t n = 0;
	struct sender tx;
	bool stop;

	sender_init(&tx, shape, &links[0], 0, 1);
	do {
		n += step;
		if (n % stride(length) == 0)
			end = now_ns();
		stop = end - begin >= window_ns;
		if (batches)
			send_batch(&tx, shape, length, stop ? TAG_STOP : n);
		else
			send(&tx, shape, source, length, stop ? TAG_STOP : n);
	} while (!stop);
	peer_end();
	return (double)(now_ns() - begin) / (double)n;
}

#define INSTANCE(shape)								\
static void singly_##shape(size_t length) { drain_singly(&shape, length); }	\
static void batches_##shape(size_t length) { drain_batches(&shape, length); }	\
static double fill_singly_##shape(size_t length)				\
{										\
	peer_begin(singly_##shape, length);					\
	return fill(&shape, length, false);					\
}										\
static double fill_batches_##shape(size_t length)				\
{										\
	peer_begin(batches_##shape, length);					\
	return fill(&shape, length, true);					\
}
FOR_SHAPES(INSTANCE)

/* The least there can be: sequence and payload in one line, no barrier. */
static void drain_raw(size_t length)
{
	uint64_t words[RAW_BYTES / 8];
	uint64_t n = 0;

	(void)length;
	do {
		uint64_t *line = (uint64_t *)(board->lines[0] + (++n & (DEPTH - 1)) * LINE);

		while (load_acquire(line) != n)
			relax();
		for (uint32_t i = 0; i < RAW_BYTES / 8; i++)
			words[i] = load(line + 1 + i);
		store_release(&board->done, n);
	} while (words[0] != TAG_STOP);
}

static void put_raw(uint64_t n, uint64_t tag)
{
	uint64_t *line = (uint64_t *)(board->lines[0] + (n & (DEPTH - 1)) * LINE);

	for (uint32_t i = 0; i < RAW_BYTES / 8; i++)
		store(line + 1 + i, tag);
	store_release(line, n);
}

static double fill_raw(size_t length)
{
	uint64_t n = 0, floor = 0;
	uint64_t begin, end;
	bool stop;

	peer_begin(drain_raw, length);
	begin = end = now_ns();
	do {
		n++;
		if (n % stride(0) == 0)
			end = now_ns();
		stop = end - begin >= window_ns;
		while (n - floor > DEPTH) {
			floor = load_acquire(&board->done);
			relax();
		}
		put_raw(n, stop ? TAG_STOP : n);
	} while (!stop);
	peer_end();
	return (double)(now_ns() - begin) / (double)n;
}

#define SINGLY(shape) fill_singly_##shape,
#define BATCHES(shape) fill_batches_##shape,

static double measure(double (*fill)(size_t length), unsigned int column)
{
	return fill == fill_raw && column ? -1 : fill(lengths[column]);
}

static double measure_singly(unsigned int row, unsigned int column)
{
	static double (*const fills[])(size_t length) = { FOR_SHAPES(SINGLY) fill_raw };

	return measure(fills[row], column);
}

static double measure_batches(unsigned int row, unsigned int column)
{
	static double (*const fills[])(size_t length) = { FOR_SHAPES(BATCHES) };

	return measure(fills[row], column);
}

#define COLUMNS { "8 B", "32 B", "64 B", "256 B", "4 KiB", "64 KiB", "1 MiB" }

const struct table single_table = {
	.title = "One way, singly, ns a message",
	.rows = { SHAPE_NAMES, "raw: 56 B and seq in a line" },
	.columns = COLUMNS,
	.measure = measure_singly,
};

const struct table batch_table = {
	.title = "One way, in batches of 16, ns a message",
	.rows = { SHAPE_NAMES },
	.columns = COLUMNS,
	.measure = measure_batches,
};
