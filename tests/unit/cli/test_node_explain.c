#include "cli/node.h"

#include "lib/base/protobuf.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct subject {
    Tccp__NodeDetail detail;
    Tccp__NodeStatus status;
    Tccp__NodeFinding finding, refusal_finding;
    Tccp__NodeRefusal refusal;
};

static void subject_make(struct subject *subject, const char *verdict)
{
    tccp__node_detail__init(&subject->detail);
    tccp__node_status__init(&subject->status);
    tccp__node_finding__init(&subject->finding);
    tccp__node_finding__init(&subject->refusal_finding);
    tccp__node_refusal__init(&subject->refusal);
    subject->detail.status = &subject->status;
    subject->status.name = protobuf_string("n1");
    subject->status.verdict = protobuf_string(verdict);
    subject->status.policy = protobuf_string("compute");
    subject->detail.standing_since_s = 1000;
}

static void quarantine(struct subject *subject, const char *reason, const char *about,
                       const char *seen)
{
    subject_make(subject, "quarantined");
    subject->status.reason = protobuf_string(reason);
    subject->finding.subject = protobuf_string(about);
    subject->finding.expected = protobuf_string("nothing");
    subject->finding.seen = protobuf_string(seen);
    subject->detail.finding = &subject->finding;
}

static void refuse_since(struct subject *subject, uint64_t at_s, bool proven)
{
    subject->refusal.at_s = at_s;
    subject->refusal.proven = proven;
    subject->refusal.count = 3;
    subject->refusal.reason = protobuf_string("secure-boot");
    subject->refusal_finding.subject = protobuf_string("dbx");
    subject->refusal.finding = &subject->refusal_finding;
    subject->detail.last_refusal = &subject->refusal;
}

static void a_finding_comes_with_the_line_that_would_accept_it(void **state)
{
    static const struct {
        const char *reason, *subject, *line, *check;
    } cases[] = {
        {"file-not-allowed", "/usr/bin/ls", "file " DIGEST " = /usr/bin/ls", "15"},
        {"pcr-not-allowed", "PCR 7", "pcr 7 = " DIGEST, "every listed PCR"},
        {"event-unexpected", "event 3, PCR 4, EFI_ACTION", "event 4 EFI_ACTION = " DIGEST, "11"},
        {"ima-violation", "/var/log/x y", "except_violation = /var/log/x%20y", "16"},
    };
    struct subject subject;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct node_explanation explanation;

        quarantine(&subject, cases[i].reason, cases[i].subject, DIGEST);
        explanation = node_explain_detail(&subject.detail);
        assert_false(explanation.is_good);
        assert_string_equal(explanation.accept, cases[i].line);
        assert_memory_equal(explanation.check, cases[i].check, strlen(cases[i].check));
        assert_string_equal(explanation.subject, cases[i].subject);
        assert_string_equal(explanation.seen, DIGEST);
        assert_non_null(strstr(explanation.next, "policy compute"));
        assert_int_equal(explanation.since_s, 1000);
    }
}

static void what_is_no_digest_is_not_offered_as_one(void **state)
{
    struct subject subject;

    (void)state;
    quarantine(&subject, "file-not-allowed", "/usr/bin/ls", "a violation");
    assert_string_equal(node_explain_detail(&subject.detail).accept, "");
    quarantine(&subject, "pcr-not-allowed", "not a PCR", DIGEST);
    assert_string_equal(node_explain_detail(&subject.detail).accept, "");
}

static void after_a_reset_nothing_is_to_be_changed(void **state)
{
    struct subject subject;
    struct node_explanation explanation;

    (void)state;
    quarantine(&subject, "reset", "", "");
    explanation = node_explain_detail(&subject.detail);
    assert_string_equal(explanation.accept, "");
    assert_non_null(strstr(explanation.next, "registers again by itself"));
}

static void what_it_was_refused_for_since_comes_before_what_it_is_in_quarantine_for(void **state)
{
    struct subject subject;

    (void)state;
    quarantine(&subject, "pcr-not-allowed", "PCR 7", DIGEST);
    refuse_since(&subject, 2000, true);
    assert_string_equal(node_explain_detail(&subject.detail).reason, "secure-boot");
    assert_string_equal(node_explain_detail(&subject.detail).subject, "dbx");
    assert_int_equal(node_explain_detail(&subject.detail).attempts, 3);
    /* Not what came before, nor what anybody may have said. */
    refuse_since(&subject, 999, true);
    assert_string_equal(node_explain_detail(&subject.detail).reason, "pcr-not-allowed");
    refuse_since(&subject, 2000, false);
    assert_string_equal(node_explain_detail(&subject.detail).reason, "pcr-not-allowed");
}

static void a_node_that_never_got_in_is_explained_by_its_last_refusal(void **state)
{
    struct subject subject;
    struct node_explanation explanation;

    (void)state;
    subject_make(&subject, "refused");
    subject.detail.standing_since_s = 0;
    refuse_since(&subject, 2000, false);
    explanation = node_explain_detail(&subject.detail);
    assert_false(explanation.is_good);
    assert_true(explanation.is_unproven);
    assert_string_equal(explanation.reason, "secure-boot");
    assert_int_equal(explanation.since_s, 2000);
}

static void one_that_nobody_has_seen_is_to_be_started(void **state)
{
    struct subject subject;
    struct node_explanation explanation;

    (void)state;
    subject_make(&subject, "never-seen");
    explanation = node_explain_detail(&subject.detail);
    assert_false(explanation.is_good);
    assert_null(explanation.reason);
    assert_non_null(strstr(explanation.next, "start its agent"));
}

static void a_revoked_node_stays_out_whatever_it_was_refused_for(void **state)
{
    struct subject subject;
    struct node_explanation explanation;

    (void)state;
    subject_make(&subject, "revoked");
    subject.status.reason = protobuf_string("node-revoked");
    refuse_since(&subject, 2000, true);
    explanation = node_explain_detail(&subject.detail);
    assert_string_equal(explanation.reason, "node-revoked");
    assert_non_null(strstr(explanation.next, "stays out"));
}

static void a_good_node_is_good(void **state)
{
    struct subject subject;
    struct node_explanation explanation;

    (void)state;
    subject_make(&subject, "good");
    subject.status.registered_at_s = 3000;
    explanation = node_explain_detail(&subject.detail);
    assert_true(explanation.is_good);
    assert_int_equal(explanation.since_s, 3000);
    assert_null(explanation.reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_digest_is_not_offered_as_one),
        cmocka_unit_test(a_finding_comes_with_the_line_that_would_accept_it),
        cmocka_unit_test(after_a_reset_nothing_is_to_be_changed),
        cmocka_unit_test(what_it_was_refused_for_since_comes_before_what_it_is_in_quarantine_for),
        cmocka_unit_test(a_node_that_never_got_in_is_explained_by_its_last_refusal),
        cmocka_unit_test(one_that_nobody_has_seen_is_to_be_started),
        cmocka_unit_test(a_revoked_node_stays_out_whatever_it_was_refused_for),
        cmocka_unit_test(a_good_node_is_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
