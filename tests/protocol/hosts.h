/*
 * A perimeter whose hosts have TPMs in software: a member, a node, and whoever a test wants to be
 * in the place of one. Both sides of a protocol are joined in memory. Whatever goes wrong in here
 * fails the test.
 */
#ifndef TCCP_TESTS_PROTOCOL_HOSTS_H
#define TCCP_TESTS_PROTOCOL_HOSTS_H

#include "lib/protocol/registration.h"

#include "tests/support/perimeter.h"
#include "tests/support/soft_ca.h"

struct test_host {
    struct soft_key ek, ak;
    struct bytes ek_certificate;
    struct tpm_public ek_public, ak_public;
    struct digest pcrs[PCR_IMA + 1];
    uint32_t reset_count;
    uint64_t clock_ms;
};

struct test_perimeter {
    struct perimeter_test *keys;
    struct soft_ca ca;
    struct test_host member, node, other_node, stranger;
    struct test_host logging_node; /* whose policy wants to see its IMA log */
    struct bytes bundle_bytes;
    struct bundle *bundle;
};

struct test_perimeter *test_perimeter_new(void);
void test_perimeter_free(struct test_perimeter *perimeter);

/* Evidence of a host: a quote over these PCRs with their values. The caller frees it. */
struct test_evidence {
    struct bytes quote, signature;
    struct bytes pcr_values;
    struct evidence_view view;
};
struct test_evidence test_host_quote(struct test_host *host, struct view qualifying, uint32_t mask);
void test_evidence_free(struct test_evidence *evidence);
DEFINE_OWN_VALUE(test_evidence, test_evidence_free)

#endif
