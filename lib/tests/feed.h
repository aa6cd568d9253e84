/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: numbered messages, and who keeps an account of them
 *
 * Each sender numbers its messages from 0. What is in a message follows from
 * sender and number; so a receiver can tell what it has got, whether that is
 * whole, and how many are missing before it, and compares that with what the
 * library says was lost.
 */
#ifndef FEED_H
#define FEED_H

#include "check.h"

#define FEED_LONGEST	4096u

struct feed {
	struct ipcchan_port *port;
	uint32_t id;
	uint32_t longest;	/* at least 8 */
	uint64_t sent;
};

struct feed_reader {
	struct ipcchan_port *port;
	uint64_t next[4];	/* number expected, by sender slot */
	uint64_t received;
	uint64_t lost;
};

/* Short and long ones in turn. */
static inline uint32_t feed_length(uint32_t longest, uint64_t n)
{
	if (n % 3 == 0 || longest <= IPCCHAN_INSIDE)
		return 8 + (uint32_t)(n * 7 % (IPCCHAN_INSIDE - 7));
	return IPCCHAN_INSIDE + 1 + (uint32_t)(n * 2654435761u % (longest - IPCCHAN_INSIDE));
}

static inline uint8_t feed_byte(uint32_t sender, uint64_t n)
{
	return (uint8_t)(sender * 101 + n * 7 + n / 256);
}

static inline void feed_fill(uint8_t *to, uint32_t length, uint32_t sender, uint64_t n)
{
	memset(to, feed_byte(sender, n), length);
	memcpy(to, &n, sizeof(n));
}

static inline uint32_t feed_next(const struct feed *f, uint8_t *to)
{
	uint32_t length = feed_length(f->longest, f->sent);

	feed_fill(to, length, f->id, f->sent);
	return length;
}

/* The next one: 0 or -errno. */
static inline int feed_send(struct feed *f)
{
	uint8_t data[FEED_LONGEST];
	int rc = ipcchan_send(f->port, data, feed_next(f, data), IPCCHAN_NO_WAIT);

	f->sent += !rc;
	return rc;
}

/* Its number, if it is whole; UINT64_MAX. */
static inline uint64_t feed_number(const void *data, size_t length, uint32_t sender)
{
	const uint8_t *bytes = data;
	uint64_t n;

	if (length < sizeof(n))
		return UINT64_MAX;
	memcpy(&n, data, sizeof(n));
	for (size_t i = sizeof(n); i < length; i++) {
		if (bytes[i] != feed_byte(sender, n))
			return UINT64_MAX;
	}
	return n;
}

/* It was received: none is missing but those of which the library says so. */
static inline void feed_account(struct feed_reader *r, const struct ipcchan_message *m,
				const void *data)
{
	uint64_t n = feed_number(data, m->length, m->sender);

	assert_int_not_equal(n, UINT64_MAX);
	assert_int_equal(n, r->next[m->sender] + m->lost);
	r->next[m->sender] = n + 1;
	r->received++;
	r->lost += m->lost;
}

static inline int feed_recv(struct feed_reader *r)
{
	struct ipcchan_message message;
	uint8_t data[FEED_LONGEST];
	ssize_t rc = ipcchan_recv(r->port, data, sizeof(data), &message, IPCCHAN_NO_WAIT);

	if (rc < 0)
		return (int)rc;
	feed_account(r, &message, data);
	return 0;
}

static inline int feed_receive(struct feed_reader *r, struct ipcchan_message *message)
{
	int rc = ipcchan_receive(r->port, message, IPCCHAN_NO_WAIT);

	if (!rc)
		feed_account(r, message, message->data);
	return rc;
}

/* All that is there. The port's own account must be the same. */
static inline void feed_drain(struct feed_reader *r)
{
	int rc;

	do
		rc = feed_recv(r);
	while (!rc);
	assert_error(rc, EAGAIN);
	assert_int_equal(stats_of(r->port).received, r->received);
}

#endif /* FEED_H */
