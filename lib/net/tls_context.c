#include "lib/net/tls_internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static void alpn_encode(struct tls_context *context, const char *const *names)
{
    for (; *names; names++) {
        size_t length = strlen(*names);

        ASSERT(length > 0 && length < TLS_ALPN_SIZE && context->name_count < TLS_ALPN_MAX);
        memcpy(context->names[context->name_count++], *names, length);
        context->alpn[context->alpn_size++] = (unsigned char)length;
        memcpy(context->alpn + context->alpn_size, *names, length);
        context->alpn_size += length;
    }
    ASSERT(context->alpn_size > 0);
}

const char *tls_context_alpn(const struct tls_context *context, struct view name)
{
    for (size_t i = 0; i < context->name_count; i++) {
        if (view_equal(view_string(context->names[i]), name)) {
            return context->names[i];
        }
    }
    return NULL;
}

static int alpn_select(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_length,
                       const unsigned char *offered, unsigned offered_size, void *argument)
{
    const struct tls_context *context = argument;
    unsigned char *chosen = NULL;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_length, context->alpn, (unsigned)context->alpn_size,
                              offered, offered_size) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret_name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL asks alpn_select() only if the client offers something: who offers nothing stops here. */
static int client_hello_check(SSL *ssl, int *ret_alert, void *argument)
{
    const unsigned char *data;
    size_t size;

    (void)argument;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                   &size)) {
        *ret_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

static enum status certificate_of_der(struct view der, X509 **ret_certificate)
{
    const unsigned char *at = der.data;
    X509 *certificate;

    if (der.size == 0 || der.size > TLS_CERTIFICATE_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    certificate = d2i_X509(NULL, &at, (long)der.size);
    if (!certificate || at != der.data + der.size) {
        X509_free(certificate);
        return STATUS_MALFORMED;
    }
    *ret_certificate = certificate;
    return STATUS_OK;
}

static enum status chain_load(struct tls_context *context, const struct tls_config *config)
{
    for (size_t i = 0; i < config->chain_count; i++) {
        X509 *certificate;
        int good;

        TRY(certificate_of_der(config->chain[i], &certificate));
        good = i == 0 ? SSL_CTX_use_certificate(context->ssl, certificate)
                      : SSL_CTX_add1_chain_cert(context->ssl, certificate) != 0;
        X509_free(certificate);
        if (good != 1) {
            return STATUS_CRYPTO;
        }
    }
    if (config->chain_count == 0) {
        return STATUS_OK;
    }
    TRY(bytes_copy(config->chain[0], &context->leaf));
    if (SSL_CTX_use_PrivateKey(context->ssl, private_key_handle(config->private_key)) != 1 ||
        SSL_CTX_check_private_key(context->ssl) != 1) {
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

static enum status settings_apply(struct tls_context *context, const struct tls_config *config)
{
    SSL_CTX *ssl = context->ssl;
    int mode = SSL_VERIFY_PEER;

    if (config->role == TLS_SERVER && config->peer_policy == TLS_PEER_REQUIRED) {
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(ssl, mode, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, tls_verify_chain, NULL);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ssl, config->role == TLS_SERVER ? TLS_CLIENT_CHAIN_SIZE_MAX
                                                              : 2 * TLS_CERTIFICATE_SIZE_MAX);
    if (config->role == TLS_SERVER) {
        SSL_CTX_set_alpn_select_cb(ssl, alpn_select, context);
        SSL_CTX_set_client_hello_cb(ssl, client_hello_check, NULL);
    } else if (SSL_CTX_set_alpn_protos(ssl, context->alpn, (unsigned)context->alpn_size) != 0) {
        return STATUS_CRYPTO;
    }
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ssl, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                                      "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(ssl, "X25519:P-256") != 1 ||
        SSL_CTX_set1_sigalgs_list(ssl, "ECDSA+SHA256:ed25519") != 1 ||
        SSL_CTX_set1_client_sigalgs_list(ssl, "ECDSA+SHA256:ed25519") != 1 ||
        SSL_CTX_set_num_tickets(ssl, 0) != 1 || SSL_CTX_set_max_early_data(ssl, 0) != 1 ||
        SSL_CTX_set_recv_max_early_data(ssl, 0) != 1) {
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

enum status tls_context_new(const struct tls_config *config, struct tls_context **ret_context)
{
    OWN(tls_context) struct tls_context *context = calloc(1, sizeof *context);

    ASSERT(config->verify && config->chain_count <= TLS_CHAIN_MAX);
    ASSERT(config->role == TLS_CLIENT || config->chain_count > 0);
    if (!context) {
        return STATUS_NO_MEMORY;
    }
    ERR_clear_error();
    context->references = 1;
    context->role = config->role;
    context->verify = config->verify;
    context->verify_argument = config->verify_argument;
    context->bio_method = tls_bio_method_new();
    context->ssl =
        SSL_CTX_new(config->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (!context->ssl || !context->bio_method) {
        return STATUS_NO_MEMORY;
    }
    alpn_encode(context, config->alpn);
    TRY(settings_apply(context, config));
    TRY(chain_load(context, config));
    *ret_context = TAKE(context);
    return STATUS_OK;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    context->references++;
    return context;
}

void tls_context_release(struct tls_context *context)
{
    if (!context || --context->references > 0) {
        return;
    }
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio_method);
    bytes_free(&context->leaf);
    free(context);
}
