/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: who has how much
 *
 * An account is a user in a user namespace, and has the account of that
 * namespace's owner in the enclosing one as its parent. A charge counts for
 * the whole chain and for the network namespace, so that nobody gets more by
 * making namespaces. Accounts live as long as something is charged to them.
 *
 * One spinlock guards all counters: charges are made when channels and ports
 * come and go, and for messages with files, never on the path of another.
 */
#ifndef IPCCHAN_ACCOUNT_H
#define IPCCHAN_ACCOUNT_H

#include <linux/types.h>

#include "why.h"

enum ipcchan_kind {
	IPCCHAN_CHANNELS,
	IPCCHAN_PORTS,
	IPCCHAN_BYTES,
	IPCCHAN_FILES,		/* in messages */
	IPCCHAN_KINDS,
};

struct ipcchan_account;
struct ipcchan_closer;

struct ipcchan_usage {
	u64 used[IPCCHAN_KINDS];
};

struct ipcchan_account *ipcchan_account_get(void);
struct ipcchan_account *ipcchan_account_ref(struct ipcchan_account *account);
struct ipcchan_account *ipcchan_account_put(struct ipcchan_account *account);
struct ipcchan_closer *ipcchan_account_closer(struct ipcchan_account *account);

int ipcchan_charge(struct ipcchan_account *account, struct ipcchan_usage *net,
		   enum ipcchan_kind kind, u64 amount, struct ipcchan_why *why);
int ipcchan_charge_files(struct ipcchan_account *account,
			 struct ipcchan_usage *net, u64 amount,
			 struct ipcchan_why *why);
void ipcchan_uncharge(struct ipcchan_account *account,
		      struct ipcchan_usage *net, enum ipcchan_kind kind,
		      u64 amount);

void ipcchan_account_init(void);

#endif
