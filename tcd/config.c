#include "tcd/config.h"

#include "lib/daemon/daemon.h"
#include "lib/perimeter/root.h"
#include "lib/tpm/host_evidence.h"
#include "lib/tpm/tcti.h"

static const struct config_key keys[] = {
    {.name = "member", .type = CONFIG_STRING, .is_required = true},
    {.name = "perimeter", .type = CONFIG_STRING, .is_required = true},
    {.name = "bundle", .type = CONFIG_STRING, .is_required = true},
    {.name = "state-directory", .type = CONFIG_STRING, .default_string = "/var/lib/tccp/tcd"},
    {.name = "listen", .type = CONFIG_STRING},
    {.name = "raft-listen", .type = CONFIG_STRING},
    {.name = "admin-socket", .type = CONFIG_STRING, .default_string = "/run/tccp/tcd.sock"},
    {.name = "tcti", .type = CONFIG_STRING, .default_string = "device:/dev/tpmrm0"},
    {.name = "event-log", .type = CONFIG_STRING, .default_string = EVENT_LOG_PATH},
    {.name = "ima-log", .type = CONFIG_STRING, .default_string = IMA_LOG_PATH},
    {.name = "development", .type = CONFIG_FLAG},
    {.name = "verifier-threads",
     .type = CONFIG_NUMBER,
     .default_number = 2,
     .number_min = 1,
     .number_max = 64},
    {.name = "log-level", .type = CONFIG_STRING, .default_string = "notice"},
};

enum status config_read(const char *path, struct config *ret_config, char *ret_error)
{
    OWN(config) struct config config = {0};
    struct config_file *file;
    const char *why;

    TRY(config_file_read(path, keys, ARRAY_SIZE(keys), &config.file, ret_error));
    file = config.file;
    config.member = config_string(file, "member");
    config.bundle_path = config_string(file, "bundle");
    config.state_directory = config_string(file, "state-directory");
    config.listen = config_string(file, "listen");
    config.raft_listen = config_string(file, "raft-listen");
    config.admin_socket = config_string(file, "admin-socket");
    config.tcti = config_string(file, "tcti");
    config.event_log_path = config_string(file, "event-log");
    config.ima_log_path = config_string(file, "ima-log");
    config.development = config_flag(file, "development");
    config.verifier_threads = (unsigned)config_number(file, "verifier-threads");
    if (perimeter_id_parse(config_string(file, "perimeter"), &config.perimeter_id) != STATUS_OK) {
        return config_error(file, "perimeter", ret_error, "not a perimeter id (tccp1-...)");
    }
    if (tcti_check(config.tcti, &why) != STATUS_OK) {
        return config_error(file, "tcti", ret_error, "%s", why);
    }
    if (log_level_of_name(config_string(file, "log-level"), &config.log_level) != STATUS_OK) {
        return config_error(file, "log-level", ret_error,
                            "one of error, warning, notice, info, debug");
    }
    *ret_config = TAKE(config);
    return STATUS_OK;
}

void config_free(struct config *config)
{
    if (config->file) {
        config_file_free(config->file);
    }
    *config = (struct config){0};
}
