/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: fields: the one description of what a channel and a port are
 *
 * A field is an attribute of the netlink interface, and its key is the word
 * for it everywhere: on the command line, in the text and in the JSON.
 */
#ifndef IPCADM_FIELD_H
#define IPCADM_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
	FIELD_NAME,	/* string */
	FIELD_U32,
	FIELD_U64,
	FIELD_SIZE,	/* u64, bytes */
	FIELD_TIME,	/* u64, ns; 0 is none */
	FIELD_AGE,	/* u64, a time of CLOCK_MONOTONIC in ns */
	FIELD_MODE,	/* u32, octal */
	FIELD_ID,	/* u32, of a user or a group */
	FIELD_CHOICE,	/* u32, one of @words from 0, without the NULLs */
	FIELD_SET,	/* u32, @words from bit 0 */
	FIELD_BIT,	/* u32, the bit @bit */
	FIELD_NEST,	/* @nested */
};

/* How a field is used. */
#define FIELD_INPUT	(1u << 0)	/* "channel add" takes it */
#define FIELD_REQUIRED	(1u << 1)	/* and insists */
#define FIELD_BRIEF	(1u << 2)	/* a column of the list */

struct field {
	const char *key;
	uint16_t attr;
	enum field_kind kind;
	unsigned int use;
	const char *const *words;
	uint32_t nr_words;
	const char *accepted;		/* input: those of @words it takes; NULL: all */
	uint32_t bit;
	const struct field_table *nested;
};

struct field_table {
	const char *plural;		/* key of the JSON array */
	const struct field *fields;
	size_t count;
	uint16_t max_attr;
};

extern const struct field_table channel_fields, port_fields;

#endif
