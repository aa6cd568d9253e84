/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a receiver joins a lossless channel, and may be killed
 *
 * A sender publishes MESSAGES to nobody, so that all is free at once, until a
 * receiver joins: from then on nothing is, and the newcomer gets everything
 * from where the kernel lets it begin: what was not there to be seen when it
 * had joined, and HISTORY messages before that.
 *
 *	BATCH	messages are published one by one or several at a time
 *	SPINS	nobody sleeps: what is wrong then has to do with joining
 *	DIES	the newcomer is killed anywhere
 *
 * A message reused too early, skipped, or published afterwards and not owed, is
 * an assertion. A sender that waits for a receiver that has gone, or for one
 * that never came, is an end in which it sleeps.
 *
 * Letters C, K, L, M. Mutants: STALE_ROSTER; HEAD_BEFORE_ROSTER;
 * KEEP_UNFENCED with BATCH; NO_WAKE_ON_LEAVING with DIES.
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef HISTORY
#define HISTORY 0
#endif
#ifndef CHUNKS
#define CHUNKS (2 + HISTORY)
#endif
#define RECEIVERS 1

#define CPUS 2
#define LOCKED 0
#define SLEEPING 1
#define SLEEPING_SENDER 2
#define AWAIT 3
#define GENERATION 4
#define SLOT 5
#define HEAD 6
#define PASSED 7
#define RELEASED 8
#define HOLD 9
#define PAYLOAD(chunk) (10 + (chunk))
#define SEQUENCE(place) (10 + CHUNKS + (place))
#define CHUNK(place) (10 + CHUNKS + DEPTH + (place))
#define WORDS (10 + CHUNKS + 2 * DEPTH)

#include "tso.h"
#include "letters.h"

/* The kernel's, under the lock. */
byte generation;
byte handed_generation;

inline LOOK(cpu, r)
{
	LOAD(cpu, PASSED, word);
	word++;
	LOAD(cpu, SEQUENCE(word % DEPTH), other);
	found = other >= word;
	word = 0;
	other = 0
}

inline LOOK_FOR_ROOM(cpu)
{
	if
	:: handed_generation != generation -> found = true
	:: else ->
		LOAD(cpu, PASSED, word);
		LOAD(cpu, RELEASED, other);
		found = word >= awaited && word + other != handed[0];
		word = 0;
		other = 0
	fi
}

inline HAND_IN()
{
	handed_generation = known;
	handed[0] = progress
}

#include "sleep.h"
#include "block.h"
#include "publish.h"

inline LOAD_ROSTER()
{
	LOAD(0, GENERATION, word);	/* M, pairs with M */
	if
	:: word != known ->
		known = word;
		LOAD(0, SLOT, word);
		here = word
	:: else
	fi;
	word = 0
}

inline LOAD_RECEIPTS()
{
	LOAD(0, PASSED, seen);
	LOAD(0, RELEASED, word);
	progress = seen + word;
	word = 0;
	LOAD(0, HOLD, held)
}

/* Frees what all have passed and nobody holds, but for the last HISTORY. */
inline FREE_CHUNKS()
{
	d_step {
		if
		:: !here -> seen = published; held = 0
		:: else
		fi;
		behind = seen + HISTORY < NEWEST;
		if
		:: NEWEST < HISTORY -> seen = 0
		:: NEWEST >= HISTORY && seen + HISTORY > NEWEST ->
			seen = NEWEST - HISTORY
		:: else
		fi;
		if
		:: seen > passed -> passed = seen
		:: else
		fi;
		seen = 0;
		pinned = false;
		chunk = 0;
		do
		:: chunk < CHUNKS ->
			if
			:: owner[chunk] && owner[chunk] <= passed && owner[chunk] != held ->
				owner[chunk] = 0
			:: owner[chunk] && owner[chunk] <= passed && owner[chunk] == held ->
				pinned = true
			:: else
			fi;
			chunk++
		:: else -> break
		od;
		chunk = 0;
		held = 0
	}
}

inline RECLAIM()
{
#ifndef STALE_ROSTER
	LOAD_ROSTER();
#endif
	if
	:: here -> LOAD_RECEIPTS()
	:: else
	fi;
	FREE_CHUNKS()
}

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

inline PUBLISH()
{
#ifdef STALE_ROSTER
	LOAD_ROSTER();
#endif
	published++;
	owner[chunk] = published;
	STORE(0, PAYLOAD(chunk), published);
	STORE(0, CHUNK(published % DEPTH), chunk);
	TELL_ALL();
	chunk = 0;
	MAY_END_BATCH()
}

#ifdef SPINS
#define AWAIT_ROOM() AWAIT_CHANGE()

inline AWAIT_CHANGE()
{
	BARRIER(0);
	memory[PASSED] + memory[RELEASED] != progress || memory[GENERATION] != known
}
#else
inline AWAIT_ROOM()
{
	if
	:: behind && (ring_full || !pinned) -> WAIT_FOR_ROOM(passed + 1)
	:: else -> WAIT_FOR_ROOM(0)
	fi
}
#endif

proctype sender()
{
	byte published, fenced, passed, chunk, known, named, word, other;
	byte owner[CHUNKS], seen, progress, held;
	bool here, ring_full, pinned, behind, found;

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
		:: chunk == CHUNKS && fenced < published -> chunk = 0; END_BATCH()
		:: chunk == CHUNKS && fenced == published -> chunk = 0; AWAIT_ROOM()
		fi
	od
}

/* What had not reached anybody when it had joined is owed to the newcomer. */
inline CHECK_START()
{
	d_step {
		word = 0;
		other = 0;
		do
		:: other < DEPTH ->
			if
			:: memory[SEQUENCE(other)] > word -> word = memory[SEQUENCE(other)]
			:: else
			fi;
			other++
		:: else -> break
		od;
		assert(taken <= word);	/* start */
		word = 0;
		other = 0
	}
}

/* In the kernel. */
inline ATTACH()
{
	LOCK(cpu);
#ifdef HEAD_BEFORE_ROSTER
	LOAD(cpu, HEAD, taken);
#endif
	generation++;
	/* M, pairs with M */
	ORDER_M(STORE(cpu, SLOT, 1), STORE(cpu, GENERATION, generation));
	BARRIER_K(cpu);		/* K, pairs with C */
#ifndef HEAD_BEFORE_ROSTER
	LOAD(cpu, HEAD, taken);	/* L, pairs with L */
#endif
	CHECK_START();
	d_step {
		if
		:: taken > HISTORY -> taken = taken - HISTORY
		:: else -> taken = 0
		fi
	};
	STORE(cpu, PASSED, taken);
	WAKE_SENDER(cpu);
	UNLOCK(cpu)
}

#ifdef DIES
#define MAY_DIE() if :: goto killed :: skip fi
#else
#define MAY_DIE() skip
#endif

#ifdef SPINS
#define AWAIT_MESSAGE() (memory[SEQUENCE((taken + 1) % DEPTH)] > taken)
#define TELL(now) skip
#else
#define AWAIT_MESSAGE() WAIT(cpu, 0)
#define TELL(now) TELL_SENDER(cpu, now)
#endif

inline TAKE()
{
	LOAD(cpu, CHUNK((taken + 1) % DEPTH), chunk);
	STORE(cpu, HOLD, taken + 1);
	STORE(cpu, PASSED, taken + 1);
	taken++;
	MAY_DIE();
	TELL(taken)
}

inline GIVE_BACK()
{
	LOAD(cpu, PAYLOAD(chunk), word);
	assert(word == taken);	/* payload */
	word = 0;
	chunk = 0;
	STORE(cpu, HOLD, 0);
	released++;
	STORE(cpu, RELEASED, released);
	MAY_DIE();
	TELL(0)
}

proctype newcomer()
{
	byte cpu = 1;
	byte taken, released, chunk, word, other;
	bool found;

	ATTACH();
	do
	:: taken == MESSAGES -> break
	:: else ->
		LOAD(cpu, SEQUENCE((taken + 1) % DEPTH), word);
		if
		:: word == taken + 1 -> word = 0; TAKE(); GIVE_BACK()
		:: else ->
			assert(word < taken + 1);	/* skipped */
			word = 0;
			MAY_DIE();
			AWAIT_MESSAGE()
		fi
	od;
	goto done;
killed:
	LOCK(cpu);
	armed[0] = false;
	generation++;
	/* M, pairs with M */
	ORDER_M(STORE(cpu, SLOT, 0), STORE(cpu, GENERATION, generation));
	BARRIER_N(cpu);		/* N, pairs with E */
#ifndef NO_WAKE_ON_LEAVING
	WAKE_SENDER(cpu);
#endif
	UNLOCK(cpu);
done:
	skip
}

init {
	atomic {
		run sender();
		run newcomer();
	}
}
