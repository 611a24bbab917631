#include "lib/crypto/x509_profile.h"

/* 2.25.185190498647057040837749881351092901984, the arc of our extensions. */
#define ARC                                                                                        \
    0x69, 0x82, 0x96, 0xd2, 0xb2, 0xa1, 0xcd, 0xab, 0x8a, 0xa4, 0xe3, 0xab, 0x9f, 0xab, 0xbd,      \
        0xe6, 0xbc, 0xa4, 0xb0, 0x60

#define BYTES(...)                                                                                 \
    {                                                                                              \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                     \
    }

const struct view x509_oid_common_name = BYTES(0x55, 0x04, 0x03);
const struct view x509_oid_basic_constraints = BYTES(0x55, 0x1d, 0x13);
const struct view x509_oid_key_usage = BYTES(0x55, 0x1d, 0x0f);
const struct view x509_oid_identity = BYTES(ARC, 0x01);
const struct view x509_oid_bundle = BYTES(ARC, 0x02);
const struct view x509_leaf_constraints = BYTES(0x30, 0x00);
const struct view x509_authority_constraints =
    BYTES(0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00);
const struct view x509_leaf_usage = BYTES(0x03, 0x02, 0x07, 0x80);
const struct view x509_authority_usage = BYTES(0x03, 0x02, 0x02, 0x04);

static const struct view ecdsa_with_sha256 =
    BYTES(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
static const struct view ed25519 = BYTES(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70);

struct view x509_signature_algorithm(enum key_algorithm algorithm)
{
    return algorithm == KEY_ED25519 ? ed25519 : ecdsa_with_sha256;
}

/* ---- times ---- */

enum { SECONDS_A_DAY = 86400, YEAR_GENERALIZED = 2050 };

static bool year_is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && year_is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970 to the first of January of the year. */
static uint64_t days_before_year(unsigned year)
{
    uint64_t past = year - 1;

    return (past * 365 + past / 4 - past / 100 + past / 400) - 719162;
}

static char *put_two_digits(char *at, unsigned value)
{
    *at++ = (char)('0' + value / 10);
    *at++ = (char)('0' + value % 10);
    return at;
}

struct x509_time x509_time_of(uint64_t seconds)
{
    struct x509_time time = {.text = ""};
    char *at;
    uint64_t days = seconds / SECONDS_A_DAY;
    unsigned in_day = (unsigned)(seconds % SECONDS_A_DAY);
    unsigned year = 1970 + (unsigned)(days / 366), month = 1;
    unsigned day, hour = in_day / 3600, minute = in_day / 60 % 60, second = in_day % 60;

    ASSERT(seconds <= X509_TIME_MAX_S);
    /* The first guess is never late, and at most some years early. */
    while (days_before_year(year + 1) <= days) {
        year++;
    }
    day = (unsigned)(days - days_before_year(year));
    while (day >= days_of_month(year, month)) {
        day -= days_of_month(year, month);
        month++;
    }
    time.tag = year < YEAR_GENERALIZED ? DER_UTC_TIME : DER_GENERALIZED_TIME;
    at = time.text;
    if (time.tag == DER_GENERALIZED_TIME) {
        at = put_two_digits(at, year / 100);
    }
    at = put_two_digits(at, year % 100);
    at = put_two_digits(at, month);
    at = put_two_digits(at, day + 1);
    at = put_two_digits(at, hour);
    at = put_two_digits(at, minute);
    at = put_two_digits(at, second);
    *at = 'Z';
    return time;
}

static unsigned read_digits(struct reader *reader, unsigned count)
{
    unsigned value = 0;

    for (unsigned i = 0; i < count; i++) {
        uint8_t digit = reader_u8(reader);

        reader_require(reader, digit >= '0' && digit <= '9');
        value = value * 10 + (unsigned)(digit - '0');
    }
    return reader->bad ? 0 : value;
}

uint64_t x509_read_time(struct reader *reader)
{
    bool utc = der_next_is(reader, DER_UTC_TIME);
    struct reader text = der_enter(reader, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);
    unsigned year = read_digits(&text, utc ? 2 : 4), month, day, hour, minute, second;
    uint64_t days;

    if (utc) {
        year += year < 50 ? 2000 : 1900;
    }
    month = read_digits(&text, 2);
    day = read_digits(&text, 2);
    hour = read_digits(&text, 2);
    minute = read_digits(&text, 2);
    second = read_digits(&text, 2);
    reader_require(&text, reader_u8(&text) == 'Z');
    reader_require(reader, reader_done(&text) && year >= (utc ? 1970 : YEAR_GENERALIZED) &&
                               month >= 1 && month <= 12 && day >= 1 && hour < 24 && minute < 60 &&
                               second < 60);
    reader_require(reader, !reader->bad && day <= days_of_month(year, month));
    if (reader->bad) {
        return 0;
    }
    days = days_before_year(year) + day - 1;
    for (unsigned before = 1; before < month; before++) {
        days += days_of_month(year, before);
    }
    return days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
}

/* ---- names ---- */

bool x509_name_good(struct view name)
{
    if (name.size == 0 || name.size > CERTIFICATE_SUBJECT_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < 0x20 || name.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

const char *certificate_role_name(enum certificate_role role)
{
    switch (role) {
    case ROLE_NONE:
        return "none";
    case ROLE_MEMBER:
        return "member";
    case ROLE_NODE:
        return "node";
    case ROLE_CUSTOMER:
        return "customer";
    case ROLE_OPERATOR:
        return "operator";
    case ROLE_AUDITOR:
        return "auditor";
    }
    return "unknown";
}
