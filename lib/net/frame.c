#include "lib/net/frame.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 1024 };

void frame_decoder_init(struct frame_decoder *decoder, size_t size_max)
{
    *decoder = (struct frame_decoder){0};
    frame_decoder_set_max(decoder, size_max);
}

void frame_decoder_set_max(struct frame_decoder *decoder, size_t size_max)
{
    ASSERT(size_max > 0 && size_max <= FRAME_SIZE_MAX);
    decoder->size_max = size_max;
}

void frame_decoder_free(struct frame_decoder *decoder)
{
    free(decoder->data);
    decoder->data = NULL;
    decoder->start = decoder->size = decoder->capacity = 0;
}

void frame_decoder_trim(struct frame_decoder *decoder)
{
    if (decoder->start == decoder->size) {
        frame_decoder_free(decoder);
    }
}

static enum status reserve(struct frame_decoder *decoder, size_t more)
{
    size_t held = decoder->size - decoder->start, capacity = decoder->capacity;
    uint8_t *data;

    /* Moving is cheap when little is held; it also keeps the buffer from growing for ever. */
    if (decoder->start > 0) {
        if (held > 0) {
            memmove(decoder->data, decoder->data + decoder->start, held);
        }
        decoder->start = 0;
        decoder->size = held;
    }
    if (more <= capacity - held) {
        return STATUS_OK;
    }
    if (more > SIZE_MAX / 4) {
        return STATUS_NO_MEMORY;
    }
    capacity = capacity ? capacity : CAPACITY_MIN;
    while (capacity - held < more) {
        capacity *= 2;
    }
    data = realloc(decoder->data, capacity);
    if (!data) {
        return STATUS_NO_MEMORY;
    }
    decoder->data = data;
    decoder->capacity = capacity;
    return STATUS_OK;
}

enum status frame_decoder_feed(struct frame_decoder *decoder, struct view bytes)
{
    if (decoder->status != STATUS_OK || bytes.size == 0) {
        return decoder->status;
    }
    decoder->status = reserve(decoder, bytes.size);
    if (decoder->status == STATUS_OK) {
        memcpy(decoder->data + decoder->size, bytes.data, bytes.size);
        decoder->size += bytes.size;
    }
    return decoder->status;
}

enum status frame_decoder_next(struct frame_decoder *decoder, struct view *ret_frame)
{
    struct reader reader;
    size_t length;

    if (decoder->status != STATUS_OK) {
        return decoder->status;
    }
    if (decoder->size - decoder->start < FRAME_HEADER_SIZE) {
        return STATUS_NOT_READY;
    }
    reader =
        reader_of((struct view){decoder->data + decoder->start, decoder->size - decoder->start});
    length = reader_u32(&reader);
    if (length > decoder->size_max) {
        return decoder->status = STATUS_TOO_LARGE;
    }
    if (length == 0) {
        return decoder->status = STATUS_MALFORMED;
    }
    if (reader.left < length) {
        return STATUS_NOT_READY;
    }
    *ret_frame = reader_view(&reader, length);
    decoder->start += FRAME_HEADER_SIZE + length;
    return STATUS_OK;
}

void frame_header(size_t content_size, uint8_t *ret_header)
{
    ASSERT(content_size > 0 && content_size <= FRAME_SIZE_MAX);
    for (unsigned i = 0; i < FRAME_HEADER_SIZE; i++) {
        ret_header[i] = (uint8_t)(content_size >> (8 * (FRAME_HEADER_SIZE - 1 - i)));
    }
}
