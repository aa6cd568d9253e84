// SPDX-License-Identifier: GPL-2.0
/* Defaults and bounds of a geometry. */
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include <linux/ipcchan_ring.h>

#include "geometry.h"

static int settle_depth(struct ipcchan_geometry *g, u32 history,
			struct ipcchan_why *why)
{
	if (history >= IPCCHAN_MAX_DEPTH)
		return ipcchan_refuse(why, -EINVAL, "history is more than 65535");
	if (!g->depth)
		g->depth = max_t(u32, IPCCHAN_DEFAULT_DEPTH,
				 roundup_pow_of_two(history + 1));
	if (!is_power_of_2(g->depth) || g->depth > IPCCHAN_MAX_DEPTH)
		return ipcchan_refuse(why, -EINVAL,
				      "depth is not a power of two from 1 to 65536");
	if (g->depth <= history)
		return ipcchan_refuse(why, -EINVAL,
				      "history needs a depth of at least history + 1");
	return 0;
}

static int settle_slots(struct ipcchan_geometry *g, struct ipcchan_why *why)
{
	g->senders = g->senders ?: IPCCHAN_DEFAULT_SLOTS;
	g->receivers = g->receivers ?: IPCCHAN_DEFAULT_SLOTS;
	g->holds = g->holds ?: IPCCHAN_DEFAULT_HOLDS;
	if (g->senders > IPCCHAN_MAX_SLOTS)
		return ipcchan_refuse(why, -EINVAL, "more than 64 senders");
	if (g->receivers > IPCCHAN_MAX_SLOTS)
		return ipcchan_refuse(why, -EINVAL, "more than 64 receivers");
	if (g->holds > IPCCHAN_MAX_HOLDS)
		return ipcchan_refuse(why, -EINVAL, "more than 1024 holds");
	return 0;
}

/* How many messages may stay in an arena while the sender goes on. */
static u64 pinned(const struct ipcchan_geometry *g,
		  const struct ipcchan_policy *policy)
{
	if (policy->overflow == IPCCHAN_OVERFLOW_DROP_OLDEST)
		return g->receivers * g->holds + policy->history;
	return policy->history;
}

static int settle_arena(struct ipcchan_geometry *g, u64 pins,
			struct ipcchan_why *why)
{
	/* beyond the first bound the second could wrap */
	if (!g->arena &&
	    (g->max_message > IPCCHAN_MAX_ARENA ||
	     ipcchan_arena_for(pins, g->max_message) > IPCCHAN_MAX_ARENA))
		return ipcchan_refuse(why, -EINVAL,
				      "max-message and policy need an arena of more than 1 GiB");
	if (!g->arena)
		g->arena = max(IPCCHAN_DEFAULT_ARENA,
			       ipcchan_arena_for(pins, g->max_message ?: 1));
	if (g->arena < IPCCHAN_MIN_ARENA || g->arena > IPCCHAN_MAX_ARENA)
		return ipcchan_refuse(why, -EINVAL,
				      "the arena is not from 64 bytes to 1 GiB");
	g->arena = ipcchan_round_up(g->arena, g->arena < PAGE_SIZE ?
					      IPCCHAN_GRANULE : PAGE_SIZE);
	return 0;
}

/* With the arena settled. */
static int settle_max_message(struct ipcchan_geometry *g,
			      const struct ipcchan_policy *policy, u64 pins,
			      struct ipcchan_why *why)
{
	if (!g->max_message)
		g->max_message = ipcchan_message_for(pins, g->arena);
	if (g->max_message > g->arena)
		return ipcchan_refuse(why, -EINVAL,
				      "max-message is larger than the arena");
	if (g->max_message && ipcchan_arena_for(pins, g->max_message) <= g->arena)
		return 0;
	if (policy->overflow == IPCCHAN_OVERFLOW_DROP_OLDEST)
		return ipcchan_refuse(why, -EINVAL,
				      "drop-oldest needs an arena of (2H + 1) x max-message, H = receivers x holds + history");
	return ipcchan_refuse(why, -EINVAL,
			      "history needs an arena of (2 x history + 1) x max-message");
}

/*
 * ipcchan_geometry_settle() - zeros become what they stand for; or -EINVAL
 *
 * The policy is known to be one.
 */
int ipcchan_geometry_settle(struct ipcchan_geometry *g,
			    const struct ipcchan_policy *policy,
			    struct ipcchan_why *why)
{
	int err = settle_depth(g, policy->history, why) ?: settle_slots(g, why);
	u64 pins;

	if (err)
		return err;
	pins = pinned(g, policy);
	return settle_arena(g, pins, why) ?:
	       settle_max_message(g, policy, pins, why);
}
