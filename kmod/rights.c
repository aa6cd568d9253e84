// SPDX-License-Identifier: GPL-2.0
/* Permission checks. */
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "channel.h"
#include "names.h"
#include "rights.h"

/* The same, asked in passing: not for the audit log. */
static bool is_admin(const struct ipcchan_net *in)
{
	return ns_capable_noaudit(in->net->user_ns, CAP_NET_ADMIN);
}

/* Has the caller CAP_NET_ADMIN over the network namespace? */
bool ipcchan_rights_admin(const struct ipcchan_net *in)
{
	return ns_capable(in->net->user_ns, CAP_NET_ADMIN);
}

static u32 mode_rights(u32 bits)
{
	return (bits & 4 ? IPCCHAN_RECEIVE : 0) | (bits & 2 ? IPCCHAN_SEND : 0);
}

/*
 * ipcchan_rights() - what the caller may do with a channel
 *
 * IPCCHAN_SEND | IPCCHAN_RECEIVE by owner, group or others, the first that
 * fits, as for files; IPCCHAN_ADMIN for the owner; all with CAP_NET_ADMIN.
 */
u32 ipcchan_rights(const struct ipcchan_channel *chan)
{
	if (is_admin(chan->net))
		return IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN;
	if (uid_eq(chan->uid, current_fsuid()))
		return mode_rights(chan->mode >> 6) | IPCCHAN_ADMIN;
	if (in_group_p(chan->gid))
		return mode_rights(chan->mode >> 3);
	return mode_rights(chan->mode);
}

/* u<uid>/... : is that uid, in the network namespace's terms, the caller's? */
static bool own_prefix(const struct ipcchan_net *in, const char *name)
{
	uid_t uid = from_kuid(in->net->user_ns, current_fsuid());
	char prefix[16];

	if (uid == (uid_t)-1)
		return false;
	snprintf(prefix, sizeof(prefix), "u%u/", uid);
	return !strncmp(name, prefix, strlen(prefix));
}

static bool user_prefix(const char *name)
{
	const char *p = name + 1;

	if (name[0] != 'u' || !isdigit(*p))
		return false;
	while (isdigit(*p))
		p++;
	return *p == '/';
}

/*
 * ipcchan_rights_name() - may the caller create a channel of that name?
 *
 * -EPERM where the name is kept for somebody else.
 */
int ipcchan_rights_name(const struct ipcchan_net *in, const char *name,
			struct ipcchan_why *why)
{
	if (user_prefix(name) && !own_prefix(in, name))
		return ipcchan_refuse(why, -EPERM,
				      "names under u<uid>/ are for that user to create");
	if (!strncmp(name, "sys/", 4) && !ipcchan_rights_admin(in))
		return ipcchan_refuse(why, -EPERM,
				      "names under sys/ are for CAP_NET_ADMIN to create");
	return 0;
}
