// SPDX-License-Identifier: GPL-2.0
/* Running ipcadm; see adm.h. */
#include <stdio.h>
#include <string.h>

#include "adm.h"

int adm(struct tool *t, const char *name, const char *words)
{
	char command[512] = "ipcadm ";
	const char *at = strstr(words, "%s");

	if (at)
		snprintf(command + 7, sizeof(command) - 7, "%.*s%s%s", (int)(at - words), words,
			 name, at + 2);
	else
		snprintf(command + 7, sizeof(command) - 7, "%s", words);
	return tool_run(t, command);
}

bool says(const struct tool *t, const char *format, const char *name)
{
	char line[512];

	snprintf(line, sizeof(line), format, name);
	if (!strcmp(t->words, line))
		return true;
	fprintf(stderr, "# it says: %s", t->words);
	return false;
}
