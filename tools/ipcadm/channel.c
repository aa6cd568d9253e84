// SPDX-License-Identifier: GPL-2.0
/* ipcadm channel: make, show and remove channels. */
#include <linux/ipcchan_netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "field.h"
#include "ipcadm.h"
#include "netlink.h"
#include "output.h"
#include "parse.h"

static struct nl_msg *about(struct session *session, uint8_t command,
			    const struct channel_word *channel)
{
	struct nl_msg *request = session_request(session, command);

	if (request && put_channel(request, channel, IPCCHAN_A_CHANNEL_NAME,
				   IPCCHAN_A_CHANNEL_ID)) {
		nlmsg_free(request);
		request = NULL;
	}
	return request;
}

static int do_about(struct nl_msg *request, struct session *session, const char *channel)
{
	int code = EXIT_OK;

	if (session_do(session, request, NULL))
		code = refusal("%s: %s", channel, session->why);
	session_close(session);
	return code;
}

int channel_add(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &channel_fields };
	struct channel_word channel;
	struct nl_msg *request;
	int code;

	(void)options;
	if (argc < 1)
		return usage_error("channel add: NAME is missing");
	code = parse_channel(1, argv, 0, &channel);
	if (!code)
		code = parse_settings(&channel_fields, argc - 1, argv + 1);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	request = about(&session, IPCCHAN_CMD_CHANNEL_NEW, &channel);
	if (request && put_settings(&channel_fields, argc - 1, argv + 1, request)) {
		nlmsg_free(request);
		request = NULL;
	}
	return do_about(request, &session, channel.text);
}

int channel_del(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &channel_fields };
	struct channel_word channel;
	int code;

	(void)options;
	if (!is_channel(argc, argv, 0))
		return usage_error("channel del: takes NAME, or id N, and nothing else");
	code = parse_channel(argc, argv, 0, &channel);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	return do_about(about(&session, IPCCHAN_CMD_CHANNEL_DEL, &channel), &session,
			channel.text);
}

static int get(struct session *session, const struct channel_word *channel,
	       struct answers *answers)
{
	struct nl_msg *request;

	if (channel) {
		request = about(session, IPCCHAN_CMD_CHANNEL_GET, channel);
		if (session_do(session, request, answers))
			return refusal("%s: %s", channel->text, session->why);
		return EXIT_OK;
	}
	request = session_request(session, IPCCHAN_CMD_CHANNEL_GET);
	if (session_dump(session, request, answers))
		return refusal("%s", session->why);
	return EXIT_OK;
}

int channel_show(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &channel_fields };
	struct answers answers = { 0 };
	struct channel_word channel;
	int code = EXIT_OK;

	if (argc && !is_channel(argc, argv, 0))
		return usage_error("channel show: unknown word '%s'; accepted: one NAME, id N, or none",
				   argv[1]);
	if (argc)
		code = parse_channel(argc, argv, 0, &channel);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	code = get(&session, argc ? &channel : NULL, &answers);
	if (!code && options->json)
		code = output_json(&channel_fields, &answers);
	else if (!code && argc)
		code = output_details(&channel_fields, &answers);
	else if (!code)
		code = output_list(&channel_fields, &answers);
	answers_free(&answers);
	session_close(&session);
	return code;
}
