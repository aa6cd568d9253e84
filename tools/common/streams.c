// SPDX-License-Identifier: GPL-2.0
/* Standard streams that may be closed or full. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "streams.h"

/**
 * streams_guard() - let no other file get the number of a closed standard stream
 *
 * What takes its place is open the wrong way round, so that using it still
 * fails with EBADF. Before anything else is opened.
 */
int streams_guard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	}
	return 0;
}

/* Has all that was printed been written? An exit code. */
int streams_finish(const char *program)
{
	if (fflush(stdout) == 0 && !ferror(stdout) && close(STDOUT_FILENO) == 0)
		return EXIT_OK;
	fprintf(stderr, "%s: cannot write standard output: %s\n", program, strerror(errno));
	return EXIT_REFUSED;
}
