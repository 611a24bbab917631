#include "lib/base/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *sentence, *hint;
} refusals[REFUSAL_CODE_COUNT] = {
#define X(code, name_text, sentence_text, hint_text)                                               \
    [REFUSAL_##code] = {name_text, sentence_text, hint_text},
    REFUSAL_LIST(X)
#undef X
};

const char *refusal_name(enum refusal_code code)
{
    return (unsigned)code < REFUSAL_CODE_COUNT ? refusals[code].name : "unknown";
}

const char *refusal_sentence(enum refusal_code code)
{
    return (unsigned)code < REFUSAL_CODE_COUNT ? refusals[code].sentence
                                               : "refused for a reason this version does not know";
}

const char *refusal_hint(enum refusal_code code)
{
    return (unsigned)code < REFUSAL_CODE_COUNT ? refusals[code].hint : "";
}

enum refusal_code refusal_of_name(const char *name)
{
    for (unsigned code = 0; code < REFUSAL_CODE_COUNT; code++) {
        if (strcmp(refusals[code].name, name) == 0) {
            return (enum refusal_code)code;
        }
    }
    return REFUSAL_CODE_COUNT;
}

static struct refusal make(enum refusal_code code, const char *format, va_list arguments)
{
    struct refusal refusal = {.code = code};

    (void)vsnprintf(refusal.detail, sizeof refusal.detail, format, arguments);
    return refusal;
}

struct refusal refusal_make(enum refusal_code code, const char *format, ...)
{
    struct refusal refusal;
    va_list arguments;

    va_start(arguments, format);
    refusal = make(code, format, arguments);
    va_end(arguments);
    return refusal;
}

enum status refuse(struct refusal *ret_refusal, enum refusal_code code, const char *format, ...)
{
    va_list arguments;

    if (ret_refusal) {
        va_start(arguments, format);
        *ret_refusal = make(code, format, arguments);
        va_end(arguments);
    }
    return STATUS_REFUSED;
}

enum status refuse_about(struct refusal *ret_refusal, enum refusal_code code,
                         struct finding_texts finding, const char *format, ...)
{
    struct finding *found = ret_refusal ? &ret_refusal->finding : NULL;
    va_list arguments;

    if (found) {
        va_start(arguments, format);
        *ret_refusal = make(code, format, arguments);
        va_end(arguments);
        (void)snprintf(found->subject, sizeof found->subject, "%s", finding.subject);
        (void)snprintf(found->expected, sizeof found->expected, "%s", finding.expected);
        (void)snprintf(found->seen, sizeof found->seen, "%s", finding.seen);
    }
    return STATUS_REFUSED;
}
