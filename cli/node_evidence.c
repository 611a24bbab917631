#include "cli/node_evidence.h"

#include "cli/files.h"
#include "cli/settings.h"

#include "lib/attest/evidence_message.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

static void rest(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000 * 1000};

    (void)nanosleep(&pause, NULL);
}

/* EXIT_NOT_READY, reported by nobody: the coordinator has it no more, another member leads. */
static enum exit_code read_all(const struct cli *cli, struct session *session,
                               const struct token *token, struct writer *content)
{
    uint64_t size = 0;
    enum exit_code exit_code;

    for (;;) {
        exit_code = piece_get(cli, session, token, content, &size);
        if (exit_code != EXIT_DONE || (size > 0 && content->size >= size)) {
            break;
        }
        if (size == 0) {
            rest();
        }
    }
    return exit_code;
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

enum exit_code node_evidence_fetch(const struct cli *cli, struct session *session, const char *node,
                                   struct node_evidence *ret_evidence)
{
    OWN(bytes) struct bytes bytes = {0};
    char message[MESSAGE_SIZE];
    enum exit_code exit_code;

    (void)snprintf(message, sizeof message, "%.100s showed nothing within %u s", node,
                   cli->timeout_s);
    session_set_waiting(session, message,
                        "give more time with --timeout: a node that was asked just now is not "
                        "asked again before a tenth of its lease is over");
    do {
        OWN(writer) struct writer content = writer_new(EVIDENCE_SIZE_MAX);
        struct token token;

        exit_code = ask_for(cli, session, node, &token);
        if (exit_code == EXIT_NOT_READY && session_refusal(session) == REFUSAL_NOT_READY) {
            rest(); /* No leader that could answer yet. */
            continue;
        }
        if (exit_code == EXIT_DONE) {
            exit_code = read_all(cli, session, &token, &content);
        }
        if (exit_code == EXIT_DONE && writer_take(&content, &bytes) != STATUS_OK) {
            exit_code = report_status(cli, "read the node's evidence", STATUS_NO_MEMORY);
        }
    } while (exit_code == EXIT_NOT_READY && session_refusal(session) == REFUSAL_NOT_READY);
    session_set_waiting(session, NULL, NULL);
    return exit_code == EXIT_DONE ? parse(cli, node, bytes_view(&bytes), ret_evidence) : exit_code;
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
