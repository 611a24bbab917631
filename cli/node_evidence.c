#include "cli/node_evidence.h"

#include "cli/files.h"
#include "cli/settings.h"

#include "lib/attest/evidence_message.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    EVIDENCE_SIZE_MAX = 40 << 20,
    TOKEN_SIZE_MAX = 64,
    PAUSE_MS = 100, /* between two questions whether it has come */
    MESSAGE_SIZE = 256,
};

void node_evidence_free(struct node_evidence *evidence)
{
    evidence_folder_free(&evidence->folder);
}

bool node_evidence_is_accepted(const struct node_evidence *evidence)
{
    return strcmp(evidence->reason, refusal_name(REFUSAL_NONE)) == 0;
}

struct token {
    size_t size; /* 0: none */
    uint8_t bytes[TOKEN_SIZE_MAX];
};

/* Begins to wait for the node's next evidence, or goes on. */
static enum exit_code ask_for(const struct cli *cli, struct session *session, const char *node,
                              struct token *ret_token)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__EvidenceGet get = TCCP__EVIDENCE_GET__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;
    struct view token;

    get.node = protobuf_string(node);
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_EVIDENCE_GET;
    request.evidence_get = &get;
    exit_code =
        session_ask(session, SESSION_READ, "ask for the node's evidence", &request, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    token = response->kind_case == TCCP__ADMIN_RESPONSE__KIND_EVIDENCE_TAP
                ? protobuf_view(response->evidence_tap->token)
                : (struct view){0};
    if (token.size == 0 || token.size > TOKEN_SIZE_MAX) {
        return report(cli, EXIT_FAILED, "", "the coordinator's answer is of another kind");
    }
    ret_token->size = token.size;
    memcpy(ret_token->bytes, token.data, token.size);
    return EXIT_DONE;
}

/* The next piece, behind what is there; *ret_size 0: nothing has come yet. */
static enum exit_code piece_get(const struct cli *cli, struct session *session,
                                const struct token *token, struct writer *content,
                                uint64_t *ret_size)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__EvidencePart part = TCCP__EVIDENCE_PART__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    const Tccp__EvidencePiece *piece;
    enum exit_code exit_code;

    part.token = protobuf_data((struct view){token->bytes, token->size});
    part.offset = content->size;
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_EVIDENCE_PART;
    request.evidence_part = &part;
    exit_code = session_ask(session, SESSION_READ, "read the node's evidence", &request, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    piece = response->kind_case == TCCP__ADMIN_RESPONSE__KIND_EVIDENCE_PIECE
                ? response->evidence_piece
                : NULL;
    if (!piece || piece->size > EVIDENCE_SIZE_MAX || (piece->size == 0) != (piece->data.len == 0)) {
        return report(cli, EXIT_FAILED, "", "the coordinator's answer is of another kind");
    }
    writer_view(content, protobuf_view(piece->data));
    *ret_size = piece->size;
    return content->status == STATUS_OK
               ? EXIT_DONE
               : report_status(cli, "read the node's evidence", content->status);
}

static enum exit_code parse(const struct cli *cli, const char *node, struct view bytes,
                            struct node_evidence *ret_evidence)
{
    Tccp__NodeEvidence *message = (Tccp__NodeEvidence *)protobuf_unpack(
        &tccp__node_evidence__descriptor, bytes, EVIDENCE_SIZE_MAX);
    OWN(node_evidence) struct node_evidence evidence = {0};
    struct evidence_view view;
    enum exit_code exit_code;

    if (!message || !message->evidence) {
        exit_code = report(cli, EXIT_FAILED, "", "what comes as the evidence of %s is none", node);
    } else {
        view = evidence_view_of_message(message->evidence);
        evidence.at_s = message->at_s;
        (void)snprintf(evidence.reason, sizeof evidence.reason, "%s", message->reason);
        (void)snprintf(evidence.detail, sizeof evidence.detail, "%s", message->detail);
        exit_code = evidence_folder_of_view(cli, node, &view, protobuf_view(message->qualifying),
                                            &evidence.folder);
    }
    if (message) {
        tccp__node_evidence__free_unpacked(message, NULL);
    }
    if (exit_code == EXIT_DONE) {
        *ret_evidence = TAKE(evidence);
    }
    return exit_code;
}

/* --- of one node, and of several at once --- */

/* One node's, on its way: a question at a time. */
struct pull {
    const char *node;
    struct token token; /* empty: not asked for yet */
    struct writer content;
    uint64_t size;
};

static void pull_begin(struct pull *pull, const char *node)
{
    *pull = (struct pull){.node = node, .content = writer_new(EVIDENCE_SIZE_MAX)};
}

static void pull_end(struct pull *pull)
{
    writer_free(&pull->content);
    *pull = (struct pull){.node = NULL};
}

/* The coordinator has no room yet, or no leader; or another member leads, and is asked anew. */
static bool begins_anew(const struct session *session, enum exit_code exit_code)
{
    return exit_code == EXIT_NOT_READY && session_refusal(session) == REFUSAL_NOT_READY;
}

/* *ret_is_done: all of it is there. *ret_moved: something came. */
static enum exit_code pull_step(const struct cli *cli, struct session *session, struct pull *pull,
                                bool *ret_is_done, bool *ret_moved)
{
    size_t before = pull->content.size;
    enum exit_code exit_code;

    *ret_is_done = *ret_moved = false;
    if (pull->token.size == 0) {
        exit_code = ask_for(cli, session, pull->node, &pull->token);
        return begins_anew(session, exit_code) ? EXIT_DONE : exit_code;
    }
    exit_code = piece_get(cli, session, &pull->token, &pull->content, &pull->size);
    if (begins_anew(session, exit_code)) {
        const char *node = pull->node;

        pull_end(pull);
        pull_begin(pull, node);
        return EXIT_DONE;
    }
    *ret_moved = pull->content.size > before;
    *ret_is_done = exit_code == EXIT_DONE && pull->size > 0 && pull->content.size >= pull->size;
    return exit_code;
}

static void rest(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000 * 1000};

    (void)nanosleep(&pause, NULL);
}

/* For people who look at a terminal. */
static void progress(const struct cli *cli, size_t done, size_t count)
{
    if (count > 1 && !cli->quiet && isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r%zu of %zu nodes%s", done, count, done == count ? "\n" : "");
    }
}

/* What came of a pull; the first failure is what it ends with. */
static void pull_visit(const struct cli *cli, struct pull *pull, enum exit_code exit_code,
                       node_evidence_visitor visit, void *context, enum exit_code *result)
{
    OWN(node_evidence) struct node_evidence evidence = {0};

    if (exit_code == EXIT_DONE) {
        exit_code = parse(cli, pull->node, (struct view){pull->content.data, pull->content.size},
                          &evidence);
    }
    visit(context, pull->node, exit_code == EXIT_DONE ? &evidence : NULL);
    pull_end(pull);
    *result = *result == EXIT_DONE ? exit_code : *result;
}

/* It would go for the other nodes as for this one. */
static bool ends_all(const struct session *session, enum exit_code exit_code)
{
    return exit_code != EXIT_DONE && (session_refusal(session) == REFUSAL_NONE ||
                                      session_refusal(session) == REFUSAL_NOT_AUTHORIZED);
}

enum exit_code nodes_evidence_fetch(const struct cli *cli, struct session *session,
                                    const char *const *nodes, size_t count,
                                    node_evidence_visitor visit, void *context)
{
    struct pull pulls[NODE_EVIDENCE_PARALLEL_MAX] = {{0}};
    size_t begun = 0, done = 0;
    enum exit_code result = EXIT_DONE, exit_code = EXIT_DONE;
    char message[MESSAGE_SIZE];

    while (done < count && !ends_all(session, exit_code)) {
        bool moved_any = false;

        for (size_t i = 0; i < NODE_EVIDENCE_PARALLEL_MAX && !ends_all(session, exit_code); i++) {
            bool is_done, moved;

            if (!pulls[i].node) {
                if (begun == count) {
                    continue;
                }
                pull_begin(&pulls[i], nodes[begun++]);
            }
            (void)snprintf(message, sizeof message, "%.100s showed nothing within %u s",
                           pulls[i].node, cli->timeout_s);
            session_set_waiting(session, message,
                                "give more time with --timeout; a node that was asked just now is "
                                "asked again when a tenth of its lease is over");
            exit_code = pull_step(cli, session, &pulls[i], &is_done, &moved);
            moved_any |= moved;
            if (exit_code != EXIT_DONE || is_done) {
                pull_visit(cli, &pulls[i], exit_code, visit, context, &result);
                progress(cli, ++done, count);
            }
        }
        if (!moved_any && done < count && !ends_all(session, exit_code)) {
            rest();
        }
    }
    session_set_waiting(session, NULL, NULL);
    /* The others are not waited for. */
    for (size_t i = 0; i < NODE_EVIDENCE_PARALLEL_MAX; i++) {
        if (pulls[i].node) {
            visit(context, pulls[i].node, NULL);
            pull_end(&pulls[i]);
        }
    }
    for (; begun < count; begun++) {
        visit(context, nodes[begun], NULL);
    }
    return result;
}

static void take_one(void *context, const char *node, struct node_evidence *evidence)
{
    (void)node;
    if (evidence) {
        *(struct node_evidence *)context = TAKE(*evidence);
    }
}

enum exit_code node_evidence_fetch(const struct cli *cli, struct session *session, const char *node,
                                   struct node_evidence *ret_evidence)
{
    return nodes_evidence_fetch(cli, session, &node, 1, take_one, ret_evidence);
}

enum exit_code evidence_named_load(const struct cli *cli, const char *name,
                                   struct evidence_folder *ret_folder)
{
    OWN(session) struct session *session = NULL;
    OWN(node_evidence) struct node_evidence evidence = {0};
    enum exit_code exit_code;

    if (file_exists(name) || strchr(name, '/') || !setting_perimeter(cli)) {
        return evidence_folder_load(cli, name, ret_folder);
    }
    exit_code = session_open(cli, false, &session);
    if (exit_code == EXIT_DONE) {
        exit_code = node_evidence_fetch(cli, session, name, &evidence);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!node_evidence_is_accepted(&evidence)) {
        note(cli, "%s is refused by the coordinator (%s): %s", name, evidence.reason,
             evidence.detail);
    }
    *ret_folder = TAKE(evidence.folder);
    return EXIT_DONE;
}
