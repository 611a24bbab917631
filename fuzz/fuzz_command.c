/* Commands of the log: parsed, serialised again to the same, and applied. */
#include "tcd/core/registry.h"
#include "tests/support/core_fixture.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A registry with nodes, VMs, a migration and a reference set; its snapshot is made once. */
static struct view start(void)
{
    static struct bytes snapshot;

    if (snapshot.size == 0) {
        struct fixture fixture;

        fixture_start(&fixture, 3);
        for (unsigned i = 0; i < 3; i++) {
            fixture_register(&fixture, i);
        }
        fixture_run(&fixture, 1, 0);
        fixture_run(&fixture, 2, 1);
        fixture_migrate(&fixture, 2, 2);
        fixture_upload(&fixture, 1);
        ASSERT(registry_snapshot(fixture.registry, &snapshot) == STATUS_OK);
        fixture_stop(&fixture);
    }
    return bytes_view(&snapshot);
}

static void apply(const struct command *command)
{
    OWN(registry) struct registry *registry = NULL;
    OWN(registry) struct registry *copy = NULL;
    OWN(bytes) struct bytes bytes = {0};
    struct outcome outcome;
    struct digest before, after;

    ASSERT(registry_restore(start(), &registry) == STATUS_OK);
    (void)registry_apply(registry, command, &outcome);
    /* Whatever it did, the state has a snapshot. */
    ASSERT(registry_snapshot(registry, &bytes) == STATUS_OK);
    ASSERT(registry_restore(bytes_view(&bytes), &copy) == STATUS_OK);
    before = registry_digest(registry);
    after = registry_digest(copy);
    ASSERT(digest_equal(&before, &after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(command) struct command *command = NULL;
    OWN(command) struct command *again = NULL;
    OWN(bytes) struct bytes first = {0}, second = {0};

    if (command_decode((struct view){data, size}, &command) != STATUS_OK) {
        return 0;
    }
    ASSERT(command_encode(command, &first) == STATUS_OK);
    ASSERT(command_decode(bytes_view(&first), &again) == STATUS_OK);
    ASSERT(command_encode(again, &second) == STATUS_OK);
    ASSERT(view_equal(bytes_view(&first), bytes_view(&second)));
    apply(command);
    return 0;
}
