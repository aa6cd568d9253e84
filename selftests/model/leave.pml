/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a sender leaves, and what becomes of its slot
 *
 * A sender publishes MESSAGES, or is killed anywhere before. Its slot is
 * DRAINING until the receiver has read all and given all back, then EMPTY: its
 * pages are out of the windows, and another sender can have it. Senders in
 * other slots stay, so nobody is told of a hang-up, and a receiver that has
 * nothing to do sleeps for good; it may, once the slot is empty.
 *
 *	COPIES		the receiver takes no hold
 *	DROP		overflow drop-oldest: the receiver has no barrier E. The kernel
 *			looks at the slot when the receiver comes to wait; and retires what is
 *			there before it empties the slot
 *	TAKEOVER	with DROP: a newcomer takes the slot whether it was read or not
 *	LATEST		with TAKEOVER: the receiver reads the newest, and passes nothing
 *
 * A slot that nobody empties, or a receiver asleep before a message, is an end in
 * which the receiver sleeps. A message that is lost or uncounted, or changes
 * while it is held, is an assertion.
 *
 * Letters E, N, O, P. Mutants: NO_WAKE_ON_LEAVING; NO_LOOK_BEFORE_WAIT and
 * NO_RETIRING with DROP.
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#define RECEIVERS 1

#define CPUS 3
#define LOCKED 0
#define SLEEPING 1
#define STATE 2
#define GENERATION 3
#define HEAD 4
#define PASSED 5
#define HOLD 6
#define PAST 7
#define SEQUENCE(message) (8 + (message))
#define PAYLOAD(message) (10 + MESSAGES + (message))
#define WORDS (11 + 2 * MESSAGES)

#define VOID 64
#define ACTIVE 0
#define DRAINING 1
#define EMPTY 2
#define NEXT 3			/* another owner's */

#include "tso.h"
#include "letters.h"

/* The kernel's, under the lock. */
byte slot = ACTIVE;
byte generation;
bool retired;			/* for good: what was not taken by then is lost */

/* To check against: sequences stored, and heads. */
byte published;
byte announced;

inline LOOK(cpu, r)
{
	LOAD(cpu, PASSED, word);
	LOAD(cpu, SEQUENCE(word + 1), word);
	found = slot < EMPTY && word;
	word = 0
}

#define UNLESS slot >= EMPTY

#if defined(DROP) && !defined(NO_LOOK_BEFORE_WAIT)
inline LOOK_AT_SLOT(cpu)
{
	BARRIER_E(cpu);		/* E, pairs with N */
	LOAD(cpu, STATE, word);
	if
	:: word == DRAINING -> word = 0; LOCK(cpu); REAP(cpu); UNLOCK(cpu)
	:: else -> word = 0
	fi
}
#define BEFORE_WAIT(cpu) LOOK_AT_SLOT(cpu)
#endif

inline SET_SLOT(cpu, state)
{
	slot = state;
	generation++;
	STORE(cpu, STATE, slot);
	STORE(cpu, GENERATION, generation)
}

/* Nobody sees the pages any more. */
inline ZAP()
{
	d_step {
		other = 1;
		do
		:: other <= MESSAGES ->
			memory[SEQUENCE(other)] = 0;
			memory[PAYLOAD(other)] = 0;
			other++
		:: else -> break
		od;
		other = 0
	}
}

/* Who has not read all counts the rest by what was published, once there is an owner. */
inline MAKE_EMPTY(cpu)
{
	SET_SLOT(cpu, EMPTY);
	BARRIER(cpu);
	ZAP();
	LOAD(cpu, HEAD, word);
	STORE(cpu, PAST, word);
	word = 0;
	SET_SLOT(cpu, NEXT)
}

#if defined(DROP) && !defined(NO_RETIRING)
/* As the sender would have done. */
inline RETIRE_ALL(cpu)
{
	retired = true;
	other = 1;
	do
	:: other <= MESSAGES ->
		LOAD(cpu, SEQUENCE(other), word);
		if
		:: word -> STORE(cpu, SEQUENCE(other), other | VOID)
		:: else
		fi;
		word = 0;
		other++
	:: else -> break
	od;
	other = 0;
	BARRIER_O(cpu)		/* O, pairs with P and R */
}
#else
#define RETIRE_ALL(cpu) skip
#endif

/* If nothing is held. */
inline TRY_TO_EMPTY(cpu)
{
	if
	:: retired
	:: else -> RETIRE_ALL(cpu)
	fi;
	LOAD(cpu, HOLD, word);	/* J, pairs with I */
	if
	:: word -> word = 0
	:: else -> MAKE_EMPTY(cpu)
	fi
}

/* Empties a slot of which nobody needs anything any more. */
inline REAP(cpu)
{
	if
	:: slot == DRAINING ->
		found = false;
		LOOK(cpu, 0);	/* H, pairs with G */
		if
		:: found && !retired -> found = false
		:: else -> found = false; TRY_TO_EMPTY(cpu)
		fi
	:: else
	fi
}

#include "sleep.h"

#define MAY_DIE() if :: goto killed :: skip fi

inline PUBLISH()
{
	STORE(0, PAYLOAD(published + 1), published + 1);
	STORE(0, SEQUENCE(published + 1), published + 1);
	published++;
	MAY_DIE();
	STORE(0, HEAD, published);
	announced = published;
	MAY_DIE();
	BARRIER_C(0);		/* C, pairs with D and K */
	LOAD(0, SLEEPING, named);
	MAY_DIE();
	if
	:: named -> KICK(0, named)
	:: else
	fi;
	named = 0
}

proctype sender()
{
	byte named, word, other;
	bool found;

	do
	:: published == MESSAGES -> break
	:: else -> PUBLISH()
	od;
killed:
	named = 0;
	LOCK(0);
	SET_SLOT(0, DRAINING);
	BARRIER_N(0);		/* N, pairs with E */
#ifndef NO_WAKE_ON_LEAVING
	KICK_ONE(0, 0);
#endif
	REAP(0);
	UNLOCK(0)
}

#ifdef TAKEOVER
proctype newcomer()
{
	byte word, other;

	slot != ACTIVE;
	LOCK(2);
	if
	:: slot == DRAINING -> TRY_TO_EMPTY(2)
	:: else
	fi;
	UNLOCK(2)
}
#endif

inline LOAD_ROSTER()
{
	LOAD(1, GENERATION, word);
	if
	:: word != known ->
		known = word;
		LOAD(1, STATE, state);
		LOAD(1, PAST, past)
	:: else
	fi;
	word = 0
}

/* Lets the kernel have a slot that was read to the end. */
inline TELL_KERNEL()
{
	told = true;
	LOCK(1);
	REAP(1);
	UNLOCK(1)
}

#ifdef DROP
#define TELL() skip
#else
#define TELL() BARRIER_E(1)	/* E, pairs with F and N */
#endif

inline READ(message)
{
	LOAD(1, PAYLOAD(message), word);
	assert(word == message);	/* payload */
	word = 0
}

/* The message is there: with a hold, it stays. Leaves `word'. */
inline TRY(message)
{
	STORE(1, HOLD, message);
#ifdef DROP
	BARRIER_P(1);		/* P, pairs with O */
	LOAD(1, SEQUENCE(message), word);
	if
	:: word == message
	:: else -> STORE(1, HOLD, 0)
	fi
#endif
}

inline GIVE_BACK(message)
{
	READ(message);
	STORE(1, HOLD, 0);
	TELL()
}

inline PASS()
{
	taken++;
	STORE(1, PASSED, taken)
}

inline TAKE()
{
#ifdef COPIES
	READ(taken + 1);
	got++;
	PASS();
	TELL()
#else
	TRY(taken + 1);
	if
	:: word == taken + 1 ->
		word = 0;
		got++;
		PASS();
		TELL();
		GIVE_BACK(taken)
	:: else -> word = 0
	fi
#endif
}

#ifdef LATEST
proctype receiver()
{
	byte head, word;

	do
	:: LOAD(1, HEAD, head);
		LOAD(1, SEQUENCE(head), word);
		if
		:: head && word == head ->
			TRY(head);
			if
			:: word == head -> GIVE_BACK(head)
			:: else
			fi
		:: else
		fi;
		word = 0;
		head = 0
	:: break
	od
}
#else
proctype receiver()
{
	byte taken, got, lost, known, state, past, word, other;
	bool found, told;

	do
	::	LOAD_ROSTER();
		if
		:: state == NEXT -> break
		:: state == EMPTY -> word = 0
		:: else -> LOAD(1, SEQUENCE(taken + 1), word)
		fi;
		if
		:: word == taken + 1 -> TAKE()
		:: word == (taken + 1 | VOID) -> word = 0; lost++; PASS()
		:: else ->
			word = 0;
			if
			:: state == DRAINING && !told -> TELL_KERNEL()
			:: state == EMPTY -> memory[GENERATION] != known
			:: else -> WAIT(1, 0)
			fi
		fi
	od;
#ifdef DROP
	/* one may have been taken of which the head did not tell yet */
	if
	:: past > taken -> lost = lost + past - taken
	:: else
	fi;
	assert(got + lost >= announced && got + lost <= published)	/* count */
#else
	assert(got == published && lost == 0)	/* count */
#endif
}
#endif

init {
	atomic {
		run sender();
		run receiver();
#ifdef TAKEOVER
		run newcomer()
#endif
	}
}
