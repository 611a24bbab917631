/* A compute node, as the coordinator tells of it. */
#ifndef TCCP_CLI_NODE_H
#define TCCP_CLI_NODE_H

#include "cli/session.h"

#include "lib/policy/policy_remedy.h"

/* Asks for all nodes. */
enum exit_code nodes_ask(const struct cli *cli, Tccp__AdminResponse **ret_response);
/* Asks for the node that is the command's first argument; its status is there. */
enum exit_code node_ask(const struct cli *cli, Tccp__AdminResponse **ret_response);

/* "current" or "older", than the policy that is in force for it; NULL: it never registered. */
const char *node_appraised_by(const Tccp__NodeStatus *node);

/*
 * What an operator has to know of a node that is not trusted, or of one that is: what was found,
 * by which check of docs/APPRAISAL.md, and what would make it acceptable. Pure.
 */
struct node_explanation {
    bool is_good;
    const char *verdict, *reason;          /* stable names; reason NULL: none */
    const char *sentence;                  /* of the reason; NULL: none */
    uint64_t since_s;                      /* 0: not known */
    const char *detail;                    /* NULL: none */
    const char *subject, *expected, *seen; /* NULL: none */
    const char *check;        /* number and words of the check in docs/APPRAISAL.md; NULL: none */
    char accept[REMEDY_SIZE]; /* the line of the policy that would accept it; "" */
    char next[640];           /* what to do */
    bool is_unproven;         /* it may have been said by somebody else */
    uint64_t attempts;        /* to register, that were refused since */
    const char *address;      /* from where; NULL */
};
struct node_explanation node_explain_detail(const Tccp__NodeDetail *detail);

#endif
