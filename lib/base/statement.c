#include "lib/base/statement.h"

#include <stdarg.h>
#include <stdio.h>

enum status statement_fail(const struct statement_reader *reader, unsigned column,
                           const char *format, ...)
{
    va_list arguments;

    reader->error->line = reader->line;
    reader->error->column = column;
    va_start(arguments, format);
    (void)vsnprintf(reader->error->message, sizeof reader->error->message, format, arguments);
    va_end(arguments);
    return STATUS_MALFORMED;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* The next word of a line from *at on: up to a blank, or a mark of its own. */
static struct word word_next(struct view line, size_t *at)
{
    struct word word = {.text = {NULL, 0}};
    size_t start;

    while (*at < line.size && is_blank(line.data[*at])) {
        (*at)++;
    }
    start = *at;
    while (*at < line.size && !is_blank(line.data[*at])) {
        bool is_mark = line.data[*at] == '=' || line.data[*at] == '{' || line.data[*at] == '}';

        if (is_mark && *at > start) {
            break;
        }
        (*at)++;
        if (is_mark) {
            break;
        }
    }
    word.text = (struct view){line.data + start, *at - start};
    word.column = (unsigned)start + 1;
    return word;
}

/* What follows '=': one word, which may hold any mark. */
static enum status value_read(const struct statement_reader *reader, struct view line, size_t at,
                              struct statement *statement)
{
    struct word *value = &statement->value;
    size_t end;

    while (at < line.size && is_blank(line.data[at])) {
        at++;
    }
    for (end = at; end < line.size && !is_blank(line.data[end]); end++) {
    }
    if (end == at) {
        return statement_fail(reader, (unsigned)at + 1, "a value is missing");
    }
    value->text = (struct view){line.data + at, end - at};
    value->column = (unsigned)at + 1;
    while (end < line.size && is_blank(line.data[end])) {
        end++;
    }
    if (end < line.size) {
        return statement_fail(reader, (unsigned)end + 1, "more than one value");
    }
    return STATUS_OK;
}

static enum status statement_parse(const struct statement_reader *reader, struct view line,
                                   struct statement *ret_statement)
{
    struct statement statement = {.count = 0};
    size_t at = 0;

    for (;;) {
        struct word word = word_next(line, &at);

        if (word.text.size == 0) {
            break;
        }
        if (statement.opens || statement.closes) {
            return statement_fail(reader, word.column, "nothing may follow on the same line");
        }
        if (view_is(word.text, "=")) {
            statement.assigns = true;
            if (statement.count == 0) {
                return statement_fail(reader, word.column, "a key is missing before '='");
            }
            TRY(value_read(reader, line, at, &statement));
            break;
        }
        statement.opens = view_is(word.text, "{");
        statement.closes = view_is(word.text, "}");
        if (statement.count == 0 && statement.opens) {
            return statement_fail(reader, word.column, "a section's name is missing before '{'");
        }
        if (statement.closes && statement.count) {
            return statement_fail(reader, word.column, "a '}' stands on a line of its own");
        }
        if (statement.opens || statement.closes) {
            statement.column = word.column;
            continue;
        }
        if (statement.count == STATEMENT_WORD_COUNT_MAX) {
            return statement_fail(reader, word.column, "too many words");
        }
        statement.words[statement.count++] = word;
    }
    if (statement.count && !statement.assigns && !statement.opens && !statement.closes) {
        return statement_fail(reader, statement.words[0].column, "'=' or '{' is missing");
    }
    *ret_statement = statement;
    return STATUS_OK;
}

/* The next line, without its end and its comment. */
static enum status line_read(struct statement_reader *reader, struct view *ret_line)
{
    struct view line = {reader->bytes.at, 0};
    bool in_comment = false;
    size_t size = 0;

    reader->line++;
    while (reader->bytes.left) {
        uint8_t byte = reader_u8(&reader->bytes);

        if (byte == '\n') {
            break;
        }
        size++;
        if (size > STATEMENT_LINE_MAX) {
            return statement_fail(reader, (unsigned)size, "a line of more than %d characters",
                                  STATEMENT_LINE_MAX);
        }
        in_comment |= byte == '#';
        /* Comments may be in any language; nothing else may look like what it is not. */
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f || (byte > 0x7e && !in_comment)) {
            return statement_fail(reader, (unsigned)size,
                                  "a character that is not printable ASCII");
        }
        line.size += !in_comment;
    }
    *ret_line = line;
    return STATUS_OK;
}

enum status statement_read(struct statement_reader *reader, struct statement *ret_statement)
{
    struct view line = {NULL, 0};

    TRY(line_read(reader, &line));
    return statement_parse(reader, line, ret_statement);
}
