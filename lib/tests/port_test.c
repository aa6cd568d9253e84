/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Opening, structs that grow, fork, texts. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A later version's struct. */
struct later {
	struct ipcchan_options options;
	uint64_t more[2];
};

static void needs_the_module(void **state)
{
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	sim_no_module(true);
	assert_error(ipcchan_open(&port, "test", SEND, NULL, &error), ENODEV);
	assert_null(port);
	assert_string_equal(error.text, "the ipcchan module is not loaded (no /dev/ipcchan)");
	assert_error(ipcchan_open(&port, "test", SEND, NULL, NULL), ENODEV);
	assert_error(ipcchan_create("test", NULL, &error), ENODEV);
	assert_error(ipcchan_delete("test", &error), ENODEV);
}

static void says_what_is_wrong(void **state)
{
	struct ipcchan_error error;
	struct ipcchan_port *port;
	char name[65];

	(void)state;
	assert_error(ipcchan_open(&port, "test", SEND, NULL, &error), ENOENT);
	assert_non_null(strstr(error.text, "no channel of that name"));
	assert_error(ipcchan_open(&port, "test", 0, NULL, &error), EINVAL);
	assert_error(ipcchan_open(&port, "test", 4, NULL, &error), EINVAL);
	assert_error(ipcchan_open(&port, NULL, SEND, NULL, &error), EINVAL);
	assert_error(ipcchan_open(&port, "", SEND, NULL, &error), EINVAL);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_error(ipcchan_open(&port, name, SEND, NULL, &error), EINVAL);
	assert_string_equal(error.text, "a name has 1 to 63 bytes");
	name[63] = '\0';
	assert_error(ipcchan_open(&port, name, SEND, NULL, &error), ENOENT);
	assert_ok(ipcchan_create("test", NULL, &error));
	assert_error(ipcchan_create("test", NULL, &error), EEXIST);
	assert_non_null(strstr(error.text, "taken"));
	ipcchan_port_close(NULL);
}

static void creates_until_it_is_there(void **state)
{
	struct ipcchan_options options;
	struct ipcchan_port *port;

	(void)state;
	ipcchan_options_init(&options);
	options.flags = IPCCHAN_OPEN_CREATE;
	sim_vanish(5);
	assert_ok(ipcchan_open(&port, "test", SEND, &options, NULL));
	ipcchan_port_close(port);
	sim_vanish(1000);
	assert_error(ipcchan_open(&port, "test", SEND, &options, NULL), ENOENT);
}

static void takes_options_of_any_size(void **state)
{
	struct later later = { .more = { 0 } };
	struct ipcchan_options *o = &later.options;
	struct ipcchan_port *port;

	(void)state;
	ipcchan_options_init(o);
	o->flags = IPCCHAN_OPEN_CREATE;
	o->size = sizeof(later);
	assert_ok(ipcchan_open(&port, "test", SEND, o, NULL));
	ipcchan_port_close(port);
	later.more[1] = 1;
	assert_error(ipcchan_open(&port, "test", SEND, o, NULL), E2BIG);
	o->size = offsetof(struct ipcchan_options, depth);
	assert_ok(ipcchan_open(&port, "test", SEND, o, NULL));
	ipcchan_port_close(port);
	o->size--;
	assert_error(ipcchan_open(&port, "test", SEND, o, NULL), EINVAL);
	o->size = sizeof(*o);
	o->flags |= 1u << 31;
	assert_error(ipcchan_open(&port, "test", SEND, o, NULL), EINVAL);
	o->flags = 0;
	o->overflow = IPCCHAN_DROP_OLDEST + 1;
	assert_error(ipcchan_open(&port, "test", SEND, o, NULL), EINVAL);
}

static void gives_structs_of_any_size(void **state)
{
	struct ipcchan_port *port = open_port(SEND);
	struct {
		struct ipcchan_info info;
		uint64_t more;
	} later = { .info.size = sizeof(later), .more = 1 };
	struct ipcchan_info early = { .size = 12, .senders = 77 };

	(void)state;
	assert_ok(ipcchan_port_info(port, &later.info));
	assert_int_equal(later.info.size, sizeof(later));
	assert_int_equal(later.info.depth, 8);
	assert_int_equal(later.info.arena, 64 << 10);
	assert_int_equal(later.info.port_id, 1);
	assert_int_equal(later.info.roles, SEND);
	assert_int_equal(later.more, 0);
	assert_ok(ipcchan_port_info(port, &early));
	assert_int_equal(early.depth, 8);
	assert_int_equal(early.senders, 77);
	early.size = 11;
	assert_error(ipcchan_port_info(port, &early), EINVAL);
	ipcchan_port_close(port);
}

static void keeps_to_its_role(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_message message = { 0 };
	struct ipcchan_loan loan = { 0 };

	(void)state;
	assert_error(ipcchan_reserve(rx, 1, &loan, 0), EPERM);
	assert_error(ipcchan_commit(rx, &loan), EPERM);
	ipcchan_abort(rx, &loan);
	assert_error(ipcchan_receive(tx, &message, 0), EPERM);
	assert_error(ipcchan_release(tx, &message), EPERM);
	assert_error(ipcchan_recv(tx, NULL, 0, NULL, 0), EPERM);
	assert_int_equal(ipcchan_port_culprit(tx), UINT32_MAX);
	assert_int_equal(ipcchan_port_culprit(rx), UINT32_MAX);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void counts(void **state)
{
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_message message;
	struct ipcchan_loan loan;

	(void)state;
	assert_ok(send_number(tx, 1));
	assert_ok(ipcchan_receive(rx, &message, 0));
	assert_ok(ipcchan_reserve(tx, 1, &loan, 0));
	assert_ok(ipcchan_port_get_stats(tx, &stats));
	assert_int_equal(stats.sent, 1);
	assert_int_equal(stats.sent_bytes, 8);
	assert_int_equal(stats.loans, 1);
	assert_int_equal(stats.arena_used, 0);
	assert_int_equal(stats.kicks + stats.waits + stats.full, 0);
	assert_ok(ipcchan_port_get_stats(rx, &stats));
	assert_int_equal(stats.received, 1);
	assert_int_equal(stats.received_bytes, 8);
	assert_int_equal(stats.holds, 1);
	assert_int_equal(ipcchan_port_peers(rx, SEND), 1);
	assert_int_equal(ipcchan_port_peers(rx, RECEIVE), 0);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

/* In the child: a number for the first call that was not refused. */
static int use(struct ipcchan_port *port)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_peer_info peer = { .size = sizeof(peer) };
	struct ipcchan_message message = { 0 };
	struct ipcchan_loan loan = { 0 };
	const int results[] = {
		ipcchan_reserve(port, 1, &loan, 0),
		ipcchan_commit(port, &loan),
		ipcchan_send(port, "", 1, 0),
		ipcchan_receive(port, &message, 0),
		ipcchan_release(port, &message),
		(int)ipcchan_recv(port, NULL, 0, NULL, 0),
		ipcchan_port_wait_peers(port, SEND, 1, 0),
		ipcchan_port_peers(port, SEND),
		ipcchan_port_fd(port),
		ipcchan_port_info(port, &info),
		ipcchan_port_peer(port, 0, 0, &peer),
		ipcchan_port_get_stats(port, &stats),
	};

	ipcchan_abort(port, &loan);
	ipcchan_port_set_spin(port, 1);
	ipcchan_port_close(port);
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i] != -EBUSY)
			return (int)i + 1;
	}
	return sim_calls().unmaps ? 100 : 0;
}

static void is_not_the_childs(void **state)
{
	struct ipcchan_port *port = open_port(SEND | RECEIVE);
	int status;
	pid_t child;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(use(port));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(send_number(port, 5));
	assert_int_equal(recv_number(port), 5);
	ipcchan_port_close(port);
	assert_int_equal(sim_calls().unmaps, 2);
}

static void carries_a_label(void **state)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_options options;
	struct ipcchan_error error;
	struct ipcchan_port *port;
	char label[65];

	(void)state;
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_PERSISTENT;
	options.label = "images/2";
	assert_ok(ipcchan_create(NAME, &options, NULL));
	assert_ok(ipcchan_open(&port, NAME, SEND, &options, NULL));
	ipcchan_port_close(port);
	assert_ok(ipcchan_open(&port, NAME, SEND, NULL, NULL));
	ipcchan_port_close(port);
	options.label = "";
	assert_ok(ipcchan_open(&port, NAME, SEND, &options, NULL));
	ipcchan_port_close(port);
	options.label = "images/3";
	assert_error(ipcchan_open(&port, NAME, SEND, &options, &error), EPROTOTYPE);
	memset(label, 'x', sizeof(label));
	label[64] = '\0';
	options.label = label;
	assert_error(ipcchan_open(&port, NAME, SEND, &options, &error), EINVAL);
	assert_string_equal(error.text, "a label has at most 63 bytes");
	assert_error(ipcchan_create("other", &options, NULL), EINVAL);
	label[63] = '\0';
	assert_ok(ipcchan_create("other", &options, NULL));
	assert_ok(ipcchan_lookup(NAME, &info, NULL));
	assert_string_equal(info.label, "images/2");
}

static void looks_up_and_deletes(void **state)
{
	struct ipcchan_info info = { .size = sizeof(info) };
	struct ipcchan_options options;
	struct ipcchan_error error;

	(void)state;
	assert_error(ipcchan_lookup(NAME, &info, &error), ENOENT);
	assert_error(ipcchan_lookup("", &info, &error), EINVAL);
	assert_error(ipcchan_delete(NAME, NULL), ENOENT);
	assert_error(ipcchan_delete(NULL, NULL), EINVAL);
	options_small(&options);
	options.flags |= IPCCHAN_OPEN_PERSISTENT;
	options.history = 3;
	options.stall_ns = 5 * MS;
	assert_ok(ipcchan_create(NAME, &options, &error));
	assert_ok(ipcchan_lookup(NAME, &info, &error));
	assert_int_equal(info.depth, 8);
	assert_int_equal(info.history, 3);
	assert_int_equal(info.stall_ns, 5 * MS);
	assert_int_equal(info.overflow, IPCCHAN_BLOCK);
	assert_int_equal(info.flags, IPCCHAN_OPEN_PERSISTENT);
	assert_int_equal(info.mode, 0600);
	info.size = 4;
	assert_error(ipcchan_lookup(NAME, &info, &error), EINVAL);
	assert_string_equal(error.text, "info: its size is not set");
	assert_ok(ipcchan_delete(NAME, &error));
	assert_error(ipcchan_delete(NAME, &error), ENOENT);
	options.depth = 3;
	assert_error(ipcchan_create(NAME, &options, &error), EINVAL);
	assert_non_null(strstr(error.text, "power of two"));
	options.size = 8;
	assert_error(ipcchan_create(NAME, &options, &error), EINVAL);
}

static void tells_of_peers(void **state)
{
	struct ipcchan_peer_info peer = { .size = sizeof(peer) };
	struct ipcchan_port *rx = open_port(RECEIVE), *tx = open_port(SEND);

	(void)state;
	assert_ok(ipcchan_port_peer(rx, SEND, 0, &peer));
	assert_int_equal(peer.roles, SEND);
	assert_int_equal(peer.pid, getpid());
	assert_ok(ipcchan_port_peer(rx, 0, 0, &peer));
	assert_int_equal(peer.roles, RECEIVE);
	assert_error(ipcchan_port_peer(rx, SEND, 1, &peer), ENOENT);
	assert_error(ipcchan_port_peer(rx, SEND, 99, &peer), EINVAL);
	peer.size = 8;
	assert_error(ipcchan_port_peer(rx, SEND, 0, &peer), EINVAL);
	assert_int_equal(ipcchan_port_gone(tx), IPCCHAN_GONE_NOT);
	ipcchan_port_close(tx);
	ipcchan_port_close(rx);
}

static void has_a_text_for_each_error(void **state)
{
	const int errors[] = { EACCES, EAGAIN, E2BIG, EBUSY, EDQUOT, EEXIST, EINTR, EINVAL,
			       EMSGSIZE, ENOBUFS, ENODEV, ENOENT, ENOMEM, EOPNOTSUPP, EOVERFLOW,
			       EPERM, EPIPE, EPROTO, EPROTOTYPE, ESHUTDOWN, ETIMEDOUT, EUSERS };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		assert_string_not_equal(ipcchan_strerror(-errors[i]), "unknown error");
	assert_string_equal(ipcchan_strerror(0), "success");
	assert_string_equal(ipcchan_strerror(-9999), "unknown error");
	assert_string_equal(ipcchan_strerror(INT32_MIN), "unknown error");
	assert_non_null(strchr(ipcchan_version(), '.'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(needs_the_module),
		test(says_what_is_wrong),
		test(creates_until_it_is_there),
		test(takes_options_of_any_size),
		test(gives_structs_of_any_size),
		test(keeps_to_its_role),
		test(counts),
		test(is_not_the_childs),
		test(carries_a_label),
		test(looks_up_and_deletes),
		test(tells_of_peers),
		test(has_a_text_for_each_error),
	};

	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
