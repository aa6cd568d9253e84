/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Regions and windows: kmod/region.h, kmod/map.h, over the pages of the memfd.
 *
 * A channel has a stretch of pages laid out as its window is. A slot's region is
 * its place there, from when its port joins until it leaves; what the place
 * showed is gone then, in all windows at once. Before and after, a region is
 * nowhere: nothing of it is looked at but its first page.
 *
 * A window begins with the port's own copy of the roster, so that a port can be
 * told that it is gone.
 */
#include "machine.h"

#include <sys/mman.h>

#include "../../kmod/map.h"

#define LIMBO_PAGES	4ul	/* suffice for all of a roster that is written so early */

struct region {
	struct ipcchan_region region;
	u8 *stretch;		/* of the roster's: the channel's */
	u64 stretch_size;
	u8 *left;		/* first page of a region that has left its place */
};

static struct region *region_of(const struct ipcchan_region *r)
{
	return container_of(r, struct region, region);
}

static void set_pages(struct ipcchan_region *r, u8 *base, u64 nr)
{
	for (u64 i = 0; i < nr; i++)
		r->pages[i] = (struct page *)(base + (i << PAGE_SHIFT));
}

struct ipcchan_region *ipcchan_region_alloc(u64 size, struct ipcchan_account *account,
					    struct ipcchan_usage *net, struct ipcchan_why *why)
{
	struct region *r = sim_alloc(sizeof(*r));

	(void)account, (void)net, (void)why;
	kref_init(&r->region.ref);
	r->region.nr_pages = size >> PAGE_SHIFT;
	r->region.pages = sim_alloc(r->region.nr_pages * sizeof(struct page *));
	set_pages(&r->region, sim_machine->limbo, min(r->region.nr_pages, LIMBO_PAGES));
	return &r->region;
}

static void release(struct kref *ref)
{
	struct region *r = container_of(ref, struct region, region.ref);

	sim_pages_free(r->stretch, r->stretch_size);
	sim_free(r->left);
	sim_free(r->region.pages);
	sim_free(r);
}

struct ipcchan_region *ipcchan_region_put(struct ipcchan_region *region)
{
	if (region)
		kref_put(&region->ref, release);
	return NULL;
}

void ipcchan_region_settle(struct ipcchan_region *region)
{
	SIM_ASSERT(region->ref.count > 0);
}

/* The channel is complete, and nobody has seen it yet: 0 or -ENOMEM. */
int sim_place_channel(struct ipcchan_channel *chan)
{
	struct region *roster = region_of(chan->roster);
	u64 size = chan->layout.roster_size;

	roster->stretch_size = chan->layout.window_size;
	roster->stretch = sim_pages_alloc(roster->stretch_size);
	if (!roster->stretch)
		return -ENOMEM;
	size = min(size, LIMBO_PAGES << PAGE_SHIFT);
	memcpy(roster->stretch, sim_machine->limbo, size);
	memset(sim_machine->limbo, 0, size);
	set_pages(&roster->region, roster->stretch, roster->region.nr_pages);
	return 0;
}

static u8 *stretch_of(const struct ipcchan_channel *chan)
{
	return region_of(chan->roster)->stretch;
}

u8 *sim_place_receipts(const struct ipcchan_channel *chan, u32 slot)
{
	return stretch_of(chan) + chan->layout.window_receipts + slot * chan->layout.receipts_size;
}

u8 *sim_place_outbox(const struct ipcchan_channel *chan, u32 slot)
{
	return stretch_of(chan) + chan->layout.window_outboxes + slot * chan->layout.outbox_size;
}

/* Pages of the memfd, at @at, or anywhere if that is NULL. */
static u8 *map(u8 *at, const u8 *pages, u64 size, int protection)
{
	u8 *p = mmap(at, size, protection, MAP_SHARED | (at ? MAP_FIXED : 0), sim_memfd,
		     pages - (u8 *)sim_machine);

	SIM_ASSERT(p != MAP_FAILED && !madvise(p, size, MADV_DONTFORK));
	return p;
}

/* Zeros that nobody else writes. */
static u8 *map_nothing(u8 *at, u64 size, int protection)
{
	u8 *p = mmap(at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	SIM_ASSERT(p != MAP_FAILED && !madvise(p, size, MADV_DONTFORK));
	return p;
}

/* Is its own region a mapping in this process, which can be made to show others? */
static bool is_ours(const struct sim_file *file)
{
	return file->own && file->own_mapped && file->f.port->mm == current->mm;
}

/* In one step, as the process sees it: it keeps what it had, for itself. */
static void keep(u8 *at, u64 size)
{
	u8 *copy = map_nothing(NULL, size, PROT_READ | PROT_WRITE);

	memcpy(copy, at, size);
	SIM_ASSERT(mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

/* Who has the region as its own? It may have been mapped by nobody, or be gone. */
static void keep_for_owner(const struct ipcchan_region *r)
{
	struct sim_file *file;

	list_for_each_entry(file, &sim_machine->views, view) {
		const struct ipcchan_port *port = file->f.port;
		u64 size = ipcchan_region_size(r);

		if (!is_ours(file))
			continue;
		if (port->receipts == r)
			keep(file->own, size);
		else if (port->outbox == r)
			keep(file->own + ipcchan_map_own_size(port) - size, size);
	}
}

/* What the module goes on to look at: what the sender has said of its head. */
static void take_off(struct ipcchan_region *r, u8 *place)
{
	struct region *region = region_of(r);

	keep_for_owner(r);
	region->left = sim_alloc(PAGE_SIZE);
	memcpy(region->left, place, PAGE_SIZE);
	memset(r->pages, 0, r->nr_pages * sizeof(*r->pages));
	set_pages(r, region->left, 1);
}

/* A region comes into its place, or @before leaves it: zeros in between. */
static void change_place(struct ipcchan_region *now, struct ipcchan_region *before, u8 *place,
			 u64 size)
{
	if (before)
		take_off(before, place);
	if (now)
		set_pages(now, place, now->nr_pages);
	sim_pages_clear(place, size);
}

void ipcchan_map_outbox_changed(struct ipcchan_channel *chan, u32 slot,
				struct ipcchan_region *before)
{
	lockdep_assert_held(&chan->mutex);
	change_place(chan->senders[slot].outbox, before, sim_place_outbox(chan, slot),
		     chan->layout.outbox_size);
}

void ipcchan_map_receipts_changed(struct ipcchan_channel *chan, u32 slot,
				  struct ipcchan_region *before)
{
	lockdep_assert_held(&chan->mutex);
	change_place(chan->receivers[slot].receipts, before, sim_place_receipts(chan, slot),
		     chan->layout.receipts_size);
}

u64 ipcchan_map_own_size(const struct ipcchan_port *port)
{
	return (port->receipts ? ipcchan_region_size(port->receipts) : 0) +
	       (port->outbox ? ipcchan_region_size(port->outbox) : 0);
}

static u8 *join(const u8 *first, u64 first_size, const u8 *second, u64 second_size, int protection)
{
	u8 *at = map_nothing(NULL, first_size + second_size, PROT_NONE);

	map(at, first, first_size, protection);
	map(at + first_size, second, second_size, protection);
	return at;
}

/* The port's own region: the places of its slots, side by side. */
void sim_map_own(struct sim_file *file)
{
	const struct ipcchan_port *port = file->f.port;
	u64 receipts_size = port->receipts ? ipcchan_region_size(port->receipts) : 0;
	u64 outbox_size = port->outbox ? ipcchan_region_size(port->outbox) : 0;
	u8 *receipts = receipts_size ? sim_place_receipts(port->chan, port->receiver_slot) : NULL;
	u8 *outbox = outbox_size ? sim_place_outbox(port->chan, port->sender_slot) : NULL;
	u8 *first = receipts ? receipts : outbox;
	int rw = PROT_READ | PROT_WRITE;

	file->own_mapped = true;
	if (receipts && outbox && !(sim_is_flat() && receipts + receipts_size == outbox)) {
		file->own = join(receipts, receipts_size, outbox, outbox_size, rw);
	} else if (sim_is_flat()) {
		file->own = first;
		file->own_mapped = false;
	} else {
		file->own = map(NULL, first, receipts_size + outbox_size, rw);
	}
}

static void begin_view(struct sim_file *file)
{
	const struct ipcchan_channel *chan = file->f.port->chan;
	u64 size = chan->layout.roster_size;

	file->master = stretch_of(chan);
	file->roster = sim_pages_alloc(size);
	SIM_ASSERT(file->roster);
	memcpy(file->roster, file->master, size);
	list_add_tail(&file->view, &sim_machine->views);
}

static void end_view(struct sim_file *file)
{
	if (!file->roster)
		return;
	list_del_init(&file->view);
	sim_pages_free(file->roster, file->f.port->chan->layout.roster_size);
	file->roster = NULL;
}

/* A flat machine's is the stretch itself, which is not the file's to unmap. */
u8 *sim_map_window(struct sim_file *file)
{
	const struct ipcchan_channel *chan = file->f.port->chan;
	const struct ipcchan_layout *l = &chan->layout;
	u8 *stretch = stretch_of(chan);

	if (sim_is_flat())
		return stretch;
	begin_view(file);
	file->window = join(file->roster, l->roster_size, stretch + l->window_receipts,
			    l->window_size - l->roster_size, PROT_READ);
	return file->window;
}

/* The process may be dead: then it has nothing mapped, of which nobody need know. */
void sim_unmap_own(struct sim_file *file)
{
	const struct ipcchan_port *port = file->f.port;

	if (file->own && file->own_mapped && port->mm == current->mm)
		SIM_ASSERT(!munmap(file->own, ipcchan_map_own_size(port)));
	file->own = NULL;
}

void sim_unmap_window(struct sim_file *file)
{
	const struct ipcchan_port *port = file->f.port;

	if (file->window && port->mm == current->mm)
		SIM_ASSERT(!munmap(file->window, port->chan->layout.window_size));
	file->window = NULL;
	end_view(file);
}

/* Each port's copy follows the channel's roster, in the order of the stores. */
void sim_roster_store(void *word, size_t size, u64 value)
{
	struct sim_file *file;
	u64 offset;

	SIM_ASSERT(size == sizeof(u32) || size == sizeof(u64));
	if (size == sizeof(u32))
		__atomic_store_n((u32 *)word, (u32)value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((u64 *)word, value, __ATOMIC_RELEASE);
	list_for_each_entry(file, &sim_machine->views, view) {
		offset = (u64)((u8 *)word - file->master);
		if (offset >= file->f.port->chan->layout.roster_size)
			continue;
		if (size == sizeof(u32))
			__atomic_store_n((u32 *)(file->roster + offset), (u32)value, __ATOMIC_RELEASE);
		else
			__atomic_store_n((u64 *)(file->roster + offset), value, __ATOMIC_RELEASE);
	}
}

void ipcchan_map_open_window(struct ipcchan_port *port)
{
	SIM_ASSERT(port->state == IPCCHAN_PORT_ACTIVE);
}

/* Another process goes on to see, and write, what is in its slots' places. */
static void keep_slots(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;

	if (port->roles & IPCCHAN_SEND)
		chan->senders[port->sender_slot].holder = port;
	if (port->roles & IPCCHAN_RECEIVE)
		chan->receivers[port->receiver_slot].holder = port;
}

/* It sees them no more. */
void sim_release_slots(struct ipcchan_port *port)
{
	struct ipcchan_channel *chan = port->chan;

	if (port->state != IPCCHAN_PORT_GONE)
		return;
	if (port->roles & IPCCHAN_SEND && chan->senders[port->sender_slot].holder == port)
		chan->senders[port->sender_slot].holder = NULL;
	if (port->roles & IPCCHAN_RECEIVE && chan->receivers[port->receiver_slot].holder == port)
		chan->receivers[port->receiver_slot].holder = NULL;
}

/* All of the roster at once, as far as anybody looks; and for good. */
static void clear_view(struct sim_file *file)
{
	struct ipcchan_roster *r = (struct ipcchan_roster *)file->roster;
	u64 *words = (u64 *)file->roster;

	list_del_init(&file->view);
	__atomic_store_n(&r->sender_generation, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&r->receiver_generation, 0, __ATOMIC_RELEASE);
	for (u64 i = 0; i < file->f.port->chan->layout.roster_size / sizeof(*words); i++)
		__atomic_store_n(&words[i], 0, __ATOMIC_RELEASE);
}

void ipcchan_map_close_window(struct ipcchan_port *port)
{
	struct sim_file *file = sim_file_of(port);

	if (file->roster)
		clear_view(file);
	if (file->window && port->mm == current->mm)
		map_nothing(file->window, port->chan->layout.window_size, PROT_READ);
	if (file->own && !is_ours(file))
		keep_slots(port);
}
