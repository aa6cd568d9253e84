// SPDX-License-Identifier: GPL-2.0
/*
 * What handles are for: a broker gives one to a process that has nothing else,
 * no /dev, no name, no file but a socket, and is in other namespaces. That process
 * attaches, and is known by what it is when it does.
 *
 * What breaks these: an identity stamped when the handle was made, or taken from
 * the file; anything that is looked up in the caller's namespaces.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "ipcchan.h"
#include "probe.h"

#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)
#define ROLES	(IPCCHAN_ROLE_SEND | IPCCHAN_ROLE_RECEIVE)
#define PATIENCE (60 * INT64_C(1000000000))

FIXTURE(pass) {
	struct accounts before;
	char cell[64];			/* an empty folder */
	int handle;
	int ends[2];
};

FIXTURE_SETUP(pass)
{
	accounts_read(&self->before);
	snprintf(self->cell, sizeof(self->cell), "/tmp/cell.%d", getpid());
	mkdir("/tmp", 0755);
	ASSERT_EQ(0, mkdir(self->cell, 0755));
	self->handle = handle_create(4);
	ASSERT_GE(self->handle, 0) TH_LOG("%s", why);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, self->ends));
}

FIXTURE_TEARDOWN(pass)
{
	close(self->handle);
	close(self->ends[0]);
	close(self->ends[1]);
	rmdir(self->cell);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* These return 0, or the number of the line that went wrong. */
#define CHECK(condition) do { \
	if (!(condition)) \
		return __LINE__; \
} while (0)

struct prisoner {
	const char *cell;
	int socket;
	uint32_t roles;
};

/* Another user in namespaces of its own, in an empty root, with a socket only. */
static int imprison(const struct prisoner *p)
{
	become(BOB);
	CHECK(enter_userns() == 0);
	CHECK(enter_netns() == 0);
	CHECK(unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(chroot(p->cell) == 0 && chdir("/") == 0);
	CHECK(access(IPCCHAN_DEVICE, F_OK) != 0 && errno == ENOENT);
	CHECK(access("/proc", F_OK) != 0);
	return 0;
}

static int close_all_but(int keep)
{
	CHECK(dup2(keep, 3) == 3);
	CHECK(syscall(SYS_close_range, 4, ~0u, 0) == 0);
	return 0;
}

/* Echoes one message, and tells by a message who it is to itself. */
static int serve(int handle, uint32_t roles)
{
	struct ipcchan_peer_info self = { .size = sizeof(self) };
	struct ipcchan_error error = { "" };
	struct ipcchan_port *port;
	char text[64];
	ssize_t n;

	CHECK(ipcchan_open_handle(&port, handle, roles, NULL, &error) == 0);
	close(handle);
	CHECK(ipcchan_port_peer(port, 0, 0, &self) == 0);
	CHECK(self.uid == 0 && self.gid == 0 && self.pid == getpid());
	if (!(roles & IPCCHAN_ROLE_RECEIVE)) {
		CHECK(ipcchan_send(port, "hello", 5, PATIENCE) == 0);
	} else {
		n = ipcchan_recv(port, text, sizeof(text), NULL, PATIENCE);
		CHECK(n > 0);
		if (roles & IPCCHAN_ROLE_SEND)
			CHECK(ipcchan_send(port, text, n, PATIENCE) == 0);
	}
	ipcchan_port_close(port);
	return 0;
}

static int be_prisoner(void *arg)
{
	struct prisoner p = *(const struct prisoner *)arg;
	int line = imprison(&p), handle;

	if (!line)
		line = close_all_but(p.socket);
	if (line)
		return line;
	handle = recv_file(3);
	CHECK(handle >= 0);
	line = serve(handle, p.roles);
	if (line)
		return line;
	/* and is there until it was looked at */
	CHECK(send(3, "", 1, MSG_NOSIGNAL) == 1);
	CHECK(recv(3, &line, 1, 0) == 1);
	return 0;
}

/* Nobody else of it is left: its end shows. */
static pid_t start_prisoner(FIXTURE_DATA(pass) *self, struct prisoner *p)
{
	pid_t pid;

	p->cell = self->cell;
	p->socket = self->ends[1];
	pid = child_start(be_prisoner, p);
	return pid;
}

static bool comes(struct raw_port *rx, uint32_t slot, const char *text)
{
	char got[64] = "";

	for (int i = 0; i < 6000; i++) {
		if (raw_take(rx, slot, got, sizeof(got) - 1, NULL) >= 0)
			return !strcmp(got, text);
		usleep(10000);
	}
	return false;
}

/* The only sender there is, within a minute. */
static int find_sender(struct raw_port *port, uint32_t not, struct ipcchan_peer *peer)
{
	for (int i = 0; i < 6000; i++) {
		for (uint32_t slot = 0; slot < 4; slot++)
			if (slot != not && !call_peer(port->fd, IPCCHAN_SEND, slot, peer))
				return slot;
		usleep(10000);
	}
	return -1;
}

TEST_F_TIMEOUT(pass, sends_and_receives, 200)
{
	struct prisoner prisoner = { .roles = ROLES };
	uint64_t before = now_ns();
	struct ipcchan_peer peer;
	struct raw_port port;
	char byte = 0;
	pid_t child;
	int slot;

	ASSERT_EQ(0, raw_open_by(&port, self->handle, BOTH));
	child = start_prisoner(self, &prisoner);
	ASSERT_GT(child, 0);
	ASSERT_EQ(0, send_file(self->ends[0], self->handle));
	slot = find_sender(&port, port.attach.sender_slot, &peer);
	ASSERT_GE(slot, 0);
	EXPECT_EQ(child, (pid_t)peer.pid);
	EXPECT_EQ(BOB, peer.uid);
	EXPECT_EQ(BOB, peer.gid);
	EXPECT_GE(peer.attached_ns, before);
	EXPECT_EQ(BOTH, peer.roles);
	raw_publish(&port, "there and back", 14, 0);
	raw_kick_receivers(&port);
	EXPECT_TRUE(comes(&port, slot, "there and back"));
	EXPECT_EQ(1, recv(self->ends[0], &byte, 1, 0));
	EXPECT_EQ(1, send(self->ends[0], &byte, 1, MSG_NOSIGNAL));
	EXPECT_EQ(0, child_end(child, 60000));
	raw_close(&port);
}

/* A port of its own making: stamped when it attaches, by whom it is then. */
TEST_F_TIMEOUT(pass, a_narrower_one, 200)
{
	int narrow = handle_open(self->handle, "", IPCCHAN_SEND);
	struct prisoner prisoner = { .roles = IPCCHAN_ROLE_SEND };
	struct ipcchan_peer peer;
	struct raw_port port;
	char byte = 0;
	pid_t child;

	ASSERT_EQ(0, raw_open_by(&port, self->handle, IPCCHAN_RECEIVE));
	child = start_prisoner(self, &prisoner);
	ASSERT_EQ(0, send_file(self->ends[0], narrow));
	close(narrow);
	ASSERT_EQ(1, recv(self->ends[0], &byte, 1, 0));
	EXPECT_TRUE(comes(&port, 0, "hello"));
	/* it left, and what it left behind is its own still */
	if (!call_peer(port.fd, IPCCHAN_SEND, 0, &peer)) {
		EXPECT_EQ(child, (pid_t)peer.pid);
		EXPECT_EQ(BOB, peer.uid);
	}
	EXPECT_EQ(1, send(self->ends[0], &byte, 1, MSG_NOSIGNAL));
	EXPECT_EQ(0, child_end(child, 60000));
	raw_close(&port);
}

/* The same by a message: with a port that it had before, and nothing else. */
struct addressee {
	struct prisoner prisoner;
	const char *topic;
};

static int be_addressee(void *arg)
{
	const struct addressee *a = arg;
	struct ipcchan_error error = { "" };
	struct ipcchan_port *rx, *port;
	struct ipcchan_message m;
	int handle, line;
	char byte = 0;

	CHECK(ipcchan_open(&rx, a->topic, IPCCHAN_ROLE_RECEIVE, NULL, NULL) == 0);
	line = imprison(&a->prisoner);
	if (line)
		return line;
	CHECK(ipcchan_receive(rx, &m, PATIENCE) == 0);
	CHECK(ipcchan_message_files(rx, &m, &handle, 1) == 1);
	CHECK(ipcchan_release(rx, &m) == 0);
	line = serve(dup(handle), a->prisoner.roles);
	if (line)
		return line;
	/* until it was looked at, and revoked */
	CHECK(send(a->prisoner.socket, "", 1, MSG_NOSIGNAL) == 1);
	CHECK(recv(a->prisoner.socket, &byte, 1, 0) == 1);
	CHECK(ipcchan_open_handle(&port, handle, a->prisoner.roles, NULL, &error) ==
	      -EKEYREVOKED);
	/* sent again, it is as revoked */
	CHECK(ipcchan_receive(rx, &m, PATIENCE) == 0);
	CHECK(ipcchan_message_files(rx, &m, &handle, 1) == 1);
	CHECK(ipcchan_open_handle(&port, handle, a->prisoner.roles, NULL, &error) ==
	      -EKEYREVOKED);
	ipcchan_port_close(rx);
	return 0;
}

static int send_handle(struct ipcchan_port *tx, int handle)
{
	const struct iovec text = { "handle", 6 };

	return ipcchan_sendv_files(tx, &text, 1, &handle, 1, PATIENCE);
}

TEST_F_TIMEOUT(pass, by_a_message, 200)
{
	struct ipcchan_options o;
	char topic[IPCCHAN_NAME_SIZE];
	struct addressee a = { { self->cell, self->ends[1], IPCCHAN_ROLE_SEND }, topic };
	int narrow = handle_open(self->handle, "", IPCCHAN_SEND);
	struct ipcchan_port *tx;
	struct ipcchan_peer peer;
	struct raw_port port;
	char byte = 0;
	pid_t child;

	unique_name(topic, "courier");
	ipcchan_options_init(&o);
	o.flags = IPCCHAN_OPEN_CREATE;
	ASSERT_EQ(0, ipcchan_open(&tx, topic, IPCCHAN_ROLE_SEND, &o, NULL));
	ASSERT_EQ(0, raw_open_by(&port, self->handle, IPCCHAN_RECEIVE));
	child = child_start(be_addressee, &a);
	ASSERT_EQ(0, ipcchan_port_wait_peers(tx, IPCCHAN_ROLE_RECEIVE, 1, PATIENCE));
	ASSERT_EQ(0, send_handle(tx, narrow));
	ASSERT_EQ(1, recv(self->ends[0], &byte, 1, 0));
	/* what it left behind is its own still, as long as it was not read */
	ASSERT_EQ(0, call_peer(port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(child, (pid_t)peer.pid);
	EXPECT_EQ(BOB, peer.uid);
	EXPECT_EQ(BOB, peer.gid);
	EXPECT_TRUE(comes(&port, 0, "hello"));
	EXPECT_EQ(0, call_revoke(narrow));
	EXPECT_EQ(1, send(self->ends[0], &byte, 1, MSG_NOSIGNAL));
	EXPECT_EQ(0, send_handle(tx, narrow));
	close(narrow);
	EXPECT_EQ(0, child_end(child, 60000));
	ipcchan_port_close(tx);
	raw_close(&port);
}

/* What it may not. */
static int overstep(void *arg)
{
	struct prisoner p = *(const struct prisoner *)arg;
	int line = imprison(&p), handle, socket = p.socket;
	struct ipcchan_create create = create_args("test/mine");
	struct ipcchan_lookup lookup;
	struct raw_port port;

	if (line)
		return line;
	handle = recv_file(socket);
	CHECK(handle >= 0);
	CHECK(device_open() == -ENOENT);
	CHECK(raw_attach_by(&port, handle, IPCCHAN_RECEIVE) == -EACCES);
	CHECK(handle_open(handle, "", BOTH) == -EACCES);
	CHECK(call_delete(handle, "") == -EPERM);
	CHECK(call_create(handle, &create) == -EACCES);
	CHECK(raw_attach_by(&port, handle, IPCCHAN_SEND) == 0);
	CHECK(call_lookup(port.fd, "sys/open", &lookup) == -EACCES);
	CHECK(handle_open(port.fd, "sys/open", IPCCHAN_SEND) == -EACCES);
	CHECK(call_create(port.fd, &create) == -EACCES);
	return 0;
}

TEST_F_TIMEOUT(pass, leads_nowhere_else, 200)
{
	int narrow = handle_open(self->handle, "", IPCCHAN_SEND);
	struct prisoner prisoner = { .cell = self->cell, .socket = self->ends[1] };

	ASSERT_EQ(0, make_channel("sys/open", IPCCHAN_CREATE_PERSISTENT, 0666));
	ASSERT_EQ(0, send_file(self->ends[0], narrow));
	close(narrow);
	EXPECT_EQ(0, run_child(overstep, &prisoner)) TH_LOG("%s", why);
	EXPECT_EQ(0, drop_channel("sys/open"));
}

/* By fork() too; each has ports of its own, by the same file. */
static int attach_as_child(void *handle)
{
	struct ipcchan_peer peer;
	struct raw_port port;

	CHECK(raw_open_by(&port, *(int *)handle, IPCCHAN_SEND) == 0);
	CHECK(call_peer(port.fd, 0, 0, &peer) == 0);
	CHECK(peer.pid == (uint32_t)getpid() && peer.uid == geteuid());
	raw_close(&port);
	return 0;
}

TEST_F(pass, inherited)
{
	EXPECT_EQ(0, run_child(attach_as_child, &self->handle)) TH_LOG("%s", why);
	EXPECT_EQ(0, run_as(CAROL, attach_as_child, &self->handle)) TH_LOG("%s", why);
	EXPECT_EQ(0, attach_as_child(&self->handle));
}

/* The network namespace it came from is gone but for this. */
static int make_elsewhere(void *socket)
{
	int handle;

	CHECK(enter_netns() == 0);
	handle = handle_create(2);
	CHECK(handle >= 0);
	return send_file(*(int *)socket, handle);
}

TEST_F(pass, outlives_who_made_it)
{
	struct raw_port tx, rx;
	int handle;
	char byte;

	ASSERT_EQ(0, run_child(make_elsewhere, &self->ends[1])) TH_LOG("%s", why);
	handle = recv_file(self->ends[0]);
	ASSERT_GE(handle, 0);
	ASSERT_EQ(0, raw_open_by(&rx, handle, IPCCHAN_RECEIVE)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open_by(&tx, handle, IPCCHAN_SEND));
	close(handle);
	raw_publish(&tx, "x", 1, 0);
	EXPECT_EQ(1, raw_take(&rx, 0, &byte, 1, NULL));
	raw_close(&tx);
	raw_close(&rx);
}

TEST_HARNESS_MAIN
