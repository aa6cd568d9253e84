/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Sleeping, waking, and how long a call goes on trying. */
#include <time.h>

#include "internal.h"

#define MAX_LOOKS	3
#define MANY_WAKES	64

/** ipcchan_deadline() - when a time-out is over; 0: at once, IPCCHAN_WAIT_FOREVER: never */
uint64_t ipcchan_deadline(int64_t timeout_ns)
{
	if (timeout_ns < 0)
		return IPCCHAN_WAIT_FOREVER;
	return timeout_ns ? ipcchan_device_now() + (uint64_t)timeout_ns : 0;
}

/** ipcchan_left() - what is left until then, as a time-out */
int64_t ipcchan_left(uint64_t deadline_ns)
{
	uint64_t now, left;

	if (deadline_ns == IPCCHAN_WAIT_FOREVER)
		return IPCCHAN_WAIT_FOREVER_NS;
	now = deadline_ns ? ipcchan_device_now() : 0;
	left = deadline_ns > now ? deadline_ns - now : 0;
	return left < INT64_MAX ? (int64_t)left : INT64_MAX;
}

int ipcchan_patience_init(const struct ipcchan_port *port, struct ipcchan_patience *p,
			  struct ipcchan_spin *spin, int64_t timeout_ns)
{
	uint64_t turns = ipcchan_spin_budget(port, spin);

	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	if (timeout_ns >= 0 && turns > ipcchan_spin_turns(port, (uint64_t)timeout_ns))
		turns = ipcchan_spin_turns(port, (uint64_t)timeout_ns);
	*p = (struct ipcchan_patience){
		.timeout_ns = timeout_ns,
		.spin = spin,
		.budget = turns,
		.spin_ns = timeout_ns > 0 ? ipcchan_spin_ns(port, turns) : 0,
	};
	return 0;
}

/** ipcchan_patience_renew() - the call has got on, and may have to wait again */
void ipcchan_patience_renew(const struct ipcchan_port *port, struct ipcchan_patience *p)
{
	p->budget = ipcchan_spin_budget(port, p->spin);
	p->turns = 0;
	p->wakes = 0;
}

static int call_wait(struct ipcchan_port *port, struct ipcchan_wait *wait)
{
	wait->size = sizeof(*wait);
	__atomic_fetch_add(&port->waits, 1, __ATOMIC_RELAXED);
	return ipcchan_device_call(port->fd, IPCCHAN_IOC_WAIT, wait);
}

/* The clock is asked once spinning has ended, so that counts as waited. */
static void set_deadline(struct ipcchan_patience *p, uint64_t now)
{
	uint64_t left = (uint64_t)p->timeout_ns;

	left -= p->spin_ns < left ? p->spin_ns : left;
	p->deadline_ns = now + left;
}

/*
 * A peer that changes its words all the time makes every wait return at once:
 * so it is for us to see that the time is over.
 */
bool ipcchan_is_expired(struct ipcchan_patience *p)
{
	uint64_t now;

	if (p->expired || p->timeout_ns < 0)
		return p->expired;
	now = ipcchan_device_now();
	if (p->deadline_ns)
		return now >= p->deadline_ns;
	set_deadline(p, now);
	return false;
}

/**
 * ipcchan_nap() - a millisecond's rest: 0 or -EINTR
 *
 * A peer that changes its words all the time must not keep us busy, nor deaf to
 * signals: so now and then, after much for nothing.
 */
int ipcchan_nap(void)
{
	struct timespec rest = { .tv_nsec = 1000000 };

	return nanosleep(&rest, NULL) && errno == EINTR ? -EINTR : 0;
}

/*
 * Sleeps until there may be something to do: 0, try again. After a time-out
 * there is one more try; the error comes when that has failed too.
 */
int ipcchan_sleep(struct ipcchan_port *port, struct ipcchan_patience *p,
		  struct ipcchan_wait *wait)
{
	int rc;

	if (!p->timeout_ns)
		return -EAGAIN;
	if (ipcchan_is_expired(p))
		return -ETIMEDOUT;
	wait->deadline_ns = p->timeout_ns < 0 ? IPCCHAN_WAIT_FOREVER : p->deadline_ns;
	rc = call_wait(port, wait);
	if (!rc && ++p->wakes % MANY_WAKES == 0)
		return ipcchan_nap();
	if (rc != -ETIMEDOUT)
		return rc;
	p->expired = true;
	return 0;
}

/*
 * Leaves with the module what this call saw, for poll(), and does not sleep: 0,
 * something has changed, try again. That is not asked for ever: what is left
 * there is older then, and poll() will say so.
 */
int ipcchan_look(struct ipcchan_port *port, struct ipcchan_patience *p,
		 struct ipcchan_wait *wait)
{
	int rc;

	if (p->looks++ >= MAX_LOOKS)
		return -EAGAIN;
	wait->deadline_ns = 0;
	rc = call_wait(port, wait);
	return rc == -ETIMEDOUT || rc == -EINTR ? -EAGAIN : rc;
}

/* What fails here concerns the other side, but that this port is gone. */
int ipcchan_kick_slots(struct ipcchan_port *port, uint64_t receivers, uint64_t senders)
{
	struct ipcchan_kick kick = {
		.size = sizeof(kick),
		.receivers = receivers,
		.senders = senders,
	};
	int rc;

	__atomic_fetch_add(&port->kicks, 1, __ATOMIC_RELAXED);
	rc = ipcchan_device_call(port->fd, IPCCHAN_IOC_KICK, &kick);
	return rc == -ESHUTDOWN ? rc : 0;
}
