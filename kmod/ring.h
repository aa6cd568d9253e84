/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the kernel's looks into pages that processes write
 *
 * Every word is read once, and whatever it says, what follows is a bounded
 * number of reads inside the regions: indices are masked, sums may wrap. A
 * lying process is told nonsense about itself and delays its own messages.
 *
 * With the channel's lock or mutex held, so that regions stay where they are.
 */
#ifndef IPCCHAN_RING_KERNEL_H
#define IPCCHAN_RING_KERNEL_H

#include "port.h"

bool ipcchan_ring_readable(const struct ipcchan_channel *chan,
			   const struct ipcchan_region *receipts, u32 slot);
u64 ipcchan_ring_passed(const struct ipcchan_channel *chan,
			const struct ipcchan_region *receipts, u32 slot);
u32 ipcchan_ring_waiting(const struct ipcchan_channel *chan,
			 const struct ipcchan_region *receipts, u32 slot);
u64 ipcchan_ring_passed_by(const struct ipcchan_channel *chan,
			   const struct ipcchan_region *receipts, u32 slot);
u64 ipcchan_ring_passed_by_all(const struct ipcchan_channel *chan, u32 slot);
u64 ipcchan_ring_word(const struct ipcchan_channel *chan, u32 slot, u64 seq);
u64 ipcchan_ring_hold(const struct ipcchan_channel *chan,
		      const struct ipcchan_region *receipts, u32 i);
u64 ipcchan_ring_progress(const struct ipcchan_region *receipts, u32 slot);
u64 ipcchan_ring_published(const struct ipcchan_channel *chan, u32 slot,
			   const struct ipcchan_region *region);
bool ipcchan_ring_holds(const struct ipcchan_channel *chan,
			const struct ipcchan_region *receipts, u32 slot);
bool ipcchan_ring_held(const struct ipcchan_channel *chan, u32 slot);
bool ipcchan_ring_needs(const struct ipcchan_channel *chan,
			const struct ipcchan_region *receipts, u32 slot);
bool ipcchan_ring_unread(struct ipcchan_channel *chan, u32 slot);
bool ipcchan_ring_room(const struct ipcchan_port *sender);
void ipcchan_ring_begin(const struct ipcchan_channel *chan,
			struct ipcchan_region *receipts);
void ipcchan_ring_deafen(struct ipcchan_port *port);
u64 ipcchan_ring_next_base(const struct ipcchan_channel *chan, u32 slot);

/* A port's own claims, for administrators to see. */
struct ipcchan_claims {
	u64 sent;
	u64 sent_bytes;
	u64 received;
	u64 lost;
	u64 behind;	/* messages that wait to be taken, of all senders */
	u32 held;
};

void ipcchan_ring_claims(const struct ipcchan_port *port,
			 struct ipcchan_claims *claims);

#endif
