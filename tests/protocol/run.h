/* One registration with both sides in memory, step by step; a test bends what it wants between two
 * steps. */
#ifndef TCCP_TESTS_PROTOCOL_RUN_H
#define TCCP_TESTS_PROTOCOL_RUN_H

#include "tests/protocol/hosts.h"

/* PCRs that members quote, and nodes whose logs nobody wants to see. */
enum { RUN_MASK = 0xff };

struct run {
    struct test_perimeter *perimeter;
    struct test_host *host, *member;
    struct private_key *tk_sign, *tk_kem;
    struct attester_config attester_config;
    struct verifier_config verifier_config;
    struct attester *attester;
    struct verifier *verifier;
    struct bytes hello, challenge, evidence, accepted;
    struct digest leaf;
    struct test_evidence coordinator, own;
    struct attester_task task;
    struct bytes activated;
    struct registration_facts facts;
    struct refusal refusal;
};

struct run run_of(struct test_perimeter *perimeter, enum attester_role role,
                  struct test_host *host);
void run_free(struct run *run);
DEFINE_OWN_VALUE(run, run_free)

/* Each is one side's step, or all that lies between two messages of the host. */
WARN_UNUSED enum status step_hello(struct run *run);
/* The coordinator's quote covers two other challenges beside ours. */
void make_challenge(struct run *run);
WARN_UNUSED enum status take_challenge(struct run *run);
enum status step_challenge(struct run *run);
/* What the host's TPM does for a task. */
void activate(struct run *run);
/* Of run->activated and run->own. */
void make_evidence(struct run *run);
WARN_UNUSED enum status send_evidence(struct run *run);
WARN_UNUSED enum status step_evidence(struct run *run);

#endif
