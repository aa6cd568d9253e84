/* SPDX-License-Identifier: GPL-2.0 */
/* Streams: stream.h */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stream.h"

#define MOST_KEPT	64
#define FOREVER		IPCCHAN_WAIT_FOREVER_NS

static uint64_t mix(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15u;
	return n ^ n >> 29;
}

/* Short ones are as frequent as long ones. */
static size_t length_of(const struct stream *s, uint64_t tag)
{
	uint64_t random = mix(tag + 1);

	return random >> 32 & 1 ? random % (s->longest + 1) : random % 128 % (s->longest + 1);
}

static void fill(uint8_t *to, uint64_t tag, size_t length)
{
	uint64_t word = mix(tag);

	for (; length >= sizeof(word); length -= sizeof(word), to += sizeof(word), word += tag | 1)
		memcpy(to, &word, sizeof(word));
	memcpy(to, &word, length);
}

static bool is_filled(const uint8_t *data, uint64_t tag, size_t length)
{
	uint64_t word = mix(tag);

	for (; length >= sizeof(word); length -= sizeof(word), data += sizeof(word), word += tag | 1) {
		if (memcmp(data, &word, sizeof(word)))
			return false;
	}
	return !memcmp(data, &word, length);
}

static bool is_over(const struct stream *s, uint64_t sent)
{
	struct timespec now;

	if (s->messages != UINT64_MAX || sent % 256)
		return sent >= s->messages;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec >= s->until_ns;
}

static int lend(struct ipcchan_port *port, const struct stream *s, struct ipcchan_loan *loan,
		uint64_t tag, int64_t timeout_ns)
{
	int rc = ipcchan_reserve(port, length_of(s, tag), loan, timeout_ns);

	if (rc)
		return rc;
	loan->tag = tag;
	if (loan->length)
		fill(loan->data, tag, loan->length);
	return 0;
}

/* As many as there is room for, up to a batch; one at least. */
static int send_some(struct ipcchan_port *port, const struct stream *s, uint64_t *sent)
{
	uint32_t most = 1 + (uint32_t)(mix(*sent) % s->batch), n = 0;
	struct ipcchan_loan loans[MOST_KEPT];
	int rc = 0;

	while (n < most && !is_over(s, *sent + n)) {
		rc = lend(port, s, &loans[n], *sent + n, n ? 0 : FOREVER);
		if (rc)
			break;
		n++;
	}
	if (!n)
		return rc;
	rc = ipcchan_commit_batch(port, loans, n);
	*sent += n;
	return rc;
}

int stream_send(struct ipcchan_port *port, const struct stream *s, uint64_t *sent)
{
	int rc = 0;

	*sent = 0;
	while (!rc && !is_over(s, *sent))
		rc = send_some(port, s, sent);
	return rc;
}

static int check(const struct stream *s, const struct ipcchan_message *m, const void *data)
{
	if (m->length != length_of(s, m->tag) || !is_filled(data, m->tag, m->length))
		return -EBADMSG;
	return 0;
}

/* The next there must be: its sender counts, and what is lost is told. */
static int account(struct stream_sum *sum, const struct ipcchan_message *m)
{
	sum->lost += m->lost;
	if (m->tag != sum->taken + sum->lost)
		return -EBADMSG;
	sum->taken++;
	return 0;
}

static int copy_out(struct ipcchan_port *port, const struct stream *s, uint8_t *buffer,
		    struct stream_sum *sum)
{
	struct ipcchan_message m;
	ssize_t rc = ipcchan_recv(port, buffer, s->longest, &m, FOREVER);
	int err;

	if (rc < 0)
		return (int)rc;
	err = account(sum, &m);
	return err ? err : check(s, &m, buffer);
}

/* Those kept, in the order they came. */
struct kept {
	struct ipcchan_message messages[MOST_KEPT];
	uint32_t n;
};

/* Any of those kept goes: they are given back in no order. */
static int give_back(struct ipcchan_port *port, const struct stream *s, struct kept *kept,
		     uint64_t random)
{
	uint32_t i = (uint32_t)(random % kept->n);
	struct ipcchan_message m = kept->messages[i];
	int rc = check(s, &m, m.data);

	kept->messages[i] = kept->messages[--kept->n];
	return rc ? rc : ipcchan_release(port, &m);
}

static int take_some(struct ipcchan_port *port, const struct stream *s, struct kept *kept,
		     struct stream_sum *sum)
{
	struct ipcchan_message *m = &kept->messages[kept->n];
	uint32_t most = 1 + (uint32_t)(mix(sum->taken) % s->batch);
	ssize_t n;
	int rc = 0;

	if (most > s->kept - kept->n)
		most = s->kept - kept->n;
	n = ipcchan_receive_batch(port, m, most, FOREVER);
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n && !rc; i++) {
		rc = account(sum, &m[i]);
		if (!rc)
			rc = check(s, &m[i], m[i].data);
	}
	kept->n += (uint32_t)n;
	return rc;
}

static int keep_some(struct ipcchan_port *port, const struct stream *s, struct kept *kept,
		     struct stream_sum *sum)
{
	int rc = take_some(port, s, kept, sum);

	while (!rc && kept->n && (kept->n == s->kept || mix(sum->taken + kept->n) % 4))
		rc = give_back(port, s, kept, mix(sum->taken * 3 + kept->n));
	return rc;
}

static int receive_all(struct ipcchan_port *port, const struct stream *s, struct stream_sum *sum,
		       uint8_t *buffer)
{
	struct kept kept = { .n = 0 };
	int rc = 0;

	while (!rc)
		rc = s->kept ? keep_some(port, s, &kept, sum) : copy_out(port, s, buffer, sum);
	while (kept.n && rc == -EPIPE) {
		int last = give_back(port, s, &kept, 0);

		rc = last ? last : rc;
	}
	return rc;
}

int stream_receive(struct ipcchan_port *port, const struct stream *s, struct stream_sum *sum)
{
	uint8_t *buffer = malloc(s->longest + 1);
	int rc;

	if (!buffer)
		return -ENOMEM;
	*sum = (struct stream_sum){ 0 };
	rc = receive_all(port, s, sum, buffer);
	free(buffer);
	return rc == -EPIPE ? 0 : rc;
}
