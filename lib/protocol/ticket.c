#include "lib/protocol/ticket.h"

#include "lib/protocol/message.h"
#include "lib/protocol/sealing.h"

#include "proto/vm.pb-c.h"

#include <string.h>

enum status ticket_seal(const struct ticket_content *content, const struct scope *scope,
                        struct view tc_kem, const struct digest *image,
                        const uint8_t entropy[HPKE_ENTROPY_SIZE], struct bytes *ret_ticket)
{
    Tccp__TicketBody message = TCCP__TICKET_BODY__INIT;
    OWN(bytes) struct bytes body = {0};
    OWN(bytes) struct bytes info = {0};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};

    message.policy = protobuf_data(content->policy);
    message.cust_sign = protobuf_data(content->cust_sign);
    message.expiry_s = content->expiry_s;
    TRY(protobuf_pack(&message.base, VM_SECRET_BODY_SIZE_MAX, &body));
    TRY(vm_secret_make(content->nonce, content->key, bytes_view(&body), &secret));
    TRY(sealing_info(SEALING_TICKET, scope, &info));
    return hpke_seal(tc_kem, bytes_view(&info), digest_view(image), secret_view(&secret.plaintext),
                     entropy, ret_ticket);
}

void ticket_free(struct ticket *ticket)
{
    vm_secret_free(&ticket->secret);
    bytes_free(&ticket->policy_bytes);
}

/* The body into the ticket; the part that is wrong, or NULL. */
static const char *read_body(const Tccp__TicketBody *message, struct ticket *ticket)
{
    OWN(public_key) struct public_key *key = NULL;
    struct view cust_sign = protobuf_view(message->cust_sign);

    if (launch_policy_parse(protobuf_view(message->policy), &ticket->policy, NULL) != STATUS_OK) {
        return "policy";
    }
    if (public_key_parse(cust_sign, &key) != STATUS_OK) {
        return "customer's key";
    }
    memcpy(ticket->cust_sign, cust_sign.data, cust_sign.size);
    ticket->cust_sign_size = cust_sign.size;
    ticket->expiry_s = message->expiry_s;
    return NULL;
}

enum status ticket_parse(struct secret *plaintext, struct ticket *ret_ticket,
                         struct refusal *refusal)
{
    OWN(ticket) struct ticket ticket = {.cust_sign_size = 0};
    OWN(message) Tccp__TicketBody *message = NULL;
    const char *wrong;

    if (vm_secret_parse(plaintext, &ticket.secret) != STATUS_OK) {
        return refuse(refusal, REFUSAL_TICKET, "its contents");
    }
    message = (Tccp__TicketBody *)protobuf_unpack_strict(
        &tccp__ticket_body__descriptor, ticket.secret.body, VM_SECRET_BODY_SIZE_MAX);
    wrong = message ? read_body(message, &ticket) : "its contents";
    if (wrong) {
        /* The caller keeps what it handed in. */
        *plaintext = TAKE(ticket.secret.plaintext);
        return refuse(refusal, REFUSAL_TICKET, "%s", wrong);
    }
    TRY(bytes_copy(protobuf_view(message->policy), &ticket.policy_bytes));
    *ret_ticket = TAKE(ticket);
    return STATUS_OK;
}

enum status ticket_open(struct view sealed, const struct scope *scope,
                        const struct private_key *tc_kem, const struct digest *image,
                        struct ticket *ret_ticket, struct refusal *refusal)
{
    OWN(bytes) struct bytes info = {0};
    OWN(secret) struct secret plaintext = {0};
    enum status status;

    TRY(sealing_info(SEALING_TICKET, scope, &info));
    status = hpke_open(tc_kem, bytes_view(&info), digest_view(image), sealed, &plaintext);
    if (status == STATUS_UNTRUSTED || status == STATUS_MALFORMED || status == STATUS_TOO_LARGE) {
        return refuse(refusal, REFUSAL_TICKET, "it does not open");
    }
    TRY(status);
    return ticket_parse(&plaintext, ret_ticket, refusal);
}

struct digest vm_id_make(const struct digest *perimeter_id, struct view cust_sign,
                         struct view nonce, const struct digest *image)
{
    struct scope scope = {.perimeter_id = *perimeter_id, .epoch = 0};
    struct canonical canonical = canonical_begin("tccp-vm-id", &scope);

    canonical_field(&canonical, cust_sign);
    canonical_field(&canonical, nonce);
    canonical_digest(&canonical, image);
    return canonical_hash(&canonical);
}
