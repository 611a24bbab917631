/*
 * TLS 1.3 without sockets: bytes from the network go in with tls_feed(), plaintext comes out with
 * tls_read(); plaintext goes in with tls_write(), bytes for the network come out with
 * tls_output(). docs/PROTOCOL.md section 1: (EC)DHE always, no resumption, tickets, early data or
 * renegotiation; groups X25519 and P-256.
 *
 * Who the peer is, is decided by the caller's verify function alone: no X509_STORE, no default
 * trust, no host names. TLS has proved then that the peer holds the leaf's key, and nothing else.
 */
#ifndef TCCP_NET_TLS_H
#define TCCP_NET_TLS_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"
#include "lib/crypto/keys.h"

enum {
    TLS_CHAIN_MAX = 4,                     /* certificates in a chain */
    TLS_CERTIFICATE_SIZE_MAX = 64 * 1024,  /* bytes of one, DER */
    TLS_CLIENT_CHAIN_SIZE_MAX = 32 * 1024, /* bytes that a server takes from a client */
    TLS_EXPORTER_SIZE = 32,
    TLS_ALPN_SIZE = 32, /* with NUL */
};

enum tls_role { TLS_SERVER, TLS_CLIENT };

/* What a server asks of its clients. A client always demands the server's certificate. */
enum tls_peer_policy {
    TLS_PEER_REQUIRED, /* no certificate, no connection */
    TLS_PEER_OPTIONAL, /* without one, verify is not called and tls_peer_chain() is empty */
};

/*
 * Decides about the peer from its chain as it sent it (DER, leaf first, 1 to TLS_CHAIN_MAX). The
 * views end with the call. STATUS_OK accepts; anything else ends the handshake, with *ret_refusal
 * (already zeroed) kept for tls_refusal().
 */
typedef enum status (*tls_verify)(void *argument, const struct view *chain, size_t count,
                                  struct refusal *ret_refusal);

struct tls_config {
    enum tls_role role;
    /* Own certificates, DER, leaf first, and the leaf's private key (which may be freed
     * afterwards). chain_count 0: a client without a certificate. */
    const struct view *chain;
    size_t chain_count;
    const struct private_key *private_key;
    /* Application protocols, the most wanted first, ended by NULL; 1 to 4. Without an
     * application protocol in common the handshake fails. */
    const char *const *alpn;
    enum tls_peer_policy peer_policy; /* server only */
    tls_verify verify;
    void *verify_argument;
};

/* Settings shared by many connections. Counted references: connections keep their context alive,
 * so that a new certificate needs only a new context for the connections to come. */
struct tls_context;
WARN_UNUSED enum status tls_context_new(const struct tls_config *config,
                                        struct tls_context **ret_context);
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_release(struct tls_context *context); /* NULL is ignored */
DEFINE_OWN_POINTER(tls_context, tls_context_release)

/* One connection. */
struct tls;
WARN_UNUSED enum status tls_new(struct tls_context *context, struct tls **ret_tls);
void tls_free(struct tls *tls);
DEFINE_OWN_POINTER(tls, tls_free)
/* Another verify function for this connection only; before the first byte is fed. */
void tls_set_verify(struct tls *tls, tls_verify verify, void *argument);

/*
 * Takes bytes from the network (all of them; an empty view starts a client's handshake) and brings
 * the handshake forward. Look at tls_output() afterwards, on failure too: there may be an alert to
 * send. STATUS_REFUSED: verify said no, see tls_refusal(). STATUS_UNTRUSTED: the handshake or a
 * record is not acceptable. Failures are sticky.
 */
WARN_UNUSED enum status tls_feed(struct tls *tls, struct view ciphertext);
/* Takes bytes from the network without looking at them: the next tls_feed() does. */
WARN_UNUSED enum status tls_keep(struct tls *tls, struct view ciphertext);
/* Bytes that came and were not looked at. */
size_t tls_kept(const struct tls *tls);
/* True when the handshake is complete on this side and the peer was accepted. */
bool tls_is_open(const struct tls *tls);
/*
 * Up to size bytes of plaintext; call it until it gives 0 bytes. STATUS_CLOSED after the peer's
 * close_notify (nothing was cut off); other statuses as tls_feed(). Zero bytes before the
 * connection is open.
 */
WARN_UNUSED enum status tls_read(struct tls *tls, void *buffer, size_t size, size_t *ret_size);
/* Encrypts all of it; the connection is open. */
WARN_UNUSED enum status tls_write(struct tls *tls, struct view plaintext);
/* Bytes that wait to be sent; valid until the next call of any function but this one. Reading may
 * add to them (key updates). */
struct view tls_output(const struct tls *tls);
void tls_output_sent(struct tls *tls, size_t size);
/* Says close_notify; send the output, then drop the connection. */
void tls_shutdown(struct tls *tls);

/* Why verify refused; code REFUSAL_NONE when it did not. */
const struct refusal *tls_refusal(const struct tls *tls);
/* A short English sentence on why the connection failed, for log lines. */
const char *tls_error(const struct tls *tls);

/* The following need an open connection. */

/* The application protocol agreed on. */
const char *tls_alpn(const struct tls *tls);
/* The peer's certificate as sent, DER; empty when it showed none. Valid as long as the tls. */
struct view tls_peer_certificate(const struct tls *tls);
/* The own leaf certificate that was shown; empty when none was. */
struct view tls_own_certificate(const struct tls *tls);
/* RFC 8446 section 7.5 with the given label and context (an empty view: no context). */
WARN_UNUSED enum status tls_exporter(const struct tls *tls, const char *label, struct view context,
                                     struct digest *ret_value);

#endif
