/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: mappings: a port's own region, and its window on the others
 *
 * Own region: read and write, the port's pages and nothing else. Window:
 * read-only for good; the roster, and in places by slot what the port's roles
 * let it see. A place with nothing to see shows a page of zeros, the port's own
 * (one for all would have its references overflow), and so does all but the
 * roster before the port is ACTIVE, and everything once it is GONE.
 *
 * What a place shows follows the slots at the time of the fault. To change it:
 * change the slot, ipcchan_region_settle() what it showed before, then unmap
 * the place (the functions below), and only then announce something new.
 */
#ifndef IPCCHAN_MAP_H
#define IPCCHAN_MAP_H

#include "port.h"

struct file;
struct vm_area_struct;

/* Offsets for mmap(). */
#define IPCCHAN_OWN_OFFSET	0ull
#define IPCCHAN_WINDOW_OFFSET	BIT_ULL(44)

u64 ipcchan_map_own_size(const struct ipcchan_port *port);

int ipcchan_map(struct ipcchan_port *port, struct vm_area_struct *vma);

void ipcchan_map_outbox_changed(struct ipcchan_channel *chan, u32 slot,
				struct ipcchan_region *before);
void ipcchan_map_receipts_changed(struct ipcchan_channel *chan, u32 slot,
				  struct ipcchan_region *before);
void ipcchan_map_close_window(struct ipcchan_port *port);
void ipcchan_map_open_window(struct ipcchan_port *port);

#endif
