/* Frames cut at any place give the same contents as frames fed whole. */
#include "lib/base/sha256.h"
#include "lib/net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_TESTED = 300 };

/* Feeds pieces of `step` bytes; hashes what comes out. */
static struct digest digest_of(struct view input, size_t step, enum status *ret_status)
{
    struct frame_decoder decoder;
    struct sha256 hash;
    struct view frame;
    enum status status = STATUS_NOT_READY;

    sha256_init(&hash);
    frame_decoder_init(&decoder, SIZE_MAX_TESTED);
    for (size_t at = 0; at < input.size && status == STATUS_NOT_READY; at += step) {
        size_t left = input.size - at;

        if (frame_decoder_feed(&decoder,
                               (struct view){input.data + at, left < step ? left : step}) != 0) {
            break;
        }
        while ((status = frame_decoder_next(&decoder, &frame)) == STATUS_OK) {
            uint8_t header[FRAME_HEADER_SIZE];

            ASSERT(frame.size > 0 && frame.size <= SIZE_MAX_TESTED);
            frame_header(frame.size, header);
            sha256_update(&hash, VIEW_OF_ARRAY(header));
            sha256_update(&hash, frame);
        }
        frame_decoder_trim(&decoder);
    }
    frame_decoder_free(&decoder);
    *ret_status = status;
    return sha256_final(&hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = {data, size};
    enum status whole_status, cut_status;
    struct digest whole, cut;

    if (size < 2) {
        return 0;
    }
    input.data++;
    input.size--;
    whole = digest_of(input, input.size, &whole_status);
    cut = digest_of(input, (size_t)data[0] % 17 + 1, &cut_status);
    ASSERT(whole_status == cut_status && digest_equal(&whole, &cut));
    return 0;
}
