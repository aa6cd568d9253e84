// SPDX-License-Identifier: GPL-2.0
/* Words of the command line into attributes of a request. */
#include <stdio.h>
#include <string.h>

#include <linux/ipcchan.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "../common/number.h"
#include "field.h"
#include "ipcadm.h"
#include "parse.h"

/* The kernel knows which letters a name has; too long ones never reach it. */
int parse_name(const char *word)
{
	size_t length = strlen(word);

	if (length == 0 || length >= IPCCHAN_NAME_SIZE)
		return usage_error("NAME: '%s' has %zu bytes; accepted: 1 to %d", word, length,
				   IPCCHAN_NAME_SIZE - 1);
	return EXIT_OK;
}

/* A channel may be called "id": then no number follows. */
static bool by_number(int argc, char **argv, int rest)
{
	return argc == rest + 2 && !strcmp(argv[0], "id");
}

bool is_channel(int argc, char **argv, int rest)
{
	return argc == rest + 1 || by_number(argc, argv, rest);
}

int parse_channel(int argc, char **argv, int rest, struct channel_word *channel)
{
	uint64_t value;

	*channel = (struct channel_word){ .name = argv[0] };
	if (!by_number(argc, argv, rest)) {
		snprintf(channel->text, sizeof(channel->text), "%s", argv[0]);
		return parse_name(argv[0]);
	}
	if (!number_parse(argv[1], UINT32_MAX, &value))
		return usage_error("id: '%s' is not accepted: a number from 0 to %u", argv[1],
				   UINT32_MAX);
	channel->name = NULL;
	channel->id = value;
	snprintf(channel->text, sizeof(channel->text), "id %u", channel->id);
	return EXIT_OK;
}

int put_channel(struct nl_msg *request, const struct channel_word *channel, int name, int id)
{
	int error = channel->name ? nla_put_string(request, name, channel->name) :
				    nla_put_u32(request, id, channel->id);

	return error < 0 ? -1 : 0;
}

int parse_port_id(const char *word, uint32_t *id)
{
	uint64_t value;

	if (!number_parse(word, UINT32_MAX, &value))
		return usage_error("PORT-ID: '%s' is not accepted: a number from 0 to %u", word,
				   UINT32_MAX);
	*id = value;
	return EXIT_OK;
}

static const struct field *find(const struct field_table *table, const char *word)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->fields[i].use & FIELD_INPUT && !strcmp(table->fields[i].key, word))
			return &table->fields[i];
	}
	return NULL;
}

static int unknown(const struct field_table *table, const char *word)
{
	char known[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < table->count; i++) {
		if (table->fields[i].use & FIELD_INPUT)
			used += snprintf(known + used, sizeof(known) - used, "%s%s",
					 used ? ", " : "", table->fields[i].key);
		if (used >= sizeof(known))
			break;
	}
	return usage_error("unknown word '%s'; accepted: %s", word, known);
}

/* Is it one of a list, as a person reads it? */
static bool is_in(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list; list = strchr(list, ' ') ? strchr(list, ' ') + 1 : NULL) {
		if (length && !strncmp(list, word, length) &&
		    (list[length] == ',' || !list[length]))
			return true;
	}
	return false;
}

static bool read_choice(const struct field *field, const char *word, uint64_t *value)
{
	if (field->accepted && !is_in(field->accepted, word))
		return false;
	for (uint32_t i = 0; i < field->nr_words; i++) {
		if (field->words[i] && !strcmp(field->words[i], word)) {
			*value = i;
			return true;
		}
	}
	return false;
}

/* Reads the value of @field; zeros would ask for a default nobody asked for. */
static bool read_value(const struct field *field, const char *word, uint64_t *value)
{
	switch (field->kind) {
	case FIELD_CHOICE:
		return read_choice(field, word, value);
	case FIELD_NAME:
		*value = strlen(word);
		return *value && *value < IPCCHAN_LABEL_SIZE;
	case FIELD_SIZE:
		return number_parse_size(word, INT64_MAX, value) && *value;
	case FIELD_TIME:
		return number_parse_time(word, INT64_MAX, value) && *value;
	case FIELD_MODE:
		return number_parse_octal(word, 07777, value);
	case FIELD_ID:
		return number_parse(word, UINT32_MAX - 1, value);
	case FIELD_BIT:
		*value = field->bit;
		return true;
	default:
		return number_parse(word, UINT32_MAX, value) && *value;
	}
}

static const char *accepted_choice(const struct field *field)
{
	static char words[128];
	size_t used = 0;

	if (field->accepted)
		return field->accepted;
	for (uint32_t i = 0; i < field->nr_words; i++) {
		if (field->words[i])
			used += snprintf(words + used, sizeof(words) - used, "%s%s",
					 used ? ", " : "", field->words[i]);
	}
	return words;
}

static const char *accepted(const struct field *field)
{
	switch (field->kind) {
	case FIELD_CHOICE:
		return accepted_choice(field);
	case FIELD_NAME:
		return "1 to 63 printable characters";
	case FIELD_SIZE:
		return SIZE_WORDS;
	case FIELD_TIME:
		return TIME_WORDS;
	case FIELD_MODE:
		return MODE_WORDS;
	case FIELD_ID:
		return "the number of a user or a group, 0 to 4294967294";
	default:
		return "a number from 1 to 4294967295";
	}
}

int parse_settings(const struct field_table *table, int argc, char **argv)
{
	uint64_t seen = 0, value;

	for (int i = 0; i < argc; i++) {
		const struct field *field = find(table, argv[i]);
		const char *word = NULL;
		uint64_t bit;

		if (!field)
			return unknown(table, argv[i]);
		bit = UINT64_C(1) << (field - table->fields);
		if (seen & bit)
			return usage_error("%s: given twice", field->key);
		seen |= bit;
		if (field->kind == FIELD_BIT)
			continue;
		if (++i < argc)
			word = argv[i];
		if (!word)
			return usage_error("%s: a value is missing; accepted: %s", field->key,
					   accepted(field));
		if (!read_value(field, word, &value))
			return usage_error("%s: '%s' is not accepted; accepted: %s", field->key,
					   word, accepted(field));
	}
	for (size_t i = 0; i < table->count; i++) {
		if (table->fields[i].use & FIELD_REQUIRED && !(seen >> i & 1))
			return usage_error("%s: is missing; accepted: %s %s", table->fields[i].key,
					   table->fields[i].key, accepted(&table->fields[i]));
	}
	return EXIT_OK;
}

static int put_value(struct nl_msg *request, const struct field *field, const char *word)
{
	uint64_t value;

	read_value(field, word, &value);
	switch (field->kind) {
	case FIELD_NAME:
		return nla_put_string(request, field->attr, word);
	case FIELD_SIZE:
	case FIELD_TIME:
		return nla_put_u64(request, field->attr, value);
	default:
		return nla_put_u32(request, field->attr, value);
	}
}

int put_settings(const struct field_table *table, int argc, char **argv, struct nl_msg *request)
{
	for (int i = 0; i < argc; i++) {
		const struct field *field = find(table, argv[i]);
		const char *word = field->kind == FIELD_BIT ? NULL : argv[++i];

		if (put_value(request, field, word) < 0)
			return -1;
	}
	return 0;
}
