/*
 * PURE. Frames: a u32 length (big-endian), then so many bytes: one message. Everything that TCCP's
 * processes say to each other over a connection is cut like this.
 */
#ifndef TCCP_NET_FRAME_H
#define TCCP_NET_FRAME_H

#include "lib/base/bytes.h"

enum {
    FRAME_HEADER_SIZE = 4,
    /* Bytes of content. */
    FRAME_SIZE_MAX = 4 * 1024 * 1024,
    FRAME_SIZE_MAX_BEFORE_AUTHENTICATION = 64 * 1024,
};

/*
 * Incremental decoder. Memory grows with the bytes that came, never with the length that a header
 * promises, and is given back when no partial frame is held.
 */
struct frame_decoder {
    uint8_t *data;
    size_t start, size, capacity; /* data[start .. size) is not consumed yet. */
    size_t size_max;
    enum status status; /* The first thing that went wrong; sticky. */
};

void frame_decoder_init(struct frame_decoder *decoder, size_t size_max);
/* A frame whose header is still to be read may be as large as the new limit from now on. */
void frame_decoder_set_max(struct frame_decoder *decoder, size_t size_max);
/* Takes all of the bytes. STATUS_NO_MEMORY, or the sticky status. Ends the life of views given out
 * before. */
WARN_UNUSED enum status frame_decoder_feed(struct frame_decoder *decoder, struct view bytes);
/*
 * The next whole frame's content: valid until the next feed or free. STATUS_NOT_READY: feed more.
 * STATUS_TOO_LARGE: longer than the limit; STATUS_MALFORMED: an empty frame (no message is empty).
 * Both are sticky: the connection cannot go on.
 */
WARN_UNUSED enum status frame_decoder_next(struct frame_decoder *decoder, struct view *ret_frame);
/* Gives memory back if nothing is held; views given out end. */
void frame_decoder_trim(struct frame_decoder *decoder);
void frame_decoder_free(struct frame_decoder *decoder);
DEFINE_OWN_VALUE(frame_decoder, frame_decoder_free)

/* Writes the FRAME_HEADER_SIZE bytes of the header of 1 to FRAME_SIZE_MAX bytes of content. */
void frame_header(size_t content_size, uint8_t *ret_header);

#endif
