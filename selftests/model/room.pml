/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: overflow block: reclaiming, and both sides sleeping
 *
 * A sender publishes MESSAGES through a ring of DEPTH places and an arena of
 * CHUNKS blocks of one size, and sleeps when it lacks either. Each receiver
 * takes them in order, keeps up to HOLDS of them, and gives them back in any
 * order; when nothing is there it sleeps.
 *
 *	LAZY	gives back only when it has no hold left and the next is there
 *	COPIES	takes no hold: it copies the message, then passes it
 *	HOARDS	holds the first message to the end, and copies the others
 *	HISTORY	so many of the newest messages are kept, whoever passed them
 *
 * A lost wake-up is an end in which somebody sleeps, and so is an arena in
 * which there can be no room. That room was reused too early, or a message read
 * too early, is a wrong payload.
 *
 * Letters A to J. Mutants: those of sleep.h and block.h; and an arena of
 * HOLDS + HISTORY chunks with LAZY or HOARDS.
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
#ifndef HOLDS
#define HOLDS 1
#endif
#ifndef HISTORY
#define HISTORY 0
#endif
#ifndef CHUNKS
#define CHUNKS (RECEIVERS * HOLDS + HISTORY + 1)
#endif

#define CPUS (1 + RECEIVERS)
#define LOCKED 0
#define SLEEPING 1
#define SLEEPING_SENDER 2
#define AWAIT 3
#define PAYLOAD(chunk) (4 + (chunk))
#define SEQUENCE(place) (4 + CHUNKS + (place))
#define CHUNK(place) (4 + CHUNKS + DEPTH + (place))
#define PASSED(r) (4 + CHUNKS + 2 * DEPTH + (r))
#define RELEASED(r) (4 + CHUNKS + 2 * DEPTH + RECEIVERS + (r))
#define HOLD(r, h) (4 + CHUNKS + 2 * DEPTH + 2 * RECEIVERS + (r) * HOLDS + (h))
#define WORDS (4 + CHUNKS + 2 * DEPTH + 2 * RECEIVERS + RECEIVERS * HOLDS)

#include "tso.h"
#include "letters.h"

/* Message m, from 1, is in place m % DEPTH. */
inline LOOK(cpu, r)
{
	LOAD(cpu, PASSED(r), word);
	word++;
	LOAD(cpu, SEQUENCE(word % DEPTH), other);
	found = other >= word;
	word = 0;
	other = 0
}

inline LOOK_AT_PROGRESS(cpu, r)
{
	LOAD(cpu, PASSED(r), word);
	short_of = short_of || word < awaited;
	LOAD(cpu, RELEASED(r), other);
	found = found || word + other != handed[r];
	word = 0;
	other = 0
}

inline LOOK_FOR_ROOM(cpu)
{
	LOOK_AT_PROGRESS(cpu, 0);
#if RECEIVERS > 1
	LOOK_AT_PROGRESS(cpu, 1);
#endif
	found = found && !short_of;
	short_of = false
}

inline HAND_IN_ONE(r)
{
#ifdef SNAPSHOT_IN_KERNEL
	LOAD(0, PASSED(r), word);
	LOAD(0, RELEASED(r), other);
	handed[r] = word + other;
	word = 0;
	other = 0
#else
	handed[r] = progress[r]
#endif
}

inline HAND_IN()
{
	HAND_IN_ONE(0);
#if RECEIVERS > 1
	HAND_IN_ONE(1)
#endif
}

#include "sleep.h"
#include "block.h"

inline LOAD_CURSORS()
{
	i = 0;
	do
	:: i < RECEIVERS ->
		LOAD(0, PASSED(i), seen[i]);
		LOAD(0, RELEASED(i), word);
		progress[i] = seen[i] + word;
		word = 0;
		i++
	:: else -> break
	od;
	i = 0
}

inline LOAD_HOLDS()
{
#ifdef NO_J
	WRITE_AHEAD();		/* J, pairs with I */
#endif
	i = 0;
	do
	:: i < RECEIVERS * HOLDS ->
		LOAD(0, HOLD(0, i), held[i]);
		i++
	:: else -> break
	od;
	i = 0
}

/* All have passed it, as far as was seen, and it is no longer kept. */
inline PASSED_BY_ALL()
{
	d_step {
		least = seen[0];
#if RECEIVERS > 1
		if
		:: seen[1] < least -> least = seen[1]
		:: else
		fi;
#endif
		behind = least + HISTORY < published;
		if
		:: published < HISTORY -> least = 0
		:: published >= HISTORY && least + HISTORY > published ->
			least = published - HISTORY
		:: else
		fi;
		if
		:: least > passed -> passed = least
		:: else
		fi;
		least = 0
	}
}

/* The order that J forbids: what may be free is written, then the holds are read. */
inline WRITE_AHEAD()
{
	PASSED_BY_ALL();
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS && owner[chunk] > passed -> chunk++
		:: else -> break
		od
	};
	if
	:: chunk < CHUNKS -> STORE(0, PAYLOAD(chunk), published + 1)
	:: else
	fi;
	chunk = 0
}

inline IS_HELD(message)
{
	i = 0;
	kept = false;
	do
	:: i < RECEIVERS * HOLDS -> kept = kept || held[i] == message; i++
	:: else -> break
	od;
	i = 0
}

/* Frees what all have passed and nobody holds. */
inline FREE_CHUNKS()
{
	d_step {
		pinned = false;
		chunk = 0;
		do
		:: chunk < CHUNKS ->
			if
			:: owner[chunk] && owner[chunk] <= passed ->
				IS_HELD(owner[chunk]);
				if
				:: kept -> pinned = true
				:: else -> owner[chunk] = 0
				fi;
				kept = false
			:: else
			fi;
			chunk++
		:: else -> break
		od;
		chunk = 0
	}
}

inline RECLAIM()
{
	/* G, pairs with H: a message passed is seen held */
	ORDER_H(LOAD_CURSORS(), LOAD_HOLDS());	/* H, pairs with G */
	PASSED_BY_ALL();
	FREE_CHUNKS()
}

/* A chunk that is free, or CHUNKS if that or a place in the ring lacks. */
inline FIND_ROOM()
{
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS && owner[chunk] -> chunk++
		:: else -> break
		od;
		ring_full = published - passed >= DEPTH;
		if
		:: ring_full -> chunk = CHUNKS
		:: else
		fi
	}
}

inline WRITE_MESSAGE()
{
	STORE(0, PAYLOAD(chunk), published);
	STORE(0, CHUNK(published % DEPTH), chunk)
}

inline PUBLISH()
{
	published++;
	owner[chunk] = published;
	/* A, pairs with B */
	ORDER_A(WRITE_MESSAGE(), STORE(0, SEQUENCE(published % DEPTH), published));
	chunk = 0;
	BARRIER_C(0);		/* C, pairs with D and K */
	LOAD(0, SLEEPING, named);
	if
	:: named -> KICK(0, named)
	:: else
	fi;
	named = 0
}

proctype sender()
{
	byte published, passed, chunk, least, i, named, word, other;
	byte owner[CHUNKS], seen[RECEIVERS], progress[RECEIVERS];
	byte held[RECEIVERS * HOLDS];
	bool ring_full, pinned, behind, kept, found, short_of;

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
		:: else ->
			chunk = 0;
			if
			:: behind && (ring_full || !pinned) -> WAIT_FOR_ROOM(passed + 1)
			:: else -> WAIT_FOR_ROOM(0)
			fi
		fi
	od
}

inline GIVE_BACK(h)
{
	/* I, pairs with J */
	ORDER_I(READ_IN_PLACE(h), STORE(cpu, HOLD(r, h), 0));
	held[h] = 0;
	where[h] = 0;
	released++;
	STORE(cpu, RELEASED(r), released);
	TELL_SENDER(cpu, 0)
}

inline READ_IN_PLACE(h)
{
	LOAD(cpu, PAYLOAD(where[h]), word);
	assert(word == held[h]);	/* payload */
	word = 0
}

#ifdef HOARDS
#define COPIED (taken > 0)
#else
#ifdef COPIES
#define COPIED true
#else
#define COPIED false
#endif
#endif

inline KEEP(h)
{
	if
	:: COPIED -> READ()
	:: else -> STORE(cpu, HOLD(r, h), taken + 1)
	fi
}

inline READ()
{
	LOAD(cpu, PAYLOAD(chunk), other);
	assert(other == taken + 1);	/* payload */
	other = 0
}

inline LOAD_MESSAGE()
{
	LOAD(cpu, CHUNK((taken + 1) % DEPTH), chunk)
}

inline LOAD_SEQUENCE()
{
	LOAD(cpu, SEQUENCE((taken + 1) % DEPTH), word)
}

/* The next message, with hold @h; or sleeps. */
inline TAKE(h)
{
	ORDER_B(LOAD_SEQUENCE(), LOAD_MESSAGE());	/* B, pairs with A */
	if
	:: word == taken + 1 ->
		word = 0;
		/* G, pairs with H */
		ORDER_G(KEEP(h), STORE(cpu, PASSED(r), taken + 1));
		d_step {
			if
			:: COPIED
			:: else -> held[h] = taken + 1; where[h] = chunk
			fi;
			chunk = 0;
			taken++
		};
		TELL_SENDER(cpu, taken)
	:: else ->
		assert(word < taken + 1);	/* skipped */
		word = 0;
		chunk = 0;
		WAIT(cpu, r)
	fi
}

#ifdef LAZY
/* The next message is there: sleeps until it is. */
#define WANTS_ROOM() WAIT(cpu, r)
#else
#define WANTS_ROOM() skip
#endif

proctype receiver(byte r)
{
	byte cpu = 1 + r;
	byte taken, released, chunk, word, other;
	byte held[HOLDS], where[HOLDS];
	bool found, short_of;

	do
	:: taken == MESSAGES -> break
	:: taken < MESSAGES && (held[0] == 0 || COPIED) -> TAKE(0)
#if HOLDS > 1
	:: taken < MESSAGES && held[0] && held[1] == 0 -> TAKE(1)
	:: taken < MESSAGES && held[0] && held[1] -> WANTS_ROOM(); GIVE_BACK(0)
#ifndef LAZY
	:: taken < MESSAGES && held[0] -> GIVE_BACK(0)
	:: taken < MESSAGES && held[1] -> GIVE_BACK(1)
#endif
#else
	:: taken < MESSAGES && held[0] && !COPIED -> WANTS_ROOM(); GIVE_BACK(0)
#endif
	od;
	if
	:: held[0] -> GIVE_BACK(0)
	:: else
	fi;
#if HOLDS > 1
	if
	:: held[1] -> GIVE_BACK(1)
	:: else
	fi
#endif
}

init {
	atomic {
		run sender();
		run receiver(0);
#if RECEIVERS > 1
		run receiver(1);
#endif
	}
}
