// SPDX-License-Identifier: GPL-2.0
/* Listeners, the backlog, and who is counted. */
#include <linux/cred.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "connection.h"
#include "grant.h"
#include "service.h"
#include "wait.h"

#define DEFAULT_DEPTH	32u
#define DEFAULT_ARENA	(64ull << 10)
#define DEFAULT_HOLDS	64u

/* Callers woken at a time: each wakes more, when it has come. */
#define WAKE_MOST	16u

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
	INIT_LIST_HEAD(&s->taken);
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

static u32 places(const struct ipcchan_channel *chan)
{
	const struct ipcchan_service *s = chan->service;

	lockdep_assert_held(&chan->lock);
	return s->backlog > s->nr_waiting ? s->backlog - s->nr_waiting : 0;
}

/*
 * There may be something for callers: wake some. Each that was woken, and does
 * not sleep again, wakes as many (ipcchan_service_spare), whether it will take a
 * place, or not yet, or never.
 */
static void wake_callers(struct ipcchan_channel *chan)
{
	struct ipcchan_service *s = chan->service;
	u32 n = s->ended ? WAKE_MOST : min(places(chan), WAKE_MOST);

	lockdep_assert_held(&chan->lock);
	if (n && (s->ended || chan->nr_receivers))
		wake_up_nr(&s->callers, n);
}

/* Who may have waited waits no more, and has taken nothing yet. */
void ipcchan_service_spare(struct ipcchan_channel *chan)
{
	spin_lock(&chan->lock);
	wake_callers(chan);
	spin_unlock(&chan->lock);
}

/* A listener has become ACTIVE: the newest one's word counts. */
void ipcchan_service_listens(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	struct ipcchan_service *s = chan->service;

	lockdep_assert_held(&chan->lock);
	s->backlog = port->backlog ?: IPCCHAN_DEFAULT_BACKLOG;
	s->max_per_user = port->max_per_user;
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

/*
 * If there is something for listeners wake, each in its turn, up to one that
 * sleeps in a call: it comes for certain. Who polls may be busy with something
 * else, or have stopped long ago, which nobody tells us: then it is disarmed.
 */
static void wake_listener(struct ipcchan_channel *chan)
{
	struct ipcchan_service *s = chan->service;
	u32 i, first = s->turn;

	lockdep_assert_held(&chan->lock);
	for (i = 0; i < chan->geometry.receivers && s->nr_waiting; i++) {
		u32 slot = (first + i) % chan->geometry.receivers;
		struct ipcchan_port *port = chan->receivers[slot].port;
		bool comes;

		if (!port || !(port->armed & IPCCHAN_WAIT_RECEIVE))
			continue;
		comes = ipcchan_sleeps_in_call(port);
		s->turn = slot + 1;
		ipcchan_wake_receiver(port);
		if (comes)
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
			list_move(&c->node, &s->waiting);
		else
			list_move_tail(&c->node, &s->waiting);
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
	c->service->service->nr_waiting--;
	c->state = IPCCHAN_CONNECTION_TAKEN;
}

/* It waits no more, if it did, and takes nobody's place. */
void ipcchan_service_dequeue(struct ipcchan_connection *c)
{
	struct ipcchan_channel *chan = c->service;

	spin_lock(&chan->lock);
	list_del_init(&c->node);
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

/*
 * ipcchan_service_take() - the connection that has waited longest
 * @listener:	whose it will be; NULL: it is refused
 *
 * With a reference. NULL: there is none, or the listener is GONE.
 */
struct ipcchan_channel *ipcchan_service_take(struct ipcchan_channel *chan,
					     const struct ipcchan_port *listener)
{
	struct ipcchan_service *s = chan->service;
	struct ipcchan_channel *taken = NULL;
	struct ipcchan_connection *c;

	spin_lock(&chan->lock);
	if (s->nr_waiting &&
	    (!listener || listener->state == IPCCHAN_PORT_ACTIVE)) {
		c = list_entry(s->waiting.next, struct ipcchan_connection, node);
		/* its client's port cannot leave without this lock */
		taken = ipcchan_channel_ref(c->chan);
		take_off(c);
		list_move_tail(&c->node, &s->taken);
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
	while ((taken = ipcchan_service_take(chan, NULL))) {
		ipcchan_connection_refuse(taken, reason);
		ipcchan_channel_put(taken);
		cond_resched();
	}
}

/* The next of what was taken, with a reference; it is not looked at again. */
static struct ipcchan_channel *next_taken(struct ipcchan_channel *chan,
					  struct list_head *look)
{
	struct ipcchan_channel *taken = NULL;
	struct ipcchan_connection *c;

	spin_lock(&chan->lock);
	if (!list_empty(look)) {
		c = list_first_entry(look, struct ipcchan_connection, node);
		list_move_tail(&c->node, &chan->service->taken);
		/* as above */
		taken = ipcchan_channel_ref(c->chan);
	}
	spin_unlock(&chan->lock);
	return taken;
}

/* With its listener a process ends that has taken some, and will not come any more. */
static void forsake_taken(struct ipcchan_channel *chan)
{
	struct ipcchan_channel *taken;
	LIST_HEAD(look);

	spin_lock(&chan->lock);
	list_splice_init(&chan->service->taken, &look);
	spin_unlock(&chan->lock);
	while ((taken = next_taken(chan, &look))) {
		ipcchan_connection_forsake(taken);
		ipcchan_channel_put(taken);
		cond_resched();
	}
}

/* A listener has left. New connections cannot come while nobody listens. */
void ipcchan_service_left(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	forsake_taken(chan);
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

/* Who sleeps in ATTACH. */
struct caller {
	struct wait_queue_entry entry;
	const struct ipcchan_grant *grant;	/* by which it would be let in; or NULL */
};

static bool is_revoked(const struct caller *caller)
{
	return caller->grant && READ_ONCE(caller->grant->revoked);
}

/* With a key only whose grant is revoked: it concerns nobody else. */
static int wake_caller(struct wait_queue_entry *entry, unsigned int mode,
		       int flags, void *key)
{
	if (key && !is_revoked(container_of(entry, struct caller, entry)))
		return 0;
	return autoremove_wake_function(entry, mode, flags, NULL);
}

/* ipcchan_service_revoked() - who sleeps by a grant that is good no more leaves */
void ipcchan_service_revoked(struct ipcchan_channel *chan)
{
	wait_queue_head_t *callers = &chan->service->callers;

	__wake_up(callers, TASK_NORMAL, 0, callers);
}

static int refuse_ended(const struct caller *caller, struct ipcchan_why *why)
{
	if (caller->grant)
		return ipcchan_refuse(why, -ESHUTDOWN, "the channel was deleted");
	return ipcchan_refuse(why, -ENOENT, "there is no channel of that name");
}

/* Could a connection be made, and wait to be accepted? */
static int look_for_place(struct ipcchan_channel *chan,
			  const struct caller *caller, struct ipcchan_why *why)
{
	int err = 0;

	spin_lock(&chan->lock);
	if (is_revoked(caller))
		err = ipcchan_refuse(why, -EKEYREVOKED, "the handle was revoked");
	else if (chan->service->ended)
		err = refuse_ended(caller, why);
	else if (!chan->nr_receivers)
		err = ipcchan_refuse(why, -ECONNREFUSED,
				     "nobody listens at the service");
	else if (!places(chan))
		err = ipcchan_refuse(why, -EAGAIN,
				     "as many connections wait to be accepted as the backlog has places");
	spin_unlock(&chan->lock);
	return err;
}

/* Is it what may yet come? */
static bool lacks(int err)
{
	return err == -ECONNREFUSED || err == -EAGAIN;
}

/*
 * ipcchan_service_await() - is there a listener, with a place in the backlog?
 *
 * With IPCCHAN_ATTACH_WAIT until there is. -ENOENT, or by a handle -ESHUTDOWN,
 * the service is GONE; -EKEYREVOKED; or what lacks: -ECONNREFUSED, -EAGAIN;
 * -ETIMEDOUT, -ERESTARTSYS.
 */
int ipcchan_service_await(const struct ipcchan_access *access,
			  const struct ipcchan_attach *args,
			  struct ipcchan_why *why)
{
	wait_queue_head_t *callers = &access->chan->service->callers;
	bool patient = args->flags & IPCCHAN_ATTACH_WAIT;
	struct caller caller = { .grant = access->grant };
	int err, over = 0;

	init_wait(&caller.entry);
	caller.entry.func = wake_caller;
	for (;;) {
		prepare_to_wait_exclusive(callers, &caller.entry,
					  TASK_INTERRUPTIBLE);
		err = look_for_place(access->chan, &caller, why);
		if (!lacks(err) || !patient || over)
			break;
		/* after a time-out or a signal it looks once more */
		over = ipcchan_doze(args->deadline_ns);
	}
	finish_wait(callers, &caller.entry);
	return lacks(err) && over ? over : err;
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
