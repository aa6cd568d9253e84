// SPDX-License-Identifier: GPL-2.0
/* ipccat recv: a channel to standard output. */
#include <errno.h>
#include <stdio.h>

#include "output.h"

/* What is gathered is written before we sleep; *@code: how that went. */
static int next(struct ipcchan_port *port, struct output *output,
		struct ipcchan_message *message, int *code)
{
	int error = ipcchan_receive(port, message, IPCCHAN_NO_WAIT);

	*code = EXIT_OK;
	if (error != -EAGAIN)
		return error;
	*code = output_flush(output);
	if (*code)
		return 0;
	do {
		error = ipcchan_receive(port, message, IPCCHAN_WAIT_FOREVER_NS);
	} while (error == -EINTR);
	return error;
}

/* What the end of it, or worse, amounts to. */
int receive_ended(struct ipcchan_port *port, const struct options *options, int error)
{
	if (error == -EPIPE)
		return EXIT_OK;
	if (error == -EPROTO)
		return refusal("%s: the sender in slot %u: %s", options->name,
			       ipcchan_port_culprit(port), ipcchan_strerror(error));
	return refusal("%s: %s", options->name, ipcchan_strerror(error));
}

static int receive_all(struct ipcchan_port *port, struct output *output,
		       const struct options *options)
{
	struct ipcchan_message message;
	int error, code;

	do {
		error = next(port, output, &message, &code);
		if (error || code)
			break;
		if (options->both && message.tag == CAT_END && !message.length)
			error = -EPIPE;
		else
			code = output_message(output, &message, options);
		if (!code && !error)
			error = ipcchan_release(port, &message);
	} while (!error && !code);
	if (!code)
		code = output_flush(output);
	return code ? code : receive_ended(port, options, error);
}

int cat_receive(struct ipcchan_port *port, const struct options *options)
{
	static struct output output;

	if (options->type == IPCCHAN_QUEUE)
		return cat_receive_queue(port, options);
	return receive_all(port, &output, options);
}
