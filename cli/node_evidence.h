/*
 * What nodes show now: fresh evidence, whole as far as their policies need any, through the leader,
 * for operators and auditors (proto/admin.proto, EvidenceGet). That it is the node's rests on the
 * leader's word; that it is a TPM's is checked where it is used.
 */
#ifndef TCCP_CLI_NODE_EVIDENCE_H
#define TCCP_CLI_NODE_EVIDENCE_H

#include "cli/evidence_folder.h"
#include "cli/session.h"

#include "lib/base/bytes.h"

enum { NODE_EVIDENCE_REASON_SIZE = 64, NODE_EVIDENCE_PARALLEL_MAX = 4 };

struct node_evidence {
    struct evidence_folder folder;
    uint64_t at_s;
    /* How the coordinator appraised it: reason "none" where it accepted. */
    char reason[NODE_EVIDENCE_REASON_SIZE];
    char detail[REFUSAL_DETAIL_SIZE];
};
void node_evidence_free(struct node_evidence *evidence);
DEFINE_OWN_VALUE(node_evidence, node_evidence_free)

bool node_evidence_is_accepted(const struct node_evidence *evidence);

/* Blocks, for as long as --timeout says. Failures are reported. */
enum exit_code node_evidence_fetch(const struct cli *cli, struct session *session, const char *node,
                                   struct node_evidence *ret_evidence);

/* What came of one node: `evidence` is the visitor's to take; NULL where there is none, which was
 * reported or comes of the time that is up. */
typedef void (*node_evidence_visitor)(void *context, const char *node,
                                      struct node_evidence *evidence);
/* The same of several, a few at once; goes on where one of them fails. What the first that failed
 * ends with. */
enum exit_code nodes_evidence_fetch(const struct cli *cli, struct session *session,
                                    const char *const *nodes, size_t count,
                                    node_evidence_visitor visit, void *context);

/*
 * Evidence that is named on the command line: a folder; or, where there is none of that name and
 * the settings say whom to ask, a node, which is asked. What the coordinator refused it for is said
 * on standard error.
 */
enum exit_code evidence_named_load(const struct cli *cli, const char *name,
                                   struct evidence_folder *ret_folder);

#endif
