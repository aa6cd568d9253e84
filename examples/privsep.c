// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * privsep: a daemon in two processes. The helper stays root and does one thing:
 * it opens files of a short list. The front talks to the world, as nobody, with
 * nothing to lose: what it may not open it asks the helper for.
 *
 *   front (uid 65534) ── call: "secret" ──────────────► helper (root)
 *                     ◄── reply: 0, with a descriptor ──
 * The kernel tells who asks: another user may connect, and is refused. Only an
 * administrator can take the service's name. Usage: privsep [SECRET]
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipcchan.h>

#define FRONT	65534u
#define OTHER	1000u
#define LATE_NS	10000000000	/* a front that has not come by then has failed */

static char name[64];
static const char *secret_path = "/etc/shadow";	/* for root alone */

static void check(const char *what, ssize_t error)
{
	if (error < 0) {
		fprintf(stderr, "privsep: %s: %s\n", what, ipcchan_strerror((int)error));
		exit(1);
	}
}

/* What the helper is ready to open, by a word: never by a path from outside. */
static int open_for(const struct ipcchan_message *request)
{
	char word[16] = "";
	int fd;

	/* a copy: what is looked at twice in place could change in between */
	if (request->length < sizeof(word))
		memcpy(word, request->data, request->length);
	if (strcmp(word, "secret"))
		return -EACCES;
	fd = open(secret_path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A descriptor, or why not. */
static int reply(struct ipcchan_port *port, const struct ipcchan_message *request, int file)
{
	struct ipcchan_loan loan;

	if (ipcchan_reserve(port, sizeof(file), &loan, IPCCHAN_WAIT_FOREVER_NS))
		return -EPIPE;
	memcpy(loan.data, file < 0 ? &file : &(int){ 0 }, sizeof(file));
	loan.files = file < 0 ? NULL : &file;
	loan.nr_files = file >= 0;
	return ipcchan_reply_commit(port, request, &loan);
}

static void answer(struct ipcchan_port *port, uint32_t uid)
{
	struct ipcchan_message request;
	int rc = 0;

	while (!rc && !ipcchan_receive(port, &request, IPCCHAN_WAIT_FOREVER_NS)) {
		int file = uid == FRONT ? open_for(&request) : -EACCES;

		ipcchan_release(port, &request);
		rc = reply(port, &request, file);
		if (file >= 0)
			close(file);	/* the message has its own */
	}
	ipcchan_port_close(port);
}

/* One after the other; a real one would poll, or fork. */
static void serve(struct ipcchan_listener *listener, int clients)
{
	struct ipcchan_peer_info client = { .size = sizeof(client) };
	struct ipcchan_port *port;

	while (clients--) {
		check("accept", ipcchan_accept(listener, &port, &client, LATE_NS));
		answer(port, client.uid);
	}
}

/* A descriptor of our own, or -errno as the helper says. */
static int ask(struct ipcchan_port *port, const char *word)
{
	struct ipcchan_message reply;
	int result = -EPROTO, file;

	check("call", ipcchan_call(port, word, strlen(word), &reply, IPCCHAN_WAIT_FOREVER_NS));
	if (reply.length == sizeof(result))
		memcpy(&result, reply.data, sizeof(result));
	if (!result)
		result = ipcchan_message_files(port, &reply, &file, 1);
	check("release", ipcchan_release(port, &reply));
	return result == 1 ? file : result;
}

static int front(uid_t uid)
{
	struct ipcchan_port *port;
	char text[64] = "";
	int secret, other;

	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		check("setresuid", -errno);
	check("connect", ipcchan_connect(&port, name, NULL, IPCCHAN_WAIT_FOREVER_NS, NULL));
	other = ask(port, "/etc/passwd");
	secret = ask(port, "secret");
	secret = secret >= 0 && read(secret, text, sizeof(text) - 1) < 0 ? -errno : secret;
	text[strcspn(text, "\n")] = 0;
	printf("privsep: uid=%u secret=%d other=%d own=%d text=%s\n", uid,
	       secret < 0 ? secret : 0, other, open(secret_path, O_RDONLY) < 0 ? -errno : 0, text);
	ipcchan_port_close(port);
	return 0;
}

int main(int argc, char **argv)
{
	const uid_t uids[] = { FRONT, OTHER };
	struct ipcchan_listener *listener;
	struct ipcchan_options options;
	int status = 0;

	secret_path = argc > 1 ? argv[1] : secret_path;
	snprintf(name, sizeof(name), "sys/privsep.%d", getpid());
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	options.mode = 0622;		/* anybody may connect: whom to answer is for us to say */
	check("listen", ipcchan_listen(&listener, name, &options, NULL));
	for (int i = 0; i < 2; i++)
		if (!fork())
			return front(uids[i]);
	serve(listener, 2);
	ipcchan_listener_close(listener);
	for (int i = 0; i < 2 && !status; i++)
		wait(&status);
	return status ? 1 : 0;
}
