/* What the files of the manifest's text form share, and nobody else. */
#ifndef TCCP_PERIMETER_MANIFEST_TEXT_PRIVATE_H
#define TCCP_PERIMETER_MANIFEST_TEXT_PRIVATE_H

#include "lib/perimeter/manifest_text.h"

/* What may follow `reference <hex> =`, besides a time. */
#define REFERENCE_ENFORCED "enforced"
#define REFERENCE_STAGED "staged"

enum section {
    SECTION_NONE,
    SECTION_MANIFEST,
    SECTION_MEMBER,
    SECTION_NODE,
    SECTION_OPERATOR,
    SECTION_POLICY,
    SECTION_COUNT
};

struct parser {
    struct statement_reader text;
    /* Made of the same allocations as one that was unpacked, and freed like it. */
    Tccp__PerimeterManifest *message;
    enum section section;
    bool manifest_seen;
    uint32_t keys_seen; /* of the present section: a bit for each entry of the table of keys */
};

/* Where and what is wrong; STATUS_MALFORMED. */
#define parser_fail(parser, ...) statement_fail(&(parser)->text, __VA_ARGS__)

/* --- manifest_values.c: one word, read into a field of the message, whose place was empty --- */

WARN_UNUSED enum status string_set(char **string, struct view value);
/* The others fail with what is expected, and where. */
WARN_UNUSED enum status name_set(const struct parser *parser, const struct word *word,
                                 char **string);
WARN_UNUSED enum status number_set(const struct parser *parser, const struct word *word,
                                   uint64_t *number);
WARN_UNUSED enum status time_set(const struct parser *parser, const struct word *word,
                                 uint64_t *time_s);
WARN_UNUSED enum status bool_set(const struct parser *parser, const struct word *word,
                                 protobuf_c_boolean *truth);
WARN_UNUSED enum status hex_set(const struct parser *parser, const struct word *word,
                                size_t size_min, size_t size_max, ProtobufCBinaryData *data);
WARN_UNUSED enum status tpm_name_set(const struct parser *parser, const struct word *word,
                                     ProtobufCBinaryData *data);
WARN_UNUSED enum status base64_set(const struct parser *parser, const struct word *word,
                                   size_t size_max, ProtobufCBinaryData *data);
/* Bytes that belong to the message from now on. */
void data_set(ProtobufCBinaryData *data, struct bytes *bytes);
/* One place more at the end of a list, zeroed; it counts once the caller has filled it. */
WARN_UNUSED enum status list_grow(void *list_place, size_t count, size_t size);

/* --- manifest_keys.c --- */

const char *section_name(enum section section);
/* A section of the message begins, with its name (none for the manifest itself). STATUS_TOO_LARGE:
 * too many of this kind. */
WARN_UNUSED enum status section_begin(struct parser *parser, enum section section,
                                      const struct word *name);
/* A key of the present section. */
WARN_UNUSED enum status key_assign(struct parser *parser, const struct statement *statement);
/* The present section has all that it needs; `column` is that of its end. */
WARN_UNUSED enum status section_check(const struct parser *parser, unsigned column);

/* --- manifest_print.c --- */

/* One section each, with its braces. */
void manifest_section_print(struct writer *writer, const struct manifest *manifest);
void member_print(struct writer *writer, const struct manifest_member *member);
void node_print(struct writer *writer, const struct manifest_node *node);
void operator_print(struct writer *writer, const struct manifest_operator *entry);
void policy_print(struct writer *writer, const struct manifest_policy *policy);

#endif
