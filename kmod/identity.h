/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: who is behind a port
 *
 * Stamped when the port attaches, from the kernel's own knowledge; translated
 * into the namespaces of whoever asks.
 */
#ifndef IPCCHAN_IDENTITY_H
#define IPCCHAN_IDENTITY_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct pid;
struct user_namespace;

struct ipcchan_identity {
	struct pid *pid;
	kuid_t uid;
	kgid_t gid;
	u64 attached_ns;
};

void ipcchan_identity_stamp(struct ipcchan_identity *identity);
void ipcchan_identity_copy(struct ipcchan_identity *to,
			   const struct ipcchan_identity *from);
void ipcchan_identity_clear(struct ipcchan_identity *identity);

u32 ipcchan_identity_pid(const struct ipcchan_identity *identity);
u32 ipcchan_identity_uid(const struct ipcchan_identity *identity);
u32 ipcchan_identity_gid(const struct ipcchan_identity *identity);

#endif
