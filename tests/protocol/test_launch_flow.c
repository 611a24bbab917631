/*
 * Launch and migration from end to end, in memory: customer, coordinator and two nodes, each with
 * no more than what it may know, pass each other nothing but bytes (docs/PROTOCOL.md, sections 4
 * and 5).
 */
#include "tests/support/vm.h"

#include "lib/protocol/migration_session.h"

static const char source_name[] = "EK of node 1", destination_name[] = "EK of node 2";
enum { SOURCE_REGISTRATION = 5, DESTINATION_REGISTRATION = 6, MIGRATION = 1 };

/* What a node keeps: of its launcher, and of the VM it holds. */
struct node {
    const char *name;
    uint64_t registration;
    const struct private_key *tk_kem;
    const struct signer *by_tk;
    uint64_t generation_seen;
    struct vm_secret secret;
    struct proof_fields fields;
    struct startup_measurement measurement;
    struct digest order;
};

static struct node node_of(const struct vm_fixture *vm, bool is_source)
{
    return is_source ? (struct node){.name = source_name,
                                     .registration = SOURCE_REGISTRATION,
                                     .tk_kem = vm->tk_kem,
                                     .by_tk = &vm->by_node}
                     : (struct node){.name = destination_name,
                                     .registration = DESTINATION_REGISTRATION,
                                     .tk_kem = vm->peer_kem,
                                     .by_tk = &vm->by_peer};
}

/* Customer: seals the ticket, signs the request. */
static struct bytes customer_request(const struct vm_fixture *vm)
{
    OWN(bytes) struct bytes ticket = {0};
    struct bytes request = {0};

    assert_ok(ticket_seal(&(struct ticket_content){.nonce = VIEW_OF_ARRAY(vm->nonce),
                                                   .key = VIEW_OF_ARRAY(vm->key),
                                                   .policy = bytes_view(&vm->policy_bytes),
                                                   .cust_sign = public_key_spki(vm->cust_public),
                                                   .expiry_s = VM_TICKET_EXPIRY_S},
                          &vm->scope, VIEW_OF_ARRAY(vm->tc_point), &vm->image, vm_entropy,
                          &ticket));
    assert_ok(launch_request_make(
        &(struct launch_request_content){.name = "web-1",
                                         .image_manifest = bytes_view(&vm->manifest_bytes),
                                         .image_signature = bytes_view(&vm->manifest_signature),
                                         .ticket = bytes_view(&ticket),
                                         .image_location = "/srv/images"},
        &vm->scope, &vm->by_customer, &request));
    return request;
}

/* Coordinator: checks a request, and orders a node to carry it out. */
static enum status coordinator_order(const struct vm_fixture *vm, struct view request_bytes,
                                     const struct node *node, uint64_t generation,
                                     enum order_purpose purpose, struct bytes *ret_order)
{
    OWN(launch_request) struct launch_request request = {.name = ""};
    OWN(ticket) struct ticket ticket = {.cust_sign_size = 0};
    struct launch_request_context context = {
        .scope = vm->scope, .customer = vm->customer, .now_s = VM_NOW_S};
    struct order_content content = {
        .header = {.registration = node->registration,
                   .node_size = strlen(node->name),
                   .generation = generation,
                   .pseudonym = {1, 2, 3},
                   .order = {4, 5, (uint8_t)generation},
                   .purpose = purpose,
                   .start_generation = 1,
                   .migration = purpose == ORDER_MIGRATE ? MIGRATION : 0}};
    uint8_t point[P256_POINT_SIZE];

    TRY(launch_request_parse(request_bytes, &request, NULL));
    TRY(ticket_open(bytes_view(&request.ticket), &vm->scope, vm->tc_kem, &request.image, &ticket,
                    NULL));
    TRY(launch_request_check(&request, &ticket, &context, &content.header.vm, NULL));
    memcpy(content.header.node, node->name, strlen(node->name));
    content.header.image = request.image;
    content.nonce = ticket.secret.nonce;
    content.key = ticket.secret.key;
    content.policy = bytes_view(&ticket.policy_bytes);
    content.image_manifest = bytes_view(&request.manifest_bytes);
    content.image_location = request.image_location;
    private_key_point(node->tk_kem, point);
    return launch_order_make(&content, &vm->scope, VIEW_OF_ARRAY(point), &vm->by_tc, vm_entropy,
                             ret_order);
}

/* Node: takes an order. */
static enum status node_take(const struct vm_fixture *vm, struct node *node, struct view bytes)
{
    struct order_expectation expectation = {.scope = vm->scope,
                                            .tc_sign = vm->tc_public,
                                            .node = view_string(node->name),
                                            .registration = node->registration};
    OWN(launch_order) struct launch_order order = {.image_location = ""};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
    struct launch_policy policy;

    TRY(launch_order_check(bytes, &expectation, &order, NULL));
    TRY(launch_order_open(&order, &vm->scope, node->generation_seen, node->tk_kem, &secret, &policy,
                          NULL));
    vm_secret_free(&node->secret);
    node->secret = TAKE(secret);
    node->generation_seen = order.header.generation;
    node->order = order.digest;
    node->fields = (struct proof_fields){
        .vm = order.header.vm, .generation = order.header.generation, .image = order.header.image};
    memcpy(node->fields.nonce, node->secret.nonce.data, VM_NONCE_SIZE);
    memcpy(node->fields.pseudonym, order.header.pseudonym, NODE_PSEUDONYM_SIZE);
    node->measurement =
        (struct startup_measurement){.disk = order.manifest.disk.digest,
                                     .kernel = order.manifest.kernel.digest,
                                     .initrd = order.manifest.initrd.digest,
                                     .configuration = sha256(view_string("machine"))};
    return STATUS_OK;
}

static struct bytes node_launched(const struct vm_fixture *vm, const struct node *node)
{
    struct launched launched = {.order = node->order,
                                .vm = node->fields.vm,
                                .generation = node->fields.generation,
                                .registration = node->registration,
                                .measurement = node->measurement,
                                .proof =
                                    launch_proof_mac(node->secret.key, &vm->scope, &node->fields)};
    struct bytes bytes = {0};

    assert_ok(launched_make(&launched, &vm->scope, node->by_tk, &bytes));
    return bytes;
}

/* Coordinator: takes the node's word, and makes the proof for the customer. */
static enum status coordinator_proof(const struct vm_fixture *vm, struct view order_bytes,
                                     struct view launched_bytes, uint64_t generation,
                                     struct bytes *ret_proof)
{
    OWN(signed_message) struct signed_message order = {{0}, {0}};
    OWN(bytes) struct bytes report = {0};
    OWN(bytes) struct bytes measurement_bytes = {0};
    struct digest leaf = merkle_leaf_hash(view_string("leaf")), measurement;
    struct merkle_proof inclusion = {.count = 0};
    struct launch_report content = {.fields = {.vm = vm->vm,
                                               .pseudonym = {1, 2, 3},
                                               .generation = generation,
                                               .image = vm->image},
                                    .tree_size = 1,
                                    .root = leaf};
    struct launched_expectation expectation = {.scope = vm->scope,
                                               .tk_sign = vm->tk_public,
                                               .vm = vm->vm,
                                               .generation = generation,
                                               .registration = SOURCE_REGISTRATION,
                                               .disk = vm->manifest.disk.digest,
                                               .kernel = vm->manifest.kernel.digest,
                                               .initrd = vm->manifest.initrd.digest};
    struct launched launched;

    TRY(signed_message_parse(SIGNED_LAUNCH_ORDER, order_bytes, &order, NULL));
    expectation.order = sha256(bytes_view(&order.document));
    TRY(launched_check(launched_bytes, &expectation, &launched, &measurement, NULL));
    TRY(startup_measurement_build(&launched.measurement, &measurement_bytes));
    memcpy(content.fields.nonce, vm->nonce, VM_NONCE_SIZE);
    content.measurement = measurement;
    content.proof = sha256(digest_view(&launched.proof));
    TRY(launch_report_make(&content, &vm->scope, &vm->by_tc, &report));
    return launch_proof_make(
        &(struct launch_proof_content){.report = bytes_view(&report),
                                       .mac = launched.proof,
                                       .measurement = bytes_view(&measurement_bytes),
                                       .leaf = view_string("leaf"),
                                       .inclusion = &inclusion},
        ret_proof);
}

static enum status customer_verify(const struct vm_fixture *vm, struct view proof,
                                   uint64_t generation_seen)
{
    struct launch_proof_expectation expectation = {.scope = vm->scope,
                                                   .tc_sign = vm->tc_public,
                                                   .key = VIEW_OF_ARRAY(vm->key),
                                                   .cust_sign = public_key_spki(vm->cust_public),
                                                   .image_manifest =
                                                       bytes_view(&vm->manifest_bytes),
                                                   .generation_seen = generation_seen};
    struct launch_verdict verdict;

    memcpy(expectation.nonce, vm->nonce, VM_NONCE_SIZE);
    return launch_proof_check(proof, &expectation, &verdict, NULL);
}

static void a_customer_verifies_what_runs_on_a_node_it_never_spoke_to(void **state)
{
    struct vm_fixture *vm = *state;
    struct node node = node_of(vm, true);
    OWN(bytes) struct bytes request = customer_request(vm);
    OWN(bytes) struct bytes order = {0};
    OWN(bytes) struct bytes launched = {0};
    OWN(bytes) struct bytes proof = {0};

    assert_ok(coordinator_order(vm, bytes_view(&request), &node, 1, ORDER_LAUNCH, &order));
    assert_ok(node_take(vm, &node, bytes_view(&order)));
    launched = node_launched(vm, &node);
    assert_ok(coordinator_proof(vm, bytes_view(&order), bytes_view(&launched), 1, &proof));
    assert_ok(customer_verify(vm, bytes_view(&proof), 0));
    vm_secret_free(&node.secret);
}

/* A retry after a change of leader: another order of the same generation; the node answers the one
 * it took last, and an answer to the earlier one does not pass for it. */
static void an_answer_to_an_earlier_order_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct node node = node_of(vm, true);
    OWN(bytes) struct bytes request = customer_request(vm);
    OWN(bytes) struct bytes first = {0};
    OWN(bytes) struct bytes second = {0};
    OWN(bytes) struct bytes early = {0};
    OWN(bytes) struct bytes late = {0};
    OWN(bytes) struct bytes proof = {0};

    assert_ok(coordinator_order(vm, bytes_view(&request), &node, 1, ORDER_LAUNCH, &first));
    assert_ok(coordinator_order(vm, bytes_view(&request), &node, 1, ORDER_READOPT, &second));
    assert_ok(node_take(vm, &node, bytes_view(&first)));
    early = node_launched(vm, &node);
    assert_ok(node_take(vm, &node, bytes_view(&second)));
    late = node_launched(vm, &node);
    assert_status(coordinator_proof(vm, bytes_view(&second), bytes_view(&early), 1, &proof),
                  STATUS_REFUSED);
    assert_ok(coordinator_proof(vm, bytes_view(&second), bytes_view(&late), 1, &proof));
    vm_secret_free(&node.secret);
}

static void messages_of_an_older_generation_come_too_late(void **state)
{
    struct vm_fixture *vm = *state;
    struct node node = node_of(vm, true);
    OWN(bytes) struct bytes request = customer_request(vm);
    OWN(bytes) struct bytes old = {0};
    OWN(bytes) struct bytes new = {0};
    OWN(bytes) struct bytes old_launched = {0};
    OWN(bytes) struct bytes old_proof = {0};
    OWN(bytes) struct bytes proof = {0};

    assert_ok(coordinator_order(vm, bytes_view(&request), &node, 1, ORDER_LAUNCH, &old));
    assert_ok(node_take(vm, &node, bytes_view(&old)));
    old_launched = node_launched(vm, &node);
    assert_ok(coordinator_proof(vm, bytes_view(&old), bytes_view(&old_launched), 1, &old_proof));
    assert_ok(coordinator_order(vm, bytes_view(&request), &node, 2, ORDER_LAUNCH, &new));
    assert_ok(node_take(vm, &node, bytes_view(&new)));
    assert_status(node_take(vm, &node, bytes_view(&old)), STATUS_REFUSED);
    assert_status(coordinator_proof(vm, bytes_view(&new), bytes_view(&old_launched), 2, &proof),
                  STATUS_REFUSED);
    assert_status(customer_verify(vm, bytes_view(&old_proof), 2), STATUS_REFUSED);
    vm_secret_free(&node.secret);
}

static void an_order_opens_on_no_other_node(void **state)
{
    struct vm_fixture *vm = *state;
    struct node source = node_of(vm, true), destination = node_of(vm, false);
    OWN(bytes) struct bytes request = customer_request(vm);
    OWN(bytes) struct bytes order = {0};

    assert_ok(coordinator_order(vm, bytes_view(&request), &source, 1, ORDER_LAUNCH, &order));
    assert_status(node_take(vm, &destination, bytes_view(&order)), STATUS_REFUSED);
    /* a node that restarted has another registration and another TK */
    source.registration = 7;
    assert_status(node_take(vm, &source, bytes_view(&order)), STATUS_REFUSED);
    source.registration = SOURCE_REGISTRATION;
    source.tk_kem = vm->peer_kem;
    assert_status(node_take(vm, &source, bytes_view(&order)), STATUS_REFUSED);
}

/* ---- migration ---- */

static void fill_party(struct migration_party *party, const struct node *node,
                       const struct public_key *sign)
{
    party->node_size = strlen(node->name);
    memcpy(party->node, node->name, party->node_size);
    party->registration = node->registration;
    memcpy(party->tk_sign, public_key_spki(sign).data, P256_SPKI_SIZE);
    private_key_point(node->tk_kem, party->tk_kem);
}

static void a_vm_moves_and_only_the_owner_is_granted_it(void **state)
{
    struct vm_fixture *vm = *state;
    struct node source = node_of(vm, true), destination = node_of(vm, false);
    struct migration_ticket ticket = {
        .migration = MIGRATION, .vm = vm->vm, .generation = 2, .lifetime_ms = 20000};
    struct migration_ticket seen[SIDE_COUNT];
    struct node *nodes[] = {&source, &destination};
    const struct public_key *publics[] = {vm->tk_public, vm->peer_public};
    struct digest sessions[SIDE_COUNT];
    OWN(bytes) struct bytes request = customer_request(vm);
    OWN(bytes) struct bytes launch = {0};
    OWN(bytes) struct bytes key_order = {0};
    OWN(bytes) struct bytes ticket_bytes = {0};
    OWN(bytes) struct bytes decision_bytes = {0};
    OWN(bytes) struct bytes grant_bytes = {0};

    assert_ok(coordinator_order(vm, bytes_view(&request), &source, 1, ORDER_LAUNCH, &launch));
    assert_ok(node_take(vm, &source, bytes_view(&launch)));
    assert_ok(
        coordinator_order(vm, bytes_view(&request), &destination, 2, ORDER_MIGRATE, &key_order));
    assert_ok(node_take(vm, &destination, bytes_view(&key_order)));
    assert_true(secret_equal(source.secret.key, destination.secret.key));

    for (enum migration_side side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        fill_party(&ticket.parties[side], nodes[side], publics[side]);
    }
    assert_ok(migration_ticket_make(&ticket, &vm->scope, &vm->by_tc, &ticket_bytes));
    for (enum migration_side side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        uint8_t point[P256_POINT_SIZE], exporter[MIGRATION_SECRET_SIZE];
        struct migration_report report = {.side = side,
                                          .migration = MIGRATION,
                                          .vm = vm->vm,
                                          .generation = 2,
                                          .configuration = sha256(view_string("machine"))};
        OWN(bytes) struct bytes report_bytes = {0};

        private_key_point(nodes[side]->tk_kem, point);
        assert_ok(migration_ticket_check(
            bytes_view(&ticket_bytes),
            &(struct migration_expectation){.scope = vm->scope,
                                            .tc_sign = vm->tc_public,
                                            .side = side,
                                            .node = view_string(nodes[side]->name),
                                            .registration = nodes[side]->registration,
                                            .tk_sign = public_key_spki(publics[side]),
                                            .tk_kem = VIEW_OF_ARRAY(point),
                                            .vm = vm->vm,
                                            .generation = side == SIDE_SOURCE ? 1 : 2,
                                            .migration = side == SIDE_SOURCE ? 0 : MIGRATION},
            &seen[side], NULL));
        /* In the place of the exporter of the connection between them. */
        memcpy(exporter, seen[side].digest.bytes, sizeof exporter);
        sessions[side] = migration_session_id(&vm->scope, VIEW_OF_ARRAY(exporter));
        report.session = sessions[side];
        assert_ok(migration_report_make(&report, &vm->scope, nodes[side]->by_tk, &report_bytes));
        assert_ok(
            migration_report_check(bytes_view(&report_bytes),
                                   &(struct migration_report_expectation){.scope = vm->scope,
                                                                          .tk_sign = publics[side],
                                                                          .side = side,
                                                                          .migration = MIGRATION,
                                                                          .vm = vm->vm,
                                                                          .generation = 2},
                                   &report, NULL));
    }
    assert_true(digest_equal(&sessions[SIDE_SOURCE], &sessions[SIDE_DESTINATION]));

    assert_ok(migration_decision_make(
        &(struct migration_decision){.verdict = MIGRATION_IS_DONE,
                                     .migration = MIGRATION,
                                     .vm = vm->vm,
                                     .owner_registration = DESTINATION_REGISTRATION,
                                     .generation = 3,
                                     .session = sessions[SIDE_SOURCE]},
        &vm->scope, &vm->by_tc, &decision_bytes));
    assert_ok(run_grant_make(&(struct run_grant){.vm = vm->vm,
                                                 .generation = 3,
                                                 .registration = DESTINATION_REGISTRATION,
                                                 .deadline_ms = 90000,
                                                 .action = ON_LOST_LEASE_PAUSE},
                             &vm->scope, &vm->by_tc, &grant_bytes));
    for (enum migration_side side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        struct migration_decision decision;
        struct run_grant grant;

        assert_ok(migration_decision_check(
            bytes_view(&decision_bytes),
            &(struct migration_decision_expectation){
                .scope = vm->scope,
                .tc_sign = vm->tc_public,
                .migration = MIGRATION,
                .vm = vm->vm,
                .generation = 2,
                .registrations = {SOURCE_REGISTRATION, DESTINATION_REGISTRATION},
                .session = sessions[side]},
            &decision, NULL));
        assert_int_equal(run_grant_check(bytes_view(&grant_bytes),
                                         &(struct run_grant_expectation){
                                             .scope = vm->scope,
                                             .tc_sign = vm->tc_public,
                                             .vm = vm->vm,
                                             .registration = nodes[side]->registration,
                                             .generation_seen = 2},
                                         &grant, NULL),
                         side == SIDE_DESTINATION ? STATUS_OK : STATUS_REFUSED);
    }
    vm_secret_free(&source.secret);
    vm_secret_free(&destination.secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_opens_on_no_other_node),
        cmocka_unit_test(an_answer_to_an_earlier_order_is_refused),
        cmocka_unit_test(messages_of_an_older_generation_come_too_late),
        cmocka_unit_test(a_customer_verifies_what_runs_on_a_node_it_never_spoke_to),
        cmocka_unit_test(a_vm_moves_and_only_the_owner_is_granted_it),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
