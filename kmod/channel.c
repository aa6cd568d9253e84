// SPDX-License-Identifier: GPL-2.0
/* Channels: creation, deletion, lifetime. */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "channel.h"
#include "connection.h"
#include "dead.h"
#include "geometry.h"
#include "lease.h"
#include "names.h"
#include "port.h"
#include "queue.h"
#include "rights.h"
#include "roster.h"
#include "service.h"
#include "slot.h"
#include "stall.h"

/* Sequences of a new channel begin here; a test begins near the end. */
static unsigned long long first_sequence = 65536;
module_param(first_sequence, ullong, 0600);
MODULE_PARM_DESC(first_sequence, "count at which a new channel's sequences begin");

#define STALL_LEAST	NSEC_PER_MSEC
#define STALL_MOST	(3600ull * NSEC_PER_SEC)
#define LEASE_LEAST	NSEC_PER_MSEC
#define LEASE_MOST	(24 * 3600ull * NSEC_PER_SEC)

static int check_name(const char *name, struct ipcchan_why *why)
{
	if (strnlen(name, IPCCHAN_NAME_SIZE) == IPCCHAN_NAME_SIZE)
		return ipcchan_refuse(why, -EINVAL,
				      "the name is longer than 63 bytes");
	if (!ipcchan_name_valid(name))
		return ipcchan_refuse(why, -EINVAL,
				      "a name is 1 to 63 letters, digits and ._:/-");
	return 0;
}

/*
 * ipcchan_channel_check_label() - is it one, or none?
 *
 * -EINVAL. The same for who creates and who attaches.
 */
int ipcchan_channel_check_label(const char *label, struct ipcchan_why *why)
{
	const char *p;

	if (strnlen(label, IPCCHAN_LABEL_SIZE) == IPCCHAN_LABEL_SIZE)
		return ipcchan_refuse(why, -EINVAL,
				      "the label is longer than 63 characters");
	for (p = label; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return ipcchan_refuse(why, -EINVAL,
					      "a label is printable ASCII");
	return 0;
}

static int check_stall(const struct ipcchan_create *args,
		       struct ipcchan_why *why)
{
	if (!args->stall_ns)
		return 0;
	if (args->overflow != IPCCHAN_OVERFLOW_BLOCK)
		return ipcchan_refuse(why, -EINVAL,
				      "stall is for overflow block: else no sender waits");
	if (args->stall_ns < STALL_LEAST || args->stall_ns > STALL_MOST)
		return ipcchan_refuse(why, -EINVAL,
				      "stall is not from a millisecond to an hour");
	return 0;
}

/* What is for queues alone. */
static int check_no_queue(const struct ipcchan_create *args,
			  struct ipcchan_why *why)
{
	if (args->lease_ns)
		return ipcchan_refuse(why, -EINVAL, "a lease is for queues");
	if (args->max_deliveries)
		return ipcchan_refuse(why, -EINVAL,
				      "max-deliveries is for queues");
	if (args->dead_letter[0])
		return ipcchan_refuse(why, -EINVAL,
				      "a dead-letter queue is for queues");
	return 0;
}

static int check_queue(const struct ipcchan_create *args,
		       struct ipcchan_why *why)
{
	if (args->overflow != IPCCHAN_OVERFLOW_BLOCK)
		return ipcchan_refuse(why, -EINVAL,
				      "a queue loses nothing: overflow is block");
	if (args->history)
		return ipcchan_refuse(why, -EINVAL, "a queue has no history");
	if (args->stall_ns)
		return ipcchan_refuse(why, -EINVAL,
				      "a queue has no stall, but a lease");
	if (args->lease_ns &&
	    (args->lease_ns < LEASE_LEAST || args->lease_ns > LEASE_MOST))
		return ipcchan_refuse(why, -EINVAL,
				      "lease is not from a millisecond to a day");
	if (strnlen(args->dead_letter, IPCCHAN_NAME_SIZE) == IPCCHAN_NAME_SIZE)
		return ipcchan_refuse(why, -EINVAL,
				      "the name of the dead-letter queue is longer than 63 bytes");
	if (args->dead_letter[0] && !args->max_deliveries)
		return ipcchan_refuse(why, -EINVAL,
				      "a dead-letter queue needs max-deliveries");
	return 0;
}

static int check_type(const struct ipcchan_create *args,
		      struct ipcchan_why *why)
{
	int err = 0;

	if (args->type == IPCCHAN_TYPE_QUEUE)
		return check_queue(args, why);
	if (args->type == IPCCHAN_TYPE_SERVICE)
		err = ipcchan_service_check(args, why);
	return err ?: check_no_queue(args, why);
}

static int check_unnamed(const struct ipcchan_create *args,
			 struct ipcchan_why *why)
{
	if (args->name[0])
		return ipcchan_refuse(why, -EINVAL,
				      "an unnamed channel has no name");
	if (args->flags & IPCCHAN_CREATE_PERSISTENT)
		return ipcchan_refuse(why, -EINVAL,
				      "an unnamed channel is not persistent");
	return 0;
}

static int check(const struct ipcchan_create *args, struct ipcchan_why *why)
{
	bool unnamed = args->flags & IPCCHAN_CREATE_UNNAMED;

	if (args->flags & ~(IPCCHAN_CREATE_PERSISTENT | IPCCHAN_CREATE_UNNAMED))
		return ipcchan_refuse(why, -EINVAL, "unknown flags");
	if (args->type < IPCCHAN_TYPE_TOPIC ||
	    args->type > IPCCHAN_TYPE_SERVICE)
		return ipcchan_refuse(why, -EINVAL, "unknown type of channel");
	if (args->overflow > IPCCHAN_OVERFLOW_DROP_OLDEST)
		return ipcchan_refuse(why, -EINVAL, "unknown overflow policy");
	if (args->mode & ~0666)
		return ipcchan_refuse(why, -EINVAL,
				      "mode has bits other than r (4) and w (2)");
	if (args->handle || args->reserved2)
		return ipcchan_refuse(why, -EINVAL, "reserved is not zero");
	return (unnamed ? check_unnamed(args, why) : check_name(args->name, why)) ?:
	       ipcchan_channel_check_label(args->label, why) ?:
	       check_type(args, why) ?:
	       check_stall(args, why);
}

/* Owner and group: the caller's own, or by privilege another's. */
static int set_owner(struct ipcchan_channel *chan,
		     const struct ipcchan_create *args, struct ipcchan_why *why)
{
	struct user_namespace *ns = current_user_ns();

	chan->uid = args->uid == IPCCHAN_ID_SELF ? current_fsuid() :
						   make_kuid(ns, args->uid);
	chan->gid = args->gid == IPCCHAN_ID_SELF ? current_fsgid() :
						   make_kgid(ns, args->gid);
	if (!uid_valid(chan->uid))
		return ipcchan_refuse(why, -EINVAL,
				      "the owner is no user of this user namespace");
	if (!gid_valid(chan->gid))
		return ipcchan_refuse(why, -EINVAL,
				      "the group is no group of this user namespace");
	if (!uid_eq(chan->uid, current_fsuid()) &&
	    !ipcchan_rights_admin(chan->net))
		return ipcchan_refuse(why, -EPERM,
				      "only CAP_NET_ADMIN gives a channel to another owner");
	if (!in_group_p(chan->gid) && !ipcchan_rights_admin(chan->net))
		return ipcchan_refuse(why, -EPERM,
				      "only CAP_NET_ADMIN gives a channel to a group it is not in");
	return 0;
}

static u64 first_base(u32 slot)
{
	return (u64)slot << IPCCHAN_SEQ_SLOT_SHIFT |
	       clamp_t(u64, READ_ONCE(first_sequence), 1, IPCCHAN_SEQ_COUNT);
}

static int alloc_slots(struct ipcchan_channel *chan)
{
	struct ipcchan_geometry *g = &chan->geometry;
	u32 i;

	chan->senders = kcalloc(g->senders, sizeof(*chan->senders),
				GFP_KERNEL_ACCOUNT);
	chan->receivers = kcalloc(g->receivers, sizeof(*chan->receivers),
				  GFP_KERNEL_ACCOUNT);
	if (!chan->senders || !chan->receivers)
		return -ENOMEM;
	for (i = 0; i < g->senders; i++)
		chan->senders[i].next_base = first_base(i);
	return 0;
}

static struct ipcchan_channel *destroy(struct ipcchan_channel *chan)
{
	if (!chan)
		return NULL;
	ipcchan_queue_free(chan);
	ipcchan_region_put(chan->roster);
	ipcchan_account_put(chan->account);
	ipcchan_connection_free(chan->connection);
	kfree(chan->service);
	kfree(chan->receivers);
	kfree(chan->senders);
	kfree(chan);
	return NULL;
}

/* What it is, from what was asked for. */
static int define(struct ipcchan_channel *chan, const struct ipcchan_create *args,
		  struct ipcchan_why *why)
{
	struct ipcchan_policy policy = {
		.overflow = args->overflow,
		.history = args->history,
	};
	int err;

	strscpy(chan->name, args->name, sizeof(chan->name));
	strscpy(chan->label, args->label, sizeof(chan->label));
	strscpy(chan->dead_letter, args->dead_letter, sizeof(chan->dead_letter));
	chan->type = args->type;
	chan->overflow = args->overflow;
	chan->history = args->history;
	chan->stall_ns = args->stall_ns;
	chan->flags = args->flags;
	chan->mode = args->mode;
	chan->geometry = args->geometry;
	if (chan->type == IPCCHAN_TYPE_SERVICE)
		ipcchan_service_size(&chan->geometry);

	err = ipcchan_geometry_settle(&chan->geometry, &policy, why) ?:
	      set_owner(chan, args, why);
	if (chan->type == IPCCHAN_TYPE_SERVICE)
		chan->geometry.senders = 0;
	if (!err)
		ipcchan_layout(&chan->layout, &chan->geometry, chan->type,
			       PAGE_SIZE);
	return err;
}

/* A connection is what its service says, for two. */
static void define_connection(struct ipcchan_channel *chan,
			      const struct ipcchan_channel *service)
{
	chan->type = IPCCHAN_TYPE_CONNECTION;
	chan->flags = IPCCHAN_CREATE_UNNAMED;
	chan->uid = service->uid;
	chan->gid = service->gid;
	strscpy(chan->label, service->label, sizeof(chan->label));
	chan->geometry = service->geometry;
	chan->geometry.senders = 2;
	chan->geometry.receivers = 2;
	ipcchan_layout(&chan->layout, &chan->geometry, chan->type, PAGE_SIZE);
	/* its client's port is made with it */
	chan->used = true;
}

static int alloc_service(struct ipcchan_channel *chan)
{
	if (chan->type != IPCCHAN_TYPE_SERVICE)
		return 0;
	chan->service = ipcchan_service_new();
	return chan->service ? 0 : -ENOMEM;
}

/* All else that can fail; nobody sees the channel yet. */
static int build(struct ipcchan_channel *chan, const struct ipcchan_create *args,
		 struct ipcchan_why *why)
{
	int err;

	chan->account = ipcchan_account_get();
	if (!chan->account || alloc_slots(chan) || alloc_service(chan))
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the channel");
	chan->roster = ipcchan_region_alloc(chan->layout.roster_size,
					    chan->account, &chan->net->usage, why);
	if (IS_ERR(chan->roster)) {
		err = PTR_ERR(chan->roster);
		chan->roster = NULL;
		return err;
	}
	ipcchan_roster_init(chan);
	if (chan->type != IPCCHAN_TYPE_QUEUE)
		return 0;
	return ipcchan_queue_alloc(chan, args, why);
}

/* Nothing yet but what every channel has. NULL: no memory. */
static struct ipcchan_channel *alloc(struct ipcchan_net *in,
				     struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);

	if (!chan) {
		ipcchan_refuse(why, -ENOMEM, "not enough memory for the channel");
		return NULL;
	}
	kref_init(&chan->ref);
	mutex_init(&chan->mutex);
	spin_lock_init(&chan->lock);
	INIT_LIST_HEAD(&chan->ports);
	INIT_LIST_HEAD(&chan->grants);
	ipcchan_stall_init(chan);
	chan->net = in;
	return chan;
}

/*
 * A channel that is defined becomes known; @args are NULL for a connection. Takes
 * it over, if that fails.
 */
static int add(struct ipcchan_channel *chan, const struct ipcchan_create *args,
	       struct ipcchan_why *why)
{
	struct ipcchan_usage *net = &chan->net->usage;
	int err;

	err = build(chan, args, why);
	if (err)
		goto destroy;
	err = ipcchan_charge(chan->account, net, IPCCHAN_CHANNELS, 1, why);
	if (err)
		goto destroy;
	if (chan->queue)
		err = ipcchan_dead_begin(chan, args, why);
	if (err)
		goto uncharge;
	err = ipcchan_names_add(chan, why);
	if (err)
		goto uncharge;
	return 0;

uncharge:
	ipcchan_uncharge(chan->account, net, IPCCHAN_CHANNELS, 1);
destroy:
	destroy(chan);
	return err;
}

/*
 * ipcchan_channel_create() - make a channel and its name, if it has one
 *
 * Errors as at struct ipcchan_create; the reason in @why. Returns the channel,
 * with a reference, or an ERR_PTR().
 */
struct ipcchan_channel *ipcchan_channel_create(struct ipcchan_net *in,
					       const struct ipcchan_create *args,
					       struct ipcchan_why *why)
{
	struct ipcchan_channel *chan;
	int err;

	err = check(args, why) ?: ipcchan_rights_name(in, args->name, why);
	if (err)
		return ERR_PTR(err);
	chan = alloc(in, why);
	if (!chan)
		return ERR_PTR(-ENOMEM);
	err = define(chan, args, why);
	if (err)
		destroy(chan);
	else
		err = add(chan, args, why);
	return err ? ERR_PTR(err) : chan;
}

/*
 * ipcchan_channel_connect() - make a connection to a service, without ports yet
 *
 * With a reference; or an ERR_PTR(): -EDQUOT, -ENOMEM.
 */
struct ipcchan_channel *
ipcchan_channel_connect(struct ipcchan_channel *service, struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = alloc(service->net, why);
	int err;

	if (!chan)
		return ERR_PTR(-ENOMEM);
	define_connection(chan, service);
	chan->connection = ipcchan_connection_new(chan, service);
	if (!chan->connection) {
		destroy(chan);
		return ERR_PTR(ipcchan_refuse(why, -ENOMEM,
					      "not enough memory for the channel"));
	}
	err = add(chan, NULL, why);
	return err ? ERR_PTR(err) : chan;
}

static void release(struct kref *ref)
{
	destroy(container_of(ref, struct ipcchan_channel, ref));
}

/* Give a reference back; may sleep; takes NULL and returns NULL. */
struct ipcchan_channel *ipcchan_channel_put(struct ipcchan_channel *chan)
{
	if (chan)
		kref_put(&chan->ref, release);
	return NULL;
}

/* An ACTIVE channel without ports ends: the name is free again at once. */
static void retire(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	chan->state = IPCCHAN_CHANNEL_GONE;
	ipcchan_stall_end(chan);
	if (chan->queue) {
		ipcchan_lease_end(chan);
		ipcchan_dead_end(chan);
	}
	ipcchan_uncharge(chan->account, &chan->net->usage, IPCCHAN_CHANNELS, 1);
	ipcchan_names_remove(chan);
	if (chan->service)
		ipcchan_service_end(chan);
	if (chan->connection)
		ipcchan_connection_end(chan);
}

/*
 * ipcchan_channel_left() - a port or a handle went: does the channel end?
 *
 * The caller has a reference.
 */
void ipcchan_channel_left(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	if (chan->state == IPCCHAN_CHANNEL_ACTIVE && chan->used &&
	    list_empty(&chan->ports) && list_empty(&chan->grants) &&
	    !(chan->flags & IPCCHAN_CREATE_PERSISTENT)) {
		ipcchan_slot_empty_all(chan);
		retire(chan);
	}
}

/*
 * ipcchan_channel_delete() - end a channel whoever is attached
 *
 * The caller has a reference and has checked the right.
 */
void ipcchan_channel_delete(struct ipcchan_channel *chan)
{
	mutex_lock(&chan->mutex);
	ipcchan_channel_delete_locked(chan);
	mutex_unlock(&chan->mutex);
}

void ipcchan_channel_delete_locked(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	if (chan->state != IPCCHAN_CHANNEL_ACTIVE)
		return;
	ipcchan_port_detach_all_locked(chan);
	retire(chan);
}

/* By a name from outside: checked, then looked up, with a reference. */
struct ipcchan_channel *ipcchan_channel_find(struct ipcchan_net *in,
					     const char *name,
					     struct ipcchan_why *why)
{
	int err = check_name(name, why);

	return err ? ERR_PTR(err) : ipcchan_names_find(in, name, why);
}
