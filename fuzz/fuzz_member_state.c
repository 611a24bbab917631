/* The member's own file. */
#include "tcd/member_state.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(member_state) struct member_state state = {.raft_id = 0};

    if (member_state_parse((struct view){data, size}, &state) == STATUS_OK) {
        ASSERT(state.raft_id != 0 && memchr(state.name, '\0', sizeof state.name));
    }
    return 0;
}
