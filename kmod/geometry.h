/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a channel's sizes: what zeros stand for, and what must hold
 *
 * Constant once the channel is there. The policy has a say: messages that
 * history keeps, and with drop-oldest those that receivers hold, stay where
 * they are in the arena, and the longest message must find room all the same.
 */
#ifndef IPCCHAN_GEOMETRY_H
#define IPCCHAN_GEOMETRY_H

#include <linux/ipcchan.h>

#include "why.h"

struct ipcchan_policy {
	u32 overflow;
	u32 history;
};

int ipcchan_geometry_settle(struct ipcchan_geometry *g,
			    const struct ipcchan_policy *policy,
			    struct ipcchan_why *why);

#endif
