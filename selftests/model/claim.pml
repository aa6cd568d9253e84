/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a queue: claims, redelivery, and receivers that sleep
 *
 * SENDERS publish MESSAGES each into rings that are never full, and leave.
 * RECEIVERS claim until nothing can come any more, up to HOLDS at a time, and
 * acknowledge in any order; when nothing is ready, and they hold nothing, they
 * sleep in CLAIM. Receiver 0
 *
 *	LEAVES	may give up when it sleeps or was woken, and never comes back
 *	BUSY	keeps what it claims until all else is done
 *	HANGS	with LEASE: keeps it for good, and nobody else keeps anything too long
 *	FAULTS	is handed a message that does not reach it, and never comes back
 *	DIES	is killed anywhere
 *	REFUSES	refuses so many messages; with DELAYS some for a while
 *	POLLS_0	sleeps in poll, and POLLS_1 receiver 1
 *
 *	SENDER_DIES	sender 0 is killed anywhere
 *	BATCH		messages are published one by one or several at a time
 *	ENDS		senders leave with the last message; else somebody stays who might send
 *
 * A message that nobody is given while somebody sleeps, and the end that nobody
 * is told of, is an end in which he sleeps. A message given to two, acknowledged
 * by the wrong one or out of its order, and more sleepers woken than there are
 * messages: assertions.
 *
 * Letters A, B, C, D. Mutants: those of queue.h; NO_LOOK_AFTER_ARM,
 * NO_WAKE_ON_LEAVING; CLAIM_TAKES_FEW with TAKE_MOST.
 */
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef HOLDS
#define HOLDS 1
#endif
#ifndef REFUSES
#define REFUSES 0
#endif
#define DEPTH MESSAGES

#define CPUS (SENDERS + RECEIVERS + 1)	/* the last has a timer */
#define LOCKED 0
#define SLEEPING 1
#define SEQUENCE(s, place) (2 + (s) * DEPTH + (place))
#define TAG(s, place) (2 + (SENDERS + (s)) * DEPTH + (place))
#define WORDS (2 + 2 * SENDERS * DEPTH)

/* Who claims takes in all that is there. */
#ifdef CLAIM_TAKES_FEW
#define CLAIM_MOST TAKE_MOST
#else
#define CLAIM_MOST ALL
#endif

#define RETIRE(cpu, m) skip
#define TAKEN_IN(cpu, s) skip

#include "tso.h"
#include "letters.h"
#include "queue.h"

#ifdef NO_WAKE_ON_LEAVING
#define QUIET_LEAVING true
#else
#define QUIET_LEAVING false
#endif

inline KICK()
{
	LOCK(me);
	TAKE_IN(me, TAKE_MOST);
	WAKE(me);
	UNLOCK(me)
}

inline END_BATCH()
{
	BARRIER_C(me);		/* C, pairs with D and K */
	LOAD(me, SLEEPING, word);
	if
	:: word -> word = 0; KICK()
	:: else
	fi
}

#ifdef BATCH
#define MAY_END_BATCH() if :: END_BATCH() :: published < MESSAGES fi
#else
#define MAY_END_BATCH() END_BATCH()
#endif

#ifdef SENDER_DIES
#define SENDER_MAY_DIE() if :: me == 0 -> goto killed :: skip fi
#else
#define SENDER_MAY_DIE() skip
#endif

proctype sender(byte me)
{
	byte published, word, other, i, fresh;

	do
	:: published == MESSAGES -> break
	:: else ->
		SENDER_MAY_DIE();
		published++;
		/* A, pairs with B */
		ORDER_A(STORE(me, TAG(me, published % DEPTH), published),
			STORE(me, SEQUENCE(me, published % DEPTH), published));
		SENDER_MAY_DIE();
		MAY_END_BATCH()
	od;
#ifndef ENDS
	goto stays;
#endif
#ifdef SENDER_DIES
killed:
#endif
	LOCK(me);
	present--;
	expected = expected - (MESSAGES - published);
	if
	:: QUIET_LEAVING && !OVER
	:: else -> TAKE_IN(me, TAKE_MOST); WAKE(me)
	fi;
	UNLOCK(me);
#ifndef ENDS
stays:
	skip
#endif
}

inline FORGET(b)
{
	d_step { held[b] = 0; delivery[b] = 0 }
}

inline GIVE_UP(b)
{
	if
	:: held[b] ->
		if
		:: COUNTS(r, held[b], delivery[b]) -> RETURN(held[b])
		:: else
		fi;
		LET_GO(cpu, held[b]);
		FORGET(b)
	:: else
	fi
}

inline REFUSE(b)
{
	refused++;
#ifdef DELAYS
	if
	:: COUNTS(r, held[b], delivery[b]) -> DELAY(held[b])
	:: skip
	fi;
#endif
	GIVE_UP(b)
}

inline CLAIM_INTO(b)
{
	if
	:: nr_ready && !held[b] ->
		CLAIM_READY(r);
		d_step {
			held[b] = m;
			delivery[b] = deliveries[m];
			m = 0
		}
	:: else
	fi
}

#ifdef POLLS_0
#define POLLER 0
#else
#ifdef POLLS_1
#define POLLER 1
#else
#define POLLER RECEIVERS
#endif
#endif

inline ARM_AND_LOOK()
{
	if
	:: r == POLLER -> polling[r] = true
	:: else -> asleep[r] = true
	fi;
	STORE(cpu, SLEEPING, 1);
	BARRIER_D(cpu);		/* D, pairs with C */
#ifndef NO_LOOK_AFTER_ARM
	TAKE_IN(cpu, CLAIM_MOST)
#endif
}

#if HOLDS > 1
#define NR_HELD ((held[0] > 0) + (held[1] > 0))
#define HAS(b) (held[b] > 0)
#else
#define NR_HELD (held[0] > 0)
#define HAS(b) (b == 0 && held[0] > 0)
#endif

/* Claims what is there and may be held, or sleeps, or hears that it is over. */
inline CLAIM()
{
	LEAVE_SLEEPERS(cpu, r);
	TAKE_IN(cpu, CLAIM_MOST);
	if
	:: nr_ready == 0 && NR_HELD == 0 && !OVER -> ARM_AND_LOOK()
	:: else
	fi;
	if
	:: nr_ready || OVER ->
		ended = nr_ready == 0;
		LEAVE_SLEEPERS(cpu, r);
		polling[r] = false;
		CLAIM_INTO(0);
#if HOLDS > 1
		CLAIM_INTO(1)
#endif
	:: else
	fi
}

#ifdef ENDS
#define ENDED ended
#else
#define ENDED (settled == expected)
#endif

#ifdef HANGS
#define FREE_FOR(r) (r != 0)
#else
#ifdef BUSY
#define FREE_FOR(r) (r != 0 || settled + NR_HELD == expected)
#else
#define FREE_FOR(r) true
#endif
#endif

#if defined(LEAVES) || defined(DIES)
#define GIVES_UP_SLEEP (r == 0)
#else
#define GIVES_UP_SLEEP false
#endif

#ifdef DIES
#define DIES_HERE (r == 0)
#else
#ifdef FAULTS
#define DIES_HERE (r == 0 && NR_HELD)
#else
#define DIES_HERE false
#endif
#endif

#ifdef FAULTS
#define MUST_DIE DIES_HERE
#else
#define MUST_DIE false
#endif

#define IS_ASLEEP (asleep[r] || polling[r])
#define MAY_GO_ON (ENDED || DIES_HERE || (IS_ASLEEP -> GIVES_UP_SLEEP : NR_HELD == 0 || FREE_FOR(r)))

mtype = { claim, acknowledge, refuse, leave };

/* What it does next, and with which message. */
inline CHOOSE()
{
	if
	:: ENDED -> break
	:: (IS_ASLEEP || woken[r]) && GIVES_UP_SLEEP -> what = leave
	:: DIES_HERE -> what = leave
	:: !IS_ASLEEP && !MUST_DIE && NR_HELD == 0 -> what = claim
	:: HAS(0) && FREE_FOR(r) && !MUST_DIE -> what = acknowledge
	:: HAS(0) && r == 0 && refused < REFUSES -> what = refuse
#if HOLDS > 1
	:: HAS(1) && FREE_FOR(r) && !MUST_DIE -> what = acknowledge; which = 1
	:: HAS(1) && r == 0 && refused < REFUSES -> what = refuse; which = 1
	:: NR_HELD == 1 && FREE_FOR(r) && !MUST_DIE -> what = claim
#endif
	fi
}

inline LEAVE()
{
	LEAVE_SLEEPERS(cpu, r);
	polling[r] = false;
	GIVE_UP(0);
#if HOLDS > 1
	GIVE_UP(1)
#endif
}

inline CALL()
{
	if
	:: what == claim -> CLAIM()
	:: what == acknowledge ->
		ACKNOWLEDGE(cpu, r, held[which], delivery[which]);
		FORGET(which)
#if REFUSES > 0
	:: what == refuse -> REFUSE(which)
#endif
#if defined(LEAVES) || defined(DIES) || defined(FAULTS)
	:: what == leave -> LEAVE(); quiet = QUIET_LEAVING
#endif
	fi
}

/* @quiet: by a mutant, it wakes nobody. */
proctype receiver(byte r)
{
	byte cpu = SENDERS + r;
	byte held[HOLDS], delivery[HOLDS];
	byte word, other, i, m, fresh, refused, which;
	bool ended, quiet;
	mtype what;

	do
	:: what == leave -> break
	:: else ->
		which = 0;
		MAY_GO_ON;	/* asleep */
		CHOOSE();
		LOCK(cpu);
		CALL();
		if
		:: quiet && !OVER -> quiet = false
		:: else -> quiet = false; WAKE(cpu)
		fi;
		UNLOCK(cpu)
	od
}

init {
	atomic {
		run sender(0);
#if SENDERS > 1
		run sender(1);
#endif
		run receiver(0);
#if RECEIVERS > 1
		run receiver(1);
#endif
#if LEASE > 0 || defined(DELAYS)
		run timer()
#endif
	}
}
