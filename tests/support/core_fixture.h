/*
 * A registry to test with: a perimeter with nodes, members, users and documents that need no
 * signature, and commands that rest on what is in force. Every command passes through its wire
 * form. Numbers name things: node 3, key 7, VM 12.
 */
#ifndef TCCP_TESTS_SUPPORT_CORE_FIXTURE_H
#define TCCP_TESTS_SUPPORT_CORE_FIXTURE_H

#include "tcd/core/registry.h"

enum {
    FIXTURE_NODE_MAX = 16,
    FIXTURE_LEASE_S = 30,
    FIXTURE_OPERATOR = 1000, /* keys of users */
    FIXTURE_AUDITOR = 1001,
};

/* What a manifest says. */
struct fixture_manifest {
    uint64_t version, epoch;
    unsigned members;       /* 1 to 5; member k has EK 100 + k, AK 200 + k */
    uint32_t nodes;         /* bit k: node k, of EK k, is in it */
    uint32_t strict_policy; /* bit k: node k is under the policy "strict", not "plain" */
    unsigned plain_revision, strict_revision, member_revision; /* contents of the policies */
    uint32_t references; /* bit k: "plain" names set k (fixture_set()) */
    bool without_operator;
    /* bit k: node or member k has other hardware (EK 500 + k; member: EK and AK 600 + k) ... */
    uint32_t new_nodes, new_members;
    uint32_t declared_nodes, declared_members; /* ... and says what it replaces */
    uint32_t lease_s;                          /* 0: FIXTURE_LEASE_S */
    unsigned perimeter;                        /* 0 is the one that fixture_start() adopts */
};

struct digest fixture_digest(const char *label, uint64_t number);
struct tpm_name fixture_tpm_name(uint64_t number);
/* "node-3"; nodes with an even number are in zone "even", the others in "odd" */
struct core_name fixture_node_name(unsigned node);
struct view fixture_key(uint64_t number, uint8_t storage[CORE_KEY_SIZE_MAX]);
struct digest fixture_key_id(uint64_t number);
struct bytes fixture_root(unsigned perimeter);
/* Bytes of reference sets, for those who upload them in one chunk. */
enum { FIXTURE_SET_SIZE = 300 };
struct view fixture_set(unsigned set, uint8_t storage[FIXTURE_SET_SIZE]);
struct digest fixture_set_digest(unsigned set);
/* Signed documents. keys: which tc keys; epoch, end of validity. */
struct bytes fixture_manifest_document(const struct fixture_manifest *manifest);
struct bytes fixture_endorsement_document(uint64_t epoch, uint64_t not_after_s, unsigned keys);
struct bytes fixture_succession_document(uint64_t number);

/* Encodes, decodes and applies. */
enum refusal_code fixture_apply(struct registry *registry, const struct command *command,
                                struct outcome *ret_outcome);

struct fixture {
    struct registry *registry;
    struct outcome outcome; /* of the last command */
    struct fixture_manifest manifest;
    uint64_t uses; /* counts nonces and keys that were used */
    uint64_t clock;
};

/* A perimeter with `nodes` nodes (numbers 0 ...) and three members, endorsed, nobody registered. */
void fixture_start(struct fixture *fixture, unsigned nodes);
void fixture_stop(struct fixture *fixture);
enum refusal_code fixture_do(struct fixture *fixture, const struct command *command);

const struct node *fixture_node(const struct fixture *fixture, unsigned node);
const struct vm *fixture_vm(const struct fixture *fixture, unsigned vm);

/* Commands that rest on what is in force. Of nodes: rests on their registration, renewal, policy.
 */
struct command fixture_command(const struct fixture *fixture, enum command_kind kind);
struct command fixture_registration(struct fixture *fixture, unsigned node);
struct command fixture_node_command(const struct fixture *fixture, enum command_kind kind,
                                    unsigned node);
struct command fixture_launch(const struct fixture *fixture, unsigned vm, unsigned node);
/* Rests on the owner, and on the peer where there is one. */
struct command fixture_vm_command(const struct fixture *fixture, enum command_kind kind,
                                  unsigned vm);
/* ... on `node` instead of the owner */
struct command fixture_vm_command_at(const struct fixture *fixture, enum command_kind kind,
                                     unsigned vm, unsigned node);
struct command fixture_migration(const struct fixture *fixture, unsigned vm, unsigned destination);
/* REPORTED, DONE, ABORTED of the VM's open migration */
struct command fixture_migration_command(const struct fixture *fixture, enum command_kind kind,
                                         unsigned vm, enum migration_role role);

/* A piece of a set of that many bytes. */
struct command fixture_chunk(const struct fixture *fixture, const struct digest *digest,
                             uint64_t size, uint64_t offset, struct view data);

/* Steps that must succeed. */
void fixture_upload(struct fixture *fixture, unsigned set);
void fixture_apply_manifest(struct fixture *fixture);
void fixture_register(struct fixture *fixture, unsigned node);
enum refusal_code fixture_renew(struct fixture *fixture, unsigned node); /* the item's verdict */
void fixture_expire(struct fixture *fixture, unsigned node);
void fixture_run(struct fixture *fixture, unsigned vm, unsigned node); /* launched and running */
void fixture_grant(struct fixture *fixture, unsigned vm);
void fixture_migrate(struct fixture *fixture, unsigned vm, unsigned node); /* both reported */

#endif
