/* Reading and checking certificates of our profile (RFC 5280). */
#include "lib/crypto/sign.h"
#include "lib/crypto/x509_profile.h"

#include <inttypes.h>
#include <string.h>

/* A certificate taken apart; views into its bytes. Nothing of it is believed yet. */
struct parsed {
    struct view signed_part, signature, serial, algorithm, issuer, subject, spki;
    uint64_t not_before_s, not_after_s;
    struct view constraints, usage, identity, bundle; /* extensions; data is NULL when absent */
};

/* Name with one common name and nothing else. */
static struct view read_name(struct reader *reader)
{
    struct reader names = der_enter(reader, DER_SEQUENCE);
    struct reader set = der_enter(&names, DER_SET);
    struct reader pair = der_enter(&set, DER_SEQUENCE);
    struct view oid = der_value(&pair, DER_OID), name = der_value(&pair, DER_UTF8_STRING);

    reader_require(reader, reader_done(&names) && reader_done(&set) && reader_done(&pair) &&
                               view_equal(oid, x509_oid_common_name) && x509_name_good(name));
    return name;
}

/* One extension into its place. Each at most once, each as critical as the profile says; of unknown
 * ones only what is not critical is passed over. */
static void read_extension(struct reader *list, struct parsed *parsed)
{
    const struct {
        const struct view *oid;
        bool critical;
        struct view *place;
    } known[] = {
        {&x509_oid_basic_constraints, true, &parsed->constraints},
        {&x509_oid_key_usage, true, &parsed->usage},
        {&x509_oid_identity, true, &parsed->identity},
        {&x509_oid_bundle, false, &parsed->bundle},
    };
    struct reader reader = der_enter(list, DER_SEQUENCE);
    struct view oid = der_value(&reader, DER_OID), contents;
    bool critical = false, is_known = false;

    if (der_next_is(&reader, DER_BOOLEAN)) {
        struct view value = der_value(&reader, DER_BOOLEAN);

        /* FALSE is the default and has no place in DER. */
        reader_require(&reader, value.size == 1 && value.data[0] == 0xff);
        critical = true;
    }
    contents = der_value(&reader, DER_OCTET_STRING);
    reader_require(list, reader_done(&reader) && contents.size > 0);
    if (list->bad) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (view_equal(oid, *known[i].oid)) {
            reader_require(list, critical == known[i].critical && !known[i].place->data);
            *known[i].place = contents;
            is_known = true;
        }
    }
    reader_require(list, is_known || !critical);
}

static void read_signed_part(struct reader *certificate, struct parsed *parsed)
{
    struct reader reader = der_enter(certificate, DER_SEQUENCE);
    struct reader version = der_enter(&reader, DER_CONTEXT_0), validity, tagged, list;

    reader_require(&reader, der_number(&version, DER_INTEGER) == 2 && reader_done(&version));
    parsed->serial = der_value(&reader, DER_INTEGER);
    reader_require(&reader,
                   parsed->serial.size >= 1 && parsed->serial.size <= CERTIFICATE_SERIAL_SIZE_MAX);
    reader_require(&reader,
                   !reader.bad && parsed->serial.data[0] >= 0x01 && parsed->serial.data[0] <= 0x7f);
    parsed->algorithm = der_element(&reader, DER_SEQUENCE);
    parsed->issuer = read_name(&reader);
    validity = der_enter(&reader, DER_SEQUENCE);
    parsed->not_before_s = x509_read_time(&validity);
    parsed->not_after_s = x509_read_time(&validity);
    reader_require(&reader, reader_done(&validity) && parsed->not_before_s <= parsed->not_after_s);
    parsed->subject = read_name(&reader);
    parsed->spki = der_element(&reader, DER_SEQUENCE);
    tagged = der_enter(&reader, DER_CONTEXT_3);
    list = der_enter(&tagged, DER_SEQUENCE);
    while (!list.bad && list.left > 0) {
        read_extension(&list, parsed);
    }
    reader_require(certificate, reader_done(&reader) && reader_done(&tagged) && reader_done(&list));
}

static enum status parse(struct view der, struct parsed *ret_parsed)
{
    struct reader file = reader_of(der), reader;
    struct parsed parsed = {0};
    struct view outer_algorithm, signature;
    const uint8_t *start;

    reader_require(&file, der.size <= CERTIFICATE_SIZE_MAX);
    reader = der_enter(&file, DER_SEQUENCE);
    start = reader.at;
    read_signed_part(&reader, &parsed);
    parsed.signed_part =
        reader.bad ? (struct view){0} : (struct view){start, (size_t)(reader.at - start)};
    outer_algorithm = der_element(&reader, DER_SEQUENCE);
    signature = der_value(&reader, DER_BIT_STRING);
    reader_require(&reader, signature.size >= 1 && view_equal(outer_algorithm, parsed.algorithm));
    /* A signature is whole bytes. */
    reader_require(&reader, !reader.bad && signature.data[0] == 0);
    if (!reader_done(&reader) || !reader_done(&file)) {
        return STATUS_MALFORMED;
    }
    parsed.signature = (struct view){signature.data + 1, signature.size - 1};
    *ret_parsed = parsed;
    return STATUS_OK;
}

static enum status check_signature(const struct parsed *parsed, const struct public_key *signer,
                                   struct refusal *refusal)
{
    if (!view_equal(parsed->algorithm, x509_signature_algorithm(public_key_algorithm(signer)))) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN,
                      "the signature's algorithm is not the signing key's");
    }
    if (signature_check(signer, parsed->signed_part, parsed->signature) != STATUS_OK) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "the signature is not by that key");
    }
    return STATUS_OK;
}

static enum status check_dates(const struct parsed *parsed, uint64_t now_s, struct refusal *refusal)
{
    if (now_s < parsed->not_before_s) {
        return refuse(refusal, REFUSAL_NOT_YET_VALID,
                      "certificate: now %" PRIu64 ", valid from %" PRIu64, now_s,
                      parsed->not_before_s);
    }
    if (now_s > parsed->not_after_s) {
        return refuse(refusal, REFUSAL_CERTIFICATE_EXPIRED, "now %" PRIu64 ", valid until %" PRIu64,
                      now_s, parsed->not_after_s);
    }
    return STATUS_OK;
}

/* What the three kinds have in common besides their signatures. */
struct kind {
    struct view issuer, constraints, usage;
    bool has_identity, has_bundle;
};

static enum status check_kind(const struct parsed *parsed, const struct kind *kind,
                              struct refusal *refusal)
{
    if (!view_equal(parsed->issuer, kind->issuer) ||
        !view_equal(parsed->constraints, kind->constraints) ||
        !view_equal(parsed->usage, kind->usage) ||
        (parsed->identity.data != NULL) != kind->has_identity ||
        (parsed->bundle.data != NULL) != kind->has_bundle) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "a certificate of another kind");
    }
    return STATUS_OK;
}

static enum status parse_or_refuse(struct view der, struct parsed *ret_parsed,
                                   struct refusal *refusal)
{
    if (parse(der, ret_parsed) != STATUS_OK) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "not a certificate of our profile");
    }
    return STATUS_OK;
}

/* ---- leaves ---- */

static enum status read_identity(struct view der, struct certificate *certificate)
{
    struct reader file = reader_of(der), reader = der_enter(&file, DER_SEQUENCE);
    uint64_t role = der_number(&reader, DER_ENUMERATED);
    struct view perimeter = der_value(&reader, DER_OCTET_STRING), kem;

    certificate->scope.epoch = der_number(&reader, DER_INTEGER);
    certificate->registration_id = der_number(&reader, DER_INTEGER);
    kem = der_value(&reader, DER_OCTET_STRING);
    if (!reader_done(&reader) || !reader_done(&file) || role < ROLE_MEMBER || role > ROLE_AUDITOR) {
        return STATUS_MALFORMED;
    }
    certificate->role = (enum certificate_role)role;
    TRY(digest_of_view(perimeter, &certificate->scope.perimeter_id));
    if (kem.size > 0) {
        OWN(public_key) struct public_key *point = NULL;

        TRY(public_key_parse_point(kem, &point));
        memcpy(certificate->kem_point, kem.data, P256_POINT_SIZE);
        certificate->has_kem = true;
    }
    return STATUS_OK;
}

/* Copies out what leaves and bare certificates share. */
static enum status copy_common(const struct parsed *parsed, struct certificate *certificate)
{
    OWN(public_key) struct public_key *key = NULL;

    TRY(public_key_parse(parsed->spki, &key));
    memcpy(certificate->spki, parsed->spki.data, parsed->spki.size);
    certificate->spki_size = parsed->spki.size;
    memcpy(certificate->subject, parsed->subject.data, parsed->subject.size);
    memcpy(certificate->serial, parsed->serial.data, parsed->serial.size);
    certificate->serial_size = parsed->serial.size;
    certificate->not_before_s = parsed->not_before_s;
    certificate->not_after_s = parsed->not_after_s;
    return STATUS_OK;
}

static enum status check_leaf(const struct parsed *parsed, const struct public_key *tc_sign,
                              const struct scope *scope, struct certificate *ret_certificate,
                              struct refusal *refusal)
{
    const struct kind leaf = {.issuer = view_string(X509_AUTHORITY_NAME),
                              .constraints = x509_leaf_constraints,
                              .usage = x509_leaf_usage,
                              .has_identity = true};
    struct certificate certificate = {0};

    ASSERT(public_key_algorithm(tc_sign) == KEY_ECDSA_P256);
    TRY(check_signature(parsed, tc_sign, refusal));
    TRY(check_kind(parsed, &leaf, refusal));
    if (copy_common(parsed, &certificate) != STATUS_OK ||
        read_identity(parsed->identity, &certificate) != STATUS_OK) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "not a certificate of our profile");
    }
    if (!digest_equal(&certificate.scope.perimeter_id, &scope->perimeter_id)) {
        return refuse(refusal, REFUSAL_WRONG_PERIMETER, "certificate of \"%s\"",
                      certificate.subject);
    }
    if (certificate.scope.epoch != scope->epoch) {
        return refuse(refusal, REFUSAL_OLD_EPOCH,
                      "certificate of \"%s\": epoch %" PRIu64 ", now %" PRIu64, certificate.subject,
                      certificate.scope.epoch, scope->epoch);
    }
    *ret_certificate = certificate;
    return STATUS_OK;
}

enum status certificate_check(struct view leaf, const struct public_key *tc_sign,
                              const struct scope *scope, uint64_t now_s,
                              struct certificate *ret_certificate, struct refusal *refusal)
{
    struct certificate certificate;
    struct parsed parsed;

    TRY(parse_or_refuse(leaf, &parsed, refusal));
    TRY(check_leaf(&parsed, tc_sign, scope, &certificate, refusal));
    TRY(check_dates(&parsed, now_s, refusal));
    *ret_certificate = certificate;
    return STATUS_OK;
}

enum status certificate_check_undated(struct view leaf, const struct public_key *tc_sign,
                                      const struct scope *scope,
                                      struct certificate *ret_certificate, struct refusal *refusal)
{
    struct parsed parsed;

    TRY(parse_or_refuse(leaf, &parsed, refusal));
    return check_leaf(&parsed, tc_sign, scope, ret_certificate, refusal);
}

enum status certificate_require_role(const struct certificate *certificate,
                                     enum certificate_role role, struct refusal *refusal)
{
    if (certificate->role != role) {
        return refuse(refusal, REFUSAL_CERTIFICATE_ROLE, "\"%s\" is a %s, not a %s",
                      certificate->subject, certificate_role_name(certificate->role),
                      certificate_role_name(role));
    }
    return STATUS_OK;
}

/* ---- self-signed ones ---- */

static enum status check_self_signed(const struct parsed *parsed, uint64_t now_s,
                                     enum key_algorithm *ret_algorithm, struct refusal *refusal)
{
    OWN(public_key) struct public_key *key = NULL;

    if (public_key_parse(parsed->spki, &key) != STATUS_OK) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "its key is of an unknown kind");
    }
    TRY(check_signature(parsed, key, refusal));
    if (!view_equal(parsed->subject, parsed->issuer)) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "a certificate of another kind");
    }
    *ret_algorithm = public_key_algorithm(key);
    return check_dates(parsed, now_s, refusal);
}

enum status certificate_check_bare(struct view der, uint64_t now_s,
                                   struct certificate *ret_certificate, struct refusal *refusal)
{
    const struct kind bare = {.issuer = view_string(X509_BARE_NAME),
                              .constraints = x509_leaf_constraints,
                              .usage = x509_leaf_usage};
    struct certificate certificate = {0};
    enum key_algorithm algorithm;
    struct parsed parsed;

    TRY(parse_or_refuse(der, &parsed, refusal));
    TRY(check_kind(&parsed, &bare, refusal));
    TRY(check_self_signed(&parsed, now_s, &algorithm, refusal));
    TRY(copy_common(&parsed, &certificate));
    *ret_certificate = certificate;
    return STATUS_OK;
}

enum status certificate_check_authority(struct view der, uint64_t now_s,
                                        struct certificate_authority *ret_authority,
                                        struct refusal *refusal)
{
    const struct kind authority = {.issuer = view_string(X509_AUTHORITY_NAME),
                                   .constraints = x509_authority_constraints,
                                   .usage = x509_authority_usage,
                                   .has_bundle = true};
    enum key_algorithm algorithm;
    struct parsed parsed;

    TRY(parse_or_refuse(der, &parsed, refusal));
    TRY(check_kind(&parsed, &authority, refusal));
    if (parsed.bundle.size > CERTIFICATE_BUNDLE_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "bundle of %zu bytes", parsed.bundle.size);
    }
    TRY(check_self_signed(&parsed, now_s, &algorithm, refusal));
    if (algorithm != KEY_ECDSA_P256) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "an authority's key is P-256");
    }
    *ret_authority = (struct certificate_authority){.spki_size = parsed.spki.size,
                                                    .not_before_s = parsed.not_before_s,
                                                    .not_after_s = parsed.not_after_s,
                                                    .bundle = parsed.bundle};
    memcpy(ret_authority->spki, parsed.spki.data, parsed.spki.size);
    return STATUS_OK;
}
