#include "tcd/core/fields.h"

#include <string.h>

enum { AFTER_MS_MAX = 24 * 3600 * 1000 };

bool field_text(const char *source, char *destination, size_t length_max)
{
    size_t length = strlen(source);

    if (length > length_max) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((uint8_t)source[i] < 0x20 || source[i] == 0x7f) {
            return false;
        }
    }
    memset(destination, 0, length_max + 1);
    memcpy(destination, source, length);
    return true;
}

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '@';
}

bool field_name(const char *source, struct core_name *ret_name)
{
    if (source[0] == '\0') {
        return false;
    }
    for (const char *at = source; *at; at++) {
        if (!name_character(*at)) {
            return false;
        }
    }
    return field_text(source, ret_name->text, CORE_NAME_LENGTH_MAX);
}

bool field_digest(ProtobufCBinaryData source, struct digest *ret_digest)
{
    return digest_of_view(protobuf_view(source), ret_digest) == STATUS_OK;
}

bool field_digest_optional(ProtobufCBinaryData source, struct digest *ret_digest)
{
    *ret_digest = (struct digest){{0}};
    return source.len == 0 || field_digest(source, ret_digest);
}

bool field_tpm_name(ProtobufCBinaryData source, struct tpm_name *ret_name)
{
    if (source.len < 3 || source.len > sizeof ret_name->bytes) {
        return false;
    }
    *ret_name = (struct tpm_name){.size = source.len};
    memcpy(ret_name->bytes, source.data, source.len);
    return true;
}

bool field_fixed(ProtobufCBinaryData source, void *destination, size_t size)
{
    if (source.len != size) {
        return false;
    }
    memcpy(destination, source.data, size);
    return true;
}

bool field_view(ProtobufCBinaryData source, size_t size_min, size_t size_max, struct view *ret)
{
    *ret = protobuf_view(source);
    return source.len >= size_min && source.len <= size_max;
}

bool field_boot(const Tccp__Log__BootCounters *source, struct boot_counters *ret)
{
    if (!source) {
        return false;
    }
    *ret = (struct boot_counters){source->reset_count, source->restart_count, source->clock_ms};
    return true;
}

bool field_progress(const Tccp__Log__AppraisalProgress *source, struct appraisal_progress *ret)
{
    if (!source) {
        *ret = (struct appraisal_progress){0};
        return true;
    }
    ret->ima_count = source->ima_count;
    return field_digest_optional(source->ima_aggregate, &ret->ima_aggregate) &&
           field_digest_optional(source->boot_pcrs, &ret->boot_pcrs) &&
           field_digest_optional(source->references, &ret->references);
}

bool field_role(Tccp__Log__UserRole source, enum user_role *ret_role)
{
    switch (source) {
    case TCCP__LOG__USER_ROLE__USER_ROLE_OPERATOR:
        *ret_role = USER_OPERATOR;
        return true;
    case TCCP__LOG__USER_ROLE__USER_ROLE_CUSTOMER:
        *ret_role = USER_CUSTOMER;
        return true;
    case TCCP__LOG__USER_ROLE__USER_ROLE_AUDITOR:
        *ret_role = USER_AUDITOR;
        return true;
    case TCCP__LOG__USER_ROLE__USER_ROLE_UNSPECIFIED:
    case _TCCP__LOG__USER_ROLE_IS_INT_SIZE:
        break;
    }
    return false;
}

static bool field_rule(const Tccp__Log__AttributeRule *source, struct attribute_rule *ret_rule)
{
    if (source->key[0] == '\0' || !field_text(source->key, ret_rule->key, CORE_NAME_LENGTH_MAX) ||
        source->n_values == 0 || source->n_values > CORE_RULE_VALUE_COUNT_MAX) {
        return false;
    }
    ret_rule->value_count = (unsigned)source->n_values;
    for (size_t i = 0; i < source->n_values; i++) {
        if (!field_text(source->values[i], ret_rule->values[i], CORE_VALUE_LENGTH_MAX)) {
            return false;
        }
    }
    return true;
}

static bool field_quarantine(Tccp__Log__QuarantineResponse source,
                             enum quarantine_response *ret_response)
{
    switch (source) {
    case TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_UNSPECIFIED:
        *ret_response = QUARANTINE_FENCE;
        return true;
    case TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_PAUSE:
        *ret_response = QUARANTINE_PAUSE;
        return true;
    case TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_STOP:
        *ret_response = QUARANTINE_STOP;
        return true;
    case TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_MIGRATE:
        *ret_response = QUARANTINE_MIGRATE;
        return true;
    case _TCCP__LOG__QUARANTINE_RESPONSE_IS_INT_SIZE:
        break;
    }
    return false;
}

bool field_finding(const Tccp__Log__Finding *source, struct finding *ret_finding)
{
    *ret_finding = (struct finding){.subject = ""};
    return !source ||
           (field_text(source->subject, ret_finding->subject, FINDING_SUBJECT_SIZE - 1) &&
            field_text(source->expected, ret_finding->expected, FINDING_VALUE_SIZE - 1) &&
            field_text(source->seen, ret_finding->seen, FINDING_VALUE_SIZE - 1));
}

bool field_policy(const Tccp__Log__VmPolicy *source, struct vm_policy *ret_policy)
{
    if (!source || source->n_attributes > CORE_RULE_COUNT_MAX || source->after_ms > AFTER_MS_MAX) {
        return false;
    }
    *ret_policy = (struct vm_policy){
        .rule_count = (unsigned)source->n_attributes,
        .after_ms = source->after_ms,
        .may_migrate = source->may_migrate,
        .may_revert = source->may_revert,
        .may_restart = source->may_restart,
        .needs_host_profile = source->needs_host_profile,
    };
    for (size_t i = 0; i < source->n_attributes; i++) {
        if (!field_rule(source->attributes[i], &ret_policy->rules[i])) {
            return false;
        }
    }
    if (!field_quarantine(source->on_quarantine, &ret_policy->on_quarantine) ||
        (ret_policy->on_quarantine == QUARANTINE_MIGRATE && !ret_policy->may_migrate)) {
        return false;
    }
    switch (source->on_lost_lease) {
    case TCCP__LOG__LOST_LEASE_ACTION__LOST_LEASE_PAUSE:
        ret_policy->on_lost_lease = LOST_LEASE_PAUSE;
        return true;
    case TCCP__LOG__LOST_LEASE_ACTION__LOST_LEASE_STOP:
        ret_policy->on_lost_lease = LOST_LEASE_STOP;
        return true;
    case TCCP__LOG__LOST_LEASE_ACTION__LOST_LEASE_UNSPECIFIED:
    case _TCCP__LOG__LOST_LEASE_ACTION_IS_INT_SIZE:
        break;
    }
    return false;
}

Tccp__Log__Finding *finding_to_message(const struct finding *finding,
                                       Tccp__Log__Finding *ret_message)
{
    tccp__log__finding__init(ret_message);
    ret_message->subject = text_of(finding->subject);
    ret_message->expected = text_of(finding->expected);
    ret_message->seen = text_of(finding->seen);
    return finding->subject[0] ? ret_message : NULL;
}

static const void *member_at(const ProtobufCMessage *message, unsigned offset)
{
    return (const uint8_t *)message + offset;
}

bool message_is_known(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields > 0) {
        return false;
    }
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        bool in_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;

        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (in_oneof) {
            uint32_t chosen;

            memcpy(&chosen, member_at(message, field->quantifier_offset), sizeof chosen);
            if (chosen != field->id) {
                continue;
            }
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count;
            ProtobufCMessage *const *items;

            memcpy(&count, member_at(message, field->quantifier_offset), sizeof count);
            memcpy(&items, member_at(message, field->offset), sizeof items);
            for (size_t k = 0; k < count; k++) {
                if (!message_is_known(items[k])) {
                    return false;
                }
            }
        } else {
            const ProtobufCMessage *item;

            memcpy(&item, member_at(message, field->offset), sizeof item);
            if (item && !message_is_known(item)) {
                return false;
            }
        }
    }
    return true;
}

ProtobufCBinaryData data_of_digest(const struct digest *digest)
{
    return protobuf_data(digest_view(digest));
}

ProtobufCBinaryData data_of_digest_optional(const struct digest *digest)
{
    return digest_is_zero(digest) ? (ProtobufCBinaryData){0} : data_of_digest(digest);
}

ProtobufCBinaryData data_of_tpm_name(const struct tpm_name *name)
{
    return protobuf_data(tpm_name_view(name));
}

char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

Tccp__Log__UserRole role_to_wire(enum user_role role)
{
    static const Tccp__Log__UserRole wire[USER_ROLE_COUNT] = {
        [USER_OPERATOR] = TCCP__LOG__USER_ROLE__USER_ROLE_OPERATOR,
        [USER_CUSTOMER] = TCCP__LOG__USER_ROLE__USER_ROLE_CUSTOMER,
        [USER_AUDITOR] = TCCP__LOG__USER_ROLE__USER_ROLE_AUDITOR,
    };

    ASSERT(role < USER_ROLE_COUNT);
    return wire[role];
}

void policy_to_message(const struct vm_policy *policy, struct policy_message *ret_message)
{
    static const Tccp__Log__QuarantineResponse quarantine[] = {
        [QUARANTINE_FENCE] = TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_UNSPECIFIED,
        [QUARANTINE_PAUSE] = TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_PAUSE,
        [QUARANTINE_STOP] = TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_STOP,
        [QUARANTINE_MIGRATE] = TCCP__LOG__QUARANTINE_RESPONSE__QUARANTINE_RESPONSE_MIGRATE,
    };

    tccp__log__vm_policy__init(&ret_message->message);
    ret_message->message.n_attributes = policy->rule_count;
    ret_message->message.attributes = ret_message->rule_pointers;
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct attribute_rule *rule = &policy->rules[i];
        Tccp__Log__AttributeRule *message = &ret_message->rules[i];

        tccp__log__attribute_rule__init(message);
        message->key = text_of(rule->key);
        message->n_values = rule->value_count;
        message->values = ret_message->values[i];
        for (unsigned k = 0; k < rule->value_count; k++) {
            ret_message->values[i][k] = text_of(rule->values[k]);
        }
        ret_message->rule_pointers[i] = message;
    }
    ret_message->message.on_lost_lease = policy->on_lost_lease == LOST_LEASE_STOP
                                             ? TCCP__LOG__LOST_LEASE_ACTION__LOST_LEASE_STOP
                                             : TCCP__LOG__LOST_LEASE_ACTION__LOST_LEASE_PAUSE;
    ret_message->message.on_quarantine = quarantine[policy->on_quarantine];
    ret_message->message.after_ms = policy->after_ms;
    ret_message->message.may_migrate = policy->may_migrate;
    ret_message->message.may_revert = policy->may_revert;
    ret_message->message.may_restart = policy->may_restart;
    ret_message->message.needs_host_profile = policy->needs_host_profile;
}

void boot_to_message(const struct boot_counters *boot, Tccp__Log__BootCounters *ret_message)
{
    tccp__log__boot_counters__init(ret_message);
    ret_message->reset_count = boot->reset_count;
    ret_message->restart_count = boot->restart_count;
    ret_message->clock_ms = boot->clock_ms;
}

void progress_to_message(const struct appraisal_progress *progress,
                         Tccp__Log__AppraisalProgress *ret_message)
{
    tccp__log__appraisal_progress__init(ret_message);
    ret_message->ima_count = progress->ima_count;
    ret_message->ima_aggregate = data_of_digest_optional(&progress->ima_aggregate);
    ret_message->boot_pcrs = data_of_digest_optional(&progress->boot_pcrs);
    ret_message->references = data_of_digest_optional(&progress->references);
}
