/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* DOC: how the tests of services bring two ports together: the client in a thread */
#ifndef MEET_H
#define MEET_H

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "check.h"

#include "device.h"

static inline void rest(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	nanosleep(&t, NULL);
}

/* Depth 8, 16 KiB, and the holds that are usual; does not spin. */
static inline void service_options(struct ipcchan_options *o)
{
	ipcchan_options_init(o);
	o->flags = IPCCHAN_OPEN_CREATE;
	o->depth = 8;
	o->arena = 16 << 10;
	o->spin_ns = 0;
}

static inline struct ipcchan_listener *listen_with(const struct ipcchan_options *given)
{
	struct ipcchan_listener *listener;
	struct ipcchan_options o;
	struct ipcchan_error error;

	service_options(&o);
	if (ipcchan_listen(&listener, NAME, given ? given : &o, &error))
		fail_msg("cannot listen: %s", error.text);
	return listener;
}

/* Until a connection waits there. */
static inline void await_waiting(struct ipcchan_listener *listener)
{
	struct pollfd fd = { .fd = ipcchan_listener_fd(listener), .events = POLLIN };

	assert_int_equal(ipcchan_device_poll(&fd, 1, UINT64_MAX), 1);
	assert_int_equal(fd.revents, POLLIN);
}

/* A client that connects in a thread of its own. */
struct connecting {
	uint32_t flags;
	uint32_t max_calls;
	int handle;		/* 0: by the name */
	int64_t timeout_ns;

	struct ipcchan_port *port;
	struct ipcchan_error error;
	int rc;
	pthread_t thread;
};

static inline void *connect_now(void *arg)
{
	struct connecting *c = arg;
	struct ipcchan_options o;

	service_options(&o);
	o.flags = c->flags;
	o.max_calls = c->max_calls;
	if (c->handle)
		c->rc = ipcchan_connect_handle(&c->port, c->handle, &o, c->timeout_ns, &c->error);
	else
		c->rc = ipcchan_connect(&c->port, NAME, &o, c->timeout_ns, &c->error);
	return NULL;
}

static inline void connect_begin(struct connecting *c)
{
	assert_int_equal(pthread_create(&c->thread, NULL, connect_now, c), 0);
}

static inline void connect_end(struct connecting *c)
{
	assert_int_equal(pthread_join(c->thread, NULL), 0);
}

struct meeting {
	struct ipcchan_listener *listener;
	struct ipcchan_port *client;
	struct ipcchan_port *server;
	struct ipcchan_peer_info client_info;
};

static inline void meet(struct meeting *m, const struct ipcchan_options *listening,
			const struct connecting *connecting)
{
	struct connecting c = connecting ? *connecting : (struct connecting){ .timeout_ns = FOREVER };

	m->listener = listen_with(listening);
	m->client_info = (struct ipcchan_peer_info){ .size = sizeof(m->client_info) };
	connect_begin(&c);
	assert_ok(ipcchan_accept(m->listener, &m->server, &m->client_info, FOREVER));
	connect_end(&c);
	if (c.rc)
		fail_msg("cannot connect: %s", c.error.text);
	m->client = c.port;
}

static inline void part(struct meeting *m)
{
	ipcchan_port_close(m->client);
	ipcchan_port_close(m->server);
	ipcchan_listener_close(m->listener);
}

/* 0, or -errno. */
static inline int recv_long(struct ipcchan_port *port, uint8_t fill)
{
	struct ipcchan_message message;
	int rc = ipcchan_receive(port, &message, IPCCHAN_NO_WAIT);

	if (rc)
		return rc;
	assert_true(is_long(&message, fill));
	return ipcchan_release(port, &message);
}

#endif /* MEET_H */
