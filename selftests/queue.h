/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: queues without the library
 *
 * A bench is a queue with a sender and a receiver, and room for others.
 */
#ifndef SELFTESTS_QUEUE_H
#define SELFTESTS_QUEUE_H

#include <pthread.h>

#include "probe.h"

struct bench {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	struct raw_port tx[4];
	struct raw_port rx[4];
	struct ipcchan_create args;	/* of the queue, to be changed before bench_open() */
};

/* Small, ephemeral: 4 senders, 4 receivers, 16 places, 8 holds. */
void bench_init(struct bench *b);
/* 0 or -errno: the queue, tx[0], rx[0]. */
int bench_open(struct bench *b);
/* Leaves nothing behind: false if the module's accounts say otherwise. */
bool bench_close(struct bench *b);

/* Publishes a message with that tag, and kicks whoever sleeps. */
void put(struct raw_port *tx, uint64_t tag, uint16_t priority);

/* IPCCHAN_IOC_CLAIM: how many, or -errno. All in one. */
int claim_call(const struct raw_port *rx, struct ipcchan_verdict *verdicts, uint32_t nr_verdicts,
	       struct ipcchan_claimed *claims, uint32_t nr_claims, uint64_t deadline_ns);
/* One that is there, or -errno. */
int claim_one(const struct raw_port *rx, struct ipcchan_claimed *claim);
/* The result of one verdict, or -errno. */
int judge(const struct raw_port *rx, uint64_t sequence, uint32_t kind, uint64_t delay_ns);
/* The tag of a claimed message. */
uint64_t tag_at(const struct raw_port *rx, const struct ipcchan_claimed *claim);
/* Claims and acknowledges the next: its tag; or -errno. */
int64_t work(const struct raw_port *rx);
/* The sender's count of retired messages, and the word of one. */
uint64_t retired(const struct raw_port *tx);
bool is_retired(const struct raw_port *tx, uint64_t sequence);
/* WAIT_SEND, for what differs from @count. */
int wait_room(const struct raw_port *tx, uint64_t count, uint64_t await, uint64_t deadline_ns);

/* A thread in CLAIM. */
struct claimer {
	const struct raw_port *port;
	uint64_t deadline_ns;
	uint32_t most;
	struct ipcchan_claimed claims[IPCCHAN_CLAIM_MOST];
	int result;
	pid_t tid;
	bool ended;
	pthread_t thread;
};

/* True: it sleeps. */
bool claimer_start(struct claimer *c);
/* It returns within some seconds. */
bool claimer_ends(struct claimer *c);

#endif
