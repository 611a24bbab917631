#include "nodeagent/config.h"

#include "lib/daemon/daemon.h"
#include "lib/net/address.h"
#include "lib/perimeter/root.h"
#include "lib/tpm/host_evidence.h"
#include "lib/tpm/tcti.h"

static const struct config_key keys[] = {
    {.name = "perimeter", .type = CONFIG_STRING, .is_required = true},
    {.name = "coordinators", .type = CONFIG_STRINGS, .is_required = true},
    {.name = "state-directory", .type = CONFIG_STRING, .default_string = "/var/lib/tccp/nodeagent"},
    {.name = "shared-directory", .type = CONFIG_STRING},
    {.name = "migration-address", .type = CONFIG_STRING},
    {.name = "tcti", .type = CONFIG_STRING, .default_string = "device:/dev/tpmrm0"},
    {.name = "event-log", .type = CONFIG_STRING, .default_string = EVENT_LOG_PATH},
    {.name = "ima-log", .type = CONFIG_STRING, .default_string = IMA_LOG_PATH},
    {.name = "development", .type = CONFIG_FLAG},
    {.name = "log-level", .type = CONFIG_STRING, .default_string = "notice"},
};

static bool is_host_and_port(const char *text)
{
    struct address address;

    return address_parse(text, &address) == STATUS_OK && !address.is_unix && address.port != 0;
}

static enum status coordinators_read(struct config *config, char *ret_error)
{
    size_t count = config_list_size(config->file, "coordinators");

    if (count == 0 || count > COORDINATOR_COUNT_MAX) {
        return config_error(config->file, "coordinators", ret_error, "1 to %d addresses",
                            COORDINATOR_COUNT_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        config->coordinators[i] = config_list_item(config->file, "coordinators", i);
        if (!is_host_and_port(config->coordinators[i])) {
            return config_error(config->file, "coordinators", ret_error, "\"%s\" is not host:port",
                                config->coordinators[i]);
        }
    }
    config->coordinator_count = count;
    return STATUS_OK;
}

/* NULL where the file does not say it, or says nothing. */
static const char *optional_string(const struct config *config, const char *name)
{
    const char *value = config_string(config->file, name);

    return *value ? value : NULL;
}

static enum status migration_read(struct config *config, char *ret_error)
{
    config->shared_directory = optional_string(config, "shared-directory");
    config->migration_address = optional_string(config, "migration-address");
    if (config->shared_directory && config->shared_directory[0] != '/') {
        return config_error(config->file, "shared-directory", ret_error,
                            "\"%s\" is no absolute path", config->shared_directory);
    }
    if (config->migration_address && !is_host_and_port(config->migration_address)) {
        return config_error(config->file, "migration-address", ret_error, "\"%s\" is not host:port",
                            config->migration_address);
    }
    return STATUS_OK;
}

static enum status tcti_read(struct config *config, char *ret_error)
{
    const char *why;

    config->tcti = config_string(config->file, "tcti");
    return tcti_check(config->tcti, &why) == STATUS_OK
               ? STATUS_OK
               : config_error(config->file, "tcti", ret_error, "%s", why);
}

/* Takes the file, whatever comes of it. */
static enum status config_take(struct config_file *file, struct config *ret_config, char *ret_error)
{
    OWN(config) struct config config = {.file = file};

    config.state_directory = config_string(file, "state-directory");
    config.event_log_path = config_string(file, "event-log");
    config.ima_log_path = config_string(file, "ima-log");
    config.development = config_flag(file, "development");
    TRY(tcti_read(&config, ret_error));
    TRY(coordinators_read(&config, ret_error));
    TRY(migration_read(&config, ret_error));
    if (perimeter_id_parse(config_string(file, "perimeter"), &config.perimeter_id) != STATUS_OK) {
        return config_error(file, "perimeter", ret_error, "not a perimeter id (tccp1-...)");
    }
    if (log_level_of_name(config_string(file, "log-level"), &config.log_level) != STATUS_OK) {
        return config_error(file, "log-level", ret_error,
                            "one of error, warning, notice, info, debug");
    }
    *ret_config = TAKE(config);
    return STATUS_OK;
}

enum status config_parse(const char *name, struct view text, struct config *ret_config,
                         char *ret_error)
{
    struct config_file *file;

    TRY(config_file_parse(name, text, keys, ARRAY_SIZE(keys), &file, ret_error));
    return config_take(file, ret_config, ret_error);
}

enum status config_read(const char *path, struct config *ret_config, char *ret_error)
{
    struct config_file *file;

    TRY(config_file_read(path, keys, ARRAY_SIZE(keys), &file, ret_error));
    return config_take(file, ret_config, ret_error);
}

void config_free(struct config *config)
{
    if (config->file) {
        config_file_free(config->file);
    }
    *config = (struct config){0};
}
