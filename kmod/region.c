// SPDX-License-Identifier: GPL-2.0
/* Memory of regions. */
#include <linux/log2.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "region.h"

/* Larger chunks make large arenas quick to get; they are split at once. */
#define CHUNK_ORDER	4

#define REGION_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

static struct page *alloc_chunk(unsigned int *order)
{
	struct page *page;

	if (*order) {
		page = alloc_pages(REGION_GFP | __GFP_NORETRY, *order);
		if (page) {
			split_page(page, *order);
			return page;
		}
		*order = 0;
	}
	return alloc_page(REGION_GFP | __GFP_RETRY_MAYFAIL);
}

static int fill(struct ipcchan_region *region, unsigned long nr_pages)
{
	unsigned int order = CHUNK_ORDER;

	while (region->nr_pages < nr_pages) {
		unsigned long left = nr_pages - region->nr_pages;
		struct page *page;
		unsigned int i;

		if (fatal_signal_pending(current))
			return -EINTR;
		order = min_t(unsigned int, order, ilog2(left));
		page = alloc_chunk(&order);
		if (!page)
			return -ENOMEM;
		for (i = 0; i < 1u << order; i++)
			region->pages[region->nr_pages++] = page + i;
		cond_resched();
	}
	return 0;
}

static void free_pages_and(struct ipcchan_region *region)
{
	unsigned long i;

	for (i = 0; i < region->nr_pages; i++) {
		put_page(region->pages[i]);
		if (!(i % 1024))
			cond_resched();
	}
	kvfree(region->pages);
	kfree(region);
}

/*
 * ipcchan_region_alloc() - get memory of @size bytes (whole pages), zeroed
 *
 * Charged to @account, @net and the caller's cgroup. Sleeps; ends with -EINTR
 * when the caller is killed. -EDQUOT, -ENOMEM. Returns an ERR_PTR().
 */
struct ipcchan_region *ipcchan_region_alloc(u64 size,
					    struct ipcchan_account *account,
					    struct ipcchan_usage *net,
					    struct ipcchan_why *why)
{
	unsigned long nr_pages = size >> PAGE_SHIFT;
	struct ipcchan_region *region;
	int err;

	err = ipcchan_charge(account, net, IPCCHAN_BYTES, size, why);
	if (err)
		return ERR_PTR(err);

	err = -ENOMEM;
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		goto uncharge;
	region->pages = kvmalloc_array(nr_pages, sizeof(*region->pages),
				       GFP_KERNEL_ACCOUNT);
	if (!region->pages)
		goto free_region;
	err = fill(region, nr_pages);
	if (err)
		goto free_pages;

	kref_init(&region->ref);
	region->account = ipcchan_account_ref(account);
	region->net = net;
	return region;

free_pages:
	free_pages_and(region);
	region = NULL;
free_region:
	kfree(region);
uncharge:
	ipcchan_uncharge(account, net, IPCCHAN_BYTES, size);
	return ERR_PTR(ipcchan_refuse(why, err, err == -EINTR ?
				      "killed while memory was taken" :
				      "not enough memory for the region"));
}

static void release(struct kref *ref)
{
	struct ipcchan_region *region =
		container_of(ref, struct ipcchan_region, ref);

	ipcchan_uncharge(region->account, region->net, IPCCHAN_BYTES,
			 ipcchan_region_size(region));
	ipcchan_account_put(region->account);
	free_pages_and(region);
}

/* Give a reference back; may sleep; takes NULL and returns NULL. */
struct ipcchan_region *ipcchan_region_put(struct ipcchan_region *region)
{
	if (region)
		kref_put(&region->ref, release);
	return NULL;
}

/*
 * ipcchan_region_settle() - let every fault that saw the old state finish
 *
 * A fault tests the state under the lock of the page it is about to map and
 * hands the page on locked. After the state has changed and each page's lock
 * has been held once, what could have been mapped by the old state is mapped,
 * and unmap_mapping_range() finds it.
 */
void ipcchan_region_settle(struct ipcchan_region *region)
{
	unsigned long i;

	for (i = 0; i < region->nr_pages; i++) {
		lock_page(region->pages[i]);
		unlock_page(region->pages[i]);
		if (!(i % 1024))
			cond_resched();
	}
}
