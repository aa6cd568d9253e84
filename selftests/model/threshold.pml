/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a receiver that waits for several messages
 *
 * Two senders publish FIRST and SECOND messages, and then no more. A receiver
 * sleeps until WANTED wait of both together, which they will. While it sleeps a
 * word on the roster, AWAIT, says after how many more of its own a sender shall
 * kick; each look of the kernel that finds too few writes a new one.
 *
 * A lost wake-up is an end in which the receiver sleeps.
 *
 * Letters C, D. Mutants: AWAIT_STAYS, ONE_LOOK, COUNT_AFTER.
 */
#ifndef FIRST
#define FIRST 2
#endif
#ifndef SECOND
#define SECOND 1
#endif
#ifndef WANTED
#define WANTED 3
#endif
#define SENDERS 2

#define CPUS (1 + SENDERS)
#define LOCKED 0
#define SLEEPING 1
#define AWAIT 2
#define HEAD(s) (3 + (s))
#define WORDS (3 + SENDERS)

/* A count, and a number that makes each word another. */
#define COUNT(word) ((word) & 15)
#define NUMBER 16

#include "tso.h"
#include "letters.h"

/* The kernel's, under the lock. */
bool armed;
bool queued;
byte number;

/* Leaves `waiting'. */
inline COUNT_WAITING(cpu)
{
	LOAD(cpu, HEAD(0), waiting);
	LOAD(cpu, HEAD(1), word);
	waiting = waiting + word;
	word = 0
}

inline TELL_SENDERS(cpu, more)
{
	number = number + NUMBER;
	STORE(cpu, AWAIT, number + (more));
	BARRIER_D(cpu)		/* D, pairs with C */
}

/* Share of each sender in what lacks, rounded up. */
#define SHARE ((WANTED - before + SENDERS - 1) / SENDERS)

/* What was not counted before the senders are told, they may not count. */
#ifdef ONE_LOOK
#define LOOK_AGAIN(cpu) skip
#else
inline LOOK_AGAIN(cpu)
{
	if
	:: waiting < WANTED && waiting > before ->
		TELL_SENDERS(cpu, 1);
		COUNT_WAITING(cpu)
	:: else
	fi
}
#endif

/* Leaves `found'. */
inline LOOK(cpu)
{
	COUNT_WAITING(cpu);
	before = waiting;
	if
#ifdef AWAIT_STAYS
	:: waiting < WANTED && number == NUMBER ->
#else
	:: waiting < WANTED ->
#endif
		TELL_SENDERS(cpu, SHARE);
		COUNT_WAITING(cpu);
		LOOK_AGAIN(cpu)
	:: else
	fi;
	found = waiting >= WANTED;
	waiting = 0;
	before = 0
}

inline KICK(cpu)
{
	LOCK(cpu);
	if
	:: armed ->
		LOOK(cpu);
		if
		:: found ->
			found = false;
			armed = false;
			STORE(cpu, SLEEPING, 0);
			queued = false
		:: else
		fi
	:: else
	fi;
	UNLOCK(cpu)
}

/* Has it published as many as are awaited, since it first saw this word? */
inline IS_AWAITED(me)
{
	LOAD(me, AWAIT, word);
	if
	:: word != known ->
		known = word;
#ifdef COUNT_AFTER
		from = published
#else
		from = published - 1
#endif
	:: else
	fi;
	word = 0
}

proctype sender(byte me; byte messages)
{
	byte published, known, from, waiting, before, word;
	bool found;

	do
	:: published == messages -> break
	:: else ->
		published++;
		STORE(me, HEAD(me), published);
		BARRIER_C(me);		/* C, pairs with D and K */
		LOAD(me, SLEEPING, word);
		if
		:: word ->
			IS_AWAITED(me);
			if
			:: published - from >= COUNT(known) -> KICK(me)
			:: else
			fi
		:: else
		fi;
		word = 0
	od
}

proctype receiver()
{
	byte cpu = SENDERS;
	byte waiting, before, word;
	bool found;

	queued = true;
	LOCK(cpu);
	armed = true;
	number = number + NUMBER;
	STORE(cpu, AWAIT, number + 1);	/* until it was looked at */
	STORE(cpu, SLEEPING, 1);
	BARRIER_D(cpu);		/* D, pairs with C */
	LOOK(cpu);
	UNLOCK(cpu);
	if
	:: found
	:: else ->
		!queued		/* asleep */
	fi
}

init {
	atomic {
		run sender(0, FIRST);
		run sender(1, SECOND);
		run receiver()
	}
}
