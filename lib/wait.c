/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Spinning, sleeping and waking.
 *
 * Spinning is counted in turns, not in time: the rate of turns is measured when
 * a port is opened, so that no clock is read (which on some machines is a
 * system call) as long as the other side answers while we spin.
 */
#include <sched.h>
#include <time.h>

#include "internal.h"

#define RATE_SHIFT	20
#define RATE_TURNS	256
/* Where the clock is too coarse to measure: 10 ns a turn, or so. */
#define RATE_ASSUMED	((1ull << RATE_SHIFT) / 10)
#define COARSE_NS	1000
/* More than anybody means. */
#define MAX_SPIN_NS	(1ull << 42)
#define MAX_LOOKS	3
#define MANY_WAKES	64

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

static uint64_t time_turns(void)
{
	uint64_t begin = ipcchan_device_now();

	for (int i = 0; i < RATE_TURNS; i++)
		relax();
	return ipcchan_device_now() - begin;
}

static bool is_coarse(void)
{
	struct timespec step;

	return clock_getres(CLOCK_MONOTONIC, &step) || step.tv_sec ||
	       step.tv_nsec > COARSE_NS;
}

/* Turns in 2^20 ns. The quickest of a few tries is the one not preempted. */
uint64_t ipcchan_spin_rate(void)
{
	uint64_t best = UINT64_MAX;

	if (is_coarse())
		return RATE_ASSUMED;

	for (int i = 0; i < 4; i++) {
		uint64_t ns = time_turns();

		if (ns < best)
			best = ns;
	}
	return best ? ((uint64_t)RATE_TURNS << RATE_SHIFT) / best : RATE_ASSUMED;
}

/* With one CPU the other side cannot move while we spin. */
uint64_t ipcchan_spin_default(void)
{
	cpu_set_t cpus;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) < 2)
		return 0;
	return IPCCHAN_DEFAULT_SPIN_NS;
}

static uint64_t turns_of(const struct ipcchan_port *port, uint64_t ns)
{
	if (ns > MAX_SPIN_NS)
		ns = MAX_SPIN_NS;
	return (uint64_t)((unsigned __int128)ns * port->spin_rate >> RATE_SHIFT);
}

void ipcchan_port_set_spin(struct ipcchan_port *port, uint64_t spin_ns)
{
	if (!ipcchan_is_forked(port))
		ipcchan_store(&port->spin_turns, turns_of(port, spin_ns));
}

int ipcchan_patience_init(const struct ipcchan_port *port, struct ipcchan_patience *p,
			  int64_t timeout_ns)
{
	uint64_t turns = ipcchan_load(&port->spin_turns);

	if (timeout_ns < IPCCHAN_WAIT_FOREVER_NS)
		return -EINVAL;
	if (timeout_ns >= 0 && turns > turns_of(port, (uint64_t)timeout_ns))
		turns = turns_of(port, (uint64_t)timeout_ns);
	*p = (struct ipcchan_patience){ .timeout_ns = timeout_ns, .turns = turns };
	p->spin_ns = port->spin_rate ?
		(uint64_t)(((unsigned __int128)turns << RATE_SHIFT) / port->spin_rate) : 0;
	return 0;
}

/* Lets a moment pass; false: this call has spun long enough. */
bool ipcchan_turn(struct ipcchan_patience *p)
{
	if (!p->turns)
		return false;
	p->turns--;
	relax();
	return true;
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
static bool is_expired(struct ipcchan_patience *p)
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

/*
 * A peer that changes its words all the time must not keep us busy, nor deaf to
 * signals: after many wakes for nothing, a millisecond's rest.
 */
static int nap(void)
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
	if (is_expired(p))
		return -ETIMEDOUT;
	wait->deadline_ns = p->timeout_ns < 0 ? IPCCHAN_WAIT_FOREVER : p->deadline_ns;
	rc = call_wait(port, wait);
	if (!rc && ++p->wakes % MANY_WAKES == 0)
		return nap();
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
