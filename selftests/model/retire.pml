/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a queue: room, and a sender that sleeps for it
 *
 * A sender publishes MESSAGES through a ring of DEPTH places and an arena of
 * CHUNKS blocks of one size. What the kernel has retired is free for it: blocks
 * in any order, places in theirs. When it lacks either it sleeps. RECEIVERS
 * claim up to HOLDS messages, read them in place, and give them back in any
 * order; they need not sleep here, claim.pml is about that.
 *
 *	HOARDS		receiver 0 keeps its first message until all else is done
 *	DIES		receiver 0 is killed anywhere
 *	LEASE		so many claims run out; who has one goes on reading
 *
 * A sender that sleeps though there is room is an end in which it does. Room
 * used again too early is a wrong payload, or a descriptor over one that counts.
 *
 * Letters S, T, U, V. Mutants: those of queue.h; RETIRED_BIT, SNAPSHOT_IN_KERNEL,
 * AWAIT_PLACE, NO_LOOK_ON_WAIT.
 */
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef HOLDS
#define HOLDS 2
#endif
#define SENDERS 1

#define CPUS (2 + RECEIVERS)		/* the last has a timer */
#define LOCKED 0
#define SLEEPING 1			/* nobody does */
#define COUNTER 2
#define PAYLOAD(chunk) (3 + (chunk))
#define SEQUENCE(s, place) (3 + CHUNKS + (place))
#define TAG(s, place) SEQUENCE(s, place)
#define CHUNK(place) (3 + CHUNKS + DEPTH + (place))
#define RETIRED(place) (3 + CHUNKS + 2 * DEPTH + (place))
#define WORDS (3 + CHUNKS + 3 * DEPTH)

#include "tso.h"
#include "letters.h"

/* The kernel's, under the lock. */
byte counter;
bool gone[MESSAGES + 1];	/* retired */
bool short_of_room;		/* the sender sleeps */
byte awaited;			/* the message whose place it lacks, or 0 */
byte handed;			/* the counter, as it saw it */

#define HAS_ROOM (counter != handed && (awaited == 0 || gone[awaited]))

#ifdef RETIRED_BIT
#define WORD_OF(m) 1
#else
#define WORD_OF(m) m
#endif

inline RETIRE(cpu, m)
{
	d_step { gone[m] = true; counter++ };
	/* U, pairs with V */
	ORDER_U(STORE(cpu, RETIRED((m) % DEPTH), WORD_OF(m)), STORE(cpu, COUNTER, counter));
	short_of_room = short_of_room && !HAS_ROOM
}

inline TAKEN_IN(cpu, s)
{
	assert(taken[s] <= DEPTH || gone[taken[s] - DEPTH]);	/* payload */
#ifdef RETIRED_BIT
	STORE(cpu, RETIRED(taken[s] % DEPTH), 0)
#endif
}

#include "queue.h"

inline LOAD_COUNTER()
{
	LOAD(0, COUNTER, seen)
}

#ifdef NO_T
/* The order that T forbids: what may be free is written, then seen to be. */
inline WRITE_AHEAD()
{
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS && owner_of[chunk] != passed + 1 -> chunk++
		:: else -> break
		od
	};
	if
	:: chunk < CHUNKS -> STORE(0, PAYLOAD(chunk), published + 1)
	:: else
	fi;
	chunk = 0
}
#else
#define WRITE_AHEAD() skip
#endif

inline FREE(m)
{
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS ->
			if
			:: owner_of[chunk] == m -> owner_of[chunk] = 0
			:: else
			fi;
			chunk++
		:: else -> break
		od;
		chunk = 0;
		freed[(m) % DEPTH] = true
	}
}

/* Which of its messages are retired? */
inline SCAN()
{
	message = passed + 1;
	do
	:: message > published -> break
	:: else ->
		if
		:: freed[message % DEPTH]
		:: else ->
			LOAD(0, RETIRED(message % DEPTH), word);	/* T, pairs with S */
			if
			:: word == WORD_OF(message) -> FREE(message)
			:: else
			fi;
			word = 0
		fi;
		message++
	od;
	message = 0
}

inline PASS_FREED()
{
	d_step {
		do
		:: passed < published && freed[(passed + 1) % DEPTH] ->
			passed++;
			freed[passed % DEPTH] = false
		:: else -> break
		od
	}
}

inline RECLAIM()
{
	WRITE_AHEAD();
	ORDER_V(LOAD_COUNTER(), SCAN());	/* V, pairs with U */
	PASS_FREED()
}

/* A block that is free, or CHUNKS if that or a place in the ring lacks. */
inline FIND_ROOM()
{
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS && owner_of[chunk] -> chunk++
		:: else -> break
		od;
		ring_full = published - passed >= DEPTH;
		if
		:: ring_full -> chunk = CHUNKS
		:: else
		fi
	}
}

inline PUBLISH()
{
	published++;
	owner_of[chunk] = published;
	STORE(0, PAYLOAD(chunk), published);
	STORE(0, CHUNK(published % DEPTH), chunk);
	STORE(0, SEQUENCE(0, published % DEPTH), published);
	chunk = 0
}

#ifdef AWAIT_PLACE
#define WHAT_LACKS (passed + 1)
#else
#define WHAT_LACKS (ring_full -> passed + 1 : 0)
#endif

inline WAIT_FOR_ROOM()
{
	LOCK(0);
#ifdef SNAPSHOT_IN_KERNEL
	seen = counter;
#endif
	handed = seen;
	awaited = WHAT_LACKS;
#ifdef NO_LOOK_ON_WAIT
	short_of_room = true;
#else
	short_of_room = !HAS_ROOM;
#endif
	UNLOCK(0);
	!short_of_room	/* asleep */
}

proctype sender()
{
	byte published, passed, chunk, message, seen, word;
	byte owner_of[CHUNKS];
	bool freed[DEPTH];
	bool ring_full;

	do
	:: published == MESSAGES -> break
	:: else ->
		FIND_ROOM();
		if
		:: chunk < CHUNKS
		:: else -> RECLAIM(); FIND_ROOM()
		fi;
		if
		:: chunk < CHUNKS -> PUBLISH()
		:: else -> chunk = 0; WAIT_FOR_ROOM()
		fi;
		seen = 0;
		ring_full = false
	od
}

inline READ(b)
{
	LOAD(cpu, PAYLOAD(where[b]), word);
	assert(word == held[b]);	/* payload */
	word = 0
}

inline ACKNOWLEDGE_ONE(b)
{
	LOCK(cpu);
	ACKNOWLEDGE(cpu, r, held[b], delivery[b]);
	UNLOCK(cpu)
}

inline FORGET(b)
{
	d_step { held[b] = 0; delivery[b] = 0; where[b] = 0 }
}

inline HAVE_DONE(b)
{
	ORDER_S(READ(b), ACKNOWLEDGE_ONE(b));	/* S, pairs with T */
	FORGET(b)
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
		};
		LOAD(cpu, CHUNK(held[b] % DEPTH), where[b])
	:: else
	fi
}

inline CLAIM()
{
	LOCK(cpu);
	TAKE_IN(cpu, MESSAGES);
	CLAIM_INTO(0);
#if HOLDS > 1
	CLAIM_INTO(1);
#endif
	UNLOCK(cpu)
}

/* Goes as it came. */
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

#define COMES (nr_ready || (taken[0] < MESSAGES && memory[SEQUENCE(0, (taken[0] + 1) % DEPTH)] == taken[0] + 1))

#if HOLDS > 1
#define HAS_PLACE (!held[0] || !held[1])
#else
#define HAS_PLACE !held[0]
#endif

#ifdef HOARDS
#define FREE_FOR(r) (r != 0 || settled == MESSAGES - 1)
#else
#define FREE_FOR(r) true
#endif

proctype receiver(byte r)
{
	byte cpu = 1 + r;
	byte held[HOLDS], delivery[HOLDS], where[HOLDS];
	byte word, other, i, m, fresh;

end:	do
	:: HAS_PLACE && COMES -> CLAIM()
	:: held[0] && FREE_FOR(r) -> HAVE_DONE(0)
#if HOLDS > 1
	:: held[1] -> HAVE_DONE(1)
#endif
#ifdef DIES
	:: r == 0 -> break
#endif
	od;
	LOCK(cpu);
	GIVE_UP(0);
#if HOLDS > 1
	GIVE_UP(1);
#endif
	UNLOCK(cpu)
}

init {
	atomic {
		run sender();
		run receiver(0);
#if RECEIVERS > 1
		run receiver(1);
#endif
#if LEASE > 0
		run timer()
#endif
	}
}
