/* One more signature of a key of the ETE on a document, in a file that goes from one key holder to
 * the next. */
#ifndef TCCP_CLI_SIGNING_H
#define TCCP_CLI_SIGNING_H

#include "cli/documents.h"

/* Who signs, under which root. */
struct signing {
    const char *key_path;
    struct private_key *key;
    struct digest key_id;
    struct root_files files;
};
void signing_free(struct signing *signing);
DEFINE_OWN_VALUE(signing, signing_free)

/* Reads --key and the root beside it (or --root). Reports unknown-signer where the key is not in
 * force. */
enum exit_code signing_begin(const struct cli *cli, struct signing *ret_signing);

/* What is to be signed. */
struct signing_job {
    enum document_kind kind;
    struct scope scope;
    struct view document;
    const char *out_path; /* where it exists it must be the same document, and gains a signature */
};

/* The signatures that are there already, all of them valid, none of this key; *ret_so_far may be
 * NULL. For looking before asking. */
enum exit_code signing_look(const struct cli *cli, const struct signing *signing,
                            const struct signing_job *job, Tccp__SignedDocument **ret_so_far);
/* Signs and writes. *ret_count: signatures that the file has then. */
enum exit_code signing_end(const struct cli *cli, const struct signing *signing,
                           const struct signing_job *job, const Tccp__SignedDocument *so_far,
                           size_t *ret_count);

/* Adds file, signatures and threshold to an answer. */
void signing_describe(struct value *object, const struct signing *signing,
                      const struct signing_job *job, size_t count);

#endif
