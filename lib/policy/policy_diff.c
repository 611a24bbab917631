#include "lib/policy/policy_diff.h"

#include <stdlib.h>
#include <string.h>

const char *policy_part_name(enum policy_part part)
{
    static const char *const names[POLICY_PART_COUNT] = {
        [POLICY_PART_PCRS] = "pcrs",
        [POLICY_PART_FIRMWARE] = "firmware",
        [POLICY_PART_EVENTS] = "events",
        [POLICY_PART_SECURE_BOOT] = "secure_boot",
        [POLICY_PART_FILES] = "files",
        [POLICY_PART_SIGNERS] = "signers",
        [POLICY_PART_EXCEPTIONS] = "exceptions",
    };
    return names[part];
}

/* One of a policy, in its printed text: what it is about, and what it says of that. */
struct statement_place {
    enum policy_part part;
    struct view key, value, whole;
};

struct printed {
    struct bytes text;
    size_t count, capacity;
    struct statement_place *statements;
};

static void printed_free(struct printed *printed)
{
    bytes_free(&printed->text);
    free(printed->statements);
}
DEFINE_OWN_VALUE(printed, printed_free)

/* Which word begins a statement of which part; where the left side is not what it is about. */
static const struct {
    const char *word;
    enum policy_part part;
    enum { KEY_LEFT, KEY_RIGHT, KEY_WHOLE } key;
} words[] = {
    {"pcr", POLICY_PART_PCRS, KEY_LEFT},
    {"firmware", POLICY_PART_FIRMWARE, KEY_WHOLE},
    {"events", POLICY_PART_EVENTS, KEY_LEFT},
    {"event", POLICY_PART_EVENTS, KEY_LEFT},
    {"secure_boot", POLICY_PART_SECURE_BOOT, KEY_LEFT},
    {"pk", POLICY_PART_SECURE_BOOT, KEY_LEFT},
    {"kek", POLICY_PART_SECURE_BOOT, KEY_LEFT},
    {"db", POLICY_PART_SECURE_BOOT, KEY_LEFT},
    {"authority", POLICY_PART_SECURE_BOOT, KEY_LEFT},
    {"dbx", POLICY_PART_SECURE_BOOT, KEY_LEFT},
    {"files", POLICY_PART_FILES, KEY_LEFT},
    {"file", POLICY_PART_FILES, KEY_RIGHT},
    {"signer", POLICY_PART_SIGNERS, KEY_WHOLE},
    {"except_file", POLICY_PART_EXCEPTIONS, KEY_WHOLE},
    {"except_violation", POLICY_PART_EXCEPTIONS, KEY_WHOLE},
};

static struct view view_until(struct view view, const char *separator)
{
    const uint8_t *end = memmem(view.data, view.size, separator, strlen(separator));

    return (struct view){view.data, end ? (size_t)(end - view.data) : view.size};
}

static struct view view_behind(struct view view, size_t size)
{
    size_t skipped = size < view.size ? size : view.size;

    return (struct view){view.data + skipped, view.size - skipped};
}

static enum status statement_add(struct printed *printed, struct view line)
{
    struct view word = view_until(line, " "), left = view_until(line, " = ");
    struct view right = view_behind(line, left.size + strlen(" = "));
    struct statement_place *statement;

    if (printed->count == printed->capacity) {
        size_t capacity = printed->capacity ? 2 * printed->capacity : 64;
        struct statement_place *more = reallocarray(printed->statements, capacity, sizeof *more);

        if (!more) {
            return STATUS_NO_MEMORY;
        }
        printed->statements = more;
        printed->capacity = capacity;
    }
    statement = &printed->statements[printed->count];
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (view_equal(word, view_string(words[i].word))) {
            *statement = (struct statement_place){.part = words[i].part, .whole = line};
            statement->key = words[i].key == KEY_WHOLE   ? line
                             : words[i].key == KEY_RIGHT ? right
                                                         : left;
            statement->value = words[i].key == KEY_WHOLE   ? (struct view){0}
                               : words[i].key == KEY_RIGHT ? left
                                                           : right;
            printed->count++;
        }
    }
    return STATUS_OK;
}

/* `or` belongs to the event before. */
static void statement_extend(struct statement_place *statement, struct view line)
{
    const uint8_t *end = line.data + line.size;

    statement->whole.size = (size_t)(end - statement->whole.data);
    statement->value.size = (size_t)(end - statement->value.data);
}

static enum status print(const struct policy *policy, struct printed *ret_printed)
{
    OWN(printed) struct printed printed = {0};
    struct view rest;

    TRY(policy_text_print(policy, &printed.text));
    rest = bytes_view(&printed.text);
    while (rest.size > 0) {
        struct view line = view_until(rest, "\n");

        rest = view_behind(rest, line.size + 1);
        while (line.size > 0 && line.data[0] == ' ') {
            line = view_behind(line, 1);
        }
        if (printed.count > 0 && view_equal(view_until(line, " "), view_string("or"))) {
            statement_extend(&printed.statements[printed.count - 1], line);
        } else {
            TRY(statement_add(&printed, line));
        }
    }
    *ret_printed = TAKE(printed);
    return STATUS_OK;
}

static int compare_subjects(const struct statement_place *one, const struct statement_place *other)
{
    return one->part != other->part ? (one->part < other->part ? -1 : 1)
                                    : view_compare(one->key, other->key);
}

static int compare(const void *left, const void *right)
{
    const struct statement_place *one = left, *other = right;
    int order = compare_subjects(one, other);

    return order != 0 ? order : view_compare(one->value, other->value);
}

static bool events_equal(const struct printed *old, const struct printed *new)
{
    size_t at = 0;

    for (size_t i = 0; i < old->count; i++) {
        if (old->statements[i].part != POLICY_PART_EVENTS) {
            continue;
        }
        while (at < new->count &&new->statements[at].part != POLICY_PART_EVENTS) {
            at++;
        }
        if (at == new->count || !view_equal(old->statements[i].whole, new->statements[at].whole)) {
            return false;
        }
        at++;
    }
    return true;
}

static void printed_sort(struct printed *printed)
{
    if (printed->count > 0) {
        qsort(printed->statements, printed->count, sizeof *printed->statements, compare);
    }
}

/* How many from `begin` on are about the same thing. */
static size_t run_of(const struct printed *printed, size_t begin,
                     const struct statement_place *subject)
{
    size_t end = begin;

    while (end < printed->count && compare_subjects(&printed->statements[end], subject) == 0) {
        end++;
    }
    return end - begin;
}

struct report_to {
    policy_difference_visitor visit;
    void *context;
};

static void tell(const struct report_to *report, bool is_added,
                 const struct statement_place *statement)
{
    if (report->visit) {
        report->visit(report->context, is_added, statement->whole);
    }
}

/* Both say something of one thing, or one of them does: equal values pair off, of the others so
 * many were changed as both have left. */
static void subject_diff(const struct statement_place *old, size_t old_count,
                         const struct statement_place *new, size_t new_count,
                         const struct report_to *report, struct policy_part_difference *difference)
{
    size_t removed = 0, added = 0, changed, i = 0, k = 0;

    while (i < old_count || k < new_count) {
        int order = i == old_count   ? 1
                    : k == new_count ? -1
                                     : view_compare(old[i].value, new[k].value);

        if (order < 0) {
            tell(report, false, &old[i++]);
            removed++;
        } else if (order > 0) {
            tell(report, true, &new[k++]);
            added++;
        } else {
            i++;
            k++;
        }
    }
    changed = removed < added ? removed : added;
    difference->changed += changed;
    difference->removed += removed - changed;
    difference->added += added - changed;
}

static bool is_zero(const struct policy_part_difference *difference)
{
    return !difference->added && !difference->removed && !difference->changed;
}

enum status policy_diff(const struct policy *old_policy, const struct policy *new_policy,
                        policy_difference_visitor visit, void *context,
                        struct policy_difference *ret_difference)
{
    OWN(printed) struct printed old = {0};
    OWN(printed) struct printed new = {0};
    const struct report_to report = {visit, context};
    struct policy_difference difference = {0};
    bool in_order;
    size_t i = 0, k = 0;

    TRY(print(old_policy, &old));
    TRY(print(new_policy, &new));
    in_order = events_equal(&old, &new);
    printed_sort(&old);
    printed_sort(&new);
    while (i < old.count || k < new.count) {
        const struct statement_place *subject =
            k == new.count ||
                    (i < old.count && compare_subjects(&old.statements[i], &new.statements[k]) < 0)
                ? &old.statements[i]
                : &new.statements[k];
        size_t old_count = run_of(&old, i, subject), new_count = run_of(&new, k, subject);

        subject_diff(old.statements + i, old_count, new.statements + k, new_count, &report,
                     &difference.parts[subject->part]);
        i += old_count;
        k += new_count;
    }
    difference.events_moved = !in_order && is_zero(&difference.parts[POLICY_PART_EVENTS]);
    *ret_difference = difference;
    return STATUS_OK;
}
