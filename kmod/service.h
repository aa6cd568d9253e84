/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: services: who listens, and what waits to be accepted
 *
 * A channel of type service carries no messages. Its receivers are listeners,
 * who share a backlog of connections (connection.h), the oldest first. For each
 * that comes one that sleeps in a call is woken, and who polls before its turn;
 * who takes one and leaves others wakes the next, and so does one that leaves.
 * When the last one has left, what waits is refused.
 *
 * All of it is protected by the channel's spinlock. Nobody has two channels'
 * spinlocks; a service's mutex comes before its connections'.
 */
#ifndef IPCCHAN_SERVICE_H
#define IPCCHAN_SERVICE_H

#include <linux/wait.h>

#include "port.h"

struct ipcchan_access;
struct ipcchan_connection;
struct ipcchan_user;

#define IPCCHAN_USER_HASHES	64

struct ipcchan_service {
	/* protected by the channel's lock */
	struct list_head waiting;	/* connections, the oldest first */
	struct list_head taken;		/* that are TAKEN, by a server */
	u32 nr_waiting;
	u32 nr_connections;		/* all that are counted */
	u32 backlog;			/* most that wait */
	u32 max_per_user;		/* most connections of a user; 0: any number */
	u32 turn;			/* slot of the listener to be woken next */
	bool ended;
	struct hlist_head users[IPCCHAN_USER_HASHES];

	/* who waits for a listener, or for a place in the backlog */
	wait_queue_head_t callers;
};

/* What others may know. */
struct ipcchan_service_state {
	u32 connections;
	u32 waiting;
	u32 backlog;
	u32 max_per_user;
};

int ipcchan_service_check(const struct ipcchan_create *args,
			  struct ipcchan_why *why);
void ipcchan_service_size(struct ipcchan_geometry *g);
struct ipcchan_service *ipcchan_service_new(void);

int ipcchan_service_fits(const struct ipcchan_channel *chan,
			 const struct ipcchan_attach *args,
			 struct ipcchan_why *why);
void ipcchan_service_listens(struct ipcchan_port *port);
void ipcchan_service_left(struct ipcchan_channel *chan);
void ipcchan_service_end(struct ipcchan_channel *chan);
void ipcchan_service_tell(struct ipcchan_channel *chan,
			  struct ipcchan_service_state *state);
bool ipcchan_service_waits(const struct ipcchan_channel *chan);

/* Of its connections: connection.c */
int ipcchan_service_await(const struct ipcchan_access *access,
			  const struct ipcchan_attach *args,
			  struct ipcchan_why *why);
void ipcchan_service_revoked(struct ipcchan_channel *chan);
void ipcchan_service_spare(struct ipcchan_channel *chan);
void ipcchan_service_pass(struct ipcchan_channel *chan);
int ipcchan_service_count(struct ipcchan_connection *c, struct ipcchan_why *why);
void ipcchan_service_uncount(struct ipcchan_connection *c);
int ipcchan_service_enqueue(struct ipcchan_connection *c, bool again);
void ipcchan_service_dequeue(struct ipcchan_connection *c);
struct ipcchan_channel *ipcchan_service_take(struct ipcchan_channel *chan,
					     const struct ipcchan_port *listener);

#endif
