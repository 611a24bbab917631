/*
 * Events: one line each, fields as key=value, no secrets. The sink is the program's only global; a
 * library that runs without a sink is silent.
 */
#ifndef TCCP_BASE_LOG_H
#define TCCP_BASE_LOG_H

#include "lib/base/status.h"

/* As in syslog(3), so that `<N>` prefixes are understood by journald. */
enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

/* `line` is "event key=value ...", without a newline; control characters are already replaced. */
typedef void (*log_sink)(enum log_level level, const char *line);

void log_set_sink(log_sink sink, enum log_level most_verbose);

/* event: a stable kebab-case name; format: "key=%s key=%u". Values with blanks are quoted by the
 * caller's format. */
PRINTF_LIKE(3, 4) void log_event(enum log_level level, const char *event, const char *format, ...);

#endif
