/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: messages to standard output
 *
 * Small ones are gathered until there are enough or somebody flushes. Both calls
 * return an exit code and have said what was wrong: with the message's length,
 * where it is to be a block, or with standard output.
 */
#ifndef IPCCAT_OUTPUT_H
#define IPCCAT_OUTPUT_H

#include "ipccat.h"

struct output {
	uint64_t blocks;	/* written */
	uint64_t last;		/* bytes of the last of them */
	size_t used;
	char data[64 * 1024];
};

int output_message(struct output *output, const struct ipcchan_message *message,
		   const struct options *options);
int output_flush(struct output *output);

#endif
