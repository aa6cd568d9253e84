/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the simulated machine
 *
 * One memfd, made by the first process and inherited by fork, mapped at one
 * address in all of them (the linear map, as the kernel has one):
 *
 *   struct sim_machine		what is below
 *   heap			the module's objects; heap.c
 *   pages			what is mapped to processes; heap.c, pages.c
 *
 * Everything is under one lock, taken where a program enters the simulated
 * kernel and dropped where it leaves or sleeps. It is robust: a process that is
 * killed inside is found out, but cannot be helped (sim_kill() kills outside).
 *
 *   process.c	processes, and how they die
 *   sleep.c	who sleeps, timers
 *   pages.c	regions, windows, the ports' copies of the roster
 *   files.c	open files, and their mappings
 *   device.c	the calls of lib/device.h
 *   module.c	what stands for the parts of kmod/ that are about a real kernel
 *   hooks.c	what tests ask for; sim.h
 */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include "kernel.h"

#include <pthread.h>

#include "../../kmod/file.h"
#include "../../kmod/ioctl.h"
#include "../../kmod/names.h"
#include "sim.h"

#define SIM_SIZE	(8ull << 30)
#define SIM_HEAP_END	(256ull << 20)	/* the pages begin there */
#define SIM_PROCESSES	1024
#define SIM_FILES	8192
#define SIM_FIRST_FD	(1 << 20)	/* no descriptor of the real kernel's */
#define SIM_LOOK_NS	10000000u	/* who has died is noticed so soon */
#define SIM_SIZES	24		/* classes of the heap: 32 bytes, 64, ... */
#define SIM_EXTENTS	8192

/* Free pages. */
struct sim_extent {
	u64 page;
	u64 nr;
};

/* Whoever is in the kernel and has slept there, or is about to. */
struct sim_sleeper {
	struct list_head node;		/* in the machine's */
	struct list_head waiters;
	struct sim_sleeper *next;	/* to be woken when the lock is dropped */
	struct mm_struct *mm;
	u32 word;			/* futex; another with every wake */
	bool woken;			/* since it last decided to sleep */
};

/* A sleeper on a queue. */
struct sim_waiter {
	struct list_head node;		/* in the queue's */
	struct list_head sibling;	/* in the sleeper's */
	struct sim_sleeper *sleeper;
};

/* An open file, its mappings, and its port's copy of the roster. */
struct sim_file {
	struct file file;
	struct ipcchan_file f;
	struct inode inode;
	struct address_space mapping;
	struct mm_struct *owner;	/* who opened it */
	int fd;
	bool closed;
	/* in port->mm; NULL: not mapped */
	u8 *own;
	bool own_mapped;		/* and not just a place in the linear map */
	u8 *window;
	/* the port's copy of the roster, while it has a window that is not flat */
	struct list_head view;
	u8 *roster;
	const u8 *master;		/* what it is a copy of */
};

struct sim_machine {
	pthread_mutex_t lock;
	unsigned int flags;
	pid_t maker;
	u64 lives;			/* of processes, ever */
	bool forked;
	struct ipcchan_net net;

	u64 heap_next;
	void *heap_free[SIM_SIZES];
	u32 nr_extents;
	struct sim_extent extents[SIM_EXTENTS];
	u8 *limbo;			/* pages of regions that are nowhere yet */

	u32 nr_processes;
	u64 next_look_ns;		/* who has died? */
	struct mm_struct processes[SIM_PROCESSES];
	struct sim_file *files[SIM_FILES];
	struct list_head sleepers;
	struct sim_sleeper *to_wake;
	struct list_head timers;	/* the earliest first */
	struct list_head views;

	struct sim_calls calls;
	bool kicking;			/* the one who has the lock */
	bool missing;
	bool restless;
	u32 vanish;
};

extern struct sim_machine *sim_machine;
extern int sim_memfd;

/* machine.c: @sim_enter makes the machine if there is none */
void sim_enter(void);
void sim_leave(void);
void sim_lock(void);
void sim_unlock(void);

/* process.c */
void sim_process_enter(void);
void sim_process_forget(void);
void sim_bury(bool at_once);

/* heap.c */
void sim_heap_init(void);
u8 *sim_pages_alloc(u64 size);
void sim_pages_free(u8 *pages, u64 size);
void sim_pages_clear(u8 *pages, u64 size);

/* sleep.c */
int sim_sleep(u64 deadline_ns);
void sim_sleep_begin(void);
void sim_sleep_end(void);
void sim_sleep_bury(const struct mm_struct *mm);
void sim_stir(void);
void sim_run_timers(void);

/* pages.c */
int sim_place_channel(struct ipcchan_channel *chan);
u8 *sim_place_receipts(const struct ipcchan_channel *chan, u32 slot);
u8 *sim_place_outbox(const struct ipcchan_channel *chan, u32 slot);
void sim_map_own(struct sim_file *file);
u8 *sim_map_window(struct sim_file *file);
void sim_unmap_own(struct sim_file *file);
void sim_unmap_window(struct sim_file *file);
void sim_release_slots(struct ipcchan_port *port);

/* files.c */
struct sim_file *sim_file_open(void);
struct sim_file *sim_file_find(int fd);
struct sim_file *sim_file_mapped(const u8 *at);
struct sim_file *sim_file_of(const struct ipcchan_port *port);
void sim_file_put(struct sim_file *file);
void sim_files_bury(const struct mm_struct *mm);

static inline bool sim_is_flat(void)
{
	return sim_machine->flags & SIM_FLAT;
}

#endif /* SIM_MACHINE_H */
