#include "cli/policy_review.h"

#include "cli/policy_file.h"

#include "lib/base/text.h"
#include "lib/policy/policy_lint.h"

#include <stdio.h>

enum { SHOWN_COUNT_MAX = 64, WARNING_SIZE = 512 };

/* The sets that the signer was shown. */
struct shown_sets {
    size_t count;
    struct reference_set *sets[SHOWN_COUNT_MAX];
};

static void shown_sets_free(struct shown_sets *shown)
{
    for (size_t i = 0; i < shown->count; i++) {
        reference_set_free(shown->sets[i]);
    }
}
DEFINE_OWN_VALUE(shown_sets, shown_sets_free)

static enum exit_code shown_load(const struct cli *cli, struct shown_sets *shown)
{
    enum exit_code exit_code = EXIT_DONE;

    for (size_t i = 0; exit_code == EXIT_DONE && option_value_at(cli, "with", i); i++) {
        if (shown->count == SHOWN_COUNT_MAX) {
            return report_usage(cli, "more than %d of --with", SHOWN_COUNT_MAX);
        }
        exit_code = reference_file_open(cli, option_value_at(cli, "with", i),
                                        &shown->sets[shown->count], NULL);
        shown->count += exit_code == EXIT_DONE;
    }
    return exit_code;
}

static const struct reference_set *shown_find(const struct shown_sets *shown,
                                              const struct digest *digest)
{
    for (size_t i = 0; i < shown->count; i++) {
        if (digest_equal(&shown->sets[i]->digest, digest)) {
            return shown->sets[i];
        }
    }
    return NULL;
}

struct review {
    struct value *warnings;
    const char *policy, *set;
};

static void add(void *context, enum lint_code code, const char *text)
{
    const struct review *review = context;
    char warning[WARNING_SIZE];

    (void)snprintf(warning, sizeof warning, "policy %s, set %s (%s): %s", review->policy,
                   review->set, lint_name(code), text);
    value_add(review->warnings, value_string(warning));
}

static void reference_review(const struct shown_sets *shown, const struct manifest_policy *policy,
                             const struct manifest_reference *reference, struct value *warnings)
{
    const struct reference_set *set = shown_find(shown, &reference->digest);
    char warning[WARNING_SIZE];

    if (set) {
        struct review review = {warnings, policy->name, set->name};

        (void)reference_set_lint(set, add, &review);
        return;
    }
    (void)snprintf(warning, sizeof warning,
                   "policy %s names the reference set %s, which you were not shown: --with FILE "
                   "says what it leaves open",
                   policy->name, hex_digest(&reference->digest).text);
    value_add(warnings, value_string(warning));
}

/* Without a set that is enforced the listed values are all there is. */
static void values_review(const struct manifest_policy *policy, struct value *warnings)
{
    char warning[WARNING_SIZE];

    for (size_t i = 0; i < policy->reference_count; i++) {
        if (!policy->references[i].staged) {
            return;
        }
    }
    if (!(pcr_policy_mask(&policy->pcrs) >> PCR_SECURE_BOOT & 1)) {
        (void)snprintf(warning, sizeof warning,
                       "policy %s does not cover PCR 7: Secure Boot may be off", policy->name);
        value_add(warnings, value_string(warning));
    }
}

enum exit_code policies_review(const struct cli *cli, const struct manifest *manifest,
                               struct value *warnings)
{
    OWN(shown_sets) struct shown_sets shown = {0};
    enum exit_code exit_code = shown_load(cli, &shown);

    for (size_t i = 0; exit_code == EXIT_DONE && i < manifest->policy_count; i++) {
        const struct manifest_policy *policy = &manifest->policies[i];

        values_review(policy, warnings);
        for (size_t k = 0; k < policy->reference_count; k++) {
            reference_review(&shown, policy, &policy->references[k], warnings);
        }
    }
    return exit_code;
}
