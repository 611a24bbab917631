/* Launch proofs: as they come, and the report in them alone, signed by the coordinator. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/launch_proof.h"

static void check(const struct vm_fuzz *fuzz, struct view proof)
{
    static const uint8_t key[VM_KEY_SIZE] = {1};
    const struct launch_proof_expectation expectation = {.scope = fuzz->scope,
                                                         .tc_sign = fuzz->public_key,
                                                         .key = VIEW_OF_ARRAY(key),
                                                         .nonce = {1},
                                                         .cust_sign = view_string("customer"),
                                                         .image_manifest = view_string("image")};
    struct launch_verdict verdict;
    struct refusal refusal;

    ASSERT(launch_proof_check(proof, &expectation, &verdict, &refusal) != STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vm_fuzz *fuzz = vm_fuzz();
    OWN(bytes) struct bytes report = {0};
    OWN(bytes) struct bytes proof = {0};
    struct merkle_proof inclusion = {.count = 0};

    check(fuzz, (struct view){data, size});
    if (vm_fuzz_sign(SIGNED_LAUNCH_REPORT, data, size, &report) &&
        launch_proof_make(&(struct launch_proof_content){.report = bytes_view(&report),
                                                         .measurement = {data, size},
                                                         .leaf = view_string("leaf"),
                                                         .inclusion = &inclusion},
                          &proof) == STATUS_OK) {
        check(fuzz, bytes_view(&proof));
    }
    return 0;
}
