/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a slot gets a new sender
 *
 * A sender is evicted while it goes on publishing, and a receiver taking: the
 * slot is empty, then the old outbox is taken out of the window, then the kernel
 * reads the receiver's cursor and lets a new sender begin at a base beyond all
 * that the receiver may still store. Each ring has one place.
 *
 * A message of the new sender reused before it was passed, or one taken for the
 * old sender's, is an assertion. One that is never there is an end.
 *
 * Letters M. Mutants: SAME_BASE, NO_MARGIN, BASE_BEFORE_ZAP, KERNEL_RESETS.
 */
#ifndef OLD_MESSAGES
#define OLD_MESSAGES 6
#endif
#ifndef NEW_MESSAGES
#define NEW_MESSAGES 2
#endif
#define DEPTH 1

#define CPUS 3
#define LOCKED 0
#define GENERATION 1
#define BASE 2
#define PASSED 3
#define OLD 4
#define NEW 5
#define NOTHING 6		/* a page of zeros */
#define WORDS 7

#include "tso.h"
#include "letters.h"

byte window = OLD;		/* what the receiver sees in that place */

inline EVICT()
{
	window = NOTHING
}

/* Beyond the cursor, which may still go one further, and a ring or two. */
#ifdef NO_MARGIN
#define MARGIN 0
#else
#define MARGIN (2 * DEPTH + 2)
#endif

inline CHOOSE_BASE()
{
#ifdef SAME_BASE
	base = 0
#else
	LOAD(0, PASSED, word);
	base = word + MARGIN;
	word = 0
#endif
}

proctype old_sender()
{
	byte published, word;

	do
	:: published == OLD_MESSAGES -> break
	:: window != OLD -> break
	:: window == OLD && published < OLD_MESSAGES && memory[PASSED] >= published ->
		published++;
		STORE(2, OLD, published)
	od
}

/* The kernel, then the new sender. */
proctype new_sender()
{
	byte base, published, word;

	LOCK(0);
	UNLOCK(0);
#ifdef BASE_BEFORE_ZAP
	CHOOSE_BASE();
	EVICT();
#else
	EVICT();
	CHOOSE_BASE();
#endif
#ifdef KERNEL_RESETS
	base = 0;
	STORE(0, PASSED, 0);
#endif
	window = NEW;
	/* M, pairs with M */
	ORDER_M(STORE(0, BASE, base), STORE(0, GENERATION, 1));
	BARRIER(0);
	published = base;
	do
	:: published == base + NEW_MESSAGES -> break
	:: else ->
		LOAD(0, PASSED, word);
		if
		:: published == base || word >= published ->
			word = 0;
			published++;
			STORE(0, NEW, published)
		:: else ->
			word = 0;
			BARRIER(0);
			memory[PASSED] >= published
		fi
	od
}

inline LOAD_ROSTER()
{
	LOAD(1, GENERATION, word);	/* M, pairs with M */
	if
	:: word != known ->
		known = word;
		LOAD(1, BASE, base);
		taken = base;
		window_known = true
	:: else
	fi;
	word = 0
}

proctype receiver()
{
	byte known, base, taken, got, word;
	bool window_known, from_new;

	do
	:: got == NEW_MESSAGES -> break
	:: else ->
		LOAD_ROSTER();
		d_step {
			from_new = window == NEW;
			address = window;
			word = memory[address]
		};
		if
		:: word == taken + 1 ->
			assert(from_new == window_known);	/* payload */
			taken++;
			got = got + from_new;
			STORE(1, PASSED, taken)
		:: word != taken + 1 && window_known ->
			assert(word <= taken);	/* skipped */
			memory[NEW] != word
		:: word != taken + 1 && !window_known ->
			memory[GENERATION] != known || memory[window] == taken + 1
		fi;
		word = 0
	od
}

init {
	atomic {
		run new_sender();
		run receiver();
		run old_sender()
	}
}
