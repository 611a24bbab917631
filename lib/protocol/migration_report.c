#include "lib/protocol/migration_report.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>

enum { MIGRATION_REPORT_SIZE_MAX = 256, MIGRATION_DECISION_SIZE_MAX = 256 };

/* ---- the nodes' reports ---- */

enum status migration_report_make(const struct migration_report *report, const struct scope *scope,
                                  const struct signer *tk_sign, struct bytes *ret_bytes)
{
    Tccp__MigrationReport message = TCCP__MIGRATION_REPORT__INIT;
    OWN(bytes) struct bytes document = {0};

    ASSERT(report->side < SIDE_COUNT);
    message.side = report->side == SIDE_SOURCE ? TCCP__MIGRATION_SIDE__MIGRATION_SIDE_SOURCE
                                               : TCCP__MIGRATION_SIDE__MIGRATION_SIDE_DESTINATION;
    message.migration = report->migration;
    message.vm = protobuf_data(digest_view(&report->vm));
    message.generation = report->generation;
    message.session = protobuf_data(digest_view(&report->session));
    message.configuration = protobuf_data(digest_view(&report->configuration));
    TRY(protobuf_pack(&message.base, MIGRATION_REPORT_SIZE_MAX, &document));
    return signed_message_make(SIGNED_MIGRATION_REPORT, scope, bytes_view(&document), tk_sign,
                               ret_bytes);
}

static bool report_parse(struct view document, struct migration_report *report)
{
    OWN(message)
    Tccp__MigrationReport *message = (Tccp__MigrationReport *)protobuf_unpack_strict(
        &tccp__migration_report__descriptor, document, MIGRATION_REPORT_SIZE_MAX);

    if (!message ||
        (message->side != TCCP__MIGRATION_SIDE__MIGRATION_SIDE_SOURCE &&
         message->side != TCCP__MIGRATION_SIDE__MIGRATION_SIDE_DESTINATION) ||
        !message_digest(message->vm, &report->vm) ||
        !message_digest(message->session, &report->session) || digest_is_zero(&report->session) ||
        !message_digest(message->configuration, &report->configuration)) {
        return false;
    }
    report->side = message->side == TCCP__MIGRATION_SIDE__MIGRATION_SIDE_SOURCE ? SIDE_SOURCE
                                                                                : SIDE_DESTINATION;
    report->migration = message->migration;
    report->generation = message->generation;
    return true;
}

enum status migration_report_check(struct view bytes,
                                   const struct migration_report_expectation *expectation,
                                   struct migration_report *ret_report, struct refusal *refusal)
{
    OWN(bytes) struct bytes document = {0};
    struct migration_report report;

    TRY(signed_message_check(SIGNED_MIGRATION_REPORT, bytes, &expectation->scope,
                             expectation->tk_sign, &document, refusal));
    if (!report_parse(bytes_view(&document), &report)) {
        return refuse(refusal, REFUSAL_MALFORMED, "migration report");
    }
    if (report.side != expectation->side || report.migration != expectation->migration ||
        !digest_equal(&report.vm, &expectation->vm)) {
        return refuse(refusal, REFUSAL_ORDER, "the report is about another migration or side");
    }
    if (report.generation != expectation->generation) {
        return refuse(refusal, REFUSAL_GENERATION, "migration report of %" PRIu64 ", now %" PRIu64,
                      report.generation, expectation->generation);
    }
    *ret_report = report;
    return STATUS_OK;
}

enum status migration_report_peek(struct view bytes, uint64_t *ret_migration,
                                  struct refusal *refusal)
{
    OWN(signed_message) struct signed_message message = {{0}, {0}};
    struct migration_report report;

    TRY(signed_message_parse(SIGNED_MIGRATION_REPORT, bytes, &message, refusal));
    if (!report_parse(bytes_view(&message.document), &report)) {
        return refuse(refusal, REFUSAL_MALFORMED, "migration report");
    }
    *ret_migration = report.migration;
    return STATUS_OK;
}

/* ---- the coordinator's decision ---- */

enum status migration_decision_make(const struct migration_decision *decision,
                                    const struct scope *scope, const struct signer *tc_sign,
                                    struct bytes *ret_bytes)
{
    Tccp__MigrationDecision message = TCCP__MIGRATION_DECISION__INIT;
    OWN(bytes) struct bytes document = {0};

    if (decision->verdict == MIGRATION_IS_DONE && digest_is_zero(&decision->session)) {
        return STATUS_MALFORMED;
    }
    message.verdict = decision->verdict == MIGRATION_IS_DONE
                          ? TCCP__MIGRATION_VERDICT__MIGRATION_VERDICT_DONE
                          : TCCP__MIGRATION_VERDICT__MIGRATION_VERDICT_ABORTED;
    message.migration = decision->migration;
    message.vm = protobuf_data(digest_view(&decision->vm));
    message.owner_registration = decision->owner_registration;
    message.generation = decision->generation;
    if (!digest_is_zero(&decision->session)) {
        message.session = protobuf_data(digest_view(&decision->session));
    }
    TRY(protobuf_pack(&message.base, MIGRATION_DECISION_SIZE_MAX, &document));
    return signed_message_make(SIGNED_MIGRATION_DECISION, scope, bytes_view(&document), tc_sign,
                               ret_bytes);
}

static bool decision_parse(struct view document, struct migration_decision *decision)
{
    OWN(message)
    Tccp__MigrationDecision *message = (Tccp__MigrationDecision *)protobuf_unpack_strict(
        &tccp__migration_decision__descriptor, document, MIGRATION_DECISION_SIZE_MAX);

    if (!message ||
        (message->verdict != TCCP__MIGRATION_VERDICT__MIGRATION_VERDICT_DONE &&
         message->verdict != TCCP__MIGRATION_VERDICT__MIGRATION_VERDICT_ABORTED) ||
        !message_digest(message->vm, &decision->vm)) {
        return false;
    }
    decision->verdict = message->verdict == TCCP__MIGRATION_VERDICT__MIGRATION_VERDICT_DONE
                            ? MIGRATION_IS_DONE
                            : MIGRATION_IS_ABORTED;
    decision->session = (struct digest){{0}};
    if (message->session.len > 0 ? !message_digest(message->session, &decision->session) ||
                                       digest_is_zero(&decision->session)
                                 : decision->verdict == MIGRATION_IS_DONE) {
        return false;
    }
    decision->migration = message->migration;
    decision->owner_registration = message->owner_registration;
    decision->generation = message->generation;
    return true;
}

enum status migration_decision_peek(struct view bytes, struct migration_decision *ret_decision,
                                    struct refusal *refusal)
{
    OWN(signed_message) struct signed_message message = {{0}, {0}};

    TRY(signed_message_parse(SIGNED_MIGRATION_DECISION, bytes, &message, refusal));
    return decision_parse(bytes_view(&message.document), ret_decision)
               ? STATUS_OK
               : refuse(refusal, REFUSAL_MALFORMED, "migration decision");
}

enum status migration_decision_check(struct view bytes,
                                     const struct migration_decision_expectation *expectation,
                                     struct migration_decision *ret_decision,
                                     struct refusal *refusal)
{
    OWN(bytes) struct bytes document = {0};
    struct migration_decision decision;
    enum migration_side owner;

    TRY(signed_message_check(SIGNED_MIGRATION_DECISION, bytes, &expectation->scope,
                             expectation->tc_sign, &document, refusal));
    if (!decision_parse(bytes_view(&document), &decision)) {
        return refuse(refusal, REFUSAL_MALFORMED, "migration decision");
    }
    if (decision.migration != expectation->migration ||
        !digest_equal(&decision.vm, &expectation->vm)) {
        return refuse(refusal, REFUSAL_ORDER, "the decision is about another migration");
    }
    if (decision.generation <= expectation->generation) {
        return refuse(refusal, REFUSAL_GENERATION, "decision of %" PRIu64 ", ticket of %" PRIu64,
                      decision.generation, expectation->generation);
    }
    owner = decision.verdict == MIGRATION_IS_DONE ? SIDE_DESTINATION : SIDE_SOURCE;
    if (decision.owner_registration != expectation->registrations[owner]) {
        return refuse(refusal, REFUSAL_ORDER, "the decision gives the VM to a third");
    }
    /* An abort may come before the coordinator, or this node, knows of a session. */
    if (!digest_equal(&decision.session, &expectation->session) &&
        (decision.verdict == MIGRATION_IS_DONE ||
         (!digest_is_zero(&decision.session) && !digest_is_zero(&expectation->session)))) {
        return refuse(refusal, REFUSAL_ORDER, "the decision is about another session");
    }
    *ret_decision = decision;
    return STATUS_OK;
}
