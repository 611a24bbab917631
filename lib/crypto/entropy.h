/* Randomness. For I/O shells only: protocol code gets its entropy as an argument. */
#ifndef TCCP_CRYPTO_ENTROPY_H
#define TCCP_CRYPTO_ENTROPY_H

#include <stddef.h>

/* Fills `size` bytes from OpenSSL's generator for private values. A machine that cannot give
 * randomness cannot go on: aborts. */
void entropy_fill(void *data, size_t size);

#endif
