/* Bytes, times and durations as text: what is accepted comes out again as it went in, but for case.
 */
#include "lib/base/text.h"
#include "lib/base/time_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DECODED_SIZE_MAX = 64 };

static void try_base64(struct view text)
{
    OWN(bytes) struct bytes decoded = {0};
    char *again;

    if (base64_decode(text, text.size, &decoded) != STATUS_OK) {
        return;
    }
    again = malloc(BASE64_SIZE(decoded.size));
    ASSERT(again);
    base64_encode(bytes_view(&decoded), again);
    ASSERT(view_equal(view_string(again), text));
    free(again);
}

static void try_times(struct view text)
{
    uint64_t seconds;
    char again[TIME_TEXT_SIZE];

    if (time_parse(text, &seconds) == STATUS_OK) {
        ASSERT(seconds <= TIME_TEXT_MAX_S);
        time_print(seconds, again);
        /* A day alone stands for its first second. */
        ASSERT(memcmp(again, text.data, text.size == 10 ? 10 : sizeof again - 1) == 0);
    }
    if (duration_parse(text, &seconds) == STATUS_OK) {
        ASSERT(text.size >= 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text) {
        return 0;
    }
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    try_base64((struct view){data, size});
    try_times((struct view){data, size});
    for (size_t length = 1; length <= DECODED_SIZE_MAX; length++) {
        uint8_t decoded[DECODED_SIZE_MAX];
        char again[HEX_SIZE(DECODED_SIZE_MAX)];

        if (hex_decode(text, decoded, length) == STATUS_OK) {
            hex_encode((struct view){decoded, length}, again);
            ASSERT(strcasecmp(text, again) == 0);
        }
        if (base32_decode(text, decoded, length) == STATUS_OK) {
            base32_encode((struct view){decoded, length}, again);
            ASSERT(strcasecmp(text, again) == 0);
        }
    }
    free(text);
    return 0;
}
