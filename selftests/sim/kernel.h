/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: as much of the kernel as kmod/ needs, for a user-space program
 *
 * Put before every file of kmod/ that the simulation is made of (-include); the
 * kernel's own headers are empty files there. What needs more than a line is in
 * heap.c (memory), sleep.c (wait queues, timers, work) and process.c (tasks).
 *
 * All of it runs with one lock held, the machine's (machine.h), which a sleeper
 * drops: so mutexes and spinlocks have nothing to do but to see that they are
 * used as they should be. Memory is shared, at one address in all processes;
 * pointers to it, and to code, mean the same in each.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <time.h>

#include <linux/poll.h>
#include <linux/types.h>

/* Names that the library has, too. */
#define ipcchan_claim		kmod_claim
#define ipcchan_look		kmod_look
#define ipcchan_port_peer	kmod_port_peer
#define ipcchan_wait		kmod_wait

/* kmod/compat.h is about the differences between two real kernels. */
#define IPCCHAN_COMPAT_H

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef s64 ktime_t;
typedef unsigned int gfp_t;
typedef unsigned int fmode_t;

#define __user
#define __init
#define __exit
#define __read_mostly
#define U32_MAX		UINT32_MAX
#define U64_MAX		UINT64_MAX
#define ERESTARTSYS	512

#define module_param(name, type, mode)	_Static_assert(sizeof(name), "")
#define MODULE_PARM_DESC(name, text)	_Static_assert(sizeof(text), "")

/* Faults of ours: the program ends, with the line. */
void sim_bug(const char *what, const char *file, int line) __attribute__((noreturn));

#define SIM_ASSERT(x)	((x) ? (void)0 : sim_bug(#x, __FILE__, __LINE__))

/* Arithmetic */
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define noinline		__attribute__((noinline))
#define min(a, b)		({ typeof(a) a_ = (a); typeof(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b)		({ typeof(a) a_ = (a); typeof(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define clamp_t(t, x, lo, hi)	min_t(t, max_t(t, x, lo), hi)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define BIT_ULL(n)		(1ull << (n))
#define struct_size(p, m, n)	(sizeof(*(p)) + (size_t)(n) * sizeof((p)->m[0]))
#define __ffs64(n)		((u32)__builtin_ctzll(n))
#define fls(n)			((n) ? 32 - __builtin_clz(n) : 0)
#define barrier()		__asm__ volatile("" ::: "memory")
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define is_power_of_2(n)	((n) && !((n) & ((n) - 1)))

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	unsigned long power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* Memory that others read and write */
#define smp_mb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()			__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define READ_ONCE(x)			__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define smp_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#ifdef SIM_ROSTER
/* roster.c stores nothing but the roster's words: each port has its own to read. */
#define WRITE_ONCE(x, v)		sim_roster_store(&(x), sizeof(x), v)
#define smp_store_release(p, v)		sim_roster_store(p, sizeof(*(p)), v)
#else
#define WRITE_ONCE(x, v)		__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_store_release(p, v)		__atomic_store_n(p, v, __ATOMIC_RELEASE)
#endif

void sim_roster_store(void *word, size_t size, u64 value);

typedef struct {
	int counter;
} atomic_t;

#define atomic_read(a)		READ_ONCE((a)->counter)
#define atomic_set(a, n)	__atomic_store_n(&(a)->counter, n, __ATOMIC_RELAXED)
#define atomic_inc(a)		((void)__atomic_add_fetch(&(a)->counter, 1, __ATOMIC_SEQ_CST))
#define atomic_set_release(a, n)	__atomic_store_n(&(a)->counter, n, __ATOMIC_RELEASE)
#define atomic_cmpxchg(a, old, new)	({ int old_ = (old); \
	__atomic_compare_exchange_n(&(a)->counter, &old_, new, false, __ATOMIC_SEQ_CST, \
				    __ATOMIC_SEQ_CST); old_; })
#define atomic_dec(a)		((void)__atomic_sub_fetch(&(a)->counter, 1, __ATOMIC_SEQ_CST))

struct kref {
	int count;
};

#define kref_init(k)		((void)((k)->count = 1))
#define kref_get(k)		((void)((k)->count++))

static inline void kref_put(struct kref *k, void (*release)(struct kref *))
{
	SIM_ASSERT(k->count > 0);
	if (!--k->count)
		release(k);
}

/* Errors in pointers */
#define ERR_PTR(err)		((void *)(long)(err))
#define PTR_ERR(p)		((long)(p))
#define ERR_CAST(p)		((void *)(p))
#define IS_ERR(p)		((unsigned long)(p) >= -4095ul)
#define PTR_ERR_OR_ZERO(p)	(IS_ERR(p) ? (int)PTR_ERR(p) : 0)

/* Lists */
struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD(name)		struct list_head name = { &name, &name }
#define INIT_LIST_HEAD(l)	((void)((l)->next = (l)->prev = (l)))
#define list_empty(l)		((l)->next == (l))
#define list_entry(p, t, m)	container_of(p, t, m)
#define list_first_entry(l, t, m)	list_entry((l)->next, t, m)

static inline void list_add_tail(struct list_head *entry, struct list_head *list)
{
	entry->prev = list->prev;
	entry->next = list;
	list->prev->next = entry;
	list->prev = entry;
}

static inline void list_add(struct list_head *entry, struct list_head *list)
{
	list_add_tail(entry, list->next);
}

static inline void list_del_init(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	INIT_LIST_HEAD(entry);
}

static inline void list_splice_init(struct list_head *from, struct list_head *list)
{
	if (list_empty(from))
		return;
	from->prev->next = list->next;
	list->next->prev = from->prev;
	from->next->prev = list;
	list->next = from->next;
	INIT_LIST_HEAD(from);
}
#define list_del(entry)		list_del_init(entry)

static inline void list_move(struct list_head *entry, struct list_head *list)
{
	list_del_init(entry);
	list_add(entry, list);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *list)
{
	list_del_init(entry);
	list_add_tail(entry, list);
}

#define list_for_each_entry(p, list, m) \
	for (p = list_entry((list)->next, typeof(*p), m); &p->m != (list); \
	     p = list_entry(p->m.next, typeof(*p), m))
#define list_for_each_entry_safe(p, n, list, m) \
	for (p = list_entry((list)->next, typeof(*p), m), \
	     n = list_entry(p->m.next, typeof(*p), m); &p->m != (list); \
	     p = n, n = list_entry(n->m.next, typeof(*n), m))

struct hlist_head {
	struct hlist_node *first;
};

struct llist_node {
	struct llist_node *next;
};

struct hlist_node {
	struct hlist_node *next;
	struct hlist_node **pprev;
};

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	node->pprev = &head->first;
	if (node->next)
		node->next->pprev = &node->next;
	head->first = node;
}

static inline void hlist_del(struct hlist_node *node)
{
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
}

#define hlist_entry(p, t, m)	((p) ? container_of(p, t, m) : NULL)
#define hlist_for_each_entry(p, head, m) \
	for (p = hlist_entry((head)->first, typeof(*p), m); p; \
	     p = hlist_entry(p->m.next, typeof(*p), m))

#define DECLARE_HASHTABLE(name, bits)	struct hlist_head name[1 << (bits)]

/* A tree that is a list: the same order, and few are in it */
struct rb_node {
	struct list_head list;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rb_root_cached {
	struct list_head list;
};

#define RB_ROOT_CACHED		((struct rb_root_cached){ { NULL, NULL } })
#define rb_entry(p, t, m)	container_of(p, t, m)

static inline struct rb_node *rb_first_cached(struct rb_root_cached *root)
{
	if (!root->list.next || list_empty(&root->list))
		return NULL;
	return container_of(root->list.next, struct rb_node, list);
}

static inline void rb_add_cached(struct rb_node *node, struct rb_root_cached *root,
				 bool (*less)(struct rb_node *a, const struct rb_node *b))
{
	struct rb_node *other;

	if (!root->list.next)
		INIT_LIST_HEAD(&root->list);
	list_for_each_entry(other, &root->list, list)
		if (less(node, other))
			break;
	list_add_tail(&node->list, &other->list);
}

static inline void rb_erase_cached(struct rb_node *node, struct rb_root_cached *root)
{
	(void)root;
	list_del_init(&node->list);
}

struct idr {
	int next;
};

/* Locks: held is what there is to see */
struct mutex {
	u32 held;
};

typedef struct mutex spinlock_t;

#define mutex_init(l)		((void)((l)->held = 0))
#define spin_lock_init(l)	mutex_init(l)
#define lockdep_assert_held(l)	SIM_ASSERT((l)->held)
#define mutex_lock_interruptible(l)	(mutex_lock(l), 0)
#define mutex_lock_nested(l, depth)	mutex_lock(l)
#define spin_lock(l)		mutex_lock(l)
#define spin_unlock(l)		mutex_unlock(l)

static inline void mutex_lock(struct mutex *lock)
{
	SIM_ASSERT(!lock->held);
	lock->held = 1;
}

static inline void mutex_unlock(struct mutex *lock)
{
	SIM_ASSERT(lock->held);
	lock->held = 0;
}

/* Memory of the kernel's own: heap.c */
#define GFP_KERNEL		0u
#define GFP_KERNEL_ACCOUNT	0u
#define kzalloc(size, gfp)		sim_alloc(size)
#define kcalloc(n, size, gfp)		sim_alloc((size_t)(n) * (size))
#define kvzalloc(size, gfp)		sim_alloc(size)
#define kvcalloc(n, size, gfp)		sim_alloc((size_t)(n) * (size))
#define kvmalloc_array(n, size, gfp)	sim_alloc((size_t)(n) * (size))
#define kfree(p)			sim_free(p)
#define kvfree(p)			sim_free(p)

void *sim_alloc(size_t size);
void sim_free(const void *p);

static inline size_t strscpy(char *to, const char *from, size_t size)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
	return n;
}

/* Memory of processes: a struct page is its page */
struct page;
struct vm_area_struct;

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1ul << PAGE_SHIFT)
#define offset_in_page(n)	((n) & (PAGE_SIZE - 1))
#define page_address(p)		((void *)(p))
#define put_page(p)		((void)(p))

/* Users */
struct user_namespace;
struct pid;

typedef struct {
	uid_t val;
} kuid_t;

typedef struct {
	gid_t val;
} kgid_t;

#define current_user_ns()		((struct user_namespace *)NULL)
#define make_kuid(ns, id)		((void)(ns), (kuid_t){ id })
#define make_kgid(ns, id)		((void)(ns), (kgid_t){ id })
#define from_kuid_munged(ns, id)	((id).val)
#define from_kgid_munged(ns, id)	((id).val)
#define current_fsuid()			((kuid_t){ sim_uid() })
#define current_fsgid()			((kgid_t){ sim_gid() })
#define uid_valid(id)			((id).val != (uid_t)-1)
#define __kuid_val(id)			((id).val)
#define gid_valid(id)			((id).val != (gid_t)-1)
#define uid_eq(a, b)			((a).val == (b).val)
#define in_group_p(id)			true

uid_t sim_uid(void);
gid_t sim_gid(void);

/* Tasks and processes: process.c */
struct mm_struct {
	atomic_t mm_users;	/* 0: the process is dead */
	int references;
	pid_t pid;
	u64 lived;		/* tells it from who had this place before */
};

struct task_struct {
	struct mm_struct *mm;
	struct sim_sleeper *sleeper;
	bool interrupted;
};

extern _Thread_local struct task_struct sim_current;

#define current			(&sim_current)
#define mmgrab(m)		((void)((m)->references++))
#define mmdrop(m)		((void)((m)->references--))
#define cond_resched()		((void)0)
#define signal_pending(t)	((t)->interrupted)
#define fatal_signal_pending(t)	false

/* Files */
struct address_space {
	void *nothing;
};

struct inode {
	struct address_space *i_mapping;
};

struct file {
	void *private_data;
	fmode_t f_mode;
};

#define FMODE_READ	1u
#define FMODE_WRITE	2u

/* A call's argument lies in the caller's memory, which is ours */
#define u64_to_user_ptr(n)		((void *)(uintptr_t)(n))
#define get_user(x, p)			({ (x) = *(p); 0; })
#define put_user(x, p)			({ *(p) = (x); 0; })
#define user_read_access_begin(p, n)	((void)(p), (void)(n), true)
#define user_read_access_end()		((void)0)
#define user_write_access_begin(p, n)	((void)(p), (void)(n), true)
#define user_write_access_end()		((void)0)
#define unsafe_get_user(x, p, fault)	do { (x) = *(p); if (0) goto fault; } while (0)
#define unsafe_put_user(x, p, fault)	do { *(p) = (x); if (0) goto fault; } while (0)
#define copy_from_user(to, from, n)	(memcpy(to, from, n), 0)
#define copy_to_user(to, from, n)	(memcpy(to, from, n), 0)

static inline int copy_struct_from_user(void *to, size_t known, const void *from, size_t given)
{
	const char *more = (const char *)from + known;
	size_t i;

	memset(to, 0, known);
	memcpy(to, from, min(known, given));
	for (i = known; i < given; i++)
		if (*more++)
			return -E2BIG;
	return 0;
}

/* Time */
#define NSEC_PER_MSEC		1000000ull
#define NSEC_PER_SEC		1000000000ull
#define KTIME_MAX		INT64_MAX
#define ns_to_ktime(n)		((ktime_t)(n))
#define nsecs_to_jiffies(n)	((unsigned long)((n) / NSEC_PER_MSEC))
#define msecs_to_jiffies(n)	((unsigned long)(n))
#define jiffies_to_nsecs(n)	((u64)(n) * NSEC_PER_MSEC)

u64 ktime_get_ns(void);

/* Timers, and work put off: sleep.c */
struct sim_timer {
	struct list_head node;	/* empty: not started */
	u64 expires_ns;
	void (*run)(struct sim_timer *timer);
};

enum hrtimer_restart { HRTIMER_NORESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS, HRTIMER_MODE_ABS_SOFT };

struct hrtimer {
	struct sim_timer timer;
	enum hrtimer_restart (*function)(struct hrtimer *timer);
};

void hrtimer_setup(struct hrtimer *timer,
		   enum hrtimer_restart (*function)(struct hrtimer *timer), clockid_t clock,
		   enum hrtimer_mode mode);
void hrtimer_start(struct hrtimer *timer, ktime_t expires, enum hrtimer_mode mode);
int hrtimer_cancel(struct hrtimer *timer);

#define hrtimer_try_to_cancel(t)	hrtimer_cancel(t)

struct work_struct {
	void (*run)(struct work_struct *work);
};

struct delayed_work {
	struct work_struct work;
	struct sim_timer timer;
};

struct workqueue_struct;

#define WQ_UNBOUND		0u
#define WQ_FREEZABLE		0u
/* One for all; it is only told apart from none. */
#define alloc_workqueue(name, flags, most)	((struct workqueue_struct *)(name))
#define alloc_ordered_workqueue(name, flags)	alloc_workqueue(name, flags, 1)
#define destroy_workqueue(q)	((void)(q))
#define flush_workqueue(q)	((void)(q))
#define to_delayed_work(w)	container_of(w, struct delayed_work, work)
#define INIT_DELAYED_WORK(w, f)	sim_work_init(w, f)

void sim_work_init(struct delayed_work *work, void (*run)(struct work_struct *work));
bool queue_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
			unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
		      unsigned long delay);
bool cancel_delayed_work(struct delayed_work *work);

/* Sleeping: sleep.c */
typedef struct {
	struct list_head waiters;
} wait_queue_head_t;

struct wait_queue_entry;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *entry, unsigned int mode, int flags,
				 void *key);

/* Of functions none is called: all that wait are woken, and look. */
struct wait_queue_entry {
	struct sim_waiter *waiter;
	wait_queue_func_t func;
};

#define TASK_RUNNING			0
#define TASK_INTERRUPTIBLE		1
#define TASK_NORMAL			3
#define __set_current_state(s)		((void)(s))
#define DEFINE_WAIT(name)		struct wait_queue_entry name = { NULL, NULL }
#define init_wait(e)			((e)->waiter = NULL)
#define init_waitqueue_head(q)		INIT_LIST_HEAD(&(q)->waiters)
#define waitqueue_active(q)		(!list_empty(&(q)->waiters))

void prepare_to_wait(wait_queue_head_t *queue, struct wait_queue_entry *entry, int state);
void finish_wait(wait_queue_head_t *queue, struct wait_queue_entry *entry);
void wake_up_all(wait_queue_head_t *queue);

/* None is more exclusive than others. */
#define wake_up_nr(queue, n)			((void)(n), wake_up_all(queue))
#define __wake_up(queue, mode, n, key)		((void)(key), wake_up_all(queue))
#define autoremove_wake_function(e, m, f, key)	1
#define prepare_to_wait_exclusive(q, e, s)	prepare_to_wait(q, e, s)
void schedule(void);
int schedule_hrtimeout(ktime_t *expires, enum hrtimer_mode mode);

struct poll_table_struct {
	__poll_t key;
	bool queued;		/* by the first look */
};

#define poll_requested_events(t)	((t)->key)

void poll_wait(struct file *file, wait_queue_head_t *queue, struct poll_table_struct *table);

#define EPOLLIN		0x001u
#define EPOLLOUT	0x004u
#define EPOLLERR	0x008u
#define EPOLLHUP	0x010u
#define EPOLLRDNORM	0x040u
#define EPOLLWRNORM	0x100u
#define EPOLLRDHUP	0x2000u

#endif /* SIM_KERNEL_H */
