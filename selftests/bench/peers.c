// SPDX-License-Identifier: GPL-2.0
/* What the kernel has for the same work: pipes, and AF_UNIX stream sockets. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bars.h"

#define LONGEST	64

static int stream[2];	/* from the parent to its peer */
static int own[2];	/* of the parent alone */
static int ends[2];	/* sockets: the parent's, the peer's */

/** peers_make() - before the processes part */
void peers_make(void)
{
	if (pipe(stream) || pipe(own) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		die("pipe, socketpair: %s", strerror(errno));
}

static inline void give(int fd, uint64_t *message, size_t length)
{
	if (write(fd, message, length) != (ssize_t)length)
		die("write: %s", strerror(errno));
}

static inline void take(int fd, uint64_t *message, size_t length)
{
	if (read(fd, message, length) != (ssize_t)length)
		die("read: %s", strerror(errno));
}

void pipe_take(const struct row *row)
{
	uint64_t message[LONGEST / 8];

	do {
		take(stream[0], message, row->argument);
	} while (message[0] != STOP);
	store_release(&board->pong, STOP);
}

double pipe_give(const struct row *row)
{
	uint64_t message[LONGEST / 8] = { 0 };
	struct window w;
	double ns;

	store_release(&board->pong, 0);
	for (window_begin(&w, 16); window_goes_on(&w); )
		give(stream[1], message, row->argument);
	message[0] = STOP;
	give(stream[1], message, row->argument);
	while (load_acquire(&board->pong) != STOP)
		relax();
	w.n++;
	ns = window_end(&w);
	return ns;
}

/* Written and read in one thread. */
double pipe_both(const struct row *row)
{
	uint64_t message[LONGEST / 8] = { 0 };
	struct window w;

	for (window_begin(&w, 16); window_goes_on(&w); ) {
		give(own[1], message, row->argument);
		take(own[0], message, row->argument);
	}
	return window_end(&w);
}

void socket_pong(const struct row *row)
{
	uint64_t message[LONGEST / 8];

	do {
		take(ends[1], message, row->argument);
		give(ends[1], message, row->argument);
	} while (message[0] != STOP);
}

static inline void ping(uint64_t *message, uint64_t word, size_t length)
{
	message[0] = word;
	give(ends[0], message, length);
	take(ends[0], message, length);
	if (message[0] != word)
		die("an answer to something else");
}

double socket_ping(const struct row *row)
{
	uint64_t message[LONGEST / 8] = { 0 };
	struct window w;
	double ns;

	for (window_begin(&w, 16); window_goes_on(&w); )
		ping(message, w.n, row->argument);
	ns = window_end(&w);
	ping(message, STOP, row->argument);
	return ns;
}
