/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Opening and closing a port, and asking about it.
 *
 * A port is not copied by fork(): its mappings are missing in the child, and
 * calls there are refused before they touch them. What tells parent and child
 * apart without a system call is the guard, a page of this process alone that
 * the kernel gives a child as zeros.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"

/* An ephemeral channel can vanish between being made and being attached to. */
#define MAX_TRIES	32

#define MIN_STATS	offsetof(struct ipcchan_stats, sent_bytes)
#define MIN_PEER	offsetof(struct ipcchan_peer_info, pid)

/* Zeroed, and on cache lines of its own. */
void *ipcchan_alloc(size_t n, size_t size)
{
	size_t bytes = (n * size + IPCCHAN_CACHE_LINE - 1) & ~(IPCCHAN_CACHE_LINE - 1ul);
	void *p = aligned_alloc(IPCCHAN_CACHE_LINE, bytes);

	return p ? memset(p, 0, bytes) : NULL;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/** ipcchan_guard_new() - what a forked child finds empty: 0 or -errno */
int ipcchan_guard_new(struct ipcchan_tx *tx, struct ipcchan_rx *rx,
		      const struct ipcchan_guard **guard)
{
	struct ipcchan_guard *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, page_size(), MADV_WIPEONFORK)) {
		rc = -errno;
		munmap(page, page_size());
		return rc;
	}
	*page = (struct ipcchan_guard){ .tx = tx, .rx = rx, .here = 1 };
	*guard = page;
	return 0;
}

void ipcchan_guard_free(const struct ipcchan_guard *guard)
{
	if (guard)
		munmap((void *)(uintptr_t)guard, page_size());
}

static int attach(int fd, struct ipcchan_attach *attach, struct ipcchan_error *error)
{
	attach->why = ipcchan_why(error, &attach->why_len);
	return ipcchan_device_call(fd, IPCCHAN_IOC_ATTACH, attach);
}

static int create_or_attach(int fd, struct ipcchan_attach *a, const struct ipcchan_options *o,
			    struct ipcchan_error *error)
{
	int rc = attach(fd, a, error);

	for (int i = 0; rc == -ENOENT && o->flags & IPCCHAN_OPEN_CREATE && i < MAX_TRIES; i++) {
		rc = ipcchan_request_create(fd, a->name, o, error);
		if (rc && rc != -EEXIST)
			return rc;
		rc = attach(fd, a, error);
	}
	return rc ? ipcchan_fail_call(error, rc, "cannot attach") : 0;
}

static bool is_known(const struct ipcchan_attach *a)
{
	if (a->type == IPCCHAN_TYPE_CONNECTION)
		return a->overflow == IPCCHAN_OVERFLOW_BLOCK && a->geometry.senders == 2;
	return (a->type == IPCCHAN_TYPE_TOPIC || a->type == IPCCHAN_TYPE_QUEUE) &&
	       a->overflow <= IPCCHAN_OVERFLOW_DROP_OLDEST;
}

/* Takes over what the kernel said, if it and this library mean the same. */
static int adopt(struct ipcchan_port *port, const struct ipcchan_attach *a,
		 struct ipcchan_error *error)
{
	struct ipcchan_layout *l = &port->layout;

	if (!is_known(a))
		return ipcchan_fail(error, -EOPNOTSUPP, "this library is too old for a channel "
				    "of type %u, overflow %u", a->type, a->overflow);
	port->type = a->type;
	port->queue = a->type == IPCCHAN_TYPE_QUEUE;
	port->plain = port->queue ? port->roles & ~IPCCHAN_RECEIVE : port->roles;
	port->id = a->port_id;
	port->geometry = a->geometry;
	port->overflow = a->overflow;
	port->history = a->history;
	ipcchan_layout(l, &port->geometry, a->type, page_size());
	port->window_size = l->window_size;
	if (port->roles & IPCCHAN_RECEIVE)
		port->own_size += l->receipts_size;
	if (port->roles & IPCCHAN_SEND)
		port->own_size += l->outbox_size;
	if (port->own_size != a->own_size || port->window_size != a->window_size)
		return ipcchan_fail(error, -EOPNOTSUPP, "the module lays its pages out in a way "
				    "this library does not know");
	return 0;
}

static int allocate(struct ipcchan_port *port, const struct ipcchan_attach *a)
{
	if (port->roles & IPCCHAN_SEND) {
		port->tx = ipcchan_tx_new(port, a->sender_slot);
		if (!port->tx)
			return -ENOMEM;
	}
	if (port->roles & IPCCHAN_RECEIVE) {
		port->rx = ipcchan_rx_new(port, a->receiver_slot);
		if (!port->rx)
			return -ENOMEM;
	}
	/* the short ways of topics are not for who receives from a queue */
	return ipcchan_guard_new(port->tx, port->queue ? NULL : port->rx, &port->guard);
}

/*
 * First the window, then the own region: mapping that makes the port take
 * part, and nothing can fail after it.
 */
static int map(struct ipcchan_port *port, const struct ipcchan_attach *a)
{
	uint8_t *at;
	int rc = ipcchan_device_map(port->fd, a->window_offset, port->window_size, false, &at);

	if (rc)
		return rc;
	port->window = at;
	port->roster = (const void *)at;
	port->senders = (const void *)(at + sizeof(struct ipcchan_roster));
	port->receivers = (const void *)(at + port->layout.receivers);
	return ipcchan_device_map(port->fd, a->own_offset, port->own_size, true, &port->own);
}

/** ipcchan_port_establish() - make a port of an attached file: all but what it is for */
int ipcchan_port_establish(struct ipcchan_port *port, const struct ipcchan_attach *a,
			   uint64_t spin_ns, struct ipcchan_error *error)
{
	int rc = adopt(port, a, error);

	if (rc)
		return rc;
	rc = allocate(port, a);
	if (!rc)
		rc = map(port, a);
	if (rc)
		return ipcchan_fail(error, rc, "cannot map the port: %s", ipcchan_strerror(rc));
	if (port->tx)
		ipcchan_tx_start(port);
	if (port->rx)
		ipcchan_rx_start(port);
	port->spin_rate = ipcchan_spin_rate();
	ipcchan_port_set_spin(port, spin_ns);
	return 0;
}

/** ipcchan_attach_request() - what is asked of ATTACH but by what; 0 or -EINVAL */
int ipcchan_attach_request(struct ipcchan_attach *a, uint32_t role,
			   const struct ipcchan_options *o, struct ipcchan_error *error)
{
	bool receives = role & IPCCHAN_RECEIVE;

	*a = (struct ipcchan_attach){
		.size = sizeof(*a),
		.role = role,
		.wake_count = receives ? o->wake_count : 0,
		.wake_delay_ns = receives ? o->wake_delay_ns : 0,
	};
	if (o->flags & IPCCHAN_OPEN_OWNER) {
		a->flags = IPCCHAN_ATTACH_OWNER;
		a->owner = o->owner;
	}
	return ipcchan_take_label(a->label, o->label, error);
}

static int attach_by_name(int *fd, const char *name, struct ipcchan_attach *a,
			  const struct ipcchan_options *o, struct ipcchan_error *error)
{
	int rc = ipcchan_take_name(a->name, name, error);

	if (rc)
		return rc;
	*fd = ipcchan_open_device(error);
	if (*fd < 0)
		return *fd;
	return create_or_attach(*fd, a, o, error);
}

/* The handle's call makes the file. */
static int attach_by_handle(int *fd, int handle, struct ipcchan_attach *a,
			    struct ipcchan_error *error)
{
	int rc = attach(handle, a, error);

	if (rc)
		return ipcchan_fail_call(error, rc, "cannot attach");
	*fd = a->fd;
	return 0;
}

/** ipcchan_attach() - an attached file; @name NULL: by @handle. @fd may be set all the same */
int ipcchan_attach(int *fd, const char *name, int handle, struct ipcchan_attach *a,
		   const struct ipcchan_options *o, struct ipcchan_error *error)
{
	if (name)
		return attach_by_name(fd, name, a, o, error);
	return attach_by_handle(fd, handle, a, error);
}

static int check_type(const struct ipcchan_attach *a, const struct ipcchan_options *o,
		      struct ipcchan_error *error)
{
	if (a->type == IPCCHAN_TYPE_SERVICE || a->type == IPCCHAN_TYPE_CONNECTION)
		return ipcchan_fail(error, -EPROTOTYPE, "the channel is a service: "
				    "one listens there, or connects");
	if (o->type && o->type != a->type)
		return ipcchan_fail(error, -EPROTOTYPE, "the channel is of another type");
	return 0;
}

/* @name NULL: by @handle */
static int open_port(struct ipcchan_port *port, const char *name, int handle,
		     const struct ipcchan_options *o, struct ipcchan_error *error)
{
	struct ipcchan_attach a;
	int rc = ipcchan_attach_request(&a, port->roles, o, error);

	if (!rc)
		rc = ipcchan_attach(&port->fd, name, handle, &a, o, error);
	if (!rc)
		rc = check_type(&a, o, error);
	return rc ? rc : ipcchan_port_establish(port, &a, o->spin_ns, error);
}

/* Undoes open_port(), as far as it came. A child has nothing mapped. */
static void destroy(struct ipcchan_port *port)
{
	if (port->guard && !ipcchan_is_forked(port)) {
		ipcchan_device_unmap(port->own, port->own_size);
		ipcchan_device_unmap(port->window, port->window_size);
	}
	ipcchan_guard_free(port->guard);
	ipcchan_calls_free(port->calls);
	ipcchan_rx_free(port->rx);
	ipcchan_tx_free(port->tx);
	if (port->fd >= 0)
		ipcchan_device_close(port->fd);
	free(port);
}

/** ipcchan_port_new() - nothing yet but its file, or -1, which it closes; NULL: no memory */
struct ipcchan_port *ipcchan_port_new(uint32_t roles, uint32_t flags, int fd)
{
	struct ipcchan_port *port = ipcchan_alloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->fd = fd;
	port->roles = roles;
	port->flags = flags;
	return port;
}

static int open_by(struct ipcchan_port **out, const char *name, int handle, uint32_t roles,
		   const struct ipcchan_options *options, struct ipcchan_error *error)
{
	struct ipcchan_port *port;
	struct ipcchan_options o;
	int rc = ipcchan_take_options(&o, options, error);

	*out = NULL;
	if (rc)
		return rc;
	if (!roles || roles & ~(IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE))
		return ipcchan_fail(error, -EINVAL, "a port sends, receives or both");
	port = ipcchan_port_new(roles, o.flags, -1);
	if (!port)
		return ipcchan_fail(error, -ENOMEM, "%s", ipcchan_strerror(-ENOMEM));
	rc = open_port(port, name, handle, &o, error);
	if (rc) {
		destroy(port);
		return rc;
	}
	*out = port;
	return 0;
}

int ipcchan_open(struct ipcchan_port **out, const char *name, uint32_t roles,
		 const struct ipcchan_options *options, struct ipcchan_error *error)
{
	return open_by(out, name ? name : "", -1, roles, options, error);
}

int ipcchan_open_handle(struct ipcchan_port **out, int handle, uint32_t roles,
			const struct ipcchan_options *options, struct ipcchan_error *error)
{
	return open_by(out, NULL, handle, roles, options, error);
}

void ipcchan_port_close(struct ipcchan_port *port)
{
	if (port)
		destroy(port);
}

int ipcchan_port_fd(struct ipcchan_port *port)
{
	if (ipcchan_is_forked(port))
		return -EBUSY;
	ipcchan_store(&port->polled, 1);
	return port->fd;
}

int ipcchan_port_peer(struct ipcchan_port *port, uint32_t role, uint32_t slot,
		      struct ipcchan_peer_info *info)
{
	struct ipcchan_peer peer = { .size = sizeof(peer), .role = role, .slot = slot };
	struct ipcchan_peer_info found;
	int rc;

	if (ipcchan_is_forked(port))
		return -EBUSY;
	rc = ipcchan_device_call(port->fd, IPCCHAN_IOC_PEER, &peer);
	if (rc)
		return rc;
	found = (struct ipcchan_peer_info){
		.port_id = peer.port_id,
		.roles = peer.roles,
		.pid = (pid_t)peer.pid,
		.uid = peer.uid,
		.gid = peer.gid,
		.attached_ns = peer.attached_ns,
	};
	return ipcchan_give_struct(info, MIN_PEER, &found, sizeof(found));
}

int ipcchan_port_gone(struct ipcchan_port *port)
{
	struct ipcchan_peer peer = { .size = sizeof(peer) };
	int rc;

	if (ipcchan_is_forked(port))
		return -EBUSY;
	rc = ipcchan_device_call(port->fd, IPCCHAN_IOC_PEER, &peer);
	return rc ? rc : (int)peer.reason;
}

int ipcchan_port_get_stats(const struct ipcchan_port *port, struct ipcchan_stats *stats)
{
	struct ipcchan_stats now = {
		.kicks = ipcchan_load(&port->kicks),
		.waits = ipcchan_load(&port->waits),
	};

	if (ipcchan_is_forked(port))
		return -EBUSY;
	if (port->tx) {
		now.sent = ipcchan_load(&port->tx->outbox->head);
		now.sent -= now.sent ? port->tx->base : 0;
		now.sent_bytes = ipcchan_load(&port->tx->outbox->bytes);
		now.full = ipcchan_load(&port->tx->full);
		now.loans = ipcchan_load(&port->tx->loans);
		now.arena_used = ipcchan_arena_used(&port->tx->arena);
	}
	if (port->rx) {
		now.received = ipcchan_load(&port->rx->receipts->received);
		now.received_bytes = ipcchan_load(&port->rx->bytes);
		now.holds = ipcchan_load(&port->rx->holds);
		now.lost = ipcchan_load(&port->rx->lost);
	}
	return ipcchan_give_struct(stats, MIN_STATS, &now, sizeof(now));
}
