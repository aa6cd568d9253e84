/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/ipcchan.yaml */
/* YNL-GEN kernel header */

#ifndef _IPCCHAN_NETLINK_GEN_H
#define _IPCCHAN_NETLINK_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <linux/ipcchan_netlink.h>
#include <linux/ipcchan.h>

extern const struct nla_policy ipcchan_channel_new_nl_policy[IPCCHAN_A_CHANNEL_DEAD_LETTER + 1];

extern const struct nla_policy ipcchan_channel_get_nl_policy[IPCCHAN_A_CHANNEL_NAME + 1];

extern const struct nla_policy ipcchan_channel_del_nl_policy[IPCCHAN_A_CHANNEL_NAME + 1];

extern const struct nla_policy ipcchan_port_get_nl_policy[IPCCHAN_A_PORT_CHANNEL_ID + 1];

extern const struct nla_policy ipcchan_port_evict_nl_policy[IPCCHAN_A_PORT_CHANNEL_ID + 1];

/* Ops table for ipcchan */
extern const struct genl_ops ipcchan_nl_ops[5];

int ipcchan_nl_channel_new_doit(struct sk_buff *skb, struct genl_info *info);
int ipcchan_nl_channel_get_doit(struct sk_buff *skb, struct genl_info *info);
int ipcchan_nl_channel_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int ipcchan_nl_channel_del_doit(struct sk_buff *skb, struct genl_info *info);
int ipcchan_nl_port_get_doit(struct sk_buff *skb, struct genl_info *info);
int ipcchan_nl_port_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int ipcchan_nl_port_evict_doit(struct sk_buff *skb, struct genl_info *info);

#endif /* _IPCCHAN_NETLINK_GEN_H */
