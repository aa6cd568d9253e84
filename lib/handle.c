/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Handles, and channels without a name. Attaching by a handle: port.c
 *
 * A handle is a descriptor and nothing else: there is no state here that could
 * be lost on its way to another process.
 */
#include "internal.h"

int ipcchan_handle_create(const struct ipcchan_options *options, struct ipcchan_error *error)
{
	return ipcchan_make(NULL, options, error);
}

static int request(int fd, const char *name, uint32_t rights, struct ipcchan_error *error)
{
	struct ipcchan_handle handle = { .size = sizeof(handle), .rights = rights };
	int rc = name ? ipcchan_take_name(handle.name, name, error) : 0;

	if (rc)
		return rc;
	handle.why = ipcchan_why(error, &handle.why_len);
	rc = ipcchan_device_call(fd, IPCCHAN_IOC_HANDLE, &handle);
	return rc ? ipcchan_fail_call(error, rc, "cannot make a handle") : handle.fd;
}

int ipcchan_handle_open(const char *name, uint32_t rights, struct ipcchan_error *error)
{
	int fd = ipcchan_open_device(error);
	int rc;

	if (fd < 0)
		return fd;
	rc = request(fd, name ? name : "", rights, error);
	ipcchan_device_close(fd);
	return rc;
}

int ipcchan_handle_narrow(int handle, uint32_t rights, struct ipcchan_error *error)
{
	return request(handle, NULL, rights, error);
}

int ipcchan_handle_revoke(int handle, struct ipcchan_error *error)
{
	struct ipcchan_revoke revoke = { .size = sizeof(revoke) };
	int rc;

	revoke.why = ipcchan_why(error, &revoke.why_len);
	rc = ipcchan_device_call(handle, IPCCHAN_IOC_REVOKE, &revoke);
	return rc ? ipcchan_fail_call(error, rc, "cannot revoke the handle") : 0;
}

int ipcchan_handle_delete(int handle, struct ipcchan_error *error)
{
	struct ipcchan_delete delete = { .size = sizeof(delete) };
	int rc;

	delete.why = ipcchan_why(error, &delete.why_len);
	rc = ipcchan_device_call(handle, IPCCHAN_IOC_DELETE, &delete);
	return rc ? ipcchan_fail_call(error, rc, "cannot delete the channel") : 0;
}

int ipcchan_handle_info(int handle, struct ipcchan_info *info, struct ipcchan_error *error)
{
	struct ipcchan_lookup lookup = { .size = sizeof(lookup) };
	int rc;

	lookup.why = ipcchan_why(error, &lookup.why_len);
	rc = ipcchan_device_call(handle, IPCCHAN_IOC_LOOKUP, &lookup);
	if (rc)
		return ipcchan_fail_call(error, rc, "cannot look the channel up");
	return ipcchan_give_info(info, &lookup, error);
}
