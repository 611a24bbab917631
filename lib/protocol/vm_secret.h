/*
 * SecretBody: the plaintext of tickets and orders (docs/PROTOCOL.md, section 4).
 *
 *     format (u8) = 1 | n_U (32 bytes) | K_VM (32 bytes) | body
 *
 * Plain bytes, so that K_VM lies in one secret and no parser makes copies of it.
 */
#ifndef TCCP_PROTOCOL_VM_SECRET_H
#define TCCP_PROTOCOL_VM_SECRET_H

#include "lib/base/secret.h"

enum {
    VM_KEY_SIZE = 32,
    VM_NONCE_SIZE = 32,
    VM_SECRET_HEADER_SIZE = 1 + VM_NONCE_SIZE + VM_KEY_SIZE,
    VM_SECRET_BODY_SIZE_MAX = SECRET_SIZE_MAX - VM_SECRET_HEADER_SIZE,
};

struct vm_secret {
    struct secret plaintext; /* what the views point into */
    struct view nonce;       /* n_U */
    struct view key;         /* K_VM */
    struct view body;
};
void vm_secret_free(struct vm_secret *secret);
DEFINE_OWN_VALUE(vm_secret, vm_secret_free)

/* nonce, key: of their sizes. STATUS_TOO_LARGE when the body is. */
WARN_UNUSED enum status vm_secret_make(struct view nonce, struct view key, struct view body,
                                       struct vm_secret *ret_secret);
/* Takes the plaintext over on success. STATUS_MALFORMED. A key or nonce of zeroes is malformed. */
WARN_UNUSED enum status vm_secret_parse(struct secret *plaintext, struct vm_secret *ret_secret);

#endif
