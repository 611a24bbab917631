/* The text form, read. Each key has a row in the table at the end. */
#include "lib/base/text.h"
#include "lib/policy/policy.h"

#include <string.h>

struct parser {
    struct statement_reader text;
    struct policy *policy;
    bool in_policy, policy_seen;
    bool events_seen;
    struct event_step *step; /* of the `event` just before, for `or` */
};

#define parser_fail(parser, ...) statement_fail(&(parser)->text, __VA_ARGS__)

/* --- words --- */

static enum status number_read(const struct parser *parser, const struct word *word,
                               uint32_t number_max, uint32_t *ret_number)
{
    uint32_t number = 0;

    for (size_t i = 0; i < word->text.size; i++) {
        uint8_t digit = word->text.data[i];

        if (digit < '0' || digit > '9' || number > number_max) {
            return parser_fail(parser, word->column, "not a number of at most %u", number_max);
        }
        number = 10 * number + (digit - '0');
    }
    if (word->text.size == 0 || number > number_max) {
        return parser_fail(parser, word->column, "not a number of at most %u", number_max);
    }
    *ret_number = number;
    return STATUS_OK;
}

static enum status hex_read(const struct parser *parser, const struct word *word, uint8_t *data,
                            size_t size)
{
    char text[HEX_SIZE(SHA256_SIZE)];

    if (word->text.size != 2 * size) {
        return parser_fail(parser, word->column, "%zu hexadecimal digits; %zu are expected",
                           word->text.size, 2 * size);
    }
    memcpy(text, word->text.data, word->text.size);
    text[word->text.size] = '\0';
    return hex_decode(text, data, size) == STATUS_OK
               ? STATUS_OK
               : parser_fail(parser, word->column, "not hexadecimal digits");
}

static enum status digest_read(const struct parser *parser, const struct word *word,
                               struct digest *ret_digest)
{
    return hex_read(parser, word, ret_digest->bytes, SHA256_SIZE);
}

static int hex_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

/* %XX stands for the byte XX. What has no path (a memfd) is measured under a bare name; an
 * exception is always a path. */
static enum status path_read(const struct parser *parser, const struct word *word, bool may_be_bare,
                             struct bytes *ret_path)
{
    OWN(writer) struct writer writer = writer_new(STATEMENT_LINE_MAX);
    struct view text = word->text;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];

        if (byte == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return parser_fail(parser, word->column + (unsigned)i,
                                   "'%%' is followed by two hexadecimal digits, not 00");
            }
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        writer_u8(&writer, byte);
    }
    if (writer.status != STATUS_OK) {
        return writer.status;
    }
    if (writer.size > IMA_PATH_SIZE_MAX) {
        return parser_fail(parser, word->column, "a path of more than %d bytes", IMA_PATH_SIZE_MAX);
    }
    if (writer.data[0] != '/' && !(may_be_bare && !memchr(writer.data, '/', writer.size))) {
        return parser_fail(parser, word->column, "a path begins with '/'");
    }
    return writer_take(&writer, ret_path);
}

/* "0-5,7,9" */
static enum status pcrs_read(const struct parser *parser, const struct word *word,
                             uint32_t *ret_mask)
{
    struct reader reader = reader_of(word->text);
    uint32_t mask = 0;

    while (reader.left > 0 || mask == 0) {
        unsigned column = word->column + (unsigned)(word->text.size - reader.left);
        uint32_t ends[2] = {0, 0};
        unsigned end = 0, digits = 0;
        uint8_t byte = 0;

        while (reader.left > 0 && (byte = reader_u8(&reader)) != ',') {
            if (byte == '-' && end == 0 && digits > 0) {
                end++;
                digits = 0;
            } else if (byte >= '0' && byte <= '9' && digits < 2) {
                ends[end] = 10 * ends[end] + (uint32_t)(byte - '0');
                digits++;
            } else {
                return parser_fail(parser, column, "not PCRs such as 0-5,7,9");
            }
        }
        if (end == 0) {
            ends[1] = ends[0];
        }
        if (digits == 0 || ends[0] > ends[1] || ends[1] >= PCR_COUNT ||
            (byte == ',' && !reader.left)) {
            return parser_fail(parser, column, "not PCRs such as 0-5,7,9; the highest is 23");
        }
        for (uint32_t pcr = ends[0]; pcr <= ends[1]; pcr++) {
            mask |= 1u << pcr;
        }
    }
    *ret_mask = mask;
    return STATUS_OK;
}

static enum status one_value(const struct parser *parser, const struct word *word,
                             const char *wanted)
{
    return view_is(word->text, wanted)
               ? STATUS_OK
               : parser_fail(parser, word->column, "`%s` is expected", wanted);
}

/* --- keys --- */

static enum status limit(const struct parser *parser, const struct statement *statement,
                         enum status status)
{
    return status == STATUS_TOO_LARGE
               ? parser_fail(parser, statement->words[0].column, "too many of these")
               : status;
}

static enum status pcr_assign(struct parser *parser, const struct statement *statement)
{
    struct digest value;
    uint32_t pcr;

    TRY(number_read(parser, &statement->words[1], PCR_COUNT - 1, &pcr));
    if (view_is(statement->value.text, "none")) {
        return pcr_policy_list(&parser->policy->pcrs, pcr);
    }
    TRY(digest_read(parser, &statement->value, &value));
    return limit(parser, statement, pcr_policy_allow(&parser->policy->pcrs, pcr, &value));
}

static enum status firmware_assign(struct parser *parser, const struct statement *statement)
{
    uint8_t octets[sizeof(uint64_t)];
    struct reader reader = reader_of(VIEW_OF_ARRAY(octets));

    TRY(hex_read(parser, &statement->value, octets, sizeof octets));
    return limit(parser, statement, policy_add_firmware(parser->policy, reader_u64(&reader)));
}

static enum status events_assign(struct parser *parser, const struct statement *statement)
{
    uint32_t mask;

    if (parser->events_seen) {
        return parser_fail(parser, statement->words[0].column, "`events` is there twice");
    }
    TRY(pcrs_read(parser, &statement->value, &mask));
    parser->events_seen = true;
    if (mask >> PCR_IMA & 1) {
        return parser_fail(parser, statement->value.column,
                           "PCR 10 has no events of the firmware; `files` judges it");
    }
    parser->policy->events.covered = mask;
    return STATUS_OK;
}

static enum status role_read(const struct parser *parser, const struct word *word,
                             enum event_role *ret_role, bool *ret_optional)
{
    static const struct {
        const char *word;
        enum event_role role;
        bool optional;
    } words[] = {
        {"kernel", EVENT_ROLE_KERNEL, false},
        {"load-options", EVENT_ROLE_LOAD_OPTIONS, false},
        {"initrd", EVENT_ROLE_INITRD, false},
        {"optional", EVENT_ROLE_NONE, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (view_is(word->text, words[i].word)) {
            *ret_role = words[i].role;
            *ret_optional = words[i].optional;
            return STATUS_OK;
        }
    }
    return parser_fail(parser, word->column,
                       "what is said of an event is kernel, load-options, initrd or optional");
}

static enum status event_type_read(const struct parser *parser, const struct word *word,
                                   uint32_t *ret_type)
{
    uint8_t octets[sizeof(uint32_t)];
    struct reader reader = reader_of(VIEW_OF_ARRAY(octets));
    char text[2 * sizeof octets + 1];

    if (event_type_of_name(word->text, ret_type) == STATUS_OK) {
        return STATUS_OK;
    }
    if (word->text.size == 2 + 2 * sizeof octets && memcmp(word->text.data, "0x", 2) == 0) {
        memcpy(text, word->text.data + 2, 2 * sizeof octets);
        text[2 * sizeof octets] = '\0';
        if (hex_decode(text, octets, sizeof octets) == STATUS_OK) {
            *ret_type = reader_u32(&reader);
            return STATUS_OK;
        }
    }
    return parser_fail(parser, word->column,
                       "an unknown type of event; others are written as 0x and 8 digits");
}

static enum status step_allow(struct parser *parser, const struct statement *statement)
{
    struct digest digest;

    if (view_is(statement->value.text, "none")) {
        return STATUS_OK;
    }
    TRY(digest_read(parser, &statement->value, &digest));
    return limit(parser, statement, event_step_allow(parser->step, &digest));
}

static enum status event_assign(struct parser *parser, const struct statement *statement)
{
    struct event_sequence *events = &parser->policy->events;
    enum event_role role = EVENT_ROLE_NONE;
    uint32_t pcr, type, covered = events->covered;
    bool optional = false;

    TRY(number_read(parser, &statement->words[1], PCR_COUNT - 1, &pcr));
    TRY(event_type_read(parser, &statement->words[2], &type));
    if (statement->count > 3) {
        TRY(role_read(parser, &statement->words[3], &role, &optional));
    }
    if (!(covered >> pcr & 1)) {
        return parser_fail(parser, statement->words[1].column,
                           "PCR %u is not among those of `events =`, which comes first", pcr);
    }
    TRY(limit(parser, statement,
              event_sequence_add(events, pcr, type, role, event_type_name(type), &parser->step)));
    parser->step->optional = optional;
    return step_allow(parser, statement);
}

static enum status or_assign(struct parser *parser, const struct statement *statement)
{
    if (!parser->step) {
        return parser_fail(parser, statement->words[0].column,
                           "`or` follows an event, or another `or`");
    }
    return step_allow(parser, statement);
}

static enum status secure_boot_assign(struct parser *parser, const struct statement *statement)
{
    TRY(one_value(parser, &statement->value, "required"));
    parser->policy->wants_secure_boot = true;
    return STATUS_OK;
}

static enum status pin_assign(struct parser *parser, const struct statement *statement)
{
    static const char *const names[SECURE_BOOT_PIN_COUNT] = {"pk", "kek", "db", "authority"};
    struct secure_boot_policy *policy = &parser->policy->secure_boot;
    struct digest_set *set = &policy->dbx_required;
    struct digest digest;

    for (unsigned pin = 0; pin < SECURE_BOOT_PIN_COUNT; pin++) {
        if (view_is(statement->words[0].text, names[pin])) {
            set = &policy->pins[pin];
        }
    }
    if (!parser->policy->wants_secure_boot) {
        return parser_fail(parser, statement->words[0].column,
                           "`secure_boot = required` comes before it");
    }
    TRY(digest_read(parser, &statement->value, &digest));
    return limit(parser, statement, digest_set_add(set, &digest));
}

static enum status files_assign(struct parser *parser, const struct statement *statement)
{
    TRY(one_value(parser, &statement->value, "listed"));
    parser->policy->judges_files = true;
    return STATUS_OK;
}

static enum status files_are_judged(const struct parser *parser, const struct statement *statement)
{
    return parser->policy->judges_files ? STATUS_OK
                                        : parser_fail(parser, statement->words[0].column,
                                                      "`files = listed` comes before it");
}

static enum status file_assign(struct parser *parser, const struct statement *statement)
{
    OWN(bytes) struct bytes path = {0};
    struct digest digest;

    TRY(files_are_judged(parser, statement));
    TRY(digest_read(parser, &statement->words[1], &digest));
    TRY(path_read(parser, &statement->value, true, &path));
    return limit(parser, statement, policy_add_file(parser->policy, bytes_view(&path), &digest));
}

static enum status exception_assign(struct parser *parser, const struct statement *statement)
{
    enum ima_exception what = view_is(statement->words[0].text, "except_file")
                                  ? IMA_EXCEPTION_FILE
                                  : IMA_EXCEPTION_VIOLATION;
    OWN(bytes) struct bytes path = {0};

    TRY(files_are_judged(parser, statement));
    TRY(path_read(parser, &statement->value, false, &path));
    return limit(parser, statement, policy_add_exception(parser->policy, what, bytes_view(&path)));
}

static enum status signer_assign(struct parser *parser, const struct statement *statement)
{
    OWN(bytes) struct bytes spki = {0};
    enum status status;

    TRY(files_are_judged(parser, statement));
    status = base64_decode(statement->value.text, IMA_SIGNER_KEY_SIZE_MAX, &spki);
    if (status == STATUS_OK) {
        status = policy_add_signer(parser->policy, bytes_view(&spki));
    }
    if (status == STATUS_MALFORMED) {
        return parser_fail(parser, statement->value.column,
                           "not the base64 form of a public key (SubjectPublicKeyInfo)");
    }
    if (status == STATUS_UNSUPPORTED) {
        return parser_fail(parser, statement->value.column,
                           "a key of another kind than RSA of 2048 bits, P-256, P-384");
    }
    return limit(parser, statement, status);
}

static const struct {
    const char *name;
    size_t words_min, words_max; /* the name included */
    const char *form;
    enum status (*assign)(struct parser *parser, const struct statement *statement);
} keys[] = {
    {"pcr", 2, 2, "pcr N = <digest>", pcr_assign},
    {"firmware", 1, 1, "firmware = <16 hexadecimal digits>", firmware_assign},
    {"events", 1, 1, "events = 0-5,7,9", events_assign},
    {"event", 3, 4, "event PCR TYPE [kernel|load-options|initrd|optional] = <digest>",
     event_assign},
    {"or", 1, 1, "or = <digest>", or_assign},
    {"secure_boot", 1, 1, "secure_boot = required", secure_boot_assign},
    {"pk", 1, 1, "pk = <digest>", pin_assign},
    {"kek", 1, 1, "kek = <digest>", pin_assign},
    {"db", 1, 1, "db = <digest>", pin_assign},
    {"authority", 1, 1, "authority = <digest>", pin_assign},
    {"dbx", 1, 1, "dbx = <digest>", pin_assign},
    {"files", 1, 1, "files = listed", files_assign},
    {"file", 2, 2, "file <digest> = /path", file_assign},
    {"signer", 1, 1, "signer = <base64>", signer_assign},
    {"except_file", 1, 1, "except_file = /path", exception_assign},
    {"except_violation", 1, 1, "except_violation = /path", exception_assign},
};

static enum status key_assign(struct parser *parser, const struct statement *statement)
{
    const struct word *name = &statement->words[0];

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!view_is(name->text, keys[i].name)) {
            continue;
        }
        if (statement->count < keys[i].words_min || statement->count > keys[i].words_max) {
            return parser_fail(parser, name->column, "the form is `%s`", keys[i].form);
        }
        if (!view_is(name->text, "event") && !view_is(name->text, "or")) {
            parser->step = NULL;
        }
        return keys[i].assign(parser, statement);
    }
    return parser_fail(parser, name->column, "unknown key");
}

/* --- sections --- */

static enum status policy_open(struct parser *parser, const struct statement *statement)
{
    const struct word *kind = &statement->words[0];

    if (!view_is(kind->text, "policy") || statement->count != 2) {
        return parser_fail(parser, kind->column, "a section `policy NAME {` is expected");
    }
    if (parser->in_policy || parser->policy_seen) {
        return parser_fail(parser, kind->column, "a file holds one policy");
    }
    if (policy_set_name(parser->policy, statement->words[1].text) != STATUS_OK) {
        return parser_fail(parser, statement->words[1].column,
                           "a name has 1 to %d letters, digits, '-', '_', '.'",
                           REFERENCE_SET_NAME_LENGTH_MAX);
    }
    parser->in_policy = parser->policy_seen = true;
    return STATUS_OK;
}

static enum status statement_apply(struct parser *parser, const struct statement *statement)
{
    if (statement->opens) {
        return policy_open(parser, statement);
    }
    if (statement->closes || statement->assigns) {
        unsigned column = statement->closes ? statement->column : statement->words[0].column;

        if (!parser->in_policy) {
            return parser_fail(parser, column, "outside of the section `policy NAME {`");
        }
        if (statement->assigns) {
            return key_assign(parser, statement);
        }
        parser->in_policy = false;
    }
    return STATUS_OK;
}

enum status policy_text_parse(struct view text, struct policy **ret_policy,
                              struct text_error *ret_error)
{
    OWN(policy) struct policy *policy = policy_new();
    struct parser parser = {.text = {.bytes = reader_of(text), .error = ret_error},
                            .policy = policy};

    *ret_error = (struct text_error){0};
    if (!policy) {
        return STATUS_NO_MEMORY;
    }
    if (text.size > POLICY_TEXT_SIZE_MAX) {
        return parser_fail(&parser, 0, "more than %d bytes", POLICY_TEXT_SIZE_MAX);
    }
    while (parser.text.bytes.left > 0) {
        struct statement statement;

        TRY(statement_read(&parser.text, &statement));
        TRY(statement_apply(&parser, &statement));
    }
    if (parser.in_policy) {
        return parser_fail(&parser, 1, "the policy is not closed: a '}' is missing");
    }
    if (!parser.policy_seen) {
        parser.text.line = 0;
        return parser_fail(&parser, 0, "there is no section `policy NAME {`");
    }
    *ret_policy = TAKE(policy);
    return STATUS_OK;
}
