/* Hexadecimal and base32: what is accepted comes out again as it went in, but for case. */
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DECODED_SIZE_MAX = 64 };

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
