#include "tcd/core/audit.h"

#include "lib/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void begin(struct registry *registry, const char *kind, enum refusal_code verdict)
{
    const struct command *command = registry->command;
    struct scope scope = registry_scope(registry);

    audit_end(registry);
    registry->leaf = canonical_begin("tccp-audit-leaf", &scope);
    registry->leaf_open = true;
    canonical_number(&registry->leaf, registry->audit.size);
    canonical_number(&registry->leaf, registry->revision);
    canonical_number(&registry->leaf, registry->time_s);
    canonical_field(&registry->leaf, view_string(kind));
    canonical_field(&registry->leaf, view_string(refusal_name(verdict)));
    if (digest_is_zero(&command->actor)) {
        canonical_field(&registry->leaf, (struct view){0});
    } else {
        canonical_digest(&registry->leaf, &command->actor);
    }
}

void audit_begin(struct registry *registry)
{
    begin(registry, command_kind_name(registry->command->kind), REFUSAL_NONE);
}

void audit_begin_effect(struct registry *registry, const char *kind)
{
    begin(registry, kind, REFUSAL_NONE);
}

void audit_begin_refusal(struct registry *registry, enum refusal_code verdict)
{
    begin(registry, command_kind_name(registry->command->kind), verdict);
}

void audit_text(struct registry *registry, const char *name, const char *value)
{
    ASSERT(registry->leaf_open);
    canonical_field(&registry->leaf, view_string(name));
    canonical_field(&registry->leaf, view_string(value));
}

void audit_number(struct registry *registry, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    audit_text(registry, name, text);
}

void audit_bytes(struct registry *registry, const char *name, struct view value)
{
    char text[HEX_SIZE(CORE_KEY_SIZE_MAX)];

    ASSERT(value.size <= CORE_KEY_SIZE_MAX);
    hex_encode(value, text);
    audit_text(registry, name, text);
}

void audit_digest(struct registry *registry, const char *name, const struct digest *value)
{
    audit_bytes(registry, name, digest_view(value));
}

static void leaves_grow(struct registry *registry)
{
    size_t capacity = registry->leaf_capacity > 0 ? 2 * registry->leaf_capacity : 4;

    registry->leaf_bytes = realloc(registry->leaf_bytes, capacity * sizeof *registry->leaf_bytes);
    registry->leaf_views = realloc(registry->leaf_views, capacity * sizeof *registry->leaf_views);
    ASSERT(registry->leaf_bytes && registry->leaf_views);
    registry->leaf_capacity = capacity;
}

void audit_end(struct registry *registry)
{
    struct bytes bytes;
    struct digest hash;

    if (!registry->leaf_open) {
        return;
    }
    registry->leaf_open = false;
    ASSERT(canonical_take(&registry->leaf, &bytes) == STATUS_OK);
    if (registry->leaf_count == registry->leaf_capacity) {
        leaves_grow(registry);
    }
    hash = merkle_leaf_hash(bytes_view(&bytes));
    merkle_append(&registry->audit, &hash);
    registry->leaf_bytes[registry->leaf_count] = bytes;
    registry->leaf_views[registry->leaf_count] = bytes_view(&bytes);
    registry->leaf_count++;
}

void audit_clear(struct registry *registry)
{
    for (size_t i = 0; i < registry->leaf_count; i++) {
        bytes_free(&registry->leaf_bytes[i]);
    }
    registry->leaf_count = 0;
}
