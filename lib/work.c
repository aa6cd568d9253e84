/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What the receiving calls of topics do on a queue: each claims, and what is not
 * held afterwards is acknowledged.
 */
#include <string.h>

#include "work.h"

/* Was it refused because the port is on a queue? */
static bool is_ours(const struct ipcchan_port *port, int rc)
{
	return rc == -EPERM && port->queue && port->roles & IPCCHAN_RECEIVE;
}

int ipcchan_work_receive(struct ipcchan_port *port, struct ipcchan_message *message,
			 int64_t timeout_ns, int rc)
{
	ssize_t n;

	if (!is_ours(port, rc))
		return rc;
	n = ipcchan_claim(port, NULL, 0, message, 1, timeout_ns);
	return n < 0 ? (int)n : 0;
}

ssize_t ipcchan_work_receive_batch(struct ipcchan_port *port, struct ipcchan_message *messages,
				   size_t n, int64_t timeout_ns, int rc)
{
	size_t done = 0;

	if (!is_ours(port, rc))
		return rc;
	while (done < n) {
		ssize_t more = ipcchan_claim(port, NULL, 0, &messages[done], n - done,
					     done ? IPCCHAN_NO_WAIT : timeout_ns);

		if (more < 0)
			return done ? (ssize_t)done : more;
		done += (size_t)more;
	}
	return (ssize_t)done;
}

int ipcchan_work_release(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n,
			 int rc)
{
	return is_ours(port, rc) ? ipcchan_acknowledge(port, messages, n) : rc;
}

/* Copies it out: 0, or -EMSGSIZE. */
static int copy_out(const struct iovec *pieces, size_t n, const struct ipcchan_message *message)
{
	const uint8_t *from = message->data;
	size_t left = message->length;

	for (size_t i = 0; i < n && left; i++) {
		size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;

		if (part)
			memcpy(pieces[i].iov_base, from, part);
		from += part;
		left -= part;
	}
	return left ? -EMSGSIZE : 0;
}

/* Done with: what was copied counts if it was there all the time. */
static void finish(struct ipcchan_port *port, struct ipcchan_done *done,
		   struct ipcchan_message *message, int rc)
{
	*done = (struct ipcchan_done){
		.message = message, .verdict = rc ? IPCCHAN_REFUSE : IPCCHAN_ACKNOWLEDGE,
	};
	if (!rc && !ipcchan_source_shows(port->rx, &port->rx->sources[message->sender],
					 message->sequence))
		done->verdict = IPCCHAN_DISCARD;
}

ssize_t ipcchan_work_recvv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			   struct ipcchan_message *message, int64_t timeout_ns, int rc)
{
	struct ipcchan_done done;
	ssize_t claimed, judged;

	if (!is_ours(port, rc))
		return rc;
	do {
		claimed = ipcchan_claim(port, NULL, 0, message, 1, timeout_ns);
		if (claimed < 0)
			return claimed;
		rc = copy_out(pieces, n, message);
		finish(port, &done, message, rc);
		judged = ipcchan_claim(port, &done, 1, NULL, 0, IPCCHAN_NO_WAIT);
		if (judged)
			return judged;
	} while (done.verdict == IPCCHAN_DISCARD);
	if (rc)
		return rc;
	return done.result ? done.result : (ssize_t)message->length;
}

/* As many as are long enough; from the first that is too long on they go back. */
ssize_t ipcchan_work_recv_batch(struct ipcchan_port *port, const struct iovec *buffers,
				struct ipcchan_message *messages, size_t n, int64_t timeout_ns,
				int rc)
{
	struct ipcchan_done done[IPCCHAN_CLAIM_MOST];
	ssize_t claimed, good = 0, judged;

	if (!is_ours(port, rc))
		return rc;
	if (n > IPCCHAN_CLAIM_MOST)
		n = IPCCHAN_CLAIM_MOST;
	claimed = ipcchan_claim(port, NULL, 0, messages, n, timeout_ns);
	if (claimed < 0)
		return claimed;
	rc = 0;
	for (ssize_t i = 0; i < claimed; i++) {
		if (!rc)
			rc = copy_out(&buffers[i], 1, &messages[i]);
		finish(port, &done[i], &messages[i], rc);
		good += !rc;
	}
	judged = ipcchan_claim(port, done, (size_t)claimed, NULL, 0, IPCCHAN_NO_WAIT);
	return judged ? judged : good ? good : rc;
}
