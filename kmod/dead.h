/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: dead letters
 *
 * A queue may name another to which those of its messages go that came back too
 * often. There the kernel is a sender: it has a slot, which looks like that of a
 * sender that has left, and an outbox, charged to the owner of that queue. It is
 * taken when the queue is created and given up when it is destroyed.
 *
 * Messages are copied by the work of lease.c, one at a time and without a lock:
 * each stays in its sender's ring until it is over there. Its files go along. What finds no room is
 * tried again a while later. Whoever evicts the slot there ends it; then, as
 * when that queue is deleted, what is dead is dropped.
 *
 * All but what is constant belongs to the work. That queue is older than this
 * one, so there are no circles.
 */
#ifndef IPCCHAN_DEAD_H
#define IPCCHAN_DEAD_H

#include "port.h"

int ipcchan_dead_begin(struct ipcchan_channel *chan,
		       const struct ipcchan_create *args,
		       struct ipcchan_why *why);
void ipcchan_dead_end(struct ipcchan_channel *chan);
void ipcchan_dead_bury(struct ipcchan_channel *chan);

#endif
