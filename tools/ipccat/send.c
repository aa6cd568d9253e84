// SPDX-License-Identifier: GPL-2.0
/* ipccat send: standard input into a channel. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipccat.h"

#define CHUNK (64 * 1024)

struct sending {
	struct ipcchan_port *port;
	const char *name;
	uint64_t max_message;
	size_t chunk;
	bool whole;		/* it is to be filled */
	bool both;		/* the other end's leaving ends the input */
	bool queue;		/* receivers come and go */
	uint64_t messages;	/* sent */
};

/* Lines: what was read and not sent yet. */
struct buffer {
	char *data;
	size_t size;
	size_t start;	/* of the first line not sent */
	size_t end;
	size_t seen;	/* no newline from start to here */
};

static int fail(const struct sending *sending, int error)
{
	if (error == -EPIPE)
		return refusal("%s: the %s has left before all was sent", sending->name,
			       sending->both ? "other end" : "last receiver");
	return refusal("%s: %s", sending->name, ipcchan_strerror(error));
}

static uint64_t minimum(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int prepare(struct sending *sending, uint64_t block)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	int error = ipcchan_port_info(sending->port, &info);

	if (error)
		return error;
	sending->max_message = info.max_message;
	/* Some under way while the next is read. */
	sending->chunk = minimum(minimum(CHUNK, info.max_message), info.arena / 4);
	sending->whole = block;
	if (block)
		sending->chunk = block;
	return 0;
}

/* Is there still somebody to send to? -EPIPE if not. */
static int port_state(const struct sending *sending)
{
	int receivers = ipcchan_port_peers(sending->port, IPCCHAN_ROLE_RECEIVE);

	return receivers < 0 ? receivers : receivers ? 0 : -EPIPE;
}

/*
 * Waits until there is input, or nobody left to send it to. The port is only
 * looked at when we would sleep: who looks asks to be woken.
 */
static int wait_input(const struct sending *sending)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = sending->queue ? -1 : ipcchan_port_fd(sending->port) },
	};

	if (poll(fds, 1, 0) != 0)
		return 0;
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		if (fds[1].revents) {
			int error = port_state(sending);

			if (error)
				return error;
			/* One left and another came. */
		}
	}
}

/* Reads what there is; 0 at the end; *@error for the channel's. */
static ssize_t read_some(const struct sending *sending, void *data, size_t size, int *error)
{
	ssize_t got;

	do {
		*error = wait_input(sending);
		if (*error == -EPIPE && sending->both) {
			*error = 0;	/* send_end() finds out what that means */
			return 0;
		}
		if (*error)
			return -1;
		got = read(STDIN_FILENO, data, size);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	return got;
}

/* Likewise, but all that is asked for, as long as there is any. */
static ssize_t read_whole(const struct sending *sending, char *data, size_t size, int *error)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = read_some(sending, data + done, size - done, error);

		if (got < 0)
			return got;
		if (!got)
			break;
		done += got;
	}
	return done;
}

static int read_failure(const struct sending *sending, int error)
{
	if (error)
		return fail(sending, error);
	return refusal("cannot read standard input: %s", strerror(errno));
}

/* One chunk, read to where it is sent from; @end is set at the end. */
static int send_chunk(struct sending *sending, bool *end)
{
	struct ipcchan_loan loan;
	ssize_t got;
	int error;

	error = ipcchan_reserve(sending->port, sending->chunk, &loan, IPCCHAN_WAIT_FOREVER_NS);
	if (error == -EINTR)
		return EXIT_OK;
	*end = error == -EPIPE && sending->both;
	if (*end)
		return EXIT_OK;
	if (error)
		return fail(sending, error);
	got = sending->whole ? read_whole(sending, loan.data, loan.length, &error) :
			       read_some(sending, loan.data, loan.length, &error);
	*end = got == 0;
	if (got <= 0) {
		ipcchan_abort(sending->port, &loan);
		return got ? read_failure(sending, error) : EXIT_OK;
	}
	loan.length = got;
	error = ipcchan_commit(sending->port, &loan);
	if (error)
		return fail(sending, error);
	sending->messages++;
	return EXIT_OK;
}

static int send_stream(struct sending *sending)
{
	bool end = false;
	int code;

	do {
		code = send_chunk(sending, &end);
	} while (!code && !end);
	return code;
}

static int send_line(struct sending *sending, const char *line, size_t length)
{
	int error;

	if (length > sending->max_message)
		return refusal("%s: line %llu is longer than max-message, %llu bytes",
			       sending->name, (unsigned long long)sending->messages + 1,
			       (unsigned long long)sending->max_message);
	do {
		error = ipcchan_send(sending->port, line, length, IPCCHAN_WAIT_FOREVER_NS);
	} while (error == -EINTR);
	if (error)
		return fail(sending, error);
	sending->messages++;
	return EXIT_OK;
}

/* All complete lines, and what is known to be too long for one. */
static int send_lines_in(struct sending *sending, struct buffer *buffer)
{
	char *newline;
	int code;

	while ((newline = memchr(buffer->data + buffer->seen, '\n', buffer->end - buffer->seen))) {
		code = send_line(sending, buffer->data + buffer->start,
				 newline - buffer->data - buffer->start);
		if (code)
			return code;
		buffer->start = newline + 1 - buffer->data;
		buffer->seen = buffer->start;
	}
	buffer->seen = buffer->end;
	if (buffer->end - buffer->start > sending->max_message)
		return send_line(sending, buffer->data + buffer->start,
				 buffer->end - buffer->start);
	return EXIT_OK;
}

/* Makes room to read: what is left of a line moves to the front. */
static int make_room(struct buffer *buffer)
{
	char *more;

	if (buffer->start) {
		buffer->end -= buffer->start;
		memmove(buffer->data, buffer->data + buffer->start, buffer->end);
		buffer->seen = buffer->end;
		buffer->start = 0;
	}
	if (buffer->end < buffer->size)
		return 0;
	more = realloc(buffer->data, buffer->size ? 2 * buffer->size : CHUNK);
	if (!more)
		return -ENOMEM;
	buffer->data = more;
	buffer->size = buffer->size ? 2 * buffer->size : CHUNK;
	return 0;
}

static int send_lines_from(struct sending *sending, struct buffer *buffer)
{
	ssize_t got;
	int error, code;

	for (;;) {
		if (make_room(buffer))
			return refusal("out of memory for line %llu",
				       (unsigned long long)sending->messages + 1);
		got = read_some(sending, buffer->data + buffer->end, buffer->size - buffer->end,
				&error);
		if (got < 0)
			return read_failure(sending, error);
		if (got == 0)
			break;
		buffer->end += got;
		code = send_lines_in(sending, buffer);
		if (code)
			return code;
	}
	/* The last line need not have a newline. */
	if (buffer->end > buffer->start)
		return send_line(sending, buffer->data + buffer->start,
				 buffer->end - buffer->start);
	return EXIT_OK;
}

static int send_lines(struct sending *sending)
{
	struct buffer buffer = { 0 };
	int code = send_lines_from(sending, &buffer);

	free(buffer.data);
	return code;
}

static bool has_input(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char next;

	return poll(&in, 1, 0) > 0 && in.revents & POLLIN && read(STDIN_FILENO, &next, 1) > 0;
}

/*
 * Our input has ended, and we go on receiving. Who has left need not know; but what
 * was sent last it has perhaps not read.
 */
static int send_end(struct sending *sending)
{
	struct ipcchan_loan loan;
	int error;

	do {
		error = ipcchan_reserve(sending->port, 0, &loan, IPCCHAN_WAIT_FOREVER_NS);
	} while (error == -EINTR);
	if (!error) {
		loan.tag = CAT_END;
		error = ipcchan_commit(sending->port, &loan);
	}
	if (error == -EPIPE && !sending->messages && !has_input())
		return EXIT_OK;
	return error ? fail(sending, error) : EXIT_OK;
}

bool cat_keeps(const struct options *options)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	return options->type == IPCCHAN_QUEUE && !ipcchan_lookup(options->name, &info, NULL) &&
	       info.flags & IPCCHAN_OPEN_PERSISTENT;
}

static int await_receivers(const struct sending *sending, const struct options *options)
{
	int error;

	do {
		error = ipcchan_port_wait_peers(sending->port, IPCCHAN_ROLE_RECEIVE,
						options->receivers, IPCCHAN_WAIT_FOREVER_NS);
	} while (error == -EINTR);
	return error;
}

int cat_send(struct ipcchan_port *port, const struct options *options)
{
	struct sending sending = {
		.port = port,
		.name = options->name,
		.both = options->both,
		.queue = options->type == IPCCHAN_QUEUE,
	};
	bool alone = options->both || cat_keeps(options);
	int code, error = prepare(&sending, options->block);

	if (!error && !alone)
		error = await_receivers(&sending, options);
	if (error)
		return fail(&sending, error);
	if (options->block > sending.max_message)
		return refusal("%s: a block of %llu bytes is longer than max-message, %llu bytes",
			       options->name, (unsigned long long)options->block,
			       (unsigned long long)sending.max_message);
	code = options->lines ? send_lines(&sending) : send_stream(&sending);
	if (!code && options->both)
		return send_end(&sending);
	/* What was sent last may never be read. */
	if (!code && sending.messages && !alone) {
		error = port_state(&sending);
		if (error)
			code = fail(&sending, error);
	}
	return code;
}
