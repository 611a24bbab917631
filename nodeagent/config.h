/* The configuration of a node's agent (docs/man/nodeagent.conf.5). */
#ifndef TCCP_NODEAGENT_CONFIG_H
#define TCCP_NODEAGENT_CONFIG_H

#include "lib/base/log.h"
#include "lib/base/sha256.h"
#include "lib/daemon/config_file.h"

enum { COORDINATOR_COUNT_MAX = 16 };

struct config {
    struct config_file *file; /* owns the strings */
    struct digest perimeter_id;
    const char *coordinators[COORDINATOR_COUNT_MAX]; /* host:port */
    size_t coordinator_count;
    const char *state_directory;
    const char *shared_directory;  /* absolute; NULL: this node's VMs cannot migrate */
    const char *migration_address; /* host:port to take migrations on; NULL: takes none */
    const char *tcti;
    const char *event_log_path, *ima_log_path;
    bool
        development; /* starts without locked memory; registers so only where the manifest agrees */
    enum log_level log_level;
};

/* ret_error (CONFIG_ERROR_SIZE characters): one line, "path:line: what is wrong". */
WARN_UNUSED enum status config_read(const char *path, struct config *ret_config, char *ret_error);
/* The same of bytes that were read already; errors call them `name`. */
WARN_UNUSED enum status config_parse(const char *name, struct view text, struct config *ret_config,
                                     char *ret_error);
void config_free(struct config *config);
DEFINE_OWN_VALUE(config, config_free)

#endif
