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

static struct nl_msg *named(struct session *session, uint8_t command, const char *name)
{
	struct nl_msg *request = session_request(session, command);

	if (request && nla_put_string(request, IPCCHAN_A_CHANNEL_NAME, name) < 0) {
		nlmsg_free(request);
		request = NULL;
	}
	return request;
}

static int do_named(struct nl_msg *request, struct session *session, const char *name)
{
	int code = EXIT_OK;

	if (session_do(session, request, NULL))
		code = refusal("%s: %s", name, session->why);
	session_close(session);
	return code;
}

int channel_add(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &channel_fields };
	struct nl_msg *request;
	int code;

	(void)options;
	if (argc < 1)
		return usage_error("channel add: NAME is missing");
	code = parse_name(argv[0]);
	if (!code)
		code = parse_settings(&channel_fields, argc - 1, argv + 1);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	request = named(&session, IPCCHAN_CMD_CHANNEL_NEW, argv[0]);
	if (request && put_settings(&channel_fields, argc - 1, argv + 1, request)) {
		nlmsg_free(request);
		request = NULL;
	}
	return do_named(request, &session, argv[0]);
}

int channel_del(int argc, char **argv, const struct options *options)
{
	struct session session = { .table = &channel_fields };
	int code;

	(void)options;
	if (argc != 1)
		return usage_error("channel del: takes NAME and nothing else");
	code = parse_name(argv[0]);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	return do_named(named(&session, IPCCHAN_CMD_CHANNEL_DEL, argv[0]), &session, argv[0]);
}

static int get(struct session *session, const char *name, struct answers *answers)
{
	struct nl_msg *request;

	if (name) {
		request = named(session, IPCCHAN_CMD_CHANNEL_GET, name);
		if (session_do(session, request, answers))
			return refusal("%s: %s", name, session->why);
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
	const char *name = argc ? argv[0] : NULL;
	int code = EXIT_OK;

	if (argc > 1)
		return usage_error("channel show: unknown word '%s'; accepted: one NAME or none",
				   argv[1]);
	if (name)
		code = parse_name(name);
	if (code)
		return code;
	if (session_open(&session))
		return refusal("%s", session.why);
	code = get(&session, name, &answers);
	if (!code && options->json)
		code = output_json(&channel_fields, &answers);
	else if (!code && name)
		code = output_details(&channel_fields, &answers);
	else if (!code)
		code = output_list(&channel_fields, &answers);
	answers_free(&answers);
	session_close(&session);
	return code;
}
