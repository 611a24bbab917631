#include "lib/attest/efi_variable.h"
#include "lib/attest/secure_boot.h"

#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

static const uint8_t global_guid[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                        0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
static const uint8_t database_guid[16] = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                          0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};
static const uint8_t sha256_guid[16] = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                                        0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};
static const uint8_t on[1] = {1}, off[1] = {0};
static const struct digest revoked[3] = {{{1}}, {{2}}, {{3}}};

static void u64_le(struct writer *writer, uint64_t value)
{
    write_u32_le(writer, (uint32_t)value);
    write_u32_le(writer, (uint32_t)(value >> 32));
}

/* UEFI_VARIABLE_DATA. */
static struct bytes variable_bytes(const uint8_t *guid, const char *name, struct view content)
{
    struct writer writer = writer_new(LOG_SIZE_MAX);
    struct bytes bytes;

    writer_view(&writer, (struct view){guid, 16});
    u64_le(&writer, strlen(name));
    u64_le(&writer, content.size);
    for (const char *at = name; *at; at++) {
        write_u16_le(&writer, (uint8_t)*at);
    }
    writer_view(&writer, content);
    assert_ok(writer_take(&writer, &bytes));
    return bytes;
}

/* An event whose data are under its digest. */
static void measured_write(struct writer *writer, uint32_t type, struct view data)
{
    struct digest digest = sha256(data);

    event_write(writer, 7, type, &digest, data);
}

static void variable_write(struct writer *writer, uint32_t type, const uint8_t *guid,
                           const char *name, struct view content)
{
    OWN(bytes) struct bytes data = variable_bytes(guid, name, content);

    measured_write(writer, type, bytes_view(&data));
}

/* One EFI_SIGNATURE_LIST with the first `count` of `revoked`. */
static struct bytes dbx_bytes(size_t count)
{
    struct writer writer = writer_new(LOG_SIZE_MAX);
    struct bytes bytes;

    writer_view(&writer, VIEW_OF_ARRAY(sha256_guid));
    write_u32_le(&writer, (uint32_t)(28 + 48 * count));
    write_u32_le(&writer, 0);
    write_u32_le(&writer, 48);
    for (size_t i = 0; i < count; i++) {
        writer_view(&writer, VIEW_OF_ARRAY(global_guid)); /* owner */
        writer_view(&writer, digest_view(&revoked[i]));
    }
    assert_ok(writer_take(&writer, &bytes));
    return bytes;
}

/* The parts of a log's PCR 7; each bit leaves one out or changes it. */
enum fault {
    FAULT_OFF = 1 << 0,
    FAULT_NO_PK = 1 << 1,
    FAULT_OTHER_PK = 1 << 2,
    FAULT_OTHER_KEK = 1 << 3,
    FAULT_OTHER_DB = 1 << 4,
    FAULT_OLD_DBX = 1 << 5,
    FAULT_NO_SEPARATOR = 1 << 6,
    FAULT_NO_AUTHORITY = 1 << 7,
    FAULT_OTHER_AUTHORITY = 1 << 8,
    FAULT_SECOND_DB = 1 << 9,
    FAULT_FOREIGN_EVENT = 1 << 10,
    FAULT_LATE_VARIABLE = 1 << 11,
    FAULT_DATA = 1 << 12,
    FAULT_GUID = 1 << 13,
    FAULT_NO_DBX = 1 << 14,
    FAULT_LATE_DBX = 1 << 15,
};

static void log_make(struct writer *writer, unsigned faults)
{
    OWN(bytes) struct bytes dbx = dbx_bytes(faults & FAULT_OLD_DBX ? 2 : 3);
    const uint32_t config = EVENT_EFI_VARIABLE_DRIVER_CONFIG;

    event_log_begin(writer);
    variable_write(writer, config, faults & FAULT_GUID ? database_guid : global_guid, "SecureBoot",
                   faults & FAULT_OFF ? VIEW_OF_ARRAY(off) : VIEW_OF_ARRAY(on));
    if (!(faults & FAULT_NO_PK)) {
        variable_write(writer, config, global_guid, "PK",
                       view_string(faults & FAULT_OTHER_PK ? "other" : "pk"));
    }
    variable_write(writer, config, global_guid, "KEK",
                   view_string(faults & FAULT_OTHER_KEK ? "other" : "kek"));
    variable_write(writer, config, database_guid, "db",
                   view_string(faults & FAULT_OTHER_DB ? "other" : "db"));
    if (!(faults & (FAULT_NO_DBX | FAULT_LATE_DBX))) {
        variable_write(writer, config, database_guid, "dbx", bytes_view(&dbx));
    }
    if (faults & FAULT_SECOND_DB) {
        variable_write(writer, config, database_guid, "db", view_string("db"));
    }
    if (!(faults & FAULT_NO_SEPARATOR)) {
        separator_write(writer, 7);
    }
    if (faults & FAULT_LATE_DBX) {
        variable_write(writer, config, database_guid, "dbx", bytes_view(&dbx));
    }
    if (faults & FAULT_LATE_VARIABLE) {
        variable_write(writer, config, global_guid, "SecureBoot", VIEW_OF_ARRAY(on));
    }
    if (!(faults & FAULT_NO_AUTHORITY)) {
        variable_write(writer, EVENT_EFI_VARIABLE_AUTHORITY, database_guid, "db",
                       view_string(faults & FAULT_OTHER_AUTHORITY ? "other" : "signer"));
    }
    if (faults & FAULT_FOREIGN_EVENT) {
        measured_write(writer, EVENT_EFI_ACTION, view_string("UEFI Debug Mode"));
    }
    if (faults & FAULT_DATA) {
        writer->data[writer->size - 1] ^= 1;
    }
}

static struct secure_boot_policy policy_new(void)
{
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct secure_boot_policy policy;

    log_make(&writer, 0);
    assert_ok(secure_boot_learn(written(&writer), &policy, NULL));
    return policy;
}

static void every_deviation_is_refused(void **state)
{
    OWN(secure_boot_policy) struct secure_boot_policy policy = policy_new();

    (void)state;
    for (unsigned fault = 0; fault <= 15; fault++) {
        OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
        struct refusal refusal = {0};

        log_make(&writer, 1u << fault);
        if (secure_boot_check(&policy, written(&writer), &refusal) != STATUS_REFUSED ||
            refusal.code != REFUSAL_SECURE_BOOT) {
            fail_msg("fault %u is not refused", fault);
        }
    }
}

static void policy_is_not_learned_from_a_boot_without_secure_boot(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/good/eventlog.bin");
    struct secure_boot_policy policy;
    struct refusal refusal;

    (void)state;
    assert_refused(secure_boot_learn(bytes_view(&log), &policy, &refusal), refusal,
                   REFUSAL_SECURE_BOOT);
    assert_non_null(strstr(refusal.detail, "off"));
}

static void empty_policy_accepts_nothing(void **state)
{
    OWN(secure_boot_policy) struct secure_boot_policy policy = {0};
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct refusal refusal;

    (void)state;
    log_make(&writer, 0);
    assert_refused(secure_boot_check(&policy, written(&writer), &refusal), refusal,
                   REFUSAL_SECURE_BOOT);
}

static void newer_dbx_is_accepted(void **state)
{
    OWN(secure_boot_policy) struct secure_boot_policy policy = {0};
    OWN(writer) struct writer old = writer_new(LOG_SIZE_MAX), new = writer_new(LOG_SIZE_MAX);

    (void)state;
    log_make(&old, FAULT_OLD_DBX);
    assert_ok(secure_boot_learn(written(&old), &policy, NULL));
    assert_int_equal(policy.dbx_required.count, 2);
    log_make(&new, 0);
    assert_ok(secure_boot_check(&policy, written(&new), NULL));
}

/* The silent bypass: Secure Boot is on, but nothing was verified. */
static void captured_bypass_is_refused(void **state)
{
    OWN(bytes) struct bytes uki = vector_load("evidence/uki-sb/eventlog.bin");
    OWN(bytes) struct bytes bypass = vector_load("evidence/secureboot/eventlog.bin");
    OWN(secure_boot_policy) struct secure_boot_policy policy = {0};
    struct refusal refusal;

    (void)state;
    assert_ok(secure_boot_learn(bytes_view(&uki), &policy, NULL));
    assert_ok(secure_boot_check(&policy, bytes_view(&uki), NULL));
    assert_refused(secure_boot_check(&policy, bytes_view(&bypass), &refusal), refusal,
                   REFUSAL_SECURE_BOOT);
    assert_non_null(strstr(refusal.detail, "no image was verified"));
}

static void malformed_variables_are_refused(void **state)
{
    OWN(bytes) struct bytes good = variable_bytes(global_guid, "PK", view_string("content"));
    struct efi_variable variable;

    (void)state;
    assert_ok(efi_variable_parse(bytes_view(&good), &variable));
    assert_string_equal(variable.name, "PK");
    assert_true(efi_variable_is_global(&variable, "PK"));
    assert_false(efi_variable_is_database(&variable, "PK"));
    for (size_t size = 0; size < good.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){good.data, size});

        assert_status(efi_variable_parse(bytes_view(&cut), &variable), STATUS_MALFORMED);
    }
    good.data[33] = 1; /* U+0150 */
    assert_status(efi_variable_parse(bytes_view(&good), &variable), STATUS_MALFORMED);
    good.data[33] = 0;
    good.data[16] = 0; /* no name */
    assert_status(efi_variable_parse(bytes_view(&good), &variable), STATUS_MALFORMED);
    memset(good.data + 24, 0xff, 8); /* a size near 2^64 */
    assert_status(efi_variable_parse(bytes_view(&good), &variable), STATUS_MALFORMED);
}

static void count(void *context, const struct digest *hash)
{
    size_t *counted = context;

    assert_int_equal(hash->bytes[0], ++*counted);
}

static void malformed_signature_lists_are_refused(void **state)
{
    OWN(bytes) struct bytes good = dbx_bytes(3);
    size_t counted = 0;

    (void)state;
    assert_ok(efi_signature_lists_walk(bytes_view(&good), count, &counted));
    assert_int_equal(counted, 3);
    for (size_t size = 1; size < good.size; size++) {
        OWN(bytes) struct bytes cut = copy_of((struct view){good.data, size});

        counted = 0;
        assert_status(efi_signature_lists_walk(bytes_view(&cut), count, &counted),
                      STATUS_MALFORMED);
    }
    for (size_t i = 16; i < 28; i++) {
        uint8_t before = good.data[i];

        counted = 0;
        good.data[i] ^= 0x81; /* each byte of the three sizes */
        assert_status(efi_signature_lists_walk(bytes_view(&good), count, &counted),
                      STATUS_MALFORMED);
        good.data[i] = before;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_deviation_is_refused),
        cmocka_unit_test(policy_is_not_learned_from_a_boot_without_secure_boot),
        cmocka_unit_test(empty_policy_accepts_nothing),
        cmocka_unit_test(captured_bypass_is_refused),
        cmocka_unit_test(malformed_variables_are_refused),
        cmocka_unit_test(malformed_signature_lists_are_refused),
        cmocka_unit_test(newer_dbx_is_accepted),
    };
    return cmocka_run_group_tests_name("secure_boot", tests, NULL, NULL);
}
