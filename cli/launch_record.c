#include "cli/launch_record.h"

#include "cli/files.h"

#include "lib/base/protobuf.h"

#include "proto/vm.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { FORMAT = 1 };

static void launch_record_message_cleanup(Tccp__LaunchRecord **message)
{
    tccp__launch_record__free_unpacked(*message, NULL);
}

void launch_record_free(struct launch_record *record)
{
    bytes_free(&record->cust_sign);
    bytes_free(&record->image_manifest);
    bytes_free(&record->bundle);
    bytes_free(&record->request);
}

bool launch_name_good(const char *name)
{
    return protocol_text_good(name, REQUEST_NAME_LENGTH_MAX) && !strchr(name, '/') &&
           name[0] != '.';
}

enum status launch_record_build(const struct launch_record *record, struct bytes *ret_bytes)
{
    Tccp__LaunchRecord message = TCCP__LAUNCH_RECORD__INIT;

    message.format = FORMAT;
    message.name = protobuf_string(record->name);
    message.vm = protobuf_data(digest_view(&record->vm));
    message.nonce = protobuf_data(VIEW_OF_ARRAY(record->nonce));
    message.cust_sign = protobuf_data(bytes_view(&record->cust_sign));
    message.image_manifest = protobuf_data(bytes_view(&record->image_manifest));
    message.bundle = protobuf_data(bytes_view(&record->bundle));
    message.sealed_at_s = record->sealed_at_s;
    message.generation = record->generation;
    message.request = protobuf_data(bytes_view(&record->request));
    return protobuf_pack(&message.base, LAUNCH_RECORD_SIZE_MAX, ret_bytes);
}

enum status launch_record_parse(struct view bytes, struct launch_record *ret_record)
{
    OWN(launch_record_message)
    Tccp__LaunchRecord *message = (Tccp__LaunchRecord *)protobuf_unpack_strict(
        &tccp__launch_record__descriptor, bytes, LAUNCH_RECORD_SIZE_MAX);
    OWN(launch_record) struct launch_record record = {.name = ""};

    if (!message || message->format != FORMAT || !launch_name_good(message->name) ||
        message->nonce.len != sizeof record.nonce) {
        return STATUS_MALFORMED;
    }
    TRY(digest_of_view(protobuf_view(message->vm), &record.vm));
    (void)snprintf(record.name, sizeof record.name, "%s", message->name);
    memcpy(record.nonce, message->nonce.data, sizeof record.nonce);
    TRY(bytes_copy(protobuf_view(message->cust_sign), &record.cust_sign));
    TRY(bytes_copy(protobuf_view(message->image_manifest), &record.image_manifest));
    TRY(bytes_copy(protobuf_view(message->bundle), &record.bundle));
    TRY(bytes_copy(protobuf_view(message->request), &record.request));
    record.sealed_at_s = message->sealed_at_s;
    record.generation = message->generation;
    *ret_record = TAKE(record);
    return STATUS_OK;
}

enum status launch_record_prove(const struct launch_record *record,
                                const struct digest *perimeter_id, struct view key,
                                struct view proof, struct launch_verdict *ret_verdict,
                                struct refusal *ret_refusal)
{
    OWN(bundle) struct bundle *bundle = NULL;
    OWN(public_key) struct public_key *tc_sign = NULL;
    /* Dates are those of then: a proof does not get worse when an endorsement runs out. Nor is an
     * epoch that passed held against it. */
    const struct bundle_expectation in_force = {
        .perimeter_id = *perimeter_id,
        .now_s = record->sealed_at_s,
    };
    struct launch_proof_expectation expectation = {
        .key = key,
        .cust_sign = bytes_view(&record->cust_sign),
        .image_manifest = bytes_view(&record->image_manifest),
        .generation_seen = record->generation,
    };

    TRY(bundle_check(bytes_view(&record->bundle), &in_force, &bundle, ret_refusal));
    TRY(public_key_parse(perimeter_key_view(&bundle->endorsement.tc_sign), &tc_sign));
    expectation.scope = bundle_scope(bundle);
    expectation.tc_sign = tc_sign;
    memcpy(expectation.nonce, record->nonce, sizeof expectation.nonce);
    return launch_proof_check(proof, &expectation, ret_verdict, ret_refusal);
}

enum exit_code launch_record_load(const struct cli *cli, const char *path,
                                  struct launch_record *ret_record)
{
    OWN(bytes) struct bytes bytes = {0};
    enum exit_code exit_code = file_load(cli, path, LAUNCH_RECORD_SIZE_MAX, &bytes);

    if (exit_code == EXIT_DONE &&
        launch_record_parse(bytes_view(&bytes), ret_record) != STATUS_OK) {
        exit_code = report(cli, EXIT_FAILED, "", "%s is no record of a launch", path);
    }
    return exit_code;
}

enum exit_code launch_record_store(const struct cli *cli, const char *path, bool is_new,
                                   const struct launch_record *record)
{
    OWN(bytes) struct bytes bytes = {0};
    enum status status = launch_record_build(record, &bytes);

    if (status != STATUS_OK) {
        return report_status(cli, "keep a record of the launch", status);
    }
    return is_new ? file_create(cli, path, 0600, bytes_view(&bytes))
                  : file_store(cli, path, 0600, bytes_view(&bytes));
}
