/*
 * What the launcher gives up itself, after it has read its configuration: the network, capabilities
 * that it has no use for, and system calls that nobody below it needs either.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_CONFINEMENT_H
#define TCCP_NODEAGENT_LAUNCHER_CONFINEMENT_H

#include "lib/base/status.h"

/*
 * ret_network_fd: the network namespace that was left, for the agent. On failure *ret_step names
 * what could not be done.
 */
WARN_UNUSED enum status confinement_enter(int *ret_network_fd, const char **ret_step);

#endif
