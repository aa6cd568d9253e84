// SPDX-License-Identifier: GPL-2.0
/* mmap, faults, and emptying windows. */
#include <linux/fs.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "map.h"

u64 ipcchan_map_own_size(const struct ipcchan_port *port)
{
	return (port->receipts ? ipcchan_region_size(port->receipts) : 0) +
	       (port->outbox ? ipcchan_region_size(port->outbox) : 0);
}

static bool ours(const struct vm_area_struct *vma)
{
	const struct ipcchan_port *port = vma->vm_private_data;

	return vma->vm_mm == port->mm;
}

/*
 * A copy of the mapping in a forked child, by MADV_DOFORK: it may not even
 * inherit page table entries (a userfaultfd context can make fork() copy
 * them), and its faults are refused.
 */
static void disown(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_WIPEONFORK);
}

static void own_open(struct vm_area_struct *vma)
{
	struct ipcchan_port *port = vma->vm_private_data;

	if (ours(vma))
		atomic_inc(&port->own_maps);
	else
		disown(vma);
}

static void own_close(struct vm_area_struct *vma)
{
	struct ipcchan_port *port = vma->vm_private_data;

	if (ours(vma) && atomic_dec_and_test(&port->own_maps))
		ipcchan_port_detach(port, IPCCHAN_REASON_CLOSED);
}

static vm_fault_t own_fault(struct vm_fault *vmf)
{
	struct ipcchan_port *port = vmf->vma->vm_private_data;
	struct ipcchan_region *region = port->receipts ?: port->outbox;
	unsigned long index = vmf->pgoff - (IPCCHAN_OWN_OFFSET >> PAGE_SHIFT);

	if (!ours(vmf->vma))
		return VM_FAULT_SIGBUS;
	if (index >= region->nr_pages && region != port->outbox) {
		index -= region->nr_pages;
		region = port->outbox;
	}
	if (!region || index >= region->nr_pages)
		return VM_FAULT_SIGBUS;
	vmf->page = region->pages[index];
	get_page(vmf->page);
	return 0;
}

static void window_open(struct vm_area_struct *vma)
{
	struct ipcchan_port *port = vma->vm_private_data;

	if (ours(vma))
		atomic_inc(&port->window_maps);
	else
		disown(vma);
}

static void window_close(struct vm_area_struct *vma)
{
	struct ipcchan_port *port = vma->vm_private_data;

	if (ours(vma))
		atomic_dec(&port->window_maps);
}

static struct ipcchan_region *shown_receipts(struct ipcchan_port *port,
					     u64 offset, u64 *inside)
{
	u64 size = port->chan->layout.receipts_size;
	u32 slot = div64_u64_rem(offset, size, inside);

	if (!(port->roles & IPCCHAN_SEND))
		return NULL;
	port->touched_receivers |= BIT_ULL(slot);
	return port->chan->receivers[slot].receipts;
}

static struct ipcchan_region *shown_outbox(struct ipcchan_port *port,
					   u64 offset, u64 *inside)
{
	u64 size = port->chan->layout.outbox_size;
	u32 slot = div64_u64_rem(offset, size, inside);

	if (!(port->roles & IPCCHAN_RECEIVE))
		return NULL;
	port->touched_senders |= BIT_ULL(slot);
	return port->chan->senders[slot].outbox;
}

/*
 * What the window shows at @offset, and where in it. A port sees the others
 * from when it is on the roster until it is GONE.
 */
static struct ipcchan_region *shown(struct ipcchan_port *port, u64 offset,
				    u64 *inside)
{
	const struct ipcchan_channel *chan = port->chan;
	const struct ipcchan_layout *l = &chan->layout;

	lockdep_assert_held(&chan->lock);
	*inside = offset;
	if (port->state == IPCCHAN_PORT_GONE)
		return NULL;
	if (offset < l->window_receipts)
		return chan->roster;
	if (port->state == IPCCHAN_PORT_NEW)
		return NULL;
	if (offset < l->window_outboxes)
		return shown_receipts(port, offset - l->window_receipts, inside);
	return shown_outbox(port, offset - l->window_outboxes, inside);
}

/*
 * The page the window shows at @offset now, with a reference; NULL: nothing,
 * and there is no page of zeros yet.
 */
static struct page *look(struct ipcchan_port *port, u64 offset)
{
	struct ipcchan_region *region;
	struct page *page;
	u64 inside;

	spin_lock(&port->chan->lock);
	region = shown(port, offset, &inside);
	page = region ? region->pages[inside >> PAGE_SHIFT] :
			READ_ONCE(port->nothing);
	if (page)
		get_page(page);
	spin_unlock(&port->chan->lock);
	return page;
}

/*
 * The page of zeros is made when first shown: most ports need none. A fault in
 * mid-message may not fail, so this allocation does not: it is one page a port.
 */
static void make_nothing(struct ipcchan_port *port)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO |
				       __GFP_NOFAIL);

	if (cmpxchg(&port->nothing, NULL, page))
		put_page(page);
}

static struct page *shown_page(struct ipcchan_port *port, u64 offset)
{
	struct page *page;

	while (!(page = look(port, offset)))
		make_nothing(port);
	return page;
}

/*
 * Look, lock the page, look again: whoever changes what is shown holds the
 * lock of each page shown before, once, and then unmaps.
 */
static vm_fault_t window_fault(struct vm_fault *vmf)
{
	struct ipcchan_port *port = vmf->vma->vm_private_data;
	u64 offset = ((u64)vmf->pgoff << PAGE_SHIFT) - IPCCHAN_WINDOW_OFFSET;
	struct page *page, *again;

	if (!ours(vmf->vma) || offset >= port->chan->layout.window_size)
		return VM_FAULT_SIGBUS;
	page = shown_page(port, offset);
	for (;;) {
		lock_page(page);
		again = shown_page(port, offset);
		put_page(again);
		if (again == page)
			break;
		unlock_page(page);
		put_page(page);
		if (fatal_signal_pending(current))
			return VM_FAULT_SIGBUS;
		cond_resched();
		page = shown_page(port, offset);
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/* Neither region is unmapped, or protected, in parts. */
static int refuse_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static const struct vm_operations_struct own_ops = {
	.open = own_open,
	.close = own_close,
	.may_split = refuse_split,
	.fault = own_fault,
};

static const struct vm_operations_struct window_ops = {
	.open = window_open,
	.close = window_close,
	.may_split = refuse_split,
	.fault = window_fault,
};

static int map_own(struct ipcchan_port *port, struct vm_area_struct *vma)
{
	int err;

	if (atomic_cmpxchg(&port->own_maps, 0, 1))
		return -EBUSY;
	err = ipcchan_port_activate(port);
	if (err) {
		atomic_set(&port->own_maps, 0);
		return err;
	}
	vma->vm_ops = &own_ops;
	return 0;
}

static int map_window(struct ipcchan_port *port, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	if (atomic_cmpxchg(&port->window_maps, 0, 1))
		return -EBUSY;
	vma->vm_ops = &window_ops;
	return 0;
}

static bool covers(const struct vm_area_struct *vma, u64 offset, u64 size)
{
	return vma->vm_pgoff == offset >> PAGE_SHIFT &&
	       vma->vm_end - vma->vm_start == size;
}

/*
 * ipcchan_map() - mmap() on a port: exactly its own region, or its window
 *
 * -EBUSY the caller's address space is not the port's, or it is mapped
 * already; -EINVAL the range is neither, or the mapping is private; -EACCES
 * the window is to be written; -EPERM code is to be run; -ESHUTDOWN.
 */
int ipcchan_map(struct ipcchan_port *port, struct vm_area_struct *vma)
{
	bool own = covers(vma, IPCCHAN_OWN_OFFSET, ipcchan_map_own_size(port));
	bool window = covers(vma, IPCCHAN_WINDOW_OFFSET,
			     port->chan->layout.window_size);
	int err;

	if (vma->vm_mm != port->mm)
		return -EBUSY;
	if (READ_ONCE(port->state) == IPCCHAN_PORT_GONE)
		return -ESHUTDOWN;
	if (!(vma->vm_flags & VM_SHARED) || (!own && !window))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;

	vma->vm_private_data = port;
	err = own ? map_own(port, vma) : map_window(port, vma);
	if (err)
		return err;
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP,
		     VM_MAYEXEC | (window ? VM_MAYWRITE : 0));
	return 0;
}

/*
 * As ipcchan_region_settle(), for places where the port was shown nothing.
 *
 * If there is no page of zeros there is nothing to wait for: a fault hands it on
 * only if its second look, under the channel's lock, found that nothing is
 * shown. Had that look come before the change, which was made under that lock,
 * the page would have been there before it too, and be seen here; one that
 * comes after the change finds what is shown now.
 */
static void settle_nothing(struct ipcchan_port *port)
{
	struct page *page = READ_ONCE(port->nothing);

	if (!page)
		return;
	lock_page(page);
	unlock_page(page);
}

/*
 * A part of the windows of all ports with a role shows something else than
 * @before, which may be nothing.
 */
static void change_place(struct ipcchan_channel *chan, u32 role, u64 offset,
			 u64 size, struct ipcchan_region *before)
{
	struct ipcchan_port *port;

	lockdep_assert_held(&chan->mutex);
	if (before)
		ipcchan_region_settle(before);
	list_for_each_entry(port, &chan->ports, node) {
		if (!(port->roles & role))
			continue;
		if (!before)
			settle_nothing(port);
		unmap_mapping_range(port->mapping,
				    IPCCHAN_WINDOW_OFFSET + offset, size, 1);
		cond_resched();
	}
}

/* The slot's outbox is another than @before (NULL: there was none). */
void ipcchan_map_outbox_changed(struct ipcchan_channel *chan, u32 slot,
				struct ipcchan_region *before)
{
	const struct ipcchan_layout *l = &chan->layout;

	change_place(chan, IPCCHAN_RECEIVE,
		     l->window_outboxes + slot * l->outbox_size,
		     l->outbox_size, before);
}

/* The slot's receipts are others than @before (NULL: there were none). */
void ipcchan_map_receipts_changed(struct ipcchan_channel *chan, u32 slot,
				  struct ipcchan_region *before)
{
	const struct ipcchan_layout *l = &chan->layout;

	change_place(chan, IPCCHAN_SEND,
		     l->window_receipts + slot * l->receipts_size,
		     l->receipts_size, before);
}

/* Can anybody look through the port's window, now or by a fault under way? */
static bool has_window(const struct ipcchan_port *port)
{
	return atomic_read(&port->window_maps) &&
	       atomic_read(&port->mm->mm_users);
}

/* Settle what the port's window may have been shown; the port is GONE. */
static void settle_touched(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;
	u32 i;

	ipcchan_region_settle(chan->roster);
	for (i = 0; i < chan->geometry.senders; i++)
		if (port->touched_senders & BIT_ULL(i) && chan->senders[i].outbox)
			ipcchan_region_settle(chan->senders[i].outbox);
	for (i = 0; i < chan->geometry.receivers; i++)
		if (port->touched_receivers & BIT_ULL(i) &&
		    chan->receivers[i].receipts)
			ipcchan_region_settle(chan->receivers[i].receipts);
}

/*
 * ipcchan_map_close_window() - the port is GONE: its window shows nothing
 *
 * Costs a page lock for each page of the places it has ever looked into.
 */
void ipcchan_map_close_window(struct ipcchan_port *port)
{
	lockdep_assert_held(&port->chan->mutex);
	if (!has_window(port))
		return;
	settle_touched(port);
	unmap_mapping_range(port->mapping, IPCCHAN_WINDOW_OFFSET,
			    port->chan->layout.window_size, 1);
}

/* The port is ACTIVE: its window, mapped before that, shows the others. */
void ipcchan_map_open_window(struct ipcchan_port *port)
{
	settle_nothing(port);
	unmap_mapping_range(port->mapping, IPCCHAN_WINDOW_OFFSET,
			    port->chan->layout.window_size, 1);
}
