// SPDX-License-Identifier: GPL-2.0
/* Sleeping calls, touches of memory, and children; see probe.h. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

/* A few seconds, on the slowest kernel too. */
#define SOON_MS		20000

int small_channel(const char *name, uint32_t flags, uint32_t slots)
{
	struct ipcchan_create args = create_args(name);
	int fd = device_open();
	int err;

	args.flags = flags;
	args.mode = 0666;
	args.geometry = (struct ipcchan_geometry){
		.depth = 16, .senders = slots, .receivers = slots, .holds = 4, .arena = 16384,
	};
	err = call_create(fd, &args);
	close(fd);
	return err;
}

int evict(const char *name, uint32_t port_id)
{
	char id[16];
	pid_t pid;

	snprintf(id, sizeof(id), "%u", port_id);
	pid = fork();
	if (!pid) {
		execlp("ipcadm", "ipcadm", "port", "evict", name, id, NULL);
		_exit(127);
	}
	return child_end(pid, SOON_MS);
}

static int map(int fd, uint64_t size, int protection, uint64_t offset, char **at)
{
	void *got = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)offset);

	if (got == MAP_FAILED)
		return -errno;
	*at = got;
	return 0;
}

int map_own(struct raw_port *p)
{
	return map(p->fd, p->attach.own_size, PROT_READ | PROT_WRITE, p->attach.own_offset,
		   &p->own);
}

int map_window(struct raw_port *p)
{
	return map(p->fd, p->attach.window_size, PROT_READ, p->attach.window_offset, &p->window);
}

void unmap_both(struct raw_port *p)
{
	if (p->own)
		munmap(p->own, p->attach.own_size);
	if (p->window)
		munmap(p->window, p->attach.window_size);
	p->own = p->window = NULL;
}

void leave(struct raw_port *p)
{
	if (!p->attach.size)
		return;
	unmap_both(p);
	close(p->fd);
	memset(p, 0, sizeof(*p));
}

const char *window_outbox(const struct raw_port *p, uint32_t slot)
{
	return p->window + p->layout.window_outboxes + slot * p->layout.outbox_size;
}

const char *window_receipts(const struct raw_port *p, uint32_t slot)
{
	return p->window + p->layout.window_receipts + slot * p->layout.receipts_size;
}

static uint64_t progress_of(const struct ipcchan_cursor *c)
{
	return ipcchan_progress(ipcchan_load(&c->passed), ipcchan_load(&c->released),
				ipcchan_load(&c->closed));
}

static int wait_with(const struct raw_port *p, struct ipcchan_wait *w, uint32_t *events)
{
	uint64_t progress[IPCCHAN_MAX_SLOTS];
	int err;

	w->size = sizeof(*w);
	if (w->flags & IPCCHAN_WAIT_SEND) {
		w->nr_progress = p->attach.geometry.receivers;
		w->progress = (uintptr_t)progress;
		w->receiver_generation = ipcchan_load_acquire(&raw_roster(p)->receiver_generation);
		for (uint32_t i = 0; i < w->nr_progress; i++)
			progress[i] = progress_of(raw_peer_cursor(p, i));
	}
	err = call(p->fd, IPCCHAN_IOC_WAIT, w);
	if (events)
		*events = err ? 0 : w->events;
	return err;
}

int wait_for(const struct raw_port *p, uint32_t flags, uint64_t deadline_ns, uint32_t *events)
{
	struct ipcchan_wait w = { .flags = flags, .deadline_ns = deadline_ns };

	return wait_with(p, &w, events);
}

int wait_await(const struct raw_port *p, uint64_t await, uint64_t deadline_ns, uint32_t *events)
{
	struct ipcchan_wait w = {
		.flags = IPCCHAN_WAIT_SEND, .deadline_ns = deadline_ns, .await = await,
	};

	return wait_with(p, &w, events);
}

int wait_roster(const struct raw_port *p, uint64_t senders, uint64_t receivers,
		uint64_t deadline_ns, uint32_t *events)
{
	struct ipcchan_wait w = {
		.flags = IPCCHAN_WAIT_ROSTER, .deadline_ns = deadline_ns,
		.sender_generation = senders, .receiver_generation = receivers,
	};

	return wait_with(p, &w, events);
}

int poll_for(const struct raw_port *p, short events, int timeout_ms)
{
	struct pollfd pfd = { .fd = p->fd, .events = events };
	int n = poll(&pfd, 1, timeout_ms);

	return n < 0 ? -errno : n ? pfd.revents : 0;
}

static bool bit_appears(const __u64 *word, uint32_t slot)
{
	uint64_t end = now_ns() + SOON_MS * MS;

	while (!(ipcchan_load_acquire(word) & 1ull << slot)) {
		if (now_ns() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

bool receiver_sleeps(const struct raw_port *p, uint32_t slot)
{
	return bit_appears(&raw_roster(p)->sleeping_receivers, slot);
}

bool sender_sleeps(const struct raw_port *p, uint32_t slot)
{
	return bit_appears(&raw_roster(p)->sleeping_senders, slot);
}

bool slot_becomes(const struct raw_port *watch, const struct ipcchan_slot *slot, uint32_t state)
{
	const struct ipcchan_roster *r = raw_roster(watch);
	uint64_t deadline = now_ns() + SOON_MS * MS;
	uint64_t senders, receivers;

	for (;;) {
		senders = ipcchan_load_acquire(&r->sender_generation);
		receivers = ipcchan_load_acquire(&r->receiver_generation);
		if (ipcchan_load(&slot->state) == state)
			return true;
		if (wait_roster(watch, senders, receivers, deadline, NULL))
			return false;
	}
}

void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * MS };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static __thread sigjmp_buf landing;

static void land(int sig)
{
	siglongjmp(landing, sig);
}

static int touch(volatile uint8_t *at, bool write)
{
	struct sigaction action = { .sa_handler = land }, segv, bus;
	int sig;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	sig = sigsetjmp(landing, 1);
	if (!sig) {
		uint8_t byte = *at;

		if (write)
			*at = ~byte;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

int touch_read(const volatile void *at)
{
	return touch((volatile uint8_t *)(uintptr_t)at, false);
}

int touch_write(volatile void *at)
{
	return touch(at, true);
}

pid_t child_start(int (*fn)(void *), void *arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(fn(arg));
}

int child_end(pid_t pid, unsigned int ms)
{
	uint64_t end = now_ns() + ms * MS;
	int status, got;

	if (pid <= 0)
		return -1;
	for (unsigned int pause = 0; !(got = waitpid(pid, &status, WNOHANG)); pause++) {
		if (now_ns() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		sleep_ms(pause < 10 ? 1 : 5);
	}
	if (got < 0)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int in_child(int (*fn)(void *), void *arg)
{
	return child_end(child_start(fn, arg), 3 * SOON_MS);
}

bool falls_asleep(pid_t tid)
{
	uint64_t end = now_ns() + SOON_MS * MS;
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	while (now_ns() < end) {
		char *state;

		if (read_text(path, text, sizeof(text)) <= 0)
			return false;
		state = strrchr(text, ')');
		if (state && state[1] && state[2] == 'S')
			return true;
		sleep_ms(1);
	}
	return false;
}
