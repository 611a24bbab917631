/* `policy diff`: how two policies differ, and which hosts would notice. */
#include "cli/commands.h"
#include "cli/node.h"
#include "cli/node_evidence.h"
#include "cli/output.h"
#include "cli/policy_file.h"

#include "lib/policy/policy_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column part_columns[] = {
    {"PART", "part", false},       {"ADDED", "added", false}, {"REMOVED", "removed", false},
    {"CHANGED", "changed", false}, {NULL, NULL, false},
};
static const struct column host_columns[] = {
    {"EVIDENCE", "evidence", false}, {"CHANGE", "change", false},
    {"OLD", "old", false},           {"NEW", "new", false},
    {"REASON", "reason", false},     {"SUBJECT", "subject", false},
    {"EXPECTED", "expected", true},  {"SEEN", "seen", true},
    {"DETAIL", "detail", true},      {NULL, NULL, false},
};

/* Both policies, and what was found. */
struct comparison {
    const struct cli *cli;
    struct policy *texts[2]; /* NULL: a compiled set */
    struct reference_set *sets[2];
    struct value *parts, *statements, *hosts; /* lists */
};

static void comparison_free(struct comparison *comparison)
{
    for (size_t i = 0; i < 2; i++) {
        if (comparison->texts[i]) {
            policy_free(comparison->texts[i]);
        }
        if (comparison->sets[i]) {
            reference_set_free(comparison->sets[i]);
        }
    }
    if (comparison->parts) {
        value_free(comparison->parts);
        value_free(comparison->statements);
        value_free(comparison->hosts);
    }
}
DEFINE_OWN_VALUE(comparison, comparison_free)

/* --- the texts --- */

static void statement_add(void *context, bool is_added, struct view statement)
{
    struct value *list = context;
    char *text = NULL;

    if (asprintf(&text, "%c %.*s", is_added ? '+' : '-', (int)statement.size,
                 (const char *)statement.data) >= 0) {
        value_add(list, value_string(text));
        free(text);
    }
}

static enum exit_code texts_compare(struct comparison *comparison)
{
    const struct cli *cli = comparison->cli;
    struct policy_difference difference;
    enum status status;

    if (!comparison->texts[0] || !comparison->texts[1]) {
        note(cli, "compiled sets keep no names: only texts are compared by their statements");
        return EXIT_DONE;
    }
    status = policy_diff(comparison->texts[0], comparison->texts[1],
                         cli->verbose ? statement_add : NULL, comparison->statements, &difference);
    if (status != STATUS_OK) {
        return report_status(cli, "compare the policies", status);
    }
    for (unsigned i = 0; i < POLICY_PART_COUNT; i++) {
        const struct policy_part_difference *part = &difference.parts[i];
        struct value *object = value_object();

        value_set_string(object, "part", policy_part_name((enum policy_part)i));
        value_set_number(object, "added", part->added);
        value_set_number(object, "removed", part->removed);
        value_set_number(object, "changed", part->changed);
        value_add(comparison->parts, object);
    }
    if (difference.events_moved) {
        note(cli, "the same events are expected in another order");
    }
    return EXIT_DONE;
}

/* --- the hosts --- */

enum verdict { VERDICT_ACCEPTED, VERDICT_REFUSED, VERDICT_UNKNOWN };
static const char *const verdict_names[] = {"accepted", "refused", "unknown"};

/* Evidence shows no more than its host was asked for. */
static bool shows_enough(const struct evidence_folder *evidence, const struct reference_set *set)
{
    static const struct pcr_policy nothing_more;
    const struct references references = {.enforced = {1, {set}}};
    struct evidence_demand demand = appraisal_demand(&nothing_more, &references);

    return !(demand.pcr_mask & ~evidence->pcr_mask) &&
           (!demand.event_log || evidence->event_log.size > 0) &&
           (!demand.ima_log || evidence->ima_log.size > 0);
}

static enum verdict judge(const struct evidence_folder *evidence, const struct reference_set *set,
                          struct refusal *refusal)
{
    enum status status;

    *refusal = (struct refusal){.code = REFUSAL_NONE};
    if (!shows_enough(evidence, set)) {
        (void)snprintf(refusal->detail, sizeof refusal->detail,
                       "it does not show all that policy %s judges", set->name);
        return VERDICT_UNKNOWN;
    }
    status = evidence_folder_appraise(evidence, set, NULL, 0, refusal);
    if (status != STATUS_OK && status != STATUS_REFUSED) {
        (void)snprintf(refusal->detail, sizeof refusal->detail, "%s", status_text(status));
        return VERDICT_UNKNOWN;
    }
    return status == STATUS_OK ? VERDICT_ACCEPTED : VERDICT_REFUSED;
}

static const char *change_of(enum verdict old, enum verdict new)
{
    if (old == VERDICT_UNKNOWN || new == VERDICT_UNKNOWN) {
        return "unknown";
    }
    return old == new ? "unchanged" : new == VERDICT_ACCEPTED ? "newly-accepted" : "newly-refused";
}

static void set_text(struct value *object, const char *key, const char *text)
{
    value_set_string(object, key, *text ? text : NULL);
}

/* evidence NULL: there is none. */
static void host_add(struct comparison *comparison, const char *name,
                     const struct evidence_folder *evidence)
{
    struct value *object = value_object();
    enum verdict verdicts[2] = {VERDICT_UNKNOWN, VERDICT_UNKNOWN};
    struct refusal refusals[2] = {{.detail = "it showed nothing"}, {.detail = "it showed nothing"}};
    const struct refusal *said;

    for (size_t i = 0; evidence && i < 2; i++) {
        verdicts[i] = judge(evidence, comparison->sets[i], &refusals[i]);
    }
    /* What NEW says counts; where it accepts, what OLD had against it, or could not see. */
    said = &refusals[verdicts[1] == VERDICT_ACCEPTED ? 0 : 1];
    value_set_string(object, "evidence", name);
    value_set_string(object, "change", change_of(verdicts[0], verdicts[1]));
    value_set_string(object, "old", verdict_names[verdicts[0]]);
    value_set_string(object, "new", verdict_names[verdicts[1]]);
    value_set_string(object, "reason",
                     said->code == REFUSAL_NONE ? NULL : refusal_name(said->code));
    set_text(object, "subject", said->finding.subject);
    set_text(object, "expected", said->finding.expected);
    set_text(object, "seen", said->finding.seen);
    set_text(object, "detail", said->detail);
    value_add(comparison->hosts, object);
}

static enum exit_code folders_compare(struct comparison *comparison)
{
    const char *path;
    enum exit_code exit_code = EXIT_DONE;

    for (size_t i = 0;
         exit_code == EXIT_DONE && (path = option_value_at(comparison->cli, "evidence", i)); i++) {
        OWN(evidence_folder) struct evidence_folder folder = {0};

        exit_code = evidence_folder_load(comparison->cli, path, &folder);
        if (exit_code == EXIT_DONE) {
            host_add(comparison, path, &folder);
        }
    }
    return exit_code;
}

static void node_visit(void *context, const char *node, struct node_evidence *evidence)
{
    host_add(context, node, evidence ? &evidence->folder : NULL);
}

static enum exit_code live_nodes_compare(struct comparison *comparison,
                                         const Tccp__NodesReply *nodes)
{
    const struct cli *cli = comparison->cli;
    const char **names = calloc(nodes->n_nodes + 1, sizeof *names);
    OWN(session) struct session *session = NULL;
    enum exit_code exit_code;
    size_t count = 0;

    if (!names) {
        return report_status(cli, "ask the nodes", STATUS_NO_MEMORY);
    }
    for (size_t i = 0; i < nodes->n_nodes; i++) {
        if (strcmp(nodes->nodes[i]->state, "live") == 0) {
            names[count++] = nodes->nodes[i]->name;
        }
    }
    if (count < nodes->n_nodes) {
        note(cli, "%zu nodes are not live, and not asked", nodes->n_nodes - count);
    }
    exit_code = session_open(cli, false, &session);
    if (exit_code == EXIT_DONE) {
        exit_code = nodes_evidence_fetch(cli, session, names, count, node_visit, comparison);
    }
    free(names);
    return exit_code;
}

static enum exit_code nodes_compare(struct comparison *comparison)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code = nodes_ask(comparison->cli, &response);

    return exit_code == EXIT_DONE ? live_nodes_compare(comparison, response->nodes) : exit_code;
}

/* --- the answer --- */

static enum exit_code answer_tables(const struct comparison *comparison)
{
    const struct cli *cli = comparison->cli;
    enum exit_code exit_code = EXIT_DONE;

    if (value_count(comparison->parts) > 0) {
        exit_code = output_list(cli, comparison->parts, part_columns);
    }
    for (size_t i = 0; exit_code == EXIT_DONE && i < value_count(comparison->statements); i++) {
        char *text = value_text(value_at(comparison->statements, i));

        (void)printf("%s\n", text);
        free(text);
    }
    if (exit_code == EXIT_DONE && value_count(comparison->hosts) > 0) {
        exit_code = output_list(cli, comparison->hosts, host_columns);
    }
    return exit_code;
}

static enum exit_code answer(struct comparison *comparison)
{
    static const struct column columns[] = {{NULL, NULL, false}};
    const struct cli *cli = comparison->cli;
    OWN(value) struct value *object = NULL;

    if (cli->format != FORMAT_JSON && cli->format != FORMAT_YAML) {
        return answer_tables(comparison);
    }
    object = value_object();
    value_set_bool(object, "same",
                   digest_equal(&comparison->sets[0]->digest, &comparison->sets[1]->digest));
    value_set(object, "differences", TAKE(comparison->parts));
    value_set(object, "statements", TAKE(comparison->statements));
    value_set(object, "hosts", TAKE(comparison->hosts));
    return output_object(cli, object, columns);
}

enum exit_code policy_diff_run(struct cli *cli)
{
    OWN(comparison)
    struct comparison comparison = {
        .cli = cli, .parts = value_list(), .statements = value_list(), .hosts = value_list()};
    enum exit_code exit_code = EXIT_DONE, asked = EXIT_DONE;

    for (size_t i = 0; exit_code == EXIT_DONE && i < 2; i++) {
        exit_code =
            policy_or_set_open(cli, argument_at(cli, i), &comparison.texts[i], &comparison.sets[i]);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = texts_compare(&comparison);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = folders_compare(&comparison);
    }
    if (exit_code == EXIT_DONE && option_is_set(cli, "nodes")) {
        /* What the others showed is worth an answer. */
        asked = nodes_compare(&comparison);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = answer(&comparison);
    }
    return exit_code == EXIT_DONE ? asked : exit_code;
}
