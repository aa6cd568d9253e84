/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: receivers that stand still while a sender waits for them
 *
 * On channels with stall_ns (T). While a sender sleeps for room, work of
 * the module's own looks every quarter of T at those of whom it may be waiting:
 * receivers that have something to read from it, or hold something. Who has not
 * moved for T is evicted. One that sleeps is woken instead, once for each time
 * it stands still, and has T from then on; else one that polls and never reads
 * would be safe for ever.
 *
 * On queues there is no T, but a lease: lease.h says who is evicted.
 *
 * What was seen is kept with the sender (port->suspects): a receiver may keep
 * one sender waiting and not another. A sender counts as waiting if it slept
 * for room at any time since the last look, because other receivers wake it in
 * vain; but nobody is evicted at a moment when it does not sleep.
 *
 * That there is no room is the sender's word: the kernel does not know its
 * allocator. Who may send may so have receivers evicted that stand still; one
 * that has read all and holds nothing is never touched, nor one that moves. A
 * receiver that moves without need is believed, too.
 *
 * A pending look has a reference on its channel. It is called off when the
 * channel ends; one that runs then finds it GONE and touches nothing but it.
 */
#ifndef IPCCHAN_STALL_H
#define IPCCHAN_STALL_H

#include "port.h"

int ipcchan_stall_start(void);
void ipcchan_stall_stop(void);
void ipcchan_stall_flush(void);
bool ipcchan_stall_queue(struct delayed_work *work, unsigned long delay);

void ipcchan_stall_init(struct ipcchan_channel *chan);
void ipcchan_stall_end(struct ipcchan_channel *chan);

int ipcchan_stall_alloc(struct ipcchan_port *port);
void ipcchan_stall_free(struct ipcchan_port *port);
void ipcchan_stall_watch(struct ipcchan_port *sender);

#endif
