/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: what the library's files share
 *
 *   port.c      opening and closing; guards against fork
 *   channel.c   creating, deleting, asking about channels
 *   handle.c    handles, and channels without a name
 *   loan.c      room for a message, lent to the caller    sending thread
 *   publish.c   making messages visible, waking           sending thread
 *   send.c      the sending calls                          sending thread
 *   short.h     the path of a short message                either, its own side
 *   place.h     the path of a message in place             either, its own side
 *   reclaim.c   freeing what was published                 sending thread
 *   source.c    what a sender shows its receiver           receiving thread
 *   order.c     which sender is asked next                 receiving thread
 *   take.c      taking messages and giving them back       receiving thread
 *   receive.c   the receiving calls                        receiving thread
 *   latest.c    the newest value                           receiving thread
 *   roster.c    who is there                               either, its own side
 *   wait.c      sleeping, waking, time
 *   spin.c      polling before sleeping, and for how long
 *   many.c      waiting for many ports
 *   service.c   listening, connecting, accepting
 *   call.c      requests and their replies                 one thread for both sides
 *   retire.c    freeing what was published on a queue     sending thread
 *   claim.c     claiming from a queue                      receiving thread
 *   work.c      the receiving calls, on a queue            receiving thread
 *   arena.c     an allocator; knows nothing of all this
 *   files.c     files on messages                          either, its own side
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

#define ipcchan_likely(x)	__builtin_expect(!!(x), 1)
#define ipcchan_unlikely(x)	__builtin_expect(!!(x), 0)

/* What was learned of how long polling takes until something comes; spin.c */
struct ipcchan_spin {
	uint64_t usual;		/* turns */
	uint32_t failures;
};

/* A message that was published and not yet freed; by ring index. */
struct ipcchan_entry {
	uint32_t block;		/* of the arena */
	uint32_t files;		/* that go with it */
	uint64_t marked;	/* scan that saw it held */
};

/* A message that is retired, its descriptor's place reused, but still held. */
struct ipcchan_pin {
	uint64_t seq;
	uint32_t block;
	uint64_t marked;
};

struct ipcchan_lent {
	_Alignas(IPCCHAN_CACHE_LINE) uint64_t inside[IPCCHAN_INSIDE_WORDS];	/* a short payload until it is committed */
	uint64_t length;
	uint32_t block;
	uint16_t nonce;		/* tells a stale ipcchan_loan from this one */
	bool out;
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
	uint64_t await;		/* what it awaited when it was last seen asleep ... */
	uint64_t from;		/* ... and our newest message when that was new */
	bool here;
};

/* Everything private to the sending thread; what every message needs comes first. */
struct ipcchan_tx {
	_Alignas(IPCCHAN_CACHE_LINE) struct ipcchan_outbox *outbox;	/* constant */
	struct ipcchan_desc *ring;	/* constant */
	uint64_t head;		/* newest in the ring */
	uint64_t until;		/* as long as the head is below it there is a place */
	uint64_t pending;	/* of them that do not count as published yet: C has to follow */
	uint64_t generation;	/* of the receivers the list below is of */
	uint32_t mask;		/* constant: depth - 1 */
	uint32_t short_end;	/* constant: shorter messages may go the short way */

	/* constant */
	uint64_t most_in_place;	/* longer messages go the long way */
	uint8_t *payload;
	uint64_t base;
	uint64_t limit;		/* last sequence of the slot */
	uint32_t slot;
	uint32_t history;

	uint64_t floor;		/* newest retired: places up to it are free */
	struct ipcchan_entry *entries;
	uint64_t nr_blocks;	/* of the entries */
	uint64_t loans;		/* out now; a counter, as full is */

	struct ipcchan_lent *lent;
	uint32_t *free_loans;
	uint32_t nr_free_loans;

	uint32_t nr_pins;
	struct ipcchan_pin *pins;	/* by ascending sequence */
	uint64_t scans;
	uint64_t scanned;	/* newest in the ring when it was last tried to reclaim */

	struct ipcchan_reader *readers;
	struct ipcchan_seen *seen;	/* by slot */
	uint64_t *progress;	/* by slot, as of the last scan */
	uint32_t nr_readers;
	uint32_t peers;		/* without this port */
	bool met;		/* there was one since it was opened */
	bool lacking;		/* room, when it was last looked for */

	struct ipcchan_spin spin;
	uint64_t full;
	uint64_t nr_files;	/* messages in the ring that have some */
	struct ipcchan_arena arena;

	const uint64_t *words;	/* retired; NULL: it is no queue */
	uint64_t retired;	/* count of them when they were last looked at ... */
	bool looked;		/* all of them */
};

/* In ipcchan_message: this message is not held. */
#define IPCCHAN_NOT_HELD	UINT32_MAX

/* A sender, as its receiver sees it. */
struct ipcchan_source {
	_Alignas(IPCCHAN_CACHE_LINE) const struct ipcchan_desc *ring;
	const uint8_t *payload;
	const struct ipcchan_outbox *outbox;
	struct ipcchan_cursor *cursor;	/* ours, for this sender */
	uint64_t base;
	uint64_t since_ns;
	uint64_t past;		/* what former owners of the slot published */
	uint64_t expected;
	uint64_t before;	/* what the cursor said until now */
	uint64_t lost;		/* not yet told with a message */
	uint32_t slot;
	uint32_t held;		/* messages of this base */
	uint32_t state;		/* IPCCHAN_SLOT_* */
	bool closed;		/* makes no sense, or left before we came */
	bool corrupt;		/* makes no sense */
	bool drained;		/* kicked because all is read */
};

/* No sequence has this bit: a message with files is not held as others are. */
#define IPCCHAN_HELD_FILES	IPCCHAN_SEQ_VOID

struct ipcchan_held {
	_Alignas(IPCCHAN_CACHE_LINE) uint64_t inside[IPCCHAN_INSIDE_WORDS];	/* a short payload, copied */
	uint64_t seq;		/* 0: free; with IPCCHAN_HELD_FILES if it has any */
	uint64_t base;		/* its sender's */
	uint32_t slot;
	bool pinned;		/* the hold word names it */
};

/* Everything private to the receiving thread. */
struct ipcchan_rx {
	_Alignas(IPCCHAN_CACHE_LINE) struct ipcchan_receipts *receipts;	/* constant */
	uint32_t mask;		/* constant */
	uint32_t most_inside;	/* constant */
	uint64_t most_in_place;	/* constant: longer messages go the long way */

	/* the senders, as of the roster with this generation */
	uint64_t generation;
	struct ipcchan_source *sources;	/* by slot */
	uint32_t nr_sources;	/* that can be read; their slots are in order */
	uint32_t nr_hot;	/* the first of them had a message when last asked */
	uint32_t turn;		/* in the hot ones: who is asked first */
	uint32_t until_look;	/* messages until the others are asked; 0 if none is hot */
	uint64_t bytes;		/* counter; as are lost and holds */

	uint64_t *hold_words;	/* constant */
	uint32_t slot;		/* constant */
	uint64_t lost;
	uint64_t holds;
	struct ipcchan_held *held;
	uint16_t *free_holds;
	uint32_t nr_free_holds;
	uint32_t culprit;
	uint64_t touched;	/* slots whose cursor is to be stored */

	uint32_t peers;		/* without this port */
	bool met;		/* there was one since it was opened */
	bool vacant;		/* no slot was taken but our own */
	struct ipcchan_spin spin;
	uint8_t order[IPCCHAN_MAX_SLOTS];
};

/* A page that is all zeros in a forked child. */
struct ipcchan_guard {
	struct ipcchan_tx *tx;	/* NULL without the role */
	struct ipcchan_rx *rx;	/* likewise */
	uint64_t here;
};

struct ipcchan_port {
	/* constant from opening to closing */
	const struct ipcchan_guard *guard;
	const struct ipcchan_roster *roster;
	struct ipcchan_tx *tx;
	struct ipcchan_rx *rx;
	uint32_t roles;
	uint32_t plain;		/* of them those that have the calls of topics */
	uint32_t flags;
	bool queue;
	uint32_t overflow;
	uint32_t history;
	int fd;
	uint32_t id;
	struct ipcchan_geometry geometry;
	struct ipcchan_layout layout;
	uint8_t *own;
	uint8_t *window;
	size_t own_size;
	size_t window_size;
	const struct ipcchan_slot *senders;
	const struct ipcchan_slot *receivers;
	uint64_t spin_rate;	/* turns in 2^20 ns */
	struct ipcchan_calls *calls;	/* call.c; NULL: it makes none */
	uint32_t type;		/* of the channel: enum ipcchan_type */

	/* any thread; atomic, relaxed; seldom written */
	_Alignas(IPCCHAN_CACHE_LINE) uint64_t spin_turns;	/* at most */
	uint64_t kicks;
	uint64_t waits;
	uint32_t polled;	/* somebody has asked for the descriptor */
};

/* Words others of our threads may look at: one writer, no locked access. */
#define ipcchan_count(p, n)	ipcchan_store(p, ipcchan_load(p) + (n))

static inline bool ipcchan_is_forked(const struct ipcchan_port *port)
{
	return !*(const volatile uint64_t *)&port->guard->here;
}

/* The sending thread's, if this is a sender and not a forked child. */
static inline struct ipcchan_tx *ipcchan_tx(const struct ipcchan_port *port)
{
	return *(struct ipcchan_tx *const volatile *)&port->guard->tx;
}

static inline struct ipcchan_rx *ipcchan_rx(const struct ipcchan_port *port)
{
	return *(struct ipcchan_rx *const volatile *)&port->guard->rx;
}

/* What stands at the head of every call. */
static inline int ipcchan_check(const struct ipcchan_port *port, uint32_t role)
{
	if (ipcchan_unlikely(ipcchan_is_forked(port)))
		return -EBUSY;
	if (ipcchan_unlikely((port->plain & role) != role))
		return -EPERM;
	return 0;
}

/* The newest message that counts as published. */
static inline uint64_t ipcchan_published(const struct ipcchan_tx *tx)
{
	return tx->head - tx->pending;
}

static inline bool ipcchan_drops(const struct ipcchan_port *port)
{
	return port->overflow == IPCCHAN_OVERFLOW_DROP_OLDEST;
}

static inline uint64_t ipcchan_slots_mask(uint32_t slots)
{
	return slots >= 64 ? ~0ull : (1ull << slots) - 1;
}

/* How long a call goes on trying. */
struct ipcchan_patience {
	int64_t timeout_ns;
	struct ipcchan_spin *spin;	/* what is learned; may be NULL */
	uint64_t budget;	/* turns of spinning */
	uint64_t turns;		/* of them taken */
	uint64_t spin_ns;	/* that the budget takes, about; if there is a limit */
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
int ipcchan_take_label(char to[IPCCHAN_LABEL_SIZE], const char *label,
		       struct ipcchan_error *error);
int ipcchan_give_info(struct ipcchan_info *info, const struct ipcchan_lookup *lookup,
		      struct ipcchan_error *error);
int ipcchan_request_create(int fd, const char *name, const struct ipcchan_options *options,
			   struct ipcchan_error *error);
int ipcchan_make(const char *name, const struct ipcchan_options *options,
		 struct ipcchan_error *error);
int ipcchan_give_struct(void *to, size_t minimum, const void *from, size_t known);

/* port.c */
void *ipcchan_alloc(size_t n, size_t size);
int ipcchan_guard_new(struct ipcchan_tx *tx, struct ipcchan_rx *rx,
		      const struct ipcchan_guard **guard);
void ipcchan_guard_free(const struct ipcchan_guard *guard);
struct ipcchan_port *ipcchan_port_new(uint32_t roles, uint32_t flags, int fd);
int ipcchan_attach_request(struct ipcchan_attach *a, uint32_t role,
			   const struct ipcchan_options *o, struct ipcchan_error *error);
int ipcchan_attach(int *fd, const char *name, int handle, struct ipcchan_attach *a,
		   const struct ipcchan_options *o, struct ipcchan_error *error);
int ipcchan_port_establish(struct ipcchan_port *port, const struct ipcchan_attach *a,
			   uint64_t spin_ns, struct ipcchan_error *error);

/* send.c */
size_t ipcchan_sum(const struct iovec *pieces, size_t n);
int ipcchan_put_tagged(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
		       size_t length, uint64_t tag, uint32_t block);

/* loan.c, take.c: made and freed with the port */
struct ipcchan_tx *ipcchan_tx_new(const struct ipcchan_port *port, uint32_t slot);
void ipcchan_tx_start(struct ipcchan_port *port);
void ipcchan_tx_free(struct ipcchan_tx *tx);
struct ipcchan_rx *ipcchan_rx_new(const struct ipcchan_port *port, uint32_t slot);
void ipcchan_rx_start(struct ipcchan_port *port);
void ipcchan_rx_free(struct ipcchan_rx *rx);

/* loan.c */
void ipcchan_room_changed(struct ipcchan_port *port);
int ipcchan_room_find(struct ipcchan_port *port, size_t length, uint32_t *block);
int ipcchan_room_await(struct ipcchan_port *port, size_t length, uint32_t *block,
		       struct ipcchan_patience *patience);
int ipcchan_room(struct ipcchan_port *port, size_t length, uint32_t *block, int64_t timeout_ns);

/* The next message of a sender, as its descriptor described it. */
struct ipcchan_found {
	struct ipcchan_source *source;
	uint32_t offset;
	uint32_t length;
	uint64_t tag;
	uint64_t time_ns;
	uint32_t files;		/* IPCCHAN_WITH_FILES: how many it says to have */
	uint16_t priority;
};

/* Does it lie where a message may? @zero: of the descriptor, what must be. */
static inline bool ipcchan_makes_sense(const struct ipcchan_geometry *g,
				       const struct ipcchan_found *f, uint64_t zero)
{
	uint64_t room = f->length <= IPCCHAN_INSIDE ? f->length : g->arena;

	return !zero && f->length <= g->max_message && (uint64_t)f->offset + f->length <= room;
}

/* In place of success: it was found, and has files. */
#define IPCCHAN_WITH_FILES	1

/* In place of an errno: things have changed under us: look, and begin again. */
#define IPCCHAN_AGAIN	(-ESTALE)

/* source.c */
int ipcchan_source_peek(struct ipcchan_port *port, struct ipcchan_source *source,
			struct ipcchan_found *found);
int ipcchan_source_read(struct ipcchan_port *port, struct ipcchan_source *source, uint64_t seq,
			struct ipcchan_found *found);
int ipcchan_source_newest(struct ipcchan_port *port, struct ipcchan_source *source,
			  uint64_t *seq, struct ipcchan_found *found);
bool ipcchan_source_shows(const struct ipcchan_rx *rx, const struct ipcchan_source *source,
			  uint64_t seq);
void ipcchan_source_expect(const struct ipcchan_port *port, const struct ipcchan_source *source);
bool ipcchan_source_is_next(const struct ipcchan_rx *rx, const struct ipcchan_source *source);
bool ipcchan_source_readable(const struct ipcchan_rx *rx, const struct ipcchan_source *source);
int ipcchan_source_vanished(struct ipcchan_port *port, struct ipcchan_source *source);
int ipcchan_source_close(struct ipcchan_port *port, struct ipcchan_source *source);
void ipcchan_source_copy(const struct ipcchan_rx *rx, const struct ipcchan_source *source,
			 uint64_t seq, void *to, size_t length);
void ipcchan_source_lose(struct ipcchan_rx *rx, struct ipcchan_source *source, uint64_t n);
void ipcchan_source_drain(struct ipcchan_port *port, struct ipcchan_source *source);
void ipcchan_wake_sender(struct ipcchan_port *port, const struct ipcchan_source *source,
			 uint64_t old, uint64_t passed);

/* order.c */
int ipcchan_order_find(struct ipcchan_port *port, struct ipcchan_found *found);
bool ipcchan_order_readable(const struct ipcchan_port *port);
bool ipcchan_order_poll(struct ipcchan_port *port);
void ipcchan_order_look(struct ipcchan_port *port);
void ipcchan_order_forget(struct ipcchan_rx *rx, uint32_t slot);

/* take.c */
int ipcchan_take_copy(struct ipcchan_port *port, const struct ipcchan_found *found,
		      const struct iovec *pieces, size_t n);
int ipcchan_hold(struct ipcchan_port *port, const struct ipcchan_found *found, uint64_t seq,
		 struct ipcchan_message *message);
void ipcchan_short_describe(struct ipcchan_message *message,
			    const struct ipcchan_source *source, const struct ipcchan_desc *desc,
			    size_t length);
void ipcchan_describe(struct ipcchan_message *message, const struct ipcchan_found *found,
		      uint64_t seq);
uint64_t ipcchan_advance(struct ipcchan_port *port, const struct ipcchan_found *found);
void ipcchan_advance_end(struct ipcchan_port *port);

/* publish.c */
void ipcchan_publish_one(struct ipcchan_port *port, const struct ipcchan_loan *loan,
			 uint32_t block, const void *inside);
int ipcchan_publish_end(struct ipcchan_port *port);
int ipcchan_publish_wake(struct ipcchan_port *port, uint64_t before);

/* files.c */
int ipcchan_files_put(struct ipcchan_port *port, uint64_t seq, const int *fds, uint32_t n);
void ipcchan_files_forget(struct ipcchan_tx *tx, uint64_t seq);
void ipcchan_files_drop(struct ipcchan_port *port, uint64_t to);
void ipcchan_files_done(struct ipcchan_port *port, uint32_t slot);
void ipcchan_files_sent(struct ipcchan_port *port);
void ipcchan_files_retire(struct ipcchan_port *port, uint64_t to);
int ipcchan_files_take(struct ipcchan_port *port, uint32_t slot, uint64_t seq, int *fds,
		       size_t room);
void ipcchan_files_close(const int *fds, int n);
int ipcchan_files_hold(struct ipcchan_port *port, const struct ipcchan_found *f, uint64_t seq,
		       struct ipcchan_message *message);
bool ipcchan_files_is_held(const struct ipcchan_port *port,
			   const struct ipcchan_message *message);

/* reclaim.c */
bool ipcchan_reclaim(struct ipcchan_port *port, bool place);
uint64_t ipcchan_reclaim_kept(const struct ipcchan_tx *tx);
uint64_t ipcchan_reclaim_await(const struct ipcchan_tx *tx);
bool ipcchan_reclaim_changed(const struct ipcchan_port *port);

/* retire.c */
bool ipcchan_retire(struct ipcchan_port *port, bool place);
bool ipcchan_retire_changed(const struct ipcchan_port *port);

/* How many words of progress a sender that waits hands in. */
static inline uint32_t ipcchan_nr_progress(const struct ipcchan_port *port)
{
	return port->queue ? 1 : port->geometry.receivers;
}

/* roster.c */
const struct ipcchan_cursor *ipcchan_cursor_of(const struct ipcchan_port *port, uint32_t slot);
int ipcchan_roster_renew_readers(struct ipcchan_port *port, uint64_t generation);
int ipcchan_roster_renew_sources(struct ipcchan_port *port, uint64_t generation);

/* Bring the sending thread's list of receivers up to date: 0 or -ESHUTDOWN. */
static inline int ipcchan_roster_readers(struct ipcchan_port *port)
{
	/* M, pairs with M in the kernel; after the last publish's C */
	uint64_t generation = ipcchan_load_acquire(&port->roster->receiver_generation);

	if (ipcchan_likely(generation == port->tx->generation && generation))
		return 0;
	return ipcchan_roster_renew_readers(port, generation);
}

/* The same for the receiving thread's list of senders. */
static inline int ipcchan_roster_sources(struct ipcchan_port *port)
{
	uint64_t generation = ipcchan_load_acquire(&port->roster->sender_generation);

	if (ipcchan_likely(generation == port->rx->generation && generation))
		return 0;
	return ipcchan_roster_renew_sources(port, generation);
}

/* spin.c */
uint64_t ipcchan_spin_default(void);
uint64_t ipcchan_spin_rate(void);
uint64_t ipcchan_spin_budget(const struct ipcchan_port *port, const struct ipcchan_spin *spin);
uint64_t ipcchan_spin_turns(const struct ipcchan_port *port, uint64_t ns);
uint64_t ipcchan_spin_ns(const struct ipcchan_port *port, uint64_t turns);
bool ipcchan_turn(struct ipcchan_patience *patience);
void ipcchan_spin_succeeded(const struct ipcchan_patience *patience);

/* wait.c */
uint64_t ipcchan_deadline(int64_t timeout_ns);
int64_t ipcchan_left(uint64_t deadline_ns);
int ipcchan_nap(void);
int ipcchan_patience_init(const struct ipcchan_port *port, struct ipcchan_patience *patience,
			  struct ipcchan_spin *spin, int64_t timeout_ns);
void ipcchan_patience_renew(const struct ipcchan_port *port, struct ipcchan_patience *patience);
bool ipcchan_is_expired(struct ipcchan_patience *patience);
int ipcchan_sleep(struct ipcchan_port *port, struct ipcchan_patience *patience,
		  struct ipcchan_wait *wait);
int ipcchan_look(struct ipcchan_port *port, struct ipcchan_patience *patience,
		 struct ipcchan_wait *wait);
int ipcchan_kick_slots(struct ipcchan_port *port, uint64_t receivers, uint64_t senders);

#endif /* IPCCHAN_INTERNAL_H */
