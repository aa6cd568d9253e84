/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: leases that are over, and delays
 *
 * Who comes to CLAIM looks at them first; in case nobody comes, work of the
 * module's own looks too, when the first of them is due. Pending work has a
 * reference on its channel; when that ends it is called off, and none is started
 * any more.
 *
 * The memory of a message stays until all its claims have ended, those that are
 * stale, too. Who keeps one four times as long as the lease, when all others are
 * done with the message, is evicted while its sender sleeps for room: stall.c.
 */
#ifndef IPCCHAN_LEASE_H
#define IPCCHAN_LEASE_H

#include "port.h"

struct ipcchan_holding;
struct ipcchan_queue;

void ipcchan_lease_init(struct ipcchan_queue *q);
void ipcchan_lease_end(struct ipcchan_channel *chan);

void ipcchan_lease_begin(struct ipcchan_channel *chan,
			 struct ipcchan_holding *holding);
void ipcchan_lease_alarm(struct ipcchan_channel *chan, u64 when_ns);
bool ipcchan_lease_run(struct ipcchan_channel *chan);
u64 ipcchan_lease_keepers(struct ipcchan_port *sender, u64 now);

#endif
