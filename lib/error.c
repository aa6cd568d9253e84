/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Texts: of an error number, and of what went wrong in one call. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

static const struct {
	int error;
	const char *text;
} texts[] = {
	{ 0,		"success" },
	{ EACCES,	"no right to this channel, or another owner" },
	{ EAGAIN,	"nothing to receive, or no room to send, just now" },
	{ E2BIG,	"a struct has members this version does not know" },
	{ EBADF,	"not an open file" },
	{ EBUSY,	"the port belongs to another process" },
	{ ECONNREFUSED,	"nobody listens at the service" },
	{ EDQUOT,	"over a limit on channels, ports or bytes" },
	{ EEXIST,	"the channel exists already" },
	{ EFAULT,	"bad address" },
	{ EINTR,	"interrupted by a signal" },
	{ EINVAL,	"invalid argument" },
	{ EISCONN,	"the file is a port already" },
	{ EKEYREVOKED,	"the handle was revoked" },
	{ ELOOP,	"a file that may not be sent in a message" },
	{ EMFILE,	"too many open files in this process" },
	{ EMSGSIZE,	"the message is too long" },
	{ ENFILE,	"too many open files in the system" },
	{ ENOBUFS,	"too many messages on loan or held" },
	{ ENODEV,	"the ipcchan module is not loaded (no /dev/ipcchan)" },
	{ ENOENT,	"no such channel, or nobody there" },
	{ ENOMEM,	"out of memory" },
	{ ENOTCONN,	"not a port" },
	{ ENOTTY,	"the ipcchan module does not know this call" },
	{ EOPNOTSUPP,	"not supported by this version" },
	{ EOVERFLOW,	"sequence numbers are used up: open the port again" },
	{ EPERM,	"not permitted, or the port does not have this role" },
	{ EPIPE,	"the last peer has left" },
	{ EPROTO,	"a sender's pages make no sense" },
	{ EPROTOTYPE,	"the channel carries another label, or is of another type" },
	{ ESHUTDOWN,	"the port was evicted, or its channel deleted" },
	{ ETOOMANYREFS,	"more files in messages than may be open" },
	{ ESTALE,	"the message was not ours any more" },
	{ ETIMEDOUT,	"timed out" },
	{ EUSERS,	"all places of this role are taken" },
};

const char *ipcchan_strerror(int error)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (-texts[i].error == error)
			return texts[i].text;
	}
	return "unknown error";
}

const char *ipcchan_version(void)
{
	return IPCCHAN_VERSION;
}

/* Writes the text, if one is wanted, and returns @rc. */
int ipcchan_fail(struct ipcchan_error *error, int rc, const char *format, ...)
{
	va_list args;

	if (!error)
		return rc;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return rc;
}

/* After a call to the module: its own words stand, if it said any. */
int ipcchan_fail_call(struct ipcchan_error *error, int rc, const char *what)
{
	if (!error || error->text[0])
		return rc;
	return ipcchan_fail(error, rc, "%s: %s", what, ipcchan_strerror(rc));
}

/* Empties the text, and tells where the module can write one. */
uint64_t ipcchan_why(struct ipcchan_error *error, uint32_t *length)
{
	*length = error ? sizeof(error->text) : 0;
	if (error)
		error->text[0] = '\0';
	return (uintptr_t)error;
}

int ipcchan_open_device(struct ipcchan_error *error)
{
	int fd = ipcchan_device_open();

	if (fd == -ENODEV)
		return ipcchan_fail(error, fd, "%s", ipcchan_strerror(fd));
	if (fd < 0)
		return ipcchan_fail(error, fd, "cannot open %s: %s", IPCCHAN_DEVICE,
				    ipcchan_strerror(fd));
	return fd;
}
