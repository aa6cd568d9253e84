// SPDX-License-Identifier: GPL-2.0
/*
 * ipccat listen, connect: a connection to a service as a pipe both ways.
 *
 * Each direction ends by itself: where standard input ends, an empty message says
 * so to the other end (CAT_END), and it goes on sending. Who leaves ends both, and
 * so does what fails.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipccat.h"

struct side {
	pthread_t thread;
	struct ipcchan_port *port;
	const struct options *options;
	int code;
};

static void *send_side(void *arg)
{
	struct side *side = arg;

	side->code = cat_send(side->port, side->options);
	/* if the other end has left, so says the receiving side, after what it had sent */
	if (side->code && ipcchan_port_peers(side->port, IPCCHAN_ROLE_RECEIVE) > 0)
		exit(side->code);
	return NULL;
}

/* The port's sending thread is one of its own. */
int cat_link(struct ipcchan_port *port, const struct options *options)
{
	struct side side = { .port = port, .options = options };
	int code = pthread_create(&side.thread, NULL, send_side, &side);

	if (code)
		return refusal("no thread: %s", strerror(code));
	code = cat_receive(port, options);
	if (code)
		exit(code);	/* the other is still at it */
	pthread_join(side.thread, NULL);
	return side.code;
}

/* One connection, as it is for one pipe: others are refused. */
int link_listen(const struct options *options, struct ipcchan_options *how,
		struct ipcchan_port **port)
{
	struct ipcchan_error why = { "" };
	struct ipcchan_listener *listener;
	int error;

	how->flags |= IPCCHAN_OPEN_CREATE;
	error = ipcchan_listen(&listener, options->name, how, &why);
	if (error)
		return open_refused(options, error, &why);
	do
		error = ipcchan_accept(listener, port, NULL, IPCCHAN_WAIT_FOREVER_NS);
	while (error == -EINTR);
	ipcchan_listener_close(listener);
	return error ? open_refused(options, error, &why) : EXIT_OK;
}

int link_connect(const struct options *options, struct ipcchan_options *how,
		 struct ipcchan_port **port)
{
	struct ipcchan_error why = { "" };
	int error;

	how->flags |= IPCCHAN_OPEN_WAIT;
	do
		error = ipcchan_connect(port, options->name, how, IPCCHAN_WAIT_FOREVER_NS, &why);
	while (error == -EINTR);
	return error ? open_refused(options, error, &why) : EXIT_OK;
}
