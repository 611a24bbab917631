#include "lib/attest/ima_policy.h"

#include "lib/base/text.h"

#include "lib/attest/ima_signature.h"

#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static const struct digest file = {{0xf1}}, other = {{[31] = 0x07}};

/* A set of `count` files "/f0", "/f1" ... with digests {number, 0...}, and "/bin/x" with `file`. */
static struct bytes set_bytes(unsigned count)
{
    OWN(file_set_builder) struct file_set_builder builder = {0};
    struct bytes bytes;

    assert_ok(file_set_builder_add(&builder, view_string("/bin/x"), &file));
    for (unsigned i = 0; i < count; i++) {
        struct digest digest = {{0}};
        char path[32];

        memcpy(digest.bytes, &i, sizeof i);
        (void)snprintf(path, sizeof path, "/f%u", i);
        assert_ok(file_set_builder_add(&builder, view_string(path), &digest));
    }
    assert_ok(file_set_builder_take(&builder, &bytes));
    return bytes;
}

static void malformed_set_is_refused(void **state)
{
    OWN(bytes) struct bytes good = set_bytes(3);
    struct file_set set;

    (void)state;
    assert_ok(file_set_open(bytes_view(&good), &set));
    for (size_t size = 0; size < good.size; size++) {
        assert_status(file_set_open((struct view){good.data, size}, &set), STATUS_MALFORMED);
    }
    good.data[15] ^= 1; /* format */
    assert_status(file_set_open(bytes_view(&good), &set), STATUS_MALFORMED);
    good.data[15] ^= 1;
    memset(good.data + 16, 0xff, 8); /* count */
    assert_status(file_set_open(bytes_view(&good), &set), STATUS_TOO_LARGE);
}

static void set_that_is_not_sorted_or_repeats_is_refused(void **state)
{
    OWN(bytes) struct bytes good = set_bytes(1), swapped = copy_of(bytes_view(&good));
    struct file_set set;

    (void)state;
    memcpy(swapped.data + 24, good.data + 64, 40);
    assert_status(file_set_open(bytes_view(&swapped), &set), STATUS_MALFORMED);
    memcpy(swapped.data + 64, good.data + 24, 40);
    assert_status(file_set_open(bytes_view(&swapped), &set), STATUS_MALFORMED);
}

static void set_has_one_form_whatever_the_order(void **state)
{
    OWN(file_set_builder) struct file_set_builder builder = {0};
    OWN(bytes) struct bytes expected = set_bytes(1), bytes = {0};
    struct digest zero = {{0}};

    (void)state;
    assert_ok(file_set_builder_add(&builder, view_string("/f0"), &zero));
    assert_ok(file_set_builder_add(&builder, view_string("/bin/x"), &file));
    assert_ok(file_set_builder_add(&builder, view_string("/f0"), &zero));
    assert_ok(file_set_builder_take(&builder, &bytes));
    assert_true(view_equal(bytes_view(&bytes), bytes_view(&expected)));
}

static void every_file_of_a_set_is_found_and_no_other(void **state)
{
    static const unsigned counts[] = {0, 1, 2, 7, 1000, 20000};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        OWN(bytes) struct bytes bytes = set_bytes(counts[i]);
        struct file_set set;
        struct digest known;

        assert_ok(file_set_open(bytes_view(&bytes), &set));
        assert_int_equal(set.count, counts[i] + 1);
        for (unsigned n = 0; n < counts[i]; n++) {
            struct digest digest = {{0}};
            char path[32];

            memcpy(digest.bytes, &n, sizeof n);
            (void)snprintf(path, sizeof path, "/f%u", n);
            assert_int_equal(file_set_find(&set, view_string(path), &digest, NULL), FILE_ALLOWED);
            assert_int_equal(file_set_find(&set, view_string(path), &other, &known), FILE_CHANGED);
            assert_true(digest_equal(&known, &digest));
            path[1] = 'g';
            assert_int_equal(file_set_find(&set, view_string(path), &digest, NULL), FILE_UNKNOWN);
        }
    }
}

static void empty_set_knows_nothing(void **state)
{
    struct file_set set = {0};

    (void)state;
    assert_int_equal(file_set_find(&set, view_string("/bin/x"), &file, NULL), FILE_UNKNOWN);
}

/* One entry, as it would be read from a log. */
struct one {
    struct writer writer;
    struct ima_entry entry;
};

static void one_free(struct one *one)
{
    writer_free(&one->writer);
}
DEFINE_OWN_VALUE(one, one_free)

static struct one one_new(const char *path, const struct digest *digest,
                          const struct view *signature, bool violation)
{
    struct one one = {.writer = writer_new(LOG_SIZE_MAX)};
    struct reader reader;

    ima_write(&one.writer, PCR_IMA, digest, path, signature, violation);
    reader = reader_of(written(&one.writer));
    assert_ok(ima_entry_read(&reader, &one.entry));
    return one;
}

static enum status check(const struct ima_policy *policy, const char *path,
                         const struct digest *digest, const struct view *signature, bool violation,
                         struct refusal *refusal)
{
    OWN(one) struct one one = one_new(path, digest, signature, violation);

    return ima_policy_check(policy, 2, &one.entry, refusal);
}

static void changed_or_unknown_file_is_refused_and_named(void **state)
{
    OWN(bytes) struct bytes bytes = set_bytes(3);
    OWN(ima_policy) struct ima_policy policy = {0};
    struct refusal refusal;

    (void)state;
    assert_refused(check(&policy, "/bin/x", &file, NULL, false, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
    assert_ok(file_set_open(bytes_view(&bytes), &policy.files));
    assert_ok(check(&policy, "/bin/x", &file, NULL, false, &refusal));
    assert_refused(check(&policy, "/bin/x", &other, NULL, false, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
    assert_non_null(strstr(refusal.detail, "/bin/x"));
    assert_non_null(strstr(refusal.detail, "known is f100"));
    assert_refused(check(&policy, "/bin/y", &file, NULL, false, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED);
    assert_string_equal(refusal.finding.subject, "/bin/y");
    assert_string_equal(refusal.finding.expected, "nothing");
    assert_string_equal(refusal.finding.seen, hex_digest(&file).text);
}

static void violation_is_refused_unless_its_path_is_excepted(void **state)
{
    static const struct digest zero;
    OWN(bytes) struct bytes bytes = set_bytes(3);
    OWN(ima_policy) struct ima_policy policy = {0};
    struct refusal refusal;

    (void)state;
    assert_ok(file_set_open(bytes_view(&bytes), &policy.files));
    assert_refused(check(&policy, "/var/log/x", &zero, NULL, true, &refusal), refusal,
                   REFUSAL_IMA_VIOLATION);
    assert_ok(ima_policy_except(&policy, IMA_EXCEPTION_VIOLATION, view_string("/var/log/")));
    assert_ok(ima_policy_except(&policy, IMA_EXCEPTION_VIOLATION, view_string("/run/y")));
    assert_ok(check(&policy, "/var/log/x", &zero, NULL, true, &refusal));
    assert_ok(check(&policy, "/run/y", &zero, NULL, true, &refusal));
    assert_refused(check(&policy, "/run/yy", &zero, NULL, true, &refusal), refusal,
                   REFUSAL_IMA_VIOLATION);
    assert_refused(check(&policy, "/var/log/", &file, NULL, false, &refusal), refusal,
                   REFUSAL_FILE_NOT_ALLOWED); /* no violation: the exception does not help */
    assert_status(ima_policy_except(&policy, IMA_EXCEPTION_VIOLATION, view_string("relative")),
                  STATUS_MALFORMED);
    assert_status(ima_policy_except(&policy, IMA_EXCEPTION_VIOLATION, (struct view){0}),
                  STATUS_MALFORMED);
}

/* security.ima of a file, signed by the key. */
static struct bytes signature_bytes(EVP_PKEY *key, const struct digest *digest)
{
    struct writer writer = writer_new(2048);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    uint8_t octets[512];
    size_t size = sizeof octets;
    struct bytes bytes;

    assert_int_equal(EVP_PKEY_sign_init(context), 1);
    if (EVP_PKEY_is_a(key, "RSA")) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING), 1);
    }
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()), 1);
    assert_int_equal(EVP_PKEY_sign(context, octets, &size, digest->bytes, SHA256_SIZE), 1);
    EVP_PKEY_CTX_free(context);
    writer_u8(&writer, 3);
    writer_u8(&writer, 2);
    writer_u8(&writer, 4);
    writer_u32(&writer, 0x12345678);
    writer_sized16(&writer, (struct view){octets, size});
    assert_ok(writer_take(&writer, &bytes));
    return bytes;
}

static void pin(struct ima_policy *policy, EVP_PKEY *key, enum status expected)
{
    uint8_t *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    OWN(writer) struct writer longer = writer_new(2048);

    assert_true(size > 0);
    writer_view(&longer, (struct view){spki, (size_t)size});
    writer_u8(&longer, 0);
    assert_status(ima_policy_pin_signer(policy, written(&longer)), STATUS_MALFORMED);
    assert_status(ima_policy_pin_signer(policy, (struct view){spki, (size_t)size - 1}),
                  STATUS_MALFORMED);
    assert_status(ima_policy_pin_signer(policy, (struct view){spki, (size_t)size}), expected);
    OPENSSL_free(spki);
}

static void signed_file_is_accepted_under_a_pinned_key_alone(void **state)
{
    static const char *const groups[] = {"P-256", "P-384", NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        EVP_PKEY *key = groups[i] ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", groups[i])
                                  : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        EVP_PKEY *stranger = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        OWN(ima_policy) struct ima_policy policy = {0};
        OWN(bytes) struct bytes bytes = signature_bytes(key, &file);
        struct view signature = bytes_view(&bytes);
        struct refusal refusal;

        pin(&policy, stranger, STATUS_OK);
        assert_refused(check(&policy, "/bin/z", &file, &signature, false, &refusal), refusal,
                       REFUSAL_FILE_NOT_ALLOWED);
        pin(&policy, key, STATUS_OK);
        assert_ok(check(&policy, "/bin/z", &file, &signature, false, &refusal));
        assert_refused(check(&policy, "/bin/z", &other, &signature, false, &refusal), refusal,
                       REFUSAL_FILE_NOT_ALLOWED);
        bytes.data[bytes.size - 1] ^= 1;
        assert_refused(check(&policy, "/bin/z", &file, &signature, false, &refusal), refusal,
                       REFUSAL_FILE_NOT_ALLOWED);
        EVP_PKEY_free(key);
        EVP_PKEY_free(stranger);
    }
}

static void weak_signer_is_not_pinned(void **state)
{
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    EVP_PKEY *curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
    OWN(ima_policy) struct ima_policy policy = {0};

    (void)state;
    pin(&policy, rsa, STATUS_UNSUPPORTED);
    pin(&policy, curve, STATUS_UNSUPPORTED);
    assert_int_equal(policy.signer_count, 0);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(curve);
}

static void malformed_signatures_are_refused(void **state)
{
    static const uint8_t good[] = {3, 2, 4, 1, 2, 3, 4, 0, 2, 0xaa, 0xbb, 0xcc};
    uint8_t changed[sizeof good];
    struct ima_signature signature;

    (void)state;
    assert_ok(ima_signature_parse((struct view){good, 11}, &signature));
    assert_string_equal(signature.hash_name, "sha256");
    assert_int_equal(signature.key_id, 0x01020304);
    for (size_t size = 0; size <= sizeof good; size++) {
        if (size != 11) {
            assert_int_not_equal(ima_signature_parse((struct view){good, size}, &signature),
                                 STATUS_OK);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        memcpy(changed, good, sizeof good);
        changed[i] = i == 2 ? 2 : 1; /* SHA-1; a plain hash; version 1 */
        assert_status(ima_signature_parse((struct view){changed, 11}, &signature),
                      STATUS_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_set_is_refused),
        cmocka_unit_test(set_that_is_not_sorted_or_repeats_is_refused),
        cmocka_unit_test(empty_set_knows_nothing),
        cmocka_unit_test(every_file_of_a_set_is_found_and_no_other),
        cmocka_unit_test(set_has_one_form_whatever_the_order),
        cmocka_unit_test(changed_or_unknown_file_is_refused_and_named),
        cmocka_unit_test(violation_is_refused_unless_its_path_is_excepted),
        cmocka_unit_test(malformed_signatures_are_refused),
        cmocka_unit_test(weak_signer_is_not_pinned),
        cmocka_unit_test(signed_file_is_accepted_under_a_pinned_key_alone),
    };
    return cmocka_run_group_tests_name("ima_policy", tests, NULL, NULL);
}
