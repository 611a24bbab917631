#include "lib/predict/authenticode.h"

#include "lib/attest/efi_variable.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>

/* The object behind an OpenSSL type is freed at the end of the scope. */
#define OWN_OPENSSL(type) __attribute__((cleanup(type##_done)))
#define DEFINE_DONE(type)                                                                          \
    static void type##_done(type **object)                                                         \
    {                                                                                              \
        type##_free(*object);                                                                      \
    }
DEFINE_DONE(BIO)
DEFINE_DONE(PKCS7)
DEFINE_DONE(X509)
DEFINE_DONE(X509_STORE)

/* SPC_INDIRECT_DATA_OBJID, 1.3.6.1.4.1.311.2.1.4. */
static const uint8_t indirect_data_oid[] = {0x2b, 0x06, 0x01, 0x04, 0x01,
                                            0x82, 0x37, 0x02, 0x01, 0x04};

/* The one digest is SHA-256, as of the image. (PKCS7_verify() leaks memory on ones it does not
 * know.)
 */
static bool is_over_sha256(PKCS7 *signature)
{
    STACK_OF(X509_ALGOR) *digests = signature->d.sign->md_algs;
    const ASN1_OBJECT *digest;

    if (sk_X509_ALGOR_num(digests) != 1) {
        return false;
    }
    X509_ALGOR_get0(&digest, NULL, NULL, sk_X509_ALGOR_value(digests, 0));
    return OBJ_obj2nid(digest) == NID_sha256;
}

/* What was signed: the contents of the SpcIndirectDataContent, without its tag and length. */
static struct view signed_content(PKCS7 *signature)
{
    const PKCS7 *inner;
    const ASN1_STRING *sequence;
    const unsigned char *at;
    long size;
    int tag, class;

    if (!PKCS7_type_is_signed(signature) || PKCS7_get_detached(signature) ||
        !is_over_sha256(signature)) {
        return (struct view){0};
    }
    inner = signature->d.sign->contents;
    if (OBJ_length(inner->type) != sizeof indirect_data_oid ||
        memcmp(OBJ_get0_data(inner->type), indirect_data_oid, sizeof indirect_data_oid) != 0 ||
        !inner->d.other || inner->d.other->type != V_ASN1_SEQUENCE) {
        return (struct view){0};
    }
    sequence = inner->d.other->value.sequence;
    at = ASN1_STRING_get0_data(sequence);
    if (ASN1_get_object(&at, &size, &tag, &class, ASN1_STRING_length(sequence)) !=
            V_ASN1_CONSTRUCTED ||
        tag != V_ASN1_SEQUENCE || size <= 0) {
        return (struct view){0};
    }
    return (struct view){at, (size_t)size};
}

/* EDK II trusts the certificate even where it is not a root, and looks at no date and no purpose.
 */
static X509_STORE *store_of(struct view certificate)
{
    OWN_OPENSSL(X509_STORE) X509_STORE *store = X509_STORE_new();
    OWN_OPENSSL(X509) X509 *anchor = NULL;
    const unsigned char *at = certificate.data;

    anchor = d2i_X509(NULL, &at, (long)certificate.size);
    if (!store || !anchor || X509_STORE_add_cert(store, anchor) != 1 ||
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) != 1 ||
        X509_STORE_set_purpose(store, X509_PURPOSE_ANY) != 1) {
        return NULL;
    }
    return TAKE(store);
}

/* The signature is over this digest and leads to the certificate. */
static bool signature_leads_to(struct view pkcs7, struct view certificate,
                               const struct digest *digest)
{
    OWN_OPENSSL(PKCS7) PKCS7 *signature = NULL;
    OWN_OPENSSL(X509_STORE) X509_STORE *store = NULL;
    OWN_OPENSSL(BIO) BIO *content = NULL;
    const unsigned char *at = pkcs7.data;
    struct view content_view;

    if (pkcs7.size > INT_MAX || certificate.size > INT_MAX) {
        return false;
    }
    signature = d2i_PKCS7(NULL, &at, (long)pkcs7.size);
    if (!signature) {
        return false;
    }
    content_view = signed_content(signature);
    if (content_view.size < SHA256_SIZE ||
        memcmp(content_view.data + content_view.size - SHA256_SIZE, digest->bytes, SHA256_SIZE) !=
            0) {
        return false;
    }
    store = store_of(certificate);
    content = BIO_new_mem_buf(content_view.data, (int)content_view.size);
    return store && content &&
           PKCS7_verify(signature, NULL, store, content, NULL, PKCS7_BINARY) == 1;
}

static enum status image_leads_to(const struct pe_image *image, struct view certificate,
                                  const struct digest *digest, bool *ret_leads,
                                  struct refusal *refusal)
{
    struct view pkcs7;
    size_t at = 0;
    enum status status;

    while ((status = pe_image_signature(image, &at, &pkcs7, refusal)) == STATUS_OK) {
        if (signature_leads_to(pkcs7, certificate, digest)) {
            *ret_leads = true;
            return STATUS_OK;
        }
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    *ret_leads = false;
    return STATUS_OK;
}

/* Looks for the entry of a database that is about the image. */
struct search {
    const struct pe_image *image;
    struct digest digest;
    struct view by_certificate, by_hash; /* the first of each */
    enum status status;
    struct refusal *refusal;
};

static void search_visit(void *context, const struct efi_signature *signature)
{
    struct search *search = context;
    bool leads = false;

    switch (signature->type) {
    case EFI_SIGNATURE_SHA256:
        if (search->by_hash.size == 0 &&
            view_equal(signature->content, digest_view(&search->digest))) {
            search->by_hash = signature->entry;
        }
        break;
    case EFI_SIGNATURE_X509:
        if (search->status == STATUS_OK && search->by_certificate.size == 0) {
            search->status = image_leads_to(search->image, signature->content, &search->digest,
                                            &leads, search->refusal);
            search->by_certificate = leads ? signature->entry : (struct view){0};
        }
        break;
    case EFI_SIGNATURE_OTHER:
        break;
    }
}

static enum status search_database(const struct pe_image *image, struct view database,
                                   const char *name, struct search *ret_search,
                                   struct refusal *refusal)
{
    *ret_search = (struct search){
        .image = image,
        .digest = pe_image_digest(image),
        .refusal = refusal,
    };
    if (efi_signatures_walk(database, search_visit, ret_search) != STATUS_OK) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "%s is malformed", name);
    }
    return ret_search->status;
}

static enum status find_authority(const struct pe_image *image, struct view db, struct view dbx,
                                  struct view *ret_authority, struct refusal *refusal)
{
    struct search found;

    TRY(search_database(image, dbx, "dbx", &found, refusal));
    if (found.by_certificate.size > 0 || found.by_hash.size > 0) {
        return refuse(refusal, REFUSAL_SECURE_BOOT, "dbx revokes the image");
    }
    TRY(search_database(image, db, "db", &found, refusal));
    if (found.by_certificate.size == 0 && found.by_hash.size == 0) {
        return refuse(refusal, REFUSAL_SECURE_BOOT,
                      image->certificates.size == 0
                          ? "the image is not signed, and db does not have its hash"
                          : "db has no certificate that the image's signatures lead to");
    }
    *ret_authority = found.by_certificate.size > 0 ? found.by_certificate : found.by_hash;
    return STATUS_OK;
}

enum status authenticode_authority(const struct pe_image *image, struct view db, struct view dbx,
                                   struct view *ret_authority, struct refusal *refusal)
{
    enum status status = find_authority(image, db, dbx, ret_authority, refusal);

    /* Certificates that do not fit leave errors behind. */
    ERR_clear_error();
    return status;
}
