/* An entry of the log that is accepted is exactly what writing its content gives. */
#include "tcd/entry.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entry_header header;
    struct reader commands;
    uint8_t *again, *at;

    if (entry_read((struct view){data, size}, &header, &commands) != STATUS_OK) {
        return 0;
    }
    again = malloc(size);
    ASSERT(again);
    at = entry_write_header(again, &header);
    for (uint32_t i = 0; i < header.count; i++) {
        struct view command = entry_read_command(&commands);

        ASSERT(command.size > 0 && !commands.bad);
        at = entry_write_command(at, command);
    }
    entry_write_end(at, again + size);
    ASSERT(memcmp(again, data, size) == 0);
    free(again);
    return 0;
}
