// SPDX-License-Identifier: GPL-2.0
/* What there is to do for a port. Letters: Documentation/protocol.md */
#include "claim.h"
#include "look.h"
#include "queue.h"
#include "ring.h"
#include "service.h"
#include "threshold.h"

static bool readable(const struct ipcchan_port *port)
{
	const struct ipcchan_channel *chan = port->chan;
	u64 left;

	if (chan->queue)
		return port->claimer->nr_free && ipcchan_queue_claimable(chan);
	for (left = chan->outboxes; left; left &= left - 1)
		if (ipcchan_ring_readable(chan, port->receipts, __ffs64(left)))
			return true;
	return chan->service && ipcchan_service_waits(chan);
}

/* No sender but the port itself, and there was one; nor what a queue still has. */
bool ipcchan_look_no_senders(const struct ipcchan_port *port)
{
	return port->had_sender &&
	       port->chan->nr_senders + port->chan->nr_lent ==
	       !!(port->roles & IPCCHAN_SEND) &&
	       (!port->chan->queue || !ipcchan_queue_pending(port->chan));
}

/* Likewise. */
static bool no_receivers(const struct ipcchan_port *port)
{
	return port->had_receiver &&
	       port->chan->nr_receivers == !!(port->roles & IPCCHAN_RECEIVE);
}

/* Nobody left to receive from, nor to send to. */
bool ipcchan_look_hung_up(const struct ipcchan_port *port)
{
	return (!(port->roles & IPCCHAN_RECEIVE) || ipcchan_look_no_senders(port)) &&
	       (!(port->roles & IPCCHAN_SEND) || no_receivers(port));
}

/* Is there something to receive, and enough of it? */
bool ipcchan_look_due(const struct ipcchan_port *port)
{
	if (likely(!port->threshold))
		return readable(port);
	return ipcchan_threshold_due(port) ||
	       (ipcchan_look_no_senders(port) && readable(port));
}

/* What of @flags has come about? The port is ACTIVE. */
u32 ipcchan_look(const struct ipcchan_port *port, u32 flags)
{
	const struct ipcchan_channel *chan = port->chan;
	u32 events = 0;

	lockdep_assert_held(&chan->lock);
	if (flags & IPCCHAN_WAIT_RECEIVE) {
		if (ipcchan_look_due(port))
			events |= IPCCHAN_WAIT_RECEIVE;
		if (ipcchan_look_no_senders(port))
			events |= IPCCHAN_WAIT_HANGUP;
	}
	if (flags & IPCCHAN_WAIT_SEND && ipcchan_ring_room(port))
		events |= IPCCHAN_WAIT_SEND;
	if (flags & IPCCHAN_WAIT_ROSTER &&
	    (port->seen_senders != chan->sender_generation ||
	     port->seen_receivers != chan->receiver_generation))
		events |= IPCCHAN_WAIT_ROSTER;
	return events;
}
