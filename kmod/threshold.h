/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: thresholds: a receiver that is woken for many messages at a time
 *
 * A port that asked for it sleeps until so many messages wait, of all senders
 * together, or so long after the first, or until a sender lacks room or the
 * last one has left. Its slot's word on the roster tells each sender how many
 * more of its own it may publish before it must ask; it is written anew
 * whenever the kernel has looked and found too few.
 *
 * Constant but for what the channel's lock protects. The timer takes no lock of
 * ours: it wakes the port's queue, and who is there looks.
 */
#ifndef IPCCHAN_THRESHOLD_H
#define IPCCHAN_THRESHOLD_H

#include <linux/types.h>

struct ipcchan_port;
struct ipcchan_threshold;

struct ipcchan_threshold *ipcchan_threshold_alloc(struct ipcchan_port *port,
						  u32 count, u64 delay_ns);
void ipcchan_threshold_free(struct ipcchan_threshold *t);

void ipcchan_threshold_arm(const struct ipcchan_port *port);
bool ipcchan_threshold_due(const struct ipcchan_port *port);
bool ipcchan_threshold_press(const struct ipcchan_port *port, u32 slot);

#endif
