/*
 * The agent as the launcher's child: started as its own user with its configuration and its end of
 * a channel, started again when it ends. It dies with the launcher.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_SUPERVISOR_H
#define TCCP_NODEAGENT_LAUNCHER_SUPERVISOR_H

#include "nodeagent/launcher/channel.h"

#include <sys/types.h>

enum {
    AGENT_ARGUMENTS_MAX = 32,
    AGENT_RESTART_MIN_MS = 100, /* doubles with each end that follows soon after a start */
    AGENT_RESTART_MAX_MS = 10000,
    AGENT_STEADY_MS = 10000, /* an agent that lived so long is started again at once */
};

struct agent_settings {
    char *arguments[AGENT_ARGUMENTS_MAX +
                    1]; /* of the program, absolute path first; NULL-terminated */
    bool changes_user;
    uid_t uid;
    gid_t gid;
    gid_t groups[8];
    size_t group_count;
    const char *config_path; /* what the agent is given (agent_config.h); NULL: nothing */
    int network_fd; /* the namespace it lives in, the launcher having none; -1: the launcher's */
};

struct agent {
    const struct agent_settings *settings;
    pid_t pid;
    int pidfd;   /* -1 while none runs */
    int channel; /* -1 while none runs */
    uint64_t started_ms;
    uint64_t restart_at_ms; /* UINT64_MAX while one runs */
    unsigned delay_ms;
};

void agent_init(struct agent *agent, const struct agent_settings *settings);
/* Reads its configuration anew. On failure, which leaves errno, *ret_step names what could not be
 * done, or the file that could not be read. */
WARN_UNUSED enum status agent_start(struct agent *agent, uint64_t now_ms, const char **ret_step);
/* Collects it if it has ended: closes the channel, sets when to start the next. */
bool agent_collect(struct agent *agent, uint64_t now_ms);
/* SIGKILL to one that broke the protocol or does not read. */
void agent_kill(struct agent *agent);
/* SIGTERM, some patience, SIGKILL. For the launcher's own end. */
void agent_stop(struct agent *agent, unsigned patience_ms);

#endif
