/* The ETE's documents as the replicated state reads them. */
#include "tcd/core/documents.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view document = {data, size};
    OWN(manifest_facts) struct manifest_facts *facts = NULL;
    struct endorsement_facts endorsement;
    struct succession_facts succession;

    if (manifest_facts_parse(document, &facts) == STATUS_OK) {
        ASSERT(facts->member_count <= CORE_MEMBER_COUNT_MAX &&
               facts->node_count <= CORE_NODE_COUNT_MAX);
    }
    if (endorsement_facts_parse(document, &endorsement) == STATUS_OK) {
        ASSERT(endorsement.epoch != 0);
    }
    if (succession_facts_parse(document, &succession) == STATUS_OK) {
        ASSERT(succession.number != 0);
    }
    return 0;
}
