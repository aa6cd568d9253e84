/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: grants: what the holders of a handle may do
 *
 * A handle is a file that has a grant, made with it and freed with it. Who has
 * the file has the rights of the grant, whoever he is and wherever he came by
 * it; what he takes from it is a smaller grant, below this one.
 *
 *   channel ── grants ── A ── children ── B ── children ── D
 *                        │                └─ C
 *                        E
 *
 * Revoking a grant revokes all below it: they leave the tree, for good. When a
 * file is closed its grant's children take its place among its siblings: who
 * was above it is above them still. So neither needs to look upwards, and each
 * grant is moved once for every file closed, and revoked once.
 *
 * A grant in the tree keeps an ephemeral channel from ending, a revoked one does
 * not. Whether it is revoked is looked at with the mutex that REVOKE takes, in
 * the step that lets in, last of all: when REVOKE has returned nobody comes in.
 */
#ifndef IPCCHAN_GRANT_H
#define IPCCHAN_GRANT_H

#include "channel.h"

struct ipcchan_grant {
	/* constant */
	struct ipcchan_channel *chan;	/* with a reference */
	u32 rights;			/* IPCCHAN_SEND | RECEIVE | ADMIN */
	/* protected by the channel's mutex */
	struct list_head node;
	struct list_head children;
	bool revoked;
};

/* A channel, and what a caller may do with it: by its name, or by a grant. */
struct ipcchan_access {
	struct ipcchan_channel *chan;	/* with a reference */
	u32 rights;
	struct ipcchan_grant *grant;	/* whose file the caller has; or NULL */
};

struct ipcchan_grant *ipcchan_grant_new(const struct ipcchan_access *from,
					u32 rights, struct ipcchan_why *why);
struct ipcchan_grant *ipcchan_grant_free(struct ipcchan_grant *grant);
void ipcchan_grant_revoke(struct ipcchan_grant *grant);

int ipcchan_grant_check(const struct ipcchan_grant *grant,
			struct ipcchan_why *why);
int ipcchan_grant_check_locked(const struct ipcchan_grant *grant,
			       struct ipcchan_why *why);
int ipcchan_grant_delete(const struct ipcchan_grant *grant,
			 struct ipcchan_why *why);

#endif
