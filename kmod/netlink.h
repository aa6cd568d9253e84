/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the generic netlink family
 *
 * Described in Documentation/netlink/specs/ipcchan.yaml, from which numbers,
 * policies and the table of operations are generated. Nothing is locked when a
 * handler begins: requests run in parallel.
 *
 * A socket may be handed to a program with more rights, which then writes
 * there what it did not mean as a request. So what counts is what both the
 * caller and whoever opened the socket may do.
 */
#ifndef IPCCHAN_NETLINK_H
#define IPCCHAN_NETLINK_H

int ipcchan_netlink_init(void);
void ipcchan_netlink_exit(void);

#endif
