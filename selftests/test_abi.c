// SPDX-License-Identifier: GPL-2.0
/*
 * The binary interface, so that programs of yesterday and of tomorrow get the
 * right answer: sizes, what is unknown, what is reserved, bad pointers.
 *
 * What breaks these: a check left out of ipcchan_call_copy_in(), or of check() in
 * channel.c and port.c. A field that nobody checks can never be given a meaning.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

#include <kselftest_harness.h>

#include "common.h"

#define PAGE		4096u
#define ARG_SIZE	(3 * PAGE)

FIXTURE(abi) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];	/* there */
	char fresh[IPCCHAN_NAME_SIZE];	/* not there yet */
	struct raw_port port;
	char queue[IPCCHAN_NAME_SIZE];
	struct raw_port worker;		/* there */
	int fd;				/* not a port */
	int handle;			/* of the one that is there */
	char *arg;			/* pages of their own */
};

/* A call that succeeds, as it stands in self->arg; and where its fields are. */
FIXTURE_VARIANT(abi) {
	unsigned int number;
	uint32_t size;
	bool port;
	uint32_t flags;		/* known */
	uint32_t reserved;	/* offset, 0: none */
	uint32_t why;		/* likewise */
};

#define ADD(name, NAME, ...) \
	FIXTURE_VARIANT_ADD(abi, name) { \
		.number = IPCCHAN_IOC_##NAME, .size = sizeof(struct ipcchan_##name), \
		__VA_ARGS__ \
	}
#define RESERVED(name)	.reserved = offsetof(struct ipcchan_##name, reserved)
#define WHY(name)	.why = offsetof(struct ipcchan_##name, why)

ADD(query, QUERY, );
ADD(create, CREATE, .flags = IPCCHAN_CREATE_PERSISTENT | IPCCHAN_CREATE_UNNAMED,
    .reserved = offsetof(struct ipcchan_create, handle), WHY(create));
ADD(lookup, LOOKUP, WHY(lookup));
ADD(delete, DELETE, RESERVED(delete), WHY(delete));
ADD(attach, ATTACH, .flags = IPCCHAN_ATTACH_OWNER | IPCCHAN_ATTACH_WAIT, RESERVED(attach),
    WHY(attach));
ADD(handle, HANDLE, RESERVED(handle), WHY(handle));
ADD(revoke, REVOKE, RESERVED(revoke), WHY(revoke));
ADD(kick, KICK, .port = true);
ADD(wait, WAIT, .port = true,
    .flags = IPCCHAN_WAIT_RECEIVE | IPCCHAN_WAIT_SEND | IPCCHAN_WAIT_ROSTER);
ADD(peer, PEER, .port = true);
ADD(claim, CLAIM, .port = true);
ADD(files_put, FILES_PUT, .port = true, .flags = IPCCHAN_FILES_DROP, WHY(files_put));
ADD(files_take, FILES_TAKE, .port = true, RESERVED(files_take), WHY(files_take));
ADD(files_done, FILES_DONE, .port = true, RESERVED(files_done));

static int open_queue(const char *name, struct raw_port *worker)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open(), err;

	args.type = IPCCHAN_TYPE_QUEUE;
	err = call_create(fd, &args);
	close(fd);
	return err ? err : raw_open(worker, name, IPCCHAN_RECEIVE);
}

FIXTURE_SETUP(abi)
{
	accounts_read(&self->before);
	unique_name(self->name, "abi");
	unique_name(self->fresh, "abi-fresh");
	ASSERT_EQ(0, make_channel(self->name, IPCCHAN_CREATE_PERSISTENT, 0600));
	ASSERT_EQ(0, raw_open(&self->port, self->name, IPCCHAN_SEND | IPCCHAN_RECEIVE));
	unique_name(self->queue, "abi-queue");
	ASSERT_EQ(0, open_queue(self->queue, &self->worker));
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
	self->handle = handle_open(self->fd, self->name, IPCCHAN_SEND);
	ASSERT_GE(self->handle, 0);
	self->arg = mmap(NULL, ARG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->arg);
}

FIXTURE_TEARDOWN(abi)
{
	/* and what calls have given back */
	for (int fd = self->fd; fd < self->fd + 50; fd++)
		close(fd);
	raw_close(&self->port);
	raw_close(&self->worker);
	drop_channel(self->fresh);
	drop_channel(self->name);
	EXPECT_TRUE(accounts_settle(&self->before));
}

static void fill_create(struct ipcchan_create *create, const char *name)
{
	*create = create_args(name);
}

static void fill_delete(struct ipcchan_delete *delete, const char *name)
{
	drop_channel(name);
	make_channel(name, 0, 0600);
	*delete = (struct ipcchan_delete){ .size = sizeof(*delete) };
	strcpy(delete->name, name);
}

/* A message of the port's own, with a file; of each fill another. */
static void fill_take(struct ipcchan_files_take *take, struct raw_port *port)
{
	static int fds[1];
	int fd = memfd_create("abi", MFD_CLOEXEC);
	struct ipcchan_files_put put = {
		.size = sizeof(put), .nr = 1, .sequence = port->next, .fds = (uintptr_t)&fd,
	};

	call(port->fd, IPCCHAN_IOC_FILES_PUT, &put);
	close(fd);
	*take = (struct ipcchan_files_take){
		.size = sizeof(*take), .slot = port->attach.sender_slot,
		.sequence = port->next, .fds = (uintptr_t)fds, .nr = 1,
	};
	raw_publish(port, "abi", 3, 0);
}

/* Puts the call in its place; returns the file to make it on. */
static int fill(FIXTURE_DATA(abi) *self, const FIXTURE_VARIANT(abi) *variant)
{
	memset(self->arg, 0, PAGE);
	*(uint32_t *)self->arg = variant->size;
	switch (variant->number) {
	case IPCCHAN_IOC_CREATE:
		fill_create((void *)self->arg, self->fresh);
		break;
	case IPCCHAN_IOC_DELETE:
		fill_delete((void *)self->arg, self->fresh);
		break;
	case IPCCHAN_IOC_LOOKUP:
		strcpy(((struct ipcchan_lookup *)self->arg)->name, self->name);
		break;
	case IPCCHAN_IOC_ATTACH:
		*(struct ipcchan_attach *)self->arg = attach_args(self->name, IPCCHAN_RECEIVE);
		break;
	case IPCCHAN_IOC_HANDLE:
		strcpy(((struct ipcchan_handle *)self->arg)->name, self->name);
		((struct ipcchan_handle *)self->arg)->rights = IPCCHAN_SEND;
		break;
	case IPCCHAN_IOC_REVOKE:
		return self->handle;
	case IPCCHAN_IOC_CLAIM:
		return self->worker.fd;
	case IPCCHAN_IOC_FILES_PUT:
		((struct ipcchan_files_put *)self->arg)->flags = IPCCHAN_FILES_DROP;
		break;
	case IPCCHAN_IOC_FILES_TAKE:
		fill_take((void *)self->arg, &self->port);
		break;
	case IPCCHAN_IOC_WAIT:
		((struct ipcchan_wait *)self->arg)->flags = IPCCHAN_WAIT_ROSTER;
		break;
	}
	return variant->port ? self->port.fd : self->fd;
}

static void set_size(FIXTURE_DATA(abi) *self, uint32_t size)
{
	*(uint32_t *)self->arg = size;
}

TEST_F(abi, plain)
{
	int fd = fill(self, variant);

	EXPECT_EQ(0, call(fd, variant->number, self->arg)) TH_LOG("%s", why);
}

TEST_F(abi, short_struct)
{
	int fd = fill(self, variant);

	for (uint32_t size = 0; size < variant->size; size++) {
		set_size(self, size);
		ASSERT_EQ(-EINVAL, call(fd, variant->number, self->arg)) TH_LOG("size %u", size);
	}
}

/* Of a newer program that asks for nothing we do not know. */
TEST_F(abi, long_struct)
{
	uint32_t size = variant->size + 40;
	int fd = fill(self, variant);

	set_size(self, size);
	EXPECT_EQ(0, call(fd, variant->number, self->arg)) TH_LOG("%s", why);
	for (uint32_t i = variant->size; i < size; i++) {
		EXPECT_EQ(0, self->arg[i]);
	}
}

TEST_F(abi, page_long_struct)
{
	int fd = fill(self, variant);

	set_size(self, PAGE);
	EXPECT_EQ(0, call(fd, variant->number, self->arg)) TH_LOG("%s", why);
	fd = fill(self, variant);
	set_size(self, PAGE + 1);
	EXPECT_EQ(-E2BIG, call(fd, variant->number, self->arg));
	set_size(self, UINT32_MAX);
	EXPECT_EQ(-E2BIG, call(fd, variant->number, self->arg));
}

TEST_F(abi, long_struct_that_asks_for_more)
{
	uint32_t size = variant->size + 40;
	int fd = fill(self, variant);

	set_size(self, size);
	for (uint32_t i = variant->size; i < size; i++) {
		self->arg[i] = 1;
		ASSERT_EQ(-E2BIG, call(fd, variant->number, self->arg)) TH_LOG("byte %u", i);
		self->arg[i] = 0;
	}
	self->arg[size] = 1;		/* beyond it */
	EXPECT_EQ(0, call(fd, variant->number, self->arg)) TH_LOG("%s", why);
}

TEST_F(abi, unknown_flags_and_reserved)
{
	int fd = fill(self, variant);
	uint32_t *flags = (uint32_t *)self->arg + 1;
	uint32_t plain = *flags;

	for (int bit = 0; bit < 32; bit++) {
		if (variant->flags & 1u << bit)
			continue;
		*flags = plain | 1u << bit;
		ASSERT_EQ(-EINVAL, call(fd, variant->number, self->arg)) TH_LOG("bit %d", bit);
		if (why[0]) {
			EXPECT_STREQ("unknown flags", why);
		}
	}
	*flags = plain;
	for (int bit = 0; bit < 32 && variant->reserved; bit++) {
		*(uint32_t *)(self->arg + variant->reserved) = 1u << bit;
		ASSERT_EQ(-EINVAL, call(fd, variant->number, self->arg)) TH_LOG("bit %d", bit);
		if (why[0]) {
			EXPECT_STREQ("reserved is not zero", why);
		}
	}
}

TEST_F(abi, bad_pointer)
{
	int fd = fill(self, variant);

	EXPECT_EQ(-EFAULT, call(fd, variant->number, NULL));
	EXPECT_EQ(-EFAULT, call(fd, variant->number, (void *)8));
	EXPECT_EQ(-EFAULT, call(fd, variant->number, (void *)-8l));
	EXPECT_EQ(-EFAULT, call(fd, variant->number, (void *)0xffff888000000000));
}

/* The last byte that is not there, and the first that is not needed. */
TEST_F(abi, end_of_memory)
{
	int fd = fill(self, variant);
	char *end = self->arg + 2 * PAGE;

	memcpy(end - variant->size, self->arg, variant->size);
	ASSERT_EQ(0, munmap(end, PAGE));
	EXPECT_EQ(0, call(fd, variant->number, end - variant->size)) TH_LOG("%s", why);

	fd = fill(self, variant);
	memcpy(end - variant->size + 1, self->arg, variant->size - 1);
	EXPECT_EQ(-EFAULT, call(fd, variant->number, end - variant->size + 1));
	memcpy(end - 2, self->arg, 2);
	EXPECT_EQ(-EFAULT, call(fd, variant->number, end - 2));
}

/* Results that cannot be given back: as if the call had not been made. */
TEST_F(abi, results_to_read_only_memory)
{
	int fd = fill(self, variant);
	bool out = variant->number != IPCCHAN_IOC_CREATE && variant->number != IPCCHAN_IOC_DELETE &&
		   variant->number != IPCCHAN_IOC_KICK && variant->number != IPCCHAN_IOC_REVOKE &&
		   variant->number != IPCCHAN_IOC_FILES_PUT &&
		   variant->number != IPCCHAN_IOC_FILES_DONE;
	struct accounts before;

	accounts_read(&before);
	ASSERT_EQ(0, mprotect(self->arg, PAGE, PROT_READ));
	EXPECT_EQ(out ? -EFAULT : 0, call(fd, variant->number, self->arg));
	ASSERT_EQ(0, mprotect(self->arg, PAGE, PROT_READ | PROT_WRITE));
	if (!out)
		return;
	EXPECT_TRUE(accounts_settle(&before));
	EXPECT_EQ(variant->port ? 0 : -ENOTCONN, call_kick(fd, 0, 0));
	EXPECT_EQ(0, call(fd, variant->number, self->arg)) TH_LOG("%s", why);
}

TEST_F(abi, only_on_a_port)
{
	struct pollfd fd = { .fd = self->fd, .events = POLLIN | POLLOUT };

	fill(self, variant);
	if (variant->port) {
		EXPECT_EQ(-ENOTCONN, call(self->fd, variant->number, self->arg));
	}
	EXPECT_EQ(1, poll(&fd, 1, 0));
	EXPECT_EQ(POLLERR, fd.revents);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(ENOTCONN, errno);
}

/* A refusal, and what it says. */
static int refused(FIXTURE_DATA(abi) *self, const FIXTURE_VARIANT(abi) *variant, char *to,
		   uint32_t len)
{
	int fd = fill(self, variant);

	if (variant->why) {
		*(uint64_t *)(self->arg + variant->why) = (uintptr_t)to;
		*(uint32_t *)(self->arg + variant->why + 8) = len;
	}
	((uint32_t *)self->arg)[1] = 1u << 31;
	memcpy(self->arg + PAGE, self->arg, variant->size);
	return call(fd, variant->number, self->arg);
}

/* It leaves the argument as it was. */
TEST_F(abi, refusal)
{
	char text[64] = "";

	EXPECT_EQ(-EINVAL, refused(self, variant, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(self->arg, self->arg + PAGE, variant->size));
	if (variant->why) {
		EXPECT_STREQ("unknown flags", text);
		EXPECT_EQ(-EINVAL, refused(self, variant, NULL, 100));
		EXPECT_EQ(-EFAULT, refused(self, variant, (char *)8, 100));
		EXPECT_EQ(-EFAULT, refused(self, variant, (char *)8, 1));
		EXPECT_EQ(-EINVAL, refused(self, variant, (char *)8, 0));
		EXPECT_EQ(-EFAULT, refused(self, variant, (char *)-4096l, 100));
		EXPECT_EQ(-EINVAL, refused(self, variant, text, UINT32_MAX));
	}
}

/* The words are cut to the buffer, and nothing is written beyond it. */
TEST_F(abi, words_cut_short)
{
	static const char words[] = "unknown flags";
	uint32_t size = variant->why ? sizeof(words) : 0;
	char text[64];

	for (uint32_t len = 0; len < sizeof(words) + 3; len++) {
		uint32_t n = len > size ? size : len;

		memset(text, '#', sizeof(text));
		ASSERT_EQ(-EINVAL, refused(self, variant, text, len));
		if (n) {
			EXPECT_EQ(0, memcmp(text, words, n - 1)) TH_LOG("%u: %.30s", len, text);
			EXPECT_EQ(0, text[n - 1]);
		}
		for (uint32_t i = n; i < sizeof(text); i++) {
			ASSERT_EQ('#', text[i]) TH_LOG("byte %u of %u", i, len);
		}
	}
}

/* What succeeds says nothing, wherever it was to be said. */
TEST_F(abi, success_has_no_words)
{
	int fd = fill(self, variant);

	strcpy(why, "as before");
	EXPECT_EQ(0, ioctl(fd, variant->number, self->arg));
	EXPECT_STREQ("as before", why);
}

TEST_HARNESS_MAIN
