/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the netlink family, byte by byte
 *
 * Without a library, so that a request can be as wrong as a test wants it.
 * Functions return 0 or a negative errno; the kernel's words go to why.
 */
#ifndef SELFTESTS_GENL_H
#define SELFTESTS_GENL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "common.h"

#include <linux/ipcchan_netlink.h>

struct genl {
	int fd;
	uint16_t family;
};

struct genl_request {
	union {
		struct nlmsghdr header;
		char bytes[1024];
	};
};

/* Attributes that lie one after another; those of a message, or of a nest. */
struct genl_attrs {
	const char *at;
	size_t size;
};

/* What came back. */
struct genl_answers {
	struct nlmsghdr **messages;
	size_t count;
	unsigned int datagrams;
	bool disturbed;			/* a dump that is to be asked for again */
	bool done;
};

int genl_open(struct genl *g);
void genl_close(struct genl *g);

/* A request: its command, then attributes. */
struct genl_request genl_request(uint8_t command);
struct genl_request genl_dump(uint8_t command);
void genl_put(struct genl_request *r, uint16_t type, const void *data, size_t size);
void genl_put_u32(struct genl_request *r, uint16_t type, uint32_t value);
void genl_put_u64(struct genl_request *r, uint16_t type, uint64_t value);
void genl_put_text(struct genl_request *r, uint16_t type, const char *text);
/* Requests that name a channel, or a port of it. */
struct genl_request genl_of_channel(uint8_t command, const char *name);
struct genl_request genl_of_port(uint8_t command, const char *name, uint32_t id);

/* @answers may be NULL, and is freed by genl_free() in any case. */
int genl_talk(struct genl *g, struct genl_request *r, struct genl_answers *answers);
/* The same in pieces; receives one datagram, which are kept as small as they may be. */
int genl_send(struct genl *g, struct genl_request *r);
int genl_receive(struct genl *g, struct genl_answers *answers);
void genl_free(struct genl_answers *answers);
/* A task_fn: a struct genl_request, by a socket of the caller's own. */
int genl_ask(void *request);

struct genl_attrs genl_attrs(const struct nlmsghdr *message);
/* -1, or NULL, if it is not there. */
int64_t genl_number(struct genl_attrs attrs, uint16_t type);
const char *genl_text(struct genl_attrs attrs, uint16_t type);
struct genl_attrs genl_nest(struct genl_attrs attrs, uint16_t type);
/* The message in which that attribute is that text, or number; NULL. */
const struct nlmsghdr *genl_with_text(const struct genl_answers *answers, uint16_t type,
				      const char *text);
const struct nlmsghdr *genl_with_number(const struct genl_answers *answers, uint16_t type,
					int64_t number);

#endif
