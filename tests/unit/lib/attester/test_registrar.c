/* The registrar against a coordinator with real TLS and TPMs. */
#include "lib/attester/registrar.h"

#include "tests/support/coordinator.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { LEASE_MS = 20000, PATIENCE_MS = 10000 };

struct fixture {
    char folder[SWTPM_PATH_SIZE];
    uv_loop_t loop;
    struct swtpm swtpm;
    struct tpm *tpm;
    struct tpm_identity identity;
    struct worker *worker;
    struct coordinator coordinator;
    struct registrar *registrar;
    /* What the callbacks said. */
    bool registered, disconnected, failed, by_coordinator, is_closed;
    uint64_t registration_id, lease_ms;
    struct trusted_key key;
    enum refusal_code refusal;
};

static void on_registered(void *argument, struct trusted_key *key, struct admission *admission,
                          const struct bundle *bundle, struct view bundle_bytes,
                          const struct channel *channel, uint64_t challenge_ms)
{
    struct fixture *fixture = argument;

    (void)channel;
    assert_int_equal(bundle->manifest->version, 3);
    assert_true(view_equal(bundle_bytes, bytes_view(&fixture->coordinator.bundle_bytes)));
    assert_true(challenge_ms > 0);
    trusted_key_free(&fixture->key);
    fixture->key = TAKE(*key);
    fixture->registration_id = admission->registration_id;
    fixture->lease_ms = admission->lease_ms;
    fixture->registered = true;
}

static void on_frame(void *argument, struct view frame)
{
    (void)argument;
    (void)frame;
}

static void on_disconnected(void *argument, const char *detail)
{
    struct fixture *fixture = argument;

    assert_true(strlen(detail) > 0);
    fixture->disconnected = true;
}

static void on_failure(void *argument, const struct refusal *refusal, bool by_coordinator,
                       const char *detail)
{
    struct fixture *fixture = argument;

    assert_non_null(detail);
    fixture->failed = true;
    fixture->by_coordinator = by_coordinator;
    fixture->refusal = refusal ? refusal->code : REFUSAL_NONE;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    swtpm_new(fixture->folder, "n1", "p256", &fixture->swtpm);
    assert_ok(tpm_open(fixture->swtpm.tcti, &fixture->tpm));
    assert_ok(tpm_identity(fixture->tpm, &fixture->identity));
    assert_ok(worker_open(&fixture->loop, 1, 4, &fixture->worker));
    coordinator_open(&fixture->coordinator, &fixture->loop, fixture->folder,
                     bytes_view(&fixture->identity.ek_name), LEASE_MS);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (!fixture->is_closed) {
        registrar_close(fixture->registrar);
    }
    worker_close(fixture->worker);
    coordinator_close(&fixture->coordinator);
    assert_true(loop_finish(&fixture->loop));
    coordinator_free(&fixture->coordinator);
    trusted_key_free(&fixture->key);
    tpm_identity_free(&fixture->identity);
    tpm_close(fixture->tpm);
    swtpm_free(&fixture->swtpm);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void start_in(struct fixture *fixture, const struct digest *perimeter_id)
{
    const char *const addresses[] = {fixture->coordinator.address};

    assert_ok(registrar_open(
        &(struct registrar_config){
            .loop = &fixture->loop,
            .role = ATTESTER_NODE,
            .perimeter_id = *perimeter_id,
            .addresses = addresses,
            .address_count = 1,
            .tpm_worker = fixture->worker,
            .tpm = fixture->tpm,
            .identity = &fixture->identity,
            .callbacks = {on_registered, on_frame, on_disconnected, on_failure, fixture},
        },
        &fixture->registrar));
}

static void start(struct fixture *fixture)
{
    start_in(fixture, &fixture->coordinator.perimeter->root.id);
}

static void wait_for(struct fixture *fixture, bool *flag)
{
    if (!loop_until(&fixture->loop, flag, PATIENCE_MS)) {
        fail_msg("waited in vain");
    }
    *flag = false;
}

static void the_coordinator_of_another_perimeter_is_told_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct digest other = sha256(view_string("another perimeter"));

    start_in(fixture, &other);
    wait_for(fixture, &fixture->failed);
    assert_int_equal(fixture->coordinator.hellos, 0);
}

static void a_coordinator_with_a_changed_pcr_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest = sha256(view_string("other software"));

    assert_ok(tpm_pcr_extend(fixture->coordinator.tpm, 4, &digest));
    start(fixture);
    wait_for(fixture, &fixture->failed);
    assert_false(fixture->by_coordinator);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_PCR_NOT_ALLOWED));
    assert_int_equal(fixture->coordinator.evidences, 0);
}

static void a_host_with_a_changed_pcr_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest = sha256(view_string("other software"));

    assert_ok(tpm_pcr_extend(fixture->tpm, 4, &digest));
    start(fixture);
    wait_for(fixture, &fixture->failed);
    assert_true(fixture->by_coordinator);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_PCR_NOT_ALLOWED));
    assert_int_equal(fixture->coordinator.registrations, 0);
}

static void a_wrong_answer_ends_the_attempt_and_another_follows(void **state)
{
    struct fixture *fixture = *state;

    fixture->coordinator.answers_wrongly = true;
    start(fixture);
    wait_for(fixture, &fixture->failed);
    fixture->coordinator.answers_wrongly = false;
    wait_for(fixture, &fixture->registered);
}

/* The TPM's job outlives the registrar: nothing of it may be touched afterwards. */
static void it_may_be_closed_while_the_tpm_works(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    for (unsigned i = 0; i < 2000 && worker_load(fixture->worker) == 0; i++) {
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    }
    assert_int_equal(worker_load(fixture->worker), 1);
    registrar_close(fixture->registrar);
    fixture->is_closed = true;
}

static void a_host_registers(void **state)
{
    struct fixture *fixture = *state;
    struct digest key;

    fixture->coordinator.not_leader_times = 1;
    start(fixture);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(fixture->registration_id, fixture->coordinator.registration_id);
    assert_int_equal(fixture->lease_ms, LEASE_MS);
    key = sha256(trusted_key_public(&fixture->key).sign);
    assert_true(digest_equal(&key, &fixture->coordinator.tk_sign));
    assert_int_equal(registrar_memory(fixture->registrar)->manifest_version, 3);
}

static void a_lost_connection_means_a_new_registration_with_a_new_key(void **state)
{
    struct fixture *fixture = *state;
    struct digest old_key;

    start(fixture);
    wait_for(fixture, &fixture->registered);
    old_key = fixture->coordinator.tk_sign;
    coordinator_disconnect(&fixture->coordinator);
    wait_for(fixture, &fixture->disconnected);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(fixture->coordinator.registrations, 2);
    assert_false(digest_equal(&old_key, &fixture->coordinator.tk_sign));
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(the_coordinator_of_another_perimeter_is_told_nothing),
        WITH(a_coordinator_with_a_changed_pcr_is_refused),
        WITH(a_host_with_a_changed_pcr_is_refused),
        WITH(a_wrong_answer_ends_the_attempt_and_another_follows),
        WITH(it_may_be_closed_while_the_tpm_works),
        WITH(a_host_registers),
        WITH(a_lost_connection_means_a_new_registration_with_a_new_key),
    };

    return cmocka_run_group_tests_name("lib/attester/registrar", tests, NULL, NULL);
}
