/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Polling before sleeping, and for how long.
 *
 * Spinning is counted in turns, not in time: the rate of turns is measured when
 * a port is opened, so that no clock is read (which on some machines is a
 * system call) as long as the other side answers while we spin.
 *
 * Each direction of a port learns how many turns it usually takes until something
 * comes, and spins twice that. Where spinning fails it soon spins hardly at all,
 * and only now and then as long as it may, in case things have changed.
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

/* What going to sleep and being woken costs, about: who spins so long in vain pays twice. */
#define DEFAULT_SPIN_NS	20000u
/* Turns that are spun in any case; failures after which all is tried again. */
#define LEAST_TURNS	16
#define RETRY_AFTER	32

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
	return DEFAULT_SPIN_NS;
}

/** ipcchan_spin_turns() - turns in a time */
uint64_t ipcchan_spin_turns(const struct ipcchan_port *port, uint64_t ns)
{
	if (ns > MAX_SPIN_NS)
		ns = MAX_SPIN_NS;
	return (uint64_t)((unsigned __int128)ns * port->spin_rate >> RATE_SHIFT);
}

/** ipcchan_spin_ns() - the time that turns take, about */
uint64_t ipcchan_spin_ns(const struct ipcchan_port *port, uint64_t turns)
{
	if (!port->spin_rate)
		return 0;
	return (uint64_t)(((unsigned __int128)turns << RATE_SHIFT) / port->spin_rate);
}

void ipcchan_port_set_spin(struct ipcchan_port *port, uint64_t spin_ns)
{
	if (!ipcchan_is_forked(port))
		ipcchan_store(&port->spin_turns, ipcchan_spin_turns(port, spin_ns));
}

/** ipcchan_spin_budget() - turns to spin this time; @spin NULL: none */
uint64_t ipcchan_spin_budget(const struct ipcchan_port *port, const struct ipcchan_spin *spin)
{
	uint64_t most = ipcchan_load(&port->spin_turns);
	uint64_t turns;

	if (!spin)
		return 0;
	if (port->flags & IPCCHAN_OPEN_SPIN_FIXED || spin->failures % RETRY_AFTER == 0)
		return most;
	turns = 2 * spin->usual + LEAST_TURNS;
	return turns < most ? turns : most;
}

/** ipcchan_spin_succeeded() - something came while this call was spinning */
void ipcchan_spin_succeeded(const struct ipcchan_patience *p)
{
	struct ipcchan_spin *spin = p->spin;

	if (!spin)
		return;
	spin->failures = 1;	/* learned: not all that is allowed, but what is usual */
	if (p->turns > spin->usual)
		spin->usual = p->turns;		/* else the next would be given up too early */
	else
		spin->usual -= (spin->usual - p->turns) / 4;
}

/** ipcchan_turn() - let a moment pass; false: this call has spun long enough */
bool ipcchan_turn(struct ipcchan_patience *p)
{
	if (p->turns < p->budget) {
		p->turns++;
		relax();
		return true;
	}
	if (p->spin && p->budget) {
		p->spin->failures++;
		p->spin->usual -= p->spin->usual / 2;
		p->budget = 0;
		p->turns = 0;
	}
	return false;
}
