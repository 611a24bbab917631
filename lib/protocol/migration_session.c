#include "lib/protocol/migration_session.h"

#include "lib/crypto/kdf.h"

/* What may be known: it is of no use for finding K_S or what else comes from it. */
static struct digest derive_public(struct view secret, const struct digest *info)
{
    struct digest prk, value;

    ASSERT(secret.size == MIGRATION_SECRET_SIZE);
    prk = hkdf_extract((struct view){0}, secret);
    hkdf_expand(&prk, digest_view(info), value.bytes, sizeof value.bytes);
    secret_wipe(&prk, sizeof prk);
    return value;
}

struct digest migration_session_id(const struct scope *scope, struct view secret)
{
    struct canonical info = canonical_begin("tccp-migration-session", scope);
    struct digest info_hash = canonical_hash(&info);

    return derive_public(secret, &info_hash);
}

static struct digest channel_info(const char *tag, const struct scope *scope,
                                  enum migration_channel channel,
                                  enum migration_direction direction)
{
    static const char *const channels[] = {
        [CHANNEL_MEMORY] = "memory", [CHANNEL_DISK] = "disk", [CHANNEL_TPM] = "tpm"};
    static const char *const directions[] = {
        [DIRECTION_TO_DESTINATION] = "to-destination", [DIRECTION_TO_SOURCE] = "to-source"};
    struct canonical info = canonical_begin(tag, scope);

    canonical_field(&info, view_string(directions[direction]));
    canonical_field(&info, view_string(channels[channel]));
    return canonical_hash(&info);
}

enum status migration_channel_key(const struct scope *scope, struct view secret,
                                  enum migration_channel channel,
                                  enum migration_direction direction, struct secret *ret_key)
{
    struct digest info_hash = channel_info("tccp-migration-channel", scope, channel, direction);

    ASSERT(secret.size == MIGRATION_SECRET_SIZE);
    return hkdf_secret(secret, (struct view){0}, digest_view(&info_hash), MIGRATION_PSK_SIZE,
                       ret_key);
}

void migration_channel_token(const struct scope *scope, struct view secret,
                             enum migration_channel channel, enum migration_direction direction,
                             struct digest *ret_token)
{
    struct digest info_hash = channel_info("tccp-migration-token", scope, channel, direction);

    *ret_token = derive_public(secret, &info_hash);
}
