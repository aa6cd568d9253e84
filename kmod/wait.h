/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: sleeping and waking
 *
 * What a port's sleepers await is kept in port->armed and the words beside it,
 * under the channel's lock; the roster's two words are their OR. Armed means:
 * the next one who has something for this port must kick. Standing (WAIT_ARM)
 * means: armed though nobody sleeps, and to be told by a signal; sigio.h.
 */
#ifndef IPCCHAN_WAIT_H
#define IPCCHAN_WAIT_H

#include <linux/poll.h>

#include "port.h"

int ipcchan_wait(struct ipcchan_port *port, struct ipcchan_wait *args,
		 const u64 *progress);
int ipcchan_doze(u64 deadline_ns);
int ipcchan_kick(struct ipcchan_port *port, const struct ipcchan_kick *args);
__poll_t ipcchan_poll(struct ipcchan_port *port, struct file *file,
		      struct poll_table_struct *table);

bool ipcchan_sleeps_in_call(struct ipcchan_port *port);

void ipcchan_wake_changed(struct ipcchan_channel *chan);
void ipcchan_wake_active(struct ipcchan_port *port);
void ipcchan_wake_due(struct ipcchan_port *port);
void ipcchan_wake_receiver(struct ipcchan_port *port);
void ipcchan_wake_port(struct ipcchan_port *port, u32 flags);
void ipcchan_wake_retired(struct ipcchan_port *port);
int ipcchan_doze(u64 deadline_ns);
void ipcchan_wake_leaving(struct ipcchan_port *port, enum ipcchan_reason reason);

#endif
