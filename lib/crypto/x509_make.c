/* Making certificates of our profile (RFC 5280). */
#include "lib/crypto/sign.h"
#include "lib/crypto/x509_profile.h"

#include <string.h>

enum { DERIVED_SERIAL_SIZE = 16 };

static void put_name(struct writer *writer, struct view common_name)
{
    size_t names = der_begin(writer, DER_SEQUENCE);
    size_t set = der_begin(writer, DER_SET);
    size_t pair = der_begin(writer, DER_SEQUENCE);

    der_put(writer, DER_OID, x509_oid_common_name);
    der_put(writer, DER_UTF8_STRING, common_name);
    der_end(writer, pair);
    der_end(writer, set);
    der_end(writer, names);
}

static void put_time(struct writer *writer, uint64_t seconds)
{
    struct x509_time time = x509_time_of(seconds);

    der_put(writer, time.tag, view_string(time.text));
}

static void put_extension(struct writer *writer, struct view oid, bool critical,
                          struct view contents)
{
    static const uint8_t der_true = 0xff;
    size_t mark = der_begin(writer, DER_SEQUENCE);

    der_put(writer, DER_OID, oid);
    if (critical) {
        der_put(writer, DER_BOOLEAN, (struct view){&der_true, 1});
    }
    der_put(writer, DER_OCTET_STRING, contents);
    der_end(writer, mark);
}

/* What goes into the part that is signed. */
struct content {
    struct view serial, issuer, subject, spki;
    uint64_t not_before_s, not_after_s;
    bool is_authority;
    struct view identity, bundle; /* contents of those extensions; absent when empty */
};

static void put_extensions(struct writer *writer, const struct content *content)
{
    size_t tagged = der_begin(writer, DER_CONTEXT_3);
    size_t list = der_begin(writer, DER_SEQUENCE);

    put_extension(writer, x509_oid_basic_constraints, true,
                  content->is_authority ? x509_authority_constraints : x509_leaf_constraints);
    put_extension(writer, x509_oid_key_usage, true,
                  content->is_authority ? x509_authority_usage : x509_leaf_usage);
    if (content->identity.size > 0) {
        put_extension(writer, x509_oid_identity, true, content->identity);
    }
    if (content->bundle.size > 0) {
        put_extension(writer, x509_oid_bundle, false, content->bundle);
    }
    der_end(writer, list);
    der_end(writer, tagged);
}

static enum status make(const struct private_key *signer, const struct content *content,
                        struct bytes *ret_der)
{
    OWN(writer) struct writer writer = writer_new(CERTIFICATE_SIZE_MAX);
    OWN(bytes) struct bytes signature = {0};
    struct view algorithm = x509_signature_algorithm(private_key_algorithm(signer));
    size_t whole, signed_start, signed_part, mark;

    if (content->not_before_s > content->not_after_s || content->not_after_s > X509_TIME_MAX_S) {
        return STATUS_MALFORMED;
    }
    whole = der_begin(&writer, DER_SEQUENCE);
    signed_start = writer.size;
    signed_part = der_begin(&writer, DER_SEQUENCE);
    mark = der_begin(&writer, DER_CONTEXT_0);
    der_put_number(&writer, DER_INTEGER, 2); /* version 3 */
    der_end(&writer, mark);
    der_put(&writer, DER_INTEGER, content->serial);
    writer_view(&writer, algorithm);
    put_name(&writer, content->issuer);
    mark = der_begin(&writer, DER_SEQUENCE);
    put_time(&writer, content->not_before_s);
    put_time(&writer, content->not_after_s);
    der_end(&writer, mark);
    put_name(&writer, content->subject);
    writer_view(&writer, content->spki);
    put_extensions(&writer, content);
    der_end(&writer, signed_part);
    if (writer.status != STATUS_OK) {
        return writer.status;
    }
    TRY(sign_message(signer, (struct view){writer.data + signed_start, writer.size - signed_start},
                     &signature));
    writer_view(&writer, algorithm);
    mark = der_begin(&writer, DER_BIT_STRING);
    writer_u8(&writer, 0); /* unused bits */
    writer_view(&writer, bytes_view(&signature));
    der_end(&writer, mark);
    der_end(&writer, whole);
    return writer_take(&writer, ret_der);
}

/* RFC 5280, section 4.1.2.2: positive, at most 20 bytes, and DER's shortest form. */
static bool serial_good(struct view serial)
{
    return serial.size >= 1 && serial.size <= CERTIFICATE_SERIAL_SIZE_MAX &&
           serial.data[0] >= 0x01 && serial.data[0] <= 0x7f;
}

/* A serial for those that nobody numbers: of the contents, so the same contents are the same
 * certificate but for its signature. */
static void serial_derive(const struct content *content, uint8_t ret_serial[DERIVED_SERIAL_SIZE])
{
    uint8_t times[16];
    struct digest digest;

    for (unsigned i = 0; i < 8; i++) {
        times[i] = (uint8_t)(content->not_before_s >> (56 - 8 * i));
        times[8 + i] = (uint8_t)(content->not_after_s >> (56 - 8 * i));
    }
    digest = sha256_list((struct view[]){content->spki, VIEW_OF_ARRAY(times), content->bundle}, 3);
    memcpy(ret_serial, digest.bytes, DERIVED_SERIAL_SIZE);
    ret_serial[0] = (uint8_t)((ret_serial[0] & 0x3f) | 0x40);
}

static enum status identity_encode(const struct certificate *content, struct bytes *ret_identity)
{
    OWN(writer) struct writer writer = writer_new(CERTIFICATE_SIZE_MAX);
    size_t mark = der_begin(&writer, DER_SEQUENCE);

    der_put_number(&writer, DER_ENUMERATED, content->role);
    der_put(&writer, DER_OCTET_STRING, digest_view(&content->scope.perimeter_id));
    der_put_number(&writer, DER_INTEGER, content->scope.epoch);
    der_put_number(&writer, DER_INTEGER, content->registration_id);
    der_put(&writer, DER_OCTET_STRING,
            (struct view){content->kem_point, content->has_kem ? P256_POINT_SIZE : 0});
    der_end(&writer, mark);
    return writer_take(&writer, ret_identity);
}

enum status certificate_issue(const struct private_key *tc_sign, const struct certificate *content,
                              struct bytes *ret_der)
{
    OWN(public_key) struct public_key *subject_key = NULL;
    OWN(public_key) struct public_key *kem = NULL;
    OWN(bytes) struct bytes identity = {0};
    struct view subject = {(const uint8_t *)content->subject,
                           strnlen(content->subject, sizeof content->subject)};
    struct view serial = {content->serial, content->serial_size};

    ASSERT(private_key_algorithm(tc_sign) == KEY_ECDSA_P256);
    if (content->role == ROLE_NONE || !x509_name_good(subject) || !serial_good(serial)) {
        return STATUS_MALFORMED;
    }
    TRY(public_key_parse(certificate_spki(content), &subject_key));
    if (content->has_kem) {
        TRY(public_key_parse_point(VIEW_OF_ARRAY(content->kem_point), &kem));
    }
    TRY(identity_encode(content, &identity));
    return make(tc_sign,
                &(struct content){.serial = serial,
                                  .issuer = view_string(X509_AUTHORITY_NAME),
                                  .subject = subject,
                                  .spki = certificate_spki(content),
                                  .not_before_s = content->not_before_s,
                                  .not_after_s = content->not_after_s,
                                  .identity = bytes_view(&identity)},
                ret_der);
}

enum status certificate_make_bare(const struct private_key *key, uint64_t not_before_s,
                                  uint64_t not_after_s, struct bytes *ret_der)
{
    uint8_t serial[DERIVED_SERIAL_SIZE];
    struct content content = {.serial = VIEW_OF_ARRAY(serial),
                              .issuer = view_string(X509_BARE_NAME),
                              .subject = view_string(X509_BARE_NAME),
                              .spki = private_key_spki(key),
                              .not_before_s = not_before_s,
                              .not_after_s = not_after_s};

    serial_derive(&content, serial);
    return make(key, &content, ret_der);
}

enum status certificate_make_authority(const struct private_key *tc_sign, struct view bundle,
                                       uint64_t not_before_s, uint64_t not_after_s,
                                       struct bytes *ret_der)
{
    uint8_t serial[DERIVED_SERIAL_SIZE];
    struct content content = {.serial = VIEW_OF_ARRAY(serial),
                              .issuer = view_string(X509_AUTHORITY_NAME),
                              .subject = view_string(X509_AUTHORITY_NAME),
                              .spki = private_key_spki(tc_sign),
                              .not_before_s = not_before_s,
                              .not_after_s = not_after_s,
                              .is_authority = true,
                              .bundle = bundle};

    ASSERT(private_key_algorithm(tc_sign) == KEY_ECDSA_P256);
    if (bundle.size == 0) {
        return STATUS_MALFORMED;
    }
    if (bundle.size > CERTIFICATE_BUNDLE_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    serial_derive(&content, serial);
    return make(tc_sign, &content, ret_der);
}
