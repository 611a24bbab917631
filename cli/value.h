/*
 * What a command answers, as one value; JSON, YAML and tables are made of it. Keys are snake_case
 * and stay once published; times are RFC 3339, durations seconds, sizes bytes. The only door to
 * jansson. Memory that runs out ends the program.
 */
#ifndef TCCP_CLI_VALUE_H
#define TCCP_CLI_VALUE_H

#include "lib/base/bytes.h"

#include <stdio.h>

struct value;
/* Each belongs to the caller until it is put into another. */
struct value *value_object(void);
struct value *value_list(void);
struct value *value_string(const char *string);
void value_free(struct value *value);
DEFINE_OWN_POINTER(value, value_free)

/* Into an object, in the order of the calls; `value` is handed over. */
void value_set(struct value *object, const char *key, struct value *value);
/* NULL: null. What is not UTF-8 is shown as '?'. */
void value_set_string(struct value *object, const char *key, const char *string);
void value_set_number(struct value *object, const char *key, uint64_t number);
void value_set_bool(struct value *object, const char *key, bool truth);
/* Seconds since 1970; 0: null. */
void value_set_time(struct value *object, const char *key, uint64_t time_s);
void value_set_hex(struct value *object, const char *key, struct view bytes);
/* Into a list; `value` is handed over. */
void value_add(struct value *list, struct value *value);

/* 0 for what is no list. */
size_t value_count(const struct value *list);
/* Borrowed; NULL where there is none. */
const struct value *value_at(const struct value *list, size_t index);
const struct value *value_get(const struct value *object, const char *key);
/* As a table shows it: "" for null, "yes" and "no", lists separated by commas. The caller frees. */
char *value_text(const struct value *value);

/* With a newline at the end. */
void value_print_json(const struct value *value, FILE *file);
void value_print_yaml(const struct value *value, FILE *file);

#endif
