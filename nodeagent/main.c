/* nodeagent: the agent of a compute node. docs/man/nodeagent.8 */
#include "nodeagent/config.h"
#include "nodeagent/launcher/agent_config.h"
#include "nodeagent/launcher_client.h"
#include "nodeagent/registrant.h"
#include "nodeagent/vms.h"

#include "lib/attest/tpm_structures.h"
#include "lib/base/text.h"
#include "lib/daemon/daemon.h"
#include "lib/net/connection.h"
#include "lib/net/timer.h"
#include "lib/tpm/tcti.h"

#include <config.h>

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* As tccpctl's (docs/man/tccpctl.1). */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_NOT_READY = 2,
    EXIT_UNTRUSTED = 3,
    EXIT_USAGE = 64,
};

enum {
    SECRET_HEAP_SIZE = 1 << 20,
    TRY_ROUNDS = 2,     /* how often `--try` asks each member */
    TPM_PATIENCE_S = 3, /* at the end; less than what a launcher has (launcher.h) */
};
#define CONFIG_PATH "/etc/tccp/nodeagent.conf"
#define MEMORY_NAME "perimeter-memory"
#define VMS_NAME "vms"

const char *argp_program_version = "nodeagent " PACKAGE_VERSION;

struct options {
    const char *config_path; /* NULL: the default, or the launcher's */
    const char *tcti;        /* with show_identity */
    bool show_identity, try_once;
};

enum { OPTION_TRY = 0x100 }; /* beyond the short options */

static const struct argp_option option_list[] = {
    {"config", 'c', "FILE", 0, "Configuration (default " CONFIG_PATH ")", 0},
    {"show-identity", 'i', NULL, 0,
     "Print this machine's TPM identity as an entry of a manifest, and exit", 0},
    {"tcti", 't', "TCTI", 0, "The TPM, with --show-identity (default: the configuration's)", 0},
    {"try", OPTION_TRY, NULL, 0, "Register once, tell what came of it, and exit", 0},
    {0},
};

static error_t option_parse(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) { /* characters, not an enum */
    case 'c':
        options->config_path = value;
        return 0;
    case 'i':
        options->show_identity = true;
        return 0;
    case 't':
        options->tcti = value;
        return 0;
    case OPTION_TRY:
        options->try_once = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default: /* argp's other keys */
        return ARGP_ERR_UNKNOWN;
    }
}

static enum exit_code complain(const char *what)
{
    (void)fprintf(stderr, "nodeagent: %s\n", what);
    return EXIT_FAILED;
}

/* --- who is this? --- */

static enum exit_code identity_show(const char *tcti)
{
    OWN(tpm) struct tpm *tpm = NULL;
    OWN(tpm_identity) struct tpm_identity identity = {0};
    char ek[HEX_SIZE(TPM_NAME_SIZE_MAX)];
    const char *why;
    enum status status;

    if (tcti_check(tcti, &why) != STATUS_OK) {
        return complain(why);
    }
    status = tpm_new(tcti, &tpm);
    if (status == STATUS_OK) {
        status = tpm_connect(tpm);
    }
    if (status == STATUS_OK) {
        status = tpm_identity(tpm, &identity);
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "nodeagent: TPM at \"%s\": %s; %s\n", tcti,
                      tpm ? tpm_failure(tpm) : status_text(status),
                      tpm ? tpm_failure_hint(tpm) : "");
        return EXIT_FAILED;
    }
    hex_encode(bytes_view(&identity.ek_name), ek);
    (void)printf("node NAME {\n    ek = %s\n    policy = POLICY\n}\n", ek);
    return fflush(stdout) == 0 ? EXIT_DONE : complain("standard output cannot be written");
}

/* --- the program --- */

struct program {
    const struct options *options;
    const struct config *config;
    uv_loop_t *loop;
    struct host *host;
    struct registrant *registrant;
    bool memory_is_locked;
    int launcher_fd; /* -1: not started by a launcher */
    struct vms *vms; /* NULL with --try */
    struct signals *signals;
    struct timer *watchdog, *stop; /* to end: agents are not stopped from inside their callbacks */
    enum exit_code exit_code;
};

/* The TPM's thread cannot be called back from a TPM that does not answer. */
static void on_patience_over(int signal_number)
{
    (void)signal_number;
    _exit(EXIT_DONE);
}

static void program_stop(void *argument)
{
    struct program *program = argument;

    notify_stopping();
    vms_close(TAKE(program->vms));
    if (program->registrant) {
        registrant_stop(program->registrant);
    }
    if (program->host) {
        (void)signal(SIGALRM, on_patience_over);
        (void)alarm(TPM_PATIENCE_S);
        host_close(TAKE(program->host));
        (void)alarm(0);
    }
    if (program->signals) {
        signals_close(TAKE(program->signals));
    }
    if (program->watchdog) {
        timer_free(TAKE(program->watchdog));
    }
    if (program->stop) {
        timer_free(TAKE(program->stop));
    }
}

static void program_end(struct program *program, enum exit_code exit_code)
{
    program->exit_code = exit_code;
    if (program->stop) {
        timer_start(program->stop, 0);
    }
}

static void on_registered(void *argument, uint64_t registration_id, const char *name)
{
    struct program *program = argument;

    notify_status("registered as %s, registration %llu", name, (unsigned long long)registration_id);
    if (program->vms) {
        vms_registered(program->vms);
    }
    if (program->options->try_once) {
        (void)printf("registered: node %s, registration %llu\n", name,
                     (unsigned long long)registration_id);
        program_end(program, fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED);
    }
}

static void on_registration_lost(void *argument)
{
    struct program *program = argument;

    notify_status("not registered");
    if (program->vms) {
        vms_registration_lost(program->vms);
    }
}

static void on_refused(void *argument, const struct refusal *refusal)
{
    struct program *program = argument;
    const char *hint = refusal_hint(refusal->code);

    notify_status("refused: %s", refusal_sentence(refusal->code));
    if (program->options->try_once) {
        (void)fprintf(stderr, "nodeagent: refused (%s): %s%s%s%s%s\n", refusal_name(refusal->code),
                      refusal_sentence(refusal->code), refusal->detail[0] ? ": " : "",
                      refusal->detail, hint[0] ? "; " : "", hint);
        program_end(program, EXIT_UNTRUSTED);
    }
}

static void on_failure(void *argument, enum status reason, const char *detail, bool is_final)
{
    struct program *program = argument;

    (void)reason;
    notify_status("no coordinator: %s", detail);
    /* After a refusal the connection ends as well: the first verdict counts. */
    if (is_final && program->exit_code == EXIT_DONE) {
        (void)fprintf(stderr, "nodeagent: no coordinator can be reached: %s\n", detail);
        program_end(program, EXIT_NOT_READY);
    }
}

static void on_renewed(void *argument, uint64_t renewed_ms, bool is_new_connection)
{
    struct program *program = argument;

    if (program->vms) {
        vms_renewed(program->vms, renewed_ms, is_new_connection);
    }
}

static void on_tpm(void *argument, bool is_well)
{
    const struct program *program = argument;

    if (!is_well) {
        notify_status("the TPM cannot be used: see the log");
    } else if (!program->registrant || registrant_id(program->registrant) == 0) {
        notify_status("not registered");
    } else {
        notify_status("registration %llu", (unsigned long long)registrant_id(program->registrant));
    }
}

static void on_vm_message(void *argument, Tccp__NodeMessageKind kind, struct view payload)
{
    struct program *program = argument;

    if (program->vms) {
        vms_message(program->vms, kind, payload);
    }
}

/* --- what VMs need of the registrant --- */

static enum status vms_identity(void *argument, struct registrant_identity *ret_identity)
{
    const struct program *program = argument;

    return program->registrant ? registrant_identity(program->registrant, ret_identity)
                               : STATUS_NOT_READY;
}

static enum status vms_send(void *argument, Tccp__NodeMessageKind kind, struct view payload)
{
    struct program *program = argument;

    return program->registrant ? registrant_send_vm(program->registrant, kind, payload)
                               : STATUS_NOT_READY;
}

static void on_launcher_lost(void *argument)
{
    program_end(argument, EXIT_FAILED);
}

static void on_signal(void *argument, int signal_number)
{
    (void)signal_number;
    program_stop(argument);
}

static void on_watchdog(void *argument)
{
    struct program *program = argument;

    notify_watchdog();
    timer_start(program->watchdog, notify_watchdog_interval_ms());
}

static enum status timers_start(struct program *program)
{
    TRY(timer_new(program->loop, program_stop, program, &program->stop));
    TRY(timer_new(program->loop, on_watchdog, program, &program->watchdog));
    if (notify_watchdog_interval_ms() > 0) {
        timer_start(program->watchdog, 0);
    }
    return signals_open(program->loop, on_signal, NULL, program, &program->signals);
}

static enum status registrant_begin(struct program *program)
{
    const struct config *config = program->config;
    char memory_path[PATH_MAX];

    (void)snprintf(memory_path, sizeof memory_path, "%s/" MEMORY_NAME, config->state_directory);
    return registrant_start(
        &(struct registrant_config){
            .loop = program->loop,
            .host = program->host,
            .perimeter_id = config->perimeter_id,
            .memory_is_locked = program->memory_is_locked,
            .addresses = config->coordinators,
            .address_count = config->coordinator_count,
            .memory_path = memory_path,
            .attempt_max =
                program->options->try_once ? TRY_ROUNDS * (unsigned)config->coordinator_count : 0,
            .callbacks = {on_registered, on_registration_lost, on_refused, on_failure, on_renewed,
                          on_vm_message, on_tpm},
            .argument = program,
        },
        &program->registrant);
}

static enum status vms_begin(struct program *program, char *ret_error)
{
    const struct config *config = program->config;
    char folder[PATH_MAX];

    ret_error[0] = '\0';
    if (program->options->try_once) {
        return STATUS_OK;
    }
    (void)snprintf(folder, sizeof folder, "%s/" VMS_NAME, config->state_directory);
    return vms_open(
        &(struct vms_config){
            .loop = program->loop,
            .launcher_fd = program->launcher_fd,
            .folder = folder,
            .shared_folder = config->shared_directory,
            .migration_address = config->migration_address,
            .callbacks = {vms_identity, vms_send, on_launcher_lost},
            .argument = program,
        },
        &program->vms, ret_error);
}

static enum exit_code program_start(struct program *program)
{
    const struct config *config = program->config;
    char error[LISTENER_ERROR_SIZE] = "", tpm_error[HOST_ERROR_SIZE];
    enum status status;

    if (mkdir(config->state_directory, 0700) != 0 && errno != EEXIST) {
        (void)fprintf(stderr, "nodeagent: %s: %s\n", config->state_directory, strerror(errno));
        return EXIT_FAILED;
    }
    status = host_open(&(struct host_config){.loop = program->loop,
                                             .tcti = config->tcti,
                                             .event_log_path = config->event_log_path,
                                             .ima_log_path = config->ima_log_path},
                       &program->host, tpm_error);
    if (status != STATUS_OK) {
        return complain(tpm_error);
    }
    status = timers_start(program);
    if (status == STATUS_OK) {
        status = vms_begin(program, error);
    }
    if (status != STATUS_OK && error[0]) {
        return complain(error);
    }
    if (status == STATUS_OK) {
        status = registrant_begin(program);
    }
    if (status == STATUS_MALFORMED) {
        (void)fprintf(stderr, "nodeagent: %s/" MEMORY_NAME " is damaged\n",
                      config->state_directory);
        return EXIT_FAILED;
    }
    return status == STATUS_OK ? EXIT_DONE : complain(status_text(status));
}

static enum exit_code program_run(const struct options *options, const struct config *config,
                                  int launcher_fd, bool memory_is_locked)
{
    struct program program = {.options = options,
                              .config = config,
                              .loop = uv_default_loop(),
                              .launcher_fd = launcher_fd,
                              .memory_is_locked = memory_is_locked,
                              .exit_code = EXIT_DONE};
    enum exit_code started = program_start(&program);

    if (started != EXIT_DONE) {
        program.exit_code = started;
        program_stop(&program);
    } else {
        notify_ready();
    }
    (void)uv_run(program.loop, UV_RUN_DEFAULT);
    if (program.registrant) {
        registrant_free(program.registrant);
    }
    (void)uv_loop_close(program.loop);
    return program.exit_code;
}

/* Exactly the bytes that the launcher read. */
static enum status config_of_launcher(struct config *ret_config, char *ret_error)
{
    OWN(bytes) struct bytes text = {0};
    const char *name;
    enum status status = agent_config_take(&text, &name);

    if (status != STATUS_OK) {
        (void)snprintf(ret_error, CONFIG_ERROR_SIZE, "no configuration came from the launcher: %s",
                       status_text(status));
        return status;
    }
    return config_parse(name, bytes_view(&text), ret_config, ret_error);
}

int main(int argc, char **argv)
{
    static const struct argp parser = {
        .options = option_list,
        .parser = option_parse,
        .doc = "The agent of a compute node: registers it with the coordinator and keeps its "
               "lease.\vSee nodeagent(8) and nodeagent.conf(5).",
    };
    struct options options = {0};
    OWN(config) struct config config = {0};
    char error[CONFIG_ERROR_SIZE] = "", harden_error[DAEMON_ERROR_SIZE] = "";
    int launcher_fd = -1;
    bool is_locked;

    argp_err_exit_status = EXIT_USAGE;
    (void)argp_parse(&parser, argc, argv, 0, NULL, &options);
    if (options.show_identity && options.tcti) {
        return identity_show(options.tcti);
    }
    if (launcher_client_inherited(&launcher_fd) != STATUS_OK) {
        launcher_fd = -1;
    }
    if (launcher_fd >= 0 && options.config_path) {
        (void)complain("started by a launcher, it has the configuration from there, and takes no "
                       "--config");
        return EXIT_USAGE;
    }
    if ((launcher_fd >= 0 ? config_of_launcher(&config, error)
                          : config_read(options.config_path ? options.config_path : CONFIG_PATH,
                                        &config, error)) != STATUS_OK) {
        return complain(error);
    }
    if (options.show_identity) {
        return identity_show(config.tcti);
    }
    if (daemon_harden(&(struct daemon_hardening){.keep_fds = &launcher_fd,
                                                 .keep_fd_count = launcher_fd >= 0 ? 1 : 0,
                                                 .secret_heap_size = SECRET_HEAP_SIZE,
                                                 .must_lock_memory = !config.development},
                      &is_locked, harden_error) != STATUS_OK) {
        return complain(harden_error);
    }
    daemon_log_start(config.log_level);
    return program_run(&options, &config, launcher_fd, is_locked);
}
