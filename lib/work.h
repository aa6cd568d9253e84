/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: receiving from a queue
 *
 *   claim.c	the call that takes, acknowledges and refuses
 *   work.c	the calls of topics, where the port is on a queue
 *
 * A claimed message is held as one of a topic is; there are as many holds as the
 * kernel gives claims. The receiving thread's.
 */
#ifndef IPCCHAN_WORK_H
#define IPCCHAN_WORK_H

#include "internal.h"

/* claim.c */
int ipcchan_check_queue(const struct ipcchan_port *port);
ssize_t ipcchan_claim_until(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n,
			    uint64_t deadline_ns);
int ipcchan_claim_again(uint64_t deadline_ns, uint32_t tries);
bool ipcchan_claim_holds(const struct ipcchan_port *port, const struct ipcchan_message *message);
int ipcchan_acknowledge(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n);

/*
 * work.c: in place of calls that were refused with @rc, which may be because the port
 * is on a queue.
 */
int ipcchan_work_receive(struct ipcchan_port *port, struct ipcchan_message *message,
			 int64_t timeout_ns, int rc);
ssize_t ipcchan_work_receive_batch(struct ipcchan_port *port, struct ipcchan_message *messages,
				   size_t n, int64_t timeout_ns, int rc);
int ipcchan_work_release(struct ipcchan_port *port, struct ipcchan_message *messages, size_t n,
			 int rc);
ssize_t ipcchan_work_recvv(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
			   struct ipcchan_message *message, int64_t timeout_ns, int rc);
ssize_t ipcchan_work_recv_files(struct ipcchan_port *port, const struct iovec *pieces, size_t n,
				struct ipcchan_message *message, int *fds, size_t room,
				int64_t timeout_ns);
ssize_t ipcchan_work_recv_batch(struct ipcchan_port *port, const struct iovec *buffers,
				struct ipcchan_message *messages, size_t n, int64_t timeout_ns,
				int rc);

#endif /* IPCCHAN_WORK_H */
