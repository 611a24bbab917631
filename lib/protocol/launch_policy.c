#include "lib/protocol/launch_policy.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum { FORMAT = 1 };

bool protocol_text_good(const char *text, size_t length_max)
{
    size_t length = strlen(text);

    if (length == 0 || length > length_max) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static const Tccp__OnQuarantine quarantine_wire[] = {
    [ON_QUARANTINE_FENCE] = TCCP__ON_QUARANTINE__ON_QUARANTINE_UNSPECIFIED,
    [ON_QUARANTINE_PAUSE] = TCCP__ON_QUARANTINE__ON_QUARANTINE_PAUSE,
    [ON_QUARANTINE_STOP] = TCCP__ON_QUARANTINE__ON_QUARANTINE_STOP,
    [ON_QUARANTINE_MIGRATE] = TCCP__ON_QUARANTINE__ON_QUARANTINE_MIGRATE,
};

static bool read_quarantine(Tccp__OnQuarantine message, enum on_quarantine *ret_response)
{
    for (size_t i = 0; i < ARRAY_SIZE(quarantine_wire); i++) {
        if (quarantine_wire[i] == message) {
            *ret_response = (enum on_quarantine)i;
            return true;
        }
    }
    return false;
}

enum status launch_policy_build(const struct launch_policy *policy, struct bytes *ret_bytes)
{
    Tccp__LaunchPolicy message = TCCP__LAUNCH_POLICY__INIT;
    Tccp__AttributeRequirement rules[POLICY_RULE_COUNT_MAX];
    Tccp__AttributeRequirement *rule_pointers[POLICY_RULE_COUNT_MAX];
    char *values[POLICY_RULE_COUNT_MAX][POLICY_VALUE_COUNT_MAX];
    OWN(bytes) struct bytes bytes = {0};
    struct launch_policy again;

    if (policy->rule_count > POLICY_RULE_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (rule->value_count > POLICY_VALUE_COUNT_MAX) {
            return STATUS_MALFORMED;
        }
        tccp__attribute_requirement__init(&rules[i]);
        rules[i].key = message_string(rule->key);
        for (unsigned value = 0; value < rule->value_count; value++) {
            values[i][value] = message_string(rule->values[value]);
        }
        rules[i].values = values[i];
        rules[i].n_values = rule->value_count;
        rule_pointers[i] = &rules[i];
    }
    message.format = FORMAT;
    message.attributes = rule_pointers;
    message.n_attributes = policy->rule_count;
    message.on_lost_lease = policy->on_lost_lease == ON_LOST_LEASE_STOP
                                ? TCCP__ON_LOST_LEASE__ON_LOST_LEASE_STOP
                                : TCCP__ON_LOST_LEASE__ON_LOST_LEASE_PAUSE;
    message.on_quarantine = quarantine_wire[policy->on_quarantine];
    message.after_ms = policy->after_ms;
    message.may_migrate = policy->may_migrate;
    message.may_revert = policy->may_revert;
    message.may_restart = policy->may_restart;
    message.needs_host_profile = policy->needs_host_profile;
    TRY(protobuf_pack(&message.base, POLICY_SIZE_MAX, &bytes));
    if (launch_policy_parse(bytes_view(&bytes), &again, NULL) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    *ret_bytes = TAKE(bytes);
    return STATUS_OK;
}

static bool read_rule(const Tccp__AttributeRequirement *message, struct policy_rule *rule)
{
    if (!protocol_text_good(message->key, POLICY_TEXT_LENGTH_MAX) || message->n_values == 0 ||
        message->n_values > POLICY_VALUE_COUNT_MAX) {
        return false;
    }
    strcpy(rule->key, message->key);
    for (size_t i = 0; i < message->n_values; i++) {
        if (!protocol_text_good(message->values[i], POLICY_TEXT_LENGTH_MAX)) {
            return false;
        }
        strcpy(rule->values[i], message->values[i]);
    }
    rule->value_count = (unsigned)message->n_values;
    return true;
}

enum status launch_policy_parse(struct view bytes, struct launch_policy *ret_policy,
                                struct refusal *refusal)
{
    OWN(message) Tccp__LaunchPolicy *message = NULL;
    struct launch_policy policy = {0};

    if (bytes.size > POLICY_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "policy of %zu bytes", bytes.size);
    }
    message = (Tccp__LaunchPolicy *)protobuf_unpack_strict(&tccp__launch_policy__descriptor, bytes,
                                                           POLICY_SIZE_MAX);
    if (!message || message->format != FORMAT) {
        return refuse(refusal, REFUSAL_MALFORMED, "policy");
    }
    if (message->n_attributes > POLICY_RULE_COUNT_MAX) {
        return refuse(refusal, REFUSAL_MALFORMED, "policy: %zu attribute rules",
                      message->n_attributes);
    }
    for (size_t i = 0; i < message->n_attributes; i++) {
        if (!read_rule(message->attributes[i], &policy.rules[i])) {
            return refuse(refusal, REFUSAL_MALFORMED, "policy: attribute rule %zu", i + 1);
        }
    }
    policy.rule_count = (unsigned)message->n_attributes;
    if (message->on_lost_lease != TCCP__ON_LOST_LEASE__ON_LOST_LEASE_PAUSE &&
        message->on_lost_lease != TCCP__ON_LOST_LEASE__ON_LOST_LEASE_STOP) {
        return refuse(refusal, REFUSAL_MALFORMED, "policy: on_lost_lease");
    }
    policy.on_lost_lease = message->on_lost_lease == TCCP__ON_LOST_LEASE__ON_LOST_LEASE_STOP
                               ? ON_LOST_LEASE_STOP
                               : ON_LOST_LEASE_PAUSE;
    if (message->after_ms > POLICY_AFTER_MS_MAX) {
        return refuse(refusal, REFUSAL_MALFORMED, "policy: after_ms %" PRIu64, message->after_ms);
    }
    policy.after_ms = message->after_ms;
    policy.may_migrate = message->may_migrate;
    policy.may_revert = message->may_revert;
    policy.may_restart = message->may_restart;
    policy.needs_host_profile = message->needs_host_profile;
    if (!read_quarantine(message->on_quarantine, &policy.on_quarantine)) {
        return refuse(refusal, REFUSAL_MALFORMED, "policy: on_quarantine");
    }
    if (policy.on_quarantine == ON_QUARANTINE_MIGRATE && !policy.may_migrate) {
        return refuse(refusal, REFUSAL_MALFORMED,
                      "policy: on_quarantine migrate needs may_migrate");
    }
    *ret_policy = policy;
    return STATUS_OK;
}
