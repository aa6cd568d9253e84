/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: numbers as people write them
 *
 * All of a word is read or none: no sign, no space, nothing left over. False
 * for anything else, and for what is larger than @most.
 */
#ifndef TOOLS_NUMBER_H
#define TOOLS_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#define SIZE_WORDS "a number of bytes, or one of K, M, G (powers of 1024) after it"
#define TIME_WORDS "a number with ns, us, ms or s after it"
#define MODE_WORDS "an octal number such as 0660: r (4) receives, w (2) sends"

bool number_parse(const char *word, uint64_t most, uint64_t *value);
bool number_parse_octal(const char *word, uint64_t most, uint64_t *value);
bool number_parse_size(const char *word, uint64_t most, uint64_t *value);
/* In nanoseconds. */
bool number_parse_time(const char *word, uint64_t most, uint64_t *value);

#endif
