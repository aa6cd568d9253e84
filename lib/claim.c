/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Claiming from a queue: verdicts on what was claimed, and more, in one call to the
 * module. What a sender shows is read once and checked, as for topics; but which
 * message it is the module has said.
 */
#include <string.h>

#include "work.h"

#define MOST	IPCCHAN_CLAIM_MOST

/* Times that all that was claimed had vanished before it was read: in a call, or before a rest. */
#define MAX_TRIES	256

/** ipcchan_check_queue() - may this port claim? */
int ipcchan_check_queue(const struct ipcchan_port *port)
{
	if (ipcchan_is_forked(port))
		return -EBUSY;
	if (!(port->roles & IPCCHAN_RECEIVE))
		return -EPERM;
	return port->queue ? 0 : -EOPNOTSUPP;
}

static bool is_held(const struct ipcchan_port *port, const struct ipcchan_message *message)
{
	return message->id < port->geometry.holds && message->sequence &&
	       port->rx->held[message->id].seq == message->sequence;
}

/** ipcchan_claim_holds() - is it a message that was claimed? */
bool ipcchan_claim_holds(const struct ipcchan_port *port, const struct ipcchan_message *message)
{
	return port->queue && is_held(port, message);
}

static bool is_verdict(const struct ipcchan_done *done)
{
	return done->verdict <= IPCCHAN_DISCARD &&
	       (!done->delay_ns || done->verdict == IPCCHAN_REFUSE);
}

/* Is it held? It is not, a second time, until it is unmarked. */
static bool mark(struct ipcchan_port *port, const struct ipcchan_message *message)
{
	bool held = is_held(port, message);

	if (held)
		port->rx->held[message->id].seq = 0;
	return held;
}

static void unmark(struct ipcchan_port *port, const struct ipcchan_message *message)
{
	port->rx->held[message->id].seq = message->sequence;
}

/* All are held, and none is there twice. */
static bool are_held(struct ipcchan_port *port, const struct ipcchan_message *messages, size_t n)
{
	size_t i;

	for (i = 0; i < n && mark(port, &messages[i]); i++)
		;
	for (size_t j = 0; j < i; j++)
		unmark(port, &messages[j]);
	return i == n;
}

/* The same of verdicts, and each is one. */
static bool are_verdicts(struct ipcchan_port *port, const struct ipcchan_done *done, size_t n)
{
	size_t i;

	for (i = 0; i < n && is_verdict(&done[i]) && mark(port, done[i].message); i++)
		;
	for (size_t j = 0; j < i; j++)
		unmark(port, done[j].message);
	return i == n;
}

static void let_go(struct ipcchan_port *port, struct ipcchan_message *message)
{
	struct ipcchan_rx *rx = port->rx;

	rx->held[message->id].seq = 0;
	rx->free_holds[rx->nr_free_holds++] = (uint16_t)message->id;
	ipcchan_count(&rx->holds, -1);
	message->data = NULL;
	message->id = IPCCHAN_NOT_HELD;
}

/* One call: up to MOST of each. */
struct request {
	struct ipcchan_claim claim;
	struct ipcchan_verdict verdicts[MOST];
	struct ipcchan_claimed claimed[MOST];
};

static int call(struct ipcchan_port *port, struct request *r, uint32_t verdicts, size_t claims,
		uint64_t deadline_ns)
{
	r->claim = (struct ipcchan_claim){
		.size = sizeof(r->claim),
		.deadline_ns = deadline_ns,
		.verdicts = (uintptr_t)r->verdicts,
		.claims = (uintptr_t)r->claimed,
		.nr_verdicts = verdicts,
		.nr_claims = claims < MOST ? (uint32_t)claims : MOST,
	};
	if (claims)
		__atomic_fetch_add(&port->waits, 1, __ATOMIC_RELAXED);
	return ipcchan_device_call(port->fd, IPCCHAN_IOC_CLAIM, &r->claim);
}

/* Have the messages been given back, if this came of the call? */
static bool has_judged(int rc)
{
	return rc != -EBUSY && rc != -EINVAL && rc != -EFAULT;
}

static void put_verdicts(struct request *r, const struct ipcchan_done *done, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		r->verdicts[i] = (struct ipcchan_verdict){
			.sequence = done[i].message->sequence,
			.delay_ns = done[i].delay_ns,
			.kind = done[i].verdict,
			.deliveries = done[i].message->deliveries,
		};
	}
}

/*
 * What came of the verdicts in a call that returned @rc. A port that has ended does not
 * learn it, unless the module said: it may have ended before them, or while it slept after.
 */
static void take_results(struct ipcchan_port *port, const struct request *r,
			 struct ipcchan_done *done, size_t n, int rc)
{
	bool unknown = rc == -ESHUTDOWN && !r->claim.nr_failed;

	for (size_t i = 0; i < n; i++) {
		done[i].result = unknown ? rc : r->verdicts[i].result;
		let_go(port, done[i].message);
	}
}

/* Its description, once: 0; -EPROTO; IPCCHAN_AGAIN it is not there any more. */
static int read_desc(struct ipcchan_port *port, uint64_t seq, struct ipcchan_found *f)
{
	const struct ipcchan_desc *desc = &f->source->ring[seq & port->rx->mask];
	uint64_t zero;

	if (ipcchan_load_acquire(&desc->seq) != seq)		/* B, pairs with A */
		return IPCCHAN_AGAIN;
	zero = ipcchan_load(&desc->flags) | ipcchan_load(&desc->reserved);
	f->files = ipcchan_load(&desc->files);
	f->offset = ipcchan_load(&desc->offset);
	f->length = ipcchan_load(&desc->length);
	f->tag = ipcchan_load(&desc->tag);
	f->time_ns = ipcchan_load(&desc->time_ns);
	f->priority = ipcchan_load(&desc->priority);
	if (f->files > IPCCHAN_MAX_FILES || !ipcchan_makes_sense(&port->geometry, f, zero))
		return -EPROTO;
	return 0;
}

/* Holds what was claimed: 0, or as above. */
static int hold(struct ipcchan_port *port, const struct ipcchan_claimed *c,
		struct ipcchan_message *message)
{
	struct ipcchan_rx *rx = port->rx;
	struct ipcchan_found f = { .source = &rx->sources[c->slot] };
	uint32_t id = rx->free_holds[rx->nr_free_holds - 1];
	struct ipcchan_held *held = &rx->held[id];
	int rc = read_desc(port, c->sequence, &f);

	if (rc != IPCCHAN_AGAIN && f.length <= IPCCHAN_INSIDE)
		ipcchan_source_copy(rx, f.source, c->sequence, held->inside, f.length);
	if (rc == IPCCHAN_AGAIN || !ipcchan_source_shows(rx, f.source, c->sequence))
		return IPCCHAN_AGAIN;
	if (rc) {
		rx->culprit = c->slot;
		return rc;
	}
	ipcchan_describe(message, &f, c->sequence);
	message->data = f.length <= IPCCHAN_INSIDE ? (const void *)held->inside :
						     f.source->payload + f.offset;
	message->id = id;
	message->deliveries = c->deliveries;
	message->nr_files = f.files;
	message->flags = c->flags & IPCCHAN_CLAIM_REDELIVERED ? IPCCHAN_MESSAGE_REDELIVERED : 0;
	held->seq = c->sequence;
	held->slot = c->slot;
	rx->nr_free_holds--;
	ipcchan_count(&rx->holds, 1);
	ipcchan_count(&rx->receipts->received, 1);
	ipcchan_count(&rx->bytes, f.length);
	return 0;
}

/*
 * What was claimed becomes messages: how many. What cannot be read is nobody's to
 * do: it is discarded, if its sender has not taken it away. @why: of the last of these.
 */
static uint32_t open_claims(struct ipcchan_port *port, struct request *r,
			    struct ipcchan_message *messages, int *why)
{
	uint32_t n = r->claim.nr_claimed, good = 0, bad = 0;

	*why = 0;
	for (uint32_t i = 0; i < n; i++) {
		int rc = hold(port, &r->claimed[i], &messages[good]);

		if (!rc) {
			good++;
			continue;
		}
		*why = rc;
		r->verdicts[bad++] = (struct ipcchan_verdict){
			.sequence = r->claimed[i].sequence,
			.kind = IPCCHAN_DISCARD,
			.deliveries = r->claimed[i].deliveries,
		};
	}
	if (bad)
		call(port, r, bad, 0, 0);
	return good;
}

/**
 * ipcchan_claim_again() - what was claimed has vanished: is there time for more?
 * @tries:	so often, with this time
 *
 * 0, or why not. A sender may do that without end.
 */
int ipcchan_claim_again(uint64_t deadline_ns, uint32_t tries)
{
	if (deadline_ns && !ipcchan_left(deadline_ns))
		return -ETIMEDOUT;
	if (tries % MAX_TRIES)
		return 0;
	return deadline_ns ? ipcchan_nap() : -EAGAIN;
}

/* Verdicts that one call has no room for: 0, -EBUSY, or an error that comes again. */
static int judge_rest(struct ipcchan_port *port, struct request *r, struct ipcchan_done *done,
		      size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && has_judged(rc); i += MOST) {
		uint32_t part = n - i < MOST ? (uint32_t)(n - i) : MOST;

		put_verdicts(r, &done[i], part);
		rc = call(port, r, part, 0, 0);
		if (has_judged(rc))
			take_results(port, r, &done[i], part, rc);
	}
	return has_judged(rc) ? 0 : rc;
}

static ssize_t claim(struct ipcchan_port *port, struct request *r, struct ipcchan_done *done,
		     uint32_t nr_done, struct ipcchan_message *messages, size_t n,
		     uint64_t deadline_ns)
{
	uint32_t good, tries = 0;
	int rc, why;

	put_verdicts(r, done, nr_done);
	do {
		rc = call(port, r, nr_done, n, deadline_ns);
		if (has_judged(rc))
			take_results(port, r, done, nr_done, rc);
		if (rc)
			return rc == -ETIMEDOUT && !deadline_ns ? -EAGAIN : rc;
		good = open_claims(port, r, messages, &why);
		if (good || !n || why == -EPROTO)
			return good || !n ? (ssize_t)good : why;
		nr_done = 0;	/* what vanished is gone: look for others */
		rc = ipcchan_claim_again(deadline_ns, ++tries);
	} while (!rc);
	return rc;
}

/** ipcchan_claim_until() - up to @n messages, by a port that may claim */
ssize_t ipcchan_claim_until(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n,
			    uint64_t deadline_ns)
{
	struct request r;

	return claim(port, &r, NULL, 0, messages, n, deadline_ns);
}

ssize_t ipcchan_claim(struct ipcchan_port *port, struct ipcchan_done *done, size_t nr_done,
		      struct ipcchan_message *messages, size_t n, int64_t timeout_ns)
{
	int rc = ipcchan_check_queue(port);
	size_t rest = nr_done > MOST ? nr_done - MOST : 0;
	struct request r;

	if (rc)
		return rc;
	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS || !are_verdicts(port, done, nr_done))
		return -EINVAL;
	rc = judge_rest(port, &r, done, rest);
	if (rc)
		return rc;
	return claim(port, &r, done ? done + rest : NULL, (uint32_t)(nr_done - rest), messages, n,
		     n ? ipcchan_deadline(timeout_ns) : 0);
}

int ipcchan_refuse(struct ipcchan_port *port, struct ipcchan_message *message, uint64_t delay_ns)
{
	struct ipcchan_done done = {
		.message = message, .verdict = IPCCHAN_REFUSE, .delay_ns = delay_ns,
	};
	ssize_t rc = ipcchan_claim(port, &done, 1, NULL, 0, IPCCHAN_NO_WAIT);

	return rc ? (int)rc : done.result;
}

/**
 * ipcchan_acknowledge() - all of @n, or -EINVAL and none
 *
 * Else the error of the first that was not ours any more, or 0.
 */
int ipcchan_acknowledge(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n)
{
	struct ipcchan_done done[MOST];
	int result = 0;

	if (!are_held(port, messages, n))
		return -EINVAL;
	for (size_t i = 0; i < n; i += MOST) {
		size_t part = n - i < MOST ? n - i : MOST;
		ssize_t rc;

		for (size_t j = 0; j < part; j++)
			done[j] = (struct ipcchan_done){ .message = &messages[i + j] };
		rc = ipcchan_claim(port, done, part, NULL, 0, IPCCHAN_NO_WAIT);
		if (rc && rc != -ESHUTDOWN)
			return (int)rc;
		for (size_t j = 0; j < part && !result; j++)
			result = done[j].result;
	}
	return result;
}
