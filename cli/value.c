#include "cli/value.h"

#include "lib/base/text.h"
#include "lib/base/time_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A struct value is a json_t; nobody else knows. */
static json_t *json_of(const struct value *value)
{
    return (json_t *)(uintptr_t)value;
}

static struct value *value_of(json_t *json)
{
    if (!json) {
        (void)fputs("tccpctl: out of memory\n", stderr);
        exit(1);
    }
    return (struct value *)json;
}

struct value *value_object(void)
{
    return value_of(json_object());
}

struct value *value_list(void)
{
    return value_of(json_array());
}

struct value *value_string(const char *string)
{
    json_t *json = json_string(string);

    if (!json) {
        char *clean = strdup(string);

        for (char *at = clean; at && *at; at++) {
            *at = *at & (char)0x80 ? '?' : *at;
        }
        json = clean ? json_string(clean) : NULL;
        free(clean);
    }
    return value_of(json);
}

void value_free(struct value *value)
{
    json_decref(json_of(value));
}

void value_set(struct value *object, const char *key, struct value *value)
{
    ASSERT(json_object_set_new(json_of(object), key, json_of(value)) == 0);
}

void value_set_string(struct value *object, const char *key, const char *string)
{
    value_set(object, key, string ? value_string(string) : value_of(json_null()));
}

void value_set_number(struct value *object, const char *key, uint64_t number)
{
    /* JSON's readers agree on nothing larger; neither do we have it. */
    value_set(object, key,
              value_of(json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number)));
}

void value_set_bool(struct value *object, const char *key, bool truth)
{
    value_set(object, key, value_of(json_boolean(truth)));
}

void value_set_time(struct value *object, const char *key, uint64_t time_s)
{
    char text[TIME_TEXT_SIZE];

    if (time_s == 0 || time_s > TIME_TEXT_MAX_S) {
        value_set_string(object, key, NULL);
        return;
    }
    time_print(time_s, text);
    value_set_string(object, key, text);
}

void value_set_hex(struct value *object, const char *key, struct view bytes)
{
    char *text = malloc(HEX_SIZE(bytes.size));

    ASSERT(text);
    hex_encode(bytes, text);
    value_set_string(object, key, text);
    free(text);
}

void value_add(struct value *list, struct value *value)
{
    ASSERT(json_array_append_new(json_of(list), json_of(value)) == 0);
}

size_t value_count(const struct value *list)
{
    return json_array_size(json_of(list));
}

const struct value *value_at(const struct value *list, size_t index)
{
    return (const struct value *)json_array_get(json_of(list), index);
}

const struct value *value_get(const struct value *object, const char *key)
{
    return (const struct value *)json_object_get(json_of(object), key);
}

static char *text_new(const char *text)
{
    char *copy = strdup(text);

    ASSERT(copy);
    return copy;
}

/* "a, b": of a list its items, of an object "key=value". */
static char *text_join(char *before, const char *key, const struct value *part)
{
    char *text = value_text(part), *joined;

    ASSERT(asprintf(&joined, "%s%s%s%s%s", before, *before ? ", " : "", key, *key ? "=" : "",
                    text) >= 0);
    free(text);
    free(before);
    return joined;
}

char *value_text(const struct value *value)
{
    json_t *json = json_of(value), *part;
    char *text, number[32];
    const char *key;
    size_t index;

    if (json_is_string(json)) {
        return text_new(json_string_value(json));
    }
    if (json_is_integer(json)) {
        (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return text_new(number);
    }
    if (json_is_boolean(json)) {
        return text_new(json_is_true(json) ? "yes" : "no");
    }
    text = text_new("");
    if (json_is_array(json)) {
        json_array_foreach(json, index, part)
        {
            text = text_join(text, "", (struct value *)part);
        }
    } else if (json_is_object(json)) {
        json_object_foreach(json, key, part)
        {
            text = text_join(text, key, (struct value *)part);
        }
    }
    return text;
}

void value_print_json(const struct value *value, FILE *file)
{
    (void)json_dumpf(json_of(value), file, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void)fputc('\n', file);
}

static void yaml_indent(FILE *file, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        (void)fputs("  ", file);
    }
}

static bool is_empty(const json_t *json)
{
    return (json_is_array(json) && json_array_size(json) == 0) ||
           (json_is_object(json) && json_object_size(json) == 0);
}

static bool is_nested(const json_t *json)
{
    return (json_is_array(json) || json_is_object(json)) && !is_empty(json);
}

/* Every JSON scalar is YAML; strings stay quoted, so that none is read as something else. */
static void yaml_print(json_t *json, FILE *file, unsigned depth, bool is_begun)
{
    json_t *part;
    const char *key;
    size_t index;

    if (!is_nested(json)) {
        (void)json_dumpf(json, file, JSON_ENCODE_ANY);
        (void)fputc('\n', file);
    } else if (json_is_array(json)) {
        json_array_foreach(json, index, part)
        {
            yaml_indent(file, is_begun ? 0 : depth);
            is_begun = false;
            (void)fputs("- ", file);
            yaml_print(part, file, depth + 1, true);
        }
    } else {
        json_object_foreach(json, key, part)
        {
            yaml_indent(file, is_begun ? 0 : depth);
            is_begun = false;
            (void)fprintf(file, "%s:%s", key, is_nested(part) ? "\n" : " ");
            yaml_print(part, file, depth + 1, false);
        }
    }
}

void value_print_yaml(const struct value *value, FILE *file)
{
    yaml_print(json_of(value), file, 0, false);
}
