#include "lib/base/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_SIZE_MAX = 1024 };

static struct {
    log_sink sink;
    enum log_level most_verbose;
} log_state;

void log_set_sink(log_sink sink, enum log_level most_verbose)
{
    log_state.sink = sink;
    log_state.most_verbose = most_verbose;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char line[LINE_SIZE_MAX];
    va_list arguments;
    int used;

    if (!log_state.sink || level > log_state.most_verbose) {
        return;
    }
    used = snprintf(line, sizeof line, "%s ", event);
    va_start(arguments, format);
    (void)vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
    va_end(arguments);
    /* A name or path from outside must not be able to forge a second line. */
    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    log_state.sink(level, line);
}
