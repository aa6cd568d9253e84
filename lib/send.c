/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The calls that copy a message in: one, from pieces, or many. */
#include <string.h>

#include "short.h"

/* What a message is made from. */
struct payload {
	const struct iovec *pieces;
	size_t n;
	size_t length;
};

static void gather(uint8_t *to, const struct payload *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->pieces[i].iov_len)
			memcpy(to, p->pieces[i].iov_base, p->pieces[i].iov_len);
		to += p->pieces[i].iov_len;
	}
}

/* There is room, and it is @block. */
static inline void put(struct ipcchan_port *port, const struct payload *p, uint64_t tag,
		       uint32_t block)
{
	struct ipcchan_loan loan = { .length = p->length, .tag = tag };
	struct ipcchan_tx *tx = port->tx;
	uint64_t inside[IPCCHAN_INSIDE_WORDS];

	if (block != IPCCHAN_ARENA_NONE) {
		gather(tx->payload + ipcchan_arena_offset(&tx->arena, block), p);
		ipcchan_publish_one(port, &loan, block, NULL);
	} else if (p->n == 1) {
		ipcchan_publish_one(port, &loan, block, p->pieces->iov_base);
	} else {
		gather((uint8_t *)inside, p);
		ipcchan_publish_one(port, &loan, block, inside);
	}
}

/** ipcchan_sum() - of all pieces; what passes any message's limit stands for all that does */
size_t ipcchan_sum(const struct iovec *pieces, size_t n)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++) {
		if (__builtin_add_overflow(length, pieces[i].iov_len, &length))
			return SIZE_MAX;
	}
	return length;
}

int ipcchan_sendv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
		  int64_t timeout_ns)
{
	struct payload payload = { pieces, n, ipcchan_sum(pieces, n) };
	int rc = ipcchan_check(port, IPCCHAN_SEND);
	uint32_t block;

	if (rc)
		return rc;
	rc = ipcchan_room(port, payload.length, &block, timeout_ns);
	if (rc)
		return rc;
	put(port, &payload, 0, block);
	return ipcchan_publish_end(port);
}

/** ipcchan_put_tagged() - a message of @length bytes, for which there is room: 0 or -ESHUTDOWN */
int ipcchan_put_tagged(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
		       size_t length, uint64_t tag, uint32_t block)
{
	struct payload payload = { pieces, n, length };

	put(port, &payload, tag, block);
	return ipcchan_publish_end(port);
}

int ipcchan_sendv_files(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			const int *fds, uint32_t nr_fds, int64_t timeout_ns)
{
	struct payload payload = { pieces, n, ipcchan_sum(pieces, n) };
	int rc = ipcchan_check(port, IPCCHAN_SEND);
	uint32_t block;

	if (rc)
		return rc;
	if (!nr_fds || nr_fds > IPCCHAN_MAX_FILES)
		return -EINVAL;
	rc = ipcchan_room(port, payload.length, &block, timeout_ns);
	if (rc)
		return rc;
	rc = ipcchan_files_put(port, port->tx->head + 1, fds, nr_fds);
	if (rc) {
		ipcchan_arena_give(&port->tx->arena, block);
		return rc;
	}
	put(port, &payload, 0, block);
	rc = ipcchan_publish_end(port);
	ipcchan_files_sent(port);
	return rc;
}

static __attribute__((noinline)) int send_slowly(struct ipcchan_port *port, const void *data,
						 size_t length, int64_t timeout_ns);

/* One short message, if all is as usual; else the long way, or that of any length first. */
static IPCCHAN_INLINE int send_short(struct ipcchan_port *port, const void *data, size_t length,
				     int64_t timeout_ns, bool whole)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = length };
	struct ipcchan_tx *tx = ipcchan_tx(port);

	if (ipcchan_unlikely(!tx || timeout_ns < IPCCHAN_WAIT_FOREVER_NS ||
			     !ipcchan_short_fits(port, tx, length, whole)))
		return whole ? send_slowly(port, data, length, timeout_ns) :
			       ipcchan_sendv(port, &piece, 1, timeout_ns);
	ipcchan_short_put(tx, data, length, whole);
	if (ipcchan_unlikely(ipcchan_short_end(port, tx)))
		return ipcchan_publish_wake(port, tx->head - 1);
	return 0;	/* a port that was evicted just now hears of it next time */
}

static __attribute__((noinline)) int send_slowly(struct ipcchan_port *port, const void *data,
						 size_t length, int64_t timeout_ns)
{
	return send_short(port, data, length, timeout_ns, false);
}

int ipcchan_send(struct ipcchan_port *port, const void *data, size_t length,
		 int64_t timeout_ns)
{
	return send_short(port, data, length, timeout_ns, true);
}

/*
 * Room for the next of a batch. What lacks may be what the batch itself has put
 * into the ring: so that is published first, and receivers may take it.
 */
static int room_within(struct ipcchan_port *port, size_t length, uint32_t *block,
		       struct ipcchan_patience *patience)
{
	struct ipcchan_tx *tx = port->tx;
	int rc;

	if (ipcchan_unlikely(length > port->geometry.max_message))
		return -EMSGSIZE;
	rc = ipcchan_room_find(port, length, block);
	if (rc == -EAGAIN && tx->pending) {
		rc = ipcchan_publish_end(port);
		if (!rc)
			rc = ipcchan_room_find(port, length, block);
	}
	if (ipcchan_likely(rc != -EAGAIN))
		return rc;
	return ipcchan_room_await(port, length, block, patience);
}

ssize_t ipcchan_send_batch(struct ipcchan_port *port, const struct iovec *messages, size_t n,
			   int64_t timeout_ns)
{
	struct ipcchan_patience patience;
	int rc = ipcchan_check(port, IPCCHAN_SEND);
	size_t done = 0;
	uint32_t block;

	if (!rc)
		rc = ipcchan_patience_init(port, &patience, &port->tx->spin, timeout_ns);
	while (!rc && done < n) {
		struct payload payload = { &messages[done], 1, messages[done].iov_len };

		if (ipcchan_likely(ipcchan_short_fits(port, port->tx, payload.length, true))) {
			port->tx->pending++;
			ipcchan_short_put(port->tx, messages[done++].iov_base, payload.length,
					  true);
			continue;
		}
		rc = room_within(port, payload.length, &block, &patience);
		if (rc)
			break;
		put(port, &payload, 0, block);
		done++;
	}
	if (done && port->tx->pending)
		rc = ipcchan_publish_end(port);
	return done ? (ssize_t)done : rc;
}
