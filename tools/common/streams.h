/* SPDX-License-Identifier: GPL-2.0 */
/* DOC: standard streams that may be closed or full. */
#ifndef TOOLS_STREAMS_H
#define TOOLS_STREAMS_H

/* Exit codes of all tools. */
enum {
	EXIT_OK = 0,
	EXIT_USAGE = 1,		/* the command line is wrong */
	EXIT_REFUSED = 2,	/* the kernel refused, or input or output failed */
};

int streams_guard(void);
int streams_finish(const char *program);

#endif
