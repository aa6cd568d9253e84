/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: overflow drop-oldest
 *
 * A sender publishes MESSAGES and never waits: where it lacks a place in the
 * ring or a chunk of the arena it retires the oldest message, never one of the
 * last HISTORY. Receivers count what they lose. What they do:
 *
 *	default	takes each message with a hold, reads it in place, gives it back
 *	COPIES	takes no hold: copies the payload, then looks whether it was that
 *	INSIDE	the same, the payload being in the descriptor; there is no arena
 *	LATEST	looks at the newest only, and passes nothing
 *
 *	BATCH	messages are published one by one or several at a time
 *	JOIN	receivers come at any time, and begin HISTORY messages back
 *	ABORT	the sender makes room once more in the end, and publishes nothing
 *
 * A message that is not what was published, a number of losses that is not what
 * lacks, a newest message that is not there, history or room that is not there
 * when promised: an assertion. A receiver left asleep before something that it
 * could read or count: an end in which it sleeps.
 *
 * Letters A, B, C, D, I, L, M, O, P, R. Mutants: NO_VOID, VOID_ZERO, NO_RECHECK,
 * STALE_ROSTER, MISCOUNT; KEEP_UNFENCED with BATCH; a chunk less than
 * 1 + holds + HISTORY.
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
#ifndef HISTORY
#define HISTORY 0
#endif
#ifndef CHUNKS
#define CHUNKS (RECEIVERS + HISTORY + 1)
#endif

#define CPUS (1 + RECEIVERS)
#define LOCKED 0
#define SLEEPING 1
#define HEAD 2
#define GENERATION 3
#define PAYLOAD(chunk) (4 + (chunk))
#define SEQUENCE(place) (4 + CHUNKS + (place))
#define CHUNK(place) (4 + CHUNKS + DEPTH + (place))
#define PASSED(r) (4 + CHUNKS + 2 * DEPTH + (r))
#define HOLD(r) (4 + CHUNKS + 2 * DEPTH + RECEIVERS + (r))
#define SLOT(r) (4 + CHUNKS + 2 * DEPTH + 2 * RECEIVERS + (r))
#define WORDS (4 + CHUNKS + 2 * DEPTH + 3 * RECEIVERS)

#define VOID 64

#include "tso.h"
#include "letters.h"

/* The library's test: there, void or overrun. */
inline LOOK(cpu, r)
{
	LOAD(cpu, PASSED(r), word);
	word++;
	LOAD(cpu, SEQUENCE(word % DEPTH), other);
	found = (other & ~VOID) >= word;
	word = 0;
	other = 0
}

#include "sleep.h"
#include "publish.h"

/* The kernel's, under the lock. */
byte generation = 1;

inline LOAD_ROSTER()
{
	LOAD(0, GENERATION, word);	/* M, pairs with M */
	if
	:: word != known ->
		known = word;
		LOAD(0, SLOT(0), word);
		here = word;
#if RECEIVERS > 1
		LOAD(0, SLOT(1), word);
		here = here + 2 * word
#endif
	:: else
	fi;
	word = 0
}

inline LOAD_HOLDS()
{
	if
	:: here & 1 -> LOAD(0, HOLD(0), held[0])
	:: else
	fi;
#if RECEIVERS > 1
	if
	:: here & 2 -> LOAD(0, HOLD(1), held[1])
	:: else
	fi
#endif
}

#define HELD(message) (held[0] == (message) || held[RECEIVERS - 1] == (message))

/* What is retired and named by no hold is free. */
inline FREE_CHUNKS()
{
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS ->
			if
			:: owner[chunk] <= retired && !HELD(owner[chunk]) ->
				owner[chunk] = 0
			:: else
			fi;
			chunk++
		:: else -> break
		od;
		chunk = 0;
		held[0] = 0;
		held[RECEIVERS - 1] = 0
	}
}

inline VOID_OLDEST()
{
	/* room without the last HISTORY, which stay */
	assert(retired + HISTORY < NEWEST);	/* room */
	retired++;
#ifdef VOID_ZERO
	STORE(0, SEQUENCE(retired % DEPTH), 0)
#else
#ifndef NO_VOID
	STORE(0, SEQUENCE(retired % DEPTH), retired | VOID)
#endif
#endif
}

/* What was not published yet is kept: it is now, if nothing else is left. */
inline END_BATCH_IF_FULL()
{
	if
	:: retired + HISTORY >= NEWEST && fenced < published -> END_BATCH()
	:: else
	fi
}

inline RETIRE()
{
	END_BATCH_IF_FULL();
	VOID_OLDEST();
	BARRIER_O(0);		/* O, pairs with P and R */
#ifndef STALE_ROSTER
	LOAD_ROSTER();
#endif
	LOAD_HOLDS();
	FREE_CHUNKS()
}

inline FIND_CHUNK()
{
	d_step {
		chunk = 0;
		do
		:: chunk < CHUNKS && owner[chunk] -> chunk++
		:: else -> break
		od
	}
}

#ifdef INSIDE
#define WRITE_MESSAGE() STORE(0, CHUNK(published % DEPTH), published)

inline MAKE_ROOM()
{
	if
	:: published - retired >= DEPTH ->
		END_BATCH_IF_FULL();
#ifdef NO_O
		/* the order that O forbids: the place is written, then the message void */
		STORE(0, CHUNK((published + 1) % DEPTH), published + 1);
#endif
		VOID_OLDEST();
		BARRIER_O(0)	/* O, pairs with P and R */
	:: else
	fi;
	published++
}
#else
inline WRITE_MESSAGE()
{
	STORE(0, PAYLOAD(chunk), published);
	STORE(0, CHUNK(published % DEPTH), chunk)
}

inline MAKE_ROOM()
{
	FIND_CHUNK();
	do
	:: chunk == CHUNKS || published - retired >= DEPTH ->
		chunk = 0;
		RETIRE();
		FIND_CHUNK()
	:: else -> break
	od;
	published++;
	owner[chunk] = published
}
#endif

proctype sender()
{
	byte published, fenced, retired, chunk, known, here, named, word, other;
	byte owner[CHUNKS], held[RECEIVERS];
	bool found;

#ifndef JOIN
	known = 1;
	here = (1 << RECEIVERS) - 1;
#endif
	do
	:: published == MESSAGES -> break
	:: else ->
		MAKE_ROOM();
#ifdef STALE_ROSTER
		LOAD_ROSTER();
#endif
		/* A, pairs with B */
		ORDER_A(WRITE_MESSAGE(), TELL_ALL());
		chunk = 0;
		MAY_END_BATCH()
	od;
#ifdef ABORT
	if
	:: retired < published -> RETIRE()
	:: skip
	fi
#endif
}

inline LOAD_SEQUENCE(message)
{
	LOAD(cpu, SEQUENCE((message) % DEPTH), word)
}

#if defined(COPIES) || defined(INSIDE)

#ifdef INSIDE
#define COPY(message) LOAD(cpu, CHUNK((message) % DEPTH), copy)
#else
inline COPY(message)
{
	LOAD(cpu, CHUNK((message) % DEPTH), chunk);
	LOAD(cpu, PAYLOAD(chunk), copy);
	chunk = 0
}
#endif

inline COPY_AND_CHECK(message)
{
	/* R, pairs with O */
	ORDER_R(COPY(message), LOAD(cpu, SEQUENCE((message) % DEPTH), again))
}

/* Copies it; `word' is its sequence if that stayed the same. */
inline TRY(message)
{
	/* B, pairs with A */
	ORDER_B(LOAD_SEQUENCE(message), COPY_AND_CHECK(message));
	if
	:: word == message && again == message -> assert(copy == message)	/* payload */
	:: word == message && again != message -> word = again
	:: else
	fi;
	again = 0;
	copy = 0
}

#define HAVE_DONE() skip
#else
/* Takes a hold; `word' is its sequence if that stayed the same. */
inline TRY(message)
{
	/* B, pairs with A */
	ORDER_B(LOAD_SEQUENCE(message), LOAD(cpu, CHUNK((message) % DEPTH), chunk));
	if
	:: word == message ->
		STORE(cpu, HOLD(r), message);
		BARRIER_P(cpu);		/* P, pairs with O */
#ifndef NO_RECHECK
		LOAD_SEQUENCE(message);
#endif
		if
		:: word == message
		:: else -> STORE(cpu, HOLD(r), 0)
		fi
	:: else
	fi
}

inline READ(message)
{
	LOAD(cpu, PAYLOAD(chunk), copy);
	assert(copy == message);	/* payload */
	copy = 0
}

inline HAVE_DONE()
{
	/* I, pairs with J: which here are the holds after O */
	ORDER_I(READ(taken), STORE(cpu, HOLD(r), 0))
}
#endif

inline PASS_TO(message)
{
	taken = message;
	STORE(cpu, PASSED(r), taken)	/* G, pairs with H */
}

#ifdef JOIN
inline ATTACH()
{
	LOCK(cpu);
	generation++;
	/* M, pairs with M */
	ORDER_M(STORE(cpu, SLOT(r), 1), STORE(cpu, GENERATION, generation));
	BARRIER_K(cpu);		/* K, pairs with C */
	LOAD(cpu, HEAD, taken);	/* L, pairs with L */
	d_step {
		if
		:: taken > HISTORY -> taken = taken - HISTORY
		:: else -> taken = 0
		fi;
		begun = taken
	};
	STORE(cpu, PASSED(r), taken);
	UNLOCK(cpu)
}
#else
#define ATTACH() skip
#endif

#ifdef LATEST
/* The newest message has a head of its own, and is there, or there is a newer. */
proctype receiver(byte r)
{
	byte cpu = 1 + r;
	byte taken, head, chunk, copy, word, again, begun;

	ATTACH();
	do
	:: taken == MESSAGES -> break
	:: else ->
		memory[HEAD] > taken;	/* asks again and again */
		LOAD(cpu, HEAD, head);	/* L, pairs with L */
		TRY(head);
		if
		:: word == head ->
			assert(head > taken);	/* newest */
			taken = head;
			word = 0;
			HAVE_DONE()
		:: else ->
			LOAD(cpu, HEAD, word);
			assert(word > head);	/* newest */
			word = 0
		fi;
		head = 0;
		chunk = 0
	od
}
#else
proctype receiver(byte r)
{
	byte cpu = 1 + r;
	byte taken, got, lost, begun, chunk, copy, word, again, other;
	bool found;

	ATTACH();
	do
	:: taken == MESSAGES -> break
	:: else ->
		TRY(taken + 1);
		if
		:: word == taken + 1 ->
			word = 0;
			got++;
			PASS_TO(taken + 1);
			HAVE_DONE()
		:: word == (taken + 1 | VOID) ->
			word = 0;
			lost++;
			PASS_TO(taken + 1)
		:: (word & ~VOID) > taken + 1 ->
			d_step {
				word = word & ~VOID;
				assert((word - taken - 1) % DEPTH == 0);	/* count */
#ifdef MISCOUNT
				lost = lost + word - taken - 1
#else
				lost = lost + word - taken - DEPTH
#endif
			};
			PASS_TO(word - DEPTH);
			word = 0
		:: else ->
			word = 0;
			WAIT(cpu, r)
		fi;
		chunk = 0
	od;
	assert(got + lost == MESSAGES - begun)	/* count */
}
#endif

init {
	atomic {
		memory[GENERATION] = 1;
#ifndef JOIN
		memory[SLOT(0)] = 1;
		memory[SLOT(RECEIVERS - 1)] = 1;
#endif
		run sender();
		run receiver(0);
#if RECEIVERS > 1
		run receiver(1);
#endif
	}
}
