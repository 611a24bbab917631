/*
 * Everything else that the ETE signs, as it comes from outside: bundles with their roots,
 * successions and endorsements, files of signed documents, endorsement requests, the file of what
 * was seen. The first byte chooses the parser.
 */
#include "lib/perimeter/bundle.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The pinned id is the one of the root that is shown: else nothing behind it would be reached. */
static void bundle_try(struct view input)
{
    Tccp__PerimeterBundle *message = tccp__perimeter_bundle__unpack(NULL, input.size, input.data);
    struct bundle_expectation expectation = {
        .now_s = 1780000000,
        .tolerate_expired_manifest = true,
        .tolerate_no_endorsement = true,
    };
    OWN(bundle) struct bundle *bundle = NULL;

    if (message) {
        expectation.perimeter_id = sha256((struct view){message->root.data, message->root.len});
        tccp__perimeter_bundle__free_unpacked(message, NULL);
    }
    (void)!bundle_check(input, &expectation, &bundle, NULL);
}

static void document_try(struct view input)
{
    OWN(signed_document) Tccp__SignedDocument *document = NULL;
    struct endorsement endorsement;
    struct perimeter_root root;

    (void)!signed_document_parse(input, &document, NULL);
    (void)!endorsement_parse(input, &endorsement, NULL);
    (void)!root_parse(input, &root, NULL);
}

/* Under a manifest without members, which no document could be: parsing is what is tried here. */
static void request_try(struct view input)
{
    struct manifest manifest = {.epoch = 1};
    struct endorsement_request request;

    (void)!endorsement_request_check(input, &manifest, &request, NULL);
}

static void memory_try(struct view input)
{
    struct perimeter_memory memory, again;
    char text[PERIMETER_MEMORY_TEXT_SIZE], id_text[256] = "";
    struct digest id;

    memcpy(id_text, input.data, input.size < sizeof id_text ? input.size : sizeof id_text - 1);
    if (perimeter_id_parse(id_text, &id) == STATUS_OK) {
        char again_text[PERIMETER_ID_TEXT_SIZE];

        perimeter_id_print(&id, again_text);
        ASSERT(strcasecmp(again_text, id_text) == 0);
    }
    if (perimeter_memory_parse(input, &memory) == STATUS_OK) {
        perimeter_memory_print(&memory, text);
        ASSERT(perimeter_memory_parse(view_string(text), &again) == STATUS_OK);
        ASSERT(view_equal(view_string(text), input));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = {data + 1, size - 1};

    if (size == 0) {
        return 0;
    }
    switch (data[0] & 3) {
    case 0:
        bundle_try(input);
        break;
    case 1:
        document_try(input);
        break;
    case 2:
        request_try(input);
        break;
    default: /* of four */
        memory_try(input);
        break;
    }
    return 0;
}
