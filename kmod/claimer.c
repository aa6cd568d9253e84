// SPDX-License-Identifier: GPL-2.0
/* The memory of a receiver on a queue. */
#include <linux/slab.h>

#include "claim.h"
#include "names.h"

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
