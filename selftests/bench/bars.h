/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: bars: what the library must cost beside its peers
 *
 * Each figure is a row: one kind of work, done by the library or by what it is
 * compared with. A bar is a quotient of two rows of the same run. Every round
 * takes one window of every row, so that what changes on the machine changes
 * for all; a bar is the median of the rounds' quotients.
 *
 *   bars.c           the rows, the bars, the table
 *   pair.c           the two processes, their processors, the words they share
 *   stat.c           medians
 *   ours.c           the library: round trips, streams, one thread
 *   crowd.c          the library: many receivers, many senders
 *   raw.c            lines of memory and nothing else; a futex
 *   peers.c          pipes and AF_UNIX sockets
 *   device_sim.c     with the device simulated
 *   device_module.c  with the module
 *
 * There are two processes: the parent measures, the child, its peer, does one job
 * at a time. Between jobs it sleeps on a pipe, so that what is measured in one
 * process has the machine for itself. Both have all of a row's words below, each
 * its own copy, but for what `board` points to.
 */
#ifndef BARS_H
#define BARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE		64
#define RING		256u	/* lines of a raw ring, messages of ours */
#define BATCH		16u

/* The word a message begins with that ends a job. */
#define STOP		UINT64_MAX

/* Where a row's two processes run. */
enum place {
	APART,		/* on a processor each */
	TOGETHER,	/* on the first */
	ALONE,		/* the peer sleeps */
};

/* The channels between the two processes, a pair for each use. */
enum channel {
	CHANNEL_SPINNING,
	CHANNEL_SLEEPING,
	CHANNEL_LARGE,
	CHANNEL_OWN,	/* the parent's alone */
	NR_CHANNELS,
};

/**
 * struct row - one figure
 * @place:	where
 * @channel:	which of our channels, CHANNEL_*
 * @argument:	a length, a count, as the functions take it
 * @open:	makes what is kept from window to window; called in both processes, the
 *		parent first, before the first job; may be NULL
 * @job:	the peer's part of a window, NULL if it has none
 * @measure:	the parent's: one window, in nanoseconds an operation
 * @wants_module: sleeping is not to be measured with the device simulated
 */
struct row {
	const char *name;
	enum place place;
	enum channel channel;
	size_t argument;
	void (*open)(const struct row *row);
	void (*job)(const struct row *row);
	double (*measure)(const struct row *row);
	bool wants_module;
};

/* Words of the two processes, a line or a ring each. */
struct board {
	_Alignas(2 * LINE) uint64_t ready;	/* the peer has begun its job */
	_Alignas(2 * LINE) uint64_t ping;
	_Alignas(2 * LINE) uint64_t pong;
	_Alignas(2 * LINE) uint32_t asked;	/* for futexes */
	_Alignas(2 * LINE) uint32_t answered;
	_Alignas(2 * LINE) uint64_t taken;	/* from the ring */
	_Alignas(2 * LINE) uint8_t there[RING * LINE];
	_Alignas(2 * LINE) uint8_t back[RING * LINE];
};

/* pair.c */
extern struct board *board;
extern uint64_t window_ns;
extern int processors[2];	/* the second is -1 if there is but one */
extern bool is_peer;

void pair_start(const struct row *rows, size_t n);
void pair_stop(void);
double pair_measure(const struct row *row);
bool pair_can(const struct row *row);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t now_ns(void);

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#define load(p)			__atomic_load_n(p, __ATOMIC_RELAXED)
#define load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v)		__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/* A stretch of time being measured; the clock is asked every so many operations. */
struct window {
	uint64_t begin;
	uint64_t now;
	uint64_t n;
	uint64_t stride;	/* a power of two */
};

static inline void window_begin(struct window *w, uint64_t stride)
{
	*w = (struct window){ .stride = stride };
	w->begin = now_ns();
	w->now = w->begin;
}

static inline bool window_goes_on(struct window *w)
{
	if (w->n % w->stride == 0)
		w->now = now_ns();
	if (w->now - w->begin >= window_ns)
		return false;
	w->n++;
	return true;
}

/* Ends now, which may be later than its last operation began. */
static inline double window_end(struct window *w)
{
	return (double)(now_ns() - w->begin) / (double)w->n;
}

/* stat.c */
#define MAX_WINDOWS	101

struct figures {
	double of[MAX_WINDOWS];
	size_t n;
};

struct summary {
	double least;
	double median;
	double most;
};

void figures_add(struct figures *figures, double figure);
struct summary figures_summary(const struct figures *figures);
struct summary quotients_summary(const struct figures *above, const struct figures *below);

/* device_sim.c, device_module.c */
extern const char *const device_label;
extern const bool device_is_module;
void device_begin(void);

/* ours.c */
struct ipcchan_port;

struct ipcchan_port *port_open(const char *name, uint32_t role, uint32_t slots, uint64_t arena,
			       uint64_t spin_ns);
void port_send(struct ipcchan_port *port, const uint64_t *message, size_t length);
void port_receive(struct ipcchan_port *port, uint64_t *message, size_t length);
void ours_open(const struct row *row);
void ours_pong(const struct row *row);
void ours_pong_large(const struct row *row);
void ours_take(const struct row *row);
void ours_take_batches(const struct row *row);
double ours_ping(const struct row *row);
double ours_ping_large(const struct row *row);
double ours_give(const struct row *row);
double ours_give_batches(const struct row *row);
double ours_both(const struct row *row);

/* crowd.c */
void publish_open(const struct row *row);
void publish_job(const struct row *row);
double publish_measure(const struct row *row);
void receive_open(const struct row *row);
void receive_job(const struct row *row);
double receive_measure(const struct row *row);

/* raw.c */
void raw_pong(const struct row *row);
double raw_ping(const struct row *row);
void raw_take(const struct row *row);
double raw_give(const struct row *row);
void raw_pong_sleeping(const struct row *row);
double raw_ping_sleeping(const struct row *row);

/* peers.c */
void peers_make(void);
void pipe_take(const struct row *row);
double pipe_give(const struct row *row);
double pipe_both(const struct row *row);
void socket_pong(const struct row *row);
double socket_ping(const struct row *row);

#endif /* BARS_H */
