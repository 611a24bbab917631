#include "cli/cli.h"

#include <string.h>

const char *argument_at(const struct cli *cli, size_t index)
{
    return index < cli->argument_count ? cli->arguments[index] : NULL;
}

const char *option_value_at(const struct cli *cli, const char *name, size_t index)
{
    for (size_t i = 0; i < cli->option_count; i++) {
        if (strcmp(cli->options[i].spec->name, name) == 0 && index-- == 0) {
            return cli->options[i].value;
        }
    }
    return NULL;
}

const char *option_value(const struct cli *cli, const char *name)
{
    for (size_t i = cli->option_count; i-- > 0;) {
        if (strcmp(cli->options[i].spec->name, name) == 0) {
            return cli->options[i].value;
        }
    }
    return NULL;
}

bool option_is_set(const struct cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->option_count; i++) {
        if (strcmp(cli->options[i].spec->name, name) == 0) {
            return true;
        }
    }
    return false;
}
