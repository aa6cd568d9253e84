/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a port without the library
 *
 * Attached, and mapped by raw_open(). What it reads and writes is up to the
 * test: nothing here checks whether it is wise.
 */
#ifndef SELFTESTS_RAWPORT_H
#define SELFTESTS_RAWPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

struct raw_port {
	int fd;
	struct ipcchan_attach attach;
	struct ipcchan_layout layout;
	char *own;		/* NULL: not mapped */
	char *window;
	uint64_t base;		/* sender: its sequences begin after it */
	uint64_t next;		/* sender: of the next message */
	uint64_t room;		/* sender: where in the arena, if it is long, that goes */
};

/* By a handle; the port is a file of its own. */
int raw_attach_by(struct raw_port *port, int handle, uint32_t role);
int raw_open_by(struct raw_port *port, int handle, uint32_t role);
int raw_attach(struct raw_port *port, const char *name, uint32_t role);
int raw_map(struct raw_port *port);
int raw_open(struct raw_port *port, const char *name, uint32_t role);
void raw_close(struct raw_port *port);

/* Places in the port's own region. */
struct ipcchan_outbox *raw_outbox(const struct raw_port *port);
struct ipcchan_desc *raw_desc(const struct raw_port *port, uint64_t sequence);
char *raw_arena(const struct raw_port *port);
struct ipcchan_receipts *raw_receipts(const struct raw_port *port);
struct ipcchan_cursor *raw_cursor(const struct raw_port *port, uint32_t sender);
uint64_t *raw_holds(const struct raw_port *port);

/* Places in its window. */
const struct ipcchan_roster *raw_roster(const struct raw_port *port);
const struct ipcchan_slot *raw_sender_slot(const struct raw_port *port, uint32_t slot);
const struct ipcchan_slot *raw_receiver_slot(const struct raw_port *port, uint32_t slot);
const struct ipcchan_desc *raw_peer_desc(const struct raw_port *port, uint32_t slot,
					 uint64_t sequence);
/* Where the payload of a message lies. */
const char *raw_peer_payload(const struct raw_port *port, uint32_t slot, uint64_t sequence);
const char *raw_peer_arena(const struct raw_port *port, uint32_t slot);
const struct ipcchan_cursor *raw_peer_cursor(const struct raw_port *port, uint32_t receiver);

/* Publishes, whether there is room or not; kicks nobody. */
void raw_publish(struct raw_port *port, const void *data, uint32_t length, uint64_t tag);
/*
 * Takes the sender's next message, without holding it: its length, of which at
 * most @size bytes are copied to @data, or -EAGAIN. @tag may be NULL.
 */
ssize_t raw_take(struct raw_port *port, uint32_t slot, void *data, size_t size, uint64_t *tag);
/* Kicks who sleeps there, if anybody does. */
int raw_kick_receivers(const struct raw_port *port);
int raw_kick_senders(const struct raw_port *port);

#endif
