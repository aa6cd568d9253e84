// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, by the calls that make and change mappings: nobody can write a
 * page that is not its own, nor get another view of it.
 *
 * What breaks these (map.c): VM_MAYWRITE or VM_MAYEXEC left on the window, only
 * the start of the range checked, no VM_DONTEXPAND, no ->may_split, private
 * mappings let in, a second mapping of one region. Each attempt is followed by a
 * look at the victim's bytes and at every page of the window.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "scene.h"

#define LIMIT	300
#define RW	(PROT_READ | PROT_WRITE)
#define RX	(PROT_READ | PROT_EXEC)

/* Which mapping, or both, by the index of a loop. */
static char *region_of(const struct scene *s, int which, size_t *size)
{
	*size = which ? s->mine.attach.window_size : s->mine.attach.own_size;
	return which ? s->mine.window : s->mine.own;
}

static int map_errno(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *got = mmap(at, size, prot, flags, fd, offset);

	if (got == MAP_FAILED)
		return errno;
	munmap(got, size);
	return 0;
}

FIXTURE(mapping) {
	struct scene s;
};

FIXTURE_SETUP(mapping)
{
	ASSERT_EQ(scene_open(&self->s), 0);
	ASSERT_TRUE(scene_intact(&self->s));
}

FIXTURE_TEARDOWN(mapping)
{
	EXPECT_TRUE(scene_close(&self->s));
}

/* What mmap() may be asked of a port that is NEW: all but two things are refused. */
struct wish {
	const char *what;
	bool window;
	long offset, size;	/* pages more than right */
	int prot, flags, err;
};

static const struct wish wishes[] = {
	{ "window to write", true, 0, 0, RW, MAP_SHARED, EACCES },
	{ "window to write only", true, 0, 0, PROT_WRITE, MAP_SHARED, EACCES },
	{ "window to run", true, 0, 0, RX, MAP_SHARED, EPERM },
	{ "window to write and run", true, 0, 0, RW | PROT_EXEC, MAP_SHARED, EPERM },
	{ "own to run", false, 0, 0, RX, MAP_SHARED, EPERM },
	{ "own to write and run", false, 0, 0, RW | PROT_EXEC, MAP_SHARED, EPERM },
	{ "window, private", true, 0, 0, PROT_READ, MAP_PRIVATE, EINVAL },
	{ "window, private, to write", true, 0, 0, RW, MAP_PRIVATE, EINVAL },
	{ "own, private", false, 0, 0, RW, MAP_PRIVATE, EINVAL },
	{ "own, private, to read", false, 0, 0, PROT_READ, MAP_PRIVATE, EINVAL },
	{ "window, a page short", true, 0, -1, PROT_READ, MAP_SHARED, EINVAL },
	{ "window, a page long", true, 0, 1, PROT_READ, MAP_SHARED, EINVAL },
	{ "own, a page short", false, 0, -1, RW, MAP_SHARED, EINVAL },
	{ "own, a page long", false, 0, 1, RW, MAP_SHARED, EINVAL },
	{ "own, far too long", false, 0, 1000, RW, MAP_SHARED, EINVAL },
	{ "window from its second page", true, 1, 0, PROT_READ, MAP_SHARED, EINVAL },
	{ "window from its second page to its end", true, 1, -1, PROT_READ, MAP_SHARED, EINVAL },
	{ "window from the page before", true, -1, 1, PROT_READ, MAP_SHARED, EINVAL },
	{ "before the window, to write", true, -1, 0, RW, MAP_SHARED, EINVAL },
	{ "own from its second page", false, 1, 0, RW, MAP_SHARED, EINVAL },
	{ "own from its second page to its end", false, 1, -1, RW, MAP_SHARED, EINVAL },
	{ "between the two", false, 1 << 20, 0, RW, MAP_SHARED, EINVAL },
	{ "window in huge pages", true, 0, 0, PROT_READ, MAP_SHARED | MAP_HUGETLB, EINVAL },
	{ "window that grows down", true, 0, 0, PROT_READ, MAP_SHARED | MAP_GROWSDOWN, EINVAL },
	{ "own that grows down", false, 0, 0, RW, MAP_SHARED | MAP_GROWSDOWN, EINVAL },
	{ "own, synchronous", false, 0, 0, RW, MAP_SHARED_VALIDATE | MAP_SYNC, EOPNOTSUPP },
};

TEST_F_TIMEOUT(mapping, mmap_gives_two_regions_and_nothing_else, LIMIT)
{
	struct scene *s = &self->s;
	struct raw_port p;

	leave(&s->mine);
	ASSERT_EQ(raw_attach(&p, s->name, IPCCHAN_SEND | IPCCHAN_RECEIVE), 0);
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		const struct wish *w = &wishes[i];
		off_t offset = w->window ? p.attach.window_offset : p.attach.own_offset;
		size_t size = w->window ? p.attach.window_size : p.attach.own_size;

		EXPECT_EQ(map_errno(NULL, size + w->size * s->page, w->prot, w->flags, p.fd,
				    offset + w->offset * s->page), w->err)
			TH_LOG("%s", w->what);
	}
	/* not one of them has used the mappings up, or joined the port */
	EXPECT_EQ(map_window(&p), 0);
	EXPECT_EQ(raw_receiver_slot(&p, p.attach.receiver_slot)->state, IPCCHAN_SLOT_EMPTY);
	EXPECT_EQ(map_own(&p), 0);
	EXPECT_EQ(raw_receiver_slot(&p, p.attach.receiver_slot)->state, IPCCHAN_SLOT_ACTIVE);
	s->mine = p;
	EXPECT_TRUE(scene_intact(s));
}

TEST_F_TIMEOUT(mapping, all_offsets_but_two_are_refused, LIMIT)
{
	struct scene *s = &self->s;
	const uint64_t own = s->mine.attach.own_size, window = s->mine.attach.window_size;

	for (int bit = 12; bit < 52; bit++) {
		const uint64_t offset = 1ull << bit;

		EXPECT_EQ(map_errno(NULL, window, PROT_READ, MAP_SHARED, s->mine.fd, offset),
			  offset == s->mine.attach.window_offset ? EBUSY : EINVAL);
		EXPECT_EQ(map_errno(NULL, own, RW, MAP_SHARED, s->mine.fd, offset), EINVAL);
		EXPECT_EQ(map_errno(NULL, s->page, RW, MAP_SHARED, s->mine.fd, offset), EINVAL);
	}
	EXPECT_TRUE(scene_intact(s));
}

TEST_F_TIMEOUT(mapping, each_region_is_mapped_once, LIMIT)
{
	struct scene *s = &self->s;
	const struct ipcchan_attach *a = &s->mine.attach;

	EXPECT_EQ(map_errno(NULL, a->own_size, RW, MAP_SHARED, s->mine.fd, a->own_offset), EBUSY);
	EXPECT_EQ(map_errno(NULL, a->window_size, PROT_READ, MAP_SHARED, s->mine.fd,
			    a->window_offset), EBUSY);
	EXPECT_TRUE(scene_intact(s));

	/* a window can be had again */
	ASSERT_EQ(munmap(s->mine.window, a->window_size), 0);
	EXPECT_EQ(map_errno(NULL, a->window_size, RW, MAP_SHARED, s->mine.fd, a->window_offset),
		  EACCES);
	ASSERT_EQ(map_window(&s->mine), 0);
	EXPECT_TRUE(scene_intact(s));
}

TEST_F_TIMEOUT(mapping, a_fixed_mapping_replaces_all_or_nothing, LIMIT)
{
	struct scene *s = &self->s;
	const int anon = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
	size_t size;

	for (int which = 0; which < 2; which++) {
		char *at = region_of(s, which, &size);

		EXPECT_NE(map_errno(at, s->page, RW, anon, -1, 0), 0);
		EXPECT_NE(map_errno(at + s->page, s->page, RW, anon, -1, 0), 0);
		EXPECT_NE(map_errno(at + size - s->page, s->page, RW, anon, -1, 0), 0);
		EXPECT_TRUE(scene_intact(s));
	}
	/* own over a part of the window */
	EXPECT_NE(map_errno(s->mine.window, s->mine.attach.own_size, RW, MAP_FIXED | MAP_SHARED,
			    s->mine.fd, 0), 0);
	EXPECT_TRUE(scene_intact(s));
	/* all of the window: then it is gone, and memory of ours is in its place */
	ASSERT_EQ(mmap(s->mine.window, s->mine.attach.window_size, RW, anon, -1, 0),
		  (void *)s->mine.window);
	memset(s->mine.window, 0xff, s->mine.attach.window_size);
	EXPECT_TRUE(scene_victim_intact(s));
	munmap(s->mine.window, s->mine.attach.window_size);
	ASSERT_EQ(map_window(&s->mine), 0);
	EXPECT_TRUE(scene_intact(s));
}

static int protect_errno(void *at, size_t size, int prot)
{
	return mprotect(at, size, prot) ? errno : 0;
}

TEST_F_TIMEOUT(mapping, mprotect_adds_no_right, LIMIT)
{
	struct scene *s = &self->s;
	const struct ipcchan_attach *a = &s->mine.attach;
	char *own = s->mine.own, *window = s->mine.window;

	EXPECT_EQ(protect_errno(window, a->window_size, RW), EACCES);
	EXPECT_EQ(protect_errno(window, a->window_size, PROT_WRITE), EACCES);
	EXPECT_EQ(protect_errno(window, a->window_size, RX), EACCES);
	EXPECT_EQ(protect_errno(window, s->page, RW), EACCES);
	EXPECT_EQ(protect_errno(window, a->window_size, RW | PROT_GROWSDOWN), EINVAL);
	EXPECT_EQ(protect_errno(window, a->window_size, RW | PROT_GROWSUP), EINVAL);
	EXPECT_EQ(protect_errno(own, a->own_size, RX), EACCES);
	EXPECT_EQ(protect_errno(own, a->own_size, RW | PROT_EXEC), EACCES);
	EXPECT_TRUE(scene_intact(s));

	/* in parts not even less */
	EXPECT_EQ(protect_errno(window, s->page, PROT_NONE), EINVAL);
	EXPECT_EQ(protect_errno(window + s->page, s->page, PROT_NONE), EINVAL);
	EXPECT_EQ(protect_errno(own, s->page, PROT_READ), EINVAL);
	EXPECT_EQ(protect_errno(own + a->own_size - s->page, s->page, PROT_READ), EINVAL);
	EXPECT_TRUE(scene_intact(s));

	/* taken away and given back, the right to write is not in it */
	EXPECT_EQ(protect_errno(window, a->window_size, PROT_NONE), 0);
	EXPECT_EQ(touch_read(window), SIGSEGV);
	EXPECT_EQ(protect_errno(window, a->window_size, RW), EACCES);
	EXPECT_EQ(protect_errno(window, a->window_size, PROT_READ), 0);
	EXPECT_EQ(protect_errno(own, a->own_size, PROT_NONE), 0);
	EXPECT_EQ(protect_errno(own, a->own_size, RW), 0);
	EXPECT_TRUE(scene_intact(s));
}

TEST_F_TIMEOUT(mapping, pkey_mprotect_adds_no_right, LIMIT)
{
	struct scene *s = &self->s;
	const struct ipcchan_attach *a = &s->mine.attach;
	int key = syscall(SYS_pkey_alloc, 0, 0);	/* -1, where there are none, means none */

	EXPECT_EQ(syscall(SYS_pkey_mprotect, s->mine.window, a->window_size, RW, key), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(syscall(SYS_pkey_mprotect, s->mine.own, a->own_size, RX, key), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(syscall(SYS_pkey_mprotect, s->mine.window, a->window_size, PROT_READ, key), 0);
	EXPECT_EQ(touch_write(s->mine.window), SIGSEGV);
	/* the signal's handler has left us without the right to that key */
	EXPECT_EQ(syscall(SYS_pkey_mprotect, s->mine.window, a->window_size, PROT_READ, 0), 0);
	EXPECT_TRUE(scene_intact(s));
	if (key > 0)
		syscall(SYS_pkey_free, key);
}

static int remap_errno(void *at, size_t from, size_t to, int flags, void *goal)
{
	void *got = mremap(at, from, to, flags, goal);

	if (got == MAP_FAILED)
		return errno;
	munmap(got, to);
	return 0;
}

TEST_F_TIMEOUT(mapping, mremap_moves_whole_regions_and_nothing_else, LIMIT)
{
	struct scene *s = &self->s;
	const size_t page = s->page;
	size_t size;

	for (int which = 0; which < 2; which++) {
		char *at = region_of(s, which, &size);
		char *goal = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		ASSERT_NE((void *)goal, MAP_FAILED);
		munmap(goal, 2 * size);
		EXPECT_EQ(remap_errno(at, size, size + page, 0, NULL), EFAULT);
		EXPECT_EQ(remap_errno(at, size, size + page, MREMAP_MAYMOVE, NULL), EFAULT);
		EXPECT_EQ(remap_errno(at, size, size - page, 0, NULL), EINVAL);
		EXPECT_EQ(remap_errno(at, page, 2 * size, MREMAP_MAYMOVE, NULL), EFAULT);
		EXPECT_EQ(remap_errno(at + page, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, goal),
			  EFAULT);
		EXPECT_EQ(remap_errno(at, size, size, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL),
			  EINVAL);
		/* a duplicate, and of a part */
		EXPECT_EQ(remap_errno(at, 0, size, MREMAP_MAYMOVE, NULL), EFAULT);
		EXPECT_EQ(remap_errno(at + page, 0, page, MREMAP_MAYMOVE, NULL), EFAULT);
		EXPECT_EQ(remap_errno(at + page, 0, page, MREMAP_MAYMOVE | MREMAP_FIXED, goal),
			  EFAULT);
		/* a part, moved */
		EXPECT_NE(remap_errno(at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, goal), 0);
		EXPECT_NE(remap_errno(at + page, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, goal),
			  0);
		EXPECT_TRUE(scene_intact(s));

		ASSERT_EQ(mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, goal), (void *)goal);
		*(which ? &s->mine.window : &s->mine.own) = goal;
		EXPECT_TRUE(scene_intact(s));
	}
	EXPECT_EQ(touch_write(s->mine.own), 0);
	EXPECT_EQ(protect_errno(s->mine.window, s->mine.attach.window_size, RW), EACCES);
	/* still attached, and the same port */
	EXPECT_EQ(call_kick(s->mine.fd, 0, 0), 0);
}

TEST_F_TIMEOUT(mapping, munmap_takes_all_or_nothing, LIMIT)
{
	struct scene *s = &self->s;
	const size_t page = s->page;
	size_t size;

	for (int which = 0; which < 2; which++) {
		char *at = region_of(s, which, &size);

		EXPECT_EQ(munmap(at, page), -1);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_EQ(munmap(at + page, page), -1);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_EQ(munmap(at + size - page, page), -1);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_EQ(munmap(at + page, size), -1);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_TRUE(scene_intact(s));
	}
	EXPECT_EQ(call_kick(s->mine.fd, 0, 0), 0);
}

/* Permissions and flags of the mapping that begins at @at, of /proc/self/smaps. */
static bool smaps_of(const void *at, char *permissions, char *flags, size_t size)
{
	char start[32], line[512];
	FILE *file = fopen("/proc/self/smaps", "r");
	bool found = false;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)at);
	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, start, strlen(start)))
			found = sscanf(line, "%*s %4s", permissions) == 1;
		if (found && !strncmp(line, "VmFlags:", 8)) {
			snprintf(flags, size, "%s", line + 8);
			break;
		}
	}
	if (file)
		fclose(file);
	return found;
}

TEST_F_TIMEOUT(mapping, flags_are_those_of_plain_pages, LIMIT)
{
	struct scene *s = &self->s;
	char permissions[8], flags[512];
	size_t size;

	for (int which = 0; which < 2; which++) {
		ASSERT_TRUE(smaps_of(region_of(s, which, &size), permissions, flags, sizeof(flags)));
		EXPECT_STREQ(permissions, which ? "r--s" : "rw-s");
		EXPECT_EQ(!!strstr(flags, " mw"), !which);
		EXPECT_EQ(strstr(flags, " me"), NULL);
		EXPECT_NE(strstr(flags, " dc"), NULL);	/* not copied by fork() */
		EXPECT_NE(strstr(flags, " de"), NULL);	/* does not grow */
		EXPECT_NE(strstr(flags, " dd"), NULL);	/* not in core dumps */
		/* neither VM_PFNMAP, VM_MIXEDMAP nor VM_IO: I/O works on it in place */
		EXPECT_EQ(strstr(flags, " pf"), NULL);
		EXPECT_EQ(strstr(flags, " mm"), NULL);
		EXPECT_EQ(strstr(flags, " io"), NULL);
	}
}

TEST_F_TIMEOUT(mapping, personality_makes_nothing_executable, LIMIT)
{
	struct scene *s = &self->s;
	const struct ipcchan_attach *a = &s->mine.attach;
	char permissions[8], flags[512];

	ASSERT_EQ(munmap(s->mine.window, a->window_size), 0);
	ASSERT_NE(personality(READ_IMPLIES_EXEC), -1);
	if (map_window(&s->mine)) {
		EXPECT_EQ(errno, EPERM);
		personality(PER_LINUX);
		ASSERT_EQ(map_window(&s->mine), 0);
		personality(READ_IMPLIES_EXEC);
	}
	EXPECT_EQ(protect_errno(s->mine.window, a->window_size, PROT_READ), 0);
	EXPECT_EQ(protect_errno(s->mine.own, a->own_size, RW), 0);
	ASSERT_TRUE(smaps_of(s->mine.window, permissions, flags, sizeof(flags)));
	EXPECT_STREQ(permissions, "r--s");
	ASSERT_TRUE(smaps_of(s->mine.own, permissions, flags, sizeof(flags)));
	EXPECT_STREQ(permissions, "rw-s");
	personality(PER_LINUX);
	EXPECT_TRUE(scene_intact(s));
}

TEST_F_TIMEOUT(mapping, nothing_else_is_mapped_over_a_part, LIMIT)
{
	struct scene *s = &self->s;
	int id = shmget(IPC_PRIVATE, s->page, IPC_CREAT | 0600);
	size_t size;

	for (int which = 0; which < 2; which++) {
		char *at = region_of(s, which, &size);

		if (id >= 0) {
			EXPECT_EQ(shmat(id, at, SHM_REMAP), (void *)-1);
			EXPECT_EQ(shmat(id, at, 0), (void *)-1);
		}
		/* pages of a region in another order */
		EXPECT_NE(syscall(SYS_remap_file_pages, at, s->page, 0, 1, 0), 0);
		EXPECT_NE(syscall(SYS_remap_file_pages, at + s->page, s->page, 0, 0, 0), 0);
		EXPECT_TRUE(scene_intact(s));
	}
	/* all of it: what was there is gone first, and then nothing comes */
	EXPECT_NE(syscall(SYS_remap_file_pages, s->mine.window, s->mine.attach.window_size, 0, 0, 0),
		  0);
	EXPECT_EQ(touch_read(s->mine.window), SIGSEGV);
	EXPECT_NE(syscall(SYS_remap_file_pages, s->mine.own, s->mine.attach.own_size, 0, 1, 0), 0);
	EXPECT_EQ(touch_read(s->mine.own), SIGSEGV);
	EXPECT_TRUE(scene_victim_intact(s));
	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
}

TEST_HARNESS_MAIN
