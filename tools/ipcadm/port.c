// SPDX-License-Identifier: GPL-2.0
/* ipcadm port: show and evict ports. */
#include <errno.h>

#include <linux/ipcchan_netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "field.h"
#include "ipcadm.h"
#include "netlink.h"
#include "output.h"
#include "parse.h"

static struct nl_msg *of_channel(struct session *session, uint8_t command,
				 const struct channel_word *channel)
{
	struct nl_msg *request = session_request(session, command);

	if (request && put_channel(request, channel, IPCCHAN_A_PORT_CHANNEL,
				   IPCCHAN_A_PORT_CHANNEL_ID)) {
		nlmsg_free(request);
		request = NULL;
	}
	return request;
}

static int dump(struct session *session, const struct channel_word *channel,
		struct answers *answers)
{
	struct nl_msg *request = of_channel(session, IPCCHAN_CMD_PORT_GET, channel);

	return session_dump(session, request, answers);
}

/* By their numbers, which all of them have. */
static bool read_id(struct nl_msg *message, struct channel_word *channel)
{
	struct nlattr *id = nlmsg_find_attr(nlmsg_hdr(message), GENL_HDRLEN,
					    IPCCHAN_A_CHANNEL_ID);

	*channel = (struct channel_word){ .id = id ? nla_get_u32(id) : 0 };
	return id;
}

/* A channel that went, or was taken from us, since it was listed has no ports. */
static bool vanished(int error)
{
	return error == -ENOENT || error == -EACCES;
}

static int dump_all(struct session *session, struct answers *answers)
{
	struct answers channels = { 0 };
	struct nl_msg *request = session_request(session, IPCCHAN_CMD_CHANNEL_GET);
	int error = session_dump(session, request, &channels);
	struct channel_word channel;

	for (size_t i = 0; i < channels.count && !error; i++) {
		if (!read_id(channels.messages[i], &channel))
			continue;
		error = dump(session, &channel, answers);
		if (vanished(error))
			error = 0;
	}
	answers_free(&channels);
	return error;
}

static int get(struct session *session, const struct channel_word *channel,
	       struct answers *answers)
{
	if (!channel)
		return dump_all(session, answers) ? refusal("%s", session->why) : EXIT_OK;
	if (dump(session, channel, answers))
		return refusal("%s: %s", channel->text, session->why);
	return EXIT_OK;
}

int port_show(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &port_fields };
	struct answers answers = { 0 };
	struct channel_word channel;
	int code = EXIT_OK;

	if (argc && !is_channel(argc, argv, 0))
		return usage_error("port show: unknown word '%s'; accepted: one NAME, id N, or none",
				   argv[1]);
	if (argc)
		code = parse_channel(argc, argv, 0, &channel);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	code = get(&session, argc ? &channel : NULL, &answers);
	if (!code && options->json)
		code = output_json(&port_fields, &answers);
	else if (!code)
		code = output_list(&port_fields, &answers);
	answers_free(&answers);
	session_close(&session);
	return code;
}

int port_evict(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &port_fields };
	struct channel_word channel;
	struct nl_msg *request;
	uint32_t id;
	int code;

	(void)options;
	if (!is_channel(argc, argv, 1))
		return usage_error("port evict: takes NAME, or id N, and PORT-ID and nothing else");
	code = parse_channel(argc, argv, 1, &channel);
	if (!code)
		code = parse_port_id(argv[argc - 1], &id);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	request = of_channel(&session, IPCCHAN_CMD_PORT_EVICT, &channel);
	if (request && nla_put_u32(request, IPCCHAN_A_PORT_ID, id) < 0) {
		nlmsg_free(request);
		request = NULL;
	}
	if (session_do(&session, request, NULL))
		code = refusal("%s: port %u: %s", channel.text, id, session.why);
	session_close(&session);
	return code;
}
