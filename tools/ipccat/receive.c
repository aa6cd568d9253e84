// SPDX-License-Identifier: GPL-2.0
/* ipccat recv: a channel to standard output. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipccat.h"

/* Messages of this size are written from where they are, smaller ones gathered. */
#define LARGE (16 * 1024)

struct output {
	uint64_t blocks;	/* written */
	uint64_t last;		/* bytes of the last of them */
	size_t used;
	char data[64 * 1024];
};

static int wait_output(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&fd, 1, -1) < 0 && errno != EINTR ? -1 : 0;
}

/* All of it, however little standard output takes at a time; -1 and errno. */
static int write_all(const char *data, size_t length)
{
	while (length) {
		ssize_t put = write(STDOUT_FILENO, data, length);

		if (put >= 0) {
			data += put;
			length -= put;
		} else if (errno == EAGAIN) {
			if (wait_output())
				return -1;
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

static int flush(struct output *output)
{
	size_t used = output->used;

	output->used = 0;
	return write_all(output->data, used);
}

static int put(struct output *output, const char *data, size_t length)
{
	if (length > sizeof(output->data) - output->used && flush(output))
		return -1;
	if (length >= LARGE)
		return flush(output) ? -1 : write_all(data, length);
	memcpy(output->data + output->used, data, length);
	output->used += length;
	return 0;
}

static int put_message(struct output *output, const struct ipcchan_message *message, bool line)
{
	if (message->length && put(output, message->data, message->length))
		return -1;
	return line ? put(output, "\n", 1) : 0;
}

static int no_block(const struct options *options, uint64_t number, uint64_t length)
{
	return refusal("%s: message %llu, of %llu bytes, is no block of %llu", options->name,
		       (unsigned long long)number, (unsigned long long)length,
		       (unsigned long long)options->block);
}

/* An exit code. Behind one that is shorter nothing may follow. */
static int check_block(struct output *output, const struct ipcchan_message *message,
		       const struct options *options)
{
	if (!options->block)
		return EXIT_OK;
	if (output->blocks && output->last < options->block)
		return no_block(options, output->blocks, output->last);
	output->blocks++;
	output->last = message->length;
	if (message->length > options->block)
		return no_block(options, output->blocks, message->length);
	return EXIT_OK;
}

/* What is gathered is written before we sleep. */
static int next(struct ipcchan_port *port, struct output *output,
		struct ipcchan_message *message, bool *written)
{
	int error = ipcchan_receive(port, message, IPCCHAN_NO_WAIT);

	*written = true;
	if (error != -EAGAIN)
		return error;
	if (flush(output)) {
		*written = false;
		return 0;
	}
	do {
		error = ipcchan_receive(port, message, IPCCHAN_WAIT_FOREVER_NS);
	} while (error == -EINTR);
	return error;
}

static int write_failure(void)
{
	return refusal("cannot write standard output: %s", strerror(errno));
}

static int receive_all(struct ipcchan_port *port, struct output *output,
		       const struct options *options)
{
	struct ipcchan_message message;
	int error, code;
	bool written;

	for (;;) {
		error = next(port, output, &message, &written);
		if (!written)
			return write_failure();
		if (error)
			break;
		code = check_block(output, &message, options);
		if (code)
			return flush(output) ? write_failure() : code;
		if (put_message(output, &message, options->lines))
			return write_failure();
		error = ipcchan_release(port, &message);
		if (error)
			break;
	}
	if (flush(output))
		return write_failure();
	if (error == -EPIPE)
		return EXIT_OK;
	if (error == -EPROTO)
		return refusal("%s: the sender in slot %u: %s", options->name,
			       ipcchan_port_culprit(port), ipcchan_strerror(error));
	return refusal("%s: %s", options->name, ipcchan_strerror(error));
}

int cat_receive(struct ipcchan_port *port, const struct options *options)
{
	static struct output output;

	return receive_all(port, &output, options);
}
