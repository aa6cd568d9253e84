/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Services: listening, connecting, accepting. What then is sent is any port's. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"

#define DEFAULT_CALLS	64u

#define MIN_PEER	offsetof(struct ipcchan_peer_info, pid)

/* What a listener is needs no window: its own region makes it one. */
struct ipcchan_listener {
	/* constant */
	const struct ipcchan_guard *guard;
	int fd;
	uint8_t *own;
	size_t own_size;
	/* of the ports it accepts */
	uint32_t flags;
	uint32_t max_calls;
	uint64_t spin_ns;
};

static bool is_forked(const struct ipcchan_listener *listener)
{
	return !*(const volatile uint64_t *)&listener->guard->here;
}

static int map_listener(struct ipcchan_listener *l, const struct ipcchan_attach *a,
			struct ipcchan_error *error)
{
	int rc;

	if (a->type != IPCCHAN_TYPE_SERVICE)
		return ipcchan_fail(error, -EPROTOTYPE, "the channel is no service");
	rc = ipcchan_guard_new(NULL, NULL, &l->guard);
	if (!rc)
		rc = ipcchan_device_map(l->fd, a->own_offset, a->own_size, true, &l->own);
	l->own_size = a->own_size;
	return rc ? ipcchan_fail(error, rc, "cannot map the listener: %s", ipcchan_strerror(rc)) : 0;
}

static int open_listener(struct ipcchan_listener *l, const char *name, int handle,
			 const struct ipcchan_options *o, struct ipcchan_error *error)
{
	struct ipcchan_attach a;
	int rc = ipcchan_attach_request(&a, IPCCHAN_RECEIVE, o, error);

	if (rc)
		return rc;
	a.backlog = o->backlog;
	a.max_per_user = o->max_per_user;
	rc = ipcchan_attach(&l->fd, name, handle, &a, o, error);
	return rc ? rc : map_listener(l, &a, error);
}

static int listen_by(struct ipcchan_listener **out, const char *name, int handle,
		     const struct ipcchan_options *options, struct ipcchan_error *error)
{
	struct ipcchan_listener *listener;
	struct ipcchan_options o;
	int rc = ipcchan_take_options(&o, options, error);

	*out = NULL;
	if (rc)
		return rc;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return ipcchan_fail(error, -ENOMEM, "%s", ipcchan_strerror(-ENOMEM));
	o.type = IPCCHAN_SERVICE;
	listener->fd = -1;
	listener->flags = o.flags;
	listener->max_calls = o.max_calls;
	listener->spin_ns = o.spin_ns;
	rc = open_listener(listener, name, handle, &o, error);
	if (rc)
		ipcchan_listener_close(listener);
	else
		*out = listener;
	return rc;
}

int ipcchan_listen(struct ipcchan_listener **listener, const char *name,
		   const struct ipcchan_options *options, struct ipcchan_error *error)
{
	return listen_by(listener, name ? name : "", -1, options, error);
}

int ipcchan_listen_handle(struct ipcchan_listener **listener, int handle,
			  const struct ipcchan_options *options, struct ipcchan_error *error)
{
	return listen_by(listener, NULL, handle, options, error);
}

/* A child has nothing mapped. */
void ipcchan_listener_close(struct ipcchan_listener *listener)
{
	if (!listener)
		return;
	if (listener->guard && !is_forked(listener))
		ipcchan_device_unmap(listener->own, listener->own_size);
	ipcchan_guard_free(listener->guard);
	if (listener->fd >= 0)
		ipcchan_device_close(listener->fd);
	free(listener);
}

int ipcchan_listener_fd(struct ipcchan_listener *listener)
{
	return is_forked(listener) ? -EBUSY : listener->fd;
}

/*
 * The other end is there, or was: from now on its absence is a hang-up. A sender
 * knows who is there from when it last looked.
 */
static int begin(struct ipcchan_port *port, uint32_t max_calls, struct ipcchan_error *error)
{
	port->flags |= IPCCHAN_OPEN_NEED_PEER;
	port->tx->met = true;
	port->rx->met = true;
	ipcchan_room_changed(port);
	if (!max_calls)
		return 0;
	port->calls = ipcchan_calls_new(&port->geometry, max_calls);
	return port->calls ? 0 : ipcchan_fail(error, -ENOMEM, "%s", ipcchan_strerror(-ENOMEM));
}

/* The file is the port's, whatever comes of it. */
static int take_port(struct ipcchan_port **out, const struct ipcchan_listener *listener,
		     const struct ipcchan_accept *accept)
{
	const struct ipcchan_attach a = {
		.geometry = accept->geometry,
		.type = accept->type,
		.port_id = accept->port_id,
		.sender_slot = accept->sender_slot,
		.receiver_slot = accept->receiver_slot,
		.own_offset = accept->own_offset,
		.own_size = accept->own_size,
		.window_offset = accept->window_offset,
		.window_size = accept->window_size,
	};
	struct ipcchan_port *port = ipcchan_port_new(IPCCHAN_SEND | IPCCHAN_RECEIVE,
						     listener->flags, accept->fd);
	int rc;

	if (!port) {
		ipcchan_device_close(accept->fd);
		return -ENOMEM;
	}
	rc = ipcchan_port_establish(port, &a, listener->spin_ns, NULL);
	if (!rc)
		rc = begin(port, listener->max_calls, NULL);
	if (rc)
		ipcchan_port_close(port);
	else
		*out = port;
	return rc;
}

static int tell_client(struct ipcchan_peer_info *info, const struct ipcchan_accept *accept)
{
	struct ipcchan_peer_info found = {
		.port_id = 1,
		.roles = IPCCHAN_SEND | IPCCHAN_RECEIVE,
		.pid = (pid_t)accept->pid,
		.uid = accept->uid,
		.gid = accept->gid,
		.attached_ns = accept->attached_ns,
	};

	return ipcchan_give_struct(info, MIN_PEER, &found, sizeof(found));
}

int ipcchan_accept(struct ipcchan_listener *listener, struct ipcchan_port **port,
		   struct ipcchan_peer_info *client, int64_t timeout_ns)
{
	struct ipcchan_accept accept = { .size = sizeof(accept) };
	int rc;

	*port = NULL;
	if (is_forked(listener))
		return -EBUSY;
	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS || (client && client->size < MIN_PEER))
		return -EINVAL;
	accept.deadline_ns = ipcchan_deadline(timeout_ns);
	rc = ipcchan_device_call(listener->fd, IPCCHAN_IOC_ACCEPT, &accept);
	if (rc)
		return rc == -ETIMEDOUT && !timeout_ns ? -EAGAIN : rc;
	rc = take_port(port, listener, &accept);
	if (!rc && client)
		tell_client(client, &accept);
	return rc;
}

/* Why the module has ended this port, as the error of who wanted a connection. */
static int refused(struct ipcchan_port *port, struct ipcchan_error *error)
{
	if (ipcchan_port_gone(port) == IPCCHAN_GONE_REFUSED)
		return ipcchan_fail(error, -ECONNREFUSED,
				    "refused: the listener has gone before it accepted");
	return ipcchan_fail(error, -ESHUTDOWN, "the service was deleted, or the port evicted");
}

/* Is the server there, with both roles, or was it? 1, 0, or -ESHUTDOWN. */
static int has_come(const struct ipcchan_port *port, struct ipcchan_wait *wait)
{
	uint32_t slot = 1 - port->tx->slot;
	uint32_t state;

	wait->sender_generation = ipcchan_load_acquire(&port->roster->sender_generation);
	wait->receiver_generation = ipcchan_load_acquire(&port->roster->receiver_generation);
	if (!wait->sender_generation || !wait->receiver_generation)
		return -ESHUTDOWN;
	state = ipcchan_load(&port->senders[slot].state);
	if (state == IPCCHAN_SLOT_ACTIVE)
		return ipcchan_load(&port->receivers[slot].state) == IPCCHAN_SLOT_ACTIVE;
	return state == IPCCHAN_SLOT_DRAINING;
}

/* Until the server has accepted. */
static int await_server(struct ipcchan_port *port, int64_t timeout_ns, struct ipcchan_error *error)
{
	struct ipcchan_patience patience;
	int rc = ipcchan_patience_init(port, &patience, NULL, timeout_ns);

	while (!rc) {
		struct ipcchan_wait wait = {
			.flags = IPCCHAN_WAIT_ROSTER | IPCCHAN_WAIT_RECEIVE,
		};

		rc = has_come(port, &wait);
		if (rc > 0)
			return 0;
		if (!rc)
			rc = ipcchan_sleep(port, &patience, &wait);
		if (!rc && wait.events & IPCCHAN_WAIT_HANGUP)
			return 0;
	}
	if (rc == -ESHUTDOWN)
		return refused(port, error);
	if (rc == -EAGAIN)
		rc = -ETIMEDOUT;
	return ipcchan_fail(error, rc, "not accepted: %s", ipcchan_strerror(rc));
}

/* One attempt; @port has no file yet. */
static int attempt(struct ipcchan_port *port, const char *name, int handle,
		   const struct ipcchan_options *o, uint64_t deadline_ns,
		   struct ipcchan_error *error)
{
	struct ipcchan_attach a;
	int rc = ipcchan_attach_request(&a, IPCCHAN_SEND, o, error);

	if (rc)
		return rc;
	if (o->flags & IPCCHAN_OPEN_WAIT) {
		a.flags |= IPCCHAN_ATTACH_WAIT;
		a.deadline_ns = deadline_ns;
	}
	rc = ipcchan_attach(&port->fd, name, handle, &a, o, error);
	if (rc)
		return rc;
	if (a.type != IPCCHAN_TYPE_CONNECTION)
		return ipcchan_fail(error, -EPROTOTYPE, "the channel is no service");
	rc = ipcchan_port_establish(port, &a, o->spin_ns, error);
	if (rc == -EAGAIN)
		return ipcchan_fail(error, rc, "the backlog is full by now");
	if (!rc)
		rc = await_server(port, ipcchan_left(deadline_ns), error);
	return rc ? rc : begin(port, o->max_calls ? o->max_calls : DEFAULT_CALLS, error);
}

/* Refused for a reason that passes, and there is time? */
static bool tries_again(int rc, const struct ipcchan_options *o, uint64_t deadline_ns)
{
	return o->flags & IPCCHAN_OPEN_WAIT && (rc == -ECONNREFUSED || rc == -EAGAIN) &&
	       ipcchan_left(deadline_ns);
}

static int connect_by(struct ipcchan_port **out, const char *name, int handle,
		      const struct ipcchan_options *options, int64_t timeout_ns,
		      struct ipcchan_error *error)
{
	struct ipcchan_port *port;
	struct ipcchan_options o;
	uint64_t deadline_ns;
	int rc = ipcchan_take_options(&o, options, error);

	*out = NULL;
	if (rc)
		return rc;
	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return ipcchan_fail(error, -EINVAL, "a time-out is not negative, or for ever");
	o.flags &= ~IPCCHAN_OPEN_CREATE;
	deadline_ns = ipcchan_deadline(timeout_ns);
	do {
		port = ipcchan_port_new(IPCCHAN_SEND | IPCCHAN_RECEIVE, o.flags, -1);
		if (!port)
			return ipcchan_fail(error, -ENOMEM, "%s", ipcchan_strerror(-ENOMEM));
		rc = attempt(port, name, handle, &o, deadline_ns, error);
		if (rc)
			ipcchan_port_close(port);
		else
			*out = port;
	} while (tries_again(rc, &o, deadline_ns));
	return rc;
}

int ipcchan_connect(struct ipcchan_port **port, const char *name,
		    const struct ipcchan_options *options, int64_t timeout_ns,
		    struct ipcchan_error *error)
{
	return connect_by(port, name ? name : "", -1, options, timeout_ns, error);
}

int ipcchan_connect_handle(struct ipcchan_port **port, int handle,
			   const struct ipcchan_options *options, int64_t timeout_ns,
			   struct ipcchan_error *error)
{
	return connect_by(port, NULL, handle, options, timeout_ns, error);
}
