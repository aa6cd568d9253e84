/* SPDX-License-Identifier: GPL-2.0 */
/* The machine: its memory, its lock. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "../../kmod/dead.h"
#include "../../kmod/stall.h"

#define BATCH	64	/* sleepers woken after the lock is dropped */

struct sim_machine *sim_machine;
int sim_memfd = -1;

void sim_bug(const char *what, const char *file, int line)
{
	fprintf(stderr, "sim: %s:%d: this does not hold: %s\n", file, line, what);
	abort();
}

static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	SIM_ASSERT(!pthread_mutexattr_init(&attr));
	SIM_ASSERT(!pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK));
	SIM_ASSERT(!pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	SIM_ASSERT(!pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	SIM_ASSERT(!pthread_mutex_init(lock, &attr));
	pthread_mutexattr_destroy(&attr);
}

static void *make_memory(void)
{
	void *p;

	sim_memfd = memfd_create("ipcchan-sim", MFD_CLOEXEC);
	SIM_ASSERT(sim_memfd >= 0 && !ftruncate(sim_memfd, SIM_SIZE));
	p = mmap(NULL, SIM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, sim_memfd, 0);
	SIM_ASSERT(p != MAP_FAILED && !madvise(p, SIM_SIZE, MADV_DONTDUMP));
	return p;
}

void sim_begin(unsigned int flags)
{
	struct sim_machine *m;

	SIM_ASSERT((size_t)sysconf(_SC_PAGESIZE) == PAGE_SIZE);
	sim_end();
	m = sim_machine = make_memory();
	lock_init(&m->lock);
	m->flags = flags;
	m->maker = getpid();
	mutex_init(&m->net.lock);
	init_waitqueue_head(m->net.callers);
	INIT_LIST_HEAD(&m->sleepers);
	INIT_LIST_HEAD(&m->timers);
	INIT_LIST_HEAD(&m->views);
	sim_heap_init();
	SIM_ASSERT(!ipcchan_stall_start());
	SIM_ASSERT(!ipcchan_dead_start());
}

void sim_end(void)
{
	if (!sim_machine)
		return;
	munmap(sim_machine, SIM_SIZE);
	close(sim_memfd);
	sim_process_forget();
	sim_machine = NULL;
	sim_memfd = -1;
}

void sim_lock(void)
{
	int err = pthread_mutex_lock(&sim_machine->lock);

	if (err == EOWNERDEAD)
		fprintf(stderr, "sim: a process died inside the simulated kernel; kill by sim_kill()\n");
	SIM_ASSERT(!err);
}

static void wake(u32 *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Who is woken needs the lock: so it is dropped first. */
void sim_unlock(void)
{
	u32 *words[BATCH];
	u32 n = 0;

	while (sim_machine->to_wake) {
		struct sim_sleeper *sleeper = sim_machine->to_wake;

		sim_machine->to_wake = sleeper->next;
		sleeper->next = NULL;
		if (n < BATCH)
			words[n++] = &sleeper->word;
		else
			wake(&sleeper->word);
	}
	SIM_ASSERT(!pthread_mutex_unlock(&sim_machine->lock));
	while (n)
		wake(words[--n]);
}

void sim_enter(void)
{
	if (!sim_machine)
		sim_begin(0);
	sim_lock();
	sim_process_enter();
	sim_run_timers();
}

void sim_leave(void)
{
	sim_sleep_end();
	sim_unlock();
}
