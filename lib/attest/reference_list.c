#include "lib/attest/reference_list.h"

#include <string.h>

uint32_t reference_list_mask(const struct reference_list *list)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < list->count; i++) {
        mask |= reference_set_mask(list->sets[i]);
    }
    return mask;
}

uint32_t reference_list_judged_pcrs(const struct reference_list *list)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < list->count; i++) {
        mask |= reference_set_judged_pcrs(list->sets[i]);
    }
    return mask;
}

bool reference_list_needs_ima_log(const struct reference_list *list)
{
    bool needs = false;

    for (size_t i = 0; i < list->count; i++) {
        needs |= list->sets[i]->has_files;
    }
    return needs;
}

bool reference_list_judges_files(const struct reference_list *list)
{
    bool judges = list->count > 0;

    for (size_t i = 0; i < list->count; i++) {
        judges &= list->sets[i]->has_files;
    }
    return judges;
}

struct digest reference_list_digest(const struct reference_list *list)
{
    uint8_t digests[REFERENCE_LIST_COUNT_MAX * SHA256_SIZE];

    if (list->count == 0) {
        return (struct digest){{0}};
    }
    for (size_t i = 0; i < list->count; i++) {
        memcpy(digests + i * SHA256_SIZE, list->sets[i]->digest.bytes, SHA256_SIZE);
    }
    return sha256((struct view){digests, list->count * SHA256_SIZE});
}

static enum status set_check_boot(const struct reference_set *set, uint64_t firmware,
                                  struct view event_log, const struct pcr_bank *quoted,
                                  struct refusal *refusal)
{
    if (reference_set_mask(set) == 0) {
        return refuse(refusal, REFUSAL_POLICY_MISSING, "the policy %s judges no PCR", set->name);
    }
    TRY(reference_set_check_firmware(set, firmware, refusal));
    /* Before the sequence: "Secure Boot is off" says more than "another digest". */
    if (set->has_secure_boot) {
        TRY(secure_boot_check(&set->secure_boot, event_log, refusal));
    }
    if (set->has_events) {
        TRY(event_sequence_check(&set->events, event_log, refusal));
    }
    return set->pcrs.listed ? pcr_policy_check(&set->pcrs, quoted, refusal) : STATUS_OK;
}

enum status reference_list_check_boot(const struct reference_list *list, uint64_t firmware,
                                      struct view event_log, const struct pcr_bank *quoted,
                                      const struct reference_set **ret_set, struct refusal *refusal)
{
    for (size_t i = 0; i < list->count; i++) {
        enum status status = set_check_boot(list->sets[i], firmware, event_log, quoted, refusal);

        if (status == STATUS_OK && ret_set) {
            *ret_set = list->sets[i];
        }
        if (status != STATUS_REFUSED || i + 1 == list->count) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status reference_list_check_file(const struct reference_list *list, uint64_t number,
                                      const struct ima_entry *entry, struct refusal *refusal)
{
    enum status status = STATUS_OK;

    for (size_t i = 0; i < list->count; i++) {
        status = ima_policy_check(&list->sets[i]->files, number, entry, refusal);
        if (status != STATUS_REFUSED) {
            break;
        }
    }
    return status;
}
