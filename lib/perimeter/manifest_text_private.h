/* What the files of the manifest's text form share, and nobody else. */
#ifndef TCCP_PERIMETER_MANIFEST_TEXT_PRIVATE_H
#define TCCP_PERIMETER_MANIFEST_TEXT_PRIVATE_H

#include "lib/perimeter/manifest_text.h"

/* Words of one statement: `node n1 {`, `attribute zone = a`. */
enum { WORD_COUNT_MAX = 4 };

struct word {
    struct view text;
    unsigned column;
};

struct statement {
    size_t count; /* words before '=' or '{' */
    struct word words[WORD_COUNT_MAX];
    bool opens, closes, assigns;
    unsigned column; /* of a closing mark */
    struct word value;
};

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
    struct reader reader;
    unsigned line;
    struct text_error *error;
    /* Made of the same allocations as one that was unpacked, and freed like it. */
    Tccp__PerimeterManifest *message;
    enum section section;
    bool manifest_seen;
    uint32_t keys_seen; /* of the present section: a bit for each entry of the table of keys */
};

/* Where and what is wrong; STATUS_MALFORMED. */
WARN_UNUSED PRINTF_LIKE(3, 4) enum status
    parser_fail(const struct parser *parser, unsigned column, const char *format, ...);

/* --- manifest_statement.c --- */

static inline bool view_is(struct view view, const char *text)
{
    return view_equal(view, view_string(text));
}

/* The next line as a statement; an empty one has no words. Call only while bytes are left. */
WARN_UNUSED enum status statement_read(struct parser *parser, struct statement *ret_statement);

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
