// SPDX-License-Identifier: GPL-2.0
/*
 * Handles: the rights they carry, how they are made and narrowed, what works on
 * them and what does not.
 *
 * What breaks these: rights taken from the caller where those of the handle
 * count, or the other way round; a file made from a handle that reaches other
 * channels of the namespace by name.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <kselftest_harness.h>

#include "probe.h"

#define ALL	(IPCCHAN_SEND | IPCCHAN_RECEIVE | IPCCHAN_ADMIN)
#define BOTH	(IPCCHAN_SEND | IPCCHAN_RECEIVE)

FIXTURE(handle) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];	/* alice's, group bob's, persistent */
	int device;
};

FIXTURE_SETUP(handle)
{
	struct ipcchan_create args;

	accounts_read(&self->before);
	unique_name(self->name, "handle");
	self->device = device_open();
	ASSERT_GE(self->device, 0);
	args = create_args(self->name);
	args.flags = IPCCHAN_CREATE_PERSISTENT;
	args.mode = 0624;		/* alice both, bob sends, carol receives */
	args.uid = ALICE;
	args.gid = BOB;
	args.geometry.senders = 4;
	args.geometry.receivers = 4;
	args.geometry.arena = 4096;
	ASSERT_EQ(0, call_create(self->device, &args)) TH_LOG("%s", why);
}

FIXTURE_TEARDOWN(handle)
{
	close(self->device);
	EXPECT_EQ(0, drop_channel(self->name) & ~-ENOENT);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Which masks can be had: a bit for each. */
static uint32_t masks_of(int fd, const char *name)
{
	uint32_t masks = 0;

	for (uint32_t rights = 1; rights <= ALL; rights++) {
		int handle = handle_open(fd, name, rights);

		if (handle >= 0) {
			masks |= 1u << rights;
			close(handle);
		} else if (handle != -EACCES) {
			return 0;
		}
	}
	return masks;
}

static int masks_by_name(void *name)
{
	int fd = device_open();
	uint32_t masks = masks_of(fd, name);

	close(fd);
	return masks;
}

/* All masks that are a part of @rights. */
static uint32_t parts_of(uint32_t rights)
{
	uint32_t masks = 0;

	for (uint32_t i = 1; i <= ALL; i++)
		if (!(i & ~rights))
			masks |= 1u << i;
	return masks;
}

TEST_F(handle, no_more_than_its_maker_may)
{
	EXPECT_EQ(parts_of(ALL), masks_by_name(self->name));
	EXPECT_EQ(parts_of(ALL), run_as(ALICE, masks_by_name, self->name));
	EXPECT_EQ(parts_of(IPCCHAN_SEND), run_as(BOB, masks_by_name, self->name));
	EXPECT_STREQ("a handle carries no right that its maker has not", why);
	EXPECT_EQ(parts_of(IPCCHAN_RECEIVE), run_as(CAROL, masks_by_name, self->name));
}

TEST_F(handle, is_narrowed_never_widened)
{
	for (uint32_t rights = 1; rights <= ALL; rights++) {
		int handle = handle_open(self->device, self->name, rights);

		ASSERT_GE(handle, 0) TH_LOG("%s", why);
		EXPECT_EQ(parts_of(rights), masks_of(handle, "")) TH_LOG("rights %u", rights);
		if (rights != ALL) {
			EXPECT_EQ(-EACCES, handle_open(handle, "", ALL));
			EXPECT_STREQ("a handle is narrowed, never widened", why);
		}
		close(handle);
	}
}

/* Narrowed without end: neither is there a depth, nor a widening on the way. */
TEST_F(handle, narrowed_again_and_again)
{
	int handle = handle_open(self->device, self->name, BOTH), next;

	for (int i = 0; i < 200; i++) {
		next = handle_open(handle, "", i < 100 ? BOTH : IPCCHAN_SEND);
		ASSERT_GE(next, 0) TH_LOG("%d: %s", i, why);
		close(handle);
		handle = next;
	}
	EXPECT_EQ(-EACCES, handle_open(handle, "", BOTH));
	EXPECT_EQ(parts_of(IPCCHAN_SEND), masks_of(handle, ""));
	close(handle);
}

static void expect_roles(struct __test_metadata *_metadata, int handle, uint32_t rights)
{
	struct raw_port port;

	for (uint32_t role = 1; role <= BOTH; role++) {
		if (!(role & ~rights)) {
			ASSERT_EQ(0, raw_open_by(&port, handle, role)) TH_LOG("%s", why);
			EXPECT_NE(handle, port.fd);
			raw_close(&port);
			continue;
		}
		EXPECT_EQ(-EACCES, raw_attach_by(&port, handle, role));
		EXPECT_STREQ(role & ~rights & IPCCHAN_SEND ? "no right to send" :
			     "no right to receive", why);
	}
}

TEST_F(handle, carries_its_roles)
{
	for (uint32_t rights = 1; rights <= ALL; rights++) {
		int handle = handle_open(self->device, self->name, rights);
		struct ipcchan_lookup lookup;

		expect_roles(_metadata, handle, rights);
		EXPECT_EQ(0, call_lookup(handle, "", &lookup));
		EXPECT_EQ(rights, lookup.rights);
		EXPECT_EQ(4, lookup.geometry.senders);
		EXPECT_EQ(0624, lookup.mode);
		close(handle);
	}
}

struct guest {
	int handle;
	uint32_t rights;
};

/* Somebody who has no right of his own. */
static int use_it(void *arg)
{
	const struct guest *guest = arg;
	uint32_t role = guest->rights & BOTH;
	struct raw_port port;
	int err;

	if (raw_attach_by(&port, guest->handle, BOTH & ~role) != -EACCES)
		return -EBADMSG;
	err = raw_open_by(&port, guest->handle, role);
	if (!err)
		raw_close(&port);
	return err;
}

TEST_F(handle, whoever_has_it)
{
	struct guest guest = { handle_open(self->device, self->name, IPCCHAN_SEND), IPCCHAN_SEND };

	EXPECT_EQ(0, run_as(NOBODY, use_it, &guest)) TH_LOG("%s", why);
	close(guest.handle);
	guest = (struct guest){ handle_open(self->device, self->name, IPCCHAN_RECEIVE),
				IPCCHAN_RECEIVE };
	EXPECT_EQ(0, run_as(NOBODY, use_it, &guest)) TH_LOG("%s", why);
	close(guest.handle);
}

/* Nor does who he is add to it. */
TEST_F(handle, its_rights_are_all_that_counts)
{
	struct guest guest = { handle_open(self->device, self->name, IPCCHAN_SEND), IPCCHAN_SEND };

	EXPECT_EQ(0, use_it(&guest));
	EXPECT_EQ(0, run_as(ALICE, use_it, &guest));
	EXPECT_EQ(-EPERM, call_delete(guest.handle, ""));
	EXPECT_STREQ("the handle does not carry the right to administer", why);
	EXPECT_TRUE(channel_exists(self->name));
	close(guest.handle);
}

static int delete_by(void *handle)
{
	return call_delete(*(int *)handle, "");
}

TEST_F(handle, deletes)
{
	int handle = handle_open(self->device, self->name, IPCCHAN_ADMIN);
	struct ipcchan_lookup lookup;
	struct raw_port port;

	ASSERT_EQ(0, raw_open(&port, self->name, IPCCHAN_SEND));
	EXPECT_EQ(0, run_as(NOBODY, delete_by, &handle)) TH_LOG("%s", why);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_EQ(-ESHUTDOWN, call_kick(port.fd, 0, 0));
	EXPECT_EQ(-ESHUTDOWN, call_lookup(handle, "", &lookup));
	EXPECT_STREQ("the channel was deleted", why);
	EXPECT_EQ(-ESHUTDOWN, call_delete(handle, ""));
	EXPECT_EQ(-ESHUTDOWN, handle_open(handle, "", IPCCHAN_ADMIN));
	raw_close(&port);
	EXPECT_EQ(-ESHUTDOWN, raw_attach_by(&port, handle, IPCCHAN_SEND));
	close(handle);
}

/* A new channel of that name is another. */
TEST_F(handle, is_of_a_channel_not_of_a_name)
{
	int handle = handle_open(self->device, self->name, BOTH);
	struct raw_port port;

	ASSERT_EQ(0, drop_channel(self->name));
	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	EXPECT_EQ(-ESHUTDOWN, raw_attach_by(&port, handle, IPCCHAN_SEND));
	EXPECT_STREQ("the channel was deleted", why);
	close(handle);
}

TEST_F(handle, has_its_channel)
{
	static const char words[] = "a handle has its channel: the name must be empty";
	int handle = handle_open(self->device, self->name, ALL);
	struct ipcchan_attach attach = attach_args(self->name, IPCCHAN_SEND);
	struct ipcchan_create create = create_args("test/another");
	struct ipcchan_lookup lookup;

	EXPECT_EQ(-EINVAL, call_attach(handle, &attach));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EINVAL, call_lookup(handle, self->name, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EINVAL, call_delete(handle, self->name));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EINVAL, handle_open(handle, self->name, IPCCHAN_SEND));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EACCES, call_create(handle, &create));
	EXPECT_STREQ("a file that was not opened creates no channels", why);
	EXPECT_TRUE(channel_exists(self->name));
	EXPECT_FALSE(channel_exists("test/another"));
	close(handle);
}

/* What is attached by a handle leads nowhere else, though it is root's. */
TEST_F(handle, its_port_reaches_no_names)
{
	static const char words[] = "a file that was not opened reaches no channel by name";
	int handle = handle_open(self->device, self->name, BOTH);
	struct ipcchan_create create = create_args("test/another");
	struct ipcchan_attach attach = attach_args(self->name, IPCCHAN_SEND);
	struct ipcchan_lookup lookup;
	struct raw_port port;

	ASSERT_EQ(0, raw_open_by(&port, handle, BOTH));
	EXPECT_EQ(-EACCES, call_lookup(port.fd, self->name, &lookup));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EACCES, call_delete(port.fd, self->name));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EACCES, handle_open(port.fd, self->name, IPCCHAN_SEND));
	EXPECT_STREQ(words, why);
	EXPECT_EQ(-EACCES, handle_open(port.fd, "", IPCCHAN_SEND));
	EXPECT_EQ(-EACCES, call_create(port.fd, &create));
	EXPECT_EQ(-EISCONN, call_attach(port.fd, &attach));
	EXPECT_EQ(-EINVAL, call_revoke(port.fd));
	EXPECT_STREQ("the file is no handle", why);
	raw_close(&port);
	close(handle);
}

/* It is no port, has no pages, and is never ready for anything. */
TEST_F(handle, is_no_port)
{
	int handle = handle_open(self->device, self->name, BOTH);
	struct ipcchan_wait wait = { .size = sizeof(wait), .flags = IPCCHAN_WAIT_RECEIVE };
	struct pollfd fd = { .fd = handle, .events = POLLIN | POLLOUT };
	struct ipcchan_peer peer;
	char byte = 0;

	EXPECT_EQ(-ENOTCONN, call_kick(handle, 0, 0));
	EXPECT_EQ(-ENOTCONN, call(handle, IPCCHAN_IOC_WAIT, &wait));
	EXPECT_EQ(-ENOTCONN, call_peer(handle, 0, 0, &peer));
	EXPECT_EQ(1, poll(&fd, 1, 0));
	EXPECT_EQ(POLLERR, fd.revents);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, handle, 0));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-1, read(handle, &byte, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, write(handle, &byte, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, lseek(handle, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pread(handle, &byte, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, fcntl(handle, F_SETFL, O_RDWR | O_ASYNC));
	EXPECT_EQ(ENOTCONN, errno);
	close(handle);
}

TEST_F(handle, files_are_closed_by_exec)
{
	int handle = handle_create(2), narrow = handle_open(handle, "", IPCCHAN_SEND);
	struct raw_port port;

	ASSERT_EQ(0, raw_attach_by(&port, narrow, IPCCHAN_SEND));
	EXPECT_EQ(FD_CLOEXEC, fcntl(handle, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(narrow, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(port.fd, F_GETFD));
	raw_close(&port);
	close(narrow);
	close(handle);
}

/* A handle may be used again and again; attaching does not change it. */
TEST_F(handle, many_ports)
{
	int handle = handle_open(self->device, self->name, BOTH);
	struct raw_port rx, tx[4], more;
	char text[8];

	ASSERT_EQ(0, raw_open_by(&rx, handle, IPCCHAN_RECEIVE));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, raw_open_by(&tx[i], handle, IPCCHAN_SEND)) TH_LOG("%s", why);
		raw_publish(&tx[i], &"0123"[i], 1, 0);
	}
	EXPECT_EQ(-EUSERS, raw_attach_by(&more, handle, IPCCHAN_SEND));
	EXPECT_STREQ("all sender slots are taken", why);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(1, raw_take(&rx, tx[i].attach.sender_slot, text, 1, NULL));
		EXPECT_EQ("0123"[i], text[0]);
		raw_close(&tx[i]);
	}
	raw_close(&rx);
	close(handle);
}

/* What is asked of the channel, beyond rights. */
TEST_F(handle, owner_and_label)
{
	int handle = handle_open(self->device, self->name, BOTH);
	struct ipcchan_attach args = attach_args("", IPCCHAN_SEND);

	args.flags = IPCCHAN_ATTACH_OWNER;
	args.owner = BOB;
	EXPECT_EQ(-EACCES, call_attach(handle, &args));
	EXPECT_STREQ("the channel has another owner", why);
	args.owner = ALICE;
	strcpy(args.label, "telemetry/1");
	EXPECT_EQ(-EPROTOTYPE, call_attach(handle, &args));
	args.label[0] = 0;
	EXPECT_EQ(0, call_attach(handle, &args));
	close(args.fd);
	close(handle);
}

TEST_F(handle, by_name_the_file_itself_is_the_port)
{
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_SEND);

	args.fd = 5;
	EXPECT_EQ(0, call_attach(self->device, &args));
	EXPECT_EQ(-1, args.fd);
	EXPECT_EQ(-EINVAL, call_kick(self->device, 0, 0));	/* a port, not mapped */
}

/* No descriptor is left: nothing is left behind, either. */
TEST_F(handle, too_many_files)
{
	struct rlimit before, now;
	struct raw_port port;
	struct accounts accounts;
	int handle = handle_open(self->device, self->name, BOTH);

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	now = before;
	now.rlim_cur = handle + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &now));
	EXPECT_EQ(-EMFILE, handle_open(handle, "", IPCCHAN_SEND));
	EXPECT_EQ(-EMFILE, handle_open(self->device, self->name, IPCCHAN_SEND));
	EXPECT_EQ(-EMFILE, raw_attach_by(&port, handle, IPCCHAN_SEND));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	accounts_read(&accounts);
	EXPECT_EQ(self->before.channels + 1, accounts.channels);
	EXPECT_EQ(self->before.ports, accounts.ports);
	close(handle);
}

TEST_HARNESS_MAIN
