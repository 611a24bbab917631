#include "lib/attest/reference_set.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"

#include "proto/policy.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reference_set_free(struct reference_set *set)
{
    pcr_policy_free(&set->pcrs);
    event_sequence_free(&set->events);
    secure_boot_policy_free(&set->secure_boot);
    ima_policy_free(&set->files);
    if (set->message) {
        tccp__reference_set__free_unpacked(set->message, NULL);
    }
    free(set);
}

/* A message has one encoding only if its lists are sorted, each entry there once. */
static enum status order_check(struct view previous, struct view next)
{
    return previous.data && view_compare(previous, next) >= 0 ? STATUS_MALFORMED : STATUS_OK;
}

static enum status list_check(const ProtobufCBinaryData *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        TRY(order_check(protobuf_view(list[i - 1]), protobuf_view(list[i])));
    }
    return STATUS_OK;
}

static enum status pcrs_open(const Tccp__ReferenceSet *message, struct pcr_policy *policy)
{
    for (size_t i = 0; i < message->n_pcrs; i++) {
        const Tccp__PcrValues *pcr = message->pcrs[i];

        if (i > 0 && message->pcrs[i - 1]->pcr >= pcr->pcr) {
            return STATUS_MALFORMED;
        }
        TRY(pcr_policy_list(policy, pcr->pcr));
        TRY(list_check(pcr->values, pcr->n_values));
        for (size_t j = 0; j < pcr->n_values; j++) {
            struct digest value;

            TRY(digest_of_view(protobuf_view(pcr->values[j]), &value));
            TRY(pcr_policy_allow(policy, pcr->pcr, &value));
        }
    }
    return STATUS_OK;
}

static enum status role_of_message(Tccp__EventRole role, enum event_role *ret_role)
{
    switch (role) {
    case TCCP__EVENT_ROLE__EVENT_ROLE_NONE:
        *ret_role = EVENT_ROLE_NONE;
        return STATUS_OK;
    case TCCP__EVENT_ROLE__EVENT_ROLE_KERNEL:
        *ret_role = EVENT_ROLE_KERNEL;
        return STATUS_OK;
    case TCCP__EVENT_ROLE__EVENT_ROLE_LOAD_OPTIONS:
        *ret_role = EVENT_ROLE_LOAD_OPTIONS;
        return STATUS_OK;
    case TCCP__EVENT_ROLE__EVENT_ROLE_INITRD:
        *ret_role = EVENT_ROLE_INITRD;
        return STATUS_OK;
    case _TCCP__EVENT_ROLE_IS_INT_SIZE:
        break;
    }
    return STATUS_MALFORMED;
}

static enum status step_open(const Tccp__EventStep *message, struct event_sequence *sequence)
{
    struct event_step *step;
    enum event_role role;

    TRY(role_of_message(message->role, &role));
    TRY(event_sequence_add(
        sequence, message->pcr, message->type, role,
        role == EVENT_ROLE_NONE ? event_type_name(message->type) : event_role_name(role), &step));
    step->optional = message->optional;
    TRY(list_check(message->digests, message->n_digests));
    for (size_t i = 0; i < message->n_digests; i++) {
        struct digest digest;

        TRY(digest_of_view(protobuf_view(message->digests[i]), &digest));
        TRY(event_step_allow(step, &digest));
    }
    return STATUS_OK;
}

static enum status events_open(const Tccp__ReferenceSet *message, struct reference_set *set)
{
    /* PCR 10 is explained by IMA's log: an event there would be believed without the quote. */
    if (message->judged_pcrs >> PCR_COUNT || (message->judged_pcrs >> PCR_IMA & 1)) {
        return STATUS_MALFORMED;
    }
    set->has_events = message->judged_pcrs != 0;
    for (size_t i = 0; i < message->n_events; i++) {
        const Tccp__EventStep *step = message->events[i];

        /* By PCR, and there in the order of the boot; a PCR with steps is judged. */
        if (step->pcr >= PCR_COUNT || !(message->judged_pcrs >> step->pcr & 1) ||
            (i > 0 && message->events[i - 1]->pcr > step->pcr)) {
            return STATUS_MALFORMED;
        }
        TRY(step_open(step, &set->events));
    }
    set->events.covered = message->judged_pcrs;
    return STATUS_OK;
}

static enum status digests_open(struct view packed, struct digest_set *set)
{
    struct reader reader = reader_of(packed);
    struct view previous = {NULL, 0};

    while (reader.left > 0) {
        struct view next = reader_view(&reader, SHA256_SIZE);
        struct digest digest;

        TRY(digest_of_view(next, &digest));
        TRY(order_check(previous, next));
        TRY(digest_set_add(set, &digest));
        previous = next;
    }
    return STATUS_OK;
}

static enum status secure_boot_open(const Tccp__SecureBoot *message,
                                    struct secure_boot_policy *policy)
{
    TRY(digests_open(protobuf_view(message->pk), &policy->pins[SECURE_BOOT_PK]));
    TRY(digests_open(protobuf_view(message->kek), &policy->pins[SECURE_BOOT_KEK]));
    TRY(digests_open(protobuf_view(message->db), &policy->pins[SECURE_BOOT_DB]));
    TRY(digests_open(protobuf_view(message->authority), &policy->pins[SECURE_BOOT_AUTHORITY]));
    return digests_open(protobuf_view(message->dbx), &policy->dbx_required);
}

static enum status exceptions_open(const ProtobufCBinaryData *list, size_t count,
                                   enum ima_exception what, struct ima_policy *policy)
{
    TRY(list_check(list, count));
    for (size_t i = 0; i < count; i++) {
        TRY(ima_policy_except(policy, what, protobuf_view(list[i])));
    }
    return STATUS_OK;
}

static enum status files_open(const Tccp__FilePolicy *message, struct ima_policy *policy)
{
    TRY(file_set_open(protobuf_view(message->allowed), &policy->files));
    TRY(list_check(message->signers, message->n_signers));
    for (size_t i = 0; i < message->n_signers; i++) {
        TRY(ima_policy_pin_signer(policy, protobuf_view(message->signers[i])));
    }
    TRY(exceptions_open(message->excepted_files, message->n_excepted_files, IMA_EXCEPTION_FILE,
                        policy));
    return exceptions_open(message->excepted_violations, message->n_excepted_violations,
                           IMA_EXCEPTION_VIOLATION, policy);
}

static enum status firmware_open(const Tccp__ReferenceSet *message, struct reference_set *set)
{
    if (message->n_firmware > REFERENCE_SET_FIRMWARE_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t i = 0; i < message->n_firmware; i++) {
        if (i > 0 && message->firmware[i - 1] >= message->firmware[i]) {
            return STATUS_MALFORMED;
        }
        set->firmware[set->firmware_count++] = message->firmware[i];
    }
    return STATUS_OK;
}

static enum status name_open(const char *name, struct reference_set *set)
{
    size_t length = strlen(name);

    if (length < 1 || length > REFERENCE_SET_NAME_LENGTH_MAX) {
        return STATUS_MALFORMED;
    }
    for (const char *at = name; *at; at++) {
        if (*at <= 0x20 || *at > 0x7e) {
            return STATUS_MALFORMED;
        }
    }
    memcpy(set->name, name, length + 1);
    return STATUS_OK;
}

static enum status part(enum status status, const char *what, struct refusal *refusal)
{
    if (status == STATUS_OK || status == STATUS_NO_MEMORY) {
        return status;
    }
    return refuse(refusal, status == STATUS_TOO_LARGE ? REFUSAL_TOO_LARGE : REFUSAL_MALFORMED,
                  "%s of the reference set: %s", what, status_text(status));
}

static enum status parts_open(const Tccp__ReferenceSet *message, struct reference_set *set,
                              struct refusal *refusal)
{
    if (message->format != REFERENCE_SET_FORMAT) {
        return refuse(refusal, REFUSAL_VERSION, "format %u of a reference set", message->format);
    }
    TRY(part(name_open(message->name, set), "the name", refusal));
    TRY(part(pcrs_open(message, &set->pcrs), "the PCR values", refusal));
    TRY(part(events_open(message, set), "the events", refusal));
    if (message->secure_boot) {
        set->has_secure_boot = true;
        TRY(part(secure_boot_open(message->secure_boot, &set->secure_boot), "Secure Boot",
                 refusal));
    }
    if (message->files) {
        set->has_files = true;
        TRY(part(files_open(message->files, &set->files), "the files", refusal));
    }
    return part(firmware_open(message, set), "the firmware versions", refusal);
}

enum status reference_set_open(struct view bytes, struct reference_set **ret_set,
                               struct refusal *refusal)
{
    OWN(reference_set) struct reference_set *set = NULL;

    if (bytes.size > REFERENCE_SET_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "a reference set of %zu bytes, at most %d",
                      bytes.size, REFERENCE_SET_SIZE_MAX);
    }
    set = calloc(1, sizeof *set);
    if (!set) {
        return STATUS_NO_MEMORY;
    }
    set->digest = sha256(bytes);
    set->message =
        protobuf_unpack_strict(&tccp__reference_set__descriptor, bytes, REFERENCE_SET_SIZE_MAX);
    if (!set->message) {
        return refuse(refusal, REFUSAL_MALFORMED, "not a reference set");
    }
    TRY(parts_open(set->message, set, refusal));
    *ret_set = TAKE(set);
    return STATUS_OK;
}

uint32_t reference_set_judged_pcrs(const struct reference_set *set)
{
    return (set->has_events ? set->events.covered : 0) |
           (set->has_secure_boot ? 1u << PCR_SECURE_BOOT : 0);
}

uint32_t reference_set_mask(const struct reference_set *set)
{
    return pcr_policy_mask(&set->pcrs) | reference_set_judged_pcrs(set) |
           (set->has_files ? 1u << PCR_IMA : 0);
}

enum status reference_set_check_firmware(const struct reference_set *set, uint64_t firmware,
                                         struct refusal *refusal)
{
    char expected[FINDING_VALUE_SIZE], seen[24];

    for (size_t i = 0; i < set->firmware_count; i++) {
        if (set->firmware[i] == firmware) {
            return STATUS_OK;
        }
    }
    if (set->firmware_count == 0) {
        return STATUS_OK;
    }
    (void)snprintf(expected, sizeof expected, "%016" PRIx64 "%s", set->firmware[0],
                   set->firmware_count > 1 ? " or others" : "");
    (void)snprintf(seen, sizeof seen, "%016" PRIx64, firmware);
    return refuse_about(refusal, REFUSAL_FIRMWARE,
                        (struct finding_texts){"firmware of the TPM", expected, seen},
                        "the TPM's firmware is %s, allowed is %s", seen, expected);
}
