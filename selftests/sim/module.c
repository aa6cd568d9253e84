/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stands for the files of kmod/ that are about a real kernel: names (one
 * namespace, one list), rights (everybody may do everything), identity (the
 * pid, and the effective ids), accounts (there are no limits), files on messages
 * (there are none).
 */
#include "machine.h"

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "../../kmod/bundle.h"
#include "../../kmod/pass.h"
#include "../../kmod/rights.h"
#include "../../kmod/sigio.h"
#include "../../kmod/wait.h"

bool ipcchan_name_valid(const char *name)
{
	const char *p;

	for (p = name; *p; p++)
		if (!isascii(*p) || (!isalnum(*p) && !strchr("._:/-", *p)))
			return false;
	return p != name;
}

static struct ipcchan_channel *channel_at(struct hlist_node *node)
{
	return node ? container_of(node, struct ipcchan_channel, node) : NULL;
}

static struct ipcchan_channel *find(struct ipcchan_net *in, const char *name)
{
	struct ipcchan_channel *chan = channel_at(in->names[0].first);

	if (!name[0])
		return NULL;
	while (chan && strcmp(chan->name, name))
		chan = channel_at(chan->node.next);
	return chan;
}

int ipcchan_names_check(struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	if (chan->name[0] && find(chan->net, chan->name))
		return ipcchan_refuse(why, -EEXIST, "the name is taken");
	return 0;
}

int ipcchan_names_add(struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	struct ipcchan_net *in = chan->net;

	if (chan->name[0] && find(in, chan->name))
		return ipcchan_refuse(why, -EEXIST, "the name is taken");
	if (sim_place_channel(chan))
		return ipcchan_refuse(why, -ENOMEM, "the simulation has too little memory");
	chan->id = (u32)++in->ids.next;
	chan->node.next = in->names[0].first;
	in->names[0].first = &ipcchan_channel_ref(chan)->node;
	wake_up_all(in->callers);
	return 0;
}

void ipcchan_names_remove(struct ipcchan_channel *chan)
{
	struct hlist_node **p = &chan->net->names[0].first;

	while (*p != &chan->node)
		p = &(*p)->next;
	*p = chan->node.next;
	ipcchan_channel_put(chan);
}

struct ipcchan_channel *ipcchan_names_find(struct ipcchan_net *in, const char *name,
					   struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = find(in, name);

	return chan ? ipcchan_channel_ref(chan) :
		      ERR_PTR(ipcchan_refuse(why, -ENOENT, "there is no channel of that name"));
}

int ipcchan_names_await(struct ipcchan_net *in, const char *name, u64 deadline_ns)
{
	DEFINE_WAIT(entry);
	int err = 0;

	for (;;) {
		prepare_to_wait(in->callers, &entry, TASK_INTERRUPTIBLE);
		if (err || find(in, name))
			break;
		err = ipcchan_doze(deadline_ns);
	}
	finish_wait(in->callers, &entry);
	return err;
}

bool ipcchan_rights_admin(const struct ipcchan_net *in)
{
	return in != NULL;
}

u32 ipcchan_rights(const struct ipcchan_channel *chan)
{
	return chan ? IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN : 0;
}

int ipcchan_rights_name(const struct ipcchan_net *in, const char *name, struct ipcchan_why *why)
{
	(void)in, (void)name, (void)why;
	return 0;
}

void ipcchan_identity_stamp(struct ipcchan_identity *identity)
{
	identity->pid = (struct pid *)(uintptr_t)getpid();
	identity->uid = current_fsuid();
	identity->gid = current_fsgid();
	identity->attached_ns = ktime_get_ns();
}

void ipcchan_identity_copy(struct ipcchan_identity *to, const struct ipcchan_identity *from)
{
	*to = *from;
}

void ipcchan_identity_clear(struct ipcchan_identity *identity)
{
	identity->pid = NULL;
}

u32 ipcchan_identity_pid(const struct ipcchan_identity *identity)
{
	return (u32)(uintptr_t)identity->pid;
}

u32 ipcchan_identity_uid(const struct ipcchan_identity *identity)
{
	return identity->uid.val;
}

u32 ipcchan_identity_gid(const struct ipcchan_identity *identity)
{
	return identity->gid.val;
}

/* Of an account it matters only that there is one. */
struct ipcchan_account *ipcchan_account_get(void)
{
	return (struct ipcchan_account *)sim_machine;
}

struct ipcchan_account *ipcchan_account_ref(struct ipcchan_account *account)
{
	return account;
}

struct ipcchan_account *ipcchan_account_put(struct ipcchan_account *account)
{
	(void)account;
	return NULL;
}

int ipcchan_charge(struct ipcchan_account *account, struct ipcchan_usage *net,
		   enum ipcchan_kind kind, u64 amount, struct ipcchan_why *why)
{
	(void)account, (void)why;
	net->used[kind] += amount;
	return 0;
}

void ipcchan_uncharge(struct ipcchan_account *account, struct ipcchan_usage *net,
		      enum ipcchan_kind kind, u64 amount)
{
	(void)account;
	SIM_ASSERT(net->used[kind] >= amount);
	net->used[kind] -= amount;
}

/* Whoever is on the queue is in a call. */
bool ipcchan_sleeps_in_call(struct ipcchan_port *port)
{
	return waitqueue_active(&port->wq);
}

/* Nobody gets signals. */
void ipcchan_sigio_send(struct ipcchan_port *port, u32 events)
{
	(void)port, (void)events;
}

void ipcchan_sigio_look(struct ipcchan_port *port)
{
	(void)port;
}

void ipcchan_sigio_leaving(struct ipcchan_port *port, enum ipcchan_reason reason)
{
	(void)port, (void)reason;
}

void ipcchan_sigio_left(struct ipcchan_port *port)
{
	(void)port;
}

void ipcchan_sigio_free(struct ipcchan_port *port)
{
	(void)port;
}

void ipcchan_bundle_join(struct ipcchan_channel *chan, u32 receiver)
{
	(void)chan, (void)receiver;
}

void ipcchan_bundle_leave(struct ipcchan_channel *chan, u32 receiver)
{
	(void)chan, (void)receiver;
}

void ipcchan_bundle_drop(struct ipcchan_channel *chan, u32 slot, u64 from)
{
	(void)chan, (void)slot, (void)from;
}

void ipcchan_bundle_drop_all(struct ipcchan_channel *chan, u32 slot)
{
	(void)chan, (void)slot;
}

int ipcchan_pass_put(struct ipcchan_port *port, const struct ipcchan_files_put *args,
		     struct ipcchan_why *why)
{
	(void)port, (void)args;
	return ipcchan_refuse(why, -EOPNOTSUPP, "the simulation has no files");
}

int ipcchan_pass_find(struct ipcchan_port *port, struct ipcchan_files_take *args,
		      struct file **files, struct ipcchan_why *why)
{
	(void)port, (void)args, (void)files;
	return ipcchan_refuse(why, -ENOENT, "the simulation has no files");
}

int ipcchan_pass_install(const struct ipcchan_files_take *args, struct file **files,
			 struct ipcchan_why *why)
{
	(void)args, (void)files, (void)why;
	return 0;
}

void ipcchan_pass_forget(struct file **files, u32 nr)
{
	(void)files, (void)nr;
}

int ipcchan_pass_done(struct ipcchan_port *port, const struct ipcchan_files_done *args)
{
	(void)port, (void)args;
	return 0;
}

void ipcchan_bundle_desert(struct ipcchan_channel *chan)
{
	(void)chan;
}

void ipcchan_bundle_spend(struct ipcchan_channel *chan, u32 slot, u64 seq)
{
	(void)chan, (void)slot, (void)seq;
}

void ipcchan_bundle_sweep(struct ipcchan_channel *chan)
{
	(void)chan;
}

struct ipcchan_bundle *ipcchan_bundle_take_out(struct ipcchan_channel *chan, u64 seq)
{
	(void)chan, (void)seq;
	return NULL;
}

bool ipcchan_bundle_put_in(struct ipcchan_channel *chan, struct ipcchan_bundle *bundle, u64 seq)
{
	(void)chan, (void)bundle, (void)seq;
	return false;
}

void ipcchan_bundle_destroy(struct ipcchan_channel *chan, struct ipcchan_bundle *bundle)
{
	(void)chan, (void)bundle;
}
