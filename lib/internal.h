/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: what the library's files share
 *
 *   port.c      opening and closing; guards against fork
 *   channel.c   creating, deleting, asking about channels
 *   send.c      loans and publishing          sending thread
 *   reclaim.c   whether room is free again     sending thread
 *   receive.c   taking and giving back         receiving thread
 *   roster.c    who is there                   either thread, its own side
 *   wait.c      spinning, sleeping, waking
 *   arena.c     an allocator; knows nothing of all this
 *   device.c    calls to the module
 *   error.c     texts
 *
 * A port with both roles may have a thread for each: struct ipcchan_tx belongs
 * to the sending thread, struct ipcchan_rx to the receiving one, and they share
 * no cache line. Counters others may ask for are stored and loaded atomically,
 * relaxed.
 *
 * Nothing is allocated after ipcchan_open(), and as long as nobody sleeps or
 * has to, nothing here makes a system call. The barriers' letters are those of
 * Documentation/protocol.md.
 */
#ifndef IPCCHAN_INTERNAL_H
#define IPCCHAN_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#include "arena.h"
#include "device.h"
#include "ipcchan.h"

#define IPCCHAN_CACHE_LINE	64

/* Spinning before sleep, where there is a second CPU. */
#define IPCCHAN_DEFAULT_SPIN_NS	5000u

/* A message that was published and not yet passed by all; by ring index. */
struct ipcchan_entry {
	uint32_t block;		/* of the arena */
	uint64_t marked;	/* scan that saw it held */
};

/* A message all have passed, its descriptor's place reused, but still held. */
struct ipcchan_pin {
	uint64_t seq;
	uint32_t block;
	uint64_t marked;
};

struct ipcchan_lent {
	uint32_t block;
	uint16_t nonce;		/* tells a stale ipcchan_loan from this one */
	bool out;
	uint64_t length;
};

/* A receiver, as its sender sees it. */
struct ipcchan_reader {
	uint32_t slot;
	const struct ipcchan_cursor *cursor;
	const uint64_t *holds;
};

/* What a slot for receivers was last known to have. */
struct ipcchan_seen {
	uint64_t base;		/* the receiver's own number */
	uint64_t passed;	/* newest message known to be passed */
	bool here;
};

/* Everything private to the sending thread. */
struct ipcchan_tx {
	/* constant */
	_Alignas(IPCCHAN_CACHE_LINE) struct ipcchan_outbox *outbox;
	struct ipcchan_desc *ring;
	uint8_t *payload;
	uint64_t limit;		/* last sequence of the slot */
	uint32_t slot;
	uint32_t mask;		/* depth - 1 */

	uint64_t base;
	uint64_t head;		/* newest published */
	uint64_t passed;	/* newest passed by all, as of the last scan */
	uint64_t scans;
	struct ipcchan_entry *entries;
	struct ipcchan_arena arena;

	struct ipcchan_lent *lent;
	uint32_t *free_loans;
	uint32_t nr_free_loans;

	struct ipcchan_pin *pins;	/* by ascending sequence */
	uint32_t nr_pins;

	/* the receivers, as of the roster with this generation */
	uint64_t generation;
	struct ipcchan_reader *readers;
	struct ipcchan_seen *seen;	/* by slot */
	uint64_t *progress;	/* by slot, as of the last scan */
	uint32_t nr_readers;
	uint32_t peers;		/* without this port */
	bool met;		/* there was one since it was opened */

	/* counters */
	uint64_t sent;
	uint64_t bytes;
	uint64_t full;
	uint64_t loans;
};

/* A sender, as its receiver sees it. */
struct ipcchan_source {
	const struct ipcchan_desc *ring;
	const uint8_t *payload;
	struct ipcchan_cursor *cursor;	/* ours, for this sender */
	uint64_t base;
	uint64_t expected;
	uint32_t slot;
	uint32_t held;		/* messages of this base */
	uint32_t state;		/* IPCCHAN_SLOT_* */
	bool closed;		/* made no sense, or left before we came */
	bool drained;		/* kicked because all is read */
};

struct ipcchan_held {
	uint64_t seq;		/* 0: free */
	uint64_t base;		/* its sender's */
	uint32_t slot;
};

/* Everything private to the receiving thread. */
struct ipcchan_rx {
	/* constant */
	_Alignas(IPCCHAN_CACHE_LINE) struct ipcchan_receipts *receipts;
	uint64_t *hold_words;
	uint32_t slot;
	uint32_t mask;

	/* the senders, as of the roster with this generation */
	uint64_t generation;
	struct ipcchan_source *sources;	/* by slot */
	uint8_t order[IPCCHAN_MAX_SLOTS];	/* slots that can be read */
	uint32_t nr_sources;
	uint32_t turn;		/* in @order: who is asked first */
	uint32_t peers;		/* without this port */
	bool met;		/* there was one since it was opened */
	bool vacant;		/* no slot was taken but our own */

	struct ipcchan_held *held;
	uint16_t *free_holds;
	uint32_t nr_free_holds;
	uint32_t culprit;

	/* counters */
	uint64_t received;
	uint64_t bytes;
	uint64_t holds;
};

struct ipcchan_port {
	/* constant from opening to closing */
	const uint64_t *guard;	/* a page that is zero in a forked child */
	int fd;
	uint32_t id;
	uint32_t roles;
	uint32_t flags;
	struct ipcchan_geometry geometry;
	struct ipcchan_layout layout;
	uint8_t *own;
	uint8_t *window;
	size_t own_size;
	size_t window_size;
	const struct ipcchan_roster *roster;
	const struct ipcchan_slot *senders;
	const struct ipcchan_slot *receivers;
	struct ipcchan_tx *tx;
	struct ipcchan_rx *rx;
	uint64_t spin_rate;	/* turns in 2^20 ns */

	/* any thread; atomic, relaxed; seldom written */
	uint64_t spin_turns;
	uint64_t kicks;
	uint64_t waits;
	uint32_t polled;	/* somebody has asked for the descriptor */
};

/* Words others of our threads may look at: one writer, no locked access. */
#define ipcchan_count(p, n)	ipcchan_store(p, ipcchan_load(p) + (n))

static inline bool ipcchan_is_forked(const struct ipcchan_port *port)
{
	return !*(const volatile uint64_t *)port->guard;
}

/* What stands at the head of every call. */
static inline int ipcchan_check(const struct ipcchan_port *port, uint32_t role)
{
	if (ipcchan_is_forked(port))
		return -EBUSY;
	if ((port->roles & role) != role)
		return -EPERM;
	return 0;
}

static inline uint64_t ipcchan_slots_mask(uint32_t slots)
{
	return slots >= 64 ? ~0ull : (1ull << slots) - 1;
}

/* How long a call goes on trying. */
struct ipcchan_patience {
	int64_t timeout_ns;
	uint64_t turns;		/* of spinning left */
	uint64_t spin_ns;	/* that they take, about */
	uint64_t deadline_ns;	/* 0: the clock was not asked yet */
	uint32_t looks;		/* taken by a call that does not wait */
	uint32_t wakes;		/* that brought nothing */
	bool expired;
};

/* error.c */
int ipcchan_fail(struct ipcchan_error *error, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int ipcchan_fail_call(struct ipcchan_error *error, int rc, const char *what);
uint64_t ipcchan_why(struct ipcchan_error *error, uint32_t *length);
int ipcchan_open_device(struct ipcchan_error *error);

/* channel.c */
int ipcchan_take_options(struct ipcchan_options *options, const struct ipcchan_options *given,
			 struct ipcchan_error *error);
int ipcchan_take_name(char to[IPCCHAN_NAME_SIZE], const char *name,
		      struct ipcchan_error *error);
int ipcchan_request_create(int fd, const char *name, const struct ipcchan_options *options,
			   struct ipcchan_error *error);
int ipcchan_give_struct(void *to, size_t minimum, const void *from, size_t known);

/* port.c */
void *ipcchan_alloc(size_t n, size_t size);

/* send.c, receive.c: made and freed with the port */
struct ipcchan_tx *ipcchan_tx_new(const struct ipcchan_port *port, uint32_t slot);
void ipcchan_tx_start(struct ipcchan_port *port);
void ipcchan_tx_free(struct ipcchan_tx *tx);
struct ipcchan_rx *ipcchan_rx_new(const struct ipcchan_port *port, uint32_t slot);
void ipcchan_rx_start(struct ipcchan_port *port);
void ipcchan_rx_free(struct ipcchan_rx *rx);

/* reclaim.c */
bool ipcchan_reclaim(struct ipcchan_port *port);
uint64_t ipcchan_reclaim_await(const struct ipcchan_tx *tx);
bool ipcchan_reclaim_changed(const struct ipcchan_port *port);

/* roster.c */
const struct ipcchan_cursor *ipcchan_cursor_of(const struct ipcchan_port *port, uint32_t slot);
int ipcchan_roster_readers(struct ipcchan_port *port);
int ipcchan_roster_sources(struct ipcchan_port *port);

/* wait.c */
int ipcchan_patience_init(const struct ipcchan_port *port, struct ipcchan_patience *patience,
			  int64_t timeout_ns);
bool ipcchan_turn(struct ipcchan_patience *patience);
int ipcchan_sleep(struct ipcchan_port *port, struct ipcchan_patience *patience,
		  struct ipcchan_wait *wait);
int ipcchan_look(struct ipcchan_port *port, struct ipcchan_patience *patience,
		 struct ipcchan_wait *wait);
int ipcchan_kick_slots(struct ipcchan_port *port, uint64_t receivers, uint64_t senders);
uint64_t ipcchan_spin_default(void);
uint64_t ipcchan_spin_rate(void);

#endif /* IPCCHAN_INTERNAL_H */
