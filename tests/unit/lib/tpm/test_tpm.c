/* Against a real, emulated TPM. What lib/attest has to say about quotes and credentials is in
 * test_attestation.c. */
#include "lib/tpm/tpm.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAP_PCR = 16, OTHER_PCR = 23, ALL_PCRS = 0xffffff };

struct fixture {
    char folder[SWTPM_PATH_SIZE];
    struct swtpm swtpm;
    struct tpm *tpm;
};

static int group_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    swtpm_new(fixture->folder, "node", "p256", &fixture->swtpm);
    *state = fixture;
    return 0;
}

static int group_teardown(void **state)
{
    struct fixture *fixture = *state;

    swtpm_free(&fixture->swtpm);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

/* Every test begins with a freshly booted TPM. */
static int setup(void **state)
{
    struct fixture *fixture = *state;

    swtpm_reset(&fixture->swtpm);
    return tpm_open(fixture->swtpm.tcti, &fixture->tpm) == STATUS_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    tpm_close(TAKE(fixture->tpm));
    return 0;
}

/* Only the attestation key may lie in the TPM between two calls. */
static void assert_no_leak(struct tpm *tpm)
{
    unsigned objects, sessions;

    assert_ok(tpm_count_handles(tpm, &objects, &sessions));
    assert_int_equal(objects, 1);
    assert_int_equal(sessions, 0);
}

static void assert_identities_equal(const struct tpm_identity *left,
                                    const struct tpm_identity *right)
{
    assert_true(view_equal(bytes_view(&left->ek_certificate), bytes_view(&right->ek_certificate)));
    assert_true(view_equal(bytes_view(&left->ek_public), bytes_view(&right->ek_public)));
    assert_true(view_equal(bytes_view(&left->ek_name), bytes_view(&right->ek_name)));
    assert_true(view_equal(bytes_view(&left->ak_public), bytes_view(&right->ak_public)));
    assert_true(view_equal(bytes_view(&left->ak_name), bytes_view(&right->ak_name)));
}

static void secret_make(const char *text, struct secret *ret_secret)
{
    assert_ok(secret_copy(view_string(text), ret_secret));
}

static void no_tpm_is_reported(void **state)
{
    struct tpm *tpm;

    (void)state;
    assert_status(tpm_open("swtpm:path=/nonexistent/sock", &tpm), STATUS_NOT_FOUND);
    assert_status(tpm_open("device:/dev/tpmrm9999", &tpm), STATUS_NOT_FOUND);
}

static void a_malformed_credential_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const uint8_t junk[300] = {0, 32, 1, 2, 3};
    const struct view views[] = {{junk, 0}, {junk, 1}, {junk, 52}, VIEW_OF_ARRAY(junk)};
    struct secret secret = {0};

    for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(views); j++) {
            assert_status(tpm_activate_credential(fixture->tpm, views[i], views[j], &secret),
                          STATUS_REFUSED);
        }
    }
    assert_no_leak(fixture->tpm);
}

static void the_identity_survives_a_reset(void **state)
{
    struct fixture *fixture = *state;
    OWN(tpm_identity) struct tpm_identity before = {0};
    OWN(tpm_identity) struct tpm_identity after = {0};

    assert_ok(tpm_identity(fixture->tpm, &before));
    assert_no_leak(fixture->tpm);
    tpm_close(fixture->tpm);
    swtpm_reset(&fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_identity(fixture->tpm, &after));
    assert_identities_equal(&before, &after);

    /* nameAlg SHA-256, then the digest of the public area. */
    assert_int_equal(before.ak_name.size, 2 + SHA256_SIZE);
    struct digest digest = sha256(bytes_view(&before.ak_public));
    assert_memory_equal(before.ak_name.data + 2, digest.bytes, SHA256_SIZE);
    assert_false(view_equal(bytes_view(&before.ak_name), bytes_view(&before.ek_name)));
}

static void the_first_known_kind_of_endorsement_key_is_taken(void **state)
{
    struct fixture *fixture = *state;
    OWN(tpm_identity) struct tpm_identity p256 = {0};
    OWN(tpm_identity) struct tpm_identity rsa = {0};
    struct swtpm other;
    OWN(tpm) struct tpm *tpm = NULL;

    /* TPMT_PUBLIC begins with the type: TPM_ALG_ECC, TPM_ALG_RSA. */
    assert_ok(tpm_identity(fixture->tpm, &p256));
    assert_int_equal(p256.ek_public.data[1], 0x23);
    swtpm_new(fixture->folder, "rsa", "rsa", &other);
    assert_ok(tpm_open(other.tcti, &tpm));
    assert_ok(tpm_identity(tpm, &rsa));
    assert_int_equal(rsa.ek_public.data[1], 0x01);
    assert_true(rsa.ek_certificate.size > 256);
    assert_no_leak(tpm);
    swtpm_free(&other);
}

static void pcrs_are_read_in_ascending_order(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest = sha256(view_string("an event")), zero = {0}, extended;
    OWN(bytes) struct bytes two = {0};
    OWN(bytes) struct bytes all = {0};

    assert_ok(tpm_pcr_extend(fixture->tpm, CAP_PCR, &digest));
    extended = sha256_two(digest_view(&zero), digest_view(&digest));
    assert_ok(tpm_pcr_read(fixture->tpm, 1 << OTHER_PCR | 1 << CAP_PCR, &two));
    assert_int_equal(two.size, 2 * SHA256_SIZE);
    assert_memory_equal(two.data, extended.bytes, SHA256_SIZE);
    assert_memory_equal(two.data + SHA256_SIZE, zero.bytes, SHA256_SIZE);

    assert_ok(tpm_pcr_read(fixture->tpm, ALL_PCRS, &all));
    assert_int_equal(all.size, PCR_COUNT * SHA256_SIZE);
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        /* 17 to 22 belong to a dynamic launch that has not taken place: all ones. */
        uint8_t expected = pcr >= 17 && pcr <= 22 ? 0xff : 0;

        if (pcr == CAP_PCR) {
            assert_memory_equal(all.data + pcr * SHA256_SIZE, extended.bytes, SHA256_SIZE);
        } else {
            assert_int_equal(all.data[pcr * SHA256_SIZE], expected);
        }
    }
}

static void a_sealed_secret_does_not_open_after_the_cap(void **state)
{
    struct fixture *fixture = *state;
    struct digest cap = sha256(view_string("cap"));
    OWN(secret) struct secret secret = {0};
    OWN(bytes) struct bytes blob = {0};
    struct secret opened = {0};

    secret_make("thirty-two bytes of cluster seed", &secret);
    assert_ok(tpm_seal(fixture->tpm, &secret, 1 << CAP_PCR | 1 << 0, &blob));
    assert_ok(tpm_pcr_extend(fixture->tpm, CAP_PCR, &cap));
    assert_status(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened), STATUS_REFUSED);
    assert_no_leak(fixture->tpm);
}

static void a_sealed_secret_opens_again_after_a_reset(void **state)
{
    struct fixture *fixture = *state;
    struct digest cap = sha256(view_string("cap"));
    OWN(secret) struct secret secret = {0};
    OWN(secret) struct secret opened = {0};
    OWN(secret) struct secret opened_later = {0};
    OWN(bytes) struct bytes blob = {0};

    secret_make("thirty-two bytes of cluster seed", &secret);
    assert_ok(tpm_seal(fixture->tpm, &secret, 1 << CAP_PCR, &blob));
    assert_ok(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened));
    assert_true(secret_equal(secret_view(&secret), secret_view(&opened)));
    /* A PCR that it is not sealed to does not matter. */
    assert_ok(tpm_pcr_extend(fixture->tpm, OTHER_PCR, &cap));
    assert_ok(tpm_pcr_extend(fixture->tpm, CAP_PCR, &cap));
    tpm_close(fixture->tpm);
    swtpm_reset(&fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened_later));
    assert_true(secret_equal(secret_view(&secret), secret_view(&opened_later)));
    assert_no_leak(fixture->tpm);
}

static void a_blob_that_was_changed_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    OWN(secret) struct secret secret = {0};
    OWN(bytes) struct bytes blob = {0};
    struct secret opened = {0};

    secret_make("secret", &secret);
    assert_ok(tpm_seal(fixture->tpm, &secret, 1 << CAP_PCR, &blob));
    /* The mask names other PCRs than the policy inside does. */
    blob.data[7] ^= 1;
    assert_status(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened), STATUS_REFUSED);
    blob.data[7] ^= 1;
    blob.data[blob.size - 1] ^= 1;
    assert_status(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened), STATUS_REFUSED);
    blob.data[blob.size - 1] ^= 1;
    for (size_t size = 0; size < blob.size; size++) {
        assert_status(tpm_unseal(fixture->tpm, (struct view){blob.data, size}, &opened),
                      STATUS_MALFORMED);
    }
    assert_no_leak(fixture->tpm);
}

static void a_blob_of_another_tpm_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    struct swtpm other;
    OWN(tpm) struct tpm *tpm = NULL;
    OWN(secret) struct secret secret = {0};
    OWN(bytes) struct bytes blob = {0};
    struct secret opened = {0};

    swtpm_new(fixture->folder, "other", "p256", &other);
    assert_ok(tpm_open(other.tcti, &tpm));
    secret_make("secret", &secret);
    assert_ok(tpm_seal(tpm, &secret, 1 << CAP_PCR, &blob));
    assert_status(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened), STATUS_REFUSED);
    swtpm_free(&other);
}

static void what_is_too_large_is_not_sealed(void **state)
{
    struct fixture *fixture = *state;
    OWN(secret) struct secret secret = {0};
    OWN(secret) struct secret largest = {0};
    OWN(secret) struct secret opened = {0};
    OWN(bytes) struct bytes blob = {0};

    assert_ok(secret_new(TPM_SEALED_SECRET_SIZE_MAX + 1, &secret));
    assert_status(tpm_seal(fixture->tpm, &secret, 1, &blob), STATUS_TOO_LARGE);
    assert_ok(secret_new(TPM_SEALED_SECRET_SIZE_MAX, &largest));
    assert_ok(tpm_seal(fixture->tpm, &largest, 1, &blob));
    assert_ok(tpm_unseal(fixture->tpm, bytes_view(&blob), &opened));
    assert_int_equal(opened.size, largest.size);
}

static void two_hundred_quotes_leak_nothing(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 200; i++) {
        struct digest nonce = sha256((struct view){(const uint8_t *)&i, sizeof i});
        OWN(bytes) struct bytes attest = {0};
        OWN(bytes) struct bytes signature = {0};

        assert_ok(tpm_quote(fixture->tpm, &nonce, 0x4ff, &attest, &signature));
    }
    assert_no_leak(fixture->tpm);
}

static void what_dead_programs_left_is_flushed(void **state)
{
    struct fixture *fixture = *state;

    tpm_close(fixture->tpm);
    /* The attestation keys of four programs do not fit into three slots. */
    for (unsigned i = 0; i < 4; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            struct tpm *tpm;

            _exit(tpm_open(fixture->swtpm.tcti, &tpm) == STATUS_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_no_leak(fixture->tpm);
}

static void a_tpm_that_was_reset_must_be_opened_again(void **state)
{
    struct fixture *fixture = *state;
    struct digest nonce = {0};
    OWN(bytes) struct bytes attest = {0};
    OWN(bytes) struct bytes signature = {0};

    swtpm_reset(&fixture->swtpm);
    assert_status(tpm_quote(fixture->tpm, &nonce, 1, &attest, &signature), STATUS_TPM);
    tpm_close(fixture->tpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_quote(fixture->tpm, &nonce, 1, &attest, &signature));
}

static void a_tpm_that_vanishes_is_reported(void **state)
{
    struct fixture *fixture = *state;
    struct digest nonce = {0};
    OWN(bytes) struct bytes attest = {0};
    OWN(bytes) struct bytes signature = {0};

    swtpm_kill(&fixture->swtpm);
    assert_status(tpm_quote(fixture->tpm, &nonce, 1, &attest, &signature), STATUS_TPM);
    tpm_close(fixture->tpm);
    swtpm_start(&fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_quote(fixture->tpm, &nonce, 1, &attest, &signature));
}

/* A key under dictionary attack protection counts each power failure as a failed attempt. */
static void power_failures_do_not_lock_the_attestation_key(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 6; i++) {
        struct digest nonce = {0};
        OWN(bytes) struct bytes attest = {0};
        OWN(bytes) struct bytes signature = {0};

        assert_ok(tpm_quote(fixture->tpm, &nonce, 1, &attest, &signature));
        tpm_close(fixture->tpm);
        swtpm_kill(&fixture->swtpm);
        swtpm_start(&fixture->swtpm);
        assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_tpm_is_reported),
#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        WITH_TPM(a_malformed_credential_is_refused),
        WITH_TPM(a_sealed_secret_does_not_open_after_the_cap),
        WITH_TPM(a_blob_that_was_changed_does_not_open),
        WITH_TPM(a_blob_of_another_tpm_does_not_open),
        WITH_TPM(what_is_too_large_is_not_sealed),
        WITH_TPM(a_tpm_that_was_reset_must_be_opened_again),
        WITH_TPM(a_tpm_that_vanishes_is_reported),
        WITH_TPM(the_identity_survives_a_reset),
        WITH_TPM(the_first_known_kind_of_endorsement_key_is_taken),
        WITH_TPM(pcrs_are_read_in_ascending_order),
        WITH_TPM(a_sealed_secret_opens_again_after_a_reset),
        WITH_TPM(power_failures_do_not_lock_the_attestation_key),
        WITH_TPM(two_hundred_quotes_leak_nothing),
        WITH_TPM(what_dead_programs_left_is_flushed),
    };

    return cmocka_run_group_tests_name("lib/tpm", tests, group_setup, group_teardown);
}
