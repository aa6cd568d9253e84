/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the device, simulated: channels without the module, at native speed
 *
 * Linked in place of lib/device.c, the simulation gives the shipped library a
 * device of plain shared memory, for any number of processes (made by fork) and
 * threads. What decides is kmod/ itself, compiled as a part of the program:
 * attaching, slots, the roster, rings, waiting, kicks, poll, thresholds, stall,
 * leaving. Mappings have the rights and the layout they have with the module.
 *
 * What is not as it is with the module:
 *
 *  - No namespaces, no permissions, no limits, no identity but the pid and the
 *    effective user and group. No netlink. No allocation fails.
 *  - Descriptors are only numbers: the library's calls know them, poll() and
 *    epoll do not (ipcchan_device_poll() does). close() in a forked child, or in
 *    any process but the one that opened the file, does nothing.
 *  - A bad pointer in a call is not EFAULT but a crash. A signal ends a sleep
 *    with EINTR, also where the kernel would go on sleeping (SA_RESTART).
 *  - All calls are one after the other, under one lock.
 *  - A process that died is noticed by whoever sleeps, or attaches, within 10 ms.
 *    Who kills in a test does it by sim_kill().
 *  - Timers run while anybody sleeps, or calls.
 *  - The port of another process that is evicted (stalled, its channel deleted)
 *    hears of it by its roster, as with the module, but goes on to see the
 *    others' pages in its window. Its slots have no new owner before it has
 *    closed the port, and its own pages read as zeros. A port of the process
 *    that evicts sees zeros and keeps its own pages, as with the module.
 *  - The linear map is writable: a wild store of the library's own may hit it.
 *
 * With SIM_FLAT all ports see the same pages at the same addresses, so that a
 * thread sanitizer sees races: for one process, without the rights of mappings,
 * and an evicted port hears of it only by a call (a deleted channel by the
 * roster).
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#define SIM_FLAT	(1u << 0)

/** sim_begin() - a new machine, with no channel; the old one's ports must be closed */
void sim_begin(unsigned int flags);
/** sim_end() - its memory is given back; without sim_begin() the next open makes a new one */
void sim_end(void);

/** sim_kill() - SIGKILL, at any instruction outside the simulated kernel; its ports are gone then */
void sim_kill(pid_t pid);
/** sim_evict() - as the owner of a channel does; 0 or -ENOENT */
int sim_evict(const char *channel, uint32_t port_id);
/** sim_set_base() - base of the next sender in a slot */
void sim_set_base(const char *channel, uint32_t slot, uint64_t base);

/* What was asked of the device by all processes; await: of the last WAIT_SEND. */
struct sim_calls {
	uint64_t kicks;
	uint64_t waits;
	uint64_t polls;
	uint64_t woken;		/* sleepers, by kicks */
	uint64_t unmaps;
	uint64_t await;
};

struct sim_calls sim_calls(void);

/** sim_no_module() - opening fails with -ENODEV */
void sim_no_module(bool missing);
/** sim_vanish() - so many attaches find that the channel has vanished */
void sim_vanish(unsigned int times);
/** sim_restless() - every wait for room says at once that something has changed */
void sim_restless(bool restless);

/**
 * struct sim_pages - a channel's pages, to be read, and written as a hostile
 * owner might; for this process, until the channel is gone
 */
struct sim_pages {
	struct ipcchan_geometry geometry;
	struct ipcchan_layout layout;
	uint8_t *roster;	/* the kernel's: what is stored here no port sees, but with SIM_FLAT */
	uint8_t *receipts;
	uint8_t *outboxes;
};

/** sim_pages() - 0 or -ENOENT */
int sim_pages(const char *channel, struct sim_pages *pages);

static inline struct ipcchan_roster *sim_roster(const struct sim_pages *p)
{
	return (struct ipcchan_roster *)p->roster;
}

static inline struct ipcchan_slot *sim_sender(const struct sim_pages *p, uint32_t slot)
{
	return (struct ipcchan_slot *)(p->roster + sizeof(struct ipcchan_roster)) + slot;
}

static inline struct ipcchan_slot *sim_receiver(const struct sim_pages *p, uint32_t slot)
{
	return (struct ipcchan_slot *)(p->roster + p->layout.receivers) + slot;
}

static inline struct ipcchan_receipts *sim_receipts(const struct sim_pages *p, uint32_t slot)
{
	return (struct ipcchan_receipts *)(p->receipts + slot * p->layout.receipts_size);
}

static inline struct ipcchan_cursor *sim_cursor(const struct sim_pages *p, uint32_t receiver,
						uint32_t sender)
{
	return (struct ipcchan_cursor *)(sim_receipts(p, receiver) + 1) + sender;
}

static inline uint64_t *sim_holds(const struct sim_pages *p, uint32_t receiver)
{
	return (uint64_t *)((uint8_t *)sim_receipts(p, receiver) + p->layout.holds);
}

static inline struct ipcchan_outbox *sim_outbox(const struct sim_pages *p, uint32_t slot)
{
	return (struct ipcchan_outbox *)(p->outboxes + slot * p->layout.outbox_size);
}

static inline struct ipcchan_desc *sim_desc(const struct sim_pages *p, uint32_t sender, uint64_t seq)
{
	uint8_t *outbox = (uint8_t *)sim_outbox(p, sender);

	return (struct ipcchan_desc *)(outbox + p->layout.ring) + (seq & (p->geometry.depth - 1));
}

static inline uint8_t *sim_arena(const struct sim_pages *p, uint32_t sender)
{
	return (uint8_t *)sim_outbox(p, sender) + p->layout.arena;
}

#endif /* SIM_H */
