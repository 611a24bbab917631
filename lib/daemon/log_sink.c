#include "lib/daemon/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 1200 };

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO},   {"debug", LOG_DEBUG},
};

/* One write a line: lines of several processes on one stream stay whole. A stream that is gone or
 * full must not stop the program. */
static void line_write(const char *line, int size)
{
    if (size > 0) {
        size_t length = (size_t)size < LINE_SIZE_MAX ? (size_t)size : LINE_SIZE_MAX - 1;

        (void)!write(STDERR_FILENO, line, length);
    }
}

static void journal_sink(enum log_level level, const char *line)
{
    char text[LINE_SIZE_MAX];

    line_write(text, snprintf(text, sizeof text, "<%d>%s\n", (int)level, line));
}

static void plain_sink(enum log_level level, const char *line)
{
    char text[LINE_SIZE_MAX], when[32];
    struct timespec now;
    struct tm parts;
    const char *name = "";

    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (levels[i].level == level) {
            name = levels[i].name;
        }
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &parts) ||
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        when[0] = 0;
    }
    line_write(text, snprintf(text, sizeof text, "%s.%03dZ %s %s\n", when,
                              (int)(now.tv_nsec / 1000000), name, line));
}

/* systemd says in $JOURNAL_STREAM which file its journal reads: "device:inode". */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat about;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &about) == 0 && about.st_dev == device && about.st_ino == inode;
}

void daemon_log_start(enum log_level most_verbose)
{
    log_set_sink(stderr_is_journal() ? journal_sink : plain_sink, most_verbose);
}

enum status log_level_of_name(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *ret_level = levels[i].level;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}
