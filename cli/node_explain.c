/* `node explain`: one screen about a node that an operator can act on. */
#include "cli/commands.h"
#include "cli/node.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

/* --- which check of docs/APPRAISAL.md --- */

static const char *check_of(enum refusal_code code)
{
    static const struct {
        enum refusal_code code;
        const char *check;
    } checks[] = {
        {REFUSAL_QUOTE_BINDING, "1 and 6, the quote answers our challenge on this connection"},
        {REFUSAL_EK_CERTIFICATE, "2, the endorsement key's certificate"},
        {REFUSAL_EK_CHAIN, "2, the endorsement key's certificate"},
        {REFUSAL_EK_MISMATCH, "2, the endorsement key's certificate"},
        {REFUSAL_EK_NOT_IN_MANIFEST, "2, the endorsement key is in the manifest"},
        {REFUSAL_CERTIFICATE_EXPIRED, "2, the endorsement key's certificate"},
        {REFUSAL_AK_ATTRIBUTES, "3, the attestation key"},
        {REFUSAL_AK_NAME, "3, the attestation key"},
        {REFUSAL_CREDENTIAL, "4, credential activation"},
        {REFUSAL_QUOTE_SCHEME, "5, the quote's signature"},
        {REFUSAL_QUOTE_SIGNATURE, "5, the quote's signature"},
        {REFUSAL_QUOTE_NOT_A_QUOTE, "6, it is a quote of a TPM"},
        {REFUSAL_QUOTE_BANK, "7, the PCRs that the policy needs"},
        {REFUSAL_QUOTE_SELECTION, "7, the PCRs that the policy needs"},
        {REFUSAL_RESET, "8, the boot that was registered"},
        {REFUSAL_CLOCK, "8, the boot that was registered"},
        {REFUSAL_FIRMWARE, "8, the TPM's firmware"},
        {REFUSAL_EVENT_LOG, "9, the event log"},
        {REFUSAL_TOO_LARGE, "9, the event log"},
        {REFUSAL_QUOTE_DIGEST, "10, the logs lead to the quoted values"},
        {REFUSAL_EVENT_UNEXPECTED, "11, the events are those expected, in order"},
        {REFUSAL_EVENT_MISSING, "11, the events are those expected, in order"},
        {REFUSAL_POLICY_MISSING, "11, the policy"},
        {REFUSAL_SECURE_BOOT, "12, Secure Boot"},
        {REFUSAL_IMA_LOG, "10, 13, 14 and 17, the IMA log"},
        {REFUSAL_FILE_NOT_ALLOWED, "15, every file that ran is allowed"},
        {REFUSAL_IMA_VIOLATION, "16, no violation"},
        {REFUSAL_PCR_NOT_ALLOWED, "every listed PCR has an allowed value"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        if (checks[i].code == code) {
            return checks[i].check;
        }
    }
    return NULL;
}

static void text_set(char *text, size_t size, const char *value)
{
    (void)snprintf(text, size, "%s", value ? value : "nothing");
}

static void accept_fill(struct node_explanation *explanation, enum refusal_code code)
{
    struct finding finding;

    if (explanation->subject) {
        text_set(finding.subject, sizeof finding.subject, explanation->subject);
        text_set(finding.expected, sizeof finding.expected, explanation->expected);
        text_set(finding.seen, sizeof finding.seen, explanation->seen);
        if (!policy_remedy(code, &finding, explanation->accept)) {
            explanation->accept[0] = '\0';
        }
    }
}

static void next_fill(struct node_explanation *explanation, enum refusal_code code,
                      const Tccp__NodeStatus *node)
{
    char *next = explanation->next;
    const size_t size = sizeof explanation->next;

    if (explanation->is_good) {
        (void)snprintf(next, size, "%s",
                       explanation->reason
                           ? "nothing: it has a lease; the refusal is of another attempt"
                           : "nothing: it has a lease");
    } else if (strcmp(node->verdict, "revoked") == 0) {
        (void)snprintf(next, size,
                       "it stays out. To take it back: apply a manifest without it, then one with "
                       "it; new hardware: `tccpctl node replace %s`",
                       node->name);
    } else if (explanation->accept[0]) {
        (void)snprintf(
            next, size,
            "if the change is wanted: add this line to the text of policy %s (`or` stands "
            "after the event that was expected), compile and upload it, name it in the "
            "manifest (`tccpctl policy enable`), have that signed and apply it; if not, "
            "put the host right and reboot it. It registers by itself",
            node->policy);
    } else if (code == REFUSAL_RESET || code == REFUSAL_CLOCK) {
        (void)snprintf(next, size,
                       "nothing in the policy: its agent registers again by itself. If it does "
                       "not, restart the agent");
    } else if (!explanation->reason) {
        (void)snprintf(next, size,
                       "start its agent, and see whether it reaches the coordinator: nobody there "
                       "has refused it");
    } else {
        (void)snprintf(next, size, "%s",
                       refusal_hint(code)[0] ? refusal_hint(code)
                                             : "look at the host; it registers by itself");
    }
}

/* --- which finding it is about --- */

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void set_finding(struct node_explanation *explanation, const Tccp__NodeFinding *finding)
{
    if (finding) {
        explanation->subject = text_or_null(finding->subject);
        explanation->expected = text_or_null(finding->expected);
        explanation->seen = text_or_null(finding->seen);
    }
}

/* What a node that is out was refused for since is what has to be put right first. */
static bool is_about_refusal(const Tccp__NodeDetail *detail)
{
    const Tccp__NodeRefusal *refusal = detail->last_refusal;

    if (!refusal || strcmp(detail->status->verdict, "revoked") == 0) {
        return false;
    }
    return !*detail->status->reason ||
           (refusal->proven && refusal->at_s >= detail->standing_since_s);
}

struct node_explanation node_explain_detail(const Tccp__NodeDetail *detail)
{
    const Tccp__NodeStatus *node = detail->status;
    const Tccp__NodeRefusal *refusal = detail->last_refusal;
    struct node_explanation explanation = {
        .is_good = strcmp(node->verdict, "good") == 0,
        .verdict = node->verdict,
        .reason = text_or_null(node->reason),
        .detail = text_or_null(detail->detail),
        .since_s = detail->standing_since_s,
        .attempts = refusal ? refusal->count : 0,
        .address = refusal ? text_or_null(refusal->address) : NULL,
    };
    enum refusal_code code;

    if (explanation.is_good) {
        explanation.since_s = node->registered_at_s;
    }
    set_finding(&explanation, detail->finding);
    if (is_about_refusal(detail)) {
        explanation.reason = text_or_null(refusal->reason);
        explanation.detail = text_or_null(refusal->detail);
        explanation.is_unproven = !refusal->proven;
        explanation.subject = explanation.expected = explanation.seen = NULL;
        set_finding(&explanation, refusal->finding);
        if (explanation.since_s == 0) {
            explanation.since_s = refusal->at_s;
        }
    }
    code = explanation.reason ? refusal_of_name(explanation.reason) : REFUSAL_NONE;
    if (code != REFUSAL_NONE && code != REFUSAL_CODE_COUNT) {
        explanation.sentence = refusal_sentence(code);
        explanation.check = check_of(code);
        accept_fill(&explanation, code);
    } else if (code == REFUSAL_CODE_COUNT) {
        code = REFUSAL_NONE;
    }
    next_fill(&explanation, code, node);
    return explanation;
}

/* --- the answer --- */

static const struct column columns[] = {
    {"NODE", "name", false},
    {"VERDICT", "verdict", false},
    {"SINCE", "since", false},
    {"REASON", "reason", false},
    {"WHICH MEANS", "sentence", false},
    {"ABOUT", "subject", false},
    {"EXPECTED", "expected", false},
    {"SEEN", "seen", false},
    {"DETAIL", "detail", false},
    {"CHECK", "check", false},
    {"POLICY", "policy", false},
    {"APPRAISED BY", "appraised_by", false},
    {"WOULD ACCEPT IT", "accept", false},
    {"ATTEMPTS", "attempts", false},
    {"FROM", "address", false},
    {"CAUTION", "caution", false},
    {"NEXT", "next", false},
    {NULL, NULL, false},
};

static void set_optional(struct value *object, const char *key, const char *text)
{
    if (text && *text) {
        value_set_string(object, key, text);
    }
}

static struct value *explanation_value(const struct node_explanation *explanation,
                                       const Tccp__NodeStatus *node)
{
    struct value *object = value_object();

    value_set_string(object, "name", node->name);
    value_set_bool(object, "trusted", explanation->is_good);
    value_set_string(object, "verdict", explanation->verdict);
    if (explanation->since_s != 0) {
        value_set_time(object, "since", explanation->since_s);
    }
    set_optional(object, "reason", explanation->reason);
    set_optional(object, "sentence", explanation->sentence);
    set_optional(object, "subject", explanation->subject);
    set_optional(object, "expected", explanation->expected);
    set_optional(object, "seen", explanation->seen);
    set_optional(object, "detail", explanation->detail);
    set_optional(object, "check", explanation->check);
    set_optional(object, "policy", node->policy);
    set_optional(object, "appraised_by", node_appraised_by(node));
    set_optional(object, "accept", explanation->accept);
    if (explanation->attempts > 0) {
        value_set_number(object, "attempts", explanation->attempts);
        set_optional(object, "address", explanation->address);
    }
    if (explanation->is_unproven) {
        value_set_string(object, "caution",
                         "who was refused has not shown that it holds the node's TPM: it may have "
                         "been anybody");
    }
    set_optional(object, "next", explanation->next);
    return object;
}

enum exit_code node_explain(struct cli *cli)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *object = NULL;
    struct node_explanation explanation;
    enum exit_code exit_code = node_ask(cli, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    explanation = node_explain_detail(response->node);
    object = explanation_value(&explanation, response->node->status);
    exit_code = output_object(cli, object, columns);
    return exit_code == EXIT_DONE && !explanation.is_good ? EXIT_UNTRUSTED : exit_code;
}
