#include "tcd/vm_orders.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/table.h"
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "lib/protocol/launch_proof.h"
#include "lib/protocol/launch_request.h"
#include "lib/protocol/launched.h"
#include "lib/protocol/run_grant.h"
#include "tcd/core/pending.h"
#include "tcd/node_server.h"
#include "tcd/proposals.h"

#include "proto/node.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_TIMEOUT_MS = 30000, /* a node fetches the image before it answers */
    REPEAT_MS = 2000,          /* grants, stops: until the state says that they were carried out */
    PROPOSE_AGAIN_MS = 1000,
    FENCE_MARGIN_MS = 10000, /* what the launcher takes from SIGSTOP to SIGKILL, and more */
    DETAIL_SIZE = 160,
};

/* What this leader knows of a VM beside the state. */
struct order_state {
    struct digest vm;             /* key */
    struct digest order;          /* H(order) that was sent last */
    uint8_t nonce[VM_NONCE_SIZE]; /* n_U, for the customer's report */
    bool released;                /* an order was sent in this leadership */
    uint64_t sent_ms, proposed_ms, told_ms;
    uint64_t fence_since_ms; /* when this leader first saw that its owner has no lease */
    uint64_t fence_registration;
    /* The last launch, for the proof. */
    struct launched launched;
    struct bytes measurement, leaf;
    struct launch_report report;
    struct merkle_proof inclusion;
    bool has_proof;
};

struct vm_orders {
    struct tcd *tcd;
    struct table table;
    uint64_t now_ms; /* of the last tick */
};

enum status vm_orders_new(struct tcd *tcd, struct vm_orders **ret_orders)
{
    struct vm_orders *orders = calloc(1, sizeof *orders);

    if (!orders) {
        return STATUS_NO_MEMORY;
    }
    orders->tcd = tcd;
    TABLE_INIT(&orders->table, struct order_state, vm);
    *ret_orders = orders;
    return STATUS_OK;
}

static void state_free(struct order_state *state)
{
    bytes_free(&state->measurement);
    bytes_free(&state->leaf);
    free(state);
}

static void clear(struct vm_orders *orders)
{
    struct order_state *state;
    size_t cursor = 0;

    while ((state = table_next(&orders->table, &cursor))) {
        state_free(table_remove(&orders->table, &state->vm));
    }
}

void vm_orders_free(struct vm_orders *orders)
{
    if (orders) {
        clear(orders);
        table_free(&orders->table);
        free(orders);
    }
}

void vm_orders_restart(struct vm_orders *orders, uint64_t now_ms)
{
    clear(orders);
    orders->now_ms = now_ms;
}

static struct order_state *state_of(struct vm_orders *orders, const struct digest *vm)
{
    struct order_state *state = table_find(&orders->table, vm);

    if (!state) {
        state = calloc(1, sizeof *state);
        ASSERT(state);
        state->vm = *vm;
        table_insert(&orders->table, state);
    }
    return state;
}

static enum status sign_with_authority(const void *authority, struct view canonical,
                                       struct bytes *ret_signature)
{
    return authority_sign(authority, canonical, ret_signature);
}

static struct signer signer_of(const struct tcd *tcd)
{
    return (struct signer){.sign = sign_with_authority, .key = tcd->authority};
}

static void log_failure(const char *event, const struct digest *vm, enum status status,
                        const struct refusal *refusal)
{
    log_event(LOG_WARNING, event, "vm=%s reason=%s detail=\"%s\"", hex_short(digest_view(vm)).text,
              refusal && status == STATUS_REFUSED ? refusal_name(refusal->code)
                                                  : status_text(status),
              refusal ? refusal->detail : "");
}

/* --- release --- */

/* One release on its way: from the ticket that is opened to the order that is sent. */
struct release {
    struct vm_orders *orders;
    struct digest vm;
    enum order_purpose purpose;
    struct launch_request request;
};

static void release_free(struct release *release)
{
    launch_request_free(&release->request);
    free(release);
}

static enum status make_order(const struct release *release, const struct vm *vm,
                              const struct node *node, const struct ticket *ticket,
                              struct bytes *ret_order)
{
    const struct tcd *tcd = release->orders->tcd;
    struct signer signer = signer_of(tcd);
    struct order_content content = {
        .header = {.vm = vm->id,
                   .node_size = node->ek_name.size,
                   .registration = node->registration.id,
                   .generation = vm->generation,
                   .image = vm->image,
                   .purpose = release->purpose,
                   .migration = release->purpose == ORDER_MIGRATE ? vm->migration : 0},
        .nonce = ticket->secret.nonce,
        .key = ticket->secret.key,
        .policy = bytes_view(&ticket->policy_bytes),
        .image_manifest = bytes_view(&release->request.manifest_bytes),
        .image_location = release->request.image_location,
    };
    uint8_t entropy[HPKE_ENTROPY_SIZE];
    enum status status;

    ASSERT(node->ek_name.size <= sizeof content.header.node);
    memcpy(content.header.node, node->ek_name.bytes, node->ek_name.size);
    memcpy(content.header.pseudonym, vm->pseudonym, sizeof content.header.pseudonym);
    entropy_fill(content.header.order, sizeof content.header.order);
    entropy_fill(entropy, sizeof entropy);
    status =
        launch_order_make(&content, authority_scope(tcd->authority),
                          VIEW_OF_ARRAY(node->registration.tk_kem), &signer, entropy, ret_order);
    secret_wipe(entropy, sizeof entropy);
    return status;
}

static enum status send_order(const struct release *release, const struct ticket *ticket)
{
    struct vm_orders *orders = release->orders;
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct vm *vm = registry_vm(registry, &release->vm);
    const struct node *node =
        vm ? registry_node(registry,
                           release->purpose == ORDER_MIGRATE ? vm->peer.node : vm->owner.node)
           : NULL;
    struct order_state *state = state_of(orders, &release->vm);
    OWN(bytes) struct bytes order = {0};

    /* The state that the release was committed in holds: this runs while it is applied. */
    if (!node || !node->registration.live) {
        return STATUS_CONFLICT;
    }
    TRY(make_order(release, vm, node, ticket, &order));
    state->order = sha256(bytes_view(&order));
    memcpy(state->nonce, ticket->secret.nonce.data, VM_NONCE_SIZE);
    state->released = true;
    state->sent_ms = orders->now_ms;
    return node_server_send(orders->tcd->node_server, node->registration.id,
                            TCCP__NODE_MESSAGE_KIND__LAUNCH_ORDER, bytes_view(&order));
}

static void ticket_was_opened(void *argument, enum status status, struct secret *plaintext)
{
    struct release *release = argument;
    OWN(ticket) struct ticket ticket = {0};
    struct refusal refusal = {0};

    if (status == STATUS_OK) {
        status = ticket_parse(plaintext, &ticket, &refusal);
    }
    if (status == STATUS_OK) {
        status = send_order(release, &ticket);
    }
    if (status != STATUS_OK) {
        log_failure("order-not-sent", &release->vm, status, &refusal);
    }
    release_free(release);
}

void vm_orders_release(struct vm_orders *orders, const struct digest *vm_id,
                       enum order_purpose purpose)
{
    const struct vm *vm = registry_vm(tcd_registry(orders->tcd), vm_id);
    struct release *release = vm ? calloc(1, sizeof *release) : NULL;
    struct refusal refusal = {0};

    if (!release) {
        return;
    }
    release->orders = orders;
    release->vm = vm->id;
    release->purpose = purpose;
    if (launch_request_parse(bytes_view(&vm->request), &release->request, &refusal) != STATUS_OK) {
        log_failure("request-damaged", vm_id, STATUS_REFUSED, &refusal);
        release_free(release);
        return;
    }
    authority_open_ticket(orders->tcd->authority, bytes_view(&release->request.ticket),
                          &release->request.image, ticket_was_opened, release);
}

/* --- proposals --- */

struct vm_proposal {
    struct vm_orders *orders;
    struct digest vm;
    enum command_kind kind;
};

static void send_grant(struct vm_orders *orders, const struct vm *vm, const struct node *node);

static void proposal_applied(void *argument, enum status status, const struct outcome *outcome)
{
    struct vm_proposal proposal = *(struct vm_proposal *)argument;
    const struct registry *registry = tcd_registry(proposal.orders->tcd);
    const struct vm *vm = registry_vm(registry, &proposal.vm);

    free(argument);
    if (status != STATUS_OK || outcome->verdict != REFUSAL_NONE || !vm) {
        log_event(LOG_INFO, "vm-command-refused", "vm=%s kind=%s reason=\"%s\"",
                  hex_short(digest_view(&proposal.vm)).text, command_kind_name(proposal.kind),
                  outcome ? refusal_name(outcome->verdict) : status_text(status));
        return;
    }
    if (proposal.kind == COMMAND_KEY_REISSUED) {
        vm_orders_release(proposal.orders, &proposal.vm, ORDER_LAUNCH);
    } else if (proposal.kind == COMMAND_VM_READOPTED) {
        vm_orders_release(proposal.orders, &proposal.vm, ORDER_READOPT);
    } else if (proposal.kind == COMMAND_GRANT_ISSUED) {
        send_grant(proposal.orders, vm, registry_node(registry, vm->owner.node));
    }
}

/* The versions that the command rests on are those of the state now. */
static void propose_for(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                        struct command *command)
{
    struct vm_proposal *proposal = malloc(sizeof *proposal);

    if (!proposal) {
        return;
    }
    *proposal = (struct vm_proposal){orders, vm->id, command->kind};
    registry_rest(tcd_registry(orders->tcd), &command->rests);
    registry_rest_on_node(node, &command->rests);
    command->rests.generation = vm->generation;
    command->vm.vm = vm->id;
    propose(orders->tcd->replica, command, proposal_applied, proposal);
}

/* --- grants and commands --- */

static void send_grant(struct vm_orders *orders, const struct vm *vm, const struct node *node)
{
    const struct tcd *tcd = orders->tcd;
    struct signer signer = signer_of(tcd);
    struct run_grant grant = {
        .vm = vm->id,
        .generation = vm->generation,
        .registration = node->registration.id,
        .deadline_ms =
            (uint64_t)registry_perimeter(tcd_registry(tcd))->lease_s * 1000 + vm->policy.after_ms,
        .action =
            vm->policy.on_lost_lease == LOST_LEASE_STOP ? ON_LOST_LEASE_STOP : ON_LOST_LEASE_PAUSE,
    };
    OWN(bytes) struct bytes bytes = {0};
    enum status status = run_grant_make(&grant, authority_scope(tcd->authority), &signer, &bytes);

    if (status == STATUS_OK) {
        status = node_server_send(tcd->node_server, node->registration.id,
                                  TCCP__NODE_MESSAGE_KIND__RUN_GRANT, bytes_view(&bytes));
    }
    if (status != STATUS_OK) {
        log_failure("grant-not-sent", &vm->id, status, NULL);
    }
}

static void send_command(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                         Tccp__VmAction action)
{
    Tccp__VmCommand message = TCCP__VM_COMMAND__INIT;
    OWN(bytes) struct bytes bytes = {0};
    enum status status;

    message.vm = protobuf_data(digest_view(&vm->id));
    message.generation = vm->generation;
    message.action = action;
    status = protobuf_pack(&message.base, 1024, &bytes);
    if (status == STATUS_OK) {
        status = node_server_send(orders->tcd->node_server, node->registration.id,
                                  TCCP__NODE_MESSAGE_KIND__VM_COMMAND, bytes_view(&bytes));
    }
    if (status != STATUS_OK) {
        log_failure("command-not-sent", &vm->id, status, NULL);
    }
}

static bool is_due(uint64_t *last_ms, uint64_t now_ms, uint64_t interval_ms)
{
    if (*last_ms != 0 && now_ms - *last_ms < interval_ms) {
        return false;
    }
    *last_ms = now_ms;
    return true;
}

/* Nothing can run there any more: the lease, D, the drift of a clock, and the time to kill are
 * over, counted from when this leader saw it first. */
static bool is_fenced(struct vm_orders *orders, struct order_state *state, const struct vm *vm,
                      const struct node *node)
{
    uint64_t lease_ms = (uint64_t)registry_perimeter(tcd_registry(orders->tcd))->lease_s * 1000;
    uint64_t wait_ms = (lease_ms + vm->policy.after_ms) * 21 / 20 + FENCE_MARGIN_MS;

    if (state->fence_since_ms == 0 || state->fence_registration != node->registration.id) {
        state->fence_since_ms = orders->now_ms;
        state->fence_registration = node->registration.id;
    }
    return orders->now_ms - state->fence_since_ms > wait_ms;
}

static void carry_out(struct vm_orders *orders, const struct pending *pending)
{
    const struct vm *vm = pending->vm;
    const struct node *node = pending->node;
    struct order_state *state = state_of(orders, &vm->id);

    switch (pending->kind) {
    case PENDING_GRANT:
        if (is_due(&state->proposed_ms, orders->now_ms, PROPOSE_AGAIN_MS)) {
            propose_for(orders, vm, node, &(struct command){.kind = COMMAND_GRANT_ISSUED});
        }
        break;
    case PENDING_LAUNCH:
        if (vm->granted_generation == vm->generation &&
            is_due(&state->told_ms, orders->now_ms, REPEAT_MS)) {
            send_grant(orders, vm, node);
        }
        if ((!state->released || orders->now_ms - state->sent_ms > ANSWER_TIMEOUT_MS) &&
            is_due(&state->sent_ms, orders->now_ms, REPEAT_MS)) {
            propose_for(orders, vm, node, &(struct command){.kind = COMMAND_KEY_REISSUED});
        }
        break;
    case PENDING_RESUME:
        if (is_due(&state->told_ms, orders->now_ms, REPEAT_MS)) {
            send_grant(orders, vm, node);
        }
        break;
    case PENDING_FENCE:
        if (is_fenced(orders, state, vm, node) &&
            is_due(&state->proposed_ms, orders->now_ms, PROPOSE_AGAIN_MS)) {
            propose_for(orders, vm, node, &(struct command){.kind = COMMAND_VM_FENCED});
        }
        break;
    case PENDING_STOP:
        if (is_due(&state->told_ms, orders->now_ms, REPEAT_MS)) {
            send_command(orders, vm, node, TCCP__VM_ACTION__VM_ACTION_STOP);
        }
        break;
    case PENDING_DESTROY:
        if (is_due(&state->told_ms, orders->now_ms, REPEAT_MS)) {
            send_command(orders, vm, node, TCCP__VM_ACTION__VM_ACTION_DESTROY);
        }
        break;
    case PENDING_READOPT:  /* by the node's inventory */
    case PENDING_EVACUATE: /* by an operator, until there are responses */
    case PENDING_TICKET_SOURCE:
    case PENDING_TICKET_DESTINATION:
    case PENDING_DONE:
    case PENDING_ABORT:
    case PENDING_KIND_COUNT:
        break;
    }
}

void vm_orders_tick(struct vm_orders *orders, uint64_t now_ms)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    struct pending pending[PENDING_COUNT_MAX];
    const struct vm *vm;
    size_t cursor = 0;

    orders->now_ms = now_ms;
    while ((vm = registry_vm_next(registry, &cursor))) {
        size_t count = pending_of_vm(registry, vm, pending);

        for (size_t i = 0; i < count; i++) {
            carry_out(orders, &pending[i]);
        }
    }
}

/* --- from nodes --- */

/* What the launch's report and proof need, while the leaf of its commit is the last one of the log.
 */
struct launch_commit {
    struct vm_orders *orders;
    struct launched launched;
    struct digest measurement;
    struct bytes measurement_bytes;
};

static void commit_free(struct launch_commit *commit)
{
    bytes_free(&commit->measurement_bytes);
    free(commit);
}

static enum status keep_proof(const struct launch_commit *commit, const struct outcome *outcome)
{
    struct vm_orders *orders = commit->orders;
    const struct tcd *tcd = orders->tcd;
    const struct registry *registry = tcd_registry(tcd);
    const struct vm *vm = registry_vm(registry, &commit->launched.vm);
    const struct node *node = registry_node(registry, vm->owner.node);
    struct order_state *state = state_of(orders, &vm->id);
    struct digest mac_digest = sha256(digest_view(&commit->launched.proof));
    size_t last = outcome->leaf_count - 1;

    ASSERT(outcome->leaf_count > 0);
    bytes_free(&state->leaf);
    bytes_free(&state->measurement);
    state->has_proof = false;
    TRY(bytes_copy(outcome->leaves[last], &state->leaf));
    TRY(bytes_copy(bytes_view(&commit->measurement_bytes), &state->measurement));
    state->launched = commit->launched;
    state->report = (struct launch_report){
        .fields = {.vm = vm->id, .generation = vm->generation, .image = vm->image},
        .measurement = commit->measurement,
        .proof = mac_digest,
        .host_profile = node->host_profile,
        .development = registry_perimeter(registry)->development,
        .leaf_index = outcome->leaf_index + last,
        .tree_size = registry_audit(registry)->size,
        .root = merkle_root(registry_audit(registry)),
    };
    memcpy(state->report.fields.pseudonym, vm->pseudonym, sizeof vm->pseudonym);
    memcpy(state->report.fields.nonce, state->nonce, VM_NONCE_SIZE);
    TRY(machine_last_leaf_proof(tcd->machine, state->report.leaf_index, &state->inclusion));
    state->has_proof = true;
    return STATUS_OK;
}

static void launch_committed(void *argument, enum status status, const struct outcome *outcome)
{
    struct launch_commit *commit = argument;

    if (status == STATUS_OK && outcome->verdict == REFUSAL_NONE) {
        log_event(LOG_NOTICE, "launched", "vm=%s generation=%llu",
                  hex_short(digest_view(&commit->launched.vm)).text,
                  (unsigned long long)commit->launched.generation);
        status = keep_proof(commit, outcome);
    }
    if (status != STATUS_OK) {
        log_failure("launch-not-committed", &commit->launched.vm, status, NULL);
    }
    commit_free(commit);
}

static enum status take_launched(struct vm_orders *orders, const struct node *node,
                                 struct view message, struct digest *ret_vm,
                                 struct refusal *ret_refusal)
{
    const struct tcd *tcd = orders->tcd;
    OWN(launch_request) struct launch_request request = {0};
    OWN(public_key) struct public_key *tk_sign = NULL;
    struct launched_expectation expectation = {.scope = *authority_scope(tcd->authority)};
    struct command command = {.kind = COMMAND_LAUNCHED};
    struct launch_commit *commit;
    const struct vm *vm;
    enum status status;

    TRY(launched_peek(message, ret_vm, ret_refusal));
    vm = registry_vm(tcd_registry(tcd), ret_vm);
    if (!vm || vm->owner.registration != node->registration.id) {
        return refuse(ret_refusal, REFUSAL_REGISTRATION, "this registration does not own the VM");
    }
    TRY(launch_request_parse(bytes_view(&vm->request), &request, ret_refusal));
    TRY(public_key_parse((struct view){node->registration.tk_sign, node->registration.tk_sign_size},
                         &tk_sign));
    expectation.tk_sign = tk_sign;
    expectation.order = state_of(orders, ret_vm)->order;
    expectation.vm = vm->id;
    expectation.generation = vm->generation;
    expectation.registration = node->registration.id;
    expectation.disk = request.manifest.disk.digest;
    expectation.kernel = request.manifest.kernel.digest;
    expectation.initrd = request.manifest.initrd.digest;
    commit = calloc(1, sizeof *commit);
    if (!commit) {
        return STATUS_NO_MEMORY;
    }
    commit->orders = orders;
    status =
        launched_check(message, &expectation, &commit->launched, &commit->measurement, ret_refusal);
    if (status == STATUS_OK) {
        status =
            startup_measurement_build(&commit->launched.measurement, &commit->measurement_bytes);
    }
    if (status != STATUS_OK) {
        commit_free(commit);
        return status;
    }
    registry_rest(tcd_registry(tcd), &command.rests);
    registry_rest_on_node(node, &command.rests);
    command.rests.generation = vm->generation;
    command.vm.vm = vm->id;
    command.vm.measurement = commit->measurement;
    command.vm.proof = sha256(digest_view(&commit->launched.proof));
    propose(tcd->replica, &command, launch_committed, commit);
    return STATUS_OK;
}

void vm_orders_launched(struct vm_orders *orders, const struct node *node, struct view message)
{
    struct digest vm = {{0}};
    struct refusal refusal = {0};
    enum status status = take_launched(orders, node, message, &vm, &refusal);

    if (status != STATUS_OK) {
        log_failure("launch-report-refused", &vm, status, &refusal);
    }
}

/* Which command an event of a node becomes. */
static bool command_of_event(Tccp__VmEvent event, struct command *command)
{
    switch (event) {
    case TCCP__VM_EVENT__VM_EVENT_RESUMED:
        command->kind = COMMAND_RESUMED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_ENDED:
        command->kind = COMMAND_VM_STOPPED;
        command->vm.cause = STOP_ENDED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_FAILED:
        command->kind = COMMAND_VM_STOPPED;
        command->vm.cause = STOP_FAILED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_DESTROYED:
        command->kind = COMMAND_COPY_DESTROYED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_UNSPECIFIED:
    case _TCCP__VM_EVENT_IS_INT_SIZE:
        break;
    }
    return false;
}

void vm_orders_report(struct vm_orders *orders, const struct node *node, struct view message)
{
    Tccp__VmReport *report =
        (Tccp__VmReport *)protobuf_unpack(&tccp__vm_report__descriptor, message, 4096);
    struct command command = {0};
    const struct vm *vm = NULL;
    struct digest id;

    if (report && digest_of_view(protobuf_view(report->vm), &id) == STATUS_OK) {
        vm = registry_vm(tcd_registry(orders->tcd), &id);
    }
    /* The state machine decides whether this registration may say so of this generation. */
    if (vm && report->generation == vm->generation && command_of_event(report->event, &command)) {
        (void)snprintf(command.vm.detail, sizeof command.vm.detail, "%.*s", DETAIL_SIZE,
                       report->detail);
        propose_for(orders, vm, node, &command);
    } else {
        log_event(LOG_NOTICE, "vm-report-ignored", "node=%s", node->name.text);
    }
    if (report) {
        tccp__vm_report__free_unpacked(report, NULL);
    }
}

/* --- inventory --- */

static bool inventory_has(const Tccp__VmInventory *inventory, const struct digest *vm)
{
    for (size_t i = 0; i < inventory->n_copies; i++) {
        if (view_equal(protobuf_view(inventory->copies[i]->vm), digest_view(vm))) {
            return true;
        }
    }
    return false;
}

static void take_copy(struct vm_orders *orders, const struct node *node, const Tccp__VmCopy *copy)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    struct command command = {.kind = COMMAND_VM_READOPTED};
    struct digest id;
    const struct vm *vm;

    if (digest_of_view(protobuf_view(copy->vm), &id) != STATUS_OK) {
        return;
    }
    vm = registry_vm(registry, &id);
    if (vm && pending_copy_fate(registry, &id, node, copy->generation) == COPY_OWNED &&
        vm->owner.registration != node->registration.id) {
        memcpy(command.vm.pseudonym, vm->pseudonym, sizeof vm->pseudonym);
        propose_for(orders, vm, node, &command);
    }
}

void vm_orders_inventory(struct vm_orders *orders, const struct node *node, struct view message)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    Tccp__VmInventory *inventory =
        (Tccp__VmInventory *)protobuf_unpack(&tccp__vm_inventory__descriptor, message, 1 << 20);
    const struct vm *vm;
    size_t cursor = 0;

    if (!inventory) {
        log_event(LOG_NOTICE, "vm-inventory-ignored", "node=%s", node->name.text);
        return;
    }
    for (size_t i = 0; i < inventory->n_copies; i++) {
        take_copy(orders, node, inventory->copies[i]);
    }
    while ((vm = registry_vm_next(registry, &cursor))) {
        struct command command = {.kind = COMMAND_VM_STOPPED, .vm = {.cause = STOP_LOST}};

        if (vm->owner.node == node->id && vm->owner.registration != node->registration.id &&
            (vm->state == VM_LAUNCHING || vm->state == VM_RUNNING || vm->state == VM_RESUMING) &&
            !inventory_has(inventory, &vm->id)) {
            propose_for(orders, vm, node, &command);
        }
    }
    tccp__vm_inventory__free_unpacked(inventory, NULL);
}

/* --- proofs --- */

enum status vm_orders_proof(const struct vm_orders *orders, const struct vm *vm,
                            struct bytes *ret_proof)
{
    const struct tcd *tcd = orders->tcd;
    const struct order_state *state = table_find(&orders->table, &vm->id);
    struct signer signer = signer_of(tcd);
    OWN(bytes) struct bytes report = {0};

    if (!state || !state->has_proof || state->report.fields.generation != vm->generation) {
        return STATUS_NOT_READY;
    }
    TRY(launch_report_make(&state->report, authority_scope(tcd->authority), &signer, &report));
    return launch_proof_make(
        &(struct launch_proof_content){
            .report = bytes_view(&report),
            .mac = state->launched.proof,
            .measurement = bytes_view(&state->measurement),
            .leaf = bytes_view(&state->leaf),
            .inclusion = &state->inclusion,
        },
        ret_proof);
}
