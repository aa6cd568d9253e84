/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The calls that receive: in place or by copy, one or many. */
#include "place.h"
#include "work.h"

/* Messages that vanished while they were being taken, in one call. */
#define MAX_TRIES	256

static int await_message(struct ipcchan_port *port, struct ipcchan_patience *patience)
{
	struct ipcchan_wait wait = { .flags = IPCCHAN_WAIT_RECEIVE };
	int rc;

	while (ipcchan_turn(patience)) {
		if (ipcchan_order_poll(port)) {
			ipcchan_spin_succeeded(patience);
			return 0;
		}
	}
	rc = ipcchan_sleep(port, patience, &wait);
	if (rc)
		return rc;
	if (wait.events & IPCCHAN_WAIT_HANGUP)
		port->rx->met = true;
	/* whoever has something is asked first, the short way */
	ipcchan_order_poll(port);
	return 0;
}

/*
 * Who waits by poll() and has met nobody asks the module: a sender may have come
 * and gone before the roster was first read, and poll() reports its hang-up.
 */
static int ask_for_hangup(struct ipcchan_port *port)
{
	struct ipcchan_wait wait = { .flags = IPCCHAN_WAIT_RECEIVE };
	struct ipcchan_patience patience = { .looks = 0 };
	int rc;

	if (port->rx->met || !ipcchan_load(&port->polled))
		return -EAGAIN;
	rc = ipcchan_look(port, &patience, &wait);
	if (rc)
		return rc;
	port->rx->met = wait.events & IPCCHAN_WAIT_HANGUP;
	return port->rx->met && !(wait.events & IPCCHAN_WAIT_RECEIVE) ? -EPIPE : -EAGAIN;
}

/* A call's way of taking what was found: 0, IPCCHAN_AGAIN, or why not. */
struct taking {
	int (*take)(struct ipcchan_port *port, struct ipcchan_found *found,
		    struct taking *taking);
	struct ipcchan_message *message;
	const struct iovec *pieces;
	size_t n;
	int *fds;		/* NULL: files are not asked for */
	size_t room;
};

static int take_with_files(struct ipcchan_port *port, struct ipcchan_found *found,
			   struct taking *t);

/* Finds and takes, again if it vanished in between. */
static inline int take_next(struct ipcchan_port *port, struct taking *t)
{
	struct ipcchan_found found;
	int rc = IPCCHAN_AGAIN;

	for (int i = 0; i < MAX_TRIES && rc == IPCCHAN_AGAIN; i++) {
		rc = ipcchan_order_find(port, &found);
		if (ipcchan_likely(!rc))
			rc = t->take(port, &found, t);
		else if (rc == IPCCHAN_WITH_FILES)
			rc = take_with_files(port, &found, t);
	}
	if (ipcchan_likely(!rc))
		return 0;
	ipcchan_advance_end(port);	/* what was lost is passed too */
	return rc == IPCCHAN_AGAIN ? -EAGAIN : rc;
}

static int take_slowly(struct ipcchan_port *port, struct taking *t, int64_t timeout_ns)
{
	struct ipcchan_patience patience;
	int rc;

	if (!timeout_ns)
		return ask_for_hangup(port);
	rc = ipcchan_patience_init(port, &patience, &port->rx->spin, timeout_ns);
	while (!rc) {
		rc = await_message(port, &patience);
		if (rc)
			break;
		rc = take_next(port, t);
		if (rc != -EAGAIN)
			break;
		rc = 0;
	}
	return rc;
}

/* The first message of a call, which may wait for it. */
static inline int take_first(struct ipcchan_port *port, struct taking *t, int64_t timeout_ns)
{
	int rc = take_next(port, t);

	return ipcchan_likely(rc != -EAGAIN) ? rc : take_slowly(port, t, timeout_ns);
}

static int take_in_place(struct ipcchan_port *port, struct ipcchan_found *found,
			 struct taking *t)
{
	int rc = ipcchan_hold(port, found, found->source->expected, t->message);

	if (ipcchan_likely(!rc))
		t->message->lost = ipcchan_advance(port, found);
	return rc;
}

static size_t room_in(const struct taking *t)
{
	size_t room = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (__builtin_add_overflow(room, t->pieces[i].iov_len, &room))
			return SIZE_MAX;
	}
	return room;
}

/* Is too long what was found, or has it vanished? */
static int refuse_length(struct ipcchan_port *port, struct ipcchan_found *found)
{
	struct ipcchan_source *s = found->source;

	return ipcchan_source_shows(port->rx, s, s->expected) ? -EMSGSIZE :
								ipcchan_source_vanished(port, s);
}

static int take_copy(struct ipcchan_port *port, struct ipcchan_found *found, struct taking *t)
{
	int rc;

	ipcchan_describe(t->message, found, found->source->expected);
	if (ipcchan_unlikely(found->length > room_in(t)))
		return refuse_length(port, found);
	rc = ipcchan_take_copy(port, found, t->pieces, t->n);
	if (ipcchan_likely(!rc))
		t->message->lost = ipcchan_advance(port, found);
	return rc;
}

/* As above, but the files are taken first: until it is passed there is a way back. */
static int take_copy_files(struct ipcchan_port *port, struct ipcchan_found *found,
			   struct taking *t)
{
	struct ipcchan_source *s = found->source;
	int n = 0, rc;

	ipcchan_describe(t->message, found, s->expected);
	t->message->nr_files = found->files;
	if (found->length > room_in(t))
		return refuse_length(port, found);
	if (t->fds) {
		n = ipcchan_files_take(port, s->slot, s->expected, t->fds, t->room);
		if (n < 0 && n != -ENOENT)
			return n;
		n = n < 0 ? 0 : n;
		t->message->nr_files = (uint32_t)n;
	}
	rc = ipcchan_take_copy(port, found, t->pieces, t->n);
	if (rc) {
		ipcchan_files_close(t->fds, n);
		return rc;
	}
	t->message->lost = ipcchan_advance(port, found);
	ipcchan_advance_end(port);
	ipcchan_files_done(port, s->slot);
	return 0;
}

static __attribute__((noinline)) int take_with_files(struct ipcchan_port *port,
						     struct ipcchan_found *found,
						     struct taking *t)
{
	int rc;

	if (t->take != take_in_place)
		return take_copy_files(port, found, t);
	rc = ipcchan_files_hold(port, found, found->source->expected, t->message);
	if (!rc)
		t->message->lost = ipcchan_advance(port, found);
	return rc;
}

static __attribute__((noinline)) int wake_after(struct ipcchan_port *port,
						struct ipcchan_source *s)
{
	ipcchan_wake_sender(port, s, s->expected - 2, s->expected - 1);
	return 0;
}

/* One message in place, if all is as usual; IPCCHAN_AGAIN: the long way. */
static IPCCHAN_INLINE int receive_usual(struct ipcchan_port *port, struct ipcchan_rx *rx,
					struct ipcchan_message *message)
{
	struct ipcchan_source *s;
	uint64_t seq;

	if (ipcchan_unlikely(!ipcchan_short_usual(port, rx) || !rx->nr_free_holds))
		return IPCCHAN_AGAIN;
	s = &rx->sources[rx->order[rx->turn]];
	if (ipcchan_unlikely(!ipcchan_place_get(port, rx, s, message)))
		return IPCCHAN_AGAIN;
	seq = ipcchan_short_advance(rx, s, message->length);
	ipcchan_store_release(&s->cursor->passed, seq);		/* G, pairs with H */
	ipcchan_barrier();					/* E, pairs with F and N */
	if (ipcchan_unlikely(ipcchan_load(&port->roster->sleeping_senders)))
		return wake_after(port, s);
	return 0;
}

/* The long way, without waiting. */
static int receive_now(struct ipcchan_port *port, struct ipcchan_message *message)
{
	struct taking t = { .take = take_in_place, .message = message };
	int rc = take_first(port, &t, IPCCHAN_NO_WAIT);

	if (!rc)
		ipcchan_advance_end(port);
	return rc;
}

/* The long way; but what was waited for goes the short one, if it can. */
static __attribute__((noinline)) int receive_slowly(struct ipcchan_port *port,
						    struct ipcchan_message *message,
						    int64_t timeout_ns)
{
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	struct ipcchan_patience patience;

	if (rc)
		return ipcchan_work_receive(port, message, timeout_ns, rc);
	if (!port->rx->nr_free_holds)
		return -ENOBUFS;
	ipcchan_order_look(port);
	rc = receive_usual(port, port->rx, message);
	if (rc == IPCCHAN_AGAIN)
		rc = receive_now(port, message);
	if (rc != -EAGAIN || !timeout_ns)
		return rc;
	rc = ipcchan_patience_init(port, &patience, &port->rx->spin, timeout_ns);
	if (rc)
		return rc;
	do {
		rc = await_message(port, &patience);
		if (rc)
			return rc;
		rc = receive_usual(port, port->rx, message);
		if (rc == IPCCHAN_AGAIN)
			rc = receive_now(port, message);
	} while (rc == -EAGAIN);
	return rc;
}

int ipcchan_receive(struct ipcchan_port *port, struct ipcchan_message *message,
		    int64_t timeout_ns)
{
	struct ipcchan_rx *rx = ipcchan_rx(port);
	int rc = IPCCHAN_AGAIN;

	if (ipcchan_likely(rx))
		rc = receive_usual(port, rx, message);
	if (ipcchan_likely(rc != IPCCHAN_AGAIN))
		return rc;
	return receive_slowly(port, message, timeout_ns);
}

ssize_t ipcchan_receive_batch(struct ipcchan_port *port, struct ipcchan_message *messages,
			      size_t n, int64_t timeout_ns)
{
	struct taking t = { .take = take_in_place };
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	size_t done = 0;

	if (rc)
		return ipcchan_work_receive_batch(port, messages, n, timeout_ns, rc);
	while (!rc && done < n) {
		if (!port->rx->nr_free_holds) {
			rc = -ENOBUFS;
			break;
		}
		t.message = &messages[done];
		rc = done ? take_next(port, &t) : take_first(port, &t, timeout_ns);
		done += !rc;
	}
	ipcchan_advance_end(port);
	return done ? (ssize_t)done : rc;
}

ssize_t ipcchan_recvv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
		      struct ipcchan_message *message, int64_t timeout_ns)
{
	struct ipcchan_message unwanted;
	struct taking t = {
		.take = take_copy,
		.message = message ? message : &unwanted,
		.pieces = pieces,
		.n = n,
	};
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);

	if (ipcchan_unlikely(rc))
		return ipcchan_work_recvv(port, pieces, n, t.message, timeout_ns, rc);
	rc = take_first(port, &t, timeout_ns);
	if (ipcchan_unlikely(rc))
		return rc;
	ipcchan_advance_end(port);
	return (ssize_t)t.message->length;
}

ssize_t ipcchan_recv_files(struct ipcchan_port *port, void *data, size_t size,
			   struct ipcchan_message *message, int *fds, size_t room,
			   int64_t timeout_ns)
{
	struct iovec piece = { .iov_base = data, .iov_len = size };
	int none;
	struct taking t = {
		.take = take_copy,
		.message = message,
		.pieces = &piece,
		.n = 1,
		.fds = room ? fds : &none,
		.room = room,
	};
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);

	if (rc == -EPERM && !ipcchan_check_queue(port))
		return ipcchan_work_recv_files(port, &piece, 1, message, t.fds, room, timeout_ns);
	if (rc)
		return rc;
	rc = take_first(port, &t, timeout_ns);
	if (rc)
		return rc;
	ipcchan_advance_end(port);
	return (ssize_t)message->length;
}

static ssize_t recv_slowly(struct ipcchan_port *port, void *data, size_t size,
			   struct ipcchan_message *message, int64_t timeout_ns);

/* A forked child, not a receiver, or one on a queue. */
static __attribute__((noinline)) ssize_t recv_elsewhere(struct ipcchan_port *port, void *data,
							size_t size,
							struct ipcchan_message *message,
							int64_t timeout_ns)
{
	struct iovec piece = { .iov_base = data, .iov_len = size };

	return ipcchan_recvv(port, &piece, 1, message, timeout_ns);
}

/*
 * One short message, from the sender whose turn it is, if all is as usual; else
 * the long way, or -1 if that is where we come from, with a message of any length.
 */
static IPCCHAN_INLINE ssize_t
recv_short(struct ipcchan_port *port, void *data, size_t size, struct ipcchan_message *message,
	   int64_t timeout_ns, bool slowly)
{
	struct ipcchan_rx *rx = ipcchan_rx(port);
	struct ipcchan_source *s;
	ssize_t length;
	uint64_t seq;

	if (ipcchan_unlikely(!rx))
		return slowly ? -1 : recv_elsewhere(port, data, size, message, timeout_ns);
	if (ipcchan_unlikely(!ipcchan_short_usual(port, rx)))
		return slowly ? -1 : recv_slowly(port, data, size, message, timeout_ns);
	s = &rx->sources[rx->order[rx->turn]];
	length = ipcchan_short_get(rx, s, data, size, message, !slowly);
	if (ipcchan_unlikely(length < 0))
		return slowly ? -1 : recv_slowly(port, data, size, message, timeout_ns);
	seq = ipcchan_short_advance(rx, s, (size_t)length);
	ipcchan_store_release(&s->cursor->passed, seq);		/* G, pairs with H */
	if (ipcchan_drops(port))
		return length;
	ipcchan_barrier();					/* E, pairs with F and N */
	if (ipcchan_unlikely(ipcchan_load(&port->roster->sleeping_senders)))
		return wake_after(port, s), length;
	return length;
}

/* The long way; but a message not of whole words, and what was waited for, goes the short one. */
static __attribute__((noinline)) ssize_t recv_slowly(struct ipcchan_port *port, void *data,
						     size_t size,
						     struct ipcchan_message *message,
						     int64_t timeout_ns)
{
	struct iovec piece = { .iov_base = data, .iov_len = size };
	struct ipcchan_patience patience;
	ssize_t length;
	int rc;

	ipcchan_order_look(port);
	length = recv_short(port, data, size, message, 0, true);
	if (length < 0)
		length = ipcchan_recvv(port, &piece, 1, message, IPCCHAN_NO_WAIT);
	if (length != -EAGAIN || !timeout_ns)
		return length;
	rc = ipcchan_patience_init(port, &patience, &port->rx->spin, timeout_ns);
	while (!rc && length == -EAGAIN) {
		rc = await_message(port, &patience);
		if (rc)
			break;
		length = recv_short(port, data, size, message, 0, true);
		if (length < 0)
			length = ipcchan_recvv(port, &piece, 1, message, IPCCHAN_NO_WAIT);
	}
	return rc ? rc : length;
}

static __attribute__((noinline)) ssize_t recv_described(struct ipcchan_port *port, void *data,
							size_t size,
							struct ipcchan_message *message,
							int64_t timeout_ns)
{
	return recv_short(port, data, size, message, timeout_ns, false);
}

ssize_t ipcchan_recv(struct ipcchan_port *port, void *data, size_t size,
		     struct ipcchan_message *message, int64_t timeout_ns)
{
	if (message)
		return recv_described(port, data, size, message, timeout_ns);
	return recv_short(port, data, size, NULL, timeout_ns, false);
}

/* The same as one of a batch: others see it later. */
static IPCCHAN_INLINE bool take_short(struct ipcchan_port *port, const struct iovec *buffer,
				      struct ipcchan_message *message)
{
	struct ipcchan_rx *rx = port->rx;
	struct ipcchan_source *s;
	ssize_t length;

	if (ipcchan_unlikely(!ipcchan_short_usual(port, rx)))
		return false;
	s = &rx->sources[rx->order[rx->turn]];
	length = ipcchan_short_get(rx, s, buffer->iov_base, buffer->iov_len, message,
				   true);
	if (ipcchan_unlikely(length < 0))
		return false;
	ipcchan_short_advance(rx, s, (size_t)length);
	rx->touched |= 1ull << s->slot;
	return true;
}

ssize_t ipcchan_recv_batch(struct ipcchan_port *port, const struct iovec *buffers,
			   struct ipcchan_message *messages, size_t n, int64_t timeout_ns)
{
	struct taking t = { .take = take_copy, .n = 1 };
	int rc = ipcchan_check(port, IPCCHAN_RECEIVE);
	size_t done = 0;

	if (rc)
		return ipcchan_work_recv_batch(port, buffers, messages, n, timeout_ns, rc);
	while (!rc && done < n) {
		if (ipcchan_likely(take_short(port, &buffers[done], &messages[done]))) {
			done++;
			continue;
		}
		t.message = &messages[done];
		t.pieces = &buffers[done];
		rc = done ? take_next(port, &t) : take_first(port, &t, timeout_ns);
		done += !rc;
	}
	ipcchan_advance_end(port);
	return done ? (ssize_t)done : rc;
}

uint32_t ipcchan_port_culprit(const struct ipcchan_port *port)
{
	return port->rx ? port->rx->culprit : IPCCHAN_NO_SLOT;
}
