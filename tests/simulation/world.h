/*
 * The simulation: coordinators over libraft's in-memory fixture, hosts with launcher, agent and
 * copies of VMs, clients, and a network that loses, repeats, delays and reorders. All of it is
 * drawn from one seed; the same seed gives the same run.
 *
 * What is real: the core, the log entries, raft. What is played: the coordinators' shell
 * (coordinator.c), launcher and agent (host.c), clients (client.c), all after docs/PROTOCOL.md,
 * sections 3 to 5. What must never happen is watched by oracle.c.
 */
#ifndef TCCP_TESTS_SIMULATION_WORLD_H
#define TCCP_TESTS_SIMULATION_WORLD_H

#include "tcd/core/registry.h"

#include <raft.h>
#include <raft/fixture.h>

enum {
    REPLICA_MAX = 5,
    HOST_COUNT = 4,
    VM_MAX = 12, /* launched in the course of a run */
    CLIENT_COUNT = 2,
    MESSAGE_MAX = 1024,
    PROPOSAL_MAX = 256,
    HISTORY_MAX = 20000,
    REQUEST_MAX = 400, /* of a client */

    LEASE_MS = 2000,
    SCAN_MS = 150,
    RETRY_MS = 400,
    FENCE_MS = 100,
};

/* Rules of section 5 that the played parts can be told to break, to see that it is noticed. */
struct broken {
    bool generations;    /* (a) the launcher does not keep the highest generation */
    bool local_resume;   /* (b) a source resumes by itself */
    bool early_destroy;  /* (c) the losing copy is destroyed before the winner resumed */
    bool no_pause;       /* a withdrawn grant is not heeded: the launcher forgets the freeze */
    bool no_deadline;    /* (e) the launcher does not enforce deadlines */
    bool executes_again; /* requests lose their numbers on the way */
};

enum message_kind {
    MESSAGE_NONE,
    /* to a host */
    MESSAGE_REGISTERED,
    MESSAGE_CHALLENGE,
    MESSAGE_RENEWED,
    MESSAGE_ORDER, /* with the key */
    MESSAGE_GRANT,
    MESSAGE_TICKET_SOURCE,
    MESSAGE_TICKET_DESTINATION, /* with the key */
    MESSAGE_DESTROY,
    MESSAGE_STOP,
    MESSAGE_PAUSE,
    /* to a coordinator */
    MESSAGE_REGISTER,
    MESSAGE_RENEW,
    MESSAGE_READY,   /* holds a complete copy that waits for a grant */
    MESSAGE_RUNNING, /* runs it by a grant of that generation */
    MESSAGE_REPORTED,
    MESSAGE_DESTROYED,
    MESSAGE_STOPPED,
    MESSAGE_PAUSED, /* frozen, as asked at that generation */
    MESSAGE_REQUEST,
    /* to a client */
    MESSAGE_ANSWER,
};

enum copy_state { COPY_ABSENT, COPY_INCOMING, COPY_FROZEN, COPY_RUNNING };

struct inventory_item {
    enum copy_state state;
    uint64_t seen;
};

struct message {
    enum message_kind kind;
    uint64_t due_ms;
    uint64_t order; /* in which it was sent */
    unsigned to;    /* host, replica or client */
    unsigned from;
    unsigned vm;
    uint64_t generation, registration, migration, number, time_ms;
    unsigned peer; /* host */
    enum migration_role role;
    enum stop_cause cause;
    uint64_t key; /* number of the trusted key */
    struct boot_counters boot;
    enum refusal_code verdict;
    uint64_t id;
    struct inventory_item inventory[VM_MAX];
};

/* A host's copy of one VM, with what its launcher keeps of it. */
struct copy {
    enum copy_state state;
    uint64_t seen; /* highest generation */
    uint64_t grant_generation, grant_registration;
    uint64_t run_until_ms;
    uint64_t migration; /* that it is part of, on either side */
    unsigned peer;      /* host */
    uint64_t freeze_at_ms, transfer_at_ms;
    bool frozen_by_migration, transferred;
    uint64_t lost_generation; /* it died; to be reported */
    enum stop_cause cause;
};

struct host {
    bool up, agent;
    uint64_t up_at_ms, agent_at_ms;
    uint64_t reset_count, booted_at_ms;
    uint64_t key;          /* trusted key of the agent */
    uint64_t registration; /* 0: none */
    uint64_t lease_until_ms;
    uint64_t next_register_ms, register_sent_ms, next_report_ms;
    unsigned rate_percent; /* its clock against the world's */
    struct copy copies[VM_MAX];
};

struct proposal {
    struct bytes command;
    enum command_kind kind;
    enum { BY_ITSELF, BY_HOST, BY_CLIENT } origin;
    unsigned from;
    uint64_t number;        /* of the client's request */
    struct message message; /* of the host */
};

struct replica {
    unsigned index;
    struct raft_fsm fsm;
    struct registry *registry;
    bool leads;
    raft_term term;
    uint64_t term_began_ms, next_scan_ms;
    size_t queue_count;
    struct proposal queue[PROPOSAL_MAX];
    bool in_flight;
    uint64_t entry_number;
    struct digest flight_digest;
    size_t flight_count;
    struct proposal flight[PROPOSAL_MAX];
    bool flight_applied;
    struct outcome flight_outcomes[PROPOSAL_MAX];
    uint64_t renewed_at_ms[HOST_COUNT];
    uint64_t challenged_at_ms[HOST_COUNT];
    uint64_t without_lease_since_ms[HOST_COUNT];
    uint64_t released_at_ms[VM_MAX]; /* when its key was sent last */
    uint64_t paused_generation[VM_MAX];
    uint64_t migration_began_ms[VM_MAX]; /* when this leader saw it first; 0: none is open */
};

/* What a number of a client's session asks for. */
struct request {
    enum command_kind kind;
    unsigned vm, host;
    bool revert, on;
};

struct client {
    uint64_t session;
    uint64_t number;
    bool waiting;
    uint64_t next_ms;
    struct request requests[REQUEST_MAX + 1];
    uint64_t answered_count;
    struct {
        uint64_t session, number;
        enum refusal_code verdict;
    } answered[REQUEST_MAX];
};

struct world;

/* What must hold; see oracle.c. */
struct oracle {
    struct digest history[HISTORY_MAX], roots[HISTORY_MAX];
    uint64_t history_count; /* revisions 1 to history_count are known */
    /* A second, simpler account of who may be given a key. */
    bool lease_live[HISTORY_MAX]; /* by registration */
    uint64_t registration[HOST_COUNT];
    bool revoked[HOST_COUNT], quarantined[HOST_COUNT], listed[HOST_COUNT], expired;
    uint64_t manifest_version;
    uint64_t generations[VM_MAX];
    unsigned migration_vm[HISTORY_MAX];
    unsigned executed[CLIENT_COUNT][REQUEST_MAX + 1];
    uint64_t stopped_generation[VM_MAX]; /* at which its policy ended it on a bad node */
    uint64_t withdrawals, evacuations;
    uint64_t releases, migrations, reverts, restarts, readoptions, refusals, repeats;
};

struct world {
    uint64_t seed, random;
    struct broken broken;
    unsigned replica_count;
    struct raft_fixture fixture;
    struct replica replicas[REPLICA_MAX];
    struct host hosts[HOST_COUNT];
    struct client clients[CLIENT_COUNT];
    struct message messages[MESSAGE_MAX];
    uint64_t sent;
    uint64_t keys; /* numbers of trusted keys and nonces given so far */
    unsigned vm_count;
    bool trace; /* say what is committed and what happens to copies */
    bool calm;  /* no more faults, nothing lost, no new requests */
    uint32_t manifest_hosts;
    uint64_t manifest_version;
    unsigned policy_revision;
    struct oracle oracle;
    char failure[256];
};

uint64_t world_now(const struct world *world); /* ms */
uint32_t world_draw(struct world *world, uint32_t bound);
/* True once in `of` times, never in calm times. */
bool world_chance(struct world *world, uint32_t of);
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct digest world_vm_id(unsigned vm);
/* D of the VM's policy; the launcher knows it from the order. */
uint64_t world_patience_ms(unsigned vm);
/* VM_MAX when it is none of ours. */
unsigned world_vm_number(const struct digest *id);
/* NULL when the manifest does not name it and it was forgotten. */
const struct node *world_node(const struct registry *registry, unsigned host);
/* HOST_COUNT when there is none. */
unsigned world_host_number(const struct registry *registry, uint64_t node_id);

/* network.c: takes a copy. Lost, doubled and delayed as it happens. */
void network_send(struct world *world, const struct message *message);
void network_deliver(struct world *world);

/* host.c */
void host_start(struct world *world, unsigned host);
void host_receive(struct world *world, const struct message *message);
void host_tick(struct world *world, unsigned host);
void host_disturb(struct world *world, unsigned host);

/* coordinator.c, proposals.c */
void replica_start(struct world *world, unsigned replica);
void replica_stop(struct replica *replica);
void replica_receive(struct world *world, const struct message *message);
void replica_tick(struct world *world, unsigned replica);
void replica_restart(struct world *world, unsigned replica); /* from its snapshot */
void replica_propose(struct replica *replica, const struct command *command,
                     const struct proposal *origin);
/* Scans the state for what is pending, and acts. */
void replica_scan(struct world *world, struct replica *replica);
/* The command was committed, this replica had proposed it and leads in the same term. */
void replica_committed(struct world *world, struct replica *replica,
                       const struct proposal *proposal, const struct outcome *outcome);

/* client.c */
void client_tick(struct world *world, unsigned client);
void client_receive(struct world *world, const struct message *message);
/* The leader's part: makes a command of the request; false when it makes no sense now. */
bool client_command(struct world *world, struct replica *replica, const struct message *message,
                    struct command *ret_command);

/* oracle.c */
void oracle_applied(struct world *world, const struct replica *replica,
                    const struct command *command, const struct outcome *outcome);
void oracle_copy_runs(struct world *world, unsigned host, unsigned vm);
void oracle_copy_paused(struct world *world, unsigned host, unsigned vm, uint64_t generation);
void oracle_copy_goes(struct world *world, unsigned host, unsigned vm);
void oracle_at_the_end(struct world *world);
bool oracle_is_settled(const struct world *world);

/* simulate.c: runs one seed; false when something was violated, with the reason in world->failure.
 */
bool world_run(struct world *world, uint64_t seed, unsigned replica_count, struct broken broken,
               bool trace);

#endif
