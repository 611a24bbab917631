#include "tcd/authorize.h"

#include "tests/support/test.h"

static bool may(enum caller caller, Tccp__AdminRequest__KindCase kind)
{
    struct refusal refusal = {0};
    enum status status = authorize(caller, kind, &refusal);

    if (status != STATUS_OK) {
        assert_string_equal(refusal_name(refusal.code), "not-authorized");
    }
    return status == STATUS_OK;
}

static void nodes_and_members_are_no_callers(void **state)
{
    (void)state;
    assert_int_equal(caller_of_role(ROLE_NODE), CALLER_COUNT);
    assert_int_equal(caller_of_role(ROLE_MEMBER), CALLER_COUNT);
    assert_int_equal(caller_of_role(ROLE_NONE), CALLER_COUNT);
    assert_false(may(CALLER_COUNT, TCCP__ADMIN_REQUEST__KIND_STATUS));
}

static void a_key_without_a_certificate_may_only_enroll(void **state)
{
    (void)state;
    assert_true(may(CALLER_UNKNOWN, TCCP__ADMIN_REQUEST__KIND_ENROLL));
    for (int kind = TCCP__ADMIN_REQUEST__KIND_STATUS;
         kind <= TCCP__ADMIN_REQUEST__KIND_EVIDENCE_PART; kind++) {
        struct refusal refusal = {0};

        if (kind != TCCP__ADMIN_REQUEST__KIND_ENROLL) {
            assert_status(authorize(CALLER_UNKNOWN, (Tccp__AdminRequest__KindCase)kind, &refusal),
                          STATUS_REFUSED);
        }
    }
}

/* A change has somebody's name on it. */
static void the_local_socket_changes_nothing_but_founds_the_cluster(void **state)
{
    static const Tccp__AdminRequest__KindCase changes[] = {
        TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN,  TCCP__ADMIN_REQUEST__KIND_PERIMETER_APPLY,
        TCCP__ADMIN_REQUEST__KIND_USER_ADD,      TCCP__ADMIN_REQUEST__KIND_USER_REMOVE,
        TCCP__ADMIN_REQUEST__KIND_NODE_REVOKE,   TCCP__ADMIN_REQUEST__KIND_NODE_CORDON,
        TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE,    TCCP__ADMIN_REQUEST__KIND_VM_LAUNCH,
        TCCP__ADMIN_REQUEST__KIND_VM_STOP,       TCCP__ADMIN_REQUEST__KIND_VM_DELETE,
        TCCP__ADMIN_REQUEST__KIND_REFERENCE_ADD,
    };

    (void)state;
    assert_true(may(CALLER_LOCAL, TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_BEGIN));
    assert_true(may(CALLER_LOCAL, TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_COMPLETE));
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        assert_false(may(CALLER_LOCAL, changes[i]));
    }
}

static void nobody_founds_a_cluster_over_the_network(void **state)
{
    (void)state;
    for (int caller = 0; caller < CALLER_COUNT; caller++) {
        if (caller != CALLER_LOCAL) {
            assert_false(may((enum caller)caller, TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_BEGIN));
            assert_false(may((enum caller)caller, TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_COMPLETE));
        }
    }
}

static void an_operator_launches_nothing_and_sees_no_proof(void **state)
{
    (void)state;
    assert_false(may(CALLER_OPERATOR, TCCP__ADMIN_REQUEST__KIND_VM_LAUNCH));
    assert_false(may(CALLER_OPERATOR, TCCP__ADMIN_REQUEST__KIND_VM_PROOF_GET));
    assert_true(may(CALLER_OPERATOR, TCCP__ADMIN_REQUEST__KIND_VM_STOP));
}

static void customers_and_auditors_do_not_run_the_cloud(void **state)
{
    static const Tccp__AdminRequest__KindCase operators[] = {
        TCCP__ADMIN_REQUEST__KIND_PERIMETER_APPLY, TCCP__ADMIN_REQUEST__KIND_USER_ADD,
        TCCP__ADMIN_REQUEST__KIND_USER_REMOVE,     TCCP__ADMIN_REQUEST__KIND_STEP_DOWN,
        TCCP__ADMIN_REQUEST__KIND_NODE_REVOKE,     TCCP__ADMIN_REQUEST__KIND_NODE_CORDON,
        TCCP__ADMIN_REQUEST__KIND_REFERENCE_ADD,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        assert_false(may(CALLER_CUSTOMER, operators[i]));
        assert_false(may(CALLER_AUDITOR, operators[i]));
        assert_true(may(CALLER_OPERATOR, operators[i]));
    }
    /* By what nodes are appraised everybody may see. */
    assert_true(may(CALLER_CUSTOMER, TCCP__ADMIN_REQUEST__KIND_REFERENCE_GET));
    /* Which hosts there are is no customer's business. */
    assert_false(may(CALLER_CUSTOMER, TCCP__ADMIN_REQUEST__KIND_NODES_LIST));
}

/* Logs name every program that ran on a host. */
static void who_sees_what_a_node_shows_is_an_operator_or_auditor_with_a_name(void **state)
{
    static const Tccp__AdminRequest__KindCase kinds[] = {
        TCCP__ADMIN_REQUEST__KIND_EVIDENCE_GET,
        TCCP__ADMIN_REQUEST__KIND_EVIDENCE_PART,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        assert_false(may(CALLER_CUSTOMER, kinds[i]));
        assert_false(may(CALLER_LOCAL, kinds[i]));
        assert_true(may(CALLER_OPERATOR, kinds[i]));
        assert_true(may(CALLER_AUDITOR, kinds[i]));
    }
}

static void an_unknown_kind_is_malformed(void **state)
{
    struct refusal refusal = {0};

    (void)state;
    assert_refused(authorize(CALLER_OPERATOR, (Tccp__AdminRequest__KindCase)9999, &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_refused(authorize(CALLER_OPERATOR, TCCP__ADMIN_REQUEST__KIND__NOT_SET, &refusal),
                   refusal, REFUSAL_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_and_members_are_no_callers),
        cmocka_unit_test(a_key_without_a_certificate_may_only_enroll),
        cmocka_unit_test(the_local_socket_changes_nothing_but_founds_the_cluster),
        cmocka_unit_test(nobody_founds_a_cluster_over_the_network),
        cmocka_unit_test(an_operator_launches_nothing_and_sees_no_proof),
        cmocka_unit_test(customers_and_auditors_do_not_run_the_cloud),
        cmocka_unit_test(who_sees_what_a_node_shows_is_an_operator_or_auditor_with_a_name),
        cmocka_unit_test(an_unknown_kind_is_malformed),
    };
    return cmocka_run_group_tests_name("authorize", tests, NULL, NULL);
}
