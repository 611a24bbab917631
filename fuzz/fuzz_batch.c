/*
 * An entry of the log, as a member gets it from a leader that it must not trust with its memory:
 * decoded, and applied to an empty state. Whatever is in it, the revision counts it.
 */
#include "tcd/core/batch.h"
#include "tcd/core/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(batch) struct batch *batch = NULL;
    OWN(registry) struct registry *registry = NULL;

    if (batch_decode((struct view){data, size}, &batch) != STATUS_OK) {
        return 0;
    }
    ASSERT(batch->command_count <= BATCH_COMMAND_COUNT_MAX);
    registry = registry_new();
    ASSERT(registry);
    for (size_t i = 0; i < batch->command_count; i++) {
        OWN(command) struct command *command = NULL;
        struct outcome outcome;
        uint64_t revision = registry_revision(registry);

        if (command_decode(batch->commands[i], &command) == STATUS_OK) {
            (void)registry_apply(registry, command, &outcome);
            ASSERT(registry_revision(registry) == revision + 1);
        }
    }
    return 0;
}
