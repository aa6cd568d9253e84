/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: signals: O_ASYNC, F_SETSIG and F_SETOWN on a port
 *
 * Who is to get which signal is the file's business, and the VFS's. Ours is
 * when: once for each WAIT with IPCCHAN_WAIT_ARM that found nothing, when what
 * it awaits has come about; and when the last peer leaves, or the port is taken
 * away. port->standing says what is awaited (wait.c).
 *
 * It is made when O_ASYNC is first set on the port, and goes with it. Signals
 * are sent by work, one port's after the other: to signal a group of processes
 * takes as long as the group is large, with interrupts off, and the channel's
 * lock is not held for that. What has come up meanwhile is told once.
 */
#ifndef IPCCHAN_SIGIO_H
#define IPCCHAN_SIGIO_H

#include "port.h"

struct file;

int ipcchan_sigio_listen(struct ipcchan_port *port, int fd, struct file *file,
			 int on);
void ipcchan_sigio_send(struct ipcchan_port *port, u32 events);
void ipcchan_sigio_look(struct ipcchan_port *port);
void ipcchan_sigio_leaving(struct ipcchan_port *port, enum ipcchan_reason reason);
void ipcchan_sigio_left(struct ipcchan_port *port);
void ipcchan_sigio_free(struct ipcchan_port *port);

#endif
