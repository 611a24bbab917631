#include "nodeagent/qmp_value.h"

#include "nodeagent/qmp_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMATTED_SIZE_MAX = 4096 };

struct qmp_arguments {
    json_t *object;
    bool bad;
};

static const json_t *json_of(const struct qmp_value *value)
{
    return (const json_t *)(const void *)value;
}

/* The part of `path` up to the next dot goes to ret_key; returns what follows the dot, NULL at the
 * end of the path or where the part is too long. */
static const char *path_next(const char *path, char ret_key[QMP_PATH_SIZE_MAX])
{
    size_t size = strcspn(path, ".");

    ASSERT(size > 0 && size < QMP_PATH_SIZE_MAX);
    memcpy(ret_key, path, size);
    ret_key[size] = '\0';
    return path[size] == '.' ? path + size + 1 : NULL;
}

static const json_t *value_at(const struct qmp_value *value, const char *path)
{
    const json_t *at = json_of(value);
    char key[QMP_PATH_SIZE_MAX];

    while (at && path && *path) {
        path = path_next(path, key);
        at = json_object_get(at, key);
    }
    return at;
}

const char *qmp_value_string(const struct qmp_value *value, const char *path)
{
    return json_string_value(value_at(value, path));
}

bool qmp_value_number(const struct qmp_value *value, const char *path, int64_t *ret_number)
{
    const json_t *at = value_at(value, path);

    if (!json_is_integer(at)) {
        return false;
    }
    *ret_number = json_integer_value(at);
    return true;
}

bool qmp_value_real(const struct qmp_value *value, const char *path, double *ret_real)
{
    const json_t *at = value_at(value, path);

    if (!json_is_number(at)) {
        return false;
    }
    *ret_real = json_number_value(at);
    return true;
}

bool qmp_value_flag(const struct qmp_value *value, const char *path, bool *ret_flag)
{
    const json_t *at = value_at(value, path);

    if (!json_is_boolean(at)) {
        return false;
    }
    *ret_flag = json_is_true(at);
    return true;
}

size_t qmp_value_count(const struct qmp_value *value, const char *path)
{
    return json_array_size(value_at(value, path));
}

const struct qmp_value *qmp_value_item(const struct qmp_value *value, const char *path,
                                       size_t index)
{
    return (const struct qmp_value *)(const void *)json_array_get(value_at(value, path), index);
}

struct qmp_arguments *qmp_arguments_new(void)
{
    struct qmp_arguments *arguments = calloc(1, sizeof *arguments);

    if (arguments) {
        arguments->object = json_object();
        arguments->bad = !arguments->object;
    }
    return arguments;
}

void qmp_arguments_free(struct qmp_arguments *arguments)
{
    if (arguments) {
        json_decref(arguments->object);
        free(arguments);
    }
}

const json_t *qmp_arguments_json(const struct qmp_arguments *arguments)
{
    return arguments && !arguments->bad ? arguments->object : NULL;
}

/* Takes `value`, NULL counting as out of memory; makes the objects on the way to `path`. */
static void arguments_put(struct qmp_arguments *arguments, const char *path, json_t *value)
{
    json_t *at = arguments ? arguments->object : NULL;
    char key[QMP_PATH_SIZE_MAX];

    if (!arguments || arguments->bad) {
        json_decref(value);
        return;
    }
    for (const char *rest = path_next(path, key); rest; rest = path_next(rest, key)) {
        json_t *below = json_object_get(at, key);

        if (!below) {
            below = json_object();
            if (json_object_set_new(at, key, below) != 0) {
                arguments->bad = true;
                json_decref(value);
                return;
            }
        }
        at = below;
    }
    /* Takes the value even where it fails; fails where the value is NULL. */
    if (json_object_set_new(at, key, value) != 0) {
        arguments->bad = true;
    }
}

void qmp_arguments_string(struct qmp_arguments *arguments, const char *path, const char *value)
{
    /* Refuses what is not UTF-8. */
    arguments_put(arguments, path, json_string(value));
}

void qmp_arguments_number(struct qmp_arguments *arguments, const char *path, int64_t value)
{
    arguments_put(arguments, path, json_integer(value));
}

void qmp_arguments_flag(struct qmp_arguments *arguments, const char *path, bool value)
{
    arguments_put(arguments, path, json_boolean(value));
}

void qmp_arguments_null(struct qmp_arguments *arguments, const char *path)
{
    arguments_put(arguments, path, json_null());
}

void qmp_arguments_format(struct qmp_arguments *arguments, const char *path, const char *format,
                          ...)
{
    char text[FORMATTED_SIZE_MAX];
    va_list list;
    int size;

    va_start(list, format);
    size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    arguments_put(arguments, path,
                  size >= 0 && (size_t)size < sizeof text ? json_string(text) : NULL);
}

void qmp_arguments_capability(struct qmp_arguments *arguments, const char *path, const char *name,
                              bool state)
{
    json_t *array, *item;

    if (!arguments || arguments->bad) {
        return;
    }
    array = json_object_get(arguments->object, path);
    if (!array) {
        array = json_array();
        if (json_object_set_new(arguments->object, path, array) != 0) {
            arguments->bad = true;
            return;
        }
    }
    item = json_pack("{s:s, s:b}", "capability", name, "state", (int)state);
    if (json_array_append_new(array, item) != 0) {
        arguments->bad = true;
    }
}
