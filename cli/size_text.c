#include "cli/size_text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* The digits at the beginning; *ret_rest: what follows them. */
static enum status digits_parse(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)*text)) {
        return STATUS_MALFORMED;
    }
    for (; isdigit((unsigned char)*text); text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (number > (UINT64_MAX - digit) / 10) {
            return STATUS_MALFORMED;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    *ret_rest = text;
    return STATUS_OK;
}

enum status number_parse(const char *text, uint64_t *ret_number)
{
    const char *rest;

    TRY(digits_parse(text, ret_number, &rest));
    return *rest == '\0' ? STATUS_OK : STATUS_MALFORMED;
}

enum status size_parse(const char *text, uint64_t *ret_size)
{
    static const char units[] = "KMGT";
    const char *rest, *unit;
    unsigned shift = 0;
    uint64_t number;

    TRY(digits_parse(text, &number, &rest));
    if (*rest) {
        unit = strchr(units, toupper((unsigned char)*rest));
        if (!unit) {
            return STATUS_MALFORMED;
        }
        shift = 10 * (unsigned)(unit - units + 1);
        rest++;
        if (*rest && strcmp(rest, "iB") != 0) {
            return STATUS_MALFORMED;
        }
    }
    if (number > UINT64_MAX >> shift) {
        return STATUS_MALFORMED;
    }
    *ret_size = number << shift;
    return STATUS_OK;
}
