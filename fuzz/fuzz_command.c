/* A command of the log: what is accepted can be written again, and reads the same. */
#include "tcd/core/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(command) struct command *command = NULL;
    OWN(command) struct command *again = NULL;
    OWN(bytes) struct bytes bytes = {0};

    if (command_decode((struct view){data, size}, &command) != STATUS_OK) {
        return 0;
    }
    ASSERT(command->kind < COMMAND_KIND_COUNT);
    ASSERT(command_encode(command, &bytes) == STATUS_OK);
    ASSERT(command_decode(bytes_view(&bytes), &again) == STATUS_OK);
    ASSERT(again->kind == command->kind && again->session == command->session);
    return 0;
}
