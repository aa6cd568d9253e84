// SPDX-License-Identifier: GPL-2.0
/* The memory of a queue. */
#include <linux/err.h>
#include <linux/slab.h>

#include "dead.h"
#include "lease.h"
#include "names.h"
#include "queue.h"

static void items_init(struct ipcchan_items *items)
{
	u32 i;

	for (i = 0; i < IPCCHAN_PRIORITIES; i++) {
		INIT_LIST_HEAD(&items->fresh[i]);
		items->returned[i] = RB_ROOT_CACHED;
	}
	items->delayed = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&items->dead);
}

/*
 * ipcchan_items_alloc() - what a sender on a queue needs in the kernel
 *
 * -EDQUOT, -ENOMEM, as an ERR_PTR().
 */
struct ipcchan_items *ipcchan_items_alloc(const struct ipcchan_channel *chan,
					  struct ipcchan_account *account,
					  struct ipcchan_why *why)
{
	u64 bytes = sizeof(struct ipcchan_items) +
		    chan->geometry.depth * (u64)sizeof(struct ipcchan_item);
	struct ipcchan_usage *net = &chan->net->usage;
	struct ipcchan_items *items;
	int err = ipcchan_charge(account, net, IPCCHAN_BYTES, bytes, why);

	if (err)
		return ERR_PTR(err);
	items = kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!items) {
		ipcchan_uncharge(account, net, IPCCHAN_BYTES, bytes);
		return ERR_PTR(ipcchan_refuse(why, -ENOMEM,
					      "not enough memory for the port"));
	}
	items_init(items);
	items->account = ipcchan_account_ref(account);
	items->net = net;
	items->bytes = bytes;
	return items;
}

/* May sleep; takes NULL and returns NULL. */
struct ipcchan_items *ipcchan_items_free(struct ipcchan_items *items)
{
	if (!items)
		return NULL;
	ipcchan_uncharge(items->account, items->net, IPCCHAN_BYTES, items->bytes);
	ipcchan_account_put(items->account);
	kvfree(items);
	return NULL;
}

/* What a channel of type queue has besides: 0 or an error; freed by the next. */
int ipcchan_queue_alloc(struct ipcchan_channel *chan,
			const struct ipcchan_create *args,
			struct ipcchan_why *why)
{
	struct ipcchan_queue *q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);

	if (!q)
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the channel");
	q->chan = chan;
	q->lease_ns = args->lease_ns;
	q->max_deliveries = args->max_deliveries;
	memset(q->last, IPCCHAN_MAX_SLOTS - 1, sizeof(q->last));
	INIT_LIST_HEAD(&q->sleepers);
	INIT_LIST_HEAD(&q->leased);
	INIT_LIST_HEAD(&q->spent);
	ipcchan_lease_init(q);
	ipcchan_dead_init(q);
	chan->queue = q;
	return 0;
}

/* The channel is being destroyed, or was never made. */
void ipcchan_queue_free(struct ipcchan_channel *chan)
{
	u32 i;

	if (!chan->queue)
		return;
	ipcchan_dead_end(chan);
	for (i = 0; i < chan->geometry.senders && chan->senders; i++) {
		ipcchan_items_free(chan->senders[i].items);
		ipcchan_items_free(chan->senders[i].old_items);
	}
	kfree(chan->queue);
	chan->queue = NULL;
}
