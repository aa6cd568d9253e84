/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes, and how they die.
 *
 * While a process lives it has a byte of the memfd locked (fcntl). The real
 * kernel drops that lock when the process ends, however it does, and when it
 * calls exec; a zombie has none.
 */
#include "machine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FIRST_BYTE	(1ll << 40)	/* beyond what is mapped */

_Thread_local struct task_struct sim_current;

/* In a page that is zero in a forked child: who this process is. */
static struct self {
	struct mm_struct *mm;
} *self;

uid_t sim_uid(void)
{
	return geteuid();
}

gid_t sim_gid(void)
{
	return getegid();
}

u64 ktime_get_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
}

static struct flock byte_of(const struct mm_struct *mm)
{
	return (struct flock){
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = FIRST_BYTE + (mm - sim_machine->processes),
		.l_len = 1,
	};
}

/* The caller's own lock is not in its own way: it is never dead to itself. */
static bool is_dead(const struct mm_struct *mm)
{
	struct flock lock = byte_of(mm);

	if (mm == sim_current.mm)
		return false;
	SIM_ASSERT(!fcntl(sim_memfd, F_GETLK, &lock));
	return lock.l_type == F_UNLCK;
}

/* A place that nobody has, and no port remembers. */
static struct mm_struct *find_place(void)
{
	for (u32 i = 0; i < SIM_PROCESSES; i++) {
		struct mm_struct *mm = &sim_machine->processes[i];

		if (!atomic_read(&mm->mm_users) && !mm->references)
			return mm;
	}
	sim_bug("there is a place for one more process", __FILE__, __LINE__);
}

static void be_born(void)
{
	struct mm_struct *mm = find_place();
	struct flock lock = byte_of(mm);

	atomic_set(&mm->mm_users, 1);
	mm->pid = getpid();
	mm->lived = ++sim_machine->lives;
	SIM_ASSERT(!fcntl(sim_memfd, F_SETLK, &lock));
	self->mm = mm;
	/* who sleeps since there was one process does not look who has died */
	if (++sim_machine->nr_processes == 2)
		sim_stir();
}

static void make_self(void)
{
	self = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SIM_ASSERT(self != MAP_FAILED && !madvise(self, PAGE_SIZE, MADV_WIPEONFORK));
}

void sim_process_enter(void)
{
	if (!self)
		make_self();
	if (!self->mm)
		be_born();
	sim_current.mm = self->mm;
	sim_current.interrupted = false;
}

void sim_process_forget(void)
{
	if (self)
		self->mm = NULL;
}

/* As the kernel does when a process ends: first its mappings go, then its files. */
static void bury(struct mm_struct *mm)
{
	atomic_set(&mm->mm_users, 0);
	sim_machine->nr_processes--;
	sim_sleep_bury(mm);
	sim_files_bury(mm);
}

static void bury_all(void)
{
	for (u32 i = 0; i < SIM_PROCESSES; i++) {
		struct mm_struct *mm = &sim_machine->processes[i];

		if (atomic_read(&mm->mm_users) && is_dead(mm))
			bury(mm);
	}
}

/* Detaches the ports of processes that have died; if it is time to look, or at once. */
void sim_bury(bool at_once)
{
	u64 now = ktime_get_ns();

	if (sim_machine->nr_processes < 2 || (now < sim_machine->next_look_ns && !at_once))
		return;
	sim_machine->next_look_ns = now + SIM_LOOK_NS;
	bury_all();
}

static struct mm_struct *find_process(pid_t pid)
{
	for (u32 i = 0; i < SIM_PROCESSES; i++) {
		struct mm_struct *mm = &sim_machine->processes[i];

		if (atomic_read(&mm->mm_users) && mm->pid == pid)
			return mm;
	}
	return NULL;
}

/* With the lock held nobody else is in the simulated kernel, unless asleep. */
void sim_kill(pid_t pid)
{
	struct timespec moment = { .tv_nsec = 20000 };
	struct mm_struct *mm;

	sim_enter();
	mm = find_process(pid);
	SIM_ASSERT(!kill(pid, SIGKILL));
	while (mm && !is_dead(mm))
		nanosleep(&moment, NULL);
	bury_all();
	sim_leave();
}
