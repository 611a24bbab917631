/* What a real, emulated TPM says and opens, judged by lib/attest: the two halves fit together. */
#include "lib/attest/attestation_key.h"
#include "lib/attest/credential.h"
#include "lib/attest/ek_certificate.h"
#include "lib/attest/pcr_bank.h"
#include "lib/attest/quote.h"
#include "lib/tpm/tpm.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUOTED = 0x4ff, DER_SIZE_MAX = 4096 };

static const uint8_t nonce_a[SHA256_SIZE] = "a nonce of the verifier's making",
                     nonce_b[SHA256_SIZE];
static const uint8_t entropy[CREDENTIAL_ENTROPY_SIZE] = "fresh in a coordinator, fixed here";
static const struct digest credential = {"the secret that proves AK and EK"};

/* A TPM, opened, with its identity parsed. */
struct fixture {
    char folder[SWTPM_PATH_SIZE];
    struct swtpm swtpm;
    struct tpm *tpm;
    struct tpm_identity identity;
    struct tpm_public ek, ak;
};

static void fixture_open(struct fixture *fixture)
{
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_identity(fixture->tpm, &fixture->identity));
    assert_ok(tpm_public_parse(bytes_view(&fixture->identity.ek_public), &fixture->ek));
    assert_ok(tpm_public_parse(bytes_view(&fixture->identity.ak_public), &fixture->ak));
}

static void fixture_close(struct fixture *fixture)
{
    tpm_identity_free(&fixture->identity);
    tpm_close(fixture->tpm);
}

static int setup_of(void **state, const char *kinds)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    swtpm_new(fixture->folder, "node", kinds, &fixture->swtpm);
    *state = fixture;
    return 0;
}

static int setup_p256(void **state)
{
    (void)setup_of(state, "p256");
    fixture_open(*state);
    return 0;
}

static int setup_rsa(void **state)
{
    (void)setup_of(state, "rsa");
    fixture_open(*state);
    return 0;
}

/* A TPM that has a certificate for a P-384 key only. */
static int setup_p384(void **state)
{
    struct fixture *fixture;
    char command[4 * SWTPM_PATH_SIZE];

    (void)setup_of(state, "rsa");
    fixture = *state;
    (void)snprintf(command, sizeof command,
                   "tpm2_nvundefine -Q -C p -T %s 0x1c00002 && tpm2_flushcontext -Q -t -T %s",
                   fixture->swtpm.tcti, fixture->swtpm.tcti);
    assert_int_equal(system(command), 0);
    fixture_open(fixture);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture_close(fixture);
    swtpm_free(&fixture->swtpm);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static enum status quote_and_check(struct fixture *fixture, struct view checked_for,
                                   struct tpm_quote_info *ret_info, struct refusal *refusal)
{
    OWN(bytes) struct bytes attest = {0};
    OWN(bytes) struct bytes signature = {0};
    struct digest nonce;

    assert_ok(digest_of_view(VIEW_OF_ARRAY(nonce_a), &nonce));
    assert_ok(tpm_quote(fixture->tpm, &nonce, QUOTED, &attest, &signature));
    return quote_check(&fixture->ak, bytes_view(&attest), bytes_view(&signature), checked_for,
                       QUOTED, ret_info, refusal);
}

static void a_quote_for_another_nonce_is_refused(void **state)
{
    struct tpm_quote_info info;
    struct refusal refusal;

    assert_refused(quote_and_check(*state, VIEW_OF_ARRAY(nonce_b), &info, &refusal), refusal,
                   REFUSAL_QUOTE_BINDING);
}

static void a_quote_holds_for_its_nonce_and_values(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes values = {0};
    struct digest event = sha256(view_string("an event")), expected;
    struct tpm_quote_info info;
    struct refusal refusal;
    struct pcr_bank bank;

    assert_ok(attestation_key_check(&fixture->ak, &refusal));
    assert_ok(tpm_pcr_extend(fixture->tpm, 4, &event));
    assert_ok(quote_and_check(fixture, VIEW_OF_ARRAY(nonce_a), &info, &refusal));
    assert_ok(tpm_pcr_read(fixture->tpm, QUOTED, &values));
    assert_ok(pcr_bank_of_view(bytes_view(&values), QUOTED, &bank));
    expected = pcr_bank_digest(&bank, QUOTED);
    assert_int_equal(info.pcr_digest.size, SHA256_SIZE);
    assert_memory_equal(info.pcr_digest.bytes, expected.bytes, SHA256_SIZE);
}

static void a_reset_is_counted(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_quote_info before, after;
    struct refusal refusal;

    assert_ok(quote_and_check(fixture, VIEW_OF_ARRAY(nonce_a), &before, &refusal));
    fixture_close(fixture);
    swtpm_reset(&fixture->swtpm);
    fixture_open(fixture);
    assert_ok(quote_and_check(fixture, VIEW_OF_ARRAY(nonce_a), &after, &refusal));
    assert_int_equal(after.reset_count, before.reset_count + 1);
}

static void a_credential_for_another_name_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    struct tpm_name name = fixture->ak.name;
    OWN(bytes) struct bytes blob = {0};
    OWN(bytes) struct bytes secret = {0};
    struct secret opened = {0};
    unsigned objects, sessions;

    name.bytes[name.size - 1] ^= 1;
    assert_ok(credential_make(&fixture->ek, &name, digest_view(&credential), VIEW_OF_ARRAY(entropy),
                              &blob, &secret));
    assert_status(
        tpm_activate_credential(fixture->tpm, bytes_view(&blob), bytes_view(&secret), &opened),
        STATUS_REFUSED);
    assert_ok(tpm_count_handles(fixture->tpm, &objects, &sessions));
    assert_int_equal(objects, 1);
    assert_int_equal(sessions, 0);
}

static void a_credential_for_another_tpm_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = {0};
    OWN(bytes) struct bytes blob = {0};
    OWN(bytes) struct bytes secret = {0};
    struct secret opened = {0};

    swtpm_new(fixture->folder, "other", "p256", &other.swtpm);
    fixture_open(&other);
    assert_ok(credential_make(&other.ek, &fixture->ak.name, digest_view(&credential),
                              VIEW_OF_ARRAY(entropy), &blob, &secret));
    assert_status(
        tpm_activate_credential(fixture->tpm, bytes_view(&blob), bytes_view(&secret), &opened),
        STATUS_REFUSED);
    fixture_close(&other);
    swtpm_free(&other.swtpm);
}

static void a_credential_opens_where_it_belongs(void **state)
{
    struct fixture *fixture = *state;

    /* Twice: the second time nothing may be left of the first. */
    for (unsigned i = 0; i < 2; i++) {
        OWN(bytes) struct bytes blob = {0};
        OWN(bytes) struct bytes secret = {0};
        OWN(secret) struct secret opened = {0};

        assert_ok(credential_make(&fixture->ek, &fixture->ak.name, digest_view(&credential),
                                  VIEW_OF_ARRAY(entropy), &blob, &secret));
        assert_ok(
            tpm_activate_credential(fixture->tpm, bytes_view(&blob), bytes_view(&secret), &opened));
        assert_true(secret_equal(secret_view(&opened), digest_view(&credential)));
    }
}

static struct view der_read(const char *folder, const char *name, uint8_t buffer[DER_SIZE_MAX])
{
    char path[2 * SWTPM_PATH_SIZE];
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof path, "%s/ca/%s", folder, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    size = fread(buffer, 1, DER_SIZE_MAX, file);
    (void)fclose(file);
    return (struct view){buffer, size};
}

static void the_certificate_is_for_the_key(void **state)
{
    struct fixture *fixture = *state;
    uint8_t root[DER_SIZE_MAX], issuer[DER_SIZE_MAX];
    const struct view cas[] = {der_read(fixture->folder, "root.der", root),
                               der_read(fixture->folder, "issuer.der", issuer)};
    struct refusal refusal = {0};

    if (ek_certificate_check(bytes_view(&fixture->identity.ek_certificate), &fixture->ek, cas, 2,
                             (uint64_t)time(NULL), &refusal) != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
    assert_true(
        view_equal(tpm_name_view(&fixture->ek.name), bytes_view(&fixture->identity.ek_name)));
    assert_true(
        view_equal(tpm_name_view(&fixture->ak.name), bytes_view(&fixture->identity.ak_name)));
}

int main(void)
{
#define WITH(kind, test)                                                                           \
    {                                                                                              \
#test "_with_" #kind, test, setup_##kind, teardown, NULL                                   \
    }
    const struct CMUnitTest tests[] = {
        WITH(p256, a_quote_for_another_nonce_is_refused),
        WITH(p256, a_credential_for_another_name_does_not_open),
        WITH(p256, a_credential_for_another_tpm_does_not_open),
        WITH(rsa, a_credential_for_another_name_does_not_open),
        WITH(p384, a_credential_for_another_name_does_not_open),
        WITH(p256, a_quote_holds_for_its_nonce_and_values),
        WITH(p256, a_reset_is_counted),
        WITH(p256, a_credential_opens_where_it_belongs),
        WITH(rsa, a_credential_opens_where_it_belongs),
        WITH(p384, a_credential_opens_where_it_belongs),
        WITH(p256, the_certificate_is_for_the_key),
        WITH(rsa, the_certificate_is_for_the_key),
        WITH(p384, the_certificate_is_for_the_key),
    };

    return cmocka_run_group_tests_name("TPM and verifier", tests, NULL, NULL);
}
