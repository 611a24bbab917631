/* Logs of real and of made-up machines, and images signed for them. */
#include "lib/predict/boot.h"

#include "lib/predict/authenticode.h"

#include "tests/support/uki_maker.h"
#include "tests/support/vectors.h"
#include "tests/unit/lib/attest/log_writer.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }
#define TEXT_VIEW(literal) ((struct view)TEXT(literal))

static const uint8_t global_guid[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                        0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
static const uint8_t database_guid[16] = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                          0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};
static const uint8_t sha256_guid[16] = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                                        0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};
static const uint8_t x509_guid[16] = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                      0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
static const uint8_t owner[16] = "the owner's GUID";

struct fixture {
    struct uki_maker maker;
    struct bytes snakeoil, signer; /* certificates; the keys lie in the maker's folder */
    struct bytes plain;            /* the image, not signed */
    struct bytes by_snakeoil, by_signer;
};

static int open_fixture(void **state)
{
    static const struct uki_part parts[] = {
        {".cmdline", 0x30000, TEXT("console=ttyS0")},
        {".initrd", 0x4000000, TEXT("an initrd")},
    };
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    uki_maker_open(&fixture->maker);
    fixture->snakeoil = uki_snakeoil_key(&fixture->maker);
    fixture->signer = uki_key_make(&fixture->maker, "signer");
    fixture->plain = uki_make(&fixture->maker, parts, 2);
    fixture->by_snakeoil =
        uki_sign(&fixture->maker, bytes_view(&fixture->plain), "snakeoil.key", "snakeoil.pem");
    fixture->by_signer =
        uki_sign(&fixture->maker, bytes_view(&fixture->plain), "signer.key", "signer.pem");
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;

    uki_maker_close(&fixture->maker);
    bytes_free(&fixture->snakeoil);
    bytes_free(&fixture->signer);
    bytes_free(&fixture->plain);
    bytes_free(&fixture->by_snakeoil);
    bytes_free(&fixture->by_signer);
    free(fixture);
    return 0;
}

static void u64_le(struct writer *writer, uint64_t value)
{
    write_u32_le(writer, (uint32_t)value);
    write_u32_le(writer, (uint32_t)(value >> 32));
}

/* UEFI_VARIABLE_DATA. */
static void variable_put(struct writer *writer, const uint8_t *guid, const char *name,
                         struct view content)
{
    writer_view(writer, (struct view){guid, 16});
    u64_le(writer, strlen(name));
    u64_le(writer, content.size);
    for (const char *at = name; *at; at++) {
        write_u16_le(writer, (uint8_t)*at);
    }
    writer_view(writer, content);
}

/* EFI_SIGNATURE_LIST of one entry. */
static void list_put(struct writer *writer, const uint8_t *type, struct view content)
{
    writer_view(writer, (struct view){type, 16});
    write_u32_le(writer, (uint32_t)(28 + 16 + content.size));
    write_u32_le(writer, 0);
    write_u32_le(writer, (uint32_t)(16 + content.size));
    writer_view(writer, VIEW_OF_ARRAY(owner));
    writer_view(writer, content);
}

/* An event whose data are under its digest. */
static void measured_put(struct writer *log, uint32_t pcr, uint32_t type, struct view data)
{
    struct digest digest = sha256(data);

    event_write(log, pcr, type, &digest, data);
}

static void variable_event_put(struct writer *log, uint32_t type, const uint8_t *guid,
                               const char *name, struct view content)
{
    OWN(writer) struct writer data = writer_new(1 << 16);

    variable_put(&data, guid, name, content);
    measured_put(log, 7, type, written(&data));
}

static void authority_put(struct writer *log, const char *name, struct view content)
{
    OWN(writer) struct writer entry = writer_new(1 << 16);

    writer_view(&entry, VIEW_OF_ARRAY(owner));
    writer_view(&entry, content);
    variable_event_put(log, EVENT_EFI_VARIABLE_AUTHORITY, database_guid, name, written(&entry));
}

/* What a made-up machine measures; each bit adds, leaves out or changes something. */
enum feature {
    SECURE_BOOT_OFF = 1 << 0,
    NO_STATE = 1 << 1,
    STATE_NOT_UNDER_DIGEST = 1 << 2,
    OPTION_ROM = 1 << 3, /* accepted by the signer's certificate before anything was booted */
    OTHER_AUTHORITY = 1 << 4,
    NOT_CALLED = 1 << 5,
    GIVEN_UP = 1 << 6,
    NO_APPLICATION = 1 << 7,
    BOOT_LOADER = 1 << 8, /* shim and GRUB between firmware and kernel */
};

static void firmware_put(struct writer *log, const struct fixture *fixture, unsigned features,
                         struct view db, struct view dbx)
{
    const uint8_t state = !(features & SECURE_BOOT_OFF);

    event_log_begin(log);
    measured_put(log, 0, EVENT_S_CRTM_VERSION, TEXT_VIEW("1.0"));
    if (features & STATE_NOT_UNDER_DIGEST) {
        OWN(writer) struct writer data = writer_new(256);
        struct digest digest = {{1}};

        variable_put(&data, global_guid, "SecureBoot", (struct view){&state, 1});
        event_write(log, 7, EVENT_EFI_VARIABLE_DRIVER_CONFIG, &digest, written(&data));
    } else if (!(features & NO_STATE)) {
        variable_event_put(log, EVENT_EFI_VARIABLE_DRIVER_CONFIG, global_guid, "SecureBoot",
                           (struct view){&state, 1});
    }
    variable_event_put(log, EVENT_EFI_VARIABLE_DRIVER_CONFIG, database_guid, "db", db);
    variable_event_put(log, EVENT_EFI_VARIABLE_DRIVER_CONFIG, database_guid, "dbx", dbx);
    separator_write(log, 7);
    if (features & OPTION_ROM) {
        authority_put(log, "db", bytes_view(&fixture->signer));
    }
}

static void boot_loader_put(struct writer *log)
{
    authority_put(log, "MokListTrusted", TEXT_VIEW("shim's"));
    measured_put(log, 14, EVENT_IPL, TEXT_VIEW("MokList"));
    measured_put(log, 4, EVENT_EFI_BOOT_SERVICES_APPLICATION, TEXT_VIEW("grub"));
    measured_put(log, 4, EVENT_IPL, TEXT_VIEW("grub's kernel"));
    measured_put(log, 5, EVENT_IPL, TEXT_VIEW("loader.conf"));
    measured_put(log, 8, EVENT_IPL, TEXT_VIEW("kernel_cmdline: /vmlinuz"));
    measured_put(log, 9, EVENT_IPL, TEXT_VIEW("/vmlinuz"));
}

static struct bytes log_make(const struct fixture *fixture, unsigned features, struct view db,
                             struct view dbx)
{
    OWN(writer) struct writer log = writer_new(1 << 20);
    struct bytes bytes;

    firmware_put(&log, fixture, features, db, dbx);
    if (!(features & NOT_CALLED)) {
        measured_put(&log, 4, EVENT_EFI_ACTION,
                     TEXT_VIEW("Calling EFI Application from Boot Option"));
    }
    for (uint32_t pcr = 0; pcr < 7; pcr++) {
        separator_write(&log, pcr);
    }
    measured_put(&log, 5, EVENT_EFI_GPT_EVENT, TEXT_VIEW("a partition table"));
    if (features & GIVEN_UP) {
        measured_put(&log, 4, EVENT_EFI_ACTION,
                     TEXT_VIEW("Returning from EFI Application from Boot Option"));
    }
    if (!(features & (SECURE_BOOT_OFF | OPTION_ROM))) {
        authority_put(&log, "db",
                      features & OTHER_AUTHORITY ? TEXT_VIEW("measured in another way")
                                                 : bytes_view(&fixture->signer));
    }
    if (!(features & NO_APPLICATION)) {
        measured_put(&log, 4, EVENT_EFI_BOOT_SERVICES_APPLICATION, TEXT_VIEW("an application"));
    }
    if (features & BOOT_LOADER) {
        boot_loader_put(&log);
    }
    measured_put(&log, 11, EVENT_IPL, TEXT_VIEW(".linux\0"));
    measured_put(&log, 9, EVENT_TAG, TEXT_VIEW("another initrd"));
    measured_put(&log, 5, EVENT_EFI_ACTION, TEXT_VIEW("Exit Boot Services Invocation"));
    assert_ok(writer_take(&log, &bytes));
    return bytes;
}

/* db with the signer's certificate, behind one that does not matter. */
static struct bytes db_make(const struct fixture *fixture)
{
    OWN(writer) struct writer db = writer_new(1 << 16);
    struct bytes bytes;

    list_put(&db, x509_guid, bytes_view(&fixture->snakeoil));
    list_put(&db, x509_guid, bytes_view(&fixture->signer));
    assert_ok(writer_take(&db, &bytes));
    return bytes;
}

static struct bytes usual_log(const struct fixture *fixture, unsigned features)
{
    OWN(bytes) struct bytes db = db_make(fixture);

    return log_make(fixture, features, bytes_view(&db), (struct view){0});
}

static void refused(const struct bytes *log, const struct bytes *image, enum refusal_code code,
                    const char *why)
{
    struct prediction prediction;
    struct refusal refusal = {0};

    assert_refused(boot_predict(bytes_view(log), bytes_view(image), &prediction, &refusal), refusal,
                   code);
    if (!strstr(refusal.detail, why)) {
        fail_msg("\"%s\" says nothing of \"%s\"", refusal.detail, why);
    }
}

static void log_refused(const struct fixture *fixture, unsigned features, enum refusal_code code,
                        const char *why)
{
    OWN(bytes) struct bytes log = usual_log(fixture, features);

    refused(&log, &fixture->by_signer, code, why);
}

static struct prediction predict(const struct bytes *log, const struct bytes *image)
{
    struct prediction prediction;
    struct refusal refusal = {0};

    if (boot_predict(bytes_view(log), bytes_view(image), &prediction, &refusal) != STATUS_OK) {
        fail_msg("refused: %s: %s", refusal_name(refusal.code), refusal.detail);
    }
    return prediction;
}

/* The events of a PCR are these types, in order; 0 ends them. */
static void pcr_has(const struct prediction *prediction, uint32_t pcr, const uint32_t *types)
{
    for (size_t i = 0; i < prediction->count; i++) {
        if (prediction->events[i].pcr == pcr) {
            assert_int_equal(prediction->events[i].type, *types);
            types++;
        }
    }
    assert_int_equal(*types, 0);
}

static const struct predicted_event *last_of(const struct prediction *prediction, uint32_t pcr)
{
    for (size_t i = prediction->count; i > 0; i--) {
        if (prediction->events[i - 1].pcr == pcr) {
            return &prediction->events[i - 1];
        }
    }
    fail_msg("no event in PCR %u", pcr);
    return NULL;
}

static void refuses_to_learn_from_what_was_not_booted_by_a_boot_option(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes bypass = vector_load("evidence/secureboot/eventlog.bin");

    log_refused(fixture, NOT_CALLED, REFUSAL_EVENT_MISSING, "boot option");
    log_refused(fixture, NO_APPLICATION, REFUSAL_EVENT_MISSING, "boot option");
    refused(&bypass, &fixture->by_snakeoil, REFUSAL_EVENT_MISSING, "boot option");
}

static void refuses_to_learn_from_a_boot_that_tried_two_options(void **state)
{
    log_refused(*state, GIVEN_UP, REFUSAL_EVENT_UNEXPECTED, "given up");
}

static void refuses_to_learn_where_the_secure_boot_state_is_not_measured(void **state)
{
    log_refused(*state, NO_STATE, REFUSAL_SECURE_BOOT, "state");
    log_refused(*state, STATE_NOT_UNDER_DIGEST, REFUSAL_SECURE_BOOT, "under its digest");
}

static void refuses_a_firmware_that_measures_authorities_in_another_way(void **state)
{
    log_refused(*state, OTHER_AUTHORITY, REFUSAL_SECURE_BOOT, "another way");
}

static void refuses_a_log_that_is_cut_short(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = usual_log(fixture, 0);

    log.size--;
    refused(&log, &fixture->by_signer, REFUSAL_EVENT_LOG, "");
}

static void refuses_an_image_that_secure_boot_would_not_start(void **state)
{
    const struct fixture *fixture = *state;
    OWN(writer) struct writer snakeoil_only = writer_new(1 << 16);
    OWN(bytes) struct bytes log = usual_log(fixture, 0), other = {0}, changed = {0};

    refused(&log, &fixture->plain, REFUSAL_SECURE_BOOT, "not signed");
    list_put(&snakeoil_only, x509_guid, bytes_view(&fixture->snakeoil));
    other = log_make(fixture, OPTION_ROM, written(&snakeoil_only), (struct view){0});
    refused(&other, &fixture->by_signer, REFUSAL_SECURE_BOOT, "no certificate");
    /* A byte of the command line changed after it was signed. */
    assert_ok(bytes_copy(bytes_view(&fixture->by_signer), &changed));
    *(char *)memmem(changed.data, changed.size, "console=ttyS0", 13) = 'C';
    refused(&log, &changed, REFUSAL_SECURE_BOOT, "no certificate");
}

/* The signed digest is right and the content whole, but not what the key signed. */
static void refuses_a_signature_that_does_not_hold(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = usual_log(fixture, 0), changed = {0};
    struct pe_image image;
    struct view pkcs7;
    size_t at = 0;

    assert_ok(bytes_copy(bytes_view(&fixture->by_signer), &changed));
    assert_ok(pe_image_parse(bytes_view(&changed), &image, NULL));
    assert_ok(pe_image_signature(&image, &at, &pkcs7, NULL));
    /* The signature proper is at the end of SignedData; sbsign pads the table to eight bytes. */
    changed.data[pkcs7.data + pkcs7.size - 16 - changed.data] ^= 1;
    refused(&log, &changed, REFUSAL_SECURE_BOOT, "no certificate");
}

static void refuses_an_image_that_dbx_revokes(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes db = db_make(fixture), by_hash = {0}, by_certificate = {0};
    OWN(writer) struct writer hash = writer_new(1 << 16), certificate = writer_new(1 << 16);
    struct pe_image image;
    struct digest digest;

    assert_ok(pe_image_parse(bytes_view(&fixture->by_signer), &image, NULL));
    digest = pe_image_digest(&image);
    list_put(&hash, sha256_guid, digest_view(&digest));
    by_hash = log_make(fixture, 0, bytes_view(&db), written(&hash));
    refused(&by_hash, &fixture->by_signer, REFUSAL_SECURE_BOOT, "revokes");
    list_put(&certificate, x509_guid, bytes_view(&fixture->signer));
    by_certificate = log_make(fixture, 0, bytes_view(&db), written(&certificate));
    refused(&by_certificate, &fixture->by_signer, REFUSAL_SECURE_BOOT, "revokes");
}

/* The whole of a real boot, with another image of the same signer: all that is not the image's is
 * as it was. */
static void the_firmware_s_events_stay_as_they_were_in_a_real_boot(void **state)
{
    enum { FIRMWARE_MASK = 0xef };
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = vector_load("evidence/uki-sb/eventlog.bin");
    OWN(prediction) struct prediction prediction = predict(&log, &fixture->by_snakeoil);
    OWN(event_sequence) struct event_sequence sequence = {0};
    struct event_log reader;
    struct event event;
    size_t at = 0;

    assert_ok(prediction_sequence(&prediction, PCR_MASK_ALL, &sequence));
    assert_ok(event_sequence_check_roles(&sequence, NULL));
    assert_ok(event_log_open(bytes_view(&log), &reader, NULL));
    while (event_log_next(&reader, &event, NULL) == STATUS_OK) {
        if (event.type == EVENT_NO_ACTION || !(FIRMWARE_MASK >> event.pcr & 1)) {
            continue;
        }
        while (!(FIRMWARE_MASK >> prediction.events[at].pcr & 1)) {
            at++;
        }
        assert_int_equal(prediction.events[at].pcr, event.pcr);
        assert_int_equal(prediction.events[at].type, event.type);
        assert_memory_equal(prediction.events[at].digest.bytes, event.digest.bytes, SHA256_SIZE);
        at++;
    }
    pcr_has(&prediction, 4,
            (const uint32_t[]){EVENT_EFI_ACTION, EVENT_SEPARATOR,
                               EVENT_EFI_BOOT_SERVICES_APPLICATION, 0});
}

static void the_image_s_events_replace_those_of_another_boot_loader(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = usual_log(fixture, BOOT_LOADER);
    OWN(prediction) struct prediction prediction = predict(&log, &fixture->by_signer);

    pcr_has(&prediction, 0, (const uint32_t[]){EVENT_S_CRTM_VERSION, EVENT_SEPARATOR, 0});
    pcr_has(&prediction, 4,
            (const uint32_t[]){EVENT_EFI_ACTION, EVENT_SEPARATOR,
                               EVENT_EFI_BOOT_SERVICES_APPLICATION, 0});
    pcr_has(&prediction, 5,
            (const uint32_t[]){EVENT_SEPARATOR, EVENT_EFI_GPT_EVENT, EVENT_EFI_ACTION, 0});
    pcr_has(&prediction, 7,
            (const uint32_t[]){EVENT_EFI_VARIABLE_DRIVER_CONFIG, EVENT_EFI_VARIABLE_DRIVER_CONFIG,
                               EVENT_EFI_VARIABLE_DRIVER_CONFIG, EVENT_SEPARATOR,
                               EVENT_EFI_VARIABLE_AUTHORITY, 0});
    pcr_has(&prediction, 8, (const uint32_t[]){0});
    pcr_has(&prediction, 9, (const uint32_t[]){EVENT_TAG, EVENT_TAG, 0});
    pcr_has(
        &prediction, 11,
        (const uint32_t[]){EVENT_IPL, EVENT_IPL, EVENT_IPL, EVENT_IPL, EVENT_IPL, EVENT_IPL, 0});
    pcr_has(&prediction, 14, (const uint32_t[]){0});
}

static void the_authority_is_the_entry_of_db_that_accepts_the_image(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = usual_log(fixture, 0);
    OWN(prediction) struct prediction by_signer = predict(&log, &fixture->by_signer);
    OWN(prediction) struct prediction by_snakeoil = predict(&log, &fixture->by_snakeoil);
    OWN(writer) struct writer expected = writer_new(1 << 16), entry = writer_new(1 << 16);
    struct digest digest;

    writer_view(&entry, VIEW_OF_ARRAY(owner));
    writer_view(&entry, bytes_view(&fixture->signer));
    variable_put(&expected, database_guid, "db", written(&entry));
    digest = sha256(written(&expected));
    assert_memory_equal(last_of(&by_signer, 7)->digest.bytes, digest.bytes, SHA256_SIZE);
    assert_memory_not_equal(last_of(&by_snakeoil, 7)->digest.bytes, digest.bytes, SHA256_SIZE);
}

/* So EDK II has it: what the owner put into db is trusted. */
static void a_certificate_of_db_need_be_no_root_and_may_have_expired(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes leaf = uki_key_issue(&fixture->maker, "signer", "leaf");
    OWN(bytes)
    struct bytes image =
        uki_sign(&fixture->maker, bytes_view(&fixture->plain), "leaf.key", "leaf.pem");
    OWN(bytes) struct bytes usual = usual_log(fixture, 0), log = {0};
    OWN(writer) struct writer db = writer_new(1 << 16);
    OWN(prediction) struct prediction by_leaf = {0}, by_issuer = {0};

    list_put(&db, x509_guid, bytes_view(&leaf));
    list_put(&db, x509_guid, bytes_view(&fixture->signer));
    log = log_make(fixture, 0, written(&db), (struct view){0});
    by_leaf = predict(&log, &image);
    by_issuer = predict(&usual, &image); /* whose db has the issuer's alone */
    assert_memory_not_equal(last_of(&by_leaf, 7)->digest.bytes,
                            last_of(&by_issuer, 7)->digest.bytes, SHA256_SIZE);
}

static void the_authority_of_an_image_that_is_not_signed_is_its_hash_in_db(void **state)
{
    const struct fixture *fixture = *state;
    OWN(writer) struct writer db = writer_new(1 << 16), expected = writer_new(1 << 16);
    OWN(writer) struct writer entry = writer_new(1 << 16);
    OWN(bytes) struct bytes log = {0};
    OWN(prediction) struct prediction prediction = {0};
    struct pe_image image;
    struct digest digest;

    assert_ok(pe_image_parse(bytes_view(&fixture->plain), &image, NULL));
    digest = pe_image_digest(&image);
    list_put(&db, x509_guid, bytes_view(&fixture->signer));
    list_put(&db, sha256_guid, digest_view(&digest));
    log = log_make(fixture, 0, written(&db), (struct view){0});
    prediction = predict(&log, &fixture->plain);
    writer_view(&entry, VIEW_OF_ARRAY(owner));
    writer_view(&entry, digest_view(&digest));
    variable_put(&expected, database_guid, "db", written(&entry));
    digest = sha256(written(&expected));
    assert_memory_equal(last_of(&prediction, 7)->digest.bytes, digest.bytes, SHA256_SIZE);
}

static void an_authority_is_measured_once(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = usual_log(fixture, OPTION_ROM);
    OWN(prediction) struct prediction same = predict(&log, &fixture->by_signer);
    OWN(prediction) struct prediction other = predict(&log, &fixture->by_snakeoil);

    pcr_has(&same, 7,
            (const uint32_t[]){EVENT_EFI_VARIABLE_DRIVER_CONFIG, EVENT_EFI_VARIABLE_DRIVER_CONFIG,
                               EVENT_EFI_VARIABLE_DRIVER_CONFIG, EVENT_SEPARATOR,
                               EVENT_EFI_VARIABLE_AUTHORITY, 0});
    pcr_has(&other, 7,
            (const uint32_t[]){EVENT_EFI_VARIABLE_DRIVER_CONFIG, EVENT_EFI_VARIABLE_DRIVER_CONFIG,
                               EVENT_EFI_VARIABLE_DRIVER_CONFIG, EVENT_SEPARATOR,
                               EVENT_EFI_VARIABLE_AUTHORITY, EVENT_EFI_VARIABLE_AUTHORITY, 0});
}

/* tests/vectors/predict/secure-boot-off.bin: QEMU 7.2 with OVMF 2022.11, Secure Boot off, an image
 * of systemd-stub 252.39 with Debian's kernel 6.1.0-56-cloud-amd64 and an initrd, not signed. */
static void without_secure_boot_an_image_needs_no_signature_and_has_no_authority(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = vector_load("predict/secure-boot-off.bin");
    OWN(prediction) struct prediction prediction = predict(&log, &fixture->plain);
    OWN(event_sequence) struct event_sequence sequence = {0};
    const struct predicted_event *last;

    assert_ok(prediction_sequence(&prediction, PCR_MASK_ALL, &sequence));
    assert_ok(event_sequence_check_roles(&sequence, NULL));
    last = last_of(&prediction, 7);
    assert_true(last && last->type != EVENT_EFI_VARIABLE_AUTHORITY);
    pcr_has(&prediction, 4,
            (const uint32_t[]){EVENT_EFI_ACTION, EVENT_SEPARATOR,
                               EVENT_EFI_BOOT_SERVICES_APPLICATION,
                               EVENT_EFI_BOOT_SERVICES_APPLICATION, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_to_learn_from_what_was_not_booted_by_a_boot_option),
        cmocka_unit_test(refuses_to_learn_from_a_boot_that_tried_two_options),
        cmocka_unit_test(refuses_to_learn_where_the_secure_boot_state_is_not_measured),
        cmocka_unit_test(refuses_a_firmware_that_measures_authorities_in_another_way),
        cmocka_unit_test(refuses_a_log_that_is_cut_short),
        cmocka_unit_test(refuses_an_image_that_secure_boot_would_not_start),
        cmocka_unit_test(refuses_a_signature_that_does_not_hold),
        cmocka_unit_test(refuses_an_image_that_dbx_revokes),
        cmocka_unit_test(the_firmware_s_events_stay_as_they_were_in_a_real_boot),
        cmocka_unit_test(the_image_s_events_replace_those_of_another_boot_loader),
        cmocka_unit_test(the_authority_is_the_entry_of_db_that_accepts_the_image),
        cmocka_unit_test(a_certificate_of_db_need_be_no_root_and_may_have_expired),
        cmocka_unit_test(the_authority_of_an_image_that_is_not_signed_is_its_hash_in_db),
        cmocka_unit_test(an_authority_is_measured_once),
        cmocka_unit_test(without_secure_boot_an_image_needs_no_signature_and_has_no_authority),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
