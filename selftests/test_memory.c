// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation, and every copy from and to user memory, of every call fails
 * once: the call is refused, in its words, nothing is left behind, and the next
 * one does what it should. Invariant 10.
 *
 * Needs a kernel with fault injection: Debian's have none, the debug kernel has.
 *
 * What breaks these: a wrong label on a way out; something charged, listed or
 * referenced before the last thing that can fail.
 */
#include <sys/mman.h>

#include "sweep.h"

static int open_device(FIXTURE_DATA(memory) *self)
{
	self->fd = device_open();
	return self->fd < 0 ? self->fd : 0;
}

TEST_F_TIMEOUT(memory, open, 200)
{
	sweep(_metadata, self, NULL, open_device, true);
}

static int create(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_create args = create_args(self->fresh);

	return call_create(self->fd, &args);
}

TEST_F_TIMEOUT(memory, create, 200)
{
	sweep(_metadata, self, open_device, create, false);
	EXPECT_TRUE(said(self, "not enough memory for the channel"));
	EXPECT_TRUE(said(self, "not enough memory for the region"));
}

/* The first numbers of a namespace need memory, the others not always. */
TEST_F_TIMEOUT(memory, create_in_a_new_namespace, 200)
{
	ASSERT_EQ(0, enter_netns());
	sweep(_metadata, self, open_device, create, false);
	EXPECT_TRUE(said(self, "not enough memory for the name"));
}

static int attach(FIXTURE_DATA(memory) *self)
{
	self->port.attach = attach_args(self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);
	self->port.attach.wake_count = 2;	/* likewise */
	self->port.fd = self->fd;
	self->fd = -1;
	return call_attach(self->port.fd, &self->port.attach);
}

TEST_F_TIMEOUT(memory, attach, 200)
{
	sweep(_metadata, self, open_device, attach, false);
	EXPECT_TRUE(said(self, "not enough memory for the port"));
	EXPECT_TRUE(said(self, "not enough memory for the region"));
}

/* Handles, and what they lead to, are held by the file of the port. */
static int make_handle(FIXTURE_DATA(memory) *self)
{
	int handle = handle_open(self->fd, self->name, IPCCHAN_SEND);

	if (handle < 0)
		return handle;
	self->port.fd = handle;
	return 0;
}

TEST_F_TIMEOUT(memory, handle, 200)
{
	sweep(_metadata, self, open_device, make_handle, false);
	EXPECT_TRUE(said(self, "not enough memory for the handle"));
}

static int create_unnamed(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_create args = create_args("");
	int err;

	args.flags = IPCCHAN_CREATE_UNNAMED;
	err = call_create(self->fd, &args);
	if (!err)
		self->port.fd = args.handle;
	return err;
}

TEST_F_TIMEOUT(memory, create_unnamed, 200)
{
	sweep(_metadata, self, open_device, create_unnamed, false);
	EXPECT_TRUE(said(self, "not enough memory for the channel"));
	EXPECT_TRUE(said(self, "not enough memory for the handle"));
}

static int open_handle(FIXTURE_DATA(memory) *self)
{
	self->fd = handle_open(self->home, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);
	return self->fd < 0 ? self->fd : 0;
}

static int attach_by_handle(FIXTURE_DATA(memory) *self)
{
	return raw_attach_by(&self->port, self->fd, IPCCHAN_SEND | IPCCHAN_RECEIVE);
}

TEST_F_TIMEOUT(memory, attach_by_handle, 200)
{
	sweep(_metadata, self, open_handle, attach_by_handle, false);
	EXPECT_TRUE(said(self, "not enough memory for the port"));
}

static int open_and_attach(FIXTURE_DATA(memory) *self)
{
	return raw_attach(&self->port, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);
}

static int map(FIXTURE_DATA(memory) *self)
{
	return raw_map(&self->port);
}

/* Who could not map its pages is no port; who could is seen by the other. */
TEST_F_TIMEOUT(memory, map, 200)
{
	sweep(_metadata, self, open_and_attach, map, false);
	EXPECT_EQ(0, call_kick(self->other.fd, 1, 1));
}

static int open_port(FIXTURE_DATA(memory) *self)
{
	return raw_open(&self->port, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);
}

/* Places where there is nobody: what they show is made now, and no touch fails. */
static int touch(FIXTURE_DATA(memory) *self)
{
	const struct raw_port *p = &self->port;
	const char *nobody = raw_peer_arena(p, 1 - p->attach.sender_slot);
	const char *other = raw_peer_arena(p, self->other.attach.sender_slot);
	char mine = ipcchan_load(raw_arena(p));

	return ipcchan_load(nobody) | ipcchan_load(other) | mine;
}

TEST_F_TIMEOUT(memory, touch, 200)
{
	/* there may be no point of failure at all: the page of zeros has none */
	ASSERT_TRUE(inject_pages(true));
	sweep_once(_metadata, self, open_port, touch, false);
}

static int lookup(FIXTURE_DATA(memory) *self)
{
	struct ipcchan_lookup args;

	return call_lookup(self->fd, self->name, &args);
}

TEST_F_TIMEOUT(memory, lookup, 200)
{
	sweep(_metadata, self, open_device, lookup, false);
}

static int create_fresh(FIXTURE_DATA(memory) *self)
{
	int err = open_device(self);

	return err ? err : create(self);
}

static int delete(FIXTURE_DATA(memory) *self)
{
	return call_delete(self->fd, self->fresh);
}

TEST_F_TIMEOUT(memory, delete, 200)
{
	sweep(_metadata, self, create_fresh, delete, false);
}

static int wait_now(FIXTURE_DATA(memory) *self)
{
	uint64_t progress[2] = { 0, 0 };
	struct ipcchan_wait args = {
		.size = sizeof(args),
		.flags = IPCCHAN_WAIT_SEND | IPCCHAN_WAIT_ROSTER,
		.progress = (uintptr_t)progress,
		.nr_progress = 2,
	};

	return call(self->other.fd, IPCCHAN_IOC_WAIT, &args);
}

TEST_F_TIMEOUT(memory, wait, 200)
{
	sweep(_metadata, self, NULL, wait_now, false);
}

/* Who is to hear of it by signals, or is not. */
static int listen_to(FIXTURE_DATA(memory) *self)
{
	return fcntl(self->port.fd, F_SETFL, O_ASYNC) ? -errno : 0;
}

TEST_F_TIMEOUT(memory, signals, 200)
{
	sweep(_metadata, self, open_port, listen_to, false);
}

/* Files on messages. A failure of the device's own or of the file table's is another's. */
static int put_files(FIXTURE_DATA(memory) *self)
{
	int fds[2] = { self->file, self->file };
	struct ipcchan_files_put args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why), .nr = 2,
		.sequence = self->port.next, .fds = (uintptr_t)fds,
	};

	return call(self->port.fd, IPCCHAN_IOC_FILES_PUT, &args);
}

TEST_F_TIMEOUT(memory, put_files, 200)
{
	self->file = memfd_create("memory", MFD_CLOEXEC);
	sweep(_metadata, self, open_port, put_files, false);
	EXPECT_TRUE(said(self, "not enough memory for the files"));
	close(self->file);
}

static int open_and_publish(FIXTURE_DATA(memory) *self)
{
	int err = open_port(self);

	if (!err)
		err = put_files(self);
	if (!err)
		raw_publish(&self->port, "files", 5, 0);
	return err;
}

/* What it got is closed; what it did not is not there. */
static int take_files(FIXTURE_DATA(memory) *self)
{
	struct raw_port *p = &self->port;
	int fds[2];
	struct ipcchan_files_take args = {
		.size = sizeof(args), .why = (uintptr_t)why, .why_len = sizeof(why), .nr = 2,
		.slot = p->attach.sender_slot, .sequence = p->next - 1, .fds = (uintptr_t)fds,
	};
	int err = call(p->fd, IPCCHAN_IOC_FILES_TAKE, &args);

	for (int i = 0; !err && i < 2; i++)
		close(fds[i]);
	return err;
}

TEST_F_TIMEOUT(memory, take_files, 200)
{
	int before, after;

	self->file = memfd_create("memory", MFD_CLOEXEC);
	/* it would be owed the message, and does not read */
	raw_close(&self->other);
	accounts_read(&self->there);
	before = dup(self->file);
	sweep(_metadata, self, open_and_publish, take_files, false);
	close(before);
	after = dup(self->file);
	EXPECT_EQ(before, after);
	close(after);
	close(self->file);
}

/* Netlink: a request's own way there and back has failures of its own. */

static int netlink(FIXTURE_DATA(memory) *self, struct genl_request request)
{
	struct genl_answers answers = { 0 };
	int err = genl_talk(&self->genl, &request, &answers);

	genl_free(&answers);
	return err;
}

/* Answers to requests that failed half way may still be under way. */
static int reconnect(FIXTURE_DATA(memory) *self)
{
	genl_close(&self->genl);
	return genl_open(&self->genl);
}

static int channel_get(FIXTURE_DATA(memory) *self)
{
	return netlink(self, genl_of_channel(IPCCHAN_CMD_CHANNEL_GET, self->name));
}

TEST_F_TIMEOUT(memory, channel_get, 200)
{
	sweep(_metadata, self, reconnect, channel_get, true);
	EXPECT_TRUE(said(self, "not enough memory"));
}

static int port_get(FIXTURE_DATA(memory) *self)
{
	return netlink(self, genl_of_port(IPCCHAN_CMD_PORT_GET, self->name, 1));
}

TEST_F_TIMEOUT(memory, port_get, 200)
{
	sweep(_metadata, self, reconnect, port_get, true);
	EXPECT_TRUE(said(self, "not enough memory"));
}

static int port_dump(FIXTURE_DATA(memory) *self)
{
	struct genl_request request = genl_dump(IPCCHAN_CMD_PORT_GET);

	genl_put_text(&request, IPCCHAN_A_PORT_CHANNEL, self->name);
	return netlink(self, request);
}

TEST_F_TIMEOUT(memory, port_dump, 200)
{
	sweep(_metadata, self, reconnect, port_dump, true);
}

static int channel_new(FIXTURE_DATA(memory) *self)
{
	struct genl_request request = genl_of_channel(IPCCHAN_CMD_CHANNEL_NEW, self->fresh);

	genl_put_u32(&request, IPCCHAN_A_CHANNEL_TYPE, IPCCHAN_TYPE_TOPIC);
	return netlink(self, request);
}

TEST_F_TIMEOUT(memory, channel_new, 200)
{
	sweep(_metadata, self, reconnect, channel_new, true);
	EXPECT_TRUE(said(self, "not enough memory for the channel"));
}

TEST_HARNESS_MAIN
