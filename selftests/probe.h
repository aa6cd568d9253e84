/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: sleeping calls, touches of memory, and children
 *
 * What the tests of mappings, lifetimes and waiting share beyond common.h.
 * Calls return 0 or -errno.
 */
#ifndef SELFTESTS_PROBE_H
#define SELFTESTS_PROBE_H

#include "common.h"

/* Channels of few and small slots, mode 0666. */
int small_channel(const char *name, uint32_t flags, uint32_t slots);
/* By the tool; 0, or its exit status. */
int evict(const char *name, uint32_t port_id);

int map_own(struct raw_port *p);
int map_window(struct raw_port *p);
void unmap_both(struct raw_port *p);
/* raw_close(), but takes one that is closed or was never opened. */
void leave(struct raw_port *p);
const char *window_outbox(const struct raw_port *p, uint32_t slot);
const char *window_receipts(const struct raw_port *p, uint32_t slot);

/*
 * IPCCHAN_IOC_WAIT. For WAIT_SEND it hands in what the receivers' lines and
 * generation are now.
 */
int wait_for(const struct raw_port *p, uint32_t flags, uint64_t deadline_ns, uint32_t *events);
int wait_await(const struct raw_port *p, uint64_t await, uint64_t deadline_ns, uint32_t *events);
/* WAIT_ROSTER, against these generations. */
int wait_roster(const struct raw_port *p, uint64_t senders, uint64_t receivers,
		uint64_t deadline_ns, uint32_t *events);
/* poll() on one port: what came, or 0. */
int poll_for(const struct raw_port *p, short events, int timeout_ms);
/* Is there, within a few seconds, somebody asleep who would have to be kicked? */
bool receiver_sleeps(const struct raw_port *p, uint32_t slot);
bool sender_sleeps(const struct raw_port *p, uint32_t slot);

/* Does the roster come to say so, within a few seconds? Sleeps, and does not poll. */
bool slot_becomes(const struct raw_port *watch, const struct ipcchan_slot *slot, uint32_t state);

/* Times, in nanoseconds. */
#define MS		1000000ull
#define SECOND		(1000 * MS)
#define FOREVER		IPCCHAN_WAIT_FOREVER

void sleep_ms(unsigned int ms);

/* What a touch of memory ends in: 0, or the signal. */
int touch_read(const volatile void *at);
int touch_write(volatile void *at);

/* A child that ends with what @fn returns, and with the test. */
pid_t child_start(int (*fn)(void *), void *arg);
/* How it ended: its status, 128 + a signal; -1: it did not in that time, and was killed. */
int child_end(pid_t pid, unsigned int ms);
int in_child(int (*fn)(void *), void *arg);
/* Is the task asleep, in a system call (or on its way there), within a few seconds? */
bool falls_asleep(pid_t tid);

#endif
