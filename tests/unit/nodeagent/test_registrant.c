/* The registrant against a coordinator that is real but for what is behind it: TLS, TPMs of both
 * sides, lib/protocol. */
#include "nodeagent/registrant.h"

#include "lib/crypto/x509.h"
#include "lib/daemon/file.h"
#include "lib/net/timer.h"
#include "tests/support/coordinator.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEASE_MS = 20000, SHORT_LEASE_MS = 1500, PATIENCE_MS = 10000 };

struct fixture {
    char folder[SWTPM_PATH_SIZE], memory_path[SWTPM_PATH_SIZE + 16];
    uv_loop_t loop;
    struct swtpm swtpm;
    struct host *host;
    struct coordinator coordinator;
    struct registrant *registrant;
    /* What the callbacks said. */
    bool registered, lost, refused, failed, gave_up, tpm_changed;
    unsigned registered_times;
    enum refusal_code refusal;
    enum status failure;
};

static void on_registered(void *argument, uint64_t registration_id, const char *name)
{
    struct fixture *fixture = argument;

    assert_int_equal(registration_id, fixture->coordinator.registration_id);
    assert_string_equal(name, "n1");
    fixture->registered = true;
    fixture->registered_times++;
}

static void on_lost(void *argument)
{
    struct fixture *fixture = argument;

    fixture->lost = true;
}

static void on_refused(void *argument, const struct refusal *refusal)
{
    struct fixture *fixture = argument;

    fixture->refused = true;
    fixture->refusal = refusal->code;
}

static void on_failure(void *argument, enum status reason, const char *detail, bool is_final)
{
    struct fixture *fixture = argument;

    assert_true(strlen(detail) > 0);
    fixture->failed = true;
    fixture->failure = reason;
    fixture->gave_up |= is_final;
}

static void on_tpm(void *argument, bool is_well)
{
    struct fixture *fixture = argument;

    (void)is_well;
    fixture->tpm_changed = true;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    (void)snprintf(fixture->memory_path, sizeof fixture->memory_path, "%s/memory", fixture->folder);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    swtpm_new(fixture->folder, "n1", "p256", &fixture->swtpm);
    assert_ok(host_open(&(struct host_config){.loop = &fixture->loop, .tcti = fixture->swtpm.tcti},
                        &fixture->host, (char[HOST_ERROR_SIZE]){0}));
    coordinator_open(&fixture->coordinator, &fixture->loop, fixture->folder,
                     bytes_view(&host_identity(fixture->host)->ek_name), LEASE_MS);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->registrant) {
        registrant_stop(fixture->registrant);
    }
    host_close(fixture->host);
    coordinator_close(&fixture->coordinator);
    assert_true(loop_finish(&fixture->loop));
    if (fixture->registrant) {
        registrant_free(fixture->registrant);
    }
    coordinator_free(&fixture->coordinator);
    swtpm_free(&fixture->swtpm);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void start_with(struct fixture *fixture, const struct digest *perimeter_id,
                       unsigned attempt_max, bool memory_is_locked)
{
    const char *const addresses[] = {fixture->coordinator.address};

    assert_ok(registrant_start(
        &(struct registrant_config){
            .loop = &fixture->loop,
            .host = fixture->host,
            .perimeter_id = *perimeter_id,
            .addresses = addresses,
            .address_count = 1,
            .memory_path = fixture->memory_path,
            .memory_is_locked = memory_is_locked,
            .attempt_max = attempt_max,
            .callbacks = {.on_registered = on_registered,
                          .on_registration_lost = on_lost,
                          .on_refused = on_refused,
                          .on_failure = on_failure,
                          .on_tpm = on_tpm},
            .argument = fixture,
        },
        &fixture->registrant));
}

static void start_in(struct fixture *fixture, const struct digest *perimeter_id,
                     unsigned attempt_max)
{
    start_with(fixture, perimeter_id, attempt_max, true);
}

static void start(struct fixture *fixture)
{
    start_in(fixture, &fixture->coordinator.perimeter->root.id, 0);
}

/* Turns the loop until the flag is set, and clears it. */
static void wait_for(struct fixture *fixture, bool *flag)
{
    if (!loop_until(&fixture->loop, flag, PATIENCE_MS)) {
        fail_msg("waited in vain");
    }
    *flag = false;
}

static void turn_until_renewals(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; i < 1000 && fixture->coordinator.renewals < count; i++) {
        loop_for(&fixture->loop, 10);
    }
    assert_int_equal(fixture->coordinator.renewals, count);
    loop_for(&fixture->loop, 50);
}

static void the_coordinator_of_another_perimeter_is_told_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct digest other = sha256(view_string("another perimeter"));

    start_in(fixture, &other, 0);
    wait_for(fixture, &fixture->failed);
    assert_status(fixture->failure, STATUS_REFUSED);
    assert_int_equal(fixture->coordinator.hellos, 0);
}

static void an_older_epoch_than_seen_is_refused_in_the_handshake(void **state)
{
    struct fixture *fixture = *state;

    assert_ok(file_replace(fixture->memory_path, view_string("0 3 9\n")));
    start(fixture);
    wait_for(fixture, &fixture->failed);
    assert_status(fixture->failure, STATUS_REFUSED);
    assert_int_equal(fixture->coordinator.hellos, 0);
}

static void an_older_manifest_than_seen_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_ok(file_replace(fixture->memory_path, view_string("0 2 4\n")));
    start(fixture);
    wait_for(fixture, &fixture->refused);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_OLD_VERSION));
    assert_int_equal(fixture->coordinator.evidences, 0);
}

static void a_damaged_memory_is_reported(void **state)
{
    struct fixture *fixture = *state;
    const char *const addresses[] = {fixture->coordinator.address};
    struct registrant *registrant;

    assert_ok(file_replace(fixture->memory_path, view_string("rubbish")));
    assert_status(registrant_start(&(struct registrant_config){.loop = &fixture->loop,
                                                               .host = fixture->host,
                                                               .addresses = addresses,
                                                               .address_count = 1,
                                                               .memory_path = fixture->memory_path},
                                   &registrant),
                  STATUS_MALFORMED);
}

/* Where its file should be written, there is a folder: as with a full disk, that does not change by
 * trying again. */
static void nothing_is_said_about_what_could_not_be_remembered(void **state)
{
    struct fixture *fixture = *state;
    char obstacle[sizeof fixture->memory_path + 8];

    (void)snprintf(obstacle, sizeof obstacle, "%s.new", fixture->memory_path);
    assert_int_equal(mkdir(obstacle, 0700), 0);
    start(fixture);
    for (unsigned i = 0; i < 3; i++) {
        wait_for(fixture, &fixture->failed);
        assert_status(fixture->failure, STATUS_IO);
    }
    assert_int_equal(fixture->coordinator.evidences, 0);
    assert_false(fixture->registered);
    assert_int_equal(rmdir(obstacle), 0);
    wait_for(fixture, &fixture->registered);
}

/* The coordinator's software was changed: the node says no more than its Hello. */
static void a_coordinator_with_a_changed_pcr_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct digest digest = sha256(view_string("other software"));

    assert_ok(tpm_pcr_extend(fixture->coordinator.tpm, 4, &digest));
    start(fixture);
    wait_for(fixture, &fixture->refused);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_PCR_NOT_ALLOWED));
    assert_int_equal(fixture->coordinator.evidences, 0);
}

/* Its configuration may say what it likes: the perimeter is not one for development. */
static void a_host_whose_memory_is_not_locked_tells_a_real_perimeter_nothing(void **state)
{
    struct fixture *fixture = *state;

    start_with(fixture, &fixture->coordinator.perimeter->root.id, 0, false);
    wait_for(fixture, &fixture->refused);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_DEVELOPMENT));
    assert_int_equal(fixture->coordinator.evidences, 0);
    assert_false(fixture->registered);
}

static void a_message_out_of_order_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;

    fixture->coordinator.answers_wrongly = true;
    start(fixture);
    wait_for(fixture, &fixture->failed);
    assert_status(fixture->failure, STATUS_MALFORMED);
    assert_int_equal(registrant_id(fixture->registrant), 0);
    fixture->coordinator.answers_wrongly = false;
    wait_for(fixture, &fixture->registered);
}

static void a_refusal_is_reported_with_its_reason(void **state)
{
    struct fixture *fixture = *state;
    struct tpm *tpm;
    struct digest digest = sha256(view_string("other software"));

    /* Another host's agent holds the TPM open: this one's goes first. */
    host_close(fixture->host);
    loop_for(&fixture->loop, 50);
    assert_ok(tpm_open(fixture->swtpm.tcti, &tpm));
    assert_ok(tpm_pcr_extend(tpm, 4, &digest));
    tpm_close(tpm);
    assert_ok(host_open(&(struct host_config){.loop = &fixture->loop, .tcti = fixture->swtpm.tcti},
                        &fixture->host, (char[HOST_ERROR_SIZE]){0}));
    start(fixture);
    wait_for(fixture, &fixture->refused);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_PCR_NOT_ALLOWED));
    assert_int_equal(fixture->coordinator.registrations, 0);
    assert_int_equal(registrant_id(fixture->registrant), 0);
}

static void a_coordinator_that_cannot_be_reached_is_given_up_where_asked(void **state)
{
    struct fixture *fixture = *state;

    /* A port that was just free. */
    (void)snprintf(fixture->coordinator.address, sizeof fixture->coordinator.address,
                   "127.0.0.1:1");
    start_in(fixture, &fixture->coordinator.perimeter->root.id, 3);
    wait_for(fixture, &fixture->gave_up);
}

/* The identity's certificate is of its key, and names the registration. */
static void check_identity(struct fixture *fixture)
{
    struct registrant_identity identity;
    struct certificate certificate;

    assert_ok(registrant_identity(fixture->registrant, &identity));
    assert_ok(certificate_check_undated(identity.certificate, fixture->coordinator.tc_sign,
                                        &identity.scope, &certificate, NULL));
    assert_int_equal(certificate.role, ROLE_NODE);
    assert_int_equal(certificate.registration_id, identity.registration_id);
    assert_true(view_equal(certificate_spki(&certificate), private_key_spki(identity.tk_sign)));
}

static void a_node_registers_and_renews(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes memory = {0};

    start(fixture);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(registrant_id(fixture->registrant), fixture->coordinator.registration_id);
    check_identity(fixture);
    for (unsigned i = 1; i <= 3; i++) {
        coordinator_renew(&fixture->coordinator);
        turn_until_renewals(fixture, i);
    }
    assert_int_equal(fixture->registered_times, 1);
    assert_ok(file_read(fixture->memory_path, 100, &memory));
    assert_true(view_equal(bytes_view(&memory), view_string("0 2 3\n")));
}

static void a_redirection_is_followed(void **state)
{
    struct fixture *fixture = *state;

    fixture->coordinator.not_leader_times = 2;
    start(fixture);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(fixture->coordinator.hellos, 3);
    assert_false(fixture->failed);
}

static void a_lost_connection_goes_on_with_the_registration(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id;

    start(fixture);
    wait_for(fixture, &fixture->registered);
    id = registrant_id(fixture->registrant);
    coordinator_disconnect(&fixture->coordinator);
    wait_for(fixture, &fixture->failed);
    turn_until_renewals(fixture, 1);
    assert_int_equal(fixture->coordinator.resumes, 1);
    assert_int_equal(fixture->coordinator.registrations, 1);
    assert_int_equal(registrant_id(fixture->registrant), id);
    assert_false(fixture->lost);
}

static void a_lost_lease_means_a_new_key_and_a_new_registration(void **state)
{
    struct fixture *fixture = *state;
    struct digest old_key;

    fixture->coordinator.lease_ms = SHORT_LEASE_MS;
    start(fixture);
    wait_for(fixture, &fixture->registered);
    old_key = fixture->coordinator.tk_sign;
    fixture->coordinator.is_silent = true;
    wait_for(fixture, &fixture->lost);
    assert_int_equal(registrant_id(fixture->registrant), 0);
    fixture->coordinator.is_silent = false;
    fixture->coordinator.lease_ms = LEASE_MS;
    wait_for(fixture, &fixture->registered);
    assert_int_equal(fixture->coordinator.registrations, 2);
    assert_false(digest_equal(&old_key, &fixture->coordinator.tk_sign));
}

static void an_ended_registration_is_replaced_by_a_new_one(void **state)
{
    struct fixture *fixture = *state;
    struct digest old_key;

    start(fixture);
    wait_for(fixture, &fixture->registered);
    old_key = fixture->coordinator.tk_sign;
    coordinator_end_registration(&fixture->coordinator);
    wait_for(fixture, &fixture->lost);
    wait_for(fixture, &fixture->registered);
    assert_string_equal(refusal_name(fixture->refusal), refusal_name(REFUSAL_NO_LEASE));
    assert_int_equal(fixture->coordinator.registrations, 2);
    assert_int_equal(fixture->coordinator.resumes, 0);
    assert_false(digest_equal(&old_key, &fixture->coordinator.tk_sign));
    check_identity(fixture);
}

/* It says so itself: the coordinator has nothing to refuse. */
static void a_reset_tpm_must_register_again(void **state)
{
    struct fixture *fixture = *state;
    struct digest old_key;

    start(fixture);
    wait_for(fixture, &fixture->registered);
    old_key = fixture->coordinator.tk_sign;
    swtpm_reset(&fixture->swtpm);
    coordinator_renew(&fixture->coordinator);
    wait_for(fixture, &fixture->lost);
    wait_for(fixture, &fixture->registered);
    assert_string_equal(refusal_name(fixture->coordinator.last_refusal),
                        refusal_name(REFUSAL_NONE));
    assert_int_equal(fixture->coordinator.registrations, 2);
    assert_int_equal(fixture->coordinator.resumes, 0);
    assert_false(digest_equal(&old_key, &fixture->coordinator.tk_sign));
}

/* No message is lost, no connection breaks: an answer is late. */
static void a_tpm_that_hangs_for_a_while_costs_a_late_renewal(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(kill(fixture->swtpm.pid, SIGSTOP), 0);
    coordinator_renew(&fixture->coordinator);
    loop_for(&fixture->loop, 700);
    assert_int_equal(fixture->coordinator.renewals, 0);
    assert_int_equal(kill(fixture->swtpm.pid, SIGCONT), 0);
    turn_until_renewals(fixture, 1);
    assert_false(fixture->failed || fixture->lost || fixture->refused);
    assert_int_equal(fixture->coordinator.resumes, 0);
    assert_int_equal(fixture->coordinator.hellos, 1);
}

static void a_tpm_that_vanishes_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    wait_for(fixture, &fixture->registered);
    swtpm_kill(&fixture->swtpm);
    coordinator_renew(&fixture->coordinator);
    wait_for(fixture, &fixture->tpm_changed);
    loop_for(&fixture->loop, 500);
    assert_false(fixture->failed || fixture->lost);
    swtpm_start(&fixture->swtpm);
    /* It can quote again, and the TPM's reset shows. */
    wait_for(fixture, &fixture->lost);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(fixture->coordinator.registrations, 2);
}

/* Each Hello would cost the coordinator a quote of its own. */
static void without_a_tpm_the_coordinator_is_left_alone(void **state)
{
    struct fixture *fixture = *state;

    fixture->coordinator.lease_ms = SHORT_LEASE_MS;
    start(fixture);
    wait_for(fixture, &fixture->registered);
    swtpm_kill(&fixture->swtpm);
    coordinator_renew(&fixture->coordinator);
    wait_for(fixture, &fixture->lost);
    fixture->tpm_changed = false;
    loop_for(&fixture->loop, 1500);
    assert_int_equal(fixture->coordinator.hellos, 1);
    assert_int_equal(fixture->coordinator.resumes, 0);
    assert_false(fixture->tpm_changed);
    fixture->coordinator.lease_ms = LEASE_MS;
    swtpm_start(&fixture->swtpm);
    wait_for(fixture, &fixture->registered);
    assert_int_equal(fixture->coordinator.registrations, 2);
    assert_true(fixture->tpm_changed);
}

static void on_nothing(void *argument, const struct host_report *report)
{
    bool *is_done = argument;

    assert_status(report->status, STATUS_TIMEOUT);
    *is_done = true;
}

/* Attempts are counted, TPM or no TPM. */
static void who_gives_up_after_some_attempts_does_so_without_a_tpm(void **state)
{
    struct fixture *fixture = *state;
    bool is_done = false;

    swtpm_kill(&fixture->swtpm);
    assert_ok(host_submit(
        fixture->host,
        &(struct host_task){.demand = {.pcr_mask = 1}, .deadline_ms = time_boot_ms() + 300},
        on_nothing, &is_done));
    wait_for(fixture, &is_done);
    assert_false(host_is_well(fixture->host));
    (void)snprintf(fixture->coordinator.address, sizeof fixture->coordinator.address,
                   "127.0.0.1:1");
    start_in(fixture, &fixture->coordinator.perimeter->root.id, 3);
    wait_for(fixture, &fixture->gave_up);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(the_coordinator_of_another_perimeter_is_told_nothing),
        WITH(an_older_epoch_than_seen_is_refused_in_the_handshake),
        WITH(an_older_manifest_than_seen_is_refused),
        WITH(a_damaged_memory_is_reported),
        WITH(nothing_is_said_about_what_could_not_be_remembered),
        WITH(a_coordinator_with_a_changed_pcr_is_refused),
        WITH(a_host_whose_memory_is_not_locked_tells_a_real_perimeter_nothing),
        WITH(a_message_out_of_order_ends_the_connection),
        WITH(a_refusal_is_reported_with_its_reason),
        WITH(a_coordinator_that_cannot_be_reached_is_given_up_where_asked),
        WITH(a_node_registers_and_renews),
        WITH(a_redirection_is_followed),
        WITH(a_lost_connection_goes_on_with_the_registration),
        WITH(a_lost_lease_means_a_new_key_and_a_new_registration),
        WITH(an_ended_registration_is_replaced_by_a_new_one),
        WITH(a_reset_tpm_must_register_again),
        WITH(a_tpm_that_hangs_for_a_while_costs_a_late_renewal),
        WITH(a_tpm_that_vanishes_is_waited_for),
        WITH(without_a_tpm_the_coordinator_is_left_alone),
        WITH(who_gives_up_after_some_attempts_does_so_without_a_tpm),
    };

    return cmocka_run_group_tests_name("nodeagent/registrant", tests, NULL, NULL);
}
