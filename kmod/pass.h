/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the calls that give files to messages, and take them
 *
 * Between descriptors and files; what is kept of them in between is bundle.h's.
 * No file is looked up, and none installed, with a lock of ours held.
 */
#ifndef IPCCHAN_PASS_H
#define IPCCHAN_PASS_H

#include "port.h"

int ipcchan_pass_put(struct ipcchan_port *port,
		     const struct ipcchan_files_put *args,
		     struct ipcchan_why *why);
int ipcchan_pass_find(struct ipcchan_port *port, struct ipcchan_files_take *args,
		      struct file **files, struct ipcchan_why *why);
int ipcchan_pass_install(const struct ipcchan_files_take *args,
			 struct file **files, struct ipcchan_why *why);
void ipcchan_pass_forget(struct file **files, u32 nr);
int ipcchan_pass_done(struct ipcchan_port *port,
		      const struct ipcchan_files_done *args);

#endif
