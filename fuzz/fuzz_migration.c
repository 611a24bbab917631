/* Migration tickets, reports and decisions: the first byte chooses, the rest is the document. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/migration_report.h"

static void check_ticket(const struct vm_fuzz *fuzz, struct view message)
{
    struct migration_expectation expectation = {.scope = fuzz->scope,
                                                .tc_sign = fuzz->public_key,
                                                .side = SIDE_SOURCE,
                                                .node = view_string("source"),
                                                .registration = 5};
    struct migration_ticket ticket;
    struct refusal refusal;

    ASSERT(migration_ticket_check(message, &expectation, &ticket, &refusal) != STATUS_OK);
}

static void check_report(const struct vm_fuzz *fuzz, struct view message)
{
    struct migration_report_expectation expectation = {.scope = fuzz->scope,
                                                       .tk_sign = fuzz->public_key,
                                                       .side = SIDE_SOURCE,
                                                       .migration = 9,
                                                       .vm = sha256(view_string("vm")),
                                                       .generation = 7};
    struct migration_report report;
    struct refusal refusal;

    if (migration_report_check(message, &expectation, &report, &refusal) == STATUS_OK) {
        ASSERT(report.generation == 7 && !digest_is_zero(&report.session));
    }
}

static void check_decision(const struct vm_fuzz *fuzz, struct view message)
{
    struct migration_decision_expectation expectation = {.scope = fuzz->scope,
                                                         .tc_sign = fuzz->public_key,
                                                         .migration = 9,
                                                         .vm = sha256(view_string("vm")),
                                                         .generation = 7,
                                                         .registrations = {5, 6},
                                                         .session = sha256(view_string("session"))};
    struct migration_decision decision;
    struct refusal refusal;

    if (migration_decision_check(message, &expectation, &decision, &refusal) == STATUS_OK) {
        ASSERT(decision.generation > 7);
        ASSERT(decision.owner_registration == (decision.verdict == MIGRATION_IS_DONE ? 6 : 5));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        enum signed_kind kind;
        void (*check)(const struct vm_fuzz *fuzz, struct view message);
    } parsers[] = {{SIGNED_MIGRATION_TICKET, check_ticket},
                   {SIGNED_MIGRATION_REPORT, check_report},
                   {SIGNED_MIGRATION_DECISION, check_decision}};
    OWN(bytes) struct bytes message = {0};
    size_t choice;

    if (size == 0) {
        return 0;
    }
    choice = data[0] % ARRAY_SIZE(parsers);
    parsers[choice].check(vm_fuzz(), (struct view){data + 1, size - 1});
    if (vm_fuzz_sign(parsers[choice].kind, data + 1, size - 1, &message)) {
        parsers[choice].check(vm_fuzz(), bytes_view(&message));
    }
    return 0;
}
