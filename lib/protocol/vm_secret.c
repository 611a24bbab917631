#include "lib/protocol/vm_secret.h"

#include <string.h>

enum { FORMAT = 1 };

void vm_secret_free(struct vm_secret *secret)
{
    secret_free(&secret->plaintext);
    *secret = (struct vm_secret){.plaintext = {0}};
}

/* Sets the views from the plaintext. */
static bool find_parts(struct vm_secret *secret)
{
    struct reader reader = reader_of(secret_view(&secret->plaintext));

    reader_require(&reader, reader_u8(&reader) == FORMAT);
    secret->nonce = reader_view(&reader, VM_NONCE_SIZE);
    secret->key = reader_view(&reader, VM_KEY_SIZE);
    secret->body = reader_rest(&reader);
    return reader_done(&reader) && !view_is_zero(secret->nonce) && !view_is_zero(secret->key);
}

enum status vm_secret_make(struct view nonce, struct view key, struct view body,
                           struct vm_secret *ret_secret)
{
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
    uint8_t *at;

    ASSERT(nonce.size == VM_NONCE_SIZE && key.size == VM_KEY_SIZE);
    if (body.size > VM_SECRET_BODY_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(secret_new(VM_SECRET_HEADER_SIZE + body.size, &secret.plaintext));
    at = secret.plaintext.data;
    *at++ = FORMAT;
    memcpy(at, nonce.data, nonce.size);
    memcpy(at + nonce.size, key.data, key.size);
    if (body.size > 0) {
        memcpy(at + nonce.size + key.size, body.data, body.size);
    }
    if (!find_parts(&secret)) {
        return STATUS_MALFORMED;
    }
    *ret_secret = TAKE(secret);
    return STATUS_OK;
}

enum status vm_secret_parse(struct secret *plaintext, struct vm_secret *ret_secret)
{
    struct vm_secret secret = {.plaintext = *plaintext};

    if (!find_parts(&secret)) {
        return STATUS_MALFORMED;
    }
    *plaintext = (struct secret){0};
    *ret_secret = secret;
    return STATUS_OK;
}
