#include "tests/support/test.h"

#include "lib/crypto/der.h"
#include "lib/crypto/sign.h"
#include "lib/crypto/x509.h"
#include "tests/support/hex.h"

#include <openssl/x509v3.h>
#include <time.h>

#define IDENTITY_OID "2.25.185190498647057040837749881351092901984.1"
#define BUNDLE_OID "2.25.185190498647057040837749881351092901984.2"

enum { NOT_BEFORE_S = 1700000000, NOT_AFTER_S = 1700086400, NOW_S = 1700040000 };

struct fixture {
    struct private_key *tc_sign, *subject, *kem, *stranger;
    struct public_key *tc_public, *stranger_public;
    struct scope scope;
    struct certificate content;
    struct bytes leaf, bare, authority;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct view spki;

    assert_ok(
        private_key_derive_p256(view_string("tc_sign's keying material (test)"), &fixture.tc_sign));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &fixture.subject));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &fixture.kem));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &fixture.stranger));
    assert_ok(private_key_public(fixture.tc_sign, &fixture.tc_public));
    assert_ok(private_key_public(fixture.stranger, &fixture.stranger_public));
    fixture.scope = (struct scope){sha256(view_string("perimeter")), 7};
    fixture.content = (struct certificate){.role = ROLE_NODE,
                                           .scope = fixture.scope,
                                           .subject = "node-1",
                                           .serial = {0x01, 0x02, 0x03},
                                           .serial_size = 3,
                                           .registration_id = UINT64_C(0x8000000000000001),
                                           .has_kem = true,
                                           .not_before_s = NOT_BEFORE_S,
                                           .not_after_s = NOT_AFTER_S};
    spki = private_key_spki(fixture.subject);
    memcpy(fixture.content.spki, spki.data, spki.size);
    fixture.content.spki_size = spki.size;
    private_key_point(fixture.kem, fixture.content.kem_point);
    assert_ok(certificate_issue(fixture.tc_sign, &fixture.content, &fixture.leaf));
    assert_ok(certificate_make_bare(fixture.subject, NOT_BEFORE_S, NOT_AFTER_S, &fixture.bare));
    assert_ok(certificate_make_authority(fixture.tc_sign, view_string("the endorsement bundle"),
                                         NOT_BEFORE_S, NOT_AFTER_S, &fixture.authority));
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    private_key_free(fixture->tc_sign);
    private_key_free(fixture->subject);
    private_key_free(fixture->kem);
    private_key_free(fixture->stranger);
    public_key_free(fixture->tc_public);
    public_key_free(fixture->stranger_public);
    bytes_free(&fixture->leaf);
    bytes_free(&fixture->bare);
    bytes_free(&fixture->authority);
    return 0;
}

static enum status check_leaf(const struct fixture *fixture, struct view leaf,
                              struct certificate *ret_certificate, struct refusal *refusal)
{
    return certificate_check(leaf, fixture->tc_public, &fixture->scope, NOW_S, ret_certificate,
                             refusal);
}

/* ---- certificates that OpenSSL makes of ours ---- */

static X509 *x509_of(struct view der)
{
    const uint8_t *at = der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.size);

    assert_non_null(x509);
    assert_ptr_equal(at, der.data + der.size);
    return x509;
}

static struct bytes x509_sign_again(X509 *x509, const struct private_key *key)
{
    uint8_t *der = NULL;
    struct bytes copy = {0};
    int size;

    assert_true(X509_sign(x509, private_key_handle(key),
                          private_key_algorithm(key) == KEY_ED25519 ? NULL : EVP_sha256()) > 0);
    size = i2d_X509(x509, &der);
    assert_true(size > 0);
    assert_ok(bytes_copy((struct view){der, (size_t)size}, &copy));
    OPENSSL_free(der);
    X509_free(x509);
    return copy;
}

static void x509_add(X509 *x509, const char *oid, bool critical, struct view contents)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    X509_EXTENSION *extension;

    assert_int_equal(ASN1_OCTET_STRING_set(octets, contents.data, (int)contents.size), 1);
    extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(octets);
}

/* Takes an extension out; its contents. */
static struct bytes x509_remove(X509 *x509, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int index = X509_get_ext_by_OBJ(x509, object, -1);
    X509_EXTENSION *extension;
    const ASN1_OCTET_STRING *octets;
    struct bytes contents = {0};

    assert_true(index >= 0);
    extension = X509_delete_ext(x509, index);
    octets = X509_EXTENSION_get_data(extension);
    assert_ok(
        bytes_copy((struct view){ASN1_STRING_get0_data(octets), (size_t)ASN1_STRING_length(octets)},
                   &contents));
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(object);
    return contents;
}

static void assert_leaf_refused(const struct fixture *fixture, X509 *x509)
{
    OWN(bytes) struct bytes der = x509_sign_again(x509, fixture->tc_sign);
    struct certificate certificate = {.role = ROLE_NONE};
    struct refusal refusal = {0};

    assert_refused(check_leaf(fixture, bytes_view(&der), &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
    assert_int_equal(certificate.role, ROLE_NONE);
}

/* ---- leaves ---- */

static void no_changed_byte_leaves_a_leaf_standing(void **state)
{
    struct fixture *fixture = *state;
    struct certificate certificate;
    struct refusal refusal;

    for (size_t i = 0; i < fixture->leaf.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            fixture->leaf.data[i] ^= (uint8_t)(1u << bit);
            assert_refused(check_leaf(fixture, bytes_view(&fixture->leaf), &certificate, &refusal),
                           refusal, REFUSAL_CERTIFICATE_CHAIN);
            fixture->leaf.data[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void a_leaf_cut_short_or_with_more_behind_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct certificate certificate;
    struct refusal refusal;
    uint8_t longer[4096] = {0};

    for (size_t size = 0; size < fixture->leaf.size; size++) {
        assert_refused(
            check_leaf(fixture, (struct view){fixture->leaf.data, size}, &certificate, &refusal),
            refusal, REFUSAL_CERTIFICATE_CHAIN);
    }
    memcpy(longer, fixture->leaf.data, fixture->leaf.size);
    assert_refused(
        check_leaf(fixture, (struct view){longer, fixture->leaf.size + 1}, &certificate, &refusal),
        refusal, REFUSAL_CERTIFICATE_CHAIN);
}

static void a_leaf_by_another_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes forged = {0};
    struct certificate certificate;
    struct refusal refusal;

    assert_refused(certificate_check(bytes_view(&fixture->leaf), fixture->stranger_public,
                                     &fixture->scope, NOW_S, &certificate, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
    assert_ok(certificate_issue(fixture->stranger, &fixture->content, &forged));
    assert_refused(check_leaf(fixture, bytes_view(&forged), &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void a_leaf_of_another_perimeter_or_epoch_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct scope other = fixture->scope;
    struct certificate certificate;
    struct refusal refusal;

    other.perimeter_id.bytes[31] ^= 0x01;
    assert_refused(certificate_check(bytes_view(&fixture->leaf), fixture->tc_public, &other, NOW_S,
                                     &certificate, &refusal),
                   refusal, REFUSAL_WRONG_PERIMETER);
    other = fixture->scope;
    other.epoch++;
    assert_refused(certificate_check(bytes_view(&fixture->leaf), fixture->tc_public, &other, NOW_S,
                                     &certificate, &refusal),
                   refusal, REFUSAL_OLD_EPOCH);
}

static void a_leaf_holds_only_within_its_dates(void **state)
{
    static const struct {
        uint64_t now_s;
        enum refusal_code code;
    } cases[] = {
        {0, REFUSAL_NOT_YET_VALID},
        {NOT_BEFORE_S - 1, REFUSAL_NOT_YET_VALID},
        {NOT_BEFORE_S, REFUSAL_NONE},
        {NOT_AFTER_S, REFUSAL_NONE},
        {NOT_AFTER_S + 1, REFUSAL_CERTIFICATE_EXPIRED},
        {UINT64_MAX, REFUSAL_CERTIFICATE_EXPIRED},
    };
    struct fixture *fixture = *state;
    struct certificate certificate;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct refusal refusal = {0};
        enum status status =
            certificate_check(bytes_view(&fixture->leaf), fixture->tc_public, &fixture->scope,
                              cases[i].now_s, &certificate, &refusal);

        assert_int_equal(status, cases[i].code == REFUSAL_NONE ? STATUS_OK : STATUS_REFUSED);
        assert_int_equal(refusal.code, cases[i].code);
    }
    assert_ok(certificate_check_undated(bytes_view(&fixture->leaf), fixture->tc_public,
                                        &fixture->scope, &certificate, NULL));
}

static void the_undated_check_is_no_weaker_otherwise(void **state)
{
    struct fixture *fixture = *state;
    struct scope other = fixture->scope;
    struct certificate certificate;
    struct refusal refusal;

    other.epoch--;
    assert_refused(certificate_check_undated(bytes_view(&fixture->leaf), fixture->stranger_public,
                                             &fixture->scope, &certificate, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
    assert_refused(certificate_check_undated(bytes_view(&fixture->leaf), fixture->tc_public, &other,
                                             &certificate, &refusal),
                   refusal, REFUSAL_OLD_EPOCH);
    assert_refused(certificate_check_undated(bytes_view(&fixture->bare), fixture->tc_public,
                                             &fixture->scope, &certificate, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
}

static void a_certificate_of_another_role_does_not_serve(void **state)
{
    struct fixture *fixture = *state;
    struct certificate certificate;
    struct refusal refusal;

    assert_ok(check_leaf(fixture, bytes_view(&fixture->leaf), &certificate, &refusal));
    for (enum certificate_role role = ROLE_NONE; role <= ROLE_AUDITOR; role++) {
        if (role == ROLE_NODE) {
            assert_ok(certificate_require_role(&certificate, role, &refusal));
        } else {
            assert_refused(certificate_require_role(&certificate, role, &refusal), refusal,
                           REFUSAL_CERTIFICATE_ROLE);
        }
    }
}

static void a_leaf_without_a_role_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf));
    OWN(bytes) struct bytes identity = x509_remove(x509, IDENTITY_OID);

    assert_leaf_refused(fixture, x509);
}

static void a_role_that_is_not_critical_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf));
    OWN(bytes) struct bytes identity = x509_remove(x509, IDENTITY_OID);

    x509_add(x509, IDENTITY_OID, false, bytes_view(&identity));
    assert_leaf_refused(fixture, x509);
}

static void a_leaf_with_two_roles_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf));
    OWN(bytes) struct bytes identity = x509_remove(x509, IDENTITY_OID);

    x509_add(x509, IDENTITY_OID, true, bytes_view(&identity));
    x509_add(x509, IDENTITY_OID, true, bytes_view(&identity));
    assert_leaf_refused(fixture, x509);
}

static void a_role_that_does_not_exist_is_refused(void **state)
{
    static const uint8_t roles[] = {0x00, 0x06, 0x7f, 0x81};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        X509 *x509 = x509_of(bytes_view(&fixture->leaf));
        OWN(bytes) struct bytes identity = x509_remove(x509, IDENTITY_OID);
        uint8_t *role = memmem(identity.data, identity.size, "\x0a\x01\x02", 3);

        assert_non_null(role);
        role[2] = roles[i];
        x509_add(x509, IDENTITY_OID, true, bytes_view(&identity));
        assert_leaf_refused(fixture, x509);
    }
}

static void an_identity_with_more_behind_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf));
    OWN(bytes) struct bytes identity = x509_remove(x509, IDENTITY_OID);
    uint8_t longer[256] = {0};

    memcpy(longer, identity.data, identity.size);
    x509_add(x509, IDENTITY_OID, true, (struct view){longer, identity.size + 1});
    assert_leaf_refused(fixture, x509);
}

static void unknown_extensions_are_refused_only_when_critical(void **state)
{
    struct fixture *fixture = *state;
    struct certificate certificate;

    for (int critical = 0; critical <= 1; critical++) {
        X509 *x509 = x509_of(bytes_view(&fixture->leaf));

        x509_add(x509, "2.25.1.2.3", critical, view_string("?"));
        if (critical) {
            assert_leaf_refused(fixture, x509);
        } else {
            OWN(bytes) struct bytes der = x509_sign_again(x509, fixture->tc_sign);

            assert_ok(check_leaf(fixture, bytes_view(&der), &certificate, NULL));
        }
    }
}

static void a_leaf_that_may_sign_others_is_refused(void **state)
{
    static const uint8_t authority_constraints[] = {0x30, 0x03, 0x01, 0x01, 0xff};
    static const uint8_t authority_usage[] = {0x03, 0x02, 0x02, 0x04};
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf));
    OWN(bytes) struct bytes constraints = x509_remove(x509, "2.5.29.19");
    OWN(bytes) struct bytes usage = {0};

    x509_add(x509, "2.5.29.19", true, VIEW_OF_ARRAY(authority_constraints));
    assert_leaf_refused(fixture, x509);
    x509 = x509_of(bytes_view(&fixture->leaf));
    usage = x509_remove(x509, "2.5.29.15");
    x509_add(x509, "2.5.29.15", true, VIEW_OF_ARRAY(authority_usage));
    assert_leaf_refused(fixture, x509);
}

static void other_forms_that_openssl_would_read_are_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf));

    /* GeneralizedTime for a date that belongs into UTCTime */
    assert_int_equal(ASN1_GENERALIZEDTIME_set_string(X509_getm_notAfter(x509), "20231115000000Z"),
                     1);
    assert_leaf_refused(fixture, x509);
    /* another name form; a second part of the name */
    x509 = x509_of(bytes_view(&fixture->leaf));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "O", MBSTRING_UTF8,
                               (const uint8_t *)"x", 1, -1, 0);
    assert_leaf_refused(fixture, x509);
    /* version 1 has no extensions; a certificate without any */
    x509 = x509_of(bytes_view(&fixture->leaf));
    assert_int_equal(X509_set_version(x509, 1), 1);
    assert_leaf_refused(fixture, x509);
    /* serial zero */
    x509 = x509_of(bytes_view(&fixture->leaf));
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 0), 1);
    assert_leaf_refused(fixture, x509);
    /* RSA has no place here, as subject either */
    x509 = x509_of(bytes_view(&fixture->leaf));
    {
        EVP_PKEY *rsa = EVP_RSA_gen(1024);

        assert_int_equal(X509_set_pubkey(x509, rsa), 1);
        EVP_PKEY_free(rsa);
    }
    assert_leaf_refused(fixture, x509);
}

static void a_leaf_of_another_issuer_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->leaf)), *bare = x509_of(bytes_view(&fixture->bare));

    assert_int_equal(X509_set_issuer_name(x509, X509_get_issuer_name(bare)), 1);
    assert_leaf_refused(fixture, x509);
    X509_free(bare);
}

/* Signed as we sign, but called another algorithm, inside and outside. */
static void a_leaf_that_names_another_algorithm_is_refused(void **state)
{
    static const uint8_t sha256_name[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                          0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    static const uint8_t sha384_name[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                          0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
    struct fixture *fixture = *state;

    for (unsigned change = 0; change <= 1; change++) {
        struct reader file = reader_of(bytes_view(&fixture->leaf));
        struct reader reader = der_enter(&file, DER_SEQUENCE);
        struct view original = der_element(&reader, DER_SEQUENCE);
        OWN(bytes) struct bytes signed_part = {0};
        OWN(bytes) struct bytes signature = {0};
        OWN(writer) struct writer writer = writer_new(CERTIFICATE_SIZE_MAX);
        struct certificate certificate;
        struct refusal refusal = {0};
        size_t whole, mark;
        uint8_t *name;

        assert_ok(bytes_copy(original, &signed_part));
        name = memmem(signed_part.data, signed_part.size, sha256_name, sizeof sha256_name);
        assert_non_null(name);
        if (change) {
            memcpy(name, sha384_name, sizeof sha384_name);
        }
        assert_ok(sign_message(fixture->tc_sign, bytes_view(&signed_part), &signature));
        whole = der_begin(&writer, DER_SEQUENCE);
        writer_view(&writer, bytes_view(&signed_part));
        writer_view(&writer, change ? VIEW_OF_ARRAY(sha384_name) : VIEW_OF_ARRAY(sha256_name));
        mark = der_begin(&writer, DER_BIT_STRING);
        writer_u8(&writer, 0);
        writer_view(&writer, bytes_view(&signature));
        der_end(&writer, mark);
        der_end(&writer, whole);
        if (change) {
            assert_refused(check_leaf(fixture, (struct view){writer.data, writer.size},
                                      &certificate, &refusal),
                           refusal, REFUSAL_CERTIFICATE_CHAIN);
        } else {
            assert_ok(
                check_leaf(fixture, (struct view){writer.data, writer.size}, &certificate, NULL));
        }
    }
}

static void an_authority_or_bare_certificate_is_no_leaf(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes bare = {0};
    struct certificate certificate;
    struct refusal refusal;

    assert_refused(check_leaf(fixture, bytes_view(&fixture->authority), &certificate, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
    assert_refused(check_leaf(fixture, bytes_view(&fixture->bare), &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
    /* even one that tc_sign itself signed */
    assert_ok(certificate_make_bare(fixture->tc_sign, NOT_BEFORE_S, NOT_AFTER_S, &bare));
    assert_refused(check_leaf(fixture, bytes_view(&bare), &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void contents_beyond_the_profile_are_not_issued(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes der = {0};
    struct certificate content = fixture->content;

    content.role = ROLE_NONE;
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.subject[0] = '\0';
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.subject[2] = '\n';
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.serial[0] = 0x80;
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.serial_size = 0;
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.spki[50] ^= 0x01;
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.kem_point[50] ^= 0x01;
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.not_before_s = content.not_after_s + 1;
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    content = fixture->content;
    content.not_after_s = UINT64_C(253402300800); /* the year 10000 */
    assert_status(certificate_issue(fixture->tc_sign, &content, &der), STATUS_MALFORMED);
    assert_null(der.data);
}

static void a_leaf_says_what_was_put_into_it(void **state)
{
    struct fixture *fixture = *state;
    OWN(private_key) struct private_key *user = NULL;

    assert_ok(private_key_generate(KEY_ED25519, &user));
    for (enum certificate_role role = ROLE_MEMBER; role <= ROLE_AUDITOR; role++) {
        OWN(bytes) struct bytes der = {0};
        struct certificate content = fixture->content, seen;

        content.role = role;
        if (role >= ROLE_CUSTOMER) {
            struct view spki = private_key_spki(user);

            memset(content.spki, 0, sizeof content.spki);
            memcpy(content.spki, spki.data, spki.size);
            content.spki_size = spki.size;
            content.registration_id = 0;
            content.has_kem = false;
        }
        assert_ok(certificate_issue(fixture->tc_sign, &content, &der));
        assert_ok(check_leaf(fixture, bytes_view(&der), &seen, NULL));
        assert_int_equal(seen.role, role);
        assert_true(digest_equal(&seen.scope.perimeter_id, &fixture->scope.perimeter_id));
        assert_int_equal(seen.scope.epoch, 7);
        assert_string_equal(seen.subject, "node-1");
        assert_true(view_equal((struct view){seen.serial, seen.serial_size},
                               (struct view){content.serial, content.serial_size}));
        assert_true(view_equal(certificate_spki(&seen), certificate_spki(&content)));
        assert_true(seen.registration_id == content.registration_id);
        assert_int_equal(seen.has_kem, content.has_kem);
        if (seen.has_kem) {
            assert_memory_equal(seen.kem_point, content.kem_point, P256_POINT_SIZE);
        }
        assert_int_equal(seen.not_before_s, NOT_BEFORE_S);
        assert_int_equal(seen.not_after_s, NOT_AFTER_S);
    }
}

static void openssl_reads_our_certificates_the_same_way(void **state)
{
    static const uint64_t times[] = {
        0,
        1,
        951782399,
        951782400,
        951868800,
        1709164800,
        1709251199,
        NOT_BEFORE_S,
        UINT64_C(2524607999),
        UINT64_C(2524608000),
        UINT64_C(4102444800),
        UINT64_C(4107542400),
        UINT64_C(13574563200),
        UINT64_C(253402300799),
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        OWN(bytes) struct bytes der = {0};
        struct certificate content = fixture->content, seen;
        struct tm tm;
        X509 *x509;

        content.not_before_s = times[i];
        content.not_after_s = times[i];
        assert_ok(certificate_issue(fixture->tc_sign, &content, &der));
        assert_ok(certificate_check(bytes_view(&der), fixture->tc_public, &fixture->scope, times[i],
                                    &seen, NULL));
        x509 = x509_of(bytes_view(&der));
        assert_int_equal(X509_verify(x509, private_key_handle(fixture->tc_sign)), 1);
        assert_int_equal(X509_get_extension_flags(x509) & (EXFLAG_INVALID | EXFLAG_CA), 0);
        assert_int_equal(X509_get_key_usage(x509), KU_DIGITAL_SIGNATURE);
        assert_int_equal(ASN1_TIME_to_tm(X509_get0_notBefore(x509), &tm), 1);
        assert_true((uint64_t)timegm(&tm) == times[i]);
        X509_free(x509);
    }
    {
        X509 *x509 = x509_of(bytes_view(&fixture->authority));

        assert_int_equal(X509_verify(x509, private_key_handle(fixture->tc_sign)), 1);
        assert_int_equal(X509_check_ca(x509), 1);
        assert_int_equal(X509_get_pathlen(x509), 0);
        X509_free(x509);
    }
}

/* ---- bare certificates ---- */

static void no_changed_byte_leaves_a_bare_certificate_standing(void **state)
{
    struct fixture *fixture = *state;
    struct certificate certificate;

    for (size_t i = 0; i < fixture->bare.size; i++) {
        fixture->bare.data[i] ^= 0x01;
        assert_status(certificate_check_bare(bytes_view(&fixture->bare), NOW_S, &certificate, NULL),
                      STATUS_REFUSED);
        fixture->bare.data[i] ^= 0x01;
    }
}

static void a_bare_certificate_signed_by_another_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes)
    struct bytes der = x509_sign_again(x509_of(bytes_view(&fixture->bare)), fixture->stranger);
    struct certificate certificate;
    struct refusal refusal;

    assert_refused(certificate_check_bare(bytes_view(&der), NOW_S, &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
}

static void a_bare_certificate_holds_only_within_its_dates(void **state)
{
    struct fixture *fixture = *state;
    struct certificate certificate;
    struct refusal refusal;
    struct view bare = bytes_view(&fixture->bare);

    assert_refused(certificate_check_bare(bare, NOT_BEFORE_S - 1, &certificate, &refusal), refusal,
                   REFUSAL_NOT_YET_VALID);
    assert_refused(certificate_check_bare(bare, NOT_AFTER_S + 1, &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_EXPIRED);
}

static void a_bare_certificate_that_claims_a_role_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *leaf = x509_of(bytes_view(&fixture->leaf)), *bare = x509_of(bytes_view(&fixture->bare));
    OWN(bytes) struct bytes identity = x509_remove(leaf, IDENTITY_OID);
    OWN(bytes) struct bytes der = {0};
    struct certificate certificate;
    struct refusal refusal;

    x509_add(bare, IDENTITY_OID, true, bytes_view(&identity));
    der = x509_sign_again(bare, fixture->subject);
    assert_refused(certificate_check_bare(bytes_view(&der), NOW_S, &certificate, &refusal), refusal,
                   REFUSAL_CERTIFICATE_CHAIN);
    assert_refused(
        certificate_check_bare(bytes_view(&fixture->leaf), NOW_S, &certificate, &refusal), refusal,
        REFUSAL_CERTIFICATE_CHAIN);
    X509_free(leaf);
}

static void a_bare_certificate_shows_its_key_and_no_role(void **state)
{
    (void)state;
    for (enum key_algorithm algorithm = KEY_ECDSA_P256; algorithm <= KEY_ED25519; algorithm++) {
        OWN(private_key) struct private_key *key = NULL;
        OWN(bytes) struct bytes der = {0};
        struct certificate certificate;

        assert_ok(private_key_generate(algorithm, &key));
        assert_ok(certificate_make_bare(key, NOT_BEFORE_S, NOT_AFTER_S, &der));
        assert_ok(certificate_check_bare(bytes_view(&der), NOW_S, &certificate, NULL));
        assert_int_equal(certificate.role, ROLE_NONE);
        assert_true(view_equal(certificate_spki(&certificate), private_key_spki(key)));
    }
}

/* ---- the authority ---- */

static void no_changed_byte_leaves_an_authority_standing(void **state)
{
    struct fixture *fixture = *state;
    struct certificate_authority authority;

    for (size_t i = 0; i < fixture->authority.size; i++) {
        fixture->authority.data[i] ^= 0x01;
        assert_status(
            certificate_check_authority(bytes_view(&fixture->authority), NOW_S, &authority, NULL),
            STATUS_REFUSED);
        fixture->authority.data[i] ^= 0x01;
    }
}

static void an_authority_signed_by_another_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes)
    struct bytes der = x509_sign_again(x509_of(bytes_view(&fixture->authority)), fixture->stranger);
    struct certificate_authority authority;
    struct refusal refusal;

    assert_refused(certificate_check_authority(bytes_view(&der), NOW_S, &authority, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
}

static void an_authority_without_a_bundle_or_with_a_role_is_refused(void **state)
{
    struct fixture *fixture = *state;
    X509 *x509 = x509_of(bytes_view(&fixture->authority));
    X509 *leaf = x509_of(bytes_view(&fixture->leaf));
    OWN(bytes) struct bytes bundle = x509_remove(x509, BUNDLE_OID);
    OWN(bytes) struct bytes identity = x509_remove(leaf, IDENTITY_OID);
    OWN(bytes) struct bytes bundleless = x509_sign_again(x509, fixture->tc_sign);
    OWN(bytes) struct bytes with_role = {0};
    struct certificate_authority authority;
    struct refusal refusal;

    assert_refused(
        certificate_check_authority(bytes_view(&bundleless), NOW_S, &authority, &refusal), refusal,
        REFUSAL_CERTIFICATE_CHAIN);
    x509 = x509_of(bytes_view(&fixture->authority));
    x509_add(x509, IDENTITY_OID, true, bytes_view(&identity));
    with_role = x509_sign_again(x509, fixture->tc_sign);
    assert_refused(certificate_check_authority(bytes_view(&with_role), NOW_S, &authority, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
    assert_refused(
        certificate_check_authority(bytes_view(&fixture->leaf), NOW_S, &authority, &refusal),
        refusal, REFUSAL_CERTIFICATE_CHAIN);
    X509_free(leaf);
}

static void an_authority_of_another_kind_of_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    OWN(private_key) struct private_key *key = NULL;
    OWN(bytes) struct bytes der = {0};
    X509 *x509 = x509_of(bytes_view(&fixture->authority));
    struct certificate_authority authority;
    struct refusal refusal;

    assert_ok(private_key_generate(KEY_ED25519, &key));
    assert_int_equal(X509_set_pubkey(x509, private_key_handle(key)), 1);
    der = x509_sign_again(x509, key);
    assert_refused(certificate_check_authority(bytes_view(&der), NOW_S, &authority, &refusal),
                   refusal, REFUSAL_CERTIFICATE_CHAIN);
}

static void an_authority_holds_only_within_its_dates(void **state)
{
    struct fixture *fixture = *state;
    struct certificate_authority authority;
    struct refusal refusal;
    struct view der = bytes_view(&fixture->authority);

    assert_refused(certificate_check_authority(der, NOT_BEFORE_S - 1, &authority, &refusal),
                   refusal, REFUSAL_NOT_YET_VALID);
    assert_refused(certificate_check_authority(der, NOT_AFTER_S + 1, &authority, &refusal), refusal,
                   REFUSAL_CERTIFICATE_EXPIRED);
}

static void an_authority_carries_its_key_and_bundle(void **state)
{
    static uint8_t large[CERTIFICATE_BUNDLE_SIZE_MAX + 1];
    struct fixture *fixture = *state;
    struct certificate_authority authority;
    OWN(bytes) struct bytes der = {0};

    assert_ok(
        certificate_check_authority(bytes_view(&fixture->authority), NOW_S, &authority, NULL));
    assert_true(view_equal(authority.bundle, view_string("the endorsement bundle")));
    assert_true(view_equal((struct view){authority.spki, authority.spki_size},
                           private_key_spki(fixture->tc_sign)));
    assert_status(certificate_make_authority(fixture->tc_sign, VIEW_OF_ARRAY(large), NOT_BEFORE_S,
                                             NOT_AFTER_S, &der),
                  STATUS_TOO_LARGE);
    assert_status(certificate_make_authority(fixture->tc_sign, (struct view){0}, NOT_BEFORE_S,
                                             NOT_AFTER_S, &der),
                  STATUS_MALFORMED);
    assert_ok(certificate_make_authority(fixture->tc_sign,
                                         (struct view){large, CERTIFICATE_BUNDLE_SIZE_MAX},
                                         NOT_BEFORE_S, NOT_AFTER_S, &der));
    assert_ok(certificate_check_authority(bytes_view(&der), NOW_S, &authority, NULL));
    assert_int_equal(authority.bundle.size, CERTIFICATE_BUNDLE_SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_changed_byte_leaves_a_leaf_standing),
        cmocka_unit_test(a_leaf_cut_short_or_with_more_behind_is_refused),
        cmocka_unit_test(a_leaf_by_another_key_is_refused),
        cmocka_unit_test(a_leaf_of_another_perimeter_or_epoch_is_refused),
        cmocka_unit_test(a_leaf_holds_only_within_its_dates),
        cmocka_unit_test(the_undated_check_is_no_weaker_otherwise),
        cmocka_unit_test(a_certificate_of_another_role_does_not_serve),
        cmocka_unit_test(a_leaf_without_a_role_is_refused),
        cmocka_unit_test(a_role_that_is_not_critical_is_refused),
        cmocka_unit_test(a_leaf_with_two_roles_is_refused),
        cmocka_unit_test(a_role_that_does_not_exist_is_refused),
        cmocka_unit_test(an_identity_with_more_behind_is_refused),
        cmocka_unit_test(unknown_extensions_are_refused_only_when_critical),
        cmocka_unit_test(a_leaf_that_may_sign_others_is_refused),
        cmocka_unit_test(other_forms_that_openssl_would_read_are_refused),
        cmocka_unit_test(a_leaf_of_another_issuer_is_refused),
        cmocka_unit_test(a_leaf_that_names_another_algorithm_is_refused),
        cmocka_unit_test(an_authority_or_bare_certificate_is_no_leaf),
        cmocka_unit_test(contents_beyond_the_profile_are_not_issued),
        cmocka_unit_test(a_leaf_says_what_was_put_into_it),
        cmocka_unit_test(openssl_reads_our_certificates_the_same_way),
        cmocka_unit_test(no_changed_byte_leaves_a_bare_certificate_standing),
        cmocka_unit_test(a_bare_certificate_signed_by_another_key_is_refused),
        cmocka_unit_test(a_bare_certificate_holds_only_within_its_dates),
        cmocka_unit_test(a_bare_certificate_that_claims_a_role_is_refused),
        cmocka_unit_test(a_bare_certificate_shows_its_key_and_no_role),
        cmocka_unit_test(no_changed_byte_leaves_an_authority_standing),
        cmocka_unit_test(an_authority_signed_by_another_key_is_refused),
        cmocka_unit_test(an_authority_without_a_bundle_or_with_a_role_is_refused),
        cmocka_unit_test(an_authority_of_another_kind_of_key_is_refused),
        cmocka_unit_test(an_authority_holds_only_within_its_dates),
        cmocka_unit_test(an_authority_carries_its_key_and_bundle),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
