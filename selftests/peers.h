/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: processes that exchange messages through the library
 *
 * A crew is a number of processes that a test starts and waits for. They share
 * a few words with the test, and the first one that finds something wrong
 * leaves a sentence there, which the test reports. All die with the test.
 *
 * A message is known by its tag: who sent it (upper half) and the how manieth
 * it is (lower half). Its length and every byte in it follow from the tag, so
 * that a receiver needs nobody to tell what ought to have come.
 *
 * A ledger is what one receiver has got from each sender.
 */
#ifndef SELFTESTS_PEERS_H
#define SELFTESTS_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/ipcchan.h>

#include "ipcchan.h"

#define SECOND_NS	1000000000ll

/* Nothing here takes so long; a time-out is a failure. */
#define PATIENCE_NS	(60 * SECOND_NS)

/* How much of heavy work is done here: n, or less on a slow kernel, not below least. */
uint32_t heavy(uint32_t n, uint32_t least);

/* Random numbers; IPCCHAN_TEST_SEED repeats a run. */
uint64_t random_seed(void);
uint64_t random_next(uint64_t *state);
void random_pause(uint64_t *state);

/* A crew. */
#define CREW_MOST	32
#define CREW_WORDS	1024

struct crew_board {
	char text[256];			/* of the first failure */
	uint32_t failed;
	uint32_t ready;			/* see crew_gate() */
	uint64_t words[CREW_WORDS];	/* the test's own */
};

struct crew {
	struct crew_board *board;
	pid_t pids[CREW_MOST];
	int nr;
};

typedef void (*crew_body)(struct crew *crew, int me, const void *job);

int crew_init(struct crew *crew);
/* In a process of its own; returns its number, or -1. */
int crew_start(struct crew *crew, crew_body body, const void *job);
/* Waits until all have ended: NULL, or what went wrong. Nobody is left. */
const char *crew_end(struct crew *crew, int seconds);
/* Likewise for one. */
const char *crew_join(struct crew *crew, int member, int seconds);
void crew_free(struct crew *crew);

/* Called in the crew. */
void crew_fail(struct crew *crew, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* Goes on when @count have come here or to an earlier gate. */
void crew_gate(struct crew *crew, uint32_t count);
uint64_t crew_add(struct crew *crew, int word, uint64_t n);
uint64_t crew_word(const struct crew *crew, int word);
struct ipcchan_port *crew_open(struct crew *crew, const char *name, uint32_t roles,
			       uint64_t spin_ns);
/* The library's own choice. */
#define SPIN_DEFAULT	UINT64_MAX

/* Messages. */
static inline uint64_t tag_of(uint32_t sender, uint32_t number)
{
	return (uint64_t)sender << 32 | number;
}

/* 0 to @most; the two ends come often. */
size_t pattern_length(uint64_t tag, size_t most);
void pattern_fill(void *data, size_t length, uint64_t tag);
bool pattern_matches(const void *data, size_t length, uint64_t tag);

/* 0 or -errno. */
int send_pattern(struct ipcchan_port *port, uint64_t tag, size_t length, int64_t timeout_ns);

/* What one receiver has got. */
#define LEDGER_SENDERS	1024

struct ledger {
	uint32_t next[LEDGER_SENDERS];	/* number expected of each sender */
	bool known[LEDGER_SENDERS];	/* has sent something */
	uint64_t received;
	size_t most;			/* the longest message */
};

/* Fails the crew unless it is the next message of its sender, with the right bytes. */
void ledger_enter(struct crew *crew, struct ledger *ledger, const struct ipcchan_message *message,
		  const void *data);

/* How a receiver goes about it: holding means three at a time, given back in any order. */
enum way { BY_COPY, IN_PLACE, HOLDING, WAYS };

#define TAKER_HOLDS	3
#define TAKER_LONGEST	65536

/* A receiver and its ledger. */
struct taker {
	struct crew *crew;
	struct ipcchan_port *port;
	enum way way;
	uint64_t random;
	struct ledger ledger;
	struct ipcchan_message held[TAKER_HOLDS];
	int nr_held;
	char copy[TAKER_LONGEST];
};

struct taker *taker_new(struct crew *crew, struct ipcchan_port *port, enum way way, size_t most,
			uint64_t seed);
/* One message, entered in the ledger: 0, or -errno. */
int taker_take(struct taker *taker, int64_t timeout_ns);
/* All that come, with pauses, until the last sender has left. */
void taker_take_all(struct taker *taker);
/* Gives back what is held, and closes the port. */
void taker_free(struct taker *taker);

#endif
