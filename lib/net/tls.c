#include "lib/net/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_CAPACITY_MIN = 512, RECORD_SIZE_MAX = 16384, RECORD_OVERHEAD_MAX = 64 };

/* --- buffers --- */

static enum status buffer_reserve(struct tls_buffer *buffer, size_t more)
{
    size_t held = buffer->size - buffer->start, capacity = buffer->capacity;
    uint8_t *data;

    if (buffer->start > 0 && more > capacity - buffer->size) {
        memmove(buffer->data, buffer->data + buffer->start, held);
        buffer->start = 0;
        buffer->size = held;
    }
    if (more <= capacity - buffer->size) {
        return STATUS_OK;
    }
    capacity = capacity ? capacity : BUFFER_CAPACITY_MIN;
    while (capacity - held < more) {
        capacity *= 2;
    }
    data = realloc(buffer->data, capacity);
    if (!data) {
        return STATUS_NO_MEMORY;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return STATUS_OK;
}

enum status tls_buffer_append(struct tls_buffer *buffer, struct view bytes)
{
    if (bytes.size == 0) {
        return STATUS_OK;
    }
    TRY(buffer_reserve(buffer, bytes.size));
    memcpy(buffer->data + buffer->size, bytes.data, bytes.size);
    buffer->size += bytes.size;
    return STATUS_OK;
}

void tls_buffer_free(struct tls_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct tls_buffer){0};
}

void tls_buffer_consume(struct tls_buffer *buffer, size_t size)
{
    ASSERT(size <= buffer->size - buffer->start);
    buffer->start += size;
    /* An idle connection holds no buffer. */
    if (buffer->start == buffer->size) {
        tls_buffer_free(buffer);
    }
}

static int bio_read(BIO *bio, char *data, size_t size, size_t *ret_size)
{
    struct tls *tls = BIO_get_data(bio);
    size_t held = tls_kept(tls);

    BIO_clear_retry_flags(bio);
    if (held == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *ret_size = size < held ? size : held;
    memcpy(data, tls->in.data + tls->in.start, *ret_size);
    tls_buffer_consume(&tls->in, *ret_size);
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t size, size_t *ret_size)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (tls_buffer_append(&tls->out, (struct view){(const uint8_t *)data, size}) != STATUS_OK) {
        return 0;
    }
    *ret_size = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "tccp buffers");

    if (method && BIO_meth_set_read_ex(method, bio_read) &&
        BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_control)) {
        return method;
    }
    BIO_meth_free(method);
    return NULL;
}

/* --- making one --- */

enum status tls_new(struct tls_context *context, struct tls **ret_tls)
{
    OWN(tls) struct tls *tls = calloc(1, sizeof *tls);
    BIO *bio;

    if (!tls) {
        return STATUS_NO_MEMORY;
    }
    tls->context = tls_context_hold(context);
    tls->verify = context->verify;
    tls->verify_argument = context->verify_argument;
    tls->ssl = SSL_new(context->ssl);
    bio = BIO_new(context->bio_method);
    if (!tls->ssl || !bio) {
        BIO_free(bio);
        return STATUS_NO_MEMORY;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    if (context->role == TLS_SERVER) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
    }
    *ret_tls = TAKE(tls);
    return STATUS_OK;
}

void tls_free(struct tls *tls)
{
    SSL_free(tls->ssl);
    tls_buffer_free(&tls->in);
    tls_buffer_free(&tls->out);
    bytes_free(&tls->peer_leaf);
    free(tls->refusal);
    free(tls->error);
    tls_context_release(tls->context);
    free(tls);
}

void tls_set_verify(struct tls *tls, tls_verify verify, void *argument)
{
    ASSERT(verify);
    tls->verify = verify;
    tls->verify_argument = argument;
}

/* --- handshake --- */

static enum status certificate_to_der(X509 *certificate, struct bytes *ret_der)
{
    unsigned char *encoded = NULL;
    int size = i2d_X509(certificate, &encoded);

    if (size <= 0) {
        return STATUS_MALFORMED;
    }
    *ret_der = (struct bytes){0};
    if (bytes_copy((struct view){encoded, (size_t)size}, ret_der) != STATUS_OK) {
        OPENSSL_free(encoded);
        return STATUS_NO_MEMORY;
    }
    OPENSSL_free(encoded);
    return STATUS_OK;
}

static enum status chain_decide(struct tls *tls, STACK_OF(X509) * stack, struct refusal *refusal)
{
    int count = sk_X509_num(stack);
    struct bytes ders[TLS_CHAIN_MAX] = {{0}};
    struct view chain[TLS_CHAIN_MAX];
    enum status status = STATUS_OK;

    if (count < 1 || count > TLS_CHAIN_MAX) {
        return refuse(refusal, REFUSAL_CERTIFICATE_CHAIN, "%d certificates shown, at most %d",
                      count, TLS_CHAIN_MAX);
    }
    for (int i = 0; i < count && status == STATUS_OK; i++) {
        status = certificate_to_der(sk_X509_value(stack, i), &ders[i]);
        chain[i] = bytes_view(&ders[i]);
    }
    if (status == STATUS_OK) {
        status = tls->verify(tls->verify_argument, chain, (size_t)count, refusal);
    }
    if (status == STATUS_OK) {
        bytes_free(&tls->peer_leaf);
        tls->peer_leaf = TAKE(ders[0]);
    }
    for (int i = 0; i < count; i++) {
        bytes_free(&ders[i]);
    }
    return status;
}

int tls_verify_chain(X509_STORE_CTX *store, void *argument)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    struct refusal refusal = {0};
    enum status status;

    (void)argument;
    status = chain_decide(tls, X509_STORE_CTX_get0_untrusted(store), &refusal);
    if (status == STATUS_OK) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (refusal.code == REFUSAL_NONE) {
        status = refuse(&refusal, REFUSAL_CERTIFICATE_CHAIN, "%s", status_text(status));
    }
    tls->refusal = malloc(sizeof *tls->refusal);
    if (tls->refusal) {
        *tls->refusal = refusal;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static enum status fail(struct tls *tls, enum status status, const char *what)
{
    tls->status = status;
    if (!tls->error) {
        tls->error = strdup(what);
    }
    return status;
}

static enum status fail_from_openssl(struct tls *tls)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    char text[TLS_ERROR_SIZE];

    ERR_clear_error();
    if (tls->refusal) {
        (void)snprintf(text, sizeof text, "%s%s%s", refusal_sentence(tls->refusal->code),
                       tls->refusal->detail[0] ? ": " : "", tls->refusal->detail);
        return fail(tls, STATUS_REFUSED, text);
    }
    (void)snprintf(text, sizeof text, "TLS: %s", reason ? reason : "protocol error");
    return fail(tls, STATUS_UNTRUSTED, text);
}

static enum status handshake_finish(struct tls *tls)
{
    const unsigned char *name;
    unsigned length;

    SSL_get0_alpn_selected(tls->ssl, &name, &length);
    tls->alpn = tls_context_alpn(tls->context, (struct view){name, length});
    if (!tls->alpn) {
        return fail(tls, STATUS_UNTRUSTED, "TLS: no application protocol in common");
    }
    /* verify ran, or the policy allows its absence; anything else is a hole in this file. */
    ASSERT(tls->peer_leaf.size > 0 || tls->context->role == TLS_SERVER);
    tls->is_open = true;
    return STATUS_OK;
}

static enum status handshake_advance(struct tls *tls)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        return handshake_finish(tls);
    }
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? STATUS_OK
                                                                  : fail_from_openssl(tls);
}

/* --- data --- */

enum status tls_keep(struct tls *tls, struct view ciphertext)
{
    TRY(tls->status);
    if (tls_buffer_append(&tls->in, ciphertext) != STATUS_OK) {
        return fail(tls, STATUS_NO_MEMORY, "out of memory");
    }
    return STATUS_OK;
}

size_t tls_kept(const struct tls *tls)
{
    return tls->in.size - tls->in.start;
}

enum status tls_feed(struct tls *tls, struct view ciphertext)
{
    TRY(tls_keep(tls, ciphertext));
    return tls->is_open ? STATUS_OK : handshake_advance(tls);
}

bool tls_is_open(const struct tls *tls)
{
    return tls->is_open && tls->status == STATUS_OK;
}

enum status tls_read(struct tls *tls, void *buffer, size_t size, size_t *ret_size)
{
    int error;

    *ret_size = 0;
    TRY(tls->status);
    if (tls->is_closed_by_peer) {
        return STATUS_CLOSED;
    }
    if (!tls->is_open) {
        return STATUS_OK;
    }
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, buffer, size, ret_size) == 1) {
        return STATUS_OK;
    }
    *ret_size = 0;
    error = SSL_get_error(tls->ssl, 0);
    if (error == SSL_ERROR_WANT_READ) {
        return STATUS_OK;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        tls->is_closed_by_peer = true;
        return STATUS_CLOSED;
    }
    return fail_from_openssl(tls);
}

enum status tls_write(struct tls *tls, struct view plaintext)
{
    size_t done = 0;

    TRY(tls->status);
    ASSERT(tls->is_open && !tls->is_shut_down);
    if (plaintext.size == 0) {
        return STATUS_OK;
    }
    /* All records at once: growing step by step would copy them again and again. */
    if (buffer_reserve(&tls->out, plaintext.size + (plaintext.size / RECORD_SIZE_MAX + 1) *
                                                       RECORD_OVERHEAD_MAX) != STATUS_OK) {
        return fail(tls, STATUS_NO_MEMORY, "out of memory");
    }
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, plaintext.data, plaintext.size, &done) != 1) {
        return fail_from_openssl(tls);
    }
    ASSERT(done == plaintext.size);
    return STATUS_OK;
}

struct view tls_output(const struct tls *tls)
{
    return (struct view){tls->out.data + tls->out.start, tls->out.size - tls->out.start};
}

void tls_output_sent(struct tls *tls, size_t size)
{
    tls_buffer_consume(&tls->out, size);
}

void tls_shutdown(struct tls *tls)
{
    if (tls_is_open(tls) && !tls->is_shut_down) {
        ERR_clear_error();
        tls->is_shut_down = true;
        (void)SSL_shutdown(tls->ssl);
    }
}

/* --- questions --- */

const struct refusal *tls_refusal(const struct tls *tls)
{
    static const struct refusal none = {.code = REFUSAL_NONE};

    return tls->refusal ? tls->refusal : &none;
}

const char *tls_error(const struct tls *tls)
{
    return tls->error ? tls->error : "out of memory";
}

const char *tls_alpn(const struct tls *tls)
{
    ASSERT(tls->is_open);
    return tls->alpn;
}

struct view tls_peer_certificate(const struct tls *tls)
{
    return bytes_view(&tls->peer_leaf);
}

struct view tls_own_certificate(const struct tls *tls)
{
    return bytes_view(&tls->context->leaf);
}

enum status tls_exporter(const struct tls *tls, const char *label, struct view context,
                         struct digest *ret_value)
{
    ASSERT(tls->is_open);
    ERR_clear_error();
    if (SSL_export_keying_material(tls->ssl, ret_value->bytes, sizeof ret_value->bytes, label,
                                   strlen(label), context.data, context.size,
                                   context.size > 0) != 1) {
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}
