/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: channels and ports as attributes
 *
 * With the channel's mutex. What is told is translated into the namespaces of
 * the caller. All return 0 or -EMSGSIZE, with @skb then to be cut back.
 */
#ifndef IPCCHAN_NETLINK_PUT_H
#define IPCCHAN_NETLINK_PUT_H

#include "port.h"

struct sk_buff;

int ipcchan_netlink_put_channel(struct sk_buff *skb,
				struct ipcchan_channel *chan, u32 rights);
int ipcchan_netlink_put_port(struct sk_buff *skb, struct ipcchan_port *port);
int ipcchan_netlink_put_draining(struct sk_buff *skb,
				 const struct ipcchan_channel *chan, u32 slot);

#endif
