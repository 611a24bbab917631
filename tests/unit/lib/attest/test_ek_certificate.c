#include "lib/attest/ek_certificate.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "tests/support/soft_tpm.h"

#include <openssl/x509v3.h>

/* A certificate of the test's own CA, as somebody would have to make it who wants to be let in. */
struct recipe {
    const char *usage;        /* extended key usage; NULL for none */
    const char *key_usage;    /* NULL for none */
    const char *constraints;  /* NULL for none */
    const char *manufacturer; /* NULL leaves the alternative name out */
    const char *model, *version;
    bool self_signed;
    const EVP_MD *hash;
};

static const struct recipe good_rsa = {
    .usage = "2.23.133.8.1",
    .key_usage = "critical,keyEncipherment",
    .constraints = "critical,CA:FALSE",
    .manufacturer = "id:00001014",
    .model = "soft",
    .version = "id:00000001",
};

struct ca {
    EVP_PKEY *key;
    X509 *certificate;
    struct bytes der;
};

static struct bytes der_of(X509 *certificate)
{
    uint8_t *octets = NULL;
    int size = i2d_X509(certificate, &octets);
    struct bytes bytes;

    assert_true(size > 0);
    assert_ok(bytes_copy((struct view){octets, (size_t)size}, &bytes));
    OPENSSL_free(octets);
    return bytes;
}

static void extension_add(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(const char *name, EVP_PKEY *key, const char *issuer)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new(), *issuer_name = X509_NAME_new();

    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(
        ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(EVIDENCE_NOW_S - 86400)));
    assert_non_null(
        ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(EVIDENCE_NOW_S + 86400)));
    assert_int_equal(
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0),
        1);
    assert_int_equal(X509_NAME_add_entry_by_txt(issuer_name, "CN", MBSTRING_ASC,
                                                (const uint8_t *)issuer, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(certificate, subject), 1);
    assert_int_equal(X509_set_issuer_name(certificate, issuer_name), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    X509_NAME_free(subject);
    X509_NAME_free(issuer_name);
    return certificate;
}

static struct ca ca_new(void)
{
    struct ca ca = {.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};

    ca.certificate = certificate_new("a CA", ca.key, "a CA");
    extension_add(ca.certificate, NID_basic_constraints, "critical,CA:TRUE");
    extension_add(ca.certificate, NID_key_usage, "critical,keyCertSign");
    assert_true(X509_sign(ca.certificate, ca.key, EVP_sha256()) > 0);
    ca.der = der_of(ca.certificate);
    return ca;
}

static void ca_free(struct ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->certificate);
    bytes_free(&ca->der);
}
DEFINE_OWN_VALUE(ca, ca_free)

static void entry_add(X509_NAME *name, const char *oid, const char *value)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);

    if (value) {
        assert_int_equal(X509_NAME_add_entry_by_OBJ(name, object, MBSTRING_UTF8,
                                                    (const uint8_t *)value, -1, -1, 0),
                         1);
    }
    ASN1_OBJECT_free(object);
}

static void alternative_name_add(X509 *certificate, const struct recipe *recipe)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    X509_NAME *directory = X509_NAME_new();

    entry_add(directory, "2.23.133.2.1", recipe->manufacturer);
    entry_add(directory, "2.23.133.2.2", recipe->model);
    entry_add(directory, "2.23.133.2.3", recipe->version);
    name->type = GEN_DIRNAME;
    name->d.directoryName = directory;
    assert_true(sk_GENERAL_NAME_push(names, name) > 0);
    assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 1, 0), 1);
    GENERAL_NAMES_free(names);
}

static struct bytes certificate_make(const struct recipe *recipe, const struct soft_key *ek,
                                     const struct ca *ca)
{
    X509 *certificate = certificate_new("an EK", ek->key, recipe->self_signed ? "an EK" : "a CA");
    struct bytes der;

    if (recipe->usage) {
        extension_add(certificate, NID_ext_key_usage, recipe->usage);
    }
    if (recipe->key_usage) {
        extension_add(certificate, NID_key_usage, recipe->key_usage);
    }
    if (recipe->constraints) {
        extension_add(certificate, NID_basic_constraints, recipe->constraints);
    }
    if (recipe->model) {
        alternative_name_add(certificate, recipe);
    }
    assert_true(X509_sign(certificate, recipe->self_signed ? ek->key : ca->key,
                          recipe->hash ? recipe->hash : EVP_sha256()) > 0);
    der = der_of(certificate);
    X509_free(certificate);
    return der;
}

static enum status check(struct view certificate, const struct soft_key *ek, struct view ca,
                         uint64_t now_s, struct refusal *refusal)
{
    struct tpm_public public_area;

    assert_ok(tpm_public_parse(soft_key_public(ek), &public_area));
    return ek_certificate_check(certificate, &public_area, &ca, 1, now_s, refusal);
}

static void certificate_outside_the_profile_is_refused(void **state)
{
    static const struct {
        const char *what;
        struct recipe recipe;
    } wrong[] = {
        {"no extended key usage",
         {NULL, "critical,keyEncipherment", "critical,CA:FALSE", "id:1", "m", "v", false, NULL}},
        {"platform certificate",
         {"2.23.133.8.2", "critical,keyEncipherment", "critical,CA:FALSE", "id:1", "m", "v", false,
          NULL}},
        {"a CA",
         {"2.23.133.8.1", "critical,keyEncipherment,keyCertSign", "critical,CA:TRUE", "id:1", "m",
          "v", false, NULL}},
        {"a CA that may not sign",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:TRUE", "id:1", "m", "v", false,
          NULL}},
        {"signs certificates",
         {"2.23.133.8.1", "critical,keyEncipherment,keyCertSign", "critical,CA:FALSE", "id:1", "m",
          "v", false, NULL}},
        {"no key usage",
         {"2.23.133.8.1", NULL, "critical,CA:FALSE", "id:1", "m", "v", false, NULL}},
        {"key usage of an ECC key",
         {"2.23.133.8.1", "critical,keyAgreement", "critical,CA:FALSE", "id:1", "m", "v", false,
          NULL}},
        {"no manufacturer",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:FALSE", NULL, "m", "v", false,
          NULL}},
        {"no version",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:FALSE", "id:1", "m", NULL, false,
          NULL}},
        {"no alternative name",
         {"2.23.133.8.1", "critical,keyEncipherment", "critical,CA:FALSE", NULL, NULL, NULL, false,
          NULL}},
    };
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    struct refusal refusal = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        OWN(bytes) struct bytes der = certificate_make(&wrong[i].recipe, &ek, &ca);

        if (check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal) !=
                STATUS_REFUSED ||
            refusal.code != REFUSAL_EK_CERTIFICATE) {
            fail_msg("%s: %s", wrong[i].what, refusal_name(refusal.code));
        }
    }
}

static void certificate_of_another_ca_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new(), same_name = ca_new();
    OWN(bytes) struct bytes der = certificate_make(&good_rsa, &ek, &ca);
    struct refusal refusal;

    (void)state;
    assert_ok(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal));
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&same_name.der), EVIDENCE_NOW_S, &refusal), refusal,
        REFUSAL_EK_CHAIN);
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&files.cas[0]), EVIDENCE_NOW_S, &refusal), refusal,
        REFUSAL_EK_CHAIN);
}

static void certificate_without_any_ca_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    OWN(bytes) struct bytes der = certificate_make(&good_rsa, &ek, &ca);
    struct tpm_public public_area;
    struct refusal refusal;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&ek), &public_area));
    assert_refused(
        ek_certificate_check(bytes_view(&der), &public_area, NULL, 0, EVIDENCE_NOW_S, &refusal),
        refusal, REFUSAL_EK_CHAIN);
}

/* Were an EK certificate listed as a CA by mistake, it would not vouch for itself. */
static void certificate_does_not_vouch_for_itself(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    struct recipe self = good_rsa;
    OWN(bytes) struct bytes der = {0};
    struct refusal refusal;

    (void)state;
    self.self_signed = true;
    der = certificate_make(&self, &ek, &ca);
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

static void sha1_signature_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    struct recipe weak = good_rsa;
    OWN(bytes) struct bytes der = {0};
    struct refusal refusal;

    (void)state;
    weak.hash = EVP_sha1();
    der = certificate_make(&weak, &ek, &ca);
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

static void certificate_outside_its_dates_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    OWN(bytes) struct bytes der = certificate_make(&good_rsa, &ek, &ca);
    struct refusal refusal;

    (void)state;
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S + 2 * 86400, &refusal),
        refusal, REFUSAL_CERTIFICATE_EXPIRED);
    assert_refused(
        check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S - 2 * 86400, &refusal),
        refusal, REFUSAL_NOT_YET_VALID);
}

static void certificate_for_another_key_is_refused(void **state)
{
    static const enum soft_kind kinds[] = {SOFT_RSA, SOFT_P256, SOFT_P384};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        OWN(soft_key) struct soft_key ek = soft_ek_new(kinds[i]);
        OWN(soft_key) struct soft_key other = soft_ek_new(kinds[i]);
        OWN(ca) struct ca ca = ca_new();
        struct recipe recipe = good_rsa;
        OWN(bytes) struct bytes der = {0};
        struct refusal refusal;

        recipe.key_usage =
            kinds[i] == SOFT_RSA ? "critical,keyEncipherment" : "critical,keyAgreement";
        der = certificate_make(&recipe, &ek, &ca);
        assert_ok(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal));
        assert_refused(
            check(bytes_view(&der), &other, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal), refusal,
            REFUSAL_EK_MISMATCH);
    }
}

static void public_area_outside_the_templates_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    struct tpm_public good, changed;
    struct refusal refusal;

    (void)state;
    assert_ok(tpm_public_parse(soft_key_public(&ek), &good));
    assert_ok(ek_template_check(&good, &refusal));
    changed = good;
    changed.attributes ^= TPM_OBJECT_RESTRICTED;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.policy.bytes[0] ^= 1;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.symmetric.key_bits = 256;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.scheme = TPM_ALGORITHM_RSASSA;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.name_algorithm = TPM_ALGORITHM_SHA384;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.rsa.exponent = 3;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
    changed = good;
    changed.rsa.bits = 3072;
    assert_refused(ek_template_check(&changed, &refusal), refusal, REFUSAL_EK_MISMATCH);
}

/* A key that may sign, too, could sign what looks like the TPM's word: its certificate does not
 * help. */
static void certified_key_outside_the_templates_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    OWN(bytes) struct bytes der = certificate_make(&good_rsa, &ek, &ca);
    struct refusal refusal;

    (void)state;
    ek.public_area[5] |= TPM_OBJECT_SIGN >> 16;
    assert_refused(check(bytes_view(&der), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_MISMATCH);
}

static void certificate_with_trailing_bytes_is_refused(void **state)
{
    OWN(soft_key) struct soft_key ek = soft_ek_new(SOFT_RSA);
    OWN(ca) struct ca ca = ca_new();
    OWN(bytes) struct bytes der = certificate_make(&good_rsa, &ek, &ca);
    OWN(bytes) struct bytes longer = {calloc(1, der.size + 1), der.size + 1};
    struct refusal refusal;

    (void)state;
    memcpy(longer.data, der.data, der.size);
    assert_refused(check(bytes_view(&longer), &ek, bytes_view(&ca.der), EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CERTIFICATE);
    assert_refused(check((struct view){der.data, der.size - 1}, &ek, bytes_view(&ca.der),
                         EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CERTIFICATE);
}

static void captured_certificate_is_accepted_under_its_ca_alone(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct view both[] = {bytes_view(&files.cas[0]), bytes_view(&files.cas[1])};
    struct refusal refusal;
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ek_public), &ek));
    assert_ok(ek_certificate_check(bytes_view(&files.ek_certificate), &ek, both, 2, EVIDENCE_NOW_S,
                                   &refusal));
    /* The issuer alone suffices; the root alone does not, for nobody brings the issuer. */
    assert_ok(ek_certificate_check(bytes_view(&files.ek_certificate), &ek, &both[1], 1,
                                   EVIDENCE_NOW_S, &refusal));
    assert_refused(ek_certificate_check(bytes_view(&files.ek_certificate), &ek, &both[0], 1,
                                        EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CHAIN);
}

static void certificate_of_the_other_kind_of_the_same_tpm_is_refused(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(bytes) struct bytes p256 = vector_load("evidence/good/ek_p256.crt");
    OWN(bytes) struct bytes platform = vector_load("evidence/good/platform.crt");
    struct view both[] = {bytes_view(&files.cas[0]), bytes_view(&files.cas[1])};
    struct refusal refusal;
    struct tpm_public ek;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&files.ek_public), &ek));
    assert_refused(ek_certificate_check(bytes_view(&p256), &ek, both, 2, EVIDENCE_NOW_S, &refusal),
                   refusal, REFUSAL_EK_CERTIFICATE);
    assert_refused(
        ek_certificate_check(bytes_view(&platform), &ek, both, 2, EVIDENCE_NOW_S, &refusal),
        refusal, REFUSAL_EK_CERTIFICATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_outside_the_profile_is_refused),
        cmocka_unit_test(certificate_of_another_ca_is_refused),
        cmocka_unit_test(certificate_without_any_ca_is_refused),
        cmocka_unit_test(certificate_does_not_vouch_for_itself),
        cmocka_unit_test(sha1_signature_is_refused),
        cmocka_unit_test(certificate_outside_its_dates_is_refused),
        cmocka_unit_test(certificate_for_another_key_is_refused),
        cmocka_unit_test(public_area_outside_the_templates_is_refused),
        cmocka_unit_test(certified_key_outside_the_templates_is_refused),
        cmocka_unit_test(certificate_with_trailing_bytes_is_refused),
        cmocka_unit_test(captured_certificate_is_accepted_under_its_ca_alone),
        cmocka_unit_test(certificate_of_the_other_kind_of_the_same_tpm_is_refused),
    };
    return cmocka_run_group_tests_name("ek_certificate", tests, NULL, NULL);
}
