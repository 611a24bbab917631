#include "tests/support/node_pair.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UID_FIRST = 714000 };

const struct digest pair_vm_id = {{0xcc, 3}};
const uint8_t pair_key[MIGRATION_KEY_SIZE] = "a key that both sides agree upon";
const uint8_t pair_other_key[MIGRATION_KEY_SIZE] = "a key that the other side lacks!";

int pair_group_open(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    guest_files_open(&pair->files);
    *state = pair;
    return 0;
}

int pair_group_close(void **state)
{
    struct pair *pair = *state;

    guest_files_close(&pair->files);
    free(pair);
    return 0;
}

/* A guest that counts on the source; an empty one that waits on the destination. */
int pair_open(void **state)
{
    struct pair *pair = *state;

    assert_int_equal(uv_loop_init(&pair->loop), 0);
    pair->lifetime_ms = PAIR_LIFETIME_MS;
    memset(&pair->source, 0, sizeof pair->source);
    memset(&pair->destination, 0, sizeof pair->destination);
    node_open(&pair->source.node, &pair->loop, UID_FIRST);
    node_open(&pair->destination.node, &pair->loop, UID_FIRST + 100);
    guest_files_renew_overlay(&pair->files);
    node_vm_start(&pair->source.vm, &pair->source.node, &pair->files, &pair_vm_id, 1, false);
    pair->source.has_vm = true;
    assert_ok(node_grant(&pair->source.node, &pair_vm_id, 1, NODE_REGISTRATION, 600000,
                         ON_LOST_LEASE_STOP));
    assert_ok(node_vm_run(&pair->source.vm, NULL));
    (void)node_vm_wait_count(&pair->source.vm, 3);
    return 0;
}

static void side_close(struct side *side)
{
    migration_free(side->migration);
    if (side->has_vm) {
        node_vm_close(&side->vm);
    }
    node_close(&side->node);
}

int pair_close(void **state)
{
    struct pair *pair = *state;

    side_close(&pair->source);
    side_close(&pair->destination);
    assert_int_equal(uv_loop_close(&pair->loop), 0);
    return 0;
}

static void on_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct side *side = argument;

    if (side->migration) {
        migration_on_event(side->migration, name, data);
    }
}

static void on_closed(void *argument)
{
    struct side *side = argument;

    if (side->migration) {
        migration_on_gone(side->migration);
    }
}

static void on_finished(void *argument, const struct migration_result *result)
{
    struct side *side = argument;

    side->finished = true;
    side->outcome = result->outcome;
    side->is_complete = result->is_complete;
    (void)snprintf(side->reason, sizeof side->reason, "%s", result->reason);
}

void pair_side_begin(struct pair *pair, struct side *side, enum migration_role role, int socket_fd,
                     const uint8_t key[MIGRATION_KEY_SIZE])
{
    const struct migration_request request = {
        .role = role,
        .vm = side->vm.vm,
        .launcher = side->node.client,
        .vm_id = pair_vm_id,
        .socket_fd = socket_fd,
        .secrets_fd = side->vm.fds[VM_FD_SECRETS],
        .key = {key, MIGRATION_KEY_SIZE},
        .lifetime_ms = pair->lifetime_ms,
    };

    migration_free(side->migration);
    side->migration = NULL;
    side->finished = false;
    side->vm.on_event = on_event;
    side->vm.on_closed = on_closed;
    side->vm.argument = side;
    assert_ok(migration_start(&pair->loop, &request, on_finished, side, &side->migration));
}

void pair_destination_start(struct pair *pair, uint64_t generation)
{
    node_vm_start(&pair->destination.vm, &pair->destination.node, &pair->files, &pair_vm_id,
                  generation, true);
    pair->destination.has_vm = true;
}

/* Both sides begin, each with its key; neither is waited for. */
void pair_migrate(struct pair *pair, const uint8_t *source_key, const uint8_t *destination_key)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pair_side_begin(pair, &pair->destination, MIGRATION_DESTINATION, ends[1], destination_key);
    pair_side_begin(pair, &pair->source, MIGRATION_SOURCE, ends[0], source_key);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

void pair_wait(struct pair *pair, struct side *side)
{
    loop_wait(&pair->loop, &side->finished, PAIR_LIFETIME_MS + NODE_PATIENCE_MS);
}

/* The destination's failed QEMU leaves, so that another may come. */
void pair_destination_end(struct pair *pair)
{
    process_wait_state(&pair->loop, pair->destination.vm.qemu, "-Z", 3000);
    migration_free(TAKE(pair->destination.migration));
    node_vm_close(&pair->destination.vm);
    pair->destination.has_vm = false;
    node_expect_gone(&pair->destination.node);
}

enum status side_grant(struct side *side, uint64_t generation)
{
    assert_ok(node_lease(&side->node, NODE_REGISTRATION));
    return node_grant(&side->node, &pair_vm_id, generation, NODE_REGISTRATION, 600000,
                      ON_LOST_LEASE_STOP);
}

/* The last number on the encrypted disk's console before it stopped. */
unsigned side_last_count(struct side *side)
{
    return node_vm_last_count(&side->vm);
}

bool side_key_is_gone(const struct side *side)
{
    return faccessat(side->vm.fds[VM_FD_SECRETS], "keys.psk", F_OK, 0) != 0;
}
