/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: talking to the module
 *
 * A session is a socket and the number of the family. A request is made with
 * session_request(), filled, and given away to session_do() or session_dump(),
 * which return 0 or a negative errno; the words for it are in @why then.
 */
#ifndef IPCADM_NETLINK_H
#define IPCADM_NETLINK_H

#include <stddef.h>
#include <stdint.h>

struct nl_msg;
struct nl_sock;
struct nlmsghdr;
struct nlmsgerr;
struct field_table;

struct session {
	struct nl_sock *socket;
	int family;
	const struct field_table *table;	/* names attributes in @why */
	char why[512];
};

/* What came back: messages, each of them one object. */
struct answers {
	struct nl_msg **messages;
	size_t count;
	size_t room;
};

int session_open(struct session *session);
void session_close(struct session *session);

struct nl_msg *session_request(struct session *session, uint8_t command);
int session_do(struct session *session, struct nl_msg *request, struct answers *answers);
int session_dump(struct session *session, struct nl_msg *request, struct answers *answers);

void answers_free(struct answers *answers);

#endif
