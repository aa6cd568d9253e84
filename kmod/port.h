/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a port: one attachment of one address space to one channel
 *
 * States, in one direction:
 *
 *   NEW	attached: slots and memory taken, not on the roster yet
 *   ACTIVE	its own region is mapped: on the roster
 *   GONE	detached, evicted, or its channel deleted
 *
 * A port belongs to the file that attached it and is freed with it; while it is
 * not GONE it is on its channel's list. It keeps a reference on its channel
 * and on its own regions, which an evicted process goes on to see.
 */
#ifndef IPCCHAN_PORT_H
#define IPCCHAN_PORT_H

#include <linux/atomic.h>
#include <linux/wait.h>

#include "channel.h"

struct ipcchan_access;
struct ipcchan_claimer;
struct ipcchan_sigio;
struct ipcchan_suspect;
struct ipcchan_threshold;
struct mm_struct;

/* In port->armed: somebody sleeps in CLAIM. */
#define IPCCHAN_ARMED_CLAIM	0x80000000u

enum ipcchan_port_state {
	IPCCHAN_PORT_NEW,
	IPCCHAN_PORT_ACTIVE,
	IPCCHAN_PORT_GONE,
};

struct ipcchan_port {
	/* constant */
	struct ipcchan_channel *chan;
	struct mm_struct *mm;
	struct address_space *mapping;
	struct ipcchan_account *account;
	struct ipcchan_identity identity;
	struct ipcchan_region *receipts;	/* NULL without the role */
	struct ipcchan_region *outbox;		/* NULL without the role */
	struct ipcchan_threshold *threshold;	/* NULL: any message wakes */
	struct ipcchan_claimer *claimer;	/* NULL: no receiver on a queue */
	u32 id;
	u32 roles;
	u32 sender_slot;
	u32 receiver_slot;
	u32 backlog;			/* what a listener asks for; service.c */
	u32 max_per_user;

	/* set once, by the first fault that shows it; map.c */
	struct page *nothing;			/* zeros, for its window */

	/* set once, with the channel's lock, when first asked for; sigio.c */
	struct ipcchan_sigio *sigio;

	/* protected by the channel's mutex */
	struct list_head node;
	struct ipcchan_items *items;	/* on a queue, until it is ACTIVE */
	struct ipcchan_suspect *suspects;	/* stall.c; may be NULL */
	u64 finished;		/* draining slots it was seen to be done with, ... */
	u64 finished_at;	/* ... by the senders' generation */

	/* written with the channel's mutex and lock, read with either */
	enum ipcchan_port_state state;
	enum ipcchan_reason reason;		/* of being GONE */

	/* protected by the channel's lock */
	u64 touched_senders;	/* slots its window was shown, a bit each */
	u64 touched_receivers;
	u32 armed;		/* IPCCHAN_WAIT_*, _ARMED_*: who waits here, for what */
	u32 standing;		/* of these, for a signal; wait.c */
	bool pressing;		/* armed for sending, and found no room */
	bool polled;		/* for sending, by a poll() since it was roused */
	bool waited;		/* it was, since stall.c looked */
	bool hung;		/* hung up when it was last looked at */
	bool awaiting;		/* somebody is in WAIT_SEND */
	bool had_sender;	/* a peer, since it became ACTIVE */
	bool had_receiver;
	bool blocked;		/* the next three hold what WAIT_SEND said */
	u64 await;
	u64 blocked_generation;
	u64 progress[IPCCHAN_MAX_SLOTS];
	u64 seen_senders;	/* what WAIT_ROSTER said */
	u64 seen_receivers;

	/* mappings in port->mm */
	atomic_t own_maps;
	atomic_t window_maps;

	wait_queue_head_t wq;
};

int ipcchan_port_check(const struct ipcchan_attach *args,
		       struct ipcchan_why *why);
struct ipcchan_port *ipcchan_port_attach(const struct ipcchan_access *access,
					 const struct ipcchan_attach *args,
					 struct address_space *mapping,
					 struct ipcchan_why *why);
void ipcchan_port_describe(const struct ipcchan_port *port,
			   struct ipcchan_attach *out);
int ipcchan_port_activate(struct ipcchan_port *port);
void ipcchan_port_detach(struct ipcchan_port *port, enum ipcchan_reason reason);
void ipcchan_port_detach_locked(struct ipcchan_port *port,
				enum ipcchan_reason reason);
void ipcchan_port_detach_each_locked(struct ipcchan_channel *chan,
				     enum ipcchan_reason reason);
void ipcchan_port_detach_all_locked(struct ipcchan_channel *chan);
int ipcchan_port_evict(struct ipcchan_channel *chan, u32 id,
		       struct ipcchan_why *why);
struct ipcchan_port *ipcchan_port_free(struct ipcchan_port *port);
void ipcchan_port_reap(struct ipcchan_channel *chan);
int ipcchan_port_peer(struct ipcchan_port *port, struct ipcchan_peer *peer);

/* May the caller use this port at all? */
int ipcchan_port_usable(const struct ipcchan_port *port);

#endif
