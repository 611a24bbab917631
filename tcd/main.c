/* tcd: a member of the trusted coordinator. */
#include "lib/attest/tpm_structures.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/daemon/daemon.h"
#include "lib/net/timer.h"
#include "tcd/lifecycle.h"
#include "tcd/tcd.h"

#include <config.h>

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

enum { SECRET_HEAP_SIZE = 1 << 20, JOBS_MAX = 65536 };

const char *argp_program_version = "tcd " PACKAGE_VERSION;

struct arguments {
    const char *config_path;
    const char *tcti; /* with show_identity */
    bool show_identity;
};

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Configuration (default /etc/tccp/tcd.conf)", 0},
    {"show-identity", 'i', NULL, 0,
     "Print this machine's TPM identity as an entry of a manifest, and exit", 0},
    {"tcti", 't', "TCTI", 0, "The TPM, with --show-identity (default: the configuration's)", 0},
    {0},
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'c':
        arguments->config_path = value;
        return 0;
    case 'i':
        arguments->show_identity = true;
        return 0;
    case 't':
        arguments->tcti = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default: /* a key of argp */
        return ARGP_ERR_UNKNOWN;
    }
}

static int fail(const char *line)
{
    (void)fprintf(stderr, "tcd: %s\n", line);
    return EXIT_FAILURE;
}

static int fail_tpm(const char *tcti, enum status status)
{
    (void)fprintf(stderr, "tcd: TPM %s: %s; is it there, and may this user open it?\n", tcti,
                  status == STATUS_NOT_FOUND ? "not found" : status_text(status));
    return EXIT_FAILURE;
}

static int show_identity(const char *tcti)
{
    OWN(tpm) struct tpm *tpm = NULL;
    OWN(tpm_identity) struct tpm_identity identity = {0};
    char ek[HEX_SIZE(TPM_NAME_SIZE_MAX)], ak[HEX_SIZE(TPM_NAME_SIZE_MAX)];
    enum status status = tpm_open(tcti, &tpm);

    if (status == STATUS_OK) {
        status = tpm_identity(tpm, &identity);
    }
    if (status != STATUS_OK) {
        return fail_tpm(tcti, status);
    }
    hex_encode(bytes_view(&identity.ek_name), ek);
    hex_encode(bytes_view(&identity.ak_name), ak);
    (void)printf("member NAME {\n    ek = %s\n    ak = %s\n    address = HOST:7440\n"
                 "    raft_address = HOST:7441\n}\n",
                 ek, ak);
    return EXIT_SUCCESS;
}

static void on_stopped(struct tcd *tcd)
{
    (void)tcd;
    log_event(LOG_NOTICE, "stopped", "member=%s", tcd->config.member);
}

static void on_stop_signal(void *argument, int signal_number)
{
    struct tcd *tcd = argument;

    log_event(LOG_NOTICE, "stopping", "signal=%d", signal_number);
    notify_stopping();
    signals_close(tcd->signals);
    lifecycle_stop(tcd, on_stopped);
}

static enum status open_parts(struct tcd *tcd)
{
    TRY(signals_open(tcd->loop, on_stop_signal, NULL, tcd, &tcd->signals));
    TRY(worker_open(tcd->loop, 1, JOBS_MAX, &tcd->tpm_worker));
    return worker_open(tcd->loop, tcd->config.verifier_threads, JOBS_MAX, &tcd->verifiers);
}

static int run(struct tcd *tcd)
{
    struct refusal refusal = {0};
    enum status status;

    if (mkdir(tcd->config.state_directory, 0700) != 0 && errno != EEXIST) {
        (void)fprintf(stderr, "tcd: %s: %s\n", tcd->config.state_directory, strerror(errno));
        return EXIT_FAILURE;
    }
    status = tpm_open(tcd->config.tcti, &tcd->tpm);
    if (status == STATUS_OK) {
        status = tpm_identity(tcd->tpm, &tcd->identity);
    }
    if (status != STATUS_OK) {
        return fail_tpm(tcd->config.tcti, status);
    }
    status = open_parts(tcd);
    if (status == STATUS_OK) {
        status = lifecycle_start(tcd, &refusal);
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "tcd: %s\n",
                      refusal.detail[0] ? refusal.detail : status_text(status));
        return EXIT_FAILURE;
    }
    log_event(LOG_NOTICE, "started", "member=%s phase=%s", tcd->config.member,
              tcd_phase_name(tcd->phase));
    notify_ready();
    (void)uv_run(tcd->loop, UV_RUN_DEFAULT);
    tpm_close(tcd->tpm);
    tpm_identity_free(&tcd->identity);
    config_free(&tcd->config);
    return uv_loop_close(tcd->loop) == 0 ? EXIT_SUCCESS : fail("handles were left open");
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .doc = "A member of TCCP's trusted coordinator.\vSee tcd(8) and tcd.conf(5).",
    };
    struct arguments arguments = {.config_path = "/etc/tccp/tcd.conf"};
    char error[CONFIG_ERROR_SIZE] = "", harden_error[DAEMON_ERROR_SIZE] = "";
    struct tcd tcd = {0};
    uv_loop_t loop;
    bool locked;

    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.show_identity && arguments.tcti) {
        return show_identity(arguments.tcti);
    }
    if (config_read(arguments.config_path, &tcd.config, error) != STATUS_OK) {
        return fail(error);
    }
    if (arguments.show_identity) {
        return show_identity(tcd.config.tcti);
    }
    if (daemon_harden(&(struct daemon_hardening){.secret_heap_size = SECRET_HEAP_SIZE,
                                                 .must_lock_memory = !tcd.config.development},
                      &locked, harden_error) != STATUS_OK) {
        return fail(harden_error);
    }
    daemon_log_start(tcd.config.log_level);
    if (uv_loop_init(&loop) != 0) {
        return fail("no event loop");
    }
    tcd.loop = &loop;
    tcd.started_wall_s = time_wall_s();
    tcd.started_boot_ms = time_boot_ms();
    return run(&tcd);
}
