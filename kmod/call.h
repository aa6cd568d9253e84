/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the calls
 *
 * ioctl.c finds out which call it is and what of the argument is the caller's;
 * what a call does is here:
 *
 *   call_channel.c	channels and handles
 *   call_port.c	attaching, and what a port asks for now and then
 *   call_message.c	what messages need: to wake, to sleep, to claim
 *
 * Arguments are copied in once, and out once.
 */
#ifndef IPCCHAN_CALL_H
#define IPCCHAN_CALL_H

#include <linux/types.h>

#include "why.h"

struct file;
struct ipcchan_access;
struct ipcchan_file;

struct ipcchan_call {
	struct file *file;
	struct ipcchan_file *f;
	void *arg;		/* a copy */
	u32 size;		/* its, today's */
	void __user *user;
	u32 user_size;
	struct ipcchan_why why;
};

/* ioctl.c */
int ipcchan_call_copy_in(void *arg, u32 size, const void __user *user,
			 u32 user_size);
int ipcchan_call_copy_out(struct ipcchan_call *call);
int ipcchan_call_check_port(const struct ipcchan_file *f);

/* call_channel.c */
int ipcchan_call_find(struct ipcchan_call *call, const char *name,
		      struct ipcchan_access *access);
int ipcchan_call_query(struct ipcchan_call *call);
int ipcchan_call_create(struct ipcchan_call *call);
int ipcchan_call_lookup(struct ipcchan_call *call);
int ipcchan_call_delete(struct ipcchan_call *call);
int ipcchan_call_handle(struct ipcchan_call *call);
int ipcchan_call_revoke(struct ipcchan_call *call);

/* call_port.c */
int ipcchan_call_attach(struct ipcchan_call *call);
int ipcchan_call_accept(struct ipcchan_call *call);
int ipcchan_call_peer(struct ipcchan_call *call);
int ipcchan_call_files_put(struct ipcchan_call *call);
int ipcchan_call_files_take(struct ipcchan_call *call);
int ipcchan_call_files_done(struct ipcchan_call *call);

/* call_message.c */
int ipcchan_call_kick(struct ipcchan_file *f, void __user *user);
int ipcchan_call_wait(struct ipcchan_file *f, void __user *user);
int ipcchan_call_claim(struct ipcchan_file *f, void __user *user);

#endif
