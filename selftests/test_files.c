// SPDX-License-Identifier: GPL-2.0
/*
 * Files on messages: what may be sent, what may not, and who gets what.
 *
 * What breaks these: a kind left off the list, or let in beside it; a copy that
 * is shared by two receivers; a descriptor that outlives exec(); files of one
 * message given with another.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/udmabuf.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "freight.h"

#define PAGE	4096

static int make_memfd(void)
{
	int fd = memfd_create("files", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd >= 0 && ftruncate(fd, PAGE) ? -1 : fd;
}

static int make_sealed(void)
{
	int fd = make_memfd();

	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ?
		       -1 : fd;
}

static int make_pipe(void)
{
	int ends[2];

	if (pipe(ends))
		return -1;
	close(ends[0]);
	return ends[1];
}

static int make_fifo(void)
{
	char path[] = "/tmp/files.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	unlink(path);
	if (mkfifo(path, 0600))
		return -1;
	fd = open(path, O_RDWR);
	unlink(path);
	return fd;
}

static int make_regular(void)
{
	char path[] = "/tmp/files.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	return fd;
}

static int make_proc(void)
{
	return open("/proc/self/status", O_RDONLY);
}

static int make_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int make_udp(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int make_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
}

static int make_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

/* -ENOENT: this kernel has no udmabuf. */
static int make_dma_buf(void)
{
	struct udmabuf_create create = { .size = PAGE };
	int fd, device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (device < 0)
		return -ENOENT;
	create.memfd = make_memfd();
	fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK);
	fd = ioctl(device, UDMABUF_CREATE, &create);
	close(create.memfd);
	close(device);
	return fd;
}

static int make_handle(void)
{
	struct ipcchan_create args = create_args("");
	int err, fd = device_open();

	args.flags = IPCCHAN_CREATE_UNNAMED;
	err = call_create(fd, &args);
	close(fd);
	return err ? err : args.handle;
}

FIXTURE(kinds) {
	struct freight f;
	int fd;
};

FIXTURE_VARIANT(kinds) {
	int (*make)(void);
};

#define KIND(name)	FIXTURE_VARIANT_ADD(kinds, name) { make_##name }

KIND(memfd);
KIND(sealed);
KIND(pipe);
KIND(fifo);
KIND(regular);
KIND(proc);
KIND(tcp);
KIND(udp);
KIND(netlink);
KIND(eventfd);
KIND(dma_buf);
KIND(handle);

FIXTURE_SETUP(kinds)
{
	struct accounts before;

	accounts_read(&before);
	self->fd = variant->make();
	if (self->fd == -ENOENT)
		SKIP(return, "this kernel has no udmabuf");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, freight_open(&self->f, IPCCHAN_BLOCK, 0));
	self->f.before = before;
}

FIXTURE_TEARDOWN(kinds)
{
	close(self->fd);
	EXPECT_TRUE(freight_close(&self->f));
}

/* One that is the same open file, is another number, and closes on exec. */
static bool is_copy(int copy, int fd)
{
	return copy != fd && same_file(copy, fd) && closes_on_exec(copy);
}

TEST_F(kinds, in_place)
{
	for (uint32_t length = FREIGHT_SHORT; length <= FREIGHT_LONG;
	     length += FREIGHT_LONG - FREIGHT_SHORT) {
		ASSERT_EQ(0, freight_send(self->f.tx, length, &self->fd, 1));
		EXPECT_EQ(1, files_in_flight());
		for (int i = 0; i < 2; i++) {
			int copies[2];

			ASSERT_EQ(1, freight_take(self->f.rx[i], copies, 2));
			EXPECT_TRUE(is_copy(copies[0], self->fd));
			close(copies[0]);
		}
		EXPECT_EQ(0, files_in_flight());
	}
}

TEST_F(kinds, by_copy)
{
	struct iovec pieces[2] = { { "by ", 3 }, { "copy", 4 } };

	ASSERT_EQ(0, ipcchan_sendv_files(self->f.tx, pieces, 2, &self->fd, 1, IPCCHAN_NO_WAIT));
	for (int i = 0; i < 2; i++) {
		struct ipcchan_message m;
		char text[8] = "";
		int copy;

		ASSERT_EQ(7, ipcchan_recv_files(self->f.rx[i], text, sizeof(text), &m, &copy, 1,
						IPCCHAN_NO_WAIT));
		EXPECT_STREQ("by copy", text);
		ASSERT_EQ(1, m.nr_files);
		EXPECT_TRUE(is_copy(copy, self->fd));
		close(copy);
	}
	EXPECT_EQ(0, files_in_flight());
}

/* What may not be sent. */
static int make_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_unix_pair(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		return -1;
	close(ends[0]);
	return ends[1];
}

static int make_epoll(void)
{
	return epoll_create1(0);
}

static int make_io_uring(void)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 4, &params);

	return fd < 0 ? -ENOENT : fd;
}

static int make_pidfd(void)
{
	return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static int make_namespace(void)
{
	return open("/proc/self/ns/net", O_RDONLY);
}

static int make_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int make_character(void)
{
	return open("/dev/null", O_RDWR);
}

static int make_bare(void)
{
	return device_open();
}

static int make_path(void)
{
	return open("/proc/self/status", O_PATH);
}

static int make_closed(void)
{
	return 1000;
}

static int make_negative(void)
{
	return -1;
}

FIXTURE(refused) {
	struct freight f;
	int fd;
};

FIXTURE_VARIANT(refused) {
	int (*make)(void);
	int err;
};

#define REFUSED(name, err)	FIXTURE_VARIANT_ADD(refused, name) { make_##name, err }

REFUSED(unix, -ELOOP);
REFUSED(unix_pair, -ELOOP);
REFUSED(epoll, -ELOOP);
REFUSED(io_uring, -ELOOP);
REFUSED(pidfd, -ELOOP);
REFUSED(namespace, -ELOOP);
REFUSED(directory, -ELOOP);
REFUSED(character, -ELOOP);
REFUSED(bare, -ELOOP);
REFUSED(path, -EBADF);
REFUSED(closed, -EBADF);
REFUSED(negative, -EBADF);

FIXTURE_SETUP(refused)
{
	self->fd = variant->make();
	if (self->fd == -ENOENT)
		SKIP(return, "this kernel has no such thing");
	ASSERT_EQ(0, freight_open(&self->f, IPCCHAN_BLOCK, 0));
}

FIXTURE_TEARDOWN(refused)
{
	close(self->fd);
	EXPECT_TRUE(freight_close(&self->f));
}

/* Nothing was sent, the loan is what it was, and nothing is kept of the others. */
TEST_F(refused, and_nothing_is_sent)
{
	int good = make_memfd(), fds[3] = { good, self->fd, good };
	struct iovec piece = { "x", 1 };
	struct ipcchan_message m;
	struct ipcchan_loan loan;

	ASSERT_EQ(0, ipcchan_reserve(self->f.tx, 100, &loan, IPCCHAN_NO_WAIT));
	loan.files = fds;
	loan.nr_files = 3;
	EXPECT_EQ(variant->err, ipcchan_commit(self->f.tx, &loan));
	EXPECT_EQ(variant->err, ipcchan_commit_batch(self->f.tx, &loan, 1));
	EXPECT_EQ(variant->err, ipcchan_sendv_files(self->f.tx, &piece, 1, fds, 3, 0));
	EXPECT_EQ(0, files_in_flight());
	EXPECT_EQ(-EAGAIN, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
	fds[1] = good;
	EXPECT_EQ(0, ipcchan_commit(self->f.tx, &loan));
	EXPECT_EQ(3, files_in_flight());
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(3, m.nr_files);
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
	close(good);
}

TEST(own_ports_are_refused)
{
	struct freight f;
	int fd;

	ASSERT_EQ(0, freight_open(&f, IPCCHAN_BLOCK, 0));
	fd = ipcchan_port_fd(f.tx);
	EXPECT_EQ(-ELOOP, freight_send(f.tx, 1, &fd, 1));
	fd = ipcchan_port_fd(f.rx[0]);
	EXPECT_EQ(-ELOOP, freight_send(f.tx, 1, &fd, 1));
	EXPECT_TRUE(freight_close(&f));
}

/* The rules of the library's calls. */
FIXTURE(files) {
	struct freight f;
	int fds[IPCCHAN_FILES_MOST + 1];
	int copies[IPCCHAN_FILES_MOST];
};

FIXTURE_SETUP(files)
{
	ASSERT_EQ(0, freight_open(&self->f, IPCCHAN_BLOCK, 0));
	for (uint32_t i = 0; i <= IPCCHAN_FILES_MOST; i++) {
		self->fds[i] = make_memfd();
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(files)
{
	close_fds(self->fds, IPCCHAN_FILES_MOST + 1);
	EXPECT_TRUE(freight_close(&self->f));
}

TEST_F(files, sixteen_and_in_order)
{
	ASSERT_EQ(0, freight_send(self->f.tx, 1, self->fds, IPCCHAN_FILES_MOST));
	ASSERT_EQ(16, freight_take(self->f.rx[0], self->copies, 16));
	for (int i = 0; i < 16; i++) {
		EXPECT_TRUE(is_copy(self->copies[i], self->fds[i]));
	}
	close_fds(self->copies, 16);
}

TEST_F(files, no_more_than_sixteen_and_no_fewer_than_said)
{
	struct iovec piece = { "x", 1 };

	EXPECT_EQ(-EINVAL, freight_send(self->f.tx, 1, self->fds, 17));
	EXPECT_EQ(-EINVAL, freight_send(self->f.tx, 1, self->fds, 0));
	EXPECT_EQ(-EINVAL, freight_send(self->f.tx, 1, NULL, 1));
	EXPECT_EQ(-EINVAL, ipcchan_sendv_files(self->f.tx, &piece, 1, self->fds, 0, 0));
	EXPECT_EQ(-EINVAL, ipcchan_sendv_files(self->f.tx, &piece, 1, self->fds, 17, 0));
	EXPECT_EQ(-EFAULT, ipcchan_sendv_files(self->f.tx, &piece, 1, (int *)8, 1, 0));
	EXPECT_EQ(0, files_in_flight());
}

/* What is sent is what the number meant in the call. */
TEST_F(files, may_be_closed_after_the_call)
{
	struct watch w;

	ASSERT_EQ(0, watch_send(&w, self->f.tx));
	EXPECT_TRUE(watch_is_open(&w));
	ASSERT_EQ(1, freight_take(self->f.rx[0], self->copies, 1));
	ASSERT_EQ(0, freight_pass(self->f.rx[1]));
	EXPECT_TRUE(watch_is_open(&w));
	EXPECT_EQ(4, write(w.end, "work", 4));
	EXPECT_EQ(4, read(self->copies[0], self->copies + 1, 4));
	close(self->copies[0]);
	EXPECT_TRUE(watch_ends(&w));
	watch_close(&w);
}

TEST_F(files, taken_as_often_as_wanted_while_held)
{
	struct ipcchan_message m;
	int first = next_fd();

	ASSERT_EQ(0, freight_send(self->f.tx, FREIGHT_LONG, self->fds, 2));
	ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
	EXPECT_EQ(2, m.nr_files);
	EXPECT_EQ(-EMSGSIZE, ipcchan_message_files(self->f.rx[0], &m, self->copies, 1));
	EXPECT_EQ(-EMSGSIZE, ipcchan_message_files(self->f.rx[0], &m, NULL, 0));
	EXPECT_EQ(-EFAULT, ipcchan_message_files(self->f.rx[0], &m, (int *)8, 16));
	EXPECT_EQ(first, next_fd());
	EXPECT_EQ(2, ipcchan_message_files(self->f.rx[0], &m, self->copies, 2));
	EXPECT_EQ(2, ipcchan_message_files(self->f.rx[0], &m, self->copies + 2, 14));
	EXPECT_TRUE(is_copy(self->copies[0], self->fds[0]));
	EXPECT_TRUE(is_copy(self->copies[2], self->fds[0]));
	EXPECT_TRUE(is_copy(self->copies[3], self->fds[1]));
	EXPECT_NE(self->copies[0], self->copies[2]);
	close_fds(self->copies, 4);
	EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
	EXPECT_EQ(-EINVAL, ipcchan_release(self->f.rx[0], &m));
	EXPECT_EQ(-EINVAL, ipcchan_message_files(self->f.rx[0], &m, self->copies, 16));
}

TEST_F(files, message_without_any)
{
	struct ipcchan_message m;

	for (uint32_t length = FREIGHT_SHORT; length <= FREIGHT_LONG;
	     length += FREIGHT_LONG - FREIGHT_SHORT) {
		ASSERT_EQ(0, freight_send(self->f.tx, length, NULL, 0));
		ASSERT_EQ(0, ipcchan_receive(self->f.rx[0], &m, IPCCHAN_NO_WAIT));
		EXPECT_EQ(0, m.nr_files);
		EXPECT_EQ(-ENOENT, ipcchan_message_files(self->f.rx[0], &m, self->copies, 16));
		EXPECT_EQ(0, ipcchan_release(self->f.rx[0], &m));
	}
	EXPECT_EQ(-EPERM, ipcchan_message_files(self->f.tx, &m, self->copies, 16));
	EXPECT_EQ(-EPERM, freight_send(self->f.rx[0], 1, self->fds, 1));
}

/* With files or without, in any order; nothing of one comes with another. */
TEST_F(files, among_others)
{
	for (int round = 0; round < 100; round++) {
		uint32_t n = round % 5 ? 0 : 1 + round % 3;
		struct ipcchan_message m;

		ASSERT_EQ(0, freight_send(self->f.tx, round % 2 ? 8 : 200,
					  n ? &self->fds[round % 7] : NULL, n));
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, ipcchan_receive(self->f.rx[i], &m, IPCCHAN_NO_WAIT));
			ASSERT_EQ(n, m.nr_files);
			if (n) {
				ASSERT_EQ(n, ipcchan_message_files(self->f.rx[i], &m,
								   self->copies, 16));
				EXPECT_TRUE(same_file(self->copies[0], self->fds[round % 7]));
				close_fds(self->copies, n);
			}
			EXPECT_EQ(0, ipcchan_release(self->f.rx[i], &m));
		}
	}
	EXPECT_EQ(0, files_in_flight());
}

/* A batch is published with all files, or not at all. */
TEST_F(files, batches)
{
	int bad = make_unix();
	struct ipcchan_message m[FREIGHT_HOLDS];
	struct ipcchan_loan loans[4];

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, ipcchan_reserve(self->f.tx, 100, &loans[i], IPCCHAN_NO_WAIT));
		loans[i].tag = i;
	}
	loans[0].files = self->fds;
	loans[0].nr_files = 2;
	loans[2].files = &bad;
	loans[2].nr_files = 1;
	EXPECT_EQ(-ELOOP, ipcchan_commit_batch(self->f.tx, loans, 4));
	EXPECT_EQ(0, files_in_flight());
	loans[2].files = &self->fds[2];
	loans[3].reserved2 = 1;
	EXPECT_EQ(-EINVAL, ipcchan_commit_batch(self->f.tx, loans, 4));
	EXPECT_EQ(0, files_in_flight());
	loans[3].reserved2 = 0;
	EXPECT_EQ(0, ipcchan_commit_batch(self->f.tx, loans, 4));
	EXPECT_EQ(3, files_in_flight());
	for (int i = 0; i < 4; i += FREIGHT_HOLDS) {
		ASSERT_EQ(FREIGHT_HOLDS, ipcchan_receive_batch(self->f.rx[0], m, FREIGHT_HOLDS, 0));
		EXPECT_EQ(i, m[0].tag);
		EXPECT_EQ(loans[i].nr_files, m[0].nr_files);
		EXPECT_EQ(0, m[1].nr_files);
		ASSERT_EQ(loans[i].nr_files,
			  ipcchan_message_files(self->f.rx[0], &m[0], self->copies, 16));
		close_fds(self->copies, loans[i].nr_files);
		m[1].sequence++;
		EXPECT_EQ(-EINVAL, ipcchan_release_batch(self->f.rx[0], m, FREIGHT_HOLDS));
		m[1] = m[0];
		EXPECT_EQ(-EINVAL, ipcchan_release_batch(self->f.rx[0], m, FREIGHT_HOLDS));
		m[1].sequence = m[0].sequence + 1;
		m[1].id = 1 - m[0].id;
		EXPECT_EQ(0, ipcchan_release_batch(self->f.rx[0], m, FREIGHT_HOLDS));
	}
	close(bad);
}

/* Who does not ask for files does not get any, and does not keep them. */
TEST_F(files, not_asked_for)
{
	char buffers[2][FREIGHT_LONG];
	struct iovec pieces[2] = { { buffers[0], FREIGHT_LONG }, { buffers[1], FREIGHT_LONG } };
	struct ipcchan_message m[2];
	int before = next_fd();

	ASSERT_EQ(0, freight_send(self->f.tx, 8, self->fds, 1));
	ASSERT_EQ(0, freight_send(self->f.tx, 8, self->fds, 1));
	ASSERT_EQ(8, ipcchan_recv(self->f.rx[0], buffers[0], FREIGHT_LONG, m, 0));
	EXPECT_EQ(1, m->nr_files);
	EXPECT_EQ(8, ipcchan_recv(self->f.rx[0], buffers[0], FREIGHT_LONG, NULL, 0));
	EXPECT_EQ(2, files_in_flight());
	ASSERT_EQ(2, ipcchan_recv_batch(self->f.rx[1], pieces, m, 2, 0));
	EXPECT_EQ(1, m[1].nr_files);
	EXPECT_EQ(0, files_in_flight());
	EXPECT_EQ(before, next_fd());
}

/* A message that cannot be taken with its files comes again. */
TEST_F(files, copied_all_or_nothing)
{
	struct ipcchan_message m;
	char text[100];

	ASSERT_EQ(0, freight_send(self->f.tx, 100, self->fds, 3));
	EXPECT_EQ(-EMSGSIZE, ipcchan_recv_files(self->f.rx[0], text, 100, &m, self->copies, 2, 0));
	EXPECT_EQ(-EMSGSIZE, ipcchan_recv_files(self->f.rx[0], text, 100, &m, NULL, 0, 0));
	EXPECT_EQ(-EMSGSIZE, ipcchan_recv_files(self->f.rx[0], text, 99, &m, self->copies, 3, 0));
	ASSERT_EQ(100, ipcchan_recv_files(self->f.rx[0], text, 100, &m, self->copies, 3, 0));
	EXPECT_EQ(3, m.nr_files);
	close_fds(self->copies, 3);
	EXPECT_EQ(-EAGAIN, ipcchan_recv_files(self->f.rx[0], text, 100, &m, self->copies, 3, 0));
	/* one without files */
	ASSERT_EQ(0, freight_send(self->f.tx, 100, NULL, 0));
	ASSERT_EQ(100, ipcchan_recv_files(self->f.rx[0], text, 100, &m, self->copies, 3, 0));
	EXPECT_EQ(0, m.nr_files);
}

/* The blackboard: the newest value's files, whatever was received. */
TEST(latest_with_files)
{
	int fds[2] = { make_memfd(), make_memfd() }, copy;
	struct ipcchan_message m;
	struct freight f;

	ASSERT_EQ(0, freight_open(&f, IPCCHAN_DROP_OLDEST, 1));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, freight_send(f.tx, 8, &fds[i % 2], 1));
		for (int again = 0; again < 2; again++) {
			ASSERT_EQ(0, ipcchan_latest(f.rx[0], IPCCHAN_ANY_SENDER, &m));
			EXPECT_EQ(1, m.nr_files);
			ASSERT_EQ(1, ipcchan_message_files(f.rx[0], &m, &copy, 1));
			EXPECT_TRUE(same_file(copy, fds[i % 2]));
			close(copy);
			EXPECT_EQ(0, ipcchan_release(f.rx[0], &m));
		}
	}
	close_fds(fds, 2);
	EXPECT_TRUE(freight_close(&f));
}

TEST_HARNESS_MAIN
