/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: dead letters
 *
 * A queue may name another to which those of its messages go that came back too
 * often. There the kernel is a sender: it has a slot, which looks like that of a
 * sender that has left, and an outbox, both charged to who created the queue that
 * names the other. It is taken when that is created, and ends when either of the
 * two is GONE, or whoever evicts the slot there ends it; what is dead then is dropped.
 * So a queue that is GONE keeps no other: they make no chains.
 *
 * Messages are copied by work of the module's own, one at a time and without a
 * lock: each stays in its sender's ring until it is over there. Its
 * files go along. Senders have turns; what finds no room is tried again a while
 * later, and holds up those of its own sender only. After so much the work goes
 * to the end of its queue.
 *
 * References are held by the queue, by the slot there, and by what is being
 * copied. All but what is constant belongs to the work. The other queue is older,
 * so there are no circles, of mutexes neither.
 */
#ifndef IPCCHAN_DEAD_H
#define IPCCHAN_DEAD_H

#include "port.h"

struct ipcchan_dead;
struct ipcchan_queue;

int ipcchan_dead_start(void);
void ipcchan_dead_stop(void);
void ipcchan_dead_flush(void);

int ipcchan_dead_begin(struct ipcchan_channel *chan,
		       const struct ipcchan_create *args,
		       struct ipcchan_why *why);
void ipcchan_dead_end(struct ipcchan_channel *chan);
void ipcchan_dead_init(struct ipcchan_queue *q);
void ipcchan_dead_alarm(struct ipcchan_channel *chan);
void ipcchan_dead_lost(struct ipcchan_dead *dead);

#endif
