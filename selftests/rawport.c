// SPDX-License-Identifier: GPL-2.0
/* Ports without the library. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

int raw_attach(struct raw_port *port, const char *name, uint32_t role)
{
	int err;

	memset(port, 0, sizeof(*port));
	port->attach = attach_args(name, role);
	port->fd = device_open();
	if (port->fd < 0)
		return port->fd;
	err = call_attach(port->fd, &port->attach);
	if (err) {
		close(port->fd);
		port->fd = -1;
		return err;
	}
	ipcchan_layout(&port->layout, &port->attach.geometry, port->attach.type,
		       sysconf(_SC_PAGESIZE));
	return 0;
}

int raw_attach_by(struct raw_port *port, int handle, uint32_t role)
{
	int err;

	memset(port, 0, sizeof(*port));
	port->attach = attach_args("", role);
	err = call_attach(handle, &port->attach);
	port->fd = err ? -1 : port->attach.fd;
	if (!err)
		ipcchan_layout(&port->layout, &port->attach.geometry, port->attach.type,
		       sysconf(_SC_PAGESIZE));
	return err;
}

static int map_both(struct raw_port *port)
{
	const struct ipcchan_attach *a = &port->attach;
	void *own, *window;

	own = mmap(NULL, a->own_size, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd,
		   a->own_offset);
	if (own == MAP_FAILED)
		return -errno;
	port->own = own;
	window = mmap(NULL, a->window_size, PROT_READ, MAP_SHARED, port->fd, a->window_offset);
	if (window == MAP_FAILED)
		return -errno;
	port->window = window;
	return 0;
}

int raw_map(struct raw_port *port)
{
	int err = map_both(port);

	if (err)
		return err;
	if (port->attach.role & IPCCHAN_SEND) {
		port->base = ipcchan_load(&raw_sender_slot(port, port->attach.sender_slot)->base);
		port->next = port->base + 1;
	}
	return 0;
}

int raw_open(struct raw_port *port, const char *name, uint32_t role)
{
	int err = raw_attach(port, name, role);

	if (err)
		return err;
	err = raw_map(port);
	if (err)
		raw_close(port);
	return err;
}

int raw_open_by(struct raw_port *port, int handle, uint32_t role)
{
	int err = raw_attach_by(port, handle, role);

	if (err)
		return err;
	err = raw_map(port);
	if (err)
		raw_close(port);
	return err;
}

void raw_close(struct raw_port *port)
{
	if (port->own)
		munmap(port->own, port->attach.own_size);
	if (port->window)
		munmap(port->window, port->attach.window_size);
	if (port->fd >= 0)
		close(port->fd);
	port->own = NULL;
	port->window = NULL;
	port->fd = -1;
}

/* The receipts come first. */
static char *own_outbox(const struct raw_port *port)
{
	bool receives = port->attach.role & IPCCHAN_RECEIVE;

	return port->own + (receives ? port->layout.receipts_size : 0);
}

static uint64_t desc_offset(const struct raw_port *port, uint64_t sequence)
{
	return port->layout.ring + (sequence & (port->attach.geometry.depth - 1)) *
	       sizeof(struct ipcchan_desc);
}

struct ipcchan_outbox *raw_outbox(const struct raw_port *port)
{
	return (void *)own_outbox(port);
}

struct ipcchan_desc *raw_desc(const struct raw_port *port, uint64_t sequence)
{
	return (void *)(own_outbox(port) + desc_offset(port, sequence));
}

char *raw_arena(const struct raw_port *port)
{
	return own_outbox(port) + port->layout.arena;
}

struct ipcchan_receipts *raw_receipts(const struct raw_port *port)
{
	return (void *)port->own;
}

struct ipcchan_cursor *raw_cursor(const struct raw_port *port, uint32_t sender)
{
	return (struct ipcchan_cursor *)(port->own + sizeof(struct ipcchan_receipts)) + sender;
}

uint64_t *raw_holds(const struct raw_port *port)
{
	return (void *)(port->own + port->layout.holds);
}

const struct ipcchan_roster *raw_roster(const struct raw_port *port)
{
	return (void *)port->window;
}

const struct ipcchan_slot *raw_sender_slot(const struct raw_port *port, uint32_t slot)
{
	return (struct ipcchan_slot *)(port->window + sizeof(struct ipcchan_roster)) + slot;
}

const struct ipcchan_slot *raw_receiver_slot(const struct raw_port *port, uint32_t slot)
{
	return (struct ipcchan_slot *)(port->window + port->layout.receivers) + slot;
}

static const char *peer_outbox(const struct raw_port *port, uint32_t slot)
{
	return port->window + port->layout.window_outboxes + slot * port->layout.outbox_size;
}

const struct ipcchan_desc *raw_peer_desc(const struct raw_port *port, uint32_t slot,
					 uint64_t sequence)
{
	return (const void *)(peer_outbox(port, slot) + desc_offset(port, sequence));
}

const char *raw_peer_arena(const struct raw_port *port, uint32_t slot)
{
	return peer_outbox(port, slot) + port->layout.arena;
}

const char *raw_peer_payload(const struct raw_port *port, uint32_t slot, uint64_t sequence)
{
	const struct ipcchan_desc *desc = raw_peer_desc(port, slot, sequence);

	uint32_t length = ipcchan_load(&desc->length);

	if (length <= IPCCHAN_INSIDE)
		return (const char *)&desc->inside[ipcchan_inside(length)];
	return raw_peer_arena(port, slot) + ipcchan_load(&desc->offset);
}

const struct ipcchan_cursor *raw_peer_cursor(const struct raw_port *port, uint32_t receiver)
{
	const char *receipts = port->window + port->layout.window_receipts +
			       receiver * port->layout.receipts_size;

	return (const struct ipcchan_cursor *)(receipts + sizeof(struct ipcchan_receipts)) +
	       port->attach.sender_slot;
}

/* Into the descriptor, or the arena. */
static void put_payload(struct raw_port *port, struct ipcchan_desc *desc, const void *data,
			uint32_t length)
{
	if (length <= IPCCHAN_INSIDE) {
		desc->offset = 0;
		if (length)
			memcpy(&desc->inside[ipcchan_inside(length)], data, length);
		return;
	}
	if (port->room + length > port->attach.geometry.arena)
		port->room = 0;
	memcpy(raw_arena(port) + port->room, data, length);
	desc->offset = port->room;
	port->room += length;
}

void raw_publish(struct raw_port *port, const void *data, uint32_t length, uint64_t tag)
{
	struct ipcchan_desc *desc = raw_desc(port, port->next);

	put_payload(port, desc, data, length);
	desc->length = length;
	desc->tag = tag;
	ipcchan_store_release(&desc->seq, port->next);
	ipcchan_store_release(&raw_outbox(port)->head, port->next);
	ipcchan_barrier();
	port->next++;
}

/* Who joined late begins where the kernel has set the cursor. */
static uint64_t expected(const struct raw_port *port, uint32_t slot)
{
	uint64_t base = ipcchan_load(&raw_sender_slot(port, slot)->base);
	uint64_t passed = ipcchan_load(&raw_cursor(port, slot)->passed);

	return ipcchan_passed(passed, base) + 1;
}

ssize_t raw_take(struct raw_port *port, uint32_t slot, void *data, size_t size, uint64_t *tag)
{
	uint64_t sequence = expected(port, slot);
	const struct ipcchan_desc *desc = raw_peer_desc(port, slot, sequence);
	uint32_t length;

	if (ipcchan_load_acquire(&desc->seq) != sequence)
		return -EAGAIN;
	length = desc->length;
	if (tag)
		*tag = desc->tag;
	memcpy(data, raw_peer_payload(port, slot, sequence), length < size ? length : size);
	ipcchan_store_release(&raw_cursor(port, slot)->passed, sequence);
	ipcchan_barrier();
	return length;
}

int raw_kick_receivers(const struct raw_port *port)
{
	uint64_t asleep = ipcchan_load(&raw_roster(port)->sleeping_receivers);

	return asleep ? call_kick(port->fd, asleep, 0) : 0;
}

int raw_kick_senders(const struct raw_port *port)
{
	uint64_t asleep = ipcchan_load(&raw_roster(port)->sleeping_senders);

	return asleep ? call_kick(port->fd, 0, asleep) : 0;
}
