/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: who may do what
 *
 * Rights are those of the calling task when it calls. CAP_NET_ADMIN counts in
 * the user namespace that owns the channel's network namespace; uid 0 alone
 * counts for nothing.
 */
#ifndef IPCCHAN_RIGHTS_H
#define IPCCHAN_RIGHTS_H

#include <linux/types.h>

#include "why.h"

struct ipcchan_channel;
struct ipcchan_net;

bool ipcchan_rights_admin(const struct ipcchan_net *in);
u32 ipcchan_rights(const struct ipcchan_channel *chan);
int ipcchan_rights_name(const struct ipcchan_net *in, const char *name,
			struct ipcchan_why *why);

#endif
