// SPDX-License-Identifier: GPL-2.0
/* What happens to a queue's messages by time alone. */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "bundle.h"
#include "claim.h"
#include "lease.h"
#include "queue.h"
#include "stall.h"

/* Looked at with the lock held. */
#define RUN_MOST	64

/* Leases for which a stale claim is left alone, after its own. */
#define GRACE		3

static struct ipcchan_item *first_delayed(struct ipcchan_channel *chan, u32 slot)
{
	struct rb_node *node = rb_first_cached(&chan->senders[slot].items->delayed);

	return rb_entry(node, struct ipcchan_item, node);
}

static struct ipcchan_holding *first_leased(struct ipcchan_queue *q)
{
	return list_first_entry(&q->leased, struct ipcchan_holding, lease);
}

/* All leases are of one length, so the first to begin is the first that is over. */
void ipcchan_lease_begin(struct ipcchan_channel *chan,
			 struct ipcchan_holding *holding)
{
	struct ipcchan_queue *q = chan->queue;

	lockdep_assert_held(&chan->lock);
	holding->expires_ns = ktime_get_ns() + q->lease_ns;
	list_add_tail(&holding->lease, &q->leased);
	ipcchan_lease_alarm(chan, holding->expires_ns);
}

/*
 * ipcchan_lease_alarm() - look at that time, at the latest
 */
void ipcchan_lease_alarm(struct ipcchan_channel *chan, u64 when_ns)
{
	struct ipcchan_queue *q = chan->queue;
	u64 now;

	lockdep_assert_held(&chan->lock);
	if (q->ended || (q->alarm_ns && q->alarm_ns <= when_ns))
		return;
	q->alarm_ns = when_ns;
	now = ktime_get_ns();
	/* what is queued, once, has a reference; what runs, another */
	if (!ipcchan_stall_queue(&q->work, when_ns > now ?
				 nsecs_to_jiffies(when_ns - now) + 1 : 0))
		ipcchan_channel_ref(chan);
}

/* Of @most at most, how many may be looked at yet. */
static u32 run_leases(struct ipcchan_channel *chan, u64 now, u32 most)
{
	struct ipcchan_queue *q = chan->queue;

	for (; most && !list_empty(&q->leased); most--) {
		struct ipcchan_holding *holding = first_leased(q);

		if (holding->expires_ns > now)
			break;
		ipcchan_claim_expire(chan, holding);
	}
	return most;
}

/* Likewise. */
static u32 run_delays(struct ipcchan_channel *chan, u32 slot, u64 now, u32 most)
{
	u64 bit = BIT_ULL(slot);

	for (; most && chan->queue->delayed & bit; most--) {
		struct ipcchan_item *item = first_delayed(chan, slot);

		if (item->due_ns > now)
			break;
		ipcchan_queue_undelay(chan, item);
	}
	return most;
}

/*
 * ipcchan_lease_run() - what is due becomes READY
 *
 * True: there may be more; but the lock was held long enough.
 */
bool ipcchan_lease_run(struct ipcchan_channel *chan)
{
	struct ipcchan_queue *q = chan->queue;
	u64 left = q->delayed, now;
	u32 most;

	lockdep_assert_held(&chan->lock);
	if (likely(!left && list_empty(&q->leased)))
		return false;
	now = ktime_get_ns();
	most = run_leases(chan, now, RUN_MOST);
	for (left = q->delayed; left && most; left &= left - 1)
		most = run_delays(chan, __ffs64(left), now, most);
	return !most;
}

/* Is the claim what has kept the sender waiting, for too long? */
static bool blocks(struct ipcchan_port *sender,
		   const struct ipcchan_holding *h, u64 now)
{
	struct ipcchan_channel *chan = sender->chan;
	const struct ipcchan_item *item;

	if (!h->seq || ipcchan_seq_slot(h->seq) != sender->sender_slot ||
	    now < h->expires_ns + GRACE * chan->queue->lease_ns ||
	    (sender->await && h->seq > sender->await))
		return false;
	item = ipcchan_queue_find(chan, h->seq);
	return item && item->state == IPCCHAN_ITEM_DONE;
}

static bool keeps(const struct ipcchan_port *receiver,
		  struct ipcchan_port *sender, u64 now)
{
	const struct ipcchan_claimer *c = receiver->claimer;
	struct ipcchan_channel *chan = sender->chan;
	bool found = false;
	u32 i;

	spin_lock(&chan->lock);
	for (i = 0; i < chan->geometry.holds && c->nr_stale && !found; i++) {
		found = blocks(sender, &c->holding[i], now);
		if (i % RUN_MOST == RUN_MOST - 1)
			ipcchan_queue_pause(chan);
	}
	spin_unlock(&chan->lock);
	return found;
}

/*
 * ipcchan_lease_keepers() - the receivers whose stale claims have kept the
 * sender waiting too long, a bit each
 *
 * With the mutex, without the lock.
 */
u64 ipcchan_lease_keepers(struct ipcchan_port *sender, u64 now)
{
	struct ipcchan_channel *chan = sender->chan;
	u64 found = 0;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	for (i = 0; i < chan->geometry.receivers; i++) {
		const struct ipcchan_port *receiver = chan->receivers[i].port;

		if (receiver && keeps(receiver, sender, now))
			found |= BIT_ULL(i);
	}
	return found;
}

/* When there is something to look at next. */
static void look_later(struct ipcchan_channel *chan)
{
	struct ipcchan_queue *q = chan->queue;
	u64 left = q->delayed;

	if (!list_empty(&q->leased))
		ipcchan_lease_alarm(chan, first_leased(q)->expires_ns);
	for (; left; left &= left - 1)
		ipcchan_lease_alarm(chan, first_delayed(chan, __ffs64(left))->due_ns);
}

static void look(struct work_struct *work)
{
	struct ipcchan_queue *q = container_of(to_delayed_work(work),
					       struct ipcchan_queue, work);
	struct ipcchan_channel *chan = q->chan;
	bool more, reap = false;

	spin_lock(&chan->lock);
	q->alarm_ns = 0;
	spin_unlock(&chan->lock);
	do {
		spin_lock(&chan->lock);
		more = ipcchan_lease_run(chan);
		if (!more)
			look_later(chan);
		ipcchan_queue_settle(chan);
		reap |= q->reap;
		q->reap = false;
		spin_unlock(&chan->lock);
		cond_resched();
	} while (more);
	ipcchan_bundle_sweep(chan);
	if (reap)
		ipcchan_port_reap(chan);
	ipcchan_channel_put(chan);
}

void ipcchan_lease_init(struct ipcchan_queue *q)
{
	INIT_DELAYED_WORK(&q->work, look);
}

/* The channel ends: call off the work there may be. With a reference of the caller's. */
void ipcchan_lease_end(struct ipcchan_channel *chan)
{
	struct ipcchan_queue *q = chan->queue;

	lockdep_assert_held(&chan->mutex);
	spin_lock(&chan->lock);
	q->ended = true;
	spin_unlock(&chan->lock);
	if (cancel_delayed_work(&q->work))
		ipcchan_channel_put(chan);
}
