// SPDX-License-Identifier: GPL-2.0
/* Copying dead messages to another queue. Letters: Documentation/protocol.md */
#include <asm/barrier.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "bundle.h"
#include "dead.h"
#include "map.h"
#include "names.h"
#include "queue.h"
#include "rights.h"
#include "roster.h"
#include "slot.h"

/* What found no room is tried again after so long. */
#define RETRY_MS	50

/* Copied by one run of the work, but for the last message. */
#define COPY_MESSAGES	64
#define COPY_BYTES	(1024u * 1024u)

struct ipcchan_dead {
	struct kref ref;

	/* constant */
	struct ipcchan_channel *from;	/* whose dead; no reference */
	struct ipcchan_channel *chan;	/* that queue */
	struct ipcchan_region *outbox;
	u32 slot;

	/* the work's */
	u64 head;		/* the newest copied there */
	u64 floor;		/* up to here all are retired */
	u64 next;		/* bytes of the arena used, ever: a ring */
	u64 done;		/* of these, up to here free again */
};

/* A message that is dead, as its sender has described it. */
struct corpse {
	struct ipcchan_dead *dead;	/* NULL: it has nowhere to go */
	u32 slot;
	u64 seq;
	struct ipcchan_region *outbox;
	struct ipcchan_desc desc;
};

static struct workqueue_struct *queue;

/*
 * Not that of leases and stalls, which wait for no copy; and nobody's copies
 * wait for another's to end.
 */
int ipcchan_dead_start(void)
{
	queue = alloc_workqueue("ipcchan_dead", WQ_UNBOUND | WQ_FREEZABLE, 0);
	return queue ? 0 : -ENOMEM;
}

void ipcchan_dead_stop(void)
{
	destroy_workqueue(queue);
}

/* Wait for what runs for channels that are GONE. */
void ipcchan_dead_flush(void)
{
	flush_workqueue(queue);
}

static void release(struct kref *ref)
{
	struct ipcchan_dead *dead = container_of(ref, struct ipcchan_dead, ref);

	ipcchan_region_put(dead->outbox);
	ipcchan_channel_put(dead->chan);
	kfree(dead);
}

/* May sleep; takes NULL and returns NULL. */
static struct ipcchan_dead *put(struct ipcchan_dead *dead)
{
	if (dead)
		kref_put(&dead->ref, release);
	return NULL;
}

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
	return dead->chan->senders[dead->slot].lent == dead;
}

/* The bytes of a message that is retired there, and what was skipped before it. */
static void free_bytes(struct ipcchan_dead *dead, u64 seq)
{
	const struct ipcchan_desc *desc = desc_at(dead->chan, dead->outbox, seq);
	u64 arena = dead->chan->geometry.arena;

	if (desc->length <= IPCCHAN_INSIDE)
		return;
	dead->done += (desc->offset + arena - dead->done % arena) % arena;
	dead->done += ipcchan_round_up(desc->length, IPCCHAN_GRANULE);
}

/* What is FREE is retired, but for what that queue has yet to take in. */
static void advance_floor(struct ipcchan_dead *dead)
{
	struct ipcchan_items *items = dead->chan->senders[dead->slot].items;
	u32 most = 64;

	while (dead->floor < items->taken && most-- &&
	       ipcchan_items_at(dead->chan, items, dead->floor + 1)->state ==
	       IPCCHAN_ITEM_FREE)
		free_bytes(dead, ++dead->floor);
}

/* Where a payload can go, in one piece: its place in the ring of bytes, or ~0. */
static u64 find_bytes(struct ipcchan_dead *dead, u32 length)
{
	u64 arena = dead->chan->geometry.arena, at, rest;

	/* all is free: it is one piece */
	if (dead->done == dead->next) {
		dead->done = 0;
		dead->next = 0;
	}
	at = dead->next;
	rest = arena - at % arena;
	if (rest < length)
		at += rest;
	return at + length <= dead->done + arena ? at : ~0ull;
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

/*
 * Publish it with its files, unless the slot is not ours any more: 0, -ENOENT.
 * Files that cannot stay there are closed.
 */
static int publish(struct ipcchan_channel *from, u64 was, struct ipcchan_dead *dead)
{
	struct ipcchan_bundle *bundle = ipcchan_bundle_take_out(from, was);
	struct ipcchan_channel *to = dead->chan;
	u64 seq = dead->head;
	struct ipcchan_desc *desc = desc_at(to, dead->outbox, seq);
	bool kept = !bundle;
	int err = -ENOENT;

	desc->files = bundle ? bundle->nr : 0;
	spin_lock(&to->lock);
	if (is_there(dead)) {
		err = 0;
		kept = kept || ipcchan_bundle_put_in(to, bundle, seq);
		smp_store_release(&desc->seq, seq);	/* A, pairs with B */
		WRITE_ONCE(((struct ipcchan_outbox *)
			    ipcchan_region_at(dead->outbox, 0))->head, seq);
		ipcchan_queue_take_in(to);
		ipcchan_queue_settle(to);
	}
	spin_unlock(&to->lock);
	if (!kept)
		ipcchan_bundle_destroy(from, bundle);
	return err;
}

/* There is room, at @at. */
static void copy(const struct ipcchan_channel *from, struct ipcchan_dead *dead,
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
	desc->length = length;
	desc->tag = corpse->desc.tag;
	desc->time_ns = corpse->desc.time_ns;
	desc->priority = corpse->desc.priority;
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
	struct ipcchan_dead *dead = corpse->dead;
	u64 at;
	int err;

	if (!dead)
		return -ENOENT;
	if (!makes_sense(chan, &corpse->desc) ||
	    corpse->desc.length > dead->chan->geometry.max_message)
		return -EMSGSIZE;
	err = find_room(dead, corpse->desc.length, &at);
	if (err)
		return err;
	copy(chan, dead, corpse, at);
	return publish(chan, corpse->seq, dead);
}

/* The next in turn. */
static u32 next_slot(u64 all, u32 last)
{
	u64 after = all & ~((2ull << last) - 1);

	return __ffs64(after ?: all);
}

/* One of a sender's, but none of @busy; with the lock. */
static bool find_dead(struct ipcchan_channel *chan, u64 busy,
		      struct corpse *corpse)
{
	struct ipcchan_queue *q = chan->queue;
	u64 slots = q->dying & ~busy;
	struct ipcchan_sender_slot *s;

	if (!slots || q->ended)
		return false;
	q->last_dead = next_slot(slots, q->last_dead);
	s = &chan->senders[q->last_dead];
	corpse->slot = q->last_dead;
	corpse->seq = list_first_entry(&s->items->dead, struct ipcchan_item,
				       entry)->seq;
	corpse->outbox = ipcchan_region_ref(s->outbox);
	corpse->dead = q->dead;
	if (q->dead)
		kref_get(&q->dead->ref);
	s->items->burying = true;
	return true;
}

/* The description is read once, into a copy. */
static bool pick(struct ipcchan_channel *chan, u64 busy, struct corpse *corpse)
{
	bool found;

	spin_lock(&chan->lock);
	found = find_dead(chan, busy, corpse);
	spin_unlock(&chan->lock);
	if (!found)
		return false;
	memcpy(&corpse->desc, desc_at(chan, corpse->outbox, corpse->seq),
	       sizeof(corpse->desc));
	barrier();
	return true;
}

/* It is over with it, or not yet; if its sender was evicted it counts all the same. */
static void conclude(struct ipcchan_channel *chan, const struct corpse *corpse,
		     int err)
{
	struct ipcchan_item *item;

	spin_lock(&chan->lock);
	item = ipcchan_queue_find(chan, corpse->seq);
	if (!item)
		chan->queue->dropped += !!err;
	else
		chan->senders[corpse->slot].items->burying = false;
	if (item && err != -EBUSY)
		ipcchan_queue_undead(chan, item, !err);
	ipcchan_queue_settle(chan);
	spin_unlock(&chan->lock);
}

/* Pending work has a reference, and what runs another. With the lock. */
static void bury_later(struct ipcchan_channel *chan, u32 ms)
{
	if (!chan->queue->ended &&
	    queue_delayed_work(queue, &chan->queue->burial, msecs_to_jiffies(ms)))
		ipcchan_channel_ref(chan);
}

/*
 * ipcchan_dead_alarm() - there is something to bury
 */
void ipcchan_dead_alarm(struct ipcchan_channel *chan)
{
	lockdep_assert_held(&chan->lock);
	if (!chan->queue->ended &&
	    !mod_delayed_work(queue, &chan->queue->burial, 0))
		ipcchan_channel_ref(chan);
}

/* @busy: the senders for whose dead there was no room. */
static void go_on(struct ipcchan_channel *chan, u64 busy)
{
	struct ipcchan_queue *q = chan->queue;
	bool reap;

	spin_lock(&chan->lock);
	if (q->dying)
		bury_later(chan, q->dying & ~busy ? 0 : RETRY_MS);
	reap = q->reap;
	q->reap = false;
	spin_unlock(&chan->lock);
	ipcchan_bundle_sweep(chan);
	if (reap)
		ipcchan_port_reap(chan);
}

/* Copy what is dead, as far as there is room, and for a while. */
static void look(struct work_struct *work)
{
	struct ipcchan_queue *q = container_of(to_delayed_work(work),
					       struct ipcchan_queue, burial);
	struct ipcchan_channel *chan = q->chan;
	struct corpse corpse;
	u64 busy = 0, bytes = 0;
	u32 n;

	for (n = 0; n < COPY_MESSAGES && bytes < COPY_BYTES; n++) {
		int err;

		if (!pick(chan, busy, &corpse))
			break;
		err = bury(chan, &corpse);
		conclude(chan, &corpse, err);
		if (err == -EBUSY)
			busy |= BIT_ULL(corpse.slot);
		else if (!err)
			bytes += corpse.desc.length;
		ipcchan_region_put(corpse.outbox);
		put(corpse.dead);
		cond_resched();
	}
	go_on(chan, busy);
	ipcchan_channel_put(chan);
}

void ipcchan_dead_init(struct ipcchan_queue *q)
{
	INIT_DELAYED_WORK(&q->burial, look);
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

/* As a sender has it there, but charged to who has the dead. Or an ERR_PTR(). */
static struct ipcchan_dead *alloc(struct ipcchan_channel *chan,
				  struct ipcchan_channel *to,
				  struct ipcchan_why *why)
{
	struct ipcchan_dead *dead = kzalloc(sizeof(*dead), GFP_KERNEL_ACCOUNT);

	if (!dead)
		return ERR_PTR(ipcchan_refuse(why, -ENOMEM,
					      "not enough memory for the channel"));
	dead->outbox = ipcchan_region_alloc(to->layout.outbox_size, chan->account,
					    &chan->net->usage, why);
	if (IS_ERR(dead->outbox)) {
		int err = PTR_ERR(dead->outbox);

		kfree(dead);
		return ERR_PTR(err);
	}
	kref_init(&dead->ref);
	dead->from = chan;
	dead->chan = ipcchan_channel_ref(to);
	return dead;
}

/* The queue has none any more: what it had, with its reference. */
static struct ipcchan_dead *forget(struct ipcchan_channel *chan)
{
	struct ipcchan_dead *dead;

	spin_lock(&chan->lock);
	dead = chan->queue->dead;
	chan->queue->dead = NULL;
	spin_unlock(&chan->lock);
	return dead;
}

/* Takes a slot there; whoever takes it away again finds the queue by it. */
static int join(struct ipcchan_dead *dead, struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = dead->from;
	struct ipcchan_items *items;
	u64 base;
	int err;

	items = ipcchan_items_alloc(dead->chan, chan->account, why);
	if (IS_ERR(items))
		return PTR_ERR(items);
	kref_get(&dead->ref);	/* the queue's */
	kref_get(&dead->ref);	/* the slot's */
	chan->queue->dead = dead;
	err = ipcchan_slot_lend(dead->chan, dead, dead->outbox, items, &base, why);
	if (err) {
		put(forget(chan));
		put(dead);
		ipcchan_items_free(items);
		return err;
	}
	dead->slot = ipcchan_seq_slot(base);
	dead->head = base;
	dead->floor = base;
	return 0;
}

/*
 * ipcchan_dead_begin() - become a sender to the queue that @args names
 *
 * Nothing if it names none. -ENOENT, -EACCES, -EPROTOTYPE, and as for attach. As
 * the other queue shows it, not for a channel whose name is taken: -EEXIST.
 */
int ipcchan_dead_begin(struct ipcchan_channel *chan,
		       const struct ipcchan_create *args,
		       struct ipcchan_why *why)
{
	struct ipcchan_channel *to;
	struct ipcchan_dead *dead;
	int err;

	if (!args->dead_letter[0])
		return 0;
	err = ipcchan_names_check(chan, why);
	if (err)
		return err;
	to = find(chan->net, args->dead_letter, why);
	if (IS_ERR(to))
		return PTR_ERR(to);
	dead = alloc(chan, to, why);
	ipcchan_channel_put(to);
	if (IS_ERR(dead))
		return PTR_ERR(dead);
	err = join(dead, why);
	put(dead);
	return err;
}

/*
 * ipcchan_dead_end() - the queue is GONE, or was never made
 *
 * What it has sent to the other stays there to be read. With a reference of the
 * caller's.
 */
void ipcchan_dead_end(struct ipcchan_channel *chan)
{
	struct ipcchan_dead *dead;

	if (cancel_delayed_work(&chan->queue->burial))
		ipcchan_channel_put(chan);
	dead = forget(chan);
	if (dead && ipcchan_slot_return(dead->chan, dead->slot, dead))
		put(dead);
	put(dead);
}

/*
 * ipcchan_dead_lost() - the slot was taken away; gives its reference back
 *
 * With that queue's mutex, for which the other one's end waits: it is there.
 */
void ipcchan_dead_lost(struct ipcchan_dead *dead)
{
	lockdep_assert_held(&dead->chan->mutex);
	put(forget(dead->from));
	put(dead);
}
