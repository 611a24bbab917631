#include "cli/settings.h"

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"

#include "lib/base/time_text.h"
#include "lib/daemon/config_file.h"
#include "lib/perimeter/root.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIMEOUT_DEFAULT_S = 30, TIMEOUT_MAX_S = 24 * 3600 };

#define ADDRESS_DEFAULT "unix:/run/tccp/tcd.sock"

static const struct config_key config_keys[] = {
    {.name = "addr", .type = CONFIG_STRINGS},
    {.name = "perimeter", .type = CONFIG_STRING},
    {.name = "identity", .type = CONFIG_STRING},
    {.name = "format", .type = CONFIG_STRING},
};

static const char *const format_names[] = {
    [FORMAT_TABLE] = "table", [FORMAT_WIDE] = "wide", [FORMAT_JSON] = "json",
    [FORMAT_YAML] = "yaml",   [FORMAT_NAME] = "name",
};

static bool format_set(struct cli *cli, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(format_names); i++) {
        if (strcmp(name, format_names[i]) == 0) {
            cli->format = (enum output_format)i;
            return true;
        }
    }
    return false;
}

/* An empty variable is none. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

void settings_early(struct cli *cli, int argc, char **argv)
{
    const char *format = environment("TCCP_FORMAT");

    if (format) {
        (void)format_set(cli, format);
    }
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-o", 2) == 0) {
            (void)format_set(cli, argv[i][2] ? argv[i] + 2 : i + 1 < argc ? argv[i + 1] : "");
        } else if (strncmp(argv[i], "--output=", 9) == 0) {
            (void)format_set(cli, argv[i] + 9);
        } else if (strcmp(argv[i], "--output") == 0 && i + 1 < argc) {
            (void)format_set(cli, argv[i + 1]);
        }
    }
}

static bool path_under(const char *variable, const char *fallback, const char *name, size_t size,
                       char *ret_path)
{
    const char *base = environment(variable), *home = environment("HOME");
    int length;

    if (base && base[0] == '/') {
        length = snprintf(ret_path, size, "%s/tccp/%s", base, name);
    } else if (home) {
        length = snprintf(ret_path, size, "%s/%s/tccp/%s", home, fallback, name);
    } else {
        return false;
    }
    return length > 0 && (size_t)length < size;
}

bool path_of_config(const char *name, size_t size, char *ret_path)
{
    return path_under("XDG_CONFIG_HOME", ".config", name, size, ret_path);
}

bool path_of_state(const char *name, size_t size, char *ret_path)
{
    return path_under("XDG_STATE_HOME", ".local/state", name, size, ret_path);
}

static enum exit_code context_read(struct cli *cli)
{
    const char *name = option_value(cli, "context");
    char path[PATH_MAX], file_name[NAME_MAX], error[CONFIG_ERROR_SIZE];

    name = name ? name : environment("TCCP_CONTEXT");
    if (name && (strchr(name, '/') ||
                 snprintf(file_name, sizeof file_name, "%s.conf", name) >= (int)sizeof file_name)) {
        return report_usage(cli, "%s is no name of a context", name);
    }
    if (!path_of_config(name ? file_name : "config", sizeof path, path) ||
        (!name && !file_exists(path))) {
        return EXIT_DONE;
    }
    if (!file_exists(path)) {
        return report(cli, EXIT_NOT_FOUND, "", "there is no context %s: %s does not exist", name,
                      path);
    }
    if (config_file_read(path, config_keys, ARRAY_SIZE(config_keys), &cli->context, error) !=
        STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "%s", error);
    }
    return EXIT_DONE;
}

static const char *context_string(const struct cli *cli, const char *key)
{
    return cli->context && config_has(cli->context, key) ? config_string(cli->context, key) : NULL;
}

static const char *setting(const struct cli *cli, const char *option, const char *variable,
                           const char *key)
{
    const char *value = option_value(cli, option);

    value = value ? value : environment(variable);
    return value ? value : context_string(cli, key);
}

const char *setting_perimeter(const struct cli *cli)
{
    return setting(cli, "perimeter", "TCCP_PERIMETER", "perimeter");
}

const char *setting_identity(const struct cli *cli)
{
    return setting(cli, "identity", "TCCP_IDENTITY", "identity");
}

enum exit_code setting_perimeter_id(const struct cli *cli, struct digest *ret_id)
{
    const char *text = setting_perimeter(cli);

    if (!text) {
        return report(cli, EXIT_USAGE,
                      "give --perimeter tccp1-..., set TCCP_PERIMETER, or write it into the "
                      "context; `tccpctl ete show` prints it",
                      "no perimeter is pinned");
    }
    if (perimeter_id_parse(text, ret_id) != STATUS_OK) {
        return report_usage(cli, "%s is no perimeter id", text);
    }
    return EXIT_DONE;
}

/* Adds "a,b" to the text. */
static bool addresses_add(struct address_list *list, const char *text)
{
    size_t used = strlen(list->text);
    int length =
        snprintf(list->text + used, sizeof list->text - used, "%s%s", used ? "," : "", text);

    return length >= 0 && (size_t)length < sizeof list->text - used;
}

enum exit_code setting_addresses(const struct cli *cli, struct address_list *ret_list)
{
    const char *value = environment("TCCP_ADDR");
    bool fits = true;
    char *rest, *part;

    *ret_list = (struct address_list){.count = 0};
    if (option_is_set(cli, "addr")) {
        for (size_t i = 0; (value = option_value_at(cli, "addr", i)); i++) {
            fits &= addresses_add(ret_list, value);
        }
    } else if (value) {
        fits = addresses_add(ret_list, value);
    } else if (cli->context && config_has(cli->context, "addr")) {
        for (size_t i = 0; i < config_list_size(cli->context, "addr"); i++) {
            fits &= addresses_add(ret_list, config_list_item(cli->context, "addr", i));
        }
    } else {
        fits = addresses_add(ret_list, ADDRESS_DEFAULT);
    }
    rest = ret_list->text;
    while (fits && (part = strsep(&rest, ","))) {
        fits = ret_list->count < ADDRESS_COUNT_MAX;
        if (*part && fits) {
            ret_list->items[ret_list->count++] = part;
        }
    }
    if (!fits || ret_list->count == 0) {
        return report_usage(cli, "1 to %d addresses of members are expected", ADDRESS_COUNT_MAX);
    }
    return EXIT_DONE;
}

static enum exit_code timeout_read(struct cli *cli)
{
    const char *text = option_value(cli, "timeout");
    uint64_t timeout_s = TIMEOUT_DEFAULT_S;

    if (text && (duration_parse(view_string(text), &timeout_s) != STATUS_OK || timeout_s == 0 ||
                 timeout_s > TIMEOUT_MAX_S)) {
        return report_usage(cli, "--timeout takes a duration such as 30s, not %s", text);
    }
    cli->timeout_s = (unsigned)timeout_s;
    return EXIT_DONE;
}

enum exit_code settings_read(struct cli *cli)
{
    enum exit_code exit_code = context_read(cli);
    const char *format;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    format = setting(cli, "output", "TCCP_FORMAT", "format");
    if (format && !format_set(cli, format)) {
        return report_usage(cli, "unknown format %s: table, wide, json, yaml or name", format);
    }
    cli->quiet = option_is_set(cli, "quiet");
    cli->verbose = option_is_set(cli, "verbose");
    cli->assume_yes = option_is_set(cli, "yes");
    cli->colorless = option_is_set(cli, "no-color") || environment("NO_COLOR");
    return timeout_read(cli);
}

void settings_free(struct cli *cli)
{
    if (cli->context) {
        config_file_free(cli->context);
    }
}

enum exit_code config_run(struct cli *cli)
{
    static const struct column columns[] = {
        {"FORMAT", "format", false},       {"ADDRESSES", "addresses", false},
        {"PERIMETER", "perimeter", false}, {"IDENTITY", "identity", false},
        {"TIMEOUT", "timeout", false},     {NULL, NULL, false},
    };
    OWN(value) struct value *object = value_object();
    struct address_list addresses;
    struct value *list = value_list();
    enum exit_code exit_code;

    value_set_string(object, "format", format_names[cli->format]);
    value_set(object, "addresses", list);
    exit_code = setting_addresses(cli, &addresses);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < addresses.count; i++) {
        value_add(list, value_string(addresses.items[i]));
    }
    value_set_string(object, "perimeter", setting_perimeter(cli));
    value_set_string(object, "identity", setting_identity(cli));
    value_set_number(object, "timeout", cli->timeout_s);
    return output_object(cli, object, columns);
}
