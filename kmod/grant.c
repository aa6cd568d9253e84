// SPDX-License-Identifier: GPL-2.0
/* Grants: made, narrowed, revoked. */
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "grant.h"
#include "service.h"

/*
 * ipcchan_grant_check_locked() - is it good for anything still?
 *
 * -EKEYREVOKED, -ESHUTDOWN the channel is GONE.
 */
int ipcchan_grant_check_locked(const struct ipcchan_grant *grant,
			       struct ipcchan_why *why)
{
	lockdep_assert_held(&grant->chan->mutex);
	if (grant->revoked)
		return ipcchan_refuse(why, -EKEYREVOKED, "the handle was revoked");
	if (grant->chan->state != IPCCHAN_CHANNEL_ACTIVE)
		return ipcchan_refuse(why, -ESHUTDOWN, "the channel was deleted");
	return 0;
}

int ipcchan_grant_check(const struct ipcchan_grant *grant,
			struct ipcchan_why *why)
{
	int err;

	mutex_lock(&grant->chan->mutex);
	err = ipcchan_grant_check_locked(grant, why);
	mutex_unlock(&grant->chan->mutex);
	return err;
}

static int check_there(const struct ipcchan_access *from,
		       struct ipcchan_why *why)
{
	if (from->grant)
		return ipcchan_grant_check_locked(from->grant, why);
	if (from->chan->state != IPCCHAN_CHANNEL_ACTIVE)
		return ipcchan_refuse(why, -ENOENT,
				      "there is no channel of that name");
	return 0;
}

/*
 * ipcchan_grant_new() - a grant below another, or the first of its line
 *
 * The caller has checked that @from has those rights. -EKEYREVOKED, -ESHUTDOWN,
 * -ENOENT, -ENOMEM. Returns an ERR_PTR().
 */
struct ipcchan_grant *ipcchan_grant_new(const struct ipcchan_access *from,
					u32 rights, struct ipcchan_why *why)
{
	struct ipcchan_grant *grant = kzalloc(sizeof(*grant), GFP_KERNEL_ACCOUNT);
	struct ipcchan_channel *chan = from->chan;
	int err;

	if (!grant)
		return ERR_PTR(ipcchan_refuse(why, -ENOMEM,
					      "not enough memory for the handle"));
	grant->rights = rights;
	INIT_LIST_HEAD(&grant->children);

	mutex_lock(&chan->mutex);
	err = check_there(from, why);
	if (!err) {
		grant->chan = ipcchan_channel_ref(chan);
		list_add(&grant->node, from->grant ? &from->grant->children :
						     &chan->grants);
		/* CREATE's: who opens one by a name may be anybody */
		if (!chan->name[0])
			chan->used = true;
	}
	mutex_unlock(&chan->mutex);
	if (!err)
		return grant;
	kfree(grant);
	return ERR_PTR(err);
}

/*
 * ipcchan_grant_free() - its file is released
 *
 * The channel may be GONE afterwards. Takes NULL and returns NULL.
 */
struct ipcchan_grant *ipcchan_grant_free(struct ipcchan_grant *grant)
{
	struct ipcchan_channel *chan;

	if (!grant)
		return NULL;
	chan = grant->chan;
	mutex_lock(&chan->mutex);
	list_splice_init(&grant->children, &grant->node);
	list_del_init(&grant->node);
	ipcchan_channel_left(chan);
	mutex_unlock(&chan->mutex);
	ipcchan_channel_put(chan);
	kfree(grant);
	return NULL;
}

/*
 * ipcchan_grant_revoke() - this grant and all below it are good for nothing more
 *
 * Ports attached by them stay. The channel may be GONE afterwards.
 */
void ipcchan_grant_revoke(struct ipcchan_grant *grant)
{
	struct ipcchan_channel *chan = grant->chan;
	LIST_HEAD(todo);

	mutex_lock(&chan->mutex);
	list_del_init(&grant->node);
	list_add(&grant->node, &todo);
	while (!list_empty(&todo)) {
		grant = list_entry(todo.next, struct ipcchan_grant, node);
		WRITE_ONCE(grant->revoked, true);
		list_splice_init(&grant->children, &todo);
		list_del_init(&grant->node);
		cond_resched();
	}
	if (chan->service)
		ipcchan_service_revoked(chan);
	ipcchan_channel_left(chan);
	mutex_unlock(&chan->mutex);
}

/* End the channel, if the grant allows it. -EPERM, or as the check. */
int ipcchan_grant_delete(const struct ipcchan_grant *grant,
			 struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = grant->chan;
	int err;

	if (!(grant->rights & IPCCHAN_ADMIN))
		return ipcchan_refuse(why, -EPERM,
				      "the handle does not carry the right to administer");
	mutex_lock(&chan->mutex);
	err = ipcchan_grant_check_locked(grant, why);
	if (!err)
		ipcchan_channel_delete_locked(chan);
	mutex_unlock(&chan->mutex);
	return err;
}
