/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the roster: what a channel tells all its ports
 *
 * Only the kernel writes it, under the channel's spinlock. What processes do
 * with their own pages cannot reach it; the kernel keeps its own copy of all
 * that it needs again and never reads the roster.
 */
#ifndef IPCCHAN_ROSTER_H
#define IPCCHAN_ROSTER_H

#include "channel.h"

void ipcchan_roster_init(struct ipcchan_channel *chan);
void ipcchan_roster_sender(struct ipcchan_channel *chan, u32 slot, u32 state,
			   u32 port_id, u64 base);
void ipcchan_roster_past(struct ipcchan_channel *chan, u32 slot);
void ipcchan_roster_receiver(struct ipcchan_channel *chan, u32 slot, u32 state,
			     u32 port_id);
void ipcchan_roster_end(struct ipcchan_channel *chan);
void ipcchan_roster_await(struct ipcchan_channel *chan, u32 slot, u64 await);
void ipcchan_roster_threshold(struct ipcchan_channel *chan, u32 slot, u64 word);
void ipcchan_roster_retired(struct ipcchan_channel *chan, u32 slot, u64 seq);
void ipcchan_roster_retired_count(struct ipcchan_channel *chan, u32 slot, u64 n);
void ipcchan_roster_unretired(struct ipcchan_channel *chan, u32 slot);
void ipcchan_roster_sleeping(struct ipcchan_port *port);

#endif
