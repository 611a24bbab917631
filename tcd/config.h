/* The configuration of a member (docs/man/tcd.conf.5). */
#ifndef TCCP_TCD_CONFIG_H
#define TCCP_TCD_CONFIG_H

#include "lib/base/log.h"
#include "lib/base/sha256.h"
#include "lib/daemon/config_file.h"

struct config {
    struct config_file *file; /* owns the strings */
    const char *member;       /* its name in the manifest */
    struct digest perimeter_id;
    const char *bundle_path; /* root and signed manifest; read once, before the member has a state
                                of its own */
    const char *state_directory;
    const char *listen; /* API; default: the manifest's address */
    const char *raft_listen;
    const char *admin_socket; /* path of the local socket */
    const char *tcti;
    const char *event_log_path, *ima_log_path;
    bool development; /* goes without locked memory; shows in every status */
    unsigned verifier_threads;
    enum log_level log_level;
};

/* ret_error (CONFIG_ERROR_SIZE characters): one line, "path:line: what is wrong". */
WARN_UNUSED enum status config_read(const char *path, struct config *ret_config, char *ret_error);
void config_free(struct config *config);
DEFINE_OWN_VALUE(config, config_free)

#endif
