// SPDX-License-Identifier: GPL-2.0
/* Ports: attaching, and what is asked of them. Coming and going: member.c */
#include <linux/cred.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "connection.h"
#include "claim.h"
#include "grant.h"
#include "map.h"
#include "names.h"
#include "port.h"
#include "service.h"
#include "queue.h"
#include "sigio.h"
#include "slot.h"
#include "stall.h"
#include "threshold.h"

#define DELAY_MOST	(3600ull * NSEC_PER_SEC)

/* What of @args is wrong for any channel. -EINVAL. */
int ipcchan_port_check(const struct ipcchan_attach *args,
		       struct ipcchan_why *why)
{
	if (args->flags & ~(IPCCHAN_ATTACH_OWNER | IPCCHAN_ATTACH_WAIT))
		return ipcchan_refuse(why, -EINVAL, "unknown flags");
	if (!args->role || args->role & ~(IPCCHAN_SEND | IPCCHAN_RECEIVE))
		return ipcchan_refuse(why, -EINVAL,
				      "a role is to send, to receive, or both");
	if (args->owner && !(args->flags & IPCCHAN_ATTACH_OWNER))
		return ipcchan_refuse(why, -EINVAL,
				      "an owner is given but not asked for");
	if (args->deadline_ns && !(args->flags & IPCCHAN_ATTACH_WAIT))
		return ipcchan_refuse(why, -EINVAL,
				      "a deadline is given but not waited for");
	if (!(args->role & IPCCHAN_RECEIVE) &&
	    (args->wake_count || args->wake_delay_ns))
		return ipcchan_refuse(why, -EINVAL,
				      "wake-up thresholds are for receivers");
	if (args->reserved)
		return ipcchan_refuse(why, -EINVAL, "reserved is not zero");
	if (args->wake_delay_ns > DELAY_MOST)
		return ipcchan_refuse(why, -EINVAL,
				      "wake-delay is more than an hour");
	return ipcchan_channel_check_label(args->label, why);
}

/* What of @args does not go with the channel; the caller may know what it is. */
static int check_fits(const struct ipcchan_channel *chan,
		      const struct ipcchan_attach *args,
		      struct ipcchan_why *why)
{
	if (args->label[0] && !chan->label[0])
		return ipcchan_refuse(why, -EPROTOTYPE,
				      "the channel carries no label");
	if (args->label[0] && strcmp(args->label, chan->label))
		return ipcchan_refuse(why, -EPROTOTYPE,
				      "the channel carries another label");
	if (chan->queue && (args->wake_count || args->wake_delay_ns))
		return ipcchan_refuse(why, -EINVAL,
				      "a queue has no wake-up thresholds");
	if (args->wake_count > chan->geometry.depth)
		return ipcchan_refuse(why, -EINVAL,
				      "wake-count is more than the depth");
	return ipcchan_service_fits(chan, args, why);
}

static int check_rights(const struct ipcchan_access *access,
			const struct ipcchan_attach *args,
			struct ipcchan_why *why)
{
	kuid_t owner = make_kuid(current_user_ns(), args->owner);
	u32 rights = access->rights;

	if (args->role & IPCCHAN_SEND && !(rights & IPCCHAN_SEND))
		return ipcchan_refuse(why, -EACCES, "no right to send");
	if (args->role & IPCCHAN_RECEIVE && !(rights & IPCCHAN_RECEIVE))
		return ipcchan_refuse(why, -EACCES, "no right to receive");
	if (!(args->flags & IPCCHAN_ATTACH_OWNER))
		return 0;
	if (!uid_valid(owner))
		return ipcchan_refuse(why, -EINVAL,
				      "the owner is no user of this user namespace");
	if (!uid_eq(access->chan->uid, owner))
		return ipcchan_refuse(why, -EACCES,
				      "the channel has another owner");
	return 0;
}

static int check_grant(const struct ipcchan_access *access,
		       struct ipcchan_why *why)
{
	return access->grant ? ipcchan_grant_check_locked(access->grant, why) : 0;
}

/* Is it worth taking memory? */
static int look_for_slots(const struct ipcchan_access *access, u32 role,
			  struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = access->chan;
	int err;

	ipcchan_port_reap(chan);
	mutex_lock(&chan->mutex);
	err = check_grant(access, why) ?: ipcchan_slot_find(chan, role, why);
	mutex_unlock(&chan->mutex);
	return err;
}

/*
 * Take the slots: from here on the port is the channel's. A grant revoked up to
 * now lets nobody in.
 */
static int enlist(struct ipcchan_port *port, const struct ipcchan_access *access,
		  struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = port->chan;
	int err;

	mutex_lock(&chan->mutex);
	err = check_grant(access, why) ?: ipcchan_slot_take(port, why);
	if (!err) {
		port->id = ++chan->last_port_id;
		list_add_tail(&port->node, &chan->ports);
		chan->nr_ports++;
	}
	mutex_unlock(&chan->mutex);
	return err;
}

static int alloc_regions(struct ipcchan_port *port, struct ipcchan_why *why)
{
	const struct ipcchan_layout *l = &port->chan->layout;
	struct ipcchan_usage *net = &port->chan->net->usage;
	struct ipcchan_region *region;

	if (port->roles & IPCCHAN_RECEIVE) {
		region = ipcchan_region_alloc(l->receipts_size, port->account,
					      net, why);
		if (IS_ERR(region))
			return PTR_ERR(region);
		port->receipts = region;
	}
	if (port->roles & IPCCHAN_SEND) {
		region = ipcchan_region_alloc(l->outbox_size, port->account,
					      net, why);
		if (IS_ERR(region))
			return PTR_ERR(region);
		port->outbox = region;
	}
	return 0;
}

/* All but its regions, account and place in the channel. */
static struct ipcchan_port *alloc_port(struct ipcchan_channel *chan, u32 role,
				       struct address_space *mapping)
{
	struct ipcchan_port *port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);

	if (!port)
		return NULL;
	port->account = ipcchan_account_get();
	if (!port->account) {
		kfree(port);
		return NULL;
	}
	port->chan = ipcchan_channel_ref(chan);
	port->roles = role;
	port->mapping = mapping;
	port->mm = current->mm;
	mmgrab(port->mm);
	ipcchan_identity_stamp(&port->identity);
	INIT_LIST_HEAD(&port->node);
	init_waitqueue_head(&port->wq);
	return port;
}

static void destroy(struct ipcchan_port *port)
{
	ipcchan_threshold_free(port->threshold);
	ipcchan_sigio_free(port);
	ipcchan_stall_free(port);
	ipcchan_claimer_free(port);
	ipcchan_items_free(port->items);
	ipcchan_region_put(port->outbox);
	ipcchan_region_put(port->receipts);
	ipcchan_identity_clear(&port->identity);
	mmdrop(port->mm);
	ipcchan_channel_put(port->chan);
	ipcchan_account_put(port->account);
	if (port->nothing)
		put_page(port->nothing);
	kfree(port);
}

static int alloc_for_queue(struct ipcchan_port *port, struct ipcchan_why *why)
{
	struct ipcchan_items *items;

	if (port->roles & IPCCHAN_SEND) {
		items = ipcchan_items_alloc(port->chan, port->account, why);
		if (IS_ERR(items))
			return PTR_ERR(items);
		port->items = items;
	}
	return port->roles & IPCCHAN_RECEIVE ? ipcchan_claimer_alloc(port, why) : 0;
}

/* What its channel and its thresholds ask for besides. */
static int alloc_extras(struct ipcchan_port *port,
			const struct ipcchan_attach *args,
			struct ipcchan_why *why)
{
	struct ipcchan_threshold *threshold;

	threshold = ipcchan_threshold_alloc(port, args->wake_count,
					    args->wake_delay_ns);
	if (IS_ERR(threshold))
		return ipcchan_refuse(why, PTR_ERR(threshold),
				      "not enough memory for the port");
	port->threshold = threshold;
	if (ipcchan_stall_alloc(port))
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the port");
	return port->chan->queue ? alloc_for_queue(port, why) : 0;
}

/*
 * ipcchan_port_attach() - make a port, NEW
 * @args:	checked by ipcchan_port_check()
 * @mapping:	of the file it is for
 *
 * Errors as at struct ipcchan_attach. Returns an ERR_PTR().
 */
struct ipcchan_port *ipcchan_port_attach(const struct ipcchan_access *access,
					 const struct ipcchan_attach *args,
					 struct address_space *mapping,
					 struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = access->chan;
	struct ipcchan_usage *net = &chan->net->usage;
	struct ipcchan_port *port;
	int err;

	err = check_rights(access, args, why) ?: check_fits(chan, args, why);
	if (!err && chan->service && args->role & IPCCHAN_SEND)
		return ipcchan_connection_make(access, args, mapping, why);
	if (!err)
		err = look_for_slots(access, args->role, why);
	if (err)
		return ERR_PTR(err);
	port = alloc_port(chan, args->role, mapping);
	if (!port)
		return ERR_PTR(ipcchan_refuse(why, -ENOMEM,
					      "not enough memory for the port"));
	port->backlog = args->backlog;
	port->max_per_user = args->max_per_user;
	err = ipcchan_charge(port->account, net, IPCCHAN_PORTS, 1, why);
	if (err)
		goto destroy;
	err = alloc_extras(port, args, why) ?: alloc_regions(port, why) ?:
	      enlist(port, access, why);
	if (err)
		goto uncharge;
	return port;

uncharge:
	ipcchan_uncharge(port->account, net, IPCCHAN_PORTS, 1);
destroy:
	destroy(port);
	return ERR_PTR(err);
}

/* The results of ATTACH. */
void ipcchan_port_describe(const struct ipcchan_port *port,
			   struct ipcchan_attach *out)
{
	const struct ipcchan_channel *chan = port->chan;

	out->geometry = chan->geometry;
	out->type = chan->type;
	out->overflow = chan->overflow;
	out->history = chan->history;
	out->port_id = port->id;
	out->sender_slot = port->sender_slot;
	out->receiver_slot = port->receiver_slot;
	out->own_offset = IPCCHAN_OWN_OFFSET;
	out->own_size = ipcchan_map_own_size(port);
	out->window_offset = IPCCHAN_WINDOW_OFFSET;
	out->window_size = chan->layout.window_size;
}

/*
 * ipcchan_port_free() - the file is released
 *
 * No mapping is left, so nobody but the channel's list knows the port. Takes
 * NULL and returns NULL.
 */
struct ipcchan_port *ipcchan_port_free(struct ipcchan_port *port)
{
	if (!port)
		return NULL;
	ipcchan_port_detach(port, IPCCHAN_REASON_CLOSED);
	ipcchan_uncharge(port->account, &port->chan->net->usage, IPCCHAN_PORTS, 1);
	destroy(port);
	return NULL;
}

/*
 * ipcchan_port_usable() - may the caller make calls on the port?
 *
 * -EBUSY it is another address space's; -ESHUTDOWN it is GONE.
 */
int ipcchan_port_usable(const struct ipcchan_port *port)
{
	if (current->mm != port->mm)
		return -EBUSY;
	if (READ_ONCE(port->state) == IPCCHAN_PORT_GONE)
		return -ESHUTDOWN;
	return 0;
}

static void fill_peer(struct ipcchan_peer *peer, u32 id, u32 roles,
		      const struct ipcchan_identity *identity)
{
	peer->port_id = id;
	peer->roles = roles;
	peer->pid = ipcchan_identity_pid(identity);
	peer->uid = ipcchan_identity_uid(identity);
	peer->gid = ipcchan_identity_gid(identity);
	peer->attached_ns = identity->attached_ns;
}

static int sender_peer(struct ipcchan_channel *chan, struct ipcchan_peer *peer)
{
	const struct ipcchan_sender_slot *s;

	if (peer->slot >= chan->geometry.senders)
		return -EINVAL;
	s = &chan->senders[peer->slot];
	if (s->state == IPCCHAN_SLOT_EMPTY)
		return -ENOENT;
	fill_peer(peer, s->port_id, s->port ? s->port->roles : IPCCHAN_SEND,
		  &s->identity);
	return 0;
}

static int receiver_peer(struct ipcchan_channel *chan, struct ipcchan_peer *peer)
{
	const struct ipcchan_port *port;

	if (peer->slot >= chan->geometry.receivers)
		return -EINVAL;
	port = chan->receivers[peer->slot].port;
	if (!port)
		return -ENOENT;
	fill_peer(peer, port->id, port->roles, &port->identity);
	return 0;
}

/*
 * Who is behind a slot; errors as at struct ipcchan_peer. A port that is GONE
 * may still ask what it was, and why it is no more.
 */
int ipcchan_port_peer(struct ipcchan_port *port, struct ipcchan_peer *peer)
{
	struct ipcchan_channel *chan = port->chan;
	int err = -EINVAL;

	peer->reason = IPCCHAN_REASON_NONE;
	mutex_lock(&chan->mutex);
	if (!peer->role && !peer->slot) {
		fill_peer(peer, port->id, port->roles, &port->identity);
		peer->reason = port->reason;
		err = 0;
	} else if (port->state == IPCCHAN_PORT_GONE) {
		err = -ESHUTDOWN;
	} else if (peer->role == IPCCHAN_SEND) {
		err = sender_peer(chan, peer);
	} else if (peer->role == IPCCHAN_RECEIVE) {
		err = receiver_peer(chan, peer);
	}
	mutex_unlock(&chan->mutex);
	return err;
}
