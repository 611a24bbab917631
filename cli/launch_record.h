/*
 * What a customer keeps of a launch, in FOLDER/NAME.launch: enough to verify its proof
 * (FOLDER/NAME.proof) for ever, and to ask for the very same launch again. No secret but n_U, which
 * is of no use without K_VM.
 */
#ifndef TCCP_CLI_LAUNCH_RECORD_H
#define TCCP_CLI_LAUNCH_RECORD_H

#include "cli/cli.h"

#include "lib/perimeter/bundle.h"
#include "lib/protocol/launch_proof.h"

enum { LAUNCH_RECORD_SIZE_MAX = BUNDLE_SIZE_MAX + 64 * 1024 };
#define LAUNCH_RECORD_SUFFIX ".launch"
#define LAUNCH_PROOF_SUFFIX ".proof"

struct launch_record {
    char name[REQUEST_NAME_LENGTH_MAX + 1];
    struct digest vm;
    uint8_t nonce[VM_NONCE_SIZE];
    struct bytes cust_sign, image_manifest, bundle, request;
    uint64_t sealed_at_s;
    uint64_t generation; /* highest that was proved; 0: none */
};
void launch_record_free(struct launch_record *record);
DEFINE_OWN_VALUE(launch_record, launch_record_free)

/* A name of a VM that is also one of a file: protocol_text_good(), no '/', no '.' first. */
bool launch_name_good(const char *name);

/* Pure. STATUS_MALFORMED: not such a file, whatever is wrong. */
WARN_UNUSED enum status launch_record_build(const struct launch_record *record,
                                            struct bytes *ret_bytes);
WARN_UNUSED enum status launch_record_parse(struct view bytes, struct launch_record *ret_record);

/* Whether the proof holds, offline: under the perimeter that was in force when the ticket was
 * sealed, by this record, and K_VM. Pure. */
WARN_UNUSED enum status launch_record_prove(const struct launch_record *record,
                                            const struct digest *perimeter_id, struct view key,
                                            struct view proof, struct launch_verdict *ret_verdict,
                                            struct refusal *ret_refusal);

/* Files. Failures are reported. */
enum exit_code launch_record_load(const struct cli *cli, const char *path,
                                  struct launch_record *ret_record);
/* is_new: must not exist yet. */
enum exit_code launch_record_store(const struct cli *cli, const char *path, bool is_new,
                                   const struct launch_record *record);

#endif
