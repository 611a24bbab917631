/*
 * Secrets: bytes in OpenSSL's secure heap (locked, not dumped), wiped when freed, compared in
 * constant time, and never printable: no formatter exists for them.
 *
 * The program calls secret_heap_start() before it makes its first secret; until then secrets lie in
 * the ordinary heap (still wiped), which is right for tests and for offline tools without the
 * privilege to lock memory.
 */
#ifndef TCCP_BASE_SECRET_H
#define TCCP_BASE_SECRET_H

#include "lib/base/bytes.h"

enum { SECRET_SIZE_MAX = 4096 };

struct secret {
    uint8_t *data;
    size_t size;
};

/* Sets up a locked heap of `size` bytes (a power of two). STATUS_IO when the memory cannot be
 * locked. */
WARN_UNUSED enum status secret_heap_start(size_t size);

/* Zeroed, of 1 to SECRET_SIZE_MAX bytes; free with secret_free(), or declare with OWN(secret). */
WARN_UNUSED enum status secret_new(size_t size, struct secret *ret_secret);
WARN_UNUSED enum status secret_copy(struct view source, struct secret *ret_secret);
void secret_free(struct secret *secret);
DEFINE_OWN_VALUE(secret, secret_free)

/* For handing a secret to a cryptographic function. Never to a formatter, file or socket. */
static inline struct view secret_view(const struct secret *secret)
{
    return (struct view){secret->data, secret->size};
}

/* Constant time in the contents; lengths are not secret. */
bool secret_equal(struct view left, struct view right);
/* Overwrites memory that held a secret, in a way that the compiler cannot leave out. */
void secret_wipe(void *data, size_t size);

#endif
