/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: services, without the library: listeners, clients, servers
 *
 * Each step of a connection by itself, so that a test can stop between any two.
 * Functions return 0 or -errno.
 */
#ifndef SELFTESTS_PARLEY_H
#define SELFTESTS_PARLEY_H

#include "probe.h"

/* A small service, mode 0666; so many may listen. */
int make_service(const char *name, uint32_t flags, uint32_t listeners);

int listen_args(struct raw_port *l, struct ipcchan_attach *args);
int listen_at(struct raw_port *l, const char *name, uint32_t backlog, uint32_t max_per_user);

/* NEW: attached, and no more. */
int client_attach(struct raw_port *c, const char *name);
int client_attach_until(struct raw_port *c, const char *name, uint64_t deadline_ns);
/* WAITING: mapped, too. */
int client_wait(struct raw_port *c, const char *name);
/* TAKEN: the server's port, which is NEW. @out may be NULL. */
int server_take(const struct raw_port *l, struct raw_port *s, uint64_t deadline_ns,
		struct ipcchan_accept *out);
/* ESTABLISHED. */
int server_join(struct raw_port *s);
int establish(const struct raw_port *l, const char *name, struct raw_port *c, struct raw_port *s);

/* Why the port is gone; 0 it is not. */
int reason_of(const struct raw_port *p);
/* Does it become so, within a few seconds? */
bool goes_for(const struct raw_port *p, int reason);
/* Is the other end there, as the roster says? */
bool sees_peer(const struct raw_port *p);
/* Has it hung up, and does every message it left say so? */
bool hung_up(const struct raw_port *p);

/* How many of the service's connections wait; ~0: the service is not there. */
uint32_t connections_of(const char *name);

#endif
