#include "lib/crypto/hpke.h"

#include "lib/crypto/gcm.h"
#include "lib/crypto/hpke_kdf.h"

#include <stdlib.h>
#include <string.h>

enum { MODE_BASE = 0, KEM_P256 = 0x0010, KDF_SHA256 = 0x0001, SUITE_SIZE = 10 };
/* All labels and contexts of this file are short; the longest context is two points. */
enum { LABELED_SIZE_MAX = 256 };
_Static_assert((int)GCM_TAG_SIZE == (int)HPKE_TAG_SIZE, "one size of tags");

struct digest hpke_labeled_extract(struct view suite, struct view salt, const char *label,
                                   struct view ikm)
{
    /* HKDF-Extract is HMAC with the salt as key; the pieces need not be joined for it. */
    return hmac_sha256_list(
        salt, (struct view[]){view_string("HPKE-v1"), suite, view_string(label), ikm}, 4);
}

void hpke_labeled_expand(struct view suite, const struct digest *prk, const char *label,
                         struct view info, void *ret_okm, size_t size)
{
    uint8_t joined[LABELED_SIZE_MAX];
    size_t joined_size = 0;
    const uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    const struct view pieces[] = {VIEW_OF_ARRAY(length), view_string("HPKE-v1"), suite,
                                  view_string(label), info};

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        ASSERT(pieces[i].size <= sizeof joined - joined_size);
        if (pieces[i].size > 0) {
            memcpy(joined + joined_size, pieces[i].data, pieces[i].size);
        }
        joined_size += pieces[i].size;
    }
    hkdf_expand(prk, (struct view){joined, joined_size}, ret_okm, size);
}

/* ExtractAndExpand of section 4.1, over the two points. */
static enum status shared_secret(const struct private_key *own, const struct public_key *peer,
                                 const uint8_t enc[HPKE_ENC_SIZE],
                                 const uint8_t recipient[P256_POINT_SIZE],
                                 struct digest *ret_secret)
{
    OWN(secret) struct secret dh = {0};
    uint8_t context[HPKE_ENC_SIZE + P256_POINT_SIZE];
    struct digest prk;

    TRY(private_key_agree(own, peer, &dh));
    memcpy(context, enc, HPKE_ENC_SIZE);
    memcpy(context + HPKE_ENC_SIZE, recipient, P256_POINT_SIZE);
    prk = hpke_labeled_extract(HPKE_KEM_SUITE, (struct view){0}, "eae_prk", secret_view(&dh));
    hpke_labeled_expand(HPKE_KEM_SUITE, &prk, "shared_secret", VIEW_OF_ARRAY(context),
                        ret_secret->bytes, sizeof ret_secret->bytes);
    secret_wipe(&prk, sizeof prk);
    return STATUS_OK;
}

struct schedule {
    uint8_t key[32];
    size_t key_size;
    uint8_t nonce[GCM_NONCE_SIZE];
};

static void schedule_wipe(struct schedule *schedule)
{
    secret_wipe(schedule, sizeof *schedule);
}
DEFINE_OWN_VALUE(schedule, schedule_wipe)

/* KeySchedule of section 5.1 in base mode: no PSK, empty psk_id. The first message's nonce is the
 * base nonce (section 5.2). */
static void key_schedule(enum hpke_aead aead, struct digest *shared, struct view info,
                         struct schedule *ret_schedule)
{
    const uint8_t suite_bytes[SUITE_SIZE] = {'H',
                                             'P',
                                             'K',
                                             'E',
                                             KEM_P256 >> 8,
                                             KEM_P256 & 0xff,
                                             KDF_SHA256 >> 8,
                                             KDF_SHA256 & 0xff,
                                             0,
                                             (uint8_t)aead};
    struct view suite = VIEW_OF_ARRAY(suite_bytes), nothing = {0};
    struct digest psk_id_hash = hpke_labeled_extract(suite, nothing, "psk_id_hash", nothing);
    struct digest info_hash = hpke_labeled_extract(suite, nothing, "info_hash", info);
    struct digest secret = hpke_labeled_extract(suite, digest_view(shared), "secret", nothing);
    uint8_t context[1 + 2 * SHA256_SIZE] = {MODE_BASE};

    memcpy(context + 1, psk_id_hash.bytes, SHA256_SIZE);
    memcpy(context + 1 + SHA256_SIZE, info_hash.bytes, SHA256_SIZE);
    ret_schedule->key_size = aead == HPKE_AES_128_GCM ? 16 : 32;
    hpke_labeled_expand(suite, &secret, "key", VIEW_OF_ARRAY(context), ret_schedule->key,
                        ret_schedule->key_size);
    hpke_labeled_expand(suite, &secret, "base_nonce", VIEW_OF_ARRAY(context), ret_schedule->nonce,
                        sizeof ret_schedule->nonce);
    secret_wipe(&secret, sizeof secret);
    secret_wipe(shared, sizeof *shared);
}

enum status hpke_seal_with(enum hpke_aead aead, struct view recipient, struct view info,
                           struct view aad, struct view plaintext,
                           const uint8_t entropy[HPKE_ENTROPY_SIZE], struct bytes *ret_sealed)
{
    OWN(public_key) struct public_key *peer = NULL;
    OWN(private_key) struct private_key *ephemeral = NULL;
    OWN(schedule) struct schedule schedule = {.key_size = 0};
    OWN(bytes) struct bytes sealed = {0};
    struct digest shared;

    if (plaintext.size == 0) {
        return STATUS_MALFORMED;
    }
    if (plaintext.size > SECRET_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(public_key_parse_point(recipient, &peer));
    TRY(private_key_derive_p256((struct view){entropy, HPKE_ENTROPY_SIZE}, &ephemeral));
    sealed.size = plaintext.size + HPKE_OVERHEAD;
    sealed.data = malloc(sealed.size);
    if (!sealed.data) {
        return STATUS_NO_MEMORY;
    }
    private_key_point(ephemeral, sealed.data);
    TRY(shared_secret(ephemeral, peer, sealed.data, recipient.data, &shared));
    key_schedule(aead, &shared, info, &schedule);
    TRY(gcm_seal((struct view){schedule.key, schedule.key_size}, schedule.nonce, aad, plaintext,
                 sealed.data + HPKE_ENC_SIZE));
    *ret_sealed = TAKE(sealed);
    return STATUS_OK;
}

enum status hpke_open_with(enum hpke_aead aead, const struct private_key *key, struct view info,
                           struct view aad, struct view sealed, struct secret *ret_plaintext)
{
    OWN(public_key) struct public_key *peer = NULL;
    OWN(schedule) struct schedule schedule = {.key_size = 0};
    OWN(secret) struct secret plaintext = {0};
    struct reader reader = reader_of(sealed);
    uint8_t recipient[P256_POINT_SIZE];
    struct view enc, ciphertext;
    struct digest shared;

    enc = reader_view(&reader, HPKE_ENC_SIZE);
    ciphertext = reader_rest(&reader);
    if (!reader_done(&reader) || ciphertext.size <= HPKE_TAG_SIZE) {
        return STATUS_MALFORMED;
    }
    if (sealed.size > HPKE_SEALED_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(public_key_parse_point(enc, &peer));
    private_key_point(key, recipient);
    TRY(shared_secret(key, peer, enc.data, recipient, &shared));
    key_schedule(aead, &shared, info, &schedule);
    TRY(secret_new(ciphertext.size - HPKE_TAG_SIZE, &plaintext));
    TRY(gcm_open((struct view){schedule.key, schedule.key_size}, schedule.nonce, aad, ciphertext,
                 plaintext.data));
    *ret_plaintext = TAKE(plaintext);
    return STATUS_OK;
}

enum status hpke_seal(struct view recipient, struct view info, struct view aad,
                      struct view plaintext, const uint8_t entropy[HPKE_ENTROPY_SIZE],
                      struct bytes *ret_sealed)
{
    return hpke_seal_with(HPKE_AES_256_GCM, recipient, info, aad, plaintext, entropy, ret_sealed);
}

enum status hpke_open(const struct private_key *key, struct view info, struct view aad,
                      struct view sealed, struct secret *ret_plaintext)
{
    return hpke_open_with(HPKE_AES_256_GCM, key, info, aad, sealed, ret_plaintext);
}
