#include "lib/perimeter/manifest_edit.h"

#include "lib/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A line of the text with what it says; a text that compiles has only lines that parse. */
struct line {
    struct view bytes; /* with its end */
    struct statement statement;
};

static enum status line_next(struct statement_reader *reader, struct line *ret_line)
{
    const uint8_t *start = reader->bytes.at;

    TRY(statement_read(reader, &ret_line->statement));
    ret_line->bytes = (struct view){start, (size_t)(reader->bytes.at - start)};
    return STATUS_OK;
}

static bool assigns(const struct statement *statement, const char *key)
{
    return statement->assigns && statement->count == 1 && view_is(statement->words[0].text, key);
}

static bool opens_node(const struct statement *statement, const char *node)
{
    return statement->opens && statement->count == 2 && view_is(statement->words[0].text, "node") &&
           view_is(statement->words[1].text, node);
}

static bool opens_manifest(const struct statement *statement)
{
    return statement->opens && statement->count == 1 &&
           view_is(statement->words[0].text, "manifest");
}

/* The line with another value in its place. */
static void line_print_with(struct writer *writer, const struct line *line, const char *value)
{
    const struct view old = line->statement.value.text;
    const uint8_t *end = old.data + old.size;

    writer_view(writer, (struct view){line->bytes.data, (size_t)(old.data - line->bytes.data)});
    writer_view(writer, view_string(value));
    writer_view(writer, (struct view){end, line->bytes.size - (size_t)(end - line->bytes.data)});
}

/* The indentation of a line. */
static struct view indentation(const struct line *line)
{
    size_t size = 0;

    while (size < line->bytes.size &&
           (line->bytes.data[size] == ' ' || line->bytes.data[size] == '\t')) {
        size++;
    }
    return (struct view){line->bytes.data, size};
}

static enum status edit(struct view text, const char *node, const char *old_ek, const char *new_ek,
                        uint64_t version, struct writer *writer, struct text_error *ret_error)
{
    struct statement_reader reader = {.bytes = reader_of(text), .error = ret_error};
    bool in_manifest = false, in_node = false;
    struct line line;
    char number[24];

    (void)snprintf(number, sizeof number, "%" PRIu64, version);
    while (reader.bytes.left) {
        TRY(line_next(&reader, &line));
        if (line.statement.opens) {
            in_manifest = opens_manifest(&line.statement);
            in_node = opens_node(&line.statement, node);
        }
        if (in_manifest && assigns(&line.statement, "version")) {
            line_print_with(writer, &line, number);
        } else if (in_node && assigns(&line.statement, "ek")) {
            line_print_with(writer, &line, new_ek);
            if (line.bytes.data[line.bytes.size - 1] != '\n') {
                writer_u8(writer, '\n');
            }
            writer_view(writer, indentation(&line));
            writer_format(writer, "replaces = %s\n", old_ek);
        } else {
            writer_view(writer, line.bytes);
        }
    }
    return STATUS_OK;
}

static enum status compile(struct view text, struct manifest **ret_manifest,
                           struct text_error *ret_error, struct refusal *ret_refusal)
{
    OWN(bytes) struct bytes bytes = {0};

    TRY(manifest_text_compile(text, &bytes, ret_error));
    return manifest_parse(bytes_view(&bytes), ret_manifest, ret_refusal);
}

enum status manifest_edit_replace(struct view text, const char *node,
                                  const struct tpm_name *ek_name, struct bytes *ret_text,
                                  struct text_error *ret_error, struct refusal *ret_refusal)
{
    OWN(manifest) struct manifest *before = NULL;
    OWN(manifest) struct manifest *after = NULL;
    OWN(writer) struct writer writer = writer_new(MANIFEST_TEXT_SIZE_MAX);
    OWN(bytes) struct bytes edited = {0};
    char old_ek[HEX_SIZE(TPM_NAME_SIZE_MAX)], new_ek[HEX_SIZE(TPM_NAME_SIZE_MAX)];
    const struct manifest_node *entry;

    *ret_error = (struct text_error){.message = ""};
    TRY(compile(text, &before, ret_error, ret_refusal));
    entry = manifest_node_by_name(before, node);
    if (!entry) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "the manifest has no node %.63s", node);
    }
    if (tpm_name_equal(&entry->ek_name, ek_name)) {
        return refuse(ret_refusal, REFUSAL_ALREADY_EXISTS, "node %s has this EK already", node);
    }
    if (entry->replaces.size > 0) {
        return refuse(ret_refusal, REFUSAL_ALREADY_EXISTS,
                      "node %s has a `replaces` already: take it out once that version is in force",
                      node);
    }
    hex_encode(tpm_name_view(&entry->ek_name), old_ek);
    hex_encode(tpm_name_view(ek_name), new_ek);
    TRY(edit(text, node, old_ek, new_ek, before->version + 1, &writer, ret_error));
    TRY(writer_take(&writer, &edited));
    TRY(compile(bytes_view(&edited), &after, ret_error, ret_refusal));
    *ret_text = TAKE(edited);
    return STATUS_OK;
}

/* --- references --- */

static bool opens_policy(const struct statement *statement, const char *policy)
{
    return statement->opens && statement->count == 2 &&
           view_is(statement->words[0].text, "policy") && view_is(statement->words[1].text, policy);
}

static bool names_set(const struct statement *statement, const char *set)
{
    struct view name = statement->words[1].text;

    return statement->assigns && statement->count == 2 &&
           view_is(statement->words[0].text, "reference") && name.size == strlen(set) &&
           strncasecmp((const char *)name.data, set, name.size) == 0;
}

/* Where the set is not named yet, its line comes last in its section. */
static enum status edit_reference(struct view text, const char *policy, const char *set,
                                  const char *value, uint64_t version, struct writer *writer,
                                  struct text_error *ret_error)
{
    struct statement_reader reader = {.bytes = reader_of(text), .error = ret_error};
    bool in_manifest = false, in_policy = false, named = false;
    struct line line;
    char number[24];

    (void)snprintf(number, sizeof number, "%" PRIu64, version);
    while (reader.bytes.left) {
        TRY(line_next(&reader, &line));
        if (line.statement.opens) {
            in_manifest = opens_manifest(&line.statement);
            in_policy = opens_policy(&line.statement, policy);
        }
        if (in_policy && line.statement.closes && !named && value) {
            writer_format(writer, "    reference %s = %s\n", set, value);
        }
        if (in_manifest && assigns(&line.statement, "version")) {
            line_print_with(writer, &line, number);
        } else if (in_policy && names_set(&line.statement, set)) {
            named = true;
            if (value) {
                line_print_with(writer, &line, value);
            }
        } else {
            writer_view(writer, line.bytes);
        }
    }
    return STATUS_OK;
}

enum status manifest_edit_reference(struct view text, const char *policy, const struct digest *set,
                                    const char *value, struct bytes *ret_text,
                                    struct text_error *ret_error, struct refusal *ret_refusal)
{
    OWN(manifest) struct manifest *before = NULL;
    OWN(manifest) struct manifest *after = NULL;
    OWN(writer) struct writer writer = writer_new(MANIFEST_TEXT_SIZE_MAX);
    OWN(bytes) struct bytes edited = {0};
    struct hex_digest name = hex_digest(set);
    const struct manifest_policy *entry;

    *ret_error = (struct text_error){.message = ""};
    TRY(compile(text, &before, ret_error, ret_refusal));
    entry = manifest_policy_by_name(before, policy);
    if (!entry) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "the manifest has no policy %.63s", policy);
    }
    if (!value && !manifest_policy_reference(entry, set)) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "policy %s does not name %s", policy,
                      name.text);
    }
    TRY(edit_reference(text, policy, name.text, value, before->version + 1, &writer, ret_error));
    TRY(writer_take(&writer, &edited));
    TRY(compile(bytes_view(&edited), &after, ret_error, ret_refusal));
    entry = manifest_policy_by_name(after, policy);
    ASSERT(entry);
    if (digest_equal(&entry->digest, &manifest_policy_by_name(before, policy)->digest)) {
        return refuse(ret_refusal, REFUSAL_ALREADY_EXISTS, "policy %s names %s in that way already",
                      policy, name.text);
    }
    *ret_text = TAKE(edited);
    return STATUS_OK;
}
