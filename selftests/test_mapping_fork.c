// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, by advice and by fork(): no madvise() makes a window writable or
 * shows other bytes, and a forked child reaches neither region, even if it was
 * asked for with MADV_DOFORK.
 *
 * What breaks these (map.c): no check of vma->vm_mm in the fault handlers (the
 * child then writes, by MADV_DOFORK); no VM_WIPEONFORK from ->open (a userfaultfd
 * makes fork() copy page tables: no fault asks); counting a child's copy as a
 * mapping of the port's (it then never detaches, or too soon).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "scene.h"

#define LIMIT	300

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

FIXTURE(mapping_fork) {
	struct scene s;
};

FIXTURE_SETUP(mapping_fork)
{
	ASSERT_EQ(scene_open(&self->s), 0);
}

FIXTURE_TEARDOWN(mapping_fork)
{
	EXPECT_TRUE(scene_intact(&self->s));
	EXPECT_EQ(touch_write(self->s.mine.own), 0);
	EXPECT_TRUE(scene_close(&self->s));
}

/* In a child: 0 it reaches nothing; else what, of which. */
static int reach(void *arg)
{
	struct scene *s = arg;
	int n;

	n = reachable(s->mine.own, s->mine.attach.own_size);
	if (n)
		return 10 + n;
	n = reachable(s->mine.window, s->mine.attach.window_size);
	if (n)
		return 20 + n;
	n = reachable(s->victim.own, s->victim.attach.own_size);
	return n ? 30 + n : 0;
}

/* What kind of signal a child gets for a touch of both. */
static int signal_of_touch(void *arg)
{
	struct scene *s = arg;
	int own = touch_read(s->mine.own), window = touch_read(s->mine.window);

	return own == window ? own : 100;
}

static int advise_all(struct scene *s, int behaviour)
{
	madvise(s->mine.window, s->mine.attach.window_size, behaviour);
	madvise(s->mine.window, s->page, behaviour);
	madvise(s->mine.own, s->mine.attach.own_size, behaviour);
	madvise(s->mine.own + s->page, s->page, behaviour);
	return scene_intact(s) && !touch_write(s->mine.own);
}

/* Every number there is, and some there are not yet; without privilege (it poisons memory). */
TEST_F_TIMEOUT(mapping_fork, no_advice_helps, LIMIT)
{
	struct scene *s = &self->s;

	ASSERT_EQ(seteuid(NOBODY), 0);
	for (int behaviour = 0; behaviour <= 120; behaviour++) {
		EXPECT_TRUE(advise_all(s, behaviour))
			TH_LOG("madvise %d", behaviour);
	}
	ASSERT_EQ(seteuid(0), 0);
	/* one of them was MADV_DOFORK */
	EXPECT_EQ(in_child(reach, s), 0);
}

TEST_F_TIMEOUT(mapping_fork, no_advice_from_outside_helps, LIMIT)
{
	struct scene *s = &self->s;
	struct iovec v = { s->mine.window, s->mine.attach.window_size };
	int self_fd = syscall(SYS_pidfd_open, getpid(), 0);

	ASSERT_GE(self_fd, 0);
	ASSERT_EQ(seteuid(NOBODY), 0);
	for (int behaviour = 0; behaviour <= 120; behaviour++) {
		syscall(SYS_process_madvise, self_fd, &v, 1, behaviour, 0);
		EXPECT_TRUE(scene_intact(s))
			TH_LOG("process_madvise %d", behaviour);
	}
	ASSERT_EQ(seteuid(0), 0);
	close(self_fd);
}

TEST_F_TIMEOUT(mapping_fork, advice_that_would_lose_contents_loses_nothing, LIMIT)
{
	struct scene *s = &self->s;
	static const int losing[] = { MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_PAGEOUT,
				      MADV_COLD, 24 /* DONTNEED_LOCKED */ };

	memset(raw_arena(&s->mine), 0x5a, 256);
	for (size_t i = 0; i < sizeof(losing) / sizeof(losing[0]); i++) {
		madvise(s->mine.own, s->mine.attach.own_size, losing[i]);
		EXPECT_EQ(raw_arena(&s->mine)[0], 0x5a);
		EXPECT_EQ(raw_arena(&s->mine)[255], 0x5a);
	}
	EXPECT_EQ(madvise(s->mine.own, s->mine.attach.own_size, MADV_WIPEONFORK), -1);
	EXPECT_EQ(madvise(s->mine.own, s->mine.attach.own_size, MADV_DODUMP), -1);
	EXPECT_EQ(madvise(s->mine.window, s->mine.attach.window_size, 23 /* POPULATE_WRITE */), -1);
	EXPECT_EQ(madvise(s->mine.window, s->mine.attach.window_size, 22 /* POPULATE_READ */), 0);
}

TEST_F_TIMEOUT(mapping_fork, a_child_has_no_mapping, LIMIT)
{
	EXPECT_EQ(in_child(signal_of_touch, &self->s), SIGSEGV);
	EXPECT_EQ(in_child(reach, &self->s), 0);
	/* its end has not ended our attachment */
	EXPECT_EQ(call_kick(self->s.mine.fd, 0, 0), 0);
}

static void allow_fork(struct scene *s)
{
	madvise(s->mine.own, s->mine.attach.own_size, MADV_DOFORK);
	madvise(s->mine.window, s->mine.attach.window_size, MADV_DOFORK);
	madvise(s->victim.own, s->victim.attach.own_size, MADV_DOFORK);
}

TEST_F_TIMEOUT(mapping_fork, a_child_with_the_mapping_cannot_use_it, LIMIT)
{
	allow_fork(&self->s);
	/* here too, if MADV_DOFORK is refused one day */
	EXPECT_NE(in_child(signal_of_touch, &self->s), 0);
	EXPECT_EQ(in_child(reach, &self->s), 0);
	EXPECT_EQ(call_kick(self->s.mine.fd, 0, 0), 0);
}

/* The child tries what might make its copies into mappings of its own. */
static int rework(void *arg)
{
	struct scene *s = arg;
	size_t size = s->mine.attach.own_size;
	char *at;

	mprotect(s->mine.window, s->mine.attach.window_size, PROT_READ | PROT_WRITE);
	at = mremap(s->mine.own, size, size, MREMAP_MAYMOVE | 4 /* DONTUNMAP */);
	if (at == MAP_FAILED) {
		at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		at = mremap(s->mine.own, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	}
	if (at != MAP_FAILED && reachable(at, size))
		return 1;
	madvise(s->mine.window, s->mine.attach.window_size, 22 /* POPULATE_READ */);
	mlock(s->mine.window, s->mine.attach.window_size);
	if (reach(s))
		return 2;
	/* a grandchild is no better off */
	allow_fork(s);
	return in_child(reach, s) ? 3 : 0;
}

TEST_F_TIMEOUT(mapping_fork, a_child_gets_nothing_out_of_its_copy, LIMIT)
{
	allow_fork(&self->s);
	EXPECT_EQ(in_child(rework, &self->s), 0);
	EXPECT_EQ(call_kick(self->s.mine.fd, 0, 0), 0);
}

/* The child unmaps what it inherited; and its memory is not ours for others' eyes. */
static int unmap_inherited(void *arg)
{
	struct scene *s = arg;

	munmap(s->mine.own, s->mine.attach.own_size);
	munmap(s->mine.window, s->mine.attach.window_size);
	return 0;
}

TEST_F_TIMEOUT(mapping_fork, a_childs_munmap_detaches_nobody, LIMIT)
{
	allow_fork(&self->s);
	EXPECT_EQ(in_child(unmap_inherited, &self->s), 0);
	EXPECT_EQ(call_kick(self->s.mine.fd, 0, 0), 0);
	EXPECT_EQ(raw_sender_slot(&self->s.victim, self->s.mine.attach.sender_slot)->state,
		  IPCCHAN_SLOT_ACTIVE);
}

static int wait_to_be_read(void *arg)
{
	(void)arg;
	sleep_ms(60000);
	return 0;
}

TEST_F_TIMEOUT(mapping_fork, a_childs_memory_does_not_show_it_to_others, LIMIT)
{
	struct scene *s = &self->s;
	char text[sizeof(SCENE_TEXT)];
	struct iovec local = { text, sizeof(text) }, remote = { scene_message(s), sizeof(text) };
	pid_t pid;

	allow_fork(s);
	pid = child_start(wait_to_be_read, NULL);
	EXPECT_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), -1);
	EXPECT_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), -1);
	remote.iov_base = s->victim.own;
	EXPECT_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), -1);
	kill(pid, SIGKILL);
	child_end(pid, 10000);
}

/* userfaultfd */

struct uffd {
	int fd;
	uint64_t features;
	bool stop;
};

#define WP_ASYNC_BIT (1ull << 15)

/* With as many features as there are that help. */
static int uffd_open(struct uffd *u)
{
	static const uint64_t wishes[] = {
		UFFD_FEATURE_EVENT_FORK | WP_ASYNC_BIT,
		UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_PAGEFAULT_FLAG_WP,
		UFFD_FEATURE_EVENT_FORK,
	};

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct uffdio_api api = { .api = UFFD_API, .features = wishes[i] };

		u->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		if (u->fd < 0)
			return -errno;
		u->features = wishes[i];
		if (!ioctl(u->fd, UFFDIO_API, &api))
			return 0;
		close(u->fd);
	}
	return -EINVAL;
}

/* fork() waits until its event has been read. */
static void *uffd_reader(void *arg)
{
	struct uffd *u = arg;
	struct pollfd p = { .fd = u->fd, .events = POLLIN };
	struct uffd_msg message;

	while (!__atomic_load_n(&u->stop, __ATOMIC_ACQUIRE)) {
		if (poll(&p, 1, 10) == 1 &&
		    read(u->fd, &message, sizeof(message)) == sizeof(message) &&
		    message.event == UFFD_EVENT_FORK)
			close(message.arg.fork.ufd);
	}
	return NULL;
}

static int uffd_register(struct uffd *u, void *at, size_t size, uint64_t mode)
{
	struct uffdio_register r = { .range = { (uintptr_t)at, size }, .mode = mode };

	return ioctl(u->fd, UFFDIO_REGISTER, &r) ? -errno : 0;
}

static void uffd_fill(struct uffd *u, char *at, size_t page)
{
	static char source[4096] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)at, .src = (uintptr_t)source, .len = page,
	};
	struct uffdio_zeropage zero = { .range = { (uintptr_t)at, page } };

	ioctl(u->fd, UFFDIO_COPY, &copy);
	ioctl(u->fd, UFFDIO_ZEROPAGE, &zero);
}

TEST_F_TIMEOUT(mapping_fork, userfaultfd_does_not_take_the_window, LIMIT)
{
	struct scene *s = &self->s;
	struct uffd u;
	int err = uffd_open(&u);

	ASSERT_EQ(err, 0);
	for (uint64_t mode = 1; mode < 8; mode++) {
		EXPECT_NE(uffd_register(&u, s->mine.window, s->mine.attach.window_size, mode), 0);
		uffd_fill(&u, s->mine.window, s->page);
		EXPECT_TRUE(scene_intact(s));
	}
	/* of its own region it cannot supply the pages either */
	EXPECT_NE(uffd_register(&u, s->mine.own, s->mine.attach.own_size,
				UFFDIO_REGISTER_MODE_MISSING), 0);
	EXPECT_NE(uffd_register(&u, s->mine.own, s->mine.attach.own_size,
				UFFDIO_REGISTER_MODE_MINOR), 0);
	uffd_fill(&u, s->mine.own, s->page);
	close(u.fd);
}

/*
 * Kernels that refuse it (because of VM_DONTEXPAND, 6.12 of late) are as good; the
 * others have page tables for fork() to copy.
 */
TEST_F_TIMEOUT(mapping_fork, userfaultfd_takes_nothing_into_a_child, LIMIT)
{
	struct scene *s = &self->s;
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)s->mine.own, s->mine.attach.own_size },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct uffd u = { .stop = false };
	pthread_t reader;

	ASSERT_EQ(uffd_open(&u), 0);
	if (!uffd_register(&u, s->mine.own, s->mine.attach.own_size, UFFDIO_REGISTER_MODE_WP)) {
		for (size_t at = 0; at < s->mine.attach.own_size; at += s->page)
			EXPECT_EQ(touch_write(s->mine.own + at), 0);
		EXPECT_EQ(ioctl(u.fd, UFFDIO_WRITEPROTECT, &wp), 0);
	}
	allow_fork(s);
	ASSERT_EQ(pthread_create(&reader, NULL, uffd_reader, &u), 0);
	EXPECT_EQ(in_child(reach, s), 0);
	__atomic_store_n(&u.stop, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	close(u.fd);
}

/* Locking, moving, looking at pages. */

TEST_F_TIMEOUT(mapping_fork, locking_changes_nothing, LIMIT)
{
	struct scene *s = &self->s;

	EXPECT_EQ(mlock(s->mine.window, s->mine.attach.window_size), 0);
	EXPECT_TRUE(scene_intact(s));
	EXPECT_EQ(syscall(SYS_mlock2, s->mine.own, s->mine.attach.own_size, 1), 0);
	EXPECT_EQ(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	EXPECT_TRUE(scene_intact(s));
	EXPECT_EQ(munlockall(), 0);
	EXPECT_TRUE(scene_intact(s));
	EXPECT_EQ(in_child(reach, s), 0);
}

TEST_F_TIMEOUT(mapping_fork, pages_do_not_move, LIMIT)
{
	struct scene *s = &self->s;
	unsigned long node = 1;
	void *pages[2] = { scene_message(s), s->mine.own };
	int nodes[2] = { 0, 0 }, status[2];

	syscall(SYS_mbind, s->mine.window, s->mine.attach.window_size, MPOL_BIND, &node, 8,
		MPOL_MF_MOVE | MPOL_MF_STRICT);
	EXPECT_TRUE(scene_intact(s));
	syscall(SYS_mbind, s->mine.own, s->mine.attach.own_size, MPOL_INTERLEAVE, &node, 8,
		MPOL_MF_MOVE_ALL);
	EXPECT_TRUE(scene_intact(s));
	syscall(SYS_move_pages, 0, 2, pages, nodes, status, MPOL_MF_MOVE_ALL);
	EXPECT_TRUE(scene_intact(s));
	syscall(SYS_migrate_pages, 0, 8, &node, &node);
	EXPECT_TRUE(scene_intact(s));
	/* what is written in its own region now arrives where the others look */
	raw_arena(&s->mine)[9] = 0x77;
	EXPECT_EQ(raw_peer_arena(&s->victim, s->mine.attach.sender_slot)[9], 0x77);
}

/* As a stranger to the machine: 0, no frame's number is told. */
static int look_at_pagemap(void *arg)
{
	struct scene *s = arg;
	uint64_t entry = ~0ull;
	struct raw_port p;
	const char *at;
	int fd;

	become(ALICE);
	if (open("/proc/self/pagemap", O_RDWR) >= 0)
		return 1;
	fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || raw_open(&p, s->name, IPCCHAN_RECEIVE))
		return 2;
	at = raw_peer_arena(&p, s->victim.attach.sender_slot);
	if (touch_read(at))
		return 3;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)at / s->page * sizeof(entry)) !=
	    sizeof(entry))
		return 4;
	return entry & ((1ull << 55) - 1) ? 5 : 0;
}

TEST_F_TIMEOUT(mapping_fork, pagemap_tells_no_frame_to_a_stranger, LIMIT)
{
	leave(&self->s.mine);
	EXPECT_EQ(in_child(look_at_pagemap, &self->s), 0);
	ASSERT_EQ(raw_open(&self->s.mine, self->s.name, IPCCHAN_SEND | IPCCHAN_RECEIVE), 0);
}

TEST_HARNESS_MAIN
