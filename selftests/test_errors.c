// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals that depend on nothing but the argument and the state of the file
 * and its channel; those of rights, limits and netlink are in test_names.c,
 * test_rights.c, test_limits.c and test_netlink.c. All are rows of
 * Documentation/errors.md.
 *
 * What breaks these: a check that is left out, or comes in another order, or
 * says something else than the table.
 */
#include <sys/ioctl.h>

#include <kselftest_harness.h>

#include "common.h"

/* A field of a struct set wrong, and what comes of it. */
struct fault {
	uint32_t offset;
	uint32_t size;
	uint64_t value;
	int err;
	const char *words;
};

#define FAULT(name, field, value_, err_, words_) { \
	offsetof(struct ipcchan_##name, field), \
	sizeof(((struct ipcchan_##name *)0)->field), value_, err_, words_ }

static const struct fault create_faults[] = {
	FAULT(create, flags, 4, -EINVAL, "unknown flags"),
	FAULT(create, type, 0, -EINVAL, "unknown type of channel"),
	FAULT(create, type, 4, -EINVAL, "unknown type of channel"),
	FAULT(create, type, UINT32_MAX, -EINVAL, "unknown type of channel"),
	FAULT(create, overflow, 2, -EINVAL, "unknown overflow policy"),
	FAULT(create, overflow, UINT32_MAX, -EINVAL, "unknown overflow policy"),
	FAULT(create, mode, 01, -EINVAL, "mode has bits other than r (4) and w (2)"),
	FAULT(create, mode, 0700, -EINVAL, "mode has bits other than r (4) and w (2)"),
	FAULT(create, mode, 01600, -EINVAL, "mode has bits other than r (4) and w (2)"),
	FAULT(create, mode, 1u << 31, -EINVAL, "mode has bits other than r (4) and w (2)"),
	FAULT(create, handle, 1, -EINVAL, "reserved is not zero"),
	FAULT(create, flags, IPCCHAN_CREATE_UNNAMED, -EINVAL, "an unnamed channel has no name"),
	FAULT(create, history, 65536, -EINVAL, "history is more than 65535"),
	FAULT(create, history, UINT32_MAX, -EINVAL, "history is more than 65535"),
	FAULT(create, stall_ns, 1, -EINVAL, "stall is not from a millisecond to an hour"),
	FAULT(create, stall_ns, UINT64_MAX, -EINVAL, "stall is not from a millisecond to an hour"),
	FAULT(create, label[0], 31, -EINVAL, "a label is printable ASCII"),
	FAULT(create, geometry.depth, 3, -EINVAL, "depth is not a power of two from 1 to 65536"),
	FAULT(create, geometry.depth, 131072, -EINVAL,
	      "depth is not a power of two from 1 to 65536"),
	FAULT(create, geometry.depth, 1u << 31, -EINVAL,
	      "depth is not a power of two from 1 to 65536"),
	FAULT(create, geometry.senders, 65, -EINVAL, "more than 64 senders"),
	FAULT(create, geometry.senders, UINT32_MAX, -EINVAL, "more than 64 senders"),
	FAULT(create, geometry.receivers, 65, -EINVAL, "more than 64 receivers"),
	FAULT(create, geometry.receivers, UINT32_MAX, -EINVAL, "more than 64 receivers"),
	FAULT(create, geometry.holds, 1025, -EINVAL, "more than 1024 holds"),
	FAULT(create, geometry.holds, UINT32_MAX, -EINVAL, "more than 1024 holds"),
	FAULT(create, geometry.arena, 63, -EINVAL, "the arena is not from 64 bytes to 1 GiB"),
	FAULT(create, geometry.arena, (1 << 30) + 1, -EINVAL,
	      "the arena is not from 64 bytes to 1 GiB"),
	FAULT(create, geometry.arena, UINT64_MAX, -EINVAL,
	      "the arena is not from 64 bytes to 1 GiB"),
	FAULT(create, geometry.max_message, (1 << 30) + 1, -EINVAL,
	      "max-message and policy need an arena of more than 1 GiB"),
	FAULT(create, geometry.max_message, UINT64_MAX, -EINVAL,
	      "max-message and policy need an arena of more than 1 GiB"),
	FAULT(create, name[0], 0, -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
	FAULT(create, name[0], '*', -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
};

static const struct fault attach_faults[] = {
	FAULT(attach, flags, 4, -EINVAL, "unknown flags"),
	FAULT(attach, deadline_ns, 1, -EINVAL, "a deadline is given but not waited for"),
	FAULT(attach, backlog, 1, -EINVAL,
	      "a backlog and a limit per user are for who listens at a service"),
	FAULT(attach, max_per_user, 1, -EINVAL,
	      "a backlog and a limit per user are for who listens at a service"),
	FAULT(attach, role, 0, -EINVAL, "a role is to send, to receive, or both"),
	FAULT(attach, role, IPCCHAN_ADMIN, -EINVAL, "a role is to send, to receive, or both"),
	FAULT(attach, role, 7, -EINVAL, "a role is to send, to receive, or both"),
	FAULT(attach, role, 1u << 31 | 1, -EINVAL, "a role is to send, to receive, or both"),
	FAULT(attach, reserved, 1, -EINVAL, "reserved is not zero"),
	FAULT(attach, owner, 1, -EINVAL, "an owner is given but not asked for"),
	FAULT(attach, wake_count, IPCCHAN_DEFAULT_DEPTH + 1, -EINVAL,
	      "wake-count is more than the depth"),
	FAULT(attach, wake_count, UINT32_MAX, -EINVAL, "wake-count is more than the depth"),
	FAULT(attach, wake_delay_ns, 3600000000001, -EINVAL,
	      "wake-delay is more than an hour"),
	FAULT(attach, wake_delay_ns, UINT64_MAX, -EINVAL, "wake-delay is more than an hour"),
	FAULT(attach, label[0], 127, -EINVAL, "a label is printable ASCII"),
	FAULT(attach, label[0], 'x', -EPROTOTYPE, "the channel carries no label"),
	FAULT(attach, name[0], 0, -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
	FAULT(attach, name[1], '*', -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
	FAULT(attach, name[0], 'Q', -ENOENT, "there is no channel of that name"),
};

static const struct fault lookup_faults[] = {
	FAULT(lookup, flags, 1, -EINVAL, "unknown flags"),
	FAULT(lookup, name[0], 0, -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
	FAULT(lookup, name[0], 'Q', -ENOENT, "there is no channel of that name"),
};

static const struct fault delete_faults[] = {
	FAULT(delete, flags, 1, -EINVAL, "unknown flags"),
	FAULT(delete, reserved, 1, -EINVAL, "reserved is not zero"),
	FAULT(delete, name[0], 0, -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
	FAULT(delete, name[0], 'Q', -ENOENT, "there is no channel of that name"),
};

static const struct fault handle_faults[] = {
	FAULT(handle, flags, 1, -EINVAL, "unknown flags"),
	FAULT(handle, reserved, 1, -EINVAL, "reserved is not zero"),
	FAULT(handle, rights, 0, -EINVAL,
	      "rights are to send, to receive, to administer; at least one"),
	FAULT(handle, rights, 8, -EINVAL,
	      "rights are to send, to receive, to administer; at least one"),
	FAULT(handle, rights, 1u << 31 | 1, -EINVAL,
	      "rights are to send, to receive, to administer; at least one"),
	FAULT(handle, name[0], 0, -EINVAL, "a name is 1 to 63 letters, digits and ._:/-"),
	FAULT(handle, name[0], 'Q', -ENOENT, "there is no channel of that name"),
};

static const struct fault revoke_faults[] = {
	FAULT(revoke, flags, 1, -EINVAL, "unknown flags"),
	FAULT(revoke, reserved, 1, -EINVAL, "reserved is not zero"),
	FAULT(revoke, why_len, WHY_SIZE, -EINVAL, "the file is no handle"),
};

/* Calls on ports have no words. */
static const struct fault wait_faults[] = {
	FAULT(wait, flags, 0, -EINVAL, ""),
	FAULT(wait, flags, IPCCHAN_WAIT_HANGUP, -EINVAL, ""),
	FAULT(wait, nr_progress, 16, -EINVAL, ""),
	FAULT(wait, progress, 8, -EINVAL, ""),
	FAULT(wait, await, 1, -EINVAL, ""),
};

/* That port has one sender's slot and one receiver's. */
static const struct fault peer_faults[] = {
	FAULT(peer, flags, 1, -EINVAL, ""),
	FAULT(peer, role, IPCCHAN_SEND | IPCCHAN_RECEIVE, -EINVAL, ""),
	FAULT(peer, role, IPCCHAN_ADMIN, -EINVAL, ""),
	FAULT(peer, slot, 1, -EINVAL, ""),
};

static const struct fault kick_faults[] = {
	FAULT(kick, flags, 1, -EINVAL, ""),
	FAULT(kick, receivers, 2, -EINVAL, ""),
	FAULT(kick, receivers, 1ull << 63, -EINVAL, ""),
	FAULT(kick, senders, 2, -EINVAL, ""),
	FAULT(kick, senders, UINT64_MAX, -EINVAL, ""),
};

FIXTURE(errors) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	int fd;				/* no port */
	struct raw_port port;		/* both roles; one slot each */
};

FIXTURE_SETUP(errors)
{
	struct ipcchan_create args;

	accounts_read(&self->before);
	unique_name(self->name, "errors");
	args = create_args(self->name);
	args.geometry.senders = 1;
	args.geometry.receivers = 1;
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, call_create(self->fd, &args)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&self->port, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
}

FIXTURE_TEARDOWN(errors)
{
	close(self->fd);
	raw_close(&self->port);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* Each fault alone, in an argument that is right otherwise: refused, nothing done. */
static void try_faults(struct __test_metadata *_metadata, int fd, unsigned int number,
		       const void *good, size_t size, const struct fault *faults, size_t count)
{
	struct accounts before, after;
	uint64_t arg[64];

	accounts_read(&before);
	for (size_t i = 0; i < count; i++) {
		const struct fault *f = &faults[i];

		memcpy(arg, good, size);
		memcpy((char *)arg + f->offset, &f->value, f->size);
		EXPECT_EQ(f->err, call(fd, number, arg)) {
			TH_LOG("fault %zu: %s, not %s", i, why, f->words);
		}
		EXPECT_STREQ(f->words, why);
	}
	accounts_read(&after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

#define TRY(fd, NAME, good, faults) \
	try_faults(_metadata, fd, IPCCHAN_IOC_##NAME, &(good), sizeof(good), faults, \
		   ARRAY_SIZE(faults))

TEST_F(errors, create)
{
	struct ipcchan_create good = create_args("test/errors.create");

	TRY(self->fd, CREATE, good, create_faults);
	EXPECT_FALSE(channel_exists(good.name));
}

TEST_F(errors, create_twice)
{
	struct ipcchan_create args = create_args(self->name);

	EXPECT_EQ(-EEXIST, call_create(self->fd, &args));
	EXPECT_STREQ("the name is taken", why);
}

TEST_F(errors, attach)
{
	struct ipcchan_attach good = attach_args(self->name, IPCCHAN_RECEIVE);

	TRY(self->fd, ATTACH, good, attach_faults);
	EXPECT_EQ(-ENOTCONN, call_kick(self->fd, 0, 0));
}

TEST_F(errors, attach_twice)
{
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_RECEIVE);

	EXPECT_EQ(-EISCONN, call_attach(self->port.fd, &args));
	EXPECT_STREQ("the file is attached already", why);
}

TEST_F(errors, slots_taken)
{
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_RECEIVE);

	EXPECT_EQ(-EUSERS, call_attach(self->fd, &args));
	EXPECT_STREQ("all receiver slots are taken", why);
	args = attach_args(self->name, IPCCHAN_SEND);
	EXPECT_EQ(-EUSERS, call_attach(self->fd, &args));
	EXPECT_STREQ("all sender slots are taken", why);
	args = attach_args(self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE);
	EXPECT_EQ(-EUSERS, call_attach(self->fd, &args));
}

/* One slot, of which the first sequence is near the last. */
static int make_nearly_used_up(const char *name)
{
	unsigned long long first = param_get("first_sequence");
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	args.geometry.senders = 1;
	err = param_set("first_sequence",
			IPCCHAN_SEQ_COUNT - 2 * IPCCHAN_DEFAULT_DEPTH - 100);
	if (!err)
		err = call_create(fd, &args);
	close(fd);
	return param_set("first_sequence", first) ? -EIO : err;
}

/* The slot is free, but no number is left that its receivers do not know. */
TEST_F(errors, sequences_used_up)
{
	struct raw_port receiver, sender;
	char name[IPCCHAN_NAME_SIZE];

	unique_name(name, "used-up");
	ASSERT_EQ(0, make_nearly_used_up(name)) TH_LOG("%s", why);
	ASSERT_EQ(0, raw_open(&receiver, name, IPCCHAN_RECEIVE));
	ASSERT_EQ(0, raw_open(&sender, name, IPCCHAN_SEND));
	raw_close(&sender);
	EXPECT_EQ(-EOVERFLOW, raw_attach(&sender, name, IPCCHAN_SEND));
	EXPECT_STREQ("the free sender slots have used up their sequence numbers", why);
	raw_close(&receiver);
}

TEST_F(errors, lookup)
{
	struct ipcchan_lookup good = {
		.size = sizeof(good), .why = (uintptr_t)why, .why_len = sizeof(why),
	};

	strcpy(good.name, self->name);
	TRY(self->fd, LOOKUP, good, lookup_faults);
}

TEST_F(errors, delete)
{
	struct ipcchan_delete good = {
		.size = sizeof(good), .why = (uintptr_t)why, .why_len = sizeof(why),
	};

	strcpy(good.name, self->name);
	TRY(self->fd, DELETE, good, delete_faults);
	EXPECT_TRUE(channel_exists(self->name));
}

TEST_F(errors, handle)
{
	struct ipcchan_handle good = {
		.size = sizeof(good), .why = (uintptr_t)why, .why_len = sizeof(why),
		.rights = IPCCHAN_SEND,
	};

	strcpy(good.name, self->name);
	TRY(self->fd, HANDLE, good, handle_faults);
}

/* All of it is right, but for the file. */
TEST_F(errors, revoke)
{
	struct ipcchan_revoke good = {
		.size = sizeof(good), .why = (uintptr_t)why, .why_len = sizeof(why),
	};

	TRY(self->fd, REVOKE, good, revoke_faults);
	TRY(self->port.fd, REVOKE, good, revoke_faults);
}

TEST_F(errors, long_names)
{
	struct ipcchan_create create = create_args(self->name);
	struct ipcchan_attach attach = attach_args(self->name, IPCCHAN_RECEIVE);
	char name[IPCCHAN_NAME_SIZE + 1] = "";
	struct ipcchan_lookup lookup;

	memset(name, 'n', IPCCHAN_NAME_SIZE);
	memset(create.name, 'n', sizeof(create.name));
	memset(attach.name, 'n', sizeof(attach.name));
	EXPECT_EQ(-EINVAL, call_create(self->fd, &create));
	EXPECT_STREQ("the name is longer than 63 bytes", why);
	EXPECT_EQ(-EINVAL, call_attach(self->fd, &attach));
	EXPECT_STREQ("the name is longer than 63 bytes", why);
	EXPECT_EQ(-EINVAL, call_lookup(self->fd, name, &lookup));
	EXPECT_STREQ("the name is longer than 63 bytes", why);
	EXPECT_EQ(-EINVAL, call_delete(self->fd, name));
	EXPECT_STREQ("the name is longer than 63 bytes", why);
}

TEST_F(errors, kick)
{
	struct ipcchan_kick good = { .size = sizeof(good), .receivers = 1, .senders = 1 };

	EXPECT_EQ(0, call(self->port.fd, IPCCHAN_IOC_KICK, &good));
	TRY(self->port.fd, KICK, good, kick_faults);
}

TEST_F(errors, wait)
{
	struct ipcchan_wait good = { .size = sizeof(good), .flags = IPCCHAN_WAIT_RECEIVE };

	EXPECT_EQ(-ETIMEDOUT, call(self->port.fd, IPCCHAN_IOC_WAIT, &good));
	TRY(self->port.fd, WAIT, good, wait_faults);
}

TEST_F(errors, wait_send)
{
	uint64_t progress[2] = { 0, 0 };
	struct ipcchan_wait args = {
		.size = sizeof(args),
		.flags = IPCCHAN_WAIT_SEND,
		.progress = (uintptr_t)progress,
		.nr_progress = 2,
	};

	EXPECT_EQ(-EINVAL, call(self->port.fd, IPCCHAN_IOC_WAIT, &args));
	args.nr_progress = 0;
	EXPECT_EQ(-EINVAL, call(self->port.fd, IPCCHAN_IOC_WAIT, &args));
	args.nr_progress = UINT32_MAX;
	EXPECT_EQ(-EINVAL, call(self->port.fd, IPCCHAN_IOC_WAIT, &args));
	args.nr_progress = 1;
	args.progress = 8;
	EXPECT_EQ(-EFAULT, call(self->port.fd, IPCCHAN_IOC_WAIT, &args));
	args.progress = (uintptr_t)progress;
	EXPECT_EQ(0, call(self->port.fd, IPCCHAN_IOC_WAIT, &args));
	EXPECT_EQ(IPCCHAN_WAIT_SEND, args.events);
}

TEST_F(errors, peer)
{
	struct ipcchan_peer good = { .size = sizeof(good) };

	TRY(self->port.fd, PEER, good, peer_faults);
	good.role = IPCCHAN_SEND;
	good.slot = 1;
	EXPECT_EQ(-EINVAL, call(self->port.fd, IPCCHAN_IOC_PEER, &good));
	good.role = IPCCHAN_RECEIVE;
	EXPECT_EQ(-EINVAL, call(self->port.fd, IPCCHAN_IOC_PEER, &good));
	good.slot = UINT32_MAX;
	EXPECT_EQ(-EINVAL, call(self->port.fd, IPCCHAN_IOC_PEER, &good));
}

TEST_HARNESS_MAIN
