// SPDX-License-Identifier: GPL-2.0
/* Our own channels, and what a program would use without them: see links.h. */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ipcchan.h>

#include "count.h"
#include "links.h"

/* A channel for each direction. */
static struct ipcchan_port *to_other, *from_other;

static void channels_make(void)
{
}

static void channels_join(int side)
{
	static const char *const names[2] = { "bars.there", "bars.back" };
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.flags |= IPCCHAN_OPEN_CREATE;
	need(ipcchan_open(&to_other, names[side], IPCCHAN_ROLE_SEND, &options, NULL), "open");
	need(ipcchan_open(&from_other, names[!side], IPCCHAN_ROLE_RECEIVE, &options, NULL),
	     "open");
	need(ipcchan_port_wait_peers(to_other, IPCCHAN_ROLE_RECEIVE, 1,
				     IPCCHAN_WAIT_FOREVER_NS), "wait for the other side");
	need(ipcchan_port_wait_peers(from_other, IPCCHAN_ROLE_SEND, 1,
				     IPCCHAN_WAIT_FOREVER_NS), "wait for the other side");
}

static void channels_put(int side, const void *message)
{
	(void)side;
	need(ipcchan_send(to_other, message, LINK_BYTES, IPCCHAN_WAIT_FOREVER_NS), "send");
}

static void channels_get(int side, void *message)
{
	(void)side;
	need(ipcchan_recv(from_other, message, LINK_BYTES, NULL, IPCCHAN_WAIT_FOREVER_NS),
	     "recv");
}

/* A word and a message for each direction: the least that can sleep. */
static struct post {
	_Alignas(64) _Atomic uint32_t full;
	_Alignas(64) unsigned char message[LINK_BYTES];
} *posts;

static void futex_make(void)
{
	posts = mmap(NULL, 2 * sizeof(*posts), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(posts == MAP_FAILED ? -errno : 0, "mmap");
}

static void nothing_to_join(int side)
{
	(void)side;
}

static void futex_put(int side, const void *message)
{
	struct post *post = &posts[side];

	memcpy(post->message, message, LINK_BYTES);
	atomic_store_explicit(&post->full, 1, memory_order_release);
	need(syscall(SYS_futex, &post->full, FUTEX_WAKE, 1) < 0 ? -errno : 0, "futex");
}

static void futex_get(int side, void *message)
{
	struct post *post = &posts[!side];

	while (!atomic_load_explicit(&post->full, memory_order_acquire))
		syscall(SYS_futex, &post->full, FUTEX_WAIT, 0, NULL);
	memcpy(message, post->message, LINK_BYTES);
	atomic_store_explicit(&post->full, 0, memory_order_relaxed);
}

/* Two descriptors each: [side] is read by it, or is its end. */
static int read_end[2], write_end[2];

static void pipe_make(void)
{
	for (int side = 0; side < 2; side++) {
		int ends[2];

		need(pipe(ends) ? -errno : 0, "pipe");
		read_end[side] = ends[0];
		write_end[!side] = ends[1];
	}
}

static void unix_make(void)
{
	int ends[2];

	need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ? -errno : 0, "socketpair");
	for (int side = 0; side < 2; side++)
		read_end[side] = write_end[side] = ends[side];
}

static void stream_put(int side, const void *message)
{
	need(write(write_end[side], message, LINK_BYTES) == LINK_BYTES ? 0 : -EIO, "write");
}

static void stream_get(int side, void *message)
{
	need(read(read_end[side], message, LINK_BYTES) == LINK_BYTES ? 0 : -EIO, "read");
}

const struct link links[] = {
	{ "trip_64", channels_make, channels_join, channels_put, channels_get },
	{ "trip_64_futex", futex_make, nothing_to_join, futex_put, futex_get },
	{ "trip_64_pipe", pipe_make, nothing_to_join, stream_put, stream_get },
	{ "trip_64_unix", unix_make, nothing_to_join, stream_put, stream_get },
};

const unsigned int nr_links = sizeof(links) / sizeof(links[0]);
