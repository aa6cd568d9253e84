/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: running ipcadm
 */
#ifndef SELFTESTS_ADM_H
#define SELFTESTS_ADM_H

#include "tool.h"

/* Runs it, %s being the channel's name: its exit status. */
int adm(struct tool *t, const char *name, const char *words);
/* Is all of standard error that line? */
bool says(const struct tool *t, const char *format, const char *name);

/* What does not depend on the kernel is tried in part only on a slow one. */
#define STEP	(slow_kernel() ? 4 : 1)

#endif
