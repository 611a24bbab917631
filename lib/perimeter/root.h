/*
 * The root of a perimeter: the keys of the external trusted entity (ETE), and how many of them must
 * sign (docs/PROTOCOL.md, section 1).
 *
 * perimeter_id = SHA-256 of the PerimeterRoot's exact bytes; it is all that a customer pins. Keys
 * are replaced by successions: documents numbered 1, 2, 3 ... without a gap, each signed by the
 * threshold of the keys in force before it. The id stays.
 *
 * After a succession only the new keys count: the manifest and the endorsement in force have to be
 * signed by them before the succession is applied, and are applied together with it.
 */
#ifndef TCCP_PERIMETER_ROOT_H
#define TCCP_PERIMETER_ROOT_H

#include "lib/base/canonical.h"
#include "lib/base/refusal.h"
#include "lib/base/text.h"
#include "lib/perimeter/signed_document.h"

enum {
    PERIMETER_KEY_COUNT_MAX = 16,
    PERIMETER_NAME_SIZE = 64, /* with the NUL */
    PERIMETER_SALT_SIZE = 16,
    PERIMETER_ROOT_SIZE_MAX = 4096,
    SUCCESSION_SIZE_MAX = 4096,
    SUCCESSION_COUNT_MAX = 64,
};

#define PERIMETER_ID_PREFIX "tccp1-"
enum { PERIMETER_ID_TEXT_SIZE = sizeof PERIMETER_ID_PREFIX - 1 + BASE32_SIZE(SHA256_SIZE) };

/* The text form of an id, "tccp1-" and base32 in lower case; ret_text holds PERIMETER_ID_TEXT_SIZE
 * characters. */
void perimeter_id_print(const struct digest *id, char *ret_text);
/* Either case is accepted; anything else than a whole id is STATUS_MALFORMED. */
WARN_UNUSED enum status perimeter_id_parse(const char *text, struct digest *ret_id);

/* A public key with its id (SHA-256 of the SubjectPublicKeyInfo). */
struct perimeter_key {
    struct digest id;
    size_t size;
    uint8_t spki[SPKI_SIZE_MAX]; /* DER */
};
static inline struct view perimeter_key_view(const struct perimeter_key *key)
{
    return (struct view){key->spki, key->size};
}

/* A value: copy it freely. */
struct perimeter_root {
    struct digest id;
    char name[PERIMETER_NAME_SIZE]; /* for people */
    uint64_t succession;            /* number of the last one applied; 0: the root itself */
    /* In force: */
    uint32_t threshold;
    size_t key_count;
    struct perimeter_key keys[PERIMETER_KEY_COUNT_MAX];
};

/*
 * Parses the bytes of a PerimeterRoot. Refused (malformed, too-large) unless it is in its one
 * encoding, every key is a P-256 or Ed25519 key and no key is there twice, and
 * 1 <= threshold <= number of keys.
 */
WARN_UNUSED enum status root_parse(struct view bytes, struct perimeter_root *ret_root,
                                   struct refusal *ret_refusal);

/* The bytes of a new root: what `ete init` writes. Checked by root_parse() before it is returned.
 */
WARN_UNUSED enum status root_build(const char *name, const struct view *keys, size_t key_count,
                                   uint32_t threshold, const uint8_t salt[PERIMETER_SALT_SIZE],
                                   struct bytes *ret_bytes);

/* The bytes of the RootSuccession that follows on `root`; to be signed with document_sign(). */
WARN_UNUSED enum status succession_build(const struct perimeter_root *root, const struct view *keys,
                                         size_t key_count, uint32_t threshold,
                                         struct bytes *ret_bytes);

/*
 * Puts the keys of a succession in force. Refused unless it is signed by the threshold of the keys
 * now in force, names this perimeter, and has the next number (older: old-version; a gap:
 * out-of-order). On a refusal the root is unchanged.
 */
WARN_UNUSED enum status root_apply_succession(struct perimeter_root *root,
                                              const Tccp__SignedDocument *succession,
                                              struct refusal *ret_refusal);

/* The key in force with this id, or NULL. */
const struct perimeter_key *root_key(const struct perimeter_root *root,
                                     const struct digest *key_id);

#endif
