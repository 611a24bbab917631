/*
 * The agent's configuration, as the launcher hands it over. The launcher reads the file as root,
 * where a kernel that measures what root reads (IMA) measures it, and the agent gets exactly those
 * bytes: they lie in memory that nobody can change any more. It opens no file of its own, and what
 * becomes of this one later is of no effect until an agent is started anew.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_AGENT_CONFIG_H
#define TCCP_NODEAGENT_LAUNCHER_AGENT_CONFIG_H

#include "lib/base/bytes.h"

enum { AGENT_CONFIG_SIZE_MAX = 1 << 20 };

/* Where an agent finds it: the number of a descriptor, and what errors call the file. */
#define AGENT_CONFIG_FD_ENVIRONMENT "TCCP_CONFIG_FD"
#define AGENT_CONFIG_PATH_ENVIRONMENT "TCCP_CONFIG_PATH"

/* The launcher's side: a sealed copy of a regular file of at most AGENT_CONFIG_SIZE_MAX bytes,
 * under a descriptor that is closed on exec. STATUS_NOT_FOUND or STATUS_IO with errno;
 * STATUS_TOO_LARGE.
 */
WARN_UNUSED enum status agent_config_seal(const char *path, int *ret_fd);

/*
 * The agent's side: the bytes that the launcher gave this process, and a name for errors that lasts
 * as long as the environment. The descriptor is closed. STATUS_NOT_FOUND when it was given none;
 * STATUS_UNTRUSTED when they could still be changed, which the launcher's cannot; STATUS_TOO_LARGE,
 * STATUS_IO.
 */
WARN_UNUSED enum status agent_config_take(struct bytes *ret_text, const char **ret_name);

#endif
