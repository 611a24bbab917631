/* Unified kernel images of Debian's parts, signed by sbsign, and what of them a real boot measured.
 */
#include "lib/predict/uki.h"

#include "tests/support/test.h"
#include "tests/support/uki_maker.h"
#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

/* Those of tests/vectors/evidence/uki-sb. */
#define EVIDENCE_OSREL "ID=tccp\nVERSION_ID=1\n"
#define EVIDENCE_CMDLINE                                                                           \
    "console=ttyS0 quiet ima_policy=tcb ima_hash=sha256 rootfstype=ramfs panic=-1"

static const struct uki_part osrel = {".osrel", 0x20000, TEXT(EVIDENCE_OSREL)};
static const struct uki_part cmdline = {".cmdline", 0x30000, TEXT(EVIDENCE_CMDLINE)};
static const struct uki_part initrd = {".initrd", 0x4000000, TEXT("an initrd")};

struct fixture {
    struct uki_maker maker;
    struct bytes image; /* osrel, cmdline, initrd; not signed */
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    uki_maker_open(&fixture->maker);
    fixture->image = uki_make(&fixture->maker, (struct uki_part[]){osrel, cmdline, initrd}, 3);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;

    uki_maker_close(&fixture->maker);
    bytes_free(&fixture->image);
    free(fixture);
    return 0;
}

static struct prediction predict(struct view image, bool secure_boot)
{
    struct prediction prediction;
    struct refusal refusal = {0};

    if (uki_predict(image, secure_boot, &prediction, &refusal) != STATUS_OK) {
        fail_msg("refused: %s: %s", refusal_name(refusal.code), refusal.detail);
    }
    return prediction;
}

static void refused(struct view image, enum refusal_code code, const char *why)
{
    struct prediction prediction;
    struct refusal refusal = {0};

    assert_refused(uki_predict(image, true, &prediction, &refusal), refusal, code);
    if (!strstr(refusal.detail, why)) {
        fail_msg("\"%s\" says nothing of \"%s\"", refusal.detail, why);
    }
}

static void parts_refused(const struct fixture *fixture, const struct uki_part *parts, size_t count,
                          enum refusal_code code, const char *why)
{
    OWN(bytes) struct bytes image = uki_make(&fixture->maker, parts, count);

    refused(bytes_view(&image), code, why);
}

static uint8_t *find(const struct bytes *image, const char *text, size_t size)
{
    uint8_t *at = memmem(image->data, image->size, text, size);

    assert_non_null(at);
    return at;
}

/* The image with these bytes in the place of others of the same number. */
static struct bytes patched(const struct fixture *fixture, const char *old, const char *new)
{
    struct bytes copy;

    assert_ok(bytes_copy(bytes_view(&fixture->image), &copy));
    memcpy(find(&copy, old, strlen(old)), new, strlen(new));
    return copy;
}

static void patch_refused(const struct fixture *fixture, const char *old, const char *new,
                          const char *why)
{
    OWN(bytes) struct bytes copy = patched(fixture, old, new);

    refused(bytes_view(&copy), REFUSAL_NOT_PREDICTABLE, why);
}

/* The header of a section; its fields are 8 memory size, 16 file size. */
static uint8_t *section_header(const struct bytes *image, const char *name)
{
    char padded[8] = {0};

    memcpy(padded, name, strlen(name));
    return find(image, padded, sizeof padded);
}

static const struct predicted_event *event_of(const struct prediction *prediction, uint32_t pcr,
                                              const char *name)
{
    for (size_t i = 0; i < prediction->count; i++) {
        if (prediction->events[i].pcr == pcr && strcmp(prediction->events[i].name, name) == 0) {
            return &prediction->events[i];
        }
    }
    return NULL;
}

static void has_digest(const struct prediction *prediction, uint32_t pcr, const char *name,
                       struct digest expected)
{
    const struct predicted_event *event = event_of(prediction, pcr, name);

    assert_non_null(event);
    assert_memory_equal(event->digest.bytes, expected.bytes, SHA256_SIZE);
}

static void refuses_what_is_no_unified_kernel_image(void **state)
{
    const struct fixture *fixture = *state;

    refused(bytes_view(&fixture->maker.kernel), REFUSAL_NOT_PREDICTABLE, "systemd-stub");
    refused((struct view)TEXT("#!/bin/sh\n"), REFUSAL_MALFORMED, "MZ");
    patch_refused(fixture, ".linux\0", ".Linux\0", "no section .linux");
}

static void refuses_stubs_that_measure_other_things(void **state)
{
    const struct fixture *fixture = *state;

    patch_refused(fixture, "systemd-stub 252", "systemd-stub 255", "systemd-stub 252");
    patch_refused(fixture, "systemd-stub 252.", "systemd-stub 2521", "systemd-stub 252");
    patch_refused(fixture, "systemd-stub 252", "systemd-boot 252", "systemd-stub 252");
}

static void refuses_a_kernel_that_does_not_measure_options_and_initrd(void **state)
{
    const struct fixture *fixture = *state;

    patch_refused(fixture, "LOADED_IMAGE::LoadOptions", "LOADED_IMAGE::Loadoptions",
                  "does not measure");
    patch_refused(fixture, "Linux initrd", "Linux Initrd", "does not measure");
}

static void refuses_a_kernel_that_is_no_program_for_uefi(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes copy = {0};
    uint8_t *kernel;

    assert_ok(bytes_copy(bytes_view(&fixture->image), &copy));
    kernel = find(&copy, (const char *)fixture->maker.kernel.data, 512);
    /* MajorImageVersion 0: the initrd would come in another way. */
    kernel[kernel[0x3c] + 24 + 44] = 0;
    refused(bytes_view(&copy), REFUSAL_NOT_PREDICTABLE, "too old");
    kernel[0] = 'N';
    refused(bytes_view(&copy), REFUSAL_MALFORMED, "MZ");
}

/* systemd-stub looks no further than the length of the name that it knows. */
static void refuses_two_sections_that_fit_one_name(void **state)
{
    const struct fixture *fixture = *state;
    static const struct uki_part other = {".osrel2", 0x50000, TEXT("x")};

    parts_refused(fixture, (struct uki_part[]){osrel, cmdline, initrd, other}, 4,
                  REFUSAL_NOT_PREDICTABLE, "two sections .osrel");
}

static void refuses_a_section_that_is_larger_in_memory_than_in_the_file(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes copy = {0};
    OWN(prediction) struct prediction whole = {0};
    uint8_t *header;

    assert_ok(bytes_copy(bytes_view(&fixture->image), &copy));
    header = section_header(&copy, ".osrel");
    memcpy(header + 8, header + 16, 4);
    whole = predict(bytes_view(&copy), true);
    header[8]++;
    refused(bytes_view(&copy), REFUSAL_NOT_PREDICTABLE, "larger in memory");
}

static void refuses_an_initrd_that_is_loaded_and_not_measured(void **state)
{
    const struct fixture *fixture = *state;
    static const struct uki_part named = {".cmdline", 0x30000, TEXT("quiet initrd=\\evil.img")};
    static const struct uki_part none = {".cmdline", 0x30000, TEXT("quiet noinitrd")};

    parts_refused(fixture, &named, 1, REFUSAL_NOT_PREDICTABLE, "nobody measures");
    parts_refused(fixture, (struct uki_part[]){none, initrd}, 2, REFUSAL_NOT_PREDICTABLE,
                  "noinitrd");
}

static void refuses_a_command_line_that_is_not_text(void **state)
{
    static const struct view bad[] = {
        TEXT("a\x80"),             /* begins in the middle */
        TEXT("a\x8f\xbf\xbf"),     /* the same */
        TEXT("a\xc3"),             /* cut short */
        TEXT("a\xc3x"),            /* goes on with something else */
        TEXT("a\xc0\xaf"),         /* longer than need be */
        TEXT("a\xe0\x80\xaf"),     /* the same */
        TEXT("a\xed\xa0\x80"),     /* a surrogate */
        TEXT("a\xf0\x9f\x98\x80"), /* above U+FFFF */
    };
    const struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        OWN(bytes) struct bytes copy = {0};
        uint8_t *at;

        assert_ok(bytes_copy(bytes_view(&fixture->image), &copy));
        at = find(&copy, EVIDENCE_CMDLINE, strlen(EVIDENCE_CMDLINE));
        memcpy(at, bad[i].data, bad[i].size);
        at[bad[i].size] = '\0';
        refused(bytes_view(&copy), REFUSAL_NOT_PREDICTABLE, "UTF-8");
    }
}

static void refuses_a_command_line_above_the_limit(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t text[UKI_COMMAND_LINE_SIZE_MAX + 1];
    struct uki_part part = {".cmdline", 0x30000, VIEW_OF_ARRAY(text)};
    OWN(bytes) struct bytes image = {0};
    OWN(prediction) struct prediction prediction = {0};

    memset(text, 'x', sizeof text);
    parts_refused(fixture, &part, 1, REFUSAL_TOO_LARGE, "4097 bytes");
    part.content.size--;
    image = uki_make(&fixture->maker, &part, 1);
    prediction = predict(bytes_view(&image), true);
    assert_non_null(event_of(&prediction, 9, "load options"));
}

/* Cut anywhere, an image is refused, or a section's padding was cut off and nothing is read past
 * the end; sanitizers see to the latter. */
static void an_image_that_is_cut_short_is_refused(void **state)
{
    const struct fixture *fixture = *state;

    for (size_t part = 1; part < 64; part++) {
        size_t size = fixture->image.size / 64 * part;
        OWN(bytes) struct bytes copy = {0};

        assert_ok(bytes_copy((struct view){fixture->image.data, size}, &copy));
        refused(bytes_view(&copy), REFUSAL_MALFORMED, "does not lie in the file");
    }
}

struct seen {
    const char *name;
    uint32_t pcr, type;
    enum event_role role;
};

static void has_events(const struct prediction *prediction, const struct seen *seen, size_t count)
{
    assert_int_equal(prediction->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(prediction->events[i].name, seen[i].name);
        assert_int_equal(prediction->events[i].pcr, seen[i].pcr);
        assert_int_equal(prediction->events[i].type, seen[i].type);
        assert_int_equal(prediction->events[i].role, seen[i].role);
    }
}

#define SECTION(name)                                                                              \
    {"name of " name, 11, EVENT_IPL, EVENT_ROLE_NONE},                                             \
    {                                                                                              \
        "contents of " name, 11, EVENT_IPL, EVENT_ROLE_NONE                                        \
    }
#define IMAGE                                                                                      \
    {                                                                                              \
        "unified kernel image", 4, EVENT_EFI_BOOT_SERVICES_APPLICATION, EVENT_ROLE_KERNEL          \
    }
#define KERNEL                                                                                     \
    {                                                                                              \
        "kernel", 4, EVENT_EFI_BOOT_SERVICES_APPLICATION, EVENT_ROLE_KERNEL                        \
    }
#define LOAD_OPTIONS                                                                               \
    {                                                                                              \
        "load options", 9, EVENT_TAG, EVENT_ROLE_LOAD_OPTIONS                                      \
    }
#define INITRD                                                                                     \
    {                                                                                              \
        "initrd", 9, EVENT_TAG, EVENT_ROLE_INITRD                                                  \
    }

static void events_come_in_the_order_of_the_boot(void **state)
{
    static const struct seen expected[] = {
        IMAGE,
        SECTION(".linux"),
        SECTION(".osrel"),
        SECTION(".cmdline"),
        SECTION(".initrd"),
        LOAD_OPTIONS,
        INITRD,
    };
    const struct fixture *fixture = *state;
    OWN(prediction) struct prediction prediction = predict(bytes_view(&fixture->image), true);

    has_events(&prediction, expected, ARRAY_SIZE(expected));
}

static void the_firmware_measures_the_kernel_too_without_secure_boot(void **state)
{
    static const struct seen expected[] = {
        IMAGE,
        SECTION(".linux"),
        SECTION(".osrel"),
        SECTION(".cmdline"),
        SECTION(".initrd"),
        KERNEL,
        LOAD_OPTIONS,
        INITRD,
    };
    const struct fixture *fixture = *state;
    OWN(prediction) struct prediction prediction = predict(bytes_view(&fixture->image), false);

    has_events(&prediction, expected, ARRAY_SIZE(expected));
}

static void an_image_of_a_kernel_alone_has_no_options_and_no_initrd(void **state)
{
    static const struct seen expected[] = {IMAGE, SECTION(".linux"), KERNEL};
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes image = uki_make(&fixture->maker, NULL, 0);
    OWN(prediction) struct prediction prediction = predict(bytes_view(&image), false);

    has_events(&prediction, expected, ARRAY_SIZE(expected));
}

static void sections_that_the_stub_does_not_know_are_not_measured(void **state)
{
    static const struct seen expected[] = {
        IMAGE,
        SECTION(".linux"),
        SECTION(".splash"),
        SECTION(".dtb"),
    };
    static const struct uki_part parts[] = {
        {".dtb", 0x20000, TEXT("dtb")},     {".uname", 0x30000, TEXT("6.1.0")},
        {".splash", 0x40000, TEXT("BM..")}, {".profile", 0x50000, TEXT("x")},
        {".osrel", 0x60000, TEXT("x")},
    };
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes image = uki_make(&fixture->maker, parts, 5);
    OWN(prediction) struct prediction prediction = {0};

    memset(section_header(&image, ".osrel") + 8, 0, 4); /* empty in memory: not there */
    prediction = predict(bytes_view(&image), true);
    has_events(&prediction, expected, ARRAY_SIZE(expected));
}

/* The real boot of tests/vectors/evidence/uki-sb had these sections, among others. */
static void digests_are_those_of_a_real_boot(void **state)
{
    static const char *const names[] = {"name of .linux",       "name of .osrel",
                                        "contents of .osrel",   "name of .cmdline",
                                        "contents of .cmdline", "name of .initrd"};
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes log = vector_load("evidence/uki-sb/eventlog.bin");
    OWN(prediction) struct prediction prediction = predict(bytes_view(&fixture->image), true);
    struct event_log reader;
    struct event event;
    size_t found = 0;

    assert_ok(event_log_open(bytes_view(&log), &reader, NULL));
    while (event_log_next(&reader, &event, NULL) == STATUS_OK) {
        for (size_t i = 0; event.pcr == 11 && i < ARRAY_SIZE(names); i++) {
            found += digest_equal(&event_of(&prediction, 11, names[i])->digest, &event.digest);
        }
        found += event.pcr == 9 &&
                 digest_equal(&event_of(&prediction, 9, "load options")->digest, &event.digest);
    }
    assert_int_equal(found, ARRAY_SIZE(names) + 1);
}

static void has_load_options(const struct fixture *fixture, struct view text, const char *expected)
{
    struct uki_part part = {".cmdline", 0x30000, text};
    OWN(bytes) struct bytes image = uki_make(&fixture->maker, &part, 1);
    OWN(prediction) struct prediction prediction = predict(bytes_view(&image), true);
    uint8_t utf16[256] = {0};
    size_t size = 0;

    for (; expected[size / 2]; size += 2) {
        utf16[size] = (uint8_t)expected[size / 2]; /* Latin 1 */
    }
    has_digest(&prediction, 9, "load options", sha256((struct view){utf16, size + 2}));
    has_digest(&prediction, 11, "contents of .cmdline", sha256(text));
}

/* As mangle_stub_cmdline() of systemd-stub does. */
static void load_options_are_the_command_line_as_the_stub_changes_it(void **state)
{
    const struct fixture *fixture = *state;

    has_load_options(fixture, (struct view)TEXT("a b\tc\nd \t\n"), "a b c d");
    has_load_options(fixture, (struct view)TEXT(" x=\xc3\xbc"), " x=\xfc");
    has_load_options(fixture, (struct view)TEXT("a\0b"), "a");
    has_load_options(fixture, (struct view)TEXT(" \n"), "");
}

/* The archives of systemd-stub, written out. */
static void the_initrd_carries_pcr_signatures_and_their_key(void **state)
{
#define ZERO "00000000"
#define FOLDER                                                                                     \
    "070701"                                                                                       \
    "00000001"                                                                                     \
    "0000416d" ZERO ZERO "00000001" ZERO ZERO ZERO ZERO ZERO ZERO "00000007" ZERO ".extra\0"       \
    "\0\0\0"
#define FILE_HEAD(size)                                                                            \
    "070701"                                                                                       \
    "00000002"                                                                                     \
    "00008124" ZERO ZERO "00000001" ZERO size ZERO ZERO ZERO ZERO "0000001f" ZERO
#define TRAILER                                                                                    \
    "070701" ZERO ZERO ZERO ZERO "00000001" ZERO ZERO ZERO ZERO ZERO ZERO "0000000B" ZERO          \
    "TRAILER!!!\0\0\0\0"
    static const char expected[] = "an initrd\0\0\0" FOLDER FILE_HEAD(
        "00000005") ".extra/tpm2-pcr-signature.json\0\0\0\0"
                    "{\"a\"}\0\0\0" TRAILER FOLDER FILE_HEAD(
                        "00000004") ".extra/tpm2-pcr-public-key.pem\0\0\0\0"
                                    "KEY\n" TRAILER;
    const struct fixture *fixture = *state;
    static const struct uki_part pcrsig = {".pcrsig", 0x50000, TEXT("{\"a\"}")};
    static const struct uki_part pcrpkey = {".pcrpkey", 0x60000, TEXT("KEY\n")};
    OWN(bytes)
    struct bytes image = uki_make(&fixture->maker, (struct uki_part[]){initrd, pcrsig, pcrpkey}, 3);
    OWN(prediction) struct prediction prediction = predict(bytes_view(&image), true);

    has_digest(&prediction, 9, "initrd", sha256((struct view)TEXT(expected)));
    has_digest(&prediction, 11, "contents of .initrd", sha256(initrd.content));
    assert_non_null(event_of(&prediction, 11, "contents of .pcrpkey"));
    assert_null(event_of(&prediction, 11, "contents of .pcrsig")); /* it signs PCR 11 */
}

/* DigestInfo of SHA-256, as it stands in what a signing tool signed. */
static struct digest signed_digest(struct view file)
{
    static const uint8_t info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    struct pe_image image;
    struct view pkcs7;
    struct digest digest;
    size_t at = 0;
    const uint8_t *found;

    assert_ok(pe_image_parse(file, &image, NULL));
    assert_ok(pe_image_signature(&image, &at, &pkcs7, NULL));
    found = memmem(pkcs7.data, pkcs7.size, info, sizeof info);
    assert_non_null(found);
    memcpy(digest.bytes, found + sizeof info, sizeof digest.bytes);
    return digest;
}

static void the_image_s_digest_is_what_signing_tools_sign(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes certificate = uki_key_make(&fixture->maker, "signer");
    OWN(bytes)
    struct bytes once =
        uki_sign(&fixture->maker, bytes_view(&fixture->image), "signer.key", "signer.pem");
    OWN(bytes)
    struct bytes twice = uki_sign(&fixture->maker, bytes_view(&once), "signer.key", "signer.pem");
    OWN(prediction) struct prediction first = predict(bytes_view(&once), false);
    OWN(prediction) struct prediction second = predict(bytes_view(&twice), false);

    has_digest(&first, 4, "unified kernel image", signed_digest(bytes_view(&once)));
    /* Debian's own signature of its kernel, by another tool. */
    has_digest(&first, 4, "kernel", signed_digest(bytes_view(&fixture->maker.kernel)));
    /* One more signature changes nothing that is measured. */
    has_digest(&second, 4, "unified kernel image", signed_digest(bytes_view(&once)));
}

static void bytes_after_the_signature_are_accepted_and_measured(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes certificate = uki_key_make(&fixture->maker, "signer");
    OWN(bytes)
    struct bytes image =
        uki_sign(&fixture->maker, bytes_view(&fixture->image), "signer.key", "signer.pem");
    OWN(prediction) struct prediction before = predict(bytes_view(&image), true);
    OWN(prediction) struct prediction after = {0};

    image.data = realloc(image.data, image.size + 16);
    assert_non_null(image.data);
    memset(image.data + image.size, 'x', 16);
    image.size += 16;
    after = predict(bytes_view(&image), true);
    assert_memory_not_equal(before.events[0].digest.bytes, after.events[0].digest.bytes,
                            SHA256_SIZE);
    assert_int_equal(before.count, after.count);
}

static void the_initrd_of_an_image_is_its_section(void **state)
{
    const struct fixture *fixture = *state;
    OWN(bytes) struct bytes bare = uki_make(&fixture->maker, NULL, 0);
    struct refusal refusal = {0};
    struct view seen;

    assert_refused(uki_initrd(bytes_view(&fixture->maker.kernel), &seen, &refusal), refusal,
                   REFUSAL_NOT_PREDICTABLE);
    assert_ok(uki_initrd(bytes_view(&bare), &seen, &refusal));
    assert_int_equal(seen.size, 0);
    assert_ok(uki_initrd(bytes_view(&fixture->image), &seen, &refusal));
    assert_true(view_equal(seen, initrd.content));
}

static void a_prediction_becomes_the_steps_of_a_policy(void **state)
{
    const struct fixture *fixture = *state;
    OWN(prediction) struct prediction prediction = predict(bytes_view(&fixture->image), true);
    OWN(event_sequence) struct event_sequence sequence = {0};

    assert_ok(prediction_sequence(&prediction, 1u << 9 | 1u << 8, &sequence));
    assert_int_equal(sequence.covered, 1u << 9 | 1u << 8);
    assert_int_equal(sequence.step_count, 2);
    assert_int_equal(sequence.steps[0].role, EVENT_ROLE_LOAD_OPTIONS);
    assert_int_equal(sequence.steps[0].digest_count, 1);
    assert_memory_equal(sequence.steps[0].digests[0].bytes,
                        event_of(&prediction, 9, "load options")->digest.bytes, SHA256_SIZE);
    assert_int_equal(sequence.steps[1].role, EVENT_ROLE_INITRD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_unified_kernel_image),
        cmocka_unit_test(refuses_stubs_that_measure_other_things),
        cmocka_unit_test(refuses_a_kernel_that_does_not_measure_options_and_initrd),
        cmocka_unit_test(refuses_a_kernel_that_is_no_program_for_uefi),
        cmocka_unit_test(refuses_two_sections_that_fit_one_name),
        cmocka_unit_test(refuses_a_section_that_is_larger_in_memory_than_in_the_file),
        cmocka_unit_test(refuses_an_initrd_that_is_loaded_and_not_measured),
        cmocka_unit_test(refuses_a_command_line_that_is_not_text),
        cmocka_unit_test(refuses_a_command_line_above_the_limit),
        cmocka_unit_test(an_image_that_is_cut_short_is_refused),
        cmocka_unit_test(events_come_in_the_order_of_the_boot),
        cmocka_unit_test(the_firmware_measures_the_kernel_too_without_secure_boot),
        cmocka_unit_test(an_image_of_a_kernel_alone_has_no_options_and_no_initrd),
        cmocka_unit_test(sections_that_the_stub_does_not_know_are_not_measured),
        cmocka_unit_test(digests_are_those_of_a_real_boot),
        cmocka_unit_test(load_options_are_the_command_line_as_the_stub_changes_it),
        cmocka_unit_test(the_initrd_carries_pcr_signatures_and_their_key),
        cmocka_unit_test(the_image_s_digest_is_what_signing_tools_sign),
        cmocka_unit_test(bytes_after_the_signature_are_accepted_and_measured),
        cmocka_unit_test(the_initrd_of_an_image_is_its_section),
        cmocka_unit_test(a_prediction_becomes_the_steps_of_a_policy),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
