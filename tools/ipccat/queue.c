// SPDX-License-Identifier: GPL-2.0
/*
 * ipccat recv on a queue: what was written is acknowledged, after that. Who ends
 * before has written, perhaps, what another is given again: at least once.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "output.h"

#define BATCH 8

/* Messages that are written and those that are claimed next, by turns. */
struct claims {
	struct ipcchan_message messages[2][BATCH];
	struct ipcchan_done done[BATCH];
	size_t nr_done;
	bool turn;
	bool keeps;		/* what is in the queue, without us */
	bool any;		/* has come */
};

static ssize_t claim_now(struct ipcchan_port *port, struct claims *c, int64_t timeout_ns)
{
	ssize_t n = ipcchan_claim(port, c->done, c->nr_done, c->messages[c->turn], BATCH,
				  timeout_ns);

	c->nr_done = 0;
	c->any |= n > 0;
	return n;
}

/*
 * Acknowledges, and waits for more: how many, or -errno. The end is what the module
 * calls so: what others have claimed may come back. But the senders of what a queue
 * has kept may have left before we came; what comes back there is kept, too.
 */
static ssize_t claim(struct ipcchan_port *port, struct claims *c)
{
	ssize_t n;

	c->turn = !c->turn;
	n = claim_now(port, c, IPCCHAN_NO_WAIT);
	if (n == -EAGAIN && c->any && c->keeps &&
	    !ipcchan_port_peers(port, IPCCHAN_ROLE_SEND)) {
		/* one may have sent and left in between */
		n = claim_now(port, c, IPCCHAN_NO_WAIT);
		return n == -EAGAIN ? -EPIPE : n;
	}
	while (n == -EAGAIN || n == -EINTR)
		n = claim_now(port, c, IPCCHAN_WAIT_FOREVER_NS);
	return n;
}

static int write_claims(struct output *output, struct claims *c, size_t n,
			const struct options *options)
{
	struct ipcchan_message *messages = c->messages[c->turn];
	int code = EXIT_OK;

	for (size_t i = 0; i < n && !code; i++) {
		code = output_message(output, &messages[i], options);
		c->done[i] = (struct ipcchan_done){ .message = &messages[i] };
	}
	c->nr_done = n;
	return code ? code : output_flush(output);
}

int cat_receive_queue(struct ipcchan_port *port, const struct options *options)
{
	static struct output output;
	static struct claims claims;
	int code = EXIT_OK;
	ssize_t n;

	claims.keeps = cat_keeps(options);
	do {
		n = claim(port, &claims);
		if (n > 0)
			code = write_claims(&output, &claims, (size_t)n, options);
	} while (n >= 0 && !code);
	return code ? code : receive_ended(port, options, (int)n);
}
