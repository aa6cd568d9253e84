/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the channels of a network namespace, by name and by number
 *
 * Each has a number, most have a name.
 * The table holds a reference on each channel in it. Its mutex is innermost
 * among the mutexes: it is taken with a channel's held, never the other way.
 */
#ifndef IPCCHAN_NAMES_H
#define IPCCHAN_NAMES_H

#include <linux/hashtable.h>
#include <linux/idr.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "account.h"

struct ipcchan_channel;
struct net;

#define IPCCHAN_CALLER_BITS	6

struct ipcchan_net {
	/* constant */
	struct net *net;
	/* protected by account.c's lock */
	struct ipcchan_usage usage;
	/* protected by lock */
	struct mutex lock;
	DECLARE_HASHTABLE(names, 8);
	struct idr ids;
	u32 generation;		/* changes with the set of channels */

	/* who waits for a name, by its hash */
	wait_queue_head_t callers[1 << IPCCHAN_CALLER_BITS];
};

struct ipcchan_net *ipcchan_net(struct net *net);

bool ipcchan_name_valid(const char *name);
int ipcchan_names_check(struct ipcchan_channel *chan, struct ipcchan_why *why);
int ipcchan_names_add(struct ipcchan_channel *chan, struct ipcchan_why *why);
void ipcchan_names_remove(struct ipcchan_channel *chan);
struct ipcchan_channel *ipcchan_names_find(struct ipcchan_net *in,
					   const char *name,
					   struct ipcchan_why *why);
struct ipcchan_channel *ipcchan_names_get(struct ipcchan_net *in, u32 id);
struct ipcchan_channel *ipcchan_names_next(struct ipcchan_net *in, int *id);
int ipcchan_names_await(struct ipcchan_net *in, const char *name,
			u64 deadline_ns);
u32 ipcchan_names_generation(struct ipcchan_net *in);

int ipcchan_names_init(void);
void ipcchan_names_exit(void);

#endif
