// SPDX-License-Identifier: GPL-2.0
/* Counting what waits, and telling senders when to ask. Letters: protocol.md */
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/slab.h>

#include "compat.h"
#include "ring.h"
#include "roster.h"
#include "sigio.h"
#include "threshold.h"

/*
 * Who stands armed is looked after by a worker: not more often than this, when
 * its cursors have moved, as they do at its owner's pleasure.
 */
#define LOOK_LEAST	NSEC_PER_MSEC

struct ipcchan_threshold {
	/* constant */
	struct ipcchan_port *port;
	u32 count;		/* U32_MAX: no matter how many wait */
	u64 delay_ns;		/* 0: no matter how long */

	/* protected by the channel's lock */
	u32 looks;
	u64 expires_ns;		/* when what waits has waited enough; 0: unknown */

	struct hrtimer timer;
	u64 passed[];		/* the cursors then; one that moved: begin anew */
};

/* What waits for a port. */
struct tally {
	u32 waiting;
	bool moved;		/* it has taken some since the clock started */
	bool pressed;		/* a sender of it lacks room */
};

/*
 * Who sleeps sees for himself that it is time; and if it is not, sleeps on. For
 * who stands armed, somebody looks.
 */
static enum hrtimer_restart expire(struct hrtimer *timer)
{
	struct ipcchan_threshold *t =
		container_of(timer, struct ipcchan_threshold, timer);

	wake_up_all(&t->port->wq);
	ipcchan_sigio_look(t->port);
	return HRTIMER_NORESTART;
}

/* NULL if any message is to wake the port; may be an ERR_PTR(). */
struct ipcchan_threshold *ipcchan_threshold_alloc(struct ipcchan_port *port,
						  u32 count, u64 delay_ns)
{
	struct ipcchan_threshold *t;

	if (count == 1 || (!count && !delay_ns))
		return NULL;
	t = kzalloc(struct_size(t, passed, port->chan->geometry.senders),
		    GFP_KERNEL_ACCOUNT);
	if (!t)
		return ERR_PTR(-ENOMEM);
	t->port = port;
	t->count = count ?: U32_MAX;
	t->delay_ns = delay_ns;
	hrtimer_setup(&t->timer, expire, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	return t;
}

/* The port is GONE: nobody starts the timer again. Takes NULL; may sleep. */
void ipcchan_threshold_free(struct ipcchan_threshold *t)
{
	if (!t)
		return;
	hrtimer_cancel(&t->timer);
	kfree(t);
}

static void count(const struct ipcchan_port *port, struct tally *tally)
{
	const struct ipcchan_channel *chan = port->chan;
	const u64 *passed = port->threshold->passed;
	u32 i;

	*tally = (struct tally){};
	for (i = 0; i < chan->geometry.senders; i++) {
		const struct ipcchan_port *sender = chan->senders[i].port;
		u32 n = ipcchan_ring_waiting(chan, port->receipts, i);

		tally->waiting += n;
		/* of a new sender nothing was passed: its base is beyond */
		tally->moved |= ipcchan_ring_passed(chan, port->receipts, i) !=
				ipcchan_passed(passed[i], chan->senders[i].base);
		tally->pressed |= n && sender && sender->pressing;
	}
}

/* The clock starts, or has run out, for what waits now. */
static void set_clock(const struct ipcchan_port *port, u64 expires_ns)
{
	struct ipcchan_threshold *t = port->threshold;
	u32 i;

	for (i = 0; i < port->chan->geometry.senders; i++)
		t->passed[i] = ipcchan_ring_passed(port->chan, port->receipts, i);
	t->expires_ns = expires_ns;
}

/* Has the first that waits waited long enough? The clock starts here. */
static bool late(const struct ipcchan_port *port, const struct tally *tally)
{
	struct ipcchan_threshold *t = port->threshold;
	u64 now = ktime_get_ns(), delay = t->delay_ns;

	if (!tally->waiting) {
		if (t->expires_ns)
			hrtimer_try_to_cancel(&t->timer);
		t->expires_ns = 0;
		return false;
	}
	if (t->expires_ns && !tally->moved)
		return now >= t->expires_ns;
	if (delay && t->expires_ns && port->standing)
		delay = max_t(u64, delay, LOOK_LEAST);
	set_clock(port, delay ? now + delay : 0);
	if (t->delay_ns)
		hrtimer_start(&t->timer, ns_to_ktime(t->expires_ns),
			      HRTIMER_MODE_ABS_SOFT);
	return false;
}

static bool reached(const struct ipcchan_port *port, const struct tally *tally)
{
	return tally->waiting >= port->threshold->count || tally->pressed ||
	       late(port, tally);
}

/*
 * How many more each sender may publish until we must look: while none of n has
 * come to a share of 1/n, there are fewer than all. And the first to wait
 * starts the clock.
 */
static u32 share(const struct ipcchan_port *port, const struct tally *tally)
{
	const struct ipcchan_threshold *t = port->threshold;

	if (t->delay_ns && !tally->waiting)
		return 1;
	if (t->count == U32_MAX)
		return IPCCHAN_AWAIT_COUNT;
	return DIV_ROUND_UP(t->count - tally->waiting,
			    max(port->chan->nr_senders, 1u));
}

/* Another word each time, so that senders count anew. */
static void tell(const struct ipcchan_port *port, u32 more)
{
	u64 looks = ++port->threshold->looks;

	ipcchan_roster_threshold(port->chan, port->receiver_slot,
				 looks << 32 | more);
}

/*
 * ipcchan_threshold_arm() - the port is about to sleep
 *
 * Until it has been looked at, every message counts.
 */
void ipcchan_threshold_arm(const struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	tell(port, 1);
}

/*
 * ipcchan_threshold_due() - is there as much to receive as the port waits for?
 *
 * If not, and if it sleeps, the senders are told what is missing. What this
 * does not count was published by who sees what they are told, by D; if more
 * came meanwhile than was counted at first, the next one is to ask again.
 */
bool ipcchan_threshold_due(const struct ipcchan_port *port)
{
	struct tally before, after;

	lockdep_assert_held(&port->chan->lock);
	count(port, &before);
	if (reached(port, &before))
		return true;
	if (!(port->armed & IPCCHAN_WAIT_RECEIVE))
		return false;
	tell(port, share(port, &before));
	smp_mb();	/* D, pairs with C */
	count(port, &after);
	if (reached(port, &after))
		return true;
	if (after.waiting <= before.waiting)
		return false;
	tell(port, 1);
	smp_mb();	/* D, pairs with C */
	count(port, &after);
	return reached(port, &after);
}

/*
 * ipcchan_threshold_press() - that slot's sender lacks room: wait no longer for
 * more, if there is something of it
 */
bool ipcchan_threshold_press(const struct ipcchan_port *port, u32 slot)
{
	lockdep_assert_held(&port->chan->lock);
	if (!ipcchan_ring_readable(port->chan, port->receipts, slot))
		return false;
	set_clock(port, 1);
	return true;
}
