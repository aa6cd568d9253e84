// SPDX-License-Identifier: GPL-2.0
/* Connections: from ATTACH, by ACCEPT, to the end of both ports. */
#include <linux/sched.h>
#include <linux/slab.h>

#include "connection.h"
#include "grant.h"
#include "service.h"

/* NULL: no memory. */
struct ipcchan_connection *ipcchan_connection_new(struct ipcchan_channel *chan,
						  struct ipcchan_channel *service)
{
	struct ipcchan_connection *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return NULL;
	c->chan = chan;
	c->service = ipcchan_channel_ref(service);
	ipcchan_identity_stamp(&c->client);
	INIT_LIST_HEAD(&c->node);
	return c;
}

/* With its channel. Takes NULL and returns NULL. */
struct ipcchan_connection *ipcchan_connection_free(struct ipcchan_connection *c)
{
	if (!c)
		return NULL;
	ipcchan_identity_clear(&c->client);
	ipcchan_channel_put(c->service);
	kfree(c);
	return NULL;
}

static struct ipcchan_port *add_port(struct ipcchan_channel *chan,
				     struct address_space *mapping,
				     struct ipcchan_why *why)
{
	struct ipcchan_access access = {
		.chan = chan,
		.rights = IPCCHAN_SEND | IPCCHAN_RECEIVE,
	};
	struct ipcchan_attach both = {
		.role = IPCCHAN_SEND | IPCCHAN_RECEIVE,
	};

	return ipcchan_port_attach(&access, &both, mapping, why);
}

static int refuse_late(struct ipcchan_why *why)
{
	return ipcchan_refuse(why, -ECONNREFUSED,
			      "the connection was ended while it was made");
}

/* Not if it is GONE: who administers the service may have its number by now. */
static int count(struct ipcchan_connection *c, struct ipcchan_why *why)
{
	int err;

	mutex_lock_nested(&c->chan->mutex, SINGLE_DEPTH_NESTING);
	err = c->chan->state == IPCCHAN_CHANNEL_ACTIVE ?
		      ipcchan_service_count(c, why) : refuse_late(why);
	mutex_unlock(&c->chan->mutex);
	return err;
}

/* The last that can fail: whoever was let in may still come in. */
static int admit(const struct ipcchan_access *access,
		 struct ipcchan_connection *c, struct ipcchan_why *why)
{
	int err = 0;

	mutex_lock(&access->chan->mutex);
	if (access->grant)
		err = ipcchan_grant_check_locked(access->grant, why);
	if (!err)
		err = count(c, why);
	mutex_unlock(&access->chan->mutex);
	return err;
}

static struct ipcchan_port *connect(const struct ipcchan_access *access,
				    struct address_space *mapping,
				    struct ipcchan_why *why)
{
	struct ipcchan_channel *chan;
	struct ipcchan_port *port;
	int err;

	chan = ipcchan_channel_connect(access->chan, why);
	if (IS_ERR(chan))
		return ERR_CAST(chan);
	port = add_port(chan, mapping, why);
	err = PTR_ERR_OR_ZERO(port) ?: admit(access, chan->connection, why);
	if (PTR_ERR_OR_ZERO(port) == -ENOENT)
		err = refuse_late(why);
	if (err) {
		if (!IS_ERR(port))
			ipcchan_port_free(port);
		ipcchan_channel_delete(chan);
		port = ERR_PTR(err);
	}
	ipcchan_channel_put(chan);
	return port;
}

/*
 * ipcchan_connection_make() - make a connection to a service, and the client's port, NEW
 *
 * @args and rights are checked. Errors as at struct ipcchan_attach. Returns an
 * ERR_PTR().
 */
struct ipcchan_port *
ipcchan_connection_make(const struct ipcchan_access *access,
			const struct ipcchan_attach *args,
			struct address_space *mapping, struct ipcchan_why *why)
{
	int err = ipcchan_service_await(access, args, why);

	/* others that wait for the same, before what may take its time */
	ipcchan_service_spare(access->chan);
	return err ? ERR_PTR(err) : connect(access, mapping, why);
}

/* No server for it just now: it waits again, as the next, if it still can. */
static void put_back(struct ipcchan_channel *chan)
{
	mutex_lock(&chan->mutex);
	if (chan->state == IPCCHAN_CHANNEL_ACTIVE &&
	    ipcchan_service_enqueue(chan->connection, true))
		ipcchan_port_detach_each_locked(chan, IPCCHAN_REASON_REFUSED);
	mutex_unlock(&chan->mutex);
}

/*
 * ipcchan_connection_accept() - take the connection that has waited longest: the server's
 * port, NEW
 *
 * -EAGAIN none waits; else as for ATTACH. Returns an ERR_PTR().
 */
struct ipcchan_port *ipcchan_connection_accept(struct ipcchan_port *listener,
					       struct address_space *mapping,
					       struct ipcchan_why *why)
{
	struct ipcchan_port *port = ERR_PTR(-EAGAIN);
	struct ipcchan_channel *chan;

	while ((chan = ipcchan_service_take(listener->chan, listener))) {
		port = add_port(chan, mapping, why);
		/* its client may have left: then it is no more */
		if (IS_ERR(port) && PTR_ERR(port) != -ENOENT)
			put_back(chan);
		ipcchan_channel_put(chan);
		if (PTR_ERR_OR_ZERO(port) != -ENOENT)
			return port;
		port = ERR_PTR(-EAGAIN);
		cond_resched();
	}
	return port;
}

/* The results of ACCEPT, but for the file. */
void ipcchan_connection_describe(const struct ipcchan_port *server,
				 struct ipcchan_accept *out)
{
	const struct ipcchan_identity *client = &server->chan->connection->client;
	struct ipcchan_attach port;

	ipcchan_port_describe(server, &port);
	out->type = port.type;
	out->port_id = port.port_id;
	out->sender_slot = port.sender_slot;
	out->receiver_slot = port.receiver_slot;
	out->geometry = port.geometry;
	out->own_offset = port.own_offset;
	out->own_size = port.own_size;
	out->window_offset = port.window_offset;
	out->window_size = port.window_size;
	out->pid = ipcchan_identity_pid(client);
	out->uid = ipcchan_identity_uid(client);
	out->gid = ipcchan_identity_gid(client);
	out->attached_ns = client->attached_ns;
}

/*
 * ipcchan_connection_join() - a port's own region is being mapped
 *
 * A client: -ECONNREFUSED nobody listens any more; -EAGAIN the backlog is full.
 */
int ipcchan_connection_join(struct ipcchan_port *port)
{
	struct ipcchan_connection *c = port->chan->connection;

	lockdep_assert_held(&port->chan->mutex);
	if (ipcchan_connection_is_client(port))
		return ipcchan_service_enqueue(c, false);
	spin_lock(&c->service->lock);
	c->state = IPCCHAN_CONNECTION_ESTABLISHED;
	list_del_init(&c->node);
	spin_unlock(&c->service->lock);
	return 0;
}

/* A port has left. Who came to meet it in vain goes, too. */
void ipcchan_connection_left(struct ipcchan_port *port, bool was_active)
{
	lockdep_assert_held(&port->chan->mutex);
	if (ipcchan_connection_is_client(port))
		ipcchan_service_dequeue(port->chan->connection);
	else if (!was_active)
		ipcchan_port_detach_each_locked(port->chan,
						IPCCHAN_REASON_REFUSED);
}

/* It is GONE. */
void ipcchan_connection_end(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	ipcchan_service_dequeue(chan->connection);
	ipcchan_service_uncount(chan->connection);
}

/* Has the server's process ended before it took part? The file may be others', too. */
static bool is_forsaken(const struct ipcchan_port *port)
{
	return port->state == IPCCHAN_PORT_NEW &&
	       !ipcchan_connection_is_client(port) &&
	       !atomic_read(&port->mm->mm_users);
}

/*
 * ipcchan_connection_forsake() - a listener has left: refuse what its process had
 * taken, if that has ended
 *
 * The caller has the service's mutex.
 */
void ipcchan_connection_forsake(struct ipcchan_channel *chan)
{
	struct ipcchan_port *port;

	lockdep_assert_held(&chan->connection->service->mutex);
	mutex_lock_nested(&chan->mutex, SINGLE_DEPTH_NESTING);
	list_for_each_entry(port, &chan->ports, node) {
		if (is_forsaken(port)) {
			ipcchan_port_detach_locked(port, IPCCHAN_REASON_CLOSED);
			break;
		}
	}
	mutex_unlock(&chan->mutex);
}

/* Its service has nobody for it. The caller has the service's mutex. */
void ipcchan_connection_refuse(struct ipcchan_channel *chan,
			       enum ipcchan_reason reason)
{
	lockdep_assert_held(&chan->connection->service->mutex);
	mutex_lock_nested(&chan->mutex, SINGLE_DEPTH_NESTING);
	ipcchan_port_detach_each_locked(chan, reason);
	mutex_unlock(&chan->mutex);
}
