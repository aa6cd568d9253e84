/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Handles: made, narrowed, used, revoked. Who else may use them: selftests/test_handle*.c */
#include "../device.h"
#include "check.h"

#define BOTH	(SEND | RECEIVE)
#define ALL	(BOTH | IPCCHAN_RIGHT_ADMIN)

static int create(void)
{
	struct ipcchan_options options;
	struct ipcchan_error error;
	int handle;

	options_small(&options);
	handle = ipcchan_handle_create(&options, &error);
	if (handle < 0)
		fail_msg("cannot create: %s", error.text);
	return handle;
}

static struct ipcchan_port *open_by(int handle, uint32_t roles)
{
	struct ipcchan_error error;
	struct ipcchan_port *port;

	if (ipcchan_open_handle(&port, handle, roles, NULL, &error))
		fail_msg("cannot open: %s", error.text);
	return port;
}

static uint32_t rights_of(int handle)
{
	struct ipcchan_info info = { .size = sizeof(info) };

	assert_ok(ipcchan_handle_info(handle, &info, NULL));
	assert_int_equal(info.depth, 8);
	return info.roles;
}

static void carries_messages(void **state)
{
	int handle = create();
	struct ipcchan_port *in = open_by(handle, RECEIVE), *out = open_by(handle, SEND);
	char text[8];

	(void)state;
	ipcchan_device_close(handle);
	assert_ok(ipcchan_send(out, "hello", 6, IPCCHAN_NO_WAIT));
	assert_int_equal(ipcchan_recv(in, text, sizeof(text), NULL, IPCCHAN_NO_WAIT), 6);
	assert_string_equal(text, "hello");
	ipcchan_port_close(out);
	ipcchan_port_close(in);
}

static void is_narrowed(void **state)
{
	int handle = create(), narrow, again;
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	assert_int_equal(rights_of(handle), ALL);
	narrow = ipcchan_handle_narrow(handle, SEND, &error);
	assert_true(narrow >= 0);
	assert_int_equal(rights_of(narrow), SEND);
	assert_error(ipcchan_open_handle(&port, narrow, RECEIVE, NULL, &error), EACCES);
	assert_string_equal(error.text, "no right to receive");
	assert_null(port);
	assert_error(ipcchan_handle_narrow(narrow, BOTH, &error), EACCES);
	assert_string_equal(error.text, "a handle is narrowed, never widened");
	assert_error(ipcchan_handle_narrow(narrow, 0, &error), EINVAL);
	assert_error(ipcchan_handle_delete(narrow, &error), EPERM);
	again = ipcchan_handle_narrow(narrow, SEND, NULL);
	assert_true(again >= 0);
	ipcchan_device_close(again);
	ipcchan_device_close(narrow);
	assert_ok(ipcchan_handle_delete(handle, &error));
	assert_error(ipcchan_handle_delete(handle, &error), ESHUTDOWN);
	assert_error(ipcchan_open_handle(&port, handle, SEND, NULL, NULL), ESHUTDOWN);
	ipcchan_device_close(handle);
}

static void is_revoked(void **state)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	int handle = create(), theirs = ipcchan_handle_narrow(handle, BOTH, NULL);
	int below = ipcchan_handle_narrow(theirs, SEND, NULL);
	struct ipcchan_port *in = open_by(handle, RECEIVE), *out = open_by(below, SEND);
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	assert_ok(ipcchan_handle_revoke(theirs, &error));
	assert_error(ipcchan_open_handle(&port, below, SEND, NULL, &error), EKEYREVOKED);
	assert_string_equal(error.text, "the handle was revoked");
	assert_error(ipcchan_handle_narrow(theirs, SEND, NULL), EKEYREVOKED);
	assert_error(ipcchan_handle_info(theirs, &info, NULL), EKEYREVOKED);
	assert_int_equal(rights_of(handle), ALL);
	assert_ok(ipcchan_send(out, "x", 1, IPCCHAN_NO_WAIT));
	assert_int_equal(ipcchan_recv(in, &port, 1, NULL, IPCCHAN_NO_WAIT), 1);
	ipcchan_port_close(out);
	ipcchan_port_close(in);
	ipcchan_device_close(handle);
	ipcchan_device_close(theirs);
	ipcchan_device_close(below);
}

static void keeps_a_channel_with_a_name(void **state)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_error error;
	int handle;

	(void)state;
	assert_error(ipcchan_handle_open(NAME, SEND, &error), ENOENT);
	assert_error(ipcchan_handle_open(NULL, SEND, &error), EINVAL);
	ipcchan_port_close(open_port(BOTH));
	assert_error(ipcchan_lookup(NAME, &info, NULL), ENOENT);
	assert_ok(ipcchan_create(NAME, NULL, NULL));
	handle = ipcchan_handle_open(NAME, SEND, &error);
	assert_true(handle >= 0);
	ipcchan_port_close(open_port(BOTH));
	assert_ok(ipcchan_lookup(NAME, &info, NULL));
	ipcchan_port_close(open_by(handle, SEND));
	ipcchan_device_close(handle);
	assert_error(ipcchan_lookup(NAME, &info, NULL), ENOENT);
}

static void says_what_is_wrong(void **state)
{
	struct ipcchan_info info = { .size = 8 };
	struct ipcchan_options options;
	struct ipcchan_port *port = open_port(SEND);
	struct ipcchan_error error;
	int fd = ipcchan_port_fd(port), handle = create();

	(void)state;
	assert_error(ipcchan_handle_revoke(fd, &error), EINVAL);
	assert_string_equal(error.text, "the file is no handle");
	assert_error(ipcchan_handle_revoke(-1, &error), EBADF);
	assert_string_equal(error.text, "cannot revoke the handle: not an open file");
	assert_error(ipcchan_handle_info(handle, &info, &error), EINVAL);
	assert_string_equal(error.text, "info: its size is not set");
	assert_error(ipcchan_handle_info(-1, &info, NULL), EBADF);
	assert_error(ipcchan_handle_delete(-1, NULL), EBADF);
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	assert_error(ipcchan_handle_create(&options, &error), EINVAL);
	assert_string_equal(error.text, "an unnamed channel is not persistent");
	options.size = 0;
	assert_error(ipcchan_handle_create(&options, &error), EINVAL);
	ipcchan_device_close(handle);
	ipcchan_port_close(port);
	sim_no_module(true);
	assert_error(ipcchan_handle_create(NULL, NULL), ENODEV);
	assert_error(ipcchan_handle_open(NAME, SEND, NULL), ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(carries_messages),
		test_apart(carries_messages),
		test(is_narrowed),
		test(is_revoked),
		test(keeps_a_channel_with_a_name),
		test(says_what_is_wrong),
	};

	return cmocka_run_group_tests_name("handle", tests, NULL, NULL);
}
