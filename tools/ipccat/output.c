// SPDX-License-Identifier: GPL-2.0
/* Messages to standard output. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

/* Messages of this size are written from where they are, smaller ones gathered. */
#define LARGE (16 * 1024)

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

static int failure(void)
{
	return refusal("cannot write standard output: %s", strerror(errno));
}

int output_flush(struct output *output)
{
	return flush(output) ? failure() : EXIT_OK;
}

int output_message(struct output *output, const struct ipcchan_message *message,
		   const struct options *options)
{
	int code = check_block(output, message, options);

	if (code)
		return flush(output) ? failure() : code;
	return put_message(output, message, options->lines) ? failure() : EXIT_OK;
}
