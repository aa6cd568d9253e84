// SPDX-License-Identifier: GPL-2.0
/* Talking to the module. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <linux/ipcchan_netlink.h>

#include "field.h"
#include "ipcadm.h"
#include "netlink.h"

/* A dump that was disturbed is asked for again, but not for ever. */
#define DUMP_TRIES 100

/* One request and what has come back so far. */
struct exchange {
	struct session *session;
	const struct nlmsghdr *request;
	struct answers *answers;
	int error;
	bool done;
	bool disturbed;
};

static void explain(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void explain(struct session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(session->why, sizeof(session->why), format, args);
	va_end(args);
}

/* libnl's error as an errno; only those that can happen here. */
static int from_libnl(struct session *session, int error)
{
	explain(session, "netlink: %s", nl_geterror(error));
	switch (-error) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_MSGSIZE:
		return -EMSGSIZE;
	}
	return -EIO;
}

static bool set_option(struct nl_sock *socket, int option)
{
	int one = 1;

	return setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, option, &one, sizeof(one)) == 0;
}

static int connect_family(struct session *session)
{
	int error = genl_connect(session->socket);

	if (error < 0)
		return from_libnl(session, error);
	/* Without these the kernel's words would be lost. */
	if (!set_option(session->socket, NETLINK_EXT_ACK) ||
	    !set_option(session->socket, NETLINK_CAP_ACK)) {
		error = -errno;
		explain(session, "netlink: %s", strerror(errno));
		return error;
	}
	session->family = genl_ctrl_resolve(session->socket, IPCCHAN_FAMILY_NAME);
	if (session->family == -NLE_OBJ_NOTFOUND) {
		explain(session, "the ipcchan module is not loaded");
		return -ENODEV;
	}
	return session->family < 0 ? from_libnl(session, session->family) : 0;
}

int session_open(struct session *session)
{
	int error;

	session->socket = nl_socket_alloc();
	if (!session->socket) {
		explain(session, "out of memory");
		return -ENOMEM;
	}
	error = connect_family(session);
	if (error)
		session_close(session);
	return error;
}

void session_close(struct session *session)
{
	nl_socket_free(session->socket);
	session->socket = NULL;
}

struct nl_msg *session_request(struct session *session, uint8_t command)
{
	struct nl_msg *request = nlmsg_alloc();

	if (request && !genlmsg_put(request, NL_AUTO_PORT, NL_AUTO_SEQ, session->family, 0, 0,
				    command, IPCCHAN_FAMILY_VERSION)) {
		nlmsg_free(request);
		request = NULL;
	}
	return request;
}

static bool keep(struct answers *answers, struct nl_msg *message)
{
	if (answers->count == answers->room) {
		size_t room = answers->room ? 2 * answers->room : 16;
		void *more = reallocarray(answers->messages, room, sizeof(struct nl_msg *));

		if (!more)
			return false;
		answers->messages = more;
		answers->room = room;
	}
	nlmsg_get(message);
	answers->messages[answers->count++] = message;
	return true;
}

static void forget(struct answers *answers, size_t count)
{
	while (answers->count > count)
		nlmsg_free(answers->messages[--answers->count]);
}

void answers_free(struct answers *answers)
{
	forget(answers, 0);
	free(answers->messages);
	memset(answers, 0, sizeof(*answers));
}

/* The key of the attribute of the request at @offset; NULL if it is none. */
static const char *culprit(const struct exchange *exchange, uint32_t offset)
{
	const struct nlattr *attr = (const void *)((const char *)exchange->request + offset);
	const struct field_table *table = exchange->session->table;

	if (!table || offset < NLMSG_HDRLEN + GENL_HDRLEN ||
	    offset + NLA_HDRLEN > exchange->request->nlmsg_len)
		return NULL;
	for (size_t i = 0; i < table->count; i++) {
		if (table->fields[i].attr == nla_type(attr))
			return table->fields[i].key;
	}
	return NULL;
}

/*
 * The kernel's own words, which libnl 3.7 does not look for; @attrs is what
 * follows an error, @len bytes. Names the attribute if the words do not.
 */
static void read_words(struct exchange *exchange, struct nlattr *attrs, int len)
{
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	const char *words, *key = NULL;

	if (nla_parse(tb, NLMSGERR_ATTR_MAX, attrs, len, NULL) < 0 || !tb[NLMSGERR_ATTR_MSG])
		return;
	words = nla_data(tb[NLMSGERR_ATTR_MSG]);
	if (nla_len(tb[NLMSGERR_ATTR_MSG]) <= 0 || words[nla_len(tb[NLMSGERR_ATTR_MSG]) - 1])
		return;
	if (tb[NLMSGERR_ATTR_OFFS] && nla_len(tb[NLMSGERR_ATTR_OFFS]) >= (int)sizeof(uint32_t))
		key = culprit(exchange, nla_get_u32(tb[NLMSGERR_ATTR_OFFS]));
	if (key && !strstr(words, key))
		explain(exchange->session, "%s: %s", key, words);
	else
		explain(exchange->session, "%s", words);
}

static void fail(struct exchange *exchange, int error)
{
	exchange->error = error;
	exchange->done = true;
	explain(exchange->session, "%s", strerror(-error));
}

static int on_message(struct nl_msg *message, void *arg)
{
	struct exchange *exchange = arg;

	if (exchange->answers && !keep(exchange->answers, message)) {
		fail(exchange, -ENOMEM);
		return NL_STOP;
	}
	return NL_OK;
}

static int on_ack(struct nl_msg *message, void *arg)
{
	struct exchange *exchange = arg;

	(void)message;
	exchange->done = true;
	return NL_STOP;
}

/* The end of a dump carries an error of its own, and words. */
static int on_finish(struct nl_msg *message, void *arg)
{
	struct exchange *exchange = arg;
	struct nlmsghdr *header = nlmsg_hdr(message);
	int error = 0;

	exchange->done = true;
	if (nlmsg_datalen(header) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(header), sizeof(error));
	if (error < 0) {
		fail(exchange, error);
		if (header->nlmsg_flags & NLM_F_ACK_TLVS)
			read_words(exchange, nlmsg_attrdata(header, sizeof(error)),
				   nlmsg_attrlen(header, sizeof(error)));
	}
	return NL_STOP;
}

static int on_disturbed(struct nl_msg *message, void *arg)
{
	struct exchange *exchange = arg;

	(void)message;
	exchange->disturbed = true;
	return NL_OK;
}

/* With NETLINK_CAP_ACK the error holds only the header of the request. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *refusal, void *arg)
{
	struct exchange *exchange = arg;
	struct nlmsghdr *header = (struct nlmsghdr *)((char *)refusal - NLMSG_HDRLEN);
	int fixed = sizeof(*refusal);

	(void)from;
	fail(exchange, refusal->error);
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		fixed += refusal->msg.nlmsg_len - NLMSG_HDRLEN;
	if (header->nlmsg_flags & NLM_F_ACK_TLVS && nlmsg_attrlen(header, fixed) > 0)
		read_words(exchange, nlmsg_attrdata(header, fixed), nlmsg_attrlen(header, fixed));
	return NL_STOP;
}

static int receive(struct exchange *exchange)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int error = 0;

	if (!cb)
		return from_libnl(exchange->session, -NLE_NOMEM);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, exchange);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, exchange);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, exchange);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_disturbed, exchange);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, exchange);
	while (!exchange->done && error >= 0)
		error = nl_recvmsgs(exchange->session->socket, cb);
	nl_cb_put(cb);
	return exchange->done ? exchange->error : from_libnl(exchange->session, error);
}

/* Sends, and waits for the end of the answer. */
static int talk(struct exchange *exchange, struct nl_msg *request)
{
	int error = nl_send_auto(exchange->session->socket, request);

	exchange->request = nlmsg_hdr(request);
	return error < 0 ? from_libnl(exchange->session, error) : receive(exchange);
}

/* What does not fit into a request was not put there: see session_request(). */
static int check(struct session *session, const struct nl_msg *request)
{
	if (request)
		return 0;
	explain(session, "out of memory");
	return -ENOMEM;
}

int session_do(struct session *session, struct nl_msg *request, struct answers *answers)
{
	struct exchange exchange = { .session = session, .answers = answers };
	int error = check(session, request);

	if (error)
		return error;
	nlmsg_hdr(request)->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	error = talk(&exchange, request);
	nlmsg_free(request);
	return error;
}

/* Adds to @answers; until nothing changed in mid-dump. */
int session_dump(struct session *session, struct nl_msg *request, struct answers *answers)
{
	size_t before = answers->count;
	int error = check(session, request);

	if (error)
		return error;
	for (int i = 0; i < DUMP_TRIES; i++) {
		struct exchange exchange = { .session = session, .answers = answers };

		nlmsg_hdr(request)->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		nlmsg_hdr(request)->nlmsg_seq = NL_AUTO_SEQ;
		error = talk(&exchange, request);
		if (!error && !exchange.disturbed)
			goto out;
		forget(answers, before);
		if (error)
			goto out;
	}
	explain(session, "what is to be listed changes all the time");
	error = -EBUSY;
out:
	nlmsg_free(request);
	return error;
}
