/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: which files a message may carry
 *
 * Files are kept in messages only while a port of the channel takes part, and
 * that is while a process lives that maps it: bundle.h. So whatever refers to
 * what, no ring of references outlives its processes, as long as no file in it
 * keeps a process's memory alive. What is known not to is let in, and nothing
 * else; and no AF_UNIX sockets, which have files under way of their own.
 *
 * On a queue some are kept longer: what refers to nothing but its own contents.
 */
#ifndef IPCCHAN_CARGO_H
#define IPCCHAN_CARGO_H

#include "why.h"

struct file;

bool ipcchan_cargo_stays(struct file *file);
int ipcchan_cargo_check(struct file *file, int fd, struct ipcchan_why *why);

#endif
