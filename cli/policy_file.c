#include "cli/policy_file.h"

#include "cli/files.h"

#include "lib/policy/policy_lint.h"

#include <stdio.h>
#include <string.h>

/* A set begins with its field `format`, which no text does: texts are printable. */
static bool is_text(struct view content)
{
    return content.size == 0 || content.data[0] >= ' ' || content.data[0] == '\n' ||
           content.data[0] == '\t';
}

static enum exit_code text_parse(const struct cli *cli, const char *path, struct view text,
                                 struct policy **ret_policy)
{
    struct text_error error;
    enum status status = policy_text_parse(text, ret_policy, &error);

    if (status == STATUS_MALFORMED && error.line) {
        return report(cli, EXIT_FAILED, "", "%s, line %u, column %u: %s", path, error.line,
                      error.column, error.message);
    }
    if (status == STATUS_MALFORMED) {
        return report(cli, EXIT_FAILED, "", "%s: %s", path, error.message);
    }
    return status == STATUS_OK ? EXIT_DONE : report_status(cli, "read the policy", status);
}

enum exit_code policy_file_parse(const struct cli *cli, const char *path,
                                 struct policy **ret_policy)
{
    OWN(bytes) struct bytes content = {0};
    enum exit_code exit_code = file_load(cli, path, POLICY_TEXT_SIZE_MAX, &content);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!is_text(bytes_view(&content))) {
        return report(cli, EXIT_FAILED, "a compiled set keeps no names of files; use its text",
                      "%s is not the text of a policy", path);
    }
    return text_parse(cli, path, bytes_view(&content), ret_policy);
}

/* *policy: NULL where the file is a set, of which *bytes are the bytes either way. */
static enum exit_code file_open(const struct cli *cli, const char *path, struct policy **policy,
                                struct bytes *bytes, struct reference_set **ret_set)
{
    struct refusal refusal;
    enum exit_code exit_code = file_load(cli, path, POLICY_TEXT_SIZE_MAX, bytes);
    enum status status;

    if (exit_code == EXIT_DONE && is_text(bytes_view(bytes))) {
        exit_code = text_parse(cli, path, bytes_view(bytes), policy);
        if (exit_code == EXIT_DONE) {
            bytes_free(bytes);
            status = policy_compile(*policy, bytes);
            exit_code =
                status == STATUS_OK ? EXIT_DONE : report_status(cli, "compile the policy", status);
        }
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = reference_set_open(bytes_view(bytes), ret_set, &refusal);
    return status == STATUS_OK ? EXIT_DONE : report_about(cli, "read", path, status, &refusal);
}

enum exit_code reference_file_open(const struct cli *cli, const char *path,
                                   struct reference_set **ret_set, struct bytes *ret_bytes)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(policy) struct policy *policy = NULL;
    enum exit_code exit_code = file_open(cli, path, &policy, &bytes, ret_set);

    if (exit_code == EXIT_DONE && ret_bytes) {
        *ret_bytes = TAKE(bytes);
    }
    return exit_code;
}

enum exit_code policy_or_set_open(const struct cli *cli, const char *path,
                                  struct policy **ret_policy, struct reference_set **ret_set)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(policy) struct policy *policy = NULL;
    enum exit_code exit_code = file_open(cli, path, &policy, &bytes, ret_set);

    if (exit_code == EXIT_DONE) {
        *ret_policy = TAKE(policy);
    }
    return exit_code;
}

struct findings {
    const struct cli *cli;
    struct value *list;
};

static void add_finding(void *context, enum lint_code code, const char *text)
{
    const struct findings *findings = context;
    struct value *object = value_object();

    value_set_string(object, "code", lint_name(code));
    value_set_string(object, "text", text);
    value_add(findings->list, object);
    note(findings->cli, "open (%s): %s", lint_name(code), text);
}

struct value *reference_set_findings(const struct cli *cli, const struct reference_set *set)
{
    struct findings findings = {cli, value_list()};

    (void)reference_set_lint(set, add_finding, &findings);
    return findings.list;
}
