/* Numbers and sizes as people write them. Pure. */
#ifndef TCCP_CLI_SIZE_TEXT_H
#define TCCP_CLI_SIZE_TEXT_H

#include "lib/base/status.h"

#include <stdint.h>

/* Decimal digits and nothing else. STATUS_MALFORMED. */
WARN_UNUSED enum status number_parse(const char *text, uint64_t *ret_number);
/* Bytes: a number, and K, M, G or T for powers of 1024 ("512M", "4GiB"). STATUS_MALFORMED. */
WARN_UNUSED enum status size_parse(const char *text, uint64_t *ret_size);

#endif
