#include "lib/protocol/migration_ticket.h"

#include "lib/crypto/x509.h"
#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum { MIGRATION_TICKET_SIZE_MAX = 1024 };

static Tccp__MigrationParty *party_message(const struct migration_party *party,
                                           Tccp__MigrationParty *message)
{
    tccp__migration_party__init(message);
    message->node = protobuf_data((struct view){party->node, party->node_size});
    message->registration = party->registration;
    message->tk_sign = protobuf_data(VIEW_OF_ARRAY(party->tk_sign));
    message->tk_kem = protobuf_data(VIEW_OF_ARRAY(party->tk_kem));
    return message;
}

static bool read_party(const Tccp__MigrationParty *message, struct migration_party *party)
{
    if (!message || message->node.len == 0 || message->node.len > sizeof party->node ||
        message->registration == 0 ||
        !message_copy(message->tk_sign, party->tk_sign, sizeof party->tk_sign) ||
        !message_copy(message->tk_kem, party->tk_kem, sizeof party->tk_kem)) {
        return false;
    }
    memcpy(party->node, message->node.data, message->node.len);
    party->node_size = message->node.len;
    party->registration = message->registration;
    return true;
}

static bool ticket_document_parse(struct view document, struct migration_ticket *ticket)
{
    OWN(message)
    Tccp__MigrationTicket *message = (Tccp__MigrationTicket *)protobuf_unpack_strict(
        &tccp__migration_ticket__descriptor, document, MIGRATION_TICKET_SIZE_MAX);

    if (!message || message->migration == 0 || !message_digest(message->vm, &ticket->vm) ||
        message->generation == 0 || !read_party(message->source, &ticket->parties[SIDE_SOURCE]) ||
        !read_party(message->destination, &ticket->parties[SIDE_DESTINATION]) ||
        !message_copy(message->source_nonce, ticket->nonces[SIDE_SOURCE], MIGRATION_NONCE_SIZE) ||
        !message_copy(message->destination_nonce, ticket->nonces[SIDE_DESTINATION],
                      MIGRATION_NONCE_SIZE) ||
        message->lifetime_ms == 0) {
        return false;
    }
    ticket->migration = message->migration;
    ticket->generation = message->generation;
    ticket->lifetime_ms = message->lifetime_ms;
    ticket->digest = sha256(document);
    return true;
}

enum status migration_ticket_make(const struct migration_ticket *ticket, const struct scope *scope,
                                  const struct signer *tc_sign, struct bytes *ret_bytes)
{
    Tccp__MigrationTicket message = TCCP__MIGRATION_TICKET__INIT;
    Tccp__MigrationParty source, destination;
    OWN(bytes) struct bytes document = {0};
    struct migration_ticket again;

    message.migration = ticket->migration;
    message.vm = protobuf_data(digest_view(&ticket->vm));
    message.generation = ticket->generation;
    message.source = party_message(&ticket->parties[SIDE_SOURCE], &source);
    message.destination = party_message(&ticket->parties[SIDE_DESTINATION], &destination);
    message.source_nonce = protobuf_data(VIEW_OF_ARRAY(ticket->nonces[SIDE_SOURCE]));
    message.destination_nonce = protobuf_data(VIEW_OF_ARRAY(ticket->nonces[SIDE_DESTINATION]));
    message.lifetime_ms = ticket->lifetime_ms;
    TRY(protobuf_pack(&message.base, MIGRATION_TICKET_SIZE_MAX, &document));
    if (!ticket_document_parse(bytes_view(&document), &again)) {
        return STATUS_MALFORMED;
    }
    return signed_message_make(SIGNED_MIGRATION_TICKET, scope, bytes_view(&document), tc_sign,
                               ret_bytes);
}

enum status migration_ticket_peek(struct view bytes, uint64_t *ret_migration, struct digest *ret_vm,
                                  struct refusal *refusal)
{
    OWN(signed_message) struct signed_message message = {{0}, {0}};
    struct migration_ticket ticket;

    TRY(signed_message_parse(SIGNED_MIGRATION_TICKET, bytes, &message, refusal));
    if (!ticket_document_parse(bytes_view(&message.document), &ticket)) {
        return refuse(refusal, REFUSAL_MALFORMED, "migration ticket");
    }
    *ret_migration = ticket.migration;
    *ret_vm = ticket.vm;
    return STATUS_OK;
}

enum status migration_ticket_check(struct view bytes,
                                   const struct migration_expectation *expectation,
                                   struct migration_ticket *ret_ticket, struct refusal *refusal)
{
    OWN(bytes) struct bytes document = {0};
    struct migration_ticket ticket;
    const struct migration_party *own, *other;

    TRY(signed_message_check(SIGNED_MIGRATION_TICKET, bytes, &expectation->scope,
                             expectation->tc_sign, &document, refusal));
    if (!ticket_document_parse(bytes_view(&document), &ticket)) {
        return refuse(refusal, REFUSAL_MALFORMED, "migration ticket");
    }
    own = &ticket.parties[expectation->side];
    other = &ticket.parties[expectation->side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE];
    if (!view_equal((struct view){own->node, own->node_size}, expectation->node)) {
        return refuse(refusal, REFUSAL_ORDER, "the migration ticket is for other nodes");
    }
    if (own->registration != expectation->registration) {
        return refuse(refusal, REFUSAL_REGISTRATION,
                      "migration ticket for %" PRIu64 ", we are %" PRIu64, own->registration,
                      expectation->registration);
    }
    if (!view_equal(VIEW_OF_ARRAY(own->tk_sign), expectation->tk_sign) ||
        !view_equal(VIEW_OF_ARRAY(own->tk_kem), expectation->tk_kem)) {
        return refuse(refusal, REFUSAL_ORDER, "the migration ticket names other keys of ours");
    }
    if (other->registration == own->registration ||
        view_equal((struct view){other->node, other->node_size}, expectation->node)) {
        return refuse(refusal, REFUSAL_ORDER, "both sides of the migration are this node");
    }
    if (!digest_equal(&ticket.vm, &expectation->vm) ||
        (expectation->migration != 0 && ticket.migration != expectation->migration)) {
        return refuse(refusal, REFUSAL_ORDER,
                      "the migration ticket is for another VM or migration");
    }
    if (expectation->side == SIDE_SOURCE ? ticket.generation <= expectation->generation
                                         : ticket.generation != expectation->generation) {
        return refuse(refusal, REFUSAL_GENERATION, "migration ticket of %" PRIu64 ", now %" PRIu64,
                      ticket.generation, expectation->generation);
    }
    *ret_ticket = ticket;
    return STATUS_OK;
}

enum status migration_peer_check(const struct migration_ticket *ticket,
                                 enum migration_side own_side, struct view certificate,
                                 const struct scope *scope, const struct public_key *tc_sign,
                                 struct refusal *refusal)
{
    const struct migration_party *peer =
        &ticket->parties[own_side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE];
    struct certificate seen;

    TRY(certificate_check_undated(certificate, tc_sign, scope, &seen, refusal));
    TRY(certificate_require_role(&seen, ROLE_NODE, refusal));
    if (seen.registration_id != peer->registration ||
        !view_equal(certificate_spki(&seen), VIEW_OF_ARRAY(peer->tk_sign)) || !seen.has_kem ||
        memcmp(seen.kem_point, peer->tk_kem, sizeof peer->tk_kem) != 0) {
        return refuse(refusal, REFUSAL_ORDER,
                      "the other end is \"%s\" %" PRIu64 ", the ticket names %" PRIu64,
                      seen.subject, seen.registration_id, peer->registration);
    }
    return STATUS_OK;
}
