// SPDX-License-Identifier: GPL-2.0
/* Limits per user, for the owners of enclosing namespaces, and per namespace. */
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/user_namespace.h>

#include "account.h"
#include "closer.h"

struct ipcchan_account {
	/* constant */
	struct hlist_node node;
	struct user_namespace *ns;
	kuid_t uid;
	struct ipcchan_account *parent;
	struct ipcchan_closer closer;	/* of who has no parent; with its own rules */
	/* protected by account_lock */
	unsigned int refs;
	struct ipcchan_usage usage;
};

static DEFINE_SPINLOCK(account_lock);
static DEFINE_HASHTABLE(accounts, 6);
static struct ipcchan_usage total;

static ulong user_limit[IPCCHAN_KINDS] = { 4096, 32768, 0, 16384 };
static ulong net_limit[IPCCHAN_KINDS] = { 16384, 65536, 0, 65536 };

module_param_named(max_user_channels, user_limit[IPCCHAN_CHANNELS], ulong, 0644);
MODULE_PARM_DESC(max_user_channels, "channels a user may have");
module_param_named(max_user_ports, user_limit[IPCCHAN_PORTS], ulong, 0644);
MODULE_PARM_DESC(max_user_ports, "ports a user may have");
module_param_named(max_user_bytes, user_limit[IPCCHAN_BYTES], ulong, 0644);
MODULE_PARM_DESC(max_user_bytes, "bytes of a user's regions (0 at load: half of memory)");
module_param_named(max_user_files, user_limit[IPCCHAN_FILES], ulong, 0644);
MODULE_PARM_DESC(max_user_files, "files a user may have in messages");
module_param_named(max_net_channels, net_limit[IPCCHAN_CHANNELS], ulong, 0644);
MODULE_PARM_DESC(max_net_channels, "channels in a network namespace");
module_param_named(max_net_ports, net_limit[IPCCHAN_PORTS], ulong, 0644);
MODULE_PARM_DESC(max_net_ports, "ports in a network namespace");
module_param_named(max_net_bytes, net_limit[IPCCHAN_BYTES], ulong, 0644);
MODULE_PARM_DESC(max_net_bytes, "bytes of regions in a network namespace (0 at load: three quarters of memory)");

module_param_named(max_net_files, net_limit[IPCCHAN_FILES], ulong, 0644);
MODULE_PARM_DESC(max_net_files, "files in messages of a network namespace");

static ulong max_bytes;
module_param(max_bytes, ulong, 0644);
MODULE_PARM_DESC(max_bytes, "bytes of regions in all (0 at load: three quarters of memory)");

/* The module's own accounts, for root to read: all zero when all is gone. */
module_param_named(channels, total.used[IPCCHAN_CHANNELS], ullong, 0400);
MODULE_PARM_DESC(channels, "channels there are (read only)");
module_param_named(ports, total.used[IPCCHAN_PORTS], ullong, 0400);
MODULE_PARM_DESC(ports, "ports there are (read only)");
module_param_named(bytes, total.used[IPCCHAN_BYTES], ullong, 0400);
MODULE_PARM_DESC(bytes, "bytes of regions there are (read only)");
module_param_named(files, total.used[IPCCHAN_FILES], ullong, 0400);
MODULE_PARM_DESC(files, "files in messages there are (read only)");

static const char * const user_refusal[IPCCHAN_KINDS] = {
	"the user has as many channels as allowed (max_user_channels)",
	"the user has as many ports as allowed (max_user_ports)",
	"the user has as many bytes as allowed (max_user_bytes)",
	"the user has as many files in messages as allowed (max_user_files)",
};

static const char * const net_refusal[IPCCHAN_KINDS] = {
	"the network namespace has as many channels as allowed (max_net_channels)",
	"the network namespace has as many ports as allowed (max_net_ports)",
	"the network namespace has as many bytes as allowed (max_net_bytes)",
	"the network namespace has as many files in messages as allowed (max_net_files)",
};

static unsigned long hash(const struct user_namespace *ns, kuid_t uid)
{
	return (unsigned long)ns / L1_CACHE_BYTES + __kuid_val(uid);
}

static struct ipcchan_account *find_locked(struct user_namespace *ns, kuid_t uid)
{
	struct ipcchan_account *a;

	lockdep_assert_held(&account_lock);
	hash_for_each_possible(accounts, a, node, hash(ns, uid)) {
		if (a->ns == ns && uid_eq(a->uid, uid))
			return a;
	}
	return NULL;
}

/* The account of @uid in @ns, with a reference; takes over the one on @parent. */
static struct ipcchan_account *get_one(struct user_namespace *ns, kuid_t uid,
				       struct ipcchan_account *parent)
{
	struct ipcchan_account *fresh, *a;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh) {
		ipcchan_account_put(parent);
		return NULL;
	}
	fresh->ns = get_user_ns(ns);
	fresh->uid = uid;
	fresh->parent = parent;
	fresh->refs = 1;
	ipcchan_closer_init(&fresh->closer);

	spin_lock(&account_lock);
	a = find_locked(ns, uid);
	if (a)
		a->refs++;
	else
		hash_add(accounts, &fresh->node, hash(ns, uid));
	spin_unlock(&account_lock);
	if (!a)
		return fresh;

	put_user_ns(fresh->ns);
	kfree(fresh);
	ipcchan_account_put(parent);
	return a;
}

/*
 * ipcchan_account_get() - the caller's account, with a reference, or NULL
 *
 * The chain is built from the outermost namespace inwards; its length is
 * bounded by the depth to which user namespaces may be nested.
 */
struct ipcchan_account *ipcchan_account_get(void)
{
	struct ipcchan_account *account = NULL;
	int level;

	for (level = 0; level <= current_user_ns()->level; level++) {
		struct user_namespace *ns = current_user_ns();
		kuid_t uid = current_euid();

		for (; ns->level > level; ns = ns->parent)
			uid = ns->owner;
		account = get_one(ns, uid, account);
		if (!account)
			return NULL;
	}
	return account;
}

struct ipcchan_account *ipcchan_account_ref(struct ipcchan_account *account)
{
	spin_lock(&account_lock);
	account->refs++;
	spin_unlock(&account_lock);
	return account;
}

/* Give a reference back; takes NULL and returns NULL. */
struct ipcchan_account *ipcchan_account_put(struct ipcchan_account *account)
{
	while (account) {
		struct ipcchan_account *parent = account->parent;

		spin_lock(&account_lock);
		if (--account->refs) {
			spin_unlock(&account_lock);
			break;
		}
		hash_del(&account->node);
		spin_unlock(&account_lock);
		WARN_ON_ONCE(memchr_inv(&account->usage, 0, sizeof(account->usage)));
		put_user_ns(account->ns);
		kfree(account);
		account = parent;
	}
	return NULL;
}

/* The closer of the user himself, whatever namespaces he has made. */
struct ipcchan_closer *ipcchan_account_closer(struct ipcchan_account *account)
{
	while (account->parent)
		account = account->parent;
	return &account->closer;
}

static bool fits(const struct ipcchan_usage *usage, const ulong *limit,
		 enum ipcchan_kind kind, u64 amount)
{
	u64 most = READ_ONCE(limit[kind]);

	return usage->used[kind] <= most && amount <= most - usage->used[kind];
}

static bool fits_all(u64 amount)
{
	u64 most = READ_ONCE(max_bytes), used = total.used[IPCCHAN_BYTES];

	return used <= most && amount <= most - used;
}

static int charge_locked(struct ipcchan_account *account,
			 struct ipcchan_usage *net, enum ipcchan_kind kind,
			 u64 amount, struct ipcchan_why *why)
{
	struct ipcchan_account *a;
	int err = 0;

	lockdep_assert_held(&account_lock);
	for (a = account; a && !err; a = a->parent)
		if (!fits(&a->usage, user_limit, kind, amount))
			err = ipcchan_refuse(why, -EDQUOT, user_refusal[kind]);
	if (!err && !fits(net, net_limit, kind, amount))
		err = ipcchan_refuse(why, -EDQUOT, net_refusal[kind]);
	if (!err && kind == IPCCHAN_BYTES && !fits_all(amount))
		err = ipcchan_refuse(why, -EDQUOT,
				     "there are as many bytes as allowed in all (max_bytes)");
	if (!err) {
		for (a = account; a; a = a->parent)
			a->usage.used[kind] += amount;
		net->used[kind] += amount;
		total.used[kind] += amount;
	}
	return err;
}

/*
 * ipcchan_charge() - count @amount for the user, his namespaces and @net
 *
 * All or nothing. -EDQUOT.
 */
int ipcchan_charge(struct ipcchan_account *account, struct ipcchan_usage *net,
		   enum ipcchan_kind kind, u64 amount, struct ipcchan_why *why)
{
	int err;

	spin_lock(&account_lock);
	err = charge_locked(account, net, kind, amount, why);
	spin_unlock(&account_lock);
	return err;
}

/*
 * Would the user have more files in messages than the caller may have open? In
 * namespaces of the user's own making, too; as for AF_UNIX.
 */
static bool too_many_files(const struct ipcchan_account *account, u64 amount)
{
	const struct ipcchan_account *a;

	lockdep_assert_held(&account_lock);
	for (a = account; a && uid_eq(a->uid, account->uid); a = a->parent)
		if (a->usage.used[IPCCHAN_FILES] + amount > rlimit(RLIMIT_NOFILE))
			return !capable(CAP_SYS_RESOURCE) &&
			       !capable(CAP_SYS_ADMIN);
	return false;
}

/* The same for files on messages; -ETOOMANYREFS besides. */
int ipcchan_charge_files(struct ipcchan_account *account,
			 struct ipcchan_usage *net, u64 amount,
			 struct ipcchan_why *why)
{
	int err;

	if (ipcchan_closer_lags(ipcchan_account_closer(account)))
		return ipcchan_refuse(why, -EDQUOT,
				      "too many files of the user's messages are still to be closed");
	spin_lock(&account_lock);
	if (too_many_files(account, amount))
		err = ipcchan_refuse(why, -ETOOMANYREFS,
				     "the user has more files in messages than RLIMIT_NOFILE");
	else
		err = charge_locked(account, net, IPCCHAN_FILES, amount, why);
	spin_unlock(&account_lock);
	return err;
}

void ipcchan_uncharge(struct ipcchan_account *account, struct ipcchan_usage *net,
		      enum ipcchan_kind kind, u64 amount)
{
	struct ipcchan_account *a;

	spin_lock(&account_lock);
	for (a = account; a; a = a->parent)
		a->usage.used[kind] -= amount;
	net->used[kind] -= amount;
	total.used[kind] -= amount;
	spin_unlock(&account_lock);
}

void ipcchan_account_init(void)
{
	u64 memory = (u64)totalram_pages() << PAGE_SHIFT;

	memset(&total, 0, sizeof(total));
	if (!user_limit[IPCCHAN_BYTES])
		user_limit[IPCCHAN_BYTES] = memory / 2;
	if (!net_limit[IPCCHAN_BYTES])
		net_limit[IPCCHAN_BYTES] = memory / 4 * 3;
	if (!max_bytes)
		max_bytes = memory / 4 * 3;
}
