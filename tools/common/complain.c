// SPDX-License-Identifier: GPL-2.0
/* What is wrong, in one line. */
#include <stdarg.h>
#include <stdio.h>

#include "complain.h"
#include "streams.h"

/* In one piece, since many of us may complain at once. */
static void complain(const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	fprintf(stderr, "%s: %s\n", program, text);
}

/* The command line is wrong. */
int usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	return EXIT_USAGE;
}

/* The kernel refused, or input or output failed. */
int refusal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	return EXIT_REFUSED;
}
