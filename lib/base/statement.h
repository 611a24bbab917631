/*
 * The lines of the texts that people write for us (manifests, policies) as statements: words, an
 * assignment, the begin or end of a section. Pure.
 *
 *     node n1 {               # a section begins: words, '{'
 *         attribute zone = a  # words '=' one value, which may hold any mark but blanks and '#'
 *     }
 *
 * One statement a line; blanks around words do not matter; a comment runs from '#' to the end of
 * the line.
 */
#ifndef TCCP_BASE_STATEMENT_H
#define TCCP_BASE_STATEMENT_H

#include "lib/base/bytes.h"

enum {
    STATEMENT_WORD_COUNT_MAX = 4,
    STATEMENT_LINE_MAX = 16 * 1024, /* bytes: a certificate stands on one line */
};

struct text_error {
    unsigned line, column; /* from 1; 0 where the text as a whole is meant */
    char message[200];
};

struct word {
    struct view text;
    unsigned column;
};

struct statement {
    size_t count; /* words before '=' or '{' */
    struct word words[STATEMENT_WORD_COUNT_MAX];
    bool opens, closes, assigns;
    unsigned column; /* of a closing mark */
    struct word value;
};

struct statement_reader {
    struct reader bytes; /* what is left of the text */
    unsigned line;       /* of the last statement */
    struct text_error *error;
};

static inline bool view_is(struct view view, const char *text)
{
    return view_equal(view, view_string(text));
}

/* The next line as a statement; an empty one has no words. Call only while bytes are left.
 * STATUS_MALFORMED with *reader->error filled in. */
WARN_UNUSED enum status statement_read(struct statement_reader *reader,
                                       struct statement *ret_statement);

/* What is wrong, at the line of the last statement; STATUS_MALFORMED. */
WARN_UNUSED PRINTF_LIKE(3, 4) enum status
    statement_fail(const struct statement_reader *reader, unsigned column, const char *format, ...);

#endif
