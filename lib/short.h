/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: the path of a short message
 *
 * What a short message of whole words does when nobody sleeps, nothing has changed
 * and there is room: the only code here that is written for its number of instructions, which
 * selftests/bars counts. Whatever is not as usual is left to the long way
 * (loan.c, order.c, source.c), which does the same steps and does them for every case.
 *
 * Payloads are copied by words that others may be writing or reading at the
 * same time; whoever read one finds out by the sequence.
 */
#ifndef IPCCHAN_SHORT_H
#define IPCCHAN_SHORT_H

#include <string.h>

#include "internal.h"

#define IPCCHAN_INLINE	inline __attribute__((always_inline))

/* A payload lies at the end of @inside: its @i-th word from the end is always there. */
static IPCCHAN_INLINE void ipcchan_put_word(__u64 *inside, const uint8_t *end, int i)
{
	uint64_t word;

	memcpy(&word, end - 8 * i, 8);
	ipcchan_store(&inside[IPCCHAN_INSIDE_WORDS - i], word);
}

static IPCCHAN_INLINE void ipcchan_get_word(const __u64 *inside, uint8_t *end, int i)
{
	uint64_t word = ipcchan_load(&inside[IPCCHAN_INSIDE_WORDS - i]);

	memcpy(end - 8 * i, &word, 8);
}

/* All words of a payload that is nothing but whole words. */
#define IPCCHAN_EACH_WORD(copy, inside, end, words)		\
	switch (words) {					\
	case 10: copy(inside, end, 10); __attribute__((fallthrough)); \
	case 9: copy(inside, end, 9); __attribute__((fallthrough)); \
	case 8: copy(inside, end, 8); __attribute__((fallthrough)); \
	case 7: copy(inside, end, 7); __attribute__((fallthrough)); \
	case 6: copy(inside, end, 6); __attribute__((fallthrough)); \
	case 5: copy(inside, end, 5); __attribute__((fallthrough)); \
	case 4: copy(inside, end, 4); __attribute__((fallthrough)); \
	case 3: copy(inside, end, 3); __attribute__((fallthrough)); \
	case 2: copy(inside, end, 2); __attribute__((fallthrough)); \
	case 1: copy(inside, end, 1); __attribute__((fallthrough)); \
	case 0: break;						\
	default: __builtin_unreachable();			\
	}

_Static_assert(IPCCHAN_INSIDE_WORDS == 10, "each word is copied");

/* A payload of whole words into a descriptor, and out of it. */
static IPCCHAN_INLINE void ipcchan_put_whole(__u64 *inside, const uint8_t *from, size_t length)
{
	IPCCHAN_EACH_WORD(ipcchan_put_word, inside, from + length, length / 8)
}

static IPCCHAN_INLINE void ipcchan_get_whole(uint8_t *to, const __u64 *inside, size_t length)
{
	IPCCHAN_EACH_WORD(ipcchan_get_word, inside, to + length, length / 8)
}

/*
 * A payload of any length that fits, in and out. What is more than whole words goes
 * by a word that is filled up with zeros: nothing is touched beyond the payload.
 */
static inline void ipcchan_put_any(__u64 *inside, const uint8_t *from, size_t length)
{
	uint32_t i = ipcchan_inside((uint32_t)length);
	uint64_t word;

	for (; length >= 8; length -= 8, from += 8) {
		memcpy(&word, from, 8);
		ipcchan_store(&inside[i++], word);
	}
	if (!length)
		return;
	word = 0;
	memcpy(&word, from, length);
	ipcchan_store(&inside[i], word);
}

static inline void ipcchan_get_any(uint8_t *to, const __u64 *inside, size_t length)
{
	uint32_t i = ipcchan_inside((uint32_t)length);
	uint64_t word;

	for (; length >= 8; length -= 8, to += 8) {
		word = ipcchan_load(&inside[i++]);
		memcpy(to, &word, 8);
	}
	if (!length)
		return;
	word = ipcchan_load(&inside[i]);
	memcpy(to, &word, length);
}

/* A descriptor's flags, priority and files, read at once: all but the priority are 0. */
typedef __u64 __attribute__((may_alias)) ipcchan_two_words;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IPCCHAN_ALL_BUT_PRIORITY	(~(0xffffull << 16))
#else
#define IPCCHAN_ALL_BUT_PRIORITY	(~(0xffffull << 32))
#endif

/* May a message of this length, or of so many whole words, be put into the ring at once? */
static IPCCHAN_INLINE bool ipcchan_short_fits(const struct ipcchan_port *port,
				      const struct ipcchan_tx *tx, size_t length, bool whole)
{
	return length < tx->short_end && (!whole || !(length % 8)) && tx->head < tx->until &&
	       /* M, pairs with M in the kernel; after the last publish's C */
	       ipcchan_load_acquire(&port->roster->receiver_generation) == tx->generation;
}

/* What is the same for every message: all but its payload. */
static IPCCHAN_INLINE void ipcchan_describe_to(struct ipcchan_tx *tx, struct ipcchan_desc *desc,
					       uint32_t offset, size_t length, uint64_t tag,
					       uint64_t time_ns, uint16_t priority)
{
	struct ipcchan_outbox *outbox = tx->outbox;
	uint64_t seq = tx->head + 1;

	ipcchan_store(&desc->offset, offset);
	ipcchan_store(&desc->length, (uint32_t)length);
	ipcchan_store(&desc->tag, tag);
	ipcchan_store(&desc->time_ns, time_ns);
	ipcchan_store(&desc->priority, priority);
	ipcchan_count(&outbox->bytes, length);
	tx->head = seq;
	ipcchan_store_release(&desc->seq, seq);			/* A, pairs with B */
}

/* Puts it there; see ipcchan_publish_one(). */
static IPCCHAN_INLINE void ipcchan_short_put(struct ipcchan_tx *tx, const void *data,
					     size_t length, bool whole)
{
	struct ipcchan_desc *desc = &tx->ring[(tx->head + 1) & tx->mask];

	if (whole)
		ipcchan_put_whole(desc->inside, data, length);
	else
		ipcchan_put_any(desc->inside, data, length);
	ipcchan_describe_to(tx, desc, 0, length, 0, 0, 0);
}

/* What makes it published; see ipcchan_publish_end(). Others asleep? */
static IPCCHAN_INLINE bool ipcchan_short_end(const struct ipcchan_port *port, struct ipcchan_tx *tx)
{
	ipcchan_store_release(&tx->outbox->head, tx->head);	/* L, pairs with L in the kernel */
	ipcchan_barrier();					/* C, pairs with D and K */
	/* the bit, then what is awaited */
	return ipcchan_load_acquire(&port->roster->sleeping_receivers);
}

/*
 * Copies the next message out, if it is a short one (of whole words) of the sender whose
 * turn it is: its length, or -1 for the long way. The cursor is left as it was.
 */
static IPCCHAN_INLINE ssize_t ipcchan_short_get(const struct ipcchan_rx *rx,
					const struct ipcchan_source *s, void *data, size_t size,
					struct ipcchan_message *message, bool whole)
{
	const struct ipcchan_desc *desc = &s->ring[s->expected & rx->mask];
	uint32_t length;

	if (ipcchan_load_acquire(&desc->seq) != s->expected)	/* B, pairs with A */
		return -1;
	length = ipcchan_load(&desc->length);
	if (ipcchan_unlikely(length > rx->most_inside || length > size ||
			     (whole && length % 8)))
		return -1;
	if (ipcchan_unlikely(ipcchan_load(&desc->offset) || ipcchan_load(&desc->reserved) ||
			     ipcchan_load((const ipcchan_two_words *)&desc->flags) &
			     IPCCHAN_ALL_BUT_PRIORITY))
		return -1;
	if (whole)
		ipcchan_get_whole(data, desc->inside, length);
	else
		ipcchan_get_any(data, desc->inside, length);
	if (message)
		ipcchan_short_describe(message, s, desc, length);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);		/* R, pairs with O */
	return ipcchan_load(&desc->seq) == s->expected ? (ssize_t)length : -1;
}

/* Has no sender come or gone, and need none be looked at but the one whose turn it is? */
static IPCCHAN_INLINE bool ipcchan_short_usual(const struct ipcchan_port *port,
				       const struct ipcchan_rx *rx)
{
	return ipcchan_load_acquire(&port->roster->sender_generation) == rx->generation &&
	       rx->until_look;
}

/* It is taken; see ipcchan_advance(). Returns its sequence. */
static IPCCHAN_INLINE uint64_t ipcchan_short_advance(struct ipcchan_rx *rx,
						     struct ipcchan_source *s, size_t length)
{
	uint64_t seq = s->expected;

	s->expected = seq + 1;
	s->lost = 0;
	rx->until_look--;
	if (rx->nr_hot > 1 && ++rx->turn >= rx->nr_hot)
		rx->turn = 0;
	ipcchan_count(&rx->receipts->received, 1);
	ipcchan_count(&rx->bytes, length);
	return seq;
}

#endif /* IPCCHAN_SHORT_H */
