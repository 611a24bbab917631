/* The agent's way to its TPM, over thousands of quotes with failures in the middle, and through a
 * TPM that hangs, vanishes and comes back. */
#include "nodeagent/host.h"

#include "lib/attest/credential.h"
#include "lib/attest/tpm_structures.h"
#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"
#include "tests/support/tpm_relay.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    QUOTES = 10000,
    DISTURBED_EVERY = 100,
    CREDENTIAL_EVERY = 25,
    LOOK_EVERY = 97,
    PCRS = 0xff,
    PATIENCE_MS = 20000,
};

/* The log's lines, counted: the sink is given nothing else of ours. */
static struct {
    unsigned unavailable, available, all;
    char last_unavailable[1024];
} lines;

static void count_lines(enum log_level level, const char *line)
{
    (void)level;
    lines.all++;
    if (strncmp(line, "tpm-unavailable ", 16) == 0) {
        lines.unavailable++;
        (void)snprintf(lines.last_unavailable, sizeof lines.last_unavailable, "%s", line);
    }
    lines.available += strncmp(line, "tpm-available ", 14) == 0;
}

struct fixture {
    char folder[SWTPM_PATH_SIZE];
    uv_loop_t loop;
    struct tpm_relay *relay;
    struct host *host;
    struct tpm_public ek, ak;
    /* What the callbacks said. */
    bool is_done, has_changed;
    enum status status;
    unsigned health_changes, answers;
    struct secret activated;
    uint32_t reset_count;
    size_t event_log_size, ima_log_size;
};

static void host_open_at(struct fixture *fixture, const char *tcti)
{
    const struct host_config config = {.loop = &fixture->loop, .tcti = tcti};
    char error[HOST_ERROR_SIZE];

    if (host_open(&config, &fixture->host, error) != STATUS_OK) {
        fail_msg("%s", error);
    }
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    folder_make(fixture->folder);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->relay = tpm_relay_new(fixture->folder);
    host_open_at(fixture, tpm_relay_tcti(fixture->relay));
    assert_ok(tpm_public_parse(bytes_view(&host_identity(fixture->host)->ek_public), &fixture->ek));
    assert_ok(tpm_public_parse(bytes_view(&host_identity(fixture->host)->ak_public), &fixture->ak));
    memset(&lines, 0, sizeof lines);
    log_set_sink(count_lines, LOG_NOTICE);
    *state = fixture;
    return 0;
}

static void host_end(struct fixture *fixture)
{
    if (fixture->host) {
        host_close(fixture->host);
        fixture->host = NULL;
        assert_true(loop_finish(&fixture->loop));
    }
}

/* Past the relay, which would still be there when the TPM is not: tss2 forgets a few bytes then. */
static void host_open_directly(struct fixture *fixture)
{
    host_end(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    host_open_at(fixture, tpm_relay_swtpm(fixture->relay)->tcti);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    host_end(fixture);
    log_set_sink(NULL, LOG_NOTICE);
    secret_free(&fixture->activated);
    tpm_relay_free(fixture->relay);
    folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

static void on_report(void *argument, const struct host_report *report)
{
    struct fixture *fixture = argument;

    fixture->is_done = true;
    fixture->answers++;
    fixture->status = report->status;
    fixture->reset_count = report->evidence.reset_count;
    fixture->event_log_size = report->evidence.event_log.size;
    fixture->ima_log_size = report->evidence.ima_log.size;
    secret_free(&fixture->activated);
    if (report->activated.size > 0) {
        assert_ok(secret_copy(secret_view(&report->activated), &fixture->activated));
    }
    if (report->status == STATUS_OK) {
        assert_true(report->evidence.quote.size > 0);
        assert_int_equal(report->evidence.pcr_values.size, 8 * SHA256_SIZE);
    }
}

static void on_health(void *argument, bool is_well)
{
    struct fixture *fixture = argument;

    assert_int_equal(is_well, host_is_well(fixture->host));
    fixture->health_changes++;
    fixture->has_changed = true;
}

static void submit(struct fixture *fixture, unsigned deadline_ms)
{
    fixture->is_done = false;
    assert_ok(host_submit(fixture->host,
                          &(struct host_task){.demand = {.pcr_mask = PCRS},
                                              .deadline_ms = time_boot_ms() + deadline_ms},
                          on_report, fixture));
}

static void wait_for(struct fixture *fixture, bool *flag)
{
    if (!loop_until(&fixture->loop, flag, PATIENCE_MS)) {
        fail_msg("waited in vain: %s", lines.last_unavailable);
    }
    *flag = false;
}

static void quote(struct fixture *fixture)
{
    submit(fixture, PATIENCE_MS);
    wait_for(fixture, &fixture->is_done);
    assert_ok(fixture->status);
}

static void activate_and_quote(struct fixture *fixture)
{
    const struct digest secret = {"what a coordinator has hidden"};
    const uint8_t entropy[CREDENTIAL_ENTROPY_SIZE] = "fresh elsewhere";
    OWN(bytes) struct bytes blob = {0};
    OWN(bytes) struct bytes encrypted = {0};

    assert_ok(credential_make(&fixture->ek, &fixture->ak.name, digest_view(&secret),
                              VIEW_OF_ARRAY(entropy), &blob, &encrypted));
    assert_ok(host_submit(fixture->host,
                          &(struct host_task){.credential_blob = bytes_view(&blob),
                                              .credential_secret = bytes_view(&encrypted),
                                              .demand = {.pcr_mask = PCRS},
                                              .deadline_ms = time_boot_ms() + PATIENCE_MS},
                          on_report, fixture));
    wait_for(fixture, &fixture->is_done);
    assert_ok(fixture->status);
    assert_true(secret_equal(secret_view(&fixture->activated), digest_view(&secret)));
}

/* The next of all combinations of what can go wrong, and where. */
static void disturb_next(struct fixture *fixture, unsigned number)
{
    /* The first ones put a command off, and then it was not executed: a TPM that did it all the
     * same would be lying, and nobody could know. */
    static const enum relay_code codes[] = {RELAY_RETRY,   RELAY_YIELDED, RELAY_TESTING,
                                            RELAY_NV_RATE, RELAY_LOCKOUT, RELAY_OBJECT_MEMORY,
                                            RELAY_FAILURE};
    static const enum relay_command commands[] = {RELAY_ANY, RELAY_CREATE_PRIMARY,
                                                  RELAY_FLUSH_CONTEXT, RELAY_START_AUTH_SESSION,
                                                  RELAY_ACTIVATE_CREDENTIAL};
    enum { PUT_OFF = 4 };
    enum relay_command command = commands[number % ARRAY_SIZE(commands)];
    enum relay_fault fault = number / ARRAY_SIZE(commands) % RELAY_FAULT_COUNT;
    unsigned code = fault == RELAY_ASKS_THEN_LIES ? PUT_OFF + number % (ARRAY_SIZE(codes) - PUT_OFF)
                                                  : number % ARRAY_SIZE(codes);

    /* Some hit the reconnection that another one brought about. */
    tpm_relay_disturb(fixture->relay, command, fault, codes[code],
                      command == RELAY_ANY ? number % 13 : number % 2, 1 + number % 3);
}

static void ten_thousand_quotes_with_failures_leave_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    unsigned disturbances = 0, hits = 0;
    struct tpm_content content;

    for (unsigned i = 0; i < QUOTES; i++) {
        if (i % DISTURBED_EVERY == 0) {
            hits += tpm_relay_disturbed(fixture->relay) > 0;
            disturb_next(fixture, disturbances++);
        }
        if (i % CREDENTIAL_EVERY == 1) {
            activate_and_quote(fixture);
        } else {
            quote(fixture);
        }
        /* Whatever went wrong is over: there is the attestation key, and nothing more. */
        if (i % LOOK_EVERY == 0 && i % DISTURBED_EVERY > CREDENTIAL_EVERY) {
            hits += tpm_relay_disturbed(fixture->relay) > 0;
            tpm_relay_disturb(fixture->relay, RELAY_ANY, RELAY_ANSWERS, 0, 0, 0);
            quote(fixture);
            tpm_relay_look(fixture->relay);
            quote(fixture);
            content = tpm_relay_seen(fixture->relay);
            assert_int_equal(content.objects, 1);
            assert_int_equal(content.sessions, 0);
        }
    }
    /* They did go wrong, and no more was said of it than is worth saying. */
    assert_true(hits > disturbances / 2);
    assert_int_equal(lines.unavailable, lines.available);
    assert_true(lines.unavailable > 0 && lines.unavailable <= disturbances);
    assert_int_equal(lines.all, lines.unavailable + lines.available);
    tpm_relay_disturb(fixture->relay, RELAY_ANY, RELAY_ANSWERS, 0, 0, 0);
    host_end(fixture);
    content = tpm_relay_content(fixture->relay);
    assert_int_equal(content.objects, 0);
    assert_int_equal(content.sessions, 0);
}

static void log_grow(void *argument)
{
    FILE *file = fopen(argument, "a");

    assert_non_null(file);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
}

/* The log grows while the TPM quotes: what it quoted may rest on that. */
static void the_logs_are_read_after_the_quote(void **state)
{
    struct fixture *fixture = *state;
    char path[SWTPM_PATH_SIZE + 8], error[HOST_ERROR_SIZE];

    host_end(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    (void)snprintf(path, sizeof path, "%s/log", fixture->folder);
    log_grow(path);
    assert_ok(host_open(&(struct host_config){.loop = &fixture->loop,
                                              .tcti = tpm_relay_tcti(fixture->relay),
                                              .event_log_path = path,
                                              .ima_log_path = path},
                        &fixture->host, error));
    tpm_relay_watch(fixture->relay, RELAY_QUOTE, log_grow, path);
    assert_ok(host_submit(
        fixture->host,
        &(struct host_task){.demand = {.pcr_mask = PCRS, .event_log = true, .ima_log = true},
                            .deadline_ms = time_boot_ms() + PATIENCE_MS},
        on_report, fixture));
    wait_for(fixture, &fixture->is_done);
    tpm_relay_watch(fixture->relay, RELAY_QUOTE, NULL, NULL);
    assert_ok(fixture->status);
    assert_int_equal(fixture->event_log_size, 2);
    assert_int_equal(fixture->ima_log_size, 2);
}

static void a_reset_between_two_tasks_is_no_trouble(void **state)
{
    struct fixture *fixture = *state;
    uint32_t before;

    quote(fixture);
    before = fixture->reset_count;
    swtpm_reset(tpm_relay_swtpm(fixture->relay));
    quote(fixture);
    assert_int_equal(fixture->reset_count, before + 1);
    assert_int_equal(lines.all, 0);
}

static void a_tpm_that_vanished_is_told_once_and_comes_back_by_itself(void **state)
{
    struct fixture *fixture = *state;
    uint64_t began_ms;

    host_open_directly(fixture);
    host_watch(fixture->host, on_health, fixture);
    swtpm_kill(tpm_relay_swtpm(fixture->relay));
    began_ms = time_boot_ms();
    submit(fixture, 1500);
    wait_for(fixture, &fixture->has_changed);
    assert_false(host_is_well(fixture->host));
    wait_for(fixture, &fixture->is_done);
    assert_status(fixture->status, STATUS_TIMEOUT);
    assert_true(time_boot_ms() - began_ms >= 1500 && time_boot_ms() - began_ms < 4000);
    assert_int_equal(lines.unavailable, 1);
    assert_non_null(strstr(lines.last_unavailable, "reason=\""));
    assert_non_null(strstr(lines.last_unavailable, "hint=\""));
    /* Nobody asks: it is found all the same. */
    swtpm_start(tpm_relay_swtpm(fixture->relay));
    wait_for(fixture, &fixture->has_changed);
    assert_true(host_is_well(fixture->host));
    quote(fixture);
    assert_int_equal(fixture->health_changes, 2);
    assert_int_equal(lines.unavailable, 1);
    assert_int_equal(lines.available, 1);
    assert_int_equal(lines.all, 2);
}

static void a_tpm_that_comes_back_in_time_answers_what_was_asked(void **state)
{
    struct fixture *fixture = *state;

    host_open_directly(fixture);
    host_watch(fixture->host, on_health, fixture);
    swtpm_kill(tpm_relay_swtpm(fixture->relay));
    submit(fixture, PATIENCE_MS);
    wait_for(fixture, &fixture->has_changed);
    swtpm_start(tpm_relay_swtpm(fixture->relay));
    wait_for(fixture, &fixture->is_done);
    assert_ok(fixture->status);
    assert_int_equal(fixture->answers, 1);
}

/* The loop goes on, the task ends at its deadline, and what comes later is nobody's. */
static void a_tpm_that_hangs_stops_neither_loop_nor_tasks(void **state)
{
    struct fixture *fixture = *state;
    struct swtpm *swtpm = tpm_relay_swtpm(fixture->relay);

    host_watch(fixture->host, on_health, fixture);
    assert_int_equal(kill(swtpm->pid, SIGSTOP), 0);
    for (unsigned i = 0; i < 3; i++) {
        submit(fixture, 300);
        wait_for(fixture, &fixture->is_done);
        assert_status(fixture->status, STATUS_TIMEOUT);
    }
    assert_false(host_is_well(fixture->host));
    assert_int_equal(lines.unavailable, 1);
    assert_non_null(strstr(lines.last_unavailable, "does not answer"));
    fixture->has_changed = false;
    assert_int_equal(kill(swtpm->pid, SIGCONT), 0);
    wait_for(fixture, &fixture->has_changed);
    assert_true(host_is_well(fixture->host));
    assert_int_equal(fixture->answers, 3);
    quote(fixture);
    assert_int_equal(lines.all, 2);
}

static void who_asks_anew_gets_the_answer_and_the_one_before_is_told(void **state)
{
    struct fixture *fixture = *state;

    submit(fixture, PATIENCE_MS);
    submit(fixture, PATIENCE_MS);
    assert_true(fixture->is_done);
    assert_status(fixture->status, STATUS_CLOSED);
    fixture->is_done = false;
    wait_for(fixture, &fixture->is_done);
    assert_ok(fixture->status);
    assert_int_equal(fixture->answers, 2);
}

static void another_tpm_in_its_place_is_not_this_host(void **state)
{
    struct fixture *fixture = *state;
    struct swtpm other = {0};
    char from[2 * SWTPM_PATH_SIZE], to[2 * SWTPM_PATH_SIZE];

    swtpm_new(fixture->folder, "other", "p256", &other);
    swtpm_stop(&other);
    swtpm_stop(tpm_relay_swtpm(fixture->relay));
    (void)snprintf(from, sizeof from, "%s/other/tpm2-00.permall", fixture->folder);
    (void)snprintf(to, sizeof to, "%s/tpm/tpm2-00.permall", fixture->folder);
    assert_int_equal(rename(from, to), 0);
    swtpm_start(tpm_relay_swtpm(fixture->relay));
    submit(fixture, 1000);
    wait_for(fixture, &fixture->is_done);
    assert_status(fixture->status, STATUS_TIMEOUT);
    assert_int_equal(lines.unavailable, 1);
    assert_non_null(strstr(lines.last_unavailable, "another TPM"));
    assert_non_null(strstr(lines.last_unavailable, "restart the agent"));
    swtpm_free(&other);
}

static void without_a_tpm_a_host_says_why_in_one_line(void **state)
{
    struct fixture *fixture = *state;
    char error[HOST_ERROR_SIZE];
    struct host *host;

    assert_status(
        host_open(&(struct host_config){.loop = &fixture->loop, .tcti = "device:/dev/tpmrm9999"},
                  &host, error),
        STATUS_NOT_FOUND);
    assert_non_null(strstr(error, "there is no device /dev/tpmrm9999"));
    assert_null(strchr(error, '\n'));
    assert_int_equal(lines.all, 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(without_a_tpm_a_host_says_why_in_one_line),
        WITH(another_tpm_in_its_place_is_not_this_host),
        WITH(a_tpm_that_vanished_is_told_once_and_comes_back_by_itself),
        WITH(a_tpm_that_hangs_stops_neither_loop_nor_tasks),
        WITH(a_tpm_that_comes_back_in_time_answers_what_was_asked),
        WITH(who_asks_anew_gets_the_answer_and_the_one_before_is_told),
        WITH(the_logs_are_read_after_the_quote),
        WITH(a_reset_between_two_tasks_is_no_trouble),
        WITH(ten_thousand_quotes_with_failures_leave_nothing_behind),
    };

    /* As every daemon of ours does: tss2 writes into sockets that nobody reads any more. */
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("nodeagent/host", tests, NULL, NULL);
}
