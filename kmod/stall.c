// SPDX-License-Identifier: GPL-2.0
/* Evicting who stands still. */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "lease.h"
#include "queue.h"
#include "ring.h"
#include "stall.h"
#include "wait.h"

/* What a sender's channel has seen of one receiver, for this sender. */
struct ipcchan_suspect {
	u64 progress;
	u64 since_ns;		/* it has been so since then, and to blame */
	u32 port_id;		/* who; 0: nobody was looked at */
	bool readable;		/* there was something to read */
	bool woken;		/* it slept, standing still */
};

static struct workqueue_struct *queue;

/*
 * Frozen with the processes: who is frozen is not to blame. Looks run beside each
 * other: whatever channels somebody makes, nobody's wait for his to end.
 */
int ipcchan_stall_start(void)
{
	queue = alloc_workqueue("ipcchan", WQ_UNBOUND | WQ_FREEZABLE, 0);
	return queue ? 0 : -ENOMEM;
}

void ipcchan_stall_stop(void)
{
	destroy_workqueue(queue);
}

/* Wait for looks under way at channels that are GONE. */
void ipcchan_stall_flush(void)
{
	flush_workqueue(queue);
}

/* Other work of the module's; true: it was queued already. */
bool ipcchan_stall_queue(struct delayed_work *work, unsigned long delay)
{
	return mod_delayed_work(queue, work, delay);
}

/* How often somebody looks while a sender waits; 0: never. */
static u64 interval_ns(const struct ipcchan_channel *chan)
{
	return chan->queue ? chan->queue->lease_ns : chan->stall_ns / 4;
}

/* With a reference of its own. */
static void look_later(struct ipcchan_channel *chan)
{
	unsigned long delay = nsecs_to_jiffies(interval_ns(chan));

	ipcchan_channel_ref(chan);
	queue_delayed_work(queue, &chan->stall_work, max(delay, 1ul));
}

/*
 * ipcchan_stall_watch() - a sender is about to sleep for room
 *
 * Under the channel's lock.
 */
void ipcchan_stall_watch(struct ipcchan_port *sender)
{
	struct ipcchan_channel *chan = sender->chan;

	lockdep_assert_held(&chan->lock);
	if (!interval_ns(chan) || !sender->blocked)
		return;
	sender->waited = true;
	if (chan->watched)
		return;
	chan->watched = true;
	look_later(chan);
}

/* Under the channel's lock. */
static bool sleeps(struct ipcchan_port *sender)
{
	/* an epoll set that was told of room is armed, too, and waits for nobody */
	if (!sender->pressing)
		return false;
	if (sender->standing & IPCCHAN_WAIT_SEND)
		return true;
	/* poll() leaves it armed; who sleeps was on the queue before he armed */
	return waitqueue_active(&sender->wq);
}

static bool wake(struct ipcchan_port *receiver)
{
	struct ipcchan_channel *chan = receiver->chan;
	bool asleep;

	spin_lock(&chan->lock);
	asleep = receiver->armed & IPCCHAN_WAIT_RECEIVE;
	if (asleep)
		ipcchan_wake_receiver(receiver);
	spin_unlock(&chan->lock);
	return asleep;
}

/* Has the receiver been to blame, without moving, for the channel's T? */
static bool stands_still(struct ipcchan_suspect *suspect,
			 struct ipcchan_port *receiver, u32 slot, u64 now)
{
	const struct ipcchan_channel *chan = receiver->chan;
	u64 progress = ipcchan_ring_progress(receiver->receipts, slot);
	bool readable = ipcchan_ring_readable(chan, receiver->receipts, slot);

	if (suspect->port_id != receiver->id || suspect->progress != progress ||
	    (readable && !suspect->readable)) {
		*suspect = (struct ipcchan_suspect){
			.progress = progress,
			.since_ns = now,
			.port_id = receiver->id,
		};
	}
	suspect->readable = readable;
	if (readable && !suspect->woken && wake(receiver)) {
		suspect->woken = true;
		suspect->since_ns = now;
	}
	if (now - suspect->since_ns < chan->stall_ns)
		return false;
	if (readable || ipcchan_ring_holds(chan, receiver->receipts, slot))
		return true;
	suspect->since_ns = now;
	return false;
}

/* The receivers that have kept the sender waiting too long, a bit each. */
static u64 look_at_receivers(struct ipcchan_port *sender, u64 now)
{
	struct ipcchan_channel *chan = sender->chan;
	u64 found = 0;
	u32 i;

	for (i = 0; i < chan->geometry.receivers; i++) {
		struct ipcchan_port *receiver = chan->receivers[i].port;

		if (receiver && stands_still(&sender->suspects[i], receiver,
					     sender->sender_slot, now))
			found |= BIT_ULL(i);
		cond_resched();
	}
	return found;
}

static void forget(struct ipcchan_port *sender)
{
	if (!sender->suspects)
		return;
	memset(sender->suspects, 0, sender->chan->geometry.receivers *
				    sizeof(*sender->suspects));
}

static bool sleeps_now(struct ipcchan_port *sender)
{
	bool asleep;

	spin_lock(&sender->chan->lock);
	asleep = sleeps(sender);
	spin_unlock(&sender->chan->lock);
	return asleep;
}

/* Was the sender waiting at any time since the last look? */
static bool has_waited(struct ipcchan_port *sender)
{
	struct ipcchan_channel *chan = sender->chan;
	bool waited;

	spin_lock(&chan->lock);
	waited = sender->waited || sleeps(sender);
	sender->waited = false;
	spin_unlock(&chan->lock);
	return waited;
}

/* Is it worth while to look again? Adds to @found whom it waits for in vain. */
static bool look_at_sender(struct ipcchan_port *sender, u64 *found)
{
	u64 still;

	if (!has_waited(sender)) {
		forget(sender);
		return false;
	}
	if (sender->chan->queue)
		still = ipcchan_lease_keepers(sender, ktime_get_ns());
	else
		still = look_at_receivers(sender, ktime_get_ns());
	if (still && sleeps_now(sender))
		*found |= still;
	return true;
}

static void evict(struct ipcchan_channel *chan, u64 receivers)
{
	u32 i;

	for (i = 0; i < chan->geometry.receivers; i++) {
		struct ipcchan_port *port = chan->receivers[i].port;

		if (receivers & BIT_ULL(i) && port)
			ipcchan_port_detach_locked(port, IPCCHAN_REASON_STALLED);
	}
}

/* Look on while anybody waits. With the mutex: the channel does not end now. */
static void go_on(struct ipcchan_channel *chan, bool waited)
{
	u32 i;

	if (chan->state != IPCCHAN_CHANNEL_ACTIVE)
		return;
	spin_lock(&chan->lock);
	for (i = 0; i < chan->geometry.senders && !waited; i++)
		waited = chan->senders[i].port && chan->senders[i].port->waited;
	chan->watched = waited;
	if (waited)
		look_later(chan);
	spin_unlock(&chan->lock);
}

static void look(struct work_struct *work)
{
	struct ipcchan_channel *chan = container_of(to_delayed_work(work),
						    struct ipcchan_channel,
						    stall_work);
	bool waited = false;
	u64 found = 0;
	u32 i;

	mutex_lock(&chan->mutex);
	for (i = 0; i < chan->geometry.senders; i++) {
		struct ipcchan_port *sender = chan->senders[i].port;

		if (sender)
			waited |= look_at_sender(sender, &found);
	}
	evict(chan, found);
	go_on(chan, waited);
	mutex_unlock(&chan->mutex);
	/* not before: who deletes the channel may have the mutex, and be quicker */
	ipcchan_channel_put(chan);
}

void ipcchan_stall_init(struct ipcchan_channel *chan)
{
	INIT_DELAYED_WORK(&chan->stall_work, look);
}

/*
 * ipcchan_stall_end() - the channel ends: call off the look there may be
 *
 * With the mutex and a reference of the caller's. One that is under way waits
 * for the mutex, and gives its reference back itself.
 */
void ipcchan_stall_end(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	if (cancel_delayed_work(&chan->stall_work))
		ipcchan_channel_put(chan);
}

/* What a sending port needs on a channel with stall: 0 or -ENOMEM. */
int ipcchan_stall_alloc(struct ipcchan_port *port)
{
	if (!port->chan->stall_ns || !(port->roles & IPCCHAN_SEND))
		return 0;
	port->suspects = kcalloc(port->chan->geometry.receivers,
				 sizeof(*port->suspects), GFP_KERNEL_ACCOUNT);
	return port->suspects ? 0 : -ENOMEM;
}

void ipcchan_stall_free(struct ipcchan_port *port)
{
	kfree(port->suspects);
}
