/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What a sender shows its receiver.
 *
 * A sender's words are read once, into a copy, and only a copy that was checked
 * is used. A sender that makes no sense is left alone from then on; the others
 * go on. Where messages may be dropped, and when this port is evicted, a message
 * can vanish while it is read: its sequence is looked at again afterwards.
 */
#include "short.h"

static inline const struct ipcchan_desc *place(const struct ipcchan_rx *rx,
					       const struct ipcchan_source *s, uint64_t seq)
{
	return &s->ring[seq & rx->mask];
}

static inline uint64_t word_at(const struct ipcchan_rx *rx, const struct ipcchan_source *s,
			       uint64_t seq)
{
	return ipcchan_load_acquire(&place(rx, s, seq)->seq);	/* B, pairs with A */
}

/** ipcchan_source_is_next() - is it just what is expected? */
bool ipcchan_source_is_next(const struct ipcchan_rx *rx, const struct ipcchan_source *s)
{
	return word_at(rx, s, s->expected) == s->expected;
}

/** ipcchan_source_readable() - is there something? Not what, nor whether it is sound. */
bool ipcchan_source_readable(const struct ipcchan_rx *rx, const struct ipcchan_source *s)
{
	return ipcchan_seq_delta(word_at(rx, s, s->expected), s->expected) >= 0;
}

/**
 * ipcchan_source_expect() - fetch what the next message will probably need
 *
 * Its descriptor's place still says where the payload was a lap ago: in its other
 * line, or in a block, for senders of equal messages use theirs in turn. What it
 * says is a guess, and is neither trusted nor read.
 */
void ipcchan_source_expect(const struct ipcchan_port *port, const struct ipcchan_source *s)
{
	const struct ipcchan_desc *desc = place(port->rx, s, s->expected);
	uint32_t offset = ipcchan_load(&desc->offset);

	if (ipcchan_load(&desc->length) <= IPCCHAN_INSIDE)
		__builtin_prefetch(desc->inside);
	else if (offset < port->geometry.arena)
		__builtin_prefetch(s->payload + offset);
}

/** ipcchan_source_shows() - was it that message all the time, until now? */
bool ipcchan_source_shows(const struct ipcchan_rx *rx, const struct ipcchan_source *s,
			  uint64_t seq)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);		/* R, pairs with O */
	return ipcchan_load(&place(rx, s, seq)->seq) == seq;
}

/** ipcchan_source_copy() - copy a short payload out of the descriptor, by words */
void ipcchan_source_copy(const struct ipcchan_rx *rx, const struct ipcchan_source *s,
			 uint64_t seq, void *to, size_t length)
{
	const __u64 *inside = place(rx, s, seq)->inside;

	if (ipcchan_likely(!(length % 8)))
		ipcchan_get_whole(to, inside, length);
	else
		ipcchan_get_any(to, inside, length);
}

/** ipcchan_source_lose() - @n messages will never be taken */
void ipcchan_source_lose(struct ipcchan_rx *rx, struct ipcchan_source *s, uint64_t n)
{
	s->lost += n;
	ipcchan_count(&rx->lost, n);
	ipcchan_count(&s->cursor->lost, n);
}

/**
 * ipcchan_wake_sender() - wake a sender if what was just stored is what it sleeps for
 *
 * After E. The bit comes before what is awaited.
 */
void ipcchan_wake_sender(struct ipcchan_port *port, const struct ipcchan_source *s,
			 uint64_t old, uint64_t passed)
{
	uint64_t bit = 1ull << s->slot;
	uint64_t await;

	if (!(ipcchan_load_acquire(&port->roster->sleeping_senders) & bit))
		return;
	await = ipcchan_load(&port->senders[s->slot].await);
	if (!await || (old < await && await <= passed))
		ipcchan_kick_slots(port, 0, bit);
}

/**
 * ipcchan_source_drain() - let the kernel have the outbox of a sender that left and
 * was read to the end
 */
void ipcchan_source_drain(struct ipcchan_port *port, struct ipcchan_source *s)
{
	if (ipcchan_likely(s->state != IPCCHAN_SLOT_DRAINING) || s->held || s->drained)
		return;
	if (!s->closed && ipcchan_source_readable(port->rx, s))
		return;
	s->drained = true;
	ipcchan_advance_end(port);
	ipcchan_kick_slots(port, 0, 1ull << s->slot);
}

/**
 * ipcchan_source_close() - read no more from a sender, and let it wait for us no more
 *
 * -EPROTO
 */
int ipcchan_source_close(struct ipcchan_port *port, struct ipcchan_source *s)
{
	s->closed = true;
	s->corrupt = true;
	port->rx->culprit = s->slot;
	ipcchan_order_forget(port->rx, s->slot);
	ipcchan_store_release(&s->cursor->closed, s->base);	/* G, pairs with H */
	ipcchan_barrier();					/* E, pairs with F and N */
	ipcchan_wake_sender(port, s, 0, UINT64_MAX);
	ipcchan_source_drain(port, s);
	return -EPROTO;
}

/*
 * A place does not show what it must: this port is gone and sees zeros, or the
 * slot has another sender, or none, or the sender makes no sense. The kernel is
 * asked first, for the roster may still be seen as it was.
 */
static int doubt(struct ipcchan_port *port, struct ipcchan_source *s)
{
	int rc = ipcchan_kick_slots(port, 0, 0);

	if (rc)
		return rc;
	if (ipcchan_load_acquire(&port->roster->sender_generation) != port->rx->generation)
		return IPCCHAN_AGAIN;
	return ipcchan_source_close(port, s);
}

/** ipcchan_source_vanished() - what we were reading is not there any more */
int ipcchan_source_vanished(struct ipcchan_port *port, struct ipcchan_source *s)
{
	return ipcchan_drops(port) ? IPCCHAN_AGAIN : doubt(port, s);
}

/* How many are gone where @word stands, which is not what is expected; 0: nonsense. */
static uint64_t count_gone(const struct ipcchan_rx *rx, const struct ipcchan_source *s,
			   uint64_t word, uint64_t now)
{
	uint64_t most = ipcchan_newest_possible(s->base, s->slot, s->since_ns, now);
	uint64_t delta = (uint64_t)ipcchan_seq_delta(word, s->expected);

	if (!delta)
		return 1;
	if (delta & rx->mask || s->expected + delta > most)
		return 0;
	return delta - rx->mask;
}

/*
 * Goes on to what is not gone: 0, -EAGAIN, or why not. What is possible is judged
 * by a time before the generation is looked at: a cursor that is stored after the
 * slot was given up is then not beyond what the kernel allows for (next base).
 */
static int skip(struct ipcchan_port *port, struct ipcchan_source *s, uint64_t word)
{
	struct ipcchan_rx *rx = port->rx;
	uint64_t now, gone;

	if (ipcchan_seq_delta(word, s->expected) < 0)
		return -EAGAIN;
	if (!ipcchan_drops(port))
		return doubt(port, s);
	now = ipcchan_device_now();
	if (ipcchan_load_acquire(&port->roster->sender_generation) != rx->generation)
		return IPCCHAN_AGAIN;
	gone = count_gone(rx, s, word, now);
	if (!gone)
		return doubt(port, s);
	s->expected += gone;
	rx->touched |= 1ull << s->slot;
	ipcchan_source_lose(rx, s, gone);
	return 0;
}

/* All else is as it should be, and it has no more files than a message may have? */
static bool has_files(const struct ipcchan_geometry *g, struct ipcchan_found *f,
		      const struct ipcchan_desc *desc)
{
	uint64_t zero = ipcchan_load(&desc->flags) | ipcchan_load(&desc->reserved);

	f->files = ipcchan_load(&desc->files);
	return f->files && f->files <= IPCCHAN_MAX_FILES && ipcchan_makes_sense(g, f, zero);
}

/**
 * ipcchan_source_read() - read the description of a message that was there (B)
 *
 * 0, IPCCHAN_WITH_FILES, -EPROTO, -ESHUTDOWN or IPCCHAN_AGAIN. It may have vanished all the same:
 * whoever uses what was found must see, afterwards, that the source still shows it.
 */
int ipcchan_source_read(struct ipcchan_port *port, struct ipcchan_source *s, uint64_t seq,
			struct ipcchan_found *f)
{
	const struct ipcchan_desc *desc = place(port->rx, s, seq);
	uint64_t zero = ipcchan_load(&desc->flags) | ipcchan_load(&desc->files) |
			ipcchan_load(&desc->reserved);

	f->source = s;
	f->offset = ipcchan_load(&desc->offset);
	f->length = ipcchan_load(&desc->length);
	f->tag = ipcchan_load(&desc->tag);
	f->time_ns = ipcchan_load(&desc->time_ns);
	f->priority = ipcchan_load(&desc->priority);
	if (ipcchan_likely(ipcchan_makes_sense(&port->geometry, f, zero)))
		return 0;
	if (has_files(&port->geometry, f, desc))
		return IPCCHAN_WITH_FILES;
	if (!ipcchan_source_shows(port->rx, s, seq))
		return ipcchan_source_vanished(port, s);
	return ipcchan_source_close(port, s);
}

/**
 * ipcchan_source_peek() - the next message of a sender; it is not taken
 *
 * 0, IPCCHAN_WITH_FILES, -EAGAIN, -EPROTO, -ESHUTDOWN or IPCCHAN_AGAIN. Counts what was lost before it.
 */
int ipcchan_source_peek(struct ipcchan_port *port, struct ipcchan_source *s,
			struct ipcchan_found *found)
{
	/* a lap that was overrun, each place by the one after it, and then a lap of voids */
	for (uint32_t tries = 0; tries <= 2 * (port->rx->mask + 1); tries++) {
		uint64_t word = word_at(port->rx, s, s->expected);
		int rc;

		if (ipcchan_likely(word == s->expected))
			return ipcchan_source_read(port, s, word, found);
		rc = skip(port, s, word);
		if (rc)
			return rc;
	}
	return -EAGAIN;
}

/*
 * The newest message is not where it must be. Its sender retires it only when it
 * has stored a newer head (C), the kernel when its sender has left; else that
 * head was never true.
 */
static int find_fault(struct ipcchan_port *port, struct ipcchan_source *s, uint64_t seq)
{
	if (ipcchan_load_acquire(&s->outbox->head) != seq)
		return IPCCHAN_AGAIN;
	return s->state == IPCCHAN_SLOT_DRAINING ? -EAGAIN : doubt(port, s);
}

/** ipcchan_source_newest() - the newest message of a sender, wherever we are; as above */
int ipcchan_source_newest(struct ipcchan_port *port, struct ipcchan_source *s, uint64_t *seq,
			  struct ipcchan_found *found)
{
	/* L, pairs with L in short.h */
	*seq = ipcchan_load_acquire(&s->outbox->head);
	if (*seq <= s->base)
		return -EAGAIN;
	if (*seq > ipcchan_seq_limit(s->slot))
		return ipcchan_source_close(port, s);
	if (word_at(port->rx, s, *seq) != *seq)
		return find_fault(port, s, *seq);
	if (ipcchan_load_acquire(&port->roster->sender_generation) != port->rx->generation)
		return IPCCHAN_AGAIN;	/* another's by now */
	return ipcchan_source_read(port, s, *seq, found);
}
