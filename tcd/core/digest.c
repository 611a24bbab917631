#include "tcd/core/digest.h"

#include "tcd/core/records_pack.h"

enum touched {
    TOUCHED_PERIMETER = 1,
    TOUCHED_MEMBER,
    TOUCHED_USER,
    TOUCHED_NODE,
    TOUCHED_VM,
    TOUCHED_REFERENCE,
};

static void chain_u32(struct registry *registry, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};

    sha256_update(&registry->chain, VIEW_OF_ARRAY(bytes));
}

void digest_begin(struct registry *registry)
{
    sha256_init(&registry->chain);
    sha256_update(&registry->chain, digest_view(&registry->digest));
    sha256_update(&registry->chain, digest_view(&registry->command->digest));
}

void digest_verdict(struct registry *registry, enum refusal_code verdict)
{
    /* The name, not the number: codes are added in the middle of their list. */
    struct view name = view_string(refusal_name(verdict));

    chain_u32(registry, (uint32_t)name.size);
    sha256_update(&registry->chain, name);
}

static void touch(struct registry *registry, enum touched kind, struct bytes record)
{
    const uint8_t byte = (uint8_t)kind;

    sha256_update(&registry->chain, (struct view){&byte, 1});
    chain_u32(registry, (uint32_t)record.size);
    sha256_update(&registry->chain, bytes_view(&record));
    bytes_free(&record);
}

void digest_touch_perimeter(struct registry *registry)
{
    touch(registry, TOUCHED_PERIMETER, record_of_perimeter(&registry->perimeter));
}

void digest_touch_member(struct registry *registry, const struct member *member)
{
    touch(registry, TOUCHED_MEMBER, record_of_member(member));
}

void digest_touch_user(struct registry *registry, const struct user *user)
{
    touch(registry, TOUCHED_USER, record_of_user(user));
}

void digest_touch_node(struct registry *registry, const struct node *node)
{
    touch(registry, TOUCHED_NODE, record_of_node(node));
}

void digest_touch_vm(struct registry *registry, const struct vm *vm)
{
    touch(registry, TOUCHED_VM, record_of_vm(vm, false));
}

void digest_touch_reference(struct registry *registry, const struct reference_blob *reference)
{
    touch(registry, TOUCHED_REFERENCE, record_of_reference(reference));
}

void digest_end(struct registry *registry)
{
    registry->digest = sha256_final(&registry->chain);
    registry->revision++;
    registry->history[registry->revision % REGISTRY_HISTORY_COUNT] = registry->digest;
}

enum status registry_digest_at(const struct registry *registry, uint64_t revision,
                               struct digest *ret_digest)
{
    if (revision > registry->revision || revision < registry->history_from ||
        registry->revision - revision >= REGISTRY_HISTORY_COUNT) {
        return STATUS_NOT_FOUND;
    }
    *ret_digest = registry->history[revision % REGISTRY_HISTORY_COUNT];
    return STATUS_OK;
}
