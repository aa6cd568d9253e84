// SPDX-License-Identifier: GPL-2.0
/* Channels and ports as attributes. */
#include <linux/cred.h>
#include <linux/user_namespace.h>
#include <net/netlink.h>

#include <linux/ipcchan_netlink.h>

#include "connection.h"
#include "netlink_put.h"
#include "queue.h"
#include "ring.h"
#include "service.h"

static u64 port_bytes(const struct ipcchan_port *port)
{
	return (port->outbox ? ipcchan_region_size(port->outbox) : 0) +
	       (port->receipts ? ipcchan_region_size(port->receipts) : 0);
}

static u64 channel_bytes(const struct ipcchan_channel *chan)
{
	u64 bytes = ipcchan_region_size(chan->roster);
	const struct ipcchan_port *port;
	u32 i;

	list_for_each_entry(port, &chan->ports, node)
		bytes += port_bytes(port);
	for (i = 0; i < chan->geometry.senders; i++) {
		const struct ipcchan_sender_slot *s = &chan->senders[i];

		if (s->state == IPCCHAN_SLOT_DRAINING && s->outbox)
			bytes += ipcchan_region_size(s->outbox);
	}
	return bytes;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, IPCCHAN_A_CHANNEL_PAD);
}

static int put_geometry(struct sk_buff *skb, const struct ipcchan_geometry *g)
{
	return nla_put_u32(skb, IPCCHAN_A_CHANNEL_DEPTH, g->depth) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_SENDERS, g->senders) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_RECEIVERS, g->receivers) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_HOLDS, g->holds) ?:
	       put_u64(skb, IPCCHAN_A_CHANNEL_ARENA, g->arena) ?:
	       put_u64(skb, IPCCHAN_A_CHANNEL_MAX_MESSAGE, g->max_message);
}

static int put_policy(struct sk_buff *skb, const struct ipcchan_channel *chan)
{
	struct user_namespace *ns = current_user_ns();

	return nla_put_u32(skb, IPCCHAN_A_CHANNEL_TYPE, chan->type) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_OVERFLOW, chan->overflow) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_FLAGS, chan->flags) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_MODE, chan->mode) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_UID,
			   from_kuid_munged(ns, chan->uid)) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_GID,
			   from_kgid_munged(ns, chan->gid)) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_HISTORY,
			   chan->history) ?:
	       put_u64(skb, IPCCHAN_A_CHANNEL_STALL_NS, chan->stall_ns) ?:
	       nla_put_string(skb, IPCCHAN_A_CHANNEL_LABEL, chan->label);
}

/* Nothing, of an unnamed one. */
static int put_name(struct sk_buff *skb, int attr,
		    const struct ipcchan_channel *chan)
{
	return chan->name[0] ? nla_put_string(skb, attr, chan->name) : 0;
}

/* Who is there; of a service: who listens, and all connections. */
static int put_attached(struct sk_buff *skb, u32 senders, u32 receivers)
{
	return nla_put_u32(skb, IPCCHAN_A_CHANNEL_SENDERS_ATTACHED, senders) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_RECEIVERS_ATTACHED,
			   receivers);
}

static int put_service(struct sk_buff *skb, struct ipcchan_channel *chan)
{
	struct ipcchan_service_state state;

	ipcchan_service_tell(chan, &state);
	return put_attached(skb, state.connections, chan->nr_receivers) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_WAITING, state.waiting) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_BACKLOG, state.backlog) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_MAX_PER_USER,
			   state.max_per_user);
}

static int put_connection(struct sk_buff *skb,
			  const struct ipcchan_channel *chan)
{
	return put_attached(skb, chan->nr_senders, chan->nr_receivers) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_SERVICE,
			   chan->connection->service->id);
}

static int put_use(struct sk_buff *skb, struct ipcchan_channel *chan)
{
	if (chan->service)
		return put_service(skb, chan);
	if (chan->connection)
		return put_connection(skb, chan);
	return put_attached(skb, chan->nr_senders, chan->nr_receivers);
}

static int put_count(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, IPCCHAN_A_QUEUE_PAD);
}

static int put_counts(struct sk_buff *skb, const struct ipcchan_queue *q)
{
	struct nlattr *nest = nla_nest_start(skb, IPCCHAN_A_CHANNEL_QUEUE);

	if (!nest)
		return -EMSGSIZE;
	if (put_count(skb, IPCCHAN_A_QUEUE_READY, q->nr_ready) ||
	    put_count(skb, IPCCHAN_A_QUEUE_CLAIMED, q->nr_claimed) ||
	    put_count(skb, IPCCHAN_A_QUEUE_DELAYED, q->nr_delayed) ||
	    put_count(skb, IPCCHAN_A_QUEUE_ACKNOWLEDGED, q->acknowledged) ||
	    put_count(skb, IPCCHAN_A_QUEUE_REDELIVERED, q->redelivered) ||
	    put_count(skb, IPCCHAN_A_QUEUE_DEAD, q->died) ||
	    put_count(skb, IPCCHAN_A_QUEUE_DROPPED, q->dropped))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* The counts of one moment; the lock is not held while they are put. */
static int put_queue(struct sk_buff *skb, struct ipcchan_channel *chan)
{
	struct ipcchan_queue *q = chan->queue, now;

	if (!q)
		return 0;
	spin_lock(&chan->lock);
	now = (struct ipcchan_queue){
		.nr_ready = q->nr_ready,
		.nr_claimed = q->nr_claimed,
		.nr_delayed = q->nr_delayed,
		.acknowledged = q->acknowledged,
		.redelivered = q->redelivered,
		.died = q->died,
		.dropped = q->dropped,
	};
	spin_unlock(&chan->lock);
	return put_u64(skb, IPCCHAN_A_CHANNEL_LEASE_NS, q->lease_ns) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_MAX_DELIVERIES,
			   q->max_deliveries) ?:
	       nla_put_string(skb, IPCCHAN_A_CHANNEL_DEAD_LETTER,
			      chan->dead_letter) ?:
	       put_counts(skb, &now);
}

/* @rights are the caller's. */
int ipcchan_netlink_put_channel(struct sk_buff *skb,
				struct ipcchan_channel *chan, u32 rights)
{
	lockdep_assert_held(&chan->mutex);
	return nla_put_u32(skb, IPCCHAN_A_CHANNEL_ID, chan->id) ?:
	       put_name(skb, IPCCHAN_A_CHANNEL_NAME, chan) ?:
	       put_geometry(skb, &chan->geometry) ?:
	       put_policy(skb, chan) ?:
	       put_use(skb, chan) ?:
	       put_u64(skb, IPCCHAN_A_CHANNEL_BYTES, channel_bytes(chan)) ?:
	       nla_put_u32(skb, IPCCHAN_A_CHANNEL_RIGHTS, rights) ?:
	       put_queue(skb, chan);
}

static int put_identity(struct sk_buff *skb,
			const struct ipcchan_identity *identity)
{
	return nla_put_u32(skb, IPCCHAN_A_PORT_PID,
			   ipcchan_identity_pid(identity)) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_UID,
			   ipcchan_identity_uid(identity)) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_GID,
			   ipcchan_identity_gid(identity)) ?:
	       nla_put_u64_64bit(skb, IPCCHAN_A_PORT_ATTACHED_NS,
				 identity->attached_ns, IPCCHAN_A_PORT_PAD);
}

static int put_claim(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, IPCCHAN_A_CLAIMS_PAD);
}

static int put_claims(struct sk_buff *skb, const struct ipcchan_claims *claims)
{
	struct nlattr *nest = nla_nest_start(skb, IPCCHAN_A_PORT_CLAIMS);

	if (!nest)
		return -EMSGSIZE;
	if (put_claim(skb, IPCCHAN_A_CLAIMS_SENT, claims->sent) ||
	    put_claim(skb, IPCCHAN_A_CLAIMS_SENT_BYTES, claims->sent_bytes) ||
	    put_claim(skb, IPCCHAN_A_CLAIMS_RECEIVED, claims->received) ||
	    put_claim(skb, IPCCHAN_A_CLAIMS_LOST, claims->lost) ||
	    nla_put_u32(skb, IPCCHAN_A_CLAIMS_HELD, claims->held) ||
	    put_claim(skb, IPCCHAN_A_CLAIMS_BEHIND, claims->behind))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_slots(struct sk_buff *skb, u32 roles, u32 sender, u32 receiver)
{
	int err = nla_put_u32(skb, IPCCHAN_A_PORT_ROLES, roles);

	if (!err && roles & IPCCHAN_SEND)
		err = nla_put_u32(skb, IPCCHAN_A_PORT_SENDER_SLOT, sender);
	if (!err && roles & IPCCHAN_RECEIVE)
		err = nla_put_u32(skb, IPCCHAN_A_PORT_RECEIVER_SLOT, receiver);
	return err;
}

/* Whose port it is. */
static int put_channel(struct sk_buff *skb, const struct ipcchan_channel *chan)
{
	return put_name(skb, IPCCHAN_A_PORT_CHANNEL, chan) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_CHANNEL_ID, chan->id);
}

/* The roles in which the port sleeps. */
static u32 sleeping(struct ipcchan_port *port)
{
	u32 armed;

	spin_lock(&port->chan->lock);
	armed = port->armed;
	spin_unlock(&port->chan->lock);
	return (armed & IPCCHAN_WAIT_SEND ? IPCCHAN_SEND : 0) |
	       (armed & (IPCCHAN_WAIT_RECEIVE | IPCCHAN_ARMED_CLAIM) ?
			IPCCHAN_RECEIVE : 0);
}

/* A port on its channel's list: NEW or ACTIVE. */
int ipcchan_netlink_put_port(struct sk_buff *skb, struct ipcchan_port *port)
{
	u32 status = port->state == IPCCHAN_PORT_NEW ?
			     IPCCHAN_PORT_STATUS_NEW :
			     IPCCHAN_PORT_STATUS_ACTIVE;
	struct ipcchan_claims claims = {};

	lockdep_assert_held(&port->chan->mutex);
	if (port->state == IPCCHAN_PORT_ACTIVE)
		ipcchan_ring_claims(port, &claims);
	return put_channel(skb, port->chan) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_ID, port->id) ?:
	       put_slots(skb, port->roles, port->sender_slot,
			 port->receiver_slot) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_STATUS, status) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_SLEEPING, sleeping(port)) ?:
	       put_identity(skb, &port->identity) ?:
	       nla_put_u64_64bit(skb, IPCCHAN_A_PORT_BYTES, port_bytes(port),
				 IPCCHAN_A_PORT_PAD) ?:
	       put_claims(skb, &claims);
}

/* A sender that has left: its outbox is all that remains. */
int ipcchan_netlink_put_draining(struct sk_buff *skb,
				 const struct ipcchan_channel *chan, u32 slot)
{
	const struct ipcchan_sender_slot *s = &chan->senders[slot];
	const struct ipcchan_outbox *outbox = ipcchan_region_at(s->outbox, 0);
	struct ipcchan_claims claims = {
		.sent = max(READ_ONCE(outbox->sent),
			    ipcchan_ring_published(chan, slot, s->outbox)),
		.sent_bytes = READ_ONCE(outbox->bytes),
	};

	lockdep_assert_held(&chan->mutex);
	return put_channel(skb, chan) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_ID, s->port_id) ?:
	       put_slots(skb, IPCCHAN_SEND, slot, IPCCHAN_NO_SLOT) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_STATUS,
			   IPCCHAN_PORT_STATUS_DRAINING) ?:
	       nla_put_u32(skb, IPCCHAN_A_PORT_SLEEPING, 0) ?:
	       put_identity(skb, &s->identity) ?:
	       nla_put_u64_64bit(skb, IPCCHAN_A_PORT_BYTES,
				 ipcchan_region_size(s->outbox),
				 IPCCHAN_A_PORT_PAD) ?:
	       put_claims(skb, &claims);
}
