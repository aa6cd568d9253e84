// SPDX-License-Identifier: GPL-2.0
/* Copying dead messages to another queue. Letters: Documentation/protocol.md */
#include <asm/barrier.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bundle.h"
#include "dead.h"
#include "lease.h"
#include "map.h"
#include "names.h"
#include "queue.h"
#include "rights.h"
#include "roster.h"
#include "slot.h"

/* What found no room is tried again after so long. */
#define RETRY_NS	(50 * NSEC_PER_MSEC)

struct ipcchan_dead {
	/* constant */
	struct ipcchan_channel *chan;	/* that queue */
	struct ipcchan_region *outbox;
	u32 slot;
	u64 base;

	u64 head;		/* the newest copied there */
	u64 floor;		/* up to here all are retired */
	u64 next;		/* bytes of the arena used, ever: a ring */
	u64 *ends;		/* by index: @next after that message */
};

/* A message that is dead, as its sender has described it. */
struct corpse {
	u64 seq;
	struct ipcchan_region *outbox;
	struct ipcchan_desc desc;
};

static struct ipcchan_desc *desc_at(const struct ipcchan_channel *chan,
				    const struct ipcchan_region *outbox, u64 seq)
{
	return ipcchan_region_at(outbox, chan->layout.ring +
				 (seq & (chan->geometry.depth - 1)) *
				 sizeof(struct ipcchan_desc));
}

/* Is the slot still ours? With that queue's lock. */
static bool is_there(const struct ipcchan_dead *dead)
{
	return dead->chan->senders[dead->slot].outbox == dead->outbox;
}

static void advance_floor(struct ipcchan_dead *dead)
{
	struct ipcchan_items *items = dead->chan->senders[dead->slot].items;
	u32 most = 64;

	while (dead->floor < dead->head && most-- &&
	       ipcchan_items_at(dead->chan, items, dead->floor + 1)->state ==
	       IPCCHAN_ITEM_FREE)
		dead->floor++;
}

static u64 end_of(const struct ipcchan_dead *dead, u64 seq)
{
	return dead->ends[seq & (dead->chan->geometry.depth - 1)];
}

/* Where a payload can go, in one piece: its place in the ring of bytes, or ~0. */
static u64 find_bytes(const struct ipcchan_dead *dead, u32 length)
{
	u64 arena = dead->chan->geometry.arena, at = dead->next;
	u64 from = dead->floor == dead->base ? 0 : end_of(dead, dead->floor);
	u64 rest = arena - at % arena;

	if (dead->floor == dead->head)
		from = at;
	if (rest < length)
		at += rest;
	return at + length <= from + arena ? at : ~0ull;
}

/* A place and bytes: 0; -EBUSY not now; -ENOENT the slot is not ours any more. */
static int find_room(struct ipcchan_dead *dead, u32 length, u64 *at)
{
	struct ipcchan_channel *chan = dead->chan;
	int err = 0;

	*at = dead->next;
	spin_lock(&chan->lock);
	if (!is_there(dead))
		err = -ENOENT;
	else
		advance_floor(dead);
	spin_unlock(&chan->lock);
	if (err)
		return err;
	if (dead->head - dead->floor >= chan->geometry.depth)
		return -EBUSY;
	if (length > IPCCHAN_INSIDE)
		*at = find_bytes(dead, ipcchan_round_up(length, IPCCHAN_GRANULE));
	return *at == ~0ull ? -EBUSY : 0;
}

static void copy_bytes(const struct ipcchan_region *to, u64 there,
		       const struct ipcchan_region *from, u64 here, u32 length)
{
	while (length) {
		u32 n = min_t(u64, length, PAGE_SIZE - offset_in_page(there));

		n = min_t(u64, n, PAGE_SIZE - offset_in_page(here));
		memcpy(ipcchan_region_at(to, there),
		       ipcchan_region_at(from, here), n);
		there += n;
		here += n;
		length -= n;
		cond_resched();
	}
}

/* Its files go along, before it can be claimed there: how many there were. */
static u32 forward_files(struct ipcchan_channel *from, u64 seq,
			 const struct ipcchan_dead *dead, u64 there)
{
	struct ipcchan_bundle *bundle = ipcchan_bundle_take_out(from, seq);
	struct ipcchan_channel *to = dead->chan;
	u32 nr = bundle ? bundle->nr : 0;
	bool kept;

	if (!bundle)
		return 0;
	spin_lock(&to->lock);
	kept = is_there(dead) && ipcchan_bundle_put_in(to, bundle, there);
	spin_unlock(&to->lock);
	if (!kept)
		ipcchan_bundle_destroy(from, bundle);
	return nr;
}

/* There is room, at @at; then it is published there. */
static void copy(struct ipcchan_channel *from, struct ipcchan_dead *dead,
		 const struct corpse *corpse, u64 at)
{
	const struct ipcchan_channel *chan = dead->chan;
	u64 seq = ++dead->head, arena = chan->geometry.arena;
	struct ipcchan_desc *desc = desc_at(chan, dead->outbox, seq);
	u32 length = corpse->desc.length;

	memcpy(desc->inside, corpse->desc.inside, sizeof(desc->inside));
	desc->offset = 0;
	if (length > IPCCHAN_INSIDE) {
		copy_bytes(dead->outbox, chan->layout.arena + at % arena,
			   corpse->outbox, from->layout.arena +
			   corpse->desc.offset, length);
		desc->offset = at % arena;
		dead->next = at + ipcchan_round_up(length, IPCCHAN_GRANULE);
	}
	dead->ends[seq & (chan->geometry.depth - 1)] = dead->next;
	desc->length = length;
	desc->tag = corpse->desc.tag;
	desc->time_ns = corpse->desc.time_ns;
	desc->priority = corpse->desc.priority;
	desc->files = forward_files(from, corpse->seq, dead, seq);
	smp_store_release(&desc->seq, seq);	/* A, pairs with B */
	WRITE_ONCE(((struct ipcchan_outbox *)
		    ipcchan_region_at(dead->outbox, 0))->head, seq);
}

static bool makes_sense(const struct ipcchan_channel *chan,
			const struct ipcchan_desc *desc)
{
	u64 room = desc->length <= IPCCHAN_INSIDE ? desc->length :
						    chan->geometry.arena;

	return !desc->flags && desc->files <= IPCCHAN_MAX_FILES && !desc->reserved &&
	       desc->length <= chan->geometry.max_message &&
	       (u64)desc->offset + desc->length <= room;
}

/* 0; -EBUSY; or it cannot be done, ever. */
static int bury(struct ipcchan_channel *chan, const struct corpse *corpse)
{
	struct ipcchan_dead *dead = chan->queue->dead;
	u64 at;
	int err;

	if (!makes_sense(chan, &corpse->desc) ||
	    corpse->desc.length > dead->chan->geometry.max_message)
		return -EMSGSIZE;
	err = find_room(dead, corpse->desc.length, &at);
	if (err)
		return err;
	copy(chan, dead, corpse, at);
	spin_lock(&dead->chan->lock);
	if (is_there(dead)) {
		ipcchan_queue_take_in(dead->chan);
		ipcchan_queue_settle(dead->chan);
	} else {
		err = -ENOENT;
	}
	spin_unlock(&dead->chan->lock);
	return err;
}

/* The description is read once, into a copy. */
static bool pick(struct ipcchan_channel *chan, struct corpse *corpse)
{
	struct ipcchan_queue *q = chan->queue;
	struct ipcchan_sender_slot *s;
	const struct ipcchan_item *item;

	spin_lock(&chan->lock);
	if (!q->dying || q->ended) {
		spin_unlock(&chan->lock);
		return false;
	}
	s = &chan->senders[__ffs64(q->dying)];
	item = list_first_entry(&s->items->dead, struct ipcchan_item, entry);
	corpse->seq = item->seq;
	corpse->outbox = ipcchan_region_ref(s->outbox);
	spin_unlock(&chan->lock);
	memcpy(&corpse->desc, desc_at(chan, corpse->outbox, corpse->seq),
	       sizeof(corpse->desc));
	barrier();
	return true;
}

/* It is over with it, unless its sender was evicted meanwhile. */
static void conclude(struct ipcchan_channel *chan, u64 seq, bool buried)
{
	struct ipcchan_item *item;

	spin_lock(&chan->lock);
	item = ipcchan_queue_find(chan, seq);
	if (item && item->state == IPCCHAN_ITEM_DEAD)
		ipcchan_queue_undead(chan, item, buried);
	ipcchan_queue_settle(chan);
	spin_unlock(&chan->lock);
}

/*
 * ipcchan_dead_bury() - copy what is dead, as far as there is room
 */
void ipcchan_dead_bury(struct ipcchan_channel *chan)
{
	struct corpse corpse;
	int err = 0;

	while (err != -EBUSY && pick(chan, &corpse)) {
		err = bury(chan, &corpse);
		if (err != -EBUSY)
			conclude(chan, corpse.seq, !err);
		ipcchan_region_put(corpse.outbox);
		cond_resched();
	}
	if (err != -EBUSY)
		return;
	spin_lock(&chan->lock);
	ipcchan_lease_alarm(chan, ktime_get_ns() + RETRY_NS);
	spin_unlock(&chan->lock);
}

/* By name: a queue that is there, and to which the caller may send. */
static struct ipcchan_channel *find(struct ipcchan_net *in, const char *name,
				    struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = ipcchan_channel_find(in, name, why);
	int err = 0;

	if (IS_ERR(chan)) {
		err = PTR_ERR(chan);
		if (err == -ENOENT)
			err = ipcchan_refuse(why, err,
					     "there is no dead-letter queue of that name");
		return ERR_PTR(err);
	}
	if (!(ipcchan_rights(chan) & IPCCHAN_SEND))
		err = ipcchan_refuse(why, -EACCES,
				     "no right to send to the dead-letter queue");
	else if (!chan->queue)
		err = ipcchan_refuse(why, -EPROTOTYPE,
				     "the dead-letter channel is no queue");
	if (!err)
		return chan;
	ipcchan_channel_put(chan);
	return ERR_PTR(err);
}

static struct ipcchan_dead *free_dead(struct ipcchan_dead *dead)
{
	ipcchan_region_put(dead->outbox);
	kvfree(dead->ends);
	ipcchan_channel_put(dead->chan);
	kfree(dead);
	return NULL;
}

static int build(struct ipcchan_dead *dead, struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = dead->chan;
	struct ipcchan_region *outbox;

	dead->ends = kvcalloc(chan->geometry.depth, sizeof(*dead->ends),
			      GFP_KERNEL_ACCOUNT);
	if (!dead->ends)
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the channel");
	outbox = ipcchan_region_alloc(chan->layout.outbox_size, chan->account,
				      &chan->net->usage, why);
	if (IS_ERR(outbox))
		return PTR_ERR(outbox);
	dead->outbox = outbox;
	return 0;
}

/*
 * ipcchan_dead_begin() - become a sender to the queue that @args names
 *
 * Nothing if it names none. -ENOENT, -EACCES, -EPROTOTYPE, and as for attach.
 */
int ipcchan_dead_begin(struct ipcchan_channel *chan,
		       const struct ipcchan_create *args,
		       struct ipcchan_why *why)
{
	struct ipcchan_items *items;
	struct ipcchan_channel *to;
	struct ipcchan_dead *dead;
	int err;

	if (!args->dead_letter[0])
		return 0;
	to = find(chan->net, args->dead_letter, why);
	if (IS_ERR(to))
		return PTR_ERR(to);
	dead = kzalloc(sizeof(*dead), GFP_KERNEL_ACCOUNT);
	if (!dead) {
		ipcchan_channel_put(to);
		return ipcchan_refuse(why, -ENOMEM,
				      "not enough memory for the channel");
	}
	dead->chan = to;
	items = ipcchan_items_alloc(to, to->account, why);
	err = IS_ERR(items) ? PTR_ERR(items) : build(dead, why);
	if (!err)
		err = ipcchan_slot_lend(to, dead->outbox, items, &dead->slot, why);
	if (err) {
		if (!IS_ERR(items))
			ipcchan_items_free(items);
		free_dead(dead);
		return err;
	}
	dead->base = to->senders[dead->slot].base;
	dead->head = dead->base;
	dead->floor = dead->base;
	chan->queue->dead = dead;
	return 0;
}

/* The queue is destroyed: what it has sent to the other stays there. */
void ipcchan_dead_end(struct ipcchan_channel *chan)
{
	struct ipcchan_dead *dead = chan->queue->dead;

	if (!dead)
		return;
	ipcchan_slot_return(dead->chan, dead->slot, dead->outbox);
	chan->queue->dead = free_dead(dead);
}
