#include "tcd/core/batch.h"

#include "lib/base/protobuf.h"
#include "tcd/core/fields.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRY_ALIGNMENT = 8 }; /* of raft's buffers */

static enum status batch_fill(struct batch *batch, const Tccp__Log__CommandBatch *message)
{
    if (message->format != BATCH_FORMAT || !message_is_known(&message->base)) {
        return STATUS_UNSUPPORTED;
    }
    if (message->n_commands == 0 || message->n_commands > BATCH_COMMAND_COUNT_MAX ||
        !field_digest(message->base_digest, &batch->base_digest)) {
        return STATUS_MALFORMED;
    }
    batch->base_revision = message->base_revision;
    batch->commands = calloc(message->n_commands, sizeof *batch->commands);
    if (!batch->commands) {
        return STATUS_NO_MEMORY;
    }
    batch->command_count = message->n_commands;
    for (size_t i = 0; i < message->n_commands; i++) {
        batch->commands[i] = protobuf_view(message->commands[i]);
    }
    return STATUS_OK;
}

enum status batch_decode(struct view entry, struct batch **ret_batch)
{
    OWN(batch) struct batch *batch = NULL;
    struct reader reader = reader_of(entry);
    struct view bytes = reader_sized32(&reader, BATCH_SIZE_MAX);
    struct view padding = reader_rest(&reader);

    if (entry.size > BATCH_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (reader.bad || padding.size >= ENTRY_ALIGNMENT || !view_is_zero(padding)) {
        return STATUS_MALFORMED;
    }
    batch = calloc(1, sizeof *batch);
    if (!batch) {
        return STATUS_NO_MEMORY;
    }
    batch->message = tccp__log__command_batch__unpack(NULL, bytes.size, bytes.data);
    if (!batch->message) {
        return STATUS_MALFORMED;
    }
    TRY(batch_fill(batch, batch->message));
    *ret_batch = TAKE(batch);
    return STATUS_OK;
}

void batch_free(struct batch *batch)
{
    if (!batch) {
        return;
    }
    tccp__log__command_batch__free_unpacked(batch->message, NULL);
    free(batch->commands);
    free(batch);
}

enum status batch_encode(const struct batch *batch, struct bytes *ret_entry)
{
    Tccp__Log__CommandBatch message = TCCP__LOG__COMMAND_BATCH__INIT;
    OWN(bytes) struct bytes bytes = {0};
    OWN(writer) struct writer writer = writer_new(BATCH_SIZE_MAX);
    ProtobufCBinaryData *commands = calloc(batch->command_count + 1, sizeof *commands);
    enum status status;

    if (!commands) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < batch->command_count; i++) {
        commands[i] = protobuf_data(batch->commands[i]);
    }
    message.format = BATCH_FORMAT;
    message.base_revision = batch->base_revision;
    message.base_digest = data_of_digest(&batch->base_digest);
    message.n_commands = batch->command_count;
    message.commands = commands;
    status = protobuf_pack(&message.base, BATCH_SIZE_MAX, &bytes);
    free(commands);
    TRY(status);
    writer_sized32(&writer, bytes_view(&bytes));
    while (writer.status == STATUS_OK && writer.size % ENTRY_ALIGNMENT != 0) {
        writer_u8(&writer, 0);
    }
    return writer_take(&writer, ret_entry);
}
