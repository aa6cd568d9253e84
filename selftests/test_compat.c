// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit callers are refused: pointers and layouts of the interface are those
 * of 64 bits. Without a 32-bit C library, we enter the kernel by its 32-bit
 * gate from a 64-bit program: to the module it is the same.
 *
 * Breaks when open() does not ask in_compat_syscall(), or without a
 * compat_ioctl that refuses (or with compat_ptr_ioctl).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "common.h"

/* Of the 32-bit table. */
#define OPEN32		5
#define CLOSE32		6
#define GETPID32	20
#define IOCTL32		54
#define OPENAT32	295

static const unsigned int calls[] = {
	IPCCHAN_IOC_QUERY, IPCCHAN_IOC_CREATE, IPCCHAN_IOC_LOOKUP, IPCCHAN_IOC_DELETE,
	IPCCHAN_IOC_ATTACH, IPCCHAN_IOC_KICK, IPCCHAN_IOC_WAIT, IPCCHAN_IOC_PEER,
	IPCCHAN_IOC_FILES_PUT, IPCCHAN_IOC_FILES_TAKE, IPCCHAN_IOC_FILES_DONE,
	_IO(IPCCHAN_IOC_MAGIC, 0x88), _IO(0xbd, 0x80), TCGETS,
};

#ifdef __x86_64__
static long call32(long number, long a, long b, long c)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(number), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}
#else
static long call32(long number, long a, long b, long c)
{
	return -ENOSYS;
}
#endif

/* A gate that is closed ends the caller by a signal. */
static bool gate_open(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(call32(GETPID32, 0, 0, 0) != getpid());
	return waitpid(child, &status, 0) == child && status == 0;
}

FIXTURE(compat) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	void *low;		/* a page that 32 bits reach */
	int fd;			/* opened by a 64-bit call */
};

FIXTURE_SETUP(compat)
{
	if (!gate_open())
		SKIP(return, "this kernel has no 32-bit calls");
	accounts_read(&self->before);
	unique_name(self->name, "compat");
	self->low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(compat)
{
	if (!self->low)
		return;
	close(self->fd);
	munmap(self->low, 4096);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static long low_address(const void *low)
{
	return (long)low;
}

TEST_F(compat, open)
{
	long path = low_address(self->low), other;

	strcpy(self->low, "/dev/null");
	other = call32(OPEN32, path, O_RDWR, 0);
	EXPECT_GE(other, 0);
	EXPECT_EQ(0, call32(CLOSE32, other, 0, 0));
	strcpy(self->low, IPCCHAN_DEVICE);
	EXPECT_EQ(-EOPNOTSUPP, call32(OPEN32, path, O_RDWR, 0));
	EXPECT_EQ(-EOPNOTSUPP, call32(OPEN32, path, O_RDONLY, 0));
	EXPECT_EQ(-EOPNOTSUPP, call32(OPENAT32, AT_FDCWD, path, O_RDWR));
}

/* Not even a number that is none of ours: a wrapper must not take them for ENOTTY. */
TEST_F(compat, calls)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		memset(self->low, 0, 4096);
		EXPECT_EQ(-EOPNOTSUPP, call32(IOCTL32, self->fd, (int)calls[i],
					      low_address(self->low))) {
			TH_LOG("call %#x", calls[i]);
		}
	}
}

/* Arguments that are right, so that nothing but who calls is in the way. */
TEST_F(compat, right_arguments)
{
	struct ipcchan_create *create = self->low;
	struct ipcchan_attach *attach = self->low;

	*create = create_args(self->name);
	create->why = 0;
	create->why_len = 0;
	EXPECT_EQ(-EOPNOTSUPP, call32(IOCTL32, self->fd, (int)IPCCHAN_IOC_CREATE,
				      low_address(create)));
	EXPECT_FALSE(channel_exists(self->name));
	EXPECT_EQ(0, ioctl(self->fd, IPCCHAN_IOC_CREATE, create));
	*attach = attach_args(self->name, IPCCHAN_SEND);
	attach->why = 0;
	attach->why_len = 0;
	EXPECT_EQ(-EOPNOTSUPP, call32(IOCTL32, self->fd, (int)IPCCHAN_IOC_ATTACH,
				      low_address(attach)));
	EXPECT_EQ(-ENOTCONN, call_kick(self->fd, 0, 0));
	EXPECT_EQ(0, ioctl(self->fd, IPCCHAN_IOC_ATTACH, attach));
	EXPECT_EQ(0, drop_channel(self->name));
}

/* A 64-bit call after a 32-bit one is as good as ever. */
TEST_F(compat, both_gates)
{
	struct ipcchan_query *query = self->low;

	for (int i = 0; i < 10; i++) {
		*query = (struct ipcchan_query){ .size = sizeof(*query) };
		EXPECT_EQ(-EOPNOTSUPP, call32(IOCTL32, self->fd, (int)IPCCHAN_IOC_QUERY,
					      low_address(query)));
		EXPECT_EQ(0, query->features);
		EXPECT_EQ(0, ioctl(self->fd, IPCCHAN_IOC_QUERY, query));
		EXPECT_NE(0, query->features & IPCCHAN_FEATURE_TOPIC);
	}
}

TEST_HARNESS_MAIN
