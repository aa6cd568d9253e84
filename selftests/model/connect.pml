/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a service: clients come and go, listeners too, and nobody waits in vain
 *
 * CLIENTS connect once each, and patiently, to a service with a backlog of
 * BACKLOG places; LISTENERS accept, until there is no client left. All of it is
 * in the kernel and under locks, so there are no store buffers: what is one
 * step here is one section under the service's or the connection's lock.
 *
 *	CLIENT_DIES	client 0 is killed anywhere, or its time is over
 *	SITS		client 0 attaches, and does not map before the others have gone
 *	LISTENER_DIES	listener 0 is killed anywhere; without LISTENERS=2 nobody
 *			listens any more
 *	FAILS		listener 0 finds no memory for so many
 *	EVICTED		listener 0 is evicted at any time, in the middle of accepting, too
 *	DELETED		the service is deleted at any time
 *
 * A client or a listener that sleeps though there is something for it is an end
 * in which it does; a connection that is counted when all have gone, or accepted
 * when its client has left: an assertion.
 *
 * Mutants: NO_WAKE_FOR_PLACE, WAKE_AS_MANY, NO_WAKE_ON_LEAVING, NO_REFUSAL,
 * MAP_UNCHECKED, BACK_UNCHECKED, NO_DEQUEUE, NO_HANGUP.
 */
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef LISTENERS
#define LISTENERS 1
#endif
#ifndef BACKLOG
#define BACKLOG 1
#endif
#ifndef FAILS
#define FAILS 0
#endif

#define NONE 255

mtype = { absent, attached, mapped };		/* a port */
mtype = { nothing, fresh, waiting, taken, established };	/* a connection */

mtype state[CLIENTS] = nothing;
mtype client_port[CLIENTS] = absent;
mtype server_port[CLIENTS] = absent;
bool calling[CLIENTS];		/* sleeps until there is a place */
byte backlog[CLIENTS];		/* the oldest first */
byte nr_waiting;
byte nr_counted;		/* connections of the user */
byte nr_listening = LISTENERS;
bool armed[LISTENERS];		/* sleeps until there is a connection */
bool ended;			/* the service is deleted */
bool stopped[LISTENERS];	/* they have left, or were evicted */
byte nr_clients = CLIENTS;	/* that have yet to finish */
byte i;

#define PLACES (BACKLOG - nr_waiting)
#define NOBODY (ended || nr_listening == 0)

/* With the service's lock. */

inline WAKE_ALL_CALLERS()
{
	i = 0;
	do
	:: i < CLIENTS -> calling[i] = false; i++
	:: else -> break
	od;
	i = 0
}

inline WAKE_ONE_CALLER()
{
	if
	:: calling[0] -> calling[0] = false
	:: calling[1] -> calling[1] = false
#if CLIENTS > 2
	:: calling[2] -> calling[2] = false
#endif
	:: else
	fi
}

/* As many as there are places; all, if nobody waits who would make room later. */
inline WAKE_CALLERS()
{
	if
	:: ended -> WAKE_ALL_CALLERS()
#ifndef WAKE_AS_MANY
	:: !ended && nr_listening && nr_waiting == 0 -> WAKE_ALL_CALLERS()
#endif
	:: else ->
		if
		:: nr_listening && PLACES -> WAKE_ONE_CALLER()
		:: else
		fi;
#if BACKLOG > 1
		if
		:: nr_listening && PLACES > 1 -> WAKE_ONE_CALLER()
		:: else
		fi
#endif
	fi
}

inline WAKE_LISTENER()
{
	if
	:: nr_waiting && armed[0] -> armed[0] = false
#if LISTENERS > 1
	:: nr_waiting && armed[1] -> armed[1] = false
#endif
	:: else
	fi
}

inline TAKE_OFF(c)
{
	i = 0;
	do
	:: backlog[i] != c -> i++
	:: else -> break
	od;
	nr_waiting--;
	do
	:: i < nr_waiting -> backlog[i] = backlog[i + 1]; i++
	:: else -> break
	od;
	backlog[i] = 0;
	i = 0;
	state[c] = taken;
#ifndef NO_WAKE_FOR_PLACE
	WAKE_CALLERS()
#endif
}

/* The oldest, in @c, or NONE. */
inline TAKE(c)
{
	if
	:: nr_waiting ->
		c = backlog[0];
		TAKE_OFF(c);
		WAKE_LISTENER()
	:: else -> c = NONE
	fi
}

/* With the connection's mutex: when both ports have left it is no more. */

inline END_IF_EMPTY(c)
{
	if
	:: client_port[c] == absent && server_port[c] == absent && state[c] != nothing ->
		state[c] = nothing;
		nr_counted--
	:: else
	fi
}

inline CLIENT_LEAVES(c)
{
	client_port[c] = absent;
	if
#ifndef NO_DEQUEUE
	:: state[c] == waiting -> TAKE_OFF(c)
#endif
	:: state[c] == fresh ->
		state[c] = taken;
		WAKE_CALLERS()
	:: else
	fi;
	END_IF_EMPTY(c)
}

/* Who came to meet it in vain goes, too. */
inline SERVER_LEAVES(c)
{
	if
#ifndef NO_HANGUP
	:: server_port[c] == attached ->
		server_port[c] = absent;
		CLIENT_LEAVES(c)
#endif
	:: else -> server_port[c] = absent; END_IF_EMPTY(c)
	fi
}

inline PUT_BACK(c)
{
	if
	:: state[c] == nothing
#ifdef BACK_UNCHECKED
	:: else ->
#else
	:: state[c] != nothing && NOBODY -> CLIENT_LEAVES(c)
	:: state[c] != nothing && !NOBODY ->
#endif
		i = nr_waiting;
		do
		:: i > 0 -> backlog[i] = backlog[i - 1]; i--
		:: else -> break
		od;
		backlog[0] = c;
		nr_waiting++;
		state[c] = waiting;
		WAKE_LISTENER()
	fi
}

#ifdef CLIENT_DIES
#define MAY_DIE(c) :: c == 0 -> goto gone
#else
#define MAY_DIE(c)
#endif

#ifdef SITS
#define MAY_MAP(c) (c != 0 || nr_clients == 1)
#else
#define MAY_MAP(c) true
#endif

proctype client(byte c)
{
again:
	calling[c] = true;
	if
	:: atomic { !NOBODY && PLACES > 0 -> calling[c] = false }
	:: atomic { NOBODY -> goto gone }	/* its time is over, some day */
	:: atomic { !NOBODY && PLACES == 0 -> skip };
		if	/* asleep */
		:: !calling[c] || NOBODY -> goto again
		MAY_DIE(c)
		fi
	fi;
	atomic {
		if
		:: ended -> goto gone
		:: else -> state[c] = fresh; client_port[c] = attached; nr_counted++
		fi
	};
	if	/* asleep */
	:: MAY_MAP(c)
	MAY_DIE(c)
	fi;
	atomic {
		if
#ifndef MAP_UNCHECKED
		:: NOBODY -> CLIENT_LEAVES(c); goto again
#endif
		:: PLACES == 0 -> CLIENT_LEAVES(c); goto again
		:: else ->
			client_port[c] = mapped;
			backlog[nr_waiting] = c;
			nr_waiting++;
			state[c] = waiting;
			WAKE_LISTENER()
		fi
	};
	if	/* asleep */
	:: state[c] == established || client_port[c] == absent
	MAY_DIE(c)
	fi;
	if
	:: client_port[c] == absent && !NOBODY -> goto again	/* refused */
	:: else
	fi;
gone:
	atomic {
		calling[c] = false;
		CLIENT_LEAVES(c);
		nr_clients--
	}
}

#ifdef LISTENER_DIES
#define LISTENER_MAY_DIE(l) :: l == 0 -> goto gone
#else
#define LISTENER_MAY_DIE(l)
#endif

inline REFUSE_ALL()
{
	do
	:: atomic {
		TAKE(c);
		if
		:: c != NONE
		:: else -> break
		fi
	   };
	   atomic { CLIENT_LEAVES(c); c = NONE }
	od
}

inline STOP_LISTENING(l)
{
	atomic {
		last = false;
		if
		:: stopped[l]
		:: else ->
			armed[l] = false;
			stopped[l] = true;
			nr_listening--;
			last = nr_listening == 0;
#ifndef NO_WAKE_ON_LEAVING
			WAKE_LISTENER()
#endif
		fi
	};
#ifndef NO_REFUSAL
	if
	:: last -> REFUSE_ALL()
	:: else
	fi
#endif
}

proctype listener(byte l)
{
	byte c = NONE, failed;
	bool last;

	do
	:: atomic {
		if
		:: stopped[l] -> goto gone
		:: else -> TAKE(c)
		fi;
		if
		:: c == NONE -> armed[l] = true
		:: else
		fi
	   };
	   if
	   :: c == NONE ->
		if	/* asleep */
		:: !armed[l] || nr_clients == 0 || ended
		LISTENER_MAY_DIE(l)
		fi;
		if
		:: nr_clients == 0 || ended -> break
		:: else
		fi
	   :: c != NONE ->
		if
		:: atomic { l == 0 && failed < FAILS -> failed++; PUT_BACK(c); c = NONE }
		:: atomic { state[c] == nothing -> c = NONE }
		:: atomic {
			state[c] != nothing ->
			assert(client_port[c] != absent);	/* gone */
			server_port[c] = attached
		   };
			if
			:: atomic { server_port[c] = mapped; state[c] = established }
			LISTENER_MAY_DIE(l)
			fi;
			if	/* asleep */
			:: client_port[c] == absent
			LISTENER_MAY_DIE(l)
			fi;
			atomic { SERVER_LEAVES(c); c = NONE }
		fi
	   fi
	od;
gone:
	atomic {
		if
		:: c != NONE -> SERVER_LEAVES(c); c = NONE
		:: else
		fi
	};
	STOP_LISTENING(l)
}

#ifdef EVICTED
proctype evicting()
{
	byte c;
	bool last;

	STOP_LISTENING(0)
}
#endif

#ifdef DELETED
proctype deleting()
{
	byte c;

	atomic { ended = true; WAKE_CALLERS() };
	REFUSE_ALL()
}
#endif

init {
	atomic {
		run client(0);
		run client(1);
#if CLIENTS > 2
		run client(2);
#endif
		run listener(0);
#if LISTENERS > 1
		run listener(1);
#endif
#ifdef EVICTED
		run evicting();
#endif
#ifdef DELETED
		run deleting()
#endif
	};
end:	_nr_pr == 1;
	assert(nr_counted == 0 && nr_waiting == 0)	/* leak */
}
