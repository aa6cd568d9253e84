/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a connection: a channel of exactly two ports, the client's and the server's
 *
 * It has a number and no name. The client's port is made with it, and is its
 * first; ACCEPT makes the second. Each sends and receives, and hears the other
 * only. States (protected by the service's lock), in the order of the names, but
 * that one that could not be accepted for want of memory waits again:
 *
 *   NEW	  counted for its user, and in nobody's way
 *   WAITING	  the client's port is ACTIVE: in the service's backlog
 *   TAKEN	  out of it: by a server, or refused, or the client has left
 *   ESTABLISHED  the server's port is ACTIVE, too
 *
 * A server's port that leaves before it was ACTIVE takes the client's with it. It
 * leaves with its file; or, if others hold that, with the listener, if both were
 * of a process that has ended.
 * When both have left the connection ends, as an ephemeral channel does.
 */
#ifndef IPCCHAN_CONNECTION_H
#define IPCCHAN_CONNECTION_H

#include "port.h"

struct ipcchan_access;
struct ipcchan_user;

enum ipcchan_connection_state {
	IPCCHAN_CONNECTION_NEW,
	IPCCHAN_CONNECTION_WAITING,
	IPCCHAN_CONNECTION_TAKEN,
	IPCCHAN_CONNECTION_ESTABLISHED,
};

struct ipcchan_connection {
	/* constant */
	struct ipcchan_channel *chan;		/* whose it is */
	struct ipcchan_channel *service;	/* with a reference */
	struct ipcchan_identity client;

	/* protected by the service's lock */
	struct list_head node;			/* in the backlog, or among what is taken */
	enum ipcchan_connection_state state;
	struct ipcchan_user *user;		/* NULL: not counted */
};

struct ipcchan_port *
ipcchan_connection_make(const struct ipcchan_access *access,
			const struct ipcchan_attach *args,
			struct address_space *mapping, struct ipcchan_why *why);
struct ipcchan_port *ipcchan_connection_accept(struct ipcchan_port *listener,
					       struct address_space *mapping,
					       struct ipcchan_why *why);
void ipcchan_connection_describe(const struct ipcchan_port *server,
				 struct ipcchan_accept *out);

struct ipcchan_connection *ipcchan_connection_new(struct ipcchan_channel *chan,
						  struct ipcchan_channel *service);
struct ipcchan_connection *ipcchan_connection_free(struct ipcchan_connection *c);
int ipcchan_connection_join(struct ipcchan_port *port);
void ipcchan_connection_left(struct ipcchan_port *port, bool was_active);
void ipcchan_connection_end(struct ipcchan_channel *chan);
void ipcchan_connection_forsake(struct ipcchan_channel *chan);
void ipcchan_connection_refuse(struct ipcchan_channel *chan,
			       enum ipcchan_reason reason);

/* Else it is the server's. */
static inline bool ipcchan_connection_is_client(const struct ipcchan_port *port)
{
	return port->id == 1;
}

#endif
