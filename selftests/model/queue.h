/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what the kernel does for a queue, under the channel's lock
 *
 * It takes descriptors in from the rings, keeps what is ready, a list a sender
 * by priority and then by sequence, and gives each message to one receiver.
 * What comes back goes to its place in the list. Who finds nothing is put on
 * the list of sleepers, of which one is woken for each message that is ready;
 * who waits otherwise (poll) is told with everybody else.
 *
 * Messages are numbered through, 1 to ALL. A model defines SENDERS, RECEIVERS,
 * MESSAGES (of each), DEPTH, CPUS, SLEEPING, SEQUENCE(s, place) and
 * TAG(s, place), and RETIRE(cpu, m) for what becomes of a message that is done
 * and held by nobody. Whoever uses these needs locals `word', `other', `i',
 * `m' and `fresh'.
 *
 *	TAKE_MOST	so many descriptors are taken in at a kick
 *	MAX_DELIVERIES	what comes back so often is dropped
 *	LEASE		so many claims run out while they are held
 *	URGENT		the last message of a sender has a higher priority
 *
 * Mutants: RETURN_LAST, RETURN_FIRST, CLEAR_ON_WAKE, WAKE_PER_KICK,
 * NO_WAKE_AT_END, NO_WAKE_ON_RETURN, ONLY_NEW_IS_NEWS, ANY_CLAIM, RETIRE_AT_ONCE.
 */
#ifndef TAKE_MOST
#define TAKE_MOST ALL
#endif
#ifndef MAX_DELIVERIES
#define MAX_DELIVERIES 0
#endif
#ifndef LEASE
#define LEASE 0
#endif

#define ALL (SENDERS * MESSAGES)
#define SENDER_OF(m) (((m) - 1) / MESSAGES)
#define NUMBER_OF(m) (((m) - 1) % MESSAGES + 1)

#ifdef URGENT
#define RANK(m) (NUMBER_OF(m) == MESSAGES -> 0 : NUMBER_OF(m))
#else
#define RANK(m) NUMBER_OF(m)
#endif

#ifdef ENDS
byte present = SENDERS;		/* senders that have not left */
#else
byte present = SENDERS + 1;	/* one that says nothing never does */
#endif
byte taken[SENDERS];		/* so many descriptors were taken in */
byte list[ALL];			/* a sender's ready ones, from s * MESSAGES */
byte length[SENDERS];
byte nr_ready;
bool news;			/* something became ready since pollers were told */
byte nr_out;			/* claimed, or delayed */
bool delayed[ALL + 1];
byte owner[ALL + 1];		/* of the claim that counts: 1 + r, else 0 */
byte deliveries[ALL + 1];
byte claims[ALL + 1];		/* all that are held, those run out too */
bool done[ALL + 1];		/* acknowledged, or dropped */

bool asleep[RECEIVERS];		/* on the list of sleepers */
bool woken[RECEIVERS];		/* off it, and not come back yet */
byte nr_woken;
bool polling[RECEIVERS];	/* sleeps in another way */

#define NEXT_PLACE(s) ((taken[s] + 1) % DEPTH)
#define NEWS_FROM(s) (taken[s] < MESSAGES && memory[SEQUENCE(s, NEXT_PLACE(s))] == taken[s] + 1)
#if SENDERS > 1
#define NEWS (NEWS_FROM(0) || NEWS_FROM(1))
#else
#define NEWS NEWS_FROM(0)
#endif

/* Nothing is there, and nothing can come. */
#define OVER (present == 0 && nr_ready == 0 && nr_out == 0 && !NEWS)

/* To check against. */
byte settled;			/* so many are done */
byte expected = ALL;

#if RECEIVERS > 1
#define SLEEPS (asleep[0] || asleep[1])
#define POLLS (polling[0] || polling[1])
#else
#define SLEEPS asleep[0]
#define POLLS polling[0]
#endif

#ifdef RETURN_LAST
#define BEFORE(m, that) false
#else
#ifdef RETURN_FIRST
#define BEFORE(m, that) (deliveries[m] > 0)
#else
#define BEFORE(m, that) (RANK(m) < RANK(that))
#endif
#endif

inline MAKE_READY(m)
{
	d_step {
		i = SENDER_OF(m) * MESSAGES + length[SENDER_OF(m)];
		do
		:: i > SENDER_OF(m) * MESSAGES && BEFORE(m, list[i - 1]) ->
			list[i] = list[i - 1];
			i--
		:: else -> break
		od;
		list[i] = m;
		i = 0;
		length[SENDER_OF(m)]++;
		nr_ready++;
		news = true
	}
}

inline TAKE_IN_FROM(cpu, s, most)
{
	do
	:: taken[s] == MESSAGES || fresh == most -> break
	:: else ->
		/* B, pairs with A */
		ORDER_B(LOAD(cpu, SEQUENCE(s, NEXT_PLACE(s)), word),
			LOAD(cpu, TAG(s, NEXT_PLACE(s)), other));
		if
		:: word == taken[s] + 1 ->
			assert(other == word);	/* payload */
			word = 0;
			other = 0;
			fresh++;
			taken[s]++;
			TAKEN_IN(cpu, s);
			MAKE_READY(s * MESSAGES + taken[s])
		:: else -> break
		fi
	od;
	word = 0;
	other = 0
}

inline TAKE_IN(cpu, most)
{
	TAKE_IN_FROM(cpu, 0, most);
#if SENDERS > 1
	TAKE_IN_FROM(cpu, 1, most);
#endif
	fresh = 0
}

#ifdef CLEAR_ON_WAKE
#define STILL_ARMED POLLS
#else
#define STILL_ARMED (SLEEPS || POLLS)
#endif

#ifdef WAKE_PER_KICK
#define TO_BE_WOKEN (nr_ready > 0)
#else
#define TO_BE_WOKEN (nr_ready > nr_woken)
#endif

/* Whichever is first on the list. */
inline WAKE_ONE(cpu)
{
	if
	:: asleep[0] -> i = 0
#if RECEIVERS > 1
	:: asleep[1] -> i = 1
#endif
	fi;
	d_step {
		asleep[i] = false;
		woken[i] = true;
		i = 0;
		nr_woken++;
		assert(nr_woken <= nr_ready || OVER)	/* herd */
	};
	STORE(cpu, SLEEPING, STILL_ARMED)
}

inline TELL_POLLERS(cpu)
{
	d_step {
		polling[0] = false;
#if RECEIVERS > 1
		polling[1] = false
#endif
	};
	STORE(cpu, SLEEPING, STILL_ARMED)
}

#ifdef NO_WAKE_AT_END
#define TO_BE_ENDED false
#else
#define TO_BE_ENDED OVER
#endif

#ifdef ONLY_NEW_IS_NEWS
#define HAS_NEWS (news && deliveries[list[0]] == 0)
#else
#define HAS_NEWS news
#endif

/* After everything that may have made a message ready, or the last one done. */
inline WAKE(cpu)
{
	do
	:: SLEEPS && (TO_BE_WOKEN || TO_BE_ENDED) -> WAKE_ONE(cpu)
	:: else -> break
	od;
	if
	:: POLLS && (nr_ready && HAS_NEWS || TO_BE_ENDED) -> TELL_POLLERS(cpu)
	:: else
	fi;
	news = false
}

/* Off the list, or no longer counted as woken. */
inline LEAVE_SLEEPERS(cpu, r)
{
	if
	:: woken[r] -> d_step { woken[r] = false; nr_woken-- }
	:: asleep[r] -> asleep[r] = false; STORE(cpu, SLEEPING, STILL_ARMED)
	:: else
	fi
}

/* Nothing of the same sender that is ready comes before it. */
inline CHECK_ORDER(m)
{
	d_step {
		i = 1;
		do
		:: i <= ALL ->
			assert(SENDER_OF(i) != SENDER_OF(m) || RANK(i) >= RANK(m) ||
			       NUMBER_OF(i) > taken[SENDER_OF(i)] || owner[i] ||
			       done[i] || delayed[i]);	/* order */
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* To receiver @r, the first of any sender: leaves it in @m. */
inline CLAIM_READY(r)
{
	if
	:: length[0] -> i = 0
#if SENDERS > 1
	:: length[1] -> i = MESSAGES
#endif
	fi;
	d_step {
		m = list[i];
		length[SENDER_OF(m)]--;
		nr_ready--;
		do
		:: i < SENDER_OF(m) * MESSAGES + length[SENDER_OF(m)] ->
			list[i] = list[i + 1];
			i++
		:: else -> break
		od;
		list[i] = 0;
		i = 0
	};
	CHECK_ORDER(m);
	d_step {
		assert(owner[m] == 0 && !done[m] && (LEASE || claims[m] == 0));	/* twice */
		owner[m] = 1 + r;
		nr_out++;
		deliveries[m]++;
		claims[m]++
	}
}

#ifdef RETIRE_AT_ONCE
#define TO_BE_RETIRED(m) (done[m] && !owner[m])
#else
#define TO_BE_RETIRED(m) (done[m] && !owner[m] && claims[m] == 0)
#endif

/* The claim that counts is over: the message goes on, or goes back. */
inline FINISH_MESSAGE(m)
{
	d_step {
		owner[m] = 0;
		nr_out--;
		done[m] = true;
		settled++
	}
}

inline RETURN(m)
{
	if
	:: MAX_DELIVERIES && deliveries[m] == MAX_DELIVERIES -> FINISH_MESSAGE(m)
	:: else ->
		owner[m] = 0;
		nr_out--;
		MAKE_READY(m)
	fi
}

inline DELAY(m)
{
	owner[m] = 0;
	delayed[m] = true
}

inline LET_GO(cpu, m)
{
	claims[m]--;
	if
	:: TO_BE_RETIRED(m) -> RETIRE(cpu, m)
	:: else
	fi
}

/* Is that claim, of receiver @r, the one that counts? */
#ifdef ANY_CLAIM
#define COUNTS(r, m, delivery) (owner[m] == 1 + r)
#else
#define COUNTS(r, m, delivery) (owner[m] == 1 + r && deliveries[m] == delivery)
#endif

inline ACKNOWLEDGE(cpu, r, m, delivery)
{
	if
	:: COUNTS(r, m, delivery) ->
		assert(deliveries[m] == delivery && !done[m]);	/* stale */
		FINISH_MESSAGE(m)
	:: else		/* ESTALE */
	fi;
	LET_GO(cpu, m)
}

#if LEASE > 0 || defined(DELAYS)
#ifdef HANGS
#define RUNS_OUT(m) (owner[m] == 1)
#else
#define RUNS_OUT(m) (owner[m] && run_out < LEASE)
#endif
#define MAY_END(m) :: delayed[m] || RUNS_OUT(m) -> TIME_OVER(m)

inline TIME_OVER(m)
{
	LOCK(cpu);
	if
	:: delayed[m] -> delayed[m] = false; nr_out--; MAKE_READY(m)
	:: RUNS_OUT(m) -> run_out++; RETURN(m)
	:: else
	fi;
#ifndef NO_WAKE_ON_RETURN
	WAKE(cpu);
#endif
	UNLOCK(cpu)
}

/* Delays end, and leases run out. */
proctype timer()
{
	byte cpu = CPUS - 1;
	byte run_out, word, other, i, fresh;

end:	do
	MAY_END(1)
#if SENDERS * MESSAGES > 1
	MAY_END(2)
#endif
#if SENDERS * MESSAGES > 2
	MAY_END(3)
#endif
#if SENDERS * MESSAGES > 3
	MAY_END(4)
#endif
	od
}
#endif
