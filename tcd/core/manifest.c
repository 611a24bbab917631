#include "tcd/core/manifest.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/members.h"
#include "tcd/core/nodes.h"
#include "tcd/core/references.h"
#include "tcd/core/users.h"

#include <stdlib.h>

enum refusal_code perimeter_adopt(struct registry *registry, const struct command *command)
{
    struct perimeter *perimeter = &registry->perimeter;

    if (perimeter->adopted) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "a perimeter was adopted");
    }
    perimeter->adopted = true;
    perimeter->id = sha256(command->perimeter_adopted.root);
    perimeter->root = state_copy(command->perimeter_adopted.root);
    audit_begin(registry);
    audit_digest(registry, "perimeter", &perimeter->id);
    digest_touch_perimeter(registry);
    return REFUSAL_NONE;
}

/* A succession takes effect only together with the documents in force, signed by the new keys. */
static enum refusal_code check_successions(struct registry *registry,
                                           const struct perimeter_change *change)
{
    const struct perimeter *perimeter = &registry->perimeter;

    if (change->succession_number - change->succession_count != perimeter->succession_count) {
        return state_refuse(registry, REFUSAL_OLD_SUCCESSION, "number %u is in force",
                            perimeter->succession_count);
    }
    if (change->succession_number > CORE_SUCCESSION_COUNT_MAX) {
        return state_refuse(registry, REFUSAL_LIMIT, "%u successions",
                            (unsigned)CORE_SUCCESSION_COUNT_MAX);
    }
    if (perimeter->manifest_version > 0 && change->manifest.size == 0) {
        return state_refuse(registry, REFUSAL_TOO_FEW_SIGNATURES,
                            "the manifest is not signed by the new keys");
    }
    if (perimeter->epoch > 0 && change->endorsement.size == 0) {
        return state_refuse(registry, REFUSAL_TOO_FEW_SIGNATURES,
                            "the endorsement is not signed by the new keys");
    }
    return REFUSAL_NONE;
}

static enum refusal_code check_manifest(struct registry *registry,
                                        const struct perimeter_change *change)
{
    const struct perimeter *perimeter = &registry->perimeter;
    const struct manifest_facts *facts = change->manifest_facts;
    enum refusal_code verdict;
    bool signed_again = change->succession_count > 0 &&
                        facts->version == perimeter->manifest_version &&
                        digest_equal(&facts->digest, &perimeter->manifest_digest);

    if (facts->version <= perimeter->manifest_version && !signed_again) {
        return state_refuse(registry, REFUSAL_OLD_VERSION, "version %llu is in force",
                            (unsigned long long)perimeter->manifest_version);
    }
    if (facts->epoch < perimeter->manifest_epoch) {
        return state_refuse(registry, REFUSAL_OLD_EPOCH, "epoch %llu is in force",
                            (unsigned long long)perimeter->manifest_epoch);
    }
    if (perimeter->manifest_version > 0) {
        verdict = references_check_manifest(registry, facts);
        if (verdict != REFUSAL_NONE) {
            return verdict;
        }
    }
    verdict = members_check_manifest(registry, facts);
    return verdict == REFUSAL_NONE ? nodes_check_manifest(registry, facts) : verdict;
}

static enum refusal_code check_endorsement(struct registry *registry,
                                           const struct perimeter_change *change)
{
    const struct perimeter *perimeter = &registry->perimeter;
    const struct endorsement_facts *facts = change->endorsement_facts;

    if (facts->epoch < perimeter->epoch) {
        return state_refuse(registry, REFUSAL_OLD_EPOCH, "epoch %llu is in force",
                            (unsigned long long)perimeter->epoch);
    }
    if (facts->epoch == perimeter->epoch) {
        if (!digest_equal(&facts->tc_keys, &perimeter->tc_keys)) {
            return state_refuse(registry, REFUSAL_EPOCH_ENDORSED, "epoch %llu",
                                (unsigned long long)facts->epoch);
        }
        if (facts->not_after_s < perimeter->endorsed_until_s ||
            (facts->not_after_s == perimeter->endorsed_until_s && change->manifest.size == 0)) {
            return state_refuse(registry, REFUSAL_ALREADY_EXISTS,
                                "the endorsement in force holds as long");
        }
    }
    return REFUSAL_NONE;
}

static enum refusal_code check_change(struct registry *registry,
                                      const struct perimeter_change *change)
{
    const struct perimeter *perimeter = &registry->perimeter;
    uint64_t manifest_epoch = perimeter->manifest_epoch, epoch = perimeter->epoch;
    enum refusal_code verdict = REFUSAL_NONE;

    if (!perimeter->adopted) {
        return state_refuse(registry, REFUSAL_NOT_READY, "no perimeter was adopted");
    }
    if (!digest_equal(&change->perimeter_id, &perimeter->id)) {
        return state_refuse(registry, REFUSAL_WRONG_PERIMETER, "the perimeter here is another");
    }
    if (change->succession_count > 0) {
        verdict = check_successions(registry, change);
    }
    if (verdict == REFUSAL_NONE && change->manifest_facts) {
        verdict = check_manifest(registry, change);
        manifest_epoch = change->manifest_facts->epoch;
    }
    if (verdict == REFUSAL_NONE && change->endorsement_facts) {
        verdict = check_endorsement(registry, change);
        epoch = change->endorsement_facts->epoch;
    }
    if (verdict == REFUSAL_NONE && epoch > 0 && epoch != manifest_epoch) {
        verdict = state_refuse(registry, REFUSAL_EPOCH_MISMATCH,
                               "the manifest is of epoch %llu, the endorsement of %llu",
                               (unsigned long long)manifest_epoch, (unsigned long long)epoch);
    }
    return verdict;
}

void perimeter_put_manifest(struct perimeter *perimeter, struct view document,
                            const struct manifest_facts *facts)
{
    bytes_free(&perimeter->manifest);
    perimeter->manifest = state_copy(document);
    perimeter->manifest_digest = facts->digest;
    perimeter->manifest_version = facts->version;
    perimeter->manifest_epoch = facts->epoch;
    perimeter->not_before_s = facts->not_before_s;
    perimeter->not_after_s = facts->not_after_s;
    perimeter->lease_s = facts->lease_s;
    perimeter->development = facts->development;
    perimeter->member_policy = facts->member_policy;
    free(perimeter->references);
    perimeter->references = state_alloc(facts->reference_count + 1, sizeof *perimeter->references);
    perimeter->reference_count = facts->reference_count;
    for (unsigned i = 0; i < facts->reference_count; i++) {
        perimeter->references[i] = facts->references[i].digest;
    }
}

void perimeter_put_endorsement(struct perimeter *perimeter, struct view document,
                               const struct endorsement_facts *facts)
{
    bytes_free(&perimeter->endorsement);
    perimeter->endorsement = state_copy(document);
    perimeter->epoch = facts->epoch;
    perimeter->endorsed_until_s = facts->not_after_s;
    perimeter->tc_keys = facts->tc_keys;
}

enum refusal_code perimeter_apply(struct registry *registry, const struct command *command)
{
    const struct perimeter_change *change = &command->manifest_applied;
    struct perimeter *perimeter = &registry->perimeter;
    enum refusal_code verdict = check_change(registry, change);

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    for (unsigned i = 0; i < change->succession_count; i++) {
        perimeter->successions[perimeter->succession_count++] = state_copy(change->successions[i]);
    }
    if (change->endorsement_facts) {
        perimeter_put_endorsement(perimeter, change->endorsement, change->endorsement_facts);
    }
    if (change->manifest_facts) {
        if (change->manifest_facts->version > perimeter->manifest_version) {
            perimeter->expired = false;
        }
        perimeter_put_manifest(perimeter, change->manifest, change->manifest_facts);
    }
    audit_begin(registry);
    audit_number(registry, "succession", perimeter->succession_count);
    audit_number(registry, "version", perimeter->manifest_version);
    audit_digest(registry, "manifest", &perimeter->manifest_digest);
    audit_number(registry, "epoch", perimeter->epoch);
    audit_digest(registry, "coordinator-keys", &perimeter->tc_keys);
    digest_touch_perimeter(registry);
    if (change->manifest_facts) {
        members_of_manifest(registry, change->manifest_facts);
        users_of_manifest(registry, change->manifest_facts);
        nodes_of_manifest(registry, change->manifest_facts);
    }
    return REFUSAL_NONE;
}

enum refusal_code manifest_expire(struct registry *registry, const struct command *command)
{
    (void)command;
    if (registry->perimeter.manifest_version == 0 || registry->perimeter.expired) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "no manifest is valid");
    }
    registry->perimeter.expired = true;
    audit_begin(registry);
    audit_number(registry, "version", registry->perimeter.manifest_version);
    digest_touch_perimeter(registry);
    return REFUSAL_NONE;
}

void perimeter_clear(struct perimeter *perimeter)
{
    bytes_free(&perimeter->root);
    for (unsigned i = 0; i < perimeter->succession_count; i++) {
        bytes_free(&perimeter->successions[i]);
    }
    bytes_free(&perimeter->manifest);
    bytes_free(&perimeter->endorsement);
    free(perimeter->references);
    *perimeter = (struct perimeter){0};
}
