// SPDX-License-Identifier: GPL-2.0
/* A receiver on a queue: its memory, and waking those who sleep. */
#include <linux/bitops.h>
#include <linux/slab.h>

#include "claim.h"
#include "look.h"
#include "names.h"
#include "queue.h"
#include "wait.h"

/* What a receiver on a queue needs in the kernel: 0, -EDQUOT or -ENOMEM. */
int ipcchan_claimer_alloc(struct ipcchan_port *port, struct ipcchan_why *why)
{
	u32 i, n = port->chan->geometry.holds;
	struct ipcchan_claimer *c;
	u64 bytes = sizeof(*c) + n * sizeof(c->holding[0]);
	struct ipcchan_usage *net = &port->chan->net->usage;
	int err = ipcchan_charge(port->account, net, IPCCHAN_BYTES, bytes, why);

	if (err)
		return err;
	c = kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!c) {
		ipcchan_uncharge(port->account, net, IPCCHAN_BYTES, bytes);
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the port");
	}
	c->port = port;
	c->bytes = bytes;
	INIT_LIST_HEAD(&c->sleeping);
	for (i = 0; i < n; i++) {
		c->holding[i].port = port;
		c->holding[i].next = i + 1;
		INIT_LIST_HEAD(&c->holding[i].lease);
	}
	c->nr_free = n;
	port->claimer = c;
	return 0;
}

void ipcchan_claimer_free(struct ipcchan_port *port)
{
	if (!port->claimer)
		return;
	ipcchan_uncharge(port->account, &port->chan->net->usage, IPCCHAN_BYTES,
			 port->claimer->bytes);
	kvfree(port->claimer);
	port->claimer = NULL;
}

static void wake(struct ipcchan_claimer *c)
{
	list_del_init(&c->sleeping);
	c->woken = true;
	c->port->chan->queue->nr_woken++;
	ipcchan_wake_port(c->port, IPCCHAN_ARMED_CLAIM);
}

/*
 * Of those who do not sleep in CLAIM, and of those who do if nothing can come;
 * then who does not sleep may have to be told by a signal.
 */
static void wake_others(struct ipcchan_channel *chan, bool ended)
{
	u64 left = ended ? ~0ull >> (64 - chan->geometry.receivers) :
			   chan->sleeping_receivers;

	for (; left; left &= left - 1) {
		struct ipcchan_port *port = chan->receivers[__ffs64(left)].port;
		u32 flags = IPCCHAN_WAIT_RECEIVE;

		if (!port || !(ended || port->claimer->nr_free))
			continue;
		if (ended && ipcchan_look_no_senders(port))
			flags |= IPCCHAN_ARMED_CLAIM;
		else if (ended)
			continue;
		if (ended && !port->hung && ipcchan_look_hung_up(port)) {
			port->hung = true;
			flags |= IPCCHAN_WAIT_HANGUP;
		}
		if (port->armed & flags || flags & IPCCHAN_WAIT_HANGUP)
			ipcchan_wake_port(port, flags);
	}
}

/*
 * ipcchan_claim_wake() - something has become claimable, or nothing will: wake
 * whom it concerns
 */
void ipcchan_claim_wake(struct ipcchan_channel *chan)
{
	struct ipcchan_queue *q = chan->queue;

	lockdep_assert_held(&chan->lock);
	while (!list_empty(&q->sleepers) && q->nr_ready > q->nr_woken)
		wake(list_first_entry(&q->sleepers, struct ipcchan_claimer,
				      sleeping));
	if (q->nr_ready && q->news & IPCCHAN_NEWS_READY)
		wake_others(chan, false);
	else if (!q->nr_ready && q->news & IPCCHAN_NEWS_LESS &&
		 chan->nr_senders + chan->nr_lent <= 1 && !ipcchan_queue_pending(chan))
		wake_others(chan, true);
	q->news = 0;
}
