#include "lib/attest/secure_boot.h"

#include "lib/attest/efi_variable.h"
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

/* The measured variables, in the order of the firmware profile (section 3.3.4.8). */
enum variable { VARIABLE_SECURE_BOOT, VARIABLE_PK, VARIABLE_KEK, VARIABLE_DB, VARIABLE_DBX };
enum { VARIABLE_COUNT = VARIABLE_DBX + 1 };
static const char *const variable_names[VARIABLE_COUNT] = {"SecureBoot", "PK", "KEK", "db", "dbx"};

void secure_boot_policy_free(struct secure_boot_policy *policy)
{
    for (unsigned pin = 0; pin < SECURE_BOOT_PIN_COUNT; pin++) {
        digest_set_free(&policy->pins[pin]);
    }
    digest_set_free(&policy->dbx_required);
}

/* What is done with what was found: compare with a policy, or note it down in one. */
struct walk {
    struct secure_boot_policy *learned; /* NULL: compare */
    const struct secure_boot_policy *policy;
    secure_boot_visitor visit; /* NULL: the first objection ends the walk */
    void *context;
    unsigned variable_count; /* of those in variable_names, in their order */
    unsigned authority_count;
    bool separated;
};

/* What is said of a value that is not allowed. */
static enum status object(const struct walk *walk, enum status status,
                          const struct refusal *objection, struct refusal *refusal)
{
    if (status != STATUS_REFUSED) {
        return status;
    }
    if (walk->visit) {
        walk->visit(walk->context, objection);
        return STATUS_OK;
    }
    if (refusal) {
        *refusal = *objection;
    }
    return status;
}

struct dbx_walk {
    struct digest_set *learned;
    const struct digest_set *required;
    bool *found; /* of `required` */
    enum status status;
};

static void dbx_visit(void *context, const struct digest *hash)
{
    struct dbx_walk *walk = context;

    if (walk->learned) {
        if (walk->status == STATUS_OK) {
            walk->status = digest_set_add(walk->learned, hash);
        }
    } else {
        size_t at = digest_set_find(walk->required, hash);

        if (at < walk->required->count) {
            walk->found[at] = true;
        }
    }
}

static enum status dbx_apply(const struct walk *walk, struct view content, struct refusal *refusal)
{
    struct dbx_walk dbx = {
        .learned = walk->learned ? &walk->learned->dbx_required : NULL,
        .required = walk->learned ? NULL : &walk->policy->dbx_required,
    };
    size_t missing = 0, count = walk->learned ? 0 : walk->policy->dbx_required.count;
    const struct digest *first_missing = NULL;
    enum status status;

    dbx.found = calloc(count + 1, sizeof *dbx.found);
    if (!dbx.found) {
        return STATUS_NO_MEMORY;
    }
    status = efi_signature_lists_walk(content, dbx_visit, &dbx);
    for (size_t i = 0; i < count; i++) {
        if (!dbx.found[i] && missing++ == 0) {
            first_missing = &walk->policy->dbx_required.digests[i];
        }
    }
    free(dbx.found);
    TRY(dbx.status);
    if (status != STATUS_OK) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "dbx is malformed");
    }
    if (missing > 0) {
        struct hex_digest wanted = hex_digest(first_missing);

        return refuse_about(
            refusal, REFUSAL_SECURE_BOOT, (struct finding_texts){"dbx", wanted.text, "nothing"},
            "dbx lacks %zu of the %zu required hashes of revoked images, such as %s", missing,
            count, wanted.text);
    }
    return STATUS_OK;
}

static enum status pin_apply(const struct walk *walk, enum secure_boot_pin pin,
                             const struct event *event, struct refusal *refusal)
{
    static const char *const names[SECURE_BOOT_PIN_COUNT] = {"PK", "KEK", "db",
                                                             "what an image was verified with"};
    struct hex_digest wanted, seen;
    const struct digest_set *allowed;

    if (walk->learned) {
        return digest_set_add(&walk->learned->pins[pin], &event->digest);
    }
    allowed = &walk->policy->pins[pin];
    if (digest_set_has(allowed, &event->digest)) {
        return STATUS_OK;
    }
    wanted = hex_digest(allowed->count ? &allowed->digests[0] : NULL);
    seen = hex_digest(&event->digest);
    return refuse_about(refusal, REFUSAL_SECURE_BOOT,
                        (struct finding_texts){names[pin], wanted.text, seen.text},
                        "event %u: %s is %s, which is none of the %zu that are allowed",
                        event->number, names[pin], seen.text, allowed->count);
}

static enum status pin_judge(const struct walk *walk, enum secure_boot_pin pin,
                             const struct event *event, struct refusal *refusal)
{
    struct refusal objection;

    return object(walk, pin_apply(walk, pin, event, &objection), &objection, refusal);
}

static enum status variable_apply(struct walk *walk, const struct event *event,
                                  struct refusal *refusal)
{
    static const uint8_t on[1] = {1};
    struct efi_variable variable;
    struct refusal objection;
    enum variable expected;

    if (walk->separated || walk->variable_count >= VARIABLE_COUNT) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "event %u: one variable too many",
                      event->number);
    }
    expected = (enum variable)walk->variable_count++;
    if (efi_variable_parse(event->data, &variable) != STATUS_OK ||
        !(expected >= VARIABLE_DB ? efi_variable_is_database(&variable, variable_names[expected])
                                  : efi_variable_is_global(&variable, variable_names[expected]))) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "event %u is not the variable %s",
                      event->number, variable_names[expected]);
    }
    switch (expected) {
    case VARIABLE_SECURE_BOOT:
        if (!view_equal(variable.content, VIEW_OF_ARRAY(on))) {
            return refuse_about(refusal, REFUSAL_SECURE_BOOT,
                                (struct finding_texts){"SecureBoot", "on", "off"},
                                "Secure Boot is off");
        }
        return STATUS_OK;
    case VARIABLE_PK:
        return pin_judge(walk, SECURE_BOOT_PK, event, refusal);
    case VARIABLE_KEK:
        return pin_judge(walk, SECURE_BOOT_KEK, event, refusal);
    case VARIABLE_DB:
        return pin_judge(walk, SECURE_BOOT_DB, event, refusal);
    case VARIABLE_DBX:
        break;
    }
    return object(walk, dbx_apply(walk, variable.content, &objection), &objection, refusal);
}

static enum status event_apply(struct walk *walk, const struct event *event,
                               struct refusal *refusal)
{
    struct digest digest = sha256(event->data);

    if (!digest_equal(&digest, &event->digest)) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "event %u: its data are not under its digest",
                      event->number);
    }
    switch (event->type) {
    case EVENT_EFI_VARIABLE_DRIVER_CONFIG:
        return variable_apply(walk, event, refusal);
    case EVENT_SEPARATOR:
        walk->separated = true;
        return STATUS_OK;
    case EVENT_EFI_VARIABLE_AUTHORITY:
        walk->authority_count++;
        return pin_judge(walk, SECURE_BOOT_AUTHORITY, event, refusal);
    default: /* a type of the firmware profile, from outside */
        return refuse(refusal, REFUSAL_SECURE_BOOT, "event %u (%s) has no business in PCR 7",
                      event->number, event_type_name(event->type));
    }
}

static enum status walk_log(struct walk *walk, struct view view, struct refusal *refusal)
{
    struct event_log log;
    struct event event;
    enum status status;

    TRY(event_log_open(view, &log, refusal));
    while ((status = event_log_next(&log, &event, refusal)) == STATUS_OK) {
        if (event.pcr == PCR_SECURE_BOOT && event.type != EVENT_NO_ACTION) {
            TRY(event_apply(walk, &event, refusal));
        }
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (walk->variable_count < VARIABLE_COUNT) {
        return refuse_about(refusal, REFUSAL_SECURE_BOOT,
                            (struct finding_texts){variable_names[walk->variable_count],
                                                   "an event of PCR 7", "nothing"},
                            "the variable %s was not measured",
                            variable_names[walk->variable_count]);
    }
    if (!walk->separated) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "the separator is missing");
    }
    if (walk->authority_count == 0) {
        return refuse_about(refusal, REFUSAL_SECURE_BOOT,
                            (struct finding_texts){"what an image was verified with",
                                                   "an event of PCR 7", "nothing"},
                            "no image was verified: the kernel was started past Secure Boot");
    }
    return STATUS_OK;
}

enum status secure_boot_check(const struct secure_boot_policy *policy, struct view log,
                              struct refusal *refusal)
{
    struct walk walk = {.policy = policy};

    return walk_log(&walk, log, refusal);
}

enum status secure_boot_check_all(const struct secure_boot_policy *policy, struct view log,
                                  secure_boot_visitor visit, void *context, struct refusal *refusal)
{
    struct walk walk = {.policy = policy, .visit = visit, .context = context};

    return walk_log(&walk, log, refusal);
}

enum status secure_boot_learn(struct view log, struct secure_boot_policy *ret_policy,
                              struct refusal *refusal)
{
    OWN(secure_boot_policy) struct secure_boot_policy policy = {0};
    struct walk walk = {.learned = &policy};

    TRY(walk_log(&walk, log, refusal));
    *ret_policy = TAKE(policy);
    return STATUS_OK;
}
