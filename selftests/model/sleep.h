/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: how receivers sleep, in the kernel
 *
 * A model has RECEIVERS ports (one or two), defines SLEEPING (the roster's
 * word, a bit a slot) and, before it includes this,
 *
 *	LOOK(cpu, r)	sets `found' if there is something for receiver r
 *
 * and may define UNLESS and BEFORE_WAIT. With LOOK_FIRST a waiter looks before
 * it is on the queue, and again when it is.
 *
 * Whoever uses these needs a local bool `found'. All variables here are under
 * the channel's lock, but for being enqueued, and the test of it by a sleeper.
 *
 * Mutants: NO_LOOK_AFTER_ARM, ENQUEUE_LATE, FOUND_CLEARS, CLEAR_AFTER_UNLOCK.
 */
bool armed[RECEIVERS];
bool queued[RECEIVERS];		/* a thread is on the port's queue */
bool watched[RECEIVERS];	/* an epoll set is */
bool ready[RECEIVERS];		/* it has been told */

#if RECEIVERS > 1
#define SLEEPERS (armed[0] + 2 * armed[1])
#else
#define SLEEPERS armed[0]
#endif

inline ARM(cpu, r)
{
	armed[r] = true;
	STORE(cpu, SLEEPING, SLEEPERS);
	BARRIER_D(cpu)		/* D, pairs with C */
}

inline DISARM(cpu, r)
{
	armed[r] = false;
	STORE(cpu, SLEEPING, SLEEPERS)
}

/* All that is on the port's queue: a thread leaves it, an epoll set stays. */
inline WAKE(r)
{
	d_step {
		queued[r] = false;
		ready[r] = ready[r] || watched[r]
	}
}

/* Leaves `found'. */
inline ARM_AND_LOOK(cpu, r)
{
	ARM(cpu, r);
#ifndef NO_LOOK_AFTER_ARM
	LOOK(cpu, r)
#endif
}

#ifndef UNLESS
#define UNLESS false		/* what else ends a sleep, or its point */
#endif

#ifndef BEFORE_WAIT
#define BEFORE_WAIT(cpu) skip	/* what the kernel does first */
#endif

/* Who leaves the queue with an epoll set on it leaves that armed. */
inline LEAVE_QUEUE(cpu, r)
{
	queued[r] = false;
	LOCK(cpu);
	if
#ifdef FOUND_CLEARS
	:: armed[r] -> DISARM(cpu, r)
#else
	:: armed[r] && !watched[r] -> DISARM(cpu, r)
#endif
	:: else
	fi;
	UNLOCK(cpu)
}

inline SLEEP_UNTIL_FOUND(cpu, r)
{
	do
	:: found = false;
#ifndef ENQUEUE_LATE
		queued[r] = true;
#endif
		LOCK(cpu);
		LOOK(cpu, r);
		if
		:: found
		:: else -> ARM_AND_LOOK(cpu, r)
		fi;
		UNLOCK(cpu);
#ifdef ENQUEUE_LATE
		queued[r] = !found;
#endif
		if
		:: found || UNLESS -> break
		:: else ->
			!queued[r] || UNLESS	/* asleep */
		fi
	od;
	found = false;
	LEAVE_QUEUE(cpu, r)
}

#ifdef LOOK_FIRST
/* A first look, which need not be on the queue. */
inline WAIT(cpu, r)
{
	BEFORE_WAIT(cpu);
	LOCK(cpu);
	LOOK(cpu, r);
	UNLOCK(cpu);
	if
	:: found -> found = false
	:: else -> SLEEP_UNTIL_FOUND(cpu, r)
	fi
}
#else
/* Returns when there may be something. */
inline WAIT(cpu, r)
{
	BEFORE_WAIT(cpu);
	SLEEP_UNTIL_FOUND(cpu, r)
}
#endif

/* For a receiver among those a kick names. */
inline KICK_ONE(cpu, r)
{
	if
	:: armed[r] ->
		found = false;
		LOOK(cpu, r);
		if
		:: found ->
			found = false;
#ifdef CLEAR_AFTER_UNLOCK
			armed[r] = false;
#else
			DISARM(cpu, r);
#endif
			WAKE(r)
		:: else
		fi
	:: else
	fi
}

/* Wakes those of the named who sleep and have something. */
inline KICK(cpu, named)
{
	LOCK(cpu);
	if
	:: named & 1 -> KICK_ONE(cpu, 0)
	:: else
	fi;
#if RECEIVERS > 1
	if
	:: named & 2 -> KICK_ONE(cpu, 1)
	:: else
	fi;
#endif
	UNLOCK(cpu);
#ifdef CLEAR_AFTER_UNLOCK
	STORE(cpu, SLEEPING, SLEEPERS)
#endif
}
