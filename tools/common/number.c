// SPDX-License-Identifier: GPL-2.0
/* Numbers as people write them. */
#include <string.h>

#include "number.h"

/* Reads digits; @end is left behind the last. */
static bool digits(const char *word, unsigned int base, uint64_t most,
		   uint64_t *value, const char **end)
{
	uint64_t sum = 0;
	const char *p;

	for (p = word; *p >= '0' && *p < (char)('0' + base); p++) {
		if (__builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_add_overflow(sum, *p - '0', &sum) || sum > most)
			return false;
	}
	*value = sum;
	*end = p;
	return p > word;
}

bool number_parse(const char *word, uint64_t most, uint64_t *value)
{
	const char *end;

	return digits(word, 10, most, value, &end) && !*end;
}

bool number_parse_octal(const char *word, uint64_t most, uint64_t *value)
{
	const char *end;

	return digits(word, 8, most, value, &end) && !*end;
}

/* How often the unit at the end shifts; negative if it is none. */
static int unit_shift(const char *unit)
{
	if (!*unit)
		return 0;
	if (unit[1])
		return -1;
	switch (*unit) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	}
	return -1;
}

bool number_parse_size(const char *word, uint64_t most, uint64_t *value)
{
	const char *unit;
	int shift;

	if (!digits(word, 10, most, value, &unit))
		return false;
	shift = unit_shift(unit);
	if (shift < 0 || *value > most >> shift)
		return false;
	*value <<= shift;
	return true;
}

/* 0 if it is none. */
static uint64_t unit_ns(const char *unit)
{
	if (!strcmp(unit, "ns"))
		return 1;
	if (!strcmp(unit, "us"))
		return 1000;
	if (!strcmp(unit, "ms"))
		return 1000000;
	return strcmp(unit, "s") ? 0 : 1000000000;
}

bool number_parse_time(const char *word, uint64_t most, uint64_t *value)
{
	const char *unit;
	uint64_t ns;

	if (!digits(word, 10, most, value, &unit))
		return false;
	ns = unit_ns(unit);
	if (!ns || *value > most / ns)
		return false;
	*value *= ns;
	return true;
}
