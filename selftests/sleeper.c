// SPDX-License-Identifier: GPL-2.0
/* Threads that sleep on a port; see sleeper.h. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sleeper.h"

#define SOON	(20 * SECOND)
#define SETTLE	20	/* ms, for who was woken to show it */

int pair_open(struct pair *p, uint32_t slots)
{
	int err;

	memset(p, 0, sizeof(*p));
	accounts_read(&p->before);
	unique_name(p->name, "pair");
	err = small_channel(p->name, IPCCHAN_CREATE_PERSISTENT, slots);
	if (!err)
		err = raw_open(&p->rx, p->name, IPCCHAN_RECEIVE);
	return err ? err : raw_open(&p->tx, p->name, IPCCHAN_SEND);
}

bool pair_close(struct pair *p)
{
	leave(&p->tx);
	leave(&p->rx);
	return !drop_channel(p->name) && accounts_settle(&p->before);
}

void pair_change(struct pair *p, uint32_t flags)
{
	if (flags == IPCCHAN_WAIT_RECEIVE)
		raw_publish(&p->tx, "b", 1, 0);
	else if (raw_take(&p->rx, 0, NULL, 0, NULL) != 1)
		abort();
}

int pair_kick(const struct pair *p, uint32_t flags, uint64_t slots)
{
	return flags == IPCCHAN_WAIT_RECEIVE ? call_kick(p->tx.fd, slots, 0) :
					       call_kick(p->rx.fd, 0, slots);
}

uint64_t pair_armed(const struct pair *p, uint32_t flags)
{
	const struct ipcchan_roster *r = raw_roster(&p->tx);

	return ipcchan_load(flags == IPCCHAN_WAIT_RECEIVE ? &r->sleeping_receivers :
							    &r->sleeping_senders);
}

void publish_and_kick(struct raw_port *tx)
{
	raw_publish(tx, "a", 1, 0);
	if (raw_kick_receivers(tx))
		abort();
}

void take_and_kick(struct raw_port *rx)
{
	if (raw_take(rx, 0, NULL, 0, NULL) != 1 || raw_kick_senders(rx))
		abort();
}

int open_patient(struct raw_port *p, const char *name, uint32_t count, uint64_t delay_ns)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->attach = attach_args(name, IPCCHAN_RECEIVE);
	p->attach.wake_count = count;
	p->attach.wake_delay_ns = delay_ns;
	p->fd = device_open();
	err = call_attach(p->fd, &p->attach);
	if (!err) {
		ipcchan_layout(&p->layout, &p->attach.geometry, p->attach.type,
			       sysconf(_SC_PAGESIZE));
		err = raw_map(p);
	}
	if (err)
		raw_close(p);
	return err;
}

bool thrift_asks(const struct raw_port *tx, struct thrift *t, uint32_t slot, uint64_t before)
{
	uint64_t word;

	if (!(ipcchan_load_acquire(&raw_roster(tx)->sleeping_receivers) >> slot & 1))
		return false;
	word = ipcchan_load(&raw_receiver_slot(tx, slot)->await);
	if (word != t->word) {
		t->word = word;
		t->from = before;
	}
	return !word || tx->next - 1 - t->from >= (word & IPCCHAN_AWAIT_COUNT);
}

void publish_thrifty(struct raw_port *tx, struct thrift *t, uint32_t slot, uint32_t n)
{
	uint64_t before = tx->next - 1;

	for (uint32_t i = 0; i < n; i++)
		raw_publish(tx, NULL, 0, 0);
	if (!thrift_asks(tx, t, slot, before))
		return;
	t->kicks++;
	if (call_kick(tx->fd, 1ull << slot, 0))
		abort();
}

static uint64_t progress_of(const struct ipcchan_cursor *c)
{
	return ipcchan_progress(ipcchan_load_acquire(&c->passed),
				ipcchan_load_acquire(&c->released),
				ipcchan_load_acquire(&c->closed));
}

void see(const struct raw_port *p, struct seen *seen)
{
	seen->senders = ipcchan_load_acquire(&raw_roster(p)->sender_generation);
	seen->receivers = ipcchan_load_acquire(&raw_roster(p)->receiver_generation);
	if (!(p->attach.role & IPCCHAN_SEND))
		return;
	for (uint32_t i = 0; i < p->attach.geometry.receivers; i++)
		seen->progress[i] = progress_of(raw_peer_cursor(p, i));
}

int wait_seen(const struct raw_port *p, const struct seen *seen, uint32_t flags, uint64_t await,
	      uint64_t deadline_ns, uint32_t *events)
{
	struct ipcchan_wait w = {
		.size = sizeof(w), .flags = flags, .deadline_ns = deadline_ns, .await = await,
		.sender_generation = seen->senders, .receiver_generation = seen->receivers,
	};
	int err;

	if (flags & IPCCHAN_WAIT_SEND) {
		w.progress = (uintptr_t)seen->progress;
		w.nr_progress = p->attach.geometry.receivers;
	}
	err = ioctl(p->fd, IPCCHAN_IOC_WAIT, &w) ? -errno : 0;
	if (events)
		*events = err ? 0 : w.events;
	return err;
}

int block(const struct raw_port *tx)
{
	struct seen seen;

	see(tx, &seen);
	return wait_seen(tx, &seen, IPCCHAN_WAIT_SEND, 0, 0, NULL);
}

int make_set(const struct raw_port *p, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, p->fd, &event))
		abort();
	return set;
}

uint32_t ask_set(int set, int timeout_ms)
{
	struct epoll_event event = { 0 };

	return epoll_wait(set, &event, 1, timeout_ms) == 1 ? event.events : 0;
}

static void call_wait(struct sleeper *s)
{
	s->result = wait_seen(s->port, &s->seen, s->flags, s->await,
			      s->deadline_ns ? s->deadline_ns : FOREVER, &s->events);
}

static void call_poll(struct sleeper *s)
{
	struct pollfd one = { .events = (short)s->flags };
	bool many = s->fds;

	if (!many)
		one.fd = s->port->fd;
	s->result = syscall(s->number, many ? s->fds : &one, many ? s->nr_fds : 1, -1) < 0 ?
		    -errno : 0;
	s->events = (uint16_t)one.revents;
}

static void call_epoll(struct sleeper *s)
{
	struct epoll_event event = { 0 };

	s->result = syscall(s->number, s->epoll, &event, 1, -1) < 0 ? -errno : 0;
	s->events = event.events;
}

static void *run(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	s->call(s);
	s->ended_ns = now_ns();
	__atomic_store_n(&s->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool has_ended(const struct sleeper *s)
{
	return __atomic_load_n(&s->ended, __ATOMIC_ACQUIRE);
}

static void start(struct sleeper *s, void (*call)(struct sleeper *s), long number)
{
	s->call = call;
	s->number = number;
	s->ended = false;
	s->tid = 0;
	if (s->port)
		see(s->port, &s->seen);
	if (pthread_create(&s->thread, NULL, run, s))
		abort();
}

static bool falls_into_sleep(const struct sleeper *s)
{
	uint64_t end = now_ns() + SOON;

	while (!is_asleep(s)) {
		if (has_ended(s) || now_ns() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

void start_wait(struct sleeper *s)
{
	start(s, call_wait, SYS_ioctl);
}

bool sleep_in_wait(struct sleeper *s)
{
	start_wait(s);
	return falls_into_sleep(s);
}

bool sleep_in_poll(struct sleeper *s)
{
	start(s, call_poll, SYS_poll);
	return falls_into_sleep(s);
}

bool sleep_in_epoll(struct sleeper *s)
{
	start(s, call_epoll, SYS_epoll_wait);
	return falls_into_sleep(s);
}

/* "running", or the number of the call in which it is not. */
bool is_asleep(const struct sleeper *s)
{
	pid_t tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE);
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	return tid && !has_ended(s) && read_text(path, text, sizeof(text)) > 0 &&
	       isdigit(text[0]) && strtol(text, NULL, 10) == s->number;
}

unsigned long switches(const struct sleeper *s)
{
	char path[64], text[4096];
	unsigned long sum = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", s->tid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return 0;
	for (char *at = text; (at = strstr(at, "_ctxt_switches:")); at++)
		sum += strtoul(strchr(at, ':') + 1, NULL, 10);
	return sum;
}

bool sleeps_again(const struct sleeper *s)
{
	sleep_ms(SETTLE);
	return falls_into_sleep(s);
}

bool sleeps_on(const struct sleeper *s, unsigned long before)
{
	return sleeps_again(s) && switches(s) == before;
}

bool wakes(struct sleeper *s)
{
	uint64_t end = now_ns() + SOON;

	while (!has_ended(s)) {
		if (now_ns() > end)
			return false;
		sleep_ms(1);
	}
	return !pthread_join(s->thread, NULL);
}
