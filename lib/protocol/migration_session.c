#include "lib/protocol/migration_session.h"

#include "lib/crypto/kdf.h"

struct digest migration_session_id(const struct scope *scope, struct view secret)
{
    struct canonical info = canonical_begin("tccp-migration-session", scope);
    struct digest info_hash = canonical_hash(&info), prk, id;

    ASSERT(secret.size == MIGRATION_SECRET_SIZE);
    prk = hkdf_extract((struct view){0}, secret);
    hkdf_expand(&prk, digest_view(&info_hash), id.bytes, sizeof id.bytes);
    secret_wipe(&prk, sizeof prk);
    return id;
}

enum status migration_channel_key(const struct scope *scope, struct view secret,
                                  enum migration_channel channel,
                                  enum migration_direction direction, struct secret *ret_key)
{
    static const char *const channels[] = {
        [CHANNEL_MEMORY] = "memory", [CHANNEL_DISK] = "disk", [CHANNEL_TPM] = "tpm"};
    static const char *const directions[] = {
        [DIRECTION_TO_DESTINATION] = "to-destination", [DIRECTION_TO_SOURCE] = "to-source"};
    struct canonical info = canonical_begin("tccp-migration-channel", scope);
    struct digest info_hash;

    ASSERT(secret.size == MIGRATION_SECRET_SIZE);
    canonical_field(&info, view_string(directions[direction]));
    canonical_field(&info, view_string(channels[channel]));
    info_hash = canonical_hash(&info);
    return hkdf_secret(secret, (struct view){0}, digest_view(&info_hash), MIGRATION_PSK_SIZE,
                       ret_key);
}
