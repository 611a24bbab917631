/* A reference set learned from one captured boot, and captures appraised by reference sets. */
#ifndef TCCP_TESTS_LEARNED_H
#define TCCP_TESTS_LEARNED_H

#include "tests/unit/lib/attest/evidence_files.h"

/* All files that the boot measured; violations are no files. */
static inline struct bytes files_learn(struct view log)
{
    OWN(file_set_builder) struct file_set_builder builder = {0};
    struct reader reader = reader_of(log);
    struct bytes bytes;

    while (reader.left) {
        struct ima_entry entry;
        struct digest digest;

        assert_ok(ima_entry_read(&reader, &entry));
        assert_ok(digest_of_view(entry.file_digest, &digest));
        if (!entry.violation) {
            assert_ok(file_set_builder_add(&builder, entry.path, &digest));
        }
    }
    assert_ok(file_set_builder_take(&builder, &bytes));
    return bytes;
}

/* What is learned from one boot. */
struct learned {
    struct bytes files;
    struct reference_set *set;
};

static inline void learned_free(struct learned *learned)
{
    reference_set_free(learned->set);
    bytes_free(&learned->files);
}
DEFINE_OWN_VALUE(learned, learned_free)

static inline struct learned learned_of(const struct evidence_files *files, uint32_t covered)
{
    struct learned learned = {.files = files_learn(bytes_view(&files->ima_log)),
                              .set = calloc(1, sizeof *learned.set)};
    struct reference_set *set = learned.set;

    assert_non_null(set);
    assert_ok(event_sequence_learn(bytes_view(&files->event_log), covered, &set->events, NULL));
    set->has_events = set->has_files = true;
    set->has_secure_boot =
        secure_boot_learn(bytes_view(&files->event_log), &set->secure_boot, NULL) == STATUS_OK;
    assert_ok(file_set_open(bytes_view(&learned.files), &set->files.files));
    return learned;
}

static inline struct learned learn(const char *folder, uint32_t covered)
{
    OWN(evidence_files) struct evidence_files files = evidence_load(folder);

    return learned_of(&files, covered);
}

/* Appraises the files' boot by the references, without any list of PCR values, with the logs that
 * are given in the place of its own. */
static inline enum status appraise_logs(const struct evidence_files *files, struct view event_log,
                                        struct view ima_log, const struct references *references,
                                        struct refusal *refusal)
{
    struct evidence_view evidence = evidence_view_of(files);
    struct view cas[2] = {bytes_view(&files->cas[0]), bytes_view(&files->cas[1])};
    struct pcr_policy policy = {0};
    struct evidence_demand demand = appraisal_demand(&policy, references);
    uint32_t quoted =
        files->pcr_values.size == 11 * SHA256_SIZE ? EVIDENCE_MASK : EVIDENCE_MASK_UKI;
    struct appraisal appraisal;

    evidence.event_log = event_log;
    evidence.ima_log = ima_log;
    *refusal = (struct refusal){0};
    return appraisal_run(&evidence,
                         &(struct appraisal_inputs){
                             .policy = &policy,
                             .references = *references,
                             .more_pcrs = quoted & ~demand.pcr_mask,
                             .qualifying = bytes_view(&files->qualifying),
                             .ak_trust = AK_TRUST_BY_EK,
                             .cas = cas,
                             .ca_count = 2,
                             .now_s = EVIDENCE_NOW_S,
                         },
                         &appraisal, refusal);
}

static inline enum status references_appraise(const struct references *references,
                                              const struct evidence_files *files,
                                              struct refusal *refusal)
{
    return appraise_logs(files, bytes_view(&files->event_log), bytes_view(&files->ima_log),
                         references, refusal);
}

static inline enum status appraise_by(const char *folder, const struct references *references,
                                      struct refusal *refusal)
{
    OWN(evidence_files) struct evidence_files files = evidence_load(folder);

    return references_appraise(references, &files, refusal);
}

static inline enum status appraise(const char *folder, const struct learned *learned,
                                   struct refusal *refusal)
{
    return appraise_by(folder, &(struct references){.enforced = {1, {learned->set}}}, refusal);
}

enum { FIRMWARE_AND_KERNEL = 0x3ff, WITH_STUB = 0x7bff };

#endif
