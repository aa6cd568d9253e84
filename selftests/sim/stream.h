/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: streams of messages of every length, whose every byte is known
 *
 * What a message must be follows from its tag, which counts. The receiver keeps
 * a few of them, checks them when they come, and once more when it gives them
 * back: they must not have changed. For threads and for processes.
 */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include "ipcchan.h"

struct stream {
	uint64_t messages;	/* UINT64_MAX: until the time is over */
	uint64_t until_ns;	/* CLOCK_MONOTONIC */
	uint32_t longest;
	uint32_t kept;		/* messages held at a time; 0: they are copied out */
	uint32_t batch;		/* most published, or taken, together */
};

/* What a receiver has seen. */
struct stream_sum {
	uint64_t taken;
	uint64_t lost;
};

/** stream_send() - 0 or -errno; @sent: how many */
int stream_send(struct ipcchan_port *port, const struct stream *s, uint64_t *sent);
/** stream_receive() - until the sender has left: 0, -errno, -EBADMSG for what is not as it must be */
int stream_receive(struct ipcchan_port *port, const struct stream *s, struct stream_sum *sum);

#endif /* SIM_STREAM_H */
