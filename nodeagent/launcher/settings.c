#include "nodeagent/launcher/settings.h"

#include "lib/daemon/daemon.h"
#include "lib/perimeter/root.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* Users of guests: far from those of people and services, and below what user namespaces map. */
enum { GUEST_UID_FIRST = 720000, GUEST_UID_MIN = 10000, GUEST_UID_MAX = 2000000000 };

static const struct config_key keys[] = {
    {.name = "perimeter", .type = CONFIG_STRING, .is_required = true},
    {.name = "agent", .type = CONFIG_STRINGS, .is_required = true},
    {.name = "agent-config", .type = CONFIG_STRING, .default_string = "/etc/tccp/nodeagent.conf"},
    {.name = "agent-user", .type = CONFIG_STRING, .is_required = true},
    {.name = "qemu", .type = CONFIG_STRING, .default_string = "/usr/bin/qemu-system-x86_64"},
    {.name = "accelerator", .type = CONFIG_STRING, .default_string = "auto"},
    {.name = "vm-count-max",
     .type = CONFIG_NUMBER,
     .default_number = 64,
     .number_min = 1,
     .number_max = GUESTS_MAX},
    {.name = "vm-uid-first",
     .type = CONFIG_NUMBER,
     .default_number = GUEST_UID_FIRST,
     .number_min = GUEST_UID_MIN,
     .number_max = GUEST_UID_MAX},
    {.name = "memory-mib-max",
     .type = CONFIG_NUMBER,
     .is_required = true,
     .number_min = 1,
     .number_max = UINT32_MAX},
    {.name = "prepare-seconds-max",
     .type = CONFIG_NUMBER,
     .default_number = 7200,
     .number_min = 1,
     .number_max = 86400},
    {.name = "fence-seconds",
     .type = CONFIG_NUMBER,
     .default_number = 5,
     .number_min = 1,
     .number_max = 3600},
    {.name = "log-level", .type = CONFIG_STRING, .default_string = "notice"},
};

static enum status agent_read(struct settings *settings, char *ret_error)
{
    struct agent_settings *agent = &settings->launcher.agent;
    size_t count = config_list_size(settings->file, "agent");

    if (count == 0 || count > AGENT_ARGUMENTS_MAX ||
        config_list_item(settings->file, "agent", 0)[0] != '/') {
        return config_error(settings->file, "agent", ret_error,
                            "the agent's program by its absolute path, and its arguments");
    }
    for (size_t i = 1; i < count; i++) {
        const char *argument = config_list_item(settings->file, "agent", i);

        if (strncmp(argument, "-c", 2) == 0 || strncmp(argument, "--config", 8) == 0) {
            return config_error(settings->file, "agent", ret_error,
                                "its configuration is read by the launcher: name it as "
                                "agent-config");
        }
    }
    for (size_t i = 0; i < count; i++) {
        /* execv() takes them without const, and changes nothing. */
        agent->arguments[i] = (char *)(uintptr_t)config_list_item(settings->file, "agent", i);
    }
    agent->config_path = config_string(settings->file, "agent-config");
    if (agent->config_path[0] != '/') {
        return config_error(settings->file, "agent-config", ret_error, "not an absolute path");
    }
    agent->network_fd = -1;
    return STATUS_OK;
}

static enum status agent_user_read(struct settings *settings, char *ret_error)
{
    struct agent_settings *agent = &settings->launcher.agent;
    const char *name = config_string(settings->file, "agent-user");
    const struct passwd *user = getpwnam(name);
    int count = ARRAY_SIZE(agent->groups);

    if (!user) {
        return config_error(settings->file, "agent-user", ret_error, "no user \"%s\"", name);
    }
    agent->changes_user = user->pw_uid != geteuid();
    agent->uid = user->pw_uid;
    agent->gid = user->pw_gid;
    /* With the groups that it is in, the TPM's among them. */
    if (getgrouplist(name, user->pw_gid, agent->groups, &count) < 0) {
        return config_error(settings->file, "agent-user", ret_error, "in more than %zu groups",
                            ARRAY_SIZE(agent->groups));
    }
    agent->group_count = (size_t)count;
    settings->launcher.guests.agent_uid = agent->uid;
    return STATUS_OK;
}

static enum status numbers_read(struct settings *settings, char *ret_error)
{
    struct launcher_settings *launcher = &settings->launcher;

    launcher->guest_count_max = (unsigned)config_number(settings->file, "vm-count-max");
    launcher->memory_mib_max = config_number(settings->file, "memory-mib-max");
    launcher->prepare_max_ms = config_number(settings->file, "prepare-seconds-max") * 1000;
    launcher->guests.fence_ms = config_number(settings->file, "fence-seconds") * 1000;
    launcher->guests.uid_first = (uid_t)config_number(settings->file, "vm-uid-first");
    if (launcher->agent.uid >= launcher->guests.uid_first &&
        launcher->agent.uid - launcher->guests.uid_first < GUESTS_MAX) {
        return config_error(settings->file, "vm-uid-first", ret_error,
                            "the agent's own user is among the VMs'");
    }
    return STATUS_OK;
}

enum status settings_read(const char *path, struct settings *ret_settings, char *ret_error)
{
    OWN(settings) struct settings settings = {0};

    TRY(config_file_read(path, keys, ARRAY_SIZE(keys), &settings.file, ret_error));
    if (perimeter_id_parse(config_string(settings.file, "perimeter"), &settings.perimeter_id) !=
        STATUS_OK) {
        return config_error(settings.file, "perimeter", ret_error,
                            "not a perimeter id (tccp1-...)");
    }
    settings.launcher.guests.qemu = config_string(settings.file, "qemu");
    if (strncmp(settings.launcher.guests.qemu, "/usr/", 5) != 0) {
        return config_error(settings.file, "qemu", ret_error,
                            "QEMU must lie in /usr: VMs see nothing else");
    }
    if (accelerator_choice_of_name(config_string(settings.file, "accelerator"),
                                   &settings.accelerator) != STATUS_OK) {
        return config_error(settings.file, "accelerator", ret_error, "one of auto, tcg, kvm");
    }
    if (log_level_of_name(config_string(settings.file, "log-level"), &settings.log_level) !=
        STATUS_OK) {
        return config_error(settings.file, "log-level", ret_error,
                            "one of error, warning, notice, info, debug");
    }
    TRY(agent_read(&settings, ret_error));
    TRY(agent_user_read(&settings, ret_error));
    TRY(numbers_read(&settings, ret_error));
    *ret_settings = TAKE(settings);
    return STATUS_OK;
}

void settings_free(struct settings *settings)
{
    if (settings->file) {
        config_file_free(settings->file);
    }
    *settings = (struct settings){0};
}
