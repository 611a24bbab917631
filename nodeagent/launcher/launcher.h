/*
 * The launcher: privileged, small, without keys and without network. It starts QEMU in a sandbox,
 * holds what must outlive the agent, lets a guest run only under a grant that the coordinator
 * signed, and supervises the agent. Its death kills its VMs.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_LAUNCHER_H
#define TCCP_NODEAGENT_LAUNCHER_LAUNCHER_H

#include "nodeagent/launcher/guest.h"
#include "nodeagent/launcher/supervisor.h"

enum {
    GUESTS_MAX = 1024,
    REMEMBERED_MAX = 4096, /* VMs that ended here, whose generations are remembered */
    AGENT_PATIENCE_MS = 5000,
};

struct launcher_settings {
    struct guest_settings guests;
    struct agent_settings agent;
    unsigned guest_count_max; /* up to GUESTS_MAX */
    uint64_t memory_mib_max;  /* of all guests together */
    uint64_t prepare_max_ms;  /* longest time without a grant that an agent may ask for */
};

/* Runs until SIGTERM or SIGINT, then ends agent and VMs. Signals must be blocked in no other way
 * before; log sink and hardening are the caller's. */
WARN_UNUSED enum status launcher_run(const struct launcher_settings *settings,
                                     const struct grant_verifier *verifier);

#endif
