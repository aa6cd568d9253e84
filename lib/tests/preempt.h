/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * DOC: what happens between two looks
 *
 * A stretch of pages is made inaccessible, and whatever touches it is stopped
 * before each access until the n-th; before that, a function of the test's runs. So a test
 * that does this for every n sees what one thread may do at any time to
 * another's pages, without threads and without luck. Or it runs before each access.
 *
 * The access is let through by the processor's single steps; x86-64 only.
 */
#ifndef PREEMPT_H
#define PREEMPT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

#define PREEMPT_STEP	0x100	/* the trap flag */

static struct {
	uint8_t *at;
	size_t size;
	uint64_t accesses;
	uint64_t when;
	void (*run)(void);
	bool always;
	bool on;
	struct sigaction segv, trap;
} preempt;

static inline void preempt_protect(int protection)
{
	if (mprotect(preempt.at, preempt.size, protection))
		abort();
}

static inline void preempt_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint8_t *at = info->si_addr;

	if (!preempt.on || at < preempt.at || at >= preempt.at + preempt.size) {
		signal(number, SIG_DFL);
		return;
	}
	preempt_protect(PROT_READ | PROT_WRITE);
	if (preempt.accesses++ >= preempt.when) {
		preempt.on = preempt.always;
		preempt.run();
	}
	if (!preempt.on)
		return;
	uc->uc_mcontext.gregs[REG_EFL] |= PREEMPT_STEP;
}

static inline void preempt_stepped(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)number, (void)info;
	uc->uc_mcontext.gregs[REG_EFL] &= ~PREEMPT_STEP;
	if (preempt.on)
		preempt_protect(PROT_NONE);
}

/* On whole pages. */
static inline void preempt_begin_at(void *at, size_t size, uint64_t when, void (*run)(void))
{
	struct sigaction fault = { .sa_sigaction = preempt_fault, .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = preempt_stepped, .sa_flags = SA_SIGINFO };

	preempt.at = at;
	preempt.size = size;
	preempt.when = when;
	preempt.run = run;
	preempt.accesses = 0;
	sigaction(SIGSEGV, &fault, &preempt.segv);
	sigaction(SIGTRAP, &step, &preempt.trap);
	preempt.on = true;
	preempt_protect(PROT_NONE);
}

/* From the roster to the last descriptor of sender 0: all but payloads. */
static inline void preempt_begin(uint64_t when, void (*run)(void))
{
	struct sim_pages p = pages();

	preempt_begin_at(p.roster, (size_t)(sim_arena(&p, 0) - p.roster), when, run);
}

/* Did it come to the n-th access? */
static inline bool preempt_end(void)
{
	if (preempt.on)
		preempt_protect(PROT_READ | PROT_WRITE);
	preempt.on = false;
	sigaction(SIGSEGV, &preempt.segv, NULL);
	sigaction(SIGTRAP, &preempt.trap, NULL);
	return preempt.accesses > preempt.when;
}

#endif /* PREEMPT_H */
