/*
 * JSON for QMP without JSON's library in sight: arguments that are built by path, values that are
 * read by path. nodeagent/qmp_*.c are the only door to jansson in the agent.
 *
 * A path is a list of object keys joined by dots: "encrypt.key-secret". Keys that hold a dot cannot
 * be named, and QMP has none.
 */
#ifndef TCCP_NODEAGENT_QMP_VALUE_H
#define TCCP_NODEAGENT_QMP_VALUE_H

#include "lib/base/bytes.h"

enum {
    QMP_PATH_SIZE_MAX = 128, /* characters, with the NUL */
    QMP_ARRAY_SIZE_MAX = 1024,
};

/* Something that QEMU said; lives as long as the message that holds it. */
struct qmp_value;

/* What stands at `path` ("" for the value itself), where it has that type: NULL or false otherwise.
 */
const char *qmp_value_string(const struct qmp_value *value, const char *path);
bool qmp_value_number(const struct qmp_value *value, const char *path, int64_t *ret_number);
/* Integers count as reals. */
bool qmp_value_real(const struct qmp_value *value, const char *path, double *ret_real);
bool qmp_value_flag(const struct qmp_value *value, const char *path, bool *ret_flag);
/* Elements of the array at `path`: 0 where there is none; and one of them. */
size_t qmp_value_count(const struct qmp_value *value, const char *path);
const struct qmp_value *qmp_value_item(const struct qmp_value *value, const char *path,
                                       size_t index);

/* Arguments of a command. Goes sticky-bad when memory runs out or a string is not UTF-8; then the
 * command is not sent and fails. */
struct qmp_arguments;

struct qmp_arguments *qmp_arguments_new(void); /* NULL counts as bad, everywhere below */
void qmp_arguments_free(struct qmp_arguments *arguments);
DEFINE_OWN_POINTER(qmp_arguments, qmp_arguments_free)
void qmp_arguments_string(struct qmp_arguments *arguments, const char *path, const char *value);
void qmp_arguments_number(struct qmp_arguments *arguments, const char *path, int64_t value);
void qmp_arguments_flag(struct qmp_arguments *arguments, const char *path, bool value);
void qmp_arguments_null(struct qmp_arguments *arguments, const char *path);
/* Appends {"capability": name, "state": state} to the array at `path`, as
 * migrate-set-capabilities wants them. */
void qmp_arguments_capability(struct qmp_arguments *arguments, const char *path, const char *name,
                              bool state);
PRINTF_LIKE(3, 4)
void qmp_arguments_format(struct qmp_arguments *arguments, const char *path, const char *format,
                          ...);

#endif
