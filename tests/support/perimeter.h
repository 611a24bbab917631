/*
 * A perimeter for tests: three keys of the ETE, two of which must sign, a cluster's keys, and the
 * documents that put them in force. Whatever goes wrong fails the test.
 */
#ifndef TCCP_TESTS_SUPPORT_PERIMETER_H
#define TCCP_TESTS_SUPPORT_PERIMETER_H

#include "lib/perimeter/bundle.h"
#include "lib/perimeter/manifest_text.h"

enum {
    PERIMETER_TEST_KEY_COUNT = 3,
    PERIMETER_TEST_THRESHOLD = 2,
    PERIMETER_TEST_NOW_S = 1780000000, /* within the validity of every document made here */
};

struct perimeter_test {
    struct private_key *keys[PERIMETER_TEST_KEY_COUNT];
    struct bytes root_bytes;
    struct perimeter_root root;
    struct private_key *tc_sign, *tc_kem;
};

struct perimeter_test *perimeter_test_new(void);
void perimeter_test_free(struct perimeter_test *perimeter);
DEFINE_OWN_POINTER(perimeter_test, perimeter_test_free)

/* Members tc1, tc2, tc3, nodes n1 and n2 (attribute zone = a, b), operator alice; policies
 * "members" and "compute". Everything in it is a function of version and epoch, but for alice's
 * key. */
struct bytes perimeter_test_manifest_text(const struct perimeter_test *perimeter, uint64_t version,
                                          uint64_t epoch);
struct bytes perimeter_test_manifest(const struct perimeter_test *perimeter, uint64_t version,
                                     uint64_t epoch);
/* Bytes of a ClusterEndorsement for tc_sign and tc_kem, valid for 20 days around the test's now. */
struct bytes perimeter_test_endorsement(const struct perimeter_test *perimeter, uint64_t epoch);
struct bytes perimeter_test_endorsement_at(const struct perimeter_test *perimeter, uint64_t epoch,
                                           uint64_t now_s);
/* Bytes of a SignedDocument: signed by the keys whose bit is set in `signers`; epoch 0 for
 * successions. */
struct bytes perimeter_test_sign(const struct perimeter_test *perimeter, enum document_kind kind,
                                 uint64_t epoch, struct view document, unsigned signers);
/* The same, parsed. */
Tccp__SignedDocument *perimeter_test_signed(const struct perimeter_test *perimeter,
                                            enum document_kind kind, uint64_t epoch,
                                            struct view document, unsigned signers);
/* Bytes of a PerimeterBundle with all of it. */
struct bytes perimeter_test_bundle(const struct perimeter_test *perimeter, uint64_t version,
                                   uint64_t epoch);
/* The same around another point in time: for tests on real clocks. */
struct bytes perimeter_test_bundle_at(const struct perimeter_test *perimeter, uint64_t version,
                                      uint64_t epoch, uint64_t now_s);
/* A policy that accepts PCR 0 to 7 with these values: what both policies of the manifest say. */
struct digest perimeter_test_pcr(unsigned pcr);

#endif
