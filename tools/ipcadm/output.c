// SPDX-License-Identifier: GPL-2.0
/* Answers as text for people and as JSON for programs. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <libsmartcols.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "field.h"
#include "ipcadm.h"
#include "netlink.h"
#include "output.h"

/* More than any table has. */
#define MOST_ATTRS 64

/* A value in the text: the longest is a name or a set of words. */
struct text {
	char s[128];
};

static void policy_of(const struct field_table *table, struct nla_policy *policy)
{
	memset(policy, 0, MOST_ATTRS * sizeof(*policy));
	for (size_t i = 0; i < table->count; i++) {
		const struct field *field = &table->fields[i];

		switch (field->kind) {
		case FIELD_NAME:
			policy[field->attr].type = NLA_STRING;
			break;
		case FIELD_NEST:
			policy[field->attr].type = NLA_NESTED;
			break;
		case FIELD_U64:
		case FIELD_SIZE:
		case FIELD_TIME:
		case FIELD_AGE:
			policy[field->attr].type = NLA_U64;
			break;
		default:
			policy[field->attr].type = NLA_U32;
		}
	}
}

/* The attributes of an answer; what cannot be read is as if it were absent. */
static void attrs_of(const struct field_table *table, struct nl_msg *message, struct nlattr **tb)
{
	struct nla_policy policy[MOST_ATTRS];

	policy_of(table, policy);
	if (genlmsg_parse(nlmsg_hdr(message), 0, tb, table->max_attr, policy) < 0)
		memset(tb, 0, MOST_ATTRS * sizeof(*tb));
}

static void nested_attrs(const struct field_table *table, struct nlattr *nest, struct nlattr **tb)
{
	struct nla_policy policy[MOST_ATTRS];

	policy_of(table, policy);
	if (!nest || nla_parse_nested(tb, table->max_attr, nest, policy) < 0)
		memset(tb, 0, MOST_ATTRS * sizeof(*tb));
}

static uint64_t number_of(const struct field *field, const struct nlattr *attr)
{
	switch (field->kind) {
	case FIELD_U64:
	case FIELD_SIZE:
	case FIELD_TIME:
	case FIELD_AGE:
		return nla_get_u64(attr);
	default:
		return nla_get_u32(attr);
	}
}

static const char *choice(const struct field *field, uint64_t value)
{
	return value < field->nr_words ? field->words[value] : NULL;
}

/* JSON */

/* jansson ends at 2^63 - 1, which only a claim can exceed. */
static json_t *json_number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *json_set(const struct field *field, uint64_t value)
{
	json_t *set = json_array();

	for (uint32_t i = 0; i < field->nr_words; i++) {
		if (value >> i & 1 && json_array_append_new(set, json_string(field->words[i])))
			goto fail;
	}
	return set;
fail:
	json_decref(set);
	return NULL;
}

static json_t *json_mode(uint64_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%04o", (unsigned int)value);
	return json_string(text);
}

static json_t *json_object_of(const struct field_table *table, struct nlattr **tb);

static json_t *json_nested(const struct field_table *table, struct nlattr *nest)
{
	struct nlattr *tb[MOST_ATTRS];

	nested_attrs(table, nest, tb);
	return json_object_of(table, tb);
}

static json_t *json_value(const struct field *field, struct nlattr *attr)
{
	if (!attr)
		return json_null();
	if (field->kind == FIELD_NEST)
		return json_nested(field->nested, attr);
	switch (field->kind) {
	case FIELD_NAME:
		return json_string(nla_get_string(attr));
	case FIELD_MODE:
		return json_mode(number_of(field, attr));
	case FIELD_SET:
		return json_set(field, number_of(field, attr));
	case FIELD_BIT:
		return json_boolean(number_of(field, attr) & field->bit);
	case FIELD_CHOICE:
		if (choice(field, number_of(field, attr)))
			return json_string(choice(field, number_of(field, attr)));
		break;
	default:
		break;
	}
	return json_number(number_of(field, attr));
}

static json_t *json_object_of(const struct field_table *table, struct nlattr **tb)
{
	json_t *object = json_object();

	for (size_t i = 0; i < table->count; i++) {
		const struct field *field = &table->fields[i];

		if (json_object_set_new(object, field->key, json_value(field, tb[field->attr]))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *json_document(const struct field_table *table, const struct answers *answers)
{
	json_t *array = json_array();
	struct nlattr *tb[MOST_ATTRS];

	for (size_t i = 0; i < answers->count; i++) {
		attrs_of(table, answers->messages[i], tb);
		if (json_array_append_new(array, json_object_of(table, tb))) {
			json_decref(array);
			return NULL;
		}
	}
	return json_pack("{s:o}", table->plural, array);
}

int output_json(const struct field_table *table, const struct answers *answers)
{
	json_t *document = json_document(table, answers);
	bool error;

	if (!document)
		return refusal("cannot make the JSON document: out of memory");
	/* What cannot be written is found at the end: this is about memory. */
	error = json_dumpf(document, stdout, JSON_INDENT(2)) && !ferror(stdout);
	putchar('\n');
	json_decref(document);
	return error ? refusal("cannot print the JSON document: out of memory") : EXIT_OK;
}

/* Text */

/* As it can be typed in: with a unit if nothing is lost. */
static void text_size(struct text *text, uint64_t value)
{
	static const char units[] = { 0, 'K', 'M', 'G', 0 };
	int unit = 0;

	while (value && !(value % 1024) && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	snprintf(text->s, sizeof(text->s), "%llu%.1s", (unsigned long long)value, &units[unit]);
}

/* Likewise. */
static void text_time(struct text *text, uint64_t value)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	int unit = 0;

	if (!value)
		return;
	while (!(value % 1000) && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(text->s, sizeof(text->s), "%llu%s", (unsigned long long)value, units[unit]);
}

static void text_age(struct text *text, uint64_t value)
{
	struct timespec now;
	double age;

	clock_gettime(CLOCK_MONOTONIC, &now);
	age = now.tv_sec + now.tv_nsec / 1e9 - value / 1e9;
	snprintf(text->s, sizeof(text->s), "%.3f s ago", age);
}

static void text_set(const struct field *field, struct text *text, uint64_t value)
{
	size_t used = 0;

	strcpy(text->s, "-");
	for (uint32_t i = 0; i < field->nr_words; i++) {
		if (value >> i & 1)
			used += snprintf(text->s + used, sizeof(text->s) - used, "%s%s",
					 used ? "," : "", field->words[i]);
	}
}

static void text_value(const struct field *field, struct nlattr *attr, struct text *text)
{
	uint64_t value;

	strcpy(text->s, "-");
	if (!attr)
		return;
	if (field->kind == FIELD_NAME) {
		if (*nla_get_string(attr))
			snprintf(text->s, sizeof(text->s), "%s", nla_get_string(attr));
		return;
	}
	value = number_of(field, attr);
	switch (field->kind) {
	case FIELD_SIZE:
		text_size(text, value);
		return;
	case FIELD_TIME:
		text_time(text, value);
		return;
	case FIELD_AGE:
		text_age(text, value);
		return;
	case FIELD_MODE:
		snprintf(text->s, sizeof(text->s), "%04o", (unsigned int)value);
		return;
	case FIELD_SET:
		text_set(field, text, value);
		return;
	case FIELD_BIT:
		strcpy(text->s, value & field->bit ? "yes" : "no");
		return;
	case FIELD_CHOICE:
		if (choice(field, value)) {
			strcpy(text->s, choice(field, value));
			return;
		}
		break;
	default:
		break;
	}
	snprintf(text->s, sizeof(text->s), "%llu", (unsigned long long)value);
}

/* What is inside a nest stands beside what is outside, as "claims.sent". */
typedef int text_fn(void *arg, const struct field *outer, const struct field *field,
		    struct nlattr *attr);

static int each_value(const struct field_table *table, struct nlattr **tb, unsigned int use,
		      const struct field *outer, text_fn *visit, void *arg)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct field *field = &table->fields[i];
		struct nlattr *inner[MOST_ATTRS];
		int error;

		if ((field->use & use) != use)
			continue;
		if (field->kind == FIELD_NEST) {
			nested_attrs(field->nested, tb[field->attr], inner);
			error = each_value(field->nested, inner, use, field, visit, arg);
		} else {
			error = visit(arg, outer, field, tb[field->attr]);
		}
		if (error)
			return error;
	}
	return 0;
}

static void text_key(const struct field *outer, const struct field *field, struct text *text)
{
	snprintf(text->s, sizeof(text->s), "%s%s%s", outer ? outer->key : "", outer ? "." : "",
		 field->key);
}

static int add_column(void *arg, const struct field *outer, const struct field *field,
		      struct nlattr *attr)
{
	bool words = field->kind == FIELD_NAME || field->kind == FIELD_CHOICE ||
		     field->kind == FIELD_SET || field->kind == FIELD_BIT;
	struct text title;

	(void)attr;
	text_key(outer, field, &title);
	for (char *c = title.s; *c; c++)
		*c = toupper((unsigned char)*c);
	return scols_table_new_column(arg, title.s, 0, words ? 0 : SCOLS_FL_RIGHT) ? 0 : -ENOMEM;
}

struct row {
	struct libscols_line *line;
	size_t column;
};

static int add_cell(void *arg, const struct field *outer, const struct field *field,
		    struct nlattr *attr)
{
	struct row *row = arg;
	struct text text;

	(void)outer;
	text_value(field, attr, &text);
	return scols_line_set_data(row->line, row->column++, text.s);
}

static int fill(struct libscols_table *lines, const struct field_table *table,
		const struct answers *answers)
{
	struct nlattr *tb[MOST_ATTRS] = { NULL };
	int error = each_value(table, tb, FIELD_BRIEF, NULL, add_column, lines);

	for (size_t i = 0; i < answers->count && !error; i++) {
		struct row row = { .line = scols_table_new_line(lines, NULL) };

		if (!row.line)
			return -ENOMEM;
		attrs_of(table, answers->messages[i], tb);
		error = each_value(table, tb, FIELD_BRIEF, NULL, add_cell, &row);
	}
	return error;
}

int output_list(const struct field_table *table, const struct answers *answers)
{
	struct libscols_table *lines = scols_new_table();
	int error = -ENOMEM;

	if (lines)
		error = fill(lines, table, answers);
	if (error) {
		scols_unref_table(lines);
		return refusal("cannot make the table: %s", strerror(-error));
	}
	/* What cannot be written is found at the end: this is about memory. */
	error = scols_print_table(lines);
	scols_unref_table(lines);
	return error && !ferror(stdout) ? refusal("cannot print the table: %s", strerror(-error)) :
					  EXIT_OK;
}

static int print_detail(void *arg, const struct field *outer, const struct field *field,
			struct nlattr *attr)
{
	struct text key, value;

	(void)arg;
	text_key(outer, field, &key);
	text_value(field, attr, &value);
	printf("%-20s %s\n", key.s, value.s);
	return 0;
}

int output_details(const struct field_table *table, const struct answers *answers)
{
	struct nlattr *tb[MOST_ATTRS];

	for (size_t i = 0; i < answers->count; i++) {
		attrs_of(table, answers->messages[i], tb);
		if (i)
			putchar('\n');
		each_value(table, tb, 0, NULL, print_detail, NULL);
	}
	return EXIT_OK;
}
