// SPDX-License-Identifier: GPL-2.0
/* Identity of ports. */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/ktime.h>
#include <linux/user_namespace.h>

#include "identity.h"

void ipcchan_identity_stamp(struct ipcchan_identity *identity)
{
	identity->pid = get_pid(task_tgid(current));
	identity->uid = current_euid();
	identity->gid = current_egid();
	identity->attached_ns = ktime_get_ns();
}

void ipcchan_identity_copy(struct ipcchan_identity *to,
			   const struct ipcchan_identity *from)
{
	*to = *from;
	get_pid(to->pid);
}

void ipcchan_identity_clear(struct ipcchan_identity *identity)
{
	put_pid(identity->pid);
	identity->pid = NULL;
}

/* For the caller: 0 if it cannot see that process. */
u32 ipcchan_identity_pid(const struct ipcchan_identity *identity)
{
	return pid_vnr(identity->pid);
}

u32 ipcchan_identity_uid(const struct ipcchan_identity *identity)
{
	return from_kuid_munged(current_user_ns(), identity->uid);
}

u32 ipcchan_identity_gid(const struct ipcchan_identity *identity)
{
	return from_kgid_munged(current_user_ns(), identity->gid);
}
