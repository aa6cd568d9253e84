/* SPDX-License-Identifier: GPL-2.0 */
/* DOC: complaints on standard error, behind the program's name; each gives its exit code. */
#ifndef TOOLS_COMPLAIN_H
#define TOOLS_COMPLAIN_H

/* Each tool says its own. */
extern const char program[];

int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int refusal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
