// SPDX-License-Identifier: GPL-2.0
/* Where receivers keep their words: what the sender pays who reads them. */
#include "layout.h"
#include "layout_ring.h"

/* As many holds as go into a line with the cursor. */
#define SHAPE_PLACE	.size = 128, .inside = 80, .first = 48, .split = 10, .holds = 4

static const struct shape own_line = { SHAPE_PLACE, .place = OWN_LINE };
static const struct shape packed = { SHAPE_PLACE, .place = PACKED };
static const struct shape one_line = { SHAPE_PLACE, .place = ONE_LINE };

#define FOR_PLACES(X) X(own_line) X(packed) X(one_line)
#define PLACE_NAMES "own line, holds elsewhere", "packed over senders", "cursor and holds in a line"

static const uint32_t receivers[] = { 1, 2, 8, 32, 64 };

/* Every receiver reads all there is, in turn; then the sender is told. */
inlined void drain_all(const struct shape *shape)
{
	static struct receiver rx[MAX_RECEIVERS];
	uint64_t tag = 0;

	for (uint32_t i = 0; i < nr_receivers; i++)
		receiver_init(&rx[i], shape, &links[0], 0, i);
	while (tag != TAG_STOP) {
		/* held back: what the sender pays shall not depend on who is near */
		while (load_acquire(&board->go) < rx[0].expected)
			relax();
		for (uint32_t i = 0; i < nr_receivers; i++) {
			for (uint32_t j = 0; j < DEPTH / 2; j++)
				tag = receive(&rx[i], shape, target);
		}
		store_release(&board->done, rx[0].expected - 1);
	}
}

/* Half a ring, published singly. */
inlined uint64_t publish_half(struct sender *tx, const struct shape *shape, size_t length,
			      bool stop)
{
	uint64_t begin = now_ns();

	for (uint32_t i = 1; i <= DEPTH / 2; i++)
		send(tx, shape, source, length, stop && i == DEPTH / 2 ? TAG_STOP : i);
	return now_ns() - begin;
}

/* Only the sender's own time: while the receivers read, the clock stands. */
inlined double publish(const struct shape *shape, size_t length)
{
	static struct sender tx;
	uint64_t begin = now_ns();
	uint64_t spent = 0;
	bool stop;

	sender_init(&tx, shape, &links[0], 0, nr_receivers);
	do {
		stop = now_ns() - begin >= window_ns;
		spent += publish_half(&tx, shape, length, stop);
		store_release(&board->go, tx.head);
		while (load_acquire(&board->done) != tx.head)
			relax();
	} while (!stop);
	peer_end();
	return (double)spent / (double)tx.head;
}

#define INSTANCE(place)							\
static void drain_##place(size_t length)				\
{									\
	(void)length;							\
	drain_all(&place);						\
}									\
static double publish_##place(size_t length)				\
{									\
	peer_begin(drain_##place, length);				\
	return publish(&place, length);					\
}
FOR_PLACES(INSTANCE)

static double measure(size_t length, unsigned int row, unsigned int column)
{
#define PUBLISH(place) publish_##place,
	static double (*const places[])(size_t length) = { FOR_PLACES(PUBLISH) };
	double ns;

	nr_receivers = receivers[column];
	ns = places[row](length);
	nr_receivers = 1;
	return ns;
}

static double measure_inside(unsigned int row, unsigned int column)
{
	return measure(8, row, column);
}

static double measure_arena(unsigned int row, unsigned int column)
{
	return measure(256, row, column);
}

#define COLUMNS { "1 receiver", "2", "8", "32", "64" }

const struct table place_inside_table = {
	.title = "Publishing 8 B, sender's side, ns a message",
	.rows = { PLACE_NAMES },
	.columns = COLUMNS,
	.measure = measure_inside,
};

const struct table place_arena_table = {
	.title = "Publishing 256 B, sender's side, ns a message",
	.rows = { PLACE_NAMES },
	.columns = COLUMNS,
	.measure = measure_arena,
};

/*
 * False sharing: all receivers read from one sender, or from two, who look at
 * the cursors whenever their rings are full. The receivers are the slower side,
 * so the time is theirs.
 */
static struct link sender_link(uint32_t s)
{
	struct link link = links[s];

	memcpy(link.receipts, links[0].receipts, sizeof(link.receipts));
	return link;
}

inlined void drain_senders(const struct shape *shape, uint32_t senders)
{
	static struct receiver rx[MAX_RECEIVERS][2];
	uint64_t tag = 0;

	for (uint32_t s = 0; s < senders; s++) {
		struct link link = sender_link(s);

		for (uint32_t i = 0; i < nr_receivers; i++)
			receiver_init(&rx[i][s], shape, &link, s, i);
	}
	while (tag != TAG_STOP) {
		for (uint32_t i = 0; i < nr_receivers; i++) {
			for (uint32_t j = 0; j < BATCH * senders; j++)
				tag = receive(&rx[i][j % senders], shape, target);
		}
	}
}

inlined double fill_senders(const struct shape *shape, uint32_t senders)
{
	static struct sender tx[2];
	uint64_t begin = now_ns();
	uint64_t n = 0;
	bool stop;

	for (uint32_t s = 0; s < senders; s++) {
		struct link link = sender_link(s);

		sender_init(&tx[s], shape, &link, s, nr_receivers);
	}
	do {
		stop = now_ns() - begin >= window_ns;
		for (uint32_t j = 1; j <= BATCH * senders; j++, n++)
			send(&tx[j % senders], shape, source, 8,
			     stop && j > (BATCH - 1) * senders ? TAG_STOP : n);
	} while (!stop);
	peer_end();
	return (double)(now_ns() - begin) / (double)n / nr_receivers;
}

#define SHARING(place, senders)							\
static void drain_##place##senders(size_t length)				\
{										\
	(void)length;								\
	drain_senders(&place, senders);						\
}										\
static double fill_##place##senders(void)					\
{										\
	peer_begin(drain_##place##senders, 8);					\
	return fill_senders(&place, senders);					\
}
#define SHARING_1(place) SHARING(place, 1)
#define SHARING_2(place) SHARING(place, 2)
FOR_PLACES(SHARING_1)
FOR_PLACES(SHARING_2)

static double measure_sharing(unsigned int row, unsigned int column)
{
#define FILL(place) { fill_##place##1, fill_##place##2 },
	static double (*const fills[][2])(void) = { FOR_PLACES(FILL) };
	double ns;

	nr_receivers = MAX_RECEIVERS;
	ns = fills[row][column]();
	nr_receivers = 1;
	return ns;
}

const struct table sharing_table = {
	.title = "64 receivers of 8 B in one process, ns a message and receiver",
	.rows = { PLACE_NAMES },
	.columns = { "1 sender", "2 senders" },
	.measure = measure_sharing,
};
