#include "lib/policy/policy.h"

#include <stdlib.h>
#include <string.h>

struct policy *policy_new(void)
{
    return calloc(1, sizeof(struct policy));
}

static void list_free(struct policy_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        bytes_free(&list->items[i]);
    }
    free(list->items);
}

void policy_free(struct policy *policy)
{
    pcr_policy_free(&policy->pcrs);
    event_sequence_free(&policy->events);
    secure_boot_policy_free(&policy->secure_boot);
    for (size_t i = 0; i < policy->file_count; i++) {
        bytes_free(&policy->files[i].path);
    }
    free(policy->files);
    list_free(&policy->signers);
    for (unsigned what = 0; what < IMA_EXCEPTION_KIND_COUNT; what++) {
        list_free(&policy->exceptions[what]);
    }
    free(policy);
}

static bool is_name_character(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';
}

enum status policy_set_name(struct policy *policy, struct view name)
{
    if (name.size < 1 || name.size > REFERENCE_SET_NAME_LENGTH_MAX) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (!is_name_character(name.data[i])) {
            return STATUS_MALFORMED;
        }
    }
    memcpy(policy->name, name.data, name.size);
    policy->name[name.size] = '\0';
    return STATUS_OK;
}

/* A file that is there twice costs a place until the set is made, which drops it. */
enum status policy_add_file(struct policy *policy, struct view path, const struct digest *digest)
{
    if (path.size == 0 || path.size > IMA_PATH_SIZE_MAX || memchr(path.data, 0, path.size)) {
        return STATUS_MALFORMED;
    }
    if (policy->file_count >= POLICY_FILE_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (policy->file_count == policy->file_capacity) {
        size_t capacity = policy->file_capacity ? 2 * policy->file_capacity : 256;
        struct policy_file *files = reallocarray(policy->files, capacity, sizeof *files);

        if (!files) {
            return STATUS_NO_MEMORY;
        }
        policy->files = files;
        policy->file_capacity = capacity;
    }
    policy->files[policy->file_count].digest = *digest;
    TRY(bytes_copy(path, &policy->files[policy->file_count].path));
    policy->file_count++;
    return STATUS_OK;
}

static enum status list_add(struct policy_list *list, size_t count_max, struct view item)
{
    struct bytes *items;

    for (size_t i = 0; i < list->count; i++) {
        if (view_equal(bytes_view(&list->items[i]), item)) {
            return STATUS_OK;
        }
    }
    if (list->count >= count_max) {
        return STATUS_TOO_LARGE;
    }
    items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (!items) {
        return STATUS_NO_MEMORY;
    }
    list->items = items;
    TRY(bytes_copy(item, &items[list->count]));
    list->count++;
    return STATUS_OK;
}

enum status policy_add_signer(struct policy *policy, struct view spki)
{
    OWN(ima_policy) struct ima_policy probe = {0};

    TRY(ima_policy_pin_signer(&probe, spki));
    return list_add(&policy->signers, IMA_SIGNER_COUNT_MAX, spki);
}

enum status policy_add_exception(struct policy *policy, enum ima_exception what, struct view path)
{
    OWN(ima_policy) struct ima_policy probe = {0};

    TRY(ima_policy_except(&probe, what, path));
    return list_add(&policy->exceptions[what], IMA_EXCEPTION_COUNT_MAX, path);
}

enum status policy_add_firmware(struct policy *policy, uint64_t version)
{
    for (size_t i = 0; i < policy->firmware_count; i++) {
        if (policy->firmware[i] == version) {
            return STATUS_OK;
        }
    }
    if (policy->firmware_count >= REFERENCE_SET_FIRMWARE_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    policy->firmware[policy->firmware_count++] = version;
    return STATUS_OK;
}
