/*
 * The records that the state consists of, as its readers see them. They belong to the registry and
 * are valid until the next command is applied; only the core changes them.
 */
#ifndef TCCP_CORE_RECORDS_H
#define TCCP_CORE_RECORDS_H

#include "tcd/core/command.h"

/* What is in force (docs/PROTOCOL.md, section 1). */
struct perimeter {
    bool adopted;
    struct digest id;
    struct bytes root; /* a PerimeterRoot */
    unsigned succession_count;
    struct bytes successions[CORE_SUCCESSION_COUNT_MAX]; /* SignedDocument messages */

    struct bytes manifest;         /* a SignedDocument; empty before the first */
    struct digest manifest_digest; /* of the document in it */
    uint64_t manifest_version, manifest_epoch;
    uint64_t not_before_s, not_after_s;
    uint32_t lease_s;
    bool development;
    bool expired; /* a committed event, not a look at a clock */
    struct digest member_policy;
    unsigned reference_count;
    struct digest *references; /* sets that its policies name */

    struct bytes endorsement; /* a SignedDocument; empty before the first */
    uint64_t epoch;           /* its epoch; 0 before the first */
    uint64_t endorsed_until_s;
    struct digest tc_keys; /* SHA-256 of tc_sign and tc_kem, each length-prefixed */
};

/* The bytes of a reference set. They stay while anybody holds them, who may then read them on
 * another thread once the set is complete; holding and releasing is for the thread that applies
 * commands. */
struct reference_bytes {
    unsigned references;
    uint8_t data[];
};
struct reference_bytes *reference_bytes_hold(struct reference_bytes *bytes);
void reference_bytes_release(struct reference_bytes *bytes);

/* A reference set, by the SHA-256 of its bytes; to the state it is bytes and nothing else. */
struct reference_blob {
    struct digest digest;
    uint64_t size;
    uint64_t received;             /* bytes, from the first one on; see reference_is_complete() */
    struct reference_bytes *bytes; /* room for `size` */
    struct sha256 hash;            /* of those received */
};
static inline bool reference_is_complete(const struct reference_blob *reference)
{
    return reference->received == reference->size;
}

/* A member that the manifest names. */
struct member_entry {
    struct core_name name;
    struct tpm_name ek_name, ak_name;
    char address[CORE_ADDRESS_LENGTH_MAX + 1];
    char raft_address[CORE_ADDRESS_LENGTH_MAX + 1];
};

/* A member that has joined: a raft id is given once, a member that joins again gets another. */
struct member {
    uint64_t raft_id;
    struct core_name name;
    struct tpm_name ek_name, ak_name;
    struct digest key;
    struct boot_counters boot;
    uint64_t joined_at_s;
};

struct user {
    struct core_name name;
    enum user_role role;
    size_t key_size;
    uint8_t key[CORE_KEY_SIZE_MAX]; /* SubjectPublicKeyInfo */
    struct digest key_id;
    bool from_manifest;
    uint64_t added_at_s;
};

enum node_standing { NODE_GOOD, NODE_QUARANTINED, NODE_REVOKED };

/* Standing and lease as people see them: "never-seen", "live", "expired", "quarantined", "revoked".
 */
enum node_state { NODE_NEVER_SEEN, NODE_LIVE, NODE_EXPIRED, NODE_IN_QUARANTINE, NODE_OUT };
const char *node_state_name(enum node_state state);

struct registration {
    uint64_t id;      /* 0: never registered. Given once. */
    bool live;        /* its lease was not expired by a command */
    uint32_t lease_s; /* the longest that it was ever given: what rests on it may last so long */
    uint64_t renewal;
    uint64_t epoch, manifest_version;
    struct digest policy; /* by which its last evidence was appraised */
    struct tpm_name ak_name;
    size_t tk_sign_size;
    uint8_t tk_sign[CORE_KEY_SIZE_MAX];
    uint8_t tk_kem[CORE_KEM_KEY_SIZE];
    struct boot_counters boot;
    uint64_t firmware_version;
    struct appraisal_progress progress;
    struct digest evidence;
    uint64_t registered_at_s, renewed_at_s;
};

/* A host, by its EK. One that left the manifest is revoked, and kept while VMs lie on it. */
struct node {
    uint64_t id; /* within the state; never reused */
    struct core_name name;
    struct tpm_name ek_name;
    struct digest ek_id; /* SHA-256 of ek_name */
    bool in_manifest;
    struct core_name policy_name;
    struct digest policy; /* that it must satisfy now */
    bool host_profile;
    unsigned attribute_count;
    struct core_attribute *attributes;
    enum node_standing standing;
    bool cordoned;
    char reason[CORE_REASON_LENGTH_MAX + 1]; /* of its standing; a stable name */
    char detail[CORE_DETAIL_LENGTH_MAX + 1];
    struct finding finding; /* what its quarantine is about; empty texts where there is nothing */
    uint64_t standing_since_s; /* 0: it never was anything but good */
    struct registration registration;
    unsigned vm_count; /* owned, or a copy of which lies there */
};
enum node_state node_state(const struct node *node);

enum vm_state {
    VM_LAUNCHING, /* its key was released, the node has not reported yet */
    VM_RUNNING,
    VM_MIGRATING,
    VM_PAUSED,   /* its grant was withdrawn, its node being quarantined or revoked: until that node
                    registers anew */
    VM_RESUMING, /* a decision on its migration was made, the owner has not reported yet */
    VM_STOPPED,
    VM_LOST,    /* the owner's copy is no more, or fenced for so long that it cannot run */
    VM_DELETED, /* a tombstone, until its ticket cannot be used any more */
    VM_STATE_COUNT
};
const char *vm_state_name(enum vm_state state);

struct vm_place {
    uint64_t node;         /* node.id; 0: nowhere */
    uint64_t registration; /* under which it got there */
};

struct vm {
    struct digest id;
    enum vm_state state;
    uint64_t generation;         /* raised by every decision on who may run it */
    uint64_t granted_generation; /* of the last run grant */
    uint64_t start_generation;   /* at which it was last started from its image */
    struct core_name name;
    struct digest customer; /* key id */
    struct digest image;
    struct bytes request; /* as received; the ticket in it is sealed */
    struct vm_policy policy;
    uint8_t pseudonym[PSEUDONYM_SIZE]; /* of the owner, in what the customer sees */
    uint64_t ticket_expiry_s;
    uint32_t vcpu_count;
    uint64_t memory_size;
    struct vm_place owner;
    struct vm_place peer; /* destination while migrating; afterwards holder of the losing copy */
    bool peer_complete;   /* the losing copy could run */
    uint8_t peer_pseudonym[PSEUDONYM_SIZE];
    bool stop_requested;
    uint64_t release_count; /* how often its key went to a node */
    struct digest measurement, proof;
    uint64_t changed_at_s;
    char detail[CORE_DETAIL_LENGTH_MAX + 1];

    /* the migration that is open in VM_MIGRATING; session and configuration stay afterwards */
    uint64_t migration;
    bool reported[2]; /* by enum migration_role */
    struct digest session, configuration;
    struct digest source_nonce, destination_nonce;
    uint64_t lifetime_ms;
    /* The last one that was decided, and how; 0: none. Until RESUMED both nodes are to hear it. */
    uint64_t last_migration;
    bool last_migration_done;
};

#endif
