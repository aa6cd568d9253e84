/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a channel whose messages carry files
 *
 * A sender and up to two receivers that use the library. What they carry is
 * watched from the other end of a pipe: that tells when the last copy is closed.
 */
#ifndef SELFTESTS_FREIGHT_H
#define SELFTESTS_FREIGHT_H

#include "common.h"
#include "ipcchan.h"
#include "peers.h"

#define FREIGHT_DEPTH	8u
#define FREIGHT_HOLDS	2u

struct freight {
	char name[IPCCHAN_NAME_SIZE];
	struct accounts before;
	struct ipcchan_options options;
	struct ipcchan_port *tx;
	struct ipcchan_port *rx[2];
};

/* A payload inside the descriptor, and one that needs the arena. */
#define FREIGHT_SHORT	8u
#define FREIGHT_LONG	1000u

/* The name and the options, to be changed before the other; 0 or -errno. */
void freight_init(struct freight *f);
int freight_begin(struct freight *f);
/* With overflow and history; 0 or -errno. */
int freight_open(struct freight *f, uint32_t overflow, uint32_t history);
/* Closes what is open; are the accounts what they were? */
bool freight_close(struct freight *f);

int freight_send(struct ipcchan_port *tx, size_t length, const int *fds, uint32_t n);
/* Receives, takes up to @room and releases: how many, or -errno. */
int freight_take(struct ipcchan_port *rx, int *fds, size_t room);
/* Receives and releases, takes nothing. */
int freight_pass(struct ipcchan_port *rx);
void close_fds(const int *fds, int n);

/* Do both refer to one open file? */
bool same_file(int a, int b);
bool closes_on_exec(int fd);
/* The lowest number that is not taken: grows by what is left open. */
int next_fd(void);
unsigned long long files_in_flight(void);

/* A pipe: the reading end goes on a message, the writing end tells. */
struct watch {
	int fd;			/* -1: it is with the message alone */
	int end;
};

int watch_open(struct watch *w);
/* On a message of its own, and here no more. */
int watch_send(struct watch *w, struct ipcchan_port *tx);
void watch_close(struct watch *w);
bool watch_is_open(const struct watch *w);
/* Waits for it. */
bool watch_ends(const struct watch *w);

#endif
