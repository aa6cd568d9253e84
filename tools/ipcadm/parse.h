/* SPDX-License-Identifier: GPL-2.0 */
/* DOC: words of the command line into attributes of a request. */
#ifndef IPCADM_PARSE_H
#define IPCADM_PARSE_H

#include <stdint.h>

struct field_table;
struct nl_msg;

/* Each prints what is wrong and returns EXIT_USAGE, or returns EXIT_OK. */
int parse_name(const char *word);
int parse_port_id(const char *word, uint32_t *id);
int parse_settings(const struct field_table *table, int argc, char **argv);

/* Puts what parse_settings() has found right into @request; -1: no room. */
int put_settings(const struct field_table *table, int argc, char **argv, struct nl_msg *request);

#endif
