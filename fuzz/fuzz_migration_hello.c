/* What the other node's agent says on a migration's session: what is taken is written back to the
 * same bytes. */
#include "lib/protocol/migration_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = {data, size};
    OWN(bytes) struct bytes again = {0};
    struct migration_hello hello;

    if (migration_hello_parse(bytes, &hello) == STATUS_OK) {
        ASSERT(hello.migration != 0 && !digest_is_zero(&hello.session));
        ASSERT(migration_hello_pack(&hello, &again) == STATUS_OK);
        ASSERT(view_equal(bytes_view(&again), bytes));
    }
    return 0;
}
