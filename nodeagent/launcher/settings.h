/* The launcher's configuration file (docs/man/tccp-launcher.conf.5). */
#ifndef TCCP_NODEAGENT_LAUNCHER_SETTINGS_H
#define TCCP_NODEAGENT_LAUNCHER_SETTINGS_H

#include "nodeagent/launcher/launcher.h"

#include "lib/base/log.h"
#include "lib/daemon/config_file.h"

struct settings {
    struct config_file *file; /* what the strings below point into */
    struct digest perimeter_id;
    enum log_level log_level;
    enum accelerator_choice accelerator;
    struct launcher_settings launcher; /* without accelerator and network, which are looked up */
};

/* Reads and checks the file. ret_error (CONFIG_ERROR_SIZE characters) is one line. */
WARN_UNUSED enum status settings_read(const char *path, struct settings *ret_settings,
                                      char *ret_error);
void settings_free(struct settings *settings);
DEFINE_OWN_VALUE(settings, settings_free)

#endif
