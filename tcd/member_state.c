#include "tcd/member_state.h"

#include "lib/base/protobuf.h"
#include "lib/daemon/file.h"

#include "proto/member.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { MEMBER_STATE_FORMAT = 1, PATH_SIZE = 512 };

void member_state_free(struct member_state *state)
{
    bytes_free(&state->bundle);
}

enum status member_state_parse(struct view bytes, struct member_state *ret_state)
{
    struct member_state state = {0};
    enum status status = STATUS_MALFORMED;
    Tccp__MemberState *message = (Tccp__MemberState *)protobuf_unpack(
        &tccp__member_state__descriptor, bytes, MEMBER_STATE_SIZE_MAX);

    if (!message) {
        return STATUS_MALFORMED;
    }
    if (message->format == MEMBER_STATE_FORMAT && message->raft_id != 0 &&
        strlen(message->name) < sizeof state.name) {
        (void)snprintf(state.name, sizeof state.name, "%s", message->name);
        state.raft_id = message->raft_id;
        status = bytes_copy(protobuf_view(message->bundle), &state.bundle);
    }
    tccp__member_state__free_unpacked(message, NULL);
    TRY(status);
    *ret_state = state;
    return STATUS_OK;
}

static enum status path_of(const char *directory, char path[PATH_SIZE])
{
    return snprintf(path, PATH_SIZE, "%s/member", directory) < PATH_SIZE ? STATUS_OK
                                                                         : STATUS_TOO_LARGE;
}

enum status member_state_read(const char *directory, struct member_state *ret_state)
{
    OWN(bytes) struct bytes bytes = {0};
    char path[PATH_SIZE];

    TRY(path_of(directory, path));
    TRY(file_read(path, MEMBER_STATE_SIZE_MAX, &bytes));
    return member_state_parse(bytes_view(&bytes), ret_state);
}

enum status member_state_write(const char *directory, const struct member_state *state)
{
    Tccp__MemberState message = TCCP__MEMBER_STATE__INIT;
    OWN(bytes) struct bytes bytes = {0};
    char path[PATH_SIZE];

    TRY(path_of(directory, path));
    message.format = MEMBER_STATE_FORMAT;
    message.name = protobuf_string(state->name);
    message.raft_id = state->raft_id;
    message.bundle = protobuf_data(bytes_view(&state->bundle));
    TRY(protobuf_pack(&message.base, MEMBER_STATE_SIZE_MAX, &bytes));
    return file_replace(path, bytes_view(&bytes));
}
