// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * privsep: a daemon in two processes. The helper stays root and does one thing:
 * it reads files of a short list. The front talks to the world, as nobody, with
 * nothing to lose: what it may not read it asks the helper for.
 *
 *   front (uid 65534) ── call: "secret" ──► helper (root)
 *                     ◄── reply: its text ──
 *
 * Who asks is told by the kernel, not by the message: a user that is not the front's
 * may connect, and is refused. The service's name is one that only an administrator
 * can take, so the front cannot be lured to another helper.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcchan.h>

#define FRONT	65534u
#define OTHER	1000u
#define SECRET	"/proc/1/environ"	/* for root alone */

struct answer {
	int32_t result;		/* bytes, or -errno */
	char text[1024];
};

static char name[64];

static void check(const char *what, ssize_t error)
{
	if (error < 0) {
		fprintf(stderr, "privsep: %s: %s\n", what, ipcchan_strerror((int)error));
		exit(1);
	}
}

/* What the helper is ready to read, by what name: never a path from outside. */
static const char *path_of(const struct ipcchan_message *request)
{
	static const struct {
		const char *word, *path;
	} list[] = { { "secret", SECRET }, { "hosts", "/etc/hosts" } };
	char word[16] = "";

	/* a copy: what is looked at twice in place could change in between */
	if (request->length < sizeof(word))
		memcpy(word, request->data, request->length);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (!strcmp(word, list[i].word))
			return list[i].path;
	return NULL;
}

static void answer(struct ipcchan_port *port, uint32_t uid)
{
	struct ipcchan_message request;
	struct answer reply;

	while (!ipcchan_receive(port, &request, IPCCHAN_WAIT_FOREVER_NS)) {
		const char *path = uid == FRONT ? path_of(&request) : NULL;
		int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		ssize_t got = file < 0 ? -1 : read(file, reply.text, sizeof(reply.text));

		reply.result = got >= 0 ? (int)got : path ? -errno : -EACCES;
		if (file >= 0)
			close(file);
		ipcchan_release(port, &request);
		if (ipcchan_reply(port, &request, &reply,
				  offsetof(struct answer, text) + (got > 0 ? got : 0),
				  IPCCHAN_WAIT_FOREVER_NS))
			break;			/* it has left */
	}
	ipcchan_port_close(port);
}

/* One client after the other; a real one would poll, or fork. */
static void serve(struct ipcchan_listener *listener, int clients)
{
	struct ipcchan_peer_info client = { .size = sizeof(client) };
	struct ipcchan_port *port;

	while (clients--) {
		check("accept", ipcchan_accept(listener, &port, &client, IPCCHAN_WAIT_FOREVER_NS));
		answer(port, client.uid);
	}
}

/* The text's length, or -errno as the helper says. */
static int ask(struct ipcchan_port *port, const char *word, struct answer *answer)
{
	struct ipcchan_message reply;

	memset(answer, 0, sizeof(*answer));
	check("call", ipcchan_call(port, word, strlen(word), &reply, IPCCHAN_WAIT_FOREVER_NS));
	if (reply.length <= sizeof(*answer))
		memcpy(answer, reply.data, reply.length);
	check("release", ipcchan_release(port, &reply));
	return answer->result;
}

static int front(uid_t uid)
{
	struct ipcchan_port *port;
	struct answer answer;
	int secret, other;

	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		check("setresuid", -errno);
	check("connect", ipcchan_connect(&port, name, NULL, IPCCHAN_WAIT_FOREVER_NS, NULL));
	other = ask(port, "/etc/passwd", &answer);
	secret = ask(port, "secret", &answer);
	printf("privsep: uid=%u secret=%d other=%d own=%d\n", uid, secret, other,
	       open(SECRET, O_RDONLY) < 0 ? -errno : 0);
	ipcchan_port_close(port);
	return 0;
}

int main(void)
{
	const uid_t uids[] = { FRONT, OTHER };
	struct ipcchan_listener *listener;
	struct ipcchan_options options;
	int status, failed = 0;

	snprintf(name, sizeof(name), "sys/privsep.%d", getpid());
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.mode = 0622;		/* anybody may connect: whom to answer is for us to say */
	options.max_per_user = 4;
	check("listen", ipcchan_listen(&listener, name, &options, NULL));
	for (int i = 0; i < 2; i++)
		if (!fork())
			return front(uids[i]);
	serve(listener, 2);
	ipcchan_listener_close(listener);
	while (wait(&status) > 0)
		failed |= status;
	return failed ? 1 : 0;
}
