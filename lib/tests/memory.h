/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: a device made of plain memory
 *
 * One channel, in this process: what the module does for it, simply. All ports
 * see the same pages at the same addresses, so that a race is seen by a
 * sanitizer, and a test can write what a hostile peer would.
 *
 * A port with both roles takes the last receiver's slot and the first sender's,
 * which lie side by side.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#include "ipcchan.h"

/** memory_begin() - no channel; zero what was counted */
void memory_begin(void);
/** memory_end() - free the channel */
void memory_end(void);

/* The channel's pages. */
struct ipcchan_roster *memory_roster(void);
struct ipcchan_slot *memory_sender(uint32_t slot);
struct ipcchan_receipts *memory_receipts(uint32_t slot);
struct ipcchan_cursor *memory_cursor(uint32_t receiver, uint32_t sender);
uint64_t *memory_holds(uint32_t receiver);
struct ipcchan_desc *memory_desc(uint32_t sender, uint64_t seq);

/** memory_set_base() - base of the next sender in a slot */
void memory_set_base(uint32_t slot, uint64_t base);
/** memory_evict() - everything reads as zeros */
void memory_evict(void);

/* What was asked of the device; the last WAIT_SEND's await. */
struct memory_calls {
	uint64_t kicks;
	uint64_t waits;
	uint64_t woken;		/* by kicks */
	uint64_t unmaps;
	uint64_t await;
};

struct memory_calls memory_calls(void);

/** memory_no_module() - opening fails with -ENODEV */
void memory_no_module(void);
/** memory_vanish() - so many attaches find that the channel has vanished */
void memory_vanish(int times);
/** memory_restless() - every wait for room says that something has changed */
void memory_restless(void);

#endif /* MEMORY_H */
