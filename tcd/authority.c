#include "tcd/authority.h"

#include "lib/crypto/kdf.h"
#include "lib/crypto/sign.h"
#include "lib/protocol/sealing.h"
#include "tcd/seed_store.h"

#include <stdlib.h>
#include <string.h>

enum { KEYING_MATERIAL_SIZE = 32, TAG_SIZE_MAX = 64 };

struct authority {
    struct scope scope;
    struct secret seed;
    struct private_key *tc_sign, *tc_kem;
    uint8_t tc_kem_point[P256_POINT_SIZE];
};

void authority_free(struct authority *authority)
{
    secret_free(&authority->seed);
    if (authority->tc_sign) {
        private_key_free(authority->tc_sign);
    }
    if (authority->tc_kem) {
        private_key_free(authority->tc_kem);
    }
    free(authority);
}

static enum status key_derive(const struct authority *authority, const char *tag,
                              struct private_key **ret_key)
{
    struct canonical salt_input = canonical_begin("tccp-cluster-seed", &authority->scope);
    struct canonical info_input = canonical_begin(tag, &authority->scope);
    struct digest salt = canonical_hash(&salt_input);
    OWN(secret) struct secret material = {0};
    OWN(bytes) struct bytes info = {0};

    TRY(canonical_take(&info_input, &info));
    TRY(hkdf_secret(secret_view(&authority->seed), digest_view(&salt), bytes_view(&info),
                    KEYING_MATERIAL_SIZE, &material));
    return private_key_derive_p256(secret_view(&material), ret_key);
}

/* Every way to an authority ends here. */
static enum status authority_of_seed(const struct scope *scope, struct view seed,
                                     struct authority **ret_authority)
{
    OWN(authority) struct authority *authority = calloc(1, sizeof *authority);

    if (!authority) {
        return STATUS_NO_MEMORY;
    }
    if (seed.size != CLUSTER_SEED_SIZE) {
        return STATUS_MALFORMED;
    }
    authority->scope = *scope;
    TRY(secret_copy(seed, &authority->seed));
    TRY(key_derive(authority, "tccp-tc-sign", &authority->tc_sign));
    TRY(key_derive(authority, "tccp-tc-kem", &authority->tc_kem));
    private_key_point(authority->tc_kem, authority->tc_kem_point);
    *ret_authority = TAKE(authority);
    return STATUS_OK;
}

enum status authority_create(const struct scope *scope, struct view entropy,
                             struct authority **ret_authority)
{
    ASSERT(!view_is_zero(entropy));
    return authority_of_seed(scope, entropy, ret_authority);
}

enum status authority_of_sealed(const struct scope *scope, const struct private_key *tk_kem,
                                struct view aad, struct view sealed,
                                struct authority **ret_authority)
{
    OWN(secret) struct secret seed = {0};
    OWN(bytes) struct bytes info = {0};

    TRY(sealing_info(SEALING_SEED, scope, &info));
    TRY(hpke_open(tk_kem, bytes_view(&info), aad, sealed, &seed));
    return authority_of_seed(scope, secret_view(&seed), ret_authority);
}

enum status authority_load(const struct scope *scope, struct tpm *tpm, const char *folder,
                           struct authority **ret_authority)
{
    OWN(secret) struct secret seed = {0};

    TRY(seed_store_read(folder, scope, tpm, CLUSTER_SEED_SIZE, &seed));
    return authority_of_seed(scope, secret_view(&seed), ret_authority);
}

enum status authority_store(const struct authority *authority, struct tpm *tpm, uint32_t pcr_mask,
                            const char *folder)
{
    return seed_store_write(folder, &authority->scope, tpm, pcr_mask, &authority->seed);
}

enum status authority_cap(struct tpm *tpm)
{
    struct digest cap = sha256(view_string("tccp-seed-cap"));

    return tpm_pcr_extend(tpm, AUTHORITY_CAP_PCR, &cap);
}

const struct scope *authority_scope(const struct authority *authority)
{
    return &authority->scope;
}

struct view authority_tc_sign_public(const struct authority *authority)
{
    return private_key_spki(authority->tc_sign);
}

struct view authority_tc_kem_point(const struct authority *authority)
{
    return VIEW_OF_ARRAY(authority->tc_kem_point);
}

enum status authority_require_keys(const struct authority *authority, struct view tc_sign,
                                   struct view tc_kem)
{
    return view_equal(authority_tc_sign_public(authority), tc_sign) &&
                   view_equal(authority_tc_kem_point(authority), tc_kem)
               ? STATUS_OK
               : STATUS_UNTRUSTED;
}

/* Whether the bytes begin as canonical_begin() has them begin in this scope. */
static bool is_canonical_of(const struct scope *scope, struct view bytes)
{
    static const char prefix[] = "tccp-";
    struct reader reader = reader_of(bytes);
    struct view tag = reader_sized32(&reader, TAG_SIZE_MAX);
    struct view perimeter_id = reader_view(&reader, SHA256_SIZE);
    uint64_t epoch = reader_u64(&reader);

    return !reader.bad && tag.size >= sizeof prefix - 1 &&
           memcmp(tag.data, prefix, sizeof prefix - 1) == 0 &&
           view_equal(perimeter_id, digest_view(&scope->perimeter_id)) && epoch == scope->epoch;
}

enum status authority_sign(const struct authority *authority, struct view canonical,
                           struct bytes *ret_signature)
{
    if (!is_canonical_of(&authority->scope, canonical)) {
        return STATUS_DENIED;
    }
    return sign_message(authority->tc_sign, canonical, ret_signature);
}

enum status authority_issue_certificate(const struct authority *authority,
                                        const struct certificate *content, struct bytes *ret_der)
{
    struct certificate certificate = *content;

    certificate.scope = authority->scope;
    return certificate_issue(authority->tc_sign, &certificate, ret_der);
}

enum status authority_make_ca_certificate(const struct authority *authority, struct view extension,
                                          uint64_t not_before_s, uint64_t not_after_s,
                                          struct bytes *ret_der)
{
    return certificate_make_authority(authority->tc_sign, extension, not_before_s, not_after_s,
                                      ret_der);
}

enum status authority_seal_seed_for(const struct authority *authority, struct view tk_kem,
                                    struct view aad, struct view entropy, struct bytes *ret_sealed)
{
    OWN(bytes) struct bytes info = {0};

    ASSERT(entropy.size == HPKE_ENTROPY_SIZE);
    TRY(sealing_info(SEALING_SEED, &authority->scope, &info));
    return hpke_seal(tk_kem, bytes_view(&info), aad, secret_view(&authority->seed), entropy.data,
                     ret_sealed);
}

void authority_open_ticket(const struct authority *authority, struct view ticket,
                           const struct digest *image_manifest, ticket_opened opened,
                           void *argument)
{
    OWN(secret) struct secret plaintext = {0};
    OWN(bytes) struct bytes info = {0};
    enum status status = sealing_info(SEALING_TICKET, &authority->scope, &info);

    if (status == STATUS_OK) {
        status = hpke_open(authority->tc_kem, bytes_view(&info), digest_view(image_manifest),
                           ticket, &plaintext);
    }
    opened(argument, status, status == STATUS_OK ? &plaintext : NULL);
}
