/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the data path, once, for every shape
 *
 * Every function here is inlined into a caller that gives a constant shape, so
 * that what a shape does not need is not compiled. The steps and their letters
 * are those of Documentation/protocol.md.
 */
#ifndef LAYOUT_RING_H
#define LAYOUT_RING_H

#include <string.h>

#include "layout.h"

#define inlined static inline __attribute__((always_inline))

enum barrier { FENCE, MFENCE, LOCKED_ADD, EXCHANGE, NO_BARRIER };

/* Where a receiver keeps its words for a sender. */
enum place {
	OWN_LINE,	/* cursor words: a line a sender; holds: elsewhere */
	PACKED,		/* words of a kind for all senders side by side */
	ONE_LINE,	/* cursor words and four holds: a line a sender */
};

#define PLACE_SENDERS	16

struct shape {
	uint32_t size;		/* of a descriptor */
	uint32_t header;	/* where its header is */
	uint32_t inside;	/* bytes of payload it may have in itself ... */
	uint32_t first;		/* ... where they begin ... */
	uint32_t split;		/* ... for so many words; then ... */
	uint32_t rest;		/* ... here */
	bool prefetch;		/* the receiver asks for the other line while it polls */
	enum barrier barrier;	/* the sender's */
	enum barrier taken;	/* the receiver's */
	enum place place;
	uint32_t holds;		/* a receiver has, at least one */
};

struct header {
	uint64_t seq;
	uint32_t offset;
	uint32_t length;
	uint64_t tag;
	uint64_t time;
	uint16_t flags;
	uint16_t priority;
	uint32_t files;
};

struct cursor {
	uint64_t *passed;
	uint64_t *released;
	uint64_t *closed;
	uint64_t *holds;
};

struct outbox {
	uint64_t head;
	uint64_t reserved[15];
};

struct sender {
	uint8_t *ring;
	struct outbox *outbox;
	uint8_t *arena;
	const struct roster *roster;
	struct cursor readers[MAX_RECEIVERS];
	uint32_t nr_readers;
	uint64_t arena_size;
	uint64_t head;
	uint64_t floor;			/* newest that all have passed */
	uint64_t used;			/* bytes of arena ever taken ... */
	uint64_t freed;			/* ... and given back */
	uint64_t used_by[2 * DEPTH];	/* after each message */
};

/* What the receiver knows of a message it has taken and not yet read. */
struct taken {
	uint64_t tag;
	uint32_t offset;
	uint32_t length;
};

struct receiver {
	const uint8_t *ring;
	const uint8_t *arena;
	uint64_t arena_size;
	const struct roster *roster;
	struct cursor own;
	uint64_t expected;
	uint64_t released;
};

/* By name there are barriers of x86 only. */
#ifdef __x86_64__
#define HAS_NAMED_BARRIERS	true
#else
#define HAS_NAMED_BARRIERS	false
#endif

inlined void full_barrier(enum barrier kind)
{
#ifdef __x86_64__
	uint64_t word = 0;

	if (kind == MFENCE)
		__asm__ volatile("mfence" : : : "memory");
	else if (kind == LOCKED_ADD)
		__asm__ volatile("lock; addl $0,-4(%%rsp)" : : : "memory", "cc");
	else if (kind == EXCHANGE)
		__asm__ volatile("xchgq %0,%1" : "+r"(word), "+m"(word) : : "memory");
	else
#endif
	if (kind != NO_BARRIER)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

inlined struct cursor cursor_at(enum place place, uint8_t *receipts, uint32_t slot)
{
	uint64_t *words = (uint64_t *)(receipts + LINE);
	const uint32_t step = place == PACKED ? PLACE_SENDERS : 1;
	uint64_t *mine = words + (place == PACKED ? slot : slot * 8);

	return (struct cursor){
		.passed = mine,
		.released = mine + step,
		.closed = mine + 2 * step,
		.holds = place == ONE_LINE ? mine + 3 : words + PLACE_SENDERS * 8,
	};
}

inlined void sender_init(struct sender *tx, const struct shape *shape, const struct link *link,
			 uint32_t slot, uint32_t receivers)
{
	memset(tx, 0, sizeof(*tx));
	tx->outbox = (struct outbox *)link->outbox;
	tx->ring = link->outbox + sizeof(struct outbox);
	tx->arena = link->arena;
	tx->arena_size = link->arena_size;
	tx->roster = link->roster;
	tx->nr_readers = receivers;
	for (uint32_t i = 0; i < receivers; i++)
		tx->readers[i] = cursor_at(shape->place, link->receipts[i], slot);
}

inlined void receiver_init(struct receiver *rx, const struct shape *shape, const struct link *link,
			   uint32_t slot, uint32_t number)
{
	memset(rx, 0, sizeof(*rx));
	rx->ring = link->outbox + sizeof(struct outbox);
	rx->arena = link->arena;
	rx->arena_size = link->arena_size;
	rx->roster = link->roster;
	rx->own = cursor_at(shape->place, link->receipts[number], slot);
	rx->expected = 1;
}

/* Cursors, then holds: the other order would free what is held. */
inlined void reclaim(struct sender *tx, uint32_t holds)
{
	uint64_t passed = tx->head;
	uint64_t oldest;

	for (uint32_t i = 0; i < tx->nr_readers; i++) {
		const struct cursor *c = &tx->readers[i];
		uint64_t theirs = load_acquire(c->passed);	/* H */

		(void)load_acquire(c->released);
		if (load_acquire(c->closed))
			continue;
		if (theirs < passed)
			passed = theirs;
	}
	oldest = passed;
	for (uint32_t i = 0; i < tx->nr_readers; i++) {
		for (uint32_t j = 0; j < holds; j++) {
			uint64_t hold = load_acquire(tx->readers[i].holds + j);	/* J */

			if (hold && hold <= oldest)
				oldest = hold - 1;
		}
	}
	tx->floor = passed;
	if (tx->used_by[oldest % (2 * DEPTH)] > tx->freed)
		tx->freed = tx->used_by[oldest % (2 * DEPTH)];
}

/* A block may not wrap: what is left at the end is passed over. */
inlined uint64_t block_at(const struct sender *tx, uint64_t size)
{
	uint64_t left = tx->arena_size - tx->used % tx->arena_size;

	return left < size ? tx->used + left : tx->used;
}

inlined bool has_room(const struct sender *tx, const struct shape *shape, size_t length)
{
	uint64_t size = (length + LINE - 1) & ~(uint64_t)(LINE - 1);

	if (tx->head - tx->floor >= DEPTH)
		return false;
	return length <= shape->inside ||
	       block_at(tx, size) + size - tx->freed <= tx->arena_size;
}

inlined uint8_t *word_at(uint8_t *desc, const struct shape *shape, uint32_t i)
{
	return desc + (i < shape->split ? shape->first + 8 * i :
					  shape->rest + 8 * (i - shape->split));
}

inlined void put_words(uint8_t *desc, const struct shape *shape, const uint8_t *from, size_t length)
{
	uint32_t words = (uint32_t)(length + 7) / 8;
	uint32_t near = words < shape->split ? words : shape->split;
	uint64_t word;

	for (uint32_t i = 0; i < near; i++) {
		memcpy(&word, from + 8 * i, 8);
		store((uint64_t *)word_at(desc, shape, i), word);
	}
	for (uint32_t i = shape->split; i < words; i++) {
		memcpy(&word, from + 8 * i, 8);
		store((uint64_t *)word_at(desc, shape, i), word);
	}
}

inlined void get_words(uint8_t *to, const struct shape *shape, const uint8_t *desc, size_t length)
{
	uint32_t words = (uint32_t)(length + 7) / 8;
	uint32_t near = words < shape->split ? words : shape->split;
	uint64_t word;

	for (uint32_t i = 0; i < near; i++) {
		word = load((uint64_t *)word_at((uint8_t *)desc, shape, i));
		memcpy(to + 8 * i, &word, 8);
	}
	for (uint32_t i = shape->split; i < words; i++) {
		word = load((uint64_t *)word_at((uint8_t *)desc, shape, i));
		memcpy(to + 8 * i, &word, 8);
	}
}

inlined uint32_t put_block(struct sender *tx, const uint8_t *from, size_t length)
{
	uint64_t size = (length + LINE - 1) & ~(uint64_t)(LINE - 1);
	uint64_t at = block_at(tx, size);

	memcpy(tx->arena + at % tx->arena_size, from, length);
	tx->used = at + size;
	return (uint32_t)(at % tx->arena_size);
}

/* There is room. */
inlined void publish_one(struct sender *tx, const struct shape *shape, const uint8_t *from,
			 size_t length, uint64_t tag)
{
	uint64_t seq = tx->head + 1;
	uint8_t *desc = tx->ring + (seq & (DEPTH - 1)) * shape->size;
	struct header *h = (struct header *)(desc + shape->header);
	uint32_t offset = 0;

	if (length <= shape->inside)
		put_words(desc, shape, from, length);
	else
		offset = put_block(tx, from, length);
	tx->used_by[seq % (2 * DEPTH)] = tx->used;
	store(&h->offset, offset);
	store(&h->length, (uint32_t)length);
	store(&h->tag, tag);
	store(&h->time, 0);
	store(&h->flags, 0);
	store(&h->priority, 0);
	store(&h->files, 0);
	tx->head = seq;
	store_release(&h->seq, seq);					/* A */
}

inlined void publish_end(struct sender *tx, const struct shape *shape)
{
	store_release(&tx->outbox->head, tx->head);			/* L */
	full_barrier(shape->barrier);					/* C */
	if (load_acquire(&tx->roster->sleeping_receivers) ||
	    !load(&tx->roster->receiver_generation))
		die("somebody sleeps, and nobody can");
}

inlined void room(struct sender *tx, const struct shape *shape, size_t length)
{
	while (__builtin_expect(!has_room(tx, shape, length), 0)) {
		reclaim(tx, shape->holds);
		if (has_room(tx, shape, length))
			return;
		relax();
	}
}

inlined void send(struct sender *tx, const struct shape *shape, const uint8_t *from, size_t length,
		  uint64_t tag)
{
	room(tx, shape, length);
	publish_one(tx, shape, from, length, tag);
	publish_end(tx, shape);
}

/* Takes a message, if there is one, into hold number @hold. */
inlined bool take(struct receiver *rx, const struct shape *shape, uint32_t hold, uint8_t *to,
		  struct taken *t)
{
	const uint8_t *desc = rx->ring + (rx->expected & (DEPTH - 1)) * shape->size;
	const struct header *h = (const struct header *)(desc + shape->header);

	if ((int64_t)(load_acquire(&h->seq) - rx->expected) < 0) {	/* B */
		if (shape->prefetch)
			__builtin_prefetch(desc + (LINE - shape->header));
		return false;
	}
	t->offset = load(&h->offset);
	t->length = load(&h->length);
	t->tag = load(&h->tag);
	if (load(&h->flags) || load(&h->files) || t->length > MAX_MESSAGE ||
	    (uint64_t)t->offset + t->length > rx->arena_size)
		die("a descriptor that makes no sense");
	if (t->length <= shape->inside)
		get_words(to, shape, desc, t->length);
	else
		store(rx->own.holds + hold, rx->expected);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (load(&h->seq) != rx->expected)				/* R */
		die("a message that vanished");
	rx->expected++;
	return true;
}

inlined void take_end(struct receiver *rx, const struct shape *shape)
{
	store_release(rx->own.passed, rx->expected - 1);		/* G */
	full_barrier(shape->taken);					/* E */
	if (load(&rx->roster->sleeping_senders))
		die("a sender sleeps, and none can");
}

/* Reads the payload, if it was not read by take(), and gives it back. */
inlined void read_out(struct receiver *rx, const struct shape *shape, uint32_t hold, uint8_t *to,
		      const struct taken *t)
{
	if (t->length <= shape->inside)
		return;
	memcpy(to, rx->arena + t->offset, t->length);
	store_release(rx->own.holds + hold, 0);				/* I */
	store_release(rx->own.released, ++rx->released);
}

/* Returns the tag. */
inlined uint64_t receive(struct receiver *rx, const struct shape *shape, uint8_t *to)
{
	struct taken t;

	while (!take(rx, shape, 0, to, &t))
		relax();
	take_end(rx, shape);
	read_out(rx, shape, 0, to, &t);
	return t.tag;
}

/*
 * The shapes that are compared. A descriptor of two lines is aligned to them:
 * processors fetch lines in such pairs.
 */
#define SHAPE_64	.size = 64, .header = 0, .holds = BATCH
#define SHAPE_128	.size = 128, .inside = 80, .holds = BATCH
#define SHAPE_HEAD	SHAPE_128, .header = 0, .first = 48, .split = 10
#define SHAPE_LAST	SHAPE_128, .header = 64, .first = 0, .split = 8, .rest = 112
#define SHAPE_NEAR	SHAPE_128, .header = 64, .first = 112, .split = 2, .rest = 0

static const struct shape d64 __attribute__((unused)) = { SHAPE_64 };
static const struct shape d64i __attribute__((unused)) = {
	SHAPE_64, .inside = 24, .first = 40, .split = 3,
};
static const struct shape d128i __attribute__((unused)) = { SHAPE_HEAD };
static const struct shape d128ip __attribute__((unused)) = { SHAPE_HEAD, .prefetch = true };
static const struct shape last __attribute__((unused)) = { SHAPE_LAST };
static const struct shape lastp __attribute__((unused)) = { SHAPE_LAST, .prefetch = true };
static const struct shape near __attribute__((unused)) = { SHAPE_NEAR };
static const struct shape nearp __attribute__((unused)) = { SHAPE_NEAR, .prefetch = true };

#define FOR_SHAPES(X) X(d64) X(d64i) X(d128i) X(d128ip) X(last) X(lastp) X(near) X(nearp)
#define SHAPE_NAMES \
	"D64", "D64I", "D128I", "D128I +prefetch", "D128Ilast", "D128Ilast +prefetch", \
	"D128Inear", "D128Inear +prefetch"
#define NR_SHAPES	8

#endif /* LAYOUT_RING_H */
