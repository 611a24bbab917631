/* Shared by tls.c (one connection) and tls_context.c (settings). */
#ifndef TCCP_NET_TLS_INTERNAL_H
#define TCCP_NET_TLS_INTERNAL_H

#include "lib/net/tls.h"

#include <openssl/ssl.h>

enum { TLS_ERROR_SIZE = 400, TLS_ALPN_MAX = 4, TLS_ALPN_WIRE_SIZE = TLS_ALPN_MAX * TLS_ALPN_SIZE };

struct tls_context {
    unsigned references;
    SSL_CTX *ssl;
    BIO_METHOD *bio_method;
    enum tls_role role;
    tls_verify verify;
    void *verify_argument;
    unsigned char alpn[TLS_ALPN_WIRE_SIZE]; /* RFC 7301: a length octet, then the name, ... */
    size_t alpn_size;
    char names[TLS_ALPN_MAX][TLS_ALPN_SIZE]; /* the same, as strings */
    size_t name_count;
    struct bytes leaf; /* own, DER */
};

/* The context's own string of a protocol that was agreed on. */
const char *tls_context_alpn(const struct tls_context *context, struct view name);

/* Bytes on their way to or from the network. Memory is held only while there are some. */
struct tls_buffer {
    uint8_t *data;
    size_t start, size, capacity;
};

struct tls {
    struct tls_context *context;
    SSL *ssl;
    struct tls_buffer in, out;
    tls_verify verify;
    void *verify_argument;
    const char *alpn; /* once open */
    struct bytes peer_leaf;
    enum status status; /* sticky failure */
    bool is_open, is_closed_by_peer, is_shut_down;
    /* Made when needed: there are many connections, and few fail. */
    struct refusal *refusal;
    char *error;
};

WARN_UNUSED enum status tls_buffer_append(struct tls_buffer *buffer, struct view bytes);
void tls_buffer_consume(struct tls_buffer *buffer, size_t size);
void tls_buffer_free(struct tls_buffer *buffer);

/* The door between OpenSSL and the two buffers. */
BIO_METHOD *tls_bio_method_new(void);
/* OpenSSL's certificate verification callback: asks the connection's verify function. */
int tls_verify_chain(X509_STORE_CTX *store, void *argument);

#endif
