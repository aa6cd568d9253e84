/* SPDX-License-Identifier: GPL-2.0 */
/* DOC: what the parts of ipccat share */
#ifndef IPCCAT_H
#define IPCCAT_H

#include <stdbool.h>
#include <stdint.h>

#include <ipcchan.h>

#include "../common/complain.h"
#include "../common/streams.h"

#define PROGRAM "ipccat"

struct options {
	const char *name;
	bool lines;
	bool both;		/* ways: a connection */
	bool persistent;
	uint32_t depth;		/* 0: the default */
	uint32_t type;		/* 0: a topic, if it is made */
	uint32_t mode;
	uint32_t receivers;	/* send: wait for so many */
	uint64_t arena;		/* 0: the default */
	uint64_t block;		/* bytes of each message; 0: as they come */
};

/*
 * Between ipccat and ipccat: the tag of an empty message that says that the
 * sender's input has ended, while it goes on receiving.
 */
#define CAT_END UINT64_C(0x656e64)

/* All return an exit code and have printed what was wrong. */
int cat_send(struct ipcchan_port *port, const struct options *options);
int cat_receive(struct ipcchan_port *port, const struct options *options);
int cat_receive_queue(struct ipcchan_port *port, const struct options *options);
int cat_link(struct ipcchan_port *port, const struct options *options);

int link_listen(const struct options *options, struct ipcchan_options *how,
		struct ipcchan_port **port);
int link_connect(const struct options *options, struct ipcchan_options *how,
		 struct ipcchan_port **port);

/* Is it a queue that keeps what is sent when there is nobody? */
bool cat_keeps(const struct options *options);

/* Likewise: why there is no port; and what the error is that a receiving call has ended with. */
int open_refused(const struct options *options, int error, const struct ipcchan_error *why);
int receive_ended(struct ipcchan_port *port, const struct options *options, int error);

#endif
