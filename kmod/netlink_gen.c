// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/ipcchan.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <linux/ipcchan_netlink.h>
#include <linux/ipcchan.h>

/* IPCCHAN_CMD_CHANNEL_NEW - do */
const struct nla_policy ipcchan_channel_new_nl_policy[IPCCHAN_A_CHANNEL_DEAD_LETTER + 1] = {
	[IPCCHAN_A_CHANNEL_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[IPCCHAN_A_CHANNEL_TYPE] = NLA_POLICY_RANGE(NLA_U32, 1, 4),
	[IPCCHAN_A_CHANNEL_OVERFLOW] = NLA_POLICY_MAX(NLA_U32, 1),
	[IPCCHAN_A_CHANNEL_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x3),
	[IPCCHAN_A_CHANNEL_DEPTH] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_SENDERS] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_RECEIVERS] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_HOLDS] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_ARENA] = { .type = NLA_U64, },
	[IPCCHAN_A_CHANNEL_MAX_MESSAGE] = { .type = NLA_U64, },
	[IPCCHAN_A_CHANNEL_MODE] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_UID] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_GID] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_HISTORY] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_STALL_NS] = { .type = NLA_U64, },
	[IPCCHAN_A_CHANNEL_LABEL] = { .type = NLA_NUL_STRING, .len = 63, },
	[IPCCHAN_A_CHANNEL_LEASE_NS] = { .type = NLA_U64, },
	[IPCCHAN_A_CHANNEL_MAX_DELIVERIES] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_DEAD_LETTER] = { .type = NLA_NUL_STRING, .len = 63, },
};

/* IPCCHAN_CMD_CHANNEL_GET - do */
const struct nla_policy ipcchan_channel_get_nl_policy[IPCCHAN_A_CHANNEL_NAME + 1] = {
	[IPCCHAN_A_CHANNEL_ID] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
};

/* IPCCHAN_CMD_CHANNEL_DEL - do */
const struct nla_policy ipcchan_channel_del_nl_policy[IPCCHAN_A_CHANNEL_NAME + 1] = {
	[IPCCHAN_A_CHANNEL_ID] = { .type = NLA_U32, },
	[IPCCHAN_A_CHANNEL_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
};

/* IPCCHAN_CMD_PORT_GET - do */
const struct nla_policy ipcchan_port_get_nl_policy[IPCCHAN_A_PORT_CHANNEL_ID + 1] = {
	[IPCCHAN_A_PORT_CHANNEL] = { .type = NLA_NUL_STRING, .len = 63, },
	[IPCCHAN_A_PORT_CHANNEL_ID] = { .type = NLA_U32, },
	[IPCCHAN_A_PORT_ID] = { .type = NLA_U32, },
};

/* IPCCHAN_CMD_PORT_EVICT - do */
const struct nla_policy ipcchan_port_evict_nl_policy[IPCCHAN_A_PORT_CHANNEL_ID + 1] = {
	[IPCCHAN_A_PORT_CHANNEL] = { .type = NLA_NUL_STRING, .len = 63, },
	[IPCCHAN_A_PORT_CHANNEL_ID] = { .type = NLA_U32, },
	[IPCCHAN_A_PORT_ID] = { .type = NLA_U32, },
};

/* Ops table for ipcchan */
const struct genl_ops ipcchan_nl_ops[5] = {
	{
		.cmd		= IPCCHAN_CMD_CHANNEL_NEW,
		.doit		= ipcchan_nl_channel_new_doit,
		.policy		= ipcchan_channel_new_nl_policy,
		.maxattr	= IPCCHAN_A_CHANNEL_DEAD_LETTER,
	},
	{
		.cmd		= IPCCHAN_CMD_CHANNEL_GET,
		.doit		= ipcchan_nl_channel_get_doit,
		.dumpit		= ipcchan_nl_channel_get_dumpit,
		.policy		= ipcchan_channel_get_nl_policy,
		.maxattr	= IPCCHAN_A_CHANNEL_NAME,
	},
	{
		.cmd		= IPCCHAN_CMD_CHANNEL_DEL,
		.doit		= ipcchan_nl_channel_del_doit,
		.policy		= ipcchan_channel_del_nl_policy,
		.maxattr	= IPCCHAN_A_CHANNEL_NAME,
	},
	{
		.cmd		= IPCCHAN_CMD_PORT_GET,
		.doit		= ipcchan_nl_port_get_doit,
		.dumpit		= ipcchan_nl_port_get_dumpit,
		.policy		= ipcchan_port_get_nl_policy,
		.maxattr	= IPCCHAN_A_PORT_CHANNEL_ID,
	},
	{
		.cmd		= IPCCHAN_CMD_PORT_EVICT,
		.doit		= ipcchan_nl_port_evict_doit,
		.policy		= ipcchan_port_evict_nl_policy,
		.maxattr	= IPCCHAN_A_PORT_CHANNEL_ID,
	},
};
