/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: running a program: what goes in, what comes out, how it ends
 *
 * The standard streams are files in memory unless the test puts others there.
 */
#ifndef SELFTESTS_TOOL_H
#define SELFTESTS_TOOL_H

#include "probe.h"

struct tool {
	uid_t uid;		/* who runs it */
	int in, out, err;	/* a negative one is closed there */
	pid_t pid;
	char *output;		/* with a NUL behind it */
	size_t size;		/* of that */
	char words[4096];	/* standard error */
};

#define TOOL_WORDS	32	/* most in a command */

void tool_init(struct tool *t);
void tool_free(struct tool *t);
void tool_input(struct tool *t, const void *data, size_t size);
/* Another file in place of one of the streams. */
void tool_replace(int *stream, int fd);
/* Starts it, and waits for its end; argv ends with NULL. */
int tool_start(struct tool *t, char *const argv[]);
/* Its exit status, 128 + a signal, or -1: it had not ended in time. */
int tool_end(struct tool *t);
/* Both, the words apart by single spaces. */
int tool_begin(struct tool *t, const char *command);
int tool_run(struct tool *t, const char *command);

/* Unloads the module, loads it again; what has open files must not be there. */
int module_unload(void);
int module_load(void);

#endif
