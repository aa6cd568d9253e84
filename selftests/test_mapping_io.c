// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, by the kernel's hand: no system call that writes memory for
 * somebody writes to a window, whoever asks; and reading from it in place works,
 * pinned or not, as it is made of plain pages.
 *
 * What breaks these (map.c): VM_MAYWRITE left on the window; private mappings
 * let in (FOLL_FORCE breaks their copy on write); VM_PFNMAP, VM_MIXEDMAP or
 * VM_IO (the reading half fails).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "scene.h"

#define LIMIT	300

FIXTURE(mapping_io) {
	struct scene s;
	char *at;	/* the victim's message, in our window */
};

FIXTURE_SETUP(mapping_io)
{
	ASSERT_EQ(scene_open(&self->s), 0);
	self->at = scene_message(&self->s);
}

FIXTURE_TEARDOWN(mapping_io)
{
	EXPECT_TRUE(scene_intact(&self->s));
	EXPECT_TRUE(scene_close(&self->s));
}

/* A file that holds a page of the letter x, at its beginning. */
static int file_of_x(int flags)
{
	char name[64], text[4096];
	int fd;

	memset(text, 'x', sizeof(text));
	snprintf(name, sizeof(name), "/dev/shm/ipcchan.%d", getpid());
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
	if (fd < 0) {
		snprintf(name, sizeof(name), "/tmp/ipcchan.%d", getpid());
		fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
	}
	if (fd < 0)
		return -1;
	unlink(name);
	if (pwrite(fd, text, sizeof(text), 0) != (ssize_t)sizeof(text) && !(flags & O_DIRECT))
		return -1;
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* O_DIRECT where a file system here knows it. */
static int direct_file(void)
{
	int fd = file_of_x(O_DIRECT);

	return fd < 0 ? file_of_x(0) : fd;
}

TEST_F_TIMEOUT(mapping_io, reading_a_file_into_it_fails, LIMIT)
{
	const struct iovec v[2] = { { self->at, 16 }, { self->at + 64, 16 } };
	int fds[] = { file_of_x(0), direct_file(), open("/dev/zero", O_RDONLY),
		      open("/proc/self/stat", O_RDONLY), open("/dev/urandom", O_RDONLY) };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		ASSERT_GE(fds[i], 0);
		EXPECT_EQ(read(fds[i], self->at, self->s.page), -1);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_EQ(readv(fds[i], v, 2), -1);
		EXPECT_EQ(errno, EFAULT);
		EXPECT_TRUE(scene_intact(&self->s));
		close(fds[i]);
	}
}

TEST_F_TIMEOUT(mapping_io, receiving_into_it_fails, LIMIT)
{
	struct iovec v = { self->at, 16 };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1 };
	int pair[2], pipes[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(send(pair[0], "xxxxxxxx", 8, 0), 8);
	EXPECT_EQ(recv(pair[1], self->at, 8, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(recvmsg(pair[1], &msg, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(write(pipes[1], "xxxxxxxx", 8), 8);
	EXPECT_EQ(read(pipes[0], self->at, 8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(vmsplice(pipes[0], &v, 1, 0), -1);	/* from the pipe to memory */
	EXPECT_EQ(errno, EFAULT);
	EXPECT_TRUE(scene_intact(&self->s));
}

/* Results of system calls, and words the kernel changes for us. */
TEST_F_TIMEOUT(mapping_io, no_call_leaves_a_result_in_it, LIMIT)
{
	char *at = self->at;
	unsigned char residency[64];

	EXPECT_EQ(syscall(SYS_getrandom, at, 16, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(syscall(SYS_clock_gettime, CLOCK_REALTIME, at), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(syscall(SYS_uname, at), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(syscall(SYS_pipe2, at, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	errno = 0;
	EXPECT_EQ(syscall(SYS_futex, at, FUTEX_LOCK_PI, 0, NULL, NULL, 0), -1);
	EXPECT_NE(errno, 0);
	EXPECT_EQ(syscall(SYS_futex, self->s.mine.own, FUTEX_WAKE_OP, 1, 1, at,
			  FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(syscall(SYS_mincore, self->s.mine.own, self->s.page, at), -1);
	EXPECT_EQ(errno, EFAULT);
	/* and looking where the window's own pages are is harmless */
	EXPECT_EQ(mincore(self->s.mine.window, 4 * self->s.page, residency), 0);
	EXPECT_TRUE(scene_intact(&self->s));
}

/* A size that fits stands at the beginning of a struct in the window: our own results. */
TEST_F_TIMEOUT(mapping_io, results_of_the_module_itself_fail, LIMIT)
{
	struct raw_port *victim = &self->s.victim;
	struct ipcchan_query *query = (void *)raw_arena(victim);
	struct ipcchan_peer *peer = (void *)(raw_arena(victim) + 1024);
	int err;

	*query = (struct ipcchan_query){ .size = sizeof(*query) };
	*peer = (struct ipcchan_peer){ .size = sizeof(*peer) };
	memcpy(self->s.bytes, victim->own, victim->attach.own_size);
	EXPECT_EQ(call(self->s.mine.fd, IPCCHAN_IOC_QUERY, self->at), -EFAULT);
	EXPECT_EQ(call(self->s.mine.fd, IPCCHAN_IOC_PEER, self->at + 1024), -EFAULT);
	EXPECT_TRUE(scene_intact(&self->s));
	/* in memory of its own the victim may have them */
	err = call(victim->fd, IPCCHAN_IOC_QUERY, query);
	EXPECT_EQ(err, 0);
	EXPECT_NE(query->features, 0);
	memcpy(self->s.bytes, victim->own, victim->attach.own_size);
}

/* What the kernel does at a thread's end. */
static void *thread_that_ends(void *at)
{
	syscall(SYS_set_tid_address, at);
	syscall(SYS_set_robust_list, at, 24);
	syscall(SYS_exit, 0);
	return NULL;
}

TEST_F_TIMEOUT(mapping_io, a_thread_that_ends_clears_nothing_in_it, LIMIT)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ASSERT_EQ(pthread_create(&thread, &attr, thread_that_ends, self->at), 0);
	for (int i = 0; i < 2000; i++) {
		char text[512];

		if (read_text("/proc/self/status", text, sizeof(text)) > 0 &&
		    strstr(text, "Threads:\t1\n"))
			break;
		sleep_ms(1);
	}
	EXPECT_TRUE(scene_intact(&self->s));
}

static ssize_t vm_write(pid_t pid, void *to)
{
	char text[32] = "overwritten by process_vm_writev";
	struct iovec local = { text, sizeof(text) }, remote = { to, sizeof(text) };

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
}

static ssize_t vm_read(pid_t pid, void *from, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { from, size };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0 ? -errno : 0;
}

static int mem_write(pid_t pid, void *to)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	err = pwrite(fd, "overwritten", 11, (uintptr_t)to) < 0 ? -errno : 0;
	close(fd);
	return err;
}

TEST_F_TIMEOUT(mapping_io, writing_it_as_anothers_memory_fails, LIMIT)
{
	char text[sizeof(SCENE_TEXT)];

	EXPECT_EQ(vm_write(getpid(), self->at), -EFAULT);
	EXPECT_EQ(mem_write(getpid(), self->at), -EIO);
	/* into it from memory of one's own: the same */
	EXPECT_EQ(vm_read(getpid(), text, self->at, sizeof(text)), -EFAULT);
	EXPECT_TRUE(scene_intact(&self->s));
	EXPECT_EQ(vm_read(getpid(), self->at, text, sizeof(text)), 0);
	EXPECT_STREQ(text, SCENE_TEXT);
}

/* A tracee with a port of its own: tells where its window shows the message. */
struct tracee {
	char name[IPCCHAN_NAME_SIZE];
	uint32_t victim;
	int tell;
};

static int tracee(void *arg)
{
	struct tracee *t = arg;
	struct raw_port p;
	const char *at;

	if (raw_open(&p, t->name, IPCCHAN_RECEIVE))
		return 1;
	at = raw_peer_arena(&p, t->victim);
	if (strcmp(at, SCENE_TEXT) || write(t->tell, &at, sizeof(at)) != sizeof(at))
		return 2;
	for (;;)
		pause();
}

TEST_F_TIMEOUT(mapping_io, a_tracer_cannot_write_the_tracees_window, LIMIT)
{
	struct tracee t = { .victim = self->s.victim.attach.sender_slot };
	char text[sizeof(SCENE_TEXT)];
	int pipes[2], status;
	pid_t pid;
	void *at;

	snprintf(t.name, sizeof(t.name), "%s", self->s.name);
	ASSERT_EQ(pipe(pipes), 0);
	t.tell = pipes[1];
	leave(&self->s.mine);		/* a receiver's slot for it */
	pid = child_start(tracee, &t);
	close(pipes[1]);
	ASSERT_EQ(read(pipes[0], &at, sizeof(at)), (ssize_t)sizeof(at));

	EXPECT_EQ(vm_write(pid, at), -EFAULT);
	EXPECT_EQ(mem_write(pid, at), -EIO);
	EXPECT_TRUE(scene_victim_intact(&self->s));
	ASSERT_EQ(ptrace(PTRACE_ATTACH, pid, NULL, NULL), 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(ptrace(PTRACE_PEEKDATA, pid, at, NULL) & 0xff, SCENE_TEXT[0]);
	EXPECT_EQ(ptrace(PTRACE_POKEDATA, pid, at, 0x7878787878787878), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(ptrace(PTRACE_POKETEXT, pid, at, 0xcc), -1);
	EXPECT_EQ(mem_write(pid, at), -EIO);
	EXPECT_TRUE(scene_victim_intact(&self->s));
	EXPECT_EQ(vm_read(pid, at, text, sizeof(text)), 0);
	EXPECT_STREQ(text, SCENE_TEXT);
	kill(pid, SIGKILL);
	child_end(pid, 10000);
	ASSERT_EQ(raw_open(&self->s.mine, self->s.name, IPCCHAN_SEND | IPCCHAN_RECEIVE), 0);
}

/* io_uring, by its calls. */
struct uring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

static int uring_open(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = syscall(SYS_io_uring_setup, 4, &u->p);
	if (u->fd < 0)
		return -errno;
	u->sq = mmap(NULL, u->p.sq_off.array + u->p.sq_entries * 4, PROT_READ | PROT_WRITE,
		     MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, u->p.sq_entries * sizeof(*u->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED, u->fd, IORING_OFF_SQES);
	if (u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqes == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

/* One request, and what became of it. */
static int uring_do(struct uring *u, int opcode, int fd, void *at, unsigned int size)
{
	unsigned int *tail = (void *)(u->sq + u->p.sq_off.tail);
	unsigned int *head = (void *)(u->cq + u->p.cq_off.head);
	unsigned int *array = (void *)(u->sq + u->p.sq_off.array);
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes);
	unsigned int at_sq = *tail & (u->p.sq_entries - 1), at_cq = *head & (u->p.cq_entries - 1);

	u->sqes[at_sq] = (struct io_uring_sqe){
		.opcode = opcode, .fd = fd, .addr = (uintptr_t)at, .len = size,
	};
	array[at_sq] = at_sq;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -errno;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return cqes[at_cq].res;
}

TEST_F_TIMEOUT(mapping_io, io_uring_cannot_write_it, LIMIT)
{
	struct iovec v = { (void *)((uintptr_t)self->at & ~(self->s.page - 1)), self->s.page };
	struct io_uring_params p = { .flags = 1u << 14 /* IORING_SETUP_NO_MMAP */ };
	struct io_uring_buf_reg { __u64 at; __u32 entries; __u16 group, flags; __u64 pad[3]; } r = {
		.at = (uintptr_t)v.iov_base, .entries = 16,
	};
	char text[sizeof(SCENE_TEXT)] = "";
	struct uring u;
	int file, err = uring_open(&u);

	if (err)
		SKIP(return, "io_uring_setup: %s", strerror(-err));
	file = file_of_x(0);
	ASSERT_GE(file, 0);
	/* as a registered buffer, for READ_FIXED */
	EXPECT_EQ(syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_BUFFERS, &v, 1), -1);
	EXPECT_EQ(uring_do(&u, IORING_OP_READ_FIXED, file, v.iov_base, 16), -EFAULT);
	/* as a buffer, as a ring of buffers, as the rings themselves */
	EXPECT_EQ(uring_do(&u, IORING_OP_READ, file, self->at, 16), -EFAULT);
	EXPECT_EQ(uring_do(&u, IORING_OP_READ, open("/dev/zero", O_RDONLY), self->at, 16), -EFAULT);
	EXPECT_EQ(syscall(SYS_io_uring_register, u.fd, 22 /* PBUF_RING */, &r, 1), -1);
	p.cq_off.resv2 = p.sq_off.resv2 = (uintptr_t)v.iov_base;	/* user_addr */
	EXPECT_EQ(syscall(SYS_io_uring_setup, 4, &p), -1);
	EXPECT_TRUE(scene_intact(&self->s));
	/* sending from it works */
	EXPECT_EQ(uring_do(&u, IORING_OP_WRITE, file, self->at, sizeof(text)), sizeof(text));
	EXPECT_EQ(pread(file, text, sizeof(text), 0), (ssize_t)sizeof(text));
	EXPECT_STREQ(text, SCENE_TEXT);
	close(u.fd);
}

TEST_F_TIMEOUT(mapping_io, a_message_goes_to_a_file_in_place, LIMIT)
{
	char *page = (void *)((uintptr_t)self->at & ~(self->s.page - 1));
	char *got = aligned_alloc(self->s.page, self->s.page);
	int fd = direct_file();

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pwrite(fd, page, self->s.page, 0), (ssize_t)self->s.page);
	ASSERT_EQ(pread(fd, got, self->s.page, 0), (ssize_t)self->s.page);
	EXPECT_EQ(memcmp(got, page, self->s.page), 0);
	close(fd);
	free(got);
}

/* The pipe has the page itself, and whoever reads it cannot write it. */
TEST_F_TIMEOUT(mapping_io, a_message_goes_to_a_pipe_in_place, LIMIT)
{
	struct iovec v = { self->at, self->s.page };
	char text[sizeof(SCENE_TEXT)] = "";
	int pipes[2], file = file_of_x(0);
	loff_t offset = 0;

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &v, 1, SPLICE_F_GIFT), (ssize_t)self->s.page);
	ASSERT_EQ(splice(pipes[0], NULL, file, &offset, self->s.page, SPLICE_F_MOVE),
		  (ssize_t)self->s.page);
	EXPECT_EQ(pread(file, text, sizeof(text), 0), (ssize_t)sizeof(text));
	EXPECT_STREQ(text, SCENE_TEXT);
	/* what is written to the file now must not be written to the message */
	EXPECT_EQ(pwrite(file, "xxxxxxxx", 8, 0), 8);
	/* nor may more be added to the page in the pipe */
	ASSERT_EQ(vmsplice(pipes[1], &(struct iovec){ self->at, 16 }, 1, 0), 16);
	EXPECT_EQ(write(pipes[1], "xxxxxxxx", 8), 8);
	EXPECT_TRUE(scene_intact(&self->s));
}

/* Two ends of a connection over the loopback of a network namespace of our own. */
static int connect_loopback(int ends[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t length = sizeof(to);
	int listener;

	if (unshare(CLONE_NEWNET))
		return -errno;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || ioctl(listener, SIOCSIFFLAGS, &up) ||
	    bind(listener, (struct sockaddr *)&to, sizeof(to)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&to, &length) ||
	    connect(ends[0], (struct sockaddr *)&to, sizeof(to)))
		return -errno;
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
	return ends[1] < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(mapping_io, a_message_goes_to_a_socket_in_place, LIMIT)
{
	char text[sizeof(SCENE_TEXT)] = "";
	int one = 1, ends[2];

	ASSERT_EQ(connect_loopback(ends), 0);
	ASSERT_EQ(setsockopt(ends[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), 0);
	ASSERT_EQ(send(ends[0], self->at, self->s.page, MSG_ZEROCOPY), (ssize_t)self->s.page);
	ASSERT_EQ(recv(ends[1], text, sizeof(text), MSG_WAITALL), (ssize_t)sizeof(text));
	EXPECT_STREQ(text, SCENE_TEXT);
	EXPECT_EQ(recv(ends[1], self->at, 8, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	close(ends[0]);
	close(ends[1]);
}

TEST_HARNESS_MAIN
