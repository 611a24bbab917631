/* From a policy to its reference set: sorted, each thing once, packed. */
#include "lib/base/protobuf.h"
#include "lib/policy/policy.h"

#include "proto/policy.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_COUNT_MAX = EVENT_STEP_COUNT_MAX, SECURE_BOOT_LIST_COUNT = SECURE_BOOT_PIN_COUNT + 1 };

/* What the message points to while it is packed. */
struct compilation {
    Tccp__ReferenceSet message;
    Tccp__SecureBoot secure_boot;
    Tccp__FilePolicy files;
    Tccp__PcrValues pcrs[PCR_COUNT];
    Tccp__PcrValues *pcr_list[PCR_COUNT];
    Tccp__EventStep *steps;
    Tccp__EventStep **step_list;
    struct bytes pins[SECURE_BOOT_LIST_COUNT];
    struct bytes file_set;
    uint64_t firmware[REFERENCE_SET_FIRMWARE_COUNT_MAX];
    /* Sorted lists of bytes, one for each field that is one. */
    size_t data_count, data_capacity;
    ProtobufCBinaryData **data;
};

static void compilation_free(struct compilation *compilation)
{
    for (size_t i = 0; i < compilation->data_count; i++) {
        free(compilation->data[i]);
    }
    free(compilation->data);
    free(compilation->steps);
    free(compilation->step_list);
    for (size_t i = 0; i < SECURE_BOOT_LIST_COUNT; i++) {
        bytes_free(&compilation->pins[i]);
    }
    bytes_free(&compilation->file_set);
}
DEFINE_OWN_VALUE(compilation, compilation_free)

static int data_order(const void *left, const void *right)
{
    return view_compare(protobuf_view(*(const ProtobufCBinaryData *)left),
                        protobuf_view(*(const ProtobufCBinaryData *)right));
}

/* Room for a list of `count`, which lives as long as the compilation. */
static enum status list_new(struct compilation *compilation, size_t count,
                            ProtobufCBinaryData **ret_list)
{
    ProtobufCBinaryData *list = calloc(count ? count : 1, sizeof *list);

    if (!list) {
        return STATUS_NO_MEMORY;
    }
    if (compilation->data_count == compilation->data_capacity) {
        size_t capacity = compilation->data_capacity ? 2 * compilation->data_capacity : 64;
        ProtobufCBinaryData **data = reallocarray(compilation->data, capacity, sizeof(void *));

        if (!data) {
            free(list);
            return STATUS_NO_MEMORY;
        }
        compilation->data = data;
        compilation->data_capacity = capacity;
    }
    compilation->data[compilation->data_count++] = list;
    *ret_list = list;
    return STATUS_OK;
}

/* Sorts the list and leaves out what is there twice. */
static void list_sort(ProtobufCBinaryData *list, size_t *count)
{
    size_t kept = 0;

    qsort(list, *count, sizeof *list, data_order);
    for (size_t i = 0; i < *count; i++) {
        if (kept == 0 || data_order(&list[kept - 1], &list[i]) != 0) {
            list[kept++] = list[i];
        }
    }
    *count = kept;
}

static enum status digests_list(struct compilation *compilation, const struct digest *digests,
                                size_t count, ProtobufCBinaryData **ret_list, size_t *ret_count)
{
    TRY(list_new(compilation, count, ret_list));
    for (size_t i = 0; i < count; i++) {
        (*ret_list)[i] = protobuf_data(digest_view(&digests[i]));
    }
    list_sort(*ret_list, &count);
    *ret_count = count;
    return STATUS_OK;
}

static enum status bytes_list(struct compilation *compilation, const struct policy_list *source,
                              ProtobufCBinaryData **ret_list, size_t *ret_count)
{
    size_t count = source->count;

    TRY(list_new(compilation, count, ret_list));
    for (size_t i = 0; i < count; i++) {
        (*ret_list)[i] = protobuf_data(bytes_view(&source->items[i]));
    }
    list_sort(*ret_list, &count);
    *ret_count = count;
    return STATUS_OK;
}

static enum status pcrs_compile(const struct policy *policy, struct compilation *compilation)
{
    size_t count = 0;

    for (uint32_t pcr = 0; pcr < PCR_COUNT; pcr++) {
        Tccp__PcrValues *values = &compilation->pcrs[count];

        if (!(policy->pcrs.listed >> pcr & 1)) {
            continue;
        }
        tccp__pcr_values__init(values);
        values->pcr = pcr;
        TRY(digests_list(compilation, policy->pcrs.allowed[pcr].values,
                         policy->pcrs.allowed[pcr].count, &values->values, &values->n_values));
        compilation->pcr_list[count++] = values;
    }
    compilation->message.n_pcrs = count;
    compilation->message.pcrs = compilation->pcr_list;
    return STATUS_OK;
}

static Tccp__EventRole role_to_message(enum event_role role)
{
    switch (role) {
    case EVENT_ROLE_NONE:
        break;
    case EVENT_ROLE_KERNEL:
        return TCCP__EVENT_ROLE__EVENT_ROLE_KERNEL;
    case EVENT_ROLE_LOAD_OPTIONS:
        return TCCP__EVENT_ROLE__EVENT_ROLE_LOAD_OPTIONS;
    case EVENT_ROLE_INITRD:
        return TCCP__EVENT_ROLE__EVENT_ROLE_INITRD;
    }
    return TCCP__EVENT_ROLE__EVENT_ROLE_NONE;
}

/* By PCR, in the order of the boot within each. */
static enum status events_compile(const struct policy *policy, struct compilation *compilation)
{
    const struct event_sequence *events = &policy->events;
    size_t count = 0;

    compilation->steps = calloc(events->step_count + 1, sizeof *compilation->steps);
    compilation->step_list = calloc(events->step_count + 1, sizeof(void *));
    if (!compilation->steps || !compilation->step_list) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t pcr = 0; pcr < PCR_COUNT; pcr++) {
        for (size_t i = 0; i < events->step_count; i++) {
            const struct event_step *step = &events->steps[i];
            Tccp__EventStep *message = &compilation->steps[count];

            if (step->pcr != pcr) {
                continue;
            }
            tccp__event_step__init(message);
            message->pcr = pcr;
            message->type = step->type;
            message->role = role_to_message(step->role);
            message->optional = step->optional;
            TRY(digests_list(compilation, step->digests, step->digest_count, &message->digests,
                             &message->n_digests));
            compilation->step_list[count++] = message;
        }
    }
    compilation->message.judged_pcrs = events->covered;
    compilation->message.n_events = count;
    compilation->message.events = compilation->step_list;
    return STATUS_OK;
}

/* digest_set keeps them sorted. */
static enum status pins_pack(const struct digest_set *set, struct bytes *bytes,
                             ProtobufCBinaryData *ret_data)
{
    TRY(bytes_copy((struct view){(const uint8_t *)set->digests, set->count * sizeof(struct digest)},
                   bytes));
    *ret_data = protobuf_data(bytes_view(bytes));
    return STATUS_OK;
}

static enum status secure_boot_compile(const struct policy *policy, struct compilation *compilation)
{
    const struct secure_boot_policy *source = &policy->secure_boot;
    Tccp__SecureBoot *message = &compilation->secure_boot;
    struct bytes *pins = compilation->pins;

    if (!policy->wants_secure_boot) {
        return STATUS_OK;
    }
    tccp__secure_boot__init(message);
    TRY(pins_pack(&source->pins[SECURE_BOOT_PK], &pins[0], &message->pk));
    TRY(pins_pack(&source->pins[SECURE_BOOT_KEK], &pins[1], &message->kek));
    TRY(pins_pack(&source->pins[SECURE_BOOT_DB], &pins[2], &message->db));
    TRY(pins_pack(&source->pins[SECURE_BOOT_AUTHORITY], &pins[3], &message->authority));
    TRY(pins_pack(&source->dbx_required, &pins[4], &message->dbx));
    compilation->message.secure_boot = message;
    return STATUS_OK;
}

static enum status files_compile(const struct policy *policy, struct compilation *compilation)
{
    OWN(file_set_builder) struct file_set_builder builder = {0};
    Tccp__FilePolicy *message = &compilation->files;

    if (!policy->judges_files) {
        return STATUS_OK;
    }
    tccp__file_policy__init(message);
    for (size_t i = 0; i < policy->file_count; i++) {
        TRY(file_set_builder_add(&builder, bytes_view(&policy->files[i].path),
                                 &policy->files[i].digest));
    }
    TRY(file_set_builder_take(&builder, &compilation->file_set));
    message->allowed = protobuf_data(bytes_view(&compilation->file_set));
    TRY(bytes_list(compilation, &policy->signers, &message->signers, &message->n_signers));
    TRY(bytes_list(compilation, &policy->exceptions[IMA_EXCEPTION_FILE], &message->excepted_files,
                   &message->n_excepted_files));
    TRY(bytes_list(compilation, &policy->exceptions[IMA_EXCEPTION_VIOLATION],
                   &message->excepted_violations, &message->n_excepted_violations));
    compilation->message.files = message;
    return STATUS_OK;
}

static int firmware_order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

enum status policy_compile(const struct policy *policy, struct bytes *ret_set)
{
    OWN(compilation) struct compilation compilation = {0};
    Tccp__ReferenceSet *message = &compilation.message;

    tccp__reference_set__init(message);
    message->format = REFERENCE_SET_FORMAT;
    message->name = protobuf_string(policy->name);
    TRY(pcrs_compile(policy, &compilation));
    TRY(events_compile(policy, &compilation));
    TRY(secure_boot_compile(policy, &compilation));
    TRY(files_compile(policy, &compilation));
    memcpy(compilation.firmware, policy->firmware, sizeof compilation.firmware);
    qsort(compilation.firmware, policy->firmware_count, sizeof(uint64_t), firmware_order);
    message->n_firmware = policy->firmware_count;
    message->firmware = compilation.firmware;
    return protobuf_pack(&message->base, REFERENCE_SET_SIZE_MAX, ret_set);
}
