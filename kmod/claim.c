// SPDX-License-Identifier: GPL-2.0
/* CLAIM: verdicts, claims, sleeping. Letters: Documentation/queue.md */
#include <asm/barrier.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "bundle.h"
#include "claim.h"
#include "lease.h"
#include "look.h"
#include "queue.h"
#include "roster.h"
#include "wait.h"

#define DELAY_MOST	(24 * 3600ull * NSEC_PER_SEC)

static struct ipcchan_holding *take_holding(struct ipcchan_claimer *c, u64 seq)
{
	struct ipcchan_holding *h = &c->holding[c->free];

	c->free = h->next;
	c->nr_free--;
	h->seq = seq;
	return h;
}

/* All its claims were used: what it waits for may be there. */
static void can_claim_again(struct ipcchan_port *port)
{
	if (port->armed & IPCCHAN_WAIT_RECEIVE &&
	    ipcchan_queue_claimable(port->chan))
		ipcchan_wake_port(port, IPCCHAN_WAIT_RECEIVE);
}

/* The claim ends; what it was on is the caller's business. */
static void free_holding(struct ipcchan_claimer *c, struct ipcchan_holding *h)
{
	if (!list_empty(&h->lease))
		list_del_init(&h->lease);
	h->seq = 0;
	h->next = c->free;
	c->free = h - c->holding;
	if (!c->nr_free++)
		can_claim_again(c->port);
}

static bool is_current(const struct ipcchan_item *item,
		       const struct ipcchan_holding *h)
{
	return item && item->claim == h;
}

/* Is it the claim that the verdict is on? */
static bool is_meant(const struct ipcchan_holding *h,
		     const struct ipcchan_verdict *v)
{
	return h->seq == v->sequence &&
	       (!v->deliveries || h->deliveries == v->deliveries);
}

/* A claim of this port's that is stale. */
static struct ipcchan_holding *find_stale(struct ipcchan_claimer *c,
					  const struct ipcchan_item *item,
					  const struct ipcchan_verdict *v)
{
	u32 n = c->port->chan->geometry.holds;
	u32 i;

	for (i = 0; i < n; i++)
		if (is_meant(&c->holding[i], v) &&
		    !is_current(item, &c->holding[i]))
			return &c->holding[i];
	return NULL;
}

/* It is not this port's, or not any more: -ENOENT, or -ESTALE and it ends. */
static int not_current(struct ipcchan_claimer *c, struct ipcchan_item *item,
		       const struct ipcchan_verdict *v)
{
	struct ipcchan_holding *h = NULL;

	if (v->sequence && (!item || c->nr_stale))
		h = find_stale(c, item, v);
	if (!h)
		return -ENOENT;
	c->nr_stale -= !!item;
	free_holding(c, h);
	if (item)
		ipcchan_queue_let_go(c->port->chan, item);
	return -ESTALE;
}

static void decide(struct ipcchan_channel *chan, struct ipcchan_item *item,
		   const struct ipcchan_verdict *v)
{
	if (v->kind == IPCCHAN_REFUSE) {
		ipcchan_queue_return(chan, item, v->delay_ns);
	} else if (v->kind == IPCCHAN_DISCARD) {
		ipcchan_queue_drop(chan, item);
	} else {
		chan->queue->acknowledged++;
		ipcchan_queue_done(chan, item);
	}
}

static int judge(struct ipcchan_claimer *c, const struct ipcchan_verdict *v)
{
	struct ipcchan_channel *chan = c->port->chan;
	struct ipcchan_holding *h;
	struct ipcchan_item *item;

	if (ipcchan_seq_slot(v->sequence) >= chan->geometry.senders)
		return -ENOENT;
	item = ipcchan_queue_find(chan, v->sequence);
	h = item ? item->claim : NULL;
	if (!h || h->port != c->port || !is_meant(h, v))
		return not_current(c, item, v);
	decide(chan, item, v);
	free_holding(c, h);
	ipcchan_queue_let_go(chan, item);
	return 0;
}

/* The port may be GONE afterwards, if any failed. */
static void judge_all(struct ipcchan_claimer *c, struct ipcchan_claim *args)
{
	u32 i;

	for (i = 0; i < args->nr_verdicts; i++) {
		c->verdicts[i].result = judge(c, &c->verdicts[i]);
		if (likely(!c->verdicts[i].result))
			continue;
		args->nr_failed++;
		/* it may have been searched for */
		ipcchan_queue_pause(c->port->chan);
	}
}

static void claim_one(struct ipcchan_claimer *c, struct ipcchan_item *item)
{
	struct ipcchan_channel *chan = c->port->chan;
	struct ipcchan_holding *h = take_holding(c, item->seq);

	item->claim = h;
	h->deliveries = item->deliveries;
	if (chan->queue->lease_ns)
		ipcchan_lease_begin(chan, h);
	c->claimed_by[c->nr_claimed] = h - c->holding;
	c->claimed[c->nr_claimed++] = (struct ipcchan_claimed){
		.sequence = item->seq,
		.slot = ipcchan_seq_slot(item->seq),
		.deliveries = item->deliveries,
		.flags = item->deliveries > 1 ? IPCCHAN_CLAIM_REDELIVERED : 0,
	};
}

/*
 * All that is there is taken in before any is chosen. A ring that fills as fast
 * as it is emptied does not keep the caller here for ever.
 */
static void take_in(struct ipcchan_channel *chan)
{
	const struct ipcchan_geometry *g = &chan->geometry;
	u32 n = 0;

	ipcchan_lease_run(chan);
	while (ipcchan_queue_take_in(chan) && n++ <= g->depth * g->senders / 64)
		ipcchan_queue_pause(chan);
}

static int check_state(const struct ipcchan_port *port)
{
	if (likely(port->state == IPCCHAN_PORT_ACTIVE))
		return 0;
	return port->state == IPCCHAN_PORT_GONE ? -ESHUTDOWN : -EINVAL;
}

/* Claims what it can; the port may be GONE afterwards, when the lock was dropped. */
static int claim_some(struct ipcchan_claimer *c, u32 want)
{
	struct ipcchan_channel *chan = c->port->chan;
	struct ipcchan_item *item;
	int err;

	if (!c->nr_free)
		return -ENOBUFS;
	take_in(chan);
	err = check_state(c->port);
	while (!err && c->nr_claimed < want && c->nr_free) {
		item = ipcchan_queue_claim(chan);
		if (!item)
			break;
		claim_one(c, item);
	}
	return err;
}

static void come_back(struct ipcchan_claimer *c)
{
	c->port->chan->queue->nr_woken -= c->woken;
	c->woken = false;
}

/* In the list, then armed, then looked again. */
static void go_to_sleep(struct ipcchan_claimer *c)
{
	struct ipcchan_channel *chan = c->port->chan;

	if (list_empty(&c->sleeping))
		list_add_tail(&c->sleeping, &chan->queue->sleepers);
	c->port->armed |= IPCCHAN_ARMED_CLAIM;
	ipcchan_roster_sleeping(c->port);
	smp_mb();	/* D, pairs with C */
}

static void get_up(struct ipcchan_claimer *c)
{
	come_back(c);
	if (!list_empty(&c->sleeping))
		list_del_init(&c->sleeping);
	if (!(c->port->armed & IPCCHAN_ARMED_CLAIM))
		return;
	c->port->armed &= ~IPCCHAN_ARMED_CLAIM;
	ipcchan_roster_sleeping(c->port);
}

/* Claims, or is about to sleep: 0; or why neither. @last: it is not to sleep. */
static int claim_or_arm(struct ipcchan_claimer *c, u32 want, bool last)
{
	int err = check_state(c->port) ?: claim_some(c, want);

	if (err || c->nr_claimed || last)
		return err;
	/* with the channel all go, one after the other */
	if (ipcchan_look_no_senders(c->port))
		return c->port->chan->ended ? -ESHUTDOWN : -EPIPE;
	go_to_sleep(c);
	return claim_some(c, want);
}

static int wait_for_some(struct ipcchan_claimer *c,
			 const struct ipcchan_claim *args)
{
	struct ipcchan_port *port = c->port;
	struct ipcchan_channel *chan = port->chan;
	DEFINE_WAIT(entry);
	int err = 0, ret;

	for (;;) {
		prepare_to_wait(&port->wq, &entry, TASK_INTERRUPTIBLE);
		spin_lock(&chan->lock);
		come_back(c);
		ret = claim_or_arm(c, args->nr_claims, err);
		if (ret || err || c->nr_claimed)
			get_up(c);
		ipcchan_queue_settle(chan);
		spin_unlock(&chan->lock);
		if (ret || err || c->nr_claimed)
			break;
		/* after a time-out or a signal it looks once more */
		err = ipcchan_doze(args->deadline_ns);
	}
	finish_wait(&port->wq, &entry);
	if (c->nr_claimed)
		return 0;
	return ret ?: err;
}

/* What everybody does: a sender that drains may have become empty. */
static void reap(struct ipcchan_channel *chan)
{
	ipcchan_bundle_sweep(chan);
	if (likely(!READ_ONCE(chan->queue->reap)))
		return;
	spin_lock(&chan->lock);
	chan->queue->reap = false;
	spin_unlock(&chan->lock);
	ipcchan_port_reap(chan);
}

/* The verdicts, and what there is to claim. */
static int act(struct ipcchan_claimer *c, struct ipcchan_claim *args)
{
	struct ipcchan_channel *chan = c->port->chan;
	int err;

	spin_lock(&chan->lock);
	err = check_state(c->port);
	if (!err) {
		judge_all(c, args);
		if (args->nr_failed)
			err = check_state(c->port);
		if (!err && args->nr_claims)
			err = claim_some(c, args->nr_claims);
		ipcchan_queue_settle(chan);
	}
	spin_unlock(&chan->lock);
	return err;
}

static bool verdict_valid(const struct ipcchan_verdict *v)
{
	return v->kind <= IPCCHAN_DISCARD && !v->result && !v->reserved &&
	       (v->kind == IPCCHAN_REFUSE ? v->delay_ns <= DELAY_MOST :
					    !v->delay_ns);
}

/*
 * Copies them in, each word once. By words, for a copy of any length is checked
 * at some cost against where in the kernel it goes to.
 */
static int copy_verdicts(struct ipcchan_claimer *c,
			 const struct ipcchan_verdict __user *from, u32 n)
{
	struct ipcchan_verdict *v = c->verdicts;
	u32 i;

	if (!n)
		return 0;
	if (!user_read_access_begin(from, n * sizeof(*from)))
		return -EFAULT;
	for (i = 0; i < n; i++) {
		unsafe_get_user(v[i].sequence, &from[i].sequence, fault);
		unsafe_get_user(v[i].delay_ns, &from[i].delay_ns, fault);
		unsafe_get_user(v[i].kind, &from[i].kind, fault);
		unsafe_get_user(v[i].result, &from[i].result, fault);
		unsafe_get_user(v[i].deliveries, &from[i].deliveries, fault);
		unsafe_get_user(v[i].reserved, &from[i].reserved, fault);
	}
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static int read_verdicts(struct ipcchan_claimer *c,
			 const struct ipcchan_claim *args)
{
	u32 i;

	if (args->flags || args->nr_claimed || args->nr_failed ||
	    args->nr_verdicts > IPCCHAN_CLAIM_MOST ||
	    args->nr_claims > IPCCHAN_CLAIM_MOST)
		return -EINVAL;
	if (copy_verdicts(c, u64_to_user_ptr(args->verdicts), args->nr_verdicts))
		return -EFAULT;
	for (i = 0; i < args->nr_verdicts; i++)
		if (!verdict_valid(&c->verdicts[i]))
			return -EINVAL;
	return 0;
}

/* By words, as above. */
static int write_claims(const struct ipcchan_claimer *c,
			struct ipcchan_claimed __user *to)
{
	const struct ipcchan_claimed *from = c->claimed;
	u32 i;

	if (!c->nr_claimed)
		return 0;
	if (!user_write_access_begin(to, c->nr_claimed * sizeof(*to)))
		return -EFAULT;
	for (i = 0; i < c->nr_claimed; i++) {
		unsafe_put_user(from[i].sequence, &to[i].sequence, fault);
		unsafe_put_user(from[i].slot, &to[i].slot, fault);
		unsafe_put_user(from[i].deliveries, &to[i].deliveries, fault);
		unsafe_put_user(from[i].flags, &to[i].flags, fault);
		unsafe_put_user(from[i].reserved, &to[i].reserved, fault);
	}
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

static int write_results(const struct ipcchan_claimer *c,
			 const struct ipcchan_claim *args)
{
	struct ipcchan_verdict __user *to = u64_to_user_ptr(args->verdicts);
	u32 i;

	for (i = 0; i < args->nr_verdicts && args->nr_failed; i++)
		if (c->verdicts[i].result &&
		    put_user(c->verdicts[i].result, &to[i].result))
			return -EFAULT;
	return 0;
}

/* The caller does not know what it has got: it goes back, the newest first. */
static void give_back(struct ipcchan_claimer *c)
{
	struct ipcchan_channel *chan = c->port->chan;

	spin_lock(&chan->lock);
	while (c->nr_claimed) {
		u32 i = --c->nr_claimed;
		struct ipcchan_holding *h = &c->holding[c->claimed_by[i]];
		struct ipcchan_item *item;

		if (h->seq != c->claimed[i].sequence)
			continue;	/* the port has left, and has given it back */
		item = ipcchan_queue_find(chan, h->seq);
		if (is_current(item, h))
			ipcchan_queue_unclaim(chan, item);
		else if (item)
			c->nr_stale--;
		free_holding(c, h);
		if (item)
			ipcchan_queue_let_go(chan, item);
	}
	ipcchan_queue_settle(chan);
	spin_unlock(&chan->lock);
}

static int claim(struct ipcchan_claimer *c, struct ipcchan_claim *args)
{
	int err = act(c, args);

	if (!err && args->nr_claims && !c->nr_claimed)
		err = wait_for_some(c, args);
	/* not again what has been done */
	if (err == -ERESTARTSYS && args->nr_verdicts)
		err = -EINTR;
	return err;
}

/* What is claimed, and what came of the verdicts, goes out; or all is given back. */
static int give(struct ipcchan_claimer *c, const struct ipcchan_claim *args,
		struct ipcchan_claim __user *user)
{
	if (put_user(c->nr_claimed, &user->nr_claimed) ||
	    put_user(args->nr_failed, &user->nr_failed) ||
	    write_results(c, args) ||
	    write_claims(c, u64_to_user_ptr(args->claims))) {
		give_back(c);
		return -EFAULT;
	}
	return 0;
}

/*
 * ipcchan_claim() - verdicts on what was claimed, and claims
 * @user:	where the argument came from: what is out goes there
 *
 * Errors as at struct ipcchan_claim. May sleep.
 */
int ipcchan_claim(struct ipcchan_port *port, struct ipcchan_claim *args,
		  struct ipcchan_claim __user *user)
{
	struct ipcchan_claimer *c = port->claimer;
	int err;

	if (!port->chan->queue)
		return -EOPNOTSUPP;
	if (!c)
		return -EINVAL;
	if (atomic_cmpxchg(&c->busy, 0, 1))
		return -EBUSY;
	c->nr_claimed = 0;
	err = read_verdicts(c, args);
	if (!err) {
		err = claim(c, args);
		if (!err || args->nr_failed)
			err = give(c, args, user) ?: err;
		reap(port->chan);
	}
	atomic_set_release(&c->busy, 0);
	return err;
}

/*
 * ipcchan_claim_has() - has the port claimed that message, and not for too long?
 *
 * -ESTALE: it had; -ENOENT.
 */
int ipcchan_claim_has(struct ipcchan_port *port, u64 seq)
{
	struct ipcchan_channel *chan = port->chan;
	const struct ipcchan_verdict v = { .sequence = seq };
	struct ipcchan_holding *h;
	struct ipcchan_item *item;

	lockdep_assert_held(&chan->lock);
	if (!seq || ipcchan_seq_slot(seq) >= chan->geometry.senders)
		return -ENOENT;
	item = ipcchan_queue_find(chan, seq);
	h = item ? item->claim : NULL;
	if (!h || h->port != port)
		return find_stale(port->claimer, item, &v) ? -ESTALE : -ENOENT;
	if (!list_empty(&h->lease) && h->expires_ns <= ktime_get_ns())
		return -ESTALE;
	return 0;
}

/* Its lease is over: another gets it, and the memory stays. */
void ipcchan_claim_expire(struct ipcchan_channel *chan,
			  struct ipcchan_holding *h)
{
	struct ipcchan_item *item = ipcchan_queue_find(chan, h->seq);

	lockdep_assert_held(&chan->lock);
	list_del_init(&h->lease);
	if (!is_current(item, h))
		return;
	h->port->claimer->nr_stale++;
	ipcchan_queue_return(chan, item, 0);
}

/* The port leaves, under the lock: nobody wakes it any more. */
void ipcchan_claimer_leave(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->lock);
	get_up(port->claimer);
}

static void give_up(struct ipcchan_claimer *c, struct ipcchan_holding *h)
{
	struct ipcchan_channel *chan = c->port->chan;
	struct ipcchan_item *item;

	if (!h->seq)
		return;
	item = ipcchan_queue_find(chan, h->seq);
	if (is_current(item, h))
		ipcchan_queue_return(chan, item, 0);
	free_holding(c, h);
	if (item)
		ipcchan_queue_let_go(chan, item);
}

/*
 * ipcchan_claimer_return() - the port is GONE: what it had claimed goes to others
 *
 * With the mutex, without the lock.
 */
void ipcchan_claimer_return(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	spin_lock(&chan->lock);
	for (i = 0; i < chan->geometry.holds; i++) {
		give_up(port->claimer, &port->claimer->holding[i]);
		if (i % 64 == 63) {
			ipcchan_queue_settle(chan);
			ipcchan_queue_pause(chan);
		}
	}
	ipcchan_queue_settle(chan);
	spin_unlock(&chan->lock);
}
