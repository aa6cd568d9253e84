// SPDX-License-Identifier: GPL-2.0
/* Calls: channels and handles. */
#include <linux/cred.h>
#include <linux/user_namespace.h>

#include "call.h"
#include "file.h"
#include "names.h"
#include "queue.h"
#include "rights.h"
#include "service.h"

int ipcchan_call_query(struct ipcchan_call *call)
{
	struct ipcchan_query *q = call->arg;

	if (q->flags)
		return -EINVAL;
	q->size = sizeof(*q);
	q->features = IPCCHAN_FEATURE_TOPIC | IPCCHAN_FEATURE_DROP_OLDEST |
		      IPCCHAN_FEATURE_HISTORY | IPCCHAN_FEATURE_STALL |
		      IPCCHAN_FEATURE_LABEL | IPCCHAN_FEATURE_THRESHOLD |
		      IPCCHAN_FEATURE_HANDLE | IPCCHAN_FEATURE_QUEUE |
		      IPCCHAN_FEATURE_SERVICE | IPCCHAN_FEATURE_FILES |
		      IPCCHAN_FEATURE_SIGNAL;
	q->create_flags = IPCCHAN_CREATE_PERSISTENT | IPCCHAN_CREATE_UNNAMED;
	q->attach_flags = IPCCHAN_ATTACH_OWNER | IPCCHAN_ATTACH_WAIT;
	q->wait_flags = IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_SEND |
			IPCCHAN_WAIT_ROSTER | IPCCHAN_WAIT_ARM;
	q->page_size = PAGE_SIZE;
	return 0;
}

/*
 * ipcchan_call_find() - which channel is meant, and what may be done with it
 *
 * By name, or by the handle.
 */
int ipcchan_call_find(struct ipcchan_call *call, const char *name,
		      struct ipcchan_access *access)
{
	struct ipcchan_file *f = call->f;
	int err;

	*access = (struct ipcchan_access){ .grant = f->grant };
	if (f->grant) {
		if (name[0])
			return ipcchan_refuse(&call->why, -EINVAL,
					      "a handle has its channel: the name must be empty");
		err = ipcchan_grant_check(f->grant, &call->why);
		if (err)
			return err;
		access->chan = ipcchan_channel_ref(f->grant->chan);
		access->rights = f->grant->rights;
		return 0;
	}
	if (f->made)
		return ipcchan_refuse(&call->why, -EACCES,
				      "a file that was not opened reaches no channel by name");
	access->chan = ipcchan_channel_find(f->in, name, &call->why);
	if (IS_ERR(access->chan))
		return PTR_ERR(access->chan);
	access->rights = ipcchan_rights(access->chan);
	return 0;
}

/*
 * Makes a handle with the fd in @field of the argument, gives the results back,
 * and then lets the process have it.
 */
static int give_handle(struct ipcchan_call *call,
		       const struct ipcchan_access *from, u32 rights, s32 *field)
{
	struct ipcchan_making making;
	int err;

	err = ipcchan_file_make(call->f->in, &making);
	if (err)
		return err;
	making.f->grant = ipcchan_grant_new(from, rights, &call->why);
	if (IS_ERR(making.f->grant)) {
		err = PTR_ERR(making.f->grant);
		making.f->grant = NULL;
	} else {
		*field = making.fd;
		err = ipcchan_call_copy_out(call);
	}
	if (err)
		ipcchan_file_drop(&making);
	else
		ipcchan_file_install(&making);
	return err;
}

static int create_unnamed(struct ipcchan_call *call)
{
	struct ipcchan_create *c = call->arg;
	struct ipcchan_access made = {};
	int err;

	made.chan = ipcchan_channel_create(call->f->in, c, &call->why);
	if (IS_ERR(made.chan))
		return PTR_ERR(made.chan);
	err = give_handle(call, &made,
			  IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN,
			  &c->handle);
	if (err)
		ipcchan_channel_delete(made.chan);
	ipcchan_channel_put(made.chan);
	return err;
}

int ipcchan_call_create(struct ipcchan_call *call)
{
	struct ipcchan_create *c = call->arg;
	struct ipcchan_channel *chan;

	if (call->f->made)
		return ipcchan_refuse(&call->why, -EACCES,
				      "a file that was not opened creates no channels");
	if (c->flags & IPCCHAN_CREATE_UNNAMED)
		return create_unnamed(call);
	chan = ipcchan_channel_create(call->f->in, c, &call->why);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	ipcchan_channel_put(chan);
	return 0;
}

static void describe(struct ipcchan_channel *chan, struct ipcchan_lookup *l)
{
	struct ipcchan_service_state state;

	l->flags = chan->flags;
	l->type = chan->type;
	l->overflow = chan->overflow;
	l->history = chan->history;
	l->stall_ns = chan->stall_ns;
	memcpy(l->label, chan->label, sizeof(l->label));
	l->lease_ns = chan->queue ? chan->queue->lease_ns : 0;
	l->max_deliveries = chan->queue ? chan->queue->max_deliveries : 0;
	memcpy(l->dead_letter, chan->dead_letter, sizeof(l->dead_letter));
	l->geometry = chan->geometry;
	l->mode = chan->mode;
	l->uid = from_kuid_munged(current_user_ns(), chan->uid);
	l->gid = from_kgid_munged(current_user_ns(), chan->gid);
	mutex_lock(&chan->mutex);
	l->senders = chan->nr_senders;
	l->receivers = chan->nr_receivers;
	mutex_unlock(&chan->mutex);
	if (chan->service) {
		ipcchan_service_tell(chan, &state);
		l->senders = state.connections;
	}
}

int ipcchan_call_lookup(struct ipcchan_call *call)
{
	struct ipcchan_lookup *l = call->arg;
	struct ipcchan_access access;
	int err;

	if (l->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	err = ipcchan_call_find(call, l->name, &access);
	if (err)
		return err;
	l->rights = access.rights;
	if (l->rights)
		describe(access.chan, l);
	else
		err = ipcchan_refuse(&call->why, -EACCES,
				     "no right to the channel");
	ipcchan_channel_put(access.chan);
	return err;
}

int ipcchan_call_delete(struct ipcchan_call *call)
{
	struct ipcchan_delete *d = call->arg;
	struct ipcchan_access access;
	int err;

	if (d->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (d->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	err = ipcchan_call_find(call, d->name, &access);
	if (err)
		return err;
	if (access.grant)
		err = ipcchan_grant_delete(access.grant, &call->why);
	else if (access.rights & IPCCHAN_ADMIN)
		ipcchan_channel_delete(access.chan);
	else
		err = ipcchan_refuse(&call->why, -EPERM,
				     "only the owner or CAP_NET_ADMIN deletes a channel");
	ipcchan_channel_put(access.chan);
	return err;
}

static int check_handle(struct ipcchan_call *call)
{
	const struct ipcchan_handle *h = call->arg;
	u32 all = IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN;

	if (h->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (h->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	if (!h->rights || h->rights & ~all)
		return ipcchan_refuse(&call->why, -EINVAL,
				      "rights are to send, to receive, to administer; at least one");
	return 0;
}

static int check_narrower(struct ipcchan_call *call,
			  const struct ipcchan_access *from)
{
	const struct ipcchan_handle *h = call->arg;

	if (!(h->rights & ~from->rights))
		return 0;
	if (from->grant)
		return ipcchan_refuse(&call->why, -EACCES,
				      "a handle is narrowed, never widened");
	return ipcchan_refuse(&call->why, -EACCES,
			      "a handle carries no right that its maker has not");
}

int ipcchan_call_handle(struct ipcchan_call *call)
{
	struct ipcchan_handle *h = call->arg;
	struct ipcchan_access access;
	int err;

	err = check_handle(call) ?: ipcchan_call_find(call, h->name, &access);
	if (err)
		return err;
	err = check_narrower(call, &access) ?:
	      give_handle(call, &access, h->rights, &h->fd);
	ipcchan_channel_put(access.chan);
	return err;
}

int ipcchan_call_revoke(struct ipcchan_call *call)
{
	const struct ipcchan_revoke *r = call->arg;

	if (r->flags)
		return ipcchan_refuse(&call->why, -EINVAL, "unknown flags");
	if (r->reserved)
		return ipcchan_refuse(&call->why, -EINVAL, "reserved is not zero");
	if (!call->f->grant)
		return ipcchan_refuse(&call->why, -EINVAL, "the file is no handle");
	ipcchan_grant_revoke(call->f->grant);
	return 0;
}
