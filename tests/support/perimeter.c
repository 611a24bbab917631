#include "tests/support/perimeter.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/sign.h"

#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct perimeter_test *perimeter_test_new(void)
{
    static const uint8_t salt[PERIMETER_SALT_SIZE] = {7};
    struct perimeter_test *perimeter = calloc(1, sizeof *perimeter);
    struct view spki[PERIMETER_TEST_KEY_COUNT];

    assert_non_null(perimeter);
    for (unsigned i = 0; i < PERIMETER_TEST_KEY_COUNT; i++) {
        assert_ok(private_key_generate(i == 2 ? KEY_ED25519 : KEY_ECDSA_P256, &perimeter->keys[i]));
        spki[i] = private_key_spki(perimeter->keys[i]);
    }
    assert_ok(root_build("test", spki, PERIMETER_TEST_KEY_COUNT, PERIMETER_TEST_THRESHOLD, salt,
                         &perimeter->root_bytes));
    assert_ok(root_parse(bytes_view(&perimeter->root_bytes), &perimeter->root, NULL));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &perimeter->tc_sign));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &perimeter->tc_kem));
    return perimeter;
}

void perimeter_test_free(struct perimeter_test *perimeter)
{
    for (unsigned i = 0; i < PERIMETER_TEST_KEY_COUNT; i++) {
        private_key_free(perimeter->keys[i]);
    }
    private_key_free(perimeter->tc_sign);
    private_key_free(perimeter->tc_kem);
    bytes_free(&perimeter->root_bytes);
    free(perimeter);
}

struct digest perimeter_test_pcr(unsigned pcr)
{
    uint8_t number = (uint8_t)pcr;

    return sha256((struct view){&number, 1});
}

/* A TPM name that is the hash of some text. */
static void name_write(struct writer *writer, const char *key, const char *of)
{
    struct digest digest = sha256(view_string(of));
    char text[HEX_SIZE(SHA256_SIZE)];

    hex_encode(digest_view(&digest), text);
    writer_format(writer, "    %s = 000b%s\n", key, text);
}

static void policy_write(struct writer *writer, const char *name)
{
    writer_format(writer, "policy %s {\n", name);
    for (unsigned pcr = 0; pcr < 8; pcr++) {
        struct digest value = perimeter_test_pcr(pcr);
        char text[HEX_SIZE(SHA256_SIZE)];

        hex_encode(digest_view(&value), text);
        writer_format(writer, "    pcr %u = %s\n", pcr, text);
    }
    writer_format(writer, "}\n");
}

struct bytes perimeter_test_manifest_text(const struct perimeter_test *perimeter, uint64_t version,
                                          uint64_t epoch)
{
    OWN(writer) struct writer writer = writer_new(1 << 20);
    char id[PERIMETER_ID_TEXT_SIZE], key[BASE64_SIZE(SPKI_SIZE_MAX)];
    struct bytes text;

    perimeter_id_print(&perimeter->root.id, id);
    base64_encode(private_key_spki(perimeter->tc_kem), key);
    writer_format(&writer,
                  "manifest {\n    perimeter = %s\n    version = %" PRIu64 "\n    epoch = %" PRIu64
                  "\n    not_before = 2026-01-01\n    not_after = 2027-01-01\n"
                  "    member_policy = members\n}\n",
                  id, version, epoch);
    for (unsigned i = 1; i <= 3; i++) {
        char ek[8], ak[8];

        (void)snprintf(ek, sizeof ek, "ek-tc%u", i);
        (void)snprintf(ak, sizeof ak, "ak-tc%u", i);
        writer_format(&writer, "member tc%u {\n", i);
        name_write(&writer, "ek", ek);
        name_write(&writer, "ak", ak);
        writer_format(&writer,
                      "    address = 127.0.0.1:70%u1\n    raft_address = 127.0.0.1:70%u2\n}\n", i,
                      i);
    }
    writer_format(&writer, "node n1 {\n");
    name_write(&writer, "ek", "ek-n1");
    writer_format(&writer, "    policy = compute\n    attribute zone = a\n}\nnode n2 {\n");
    name_write(&writer, "ek", "ek-n2");
    writer_format(&writer, "    policy = compute\n    attribute zone = b\n}\n"
                           "operator alice {\n    role = operator\n");
    writer_format(&writer, "    key = %s\n}\n", key);
    policy_write(&writer, "members");
    policy_write(&writer, "compute");
    assert_ok(writer_take(&writer, &text));
    return text;
}

struct bytes perimeter_test_manifest(const struct perimeter_test *perimeter, uint64_t version,
                                     uint64_t epoch)
{
    OWN(bytes)
    struct bytes text = perimeter_test_manifest_text(perimeter, version, epoch);
    struct text_error error;
    struct bytes bytes;

    if (manifest_text_compile(bytes_view(&text), &bytes, &error) != STATUS_OK) {
        fail_msg("line %u, column %u: %s", error.line, error.column, error.message);
    }
    return bytes;
}

struct bytes perimeter_test_endorsement(const struct perimeter_test *perimeter, uint64_t epoch)
{
    return perimeter_test_endorsement_at(perimeter, epoch, PERIMETER_TEST_NOW_S);
}

struct bytes perimeter_test_endorsement_at(const struct perimeter_test *perimeter, uint64_t epoch,
                                           uint64_t now_s)
{
    struct view spki = private_key_spki(perimeter->tc_sign);
    struct endorsement endorsement = {
        .perimeter_id = perimeter->root.id,
        .epoch = epoch,
        .tc_sign = {.size = spki.size},
        .not_before_s = now_s - 10 * 86400,
        .not_after_s = now_s + 10 * 86400,
    };
    struct bytes bytes;

    memcpy(endorsement.tc_sign.spki, spki.data, spki.size);
    private_key_point(perimeter->tc_kem, endorsement.tc_kem);
    assert_ok(endorsement_build(&endorsement, &bytes));
    return bytes;
}

struct bytes perimeter_test_sign(const struct perimeter_test *perimeter, enum document_kind kind,
                                 uint64_t epoch, struct view document, unsigned signers)
{
    const struct scope scope = {perimeter->root.id, epoch};
    Tccp__SignedDocument message = TCCP__SIGNED_DOCUMENT__INIT;
    struct bytes bytes = {0};

    message.document = protobuf_data(document);
    assert_ok(protobuf_pack(&message.base, SIGNED_DOCUMENT_SIZE_MAX, &bytes));
    for (unsigned i = 0; i < PERIMETER_TEST_KEY_COUNT; i++) {
        struct digest key_id = sha256(private_key_spki(perimeter->keys[i]));
        OWN(bytes) struct bytes signature = {0};
        OWN(bytes) struct bytes before = bytes;
        Tccp__SignedDocument *so_far;

        if (!(signers & 1u << i)) {
            before = (struct bytes){0};
            continue;
        }
        assert_ok(document_sign(kind, &scope, document, perimeter->keys[i], &signature));
        assert_ok(signed_document_parse(bytes_view(&before), &so_far, NULL));
        assert_ok(
            signed_document_append(so_far, document, &key_id, bytes_view(&signature), &bytes));
        tccp__signed_document__free_unpacked(so_far, NULL);
    }
    return bytes;
}

Tccp__SignedDocument *perimeter_test_signed(const struct perimeter_test *perimeter,
                                            enum document_kind kind, uint64_t epoch,
                                            struct view document, unsigned signers)
{
    OWN(bytes)
    struct bytes bytes = perimeter_test_sign(perimeter, kind, epoch, document, signers);
    Tccp__SignedDocument *message;

    assert_ok(signed_document_parse(bytes_view(&bytes), &message, NULL));
    return message;
}

struct bytes perimeter_test_bundle(const struct perimeter_test *perimeter, uint64_t version,
                                   uint64_t epoch)
{
    return perimeter_test_bundle_at(perimeter, version, epoch, PERIMETER_TEST_NOW_S);
}

struct bytes perimeter_test_bundle_at(const struct perimeter_test *perimeter, uint64_t version,
                                      uint64_t epoch, uint64_t now_s)
{
    OWN(bytes) struct bytes manifest = perimeter_test_manifest(perimeter, version, epoch);
    OWN(bytes)
    struct bytes endorsement = perimeter_test_endorsement_at(perimeter, epoch, now_s);
    Tccp__PerimeterBundle bundle = TCCP__PERIMETER_BUNDLE__INIT;
    struct bytes bytes;

    bundle.root = protobuf_data(bytes_view(&perimeter->root_bytes));
    bundle.manifest =
        perimeter_test_signed(perimeter, DOCUMENT_MANIFEST, epoch, bytes_view(&manifest), 3);
    bundle.endorsement =
        perimeter_test_signed(perimeter, DOCUMENT_ENDORSEMENT, epoch, bytes_view(&endorsement), 3);
    assert_ok(protobuf_pack(&bundle.base, BUNDLE_SIZE_MAX, &bytes));
    tccp__signed_document__free_unpacked(bundle.manifest, NULL);
    tccp__signed_document__free_unpacked(bundle.endorsement, NULL);
    return bytes;
}
