/* Certificates of all three kinds: as they come, and with their signed part signed by the key that
 * the check expects, so that what lies behind the signature is reached too. */
#include "lib/crypto/der.h"
#include "lib/crypto/sign.h"
#include "lib/crypto/x509.h"

#include <openssl/x509.h>

#include <string.h>

enum { NOW_S = 1700040000 };

static struct private_key *tc_sign;
static struct public_key *tc_public;
static struct scope scope;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_up(void)
{
    ASSERT(private_key_derive_p256(view_string("tc_sign's keying material (fuzz)"), &tc_sign) ==
           STATUS_OK);
    ASSERT(private_key_public(tc_sign, &tc_public) == STATUS_OK);
    scope = (struct scope){sha256(view_string("perimeter")), 7};
}

/* What we take, OpenSSL can read, and sees the same key in. */
static void compare(struct view der, struct view spki)
{
    const uint8_t *at = der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.size);
    uint8_t *seen = NULL;
    int seen_size;

    ASSERT(x509 && at == der.data + der.size);
    seen_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &seen);
    ASSERT(seen_size > 0 && view_equal(spki, (struct view){seen, (size_t)seen_size}));
    OPENSSL_free(seen);
    X509_free(x509);
}

static void check(struct view der)
{
    struct certificate certificate;
    struct certificate_authority authority;
    struct refusal refusal;

    if (certificate_check(der, tc_public, &scope, NOW_S, &certificate, &refusal) == STATUS_OK) {
        ASSERT(certificate.role != ROLE_NONE && strlen(certificate.subject) > 0);
        compare(der, certificate_spki(&certificate));
    }
    if (certificate_check_bare(der, NOW_S, &certificate, &refusal) == STATUS_OK) {
        ASSERT(certificate.role == ROLE_NONE);
        compare(der, certificate_spki(&certificate));
    }
    if (certificate_check_authority(der, NOW_S, &authority, &refusal) == STATUS_OK) {
        ASSERT(authority.bundle.size > 0);
        compare(der, (struct view){authority.spki, authority.spki_size});
    }
}

static void check_signed(struct view der)
{
    static const uint8_t algorithm[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                        0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    struct reader file = reader_of(der), reader = der_enter(&file, DER_SEQUENCE);
    struct view signed_part = der_element(&reader, DER_SEQUENCE);
    OWN(writer) struct writer writer = writer_new(CERTIFICATE_SIZE_MAX);
    OWN(bytes) struct bytes signature = {0};
    size_t whole, mark;

    if (reader.bad || sign_message(tc_sign, signed_part, &signature) != STATUS_OK) {
        return;
    }
    whole = der_begin(&writer, DER_SEQUENCE);
    writer_view(&writer, signed_part);
    writer_view(&writer, VIEW_OF_ARRAY(algorithm));
    mark = der_begin(&writer, DER_BIT_STRING);
    writer_u8(&writer, 0);
    writer_view(&writer, bytes_view(&signature));
    der_end(&writer, mark);
    der_end(&writer, whole);
    if (writer.status == STATUS_OK) {
        check((struct view){writer.data, writer.size});
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!tc_sign) {
        set_up();
    }
    check((struct view){data, size});
    check_signed((struct view){data, size});
    return 0;
}
