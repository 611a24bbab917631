#include "lib/base/time_text.h"

#include <stdio.h>

enum { DAY_S = 86400 };

static bool is_leap_year(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap_year(year));
}

/* Days before the first of January of `year` since 1970. */
static uint64_t year_start(unsigned year)
{
    uint64_t before = year - 1;

    return (before * 365 + before / 4 - before / 100 + before / 400) - 719162;
}

void time_print(uint64_t time_s, char ret_text[TIME_TEXT_SIZE])
{
    uint64_t days = time_s / DAY_S;
    unsigned second = (unsigned)(time_s % DAY_S);
    unsigned year = 1970 + (unsigned)(days / 366), month = 1;
    char text[64];

    ASSERT(time_s <= TIME_TEXT_MAX_S);
    while (year_start(year + 1) <= days) {
        year++;
    }
    days -= year_start(year);
    while (days >= month_days(year, month)) {
        days -= month_days(year, month++);
    }
    (void)snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month,
                   (unsigned)days + 1, second / 3600, second / 60 % 60, second % 60);
    for (size_t i = 0; i < TIME_TEXT_SIZE; i++) {
        ret_text[i] = text[i];
    }
}

/* So many digits as a number. */
static unsigned digits_read(struct reader *reader, size_t count)
{
    unsigned number = 0;

    while (count--) {
        uint8_t digit = reader_u8(reader);

        reader_require(reader, digit >= '0' && digit <= '9');
        number = number * 10 + (digit - '0') % 10u;
    }
    return number;
}

static void character_read(struct reader *reader, char character)
{
    reader_require(reader, reader_u8(reader) == (uint8_t)character);
}

enum status time_parse(struct view text, uint64_t *ret_time_s)
{
    struct reader reader = reader_of(text);
    unsigned year, month, day, hour = 0, minute = 0, second = 0;
    uint64_t days;

    year = digits_read(&reader, 4);
    character_read(&reader, '-');
    month = digits_read(&reader, 2);
    character_read(&reader, '-');
    day = digits_read(&reader, 2);
    if (reader.left) {
        character_read(&reader, 'T');
        hour = digits_read(&reader, 2);
        character_read(&reader, ':');
        minute = digits_read(&reader, 2);
        character_read(&reader, ':');
        second = digits_read(&reader, 2);
        character_read(&reader, 'Z');
    }
    if (!reader_done(&reader) || year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > month_days(year, month) || hour > 23 || minute > 59 || second > 59) {
        return STATUS_MALFORMED;
    }
    days = year_start(year) + day - 1;
    for (unsigned before = 1; before < month; before++) {
        days += month_days(year, before);
    }
    *ret_time_s = days * DAY_S + hour * 3600u + minute * 60u + second;
    return STATUS_OK;
}

enum status duration_parse(struct view text, uint64_t *ret_duration_s)
{
    uint64_t number = 0, unit;

    if (text.size < 2 || text.size > 10) {
        return STATUS_MALFORMED;
    }
    switch (text.data[text.size - 1]) {
    case 's':
        unit = 1;
        break;
    case 'm':
        unit = 60;
        break;
    case 'h':
        unit = 3600;
        break;
    case 'd':
        unit = DAY_S;
        break;
    default: /* a character */
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < text.size - 1; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return STATUS_MALFORMED;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_duration_s = number * unit;
    return STATUS_OK;
}
