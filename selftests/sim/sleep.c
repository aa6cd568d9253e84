/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sleeping, waking, timers.
 *
 * A sleeper has a futex, and is on the queues it waits at. While it sleeps it
 * runs the timers that are due and looks who has died: nobody else does.
 */
#include "machine.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct sim_sleeper *sleeper(void)
{
	struct sim_sleeper *s = current->sleeper;

	if (s)
		return s;
	s = sim_alloc(sizeof(*s));
	s->mm = current->mm;
	INIT_LIST_HEAD(&s->waiters);
	list_add_tail(&s->node, &sim_machine->sleepers);
	current->sleeper = s;
	return s;
}

static struct sim_waiter *enqueue(wait_queue_head_t *queue)
{
	struct sim_waiter *w = sim_alloc(sizeof(*w));

	w->sleeper = sleeper();
	list_add_tail(&w->node, &queue->waiters);
	list_add_tail(&w->sibling, &w->sleeper->waiters);
	return w;
}

static void dequeue(struct sim_waiter *w)
{
	list_del_init(&w->node);
	list_del_init(&w->sibling);
	sim_free(w);
}

static void dissolve(struct sim_sleeper *s)
{
	struct sim_sleeper **p = &sim_machine->to_wake;
	struct sim_waiter *w, *next;

	list_for_each_entry_safe(w, next, &s->waiters, sibling)
		dequeue(w);
	while (*p && *p != s)
		p = &(*p)->next;
	if (*p)
		*p = s->next;
	list_del_init(&s->node);
	sim_free(s);
}

/* The caller is about to look, and then to sleep: what wakes it counts from here. */
void sim_sleep_begin(void)
{
	sleeper()->woken = false;
}

/* The caller leaves the kernel: it is on no queue any more. */
void sim_sleep_end(void)
{
	if (current->sleeper)
		dissolve(current->sleeper);
	current->sleeper = NULL;
}

void sim_sleep_bury(const struct mm_struct *mm)
{
	struct sim_sleeper *s, *next;

	list_for_each_entry_safe(s, next, &sim_machine->sleepers, node)
		if (s->mm == mm)
			dissolve(s);
}

void prepare_to_wait(wait_queue_head_t *queue, struct wait_queue_entry *entry, int state)
{
	SIM_ASSERT(state == TASK_INTERRUPTIBLE);
	if (!entry->waiter)
		entry->waiter = enqueue(queue);
	entry->waiter->sleeper->woken = false;
}

/* As the kernel's, of no matter for who was not on the queue. */
void finish_wait(wait_queue_head_t *queue, struct wait_queue_entry *entry)
{
	if (!entry->waiter)
		return;
	SIM_ASSERT(waitqueue_active(queue));
	dequeue(entry->waiter);
	entry->waiter = NULL;
}

void poll_wait(struct file *file, wait_queue_head_t *queue, struct poll_table_struct *table)
{
	if (file && !table->queued)
		enqueue(queue);
}

/* It looks at its futex again; whether it was woken for good, it sees then. */
static void stir(struct sim_sleeper *s)
{
	struct sim_sleeper *other = sim_machine->to_wake;

	__atomic_add_fetch(&s->word, 1, __ATOMIC_RELAXED);
	while (other && other != s)
		other = other->next;
	if (other)
		return;
	s->next = sim_machine->to_wake;
	sim_machine->to_wake = s;
}

/* Something that sleepers go by has changed: all reckon anew. */
void sim_stir(void)
{
	struct sim_sleeper *s;

	list_for_each_entry(s, &sim_machine->sleepers, node)
		stir(s);
}

void wake_up_all(wait_queue_head_t *queue)
{
	struct sim_waiter *w;

	list_for_each_entry(w, &queue->waiters, node) {
		sim_machine->calls.woken += sim_machine->kicking && !w->sleeper->woken;
		w->sleeper->woken = true;
		stir(w->sleeper);
	}
}

static struct sim_timer *first_timer(void)
{
	struct list_head *timers = &sim_machine->timers;

	return list_empty(timers) ? NULL : list_entry(timers->next, struct sim_timer, node);
}

void sim_run_timers(void)
{
	struct sim_timer *timer;

	while ((timer = first_timer()) && timer->expires_ns <= ktime_get_ns()) {
		list_del_init(&timer->node);
		timer->run(timer);
	}
}

static bool stop(struct sim_timer *timer)
{
	if (list_empty(&timer->node))
		return false;
	list_del_init(&timer->node);
	return true;
}

static void start(struct sim_timer *timer, u64 expires_ns)
{
	struct sim_timer *later;

	stop(timer);
	timer->expires_ns = expires_ns;
	list_for_each_entry(later, &sim_machine->timers, node)
		if (later->expires_ns > expires_ns)
			break;
	list_add_tail(&timer->node, &later->node);
	if (first_timer() == timer)
		sim_stir();
}

static void run_hrtimer(struct sim_timer *timer)
{
	struct hrtimer *t = container_of(timer, struct hrtimer, timer);

	t->function(t);
}

void hrtimer_setup(struct hrtimer *timer,
		   enum hrtimer_restart (*function)(struct hrtimer *timer), clockid_t clock,
		   enum hrtimer_mode mode)
{
	SIM_ASSERT(clock == CLOCK_MONOTONIC && mode == HRTIMER_MODE_ABS_SOFT);
	INIT_LIST_HEAD(&timer->timer.node);
	timer->timer.run = run_hrtimer;
	timer->function = function;
}

void hrtimer_start(struct hrtimer *timer, ktime_t expires, enum hrtimer_mode mode)
{
	SIM_ASSERT(mode == HRTIMER_MODE_ABS_SOFT);
	start(&timer->timer, (u64)expires);
}

int hrtimer_cancel(struct hrtimer *timer)
{
	return stop(&timer->timer);
}

static void run_work(struct sim_timer *timer)
{
	struct delayed_work *work = container_of(timer, struct delayed_work, timer);

	work->work.run(&work->work);
}

void sim_work_init(struct delayed_work *work, void (*run)(struct work_struct *work))
{
	INIT_LIST_HEAD(&work->timer.node);
	work->timer.run = run_work;
	work->work.run = run;
}

bool queue_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
			unsigned long delay)
{
	SIM_ASSERT(queue);
	if (!list_empty(&work->timer.node))
		return false;
	start(&work->timer, ktime_get_ns() + jiffies_to_nsecs(delay));
	return true;
}

bool cancel_delayed_work(struct delayed_work *work)
{
	return stop(&work->timer);
}

/* True: it was queued already. */
bool mod_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
		      unsigned long delay)
{
	bool queued = cancel_delayed_work(work);

	queue_delayed_work(queue, work, delay);
	return queued;
}

/* When the sleeper has something to do, at the latest. */
static u64 until(u64 deadline_ns)
{
	const struct sim_timer *timer = first_timer();

	if (timer)
		deadline_ns = min(deadline_ns, timer->expires_ns);
	if (sim_machine->nr_processes > 1)
		deadline_ns = min(deadline_ns, ktime_get_ns() + SIM_LOOK_NS);
	return deadline_ns;
}

/* False: a signal came. */
static bool futex_wait(u32 *word, u32 value, u64 until_ns)
{
	struct timespec t = {
		.tv_sec = (time_t)(until_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(until_ns % NSEC_PER_SEC),
	};

	return !syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, &t, NULL,
			FUTEX_BITSET_MATCH_ANY) || errno != EINTR;
}

/* Without the lock, until something happens to the sleeper, or it is time. */
static void nap(struct sim_sleeper *s, u64 until_ns)
{
	u32 word = READ_ONCE(s->word);
	bool calm;

	sim_unlock();
	calm = futex_wait(&s->word, word, until_ns);
	sim_lock();
	current->interrupted |= !calm;
}

/* Sleeps until woken: 0; -ETIMEDOUT, -EINTR. */
int sim_sleep(u64 deadline_ns)
{
	struct sim_sleeper *s = sleeper();

	for (;;) {
		sim_run_timers();
		sim_bury(false);
		if (s->woken)
			return 0;
		if (current->interrupted)
			return -EINTR;
		if (ktime_get_ns() >= deadline_ns)
			return -ETIMEDOUT;
		nap(s, until(deadline_ns));
	}
}

void schedule(void)
{
	sim_sleep(KTIME_MAX);
}

/* 0: the time is over. */
int schedule_hrtimeout(ktime_t *expires, enum hrtimer_mode mode)
{
	SIM_ASSERT(mode == HRTIMER_MODE_ABS);
	return sim_sleep((u64)*expires) == -ETIMEDOUT ? 0 : -EINTR;
}
