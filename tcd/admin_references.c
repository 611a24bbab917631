/* Reference sets: uploaded piece by piece, listed, read. */
#include "lib/base/protobuf.h"
#include "tcd/admin_list.h"
#include "tcd/staged_verdicts.h"

#include <string.h>

static void refuse_call(struct admin_call *call, enum refusal_code code, const char *detail)
{
    struct refusal refusal = refusal_make(code, "%s", detail);

    admin_refuse(call, &refusal);
}

void admin_reference_add(struct admin_call *call)
{
    const Tccp__ReferenceAdd *request = call->request->reference_add;
    struct command command = {.kind = COMMAND_REFERENCE_CHUNK};

    command.reference_chunk.size = request->size;
    command.reference_chunk.offset = request->offset;
    command.reference_chunk.data = protobuf_view(request->data);
    if (request->size > REFERENCE_SIZE_MAX || request->data.len > REFERENCE_CHUNK_SIZE_MAX) {
        refuse_call(call, REFUSAL_TOO_LARGE, "a set has at most 16 MiB, a piece 256 KiB");
        return;
    }
    if (digest_of_view(protobuf_view(request->digest), &command.reference_chunk.digest) !=
            STATUS_OK ||
        request->data.len == 0 || request->data.len > request->size ||
        request->offset > request->size - request->data.len) {
        refuse_call(call, REFUSAL_MALFORMED, "a piece that does not lie within its set");
        return;
    }
    admin_propose(call, &command);
}

/* --- the list --- */

/* What the manifest says of one set; `ret_uses` may be NULL for counting. */
static size_t uses_find(const struct manifest *manifest, const struct digest *digest,
                        Tccp__ReferenceUse *ret_uses)
{
    size_t count = 0;

    for (size_t i = 0; manifest && i < manifest->policy_count; i++) {
        const struct manifest_policy *policy = &manifest->policies[i];
        const struct manifest_reference *reference = manifest_policy_reference(policy, digest);

        if (reference && ret_uses) {
            tccp__reference_use__init(&ret_uses[count]);
            ret_uses[count].policy = protobuf_string(policy->name);
            ret_uses[count].staged = reference->staged;
            ret_uses[count].not_after_s = reference->not_after_s;
        }
        count += reference != NULL;
    }
    return count;
}

/* An answer that is being made: at most as many sets as the state holds and the manifest names. */
struct listing {
    struct admin_list sets, uses;
    struct digest *prefixes; /* of each set */
    size_t set_count, use_count;
    const struct staged_verdicts *staged_verdicts;
};

static void listing_add(struct listing *listing, const struct manifest *manifest,
                        const struct digest *digest, const struct reference_blob *reference)
{
    Tccp__ReferenceStatus *item =
        &((Tccp__ReferenceStatus *)listing->sets.items)[listing->set_count];

    tccp__reference_status__init(item);
    item->digest = protobuf_data(digest_view(digest));
    item->n_uses =
        uses_find(manifest, digest, (Tccp__ReferenceUse *)listing->uses.items + listing->use_count);
    item->uses = (Tccp__ReferenceUse **)listing->uses.pointers + listing->use_count;
    listing->use_count += item->n_uses;
    if (reference) {
        struct digest *prefix = &listing->prefixes[listing->set_count];

        *prefix = reference_prefix(reference);
        item->size = reference->size;
        item->received = reference->received;
        item->prefix = protobuf_data(digest_view(prefix));
    }
    staged_verdicts_count(listing->staged_verdicts, digest, &item->staged_accepted,
                          &item->staged_refused);
    listing->set_count++;
}

static bool is_listed(const struct listing *listing, const struct digest *digest)
{
    const Tccp__ReferenceStatus *items = listing->sets.items;

    for (size_t i = 0; i < listing->set_count; i++) {
        if (view_equal(protobuf_view(items[i].digest), digest_view(digest))) {
            return true;
        }
    }
    return false;
}

static void listing_fill(struct listing *listing, const struct registry *registry,
                         const struct manifest *manifest)
{
    const struct reference_blob *reference;
    size_t cursor = 0;

    while ((reference = registry_reference_next(registry, &cursor))) {
        listing_add(listing, manifest, &reference->digest, reference);
    }
    for (size_t i = 0; manifest && i < manifest->policy_count; i++) {
        const struct manifest_policy *policy = &manifest->policies[i];

        for (size_t k = 0; k < policy->reference_count; k++) {
            if (!is_listed(listing, &policy->references[k].digest)) {
                listing_add(listing, manifest, &policy->references[k].digest, NULL);
            }
        }
    }
}

static size_t count_named(const struct manifest *manifest)
{
    size_t count = 0;

    for (size_t i = 0; manifest && i < manifest->policy_count; i++) {
        count += manifest->policies[i].reference_count;
    }
    return count;
}

void admin_references_list(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const struct in_force *in_force = machine_in_force(tcd->machine);
    const struct manifest *manifest = in_force ? in_force->bundle->manifest : NULL;
    size_t named = count_named(manifest), capacity = REFERENCE_COUNT_MAX + named;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__ReferencesReply reply = TCCP__REFERENCES_REPLY__INIT;
    OWN(admin_list) struct admin_list sets = {0};
    OWN(admin_list) struct admin_list uses = {0};
    struct digest prefixes[REFERENCE_COUNT_MAX];
    struct listing listing = {.prefixes = prefixes,
                              .staged_verdicts = call->session->tcd->staged_verdicts};

    if (!admin_list_make(call, capacity, sizeof(Tccp__ReferenceStatus), &sets) ||
        !admin_list_make(call, named, sizeof(Tccp__ReferenceUse), &uses)) {
        return;
    }
    listing.sets = sets;
    listing.uses = uses;
    listing_fill(&listing, tcd_registry(tcd), manifest);
    reply.n_references = listing.set_count;
    reply.references = (Tccp__ReferenceStatus **)sets.pointers;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_REFERENCES;
    response.references = &reply;
    admin_answer(call, &response);
}

/* --- reading --- */

void admin_reference_get(struct admin_call *call)
{
    const Tccp__ReferenceGet *request = call->request->reference_get;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__ReferencePiece piece = TCCP__REFERENCE_PIECE__INIT;
    const struct reference_blob *reference;
    struct digest digest;
    uint64_t left;

    if (digest_of_view(protobuf_view(request->digest), &digest) != STATUS_OK) {
        refuse_call(call, REFUSAL_MALFORMED, "a set is named by 32 bytes");
        return;
    }
    reference = registry_reference(tcd_registry(call->session->tcd), &digest);
    if (!reference || !reference_is_complete(reference)) {
        refuse_call(call, REFUSAL_NOT_FOUND,
                    reference ? "its upload is not complete" : "no such reference set");
        return;
    }
    if (request->offset >= reference->size) {
        refuse_call(call, REFUSAL_MALFORMED, "the set ends before that");
        return;
    }
    left = reference->size - request->offset;
    piece.size = reference->size;
    piece.data = protobuf_data(
        (struct view){reference->bytes->data + request->offset,
                      left < REFERENCE_CHUNK_SIZE_MAX ? left : REFERENCE_CHUNK_SIZE_MAX});
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_REFERENCE_PIECE;
    response.reference_piece = &piece;
    admin_answer(call, &response);
}
