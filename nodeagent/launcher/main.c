/* tccp-launcher: starts, confines and fences VMs, and supervises the agent.
 * docs/man/tccp-launcher.8 */
#include "nodeagent/launcher/confinement.h"
#include "nodeagent/launcher/settings.h"
#include "nodeagent/launcher/trust.h"

#include "lib/daemon/daemon.h"

#include <config.h>

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 64 };

#define CONFIG_PATH "/etc/tccp/launcher.conf"

const char *argp_program_version = "tccp-launcher " PACKAGE_VERSION;

struct options {
    const char *config_path;
};

static const struct argp_option option_list[] = {
    {"config", 'c', "FILE", 0, "Configuration (default " CONFIG_PATH ")", 0},
    {0},
};

static error_t option_parse(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) { /* characters, not an enum */
    case 'c':
        options->config_path = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_usage(state);
        return 0;
    default: /* a key of argp */
        return ARGP_ERR_UNKNOWN;
    }
}

static enum status verifier_trust(void *context, struct view ca_certificate,
                                  struct refusal *ret_refusal)
{
    return trust_set(context, ca_certificate, (uint64_t)time(NULL), ret_refusal);
}

static enum status verifier_verify(void *context, struct view signed_grant, uint64_t registration,
                                   struct run_grant *ret_grant, struct refusal *ret_refusal)
{
    return trust_verify(context, signed_grant, registration, ret_grant, ret_refusal);
}

static enum accelerator accelerator_choose(enum accelerator_choice choice)
{
    struct accelerator_evidence evidence;
    enum accelerator accelerator;

    accelerator_look(&evidence);
    accelerator = accelerator_decide(choice, &evidence);
    log_event(LOG_NOTICE, "accelerator", "use=%s virtualizes=%d pvm=%d opens=%d",
              accelerator == ACCELERATOR_KVM ? "kvm" : "tcg", evidence.cpu_virtualizes,
              evidence.has_kvm_pvm, evidence.kvm_opens);
    return accelerator;
}

static int run(struct settings *settings)
{
    OWN(trust) struct trust trust;
    const struct grant_verifier verifier = {&trust, verifier_trust, verifier_verify};
    const char *step;
    enum status status;

    trust_init(&trust, &settings->perimeter_id);
    settings->launcher.guests.accelerator = accelerator_choose(settings->accelerator);
    status = confinement_enter(&settings->launcher.agent.network_fd, &step);
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "tccp-launcher: cannot confine itself (%s): run it as root\n", step);
        return EXIT_FAILED;
    }
    notify_ready();
    status = launcher_run(&settings->launcher, &verifier);
    notify_stopping();
    if (status != STATUS_OK) {
        log_event(LOG_ERROR, "launcher-failed", "status=\"%s\"", status_text(status));
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    const struct argp parser = {.options = option_list,
                                .parser = option_parse,
                                .doc = "Starts, confines and fences VMs; supervises nodeagent."};
    const struct daemon_hardening hardening = {0};
    struct options options = {.config_path = CONFIG_PATH};
    OWN(settings) struct settings settings = {0};
    char error[CONFIG_ERROR_SIZE];
    bool is_locked;

    if (daemon_harden(&hardening, &is_locked, error) != STATUS_OK) {
        (void)fprintf(stderr, "tccp-launcher: %s\n", error);
        return EXIT_FAILED;
    }
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&parser, argc, argv, 0, NULL, &options) != 0) {
        return EXIT_USAGE;
    }
    if (geteuid() != 0) {
        (void)fprintf(stderr, "tccp-launcher: it must be started as root\n");
        return EXIT_FAILED;
    }
    if (settings_read(options.config_path, &settings, error) != STATUS_OK) {
        (void)fprintf(stderr, "tccp-launcher: %s\n", error);
        return EXIT_FAILED;
    }
    daemon_log_start(settings.log_level);
    return run(&settings);
}
