/*
 * A node for tests: a real launcher with real QEMUs; the test itself plays agent and coordinator.
 * Everything waits for what it is about, and fails loudly when it does not come.
 */
#ifndef TCCP_TESTS_SUPPORT_NODE_WORLD_H
#define TCCP_TESTS_SUPPORT_NODE_WORLD_H

#include "tests/support/guest_files.h"
#include "tests/support/processes.h"
#include "tests/support/test.h"

#include "nodeagent/launcher/grants.h"
#include "nodeagent/launcher_client.h"
#include "nodeagent/vm.h"

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

enum { NODE_PATIENCE_MS = 30000, NODE_REGISTRATION = 7, NODE_INVENTORY_MAX = 4 };

struct node {
    uv_loop_t *loop;
    char socket_path[64];
    int listen_fd;
    pid_t launcher;
    int stub_fd; /* connection to the stub that stands for the agent */
    struct launcher_client *client;
    /* what came */
    unsigned notices;
    struct launcher_notice last_notice;
    bool closed;
    unsigned inventory_count;
    struct launcher_notice inventory[NODE_INVENTORY_MAX];
    int inventory_fds[NODE_INVENTORY_MAX][VM_FD_COUNT];
    /* the last reply */
    bool replied;
    enum status status;
    struct refusal refusal;
    int reply_fds[VM_FD_COUNT];
};

void node_open(struct node *node, uv_loop_t *loop, unsigned uid_first);
/* The same in two halves, for a launcher of the test's own: node_listen() makes socket_path, to be
 * given to the stub; node_start() runs the program and waits for the stub. No lease yet. */
void node_listen(struct node *node, uv_loop_t *loop, unsigned uid_first);
void node_start(struct node *node, char *const arguments[]);
/* Ends it; every process of it must be gone afterwards. */
void node_close(struct node *node);
/* Waits for the (next) agent stub and takes over its channel. */
void node_accept_agent(struct node *node);
/* One request, waited for. */
enum status node_request(struct node *node, struct launcher_request *request, const int *fds);
/* A lease that was renewed just now. */
enum status node_lease(struct node *node, uint64_t registration);
/* From the last renewal on; without one first. */
enum status node_grant(struct node *node, const struct digest *vm, uint64_t generation,
                       uint64_t registration, uint64_t duration_ms, enum on_lost_lease action);
enum status node_ask(struct node *node, enum launcher_request_kind kind, const struct digest *vm);
/* Waits until the launcher says so by itself. */
void node_expect_state(struct node *node, enum vm_state state);
void node_expect_gone(struct node *node);

/* A VM on a node, with its console. */
struct node_vm {
    struct node *node;
    struct digest id;
    struct vm *vm;
    int fds[VM_FD_COUNT]; /* VM_FD_QMP is the vm's own */
    pid_t qemu;
    bool ready, closed;
    char event[64];
    unsigned events;
    char console[256 * 1024];
    size_t console_size;
    bool done;
    enum status status;
    char error[QMP_SCRIPT_ERROR_SIZE];
    char state[64];
    bool reading;
    /* A test that wants to hear more than what is kept above. */
    void (*on_event)(void *argument, const char *name, const struct qmp_value *data);
    void (*on_closed)(void *argument);
    void *argument;
};

/* Starts QEMU (with kernel and initrd), attaches its disk. Not yet granted. */
void node_vm_start(struct node_vm *vm, struct node *node, const struct guest_files *files,
                   const struct digest *id, uint64_t generation, bool is_incoming);
void node_vm_open(struct node_vm *vm, struct node *node, const struct digest *id,
                  const int fds[VM_FD_COUNT], enum qmp_start start);
void node_vm_close(struct node_vm *vm);
enum status node_vm_attach(struct node_vm *vm, const struct guest_files *files);
enum status node_vm_run(struct node_vm *vm, const struct vm_keys *keys);
/* QEMU's run state; "" when it does not answer in 2 s. */
const char *node_vm_state(struct node_vm *vm);
/* The last number that the guest counted to, waiting until it is above `above`. */
unsigned node_vm_wait_count(struct node_vm *vm, unsigned above);
unsigned node_vm_last_count(struct node_vm *vm);
/* Without asking QEMU: the last and the first of what has been read. */
unsigned node_vm_printed_count(const struct node_vm *vm);
unsigned node_vm_first_count(const struct node_vm *vm);

/* One guest on one node, for each test anew: cmocka fixtures. */
enum { WORLD_UID_FIRST = 710000, WORLD_LONG_MS = 600000 };

struct world {
    uv_loop_t loop;
    struct guest_files files;
    struct node node;
    struct node_vm vm;
    struct digest vm_id;
    bool has_vm;
};
int world_group_open(void **state);
int world_group_close(void **state);
int world_open(void **state);
int world_close(void **state);
/* QEMU with its disk, not granted. */
void world_start(struct world *world, uint64_t generation);
/* Renews the lease, then grants; the policy says stop. */
enum status world_grant(struct world *world, uint64_t generation, uint64_t duration_ms);
/* Started at generation 1, granted for long, running. */
void world_start_and_run(struct world *world);

#endif
