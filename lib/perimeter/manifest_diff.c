#include "lib/perimeter/manifest_diff.h"

#include "lib/perimeter/manifest_text_private.h"

#include <string.h>

enum { DIFF_SIZE_MAX = 2 * MANIFEST_TEXT_SIZE_MAX };

/* A kind of entry: a list that is sorted by name. */
struct entry_kind {
    const char *name;
    size_t (*count)(const struct manifest *manifest);
    const char *(*entry_name)(const struct manifest *manifest, size_t index);
    void (*print)(struct writer *writer, const struct manifest *manifest, size_t index);
    /* The name stands for another TPM. NULL: it stands for none. */
    bool (*is_replaced)(const struct manifest *before, size_t before_index,
                        const struct manifest *after, size_t after_index);
};

#define DEFINE_KIND(kind, list)                                                                    \
    static size_t kind##_count(const struct manifest *manifest)                                    \
    {                                                                                              \
        return manifest->kind##_count;                                                             \
    }                                                                                              \
    static const char *kind##_entry_name(const struct manifest *manifest, size_t index)            \
    {                                                                                              \
        return manifest->list[index].name;                                                         \
    }                                                                                              \
    static void kind##_entry_print(struct writer *writer, const struct manifest *manifest,         \
                                   size_t index)                                                   \
    {                                                                                              \
        kind##_print(writer, &manifest->list[index]);                                              \
    }

DEFINE_KIND(member, members)
DEFINE_KIND(node, nodes)
DEFINE_KIND(operator, operators)
DEFINE_KIND(policy, policies)

/* The manifest section itself: one entry, without a name. */
static size_t section_count(const struct manifest *manifest)
{
    return manifest ? 1 : 0;
}
static const char *section_entry_name(const struct manifest *manifest, size_t index)
{
    (void)manifest;
    (void)index;
    return "";
}
static void section_entry_print(struct writer *writer, const struct manifest *manifest,
                                size_t index)
{
    (void)index;
    manifest_section_print(writer, manifest);
}

static bool member_is_replaced(const struct manifest *before, size_t before_index,
                               const struct manifest *after, size_t after_index)
{
    const struct manifest_member *old = &before->members[before_index];
    const struct manifest_member *new = &after->members[after_index];

    return !tpm_name_equal(&old->ek_name, &new->ek_name) ||
           !tpm_name_equal(&old->ak_name, &new->ak_name);
}
static bool node_is_replaced(const struct manifest *before, size_t before_index,
                             const struct manifest *after, size_t after_index)
{
    return !tpm_name_equal(&before->nodes[before_index].ek_name,
                           &after->nodes[after_index].ek_name);
}

static const struct entry_kind kinds[] = {
    {"manifest", section_count, section_entry_name, section_entry_print, NULL},
    {"member", member_count, member_entry_name, member_entry_print, member_is_replaced},
    {"node", node_count, node_entry_name, node_entry_print, node_is_replaced},
    {"operator", operator_count, operator_entry_name, operator_entry_print, NULL},
    {"policy", policy_count, policy_entry_name, policy_entry_print, NULL},
};

/* The next line of a text, its end included. */
static bool line_next(struct reader *text, struct view *ret_line)
{
    const uint8_t *end;

    if (text->left == 0) {
        return false;
    }
    end = memchr(text->at, '\n', text->left);
    *ret_line = reader_view(text, end ? (size_t)(end - text->at) + 1 : text->left);
    return true;
}

/* The lines of `text` that `other` does not have, marked. Only lines inside of a section: its head
 * and end are told already. */
static void lines_missing_print(struct writer *writer, struct view text, struct view other,
                                const char *mark)
{
    struct reader lines = reader_of(text);
    struct view line;

    while (line_next(&lines, &line)) {
        if (line.data[0] != ' ' ||
            (other.size && memmem(other.data, other.size, line.data, line.size))) {
            continue;
        }
        writer_format(writer, "    %s ", mark);
        writer_view(writer, (struct view){line.data + 4, line.size - 4});
    }
}

static enum status entry_text(const struct entry_kind *kind, const struct manifest *manifest,
                              size_t index, struct bytes *ret_text)
{
    OWN(writer) struct writer writer = writer_new(MANIFEST_TEXT_SIZE_MAX);

    kind->print(&writer, manifest, index);
    return writer_take(&writer, ret_text);
}

static void head_print(struct writer *writer, char mark, const struct entry_kind *kind,
                       const char *name, const char *remark)
{
    writer_format(writer, "%c %s%s%s%s\n", mark, kind->name, *name ? " " : "", name, remark);
}

/* Two entries of one name. */
static enum status entry_diff(struct writer *writer, const struct entry_kind *kind,
                              const struct manifest *before, size_t before_index,
                              const struct manifest *after, size_t after_index)
{
    OWN(bytes) struct bytes old_text = {0};
    OWN(bytes) struct bytes new_text = {0};

    TRY(entry_text(kind, before, before_index, &old_text));
    TRY(entry_text(kind, after, after_index, &new_text));
    if (!view_equal(bytes_view(&old_text), bytes_view(&new_text))) {
        bool is_replaced =
            kind->is_replaced && kind->is_replaced(before, before_index, after, after_index);

        head_print(writer, '~', kind, kind->entry_name(after, after_index),
                   is_replaced ? "    REPLACED: another TPM" : "");
        lines_missing_print(writer, bytes_view(&old_text), bytes_view(&new_text), "-");
        lines_missing_print(writer, bytes_view(&new_text), bytes_view(&old_text), "+");
    }
    return STATUS_OK;
}

static enum status kind_diff(struct writer *writer, const struct entry_kind *kind,
                             const struct manifest *before, const struct manifest *after)
{
    size_t before_count = before ? kind->count(before) : 0, after_count = kind->count(after);
    size_t i = 0, j = 0;

    while (i < before_count || j < after_count) {
        int order = i == before_count ? 1
                    : j == after_count
                        ? -1
                        : strcmp(kind->entry_name(before, i), kind->entry_name(after, j));

        if (order < 0) {
            head_print(writer, '-', kind, kind->entry_name(before, i++), "");
        } else if (order > 0) {
            OWN(bytes) struct bytes text = {0};

            TRY(entry_text(kind, after, j, &text));
            head_print(writer, '+', kind, kind->entry_name(after, j++), "");
            lines_missing_print(writer, bytes_view(&text), (struct view){NULL, 0}, "+");
        } else {
            TRY(entry_diff(writer, kind, before, i++, after, j++));
        }
    }
    return STATUS_OK;
}

enum status manifest_diff(const struct manifest *before, const struct manifest *after,
                          struct bytes *ret_text)
{
    OWN(writer) struct writer writer = writer_new(DIFF_SIZE_MAX);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        TRY(kind_diff(&writer, &kinds[i], before, after));
    }
    return writer_take(&writer, ret_text);
}
