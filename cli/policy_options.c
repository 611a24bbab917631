#include "cli/policy_options.h"

#include "lib/base/time_text.h"
#include "lib/daemon/config_file.h"

#include <stdio.h>
#include <string.h>

static const struct config_key keys[] = {
    {.name = "require", .type = CONFIG_STRINGS},
    {.name = "on-lost-lease", .type = CONFIG_STRING},
    {.name = "on-quarantine", .type = CONFIG_STRING},
    {.name = "after", .type = CONFIG_STRING},
    {.name = "may-migrate", .type = CONFIG_FLAG},
    {.name = "may-restart", .type = CONFIG_FLAG},
    {.name = "may-revert", .type = CONFIG_FLAG},
    {.name = "needs-host-profile", .type = CONFIG_FLAG},
};

/* `length` characters as a text of the protocol. */
static bool text_copy(char target[POLICY_TEXT_LENGTH_MAX + 1], const char *text, size_t length)
{
    if (length > POLICY_TEXT_LENGTH_MAX) {
        return false;
    }
    memcpy(target, text, length);
    target[length] = '\0';
    return protocol_text_good(target, POLICY_TEXT_LENGTH_MAX);
}

enum status policy_require(struct launch_policy *policy, const char *text,
                           struct refusal *ret_refusal)
{
    struct policy_rule rule = {.value_count = 0};
    const char *at = strchr(text, '=');

    if (policy->rule_count == POLICY_RULE_COUNT_MAX) {
        return refuse(ret_refusal, REFUSAL_LIMIT, "more than %d requirements",
                      POLICY_RULE_COUNT_MAX);
    }
    if (!at || !text_copy(rule.key, text, (size_t)(at - text))) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "key=value is expected, not %.100s", text);
    }
    do {
        size_t length = strcspn(++at, ",");

        if (rule.value_count == POLICY_VALUE_COUNT_MAX) {
            return refuse(ret_refusal, REFUSAL_LIMIT, "more than %d values of %s",
                          POLICY_VALUE_COUNT_MAX, rule.key);
        }
        if (!text_copy(rule.values[rule.value_count++], at, length)) {
            return refuse(ret_refusal, REFUSAL_MALFORMED, "a value of %s is empty or too long",
                          rule.key);
        }
        at += length;
    } while (*at == ',');
    policy->rules[policy->rule_count++] = rule;
    return STATUS_OK;
}

static enum exit_code require_add(const struct cli *cli, struct launch_policy *policy,
                                  const char *text)
{
    struct refusal refusal = {.code = REFUSAL_NONE};

    return policy_require(policy, text, &refusal) == STATUS_OK
               ? EXIT_DONE
               : report_usage(cli, "a requirement is malformed: %s", refusal.detail);
}

static enum exit_code lost_lease_set(const struct cli *cli, struct launch_policy *policy,
                                     const char *text)
{
    if (strcmp(text, "pause") != 0 && strcmp(text, "stop") != 0) {
        return report_usage(cli, "on-lost-lease is pause or stop, not %s", text);
    }
    policy->on_lost_lease = *text == 's' ? ON_LOST_LEASE_STOP : ON_LOST_LEASE_PAUSE;
    return EXIT_DONE;
}

static enum exit_code quarantine_set(const struct cli *cli, struct launch_policy *policy,
                                     const char *text)
{
    static const char *const words[] = {
        [ON_QUARANTINE_FENCE] = "fence",
        [ON_QUARANTINE_PAUSE] = "pause",
        [ON_QUARANTINE_STOP] = "stop",
        [ON_QUARANTINE_MIGRATE] = "migrate",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            policy->on_quarantine = (enum on_quarantine)i;
            return EXIT_DONE;
        }
    }
    return report_usage(cli, "on-quarantine is fence, pause, stop or migrate, not %s", text);
}

static enum exit_code after_set(const struct cli *cli, struct launch_policy *policy,
                                const char *text)
{
    uint64_t after_s;

    if (duration_parse(view_string(text), &after_s) != STATUS_OK ||
        after_s > POLICY_AFTER_MS_MAX / 1000) {
        return report_usage(cli, "after takes a duration of at most 7d such as 5m, not %s", text);
    }
    policy->after_ms = after_s * 1000;
    return EXIT_DONE;
}

static enum exit_code file_read(const struct cli *cli, const char *path,
                                struct launch_policy *policy)
{
    OWN(config_file) struct config_file *file = NULL;
    char error[CONFIG_ERROR_SIZE] = "";
    enum exit_code exit_code = EXIT_DONE;
    enum status status = config_file_read(path, keys, ARRAY_SIZE(keys), &file, error);

    if (status != STATUS_OK) {
        return report(cli, status == STATUS_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED, "",
                      "cannot read the policy: %s", error);
    }
    for (size_t i = 0; exit_code == EXIT_DONE && i < config_list_size(file, "require"); i++) {
        exit_code = require_add(cli, policy, config_list_item(file, "require", i));
    }
    if (exit_code == EXIT_DONE && config_has(file, "on-lost-lease")) {
        exit_code = lost_lease_set(cli, policy, config_string(file, "on-lost-lease"));
    }
    if (exit_code == EXIT_DONE && config_has(file, "on-quarantine")) {
        exit_code = quarantine_set(cli, policy, config_string(file, "on-quarantine"));
    }
    if (exit_code == EXIT_DONE && config_has(file, "after")) {
        exit_code = after_set(cli, policy, config_string(file, "after"));
    }
    policy->may_migrate = config_flag(file, "may-migrate");
    policy->may_restart = config_flag(file, "may-restart");
    policy->may_revert = config_flag(file, "may-revert");
    policy->needs_host_profile = config_flag(file, "needs-host-profile");
    return exit_code;
}

enum exit_code policy_read(const struct cli *cli, struct launch_policy *ret_policy)
{
    struct launch_policy policy = {.after_ms = POLICY_AFTER_MS_DEFAULT};
    const char *path = option_value(cli, "policy"), *text;
    enum exit_code exit_code = path ? file_read(cli, path, &policy) : EXIT_DONE;

    for (size_t i = 0; exit_code == EXIT_DONE && (text = option_value_at(cli, "require", i)); i++) {
        exit_code = require_add(cli, &policy, text);
    }
    text = option_value(cli, "on-lost-lease");
    if (exit_code == EXIT_DONE && text) {
        exit_code = lost_lease_set(cli, &policy, text);
    }
    text = option_value(cli, "on-quarantine");
    if (exit_code == EXIT_DONE && text) {
        exit_code = quarantine_set(cli, &policy, text);
    }
    text = option_value(cli, "after");
    if (exit_code == EXIT_DONE && text) {
        exit_code = after_set(cli, &policy, text);
    }
    policy.may_migrate |= option_is_set(cli, "may-migrate");
    policy.may_restart |= option_is_set(cli, "may-restart");
    policy.may_revert |= option_is_set(cli, "may-revert");
    policy.needs_host_profile |= option_is_set(cli, "needs-host-profile");
    if (exit_code == EXIT_DONE && policy.on_quarantine == ON_QUARANTINE_MIGRATE &&
        !policy.may_migrate) {
        return report_usage(cli, "on-quarantine migrate needs may-migrate");
    }
    *ret_policy = policy;
    return exit_code;
}
