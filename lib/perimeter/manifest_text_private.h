/* What the files of the manifest's text form share, and nobody else. */
#ifndef TCCP_PERIMETER_MANIFEST_TEXT_PRIVATE_H
#define TCCP_PERIMETER_MANIFEST_TEXT_PRIVATE_H

#include "lib/perimeter/manifest_text.h"

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

/* --- manifest_keys.c --- */

const char *section_name(enum section section);
/* A section of the message begins, with its name (none for the manifest itself). STATUS_TOO_LARGE:
 * too many of this kind. */
WARN_UNUSED enum status section_begin(struct parser *parser, enum section section,
                                      const struct word *name);
/* A key of the present section. */
WARN_UNUSED enum status key_assign(struct parser *parser, const struct statement *statement);
/* The first key that the present section needs and does not have; NULL when it is complete. */
const char *section_missing_key(const struct parser *parser);

/* --- manifest_print.c --- */

/* One section each, with its braces. */
void manifest_section_print(struct writer *writer, const struct manifest *manifest);
void member_print(struct writer *writer, const struct manifest_member *member);
void node_print(struct writer *writer, const struct manifest_node *node);
void operator_print(struct writer *writer, const struct manifest_operator *entry);
void policy_print(struct writer *writer, const struct manifest_policy *policy);

#endif
