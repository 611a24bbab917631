#include "tests/support/soft_ca.h"

#include "tests/support/test.h"

#include <openssl/x509v3.h>

const struct soft_recipe soft_recipe_rsa = {
    .usage = "2.23.133.8.1",
    .key_usage = "critical,keyEncipherment",
    .constraints = "critical,CA:FALSE",
    .manufacturer = "id:00001014",
    .model = "soft",
    .version = "id:00000001",
};

const struct soft_recipe soft_recipe_ecc = {
    .usage = "2.23.133.8.1",
    .key_usage = "critical,keyAgreement",
    .constraints = "critical,CA:FALSE",
    .manufacturer = "id:00001014",
    .model = "soft",
    .version = "id:00000001",
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

static X509 *certificate_new(const char *name, EVP_PKEY *key, const char *issuer, uint64_t now_s)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new(), *issuer_name = X509_NAME_new();

    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(now_s - 86400)));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(now_s + 86400)));
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

struct soft_ca soft_ca_new(uint64_t now_s)
{
    struct soft_ca ca = {.now_s = now_s, .key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};

    ca.certificate = certificate_new("a CA", ca.key, "a CA", now_s);
    extension_add(ca.certificate, NID_basic_constraints, "critical,CA:TRUE");
    extension_add(ca.certificate, NID_key_usage, "critical,keyCertSign");
    assert_true(X509_sign(ca.certificate, ca.key, EVP_sha256()) > 0);
    ca.der = der_of(ca.certificate);
    return ca;
}

void soft_ca_free(struct soft_ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->certificate);
    bytes_free(&ca->der);
}
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

static void alternative_name_add(X509 *certificate, const struct soft_recipe *recipe)
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

struct bytes soft_ca_issue(const struct soft_recipe *recipe, const struct soft_key *ek,
                           const struct soft_ca *ca)
{
    X509 *certificate =
        certificate_new("an EK", ek->key, recipe->self_signed ? "an EK" : "a CA", ca->now_s);
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
