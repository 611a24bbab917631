/*
 * The coordinator's replicated state. Deterministic: no I/O, no clock, no randomness; of
 * cryptography only SHA-256. All members apply the same commands in the same order and have the
 * same state, the same digest of it, and the same audit log.
 *
 * Memory that runs out while applying cannot be a verdict (the members would differ): it aborts.
 */
#ifndef TCCP_CORE_REGISTRY_H
#define TCCP_CORE_REGISTRY_H

#include "lib/base/canonical.h"
#include "lib/base/merkle.h"
#include "lib/base/refusal.h"
#include "tcd/core/command.h"
#include "tcd/core/records.h"

struct registry;

struct registry *registry_new(void); /* NULL: out of memory */
void registry_free(struct registry *registry);
DEFINE_OWN_POINTER(registry, registry_free)

/* What came of a command. Pointers are valid until the next command is applied. */
struct outcome {
    enum refusal_code verdict;
    const char *detail; /* of a refusal: what was seen and expected; static or in the registry */
    bool repeated;      /* the request was executed before: this is its stored result */
    uint64_t revision;  /* after it */
    /* What was made: session id, raft id, registration id, migration id. 0: nothing. */
    uint64_t id;
    uint64_t generation; /* of the VM, where one was concerned */
    /* Leaves of the audit log that it made, in order; the first one's index is leaf_index. */
    uint64_t leaf_index; /* of a repeated request: that of then */
    size_t leaf_count;
    const struct view *leaves;
    /* RENEWAL_BATCH: a verdict for each item. */
    size_t item_count;
    const enum refusal_code *items;
};

/*
 * Applies one command. A refusal is a verdict: it changes no record, but is counted, and it is a
 * leaf of the audit log when an authenticated user had asked.
 *
 * In this order: a request that was executed before yields its stored result; the actor's role;
 * the versions that the command rests on; then what the kind requires. Refused with STALE_VERSION,
 * REGISTRATION or GENERATION because a version has moved, a request counts as not executed: its
 * number may be proposed again. All other refusals are remembered like successes.
 *
 * The revision grows by one with every command, refused or not. Returns ret_outcome->verdict.
 */
enum refusal_code registry_apply(struct registry *registry, const struct command *command,
                                 struct outcome *ret_outcome);

uint64_t registry_revision(const struct registry *registry);
/* A chain over all commands, their verdicts, and the records that they touched. */
struct digest registry_digest(const struct registry *registry);
enum { REGISTRY_HISTORY_COUNT = 1024 };
/*
 * The digest at one of the last REGISTRY_HISTORY_COUNT revisions, for comparing members.
 * STATUS_NOT_FOUND when it is too old, before a snapshot that was restored, or in the future.
 */
WARN_UNUSED enum status registry_digest_at(const struct registry *registry, uint64_t revision,
                                           struct digest *ret_digest);
/* The greatest time that a command carried, seconds. For records; decides nothing. */
uint64_t registry_time_s(const struct registry *registry);
/* Tickets that expired before are refused: the tombstones of their VMs are gone. */
uint64_t registry_tombstone_horizon_s(const struct registry *registry);
/* The audit log's size and peaks. */
const struct merkle_frontier *registry_audit(const struct registry *registry);

struct registry_counters {
    uint64_t stale;    /* commands refused that nobody asked for */
    uint64_t renewals; /* accepted */
    uint64_t refused_renewals;
};
const struct registry_counters *registry_counters(const struct registry *registry);

/* ---- Reading. NULL where there is none. A *_next() starts with *cursor = 0. ---- */

const struct perimeter *registry_perimeter(const struct registry *registry);
struct scope registry_scope(const struct registry *registry);
/* Fills the versions that the command rests on (manifest, succession, epoch) from the state. */
void registry_rest(const struct registry *registry, struct rests *rests);
/* ... and of a node: registration, renewal, policy; as the peer. */
void registry_rest_on_node(const struct node *node, struct rests *rests);
void registry_rest_on_peer(const struct node *node, struct rests *rests);

/* Members that the manifest names, in its order. */
const struct member_entry *registry_member_entry_next(const struct registry *registry,
                                                      size_t *cursor);
const struct member_entry *registry_member_entry(const struct registry *registry, const char *name);
/* Members that joined, in the order of joining. */
const struct member *registry_member_next(const struct registry *registry, size_t *cursor);
const struct member *registry_member(const struct registry *registry, uint64_t raft_id);
const struct member *registry_member_by_name(const struct registry *registry, const char *name);
/* A member that joined and that the manifest still names, by EK and AK. */
bool registry_member_is_listed(const struct registry *registry, const struct member *member);

const struct node *registry_node_next(const struct registry *registry, size_t *cursor);
const struct node *registry_node(const struct registry *registry, uint64_t id);
/* Only nodes of the manifest have a name. */
const struct node *registry_node_by_name(const struct registry *registry, const char *name);
const struct node *registry_node_by_ek(const struct registry *registry, struct view ek_name);
/* By its current registration only. */
const struct node *registry_node_by_registration(const struct registry *registry,
                                                 uint64_t registration);
/*
 * May a key be released to this node now (I1, all but the VM's own policy)? In the manifest, which
 * has not expired; lease live; neither revoked nor quarantined; appraised by the current policy
 * and in the current epoch. REFUSAL_NONE: yes.
 */
enum refusal_code registry_node_admits(const struct registry *registry, const struct node *node);
/* Was the nonce or trusted key used (among the last SEEN_COUNT_MAX)? */
bool registry_was_seen(const struct registry *registry, const struct digest *digest);

const struct user *registry_user_next(const struct registry *registry, size_t *cursor);
const struct user *registry_user(const struct registry *registry, const char *name);
const struct user *registry_user_by_key(const struct registry *registry,
                                        const struct digest *key_id);

const struct vm *registry_vm_next(const struct registry *registry, size_t *cursor);
const struct vm *registry_vm(const struct registry *registry, const struct digest *id);
const struct vm *registry_vm_by_migration(const struct registry *registry, uint64_t migration);
/* The other copy of a VM was received from a node that is revoked now, and the migration was not
 * done: it never runs (docs/PROTOCOL.md, section 3). */
bool registry_vm_came_from_revoked(const struct registry *registry, const struct vm *vm);

/* A reference set, whether complete or not; all of them, in the order in which their uploads began.
 */
const struct reference_blob *registry_reference(const struct registry *registry,
                                                const struct digest *digest);
const struct reference_blob *registry_reference_next(const struct registry *registry,
                                                     size_t *cursor);
/* SHA-256 of the bytes received. */
struct digest reference_prefix(const struct reference_blob *reference);

/*
 * Why a VM is paused, stopped or moved whose node is quarantined or revoked, for its record and the
 * audit log: "quarantine of node PSEUDONYM: reason". Customers read it: it names the node as they
 * know it. "" where the node is good.
 */
struct response_cause {
    char text[CORE_DETAIL_LENGTH_MAX + 1];
};
struct response_cause registry_response_cause(const struct vm *vm, const struct node *owner);

/* The stored result of a request; false: unknown session, or not executed, or evicted. Does not
 * count as use of the session. */
bool registry_result(const struct registry *registry, uint64_t session, uint64_t number,
                     struct outcome *ret_outcome);

/* ---- Snapshots: proto/command.proto, SnapshotRecord ---- */

/*
 * A snapshot in parts, which one after the other are its bytes. Those of reference sets are held
 * and not copied: they are large, a member serves nobody meanwhile, and what was received of a set
 * never changes. To be freed on the thread that applies commands; others may read it.
 */
struct snapshot {
    size_t part_count;
    struct view *parts;
    struct bytes records; /* all but the bytes of sets */
    size_t held_count;
    struct reference_bytes *held[REFERENCE_COUNT_MAX];
};
WARN_UNUSED enum status registry_snapshot_parts(const struct registry *registry,
                                                struct snapshot *ret_snapshot);
void snapshot_free(struct snapshot *snapshot);
DEFINE_OWN_VALUE(snapshot, snapshot_free)
/* The same in one piece. */
WARN_UNUSED enum status registry_snapshot(const struct registry *registry, struct bytes *ret_bytes);
/* Strict: STATUS_MALFORMED for anything out of bounds, out of order, or that contradicts itself.
 * STATUS_UNSUPPORTED for another format. Revision, digest and frontier are as they were, and so is
 * all that follows from the same commands. */
WARN_UNUSED enum status registry_restore(struct view bytes, struct registry **ret_registry);

#endif
