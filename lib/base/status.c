#include "lib/base/status.h"

#include <stdio.h>
#include <stdlib.h>

const char *status_text(enum status status)
{
    static const char *const texts[STATUS_COUNT] = {
#define X(name, text) [STATUS_##name] = text,
        STATUS_LIST(X)
#undef X
    };
    return (unsigned)status < STATUS_COUNT ? texts[status] : "unknown status";
}

void assertion_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
