/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: how a sender makes public what it has written
 *
 * The sender, on CPU 0, has written message `published' but for its sequence;
 * up to `fenced' they count as published: C has followed. With BATCH some of
 * them are made to count together. A model defines SLEEPING, HEAD, SEQUENCE(),
 * DEPTH and MESSAGES, and has included sleep.h.
 *
 *	SPINS	nobody sleeps, so nobody is kicked
 *
 * Mutant: KEEP_UNFENCED.
 */
#ifdef KEEP_UNFENCED
#define NEWEST published
#else
#define NEWEST fenced
#endif

#ifdef BATCH
#define TELL_ALL() STORE(0, SEQUENCE(published % DEPTH), published)
#define TELL_HEAD() STORE(0, HEAD, published)
#define MAY_END_BATCH() if :: END_BATCH() :: published < MESSAGES fi
#else
/* L, pairs with L */
#define TELL_ALL() \
	ORDER_L(STORE(0, SEQUENCE(published % DEPTH), published), STORE(0, HEAD, published))
#define TELL_HEAD() skip
#define MAY_END_BATCH() END_BATCH()
#endif

#ifdef SPINS
#define WAKE_RECEIVERS() skip
#else
inline WAKE_RECEIVERS()
{
	LOAD(0, SLEEPING, named);
	if
	:: named -> KICK(0, named)
	:: else
	fi;
	named = 0
}
#endif

/* What was written counts as published. */
inline END_BATCH()
{
	TELL_HEAD();
	fenced = published;
	BARRIER_C(0);		/* C, pairs with D and K */
	WAKE_RECEIVERS()
}
