#include "lib/predict/boot.h"

#include "lib/attest/efi_variable.h"
#include "lib/predict/authenticode.h"
#include "lib/predict/uki.h"

#include <stdio.h>
#include <string.h>

enum { PCR_LOADER = 4, PCR_LOADER_CONFIG = 5, PCR_FIRMWARE_LAST = 7 };

static const char calling[] = "Calling EFI Application from Boot Option";

/* Of the learned log. The views lie in it. */
struct learned {
    bool has_state, secure_boot;
    struct view database; /* the variable db: GUID, name and content */
    struct view db, dbx;  /* their contents */
};

struct splice {
    struct learned learned;
    struct view image_bytes;
    struct prediction *result;
    bool called, placed; /* the boot option; the image's events */
};

static bool is_action(const struct event *event, const char *text)
{
    return event->pcr == PCR_LOADER && event->type == EVENT_EFI_ACTION &&
           view_equal(event->data, view_string(text));
}

static enum status learn_variable(const struct event *event, struct learned *learned,
                                  struct refusal *refusal)
{
    struct digest digest = sha256(event->data);
    struct efi_variable variable;

    if (!digest_equal(&digest, &event->digest) ||
        efi_variable_parse(event->data, &variable) != STATUS_OK) {
        return refuse(refusal, REFUSAL_SECURE_BOOT,
                      "event %u is no variable, or its data are not under its digest",
                      event->number);
    }
    if (efi_variable_is_global(&variable, "SecureBoot") && variable.content.size <= 1) {
        learned->has_state = true;
        learned->secure_boot = variable.content.size == 1 && variable.content.data[0] == 1;
    } else if (efi_variable_is_database(&variable, "db")) {
        learned->database = event->data;
        learned->db = variable.content;
    } else if (efi_variable_is_database(&variable, "dbx")) {
        learned->dbx = variable.content;
    }
    return STATUS_OK;
}

static enum status learn(struct view view, struct learned *learned, struct refusal *refusal)
{
    struct event_log log;
    struct event event;
    enum status status;

    TRY(event_log_open(view, &log, refusal));
    while ((status = event_log_next(&log, &event, refusal)) == STATUS_OK) {
        if (event.pcr == PCR_SECURE_BOOT && event.type == EVENT_EFI_VARIABLE_DRIVER_CONFIG) {
            TRY(learn_variable(&event, learned, refusal));
        }
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    return learned->has_state ? STATUS_OK
                              : refuse(refusal, REFUSAL_SECURE_BOOT,
                                       "the log does not tell the Secure Boot state");
}

/* UEFI_VARIABLE_DATA of one entry of db: its GUID and name (of two characters), then the entry. */
static struct digest authority_digest(const struct learned *learned, struct view entry)
{
    enum { GUID_AND_NAME_SIZE = EFI_GUID_SIZE + 8, NAME_SIZE = 4 };
    struct view variable = learned->database;
    uint8_t size[8];

    for (unsigned i = 0; i < sizeof size; i++) {
        size[i] = (uint8_t)((uint64_t)entry.size >> (8 * i));
    }
    return sha256_list(
        (struct view[]){
            {variable.data, GUID_AND_NAME_SIZE},
            VIEW_OF_ARRAY(size),
            {variable.data + GUID_AND_NAME_SIZE + sizeof size, NAME_SIZE},
            entry,
        },
        4);
}

static bool is_predicted(const struct prediction *prediction, uint32_t pcr,
                         const struct digest *digest)
{
    for (size_t i = 0; i < prediction->count; i++) {
        if (prediction->events[i].pcr == pcr &&
            digest_equal(&prediction->events[i].digest, digest)) {
            return true;
        }
    }
    return false;
}

static enum status place_authority(struct splice *splice, struct refusal *refusal)
{
    struct predicted_event event = {
        .pcr = PCR_SECURE_BOOT,
        .type = EVENT_EFI_VARIABLE_AUTHORITY,
        .name = "what the image was verified with",
    };
    struct pe_image image;
    struct view authority;

    TRY(pe_image_parse(splice->image_bytes, &image, refusal));
    TRY(authenticode_authority(&image, splice->learned.db, splice->learned.dbx, &authority,
                               refusal));
    event.digest = authority_digest(&splice->learned, authority);
    return is_predicted(splice->result, PCR_SECURE_BOOT, &event.digest)
               ? STATUS_OK
               : prediction_add(splice->result, &event);
}

static enum status place_image(struct splice *splice, struct refusal *refusal)
{
    OWN(prediction) struct prediction image = {0};

    if (splice->learned.secure_boot) {
        TRY(place_authority(splice, refusal));
    }
    TRY(uki_predict(splice->image_bytes, splice->learned.secure_boot, &image, refusal));
    for (size_t i = 0; i < image.count; i++) {
        TRY(prediction_add(splice->result, &image.events[i]));
    }
    splice->placed = true;
    return STATUS_OK;
}

struct authority_search {
    const struct learned *learned;
    const struct digest *digest;
    bool found;
};

static void authority_visit(void *context, const struct efi_signature *signature)
{
    struct authority_search *search = context;
    struct digest digest = authority_digest(search->learned, signature->entry);

    search->found |= digest_equal(&digest, search->digest);
}

/* An authority that was an entry of db must be what this library would have computed for it: else
 * the firmware measures them otherwise, and the image's cannot be foretold. Others are shim's. */
static enum status authority_check(const struct learned *learned, const struct event *event,
                                   struct refusal *refusal)
{
    struct authority_search search = {.learned = learned, .digest = &event->digest};
    struct efi_variable variable;

    if (efi_variable_parse(event->data, &variable) != STATUS_OK ||
        !efi_variable_is_database(&variable, "db")) {
        return STATUS_OK;
    }
    if (learned->database.size == 0 ||
        efi_signatures_walk(learned->db, authority_visit, &search) != STATUS_OK || !search.found) {
        return refuse(refusal, REFUSAL_SECURE_BOOT,
                      "event %u: the authority is no entry of db, or measured in another way",
                      event->number);
    }
    return STATUS_OK;
}

/* Whether the event belongs to what was booted, once the boot option was called. */
static bool is_of_the_image(const struct event *event)
{
    if (event->pcr > PCR_FIRMWARE_LAST) {
        return true;
    }
    switch (event->pcr) {
    case PCR_LOADER:
        return event->type != EVENT_SEPARATOR;
    case PCR_LOADER_CONFIG:
        return event->type == EVENT_IPL || event->type == EVENT_TAG;
    case PCR_SECURE_BOOT:
        return event->type == EVENT_EFI_VARIABLE_AUTHORITY;
    default: /* a PCR's number, from outside */
        return false;
    }
}

static enum status keep(struct prediction *prediction, const struct event *event)
{
    struct predicted_event kept = {
        .pcr = event->pcr,
        .type = event->type,
        .digest = event->digest,
    };

    (void)snprintf(kept.name, sizeof kept.name, "%s", event_type_name(event->type));
    return prediction_add(prediction, &kept);
}

static enum status splice_event(struct splice *splice, const struct event *event,
                                struct refusal *refusal)
{
    if (event->type == EVENT_NO_ACTION) {
        return STATUS_OK;
    }
    if (!splice->called) {
        splice->called = is_action(event, calling);
        return keep(splice->result, event);
    }
    if (event->pcr == PCR_LOADER && event->type == EVENT_EFI_ACTION) {
        return refuse(refusal, REFUSAL_EVENT_UNEXPECTED,
                      "event %u: a boot option was tried and given up, learn from a straight boot",
                      event->number);
    }
    if (event->pcr == PCR_LOADER && event->type == EVENT_EFI_BOOT_SERVICES_APPLICATION &&
        !splice->placed) {
        return place_image(splice, refusal);
    }
    if (!is_of_the_image(event)) {
        return keep(splice->result, event);
    }
    return event->pcr == PCR_SECURE_BOOT ? authority_check(&splice->learned, event, refusal)
                                         : STATUS_OK;
}

enum status boot_predict(struct view good_log, struct view image, struct prediction *ret_prediction,
                         struct refusal *refusal)
{
    OWN(prediction) struct prediction prediction = {0};
    struct splice splice = {.image_bytes = image, .result = &prediction};
    struct event_log log;
    struct event event;
    enum status status;

    TRY(learn(good_log, &splice.learned, refusal));
    TRY(event_log_open(good_log, &log, refusal));
    while ((status = event_log_next(&log, &event, refusal)) == STATUS_OK) {
        TRY(splice_event(&splice, &event, refusal));
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (!splice.placed) {
        return refuse(refusal, REFUSAL_EVENT_MISSING,
                      "the log shows no application started from a boot option");
    }
    *ret_prediction = TAKE(prediction);
    return STATUS_OK;
}
