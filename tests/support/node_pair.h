/* Two nodes for tests of migration: a guest that counts on one, an empty QEMU that waits on the
 * other, one overlay that both reach. The test plays both agents and the coordinator. */
#ifndef TCCP_TESTS_SUPPORT_NODE_PAIR_H
#define TCCP_TESTS_SUPPORT_NODE_PAIR_H

#include "tests/support/node_world.h"

#include "nodeagent/migration.h"

enum { PAIR_LIFETIME_MS = 25000, PAIR_SHORT_MS = 4000 };

extern const struct digest pair_vm_id;
/* Keys of migrations: one that both sides agree upon, and another. */
extern const uint8_t pair_key[MIGRATION_KEY_SIZE], pair_other_key[MIGRATION_KEY_SIZE];

struct side {
    struct node node;
    struct node_vm vm;
    struct migration *migration;
    bool finished, has_vm;
    /* How its migration ended: */
    enum migration_outcome outcome;
    bool is_complete;
    char reason[MIGRATION_REASON_SIZE];
};

struct pair {
    uv_loop_t loop;
    struct guest_files files;
    struct side source, destination;
    uint64_t lifetime_ms;
};

/* Fixtures. pair_open() ends with a guest that counts on the source, at generation 1. */
int pair_group_open(void **state);
int pair_group_close(void **state);
int pair_open(void **state);
int pair_close(void **state);

/* An incoming QEMU with its disk. */
void pair_destination_start(struct pair *pair, uint64_t generation);
/* The QEMU of a failed destination has left, so that another may come. */
void pair_destination_end(struct pair *pair);
/* Both sides begin, each with its key; neither is waited for. */
void pair_migrate(struct pair *pair, const uint8_t *source_key, const uint8_t *destination_key);
/* One side, over a socket of the test's own. */
void pair_side_begin(struct pair *pair, struct side *side, enum migration_role role, int socket_fd,
                     const uint8_t key[MIGRATION_KEY_SIZE]);
/* Until that side's migration has ended. */
void pair_wait(struct pair *pair, struct side *side);

/* Renews the lease and grants for long. */
enum status side_grant(struct side *side, uint64_t generation);
unsigned side_last_count(struct side *side);
bool side_key_is_gone(const struct side *side);

#endif
