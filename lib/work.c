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

/* The files of what is claimed, if they are asked for: how many, or -errno. */
static int take_files(struct ipcchan_port *port, struct ipcchan_message *message, int *fds,
		      size_t room)
{
	int n;

	if (!fds)
		return 0;
	n = message->nr_files ? ipcchan_message_files(port, message, fds, room) : 0;
	if (n < 0 && n != -ENOENT)
		return n;
	message->nr_files = n < 0 ? 0 : (uint32_t)n;
	return (int)message->nr_files;
}

ssize_t ipcchan_work_recv_files(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
				struct ipcchan_message *message, int *fds, size_t room,
				int64_t timeout_ns)
{
	uint64_t deadline_ns = ipcchan_deadline(timeout_ns);
	struct ipcchan_done done;
	ssize_t claimed, judged;
	uint32_t tries = 0;
	int rc, nr, again;

	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	do {
		claimed = ipcchan_claim_until(port, message, 1, deadline_ns);
		if (claimed < 0)
			return claimed;
		rc = copy_out(pieces, n, message);
		nr = rc ? 0 : take_files(port, message, fds, room);
		rc = nr < 0 ? nr : rc;
		finish(port, &done, message, rc);
		judged = ipcchan_claim(port, &done, 1, NULL, 0, IPCCHAN_NO_WAIT);
		if (judged || done.result || done.verdict == IPCCHAN_DISCARD)
			ipcchan_files_close(fds, nr);
		if (judged)
			return judged;
		if (done.verdict != IPCCHAN_DISCARD)
			break;
		again = ipcchan_claim_again(deadline_ns, ++tries);
		if (again)
			return again;
	} while (true);
	if (rc)
		return rc;
	return done.result ? done.result : (ssize_t)message->length;
}

ssize_t ipcchan_work_recvv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			   struct ipcchan_message *message, int64_t timeout_ns, int rc)
{
	if (!is_ours(port, rc))
		return rc;
	return ipcchan_work_recv_files(port, pieces, n, message, NULL, 0, timeout_ns);
}

/* How many buffers, of which none is longer than the one before it. */
static size_t count_buffers(const struct iovec *buffers, size_t n)
{
	size_t i = 1;

	if (n > IPCCHAN_CLAIM_MOST)
		n = IPCCHAN_CLAIM_MOST;
	while (i < n && buffers[i].iov_len <= buffers[i - 1].iov_len)
		i++;
	return i < n ? i : n;
}

/*
 * Copies out what was claimed, each into the next buffer, and judges it. What is too
 * long for one is too long for those that follow: that alone goes back.
 */
static ssize_t copy_all(struct ipcchan_port *port, const struct iovec *buffers,
			struct ipcchan_message *messages, struct ipcchan_done *done, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		finish(port, &done[i], &messages[i],
		       copy_out(&buffers[used], 1, &messages[i]));
		used += done[i].verdict == IPCCHAN_ACKNOWLEDGE;
	}
	return ipcchan_claim(port, done, n, NULL, 0, IPCCHAN_NO_WAIT);
}

/*
 * What was acknowledged, and ours until then, comes to the front: how many. Else the
 * error of the first that was something, or 0: all had vanished.
 */
static ssize_t sort_out(const struct iovec *buffers, struct ipcchan_message *messages,
			const struct ipcchan_done *done, size_t n)
{
	size_t good = 0, used = 0;
	int why = 0;

	for (size_t i = 0; i < n; i++) {
		bool taken = done[i].verdict == IPCCHAN_ACKNOWLEDGE;
		int rc = taken ? done[i].result : -EMSGSIZE;

		if (done[i].verdict == IPCCHAN_DISCARD)
			continue;
		if (!rc && used != good && messages[i].length)
			memcpy(buffers[good].iov_base, buffers[used].iov_base, messages[i].length);
		if (!rc || (!good && !why))
			messages[good] = messages[i];
		good += !rc;
		used += taken;
		why = why ? why : rc;
	}
	return good ? (ssize_t)good : why;
}

ssize_t ipcchan_work_recv_batch(struct ipcchan_port *port, const struct iovec *buffers,
				struct ipcchan_message *messages, size_t n, int64_t timeout_ns,
				int rc)
{
	uint64_t deadline_ns = ipcchan_deadline(timeout_ns);
	struct ipcchan_done done[IPCCHAN_CLAIM_MOST];
	uint32_t tries = 0;
	ssize_t claimed, good;

	if (!is_ours(port, rc) || !n)
		return is_ours(port, rc) ? 0 : rc;
	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	n = count_buffers(buffers, n);
	do {
		claimed = ipcchan_claim_until(port, messages, n, deadline_ns);
		if (claimed < 0)
			return claimed;
		good = copy_all(port, buffers, messages, done, (size_t)claimed);
		if (!good)
			good = sort_out(buffers, messages, done, (size_t)claimed);
		if (good)
			return good;
		rc = ipcchan_claim_again(deadline_ns, ++tries);
	} while (!rc);
	return rc;
}
