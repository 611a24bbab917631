#include "lib/protocol/run_grant.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>

enum { RUN_GRANT_SIZE_MAX = 128 };

static bool grant_parse(struct view document, struct run_grant *grant)
{
    OWN(message)
    Tccp__RunGrant *message = (Tccp__RunGrant *)protobuf_unpack_strict(
        &tccp__run_grant__descriptor, document, RUN_GRANT_SIZE_MAX);

    if (!message || !message_digest(message->vm, &grant->vm) || message->generation == 0 ||
        message->registration == 0 || message->deadline_ms == 0 ||
        (message->action != TCCP__ON_LOST_LEASE__ON_LOST_LEASE_PAUSE &&
         message->action != TCCP__ON_LOST_LEASE__ON_LOST_LEASE_STOP)) {
        return false;
    }
    grant->generation = message->generation;
    grant->registration = message->registration;
    grant->deadline_ms = message->deadline_ms;
    grant->action = message->action == TCCP__ON_LOST_LEASE__ON_LOST_LEASE_STOP
                        ? ON_LOST_LEASE_STOP
                        : ON_LOST_LEASE_PAUSE;
    return true;
}

enum status run_grant_make(const struct run_grant *grant, const struct scope *scope,
                           const struct signer *tc_sign, struct bytes *ret_bytes)
{
    Tccp__RunGrant message = TCCP__RUN_GRANT__INIT;
    OWN(bytes) struct bytes document = {0};
    struct run_grant again;

    message.vm = protobuf_data(digest_view(&grant->vm));
    message.generation = grant->generation;
    message.registration = grant->registration;
    message.deadline_ms = grant->deadline_ms;
    message.action = grant->action == ON_LOST_LEASE_STOP ? TCCP__ON_LOST_LEASE__ON_LOST_LEASE_STOP
                                                         : TCCP__ON_LOST_LEASE__ON_LOST_LEASE_PAUSE;
    TRY(protobuf_pack(&message.base, RUN_GRANT_SIZE_MAX, &document));
    if (!grant_parse(bytes_view(&document), &again)) {
        return STATUS_MALFORMED;
    }
    return signed_message_make(SIGNED_RUN_GRANT, scope, bytes_view(&document), tc_sign, ret_bytes);
}

enum status run_grant_check(struct view bytes, const struct run_grant_expectation *expectation,
                            struct run_grant *ret_grant, struct refusal *refusal)
{
    OWN(bytes) struct bytes document = {0};
    struct run_grant grant;

    TRY(signed_message_check(SIGNED_RUN_GRANT, bytes, &expectation->scope, expectation->tc_sign,
                             &document, refusal));
    if (!grant_parse(bytes_view(&document), &grant)) {
        return refuse(refusal, REFUSAL_MALFORMED, "run grant");
    }
    if (!digest_equal(&grant.vm, &expectation->vm)) {
        return refuse(refusal, REFUSAL_ORDER, "the run grant is for another VM");
    }
    if (grant.registration != expectation->registration) {
        return refuse(refusal, REFUSAL_REGISTRATION, "run grant for %" PRIu64 ", we are %" PRIu64,
                      grant.registration, expectation->registration);
    }
    if (grant.generation < expectation->generation_seen) {
        return refuse(refusal, REFUSAL_GENERATION, "run grant of %" PRIu64 ", seen %" PRIu64,
                      grant.generation, expectation->generation_seen);
    }
    *ret_grant = grant;
    return STATUS_OK;
}

enum status run_grant_peek(struct view bytes, struct digest *ret_vm, struct refusal *refusal)
{
    OWN(signed_message) struct signed_message message = {{0}, {0}};
    struct run_grant grant;

    TRY(signed_message_parse(SIGNED_RUN_GRANT, bytes, &message, refusal));
    if (!grant_parse(bytes_view(&message.document), &grant)) {
        return refuse(refusal, REFUSAL_MALFORMED, "run grant");
    }
    *ret_vm = grant.vm;
    return STATUS_OK;
}
