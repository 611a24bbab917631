#include "tests/support/vm.h"

static struct ticket_content content_of(const struct vm_fixture *vm)
{
    return (struct ticket_content){.nonce = VIEW_OF_ARRAY(vm->nonce),
                                   .key = VIEW_OF_ARRAY(vm->key),
                                   .policy = bytes_view(&vm->policy_bytes),
                                   .cust_sign = public_key_spki(vm->cust_public),
                                   .expiry_s = VM_TICKET_EXPIRY_S};
}

static struct bytes seal(const struct vm_fixture *vm, const struct ticket_content *content,
                         const struct scope *scope)
{
    struct bytes ticket = {0};

    assert_ok(
        ticket_seal(content, scope, VIEW_OF_ARRAY(vm->tc_point), &vm->image, vm_entropy, &ticket));
    return ticket;
}

static struct launch_request_content request_of(const struct vm_fixture *vm,
                                                const struct bytes *ticket)
{
    return (struct launch_request_content){.name = "web-1",
                                           .image_manifest = bytes_view(&vm->manifest_bytes),
                                           .image_signature = bytes_view(&vm->manifest_signature),
                                           .ticket = bytes_view(ticket),
                                           .image_location = "/srv/images"};
}

static struct launch_request_context context_of(const struct vm_fixture *vm)
{
    return (struct launch_request_context){
        .scope = vm->scope, .customer = vm->customer, .now_s = VM_NOW_S};
}

/* The coordinator's whole way: parse, open the ticket, check. */
static enum status receive(const struct vm_fixture *vm, struct view bytes,
                           const struct launch_request_context *context, struct digest *ret_vm,
                           struct refusal *refusal)
{
    OWN(launch_request) struct launch_request request = {.name = ""};
    OWN(ticket) struct ticket ticket = {.cust_sign_size = 0};

    TRY(launch_request_parse(bytes, &request, refusal));
    TRY(ticket_open(bytes_view(&request.ticket), &context->scope, vm->tc_kem, &request.image,
                    &ticket, refusal));
    return launch_request_check(&request, &ticket, context, ret_vm, refusal);
}

/* Makes a request from these parts, with this signer and scope, and has it received. */
static void assert_request(const struct vm_fixture *vm,
                           const struct launch_request_content *content, const struct scope *scope,
                           const struct signer *signer,
                           const struct launch_request_context *context, enum refusal_code expected)
{
    OWN(bytes) struct bytes request = {0};
    struct refusal refusal = {0};
    struct digest id = {{0}};

    assert_ok(launch_request_make(content, scope, signer, &request));
    if (expected == REFUSAL_NONE) {
        assert_ok(receive(vm, bytes_view(&request), context, &id, &refusal));
        assert_true(digest_equal(&id, &vm->vm));
    } else {
        assert_refused(receive(vm, bytes_view(&request), context, &id, &refusal), refusal,
                       expected);
        assert_true(digest_is_zero(&id));
    }
}

static void a_ticket_for_another_perimeter_or_epoch_does_not_open(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    struct scope others[] = {vm_other_perimeter(vm), vm_other_epoch(vm)};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        OWN(bytes) struct bytes ticket = seal(vm, &content, &others[i]);
        struct launch_request_content request = request_of(vm, &ticket);

        assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_TICKET);
    }
}

static void a_ticket_does_not_open_with_a_swapped_manifest(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    struct launch_request_content request = request_of(vm, &ticket);
    struct image_manifest manifest = vm->manifest;
    OWN(bytes) struct bytes other = {0};
    OWN(bytes) struct bytes signature = {0};

    manifest.vcpu_count++;
    assert_ok(image_manifest_build(&manifest, &other));
    assert_ok(image_manifest_sign(bytes_view(&other), &vm->scope.perimeter_id, &vm->by_customer,
                                  &signature));
    request.image_manifest = bytes_view(&other);
    request.image_signature = bytes_view(&signature);
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_TICKET);
}

static void no_changed_byte_of_a_ticket_opens(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    OWN(bytes) struct bytes sealed = seal(vm, &content, &vm->scope);
    struct ticket ticket;
    struct refusal refusal;

    assert_no_changed_byte_passes(sealed, ticket_open(bytes_view(&sealed), &vm->scope, vm->tc_kem,
                                                      &vm->image, &ticket, NULL));
    assert_refused(
        ticket_open(bytes_view(&sealed), &vm->scope, vm->tk_kem, &vm->image, &ticket, &refusal),
        refusal, REFUSAL_TICKET);
    assert_refused(ticket_open((struct view){sealed.data, 10}, &vm->scope, vm->tc_kem, &vm->image,
                               &ticket, &refusal),
                   refusal, REFUSAL_TICKET);
}

static void a_ticket_with_senseless_contents_is_refused(void **state)
{
    static const uint8_t zeroes[VM_KEY_SIZE];
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    OWN(bytes) struct bytes sealed = {0};
    struct ticket ticket;
    struct refusal refusal;

    content.policy = view_string("no policy");
    sealed = seal(vm, &content, &vm->scope);
    assert_refused(
        ticket_open(bytes_view(&sealed), &vm->scope, vm->tc_kem, &vm->image, &ticket, &refusal),
        refusal, REFUSAL_TICKET);
    bytes_free(&sealed);
    content = content_of(vm);
    content.cust_sign = view_string("no key");
    sealed = seal(vm, &content, &vm->scope);
    assert_refused(
        ticket_open(bytes_view(&sealed), &vm->scope, vm->tc_kem, &vm->image, &ticket, &refusal),
        refusal, REFUSAL_TICKET);
    bytes_free(&sealed);
    /* a K_VM or n_U that nobody drew */
    content = content_of(vm);
    content.key = VIEW_OF_ARRAY(zeroes);
    assert_status(ticket_seal(&content, &vm->scope, VIEW_OF_ARRAY(vm->tc_point), &vm->image,
                              vm_entropy, &sealed),
                  STATUS_MALFORMED);
    content = content_of(vm);
    content.nonce = VIEW_OF_ARRAY(zeroes);
    assert_status(ticket_seal(&content, &vm->scope, VIEW_OF_ARRAY(vm->tc_point), &vm->image,
                              vm_entropy, &sealed),
                  STATUS_MALFORMED);
}

static void a_plaintext_of_another_format_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    OWN(vm_secret) struct vm_secret good = {.plaintext = {0}};
    OWN(vm_secret) struct vm_secret parsed = {.plaintext = {0}};

    assert_ok(vm_secret_make(VIEW_OF_ARRAY(vm->nonce), VIEW_OF_ARRAY(vm->key), view_string("body"),
                             &good));
    for (unsigned format = 0; format < 256; format++) {
        OWN(secret) struct secret plaintext = {0};

        assert_ok(secret_copy(secret_view(&good.plaintext), &plaintext));
        plaintext.data[0] = (uint8_t)format;
        if (format == 1) {
            assert_ok(vm_secret_parse(&plaintext, &parsed));
            assert_true(view_equal(parsed.body, view_string("body")));
        } else {
            assert_status(vm_secret_parse(&plaintext, &parsed), STATUS_MALFORMED);
        }
    }
}

static void a_plaintext_that_is_refused_stays_with_the_caller(void **state)
{
    OWN(secret) struct secret plaintext = {0};
    struct ticket ticket;
    struct refusal refusal;

    (void)state;
    assert_ok(secret_new(VM_SECRET_HEADER_SIZE, &plaintext));
    memset(plaintext.data, 1, plaintext.size);
    plaintext.size--; /* too short */
    assert_refused(ticket_parse(&plaintext, &ticket, &refusal), refusal, REFUSAL_TICKET);
    plaintext.size++; /* no body */
    assert_refused(ticket_parse(&plaintext, &ticket, &refusal), refusal, REFUSAL_TICKET);
    assert_non_null(plaintext.data);
}

static void a_ticket_is_refused_after_it_expired(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    struct launch_request_content request = request_of(vm, &ticket);

    context.now_s = VM_TICKET_EXPIRY_S;
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_NONE);
    context.now_s = VM_TICKET_EXPIRY_S + 1;
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_TICKET_EXPIRED);
    /* A clock that was set back does not bring a forgotten VM to life. */
    context.now_s = VM_NOW_S;
    context.tombstone_horizon_s = VM_TICKET_EXPIRY_S;
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_TICKET_EXPIRED);
    context.tombstone_horizon_s = VM_TICKET_EXPIRY_S - 1;
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_NONE);
}

static void a_ticket_that_is_valid_for_too_long_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = {0};
    struct launch_request_content request;

    content.expiry_s = VM_NOW_S + TICKET_VALIDITY_MAX_S + 1;
    ticket = seal(vm, &content, &vm->scope);
    request = request_of(vm, &ticket);
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_TICKET);
}

static void a_request_of_another_customer_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    struct launch_request_content request = request_of(vm, &ticket);

    /* authenticated as somebody else, with somebody else's ticket and request */
    context.customer = public_key_id(vm->stranger_public);
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_NOT_AUTHORIZED);
    /* the request signed by another key than the ticket's */
    context = context_of(vm);
    assert_request(vm, &request, &vm->scope, &vm->by_stranger, &context, REFUSAL_BAD_SIGNATURE);
}

static void a_request_signed_for_another_perimeter_or_epoch_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    struct launch_request_content request = request_of(vm, &ticket);
    struct scope others[] = {vm_other_perimeter(vm), vm_other_epoch(vm)};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_request(vm, &request, &others[i], &vm->by_customer, &context, REFUSAL_BAD_SIGNATURE);
    }
}

static void a_request_with_another_ticket_or_manifest_signature_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    OWN(bytes) struct bytes forged = {0};
    struct launch_request_content request = request_of(vm, &ticket);

    assert_ok(image_manifest_sign(bytes_view(&vm->manifest_bytes), &vm->scope.perimeter_id,
                                  &vm->by_stranger, &forged));
    request.image_signature = bytes_view(&forged);
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_BAD_SIGNATURE);
}

/* Takes a good request and puts another document into its envelope. */
static void a_signature_does_not_serve_another_request(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    struct launch_request_content request = request_of(vm, &ticket);
    OWN(bytes) struct bytes bytes = {0};
    struct digest id;

    assert_ok(launch_request_make(&request, &vm->scope, &vm->by_customer, &bytes));
    assert_no_changed_byte_passes(bytes, receive(vm, bytes_view(&bytes), &context, &id, NULL));
    for (size_t size = 0; size < bytes.size; size++) {
        assert_status(receive(vm, (struct view){bytes.data, size}, &context, &id, NULL),
                      STATUS_REFUSED);
    }
}

static void a_request_that_is_too_long_is_refused_unread(void **state)
{
    static const uint8_t bytes[REQUEST_SIZE_MAX + 1];
    OWN(launch_request) struct launch_request request = {.name = ""};
    struct refusal refusal;

    (void)state;
    assert_refused(launch_request_parse(VIEW_OF_ARRAY(bytes), &request, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
}

static void a_request_with_bad_texts_is_not_made(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    OWN(bytes) struct bytes ticket = seal(vm, &content, &vm->scope);
    struct launch_request_content request = request_of(vm, &ticket);
    OWN(bytes) struct bytes bytes = {0};

    request.name = "";
    assert_status(launch_request_make(&request, &vm->scope, &vm->by_customer, &bytes),
                  STATUS_MALFORMED);
    request = request_of(vm, &ticket);
    request.name = "two\nlines";
    assert_status(launch_request_make(&request, &vm->scope, &vm->by_customer, &bytes),
                  STATUS_MALFORMED);
    request = request_of(vm, &ticket);
    request.image_location = "";
    assert_status(launch_request_make(&request, &vm->scope, &vm->by_customer, &bytes),
                  STATUS_MALFORMED);
    request = request_of(vm, &ticket);
    request.ticket = (struct view){0};
    assert_status(launch_request_make(&request, &vm->scope, &vm->by_customer, &bytes),
                  STATUS_MALFORMED);
}

static void sealing_again_changes_the_ticket_and_not_the_vm(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    struct launch_request_context context = context_of(vm);
    uint8_t entropy[HPKE_ENTROPY_SIZE] = {1};
    OWN(bytes) struct bytes first = seal(vm, &content, &vm->scope);
    OWN(bytes) struct bytes second = {0};
    struct launch_request_content request;

    assert_ok(ticket_seal(&content, &vm->scope, VIEW_OF_ARRAY(vm->tc_point), &vm->image, entropy,
                          &second));
    assert_false(view_equal(bytes_view(&first), bytes_view(&second)));
    request = request_of(vm, &first);
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_NONE);
    request = request_of(vm, &second);
    assert_request(vm, &request, &vm->scope, &vm->by_customer, &context, REFUSAL_NONE);
}

static void a_vm_id_depends_on_customer_nonce_image_and_perimeter(void **state)
{
    struct vm_fixture *vm = *state;
    struct digest other_image = vm_other_digest(&vm->image);
    struct scope other = vm_other_perimeter(vm);
    struct view spki = public_key_spki(vm->cust_public), nonce = VIEW_OF_ARRAY(vm->nonce);
    const struct digest ids[] = {
        vm_id_make(&vm->scope.perimeter_id, public_key_spki(vm->stranger_public), nonce,
                   &vm->image),
        vm_id_make(&vm->scope.perimeter_id, spki, VIEW_OF_ARRAY(vm->key), &vm->image),
        vm_id_make(&vm->scope.perimeter_id, spki, nonce, &other_image),
        vm_id_make(&other.perimeter_id, spki, nonce, &vm->image),
    };

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_false(digest_equal(&ids[i], &vm->vm));
    }
}

static void a_ticket_says_what_was_sealed_into_it(void **state)
{
    struct vm_fixture *vm = *state;
    struct ticket_content content = content_of(vm);
    OWN(bytes) struct bytes sealed = seal(vm, &content, &vm->scope);
    OWN(ticket) struct ticket ticket = {.cust_sign_size = 0};

    assert_ok(ticket_open(bytes_view(&sealed), &vm->scope, vm->tc_kem, &vm->image, &ticket, NULL));
    assert_true(view_equal(ticket.secret.nonce, VIEW_OF_ARRAY(vm->nonce)));
    assert_true(view_equal(ticket.secret.key, VIEW_OF_ARRAY(vm->key)));
    assert_true(view_equal(bytes_view(&ticket.policy_bytes), bytes_view(&vm->policy_bytes)));
    assert_int_equal(ticket.expiry_s, VM_TICKET_EXPIRY_S);
    assert_true(ticket.policy.needs_host_profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_for_another_perimeter_or_epoch_does_not_open),
        cmocka_unit_test(a_ticket_does_not_open_with_a_swapped_manifest),
        cmocka_unit_test(no_changed_byte_of_a_ticket_opens),
        cmocka_unit_test(a_ticket_with_senseless_contents_is_refused),
        cmocka_unit_test(a_plaintext_of_another_format_is_refused),
        cmocka_unit_test(a_plaintext_that_is_refused_stays_with_the_caller),
        cmocka_unit_test(a_ticket_is_refused_after_it_expired),
        cmocka_unit_test(a_ticket_that_is_valid_for_too_long_is_refused),
        cmocka_unit_test(a_request_of_another_customer_is_refused),
        cmocka_unit_test(a_request_signed_for_another_perimeter_or_epoch_is_refused),
        cmocka_unit_test(a_request_with_another_ticket_or_manifest_signature_is_refused),
        cmocka_unit_test(a_signature_does_not_serve_another_request),
        cmocka_unit_test(a_request_that_is_too_long_is_refused_unread),
        cmocka_unit_test(a_request_with_bad_texts_is_not_made),
        cmocka_unit_test(sealing_again_changes_the_ticket_and_not_the_vm),
        cmocka_unit_test(a_vm_id_depends_on_customer_nonce_image_and_perimeter),
        cmocka_unit_test(a_ticket_says_what_was_sealed_into_it),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
