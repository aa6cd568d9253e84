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
	bool persistent;
	uint32_t depth;		/* 0: the default */
	uint32_t mode;
	uint32_t receivers;	/* send: wait for so many */
	uint64_t arena;		/* 0: the default */
	uint64_t block;		/* bytes of each message; 0: as they come */
};

/* Both return an exit code and have printed what was wrong. */
int cat_send(struct ipcchan_port *port, const struct options *options);
int cat_receive(struct ipcchan_port *port, const struct options *options);

#endif
