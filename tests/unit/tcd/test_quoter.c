/* Batches of the coordinator's quotes, by a real software TPM. */
#include "tcd/quoter.h"

#include "lib/attest/quote.h"
#include "lib/base/merkle.h"

#include "tests/support/swtpm.h"
#include "tests/support/test.h"

#include <uv.h>

enum { REQUESTS = 20, MASK = 0x07 };

struct fixture {
    uv_loop_t loop;
    char folder[SWTPM_PATH_SIZE];
    struct swtpm swtpm;
    struct tpm *tpm;
    struct tpm_identity identity;
    struct worker *worker;
    struct quoter *quoter;
    struct pcr_policy policy;
    unsigned outstanding;
};

struct request {
    struct fixture *fixture;
    struct digest leaf;
    bool answered;
    enum status status;
    struct digest root; /* to which its proof leads */
    struct bytes quote, signature;
};

static const struct scope scope = {.perimeter_id = {{1}}, .epoch = 3};

static int setup(void **state)
{
    static struct fixture fixture;

    folder_make(fixture.folder);
    swtpm_new(fixture.folder, "tc1", "p256", &fixture.swtpm);
    assert_ok(tpm_open(fixture.swtpm.tcti, &fixture.tpm));
    assert_ok(tpm_identity(fixture.tpm, &fixture.identity));
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    assert_ok(worker_open(&fixture.loop, 1, 64, &fixture.worker));
    assert_ok(quoter_new(&(struct quoter_config){.tpm_worker = fixture.worker,
                                                 .tpm = fixture.tpm,
                                                 .identity = &fixture.identity},
                         &fixture.quoter));
    for (uint32_t pcr = 0; pcr < 3; pcr++) {
        assert_ok(pcr_policy_list(&fixture.policy, pcr));
    }
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    worker_close(fixture->worker);
    quoter_free(fixture->quoter);
    while (uv_run(&fixture->loop, UV_RUN_DEFAULT) != 0) {
        /* Until its handles are closed. */
    }
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    pcr_policy_free(&fixture->policy);
    tpm_identity_free(&fixture->identity);
    tpm_close(fixture->tpm);
    swtpm_free(&fixture->swtpm);
    folder_remove(fixture->folder);
    return 0;
}

static void answered(void *argument, enum status status,
                     const struct coordinator_evidence *evidence, struct quote *quote)
{
    struct request *request = argument;

    assert_true((quote != NULL) == (status == STATUS_OK));
    assert_false(request->answered);
    request->answered = true;
    request->status = status;
    if (status == STATUS_OK) {
        assert_true(merkle_inclusion_root(&request->leaf, evidence->leaf_index,
                                          evidence->leaf_count, &evidence->proof, &request->root));
        assert_ok(bytes_copy(evidence->evidence.quote, &request->quote));
        assert_ok(bytes_copy(evidence->evidence.signature, &request->signature));
    }
    if (--request->fixture->outstanding == 0) {
        uv_stop(&request->fixture->loop);
    }
}

static void ask(struct fixture *fixture, struct request *request, uint8_t number)
{
    *request = (struct request){.fixture = fixture, .leaf = {{number}}};
    fixture->outstanding++;
    assert_ok(quoter_request(fixture->quoter, &scope, &fixture->policy, &request->leaf, answered,
                             request));
}

/* The quote covers the root to which the request's own proof leads, and nothing else. */
static void check_covered(const struct fixture *fixture, const struct request *request)
{
    struct digest qualifying = coordinator_qualifying(&scope, &request->root);
    struct tpm_quote_info info;
    struct tpm_public ak;
    struct refusal refusal = {0};

    assert_ok(request->status);
    assert_ok(tpm_public_parse(bytes_view(&fixture->identity.ak_public), &ak));
    if (quote_check(&ak, bytes_view(&request->quote), bytes_view(&request->signature),
                    digest_view(&qualifying), MASK, &info, &refusal) != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
}

static void request_free(struct request *request)
{
    bytes_free(&request->quote);
    bytes_free(&request->signature);
}

static void few_quotes_serve_all_who_wait(void **state)
{
    struct fixture *fixture = *state;
    struct request requests[REQUESTS];
    unsigned quotes = 0;

    for (uint8_t i = 0; i < REQUESTS; i++) {
        ask(fixture, &requests[i], (uint8_t)(i + 1));
    }
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < REQUESTS; i++) {
        check_covered(fixture, &requests[i]);
        quotes += i == 0 ||
                  !view_equal(bytes_view(&requests[i].quote), bytes_view(&requests[i - 1].quote));
    }
    /* The first one starts at once; the others wait for it together. */
    assert_int_equal(quotes, 2);
    for (unsigned i = 0; i < REQUESTS; i++) {
        request_free(&requests[i]);
    }
}

static void one_that_is_gone_is_not_answered_and_the_others_are(void **state)
{
    struct fixture *fixture = *state;
    struct request requests[3];

    for (uint8_t i = 0; i < 3; i++) {
        ask(fixture, &requests[i], (uint8_t)(i + 1));
    }
    assert_true(quoter_cancel(fixture->quoter, &requests[0]));
    assert_true(quoter_cancel(fixture->quoter, &requests[1]));
    assert_false(quoter_cancel(fixture->quoter, &requests[1]));
    fixture->outstanding = 1;
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_false(requests[0].answered);
    assert_false(requests[1].answered);
    check_covered(fixture, &requests[2]);
    request_free(&requests[2]);
}

static void another_epoch_does_not_join_a_batch(void **state)
{
    struct fixture *fixture = *state;
    struct scope next = {.perimeter_id = scope.perimeter_id, .epoch = 4};
    struct request requests[2], other = {.fixture = fixture};

    ask(fixture, &requests[0], 1);
    ask(fixture, &requests[1], 2);
    assert_status(
        quoter_request(fixture->quoter, &next, &fixture->policy, &other.leaf, answered, &other),
        STATUS_BUSY);
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    check_covered(fixture, &requests[1]);
    request_free(&requests[0]);
    request_free(&requests[1]);
}

static void a_tpm_that_is_gone_answers_everybody_with_the_failure(void **state)
{
    struct fixture *fixture = *state;
    struct request requests[2];

    swtpm_kill(&fixture->swtpm);
    ask(fixture, &requests[0], 1);
    ask(fixture, &requests[1], 2);
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(requests[i].answered);
        assert_int_not_equal(requests[i].status, STATUS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_quotes_serve_all_who_wait),
        cmocka_unit_test(one_that_is_gone_is_not_answered_and_the_others_are),
        cmocka_unit_test(another_epoch_does_not_join_a_batch),
        cmocka_unit_test(a_tpm_that_is_gone_answers_everybody_with_the_failure),
    };
    return cmocka_run_group_tests_name("quoter", tests, setup, teardown);
}
