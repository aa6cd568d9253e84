/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What the two examples share. */
#ifndef EXAMPLES_FRAMES_H
#define EXAMPLES_FRAMES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ipcchan.h>

#define SECOND_NS 1000000000ll

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Over all frames so far; for comparing, not for secrets. */
static inline uint64_t checksum(uint64_t sum, const void *data, size_t length)
{
	const char *from = data;
	uint64_t word;

	for (; length >= 8; from += 8, length -= 8) {
		memcpy(&word, from, 8);
		sum = (sum << 5 | sum >> 59) ^ word * 0x9e3779b97f4a7c15ull;
	}
	word = length;
	memcpy(&word, from, length);
	return (sum << 5 | sum >> 59) ^ word * 0x9e3779b97f4a7c15ull;
}

static inline int complain(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	return 2;
}

/* One line: what went through, how fast, and what the kernel was asked for. */
static inline void report(const char *what, const struct ipcchan_port *port, uint64_t frames,
			  uint64_t bytes, uint64_t sum, int64_t ns)
{
	struct ipcchan_stats stats = { .size = sizeof(stats) };

	ipcchan_port_get_stats(port, &stats);
	printf("%s frames=%llu bytes=%llu checksum=%016llx seconds=%.3f rate=%.0f kicks=%llu waits=%llu\n",
	       what, (unsigned long long)frames, (unsigned long long)bytes,
	       (unsigned long long)sum, ns / 1e9, ns ? frames * 1e9 / ns : 0,
	       (unsigned long long)stats.kicks, (unsigned long long)stats.waits);
}

#endif
