#include "lib/net/tls.h"

#include "tests/support/credentials.h"
#include "tests/support/test.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define ALPN "tccp-test/1"

static struct credentials server_credentials, client_credentials;

static int make_credentials(void **state)
{
    (void)state;
    server_credentials = credentials_make("server");
    client_credentials = credentials_make("client");
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    credentials_free(&server_credentials);
    credentials_free(&client_credentials);
    return 0;
}

struct pair {
    struct tls *server, *client;
    enum status server_status, client_status;
};

/* Carries what `from` wants to send to `to`; false when there was nothing. */
static bool carry(struct tls *from, struct tls *to, enum status *to_status)
{
    struct view output = tls_output(from);
    uint8_t *copy;
    size_t size = output.size;

    if (size == 0) {
        return false;
    }
    copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, output.data, size);
    tls_output_sent(from, size);
    *to_status = tls_feed(to, (struct view){copy, size});
    free(copy);
    return true;
}

static void handshake(struct pair *pair)
{
    size_t size;
    char byte;

    pair->client_status = tls_feed(pair->client, (struct view){NULL, 0});
    pair->server_status = STATUS_OK;
    while (carry(pair->client, pair->server, &pair->server_status) ||
           carry(pair->server, pair->client, &pair->client_status)) {
        /* until both are silent */
    }
    if (pair->client_status == STATUS_OK) {
        pair->client_status = tls_read(pair->client, &byte, 1, &size); /* The server's alert. */
    }
}

static struct pair pair_of(struct tls_context *server, struct tls_context *client)
{
    struct pair pair;

    assert_ok(tls_new(server, &pair.server));
    assert_ok(tls_new(client, &pair.client));
    tls_context_release(server);
    tls_context_release(client);
    handshake(&pair);
    return pair;
}

static void pair_free(struct pair *pair)
{
    tls_free(pair->server);
    tls_free(pair->client);
}

static struct pair good_pair(void)
{
    struct pair pair =
        pair_of(credentials_context(&server_credentials, TLS_SERVER, ALPN, "client"),
                credentials_context(&client_credentials, TLS_CLIENT, ALPN, "server"));

    assert_ok(pair.server_status);
    assert_ok(pair.client_status);
    assert_true(tls_is_open(pair.server) && tls_is_open(pair.client));
    return pair;
}

static void a_server_refuses_a_client_that_verify_refuses(void **state)
{
    struct pair pair =
        pair_of(credentials_context(&server_credentials, TLS_SERVER, ALPN, "somebody else"),
                credentials_context(&client_credentials, TLS_CLIENT, ALPN, "server"));

    (void)state;
    assert_status(pair.server_status, STATUS_REFUSED);
    assert_false(tls_is_open(pair.server));
    assert_int_equal(tls_refusal(pair.server)->code, REFUSAL_CERTIFICATE_ROLE);
    assert_non_null(strstr(tls_error(pair.server), "client instead of somebody else"));
    assert_status(pair.client_status, STATUS_UNTRUSTED);
    assert_false(tls_is_open(pair.client));
    pair_free(&pair);
}

static void a_client_refuses_a_server_that_verify_refuses(void **state)
{
    struct pair pair =
        pair_of(credentials_context(&server_credentials, TLS_SERVER, ALPN, NULL),
                credentials_context(&client_credentials, TLS_CLIENT, ALPN, "other server"));

    (void)state;
    assert_status(pair.client_status, STATUS_REFUSED);
    assert_false(tls_is_open(pair.client) || tls_is_open(pair.server));
    pair_free(&pair);
}

static void a_server_that_requires_a_certificate_refuses_a_client_without(void **state)
{
    struct pair pair = pair_of(credentials_context(&server_credentials, TLS_SERVER, ALPN, NULL),
                               credentials_context(NULL, TLS_CLIENT, ALPN, "server"));

    (void)state;
    assert_status(pair.server_status, STATUS_UNTRUSTED);
    assert_status(pair.client_status, STATUS_UNTRUSTED);
    pair_free(&pair);
}

static void a_foreign_application_protocol_is_refused(void **state)
{
    struct pair pair =
        pair_of(credentials_context(&server_credentials, TLS_SERVER, ALPN, NULL),
                credentials_context(&client_credentials, TLS_CLIENT, "tccp-other/1", NULL));

    (void)state;
    assert_status(pair.server_status, STATUS_UNTRUSTED);
    assert_status(pair.client_status, STATUS_UNTRUSTED);
    pair_free(&pair);
}

/* A client of OpenSSL's own, with the given settings, against our server: its status. */
static enum status server_against(int version_max, const char *alpn, const char *groups,
                                  const char *ciphers)
{
    struct tls_context *context =
        credentials_context(&server_credentials, TLS_SERVER, ALPN, "client");
    SSL_CTX *ssl_context = SSL_CTX_new(TLS_client_method());
    BIO *network, *inside;
    const uint8_t *at = client_credentials.certificate.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)client_credentials.certificate.size);
    enum status status = STATUS_OK;
    struct tls *server;
    SSL *ssl;

    assert_int_equal(SSL_CTX_set_max_proto_version(ssl_context, version_max), 1);
    assert_int_equal(SSL_CTX_use_certificate(ssl_context, certificate), 1);
    assert_int_equal(
        SSL_CTX_use_PrivateKey(ssl_context, private_key_handle(client_credentials.key)), 1);
    assert_int_equal(SSL_CTX_set1_groups_list(ssl_context, groups), 1);
    if (ciphers) {
        assert_int_equal(SSL_CTX_set_ciphersuites(ssl_context, ciphers), 1);
    }
    ssl = SSL_new(ssl_context);
    if (alpn) {
        uint8_t wire[64] = {(uint8_t)strlen(alpn)};

        memcpy(wire + 1, alpn, wire[0]);
        assert_int_equal(SSL_set_alpn_protos(ssl, wire, wire[0] + 1U), 0);
    }
    assert_int_equal(BIO_new_bio_pair(&inside, 65536, &network, 65536), 1);
    SSL_set_bio(ssl, inside, inside);
    SSL_set_connect_state(ssl);
    assert_ok(tls_new(context, &server));
    for (int i = 0; i < 4 && status == STATUS_OK; i++) {
        uint8_t buffer[65536];
        int size;

        (void)SSL_do_handshake(ssl);
        size = BIO_read(network, buffer, sizeof buffer);
        status = tls_feed(server, (struct view){buffer, size > 0 ? (size_t)size : 0});
        if (tls_output(server).size > 0) {
            size_t waiting = tls_output(server).size;

            assert_int_equal(BIO_write(network, tls_output(server).data, (int)waiting), waiting);
            tls_output_sent(server, waiting);
        }
    }
    assert_int_equal(tls_is_open(server), status == STATUS_OK);
    tls_free(server);
    tls_context_release(context);
    SSL_free(ssl);
    BIO_free(network);
    X509_free(certificate);
    SSL_CTX_free(ssl_context);
    return status;
}

static void tls_1_2_is_refused(void **state)
{
    (void)state;
    assert_ok(
        server_against(TLS1_3_VERSION, ALPN, "X25519:P-256", NULL)); /* or it proves nothing */
    assert_status(server_against(TLS1_2_VERSION, ALPN, "X25519:P-256", NULL), STATUS_UNTRUSTED);
}

static void a_client_that_names_no_application_protocol_is_refused(void **state)
{
    (void)state;
    assert_status(server_against(TLS1_3_VERSION, NULL, "P-256", NULL), STATUS_UNTRUSTED);
}

static void other_groups_and_ciphers_are_refused(void **state)
{
    (void)state;
    assert_status(server_against(TLS1_3_VERSION, ALPN, "P-384", NULL), STATUS_UNTRUSTED);
    assert_status(server_against(TLS1_3_VERSION, ALPN, "P-256", "TLS_AES_128_CCM_SHA256"),
                  STATUS_UNTRUSTED);
}

static void a_changed_record_ends_the_connection(void **state)
{
    struct pair pair = good_pair();
    uint8_t wire[256], plain[64];
    struct view output;
    size_t size;

    (void)state;
    assert_ok(tls_write(pair.client, view_string("hello")));
    output = tls_output(pair.client);
    assert_true(output.size < sizeof wire);
    memcpy(wire, output.data, output.size);
    wire[output.size - 1] ^= 1;
    assert_ok(tls_feed(pair.server, (struct view){wire, output.size}));
    assert_status(tls_read(pair.server, plain, sizeof plain, &size), STATUS_UNTRUSTED);
    assert_int_equal(size, 0);
    assert_false(tls_is_open(pair.server));
    pair_free(&pair);
}

static void noise_is_refused(void **state)
{
    struct tls_context *context = credentials_context(&server_credentials, TLS_SERVER, ALPN, NULL);
    struct tls *tls;

    (void)state;
    assert_ok(tls_new(context, &tls));
    tls_context_release(context);
    assert_status(tls_feed(tls, view_string("GET / HTTP/1.1\r\n\r\n")), STATUS_UNTRUSTED);
    assert_status(tls_feed(tls, view_string("more")), STATUS_UNTRUSTED);
    tls_free(tls);
}

static void data_passes_both_ways_and_the_end_is_told_from_a_cut(void **state)
{
    struct pair pair = good_pair();
    static uint8_t big[100000], received[sizeof big];
    size_t total = 0, size;
    enum status status;

    (void)state;
    memset(big, 7, sizeof big);
    assert_ok(tls_write(pair.server, VIEW_OF_ARRAY(big)));
    assert_true(carry(pair.server, pair.client, &status));
    assert_ok(status);
    do {
        assert_ok(tls_read(pair.client, received + total, sizeof received - total, &size));
        total += size;
    } while (size > 0 && total < sizeof big);
    assert_memory_equal(big, received, sizeof big);
    assert_ok(tls_read(pair.client, received, sizeof received, &size));
    assert_int_equal(size, 0);
    tls_shutdown(pair.server);
    assert_true(carry(pair.server, pair.client, &status));
    assert_status(tls_read(pair.client, received, sizeof received, &size), STATUS_CLOSED);
    pair_free(&pair);
}

static void both_sides_know_the_peer_the_protocol_and_the_same_exporter(void **state)
{
    struct pair pair = good_pair(), other = good_pair();
    struct digest server, client, another, labelled, contextual;

    (void)state;
    assert_string_equal(tls_alpn(pair.server), ALPN);
    assert_string_equal(tls_alpn(pair.client), ALPN);
    assert_true(
        view_equal(tls_peer_certificate(pair.server), bytes_view(&client_credentials.certificate)));
    assert_true(
        view_equal(tls_peer_certificate(pair.client), bytes_view(&server_credentials.certificate)));
    assert_true(
        view_equal(tls_own_certificate(pair.client), bytes_view(&client_credentials.certificate)));
    assert_ok(tls_exporter(pair.server, "EXPORTER-a", view_string(""), &server));
    assert_ok(tls_exporter(pair.client, "EXPORTER-a", view_string(""), &client));
    assert_ok(tls_exporter(other.client, "EXPORTER-a", view_string(""), &another));
    assert_ok(tls_exporter(pair.client, "EXPORTER-b", view_string(""), &labelled));
    assert_ok(tls_exporter(pair.client, "EXPORTER-a", view_string("x"), &contextual));
    assert_true(digest_equal(&server, &client));
    assert_false(digest_equal(&server, &another)); /* bound to the connection */
    assert_false(digest_equal(&server, &labelled));
    assert_false(digest_equal(&server, &contextual));
    pair_free(&pair);
    pair_free(&other);
}

static void a_client_without_certificate_passes_where_it_is_optional(void **state)
{
    const char *const alpn[] = {"tccp-a/1", ALPN, NULL};
    struct view chain = bytes_view(&server_credentials.certificate);
    struct tls_config config = {.role = TLS_SERVER,
                                .chain = &chain,
                                .chain_count = 1,
                                .private_key = server_credentials.key,
                                .alpn = alpn,
                                .peer_policy = TLS_PEER_OPTIONAL,
                                .verify = credentials_verify,
                                .verify_argument = (void *)(uintptr_t) "client"};
    struct tls_context *context;
    struct pair pair;

    (void)state;
    assert_ok(tls_context_new(&config, &context));
    pair =
        pair_of(tls_context_hold(context), credentials_context(NULL, TLS_CLIENT, ALPN, "server"));
    assert_ok(pair.server_status);
    assert_true(tls_is_open(pair.server));
    assert_int_equal(tls_peer_certificate(pair.server).size, 0);
    pair_free(&pair);
    /* A certificate that is shown must be good all the same. */
    pair = pair_of(context, credentials_context(&server_credentials, TLS_CLIENT, ALPN, "server"));
    assert_status(pair.server_status, STATUS_REFUSED);
    pair_free(&pair);
}

static void an_own_key_that_is_not_the_certificates_is_an_error(void **state)
{
    const char *const alpn[] = {ALPN, NULL};
    struct view chain = bytes_view(&server_credentials.certificate);
    struct tls_config config = {.role = TLS_SERVER,
                                .chain = &chain,
                                .chain_count = 1,
                                .private_key = client_credentials.key,
                                .alpn = alpn,
                                .verify = credentials_verify};
    struct tls_context *context;

    (void)state;
    assert_status(tls_context_new(&config, &context), STATUS_CRYPTO);
    chain = view_string("not a certificate");
    assert_status(tls_context_new(&config, &context), STATUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_refuses_a_client_that_verify_refuses),
        cmocka_unit_test(a_client_refuses_a_server_that_verify_refuses),
        cmocka_unit_test(a_server_that_requires_a_certificate_refuses_a_client_without),
        cmocka_unit_test(a_foreign_application_protocol_is_refused),
        cmocka_unit_test(tls_1_2_is_refused),
        cmocka_unit_test(a_client_that_names_no_application_protocol_is_refused),
        cmocka_unit_test(other_groups_and_ciphers_are_refused),
        cmocka_unit_test(a_changed_record_ends_the_connection),
        cmocka_unit_test(noise_is_refused),
        cmocka_unit_test(data_passes_both_ways_and_the_end_is_told_from_a_cut),
        cmocka_unit_test(both_sides_know_the_peer_the_protocol_and_the_same_exporter),
        cmocka_unit_test(a_client_without_certificate_passes_where_it_is_optional),
        cmocka_unit_test(an_own_key_that_is_not_the_certificates_is_an_error),
    };
    return cmocka_run_group_tests_name("tls", tests, make_credentials, free_credentials);
}
