/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * ipcchan: what lies in the shared pages, for the kernel and the library.
 *
 * DOC: one writer a page
 *
 *   region    written by     read by
 *   roster    the kernel     every port of the channel
 *   receipts  a receiver     the kernel, and the senders
 *   outbox    a sender       the kernel, and the receivers
 *
 * A port's own region is its receipts (if it receives) followed by its outbox
 * (if it sends). Its window is the roster, then a place for every receiver's
 * receipts, then a place for every sender's outbox, by slot. Places it has no
 * right to, and empty ones, read as zeros.
 *
 * The steps and the barriers, a letter each, are in Documentation/protocol.md.
 * Whoever reads a word that another process may write reads it once, with the
 * macros below, and uses the copy.
 */
#ifndef _UAPI_LINUX_IPCCHAN_RING_H
#define _UAPI_LINUX_IPCCHAN_RING_H

#include <linux/types.h>
#include <linux/ipcchan.h>

/*
 * A sequence number: bit 63 says VOID, bits 56 to 62 are the sender's slot,
 * the rest counts. The first message of a sender has its base + 1. Bases grow
 * with every sender that takes the slot, so that no number is used twice while
 * anyone is attached who might remember it.
 */
#define IPCCHAN_SEQ_VOID	(1ull << 63)
#define IPCCHAN_SEQ_SLOT_SHIFT	56
#define IPCCHAN_SEQ_COUNT	((1ull << IPCCHAN_SEQ_SLOT_SHIFT) - 1)

/* Bytes of payload that lie in the descriptor itself, in words of 8. */
#define IPCCHAN_INSIDE_WORDS	10
#define IPCCHAN_INSIDE		(8u * IPCCHAN_INSIDE_WORDS)

/**
 * struct ipcchan_desc - a descriptor: one message in a sender's ring
 * @inside:	a short payload lies at the end of it, filled up to whole words, next
 *		to what describes it: ipcchan_inside(). Before that whatever was there
 * @seq:	sequence, stored last (release)
 * @offset:	of the payload in the arena, bytes; 0 if it is inside
 * @length:	of the payload, bytes; up to IPCCHAN_INSIDE it is inside
 * @tag:	the application's
 * @time_ns:	CLOCK_MONOTONIC when it was published, 0 if not asked for
 * @flags:	0
 * @priority:	the application's; a queue gives out higher ones first, and takes
 *		more than IPCCHAN_PRIORITIES - 1 for that
 * @files:	how many files the kernel has for this message, the sender's own claim
 * @reserved:	0
 *
 * Two cache lines, which processors fetch as a pair. Why it looks like this:
 * Documentation/performance.md.
 */
struct ipcchan_desc {
	__u64	inside[IPCCHAN_INSIDE_WORDS];
	__u64	seq;
	__u32	offset;
	__u32	length;
	__u64	tag;
	__u64	time_ns;
	__u16	flags;
	__u16	priority;
	__u32	files;
	__u64	reserved;
};

#define IPCCHAN_PRIORITIES	32u

/* Where in @inside the payload of a short message begins, in words. */
static inline __u32 ipcchan_inside(__u32 length)
{
	return IPCCHAN_INSIDE_WORDS - (length + 7) / 8;
}

/**
 * struct ipcchan_outbox - begins an outbox; ring and arena follow
 * @head:	sequence of the newest message (release); for who joins, and
 *		who wants the newest
 * @sent:	messages, the sender's own claim, if it is more than @head tells
 * @bytes:	of payload, likewise
 */
struct ipcchan_outbox {
	__u64	head;
	__u64	sent;
	__u64	bytes;
	__u64	reserved[13];
};

/**
 * struct ipcchan_cursor - what a receiver says to one sender
 * @passed:	sequence of the newest message taken; below the base: none
 * @released:	how many holds on this sender's messages were given back
 * @closed:	base of a sender the receiver will read no more from; 0: none
 * @lost:	messages lost, the receiver's own claim
 * @before:	written by the kernel before the receiver has the page: how many
 *		messages this slot's senders had published, up to where the receiver
 *		begins; as a slot's @past counts
 */
struct ipcchan_cursor {
	__u64	passed;
	__u64	released;
	__u64	closed;
	__u64	lost;
	__u64	before;
	__u64	reserved[3];
};

/**
 * struct ipcchan_receipts - first line of the receipts; cursors (one a sender
 * slot) and holds (a sequence each, 0 for none) follow
 * @received:	messages, the receiver's own claim
 */
struct ipcchan_receipts {
	__u64	received;
	__u64	reserved[7];
};

/* States of a sender's slot on the roster. */
#define IPCCHAN_SLOT_EMPTY	0u
#define IPCCHAN_SLOT_ACTIVE	1u
#define IPCCHAN_SLOT_DRAINING	2u	/* has left; what it published can be read */

/**
 * struct ipcchan_slot - a slot on the roster
 * @state:	IPCCHAN_SLOT_*
 * @port_id:	who
 * @base:	sender: sequences begin after it; receiver: a number of its own.
 *		Another value is another port.
 * @await:	sender asleep: the sequence it awaits, 0 for any change;
 *		receiver asleep: see IPCCHAN_AWAIT_COUNT
 * @since_ns:	sender: CLOCK_MONOTONIC when it took the slot
 * @past:	sender: how many messages those published, all together, who had the
 *		slot before and have given it up
 * @retired:	sender on a queue: changes with every message of it that is retired
 */
struct ipcchan_slot {
	__u32	state;
	__u32	port_id;
	__u64	base;
	__u64	await;
	__u64	since_ns;
	__u64	past;
	__u64	retired;
	__u64	reserved[2];
};

/*
 * What a receiver asleep awaits: a kick from a sender that has published so
 * many messages more since it first saw this word (the rest of the word is
 * another one with every look of the kernel). IPCCHAN_AWAIT_COUNT: none at all.
 * The whole word 0: any message.
 */
#define IPCCHAN_AWAIT_COUNT	0xffffffffull

/**
 * struct ipcchan_roster - who is there and who sleeps; slots follow, the
 * senders', then the receivers'; on a queue then the retired words, depth for
 * each sender slot: at the index of a message its sequence, once it is retired
 * @receiver_generation: changes with every receiver that comes or goes; 0: this
 *			port was evicted, or the channel deleted
 * @sleeping_receivers:	a bit a slot
 * @sender_generation:	as @receiver_generation, for senders
 * @sleeping_senders:	a bit a slot
 *
 * A line for what senders look at, and one for what receivers do.
 */
struct ipcchan_roster {
	__u64	receiver_generation;
	__u64	sleeping_receivers;
	__u64	reserved0[6];
	__u64	sender_generation;
	__u64	sleeping_senders;
	__u64	reserved1[6];
};

/*
 * Access, from programs, to words that another process writes, or reads while
 * they are written. The kernel has its own.
 */
#ifndef __KERNEL__
#define ipcchan_load(p)			__atomic_load_n(p, __ATOMIC_RELAXED)
#define ipcchan_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define ipcchan_store(p, v)		__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define ipcchan_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define ipcchan_barrier()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/**
 * struct ipcchan_layout - where things lie, in bytes; from ipcchan_layout()
 * @holds:	in the receipts: the holds (the cursors are after the first line)
 * @receipts_size: of one receiver's receipts
 * @ring:	in an outbox: the descriptors
 * @arena:	in an outbox: the payloads
 * @outbox_size: of one sender's outbox
 * @receivers:	in the roster: the receivers' slots (the senders' are after the
 *		struct)
 * @retired:	in the roster of a queue: the retired words
 * @roster_size: of the roster
 * @window_receipts: in the window: receipts of receiver slot 0
 * @window_outboxes: in the window: outbox of sender slot 0
 * @window_size: of the window
 */
struct ipcchan_layout {
	__u64	holds;
	__u64	receipts_size;
	__u64	ring;
	__u64	arena;
	__u64	outbox_size;
	__u64	receivers;
	__u64	retired;
	__u64	roster_size;
	__u64	window_receipts;
	__u64	window_outboxes;
	__u64	window_size;
};

static inline __u64 ipcchan_round_up(__u64 n, __u64 page)
{
	return (n + page - 1) & ~(page - 1);
}

/**
 * ipcchan_layout() - compute where things lie
 * @l:		out
 * @g:		geometry in force, as the kernel gave it
 * @type:	of the channel
 * @page:	page size
 */
static inline void ipcchan_layout(struct ipcchan_layout *l,
				  const struct ipcchan_geometry *g, __u32 type,
				  __u64 page)
{
	l->holds = sizeof(struct ipcchan_receipts) +
		   g->senders * sizeof(struct ipcchan_cursor);
	l->receipts_size = ipcchan_round_up(l->holds + g->holds * 8ull, page);

	/* a small arena shares the ring's last page */
	l->ring = sizeof(struct ipcchan_outbox);
	l->arena = l->ring + g->depth * sizeof(struct ipcchan_desc);
	if (g->arena >= page)
		l->arena = ipcchan_round_up(l->arena, page);
	l->outbox_size = ipcchan_round_up(l->arena + g->arena, page);

	l->receivers = sizeof(struct ipcchan_roster) +
		       g->senders * sizeof(struct ipcchan_slot);
	l->retired = l->receivers + g->receivers * sizeof(struct ipcchan_slot);
	l->roster_size = l->retired;
	if (type == IPCCHAN_TYPE_QUEUE)
		l->roster_size += 8ull * g->senders * g->depth;
	l->roster_size = ipcchan_round_up(l->roster_size, page);

	l->window_receipts = l->roster_size;
	l->window_outboxes = l->window_receipts +
			     g->receivers * l->receipts_size;
	l->window_size = l->window_outboxes + g->senders * l->outbox_size;
}

/* Blocks of the arena begin at multiples of this, and no two share one. */
#define IPCCHAN_GRANULE		64u

/*
 * The arena that a sender needs to find room for the longest message at once,
 * whatever is held or kept: those pinned messages, of any sizes, leave one gap
 * more than there are of them.
 */
static inline __u64 ipcchan_arena_for(__u64 pinned, __u64 max_message)
{
	return (2 * pinned + 1) * ipcchan_round_up(max_message, IPCCHAN_GRANULE);
}

/* The longest message for which an arena suffices. */
static inline __u64 ipcchan_message_for(__u64 pinned, __u64 arena)
{
	return arena / (2 * pinned + 1) & ~(__u64)(IPCCHAN_GRANULE - 1);
}

/* The last sequence a slot can have. */
static inline __u64 ipcchan_seq_limit(__u32 slot)
{
	return ((__u64)slot << IPCCHAN_SEQ_SLOT_SHIFT) | IPCCHAN_SEQ_COUNT;
}

/* What a cursor says to the sender with this base: the newest message passed. */
static inline __u64 ipcchan_passed(__u64 cursor, __u64 base)
{
	return cursor < base ? base : cursor;
}

/*
 * Nobody publishes faster than one message in two nanoseconds: what a process
 * says of a sender's sequences counts for no more, so that a liar can neither
 * use up the slot's numbers nor lead a cursor beyond the next sender's base.
 * Clocks may stand still for a while.
 */
#define IPCCHAN_SEQ_SLACK_NS	(1ull << 24)

static inline __u64 ipcchan_newest_possible(__u64 base, __u32 slot,
					    __u64 since_ns, __u64 now_ns)
{
	__u64 most = base + (now_ns - since_ns + IPCCHAN_SEQ_SLACK_NS) / 2;

	return most < ipcchan_seq_limit(slot) ? most : ipcchan_seq_limit(slot);
}

/*
 * How a descriptor's sequence word stands to the sequence a receiver expects
 * in that place: < 0 nothing there yet; 0 there (or void); > 0 overrun, a
 * multiple of the ring's depth unless the sender is corrupt.
 */
static inline __s64 ipcchan_seq_delta(__u64 word, __u64 expected)
{
	return (__s64)((word & ~IPCCHAN_SEQ_VOID) - expected);
}

/*
 * One number that differs when anything in a receiver's line for a sender has
 * changed, as long as the receiver's words only grow.
 */
static inline __u64 ipcchan_progress(__u64 passed, __u64 released, __u64 closed)
{
	return passed + released + closed;
}

#endif /* _UAPI_LINUX_IPCCHAN_RING_H */
