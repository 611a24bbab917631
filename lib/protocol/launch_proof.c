#include "lib/protocol/launch_proof.h"

#include "lib/crypto/kdf.h"
#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum { LAUNCH_REPORT_SIZE_MAX = 1024 };

/* ---- the node's MAC ---- */

struct digest launch_proof_mac(struct view key, const struct scope *scope,
                               const struct proof_fields *fields)
{
    struct canonical info = canonical_begin("tccp-launch-proof-key", scope);
    struct canonical input = canonical_begin("tccp-launch-proof", scope);
    struct digest info_hash = canonical_hash(&info), input_hash, prk, proof_key, mac;

    canonical_field(&input, VIEW_OF_ARRAY(fields->nonce));
    canonical_digest(&input, &fields->vm);
    canonical_field(&input, VIEW_OF_ARRAY(fields->pseudonym));
    canonical_number(&input, fields->generation);
    canonical_digest(&input, &fields->image);
    input_hash = canonical_hash(&input);
    prk = hkdf_extract((struct view){0}, key);
    hkdf_expand(&prk, digest_view(&info_hash), proof_key.bytes, sizeof proof_key.bytes);
    mac = hmac_sha256(digest_view(&proof_key), digest_view(&input_hash));
    secret_wipe(&prk, sizeof prk);
    secret_wipe(&proof_key, sizeof proof_key);
    return mac;
}

/* ---- the coordinator's report ---- */

enum status launch_report_make(const struct launch_report *report, const struct scope *scope,
                               const struct signer *tc_sign, struct bytes *ret_report)
{
    Tccp__LaunchReport message = TCCP__LAUNCH_REPORT__INIT;
    OWN(bytes) struct bytes document = {0};

    message.nonce = protobuf_data(VIEW_OF_ARRAY(report->fields.nonce));
    message.vm = protobuf_data(digest_view(&report->fields.vm));
    message.pseudonym = protobuf_data(VIEW_OF_ARRAY(report->fields.pseudonym));
    message.generation = report->fields.generation;
    message.image = protobuf_data(digest_view(&report->fields.image));
    message.measurement = protobuf_data(digest_view(&report->measurement));
    message.proof = protobuf_data(digest_view(&report->proof));
    message.host_profile = report->host_profile;
    message.development = report->development;
    message.leaf_index = report->leaf_index;
    message.tree_size = report->tree_size;
    message.root = protobuf_data(digest_view(&report->root));
    TRY(protobuf_pack(&message.base, LAUNCH_REPORT_SIZE_MAX, &document));
    return signed_message_make(SIGNED_LAUNCH_REPORT, scope, bytes_view(&document), tc_sign,
                               ret_report);
}

static enum status report_parse(struct view document, struct launch_report *report,
                                struct refusal *refusal)
{
    OWN(message)
    Tccp__LaunchReport *message = (Tccp__LaunchReport *)protobuf_unpack_strict(
        &tccp__launch_report__descriptor, document, LAUNCH_REPORT_SIZE_MAX);
    struct proof_fields *fields = &report->fields;

    if (!message || !message_copy(message->nonce, fields->nonce, sizeof fields->nonce) ||
        !message_digest(message->vm, &fields->vm) ||
        !message_copy(message->pseudonym, fields->pseudonym, sizeof fields->pseudonym) ||
        !message_digest(message->image, &fields->image) ||
        !message_digest(message->measurement, &report->measurement) ||
        !message_digest(message->proof, &report->proof) ||
        !message_digest(message->root, &report->root)) {
        return refuse(refusal, REFUSAL_MALFORMED, "launch report");
    }
    fields->generation = message->generation;
    report->host_profile = message->host_profile;
    report->development = message->development;
    report->leaf_index = message->leaf_index;
    report->tree_size = message->tree_size;
    return STATUS_OK;
}

/* ---- both, for the customer ---- */

enum status launch_proof_make(const struct launch_proof_content *content, struct bytes *ret_proof)
{
    Tccp__LaunchProof message = TCCP__LAUNCH_PROOF__INIT;
    ProtobufCBinaryData nodes[MERKLE_DEPTH_MAX];

    ASSERT(content->inclusion->count <= MERKLE_DEPTH_MAX);
    message.report = protobuf_data(content->report);
    message.proof = protobuf_data(digest_view(&content->mac));
    message.measurement = protobuf_data(content->measurement);
    message.leaf = protobuf_data(content->leaf);
    for (unsigned i = 0; i < content->inclusion->count; i++) {
        nodes[i] = protobuf_data(digest_view(&content->inclusion->nodes[i]));
    }
    message.inclusion_proof = nodes;
    message.n_inclusion_proof = content->inclusion->count;
    return protobuf_pack(&message.base, LAUNCH_PROOF_SIZE_MAX, ret_proof);
}

static bool read_inclusion(const Tccp__LaunchProof *message, struct merkle_proof *ret_inclusion)
{
    if (message->n_inclusion_proof > MERKLE_DEPTH_MAX) {
        return false;
    }
    for (size_t i = 0; i < message->n_inclusion_proof; i++) {
        if (!message_digest(message->inclusion_proof[i], &ret_inclusion->nodes[i])) {
            return false;
        }
    }
    ret_inclusion->count = (unsigned)message->n_inclusion_proof;
    return true;
}

static enum status check_fields(const struct proof_fields *fields,
                                const struct launch_proof_expectation *expectation,
                                struct refusal *refusal)
{
    struct digest image = image_manifest_digest(expectation->image_manifest), vm;

    if (!view_equal(VIEW_OF_ARRAY(fields->nonce), VIEW_OF_ARRAY(expectation->nonce))) {
        return refuse(refusal, REFUSAL_PROOF, "it is for another request");
    }
    if (!digest_equal(&fields->image, &image)) {
        return refuse(refusal, REFUSAL_PROOF, "it is for another image manifest");
    }
    vm = vm_id_make(&expectation->scope.perimeter_id, expectation->cust_sign,
                    VIEW_OF_ARRAY(expectation->nonce), &image);
    if (!digest_equal(&fields->vm, &vm)) {
        return refuse(refusal, REFUSAL_PROOF, "it is for another VM");
    }
    if (fields->generation == 0 || fields->generation < expectation->generation_seen) {
        return refuse(refusal, REFUSAL_GENERATION, "proof of %" PRIu64 ", seen %" PRIu64,
                      fields->generation, expectation->generation_seen);
    }
    return STATUS_OK;
}

/* The node's part: the MAC, and what it measured. */
static enum status check_node(const Tccp__LaunchProof *message,
                              const struct launch_proof_expectation *expectation,
                              const struct launch_report *report,
                              struct startup_measurement *ret_measurement, struct refusal *refusal)
{
    struct digest mac = launch_proof_mac(expectation->key, &expectation->scope, &report->fields);
    struct view shown = protobuf_view(message->proof);
    struct digest proof = sha256(shown), measurement = sha256(protobuf_view(message->measurement));
    struct image_manifest manifest;

    if (!secret_equal(shown, digest_view(&mac))) {
        return refuse(refusal, REFUSAL_PROOF, "it was not made with this VM's key");
    }
    if (!digest_equal(&proof, &report->proof) ||
        !digest_equal(&measurement, &report->measurement)) {
        return refuse(refusal, REFUSAL_PROOF, "the coordinator's report is about another proof");
    }
    TRY(startup_measurement_parse(protobuf_view(message->measurement), ret_measurement, refusal));
    TRY(image_manifest_parse(expectation->image_manifest, &manifest, refusal));
    if (!digest_equal(&ret_measurement->disk, &manifest.disk.digest) ||
        !digest_equal(&ret_measurement->kernel, &manifest.kernel.digest) ||
        !digest_equal(&ret_measurement->initrd, &manifest.initrd.digest)) {
        return refuse(refusal, REFUSAL_PROOF, "the node runs another image");
    }
    return STATUS_OK;
}

enum status launch_proof_check(struct view bytes,
                               const struct launch_proof_expectation *expectation,
                               struct launch_verdict *ret_verdict, struct refusal *refusal)
{
    OWN(message) Tccp__LaunchProof *message = NULL;
    OWN(bytes) struct bytes document = {0};
    struct launch_verdict verdict;
    struct merkle_proof inclusion;
    struct digest leaf_hash;

    if (bytes.size > LAUNCH_PROOF_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "proof of %zu bytes", bytes.size);
    }
    message = (Tccp__LaunchProof *)protobuf_unpack_strict(&tccp__launch_proof__descriptor, bytes,
                                                          LAUNCH_PROOF_SIZE_MAX);
    if (!message || !read_inclusion(message, &inclusion) ||
        message->leaf.len > LAUNCH_PROOF_LEAF_SIZE_MAX) {
        return refuse(refusal, REFUSAL_MALFORMED, "launch proof");
    }
    TRY(signed_message_check(SIGNED_LAUNCH_REPORT, protobuf_view(message->report),
                             &expectation->scope, expectation->tc_sign, &document, refusal));
    TRY(report_parse(bytes_view(&document), &verdict.report, refusal));
    TRY(check_fields(&verdict.report.fields, expectation, refusal));
    TRY(check_node(message, expectation, &verdict.report, &verdict.measurement, refusal));
    leaf_hash = merkle_leaf_hash(protobuf_view(message->leaf));
    if (!merkle_inclusion_holds(&leaf_hash, verdict.report.leaf_index, verdict.report.tree_size,
                                &inclusion, &verdict.report.root)) {
        return refuse(refusal, REFUSAL_PROOF, "its decision is not in the audit log");
    }
    *ret_verdict = verdict;
    return STATUS_OK;
}
