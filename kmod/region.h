/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a region: pages that are mapped to processes
 *
 * The kernel's linear map reaches every page; nothing in a region straddles
 * pages. A region is charged to an account while it lives. References are held
 * by the port that owns it and by the slot it is seen through; a page has one
 * of its own for each mapping and each pin, and may outlive the region.
 */
#ifndef IPCCHAN_REGION_H
#define IPCCHAN_REGION_H

#include <linux/kref.h>
#include <linux/mm.h>

#include "account.h"

struct ipcchan_region {
	/* constant */
	struct kref ref;
	struct ipcchan_account *account;
	struct ipcchan_usage *net;
	unsigned long nr_pages;
	struct page **pages;
};

struct ipcchan_region *ipcchan_region_alloc(u64 size,
					    struct ipcchan_account *account,
					    struct ipcchan_usage *net,
					    struct ipcchan_why *why);
struct ipcchan_region *ipcchan_region_put(struct ipcchan_region *region);
void ipcchan_region_settle(struct ipcchan_region *region);

static inline struct ipcchan_region *
ipcchan_region_ref(struct ipcchan_region *region)
{
	kref_get(&region->ref);
	return region;
}

static inline u64 ipcchan_region_size(const struct ipcchan_region *region)
{
	return (u64)region->nr_pages << PAGE_SHIFT;
}

/* The byte at @offset, for the kernel to read or write. */
static inline void *ipcchan_region_at(const struct ipcchan_region *region,
				      u64 offset)
{
	return page_address(region->pages[offset >> PAGE_SHIFT]) +
	       offset_in_page(offset);
}

#endif
