#include "lib/attest/event_log.h"

#include "lib/attest/tpm_structures.h"

#include <string.h>

enum { FIRMWARE_PCR_COUNT = 8, SHA1_SIZE = 20 };

static const struct {
    uint32_t type;
    const char *name;
} type_names[] = {
    {EVENT_POST_CODE, "POST_CODE"},
    {EVENT_NO_ACTION, "NO_ACTION"},
    {EVENT_SEPARATOR, "SEPARATOR"},
    {EVENT_ACTION, "ACTION"},
    {EVENT_TAG, "EVENT_TAG"},
    {EVENT_S_CRTM_CONTENTS, "S_CRTM_CONTENTS"},
    {EVENT_S_CRTM_VERSION, "S_CRTM_VERSION"},
    {EVENT_CPU_MICROCODE, "CPU_MICROCODE"},
    {EVENT_PLATFORM_CONFIG_FLAGS, "PLATFORM_CONFIG_FLAGS"},
    {EVENT_TABLE_OF_DEVICES, "TABLE_OF_DEVICES"},
    {EVENT_COMPACT_HASH, "COMPACT_HASH"},
    {EVENT_IPL, "IPL"},
    {EVENT_NONHOST_CODE, "NONHOST_CODE"},
    {EVENT_NONHOST_CONFIG, "NONHOST_CONFIG"},
    {EVENT_EFI_VARIABLE_DRIVER_CONFIG, "EFI_VARIABLE_DRIVER_CONFIG"},
    {EVENT_EFI_VARIABLE_BOOT, "EFI_VARIABLE_BOOT"},
    {EVENT_EFI_BOOT_SERVICES_APPLICATION, "EFI_BOOT_SERVICES_APPLICATION"},
    {EVENT_EFI_BOOT_SERVICES_DRIVER, "EFI_BOOT_SERVICES_DRIVER"},
    {EVENT_EFI_RUNTIME_SERVICES_DRIVER, "EFI_RUNTIME_SERVICES_DRIVER"},
    {EVENT_EFI_GPT_EVENT, "EFI_GPT_EVENT"},
    {EVENT_EFI_ACTION, "EFI_ACTION"},
    {EVENT_EFI_PLATFORM_FIRMWARE_BLOB, "EFI_PLATFORM_FIRMWARE_BLOB"},
    {EVENT_EFI_HANDOFF_TABLES, "EFI_HANDOFF_TABLES"},
    {EVENT_EFI_PLATFORM_FIRMWARE_BLOB2, "EFI_PLATFORM_FIRMWARE_BLOB2"},
    {EVENT_EFI_HANDOFF_TABLES2, "EFI_HANDOFF_TABLES2"},
    {EVENT_EFI_VARIABLE_BOOT2, "EFI_VARIABLE_BOOT2"},
    {EVENT_EFI_GPT_EVENT2, "EFI_GPT_EVENT2"},
    {EVENT_EFI_VARIABLE_AUTHORITY, "EFI_VARIABLE_AUTHORITY"},
};

const char *event_type_name(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
        if (type_names[i].type == type) {
            return type_names[i].name;
        }
    }
    return "unknown event";
}

enum status event_type_of_name(struct view name, uint32_t *ret_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
        if (view_equal(name, view_string(type_names[i].name))) {
            *ret_type = type_names[i].type;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

/* TCG_EfiSpecIdEvent (section 10.4.5.1): which digests each event has, and of which size. */
static bool spec_id_read(struct view data, struct event_log *log)
{
    static const uint8_t signature[16] = "Spec ID Event03";
    struct reader reader = reader_of(data);
    uint32_t count;
    bool has_sha256 = false;

    reader_require(&reader,
                   view_equal(reader_view(&reader, sizeof signature), VIEW_OF_ARRAY(signature)));
    (void)reader_u32_le(&reader); /* platform class */
    (void)reader_u8(&reader);     /* minor version */
    reader_require(&reader, reader_u8(&reader) == 2);
    (void)reader_u8(&reader); /* errata */
    (void)reader_u8(&reader); /* size of UINTN */
    count = reader_u32_le(&reader);
    reader_require(&reader, count > 0 && count <= EVENT_ALGORITHM_COUNT_MAX);
    for (uint32_t i = 0; !reader.bad && i < count; i++) {
        uint16_t algorithm = reader_u16_le(&reader), size = reader_u16_le(&reader);
        size_t known_size = tpm_hash_size(algorithm);

        reader_require(&reader, size > 0 && size <= TPM_HASH_SIZE_MAX &&
                                    (known_size == 0 || known_size == size));
        log->algorithms[log->algorithm_count].algorithm = algorithm;
        log->algorithms[log->algorithm_count++].size = size;
        has_sha256 |= algorithm == TPM_ALGORITHM_SHA256;
    }
    (void)reader_view(&reader, reader_u8(&reader)); /* vendor information */
    return reader_done(&reader) && has_sha256;
}

enum status event_log_open(struct view view, struct event_log *ret_log, struct refusal *refusal)
{
    struct event_log log = {.reader = reader_of(view)};
    struct view digest, data;
    uint32_t pcr, type;

    if (view.size > EVENT_LOG_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "an event log of %zu bytes, at most %d",
                      view.size, EVENT_LOG_SIZE_MAX);
    }
    /* The first event is in the old form, TCG_PCClientPCREvent, so that old readers stop at it. */
    pcr = reader_u32_le(&log.reader);
    type = reader_u32_le(&log.reader);
    digest = reader_view(&log.reader, SHA1_SIZE);
    data = reader_view(&log.reader, reader_u32_le(&log.reader));
    if (log.reader.bad || pcr != 0 || type != EVENT_NO_ACTION || !view_is_zero(digest) ||
        !spec_id_read(data, &log)) {
        return refuse(refusal, REFUSAL_EVENT_LOG,
                      "it does not begin with \"Spec ID Event03\" and a SHA-256 bank");
    }
    *ret_log = log;
    return STATUS_OK;
}

static size_t algorithm_index(const struct event_log *log, uint16_t algorithm)
{
    size_t index = 0;

    while (index < log->algorithm_count && log->algorithms[index].algorithm != algorithm) {
        index++;
    }
    return index;
}

/* TPML_DIGEST_VALUES: each announced algorithm exactly once. */
static bool digests_read(struct event_log *log, struct digest *ret_digest)
{
    uint32_t count = reader_u32_le(&log->reader), seen = 0;

    reader_require(&log->reader, count == log->algorithm_count);
    for (uint32_t i = 0; !log->reader.bad && i < count; i++) {
        uint16_t algorithm = reader_u16_le(&log->reader);
        size_t index = algorithm_index(log, algorithm);

        if (index == log->algorithm_count || seen >> index & 1) {
            return false;
        }
        seen |= 1u << index;
        if (algorithm == TPM_ALGORITHM_SHA256) {
            reader_copy(&log->reader, ret_digest->bytes, SHA256_SIZE);
        } else {
            (void)reader_view(&log->reader, log->algorithms[index].size);
        }
    }
    return !log->reader.bad;
}

enum status event_log_next(struct event_log *log, struct event *ret_event, struct refusal *refusal)
{
    struct event event = {.number = log->number + 1};

    if (log->reader.left == 0 && !log->reader.bad) {
        return STATUS_NOT_FOUND;
    }
    if (event.number > EVENT_COUNT_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "more than %d events", EVENT_COUNT_MAX);
    }
    event.pcr = reader_u32_le(&log->reader);
    event.type = reader_u32_le(&log->reader);
    if (!digests_read(log, &event.digest)) {
        log->reader.bad = true;
        return refuse(refusal, REFUSAL_EVENT_LOG,
                      "event %u does not have exactly the announced digests", event.number);
    }
    event.data = reader_view(&log->reader, reader_u32_le(&log->reader));
    if (log->reader.bad) {
        return refuse(refusal, REFUSAL_EVENT_LOG, "event %u is cut short", event.number);
    }
    if (event.pcr >= PCR_COUNT) {
        log->reader.bad = true;
        return refuse(refusal, REFUSAL_EVENT_LOG, "event %u is of PCR %u", event.number, event.pcr);
    }
    log->number = event.number;
    *ret_event = event;
    return STATUS_OK;
}

/* TCG_EfiStartupLocalityEvent (section 10.4.5.3): from which locality TPM2_Startup was called,
 * which the TPM put into the last octet of PCR 0. Other EV_NO_ACTION events only inform. */
static enum status no_action_apply(const struct event *event, struct pcr_bank *bank,
                                   bool *locality_known, struct refusal *refusal)
{
    static const uint8_t signature[16] = "StartupLocality";
    struct reader reader = reader_of(event->data);
    uint8_t locality;

    if (!view_equal(reader_view(&reader, sizeof signature), VIEW_OF_ARRAY(signature))) {
        return STATUS_OK;
    }
    locality = reader_u8(&reader);
    if (!reader_done(&reader) || (locality != 0 && locality != 3 && locality != 4) ||
        event->pcr != 0 || *locality_known || (bank->mask & 1)) {
        return refuse(refusal, REFUSAL_EVENT_LOG,
                      "event %u: StartupLocality is malformed, twice, or too late", event->number);
    }
    *locality_known = true;
    bank->values[0].bytes[SHA256_SIZE - 1] = locality;
    return STATUS_OK;
}

/* The four octets of a separator are under its digest, which can thus only be one of two; anything
 * else is the mark of an error during the boot. */
static bool separator_is_good(const struct event *event)
{
    static const uint8_t zeroes[4], ones[4] = {0xff, 0xff, 0xff, 0xff};
    struct digest digest = sha256(event->data);

    return digest_equal(&digest, &event->digest) &&
           (view_equal(event->data, VIEW_OF_ARRAY(zeroes)) ||
            view_equal(event->data, VIEW_OF_ARRAY(ones)));
}

enum status event_log_replay(struct view view, struct pcr_bank *ret_bank, struct refusal *refusal)
{
    unsigned separators[PCR_COUNT] = {0};
    bool locality_known = false;
    struct event_log log;
    struct pcr_bank bank;
    struct event event;
    enum status status;

    TRY(event_log_open(view, &log, refusal));
    pcr_bank_reset(&bank);
    while ((status = event_log_next(&log, &event, refusal)) == STATUS_OK) {
        if (event.type == EVENT_NO_ACTION) {
            TRY(no_action_apply(&event, &bank, &locality_known, refusal));
            continue;
        }
        if (event.type == EVENT_SEPARATOR && event.pcr < FIRMWARE_PCR_COUNT) {
            separators[event.pcr]++;
            if (!separator_is_good(&event)) {
                return refuse(refusal, REFUSAL_EVENT_LOG,
                              "event %u: the separator of PCR %u marks an error", event.number,
                              event.pcr);
            }
        }
        pcr_extend(&bank.values[event.pcr], &event.digest);
        bank.mask |= 1u << event.pcr;
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    for (unsigned pcr = 0; pcr < FIRMWARE_PCR_COUNT; pcr++) {
        if (separators[pcr] != 1) {
            return refuse(refusal, REFUSAL_EVENT_LOG, "PCR %u has %u separators, expected one", pcr,
                          separators[pcr]);
        }
    }
    *ret_bank = bank;
    return STATUS_OK;
}
