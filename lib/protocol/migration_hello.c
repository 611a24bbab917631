#include "lib/protocol/migration_hello.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

enum status migration_hello_pack(const struct migration_hello *hello, struct bytes *ret_bytes)
{
    Tccp__MigrationHello message = TCCP__MIGRATION_HELLO__INIT;

    ASSERT(hello->migration != 0 && !digest_is_zero(&hello->session));
    message.migration = hello->migration;
    message.session = protobuf_data(digest_view(&hello->session));
    return protobuf_pack(&message.base, MIGRATION_HELLO_SIZE_MAX, ret_bytes);
}

enum status migration_hello_parse(struct view bytes, struct migration_hello *ret_hello)
{
    OWN(message)
    Tccp__MigrationHello *message = (Tccp__MigrationHello *)protobuf_unpack_strict(
        &tccp__migration_hello__descriptor, bytes, MIGRATION_HELLO_SIZE_MAX);
    struct migration_hello hello;

    if (!message || message->migration == 0 || !message_digest(message->session, &hello.session) ||
        digest_is_zero(&hello.session)) {
        return STATUS_MALFORMED;
    }
    hello.migration = message->migration;
    *ret_hello = hello;
    return STATUS_OK;
}
