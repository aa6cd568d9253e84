// SPDX-License-Identifier: GPL-2.0
/* Services: who sleeps in ATTACH or ACCEPT, and what wakes him. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "parley.h"
#include "sleeper.h"

#define LIMIT	120
#define MANY	40

FIXTURE(service_wait) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port l, l2, c, c2, s;
};

FIXTURE_SETUP(service_wait)
{
	accounts_read(&self->before);
	unique_name(self->name, "service-wait");
	ASSERT_EQ(0, make_service(self->name, IPCCHAN_CREATE_PERSISTENT, 4));
}

FIXTURE_TEARDOWN(service_wait)
{
	leave(&self->c);
	leave(&self->c2);
	leave(&self->s);
	leave(&self->l);
	leave(&self->l2);
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* A thread that makes one end of a connection; @result is 1 until it has. */
struct end {
	int (*call)(struct end *end);
	const char *name;		/* for who connects */
	int handle;			/* by which it does */
	const struct raw_port *l;	/* for who accepts */
	struct raw_port port;
	int result;
	pthread_t thread;
	pid_t tid;
};

static int connect_end(struct end *end)
{
	return client_attach_until(&end->port, end->name, FOREVER);
}

static int connect_by_handle(struct end *end)
{
	struct ipcchan_attach args = attach_args("", IPCCHAN_SEND);
	int err;

	args.flags = IPCCHAN_ATTACH_WAIT;
	args.deadline_ns = FOREVER;
	err = call_attach(end->handle, &args);
	if (!err)
		close(args.fd);
	return err;
}

static int accept_end(struct end *end)
{
	return server_take(end->l, &end->port, FOREVER, NULL);
}

static int wait_end(struct end *end)
{
	uint32_t events;

	return wait_for(end->l, IPCCHAN_WAIT_RECEIVE, FOREVER, &events);
}

static void *run(void *arg)
{
	struct end *end = arg;

	__atomic_store_n(&end->tid, gettid(), __ATOMIC_RELEASE);
	__atomic_store_n(&end->result, end->call(end), __ATOMIC_RELEASE);
	return NULL;
}

static int result_of(struct end *end)
{
	return __atomic_load_n(&end->result, __ATOMIC_ACQUIRE);
}

static bool sleeps(struct end *end)
{
	end->tid = 0;
	end->result = 1;
	if (pthread_create(&end->thread, NULL, run, end))
		return false;
	while (!__atomic_load_n(&end->tid, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	return falls_asleep(end->tid);
}

static bool connect_sleeps(struct end *end, const char *name)
{
	end->call = connect_end;
	end->name = name;
	return sleeps(end);
}

static bool handle_sleeps(struct end *end, const char *name)
{
	int device = device_open();

	end->call = connect_by_handle;
	end->handle = handle_open(device, name, IPCCHAN_SEND);
	close(device);
	return end->handle >= 0 && sleeps(end);
}

static bool accept_sleeps(struct end *end, const struct raw_port *l)
{
	end->call = accept_end;
	end->l = l;
	return sleeps(end);
}

TEST_F_TIMEOUT(service_wait, waits_for_a_listener, LIMIT)
{
	struct end c;

	EXPECT_EQ(-ETIMEDOUT, client_attach_until(&self->c, self->name, 0));
	EXPECT_EQ(-ETIMEDOUT, client_attach_until(&self->c, self->name, now_ns() + MS));
	ASSERT_TRUE(connect_sleeps(&c, self->name));
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.result);
	leave(&c.port);
}

TEST_F_TIMEOUT(service_wait, waits_for_a_place, LIMIT)
{
	struct end c[3];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 1, 0));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(connect_sleeps(&c[i], self->name));
	}
	/* who has the place and does not take it holds nobody up */
	ASSERT_EQ(0, server_take(&self->l, &self->s, 0, NULL));
	for (int i = 0; i < 3; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, c[i].result);
		leave(&c[i].port);
	}
}

TEST_F_TIMEOUT(service_wait, waits_for_a_name, LIMIT)
{
	char other[IPCCHAN_NAME_SIZE], later[IPCCHAN_NAME_SIZE];
	struct end c;

	unique_name(other, "other");
	unique_name(later, "later");
	EXPECT_EQ(-ETIMEDOUT, client_attach_until(&self->c, later, now_ns() + MS));
	ASSERT_TRUE(connect_sleeps(&c, later));
	ASSERT_EQ(0, make_service(other, 0, 1));
	ASSERT_EQ(0, make_service(later, 0, 1));
	ASSERT_EQ(0, drop_channel(other));
	/* there, but nobody listens */
	ASSERT_TRUE(falls_asleep(c.tid));
	/* and gone, and there again */
	ASSERT_EQ(0, drop_channel(later));
	ASSERT_TRUE(falls_asleep(c.tid));
	ASSERT_EQ(0, make_service(later, 0, 1));
	ASSERT_TRUE(falls_asleep(c.tid));
	ASSERT_EQ(0, listen_at(&self->l, later, 0, 0));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.result);
	leave(&c.port);
}

/* More than are woken at a time: each wakes others, though it takes no place yet. */
TEST_F_TIMEOUT(service_wait, many_for_one_place, LIMIT)
{
	struct end c[MANY];

	for (int i = 0; i < MANY; i++) {
		ASSERT_TRUE(connect_sleeps(&c[i], self->name));
	}
	ASSERT_EQ(0, listen_at(&self->l, self->name, 1, 0));
	for (int i = 0; i < MANY; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(0, c[i].result);
	}
	for (int i = 0; i < MANY; i++)
		leave(&c[i].port);
}

TEST_F_TIMEOUT(service_wait, many_for_what_is_deleted, LIMIT)
{
	struct end c[MANY];

	for (int i = 0; i < MANY; i++) {
		ASSERT_TRUE(handle_sleeps(&c[i], self->name));
	}
	EXPECT_EQ(0, drop_channel(self->name));
	for (int i = 0; i < MANY; i++) {
		pthread_join(c[i].thread, NULL);
		EXPECT_EQ(-ESHUTDOWN, c[i].result);
		close(c[i].handle);
	}
}

/* Breaks it: nobody looks at the handle while there is no listener. */
TEST_F_TIMEOUT(service_wait, a_handle_is_revoked, LIMIT)
{
	struct end one, other, by_name;

	ASSERT_TRUE(handle_sleeps(&one, self->name));
	ASSERT_TRUE(handle_sleeps(&other, self->name));
	ASSERT_TRUE(connect_sleeps(&by_name, self->name));
	EXPECT_EQ(0, call_revoke(one.handle));
	pthread_join(one.thread, NULL);
	EXPECT_EQ(-EKEYREVOKED, one.result);
	EXPECT_EQ(1, result_of(&other) & result_of(&by_name));
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	pthread_join(other.thread, NULL);
	pthread_join(by_name.thread, NULL);
	EXPECT_EQ(0, other.result);
	EXPECT_EQ(0, by_name.result);
	leave(&by_name.port);
	close(one.handle);
	close(other.handle);
}

/* Listeners asleep: one is told of each, and whoever cannot take it passes it on. */

TEST_F_TIMEOUT(service_wait, one_listener_each, LIMIT)
{
	struct end one, two;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, listen_at(&self->l2, self->name, 0, 0));
	ASSERT_TRUE(accept_sleeps(&one, &self->l));
	ASSERT_TRUE(accept_sleeps(&two, &self->l2));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	for (int i = 0; i < 2000 && result_of(&one) == 1 && result_of(&two) == 1; i++)
		sleep_ms(10);
	sleep_ms(50);
	EXPECT_EQ(1, result_of(&one) + result_of(&two));
	ASSERT_EQ(0, client_wait(&self->c2, self->name));
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	EXPECT_EQ(0, one.result);
	EXPECT_EQ(0, two.result);
	leave(&one.port);
	leave(&two.port);
}

/* Breaks it: the first that is armed is told, and nobody else. */
TEST_F_TIMEOUT(service_wait, a_poll_that_is_over, LIMIT)
{
	struct end two;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, poll_for(&self->l, POLLIN, 0));
	ASSERT_EQ(0, listen_at(&self->l2, self->name, 0, 0));
	ASSERT_TRUE(accept_sleeps(&two, &self->l2));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	pthread_join(two.thread, NULL);
	EXPECT_EQ(0, two.result);
	leave(&two.port);
}

/* Likewise, with an epoll set whose owner is busy; it is told, too. */
TEST_F_TIMEOUT(service_wait, an_epoll_set_that_nobody_asks, LIMIT)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int set = epoll_create1(0);
	struct end two;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, epoll_ctl(set, EPOLL_CTL_ADD, self->l.fd, &event));
	ASSERT_EQ(0, epoll_wait(set, &event, 1, 0));
	ASSERT_EQ(0, listen_at(&self->l2, self->name, 0, 0));
	ASSERT_TRUE(accept_sleeps(&two, &self->l2));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	pthread_join(two.thread, NULL);
	EXPECT_EQ(0, two.result);
	leave(&two.port);
	ASSERT_EQ(0, client_wait(&self->c2, self->name));
	EXPECT_EQ(1, epoll_wait(set, &event, 1, 20000));
	close(set);
}

/* Breaks it: a listener that leaves, and was told, tells nobody. */
TEST_F_TIMEOUT(service_wait, a_listener_that_does_nothing, LIMIT)
{
	struct end one, two;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, listen_at(&self->l2, self->name, 0, 0));
	one.call = wait_end;
	one.l = &self->l;
	ASSERT_TRUE(sleeps(&one));
	ASSERT_TRUE(accept_sleeps(&two, &self->l2));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	pthread_join(one.thread, NULL);
	EXPECT_EQ(0, one.result);
	sleep_ms(50);
	EXPECT_EQ(1, result_of(&two));
	leave(&self->l);
	pthread_join(two.thread, NULL);
	EXPECT_EQ(0, two.result);
	leave(&two.port);
}

TEST_F_TIMEOUT(service_wait, a_listener_that_cannot, LIMIT)
{
	struct end one, two;
	struct rlimit files, few;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, listen_at(&self->l2, self->name, 0, 0));
	one.call = wait_end;
	one.l = &self->l;
	ASSERT_TRUE(sleeps(&one));
	ASSERT_TRUE(accept_sleeps(&two, &self->l2));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	pthread_join(one.thread, NULL);
	sleep_ms(50);
	EXPECT_EQ(1, result_of(&two));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
	few = files;
	few.rlim_cur = 3;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, server_take(&self->l, &self->s, 0, NULL));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	/* it was passed on; with no file for that one either, it still waits */
	pthread_join(two.thread, NULL);
	if (two.result == -EMFILE) {
		EXPECT_EQ(0, server_take(&self->l, &self->s, 0, NULL));
	} else {
		EXPECT_EQ(0, two.result);
		leave(&two.port);
	}
}

TEST_HARNESS_MAIN
