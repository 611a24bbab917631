/*
 * The firmware's event log in the crypto-agile form (TCG PC Client Platform Firmware Profile 1.06,
 * section 10), and its replay: checks 9 and 10 of the appraisal. Pure.
 *
 * Only digests are under the quote. Types and data of events are claims until somebody compares
 * them with the digest.
 */
#ifndef TCCP_ATTEST_EVENT_LOG_H
#define TCCP_ATTEST_EVENT_LOG_H

#include "lib/attest/pcr_bank.h"
#include "lib/base/refusal.h"

enum { EVENT_LOG_SIZE_MAX = 1 << 20, EVENT_COUNT_MAX = 8192, EVENT_ALGORITHM_COUNT_MAX = 8 };

/* Event types (section 10.4.1) that are known here; others pass as numbers. */
enum {
    EVENT_POST_CODE = 0x01,
    EVENT_NO_ACTION = 0x03,
    EVENT_SEPARATOR = 0x04,
    EVENT_ACTION = 0x05,
    EVENT_TAG = 0x06,
    EVENT_S_CRTM_CONTENTS = 0x07,
    EVENT_S_CRTM_VERSION = 0x08,
    EVENT_CPU_MICROCODE = 0x09,
    EVENT_PLATFORM_CONFIG_FLAGS = 0x0a,
    EVENT_TABLE_OF_DEVICES = 0x0b,
    EVENT_COMPACT_HASH = 0x0c,
    EVENT_IPL = 0x0d,
    EVENT_NONHOST_CODE = 0x0f,
    EVENT_NONHOST_CONFIG = 0x10,
    EVENT_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001,
    EVENT_EFI_VARIABLE_BOOT = 0x80000002,
    EVENT_EFI_BOOT_SERVICES_APPLICATION = 0x80000003,
    EVENT_EFI_BOOT_SERVICES_DRIVER = 0x80000004,
    EVENT_EFI_RUNTIME_SERVICES_DRIVER = 0x80000005,
    EVENT_EFI_GPT_EVENT = 0x80000006,
    EVENT_EFI_ACTION = 0x80000007,
    EVENT_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008,
    EVENT_EFI_HANDOFF_TABLES = 0x80000009,
    EVENT_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000a,
    EVENT_EFI_HANDOFF_TABLES2 = 0x8000000b,
    EVENT_EFI_VARIABLE_BOOT2 = 0x8000000c,
    EVENT_EFI_GPT_EVENT2 = 0x8000000d,
    EVENT_EFI_VARIABLE_AUTHORITY = 0x800000e0,
};
/* "EFI_BOOT_SERVICES_APPLICATION" and so on; "unknown event" for others. */
const char *event_type_name(uint32_t type);
/* The other way round; STATUS_NOT_FOUND. */
WARN_UNUSED enum status event_type_of_name(struct view name, uint32_t *ret_type);

struct event {
    uint32_t number; /* in the log; the header is 0, the first event 1 */
    uint32_t pcr;    /* < 24 */
    uint32_t type;
    struct digest digest; /* SHA-256 */
    struct view data;     /* in place */
};

/* Iterates over a log. The log must outlive it. */
struct event_log {
    struct reader reader;
    uint32_t number;
    size_t algorithm_count;
    struct {
        uint16_t algorithm, size;
    } algorithms[EVENT_ALGORITHM_COUNT_MAX];
};

/* Reads the header ("Spec ID Event03"), which must announce SHA-256. REFUSAL_EVENT_LOG, _TOO_LARGE.
 */
WARN_UNUSED enum status event_log_open(struct view log, struct event_log *ret_log,
                                       struct refusal *ret_refusal);
/* STATUS_OK with the next event; STATUS_NOT_FOUND at the end; or refused (REFUSAL_EVENT_LOG): PCR
 * above 23, not exactly the announced digests, SHA-256 missing, longer than the log, too many. */
WARN_UNUSED enum status event_log_next(struct event_log *log, struct event *ret_event,
                                       struct refusal *ret_refusal);

/*
 * The PCR values that the log leads to. EV_NO_ACTION extends nothing; a StartupLocality event,
 * which must come before anything is extended into PCR 0, sets PCR 0's start value. PCRs 0 to 7
 * must have exactly one separator each. ret_bank->mask: the PCRs that the log extends.
 */
WARN_UNUSED enum status event_log_replay(struct view log, struct pcr_bank *ret_bank,
                                         struct refusal *ret_refusal);

#endif
