#include "lib/perimeter/manifest_text.h"

#include "lib/perimeter/manifest_text_private.h"

#include <stdlib.h>

static enum status section_open(struct parser *parser, const struct statement *statement)
{
    const struct word *kind = &statement->words[0];
    enum section section = SECTION_MANIFEST;
    enum status status;

    if (parser->section != SECTION_NONE) {
        return parser_fail(parser, kind->column, "a section inside a section; is a '}' missing?");
    }
    while (section < SECTION_COUNT && !view_is(kind->text, section_name(section))) {
        section++;
    }
    if (section == SECTION_COUNT) {
        return parser_fail(
            parser, kind->column,
            "unknown section; there are manifest, member, node, operator and policy");
    }
    if (section == SECTION_MANIFEST) {
        if (statement->count != 1 || parser->manifest_seen) {
            return parser_fail(parser, kind->column,
                               "there is one manifest section, and it has no name");
        }
        parser->manifest_seen = true;
    } else if (statement->count != 2) {
        return parser_fail(parser, kind->column, "a section needs one name: `node n1 {`");
    }
    status = section_begin(parser, section, &statement->words[1]);
    if (status == STATUS_TOO_LARGE) {
        return parser_fail(parser, kind->column, "too many sections of this kind");
    }
    return status;
}

static enum status section_close(struct parser *parser, const struct statement *statement)
{
    if (parser->section == SECTION_NONE) {
        return parser_fail(parser, statement->column, "a '}' without a section");
    }
    TRY(section_check(parser, statement->column));
    parser->section = SECTION_NONE;
    return STATUS_OK;
}

static enum status lines_read(struct parser *parser)
{
    while (parser->text.bytes.left) {
        struct statement statement;

        TRY(statement_read(&parser->text, &statement));
        if (statement.opens) {
            TRY(section_open(parser, &statement));
        } else if (statement.closes) {
            TRY(section_close(parser, &statement));
        } else if (statement.assigns) {
            TRY(key_assign(parser, &statement));
        }
    }
    if (parser->section != SECTION_NONE) {
        return parser_fail(parser, 1, "the %s section is not closed",
                           section_name(parser->section));
    }
    if (!parser->manifest_seen) {
        parser->text.line = 0;
        return parser_fail(parser, 0, "there is no manifest section");
    }
    return STATUS_OK;
}

static enum status compile(struct parser *parser, struct bytes *ret_bytes)
{
    struct refusal refusal = {.code = REFUSAL_NONE};
    enum status status;

    TRY(lines_read(parser));
    status = manifest_build(parser->message, ret_bytes, &refusal);
    if (status == STATUS_REFUSED) {
        /* Something about the whole, not about a line. */
        parser->text.line = 0;
        return parser_fail(parser, 0, "%s", refusal.detail);
    }
    return status;
}

enum status manifest_text_compile(struct view text, struct bytes *ret_bytes,
                                  struct text_error *ret_error)
{
    struct parser parser = {.text = {.bytes = reader_of(text), .error = ret_error}};
    enum status status;

    *ret_error = (struct text_error){0};
    if (text.size > MANIFEST_TEXT_SIZE_MAX) {
        return parser_fail(&parser, 0, "more than %d bytes", MANIFEST_TEXT_SIZE_MAX);
    }
    parser.message = malloc(sizeof *parser.message);
    if (!parser.message) {
        return STATUS_NO_MEMORY;
    }
    tccp__perimeter_manifest__init(parser.message);
    parser.message->format = MANIFEST_FORMAT;
    parser.message->lease_s = LEASE_DEFAULT_S;
    status = compile(&parser, ret_bytes);
    tccp__perimeter_manifest__free_unpacked(parser.message, NULL);
    return status;
}
