// SPDX-License-Identifier: GPL-2.0
/* Listeners, the backlog, and who is counted. */
#include <linux/cred.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "connection.h"
#include "service.h"
#include "wait.h"

#define DEFAULT_DEPTH	32u
#define DEFAULT_ARENA	(64ull << 10)
#define DEFAULT_HOLDS	64u

/* A user who has connections to a service, in its table. */
struct ipcchan_user {
	struct hlist_node node;
	kuid_t uid;
	u32 connections;
};

/* What of @args does not go with a service: -EINVAL. */
int ipcchan_service_check(const struct ipcchan_create *args,
			  struct ipcchan_why *why)
{
	if (args->overflow != IPCCHAN_OVERFLOW_BLOCK)
		return ipcchan_refuse(why, -EINVAL,
				      "a service has overflow block");
	if (args->history)
		return ipcchan_refuse(why, -EINVAL, "a service has no history");
	if (args->stall_ns)
		return ipcchan_refuse(why, -EINVAL, "a service has no stall");
	if (args->geometry.senders)
		return ipcchan_refuse(why, -EINVAL,
				      "a service has listeners and connections, no senders");
	return 0;
}

/* What zeros stand for, before the geometry is settled: connections are many. */
void ipcchan_service_size(struct ipcchan_geometry *g)
{
	g->depth = g->depth ?: DEFAULT_DEPTH;
	g->holds = g->holds ?: DEFAULT_HOLDS;
	if (!g->arena && g->max_message <= IPCCHAN_MAX_ARENA)
		g->arena = max(DEFAULT_ARENA, g->max_message);
}

struct ipcchan_service *ipcchan_service_new(void)
{
	struct ipcchan_service *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	INIT_LIST_HEAD(&s->waiting);
	init_waitqueue_head(&s->callers);
	return s;
}

/* What of @args goes with no channel of that type. -EINVAL. */
int ipcchan_service_fits(const struct ipcchan_channel *chan,
			 const struct ipcchan_attach *args,
			 struct ipcchan_why *why)
{
	bool listens = chan->service && args->role & IPCCHAN_RECEIVE;

	if (!listens && (args->backlog || args->max_per_user))
		return ipcchan_refuse(why, -EINVAL,
				      "a backlog and a limit per user are for who listens at a service");
	if (!listens)
		return 0;
	if (args->role & IPCCHAN_SEND)
		return ipcchan_refuse(why, -EINVAL,
				      "a port of a service listens or connects, not both");
	if (args->wake_count || args->wake_delay_ns)
		return ipcchan_refuse(why, -EINVAL,
				      "a listener has no wake-up thresholds");
	if (args->backlog > IPCCHAN_MAX_BACKLOG)
		return ipcchan_refuse(why, -EINVAL,
				      "a backlog is at most 4096");
	return 0;
}

/* The newest listener's word counts. */
void ipcchan_service_configure(struct ipcchan_channel *chan,
			       const struct ipcchan_attach *args)
{
	struct ipcchan_service *s = chan->service;

	spin_lock(&chan->lock);
	s->backlog = args->backlog ?: IPCCHAN_DEFAULT_BACKLOG;
	s->max_per_user = args->max_per_user;
	spin_unlock(&chan->lock);
}

static u32 places(const struct ipcchan_channel *chan)
{
	const struct ipcchan_service *s = chan->service;

	lockdep_assert_held(&chan->lock);
	return s->backlog > s->nr_waiting ? s->backlog - s->nr_waiting : 0;
}

/*
 * There are places, or somebody who was woken for one has not taken it: wake as
 * many callers as may have one. If nothing waits nobody else will: then all.
 */
static void wake_callers(struct ipcchan_channel *chan)
{
	struct ipcchan_service *s = chan->service;
	u32 n = places(chan);

	lockdep_assert_held(&chan->lock);
	if (s->ended || (chan->nr_receivers && !s->nr_waiting))
		wake_up_all(&s->callers);
	else if (chan->nr_receivers && n)
		wake_up_nr(&s->callers, n);
}

/* Who had waited for a place has not taken it. */
void ipcchan_service_spare(struct ipcchan_channel *chan)
{
	spin_lock(&chan->lock);
	wake_callers(chan);
	spin_unlock(&chan->lock);
}

/* A listener has become ACTIVE. */
void ipcchan_service_listens(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->lock);
	wake_callers(chan);
}

void ipcchan_service_tell(struct ipcchan_channel *chan,
			  struct ipcchan_service_state *state)
{
	const struct ipcchan_service *s = chan->service;

	spin_lock(&chan->lock);
	*state = (struct ipcchan_service_state){
		.connections = s->nr_connections,
		.waiting = s->nr_waiting,
		.backlog = s->backlog,
		.max_per_user = s->max_per_user,
	};
	spin_unlock(&chan->lock);
}

/* Is there something to accept? */
bool ipcchan_service_waits(const struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->lock);
	return chan->service->nr_waiting;
}

/* Wake one listener that sleeps, each in its turn, if there is something for it. */
static void wake_listener(struct ipcchan_channel *chan)
{
	struct ipcchan_service *s = chan->service;
	u32 i;

	lockdep_assert_held(&chan->lock);
	for (i = 0; i < chan->geometry.receivers && s->nr_waiting; i++) {
		u32 slot = (s->turn + i) % chan->geometry.receivers;
		struct ipcchan_port *port = chan->receivers[slot].port;

		if (!port || !(port->armed & IPCCHAN_WAIT_RECEIVE))
			continue;
		s->turn = slot + 1;
		ipcchan_wake_receiver(port);
		return;
	}
}

/*
 * ipcchan_service_enqueue() - a connection is to be accepted
 * @again:	it was taken before, and is the next
 *
 * -ECONNREFUSED nobody listens; -EAGAIN the backlog is full.
 */
int ipcchan_service_enqueue(struct ipcchan_connection *c, bool again)
{
	struct ipcchan_channel *chan = c->service;
	struct ipcchan_service *s = chan->service;
	int err = 0;

	spin_lock(&chan->lock);
	if (s->ended || !chan->nr_receivers) {
		err = -ECONNREFUSED;
	} else if (!again && !places(chan)) {
		err = -EAGAIN;
	} else {
		if (again)
			list_add(&c->node, &s->waiting);
		else
			list_add_tail(&c->node, &s->waiting);
		s->nr_waiting++;
		c->state = IPCCHAN_CONNECTION_WAITING;
		wake_listener(chan);
	}
	spin_unlock(&chan->lock);
	return err;
}

static void take_off(struct ipcchan_connection *c)
{
	lockdep_assert_held(&c->service->lock);
	list_del_init(&c->node);
	c->service->service->nr_waiting--;
	c->state = IPCCHAN_CONNECTION_TAKEN;
}

/* It waits no more, if it did, and takes nobody's place. */
void ipcchan_service_dequeue(struct ipcchan_connection *c)
{
	struct ipcchan_channel *chan = c->service;

	spin_lock(&chan->lock);
	if (c->state == IPCCHAN_CONNECTION_WAITING) {
		take_off(c);
		wake_callers(chan);
	} else if (c->state == IPCCHAN_CONNECTION_NEW) {
		c->state = IPCCHAN_CONNECTION_TAKEN;
		wake_callers(chan);
	}
	spin_unlock(&chan->lock);
}

/* A listener was woken for what waits, and cannot take it: wake another. */
void ipcchan_service_pass(struct ipcchan_channel *chan)
{
	spin_lock(&chan->lock);
	wake_listener(chan);
	spin_unlock(&chan->lock);
}

/* The connection that has waited longest, with a reference, or NULL. */
struct ipcchan_channel *ipcchan_service_take(struct ipcchan_channel *chan)
{
	struct ipcchan_service *s = chan->service;
	struct ipcchan_channel *taken = NULL;
	struct ipcchan_connection *c;

	spin_lock(&chan->lock);
	if (s->nr_waiting) {
		c = list_entry(s->waiting.next, struct ipcchan_connection, node);
		/* its client's port cannot leave without this lock */
		taken = ipcchan_channel_ref(c->chan);
		take_off(c);
		wake_callers(chan);
		wake_listener(chan);
	}
	spin_unlock(&chan->lock);
	return taken;
}

static void refuse_all(struct ipcchan_channel *chan, enum ipcchan_reason reason)
{
	struct ipcchan_channel *taken;

	lockdep_assert_held(&chan->mutex);
	while ((taken = ipcchan_service_take(chan))) {
		ipcchan_connection_refuse(taken, reason);
		ipcchan_channel_put(taken);
		cond_resched();
	}
}

/* A listener has left. New connections cannot come while nobody listens. */
void ipcchan_service_left(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	if (!chan->nr_receivers)
		refuse_all(chan, IPCCHAN_REASON_REFUSED);
}

/* The service is GONE. */
void ipcchan_service_end(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	spin_lock(&chan->lock);
	chan->service->ended = true;
	wake_callers(chan);
	spin_unlock(&chan->lock);
	refuse_all(chan, IPCCHAN_REASON_DELETED);
}

/* Could a connection be made, and wait to be accepted? */
static int look_for_place(struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	int err = 0;

	spin_lock(&chan->lock);
	if (chan->service->ended)
		err = ipcchan_refuse(why, -ENOENT,
				     "there is no channel of that name");
	else if (!chan->nr_receivers)
		err = ipcchan_refuse(why, -ECONNREFUSED,
				     "nobody listens at the service");
	else if (!places(chan))
		err = ipcchan_refuse(why, -EAGAIN,
				     "as many connections wait to be accepted as the backlog has places");
	spin_unlock(&chan->lock);
	return err;
}

/*
 * ipcchan_service_await() - is there a listener, with a place in the backlog?
 *
 * With IPCCHAN_ATTACH_WAIT until there is. -ENOENT the service is GONE; or what
 * lacks: -ECONNREFUSED, -EAGAIN; -ETIMEDOUT, -ERESTARTSYS.
 */
int ipcchan_service_await(struct ipcchan_channel *chan,
			  const struct ipcchan_attach *args,
			  struct ipcchan_why *why)
{
	bool patient = args->flags & IPCCHAN_ATTACH_WAIT;
	DEFINE_WAIT(entry);
	int err, over = 0;

	for (;;) {
		prepare_to_wait_exclusive(&chan->service->callers, &entry,
					  TASK_INTERRUPTIBLE);
		err = look_for_place(chan, why);
		if (!err || err == -ENOENT || !patient || over)
			break;
		/* after a time-out or a signal it looks once more */
		over = ipcchan_doze(args->deadline_ns);
	}
	finish_wait(&chan->service->callers, &entry);
	return err && err != -ENOENT && over ? over : err;
}

static u32 hash(kuid_t uid)
{
	return __kuid_val(uid) % IPCCHAN_USER_HASHES;
}

static struct ipcchan_user *find_counted(struct ipcchan_service *s, kuid_t uid)
{
	struct ipcchan_user *user;

	hlist_for_each_entry(user, &s->users[hash(uid)], node)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/* With the service's lock; @fresh is taken over, if there is need for it. */
static int count(struct ipcchan_connection *c, struct ipcchan_user **fresh,
		 struct ipcchan_why *why)
{
	struct ipcchan_service *s = c->service->service;
	struct ipcchan_user *user = find_counted(s, c->client.uid);

	lockdep_assert_held(&c->service->lock);
	if (s->ended)
		return ipcchan_refuse(why, -ENOENT,
				      "there is no channel of that name");
	if (s->max_per_user && user && user->connections >= s->max_per_user)
		return ipcchan_refuse(why, -EDQUOT,
				      "the user has as many connections as the listener allows");
	if (!user) {
		user = *fresh;
		*fresh = NULL;
		user->uid = c->client.uid;
		hlist_add_head(&user->node, &s->users[hash(user->uid)]);
	}
	user->connections++;
	s->nr_connections++;
	c->user = user;
	return 0;
}

/* ipcchan_service_count() - one more, of its client's user. -EDQUOT, -ENOENT, -ENOMEM. */
int ipcchan_service_count(struct ipcchan_connection *c, struct ipcchan_why *why)
{
	struct ipcchan_user *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	int err;

	if (!fresh)
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the channel");
	spin_lock(&c->service->lock);
	err = count(c, &fresh, why);
	spin_unlock(&c->service->lock);
	kfree(fresh);
	return err;
}

/* It has ended. */
void ipcchan_service_uncount(struct ipcchan_connection *c)
{
	struct ipcchan_service *s = c->service->service;
	struct ipcchan_user *last = NULL;

	spin_lock(&c->service->lock);
	if (c->user) {
		s->nr_connections--;
		if (!--c->user->connections) {
			hlist_del(&c->user->node);
			last = c->user;
		}
		c->user = NULL;
	}
	spin_unlock(&c->service->lock);
	kfree(last);
}
