/*
 * Commands: what is proposed, replicated and applied (docs/PROTOCOL.md, sections 3 to 7).
 *
 * A command is a verdict that the proposer reached outside, with the digests of what it looked at
 * and the versions that it rests on. Applying it decides once more, from the state alone, whether
 * that still holds.
 *
 * Wire form: proto/command.proto, `Command`. Every field is bounded and checked here, once.
 */
#ifndef TCCP_CORE_COMMAND_H
#define TCCP_CORE_COMMAND_H

#include "lib/attest/tpm_structures.h"
#include "lib/base/refusal.h"
#include "tcd/core/limits.h"

#include <stdbool.h>

/* kind, stable name (audit log, metrics), what it rests on, who may ask for it (0: nobody but the
 * coordinator itself) */
#define COMMAND_LIST(X)                                                                            \
    X(PERIMETER_ADOPTED, "perimeter-adopted", 0, 0)                                                \
    X(MANIFEST_APPLIED, "manifest-applied", RESTS_MANIFEST | RESTS_SUCCESSION, BY_OPERATOR)        \
    X(ENDORSEMENT_APPLIED, "endorsement-applied", RESTS_MANIFEST | RESTS_SUCCESSION, BY_OPERATOR)  \
    X(SUCCESSION_APPLIED, "succession-applied", RESTS_MANIFEST | RESTS_SUCCESSION, BY_OPERATOR)    \
    X(MANIFEST_EXPIRED, "manifest-expired", RESTS_MANIFEST, 0)                                     \
    X(MEMBER_JOINED, "member-joined", RESTS_MANIFEST | RESTS_EPOCH | RESTS_POLICY, 0)              \
    X(MEMBER_REMOVED, "member-removed", RESTS_MANIFEST, BY_OPERATOR)                               \
    X(SESSION_OPENED, "session-opened", 0, BY_ANYONE)                                              \
    X(AUDIT_NOTE, "audit-note", 0, BY_ANYONE)                                                      \
    X(USER_ADDED, "user-added", RESTS_MANIFEST, BY_OPERATOR)                                       \
    X(USER_REMOVED, "user-removed", RESTS_MANIFEST, BY_OPERATOR)                                   \
    X(NODE_CORDONED, "node-cordoned", RESTS_MANIFEST, BY_OPERATOR)                                 \
    X(NODE_REVOKED, "node-revoked", RESTS_MANIFEST, BY_OPERATOR)                                   \
    X(REFERENCE_CHUNK, "reference-chunk", 0, BY_OPERATOR)                                          \
    X(NODE_REGISTERED, "node-registered", RESTS_MANIFEST | RESTS_EPOCH | RESTS_POLICY, 0)          \
    X(RENEWAL_BATCH, "renewal-batch", RESTS_EPOCH, 0)                                              \
    X(LEASE_EXPIRED, "lease-expired", RESTS_REGISTRATION | RESTS_RENEWAL, 0)                       \
    X(NODE_QUARANTINED, "node-quarantined", RESTS_REGISTRATION, BY_OPERATOR)                       \
    X(LAUNCH_AUTHORIZED, "launch-authorized", RESTS_RELEASE, BY_CUSTOMER)                          \
    X(RESTART_AUTHORIZED, "restart-authorized", RESTS_RELEASE | RESTS_GENERATION, BY_USER)         \
    X(KEY_REISSUED, "key-reissued", RESTS_RELEASE | RESTS_GENERATION, 0)                           \
    X(LAUNCHED, "launched", RESTS_REGISTRATION | RESTS_GENERATION, 0)                              \
    X(VM_STOP_REQUESTED, "vm-stop-requested", RESTS_GENERATION, BY_USER)                           \
    X(VM_STOPPED, "vm-stopped", RESTS_REGISTRATION | RESTS_GENERATION, 0)                          \
    X(VM_FENCED, "vm-fenced", RESTS_REGISTRATION | RESTS_RENEWAL | RESTS_GENERATION, 0)            \
    X(VM_DELETED, "vm-deleted", RESTS_GENERATION, BY_USER)                                         \
    X(VM_READOPTED, "vm-readopted", RESTS_RELEASE | RESTS_GENERATION, 0)                           \
    X(GRANT_ISSUED, "grant-issued", RESTS_REGISTRATION | RESTS_RENEWAL | RESTS_GENERATION, 0)      \
    X(GRANT_WITHDRAWN, "grant-withdrawn", RESTS_REGISTRATION | RESTS_GENERATION, 0)                \
    X(COPY_DESTROYED, "copy-destroyed", RESTS_REGISTRATION | RESTS_GENERATION, 0)                  \
    X(TOMBSTONES_PURGED, "tombstones-purged", 0, 0)                                                \
    X(MIGRATION_AUTHORIZED, "migration-authorized",                                                \
      RESTS_MANIFEST | RESTS_EPOCH | RESTS_REGISTRATION | RESTS_RENEWAL | RESTS_GENERATION |       \
          RESTS_PEER,                                                                              \
      BY_USER)                                                                                     \
    X(MIGRATION_REPORTED, "migration-reported", RESTS_REGISTRATION | RESTS_GENERATION, 0)          \
    X(MIGRATION_DONE, "migration-done",                                                            \
      RESTS_MANIFEST | RESTS_EPOCH | RESTS_GENERATION | RESTS_PEER, 0)                             \
    X(MIGRATION_ABORTED, "migration-aborted", RESTS_GENERATION, BY_USER)                           \
    X(RESUMED, "resumed", RESTS_REGISTRATION | RESTS_GENERATION, 0)                                \
    X(OWNERSHIP_REVERTED, "ownership-reverted",                                                    \
      RESTS_MANIFEST | RESTS_EPOCH | RESTS_GENERATION | RESTS_PEER, BY_USER)

enum command_kind {
#define X(kind, name, rests, roles) COMMAND_##kind,
    COMMAND_LIST(X)
#undef X
        COMMAND_KIND_COUNT
};

/* The versions of struct rests that a command carries, and that must not have moved. */
enum {
    RESTS_MANIFEST = 1 << 0,
    RESTS_SUCCESSION = 1 << 1,
    RESTS_EPOCH = 1 << 2,
    RESTS_REGISTRATION = 1 << 3,
    RESTS_RENEWAL = 1 << 4,
    RESTS_POLICY = 1 << 5,
    RESTS_GENERATION = 1 << 6,
    RESTS_PEER_REGISTRATION = 1 << 7,
    RESTS_PEER_RENEWAL = 1 << 8,
    RESTS_PEER_POLICY = 1 << 9,
    /* A key goes to the node of `registration`, or to the peer. */
    RESTS_RELEASE =
        RESTS_MANIFEST | RESTS_EPOCH | RESTS_REGISTRATION | RESTS_RENEWAL | RESTS_POLICY,
    RESTS_PEER = RESTS_PEER_REGISTRATION | RESTS_PEER_RENEWAL | RESTS_PEER_POLICY,
};

/* Roles, as bits: who may ask. */
enum {
    BY_OPERATOR = 1 << 0,
    BY_CUSTOMER = 1 << 1,
    BY_AUDITOR = 1 << 2,
    BY_USER = BY_OPERATOR | BY_CUSTOMER, /* a customer only for VMs of its own */
    BY_ANYONE = BY_OPERATOR | BY_CUSTOMER | BY_AUDITOR,
};

const char *command_kind_name(enum command_kind kind);
/* RESTS_... bits, BY_... bits. */
unsigned command_kind_rests(enum command_kind kind);
unsigned command_kind_roles(enum command_kind kind);

struct core_name {
    char text[CORE_NAME_LENGTH_MAX + 1];
};

/* What the proposer saw. Only the fields that the kind's RESTS_... bits name are looked at. */
struct rests {
    uint64_t manifest_version; /* 0: none yet */
    uint64_t succession;       /* number of the last one; 0: none yet */
    uint64_t epoch;            /* of the endorsement in force; 0: none yet */
    uint64_t registration;
    uint64_t renewal;
    struct digest policy;
    uint64_t generation;
    uint64_t peer_registration;
    uint64_t peer_renewal;
    struct digest peer_policy;
};

enum user_role { USER_OPERATOR, USER_CUSTOMER, USER_AUDITOR, USER_ROLE_COUNT };
const char *user_role_name(enum user_role role); /* "operator", "customer", "auditor" */

/* The TPM's counters in a quote. */
struct boot_counters {
    uint32_t reset_count, restart_count;
    uint64_t clock_ms;
};

/* What the next appraisal of the same boot goes on from. */
struct appraisal_progress {
    uint64_t ima_count;          /* entries of the log that led to the quoted PCR 10 */
    struct digest ima_aggregate; /* that PCR */
    struct digest boot_pcrs;     /* SHA-256 over the values of all other quoted PCRs */
    struct digest references;    /* names the reference sets that judged it; zero: none */
};

struct core_attribute {
    char key[CORE_NAME_LENGTH_MAX + 1];
    char value[CORE_VALUE_LENGTH_MAX + 1];
};

struct attribute_rule {
    char key[CORE_NAME_LENGTH_MAX + 1];
    unsigned value_count;
    char values[CORE_RULE_VALUE_COUNT_MAX][CORE_VALUE_LENGTH_MAX + 1];
};

enum lost_lease_action { LOST_LEASE_PAUSE, LOST_LEASE_STOP };

/* When its node is quarantined or revoked; see responses.h. */
enum quarantine_response {
    QUARANTINE_FENCE, /* nothing before its fence: on_lost_lease */
    QUARANTINE_PAUSE,
    QUARANTINE_STOP,
    QUARANTINE_MIGRATE,
};

/* What the coordinator has to know of the policy inside a VM's ticket. */
struct vm_policy {
    unsigned rule_count; /* a node satisfies all of them */
    struct attribute_rule rules[CORE_RULE_COUNT_MAX];
    enum lost_lease_action on_lost_lease;
    uint64_t after_ms;                      /* D */
    enum quarantine_response on_quarantine; /* QUARANTINE_MIGRATE only with may_migrate */
    bool may_migrate;
    bool may_revert;
    bool may_restart;
    bool needs_host_profile;
};

enum stop_cause { STOP_ENDED, STOP_LOST, STOP_FAILED };
enum migration_role { MIGRATION_SOURCE, MIGRATION_DESTINATION };

struct manifest_facts;
struct endorsement_facts;

/* Documents that take effect together. Views are of the bytes of SignedDocument messages. */
struct perimeter_change {
    unsigned succession_count;
    struct view successions[CORE_SUCCESSION_COUNT_MAX];
    uint64_t succession_number; /* of the last of them; they are consecutive */
    struct digest perimeter_id; /* that all the documents name */
    struct view manifest;       /* empty where there is none */
    struct manifest_facts *manifest_facts;
    struct view endorsement;
    struct endorsement_facts *endorsement_facts;
};

struct renewal {
    uint64_t registration;
    uint64_t number; /* one more than the last */
    struct digest policy;
    struct boot_counters boot;
    struct appraisal_progress progress;
};

struct command {
    enum command_kind kind;
    uint64_t time_s;
    uint64_t session, number; /* 0, 0: nobody's request */
    struct digest actor;      /* key id of the user who asked; zero: the coordinator itself */
    struct rests rests;
    struct digest digest; /* SHA-256 of the command's bytes; command_decode() sets it */
    union {
        struct {
            struct view root;
        } perimeter_adopted;
        /* also of ENDORSEMENT_APPLIED and SUCCESSION_APPLIED */
        struct perimeter_change manifest_applied;
        struct {
            struct core_name name;
            struct tpm_name ek_name, ak_name;
            struct digest key;   /* SHA-256 of tk_sign and tk_kem */
            struct digest nonce; /* zero for the first member, which nobody challenged */
            struct boot_counters boot;
        } member_joined;
        struct {
            uint64_t raft_id;
            char reason[CORE_DETAIL_LENGTH_MAX + 1];
        } member_removed;
        struct {
            char text[AUDIT_NOTE_LENGTH_MAX + 1];
        } audit_note;
        struct {
            struct core_name name;
            enum user_role role;
            struct view key;
        } user_added;
        struct {
            struct core_name name;
        } user_removed;
        struct {
            struct core_name node;
            bool cordoned;
        } node_cordoned;
        struct {
            struct core_name node;
            char reason[CORE_DETAIL_LENGTH_MAX + 1];
        } node_revoked;
        struct {
            struct digest digest;  /* of the whole set */
            uint64_t size, offset; /* offset + data.size <= size */
            struct view data;
        } reference_chunk;
        struct {
            struct core_name node;
            struct tpm_name ek_name, ak_name;
            struct view tk_sign; /* SubjectPublicKeyInfo */
            struct view tk_kem;  /* CORE_KEM_KEY_SIZE bytes */
            struct digest nonce; /* n_TC */
            struct boot_counters boot;
            uint64_t firmware_version;
            struct appraisal_progress progress;
            struct digest evidence;
        } node_registered;
        struct {
            size_t count;
            struct renewal *items;
        } renewal_batch;
        struct {
            char reason[CORE_REASON_LENGTH_MAX + 1];
            char detail[CORE_DETAIL_LENGTH_MAX + 1];
            struct finding finding;
        } node_quarantined;
        struct {
            struct digest vm;
            struct core_name name;
            struct digest customer;
            struct view request;
            struct digest image;
            struct vm_policy policy;
            uint8_t pseudonym[PSEUDONYM_SIZE];
            uint64_t ticket_expiry_s;
            uint32_t vcpu_count;
            uint64_t memory_size;
        } launch_authorized;
        /* All the others that concern one VM; each uses what it needs. The vm stands first here
         * and in launch_authorized. */
        struct {
            struct digest vm;
            uint8_t pseudonym[PSEUDONYM_SIZE];       /* RESTART, READOPTED, MIGRATION, REVERTED */
            bool destination;                        /* KEY_REISSUED */
            struct digest measurement, proof;        /* LAUNCHED */
            enum stop_cause cause;                   /* VM_STOPPED */
            char detail[CORE_DETAIL_LENGTH_MAX + 1]; /* VM_STOPPED, MIGRATION_AUTHORIZED */
            struct digest source_nonce, destination_nonce; /* MIGRATION_AUTHORIZED */
            uint64_t lifetime_ms;
        } vm;
        struct {
            uint64_t migration;
            enum migration_role role;                /* REPORTED */
            struct digest session, configuration;    /* REPORTED */
            char reason[CORE_DETAIL_LENGTH_MAX + 1]; /* ABORTED */
        } migration;
        struct {
            uint64_t horizon_s;
        } tombstones_purged;
    };
    void *message; /* What views and pointers above point into. NULL in a command made by hand. */
};

/*
 * Parses and checks one command; the caller frees it with command_free(). It owns all that it
 * points to: `bytes` may go away.
 *
 * STATUS_TOO_LARGE, STATUS_MALFORMED; STATUS_UNSUPPORTED for a kind or a field that this version
 * does not know (a member that meets one in its log halts); STATUS_NO_MEMORY.
 */
WARN_UNUSED enum status command_decode(struct view bytes, struct command **ret_command);
void command_free(struct command *command);
DEFINE_OWN_POINTER(command, command_free)

/*
 * Serialises a command, which may be one on the stack whose views point anywhere; `digest`,
 * `message`, and the facts of documents are not looked at, only the documents. STATUS_TOO_LARGE,
 * STATUS_NO_MEMORY. What it yields command_decode() accepts, or the caller filled a field wrongly.
 */
WARN_UNUSED enum status command_encode(const struct command *command, struct bytes *ret_bytes);

#endif
