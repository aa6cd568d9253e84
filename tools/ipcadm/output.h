/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: answers as text for people and as JSON for programs
 *
 * Both are made from the same tables. What an answer lacks is "-" or null.
 */
#ifndef IPCADM_OUTPUT_H
#define IPCADM_OUTPUT_H

#include <stdbool.h>

struct answers;
struct field_table;

/* Exit codes; JSON always has all fields of all answers. */
int output_json(const struct field_table *table, const struct answers *answers);
int output_list(const struct field_table *table, const struct answers *answers);
int output_details(const struct field_table *table, const struct answers *answers);

#endif
