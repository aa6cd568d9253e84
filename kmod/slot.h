/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the slots of a channel, and what senders leave in theirs
 *
 * A sender's slot is EMPTY, ACTIVE, or DRAINING: the sender has left, and its
 * outbox stays in the windows because somebody has something to read there, or
 * holds it, or because the channel keeps it for who comes late. Emptied is
 *
 *   what nobody needs any more	at once, unless the channel keeps it
 *   the one that left first	for a newcomer that finds no slot; with
 *				drop-oldest even if it is unread
 *   any			by eviction, and with the channel
 *
 * With drop-oldest a receiver may take hold of a message at any time, as long
 * as it finds it in the ring. Where no sender is left to write there the kernel
 * does as the sender would: it retires all messages, O, and looks at the holds;
 * what is held then keeps the slot (retired) until it is given back.
 *
 * A slot that is lent is the module's own, to send to a queue what is dead
 * elsewhere: it looks DRAINING, but is emptied only by eviction, or once returned,
 * and until then nobody who receives there is told that no sender is left.
 *
 * All with the channel's mutex.
 */
#ifndef IPCCHAN_SLOT_KERNEL_H
#define IPCCHAN_SLOT_KERNEL_H

#include "port.h"

struct ipcchan_dead;

int ipcchan_slot_find(struct ipcchan_channel *chan, u32 role,
		      struct ipcchan_why *why);
int ipcchan_slot_take(struct ipcchan_port *port, struct ipcchan_why *why);

bool ipcchan_slot_drains(const struct ipcchan_port *port);
void ipcchan_slot_drain(struct ipcchan_channel *chan, u32 slot);
struct ipcchan_region *ipcchan_slot_hide(struct ipcchan_channel *chan, u32 slot);
void ipcchan_slot_vacate(struct ipcchan_channel *chan, u32 slot,
			 const struct ipcchan_region *outbox);
int ipcchan_slot_lend(struct ipcchan_channel *chan, struct ipcchan_dead *dead,
		      struct ipcchan_region *outbox, struct ipcchan_items *items,
		      u64 *base, struct ipcchan_why *why);
bool ipcchan_slot_return(struct ipcchan_channel *chan, u32 slot,
			 const struct ipcchan_dead *dead);
void ipcchan_slot_empty(struct ipcchan_channel *chan, u32 slot);
void ipcchan_slot_empty_all(struct ipcchan_channel *chan);
void ipcchan_slot_reap(struct ipcchan_channel *chan);
void ipcchan_slot_forget(struct ipcchan_channel *chan);

#endif
