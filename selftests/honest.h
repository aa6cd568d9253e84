/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: honest peers, in one process
 *
 * A channel with a sender and two receivers that use the library; receiver 0
 * reads in place, receiver 1 by copy. What they exchange among liars must be
 * what it is without. There is room for liars of both roles.
 */
#ifndef SELFTESTS_HONEST_H
#define SELFTESTS_HONEST_H

#include "common.h"
#include "peers.h"

#define HONEST_DEPTH	8u
#define HONEST_ARENA	65536u
#define HONEST_MOST	4096u
#define HONEST_HOLDS	4u
#define HONEST_SLOTS	4u

struct honest {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct ipcchan_port *tx;	/* slot 0 */
	struct ipcchan_port *rx[2];	/* slots 0 and 1 */
	uint32_t sent;
};

int honest_open(struct honest *h);
/* The accounts are what they were? */
bool honest_close(struct honest *h);
/* The next message of receiver @i is this one? */
bool honest_take(struct honest *h, int i, uint64_t tag, size_t length);
/* Sends @n messages, each of which must arrive at once everywhere; how many did. */
uint32_t honest_pass(struct honest *h, uint32_t n);

#endif
