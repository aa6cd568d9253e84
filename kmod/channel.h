/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a channel
 *
 * A channel is ACTIVE from its creation until it is deleted, or until it is left
 * by the last of its ports and handles if it is ephemeral; then it is GONE,
 * without name and ports, and lives on only for those who still have a reference.
 *
 * Lock order of the whole module, outermost first:
 *
 *   ipcchan_file.attach		one ATTACH at a time on a file
 *     mmap_lock of a process		(->mmap, ->open, ->close, ->fault)
 *       ipcchan_channel.mutex		who is attached; may sleep
 *         ipcchan_channel.mutex	of a connection, in its service's; of a
 *					dead-letter queue, in that of one it is for
 *           ipcchan_net.lock		names
 *           i_mmap_rwsem, page locks	emptying windows
 *             ipcchan_channel.lock	slots, roster, who sleeps; a spinlock, and
 *					never two of them
 *               ipcchan_port.wq.lock, ipcchan_service.callers.lock
 *           account_lock
 *
 * Signals are sent with none of these; the VFS's own locks for O_ASYNC, too, are
 * taken with none.
 *
 * User memory is never touched with a channel's mutex or lock held: the buffer
 * may lie in one of our own mappings. A fault takes page lock and channel.lock.
 */
#ifndef IPCCHAN_CHANNEL_H
#define IPCCHAN_CHANNEL_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#include "identity.h"
#include "region.h"
#include "why.h"

struct ipcchan_connection;
struct ipcchan_dead;
struct ipcchan_items;
struct ipcchan_net;
struct ipcchan_port;
struct ipcchan_queue;
struct ipcchan_service;

enum ipcchan_channel_state {
	IPCCHAN_CHANNEL_ACTIVE,
	IPCCHAN_CHANNEL_GONE,
};

/*
 * A sender's slot. @holder and @past are changed with the mutex, @bundles as
 * bundle.h says, the rest with the spinlock too. The port is gone while the slot
 * is DRAINING; the outbox is what windows show in this place.
 */
struct ipcchan_sender_slot {
	struct ipcchan_port *holder;	/* attached here, mapped or not */
	struct ipcchan_port *port;	/* ACTIVE: the same */
	struct ipcchan_region *outbox;
	u32 state;			/* IPCCHAN_SLOT_* */
	u32 port_id;
	u64 base;
	u64 next_base;
	u64 since_ns;
	u64 past;		/* published by all who gave the slot up */
	u64 left;		/* DRAINING: a number that grows with each */
	bool retired;		/* DRAINING: it goes when nothing is held */
	struct ipcchan_dead *lent;	/* DRAINING, but the module itself sends here */
	struct ipcchan_items *items;	/* on a queue; queue.h */
	struct ipcchan_items *old_items;	/* of who has given the slot up */
	struct ipcchan_identity identity;	/* ACTIVE and DRAINING */
	struct rb_root bundles;	/* files of messages; bundle.c */
};

struct ipcchan_receiver_slot {
	struct ipcchan_port *holder;
	struct ipcchan_port *port;
	struct ipcchan_region *receipts;
};

struct ipcchan_channel {
	/* constant */
	struct kref ref;
	struct ipcchan_net *net;
	struct ipcchan_account *account;
	char name[IPCCHAN_NAME_SIZE];	/* empty: it is unnamed */
	u32 id;
	u32 type;
	u32 overflow;
	u32 flags;
	u32 mode;
	kuid_t uid;
	kgid_t gid;
	u32 history;
	u64 stall_ns;
	char label[IPCCHAN_LABEL_SIZE];
	char dead_letter[IPCCHAN_NAME_SIZE];
	struct ipcchan_geometry geometry;
	struct ipcchan_layout layout;
	struct ipcchan_region *roster;
	struct ipcchan_service *service;	/* of type service; or NULL */
	struct ipcchan_connection *connection;	/* of type connection; or NULL */
	struct ipcchan_queue *queue;	/* NULL: it is no queue */

	/* protected by the names' lock */
	struct hlist_node node;

	/* protected by mutex */
	struct mutex mutex;
	enum ipcchan_channel_state state;
	struct list_head ports;
	u32 nr_ports;
	u32 last_port_id;
	struct list_head grants;	/* grant.h */
	bool used;		/* had an ACTIVE port, or is unnamed: may end with its last */
	u64 departures;		/* of senders that left something to read */

	/* protected by mutex and lock for writing, by either for reading */
	spinlock_t lock;
	struct ipcchan_sender_slot *senders;
	struct ipcchan_receiver_slot *receivers;
	u64 sender_generation;
	u64 receiver_generation;
	bool ended;		/* being deleted: the roster says so */
	u64 draining;		/* sender slots to be emptied once read, a bit each */
	u64 outboxes;		/* sender slots that show one, a bit each */
	u64 receipts;		/* receiver slots, likewise */
	u64 sleeping_receivers;	/* the roster's words */
	u64 sleeping_senders;
	u32 nr_senders;		/* ACTIVE */
	u32 nr_lent;		/* slots from which there is more to come */
	u32 nr_receivers;

	/* stall.c's; a pending look has a reference */
	struct delayed_work stall_work;
	bool watched;		/* protected by lock: a look is pending */
};

struct ipcchan_channel *ipcchan_channel_create(struct ipcchan_net *in,
					       const struct ipcchan_create *args,
					       struct ipcchan_why *why);
struct ipcchan_channel *
ipcchan_channel_connect(struct ipcchan_channel *service, struct ipcchan_why *why);
void ipcchan_channel_delete(struct ipcchan_channel *chan);
void ipcchan_channel_delete_locked(struct ipcchan_channel *chan);
void ipcchan_channel_left(struct ipcchan_channel *chan);

int ipcchan_channel_check_label(const char *label, struct ipcchan_why *why);

struct ipcchan_channel *ipcchan_channel_find(struct ipcchan_net *in,
					     const char *name,
					     struct ipcchan_why *why);
struct ipcchan_channel *ipcchan_channel_put(struct ipcchan_channel *chan);

static inline struct ipcchan_channel *
ipcchan_channel_ref(struct ipcchan_channel *chan)
{
	kref_get(&chan->ref);
	return chan;
}

/* Does what senders leave behind stay for who comes late? */
static inline bool ipcchan_channel_keeps(const struct ipcchan_channel *chan)
{
	return chan->flags & IPCCHAN_CREATE_PERSISTENT && chan->history;
}

/* In place of the messages' places, what a sender of a queue waits for. */
static inline u32 ipcchan_channel_progress(const struct ipcchan_channel *chan)
{
	return chan->queue ? 1 : chan->geometry.receivers;
}

static inline bool ipcchan_channel_drops(const struct ipcchan_channel *chan)
{
	return chan->overflow == IPCCHAN_OVERFLOW_DROP_OLDEST;
}

#endif
