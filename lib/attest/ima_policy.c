#include "lib/attest/ima_policy.h"

#include "lib/attest/ima_signature.h"
#include "lib/attest/tpm_key.h"
#include "lib/base/text.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, PATH_SHOWN_MAX = 160 };

struct ima_signer {
    EVP_PKEY *key;
};

static void signer_free(struct ima_signer *signer)
{
    EVP_PKEY_free(signer->key);
    free(signer);
}

void ima_policy_free(struct ima_policy *policy)
{
    for (size_t i = 0; i < policy->signer_count; i++) {
        signer_free(policy->signers[i]);
    }
    for (unsigned what = 0; what < IMA_EXCEPTION_KIND_COUNT; what++) {
        for (size_t i = 0; i < policy->exceptions[what].count; i++) {
            bytes_free(&policy->exceptions[what].paths[i]);
        }
    }
    *policy = (struct ima_policy){0};
}

static bool key_is_strong(const EVP_PKEY *key)
{
    char group[32];

    if (EVP_PKEY_is_a(key, "RSA")) {
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    }
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0);
}

enum status ima_policy_pin_signer(struct ima_policy *policy, struct view spki)
{
    const uint8_t *at = spki.data;
    OWN(evp_pkey) EVP_PKEY *key = NULL;
    struct ima_signer *signer;

    if (policy->signer_count >= IMA_SIGNER_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (spki.size == 0 || spki.size > IMA_SIGNER_KEY_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    key = d2i_PUBKEY(NULL, &at, (long)spki.size);
    ERR_clear_error();
    if (!key || at != spki.data + spki.size) {
        return STATUS_MALFORMED;
    }
    if (!key_is_strong(key)) {
        return STATUS_UNSUPPORTED;
    }
    signer = calloc(1, sizeof *signer);
    if (!signer) {
        return STATUS_NO_MEMORY;
    }
    signer->key = TAKE(key);
    policy->signers[policy->signer_count++] = signer;
    return STATUS_OK;
}

enum status ima_policy_except(struct ima_policy *policy, enum ima_exception what, struct view path)
{
    struct ima_exceptions *exceptions = &policy->exceptions[what];

    if (exceptions->count >= IMA_EXCEPTION_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (path.size == 0 || path.size > IMA_PATH_SIZE_MAX || path.data[0] != '/') {
        return STATUS_MALFORMED;
    }
    TRY(bytes_copy(path, &exceptions->paths[exceptions->count]));
    exceptions->count++;
    return STATUS_OK;
}

static bool is_excepted(const struct ima_policy *policy, enum ima_exception what, struct view path)
{
    const struct ima_exceptions *exceptions = &policy->exceptions[what];

    for (size_t i = 0; i < exceptions->count; i++) {
        struct view exception = bytes_view(&exceptions->paths[i]);
        bool is_folder = exception.data[exception.size - 1] == '/';

        if (view_equal(path, exception) ||
            (is_folder && path.size > exception.size &&
             memcmp(path.data, exception.data, exception.size) == 0)) {
            return true;
        }
    }
    return false;
}

/* The signature is over the file's digest as it stands in the entry. Key ids are four bytes and
 * only a hint: every pinned key is tried. */
static bool signature_holds(const struct ima_policy *policy, const struct ima_entry *entry)
{
    struct ima_signature signature;
    bool holds = false;

    if (entry->signature.size == 0 ||
        ima_signature_parse(entry->signature, &signature) != STATUS_OK ||
        !view_equal(entry->hash_name, view_string(signature.hash_name))) {
        return false;
    }
    for (size_t i = 0; !holds && i < policy->signer_count; i++) {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, policy->signers[i]->key, NULL);

        holds = context && EVP_PKEY_verify_init(context) == 1 &&
                (!EVP_PKEY_is_a(policy->signers[i]->key, "RSA") ||
                 EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1) &&
                EVP_PKEY_CTX_set_signature_md(context, EVP_get_digestbyname(signature.hash_name)) ==
                    1 &&
                EVP_PKEY_verify(context, signature.octets.data, signature.octets.size,
                                entry->file_digest.data, entry->file_digest.size) == 1;
        EVP_PKEY_CTX_free(context);
    }
    ERR_clear_error();
    return holds;
}

/* A path for people: printable, cut where it is long. */
struct shown {
    char text[PATH_SHOWN_MAX + 4];
};

static struct shown path_shown(struct view path)
{
    struct shown shown = {""};
    size_t size = path.size < PATH_SHOWN_MAX ? path.size : PATH_SHOWN_MAX;

    for (size_t i = 0; i < size; i++) {
        shown.text[i] = path.data[i] >= 0x20 && path.data[i] < 0x7f ? (char)path.data[i] : '?';
    }
    if (path.size > PATH_SHOWN_MAX) {
        memcpy(shown.text + PATH_SHOWN_MAX, "...", 4);
    }
    return shown;
}

static enum status file_check(const struct ima_policy *policy, uint64_t number,
                              const struct ima_entry *entry, struct refusal *refusal)
{
    struct shown path = path_shown(entry->path);
    char seen[HEX_SIZE(IMA_FILE_DIGEST_SIZE_MAX)];
    struct hex_digest expected;
    enum file_verdict verdict = FILE_UNKNOWN;
    struct digest digest, known;

    /* Sets hold SHA-256 alone; a file that was hashed otherwise can only be signed. */
    if (digest_of_view(entry->file_digest, &digest) == STATUS_OK) {
        verdict = file_set_find(&policy->files, entry->path, &digest, &known);
    }
    if (verdict == FILE_ALLOWED || signature_holds(policy, entry) ||
        is_excepted(policy, IMA_EXCEPTION_FILE, entry->path)) {
        return STATUS_OK;
    }
    hex_encode(entry->file_digest, seen);
    expected = hex_digest(verdict == FILE_CHANGED ? &known : NULL);
    return refuse_about(refusal, REFUSAL_FILE_NOT_ALLOWED,
                        (struct finding_texts){path.text, expected.text, seen},
                        "%s (entry %llu) is %s, known is %s", path.text, (unsigned long long)number,
                        seen, expected.text);
}

static enum status violation_check(const struct ima_policy *policy, uint64_t number,
                                   const struct ima_entry *entry, struct refusal *refusal)
{
    struct shown path;

    if (is_excepted(policy, IMA_EXCEPTION_VIOLATION, entry->path)) {
        return STATUS_OK;
    }
    path = path_shown(entry->path);
    return refuse_about(refusal, REFUSAL_IMA_VIOLATION,
                        (struct finding_texts){path.text, "no violation", "a violation"},
                        "%s (entry %llu)", path.text, (unsigned long long)number);
}

enum status ima_policy_check(const struct ima_policy *policy, uint64_t number,
                             const struct ima_entry *entry, struct refusal *refusal)
{
    if (number == 1) {
        return STATUS_OK; /* boot_aggregate: ima_replay sees to that. */
    }
    if (entry->violation) {
        return violation_check(policy, number, entry, refusal);
    }
    return file_check(policy, number, entry, refusal);
}
