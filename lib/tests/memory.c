/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The calls of device.h over plain memory: see memory.h. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"

#define MAX_PORTS	32
#define FIRST_FD	1000

struct port {
	bool open;
	bool attached;
	bool here;
	uint32_t role;
	uint32_t sender;
	uint32_t receiver;
	/* what a WAIT_SEND handed in */
	uint64_t progress[IPCCHAN_MAX_SLOTS];
	uint64_t generation;
	uint64_t await;
	bool blocked;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool exists;
	bool missing;
	bool restless;
	int vanish;
	struct ipcchan_geometry g;
	struct ipcchan_layout l;
	uint8_t *pages;
	uint64_t next_base[IPCCHAN_MAX_SLOTS];
	struct port ports[MAX_PORTS];
	struct memory_calls calls;
} m = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct ipcchan_roster *memory_roster(void)
{
	return (void *)m.pages;
}

struct ipcchan_slot *memory_sender(uint32_t slot)
{
	return (struct ipcchan_slot *)(m.pages + sizeof(struct ipcchan_roster)) + slot;
}

static struct ipcchan_slot *receiver(uint32_t slot)
{
	return (struct ipcchan_slot *)(m.pages + m.l.receivers) + slot;
}

struct ipcchan_receipts *memory_receipts(uint32_t slot)
{
	return (void *)(m.pages + m.l.window_receipts + slot * m.l.receipts_size);
}

struct ipcchan_cursor *memory_cursor(uint32_t slot, uint32_t sender)
{
	return (struct ipcchan_cursor *)(memory_receipts(slot) + 1) + sender;
}

uint64_t *memory_holds(uint32_t slot)
{
	return (uint64_t *)((uint8_t *)memory_receipts(slot) + m.l.holds);
}

static uint8_t *outbox(uint32_t slot)
{
	return m.pages + m.l.window_outboxes + slot * m.l.outbox_size;
}

struct ipcchan_desc *memory_desc(uint32_t sender, uint64_t seq)
{
	return (struct ipcchan_desc *)(outbox(sender) + m.l.ring) + (seq & (m.g.depth - 1));
}

static uint64_t first_base(uint32_t slot)
{
	return ((uint64_t)slot << IPCCHAN_SEQ_SLOT_SHIFT) + 1;
}

void memory_begin(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m.changed, &attr);
	m.exists = false;
	m.missing = false;
	m.restless = false;
	m.vanish = 0;
	m.pages = NULL;
	for (uint32_t i = 0; i < IPCCHAN_MAX_SLOTS; i++)
		m.next_base[i] = first_base(i);
	memset(m.ports, 0, sizeof(m.ports));
	memset(&m.calls, 0, sizeof(m.calls));
}

void memory_end(void)
{
	free(m.pages);
	m.pages = NULL;
}

void memory_set_base(uint32_t slot, uint64_t base)
{
	m.next_base[slot] = base;
}

void memory_evict(void)
{
	memset(m.pages, 0, m.l.window_size);
}

struct memory_calls memory_calls(void)
{
	struct memory_calls calls;

	pthread_mutex_lock(&m.lock);
	calls = m.calls;
	pthread_mutex_unlock(&m.lock);
	return calls;
}

void memory_no_module(void)
{
	m.missing = true;
}

void memory_restless(void)
{
	m.restless = true;
}

void memory_vanish(int times)
{
	m.vanish = times;
}

int ipcchan_device_open(void)
{
	if (m.missing)
		return -ENODEV;
	for (int i = 0; i < MAX_PORTS; i++) {
		if (!m.ports[i].open) {
			m.ports[i] = (struct port){ .open = true };
			return FIRST_FD + i;
		}
	}
	return -EMFILE;
}

uint64_t ipcchan_device_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int create(struct ipcchan_create *c)
{
	if (m.exists)
		return -EEXIST;
	m.g = c->geometry;
	if (!m.g.depth)
		m.g.depth = 8;
	if (!m.g.senders)
		m.g.senders = 4;
	if (!m.g.receivers)
		m.g.receivers = 4;
	if (!m.g.holds)
		m.g.holds = 4;
	if (!m.g.arena)
		m.g.arena = 64 << 10;
	if (!m.g.max_message)
		m.g.max_message = m.g.arena;
	ipcchan_layout(&m.l, &m.g, (uint64_t)sysconf(_SC_PAGESIZE));
	m.pages = aligned_alloc(64, m.l.window_size);
	memset(m.pages, 0, m.l.window_size);
	memory_roster()->sender_generation = 1;
	memory_roster()->receiver_generation = 1;
	m.exists = true;
	return 0;
}

static bool taken(uint32_t role, uint32_t slot)
{
	for (int i = 0; i < MAX_PORTS; i++) {
		const struct port *p = &m.ports[i];

		if (p->attached && p->role & role &&
		    (role == IPCCHAN_SEND ? p->sender : p->receiver) == slot)
			return true;
	}
	return role == IPCCHAN_SEND && ipcchan_load(&memory_sender(slot)->state);
}

static uint32_t pick(uint32_t role, uint32_t first, uint32_t end)
{
	while (first < end && taken(role, first))
		first++;
	return first < end ? first : IPCCHAN_NO_SLOT;
}

static int attach(struct port *p, struct ipcchan_attach *a)
{
	bool both = a->role == (IPCCHAN_SEND | IPCCHAN_RECEIVE);

	if (m.vanish > 0) {
		m.vanish--;
		m.exists = false;
		free(m.pages);
		m.pages = NULL;
	}
	if (!m.exists)
		return -ENOENT;
	p->role = a->role;
	p->sender = p->receiver = IPCCHAN_NO_SLOT;
	if (p->role & IPCCHAN_SEND)
		p->sender = pick(IPCCHAN_SEND, 0, both ? 1 : m.g.senders);
	if (p->role & IPCCHAN_RECEIVE)
		p->receiver = pick(IPCCHAN_RECEIVE, both ? m.g.receivers - 1 : 0, m.g.receivers);
	if (((p->role & IPCCHAN_SEND) && p->sender == IPCCHAN_NO_SLOT) ||
	    ((p->role & IPCCHAN_RECEIVE) && p->receiver == IPCCHAN_NO_SLOT))
		return -EUSERS;
	p->attached = true;
	a->type = IPCCHAN_TYPE_TOPIC;
	a->geometry = m.g;
	a->port_id = (uint32_t)(p - m.ports) + 1;
	a->sender_slot = p->sender;
	a->receiver_slot = p->receiver;
	a->own_offset = m.l.window_size;
	a->own_size = (p->role & IPCCHAN_RECEIVE ? m.l.receipts_size : 0) +
		      (p->role & IPCCHAN_SEND ? m.l.outbox_size : 0);
	a->window_offset = 0;
	a->window_size = m.l.window_size;
	return 0;
}

static void set_slot(struct ipcchan_slot *s, uint32_t state, uint32_t id, uint64_t base,
		     __u64 *generation)
{
	ipcchan_store(&s->state, state);
	ipcchan_store(&s->port_id, id);
	ipcchan_store(&s->base, base);
	ipcchan_store_release(generation, *generation + 1);
	ipcchan_barrier();
}

static void join_sender(struct port *p, uint32_t id)
{
	memset(outbox(p->sender), 0, m.l.arena);
	set_slot(memory_sender(p->sender), IPCCHAN_SLOT_ACTIVE, id, m.next_base[p->sender],
		 &memory_roster()->sender_generation);
}

static void join_receiver(struct port *p, uint32_t id)
{
	memset(memory_receipts(p->receiver), 0, m.l.receipts_size);
	set_slot(receiver(p->receiver), IPCCHAN_SLOT_ACTIVE, id, id,
		 &memory_roster()->receiver_generation);
	for (uint32_t i = 0; i < m.g.senders; i++) {
		struct ipcchan_outbox *o = (void *)outbox(i);
		struct ipcchan_cursor *c = memory_cursor(p->receiver, i);

		if (memory_sender(i)->state == IPCCHAN_SLOT_DRAINING)
			ipcchan_store(&c->closed, memory_sender(i)->base);
		else
			ipcchan_store(&c->passed, ipcchan_load_acquire(&o->head));
	}
}

int ipcchan_device_map(int fd, uint64_t offset, size_t size, bool writable, uint8_t **at)
{
	struct port *p = &m.ports[fd - FIRST_FD];

	(void)size;
	*at = m.pages + offset;
	if (!writable)
		return 0;
	pthread_mutex_lock(&m.lock);
	*at = p->role & IPCCHAN_RECEIVE ? (uint8_t *)memory_receipts(p->receiver) :
					  outbox(p->sender);
	if (p->role & IPCCHAN_RECEIVE)
		join_receiver(p, (uint32_t)(p - m.ports) + 1);
	if (p->role & IPCCHAN_SEND)
		join_sender(p, (uint32_t)(p - m.ports) + 1);
	p->here = true;
	pthread_cond_broadcast(&m.changed);
	pthread_mutex_unlock(&m.lock);
	return 0;
}

void ipcchan_device_unmap(const uint8_t *at, size_t size)
{
	(void)size;
	m.calls.unmaps += at != NULL;
}

static bool readable(uint32_t slot, uint32_t sender)
{
	uint64_t base = memory_sender(sender)->base;
	struct ipcchan_cursor *c = memory_cursor(slot, sender);
	uint64_t expected = ipcchan_passed(ipcchan_load(&c->passed), base) + 1;

	if (!memory_sender(sender)->state || ipcchan_load(&c->closed) == base)
		return false;
	return ipcchan_seq_delta(ipcchan_load_acquire(&memory_desc(sender, expected)->seq),
				 expected) >= 0;
}

/* Is the sender's outbox of no use to anybody any more? */
static bool drained(uint32_t sender)
{
	uint64_t base = memory_sender(sender)->base;

	for (uint32_t i = 0; i < m.g.receivers; i++) {
		if (!receiver(i)->state)
			continue;
		if (readable(i, sender))
			return false;
		for (uint32_t j = 0; j < m.g.holds; j++) {
			uint64_t seq = ipcchan_load(&memory_holds(i)[j]);

			if (seq > base && seq <= ipcchan_seq_limit(sender))
				return false;
		}
	}
	return true;
}

static void sweep(uint32_t sender)
{
	if (memory_sender(sender)->state != IPCCHAN_SLOT_DRAINING || !drained(sender))
		return;
	m.next_base[sender] = memory_sender(sender)->base + (1u << 20);
	set_slot(memory_sender(sender), IPCCHAN_SLOT_EMPTY, 0, memory_sender(sender)->base,
		 &memory_roster()->sender_generation);
}

static void leave(struct port *p)
{
	if (p->role & IPCCHAN_RECEIVE)
		set_slot(receiver(p->receiver), IPCCHAN_SLOT_EMPTY, 0, 0,
			 &memory_roster()->receiver_generation);
	if (p->role & IPCCHAN_SEND)
		set_slot(memory_sender(p->sender), IPCCHAN_SLOT_DRAINING,
			 (uint32_t)(p - m.ports) + 1, memory_sender(p->sender)->base,
			 &memory_roster()->sender_generation);
	for (uint32_t i = 0; i < m.g.senders; i++)
		sweep(i);
}

void ipcchan_device_close(int fd)
{
	struct port *p = &m.ports[fd - FIRST_FD];

	pthread_mutex_lock(&m.lock);
	if (p->here && m.pages && memory_roster()->sender_generation)
		leave(p);
	*p = (struct port){ 0 };
	pthread_cond_broadcast(&m.changed);
	pthread_mutex_unlock(&m.lock);
}

/* Has this sender the room it awaits, as the module sees it? */
static bool has_room(const struct port *p)
{
	uint64_t base = memory_sender(p->sender)->base;
	bool changed = false;

	if (m.restless || !p->blocked || p->generation != memory_roster()->receiver_generation)
		return true;
	for (uint32_t i = 0; i < m.g.receivers; i++) {
		struct ipcchan_cursor *c = memory_cursor(i, p->sender);
		uint64_t passed = ipcchan_load(&c->passed);
		uint64_t closed = ipcchan_load(&c->closed);

		if (!receiver(i)->state)
			continue;
		if (closed != base && passed < p->await)
			return false;
		changed |= p->progress[i] !=
			   ipcchan_progress(passed, ipcchan_load(&c->released), closed);
	}
	return changed;
}

static uint32_t events(const struct port *p, const struct ipcchan_wait *w)
{
	const struct ipcchan_roster *r = memory_roster();
	uint32_t active = 0, found = 0;

	for (uint32_t i = 0; i < m.g.senders; i++) {
		active += i != p->sender && memory_sender(i)->state == IPCCHAN_SLOT_ACTIVE;
		if (w->flags & IPCCHAN_WAIT_RECEIVE && readable(p->receiver, i))
			found |= IPCCHAN_WAIT_RECEIVE;
	}
	if (w->flags & IPCCHAN_WAIT_RECEIVE && !active && r->sender_generation > 2)
		found |= IPCCHAN_WAIT_HANGUP;
	if (w->flags & IPCCHAN_WAIT_SEND && has_room(p))
		found |= IPCCHAN_WAIT_SEND;
	if (w->flags & IPCCHAN_WAIT_ROSTER &&
	    (w->sender_generation != r->sender_generation ||
	     w->receiver_generation != r->receiver_generation))
		found |= IPCCHAN_WAIT_ROSTER;
	return found;
}

static void arm(const struct port *p, uint32_t flags, bool on)
{
	struct ipcchan_roster *r = memory_roster();
	uint64_t rx = flags & IPCCHAN_WAIT_RECEIVE ? 1ull << p->receiver : 0;
	uint64_t tx = flags & IPCCHAN_WAIT_SEND ? 1ull << p->sender : 0;

	ipcchan_store_release(&r->sleeping_receivers,
			      on ? r->sleeping_receivers | rx : r->sleeping_receivers & ~rx);
	ipcchan_store_release(&r->sleeping_senders,
			      on ? r->sleeping_senders | tx : r->sleeping_senders & ~tx);
	ipcchan_barrier();	/* D or F */
}

static int sleep_until(uint64_t deadline)
{
	struct timespec t = {
		.tv_sec = (time_t)(deadline / 1000000000u),
		.tv_nsec = (long)(deadline % 1000000000u),
	};

	if (deadline == IPCCHAN_WAIT_FOREVER)
		return pthread_cond_wait(&m.changed, &m.lock);
	return pthread_cond_timedwait(&m.changed, &m.lock, &t);
}

static void block(struct port *p, const struct ipcchan_wait *w)
{
	memcpy(p->progress, (const void *)(uintptr_t)w->progress, w->nr_progress * 8);
	p->generation = w->receiver_generation;
	p->await = w->await;
	p->blocked = true;
	m.calls.await = w->await;
	ipcchan_store(&memory_sender(p->sender)->await, w->await);
}

static int wait_for(struct port *p, struct ipcchan_wait *w)
{
	int rc = 0;

	m.calls.waits++;
	if (!memory_roster()->sender_generation)
		return -ESHUTDOWN;
	if (w->flags & IPCCHAN_WAIT_SEND)
		block(p, w);
	for (;;) {
		arm(p, w->flags, true);
		w->events = events(p, w);
		if (w->events || rc)
			break;
		rc = w->deadline_ns ? -sleep_until(w->deadline_ns) : -ETIMEDOUT;
	}
	arm(p, w->flags, false);
	return w->events ? 0 : rc;
}

static bool awaits(const struct port *p, const struct ipcchan_kick *k)
{
	struct ipcchan_roster *r = memory_roster();
	struct ipcchan_wait w = { 0 };

	if (!p->here)
		return false;
	if (p->role & IPCCHAN_RECEIVE &&
	    k->receivers & r->sleeping_receivers & 1ull << p->receiver)
		w.flags |= IPCCHAN_WAIT_RECEIVE;
	if (p->role & IPCCHAN_SEND && k->senders & r->sleeping_senders & 1ull << p->sender)
		w.flags |= IPCCHAN_WAIT_SEND;
	if (!events(p, &w))
		return false;
	arm(p, w.flags, false);
	return true;
}

static int kick(const struct ipcchan_kick *k)
{
	bool found = false;

	m.calls.kicks++;
	for (uint32_t i = 0; i < m.g.senders; i++) {
		if (k->senders & 1ull << i)
			sweep(i);
	}
	for (int i = 0; i < MAX_PORTS; i++)
		found |= awaits(&m.ports[i], k);
	m.calls.woken += found;
	if (found)
		pthread_cond_broadcast(&m.changed);
	return memory_roster()->sender_generation ? 0 : -ESHUTDOWN;
}

int ipcchan_device_call(int fd, unsigned long number, void *request)
{
	struct port *p = &m.ports[fd - FIRST_FD];
	int rc = -ENOTTY;

	pthread_mutex_lock(&m.lock);
	if (number == IPCCHAN_IOC_CREATE)
		rc = create(request);
	else if (number == IPCCHAN_IOC_ATTACH)
		rc = attach(p, request);
	else if (number == IPCCHAN_IOC_KICK)
		rc = kick(request);
	else if (number == IPCCHAN_IOC_WAIT)
		rc = wait_for(p, request);
	pthread_mutex_unlock(&m.lock);
	return rc;
}
