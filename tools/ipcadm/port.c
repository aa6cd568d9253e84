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

static struct nl_msg *of_channel(struct session *session, uint8_t command, const char *channel)
{
	struct nl_msg *request = session_request(session, command);

	if (request && nla_put_string(request, IPCCHAN_A_PORT_CHANNEL, channel) < 0) {
		nlmsg_free(request);
		request = NULL;
	}
	return request;
}

static int dump(struct session *session, const char *channel, struct answers *answers)
{
	struct nl_msg *request = of_channel(session, IPCCHAN_CMD_PORT_GET, channel);

	return session_dump(session, request, answers);
}

static const char *name_of(struct nl_msg *channel)
{
	struct nlattr *name = nlmsg_find_attr(nlmsg_hdr(channel), GENL_HDRLEN,
					      IPCCHAN_A_CHANNEL_NAME);

	return name ? nla_get_string(name) : NULL;
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

	for (size_t i = 0; i < channels.count && !error; i++) {
		const char *name = name_of(channels.messages[i]);

		if (!name)
			continue;
		error = dump(session, name, answers);
		if (vanished(error))
			error = 0;
	}
	answers_free(&channels);
	return error;
}

static int get(struct session *session, const char *channel, struct answers *answers)
{
	if (!channel)
		return dump_all(session, answers) ? refusal("%s", session->why) : EXIT_OK;
	if (dump(session, channel, answers))
		return refusal("%s: %s", channel, session->why);
	return EXIT_OK;
}

int port_show(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &port_fields };
	struct answers answers = { 0 };
	const char *channel = argc ? argv[0] : NULL;
	int code = EXIT_OK;

	if (argc > 1)
		return usage_error("port show: unknown word '%s'; accepted: one NAME or none",
				   argv[1]);
	if (channel)
		code = parse_name(channel);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	code = get(&session, channel, &answers);
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
	struct nl_msg *request;
	uint32_t id;
	int code;

	(void)options;
	if (argc != 2)
		return usage_error("port evict: takes NAME and PORT-ID and nothing else");
	code = parse_name(argv[0]);
	if (!code)
		code = parse_port_id(argv[1], &id);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	request = of_channel(&session, IPCCHAN_CMD_PORT_EVICT, argv[0]);
	if (request && nla_put_u32(request, IPCCHAN_A_PORT_ID, id) < 0) {
		nlmsg_free(request);
		request = NULL;
	}
	if (session_do(&session, request, NULL))
		code = refusal("%s: port %u: %s", argv[0], id, session.why);
	session_close(&session);
	return code;
}
