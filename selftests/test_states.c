// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals that depend on the port's state: not mapped yet, without the role,
 * another process's, its channel deleted. Rows of Documentation/errors.md.
 *
 * What breaks these: ipcchan_call_check_port(), the tests of the state in wait.c
 * and map.c.
 */
#include <linux/mman.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "probe.h"

FIXTURE(states) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port port;
};

/* The port's role. */
FIXTURE_VARIANT(states) {
	uint32_t role;
};

FIXTURE_VARIANT_ADD(states, sender) { .role = IPCCHAN_SEND };
FIXTURE_VARIANT_ADD(states, receiver) { .role = IPCCHAN_RECEIVE };
FIXTURE_VARIANT_ADD(states, both) { .role = IPCCHAN_SEND | IPCCHAN_RECEIVE };

FIXTURE_SETUP(states)
{
	accounts_read(&self->before);
	unique_name(self->name, "states");
	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	ASSERT_EQ(0, raw_attach(&self->port, self->name, variant->role));
}

FIXTURE_TEARDOWN(states)
{
	raw_close(&self->port);
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static int wait_now(int fd, uint32_t flags)
{
	uint64_t progress[IPCCHAN_DEFAULT_SLOTS] = { 0 };
	struct ipcchan_wait args = { .size = sizeof(args), .flags = flags };

	if (flags & IPCCHAN_WAIT_SEND) {
		args.progress = (uintptr_t)progress;
		args.nr_progress = IPCCHAN_DEFAULT_SLOTS;
	}
	return call(fd, IPCCHAN_IOC_WAIT, &args);
}

static int map(const struct raw_port *port, uint64_t size, int protection, int flags,
	       uint64_t offset)
{
	void *at = mmap(NULL, size, protection, flags, port->fd, offset);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, size);
	return 0;
}

static int try_own(const struct raw_port *port)
{
	return map(port, port->attach.own_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   port->attach.own_offset);
}

static int try_window(const struct raw_port *port)
{
	return map(port, port->attach.window_size, PROT_READ, MAP_SHARED,
		   port->attach.window_offset);
}

/* On the roster nobody has come yet: no peer, nothing to wait for. */
TEST_F(states, not_mapped)
{
	struct ipcchan_peer peer;
	struct ipcchan_lookup lookup;

	EXPECT_EQ(-EINVAL, call_kick(self->port.fd, 0, 0));
	EXPECT_EQ(-EINVAL, wait_now(self->port.fd, IPCCHAN_WAIT_ROSTER));
	EXPECT_EQ(-ENOENT, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(-ENOENT, call_peer(self->port.fd, IPCCHAN_RECEIVE, 0, &peer));
	EXPECT_EQ(0, call_peer(self->port.fd, 0, 0, &peer));
	EXPECT_EQ(getpid(), peer.pid);
	EXPECT_EQ(IPCCHAN_REASON_NONE, peer.reason);
	EXPECT_EQ(0, find_channel(self->name, &lookup));
	EXPECT_EQ(0, lookup.senders + lookup.receivers);
}

TEST_F(states, roles)
{
	bool sends = variant->role & IPCCHAN_SEND, receives = variant->role & IPCCHAN_RECEIVE;
	int fd = self->port.fd;

	ASSERT_EQ(0, raw_map(&self->port));
	EXPECT_EQ(sends ? 0 : -EINVAL, call_kick(fd, 1, 0));
	EXPECT_EQ(receives ? 0 : -EINVAL, call_kick(fd, 0, 1));
	EXPECT_EQ(sends ? 0 : -EINVAL, wait_now(fd, IPCCHAN_WAIT_SEND));
	EXPECT_EQ(receives ? -ETIMEDOUT : -EINVAL, wait_now(fd, IPCCHAN_WAIT_RECEIVE));
	EXPECT_EQ(0, wait_now(fd, IPCCHAN_WAIT_ROSTER));
}

TEST_F(states, peers)
{
	bool sends = variant->role & IPCCHAN_SEND, receives = variant->role & IPCCHAN_RECEIVE;
	struct ipcchan_peer peer;

	ASSERT_EQ(0, raw_map(&self->port));
	EXPECT_EQ(sends ? 0 : -ENOENT, call_peer(self->port.fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(receives ? 0 : -ENOENT, call_peer(self->port.fd, IPCCHAN_RECEIVE, 0, &peer));
	EXPECT_EQ(-ENOENT, call_peer(self->port.fd, IPCCHAN_SEND, 1, &peer));
	EXPECT_EQ(-ENOENT, call_peer(self->port.fd, IPCCHAN_RECEIVE, 15, &peer));
	EXPECT_EQ(-EINVAL, call_peer(self->port.fd, IPCCHAN_SEND, 16, &peer));
	EXPECT_EQ(-EINVAL, call_peer(self->port.fd, IPCCHAN_RECEIVE, 16, &peer));
}

static int as_another(void *arg)
{
	const struct raw_port *port = arg;
	struct ipcchan_attach args = attach_args(port->attach.name, IPCCHAN_RECEIVE);
	struct ipcchan_peer peer;
	int busy = 0;

	busy += call_kick(port->fd, 0, 0) == -EBUSY;
	busy += wait_now(port->fd, IPCCHAN_WAIT_ROSTER) == -EBUSY;
	busy += call_peer(port->fd, 0, 0, &peer) == -EBUSY;
	busy += try_own(port) == -EBUSY;
	busy += try_window(port) == -EBUSY;
	busy += call_attach(port->fd, &args) == -EISCONN;
	return busy;
}

TEST_F(states, of_another_process)
{
	EXPECT_EQ(6, run_child(as_another, &self->port));
	ASSERT_EQ(0, raw_map(&self->port));
	EXPECT_EQ(6, run_child(as_another, &self->port));
}

static void expect_shutdown(struct __test_metadata *_metadata, const struct raw_port *port,
			    uint32_t reason)
{
	struct ipcchan_attach args = attach_args(port->attach.name, IPCCHAN_RECEIVE);
	struct ipcchan_peer peer;

	EXPECT_EQ(-ESHUTDOWN, call_kick(port->fd, 0, 0));
	EXPECT_EQ(-ESHUTDOWN, wait_now(port->fd, IPCCHAN_WAIT_ROSTER));
	EXPECT_EQ(-ESHUTDOWN, call_peer(port->fd, IPCCHAN_SEND, 0, &peer));
	EXPECT_EQ(-ESHUTDOWN, call_peer(port->fd, IPCCHAN_RECEIVE, 0, &peer));
	EXPECT_EQ(0, call_peer(port->fd, 0, 0, &peer));		/* what it was, and why */
	EXPECT_EQ(getpid(), peer.pid);
	EXPECT_EQ(port->attach.port_id, peer.port_id);
	EXPECT_EQ(reason, peer.reason);
	EXPECT_EQ(-ESHUTDOWN, try_own(port));
	EXPECT_EQ(-ESHUTDOWN, try_window(port));
	EXPECT_EQ(-EISCONN, call_attach(port->fd, &args));
	EXPECT_STREQ("the file is attached already", why);
}

TEST_F(states, channel_deleted)
{
	ASSERT_EQ(0, raw_map(&self->port));
	ASSERT_EQ(0, drop_channel(self->name));
	expect_shutdown(_metadata, &self->port, IPCCHAN_REASON_DELETED);
}

TEST_F(states, channel_deleted_before_it_was_mapped)
{
	ASSERT_EQ(0, drop_channel(self->name));
	expect_shutdown(_metadata, &self->port, IPCCHAN_REASON_DELETED);
}

TEST_F(states, unmapped)
{
	EXPECT_EQ(0, try_own(&self->port));	/* and unmaps it again */
	expect_shutdown(_metadata, &self->port, IPCCHAN_REASON_CLOSED);
}

TEST_F(states, evicted)
{
	ASSERT_EQ(0, raw_map(&self->port));
	ASSERT_EQ(0, evict(self->name, self->port.attach.port_id));
	expect_shutdown(_metadata, &self->port, IPCCHAN_REASON_EVICTED);
	raw_close(&self->port);
	ASSERT_EQ(0, raw_attach(&self->port, self->name, variant->role));
	ASSERT_EQ(0, evict(self->name, self->port.attach.port_id));
	expect_shutdown(_metadata, &self->port, IPCCHAN_REASON_EVICTED);
}

TEST_F(states, mappings)
{
	const struct ipcchan_attach *a = &self->port.attach;
	int rw = PROT_READ | PROT_WRITE;

	EXPECT_EQ(-EINVAL, map(&self->port, a->own_size, rw, MAP_PRIVATE, a->own_offset));
	EXPECT_EQ(-EINVAL, map(&self->port, a->own_size - 4096, rw, MAP_SHARED, a->own_offset));
	EXPECT_EQ(-EINVAL, map(&self->port, a->own_size + 4096, rw, MAP_SHARED, a->own_offset));
	EXPECT_EQ(-EINVAL, map(&self->port, a->own_size, rw, MAP_SHARED, a->own_offset + 4096));
	EXPECT_EQ(-EPERM, map(&self->port, a->own_size, rw | PROT_EXEC, MAP_SHARED,
			      a->own_offset));
	EXPECT_EQ(-EINVAL, map(&self->port, a->window_size, PROT_READ, MAP_PRIVATE,
			       a->window_offset));
	EXPECT_EQ(-EACCES, map(&self->port, a->window_size, rw, MAP_SHARED, a->window_offset));
	EXPECT_EQ(-EPERM, map(&self->port, a->window_size, PROT_READ | PROT_EXEC, MAP_SHARED,
			      a->window_offset));
	EXPECT_EQ(-EINVAL, map(&self->port, a->window_size - 4096, PROT_READ, MAP_SHARED,
			       a->window_offset));
	ASSERT_EQ(0, raw_map(&self->port));	/* none of it has done any harm */
	EXPECT_EQ(-EBUSY, try_own(&self->port));
	EXPECT_EQ(-EBUSY, try_window(&self->port));
}

TEST_HARNESS_MAIN
