#include "tcd/in_force.h"

#include "lib/base/protobuf.h"

#include "proto/perimeter.pb-c.h"

#include <stdlib.h>

enum { EXTENSION_SIZE_MAX = 48 * 1024 };

enum status in_force_of_bundle(struct view bytes, const struct digest *perimeter_id, uint64_t now_s,
                               struct in_force **ret_in_force, struct refusal *ret_refusal)
{
    struct bundle_expectation expectation = {
        .perimeter_id = *perimeter_id,
        .now_s = now_s,
        .tolerate_expired_manifest = true,
        .tolerate_no_endorsement = true,
    };
    OWN(in_force) struct in_force *in_force = calloc(1, sizeof *in_force);
    Tccp__PerimeterBundle *message;
    enum status status;

    if (!in_force) {
        return STATUS_NO_MEMORY;
    }
    in_force->references = 1;
    TRY(bundle_check(bytes, &expectation, &in_force->bundle, ret_refusal));
    TRY(bytes_copy(bytes, &in_force->bundle_bytes));
    TRY(ek_authorities_new(in_force->bundle->manifest->cas, in_force->bundle->manifest->ca_count,
                           &in_force->authorities));
    message = (Tccp__PerimeterBundle *)protobuf_unpack(&tccp__perimeter_bundle__descriptor, bytes,
                                                       BUNDLE_SIZE_MAX);
    if (!message) {
        return STATUS_NO_MEMORY; /* It was well-formed a moment ago. */
    }
    status = cluster_trust_extension(message, &in_force->ca_extension);
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    TRY(status);
    *ret_in_force = TAKE(in_force);
    return STATUS_OK;
}

/* The bytes of a PerimeterBundle are its documents one after the other, each as a field of its own:
 * protobuf's encoding of messages inside a message, so that signed bytes are not serialised again.
 */
static void add_field(struct writer *writer, uint8_t field, struct view content)
{
    if (content.size == 0) {
        return;
    }
    protobuf_write_head(writer, field, content.size);
    writer_view(writer, content);
}

enum status in_force_new(const struct in_force_documents *documents,
                         const struct digest *perimeter_id, uint64_t now_s,
                         struct in_force **ret_in_force, struct refusal *ret_refusal)
{
    OWN(writer) struct writer writer = writer_new(BUNDLE_SIZE_MAX);
    OWN(bytes) struct bytes bytes = {0};

    add_field(&writer, 1, documents->root);
    for (size_t i = 0; i < documents->succession_count; i++) {
        add_field(&writer, 2, bytes_view(&documents->successions[i]));
    }
    add_field(&writer, 3, documents->manifest);
    add_field(&writer, 4, documents->endorsement);
    TRY(writer_take(&writer, &bytes));
    return in_force_of_bundle(bytes_view(&bytes), perimeter_id, now_s, ret_in_force, ret_refusal);
}

static struct open_reference *open_find(const struct in_force *in_force,
                                        const struct digest *digest)
{
    for (size_t i = 0; i < in_force->open_count; i++) {
        if (digest_equal(&in_force->open[i]->digest, digest)) {
            return in_force->open[i];
        }
    }
    return NULL;
}

/* Without memory it counts as not open; it is tried again with the next one. */
static void open_add(struct in_force *in_force, struct open_reference *reference)
{
    struct open_reference **open =
        reallocarray(in_force->open, in_force->open_count + 1, sizeof(struct open_reference *));

    if (open) {
        in_force->open = open;
        open[in_force->open_count++] = open_reference_hold(reference);
    }
}

void in_force_take_references(struct in_force *in_force, const struct reference_sets *sets)
{
    const struct manifest *manifest = in_force->bundle->manifest;

    for (size_t i = 0; i < manifest->policy_count; i++) {
        const struct manifest_policy *policy = &manifest->policies[i];

        for (size_t k = 0; k < policy->reference_count; k++) {
            const struct digest *digest = &policy->references[k].digest;
            struct open_reference *open = reference_sets_get(sets, digest);

            if (open && !open_find(in_force, digest)) {
                open_add(in_force, open);
            }
        }
    }
}

/* Earlier ends first, no end last. */
static bool ends_before(const struct manifest_reference *left,
                        const struct manifest_reference *right)
{
    return left->not_after_s != 0 &&
           (right->not_after_s == 0 || left->not_after_s < right->not_after_s);
}

/* Into its place in the list, which has `count` of them; in the manifest's order where they end
 * together. */
static void list_insert(const struct manifest_reference *list[REFERENCE_LIST_COUNT_MAX],
                        size_t count, const struct manifest_reference *reference)
{
    size_t at = count;

    for (; at > 0 && ends_before(reference, list[at - 1]); at--) {
        list[at] = list[at - 1];
    }
    list[at] = reference;
}

_Static_assert((int)MANIFEST_REFERENCE_COUNT_MAX == (int)REFERENCE_LIST_COUNT_MAX,
               "an appraisal takes as many sets as a policy names");

enum status in_force_references(const struct in_force *in_force,
                                const struct manifest_policy *policy, uint64_t now_s,
                                struct references *ret_references)
{
    const struct manifest_reference *list[REFERENCE_LIST_COUNT_MAX];
    struct references references = {.enforced.count = 0};
    size_t count = 0;
    bool has_enforced = false;

    for (size_t i = 0; i < policy->reference_count; i++) {
        const struct manifest_reference *reference = &policy->references[i];

        has_enforced |= !reference->staged;
        if (!reference->staged &&
            (reference->not_after_s == 0 || now_s <= reference->not_after_s)) {
            list_insert(list, count++, reference);
        }
    }
    /* An empty list would mean that no set has to accept. */
    if (has_enforced && count == 0) {
        return STATUS_EXPIRED;
    }
    for (size_t i = 0; i < count; i++) {
        const struct open_reference *open = open_find(in_force, &list[i]->digest);

        if (!open) {
            return STATUS_NOT_READY;
        }
        references.enforced.sets[references.enforced.count++] = open->set;
    }
    for (size_t i = 0; i < policy->reference_count; i++) {
        const struct manifest_reference *reference = &policy->references[i];
        const struct open_reference *open = open_find(in_force, &reference->digest);

        if (reference->staged && open) {
            references.staged.sets[references.staged.count++] = open->set;
        }
    }
    *ret_references = references;
    return STATUS_OK;
}

struct in_force *in_force_hold(struct in_force *in_force)
{
    in_force->references++;
    return in_force;
}

void in_force_release(struct in_force *in_force)
{
    if (!in_force || --in_force->references > 0) {
        return;
    }
    if (in_force->bundle) {
        bundle_free(in_force->bundle);
    }
    for (size_t i = 0; i < in_force->open_count; i++) {
        open_reference_release(in_force->open[i]);
    }
    free(in_force->open);
    ek_authorities_free(in_force->authorities);
    bytes_free(&in_force->bundle_bytes);
    bytes_free(&in_force->ca_extension);
    free(in_force);
}
