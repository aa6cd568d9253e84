/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what a hostile owner writes into its own pages
 *
 * Any word of a hostile sender's outbox or a hostile receiver's receipts; values
 * that mean something there (sequences near the base, the head and a lap away,
 * void or not; lengths and offsets at their limits; holds of others) as well as
 * any other.
 */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

#include "scene.h"

/* What is chosen from: a few bytes of input, or of a generator. */
struct choice {
	uint8_t where;
	uint8_t which;
	uint8_t what;
	uint64_t value;
};

/** words_write() - one word */
void words_write(struct scene *s, const struct choice *choice);

/** words_written() - how many there were, by all threads */
uint64_t words_written(void);

#endif
