/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Waiting for many ports at once: look at all, spin, then sleep by poll().
 *
 * What a port is ready for is seen in its pages, by the test that its own calls
 * use. Only when no port has anything is the module asked, once for all of them.
 */
#include <poll.h>
#include <stdlib.h>

#include "internal.h"

#define FEW	64	/* ports that need no memory */

static int check_item(const struct ipcchan_ready *item)
{
	uint32_t events = item->events;
	uint32_t roles = (events & IPCCHAN_READY_RECEIVE ? IPCCHAN_RECEIVE : 0) |
			 (events & IPCCHAN_READY_SEND ? IPCCHAN_SEND : 0);

	if (!item->port)
		return 0;
	if (!roles || events & ~(IPCCHAN_READY_RECEIVE | IPCCHAN_READY_SEND))
		return -EINVAL;
	return (item->port->roles & roles) == roles ? 0 : -EINVAL;
}

static uint32_t look_to_receive(struct ipcchan_port *port)
{
	struct ipcchan_rx *rx = port->rx;
	int rc = ipcchan_roster_sources(port);

	if (rc)		/* on a queue it is the kernel that knows */
		return rc == IPCCHAN_AGAIN ? 0 : IPCCHAN_READY_ERROR;
	return (ipcchan_order_readable(port) ? IPCCHAN_READY_RECEIVE : 0) |
	       (rx->met && !rx->peers ? IPCCHAN_READY_HANGUP : 0);
}

/* Room is looked for by who lacks it: here, whether that may have changed. */
static uint32_t look_to_send(struct ipcchan_port *port)
{
	if (!ipcchan_load(&port->roster->receiver_generation))
		return IPCCHAN_READY_ERROR;
	return !port->tx->lacking || ipcchan_reclaim_changed(port) ? IPCCHAN_READY_SEND : 0;
}

/* What the scan that found no room has seen: the module must know. */
static void describe_lack(struct ipcchan_port *port, struct ipcchan_wait *wait)
{
	wait->receiver_generation = port->tx->generation;
	wait->await = ipcchan_reclaim_await(port->tx);
	wait->progress = (uintptr_t)port->tx->progress;
	wait->nr_progress = ipcchan_nr_progress(port);
}

/* It answers by poll(). */
static void tell(struct ipcchan_port *port)
{
	struct ipcchan_patience patience = { .looks = 0 };
	struct ipcchan_wait wait = { .flags = IPCCHAN_WAIT_SEND };

	describe_lack(port, &wait);
	ipcchan_look(port, &patience, &wait);
}

static bool look(struct ipcchan_ready *item)
{
	struct ipcchan_port *port = item->port;

	item->ready = 0;
	if (!port)
		return false;
	if (ipcchan_is_forked(port)) {
		item->ready = IPCCHAN_READY_ERROR;
		return true;
	}
	if (item->events & IPCCHAN_READY_RECEIVE)
		item->ready |= look_to_receive(port);
	if (item->events & IPCCHAN_READY_SEND)
		item->ready |= look_to_send(port);
	return item->ready;
}

/* As the module's events are called here; it is asked in place of poll(). */
static int ask_to_arm(struct ipcchan_ready *item)
{
	bool sends = item->events & IPCCHAN_READY_SEND;
	struct ipcchan_port *port = item->port;
	struct ipcchan_wait wait = {
		.size = sizeof(wait),
		.flags = IPCCHAN_WAIT_ARM |
			 (item->events & IPCCHAN_READY_RECEIVE ? IPCCHAN_WAIT_RECEIVE : 0) |
			 (sends ? IPCCHAN_WAIT_SEND : 0),
	};
	int rc;

	if (sends)
		describe_lack(port, &wait);
	__atomic_fetch_add(&port->waits, 1, __ATOMIC_RELAXED);
	rc = ipcchan_device_call(port->fd, IPCCHAN_IOC_WAIT, &wait);
	if (rc == -ESHUTDOWN)
		return IPCCHAN_READY_ERROR;
	if (rc)
		return rc;
	if (wait.events & IPCCHAN_WAIT_HANGUP)
		port->rx->met = true;
	return (wait.events & IPCCHAN_WAIT_RECEIVE ? IPCCHAN_READY_RECEIVE : 0) |
	       (wait.events & IPCCHAN_WAIT_SEND ? IPCCHAN_READY_SEND : 0) |
	       (wait.events & IPCCHAN_WAIT_HANGUP ? IPCCHAN_READY_HANGUP : 0);
}

int ipcchan_port_arm(struct ipcchan_port *port, uint32_t events)
{
	struct ipcchan_ready item = { .port = port, .events = events };
	int rc;

	if (ipcchan_is_forked(port))
		return -EBUSY;
	rc = check_item(&item);
	if (rc)
		return rc;
	ipcchan_store(&port->polled, 1);
	return look(&item) ? (int)item.ready : ask_to_arm(&item);
}

static int look_at_all(struct ipcchan_ready *items, size_t n)
{
	int ready = 0;

	for (size_t i = 0; i < n; i++)
		ready += look(&items[i]);
	return ready;
}

static short wanted(const struct ipcchan_ready *item)
{
	return (short)((item->events & IPCCHAN_READY_RECEIVE ? POLLIN | POLLRDHUP : 0) |
		       (item->events & IPCCHAN_READY_SEND ? POLLOUT : 0));
}

static void prepare(struct pollfd *fd, const struct ipcchan_ready *item)
{
	struct ipcchan_port *port = item->port;

	*fd = (struct pollfd){ .fd = -1 };
	if (!port)
		return;
	*fd = (struct pollfd){ .fd = port->fd, .events = wanted(item) };
	ipcchan_store(&port->polled, 1);
	if (item->events & IPCCHAN_READY_SEND && port->tx->lacking)
		tell(port);
	__atomic_fetch_add(&port->waits, 1, __ATOMIC_RELAXED);
}

static void conclude(struct ipcchan_ready *item, short events)
{
	item->ready = (events & POLLIN ? IPCCHAN_READY_RECEIVE : 0) |
		      (events & POLLOUT ? IPCCHAN_READY_SEND : 0) |
		      (events & (POLLHUP | POLLRDHUP) ? IPCCHAN_READY_HANGUP : 0) |
		      (events & (POLLERR | POLLNVAL) ? IPCCHAN_READY_ERROR : 0);
	if (item->ready & IPCCHAN_READY_HANGUP && item->events & IPCCHAN_READY_RECEIVE)
		item->port->rx->met = true;
}

static int sleep_for_all(struct ipcchan_ready *items, struct pollfd *fds, size_t n,
			 uint64_t deadline_ns)
{
	int ready;

	for (size_t i = 0; i < n; i++)
		prepare(&fds[i], &items[i]);
	ready = ipcchan_device_poll(fds, (unsigned int)n, deadline_ns);
	for (size_t i = 0; i < n && ready > 0; i++)
		conclude(&items[i], fds[i].revents);
	return ready ? ready : -ETIMEDOUT;
}

static int sleep_with_memory(struct ipcchan_ready *items, size_t n, uint64_t deadline_ns)
{
	struct pollfd few[FEW];
	struct pollfd *fds = n <= FEW ? few : calloc(n, sizeof(*fds));
	int rc;

	if (!fds)
		return -ENOMEM;
	rc = sleep_for_all(items, fds, n, deadline_ns);
	if (fds != few)
		free(fds);
	return rc;
}

/* Spins as the most patient of the ports would. */
static int spin(struct ipcchan_ready *items, size_t n, int64_t timeout_ns)
{
	struct ipcchan_patience best = { .budget = 0 };
	int ready = 0;

	for (size_t i = 0; i < n; i++) {
		struct ipcchan_port *port = items[i].port;
		struct ipcchan_patience p;

		if (!port)
			continue;
		ipcchan_patience_init(port, &p, items[i].events & IPCCHAN_READY_RECEIVE ?
				      &port->rx->spin : &port->tx->spin, timeout_ns);
		if (p.budget > best.budget)
			best = p;
	}
	while (!ready && ipcchan_turn(&best))
		ready = look_at_all(items, n);
	if (ready)
		ipcchan_spin_succeeded(&best);
	return ready;
}

static uint64_t deadline_of(int64_t timeout_ns)
{
	return timeout_ns < 0 ? UINT64_MAX : ipcchan_device_now() + (uint64_t)timeout_ns;
}

int ipcchan_wait(struct ipcchan_ready *ports, size_t n, int64_t timeout_ns)
{
	uint64_t deadline_ns;
	int ready;

	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		ready = check_item(&ports[i]);
		if (ready)
			return ready;
	}
	ready = look_at_all(ports, n);
	if (ready)
		return ready;
	deadline_ns = timeout_ns ? deadline_of(timeout_ns) : 0;
	ready = timeout_ns ? spin(ports, n, timeout_ns) : 0;
	return ready ? ready : sleep_with_memory(ports, n, deadline_ns);
}
