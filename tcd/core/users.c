#include "tcd/core/users.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"

#include <stdlib.h>
#include <string.h>

static const unsigned role_bits[USER_ROLE_COUNT] = {
    [USER_OPERATOR] = BY_OPERATOR,
    [USER_CUSTOMER] = BY_CUSTOMER,
    [USER_AUDITOR] = BY_AUDITOR,
};

void user_insert(struct registry *registry, struct user *user)
{
    table_insert(&registry->users, user);
    table_insert(&registry->users_by_key, user);
}

static void user_drop(struct registry *registry, struct user *user)
{
    ASSERT(table_remove(&registry->users, &user->name) == user);
    ASSERT(table_remove(&registry->users_by_key, &user->key_id) == user);
    free(user);
}

static struct user *user_new(const struct core_name *name, enum user_role role, struct view key)
{
    struct user *user = state_alloc(1, sizeof *user);

    ASSERT(key.size <= sizeof user->key);
    user->name = *name;
    user->role = role;
    user->key_size = key.size;
    memcpy(user->key, key.data, key.size);
    user->key_id = sha256(key);
    return user;
}

enum refusal_code user_authorize(struct registry *registry, const struct command *command)
{
    const struct user *user;

    if (digest_is_zero(&command->actor)) {
        return REFUSAL_NONE;
    }
    user = table_find(&registry->users_by_key, &command->actor);
    if (!user) {
        return state_refuse(registry, REFUSAL_NOT_AUTHORIZED, "the key belongs to no user");
    }
    if ((command_kind_roles(command->kind) & role_bits[user->role]) == 0) {
        return state_refuse(registry, REFUSAL_NOT_AUTHORIZED, "%s is %s %s", user->name.text,
                            user->role == USER_CUSTOMER ? "a" : "an", user_role_name(user->role));
    }
    return REFUSAL_NONE;
}

enum refusal_code user_add(struct registry *registry, const struct command *command)
{
    struct digest key_id = sha256(command->user_added.key);
    struct user *user;

    if (table_find(&registry->users, &command->user_added.name)) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "a user %s",
                            command->user_added.name.text);
    }
    if ((user = table_find(&registry->users_by_key, &key_id))) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "the key is that of %s",
                            user->name.text);
    }
    if (registry->users.count >= CORE_USER_COUNT_MAX) {
        return state_refuse(registry, REFUSAL_LIMIT, "%u users", (unsigned)CORE_USER_COUNT_MAX);
    }
    user = user_new(&command->user_added.name, command->user_added.role, command->user_added.key);
    user->added_at_s = registry->time_s;
    user_insert(registry, user);
    audit_begin(registry);
    audit_text(registry, "user", user->name.text);
    audit_text(registry, "role", user_role_name(user->role));
    audit_digest(registry, "key", &user->key_id);
    digest_touch_user(registry, user);
    return REFUSAL_NONE;
}

enum refusal_code user_remove(struct registry *registry, const struct command *command)
{
    struct user *user = table_find(&registry->users, &command->user_removed.name);

    if (!user) {
        return state_refuse(registry, REFUSAL_NOT_FOUND, "no user %s",
                            command->user_removed.name.text);
    }
    if (user->from_manifest) {
        return state_refuse(registry, REFUSAL_WRONG_STATE,
                            "the manifest names %s: apply one that does not", user->name.text);
    }
    audit_begin(registry);
    audit_text(registry, "user", user->name.text);
    audit_digest(registry, "key", &user->key_id);
    user_drop(registry, user);
    return REFUSAL_NONE;
}

void users_of_manifest(struct registry *registry, const struct manifest_facts *facts)
{
    struct user *user;
    size_t cursor = 0;

    while ((user = table_next(&registry->users, &cursor))) {
        if (user->from_manifest) {
            user_drop(registry, user);
        }
    }
    for (unsigned i = 0; i < facts->operator_count; i++) {
        const struct operator_entry *entry = &facts->operators[i];

        if ((user = table_find(&registry->users, &entry->name))) {
            user_drop(registry, user);
        }
        if ((user = table_find(&registry->users_by_key, &entry->key_id))) {
            user_drop(registry, user);
        }
        user = user_new(&entry->name, entry->role, (struct view){entry->key, entry->key_size});
        user->from_manifest = true;
        user->added_at_s = registry->time_s;
        user_insert(registry, user);
        digest_touch_user(registry, user);
    }
}
