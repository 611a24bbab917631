/* Release after commit: the only place where a VM's key is sealed to a node. See vm_orders.h. */
#include "lib/crypto/entropy.h"
#include "lib/protocol/launch_request.h"
#include "tcd/node_server.h"
#include "tcd/vm_orders_internal.h"

#include "proto/node.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* One release on its way: from the ticket that is opened to the order that is sent. */
struct release {
    struct vm_orders *orders;
    struct digest vm;
    enum order_purpose purpose;
    uint64_t generation, registration; /* that the commit released it for */
    struct launch_request request;
};

/* The node that gets the key. */
static uint64_t recipient_of(const struct release *release, const struct vm *vm)
{
    return release->purpose == ORDER_MIGRATE ? vm->peer.node : vm->owner.node;
}

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
    struct signer signer = vm_orders_signer(tcd);
    struct order_content content = {
        .header = {.vm = vm->id,
                   .node_size = node->ek_name.size,
                   .registration = node->registration.id,
                   .generation = vm->generation,
                   .image = vm->image,
                   .purpose = release->purpose,
                   .start_generation = vm->start_generation,
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
    memcpy(content.header.pseudonym,
           release->purpose == ORDER_MIGRATE ? vm->peer_pseudonym : vm->pseudonym,
           sizeof content.header.pseudonym);
    entropy_fill(content.header.order, sizeof content.header.order);
    entropy_fill(entropy, sizeof entropy);
    status =
        launch_order_make(&content, authority_scope(tcd->authority),
                          VIEW_OF_ARRAY(node->registration.tk_kem), &signer, entropy, ret_order);
    secret_wipe(entropy, sizeof entropy);
    return status;
}

/* H(order) is over the document alone (docs/PROTOCOL.md, section 10). */
static enum status order_digest(struct view order, struct digest *ret_digest)
{
    OWN(signed_message) struct signed_message message = {0};

    TRY(signed_message_parse(SIGNED_LAUNCH_ORDER, order, &message, NULL));
    *ret_digest = sha256(bytes_view(&message.document));
    return STATUS_OK;
}

static enum status send_order(const struct release *release, const struct ticket *ticket)
{
    struct vm_orders *orders = release->orders;
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct vm *vm = registry_vm(registry, &release->vm);
    const struct node *node = vm ? registry_node(registry, recipient_of(release, vm)) : NULL;
    struct order_state *state = vm_orders_state(orders, &release->vm);
    OWN(bytes) struct bytes order = {0};
    struct digest digest;

    if (!node || !node->registration.live) {
        return STATUS_CONFLICT;
    }
    TRY(make_order(release, vm, node, ticket, &order));
    TRY(order_digest(bytes_view(&order), &digest));
    state->sent_ms = orders->now_ms;
    TRY(node_server_send(orders->tcd->node_server, node->registration.id,
                         TCCP__NODE_MESSAGE_KIND__LAUNCH_ORDER, bytes_view(&order)));
    /* Only now is there an answer to wait for: a node that is not here yet gets its order as soon
     * as it is. */
    state->order = digest;
    memcpy(state->nonce, ticket->secret.nonce.data, VM_NONCE_SIZE);
    state->released_generation = vm->generation;
    state->is_ready = false;
    /* What has to come after it: the grant, or the ticket of a migration. */
    state->told_ms = state->told_peer_ms = 0;
    vm_orders_look(orders, &vm->id);
    return STATUS_OK;
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
        vm_orders_log_failure("order-not-sent", &release->vm, status, &refusal);
    }
    release_free(release);
}

/*
 * A majority follows this leader even now, and the state holds everything that was committed
 * before: a leader that slept while another one revoked the node finds out here, with the ticket
 * still closed.
 */
static void still_leads(void *argument, enum status status)
{
    struct release *release = argument;
    struct vm_orders *orders = release->orders;
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct vm *vm = registry_vm(registry, &release->vm);
    const struct node *node = vm ? registry_node(registry, recipient_of(release, vm)) : NULL;

    if (status == STATUS_OK && (!node || vm->generation != release->generation ||
                                node->registration.id != release->registration ||
                                registry_node_admits(registry, node) != REFUSAL_NONE)) {
        status = STATUS_CONFLICT;
    }
    if (status != STATUS_OK) {
        vm_orders_log_failure("key-not-released", &release->vm, status, NULL);
        release_free(release);
        return;
    }
    authority_open_ticket(orders->tcd->authority, bytes_view(&release->request.ticket),
                          &release->request.image, ticket_was_opened, release);
}

void vm_orders_release(struct vm_orders *orders, const struct digest *vm_id,
                       enum order_purpose purpose)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct vm *vm = registry_vm(registry, vm_id);
    struct release *release = vm ? calloc(1, sizeof *release) : NULL;
    const struct node *node;
    struct refusal refusal = {0};
    enum status status;

    if (!release) {
        return;
    }
    release->orders = orders;
    release->vm = vm->id;
    release->purpose = purpose;
    node = registry_node(registry, recipient_of(release, vm));
    vm_orders_state(orders, vm_id)->sent_ms = orders->now_ms;
    release->generation = vm->generation;
    release->registration = node ? node->registration.id : 0;
    status = launch_request_parse(bytes_view(&vm->request), &release->request, &refusal);
    if (status == STATUS_OK) {
        status = replica_read(orders->tcd->replica, still_leads, release);
    }
    if (status != STATUS_OK) {
        vm_orders_log_failure("key-not-released", vm_id, status, &refusal);
        release_free(release);
    }
}
