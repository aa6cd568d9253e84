/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: threads that sleep on a port, and what may wake them
 *
 * A sleeper makes one call in a thread of its own. Whether it really sleeps is
 * asked of the kernel (/proc/TID/syscall), and whether anybody has woken it, be
 * it to no end, shows in the number of its context switches.
 */
#ifndef SELFTESTS_SLEEPER_H
#define SELFTESTS_SLEEPER_H

#include <poll.h>
#include <pthread.h>

#include "probe.h"

/* A channel with a sender and a receiver, and room for others. */
struct pair {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct raw_port tx;
	struct raw_port rx;
};

/* 0 or -errno. */
int pair_open(struct pair *p, uint32_t slots);
/* Leaves nothing behind: false if the module's accounts say otherwise. */
bool pair_close(struct pair *p);

/* What a sleeper on that side awaits (IPCCHAN_WAIT_RECEIVE or _SEND) comes about; no kick. */
void pair_change(struct pair *p, uint32_t flags);
/* The other side kicks these slots. */
int pair_kick(const struct pair *p, uint32_t flags, uint64_t slots);
/* Who sleeps on that side, a bit a slot. */
uint64_t pair_armed(const struct pair *p, uint32_t flags);

/* As the library does it: and kick whoever sleeps, if anybody does. */
void publish_and_kick(struct raw_port *tx);
void take_and_kick(struct raw_port *rx);

/* A receiver with thresholds. */
int open_patient(struct raw_port *p, const char *name, uint32_t count, uint64_t delay_ns);

/* A sender that kicks as the library does: what it knows of a receiver, and its kicks. */
struct thrift {
	uint64_t word;		/* what the receiver awaited when it was seen first */
	uint64_t from;		/* and the newest message before that */
	unsigned int kicks;
};

/* Does it ask for a kick, after what was published beyond @before? */
bool thrift_asks(const struct raw_port *tx, struct thrift *t, uint32_t slot, uint64_t before);
/* Publishes so many, then kicks that receiver if it asks for it. */
void publish_thrifty(struct raw_port *tx, struct thrift *t, uint32_t slot, uint32_t n);

/* What a port sees before it looks for something to do, and finds nothing. */
struct seen {
	uint64_t senders;	/* generations */
	uint64_t receivers;
	uint64_t progress[IPCCHAN_MAX_SLOTS];
};

void see(const struct raw_port *p, struct seen *seen);
/* IPCCHAN_IOC_WAIT, for what differs from that. @events may be NULL. */
int wait_seen(const struct raw_port *p, const struct seen *seen, uint32_t flags, uint64_t await,
	      uint64_t deadline_ns, uint32_t *events);

/* A sender finds no room, and leaves that with its port: -ETIMEDOUT. */
int block(const struct raw_port *tx);

/* An epoll set of one port; what it reports within that time, or 0. */
int make_set(const struct raw_port *p, uint32_t events);
uint32_t ask_set(int set, int timeout_ms);

struct sleeper {
	/* what it is to do; all but the port may be 0 */
	const struct raw_port *port;
	uint32_t flags;		/* IPCCHAN_WAIT_*, or EPOLL* */
	uint64_t await;
	uint64_t deadline_ns;	/* 0: for ever */
	int epoll;		/* a set to wait for */
	struct pollfd *fds;	/* or many to poll */
	nfds_t nr_fds;

	/* what has come of it */
	int result;		/* 0 or -errno */
	uint32_t events;
	uint64_t ended_ns;

	/* its own */
	struct seen seen;
	void (*call)(struct sleeper *s);
	long number;
	pthread_t thread;
	pid_t tid;
	bool ended;
};

/* Starts one, that looks at the port from now on. True: it sleeps. */
bool sleep_in_wait(struct sleeper *s);
bool sleep_in_poll(struct sleeper *s);
bool sleep_in_epoll(struct sleeper *s);
/* Likewise, but it may end at once. */
void start_wait(struct sleeper *s);

/* Is it asleep in its call at this moment? */
bool is_asleep(const struct sleeper *s);
/* How often it has begun to sleep, or was made to stop. */
unsigned long switches(const struct sleeper *s);
/* Sleeps as it did when it had that many switches, after a moment for all to settle. */
bool sleeps_on(const struct sleeper *s, unsigned long before);
/* It may have been woken, but not for good. */
bool sleeps_again(const struct sleeper *s);
/* Its call returns, within some seconds. */
bool wakes(struct sleeper *s);

#endif
