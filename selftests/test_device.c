// SPDX-License-Identifier: GPL-2.0
/*
 * The device's file: what it answers to, what it refuses to be, who it serves.
 *
 * What breaks these: sizes that drift from what programs were built with; a
 * number given to two calls; a file operation that somebody adds in passing.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <kselftest_harness.h>

#include "common.h"
#include "ipcchan.h"

#define PAGE	4096u
#define LAST_NUMBER	0x8eu
#define NOT_YET		0x8au

/* For ever: what a program of today will hand to a kernel of tomorrow. */
TEST(sizes)
{
	EXPECT_EQ(32, sizeof(struct ipcchan_geometry));
	EXPECT_EQ(32, sizeof(struct ipcchan_query));
	EXPECT_EQ(296, sizeof(struct ipcchan_create));
	EXPECT_EQ(304, sizeof(struct ipcchan_lookup));
	EXPECT_EQ(88, sizeof(struct ipcchan_delete));
	EXPECT_EQ(280, sizeof(struct ipcchan_attach));
	EXPECT_EQ(24, sizeof(struct ipcchan_kick));
	EXPECT_EQ(56, sizeof(struct ipcchan_wait));
	EXPECT_EQ(48, sizeof(struct ipcchan_peer));
	EXPECT_EQ(96, sizeof(struct ipcchan_handle));
	EXPECT_EQ(24, sizeof(struct ipcchan_revoke));
	EXPECT_EQ(136, sizeof(struct ipcchan_accept));
	EXPECT_EQ(32, sizeof(struct ipcchan_verdict));
	EXPECT_EQ(24, sizeof(struct ipcchan_claimed));
	EXPECT_EQ(48, sizeof(struct ipcchan_claim));
}

TEST(ring_sizes)
{
	EXPECT_EQ(128, sizeof(struct ipcchan_desc));
	EXPECT_EQ(128, sizeof(struct ipcchan_outbox));
	EXPECT_EQ(64, sizeof(struct ipcchan_cursor));
	EXPECT_EQ(64, sizeof(struct ipcchan_receipts));
	EXPECT_EQ(64, sizeof(struct ipcchan_slot));
	EXPECT_EQ(128, sizeof(struct ipcchan_roster));
	EXPECT_EQ(8, offsetof(struct ipcchan_roster, sleeping_receivers));
	EXPECT_EQ(64, offsetof(struct ipcchan_roster, sender_generation));
	EXPECT_EQ(72, offsetof(struct ipcchan_roster, sleeping_senders));
	EXPECT_EQ(16, offsetof(struct ipcchan_cursor, closed));
	EXPECT_EQ(104, offsetof(struct ipcchan_desc, time_ns));
	EXPECT_EQ(120, offsetof(struct ipcchan_desc, reserved));
	EXPECT_EQ(0, offsetof(struct ipcchan_desc, inside));
	EXPECT_EQ(80, IPCCHAN_INSIDE);
}

TEST(numbers)
{
	EXPECT_EQ(0xbc80, IPCCHAN_IOC_QUERY);
	EXPECT_EQ(0xbc81, IPCCHAN_IOC_CREATE);
	EXPECT_EQ(0xbc82, IPCCHAN_IOC_LOOKUP);
	EXPECT_EQ(0xbc83, IPCCHAN_IOC_DELETE);
	EXPECT_EQ(0xbc84, IPCCHAN_IOC_ATTACH);
	EXPECT_EQ(0xbc85, IPCCHAN_IOC_KICK);
	EXPECT_EQ(0xbc86, IPCCHAN_IOC_WAIT);
	EXPECT_EQ(0xbc87, IPCCHAN_IOC_PEER);
	EXPECT_EQ(0xbc88, IPCCHAN_IOC_HANDLE);
	EXPECT_EQ(0xbc89, IPCCHAN_IOC_REVOKE);
	EXPECT_EQ(0xbc8b, IPCCHAN_IOC_ACCEPT);
	EXPECT_EQ(0xbc8c, IPCCHAN_IOC_FILES_PUT);
	EXPECT_EQ(0xbc8d, IPCCHAN_IOC_FILES_TAKE);
	EXPECT_EQ(0xbc8e, IPCCHAN_IOC_FILES_DONE);
}

FIXTURE(device) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	int fresh;			/* not a port */
	struct raw_port port;
	_Alignas(8) char buffer[PAGE];
};

FIXTURE_SETUP(device)
{
	accounts_read(&self->before);
	unique_name(self->name, "device");
	ASSERT_EQ(0, make_channel(self->name, 0, 0600));
	ASSERT_EQ(0, raw_open(&self->port, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	self->fresh = device_open();
	ASSERT_GE(self->fresh, 0);
}

FIXTURE_TEARDOWN(device)
{
	close(self->fresh);
	raw_close(&self->port);
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* The VFS answers to this one before we are asked. */
static bool of_vfs(unsigned int number)
{
	return number == 2;		/* FIGETBSZ */
}

TEST_F(device, unknown_numbers)
{
	for (unsigned int n = 0; n < 1024; n++) {
		if (of_vfs(n))
			continue;
		ASSERT_EQ(-ENOTTY, call(self->fresh, n, self->buffer)) TH_LOG("%u", n);
		ASSERT_EQ(-ENOTTY, call(self->port.fd, n, NULL)) TH_LOG("%u", n);
	}
	for (unsigned int n = 0; n < 256; n++) {
		if (n >= 0x80 && n <= LAST_NUMBER)
			continue;
		ASSERT_EQ(-ENOTTY, call(self->fresh, _IO(IPCCHAN_IOC_MAGIC, n), self->buffer))
			TH_LOG("%#x", n);
	}
}

/* Ours carry neither size nor direction: others' of the same number are not ours. */
TEST_F(device, numbers_with_sizes)
{
	for (unsigned int n = 0x80; n <= LAST_NUMBER; n++) {
		EXPECT_EQ(-ENOTTY, call(self->fresh, _IOR(IPCCHAN_IOC_MAGIC, n, int), NULL));
		EXPECT_EQ(-ENOTTY, call(self->fresh, _IOW(IPCCHAN_IOC_MAGIC, n, int), NULL));
		EXPECT_EQ(-ENOTTY, call(self->fresh, _IOWR(IPCCHAN_IOC_MAGIC, n, long), NULL));
		EXPECT_EQ(-ENOTTY, call(self->fresh, _IO(IPCCHAN_IOC_MAGIC + 1, n), NULL));
	}
}

TEST_F(device, query)
{
	struct ipcchan_query query = { .size = sizeof(query) };

	EXPECT_EQ(0, call(self->fresh, IPCCHAN_IOC_QUERY, &query));
	EXPECT_EQ(sizeof(query), query.size);
	EXPECT_EQ(0, query.flags);
	EXPECT_EQ(0x3ff | IPCCHAN_FEATURE_SIGNAL, query.features);
	EXPECT_EQ(IPCCHAN_CREATE_PERSISTENT | IPCCHAN_CREATE_UNNAMED, query.create_flags);
	EXPECT_EQ(IPCCHAN_ATTACH_OWNER | IPCCHAN_ATTACH_WAIT, query.attach_flags);
	EXPECT_EQ(7 | IPCCHAN_WAIT_ARM, query.wait_flags);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), query.page_size);
}

/* A program of the future learns how much of its struct we know. */
TEST_F(device, query_of_the_future)
{
	struct {
		struct ipcchan_query query;
		uint64_t more[4];
	} wide = { .query.size = sizeof(wide) };

	EXPECT_EQ(0, call(self->fresh, IPCCHAN_IOC_QUERY, &wide));
	EXPECT_EQ(sizeof(wide.query), wide.query.size);
	EXPECT_EQ(0, wide.more[0]);
}

static void try_read_write(struct __test_metadata *_metadata, int fd, char *buffer)
{
	struct iovec vector = { .iov_base = buffer, .iov_len = 16 };

	EXPECT_EQ(-1, read(fd, buffer, 16));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, write(fd, buffer, 16));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, readv(fd, &vector, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, writev(fd, &vector, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, preadv2(fd, &vector, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, preadv(fd, &vector, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwritev(fd, &vector, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pread(fd, buffer, 16, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(fd, buffer, 16, 0));
	EXPECT_EQ(ESPIPE, errno);
}

TEST_F(device, read_and_write)
{
	int handle = ipcchan_handle_create(NULL, NULL);

	ASSERT_LE(0, handle);
	try_read_write(_metadata, handle, self->buffer);
	close(handle);
	try_read_write(_metadata, self->fresh, self->buffer);
	try_read_write(_metadata, self->port.fd, self->buffer);
}

static void try_splice(struct __test_metadata *_metadata, int fd)
{
	int ends[2], file = memfd_create("file", 0);

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(4, write(ends[1], "text", 4));
	ASSERT_EQ(4, write(file, "text", 4));
	EXPECT_EQ(-1, splice(ends[0], NULL, fd, NULL, 4, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, splice(fd, NULL, ends[1], NULL, 4, SPLICE_F_NONBLOCK));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, sendfile(fd, file, &(off_t){ 0 }, 4));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, sendfile(ends[1], fd, NULL, 4));
	EXPECT_EQ(EOPNOTSUPP, errno);
	/* what cannot seek is refused before anybody asks us */
	EXPECT_EQ(-1, sendfile(file, fd, NULL, 4));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, copy_file_range(fd, NULL, file, NULL, 4, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, copy_file_range(file, &(off64_t){ 0 }, fd, NULL, 4, 0));
	EXPECT_EQ(EINVAL, errno);
	close(ends[0]);
	close(ends[1]);
	close(file);
}

TEST_F(device, splice)
{
	int handle = ipcchan_handle_create(NULL, NULL);

	ASSERT_LE(0, handle);
	try_splice(_metadata, handle);
	close(handle);
	try_splice(_metadata, self->fresh);
	try_splice(_metadata, self->port.fd);
}

TEST_F(device, seek_and_size)
{
	struct stat before, after;

	ASSERT_EQ(0, fstat(self->port.fd, &before));
	EXPECT_EQ(-1, lseek(self->port.fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->port.fd, 0, SEEK_END));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, ftruncate(self->port.fd, PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, fallocate(self->port.fd, 0, 0, PAGE));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, fstat(self->port.fd, &after));
	EXPECT_EQ(before.st_size, after.st_size);
}

static int attach_on(const char *name, int open_flags)
{
	struct ipcchan_attach args = attach_args(name, IPCCHAN_RECEIVE);
	int fd = open(IPCCHAN_DEVICE, open_flags | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = call_attach(fd, &args);
	close(fd);
	return err;
}

/* A port is mapped both ways: who hands out half a file hands out no port. */
TEST_F(device, half_open_files)
{
	EXPECT_EQ(-EBADF, attach_on(self->name, O_RDONLY));
	EXPECT_STREQ("the file is not open for reading and writing", why);
	EXPECT_EQ(-EBADF, attach_on(self->name, O_WRONLY));
	EXPECT_STREQ("the file is not open for reading and writing", why);
	EXPECT_EQ(-EBADF, attach_on(self->name, O_RDWR | O_PATH));
	EXPECT_EQ(0, attach_on(self->name, O_RDWR));
}

/* They do for looking. */
TEST_F(device, read_only_file)
{
	int fd = open(IPCCHAN_DEVICE, O_RDONLY | O_CLOEXEC);
	struct ipcchan_lookup lookup;

	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, call_lookup(fd, self->name, &lookup));
	close(fd);
}

/* The rights are the channel's, not the device's. */
TEST_F(device, everybody_may_open)
{
	struct stat st;

	ASSERT_EQ(0, stat(IPCCHAN_DEVICE, &st));
	EXPECT_EQ(S_IFCHR | 0666, st.st_mode);
}

TEST_HARNESS_MAIN
