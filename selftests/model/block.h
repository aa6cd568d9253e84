/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: how a sender sleeps for room, in the kernel
 *
 * There is one sender, on CPU 0. A model defines SLEEPING_SENDER and AWAIT (the
 * roster's words for it) and, before it includes this,
 *
 *	LOOK_FOR_ROOM(cpu)	sets `found' if the sender should try again: what it
 *				handed in, in `awaited' and `handed', differs
 *	HAND_IN()		keeps what the sender saw before it found no room
 *
 * BIT_BEFORE_AWAIT stores the roster's two words in the other order, which does
 * no harm: who has read either of them too early has its receipts looked at.
 *
 * Mutant: SNAPSHOT_IN_KERNEL, in HAND_IN().
 */
bool sender_armed;
bool sender_queued;
byte awaited;			/* that all must have passed; 0: anything */
byte handed[RECEIVERS];		/* each receiver's progress, as the sender saw it */

inline ARM_SENDER(await)
{
	sender_armed = true;
	awaited = await;
#ifdef BIT_BEFORE_AWAIT
	STORE(0, SLEEPING_SENDER, 1);
	STORE(0, AWAIT, awaited);
#else
	STORE(0, AWAIT, awaited);
	STORE(0, SLEEPING_SENDER, 1);
#endif
	BARRIER_F(0)		/* F, pairs with E */
}

inline DISARM_SENDER(cpu)
{
	sender_armed = false;
	STORE(cpu, SLEEPING_SENDER, 0)
}

/* Returns when there may be room. */
inline WAIT_FOR_ROOM(await)
{
	sender_queued = true;
	LOCK(0);
	HAND_IN();
	ARM_SENDER(await);
	found = false;
	LOOK_FOR_ROOM(0);
	UNLOCK(0);
	if
	:: found
	:: else ->
		!sender_queued	/* asleep */
	fi;
	sender_queued = false;
	found = false;
	LOCK(0);
	if
	:: sender_armed -> DISARM_SENDER(0)
	:: else
	fi;
	UNLOCK(0)
}

/* With the lock. */
inline WAKE_SENDER(cpu)
{
	if
	:: sender_armed ->
		found = false;
		LOOK_FOR_ROOM(cpu);
		if
		:: found ->
			found = false;
			DISARM_SENDER(cpu);
			sender_queued = false
		:: else
		fi
	:: else
	fi
}

inline KICK_SENDER(cpu)
{
	LOCK(cpu);
	WAKE_SENDER(cpu);
	UNLOCK(cpu)
}

/* A receiver has passed message @now, or given one back (0): kick? */
inline TELL_SENDER(cpu, now)
{
	BARRIER_E(cpu);		/* E, pairs with F and N */
	LOAD(cpu, SLEEPING_SENDER, word);
	if
	:: word ->
		LOAD(cpu, AWAIT, word);
		if
		:: word == 0 || word == now -> word = 0; KICK_SENDER(cpu)
		:: else
		fi
	:: else
	fi;
	word = 0
}
