/* SPDX-License-Identifier: GPL-2.0 */
/* DOC: words of the command line into attributes of a request. */
#ifndef IPCADM_PARSE_H
#define IPCADM_PARSE_H

#include <stdbool.h>
#include <stdint.h>

struct field_table;
struct nl_msg;

/* A channel, by its name or its number. */
struct channel_word {
	const char *name;	/* NULL: by number */
	uint32_t id;
	char text[80];		/* as it was given */
};

/* Are there words of a channel, NAME or "id N", and @rest more? */
bool is_channel(int argc, char **argv, int rest);
/* Puts it in @request, by that attribute or by this; -1: no room. */
int put_channel(struct nl_msg *request, const struct channel_word *channel, int name, int id);

/* Each prints what is wrong and returns EXIT_USAGE, or returns EXIT_OK. */
int parse_name(const char *word);
int parse_channel(int argc, char **argv, int rest, struct channel_word *channel);
int parse_port_id(const char *word, uint32_t *id);
int parse_settings(const struct field_table *table, int argc, char **argv);

/* Puts what parse_settings() has found right into @request; -1: no room. */
int put_settings(const struct field_table *table, int argc, char **argv, struct nl_msg *request);

#endif
