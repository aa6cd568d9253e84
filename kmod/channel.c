// SPDX-License-Identifier: GPL-2.0
/* Channels: creation, deletion, lifetime. */
#include <linux/cred.h>
#include <linux/log2.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "channel.h"
#include "names.h"
#include "port.h"
#include "rights.h"
#include "roster.h"

/* Sequences of a new channel begin here; a test begins near the end. */
static unsigned long long first_sequence = 65536;
module_param(first_sequence, ullong, 0600);
MODULE_PARM_DESC(first_sequence, "count at which a new channel's sequences begin");

/* Zeros become the defaults. */
static int set_geometry(struct ipcchan_geometry *g, struct ipcchan_why *why)
{
	g->depth = g->depth ?: IPCCHAN_DEFAULT_DEPTH;
	g->senders = g->senders ?: IPCCHAN_DEFAULT_SLOTS;
	g->receivers = g->receivers ?: IPCCHAN_DEFAULT_SLOTS;
	g->holds = g->holds ?: IPCCHAN_DEFAULT_HOLDS;
	g->arena = g->arena ?: IPCCHAN_DEFAULT_ARENA;

	if (!is_power_of_2(g->depth) || g->depth > IPCCHAN_MAX_DEPTH)
		return ipcchan_refuse(why, -EINVAL,
				      "depth is not a power of two from 1 to 65536");
	if (g->senders > IPCCHAN_MAX_SLOTS)
		return ipcchan_refuse(why, -EINVAL, "more than 64 senders");
	if (g->receivers > IPCCHAN_MAX_SLOTS)
		return ipcchan_refuse(why, -EINVAL, "more than 64 receivers");
	if (g->holds > IPCCHAN_MAX_HOLDS)
		return ipcchan_refuse(why, -EINVAL, "more than 1024 holds");
	if (g->arena < IPCCHAN_MIN_ARENA || g->arena > IPCCHAN_MAX_ARENA)
		return ipcchan_refuse(why, -EINVAL,
				      "the arena is not from 4096 bytes to 1 GiB");
	g->arena = ipcchan_round_up(g->arena, PAGE_SIZE);
	g->max_message = g->max_message ?: g->arena;
	if (g->max_message > g->arena)
		return ipcchan_refuse(why, -EINVAL,
				      "max-message is larger than the arena");
	return 0;
}

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

static int check_later(const struct ipcchan_create *args,
		       struct ipcchan_why *why)
{
	if (args->type == IPCCHAN_TYPE_QUEUE ||
	    args->type == IPCCHAN_TYPE_SERVICE)
		return ipcchan_refuse(why, -EOPNOTSUPP,
				      "only channels of type topic are supported yet");
	if (args->overflow == IPCCHAN_OVERFLOW_DROP_OLDEST)
		return ipcchan_refuse(why, -EOPNOTSUPP,
				      "only overflow block is supported yet");
	if (args->history)
		return ipcchan_refuse(why, -EOPNOTSUPP,
				      "history is not supported yet");
	if (args->stall_ns)
		return ipcchan_refuse(why, -EOPNOTSUPP,
				      "stall is not supported yet");
	if (args->label[0])
		return ipcchan_refuse(why, -EOPNOTSUPP,
				      "type labels are not supported yet");
	return 0;
}

static int check(const struct ipcchan_create *args, struct ipcchan_why *why)
{
	if (args->flags & ~IPCCHAN_CREATE_PERSISTENT)
		return ipcchan_refuse(why, -EINVAL, "unknown flags");
	if (args->type < IPCCHAN_TYPE_TOPIC ||
	    args->type > IPCCHAN_TYPE_SERVICE)
		return ipcchan_refuse(why, -EINVAL, "unknown type of channel");
	if (args->overflow > IPCCHAN_OVERFLOW_DROP_OLDEST)
		return ipcchan_refuse(why, -EINVAL, "unknown overflow policy");
	if (args->mode & ~0666)
		return ipcchan_refuse(why, -EINVAL,
				      "mode has bits other than r (4) and w (2)");
	if (args->reserved)
		return ipcchan_refuse(why, -EINVAL, "reserved is not zero");
	return check_name(args->name, why) ?: check_later(args, why);
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
	ipcchan_region_put(chan->roster);
	ipcchan_account_put(chan->account);
	kfree(chan->receivers);
	kfree(chan->senders);
	kfree(chan);
	return NULL;
}

/* All that can fail; nobody sees the channel yet. */
static int build(struct ipcchan_channel *chan, const struct ipcchan_create *args,
		 struct ipcchan_why *why)
{
	int err;

	strscpy(chan->name, args->name, sizeof(chan->name));
	chan->type = args->type;
	chan->overflow = args->overflow;
	chan->flags = args->flags;
	chan->mode = args->mode;
	chan->geometry = args->geometry;

	err = set_geometry(&chan->geometry, why) ?: set_owner(chan, args, why);
	if (err)
		return err;
	ipcchan_layout(&chan->layout, &chan->geometry, PAGE_SIZE);
	chan->account = ipcchan_account_get();
	if (!chan->account || alloc_slots(chan))
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
	return 0;
}

/*
 * ipcchan_channel_create() - make a channel and its name
 *
 * Errors as at struct ipcchan_create; the reason in @why.
 */
int ipcchan_channel_create(struct ipcchan_net *in,
			   const struct ipcchan_create *args,
			   struct ipcchan_why *why)
{
	struct ipcchan_channel *chan;
	int err;

	err = check(args, why) ?: ipcchan_rights_name(in, args->name, why);
	if (err)
		return err;
	chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);
	if (!chan)
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the channel");
	kref_init(&chan->ref);
	mutex_init(&chan->mutex);
	spin_lock_init(&chan->lock);
	INIT_LIST_HEAD(&chan->ports);
	chan->net = in;

	err = build(chan, args, why);
	if (err)
		goto destroy;
	err = ipcchan_charge(chan->account, &in->usage, IPCCHAN_CHANNELS, 1, why);
	if (err)
		goto destroy;
	err = ipcchan_names_add(chan, why);
	if (err)
		goto uncharge;
	ipcchan_channel_put(chan);
	return 0;

uncharge:
	ipcchan_uncharge(chan->account, &in->usage, IPCCHAN_CHANNELS, 1);
destroy:
	destroy(chan);
	return err;
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

/*
 * ipcchan_channel_retire() - a channel without ports ends
 *
 * The name is free again at once. With the mutex held, on an ACTIVE channel.
 */
void ipcchan_channel_retire(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->mutex);
	chan->state = IPCCHAN_CHANNEL_GONE;
	ipcchan_uncharge(chan->account, &chan->net->usage, IPCCHAN_CHANNELS, 1);
	ipcchan_names_remove(chan);
}

/*
 * ipcchan_channel_delete() - end a channel whoever is attached
 *
 * The caller has a reference and has checked the right.
 */
void ipcchan_channel_delete(struct ipcchan_channel *chan)
{
	mutex_lock(&chan->mutex);
	if (chan->state == IPCCHAN_CHANNEL_ACTIVE) {
		ipcchan_port_detach_all_locked(chan);
		ipcchan_channel_retire(chan);
	}
	mutex_unlock(&chan->mutex);
}

/* By a name from outside: checked, then looked up, with a reference. */
struct ipcchan_channel *ipcchan_channel_find(struct ipcchan_net *in,
					     const char *name,
					     struct ipcchan_why *why)
{
	int err = check_name(name, why);

	return err ? ERR_PTR(err) : ipcchan_names_find(in, name, why);
}
