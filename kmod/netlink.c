// SPDX-License-Identifier: GPL-2.0
/* The generic netlink family: its requests. */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/net.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "names.h"
#include "netlink.h"
#include "netlink_gen.h"
#include "netlink_put.h"
#include "rights.h"

/* If there is one, the sentence is a constant: no copy is needed. */
static void explain(struct netlink_ext_ack *extack,
		    const struct ipcchan_why *why)
{
	if (extack && why->text)
		extack->_msg = why->text;
}

/* Whoever opened the socket the request came through. */
static const struct cred *opener(const struct sk_buff *request)
{
	return NETLINK_CB(request).sk->sk_socket->file->f_cred;
}

/* What both the caller and the opener may do; here that is not by handles. */
static u32 rights_to(const struct sk_buff *request,
		     const struct ipcchan_channel *chan)
{
	u32 rights = ipcchan_rights(chan);
	const struct cred *cred = opener(request), *own;

	if (rights && cred != current_cred()) {
		own = override_creds(cred);
		rights &= ipcchan_rights(chan);
		revert_creds(own);
	}
	return chan->name[0] ? rights : rights & IPCCHAN_ADMIN;
}

/* May the caller create in its own name, given who opened the socket? */
static int check_opener(const struct sk_buff *request,
			const struct ipcchan_net *in, struct ipcchan_why *why)
{
	const struct cred *cred = opener(request), *own;
	bool admin;

	if (cred == current_cred())
		return 0;
	own = override_creds(cred);
	admin = ipcchan_rights_admin(in);
	revert_creds(own);
	if (admin || (uid_eq(cred->fsuid, current_fsuid()) &&
		      !ipcchan_rights_admin(in)))
		return 0;
	return ipcchan_refuse(why, -EPERM,
			      "the socket was opened by somebody with fewer rights");
}

/* Who has no right to it is told what he would be if there were none. */
static struct ipcchan_channel *find_number(const struct sk_buff *request,
					   struct net *net, u32 id,
					   struct ipcchan_why *why)
{
	struct ipcchan_channel *chan = ipcchan_names_get(ipcchan_net(net), id);

	if (chan && !rights_to(request, chan))
		chan = ipcchan_channel_put(chan);
	if (!chan)
		return ERR_PTR(ipcchan_refuse(why, -ENOENT,
					      "there is no channel of that number"));
	return chan;
}

/* By its name or its number, with a reference, or an ERR_PTR(). */
static struct ipcchan_channel *find(const struct sk_buff *request,
				    struct net *net, struct nlattr *name,
				    struct nlattr *id, struct ipcchan_why *why)
{
	if (name && id)
		return ERR_PTR(ipcchan_refuse(why, -EINVAL,
					      "the channel is given by name and by number"));
	if (id)
		return find_number(request, net, nla_get_u32(id), why);
	if (!name)
		return ERR_PTR(ipcchan_refuse(why, -EINVAL,
					      "the name of the channel is missing"));
	return ipcchan_channel_find(ipcchan_net(net), nla_data(name), why);
}

static struct ipcchan_channel *find_channel(struct sk_buff *request,
					    struct genl_info *info,
					    struct ipcchan_why *why)
{
	return find(request, genl_info_net(info),
		    info->attrs[IPCCHAN_A_CHANNEL_NAME],
		    info->attrs[IPCCHAN_A_CHANNEL_ID], why);
}

static struct ipcchan_channel *find_ports(const struct sk_buff *request,
					  struct net *net, struct nlattr **attrs,
					  struct ipcchan_why *why)
{
	return find(request, net, attrs[IPCCHAN_A_PORT_CHANNEL],
		    attrs[IPCCHAN_A_PORT_CHANNEL_ID], why);
}

/* For what needs no more than to have heard of the channel. */
static int check_known(u32 rights, struct ipcchan_why *why)
{
	if (!rights)
		return ipcchan_refuse(why, -EACCES, "no right to the channel");
	return 0;
}

static int check_admin(u32 rights, struct ipcchan_why *why)
{
	if (!(rights & IPCCHAN_ADMIN))
		return ipcchan_refuse(why, -EPERM,
				      "only the channel's owner or CAP_NET_ADMIN may do that");
	return 0;
}

/* With the mutex: the channel may have gone since it was found. */
static int check_there(const struct ipcchan_channel *chan,
		       struct ipcchan_why *why)
{
	if (chan->state != IPCCHAN_CHANNEL_ACTIVE)
		return ipcchan_refuse(why, -ENOENT,
				      "there is no channel of that name");
	return 0;
}

static u32 u32_or(struct nlattr *attr, u32 otherwise)
{
	return attr ? nla_get_u32(attr) : otherwise;
}

static u64 u64_or_0(struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static void read_geometry(struct nlattr **attrs, struct ipcchan_geometry *g)
{
	g->depth = u32_or(attrs[IPCCHAN_A_CHANNEL_DEPTH], 0);
	g->senders = u32_or(attrs[IPCCHAN_A_CHANNEL_SENDERS], 0);
	g->receivers = u32_or(attrs[IPCCHAN_A_CHANNEL_RECEIVERS], 0);
	g->holds = u32_or(attrs[IPCCHAN_A_CHANNEL_HOLDS], 0);
	g->arena = u64_or_0(attrs[IPCCHAN_A_CHANNEL_ARENA]);
	g->max_message = u64_or_0(attrs[IPCCHAN_A_CHANNEL_MAX_MESSAGE]);
}

static int read_create(struct nlattr **attrs, struct ipcchan_create *args,
		       struct ipcchan_why *why)
{
	if (!attrs[IPCCHAN_A_CHANNEL_NAME])
		return ipcchan_refuse(why, -EINVAL,
				      "the name of the channel is missing");
	if (!attrs[IPCCHAN_A_CHANNEL_TYPE])
		return ipcchan_refuse(why, -EINVAL,
				      "the type of the channel is missing");
	args->flags = u32_or(attrs[IPCCHAN_A_CHANNEL_FLAGS], 0);
	if (args->flags & IPCCHAN_CREATE_UNNAMED)
		return ipcchan_refuse(why, -EINVAL,
				      "an unnamed channel is made with its handle, not here");
	read_geometry(attrs, &args->geometry);
	args->type = nla_get_u32(attrs[IPCCHAN_A_CHANNEL_TYPE]);
	args->overflow = u32_or(attrs[IPCCHAN_A_CHANNEL_OVERFLOW], 0);
	args->mode = u32_or(attrs[IPCCHAN_A_CHANNEL_MODE], 0600);
	args->uid = u32_or(attrs[IPCCHAN_A_CHANNEL_UID], IPCCHAN_ID_SELF);
	args->gid = u32_or(attrs[IPCCHAN_A_CHANNEL_GID], IPCCHAN_ID_SELF);
	args->history = u32_or(attrs[IPCCHAN_A_CHANNEL_HISTORY], 0);
	args->stall_ns = u64_or_0(attrs[IPCCHAN_A_CHANNEL_STALL_NS]);
	nla_strscpy(args->name, attrs[IPCCHAN_A_CHANNEL_NAME],
		    sizeof(args->name));
	args->lease_ns = u64_or_0(attrs[IPCCHAN_A_CHANNEL_LEASE_NS]);
	args->max_deliveries = u32_or(attrs[IPCCHAN_A_CHANNEL_MAX_DELIVERIES], 0);
	if (attrs[IPCCHAN_A_CHANNEL_DEAD_LETTER])
		nla_strscpy(args->dead_letter, attrs[IPCCHAN_A_CHANNEL_DEAD_LETTER],
			    sizeof(args->dead_letter));
	if (attrs[IPCCHAN_A_CHANNEL_LABEL])
		nla_strscpy(args->label, attrs[IPCCHAN_A_CHANNEL_LABEL],
			    sizeof(args->label));
	return 0;
}

int ipcchan_nl_channel_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ipcchan_net *in = ipcchan_net(genl_info_net(info));
	struct ipcchan_create args = { .size = sizeof(args) };
	struct ipcchan_why why = {};
	struct ipcchan_channel *chan;
	int err;

	err = read_create(info->attrs, &args, &why) ?:
	      check_opener(skb, in, &why);
	if (!err) {
		chan = ipcchan_channel_create(in, &args, &why);
		if (IS_ERR(chan))
			err = PTR_ERR(chan);
		else
			ipcchan_channel_put(chan);
	}
	explain(info->extack, &why);
	return err;
}

int ipcchan_nl_channel_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ipcchan_why why = {};
	struct ipcchan_channel *chan;
	int err;

	chan = find_channel(skb, info, &why);
	if (IS_ERR(chan)) {
		err = PTR_ERR(chan);
	} else {
		err = check_admin(rights_to(skb, chan), &why);
		if (!err)
			ipcchan_channel_delete(chan);
		ipcchan_channel_put(chan);
	}
	explain(info->extack, &why);
	return err;
}

int ipcchan_nl_port_evict_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *id = info->attrs[IPCCHAN_A_PORT_ID];
	struct ipcchan_why why = {};
	struct ipcchan_channel *chan;
	int err;

	chan = find_ports(skb, genl_info_net(info), info->attrs, &why);
	if (IS_ERR(chan)) {
		err = PTR_ERR(chan);
	} else {
		err = check_admin(rights_to(skb, chan), &why);
		if (!err && !id)
			err = ipcchan_refuse(&why, -EINVAL,
					     "the number of the port is missing");
		if (!err)
			err = ipcchan_port_evict(chan, nla_get_u32(id), &why);
		ipcchan_channel_put(chan);
	}
	explain(info->extack, &why);
	return err;
}

static struct genl_family family;

/* Finishes a message begun with @header. */
static int end(struct sk_buff *skb, void *header, int err)
{
	if (err)
		genlmsg_cancel(skb, header);
	else
		genlmsg_end(skb, header);
	return err;
}

/* One channel, with a header of its own; takes the mutex. */
static int put_channel(struct sk_buff *skb, struct ipcchan_channel *chan,
		       u32 rights, void *header, struct ipcchan_why *why)
{
	int err;

	mutex_lock(&chan->mutex);
	err = check_there(chan, why) ?:
	      ipcchan_netlink_put_channel(skb, chan, rights);
	mutex_unlock(&chan->mutex);
	return end(skb, header, err);
}

static int get_channel(struct sk_buff *request, struct genl_info *info,
		       struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	u32 rights = rights_to(request, chan);
	struct sk_buff *skb;
	void *header;
	int err;

	err = check_known(rights, why);
	if (err)
		return err;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return ipcchan_refuse(why, -ENOMEM, "not enough memory");
	header = genlmsg_put_reply(skb, info, &family, 0,
				   IPCCHAN_CMD_CHANNEL_GET);
	err = header ? put_channel(skb, chan, rights, header, why) : -EMSGSIZE;
	if (!err)
		return genlmsg_reply(skb, info);
	nlmsg_free(skb);
	return err;
}

int ipcchan_nl_channel_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ipcchan_why why = {};
	struct ipcchan_channel *chan;
	int err;

	chan = find_channel(skb, info, &why);
	if (IS_ERR(chan)) {
		err = PTR_ERR(chan);
	} else {
		err = get_channel(skb, info, chan, &why);
		ipcchan_channel_put(chan);
	}
	explain(info->extack, &why);
	return err;
}

static void *put_header(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				   cb->nlh->nlmsg_seq, &family, NLM_F_MULTI, cmd);

	if (header)
		genl_dump_check_consistent(cb, header);
	return header;
}

/* One channel of a dump; those that are none of the caller's are left out. */
static int dump_channel(struct sk_buff *skb, struct netlink_callback *cb,
			struct ipcchan_channel *chan)
{
	u32 rights = rights_to(cb->skb, chan);
	struct ipcchan_why why = {};
	void *header;
	int err;

	if (!rights)
		return 0;
	header = put_header(skb, cb, IPCCHAN_CMD_CHANNEL_GET);
	err = header ? put_channel(skb, chan, rights, header, &why) : -EMSGSIZE;
	return err == -ENOENT ? 0 : err;	/* it has just gone */
}

/* What a dump returns: there may be more to say than fits into one message. */
static int dumped(const struct sk_buff *skb, int err)
{
	return err == -EMSGSIZE && skb->len ? (int)skb->len : err;
}

/* cb->args[0]: number of the next channel */
int ipcchan_nl_channel_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	struct ipcchan_net *in = ipcchan_net(sock_net(skb->sk));
	struct ipcchan_channel *chan;
	int id = cb->args[0], err = 0;

	if (ipcchan_dump_attrs(cb)[IPCCHAN_A_CHANNEL_NAME]) {
		NL_SET_ERR_MSG(cb->extack, "a dump of channels takes no name");
		return -EINVAL;
	}
	if (ipcchan_dump_attrs(cb)[IPCCHAN_A_CHANNEL_ID]) {
		NL_SET_ERR_MSG(cb->extack, "a dump of channels takes no number");
		return -EINVAL;
	}
	cb->seq = ipcchan_names_generation(in);
	while ((chan = ipcchan_names_next(in, &id))) {
		err = dump_channel(skb, cb, chan);
		ipcchan_channel_put(chan);
		if (err)
			break;
		id++;
		cond_resched();
	}
	cb->args[0] = id;
	return dumped(skb, err);
}

/* The port of that number, or what is left of it. */
static int put_port(struct sk_buff *skb, struct ipcchan_channel *chan, u32 id,
		    struct ipcchan_why *why)
{
	struct ipcchan_port *port;
	u32 i;

	lockdep_assert_held(&chan->mutex);
	list_for_each_entry(port, &chan->ports, node) {
		if (port->id == id)
			return ipcchan_netlink_put_port(skb, port);
	}
	for (i = 0; i < chan->geometry.senders; i++) {
		const struct ipcchan_sender_slot *s = &chan->senders[i];

		if (s->state == IPCCHAN_SLOT_DRAINING && s->port_id == id)
			return ipcchan_netlink_put_draining(skb, chan, i);
	}
	return ipcchan_refuse(why, -ENOENT, "the channel has no such port");
}

static int get_port(struct sk_buff *request, struct genl_info *info,
		    struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	struct nlattr *id = info->attrs[IPCCHAN_A_PORT_ID];
	struct sk_buff *skb;
	void *header;
	int err;

	err = check_known(rights_to(request, chan), why);
	if (err)
		return err;
	if (!id)
		return ipcchan_refuse(why, -EINVAL,
				      "the number of the port is missing");
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return ipcchan_refuse(why, -ENOMEM, "not enough memory");
	header = genlmsg_put_reply(skb, info, &family, 0, IPCCHAN_CMD_PORT_GET);
	mutex_lock(&chan->mutex);
	err = header ? put_port(skb, chan, nla_get_u32(id), why) : -EMSGSIZE;
	mutex_unlock(&chan->mutex);
	if (!end(skb, header, err))
		return genlmsg_reply(skb, info);
	nlmsg_free(skb);
	return err;
}

int ipcchan_nl_port_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ipcchan_why why = {};
	struct ipcchan_channel *chan;
	int err;

	chan = find_ports(skb, genl_info_net(info), info->attrs, &why);
	if (IS_ERR(chan)) {
		err = PTR_ERR(chan);
	} else {
		err = get_port(skb, info, chan, &why);
		ipcchan_channel_put(chan);
	}
	explain(info->extack, &why);
	return err;
}

/* cb->args[0]: number of the last port told of, which only grow on the list */
static int dump_ports(struct sk_buff *skb, struct netlink_callback *cb,
		      struct ipcchan_channel *chan)
{
	struct ipcchan_port *port;
	void *header;
	int err;

	list_for_each_entry(port, &chan->ports, node) {
		if (port->id <= (u32)cb->args[0])
			continue;
		header = put_header(skb, cb, IPCCHAN_CMD_PORT_GET);
		if (!header)
			return -EMSGSIZE;
		err = end(skb, header, ipcchan_netlink_put_port(skb, port));
		if (err)
			return err;
		cb->args[0] = port->id;
	}
	return 0;
}

/* cb->args[1]: the next slot to look at, when the ports have been told of */
static int dump_draining(struct sk_buff *skb, struct netlink_callback *cb,
			 struct ipcchan_channel *chan)
{
	void *header;
	int err;

	for (; cb->args[1] < chan->geometry.senders; cb->args[1]++) {
		if (chan->senders[cb->args[1]].state != IPCCHAN_SLOT_DRAINING)
			continue;
		header = put_header(skb, cb, IPCCHAN_CMD_PORT_GET);
		if (!header)
			return -EMSGSIZE;
		err = end(skb, header,
			  ipcchan_netlink_put_draining(skb, chan, cb->args[1]));
		if (err)
			return err;
	}
	return 0;
}

/* For dumps: never 0, differs when ports came or went, or the channel did. */
static u32 generation(const struct ipcchan_channel *chan)
{
	return (chan->id * 0x9e3779b1u ^
		(2 * chan->last_port_id - chan->nr_ports)) | 1u << 31;
}

static int dump_all_ports(struct sk_buff *skb, struct netlink_callback *cb,
			  struct ipcchan_channel *chan, struct ipcchan_why *why)
{
	int err;

	err = check_known(rights_to(cb->skb, chan), why);
	if (err)
		return err;
	mutex_lock(&chan->mutex);
	cb->seq = generation(chan);
	err = check_there(chan, why) ?: dump_ports(skb, cb, chan) ?:
	      dump_draining(skb, cb, chan);
	mutex_unlock(&chan->mutex);
	return err;
}

int ipcchan_nl_port_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr **attrs = ipcchan_dump_attrs(cb);
	struct ipcchan_why why = {};
	struct ipcchan_channel *chan;
	int err;

	if (attrs[IPCCHAN_A_PORT_ID]) {
		NL_SET_ERR_MSG(cb->extack, "a dump of ports takes no number");
		return -EINVAL;
	}
	chan = find_ports(cb->skb, sock_net(skb->sk), attrs, &why);
	if (IS_ERR(chan)) {
		err = PTR_ERR(chan);
	} else {
		err = dump_all_ports(skb, cb, chan, &why);
		ipcchan_channel_put(chan);
	}
	explain(cb->extack, &why);
	return dumped(skb, err);
}

static struct genl_family family __ro_after_init = {
	.name = IPCCHAN_FAMILY_NAME,
	.version = IPCCHAN_FAMILY_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ipcchan_nl_ops,
	.n_ops = ARRAY_SIZE(ipcchan_nl_ops),
};

int __init ipcchan_netlink_init(void)
{
	return genl_register_family(&family);
}

void ipcchan_netlink_exit(void)
{
	genl_unregister_family(&family);
}

MODULE_ALIAS_GENL_FAMILY(IPCCHAN_FAMILY_NAME);
