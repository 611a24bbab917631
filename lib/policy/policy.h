/*
 * An appraisal policy as people write and review it: what is known of good hosts of one kind. It
 * has a text form, can be learned from a good boot, and compiles into the reference set that a
 * manifest names (lib/attest/reference_set.h). docs/POLICY.md explains each statement.
 *
 *     policy compute {
 *         pcr 0 = <hex>                       # a value; more lines, more values
 *         firmware = 2016051100162800         # of the TPM; none: any
 *         events = 0-5,7,9                    # every event of these PCRs is listed, in order
 *         event 4 EFI_BOOT_SERVICES_APPLICATION kernel = <hex>
 *         or = <hex>                          # another digest that the event before may have
 *         event 5 EFI_GPT_EVENT optional = <hex>
 *         secure_boot = required
 *         pk = <hex>                          # also kek, db, authority, dbx: of the event's data
 *         files = listed                      # every measured file is allowed below
 *         file <hex> = /usr/bin/true          # blanks and other bytes as %20
 *         signer = <base64>                   # of files: SubjectPublicKeyInfo
 *         except_file = /var/log/             # any content
 *         except_violation = /var/log/        # may be written while it is measured
 *     }
 *
 * What is not asked for is not judged; an empty list accepts nothing.
 */
#ifndef TCCP_POLICY_POLICY_H
#define TCCP_POLICY_POLICY_H

#include "lib/attest/reference_set.h"
#include "lib/base/statement.h"

enum { POLICY_TEXT_SIZE_MAX = 256 << 20, POLICY_FILE_COUNT_MAX = FILE_SET_COUNT_MAX };

struct policy_file {
    struct bytes path; /* owned */
    struct digest digest;
};

struct policy_list {
    size_t count;
    struct bytes *items; /* owned */
};

/* All of it is owned. */
struct policy {
    char name[REFERENCE_SET_NAME_LENGTH_MAX + 1];
    struct pcr_policy pcrs;
    struct event_sequence events; /* covered: the PCRs of `events =` */
    bool wants_secure_boot;
    struct secure_boot_policy secure_boot;
    bool judges_files;
    size_t file_count, file_capacity;
    struct policy_file *files;
    struct policy_list signers; /* SubjectPublicKeyInfo, DER */
    struct policy_list exceptions[IMA_EXCEPTION_KIND_COUNT];
    size_t firmware_count;
    uint64_t firmware[REFERENCE_SET_FIRMWARE_COUNT_MAX];
};

struct policy *policy_new(void); /* empty, without a name; NULL: out of memory */
void policy_free(struct policy *policy);
DEFINE_OWN_POINTER(policy, policy_free)

/* STATUS_MALFORMED: not 1 to REFERENCE_SET_NAME_LENGTH_MAX letters, digits, '-', '_', '.'. */
WARN_UNUSED enum status policy_set_name(struct policy *policy, struct view name);
/* Each adds one thing, if it is not there yet; copies it. STATUS_TOO_LARGE beyond a limit,
 * STATUS_MALFORMED for the path of an exception that is not absolute or a key of no use. The path
 * of a file is what IMA calls it, which is a bare name for what has no path (a memfd). */
WARN_UNUSED enum status policy_add_file(struct policy *policy, struct view path,
                                        const struct digest *digest);
WARN_UNUSED enum status policy_add_signer(struct policy *policy, struct view spki);
WARN_UNUSED enum status policy_add_exception(struct policy *policy, enum ima_exception what,
                                             struct view path);
WARN_UNUSED enum status policy_add_firmware(struct policy *policy, uint64_t version);

/* --- policy_text.c, policy_print.c --- */

/* STATUS_MALFORMED with *ret_error: line and column, and what is wrong. */
WARN_UNUSED enum status policy_text_parse(struct view text, struct policy **ret_policy,
                                          struct text_error *ret_error);
/* Parsing the text yields the same policy. */
WARN_UNUSED enum status policy_text_print(const struct policy *policy, struct bytes *ret_text);

/* --- policy_compile.c --- */

/* The bytes of a reference set: one policy has one form, whatever the order of its lines. */
WARN_UNUSED enum status policy_compile(const struct policy *policy, struct bytes *ret_set);

/* --- policy_learn.c --- */

/* A boot that is known to be good. Logs may be empty: then nothing is learned from them. */
struct good_boot {
    struct view event_log, ima_log;
    uint64_t firmware;            /* of the TPM; 0: not to be pinned */
    uint32_t judged_pcrs;         /* whose events are learned; those that the log does not extend
                                     are left out */
    struct digest quoted_ima_pcr; /* entries beyond it are not learned */
};

/*
 * Adds what a good boot shows to a policy that has learned nothing from an event log before; files
 * may be learned from many boots. Secure Boot is required from then on where it was on. Violations
 * are not learned: they are counted in *ret_violation_count.
 */
WARN_UNUSED enum status policy_learn(struct policy *policy, const struct good_boot *boot,
                                     size_t *ret_violation_count, struct refusal *ret_refusal);

#endif
