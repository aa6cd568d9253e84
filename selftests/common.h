/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what the tests share: the bare calls, without the library
 *
 * Functions return 0, or a negative errno, unless said otherwise. After a call
 * that was refused, why holds the kernel's words ("" where it had none).
 *
 * A test runs in a process of its own. What it does as somebody else it does
 * in a child (run_as() and friends), whose result and words come back here.
 */
#ifndef SELFTESTS_COMMON_H
#define SELFTESTS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/ipcchan.h>
#include <linux/ipcchan_ring.h>

#include "rawport.h"
#include "who.h"

#define WHY_SIZE 256
extern char why[WHY_SIZE];

/* Names of channels that no other test has: "test/WHAT.PID.N". */
void unique_name(char *name, const char *what);

/* The module's own accounts. */
struct accounts {
	unsigned long long channels;
	unsigned long long ports;
	unsigned long long bytes;
	unsigned long long files;
};

void accounts_read(struct accounts *accounts);
/* Waits, for some seconds, until they are the same again; says if they are not. */
bool accounts_settle(const struct accounts *before);

/* Parameters of the module, as numbers. */
unsigned long long param_get(const char *name);
int param_set(const char *name, unsigned long long value);

/* A kernel with sanitizers is 5 to 10 times slower. */
bool slow_kernel(void);

/* The calls. */
int device_open(void);
int call(int fd, unsigned int number, void *arg);

/* Topic, mode 0600, the caller's, all else by default, words to why. */
struct ipcchan_create create_args(const char *name);
struct ipcchan_attach attach_args(const char *name, uint32_t role);

int call_create(int fd, struct ipcchan_create *args);
int call_lookup(int fd, const char *name, struct ipcchan_lookup *out);
int call_delete(int fd, const char *name);
int call_attach(int fd, struct ipcchan_attach *args);
int call_kick(int fd, uint64_t receivers, uint64_t senders);
int call_peer(int fd, uint32_t role, uint32_t slot, struct ipcchan_peer *out);

/* Handles: by the name of a channel, or of a handle's own ("" and that file). */
int handle_open(int fd, const char *name, uint32_t rights);
/* Of a channel without a name, with all rights; small, if @slots is given. */
int handle_create(uint32_t slots);
int call_revoke(int fd);

/* The same with a file opened for it. */
int make_channel(const char *name, uint32_t flags, uint32_t mode);
int drop_channel(const char *name);
int find_channel(const char *name, struct ipcchan_lookup *out);
bool channel_exists(const char *name);

/* Files, of /proc and the like. */
int write_text(const char *path, const char *text);
ssize_t read_text(const char *path, char *text, size_t size);

/* CLOCK_MONOTONIC */
uint64_t now_ns(void);

#endif
