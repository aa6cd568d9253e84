/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: publishing, and receivers that sleep
 *
 * SENDERS publish MESSAGES each into a ring that is never full. RECEIVERS take
 * them, and sleep when there is nothing, each in a way of its own:
 *
 *	WAITS	in wait
 *	LEVEL	in a level-triggered epoll set
 *	EDGE	in an edge-triggered one, reading to the end each time
 *	BOTH	in an edge-triggered one, calling wait for the first message
 *
 * A lost wake-up is an end in which somebody sleeps.
 *
 * Letters C, D. Mutants: those of sleep.h, and NO_ARM_WHEN_READY.
 */
#define WAITS 0
#define LEVEL 1
#define EDGE 2
#define BOTH 3

#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef WAY0
#define WAY0 WAITS
#endif
#ifndef WAY1
#define WAY1 WAITS
#endif

#define CPUS (SENDERS + RECEIVERS)
#define LOCKED 0
#define SLEEPING 1
#define PASSED(r, s) (2 + (r) * SENDERS + (s))
#define SEQUENCE(s, m) (2 + RECEIVERS * SENDERS + (s) * MESSAGES + (m))
#define WORDS (2 + RECEIVERS * SENDERS + SENDERS * MESSAGES)

#include "tso.h"
#include "letters.h"

inline LOOK_AT(cpu, r, s)
{
	LOAD(cpu, PASSED(r, s), word);
	if
	:: word < MESSAGES ->
		LOAD(cpu, SEQUENCE(s, word), word);
		found = found || word
	:: else
	fi;
	word = 0
}

inline LOOK(cpu, r)
{
	LOOK_AT(cpu, r, 0);
#if SENDERS > 1
	LOOK_AT(cpu, r, 1)
#endif
}

#include "sleep.h"

/* Who sleeps, and has not passed this message. */
inline BEHIND(me, r)
{
	if
	:: sleeping & (1 << r) ->
		LOAD(me, PASSED(r, me), word);
		if
		:: word < sent -> named = named | (1 << r)
		:: else
		fi;
		word = 0
	:: else
	fi
}

proctype sender(byte me)
{
	byte sent, sleeping, named, word;
	bool found;

	do
	:: sent == MESSAGES -> break
	:: else ->
		STORE(me, SEQUENCE(me, sent), 1);
		sent++;
		BARRIER_C(me);		/* C, pairs with D and K */
		LOAD(me, SLEEPING, sleeping);
		BEHIND(me, 0);
#if RECEIVERS > 1
		BEHIND(me, 1);
#endif
		sleeping = 0;
		if
		:: named -> KICK(me, named)
		:: else
		fi;
		named = 0
	od
}

/* The next message of a sender, if it is there. */
inline TAKE_FROM(s)
{
	if
	:: taken[s] < MESSAGES ->
		LOAD(cpu, SEQUENCE(s, taken[s]), word);
		if
		:: word ->
			taken[s]++;
			STORE(cpu, PASSED(r, s), taken[s]);
			found = true
		:: else
		fi;
		word = 0
	:: else
	fi
}

inline TAKE()
{
	TAKE_FROM(0);
#if SENDERS > 1
	TAKE_FROM(1)
#endif
}

#if SENDERS > 1
#define ALL_TAKEN (taken[0] == MESSAGES && taken[1] == MESSAGES)
#else
#define ALL_TAKEN (taken[0] == MESSAGES)
#endif

/* What the set asks the port: leaves `found'. */
inline POLL()
{
	found = false;
	LOCK(cpu);
#ifdef NO_ARM_WHEN_READY
	LOOK(cpu, r);
	if
	:: found
	:: else -> ARM_AND_LOOK(cpu, r)
	fi;
#else
	ARM_AND_LOOK(cpu, r);
#endif
	UNLOCK(cpu)
}

inline WATCH()
{
	watched[r] = true;
	POLL();
	ready[r] = ready[r] || found;
	found = false
}

inline TAKE_TO_THE_END()
{
	do
	:: found = false;
		TAKE();
		if
		:: found
		:: else -> break
		fi
	od
}

/* After an event; a level-triggered set keeps the port on its list. */
inline SERVE()
{
	if
	:: way == LEVEL ->
		ready[r] = true;
		TAKE()
	:: way == EDGE ->
		TAKE_TO_THE_END()
	:: way == BOTH ->
		WAIT(cpu, r);
		TAKE_TO_THE_END()
	fi;
	found = false
}

proctype receiver(byte r; byte way)
{
	byte cpu = SENDERS + r;
	byte taken[SENDERS];
	byte word;
	bool found;

	if
	:: way == WAITS ->
		do
		:: ALL_TAKEN -> break
		:: else ->
			TAKE();
			if
			:: found -> found = false
			:: else -> WAIT(cpu, r)
			fi
		od
	:: else ->
		WATCH();
		do
		:: ALL_TAKEN -> break
		:: else ->
			d_step { ready[r] -> ready[r] = false };	/* asleep */
			POLL();
			if
			:: found -> found = false; SERVE()
			:: else
			fi
		od
	fi
}

init {
	atomic {
		run sender(0);
#if SENDERS > 1
		run sender(1);
#endif
		run receiver(0, WAY0);
#if RECEIVERS > 1
		run receiver(1, WAY1);
#endif
	}
}
