/* An address, as configuration files and documents have it: its own text reads as the same again.
 */
#include "lib/net/address.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct address address = {.port = 0}, again = {.port = 0};
    char printed[ADDRESS_TEXT_SIZE];

    if (!text) {
        return 0;
    }
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (address_parse(text, &address) == STATUS_OK) {
        address_format(&address, printed);
        ASSERT(address_parse(printed, &again) == STATUS_OK);
        ASSERT(address.port == again.port && address.is_unix == again.is_unix &&
               strcmp(address.host, again.host) == 0);
    }
    free(text);
    return 0;
}
