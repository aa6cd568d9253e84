/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Services: connections come about, or are refused; what is sent there arrives there. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meet.h"

static void refuses(void **state)
{
	struct ipcchan_options o;
	struct ipcchan_listener *l;
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	service_options(&o);
	assert_error(ipcchan_connect(&port, NAME, NULL, MS, &error), ENOENT);
	assert_null(port);
	assert_error(ipcchan_connect(&port, NULL, NULL, MS, &error), EINVAL);
	assert_error(ipcchan_connect(&port, NAME, NULL, -2, &error), EINVAL);
	assert_error(ipcchan_listen(&l, "", &o, &error), EINVAL);
	o.flags = 0;
	assert_error(ipcchan_listen(&l, NAME, &o, &error), ENOENT);
	assert_null(l);
	o.flags = 1u << 31;
	assert_error(ipcchan_listen(&l, NAME, &o, &error), EINVAL);
	assert_error(ipcchan_connect(&port, NAME, &o, MS, &error), EINVAL);

	service_options(&o);
	o.type = IPCCHAN_SERVICE;
	o.flags = IPCCHAN_OPEN_PERSISTENT;
	assert_ok(ipcchan_create(NAME, &o, &error));
	assert_error(ipcchan_connect(&port, NAME, NULL, FOREVER, &error), ECONNREFUSED);
	assert_string_equal(error.text, "nobody listens at the service");
	assert_error(ipcchan_open(&port, NAME, RECEIVE, NULL, &error), EPROTOTYPE);
	assert_error(ipcchan_open(&port, NAME, SEND, NULL, &error), ECONNREFUSED);
	assert_ok(ipcchan_delete(NAME, &error));
}

static void takes_no_topic(void **state)
{
	struct ipcchan_port *topic = open_port(SEND | RECEIVE);
	struct ipcchan_listener *l;
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	assert_error(ipcchan_connect(&port, NAME, NULL, MS, &error), EPROTOTYPE);
	assert_error(ipcchan_listen(&l, NAME, NULL, &error), EPROTOTYPE);
	assert_string_equal(error.text, "the channel is no service");
	ipcchan_port_close(topic);
}

static void looks_and_waits_in_vain(void **state)
{
	struct ipcchan_listener *l = listen_with(NULL);
	struct ipcchan_peer_info info = { .size = 8 };
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	assert_error(ipcchan_accept(l, &port, NULL, IPCCHAN_NO_WAIT), EAGAIN);
	assert_error(ipcchan_accept(l, &port, NULL, 5 * MS), ETIMEDOUT);
	assert_error(ipcchan_accept(l, &port, NULL, -2), EINVAL);
	assert_error(ipcchan_accept(l, &port, &info, IPCCHAN_NO_WAIT), EINVAL);
	assert_error(ipcchan_connect(&port, NAME, NULL, 5 * MS, &error), ETIMEDOUT);
	/* it is in the backlog no more */
	assert_error(ipcchan_accept(l, &port, NULL, IPCCHAN_NO_WAIT), EAGAIN);
	ipcchan_listener_close(l);
	ipcchan_listener_close(NULL);
	assert_error(ipcchan_connect(&port, NAME, NULL, MS, &error), ENOENT);
}

static void each_hears_the_other_only(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, NULL, NULL);
	assert_int_equal(m.client_info.pid, getpid());
	for (int round = 0; round < 100; round++) {
		assert_ok(send_number(m.client, 1));
		assert_ok(send_long(m.server, 2));
		assert_int_equal(recv_number(m.server), 1);
		assert_error(recv_number(m.server), EAGAIN);
		assert_error(recv_number(m.client), EMSGSIZE);
		assert_ok(recv_long(m.client, 2));
		assert_error(recv_number(m.client), EAGAIN);
	}
	for (int i = 0; i < 2; i++) {
		struct ipcchan_info info = { .size = sizeof(info) };

		assert_ok(ipcchan_port_info(i ? m.client : m.server, &info));
		assert_int_equal(info.type, IPCCHAN_SERVICE);
	}
	assert_int_equal(ipcchan_port_peers(m.client, SEND), 1);
	assert_int_equal(ipcchan_port_peers(m.server, RECEIVE), 1);
	part(&m);
}

static void who_leaves_is_read_first(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, NULL, NULL);
	assert_ok(send_number(m.client, 7));
	assert_ok(send_long(m.client, 8));
	ipcchan_port_close(m.client);
	m.client = NULL;
	assert_int_equal(recv_number(m.server), 7);
	assert_error(send_number(m.server, 1), EPIPE);
	assert_ok(recv_long(m.server, 8));
	assert_error(recv_number(m.server), EPIPE);
	assert_error(send_number(m.server, 1), EPIPE);
	part(&m);
}

/* Who sends, and has left by the time the client looks. */
static void *greet_and_go(void *arg)
{
	struct ipcchan_port *port;

	assert_ok(ipcchan_accept(arg, &port, NULL, FOREVER));
	assert_ok(send_number(port, 5));
	ipcchan_port_close(port);
	return NULL;
}

static void a_server_that_has_left_was_there(void **state)
{
	struct ipcchan_listener *l = listen_with(NULL);
	struct ipcchan_port *port;
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(pthread_create(&thread, NULL, greet_and_go, l), 0);
		assert_ok(ipcchan_connect(&port, NAME, NULL, FOREVER, NULL));
		pthread_join(thread, NULL);
		assert_int_equal(recv_number(port), 5);
		assert_error(recv_number(port), EPIPE);
		ipcchan_port_close(port);
	}
	ipcchan_listener_close(l);
}

static void a_client_that_has_left_was_there(void **state)
{
	struct ipcchan_listener *l = listen_with(NULL);
	struct connecting c = { .timeout_ns = 30 * MS };
	struct ipcchan_port *port;
	int rc;

	(void)state;
	connect_begin(&c);
	/* accepted while it is giving up, or shortly before: either way it has been */
	rest(30 * MS);
	rc = ipcchan_accept(l, &port, NULL, IPCCHAN_NO_WAIT);
	connect_end(&c);
	if (!rc) {
		if (c.port)
			ipcchan_port_close(c.port);
		assert_error(recv_number(port), EPIPE);
		assert_error(send_number(port, 1), EPIPE);
		ipcchan_port_close(port);
	}
	ipcchan_listener_close(l);
}

static void the_last_listener_refuses(void **state)
{
	struct ipcchan_listener *first = listen_with(NULL), *second = listen_with(NULL);
	struct connecting c = { .timeout_ns = FOREVER };

	(void)state;
	connect_begin(&c);
	await_waiting(first);
	ipcchan_listener_close(first);
	await_waiting(second);
	ipcchan_listener_close(second);
	connect_end(&c);
	assert_error(c.rc, ECONNREFUSED);
	assert_non_null(strstr(c.error.text, "before it accepted"));
}

static void a_deleted_service_says_so(void **state)
{
	struct ipcchan_listener *l = listen_with(NULL);
	struct connecting c = { .timeout_ns = FOREVER };
	struct ipcchan_port *port;

	(void)state;
	connect_begin(&c);
	await_waiting(l);
	assert_ok(ipcchan_delete(NAME, NULL));
	connect_end(&c);
	assert_error(c.rc, ESHUTDOWN);
	assert_error(ipcchan_accept(l, &port, NULL, FOREVER), ESHUTDOWN);
	ipcchan_listener_close(l);
}

static void what_is_accepted_outlives_the_service(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, NULL, NULL);
	assert_ok(ipcchan_delete(NAME, NULL));
	assert_ok(send_number(m.client, 1));
	assert_int_equal(recv_number(m.server), 1);
	part(&m);
}

static void waits_for_the_service_and_the_listener(void **state)
{
	struct connecting c = { .flags = IPCCHAN_OPEN_WAIT, .timeout_ns = FOREVER };
	struct ipcchan_options o;
	struct ipcchan_listener *l;
	struct ipcchan_error error;
	struct ipcchan_port *port;

	(void)state;
	service_options(&o);
	o.flags |= IPCCHAN_OPEN_WAIT;
	assert_error(ipcchan_connect(&port, NAME, &o, 5 * MS, &error), ETIMEDOUT);
	connect_begin(&c);
	rest(10 * MS);
	service_options(&o);
	o.type = IPCCHAN_SERVICE;
	o.flags = IPCCHAN_OPEN_PERSISTENT;
	assert_ok(ipcchan_create(NAME, &o, NULL));
	rest(10 * MS);
	/* one that comes and goes without accepting */
	ipcchan_listener_close(listen_with(NULL));
	rest(10 * MS);
	l = listen_with(NULL);
	await_waiting(l);
	ipcchan_listener_close(l);
	l = listen_with(NULL);
	assert_ok(ipcchan_accept(l, &port, NULL, FOREVER));
	connect_end(&c);
	assert_ok(c.rc);
	ipcchan_port_close(c.port);
	ipcchan_port_close(port);
	ipcchan_listener_close(l);
}

static void the_backlog_has_an_end(void **state)
{
	struct connecting one = { .timeout_ns = FOREVER };
	struct connecting two = { .flags = IPCCHAN_OPEN_WAIT, .timeout_ns = FOREVER };
	struct ipcchan_options o;
	struct ipcchan_listener *l;
	struct ipcchan_error error;
	struct ipcchan_port *a, *b;

	(void)state;
	service_options(&o);
	o.backlog = 1;
	l = listen_with(&o);
	connect_begin(&one);
	await_waiting(l);
	assert_error(ipcchan_connect(&a, NAME, NULL, FOREVER, &error), EAGAIN);
	assert_non_null(strstr(error.text, "backlog"));
	connect_begin(&two);
	rest(10 * MS);
	assert_ok(ipcchan_accept(l, &a, NULL, FOREVER));
	assert_ok(ipcchan_accept(l, &b, NULL, FOREVER));
	connect_end(&one);
	connect_end(&two);
	assert_ok(one.rc);
	assert_ok(two.rc);
	ipcchan_port_close(one.port);
	ipcchan_port_close(two.port);
	ipcchan_port_close(a);
	ipcchan_port_close(b);
	ipcchan_listener_close(l);
}

#define CLIENTS	8

/* All begin at once: whoever finds the place in the backlog taken tries again. */
static void a_crowd_gets_in(void **state)
{
	struct connecting crowd[CLIENTS];
	struct ipcchan_port *ports[CLIENTS];
	struct ipcchan_options o;
	struct ipcchan_listener *l;

	(void)state;
	service_options(&o);
	o.backlog = 1;
	l = listen_with(&o);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < CLIENTS; i++) {
			crowd[i] = (struct connecting){
				.flags = IPCCHAN_OPEN_WAIT, .timeout_ns = FOREVER,
			};
			connect_begin(&crowd[i]);
		}
		for (int i = 0; i < CLIENTS; i++)
			assert_ok(ipcchan_accept(l, &ports[i], NULL, 10000 * MS));
		for (int i = 0; i < CLIENTS; i++) {
			connect_end(&crowd[i]);
			assert_ok(crowd[i].rc);
			ipcchan_port_close(crowd[i].port);
			ipcchan_port_close(ports[i]);
		}
	}
	ipcchan_listener_close(l);
}

static void a_user_has_so_many(void **state)
{
	struct ipcchan_error error;
	struct ipcchan_options o;
	struct ipcchan_port *port;
	struct meeting m;

	(void)state;
	service_options(&o);
	o.max_per_user = 1;
	meet(&m, &o, NULL);
	assert_error(ipcchan_connect(&port, NAME, NULL, FOREVER, &error), EDQUOT);
	assert_string_equal(error.text, "the user has as many connections as the listener allows");
	ipcchan_port_close(m.client);
	/* as long as the other end is there it is one */
	assert_error(ipcchan_connect(&port, NAME, NULL, FOREVER, &error), EDQUOT);
	ipcchan_port_close(m.server);
	m.client = NULL;
	m.server = NULL;
	assert_error(ipcchan_connect(&port, NAME, NULL, 5 * MS, &error), ETIMEDOUT);
	part(&m);
}

static int child(struct ipcchan_listener *l, const struct meeting *m)
{
	struct ipcchan_message message;
	struct ipcchan_port *port;
	uint64_t call;

	if (ipcchan_accept(l, &port, NULL, FOREVER) != -EBUSY || ipcchan_listener_fd(l) != -EBUSY)
		return 1;
	if (ipcchan_call(m->client, "a", 1, &message, FOREVER) != -EBUSY ||
	    ipcchan_call_start(m->client, "a", 1, &call, FOREVER) != -EBUSY ||
	    ipcchan_reply(m->server, &message, "a", 1, FOREVER) != -EBUSY)
		return 2;
	ipcchan_listener_close(l);
	ipcchan_port_close(m->client);
	return 0;
}

static void a_child_has_none_of_it(void **state)
{
	struct meeting m;
	int status;
	pid_t pid;

	(void)state;
	meet(&m, NULL, NULL);
	pid = fork();
	if (!pid)
		_exit(child(m.listener, &m));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(ipcchan_listener_fd(m.listener) >= 0);
	assert_ok(send_number(m.client, 1));
	assert_int_equal(recv_number(m.server), 1);
	part(&m);
}

static void needs_the_module(void **state)
{
	struct ipcchan_listener *l;
	struct ipcchan_port *port;

	(void)state;
	sim_no_module(true);
	assert_error(ipcchan_connect(&port, NAME, NULL, FOREVER, NULL), ENODEV);
	assert_error(ipcchan_listen(&l, NAME, NULL, NULL), ENODEV);
}

static void by_handles(void **state)
{
	struct connecting c = { .timeout_ns = FOREVER };
	struct ipcchan_listener *l;
	struct ipcchan_options o;
	struct ipcchan_port *port;

	(void)state;
	service_options(&o);
	o.type = IPCCHAN_SERVICE;
	o.flags = 0;
	c.handle = ipcchan_handle_create(&o, NULL);
	assert_true(c.handle >= 0);
	assert_ok(ipcchan_listen_handle(&l, c.handle, NULL, NULL));
	connect_begin(&c);
	assert_ok(ipcchan_accept(l, &port, NULL, FOREVER));
	connect_end(&c);
	assert_ok(c.rc);
	assert_ok(send_number(port, 1));
	assert_int_equal(recv_number(c.port), 1);
	ipcchan_port_close(port);
	ipcchan_port_close(c.port);
	ipcchan_listener_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_apart(refuses),
		test_apart(takes_no_topic),
		test_apart(looks_and_waits_in_vain),
		test_apart(each_hears_the_other_only),
		test_apart(who_leaves_is_read_first),
		test_apart(a_server_that_has_left_was_there),
		test_apart(a_client_that_has_left_was_there),
		test_apart(the_last_listener_refuses),
		test_apart(a_deleted_service_says_so),
		test_apart(what_is_accepted_outlives_the_service),
		test_apart(waits_for_the_service_and_the_listener),
		test_apart(the_backlog_has_an_end),
		test_apart(a_crowd_gets_in),
		test_apart(a_user_has_so_many),
		test_apart(a_child_has_none_of_it),
		test_apart(needs_the_module),
		test_apart(by_handles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
