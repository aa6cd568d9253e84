// SPDX-License-Identifier: GPL-2.0
/*
 * Services: what is refused, and why; who is counted. Each step of a connection
 * by itself, without the library.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "genl.h"
#include "ipcchan.h"
#include "parley.h"

#define LIMIT	120

FIXTURE(service) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port l, l2, c, c2, s, s2;
};

FIXTURE_SETUP(service)
{
	accounts_read(&self->before);
	unique_name(self->name, "service");
	ASSERT_EQ(0, make_service(self->name, IPCCHAN_CREATE_PERSISTENT, 4));
}

FIXTURE_TEARDOWN(service)
{
	leave(&self->c);
	leave(&self->c2);
	leave(&self->s);
	leave(&self->s2);
	leave(&self->l);
	leave(&self->l2);
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int refused_create(const struct ipcchan_create *args)
{
	struct ipcchan_create copy = *args;
	int fd = device_open(), err;

	unique_name(copy.name, "refused");
	err = call_create(fd, &copy);
	close(fd);
	return err;
}

TEST_F(service, what_it_is_not)
{
	struct ipcchan_create args = create_args("x"), base;

	args.type = IPCCHAN_TYPE_SERVICE;
	base = args;
	args.overflow = IPCCHAN_OVERFLOW_DROP_OLDEST;
	EXPECT_EQ(-EINVAL, refused_create(&args));
	EXPECT_STREQ("a service has overflow block", why);
	args = base;
	args.history = 1;
	EXPECT_EQ(-EINVAL, refused_create(&args));
	EXPECT_STREQ("a service has no history", why);
	args = base;
	args.stall_ns = SECOND;
	EXPECT_EQ(-EINVAL, refused_create(&args));
	EXPECT_STREQ("a service has no stall", why);
	args = base;
	args.geometry.senders = 1;
	EXPECT_EQ(-EINVAL, refused_create(&args));
	EXPECT_STREQ("a service has listeners and connections, no senders", why);
	args = base;
	args.type = IPCCHAN_TYPE_CONNECTION;
	EXPECT_EQ(-EINVAL, refused_create(&args));
	EXPECT_STREQ("unknown type of channel", why);
}

TEST_F(service, small_by_default)
{
	struct ipcchan_create args;
	struct ipcchan_lookup lookup;
	int fd = device_open();
	char name[IPCCHAN_NAME_SIZE];

	unique_name(name, "defaults");
	args = create_args(name);
	args.type = IPCCHAN_TYPE_SERVICE;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	ASSERT_EQ(0, call_create(fd, &args));
	ASSERT_EQ(0, find_channel(name, &lookup));
	EXPECT_EQ(IPCCHAN_TYPE_SERVICE, lookup.type);
	EXPECT_EQ(32, lookup.geometry.depth);
	EXPECT_EQ(65536, lookup.geometry.arena);
	EXPECT_EQ(65536, lookup.geometry.max_message);
	EXPECT_EQ(64, lookup.geometry.holds);
	EXPECT_EQ(0, lookup.geometry.senders);
	EXPECT_EQ(IPCCHAN_DEFAULT_SLOTS, lookup.geometry.receivers);
	ASSERT_EQ(0, drop_channel(name));
	args.geometry.max_message = 1 << 20;
	ASSERT_EQ(0, call_create(fd, &args));
	ASSERT_EQ(0, find_channel(name, &lookup));
	EXPECT_EQ(1 << 20, lookup.geometry.arena);
	ASSERT_EQ(0, drop_channel(name));
	close(fd);
}

TEST_F(service, who_listens_and_who_connects)
{
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);
	int fd = device_open(), many[4];

	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	EXPECT_STREQ("a port of a service listens or connects, not both", why);
	args = attach_args(self->name, IPCCHAN_RECEIVE);
	args.backlog = IPCCHAN_MAX_BACKLOG + 1;
	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	EXPECT_STREQ("a backlog is at most 4096", why);
	args = attach_args(self->name, IPCCHAN_RECEIVE);
	args.wake_count = 2;
	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	EXPECT_STREQ("a listener has no wake-up thresholds", why);
	args = attach_args(self->name, IPCCHAN_SEND);
	args.backlog = 1;
	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	EXPECT_STREQ("a backlog and a limit per user are for who listens at a service", why);
	args.backlog = 0;
	args.max_per_user = 1;
	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	args.max_per_user = 0;
	args.deadline_ns = 1;
	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	EXPECT_STREQ("a deadline is given but not waited for", why);
	args.deadline_ns = 0;
	EXPECT_EQ(-ECONNREFUSED, call_attach(fd, &args));
	EXPECT_STREQ("nobody listens at the service", why);
	/* as many as the geometry says */
	args = attach_args(self->name, IPCCHAN_RECEIVE);
	args.backlog = IPCCHAN_MAX_BACKLOG;
	for (int i = 0; i < 4; i++) {
		many[i] = device_open();
		EXPECT_EQ(0, call_attach(many[i], &args));
	}
	EXPECT_EQ(-EUSERS, call_attach(fd, &args));
	EXPECT_STREQ("all receiver slots are taken", why);
	close(fd);
	for (int i = 0; i < 4; i++)
		close(many[i]);
}

static int listen_as(void *name)
{
	struct raw_port l;

	return listen_at(&l, name, 0, 0);
}

static int connect_as(void *name)
{
	struct raw_port c;

	return client_attach(&c, name);
}

/* To listen is to receive, to connect is to send. */
TEST_F(service, rights)
{
	struct ipcchan_create args = create_args(self->name);
	int fd = device_open();

	ASSERT_EQ(0, drop_channel(self->name));
	args.type = IPCCHAN_TYPE_SERVICE;
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.mode = 0602;
	ASSERT_EQ(0, call_create(fd, &args));
	close(fd);
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	EXPECT_EQ(-EACCES, run_as(ALICE, listen_as, self->name));
	EXPECT_STREQ("no right to receive", why);
	EXPECT_EQ(0, run_as(ALICE, connect_as, self->name));
	ASSERT_EQ(0, drop_channel(self->name));
	leave(&self->l);
	args.mode = 0604;
	fd = device_open();
	ASSERT_EQ(0, call_create(fd, &args));
	close(fd);
	EXPECT_EQ(-EACCES, run_as(ALICE, connect_as, self->name));
	EXPECT_STREQ("no right to send", why);
	EXPECT_EQ(0, run_as(ALICE, listen_as, self->name));
}

TEST_F(service, not_on_topics)
{
	char topic[IPCCHAN_NAME_SIZE];
	struct ipcchan_attach args;
	struct raw_port p, s;
	int fd = device_open();

	unique_name(topic, "topic");
	ASSERT_EQ(0, small_channel(topic, 0, 2));
	args = attach_args(topic, IPCCHAN_RECEIVE);
	args.backlog = 1;
	EXPECT_EQ(-EINVAL, call_attach(fd, &args));
	ASSERT_EQ(0, raw_open(&p, topic, IPCCHAN_RECEIVE));
	EXPECT_EQ(-EINVAL, server_take(&p, &s, 0, NULL));
	EXPECT_STREQ("the file is no listener of a service", why);
	raw_close(&p);
	close(fd);
}

TEST_F(service, accept_refuses)
{
	struct ipcchan_accept a = {
		.size = sizeof(a), .why = (uintptr_t)why, .why_len = WHY_SIZE,
	};
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_RECEIVE);
	int fd = device_open();

	EXPECT_EQ(-ENOTCONN, call(fd, IPCCHAN_IOC_ACCEPT, &a));
	ASSERT_EQ(0, call_attach(fd, &args));
	EXPECT_EQ(-EINVAL, call(fd, IPCCHAN_IOC_ACCEPT, &a));
	close(fd);
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	a.flags = 1;
	EXPECT_EQ(-EINVAL, call(self->l.fd, IPCCHAN_IOC_ACCEPT, &a));
	EXPECT_STREQ("unknown flags", why);
	a.flags = 0;
	a.size = sizeof(a) - 1;
	EXPECT_EQ(-EINVAL, call(self->l.fd, IPCCHAN_IOC_ACCEPT, &a));
	a.size = sizeof(a);
	EXPECT_EQ(-EFAULT, call(self->l.fd, IPCCHAN_IOC_ACCEPT, NULL));
	a.reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->l.fd, IPCCHAN_IOC_ACCEPT, &a));
	EXPECT_STREQ("reserved is not zero", why);
	EXPECT_EQ(-ETIMEDOUT, server_take(&self->l, &self->s, 0, NULL));
	EXPECT_EQ(-ETIMEDOUT, server_take(&self->l, &self->s, now_ns() + MS, NULL));
	ASSERT_EQ(0, drop_channel(self->name));
	EXPECT_EQ(-ESHUTDOWN, server_take(&self->l, &self->s, 0, NULL));
}

TEST_F(service, a_connection)
{
	struct ipcchan_accept a;
	struct ipcchan_peer peer;
	char text[16];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	EXPECT_EQ(0, poll_for(&self->l, POLLIN, 0));
	ASSERT_EQ(0, client_attach(&self->c, self->name));
	EXPECT_EQ(IPCCHAN_TYPE_CONNECTION, self->c.attach.type);
	EXPECT_EQ(2, self->c.attach.geometry.senders);
	EXPECT_EQ(2, self->c.attach.geometry.receivers);
	EXPECT_EQ(1, self->c.attach.port_id);
	/* NEW: in nobody's way */
	EXPECT_EQ(0, poll_for(&self->l, POLLIN, 0));
	ASSERT_EQ(0, raw_map(&self->c));
	EXPECT_EQ(POLLIN, poll_for(&self->l, POLLIN, 0));
	EXPECT_EQ(1, connections_of(self->name));
	ASSERT_EQ(0, server_take(&self->l, &self->s, 0, &a));
	EXPECT_EQ(0, poll_for(&self->l, POLLIN, 0));
	EXPECT_EQ(getpid(), a.pid);
	EXPECT_EQ(2, a.port_id);
	EXPECT_FALSE(sees_peer(&self->c));
	ASSERT_EQ(0, server_join(&self->s));
	EXPECT_TRUE(sees_peer(&self->c));
	EXPECT_TRUE(sees_peer(&self->s));
	EXPECT_EQ(0, poll_for(&self->c, POLLIN | POLLRDHUP, 0));

	raw_publish(&self->c, "abc", 3, 1);
	EXPECT_EQ(0, poll_for(&self->c, POLLIN, 0));
	EXPECT_EQ(POLLIN, poll_for(&self->s, POLLIN, 0));
	EXPECT_EQ(3, raw_take(&self->s, self->c.attach.sender_slot, text, sizeof(text), NULL));
	raw_publish(&self->s, "de", 2, 1);
	EXPECT_EQ(0, poll_for(&self->s, POLLIN, 0));
	EXPECT_EQ(2, raw_take(&self->c, self->s.attach.sender_slot, text, sizeof(text), NULL));
	EXPECT_EQ(0, call_peer(self->c.fd, IPCCHAN_SEND, self->s.attach.sender_slot, &peer));
	EXPECT_EQ(getpid(), peer.pid);
	EXPECT_EQ(IPCCHAN_SEND | IPCCHAN_RECEIVE, peer.roles);
	leave(&self->c);
	EXPECT_TRUE(hung_up(&self->s));
	EXPECT_EQ(1, connections_of(self->name));
	leave(&self->s);
	EXPECT_EQ(0, connections_of(self->name));
}

/* What lies in the own line that makes a port deaf to itself is its own to spoil. */
TEST_F(service, who_listens_to_himself)
{
	char text[4];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, establish(&self->l, self->name, &self->c, &self->s));
	raw_cursor(&self->c, self->c.attach.sender_slot)->closed = 0;
	raw_publish(&self->c, "a", 1, 0);
	EXPECT_EQ(POLLIN, poll_for(&self->c, POLLIN, 0));
	EXPECT_EQ(1, raw_take(&self->s, self->c.attach.sender_slot, text, sizeof(text), NULL));
	leave(&self->c);
	EXPECT_TRUE(hung_up(&self->s));
}

/* A place is taken by what is mapped, and not by what is only attached. */
TEST_F(service, backlog)
{
	struct raw_port idle[4];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 1, 0));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, client_attach(&idle[i], self->name));
	}
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	EXPECT_EQ(-EAGAIN, client_attach(&self->c2, self->name));
	EXPECT_STREQ("as many connections wait to be accepted as the backlog has places", why);
	EXPECT_EQ(-EAGAIN, map_own(&idle[0]));
	ASSERT_EQ(0, server_take(&self->l, &self->s, 0, NULL));
	EXPECT_EQ(0, map_own(&idle[0]));
	EXPECT_EQ(-EAGAIN, map_own(&idle[1]));
	/* the newest listener's word */
	ASSERT_EQ(0, listen_at(&self->l2, self->name, 2, 0));
	EXPECT_EQ(0, map_own(&idle[1]));
	/* who waits no more has given its place up */
	leave(&idle[0]);
	EXPECT_EQ(0, map_own(&idle[2]));
	EXPECT_EQ(6, 2 + connections_of(self->name));
	leave(&self->l);
	leave(&self->l2);
	EXPECT_EQ(-ECONNREFUSED, map_own(&idle[3]));
	EXPECT_EQ(IPCCHAN_REASON_REFUSED, reason_of(&idle[1]));
	EXPECT_EQ(IPCCHAN_REASON_REFUSED, reason_of(&idle[2]));
	EXPECT_EQ(IPCCHAN_REASON_NONE, reason_of(&idle[3]));
	for (int i = 1; i < 4; i++)
		leave(&idle[i]);
}

/* Who takes it for a channel is told so, and the newest listener's word stands. */
TEST_F(service, opened_as_a_channel)
{
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_RECEIVE);
	const uint32_t roles[] = { IPCCHAN_ROLE_SEND, IPCCHAN_ROLE_RECEIVE };
	struct ipcchan_error error;
	struct ipcchan_port *port;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 1, 0));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-EPROTOTYPE, ipcchan_open(&port, self->name, roles[i], NULL, &error));
		EXPECT_STREQ("the channel is a service: one listens there, or connects",
			     error.text);
	}
	self->l2.fd = device_open();
	ASSERT_EQ(0, call_attach(self->l2.fd, &args));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	EXPECT_EQ(-EAGAIN, client_attach(&self->c2, self->name));
	close(self->l2.fd);
	memset(&self->l2, 0, sizeof(self->l2));
}

/* In the order they came, whoever takes them; one that cannot be taken is the next. */
TEST_F(service, first_come_first_served)
{
	unsigned long long ports = param_get("max_user_ports");
	struct rlimit files, few;
	struct accounts now;
	char text[4];

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, client_wait(&self->c, self->name));
	ASSERT_EQ(0, client_wait(&self->c2, self->name));
	accounts_read(&now);
	ASSERT_EQ(0, param_set("max_user_ports", now.ports));
	EXPECT_EQ(-EDQUOT, server_take(&self->l, &self->s, 0, NULL));
	ASSERT_EQ(0, param_set("max_user_ports", ports));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
	few = files;
	few.rlim_cur = 3;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, server_take(&self->l, &self->s, 0, NULL));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	EXPECT_EQ(POLLIN, poll_for(&self->l, POLLIN, 0));

	ASSERT_EQ(0, server_take(&self->l, &self->s, 0, NULL));
	ASSERT_EQ(0, server_take(&self->l, &self->s2, 0, NULL));
	ASSERT_EQ(0, server_join(&self->s2));
	ASSERT_EQ(0, server_join(&self->s));
	raw_publish(&self->s, "1", 1, 0);
	EXPECT_EQ(1, raw_take(&self->c, self->s.attach.sender_slot, text, sizeof(text), NULL));
	EXPECT_EQ(-EAGAIN, raw_take(&self->c2, self->s2.attach.sender_slot, text, 4, NULL));
}

static int connect_and_stay(void *arg)
{
	struct raw_port c;

	(void)arg;
	return client_wait(&c, arg);
}

TEST_F(service, limit_per_user)
{
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 1));
	ASSERT_EQ(0, client_attach(&self->c, self->name));
	EXPECT_EQ(-EDQUOT, client_attach(&self->c2, self->name));
	EXPECT_STREQ("the user has as many connections as the listener allows", why);
	EXPECT_EQ(0, run_as(ALICE, connect_and_stay, self->name));
	leave(&self->c);
	ASSERT_EQ(0, establish(&self->l, self->name, &self->c, &self->s)) TH_LOG("%s", why);
	leave(&self->c);
	EXPECT_EQ(-EDQUOT, client_attach(&self->c2, self->name));
	leave(&self->s);
	EXPECT_EQ(0, client_attach(&self->c2, self->name));
}

/* The client is somebody else, elsewhere. */
static int visit(void *arg)
{
	struct ipcchan_peer peer;
	struct raw_port c;
	uint64_t senders, receivers;

	become(ALICE);
	if (enter_userns())
		return __LINE__;
	if (client_wait(&c, arg))
		return __LINE__;
	for (;;) {
		senders = ipcchan_load_acquire(&raw_roster(&c)->sender_generation);
		receivers = ipcchan_load_acquire(&raw_roster(&c)->receiver_generation);
		if (sees_peer(&c))
			break;
		if (wait_roster(&c, senders, receivers, FOREVER, NULL))
			return __LINE__;
	}
	if (call_peer(c.fd, IPCCHAN_SEND, 1, &peer))
		return __LINE__;
	/* root has no meaning there; in its own namespace it is root itself */
	if (peer.uid != 65534 || !peer.pid)
		return __LINE__;
	if (call_peer(c.fd, 0, 0, &peer) || peer.uid != 0 || peer.pid != (uint32_t)getpid())
		return __LINE__;
	/* the server has seen us, and goes */
	return hung_up(&c) ? 0 : __LINE__;
}

TEST_F_TIMEOUT(service, credentials, LIMIT)
{
	struct ipcchan_accept a;
	struct ipcchan_peer peer;
	pid_t pid;

	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	pid = child_start(visit, self->name);
	ASSERT_EQ(0, server_take(&self->l, &self->s, FOREVER, &a));
	EXPECT_EQ(pid, a.pid);
	EXPECT_EQ(ALICE, a.uid);
	EXPECT_EQ(ALICE, a.gid);
	ASSERT_EQ(0, server_join(&self->s));
	ASSERT_EQ(0, call_peer(self->s.fd, IPCCHAN_RECEIVE, 0, &peer));
	EXPECT_EQ(pid, peer.pid);
	EXPECT_EQ(ALICE, peer.uid);
	EXPECT_EQ(a.attached_ns / SECOND, peer.attached_ns / SECOND);
	sleep_ms(50);
	leave(&self->s);
	EXPECT_EQ(0, child_end(pid, 30000));
}

/* What an administrator sees; and takes off, by the number of the connection. */
TEST_F(service, shown_and_evicted)
{
	struct genl_request r = genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, self->name);
	struct genl_answers answers = {}, all = {};
	const struct nlmsghdr *one;
	struct genl_attrs attrs;
	int64_t service;
	struct genl g;

	ASSERT_EQ(0, genl_open(&g));
	ASSERT_EQ(0, listen_at(&self->l, self->name, 7, 9));
	ASSERT_EQ(0, establish(&self->l, self->name, &self->c, &self->s));
	ASSERT_EQ(0, client_wait(&self->c2, self->name));
	ASSERT_EQ(0, genl_talk(&g, &r, &answers));
	attrs = genl_attrs(answers.messages[0]);
	EXPECT_EQ(IPCCHAN_TYPE_SERVICE, genl_number(attrs, IPCCHAN_A_CHANNEL_TYPE));
	EXPECT_EQ(1, genl_number(attrs, IPCCHAN_A_CHANNEL_RECEIVERS_ATTACHED));
	EXPECT_EQ(2, genl_number(attrs, IPCCHAN_A_CHANNEL_SENDERS_ATTACHED));
	EXPECT_EQ(1, genl_number(attrs, IPCCHAN_A_CHANNEL_WAITING));
	EXPECT_EQ(7, genl_number(attrs, IPCCHAN_A_CHANNEL_BACKLOG));
	EXPECT_EQ(9, genl_number(attrs, IPCCHAN_A_CHANNEL_MAX_PER_USER));
	EXPECT_EQ(-1, genl_number(attrs, IPCCHAN_A_CHANNEL_SERVICE));
	service = genl_number(attrs, IPCCHAN_A_CHANNEL_ID);
	genl_free(&answers);

	r = genl_dump(IPCCHAN_CMD_CHANNEL_GET);
	ASSERT_EQ(0, genl_talk(&g, &r, &all));
	one = genl_with_number(&all, IPCCHAN_A_CHANNEL_SERVICE, service);
	ASSERT_NE(NULL, one);
	attrs = genl_attrs(one);
	EXPECT_EQ(IPCCHAN_TYPE_CONNECTION, genl_number(attrs, IPCCHAN_A_CHANNEL_TYPE));
	EXPECT_EQ(NULL, genl_text(attrs, IPCCHAN_A_CHANNEL_NAME));
	EXPECT_EQ(2, genl_number(attrs, IPCCHAN_A_CHANNEL_SENDERS_ATTACHED));
	r = genl_request(IPCCHAN_CMD_PORT_EVICT);
	genl_put_u32(&r, IPCCHAN_A_PORT_CHANNEL_ID, genl_number(attrs, IPCCHAN_A_CHANNEL_ID));
	genl_put_u32(&r, IPCCHAN_A_PORT_ID, 1);
	EXPECT_EQ(0, genl_talk(&g, &r, NULL)) TH_LOG("%s", why);
	EXPECT_EQ(IPCCHAN_REASON_EVICTED, reason_of(&self->c));
	EXPECT_TRUE(hung_up(&self->s));
	genl_free(&all);
	genl_close(&g);
}

/* Whose connections they are is the service's owner's to see, not the client's. */
static int count_shown(void *unused)
{
	struct genl_request r = genl_dump(IPCCHAN_CMD_CHANNEL_GET);
	struct genl_answers all = {};
	int n = 0, err;
	struct genl g;

	(void)unused;
	err = genl_open(&g) ?: genl_talk(&g, &r, &all);
	if (err)
		return err;
	for (size_t i = 0; i < all.count; i++)
		n += genl_number(genl_attrs(all.messages[i]), IPCCHAN_A_CHANNEL_TYPE) ==
		     IPCCHAN_TYPE_CONNECTION;
	genl_free(&all);
	genl_close(&g);
	return n;
}

TEST_F(service, hidden_from_others)
{
	ASSERT_EQ(0, listen_at(&self->l, self->name, 0, 0));
	ASSERT_EQ(0, establish(&self->l, self->name, &self->c, &self->s));
	EXPECT_EQ(1, run_child(count_shown, NULL));
	EXPECT_EQ(0, run_as(ALICE, count_shown, NULL));
}

TEST_HARNESS_MAIN
