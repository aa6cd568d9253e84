// SPDX-License-Identifier: GPL-2.0
/* Generic netlink by hand; see genl.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "genl.h"

#define PATIENCE_S 20

/* Requests */

struct genl_request genl_request(uint8_t command)
{
	struct genl_request r = { .header = {
		.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	} };
	struct genlmsghdr *header = NLMSG_DATA(&r.header);

	header->cmd = command;
	header->version = IPCCHAN_FAMILY_VERSION;
	return r;
}

struct genl_request genl_dump(uint8_t command)
{
	struct genl_request r = genl_request(command);

	r.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	return r;
}

void genl_put(struct genl_request *r, uint16_t type, const void *data, size_t size)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + size, .nla_type = type };
	char *at = r->bytes + r->header.nlmsg_len;

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + NLA_HDRLEN, data, size);
	r->header.nlmsg_len += NLA_ALIGN(attr.nla_len);
}

void genl_put_u32(struct genl_request *r, uint16_t type, uint32_t value)
{
	genl_put(r, type, &value, sizeof(value));
}

void genl_put_u64(struct genl_request *r, uint16_t type, uint64_t value)
{
	genl_put(r, type, &value, sizeof(value));
}

void genl_put_text(struct genl_request *r, uint16_t type, const char *text)
{
	genl_put(r, type, text, strlen(text) + 1);
}

struct genl_request genl_of_channel(uint8_t command, const char *name)
{
	struct genl_request r = genl_request(command);

	genl_put_text(&r, IPCCHAN_A_CHANNEL_NAME, name);
	return r;
}

struct genl_request genl_of_port(uint8_t command, const char *name, uint32_t id)
{
	struct genl_request r = genl_request(command);

	genl_put_text(&r, IPCCHAN_A_PORT_CHANNEL, name);
	genl_put_u32(&r, IPCCHAN_A_PORT_ID, id);
	return r;
}

/* Attributes */

struct genl_attrs genl_attrs(const struct nlmsghdr *message)
{
	struct genl_attrs none = { NULL, 0 };

	if (!message)
		return none;
	return (struct genl_attrs){ (const char *)message + NLMSG_HDRLEN + GENL_HDRLEN,
				    message->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN };
}

static const struct nlattr *find(struct genl_attrs attrs, uint16_t type)
{
	size_t at = 0;

	while (at + NLA_HDRLEN <= attrs.size) {
		const struct nlattr *attr = (const void *)(attrs.at + at);

		if (attr->nla_len < NLA_HDRLEN || at + attr->nla_len > attrs.size)
			return NULL;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

int64_t genl_number(struct genl_attrs attrs, uint16_t type)
{
	const struct nlattr *attr = find(attrs, type);
	uint64_t value = 0;

	if (!attr || attr->nla_len > NLA_HDRLEN + sizeof(value))
		return -1;
	memcpy(&value, attr + 1, attr->nla_len - NLA_HDRLEN);
	return value;
}

const char *genl_text(struct genl_attrs attrs, uint16_t type)
{
	const struct nlattr *attr = find(attrs, type);
	const char *text = (const char *)(attr + 1);

	if (!attr || attr->nla_len == NLA_HDRLEN || text[attr->nla_len - NLA_HDRLEN - 1])
		return NULL;
	return text;
}

struct genl_attrs genl_nest(struct genl_attrs attrs, uint16_t type)
{
	const struct nlattr *attr = find(attrs, type);

	if (!attr || !(attr->nla_type & NLA_F_NESTED))
		return (struct genl_attrs){ NULL, 0 };
	return (struct genl_attrs){ (const char *)(attr + 1), attr->nla_len - NLA_HDRLEN };
}

const struct nlmsghdr *genl_with_text(const struct genl_answers *answers, uint16_t type,
				      const char *text)
{
	for (size_t i = 0; i < answers->count; i++) {
		const char *here = genl_text(genl_attrs(answers->messages[i]), type);

		if (here && !strcmp(here, text))
			return answers->messages[i];
	}
	return NULL;
}

const struct nlmsghdr *genl_with_number(const struct genl_answers *answers, uint16_t type,
					int64_t number)
{
	for (size_t i = 0; i < answers->count; i++)
		if (genl_number(genl_attrs(answers->messages[i]), type) == number)
			return answers->messages[i];
	return NULL;
}

/* Talking */

static int keep(struct genl_answers *answers, const struct nlmsghdr *message)
{
	struct nlmsghdr **more, *copy = malloc(message->nlmsg_len);

	more = realloc(answers->messages, (answers->count + 1) * sizeof(*more));
	if (!copy || !more)
		return -ENOMEM;
	memcpy(copy, message, message->nlmsg_len);
	answers->messages = more;
	answers->messages[answers->count++] = copy;
	return 0;
}

void genl_free(struct genl_answers *answers)
{
	while (answers->count)
		free(answers->messages[--answers->count]);
	free(answers->messages);
	memset(answers, 0, sizeof(*answers));
}

/* What stands behind the fixed part of an error, or of the end of a dump. */
static void read_words(const struct nlmsghdr *message, size_t fixed)
{
	size_t used = NLMSG_HDRLEN + NLMSG_ALIGN(fixed);
	const char *words;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) || message->nlmsg_len <= used)
		return;
	words = genl_text((struct genl_attrs){ (const char *)message + used,
					       message->nlmsg_len - used }, NLMSGERR_ATTR_MSG);
	if (words)
		snprintf(why, sizeof(why), "%s", words);
}

static int ended(struct genl_answers *answers, const struct nlmsghdr *message, size_t fixed)
{
	int error = 0;

	answers->done = true;
	if (message->nlmsg_len >= NLMSG_HDRLEN + sizeof(error))
		memcpy(&error, NLMSG_DATA(message), sizeof(error));
	if (error)
		read_words(message, fixed);
	return error;
}

static int take(struct genl_answers *answers, const struct nlmsghdr *message)
{
	answers->disturbed |= !!(message->nlmsg_flags & NLM_F_DUMP_INTR);
	switch (message->nlmsg_type) {
	case NLMSG_ERROR:
		return ended(answers, message, sizeof(struct nlmsgerr));
	case NLMSG_DONE:
		return ended(answers, message, sizeof(int));
	}
	return keep(answers, message);
}

int genl_send(struct genl *g, struct genl_request *r)
{
	why[0] = 0;
	if (!r->header.nlmsg_type)
		r->header.nlmsg_type = g->family;
	return send(g->fd, r, r->header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* The kernel makes the datagrams of a list as large as a buffer it has seen. */
int genl_receive(struct genl *g, struct genl_answers *answers)
{
	static char buffer[8192] __attribute__((aligned(8)));
	const struct nlmsghdr *message = (void *)buffer;
	int left = recv(g->fd, buffer, sizeof(buffer), MSG_TRUNC), err = 0;

	if (left < 0)
		return -errno;
	if ((size_t)left > sizeof(buffer))
		return -EMSGSIZE;
	answers->datagrams++;
	for (; NLMSG_OK(message, left) && !err && !answers->done;
	     message = NLMSG_NEXT(message, left))
		err = take(answers, message);
	return err;
}

int genl_talk(struct genl *g, struct genl_request *r, struct genl_answers *answers)
{
	struct genl_answers unwanted = { 0 };
	int err = genl_send(g, r);

	if (!answers)
		answers = &unwanted;
	while (!err && !answers->done)
		err = genl_receive(g, answers);
	genl_free(&unwanted);
	return err;
}

static int resolve(struct genl *g)
{
	struct genl_request r = genl_request(CTRL_CMD_GETFAMILY);
	struct genl_answers answers = { 0 };
	int64_t family = -1;
	int err;

	r.header.nlmsg_type = GENL_ID_CTRL;
	genl_put_text(&r, CTRL_ATTR_FAMILY_NAME, IPCCHAN_FAMILY_NAME);
	err = genl_talk(g, &r, &answers);
	if (!err && answers.count)
		family = genl_number(genl_attrs(answers.messages[0]), CTRL_ATTR_FAMILY_ID);
	genl_free(&answers);
	g->family = family;
	return err || family > 0 ? err : -EPROTO;
}

int genl_open(struct genl *g)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int one = 1, err;

	g->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (g->fd < 0)
		return -errno;
	if (setsockopt(g->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    setsockopt(g->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) ||
	    setsockopt(g->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err = -errno;
	else
		err = resolve(g);
	if (err)
		genl_close(g);
	return err;
}

void genl_close(struct genl *g)
{
	close(g->fd);
	g->fd = -1;
}

int genl_ask(void *request)
{
	struct genl g;
	int err = genl_open(&g);

	if (err)
		return err;
	err = genl_talk(&g, request, NULL);
	genl_close(&g);
	return err;
}
