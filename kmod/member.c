// SPDX-License-Identifier: GPL-2.0
/*
 * How ports come and go: slots, roster, windows, and who must hear of it.
 *
 * All of it with the channel's mutex held. What processes see changes in the
 * order: slot, settle, unmap, roster, wake (Documentation/protocol.md).
 */
#include <linux/ktime.h>
#include <linux/sched.h>

#include "bundle.h"
#include "connection.h"
#include "claim.h"
#include "map.h"
#include "names.h"
#include "port.h"
#include "queue.h"
#include "ring.h"
#include "roster.h"
#include "service.h"
#include "sigio.h"
#include "slot.h"
#include "wait.h"

static void join_receiver(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	u32 slot = port->receiver_slot;

	spin_lock(&chan->lock);
	chan->receivers[slot].receipts = ipcchan_region_ref(port->receipts);
	chan->receipts |= BIT_ULL(slot);
	spin_unlock(&chan->lock);

	ipcchan_map_receipts_changed(chan, slot, NULL);

	spin_lock(&chan->lock);
	chan->receivers[slot].port = port;
	chan->nr_receivers++;
	ipcchan_roster_receiver(chan, slot, IPCCHAN_SLOT_ACTIVE, port->id);
	ipcchan_ring_begin(chan, port->receipts);
	if (chan->connection)
		ipcchan_ring_deafen(port);
	spin_unlock(&chan->lock);
	ipcchan_bundle_join(chan, slot);
}

static void join_sender(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	u32 slot = port->sender_slot;
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	if (chan->queue)
		ipcchan_roster_unretired(chan, slot);
	spin_lock(&chan->lock);
	s->outbox = ipcchan_region_ref(port->outbox);
	chan->outboxes |= BIT_ULL(slot);
	s->base = s->next_base;
	s->since_ns = ktime_get_ns();
	s->port_id = port->id;
	ipcchan_identity_copy(&s->identity, &port->identity);
	spin_unlock(&chan->lock);

	ipcchan_map_outbox_changed(chan, slot, NULL);

	spin_lock(&chan->lock);
	s->port = port;
	s->state = IPCCHAN_SLOT_ACTIVE;
	chan->nr_senders++;
	if (chan->queue) {
		ipcchan_queue_join(chan, slot, port->items);
		port->items = NULL;
	}
	ipcchan_roster_sender(chan, slot, s->state, port->id, s->base);
	spin_unlock(&chan->lock);
}

/* Everybody has known a peer by now: from here on its leaving is a hang-up. */
static void introduce(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	struct ipcchan_port *other;

	lockdep_assert_held(&chan->lock);
	/* a client that has left by now was there */
	if (chan->connection && !ipcchan_connection_is_client(port)) {
		port->had_sender = true;
		port->had_receiver = true;
	}
	/* so was who sent what it finds; where it would be kept others may come */
	port->had_sender |= chan->queue &&
			    !(chan->flags & IPCCHAN_CREATE_PERSISTENT) &&
			    ipcchan_queue_pending(chan);
	list_for_each_entry(other, &chan->ports, node) {
		if (other == port || other->state != IPCCHAN_PORT_ACTIVE)
			continue;
		other->had_sender |= !!(port->roles & IPCCHAN_SEND);
		other->had_receiver |= !!(port->roles & IPCCHAN_RECEIVE);
		port->had_sender |= !!(other->roles & IPCCHAN_SEND);
		port->had_receiver |= !!(other->roles & IPCCHAN_RECEIVE);
	}
}

/*
 * ipcchan_port_activate() - the own region is being mapped: join the roster
 *
 * -ESHUTDOWN it is GONE; -EBUSY it is ACTIVE; a client's: -ECONNREFUSED, -EAGAIN.
 */
int ipcchan_port_activate(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	int err = 0;

	mutex_lock(&chan->mutex);
	if (port->state != IPCCHAN_PORT_NEW) {
		err = port->state == IPCCHAN_PORT_GONE ? -ESHUTDOWN : -EBUSY;
		goto unlock;
	}
	if (chan->connection)
		err = ipcchan_connection_join(port);
	if (err)
		goto unlock;
	if (port->roles & IPCCHAN_SEND)
		join_sender(port);
	if (port->roles & IPCCHAN_RECEIVE)
		join_receiver(port);

	spin_lock(&chan->lock);
	port->state = IPCCHAN_PORT_ACTIVE;
	chan->used = true;
	introduce(port);
	ipcchan_wake_changed(chan);
	ipcchan_wake_active(port);
	if (chan->service)
		ipcchan_service_listens(port);
	spin_unlock(&chan->lock);
	ipcchan_map_open_window(port);
unlock:
	mutex_unlock(&chan->mutex);
	return err;
}

/* A sender leaves; its messages stay readable unless it could change them. */
static void leave_sender(struct ipcchan_port *port, bool drain)
{
	struct ipcchan_channel *chan = port->chan;
	struct ipcchan_sender_slot *s = &chan->senders[port->sender_slot];

	s->holder = NULL;
	if (port->state != IPCCHAN_PORT_ACTIVE)
		return;
	chan->nr_senders--;
	if (drain)
		ipcchan_slot_drain(chan, port->sender_slot);
	else	/* the port's own reference keeps the region */
		ipcchan_region_put(ipcchan_slot_hide(chan, port->sender_slot));
}

static void leave_receiver(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	struct ipcchan_receiver_slot *r = &chan->receivers[port->receiver_slot];

	r->holder = NULL;
	if (port->state != IPCCHAN_PORT_ACTIVE)
		return;
	chan->nr_receivers--;
	if (port->claimer)
		ipcchan_claimer_leave(port);
	r->port = NULL;
	/* the port's own reference keeps the region */
	ipcchan_region_put(r->receipts);
	r->receipts = NULL;
	chan->receipts &= ~BIT_ULL(port->receiver_slot);
	ipcchan_roster_receiver(chan, port->receiver_slot, IPCCHAN_SLOT_EMPTY, 0);
}

/* First: off the slots and the roster. */
static void leave(struct ipcchan_port *port, enum ipcchan_reason reason,
		  bool drain)
{
	struct ipcchan_channel *chan = port->chan;

	spin_lock(&chan->lock);
	ipcchan_wake_leaving(port, reason);
	if (port->roles & IPCCHAN_SEND)
		leave_sender(port, drain);
	if (port->roles & IPCCHAN_RECEIVE)
		leave_receiver(port);
	port->reason = reason;
	WRITE_ONCE(port->state, IPCCHAN_PORT_GONE);
	spin_unlock(&chan->lock);

	list_del_init(&port->node);
	chan->nr_ports--;
}

/*
 * Then: who waited for what has happened is woken, as the port may have died
 * before it could kick.
 */
static void mourn(struct ipcchan_channel *chan)
{
	spin_lock(&chan->lock);
	smp_mb();	/* N, pairs with E: the roster, then who sleeps */
	ipcchan_wake_changed(chan);
	spin_unlock(&chan->lock);
}

/* Last: out of the others' windows. */
static void vanish(struct ipcchan_port *port, bool drain)
{
	struct ipcchan_channel *chan = port->chan;

	if (port->roles & IPCCHAN_SEND && !drain) {
		ipcchan_map_outbox_changed(chan, port->sender_slot, port->outbox);
		ipcchan_slot_vacate(chan, port->sender_slot, port->outbox);
	}
	if (port->roles & IPCCHAN_SEND && drain)
		ipcchan_bundle_drop(chan, port->sender_slot, 0);
	if (port->roles & IPCCHAN_RECEIVE) {
		ipcchan_map_receipts_changed(chan, port->receiver_slot,
					     port->receipts);
		ipcchan_bundle_leave(chan, port->receiver_slot);
	}
}

/*
 * ipcchan_port_detach_locked() - end the attachment of a port that is not GONE
 *
 * Only who leaves by himself leaves his messages: the pages of others are
 * still theirs to write. The channel may be GONE afterwards.
 */
void ipcchan_port_detach_locked(struct ipcchan_port *port,
				enum ipcchan_reason reason)
{
	struct ipcchan_channel *chan = port->chan;
	bool was_active = port->state == IPCCHAN_PORT_ACTIVE;
	bool drain = was_active && reason == IPCCHAN_REASON_CLOSED &&
		     port->roles & IPCCHAN_SEND && ipcchan_slot_drains(port);

	lockdep_assert_held(&chan->mutex);
	leave(port, reason, drain);
	if (was_active && port->claimer)
		ipcchan_claimer_return(port);
	mourn(chan);
	if (was_active)
		vanish(port, drain);
	ipcchan_map_close_window(port);
	ipcchan_slot_reap(chan);
	ipcchan_bundle_desert(chan);
	if (!chan->nr_receivers)
		ipcchan_slot_forget(chan);
	if (chan->service)
		ipcchan_service_left(chan);
	if (chan->connection)
		ipcchan_connection_left(port, was_active);
	ipcchan_channel_left(chan);
}

/* All of them. The channel may be GONE afterwards. */
void ipcchan_port_detach_each_locked(struct ipcchan_channel *chan,
				     enum ipcchan_reason reason)
{
	struct ipcchan_port *port, *next;

	list_for_each_entry_safe(port, next, &chan->ports, node)
		ipcchan_port_detach_locked(port, reason);
}

/* Attached, never mapped, and the process has ended: others hold the file. */
static void detach_dead(struct ipcchan_channel *chan)
{
	struct ipcchan_port *port, *next;

	list_for_each_entry_safe(port, next, &chan->ports, node)
		if (port->state == IPCCHAN_PORT_NEW &&
		    !atomic_read(&port->mm->mm_users))
			ipcchan_port_detach_locked(port, IPCCHAN_REASON_CLOSED);
}

/*
 * ipcchan_port_reap() - free slots of which nobody needs anything any more
 */
void ipcchan_port_reap(struct ipcchan_channel *chan)
{
	mutex_lock(&chan->mutex);
	if (chan->state == IPCCHAN_CHANNEL_ACTIVE) {
		ipcchan_slot_reap(chan);
		detach_dead(chan);
	}
	mutex_unlock(&chan->mutex);
}

/*
 * ipcchan_port_detach() - end an attachment; nothing if it has ended
 */
void ipcchan_port_detach(struct ipcchan_port *port, enum ipcchan_reason reason)
{
	struct ipcchan_channel *chan = port->chan;

	mutex_lock(&chan->mutex);
	if (port->state != IPCCHAN_PORT_GONE)
		ipcchan_port_detach_locked(port, reason);
	mutex_unlock(&chan->mutex);
	if (reason == IPCCHAN_REASON_CLOSED)
		ipcchan_sigio_left(port);
}

/* Its slot is nobody's any more. */
static void clear_sender(struct ipcchan_channel *chan, u32 slot)
{
	struct ipcchan_sender_slot *s = &chan->senders[slot];

	ipcchan_identity_clear(&s->identity);
	s->old_items = ipcchan_items_free(s->old_items);
}

/*
 * ipcchan_port_detach_all_locked() - the channel is being deleted
 *
 * All leave first, then each page is settled once, as its own port's.
 */
void ipcchan_port_detach_all_locked(struct ipcchan_channel *chan)
{
	struct ipcchan_port *port, *next;
	LIST_HEAD(left);

	lockdep_assert_held(&chan->mutex);
	spin_lock(&chan->lock);
	ipcchan_roster_end(chan);
	spin_unlock(&chan->lock);
	ipcchan_slot_empty_all(chan);
	list_for_each_entry_safe(port, next, &chan->ports, node) {
		bool was_active = port->state == IPCCHAN_PORT_ACTIVE;

		leave(port, IPCCHAN_REASON_DELETED, false);
		list_add(&port->node, &left);
		if (was_active && port->roles & IPCCHAN_SEND)
			clear_sender(chan, port->sender_slot);
	}
	list_for_each_entry(port, &left, node) {
		if (port->claimer)
			ipcchan_claimer_return(port);
		if (port->outbox)
			ipcchan_region_settle(port->outbox);
		if (port->receipts)
			ipcchan_region_settle(port->receipts);
	}
	list_for_each_entry_safe(port, next, &left, node) {
		ipcchan_map_close_window(port);
		if (port->roles & IPCCHAN_SEND)
			ipcchan_bundle_drop_all(chan, port->sender_slot);
		list_del_init(&port->node);
		cond_resched();
	}
	ipcchan_bundle_sweep(chan);
}

static bool evict_port(struct ipcchan_channel *chan, u32 id)
{
	struct ipcchan_port *port;

	list_for_each_entry(port, &chan->ports, node) {
		if (port->id == id) {
			ipcchan_port_detach_locked(port,
						   IPCCHAN_REASON_EVICTED);
			return true;
		}
	}
	return false;
}

/* What a sender that left had published is given up. */
static bool evict_draining(struct ipcchan_channel *chan, u32 id)
{
	u32 i;

	for (i = 0; i < chan->geometry.senders; i++) {
		const struct ipcchan_sender_slot *s = &chan->senders[i];

		if (s->state == IPCCHAN_SLOT_DRAINING && s->port_id == id) {
			ipcchan_slot_empty(chan, i);
			return true;
		}
	}
	return false;
}

/*
 * ipcchan_port_evict() - end another's attachment, by its number
 *
 * The caller has checked the right. -ENOENT.
 */
int ipcchan_port_evict(struct ipcchan_channel *chan, u32 id,
		       struct ipcchan_why *why)
{
	bool found;

	mutex_lock(&chan->mutex);
	found = evict_port(chan, id) || evict_draining(chan, id);
	mutex_unlock(&chan->mutex);
	return found ? 0 : ipcchan_refuse(why, -ENOENT,
					  "the channel has no port of that number");
}
