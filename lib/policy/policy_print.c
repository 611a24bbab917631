/* The text form, written. */
#include "lib/base/text.h"
#include "lib/policy/policy.h"

#include <inttypes.h>
#include <stdlib.h>

static void path_print(struct writer *writer, const struct bytes *path)
{
    for (size_t i = 0; i < path->size; i++) {
        uint8_t byte = path->data[i];

        if (byte <= 0x20 || byte > 0x7e || byte == '%' || byte == '#') {
            writer_format(writer, "%%%02x", byte);
        } else {
            writer_u8(writer, byte);
        }
    }
}

static void pcrs_print(struct writer *writer, const struct pcr_policy *pcrs)
{
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (!(pcrs->listed >> pcr & 1)) {
            continue;
        }
        if (pcrs->allowed[pcr].count == 0) {
            writer_format(writer, "    pcr %u = none\n", pcr);
        }
        for (size_t i = 0; i < pcrs->allowed[pcr].count; i++) {
            writer_format(writer, "    pcr %u = %s\n", pcr,
                          hex_digest(&pcrs->allowed[pcr].values[i]).text);
        }
    }
}

/* "0-5,7" */
static void mask_print(struct writer *writer, uint32_t mask)
{
    const char *separator = "";

    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        unsigned last = pcr;

        if (!(mask >> pcr & 1)) {
            continue;
        }
        while (last + 1 < PCR_COUNT && (mask >> (last + 1) & 1)) {
            last++;
        }
        writer_format(writer, last > pcr ? "%s%u-%u" : "%s%u", separator, pcr, last);
        separator = ",";
        pcr = last;
    }
}

static const char *step_word(const struct event_step *step)
{
    switch (step->role) {
    case EVENT_ROLE_NONE:
        break;
    case EVENT_ROLE_KERNEL:
        return " kernel";
    case EVENT_ROLE_LOAD_OPTIONS:
        return " load-options";
    case EVENT_ROLE_INITRD:
        return " initrd";
    }
    return step->optional ? " optional" : "";
}

static void step_print(struct writer *writer, const struct event_step *step)
{
    const char *type = event_type_name(step->type);
    uint32_t known;

    writer_format(writer, "    event %u ", step->pcr);
    if (event_type_of_name(view_string(type), &known) == STATUS_OK) {
        writer_format(writer, "%s", type);
    } else {
        writer_format(writer, "0x%08" PRIx32, step->type);
    }
    writer_format(writer, "%s = %s\n", step_word(step),
                  step->digest_count ? hex_digest(&step->digests[0]).text : "none");
    for (size_t i = 1; i < step->digest_count; i++) {
        writer_format(writer, "    or = %s\n", hex_digest(&step->digests[i]).text);
    }
}

static void events_print(struct writer *writer, const struct event_sequence *events)
{
    if (!events->covered) {
        return;
    }
    writer_format(writer, "\n    events = ");
    mask_print(writer, events->covered);
    writer_format(writer, "\n");
    for (size_t i = 0; i < events->step_count; i++) {
        step_print(writer, &events->steps[i]);
    }
}

static void digests_print(struct writer *writer, const char *key, const struct digest_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        writer_format(writer, "    %s = %s\n", key, hex_digest(&set->digests[i]).text);
    }
}

static void secure_boot_print(struct writer *writer, const struct secure_boot_policy *policy)
{
    writer_format(writer, "\n    secure_boot = required\n");
    digests_print(writer, "pk", &policy->pins[SECURE_BOOT_PK]);
    digests_print(writer, "kek", &policy->pins[SECURE_BOOT_KEK]);
    digests_print(writer, "db", &policy->pins[SECURE_BOOT_DB]);
    digests_print(writer, "authority", &policy->pins[SECURE_BOOT_AUTHORITY]);
    digests_print(writer, "dbx", &policy->dbx_required);
}

static void exceptions_print(struct writer *writer, const char *key, const struct policy_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        writer_format(writer, "    %s = ", key);
        path_print(writer, &list->items[i]);
        writer_format(writer, "\n");
    }
}

static enum status signers_print(struct writer *writer, const struct policy_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char text[BASE64_SIZE(IMA_SIGNER_KEY_SIZE_MAX)];

        if (list->items[i].size > IMA_SIGNER_KEY_SIZE_MAX) {
            return STATUS_TOO_LARGE;
        }
        base64_encode(bytes_view(&list->items[i]), text);
        writer_format(writer, "    signer = %s\n", text);
    }
    return STATUS_OK;
}

static enum status files_print(struct writer *writer, const struct policy *policy)
{
    writer_format(writer, "\n    files = listed\n");
    TRY(signers_print(writer, &policy->signers));
    exceptions_print(writer, "except_file", &policy->exceptions[IMA_EXCEPTION_FILE]);
    exceptions_print(writer, "except_violation", &policy->exceptions[IMA_EXCEPTION_VIOLATION]);
    for (size_t i = 0; i < policy->file_count; i++) {
        writer_format(writer, "    file %s = ", hex_digest(&policy->files[i].digest).text);
        path_print(writer, &policy->files[i].path);
        writer_format(writer, "\n");
    }
    return STATUS_OK;
}

enum status policy_text_print(const struct policy *policy, struct bytes *ret_text)
{
    OWN(writer) struct writer writer = writer_new(POLICY_TEXT_SIZE_MAX);

    writer_format(&writer, "policy %s {\n", policy->name);
    pcrs_print(&writer, &policy->pcrs);
    for (size_t i = 0; i < policy->firmware_count; i++) {
        writer_format(&writer, "    firmware = %016" PRIx64 "\n", policy->firmware[i]);
    }
    events_print(&writer, &policy->events);
    if (policy->wants_secure_boot) {
        secure_boot_print(&writer, &policy->secure_boot);
    }
    if (policy->judges_files) {
        TRY(files_print(&writer, policy));
    }
    writer_format(&writer, "}\n");
    return writer_take(&writer, ret_text);
}
