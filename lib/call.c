/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Calls: requests, and the replies that belong to them.
 *
 * A request's tag names a place in a table and how often a place was given out:
 * so a reply finds its call at once, and one that comes too late finds none.
 * What comes while something else is awaited is kept, each message in a hold of
 * its own; so there is as much room to keep as there are holds.
 *
 * One thread is the sending and the receiving one here.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"

#define INDEX_BITS	10
#define INDEX_MASK	((1u << INDEX_BITS) - 1)
#define KIND_MASK	(IPCCHAN_TAG_CALL | IPCCHAN_TAG_REPLY)

/* Who takes so many in one call has dropped some: there are not so many holds. */
#define MANY		IPCCHAN_MAX_HOLDS

_Static_assert(IPCCHAN_MAX_HOLDS <= 1u << INDEX_BITS, "a place in the table fits the tag");

struct pending {
	uint64_t tag;		/* of the request; 0: free */
	uint64_t order;		/* of the replies that are kept; 0: it has not come */
	struct ipcchan_message reply;
};

struct ipcchan_calls {
	uint32_t max;
	uint32_t nr_free;
	uint32_t nr_done;
	uint64_t counter;	/* calls begun */
	uint64_t arrivals;
	uint16_t *free;
	struct pending *pending;

	/* messages that are no replies, the oldest first; as many as there are holds */
	struct ipcchan_message *others;
	uint32_t first;
	uint32_t nr_others;
};

/* NULL: no memory. Nothing is allocated later. */
struct ipcchan_calls *ipcchan_calls_new(const struct ipcchan_geometry *g, uint32_t max)
{
	struct ipcchan_calls *calls = ipcchan_alloc(1, sizeof(*calls));

	if (!calls)
		return NULL;
	calls->max = max < g->holds ? max : g->holds;
	calls->free = ipcchan_alloc(calls->max, sizeof(*calls->free));
	calls->pending = ipcchan_alloc(calls->max, sizeof(*calls->pending));
	calls->others = ipcchan_alloc(g->holds, sizeof(*calls->others));
	if (!calls->free || !calls->pending || !calls->others) {
		ipcchan_calls_free(calls);
		return NULL;
	}
	while (calls->nr_free < calls->max) {
		calls->free[calls->nr_free] = (uint16_t)(calls->max - 1 - calls->nr_free);
		calls->nr_free++;
	}
	return calls;
}

void ipcchan_calls_free(struct ipcchan_calls *calls)
{
	if (!calls)
		return;
	free(calls->others);
	free(calls->pending);
	free(calls->free);
	free(calls);
}

static int check(const struct ipcchan_port *port)
{
	int rc = ipcchan_check(port, IPCCHAN_SEND | IPCCHAN_RECEIVE);

	if (rc)
		return rc;
	return port->calls ? 0 : -EOPNOTSUPP;
}

/* A look that found nothing was the last of a longer time. */
static int no_time(int rc, uint64_t deadline_ns)
{
	return rc == -EAGAIN && deadline_ns ? -ETIMEDOUT : rc;
}

static struct pending *find(const struct ipcchan_calls *calls, uint64_t tag)
{
	uint32_t i = tag & INDEX_MASK;

	return i < calls->max && tag && calls->pending[i].tag == tag ? &calls->pending[i] : NULL;
}

/* A place in the table: the request's tag, or 0. */
static uint64_t begin(struct ipcchan_calls *calls)
{
	uint64_t tag, i;

	if (!calls->nr_free)
		return 0;
	i = calls->free[--calls->nr_free];
	tag = IPCCHAN_TAG_CALL | ((++calls->counter << INDEX_BITS | i) & ~KIND_MASK);
	calls->pending[i].tag = tag;
	return tag;
}

static void end(struct ipcchan_calls *calls, struct pending *p)
{
	calls->nr_done -= !!p->order;
	p->tag = 0;
	p->order = 0;
	calls->free[calls->nr_free++] = (uint16_t)(p - calls->pending);
}

static void keep_reply(struct ipcchan_port *port, struct ipcchan_message *message)
{
	struct ipcchan_calls *calls = port->calls;
	struct pending *p = find(calls, message->tag & ~IPCCHAN_TAG_REPLY);

	if (!p || p->order) {
		ipcchan_release(port, message);	/* too late, or once more */
		return;
	}
	p->order = ++calls->arrivals;
	p->reply = *message;
	calls->nr_done++;
}

/* There is a place for it: each has a hold. */
static void keep(struct ipcchan_port *port, struct ipcchan_message *message)
{
	struct ipcchan_calls *calls = port->calls;

	if ((message->tag & KIND_MASK) == KIND_MASK) {
		keep_reply(port, message);
		return;
	}
	calls->others[(calls->first + calls->nr_others) % port->geometry.holds] = *message;
	calls->nr_others++;
}

/* One message from the ring, to where it belongs. */
static int take_one(struct ipcchan_port *port, int64_t timeout_ns)
{
	struct ipcchan_message message;
	int rc = ipcchan_receive(port, &message, timeout_ns);

	if (!rc)
		keep(port, &message);
	return rc;
}

/*
 * @taken messages in this call were not what is awaited, and the other side may send
 * such without end: is there time for more? 0, or why not. Who does not wait takes
 * what was there when it came.
 */
static int go_on(const struct ipcchan_port *port, uint64_t deadline_ns, uint32_t taken)
{
	if (!taken)
		return 0;
	if (!deadline_ns)
		return taken < port->geometry.depth ? 0 : -EAGAIN;
	if (!ipcchan_left(deadline_ns))
		return -ETIMEDOUT;
	return taken % MANY ? 0 : ipcchan_nap();
}

/* One message more, of those that come before what is awaited. */
static int take_more(struct ipcchan_port *port, uint64_t deadline_ns, uint32_t taken)
{
	int rc = go_on(port, deadline_ns, taken);

	return rc ? rc : no_time(take_one(port, ipcchan_left(deadline_ns)), deadline_ns);
}

/*
 * There is no room for a request: take what there is, for the other side may
 * have no room for it; else wait for either. 0: try again.
 */
static int make_room(struct ipcchan_port *port, uint64_t deadline_ns)
{
	struct ipcchan_ready ready = { .port = port, .events = IPCCHAN_READY_SEND };
	int rc = take_one(port, IPCCHAN_NO_WAIT);

	if (!rc)
		return 0;
	if (rc == -EAGAIN)
		ready.events |= IPCCHAN_READY_RECEIVE;
	else if (rc != -ENOBUFS)
		return rc;
	rc = ipcchan_wait(&ready, 1, ipcchan_left(deadline_ns));
	return rc < 0 ? rc : 0;
}

static int find_room(struct ipcchan_port *port, size_t length, uint32_t *block,
		     uint64_t deadline_ns)
{
	for (uint32_t tries = 0;; tries++) {
		int rc = ipcchan_room(port, length, block, IPCCHAN_NO_WAIT);

		if (rc != -EAGAIN || !deadline_ns)
			return rc;
		rc = go_on(port, deadline_ns, tries);
		if (!rc)
			rc = make_room(port, deadline_ns);
		if (rc)
			return rc;
	}
}

/* The request of a new call. */
static int start(struct ipcchan_port *port, const struct iovec *pieces, size_t n, uint64_t *call,
		 uint64_t deadline_ns)
{
	size_t length = ipcchan_sum(pieces, n);
	uint32_t block;
	int rc;

	if (!port->calls->nr_free)
		return -ENOBUFS;
	rc = find_room(port, length, &block, deadline_ns);
	if (rc)
		return rc;
	*call = begin(port->calls);
	return ipcchan_put_tagged(port, pieces, n, length, *call, block);
}

/* The reply that came first, of all that are kept. */
static struct pending *first_done(struct ipcchan_calls *calls)
{
	struct pending *first = NULL;

	for (uint32_t i = 0; i < calls->max && calls->nr_done; i++) {
		struct pending *p = &calls->pending[i];

		if (p->order && (!first || p->order < first->order))
			first = p;
	}
	return first;
}

static struct pending *done(struct ipcchan_calls *calls, uint64_t call)
{
	struct pending *p = call == IPCCHAN_ANY_CALL ? first_done(calls) : find(calls, call);

	return p && p->order ? p : NULL;
}

static int finish(struct ipcchan_port *port, uint64_t call, struct ipcchan_message *reply,
		  uint64_t deadline_ns)
{
	struct ipcchan_calls *calls = port->calls;
	struct pending *p;

	for (uint32_t taken = 0; !(p = done(calls, call)); taken++) {
		int rc = take_more(port, deadline_ns, taken);

		if (rc)
			return rc;
	}
	*reply = p->reply;
	reply->tag = p->tag;
	end(calls, p);
	return 0;
}

int ipcchan_callv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
		  struct ipcchan_message *reply, int64_t timeout_ns)
{
	uint64_t deadline_ns = ipcchan_deadline(timeout_ns);
	int rc = check(port);
	uint64_t call;

	if (!rc && timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		rc = -EINVAL;
	if (rc)
		return rc;
	call = IPCCHAN_ANY_CALL;
	rc = start(port, pieces, n, &call, deadline_ns);
	if (!rc)
		rc = finish(port, call, reply, deadline_ns);
	if (rc && call != IPCCHAN_ANY_CALL)
		ipcchan_call_cancel(port, call);
	return rc;
}

int ipcchan_call(struct ipcchan_port *port, const void *data, size_t length,
		 struct ipcchan_message *reply, int64_t timeout_ns)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = length };

	return ipcchan_callv(port, &piece, 1, reply, timeout_ns);
}

int ipcchan_call_startv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			uint64_t *call, int64_t timeout_ns)
{
	int rc = check(port);

	*call = IPCCHAN_ANY_CALL;
	if (!rc && timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		rc = -EINVAL;
	if (!rc)
		rc = start(port, pieces, n, call, ipcchan_deadline(timeout_ns));
	if (rc && *call != IPCCHAN_ANY_CALL)
		ipcchan_call_cancel(port, *call);
	return rc;
}

int ipcchan_call_start(struct ipcchan_port *port, const void *data, size_t length, uint64_t *call,
		       int64_t timeout_ns)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = length };

	return ipcchan_call_startv(port, &piece, 1, call, timeout_ns);
}

int ipcchan_call_commit(struct ipcchan_port *port, struct ipcchan_loan *loan, uint64_t *call)
{
	int rc = check(port);

	*call = IPCCHAN_ANY_CALL;
	if (rc)
		return rc;
	loan->tag = begin(port->calls);
	if (!loan->tag)
		return -ENOBUFS;
	rc = ipcchan_commit(port, loan);
	if (rc)
		end(port->calls, find(port->calls, loan->tag));
	else
		*call = loan->tag;
	return rc;
}

int ipcchan_call_finish(struct ipcchan_port *port, uint64_t call, struct ipcchan_message *reply,
			int64_t timeout_ns)
{
	int rc = check(port);

	if (rc)
		return rc;
	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	if (call == IPCCHAN_ANY_CALL ? port->calls->nr_free == port->calls->max :
				       !find(port->calls, call))
		return -ENOENT;
	return finish(port, call, reply, ipcchan_deadline(timeout_ns));
}

int ipcchan_call_cancel(struct ipcchan_port *port, uint64_t call)
{
	int rc = check(port);
	struct pending *p;

	if (rc)
		return rc;
	p = find(port->calls, call);
	if (!p)
		return -ENOENT;
	if (p->order)
		ipcchan_release(port, &p->reply);
	end(port->calls, p);
	return 0;
}

int ipcchan_call_receive(struct ipcchan_port *port, struct ipcchan_message *message,
			 int64_t timeout_ns)
{
	uint64_t deadline_ns = ipcchan_deadline(timeout_ns);
	struct ipcchan_calls *calls;
	int rc = check(port);

	if (!rc && timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		rc = -EINVAL;
	if (rc)
		return rc;
	calls = port->calls;
	for (uint32_t taken = 0; !calls->nr_others; taken++) {
		rc = take_more(port, deadline_ns, taken);
		if (rc)
			return rc;
	}
	*message = calls->others[calls->first];
	calls->first = (calls->first + 1) % port->geometry.holds;
	calls->nr_others--;
	return 0;
}

/* What its reply is tagged with; 0: it asks for none. */
static uint64_t reply_tag(const struct ipcchan_message *request)
{
	if ((request->tag & KIND_MASK) != IPCCHAN_TAG_CALL)
		return 0;
	return request->tag | IPCCHAN_TAG_REPLY;
}

int ipcchan_replyv(struct ipcchan_port *port, const struct ipcchan_message *request,
		   const struct iovec *pieces, size_t n, int64_t timeout_ns)
{
	int rc = ipcchan_check(port, IPCCHAN_SEND);
	size_t length = ipcchan_sum(pieces, n);
	uint64_t tag = reply_tag(request);
	uint32_t block;

	if (rc)
		return rc;
	if (!tag)
		return -EINVAL;
	rc = ipcchan_room(port, length, &block, timeout_ns);
	return rc ? rc : ipcchan_put_tagged(port, pieces, n, length, tag, block);
}

int ipcchan_reply(struct ipcchan_port *port, const struct ipcchan_message *request,
		  const void *data, size_t length, int64_t timeout_ns)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = length };

	return ipcchan_replyv(port, request, &piece, 1, timeout_ns);
}

int ipcchan_reply_commit(struct ipcchan_port *port, const struct ipcchan_message *request,
			 struct ipcchan_loan *loan)
{
	uint64_t tag = reply_tag(request);

	if (!tag)
		return -EINVAL;
	loan->tag = tag;
	return ipcchan_commit(port, loan);
}
