// SPDX-License-Identifier: GPL-2.0
/* Wait, kick, poll. Letters: Documentation/protocol.md */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>

#include "claim.h"
#include "look.h"
#include "queue.h"
#include "ring.h"
#include "roster.h"
#include "sigio.h"
#include "stall.h"
#include "threshold.h"
#include "wait.h"

/* Whoever kicks from now on must ask. Arm, barrier; the caller then looks. */
static void arm(struct ipcchan_port *port, u32 flags)
{
	struct ipcchan_channel *chan = port->chan;

	lockdep_assert_held(&chan->lock);
	port->armed |= flags;
	if (flags & IPCCHAN_WAIT_RECEIVE && port->threshold)
		ipcchan_threshold_arm(port);
	if (flags & IPCCHAN_WAIT_SEND)
		ipcchan_roster_await(chan, port->sender_slot, port->await);
	ipcchan_roster_sleeping(port);
	smp_mb();	/* D, pairs with C; F, pairs with E */
}

static void disarm(struct ipcchan_port *port, u32 flags)
{
	lockdep_assert_held(&port->chan->lock);
	port->armed &= ~flags;
	port->standing &= ~flags;
	if (flags & IPCCHAN_WAIT_SEND) {
		port->pressing = false;
		port->polled = false;
	}
	ipcchan_roster_sleeping(port);
}

/*
 * Wake the port for @flags: all on its queue, who look for themselves. An
 * epoll set looks again by ->poll, which arms again. A signal is for who stands
 * armed; and for anybody when the last peer has left.
 */
static void rouse(struct ipcchan_port *port, u32 flags)
{
	u32 told = flags & (port->standing | IPCCHAN_WAIT_HANGUP);

	disarm(port, flags);
	wake_up_all(&port->wq);
	if (told)
		ipcchan_sigio_send(port, told);
}

/* What it is armed for, of @flags, has come about. */
void ipcchan_wake_port(struct ipcchan_port *port, u32 flags)
{
	lockdep_assert_held(&port->chan->lock);
	rouse(port, flags);
}

/* What a sender has on a queue was retired. */
void ipcchan_wake_retired(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	if (port->armed & IPCCHAN_WAIT_SEND && ipcchan_ring_room(port))
		rouse(port, IPCCHAN_WAIT_SEND);
}

/* A sleeping receiver is to look, and finds what keeps a sender waiting. */
void ipcchan_wake_receiver(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	rouse(port, IPCCHAN_WAIT_RECEIVE);
}

/*
 * An armed sender has found room, or not: then who has something of it and
 * waits for more to come waits in vain.
 */
static void press(struct ipcchan_port *sender, bool full)
{
	struct ipcchan_channel *chan = sender->chan;
	u32 i;

	lockdep_assert_held(&chan->lock);
	sender->pressing = full && sender->armed & IPCCHAN_WAIT_SEND;
	if (!sender->pressing)
		return;
	for (i = 0; i < chan->geometry.receivers; i++) {
		struct ipcchan_port *port = chan->receivers[i].port;

		if (port && port->threshold &&
		    ipcchan_threshold_press(port, sender->sender_slot) &&
		    port->armed & IPCCHAN_WAIT_RECEIVE)
			rouse(port, IPCCHAN_WAIT_RECEIVE);
	}
}

static void wake_if_changed(struct ipcchan_port *port)
{
	bool hung;
	u32 events;

	if (!port)
		return;
	hung = ipcchan_look_hung_up(port);
	events = ipcchan_look(port, port->armed);
	if (events & IPCCHAN_WAIT_HANGUP)
		events = (events & ~IPCCHAN_WAIT_HANGUP) | IPCCHAN_WAIT_RECEIVE;
	if (hung && !port->hung)
		events |= IPCCHAN_WAIT_HANGUP;
	if (events)
		rouse(port, events);
	port->hung = hung;
}

/*
 * ipcchan_wake_changed() - the roster has changed: wake whom it concerns
 */
void ipcchan_wake_changed(struct ipcchan_channel *chan)
{
	u32 i;

	lockdep_assert_held(&chan->lock);
	if (chan->queue) {
		chan->queue->news |= IPCCHAN_NEWS_LESS;
		ipcchan_queue_take_in(chan);
		ipcchan_queue_settle(chan);
	}
	for (i = 0; i < chan->geometry.receivers; i++)
		wake_if_changed(chan->receivers[i].port);
	for (i = 0; i < chan->geometry.senders; i++)
		wake_if_changed(chan->senders[i].port);
}

/* The port has become ACTIVE: an epoll set that has it looks again. */
void ipcchan_wake_active(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	rouse(port, 0);
}

/* A time it waits for may have come: if so, who stands armed is to be told. */
void ipcchan_wake_due(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	if (port->state == IPCCHAN_PORT_ACTIVE &&
	    port->standing & IPCCHAN_WAIT_RECEIVE && ipcchan_look_due(port))
		rouse(port, IPCCHAN_WAIT_RECEIVE);
}

/* The port is about to be GONE: its own sleepers wait for the lock, and see. */
void ipcchan_wake_leaving(struct ipcchan_port *port, enum ipcchan_reason reason)
{
	lockdep_assert_held(&port->chan->lock);
	disarm(port, ~0u);
	wake_up_all(&port->wq);
	ipcchan_sigio_leaving(port, reason);
}

/* Does it sleep, and is there something of that slot, and enough of all? */
static bool wants(const struct ipcchan_port *port, u32 slot)
{
	return port && port->armed & IPCCHAN_WAIT_RECEIVE &&
	       ipcchan_ring_readable(port->chan, port->receipts, slot) &&
	       (likely(!port->threshold) || ipcchan_threshold_due(port));
}

static void kick_receivers(struct ipcchan_port *sender, u64 slots)
{
	struct ipcchan_channel *chan = sender->chan;
	u64 left;

	lockdep_assert_held(&chan->lock);
	if (chan->queue) {
		ipcchan_queue_take_in(chan);
		ipcchan_claim_wake(chan);
		return;
	}
	for (left = slots & chan->sleeping_receivers; left; left &= left - 1) {
		struct ipcchan_port *port = chan->receivers[__ffs64(left)].port;

		if (wants(port, sender->sender_slot))
			rouse(port, IPCCHAN_WAIT_RECEIVE);
	}
}

static void kick_senders(struct ipcchan_channel *chan, u64 slots)
{
	u64 left;

	lockdep_assert_held(&chan->lock);
	for (left = slots & chan->sleeping_senders; left; left &= left - 1) {
		struct ipcchan_port *port = chan->senders[__ffs64(left)].port;

		if (port && port->armed & IPCCHAN_WAIT_SEND &&
		    ipcchan_ring_room(port))
			rouse(port, IPCCHAN_WAIT_SEND);
	}
}

/* The bits of @n slots. */
static u64 slot_mask(u32 n)
{
	return n < 64 ? BIT_ULL(n) - 1 : ~0ull;
}

static bool kick_valid(const struct ipcchan_port *port,
		       const struct ipcchan_kick *args)
{
	const struct ipcchan_geometry *g = &port->chan->geometry;

	return !args->flags &&
	       !(args->receivers & ~slot_mask(g->receivers)) &&
	       !(args->senders & ~slot_mask(g->senders)) &&
	       (!args->receivers || port->roles & IPCCHAN_SEND) &&
	       (!args->senders || port->roles & IPCCHAN_RECEIVE);
}

static int check_state(const struct ipcchan_port *port)
{
	if (likely(port->state == IPCCHAN_PORT_ACTIVE))
		return 0;
	return port->state == IPCCHAN_PORT_GONE ? -ESHUTDOWN : -EINVAL;
}

/*
 * ipcchan_kick() - wake those of the named who sleep and have something to do
 *
 * Errors as at struct ipcchan_kick.
 */
int ipcchan_kick(struct ipcchan_port *port, const struct ipcchan_kick *args)
{
	struct ipcchan_channel *chan = port->chan;
	u64 draining;
	int err;

	if (!kick_valid(port, args))
		return -EINVAL;
	spin_lock(&chan->lock);
	err = check_state(port);
	if (!err && args->receivers)
		kick_receivers(port, args->receivers);
	if (!err && args->senders)
		kick_senders(chan, args->senders);
	draining = chan->draining & args->senders;
	spin_unlock(&chan->lock);

	if (!err && draining)
		ipcchan_port_reap(chan);
	return err;
}

/*
 * A generation can be seen before it is announced (ipcchan_wake_changed). Who
 * comes with it, to wait for the next, must not hide it from those who still
 * wait for this one: they look again, each by what it has seen itself.
 */
static void see_roster(struct ipcchan_port *port, const struct ipcchan_wait *args)
{
	bool other = port->seen_senders != args->sender_generation ||
		     port->seen_receivers != args->receiver_generation;

	lockdep_assert_held(&port->chan->lock);
	port->seen_senders = args->sender_generation;
	port->seen_receivers = args->receiver_generation;
	if (other && port->armed & IPCCHAN_WAIT_ROSTER)
		wake_up_all(&port->wq);
}

/* What the caller has seen is the port's from here on. */
static void see(struct ipcchan_port *port, const struct ipcchan_wait *args,
		const u64 *progress)
{
	if (args->flags & IPCCHAN_WAIT_SEND) {
		port->blocked = true;
		port->await = args->await;
		port->blocked_generation = args->receiver_generation;
		memcpy(port->progress, progress,
		       ipcchan_channel_progress(port->chan) * sizeof(*progress));
	}
	if (args->flags & IPCCHAN_WAIT_ROSTER)
		see_roster(port, args);
}

/*
 * Look; if there is nothing, be on the queue, arm and look again. Who was woken
 * finds what he was woken for by the first look, and arming again would cost its
 * sender a second kick for one sleep. Negative: an error.
 */
static int look_or_arm(struct ipcchan_port *port,
		       const struct ipcchan_wait *args, const u64 *progress,
		       struct wait_queue_entry *entry)
{
	u32 flags = args->flags & ~IPCCHAN_WAIT_ARM;
	int ret = check_state(port);

	lockdep_assert_held(&port->chan->lock);
	if (ret)
		return ret;
	see(port, args, progress);
	ret = ipcchan_look(port, flags);
	if (!ret) {
		prepare_to_wait(&port->wq, entry, TASK_INTERRUPTIBLE);
		arm(port, flags);
		ret = ipcchan_look(port, flags);
	}
	if (!ret && args->flags & IPCCHAN_WAIT_ARM)
		port->standing |= flags;
	if (args->flags & IPCCHAN_WAIT_SEND)
		press(port, !(ret & IPCCHAN_WAIT_SEND));
	if (!ret && port->pressing && args->deadline_ns)
		ipcchan_stall_watch(port);
	return ret;
}

/*
 * What WAIT_SEND has seen is the port's: with two at a time the kick for one
 * could be judged by what the other has seen, and be lost.
 */
static int begin(struct ipcchan_port *port, u32 flags)
{
	lockdep_assert_held(&port->chan->lock);
	if (!(flags & IPCCHAN_WAIT_SEND))
		return 0;
	if (port->awaiting)
		return -EBUSY;
	port->awaiting = true;
	return 0;
}

/*
 * A waiter has left: if nobody else is on the queue, nor stands armed, nobody
 * need be kicked.
 */
static void end(struct ipcchan_port *port, u32 flags, bool found)
{
	u32 idle;

	lockdep_assert_held(&port->chan->lock);
	if (flags & IPCCHAN_WAIT_SEND) {
		port->awaiting = false;
		/*
		 * Who only looked, and may give up now, left what is older than
		 * the change it was told of: an epoll set must look again, or
		 * receivers go by an await that was crossed long ago.
		 */
		if (found)
			rouse(port, 0);
		/* what else is on the queue may not have asked for room */
		if (!port->polled && !(port->standing & IPCCHAN_WAIT_SEND))
			port->pressing = false;
	}
	idle = port->armed & ~port->standing & flags;
	/* who is on the queue but not seen here has yet to arm, by this lock */
	if (idle && !waitqueue_active(&port->wq))
		disarm(port, idle);
	/* and an epoll set is there to wait for what a look did not find */
	if (port->pressing)
		ipcchan_stall_watch(port);
}

/* ipcchan_doze() - sleep until woken: 0, or why not to look again */
int ipcchan_doze(u64 deadline_ns)
{
	ktime_t deadline = min_t(u64, deadline_ns, KTIME_MAX);

	if (!deadline_ns)
		return -ETIMEDOUT;
	if (signal_pending(current))
		return -ERESTARTSYS;
	if (deadline_ns == IPCCHAN_WAIT_FOREVER)
		schedule();
	else if (!schedule_hrtimeout(&deadline, HRTIMER_MODE_ABS))
		return -ETIMEDOUT;
	return 0;
}

/*
 * Where messages may be dropped a receiver stores its cursor without a barrier,
 * and cannot see for certain that the sender has left by then. So who comes to
 * wait looks, behind a barrier, whether the outbox of one that has left can go
 * as far as he is concerned; once for each, for it stays if others need it.
 */
static bool has_leftovers(const struct ipcchan_port *port)
{
	const struct ipcchan_channel *chan = port->chan;
	u64 draining;

	if (!ipcchan_channel_drops(chan))
		return false;
	smp_mb();	/* E, pairs with N */
	draining = READ_ONCE(chan->draining);
	return draining &&
	       (draining & ~READ_ONCE(port->finished) ||
		READ_ONCE(port->finished_at) != READ_ONCE(chan->sender_generation));
}

static void settle(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	u64 before;
	u32 i;

	mutex_lock(&chan->mutex);
	if (port->finished_at != chan->sender_generation)
		WRITE_ONCE(port->finished, 0);
	WRITE_ONCE(port->finished_at, chan->sender_generation);
	before = port->finished;
	for (i = 0; i < chan->geometry.senders; i++)
		if (chan->draining & ~before & BIT_ULL(i) &&
		    !ipcchan_ring_needs(chan, port->receipts, i))
			WRITE_ONCE(port->finished, port->finished | BIT_ULL(i));
	mutex_unlock(&chan->mutex);
	if (port->finished != before)
		ipcchan_port_reap(chan);
}

static bool wait_valid(const struct ipcchan_port *port,
		       const struct ipcchan_wait *args)
{
	u32 flags = args->flags & ~IPCCHAN_WAIT_ARM;
	u32 known = 0;

	if (!(args->flags & IPCCHAN_WAIT_ARM))
		known |= IPCCHAN_WAIT_ROSTER;
	if (port->roles & IPCCHAN_RECEIVE)
		known |= IPCCHAN_WAIT_RECEIVE;
	if (port->roles & IPCCHAN_SEND)
		known |= IPCCHAN_WAIT_SEND;
	if (args->flags & IPCCHAN_WAIT_ARM && args->deadline_ns)
		return false;
	return flags && !(flags & ~known);
}

/*
 * ipcchan_wait() - sleep until something of args->flags has come about
 * @progress:	WAIT_SEND: a word for each of the geometry's receivers, or one
 *
 * The events are left in @args; none with IPCCHAN_WAIT_ARM: it stands armed.
 * Errors as at struct ipcchan_wait.
 */
int ipcchan_wait(struct ipcchan_port *port, struct ipcchan_wait *args,
		 const u64 *progress)
{
	struct ipcchan_channel *chan = port->chan;
	int err = args->deadline_ns ? 0 : -ETIMEDOUT;
	DEFINE_WAIT(entry);
	int ret;

	if (!wait_valid(port, args))
		return -EINVAL;
	if (args->flags & IPCCHAN_WAIT_RECEIVE && has_leftovers(port))
		settle(port);
	spin_lock(&chan->lock);
	ret = begin(port, args->flags);
	if (ret)
		goto unlock;
	for (;;) {
		ret = look_or_arm(port, args, progress, &entry);
		if (ret || err)
			break;
		spin_unlock(&chan->lock);
		/* after a time-out or a signal it looks once more */
		err = ipcchan_doze(args->deadline_ns);
		spin_lock(&chan->lock);
	}
	finish_wait(&port->wq, &entry);
	end(port, args->flags, ret > 0 && !args->deadline_ns);
unlock:
	spin_unlock(&chan->lock);
	if (ret < 0)
		return ret;
	args->events = ret;
	return ret || args->flags & IPCCHAN_WAIT_ARM ? 0 : err;
}

static __poll_t poll_events(const struct ipcchan_port *port)
{
	__poll_t mask = 0;

	if (port->roles & IPCCHAN_RECEIVE) {
		if (ipcchan_look_due(port))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (ipcchan_look_no_senders(port))
			mask |= EPOLLRDHUP;
	}
	if (port->roles & IPCCHAN_SEND && ipcchan_ring_room(port))
		mask |= EPOLLOUT | EPOLLWRNORM;

	if (ipcchan_look_hung_up(port))
		mask |= EPOLLHUP;
	return mask;
}

/*
 * Arms always, and before it looks: an edge-triggered epoll asks only once.
 *
 * Nobody tells us that a poll() has ended, for one port or for many. What it
 * left armed costs the others what one sleep does: a kick finds that there is
 * something, wakes an empty queue and disarms.
 */
__poll_t ipcchan_poll(struct ipcchan_port *port, struct file *file,
		      struct poll_table_struct *table)
{
	__poll_t key = poll_requested_events(table);
	struct ipcchan_channel *chan = port->chan;
	__poll_t mask = 0;
	u32 flags = 0;

	if (port->roles & IPCCHAN_RECEIVE &&
	    key & (EPOLLIN | EPOLLRDNORM | EPOLLRDHUP))
		flags |= IPCCHAN_WAIT_RECEIVE;
	if (port->roles & IPCCHAN_SEND && key & (EPOLLOUT | EPOLLWRNORM))
		flags |= IPCCHAN_WAIT_SEND;

	poll_wait(file, &port->wq, table);
	spin_lock(&chan->lock);
	if (port->state == IPCCHAN_PORT_ACTIVE) {
		arm(port, flags);
		mask = poll_events(port);
		if (flags & IPCCHAN_WAIT_SEND) {
			port->polled = true;
			press(port, !(mask & EPOLLOUT));
		}
		if (port->pressing)
			ipcchan_stall_watch(port);
	} else if (port->state == IPCCHAN_PORT_GONE) {
		mask = EPOLLERR | EPOLLHUP;
	}
	spin_unlock(&chan->lock);
	if (flags & IPCCHAN_WAIT_RECEIVE && !(mask & EPOLLIN) &&
	    has_leftovers(port))
		settle(port);
	/* armed all the same: the set may be shared with the port's process */
	return current->mm && current->mm != port->mm ? EPOLLERR : mask;
}
