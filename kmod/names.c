// SPDX-License-Identifier: GPL-2.0
/* Names of channels in network namespaces. */
#include <linux/ctype.h>
#include <linux/hash.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/stringhash.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "channel.h"
#include "dead.h"
#include "names.h"
#include "stall.h"
#include "wait.h"

static unsigned int net_id __read_mostly;

struct ipcchan_net *ipcchan_net(struct net *net)
{
	return net_generic(net, net_id);
}

static u32 hash(const struct ipcchan_net *in, const char *name)
{
	return full_name_hash(in, name, strlen(name));
}

static wait_queue_head_t *callers_of(struct ipcchan_net *in, const char *name)
{
	return &in->callers[hash_32(hash(in, name), IPCCHAN_CALLER_BITS)];
}

/* Letters, digits and ._:/- ; not empty. The caller has checked the length. */
bool ipcchan_name_valid(const char *name)
{
	const char *p;

	for (p = name; *p; p++)
		if (!isascii(*p) || (!isalnum(*p) && !strchr("._:/-", *p)))
			return false;
	return p != name;
}

static struct ipcchan_channel *find_locked(struct ipcchan_net *in,
					   const char *name)
{
	struct ipcchan_channel *chan;

	lockdep_assert_held(&in->lock);
	hash_for_each_possible(in->names, chan, node, hash(in, name)) {
		if (!strcmp(chan->name, name))
			return chan;
	}
	return NULL;
}

/* Would it be taken now? -EEXIST. */
int ipcchan_names_check(struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	bool taken;

	mutex_lock(&chan->net->lock);
	taken = chan->name[0] && find_locked(chan->net, chan->name);
	mutex_unlock(&chan->net->lock);
	return taken ? ipcchan_refuse(why, -EEXIST, "the name is taken") : 0;
}

/* Make @chan known; the table takes a reference. -EEXIST, -ENOMEM. */
int ipcchan_names_add(struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	struct ipcchan_net *in = chan->net;
	int id, err = 0;

	mutex_lock(&in->lock);
	if (chan->name[0] && find_locked(in, chan->name)) {
		err = ipcchan_refuse(why, -EEXIST, "the name is taken");
		goto unlock;
	}
	id = idr_alloc_cyclic(&in->ids, chan, 1, 0, GFP_KERNEL_ACCOUNT);
	if (id < 0) {
		err = ipcchan_refuse(why, id, "not enough memory for the name");
		goto unlock;
	}
	chan->id = id;
	ipcchan_channel_ref(chan);
	if (chan->name[0])
		hash_add(in->names, &chan->node, hash(in, chan->name));
	in->generation++;
unlock:
	mutex_unlock(&in->lock);
	if (!err && chan->name[0])
		__wake_up(callers_of(in, chan->name), TASK_NORMAL, 0, chan->name);
	return err;
}

/* Forget @chan and drop the table's reference; the caller has one of its own. */
void ipcchan_names_remove(struct ipcchan_channel *chan)
{
	struct ipcchan_net *in = chan->net;

	mutex_lock(&in->lock);
	hash_del(&chan->node);
	idr_remove(&in->ids, chan->id);
	in->generation++;
	mutex_unlock(&in->lock);
	ipcchan_channel_put(chan);
}

/* The channel of that name, with a reference, or an ERR_PTR(-ENOENT). */
struct ipcchan_channel *ipcchan_names_find(struct ipcchan_net *in,
					   const char *name,
					   struct ipcchan_why *why)
{
	struct ipcchan_channel *chan;

	mutex_lock(&in->lock);
	chan = find_locked(in, name);
	if (chan)
		ipcchan_channel_ref(chan);
	mutex_unlock(&in->lock);
	if (!chan)
		return ERR_PTR(ipcchan_refuse(why, -ENOENT,
					      "there is no channel of that name"));
	return chan;
}

/* The channel of that number, with a reference, or NULL. */
struct ipcchan_channel *ipcchan_names_get(struct ipcchan_net *in, u32 id)
{
	struct ipcchan_channel *chan;

	mutex_lock(&in->lock);
	chan = idr_find(&in->ids, id);
	if (chan)
		ipcchan_channel_ref(chan);
	mutex_unlock(&in->lock);
	return chan;
}

/* The first channel with a number >= *id, with a reference, or NULL. */
struct ipcchan_channel *ipcchan_names_next(struct ipcchan_net *in, int *id)
{
	struct ipcchan_channel *chan;

	mutex_lock(&in->lock);
	chan = idr_get_next(&in->ids, id);
	if (chan)
		ipcchan_channel_ref(chan);
	mutex_unlock(&in->lock);
	return chan;
}

/* Who waits for a name. */
struct caller {
	struct wait_queue_entry entry;
	const char *name;
	bool called;		/* since it last looked */
};

/* Only for that one: others' names are none of its business. */
static int wake_caller(struct wait_queue_entry *entry, unsigned int mode,
		       int flags, void *name)
{
	struct caller *caller = container_of(entry, struct caller, entry);

	if (strcmp(caller->name, name))
		return 0;
	WRITE_ONCE(caller->called, true);
	return default_wake_function(entry, mode, flags, NULL);
}

static bool exists(struct ipcchan_net *in, const char *name)
{
	bool found;

	mutex_lock(&in->lock);
	found = find_locked(in, name);
	mutex_unlock(&in->lock);
	return found;
}

/*
 * ipcchan_names_await() - wait until there is a channel of that name
 *
 * It may have gone again. -ETIMEDOUT, -ERESTARTSYS.
 */
int ipcchan_names_await(struct ipcchan_net *in, const char *name,
			u64 deadline_ns)
{
	wait_queue_head_t *callers = callers_of(in, name);
	struct caller caller = { .name = name };
	int err = 0;

	init_waitqueue_func_entry(&caller.entry, wake_caller);
	caller.entry.private = current;
	add_wait_queue(callers, &caller.entry);
	for (;;) {
		WRITE_ONCE(caller.called, false);
		if (err || exists(in, name))
			break;
		set_current_state(TASK_INTERRUPTIBLE);
		if (!READ_ONCE(caller.called))
			err = ipcchan_doze(deadline_ns);
		__set_current_state(TASK_RUNNING);
	}
	remove_wait_queue(callers, &caller.entry);
	return err ?: signal_pending(current) ? -ERESTARTSYS : 0;
}

/* For dumps: never 0, differs when channels came or went. */
u32 ipcchan_names_generation(struct ipcchan_net *in)
{
	return READ_ONCE(in->generation) | 1u << 31;
}

static int __net_init net_init(struct net *net)
{
	struct ipcchan_net *in = ipcchan_net(net);
	unsigned int i;

	in->net = net;
	for (i = 0; i < ARRAY_SIZE(in->callers); i++)
		init_waitqueue_head(&in->callers[i]);
	mutex_init(&in->lock);
	hash_init(in->names);
	idr_init(&in->ids);
	return 0;
}

/*
 * No file and no socket refers to the namespace any more: only names are left,
 * and looks at channels that went, which may have the last reference and then
 * give bytes back to the namespace.
 */
static void __net_exit net_exit(struct net *net)
{
	struct ipcchan_net *in = ipcchan_net(net);
	struct ipcchan_channel *chan;
	int id = 0;

	while ((chan = ipcchan_names_next(in, &id))) {
		ipcchan_channel_delete(chan);
		ipcchan_channel_put(chan);
		cond_resched();
	}
	ipcchan_dead_flush();
	ipcchan_stall_flush();
	idr_destroy(&in->ids);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.exit = net_exit,
	.id = &net_id,
	.size = sizeof(struct ipcchan_net),
};

int ipcchan_names_init(void)
{
	return register_pernet_subsys(&net_ops);
}

void ipcchan_names_exit(void)
{
	unregister_pernet_subsys(&net_ops);
}
