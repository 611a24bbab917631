/* `policy upload`, `list` and `download`: the reference sets that the coordinator has. */
#include "cli/policy_store.h"

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/policy_file.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"
#include "lib/perimeter/manifest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_SIZE = 256 * 1024 };

static enum exit_code ask(struct session *session, const struct cli *cli, enum session_kind kind,
                          const char *what, Tccp__AdminRequest *request,
                          Tccp__AdminResponse__KindCase expected,
                          Tccp__AdminResponse **ret_response)
{
    enum exit_code exit_code = session_ask(session, kind, what, request, ret_response);

    if (exit_code == EXIT_DONE && (*ret_response)->kind_case != expected) {
        return report(cli, EXIT_FAILED, "", "cannot %s: the answer is of another kind", what);
    }
    return exit_code;
}

static enum exit_code list_ask(const struct cli *cli, struct session *session,
                               Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__ReferencesList list = TCCP__REFERENCES_LIST__INIT;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_REFERENCES_LIST;
    request.references_list = &list;
    return ask(session, cli, SESSION_READ, "list the reference sets", &request,
               TCCP__ADMIN_RESPONSE__KIND_REFERENCES, ret_response);
}

/* How far something has come, for people who look at a terminal. */
static void progress(const struct cli *cli, const char *path, uint64_t done, uint64_t size)
{
    if (!cli->quiet && isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r%s: %3u %%%s", path, (unsigned)(done * 100 / size),
                      done == size ? "\n" : "");
    }
}

/* --- policy upload --- */

static const struct column upload_columns[] = {
    {"DIGEST", "digest", false}, {"POLICY", "policy", false}, {"SIZE", "size", false},
    {"FILE", "file", false},     {"RESULT", "result", false}, {NULL, NULL, false},
};

struct upload {
    const char *path;
    struct view content;
    struct digest digest;
    uint64_t offset; /* so much of it is there */
};

/* How much of it the coordinator has, if those are its first bytes. */
static enum exit_code upload_find(const struct cli *cli, struct session *session,
                                  struct upload *upload)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code = list_ask(cli, session, &response);

    for (size_t i = 0; exit_code == EXIT_DONE && i < response->references->n_references; i++) {
        const Tccp__ReferenceStatus *status = response->references->references[i];
        struct digest prefix;

        if (view_equal(protobuf_view(status->digest), digest_view(&upload->digest)) &&
            status->size == upload->content.size && status->received <= status->size) {
            prefix = sha256((struct view){upload->content.data, (size_t)status->received});
            upload->offset = view_equal(protobuf_view(status->prefix), digest_view(&prefix))
                                 ? status->received
                                 : 0;
        }
    }
    return exit_code;
}

static enum exit_code piece_send(const struct cli *cli, struct session *session,
                                 struct upload *upload)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__ReferenceAdd piece = TCCP__REFERENCE_ADD__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    size_t left = upload->content.size - (size_t)upload->offset;
    size_t size = left < PIECE_SIZE ? left : PIECE_SIZE;
    enum exit_code exit_code;

    piece.digest = protobuf_data(digest_view(&upload->digest));
    piece.size = upload->content.size;
    piece.offset = upload->offset;
    piece.data = protobuf_data((struct view){upload->content.data + upload->offset, size});
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_REFERENCE_ADD;
    request.reference_add = &piece;
    exit_code = ask(session, cli, SESSION_CHANGE, "upload the reference set", &request,
                    TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    if (exit_code == EXIT_DONE) {
        upload->offset += size;
        progress(cli, upload->path, upload->offset, upload->content.size);
    }
    return exit_code;
}

enum exit_code policy_store_upload(const struct cli *cli, struct session *session, const char *path,
                                   struct value **ret_shown)
{
    OWN(reference_set) struct reference_set *set = NULL;
    OWN(bytes) struct bytes content = {0};
    struct upload upload = {.path = path};
    /* The coordinator takes any bytes; those that nobody can appraise by are found here. */
    enum exit_code exit_code = reference_file_open(cli, path, &set, &content);
    bool was_there;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    upload.content = bytes_view(&content);
    upload.digest = set->digest;
    exit_code = upload_find(cli, session, &upload);
    was_there = upload.offset == content.size;
    while (exit_code == EXIT_DONE && upload.offset < content.size) {
        exit_code = piece_send(cli, session, &upload);
    }
    if (exit_code == EXIT_DONE) {
        *ret_shown = value_object();
        value_set_hex(*ret_shown, "digest", digest_view(&upload.digest));
        value_set_string(*ret_shown, "policy", set->name);
        value_set_number(*ret_shown, "size", content.size);
        value_set_string(*ret_shown, "file", path);
        value_set_string(*ret_shown, "result", was_there ? "already-there" : "uploaded");
    }
    return exit_code;
}

enum exit_code policy_upload(struct cli *cli)
{
    OWN(session) struct session *session = NULL;
    OWN(value) struct value *list = value_list();
    enum exit_code exit_code = session_open(cli, false, &session);

    for (size_t i = 0; exit_code == EXIT_DONE && i < cli->argument_count; i++) {
        struct value *shown;

        exit_code = policy_store_upload(cli, session, argument_at(cli, i), &shown);
        if (exit_code == EXIT_DONE) {
            value_add(list, shown);
        }
    }
    return exit_code == EXIT_DONE ? output_list(cli, list, upload_columns) : exit_code;
}

/* --- policy list --- */

static const struct column list_columns[] = {
    {"DIGEST", "digest", false},
    {"SIZE", "size", false},
    {"STATE", "state", false},
    {"RECEIVED", "received", true},
    {"POLICIES", "policies", false},
    {"ACCEPTS", "staged_accepts", false},
    {"REFUSES", "staged_refuses", false},
    {NULL, NULL, false},
};

/* The words of the manifest's text. */
static void use_set(struct value *policies, const Tccp__ReferenceUse *use)
{
    char end[TIME_TEXT_SIZE] = "";

    if (use->not_after_s && use->not_after_s <= TIME_TEXT_MAX_S) {
        time_print(use->not_after_s, end);
    }
    value_set_string(policies, use->policy, use->staged ? "staged" : *end ? end : "enforced");
}

static struct value *reference_value(const Tccp__ReferenceStatus *status)
{
    struct value *object = value_object(), *policies = value_object();

    value_set_hex(object, "digest", protobuf_view(status->digest));
    value_set_number(object, "size", status->size);
    value_set_number(object, "received", status->received);
    value_set_string(object, "state",
                     status->size == 0                  ? "missing"
                     : status->received == status->size ? "complete"
                                                        : "uploading");
    for (size_t i = 0; i < status->n_uses; i++) {
        use_set(policies, status->uses[i]);
    }
    value_set(object, "policies", policies);
    if (status->staged_accepted + status->staged_refused > 0) {
        value_set_number(object, "staged_accepts", status->staged_accepted);
        value_set_number(object, "staged_refuses", status->staged_refused);
    }
    return object;
}

enum exit_code policy_list(struct cli *cli)
{
    OWN(session) struct session *session = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *list = value_list();
    enum exit_code exit_code = session_open(cli, false, &session);

    if (exit_code == EXIT_DONE) {
        exit_code = list_ask(cli, session, &response);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < response->references->n_references; i++) {
        value_add(list, reference_value(response->references->references[i]));
    }
    return output_list(cli, list, list_columns);
}

/* --- policy download --- */

static const struct column download_columns[] = {
    {"DIGEST", "digest", false},
    {"SIZE", "size", false},
    {"FILE", "file", false},
    {NULL, NULL, false},
};

/* The next piece, behind what is there. */
static enum exit_code piece_get(const struct cli *cli, struct session *session,
                                const struct digest *digest, struct writer *content,
                                uint64_t *ret_size)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__ReferenceGet get = TCCP__REFERENCE_GET__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    get.digest = protobuf_data(digest_view(digest));
    get.offset = content->size;
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_REFERENCE_GET;
    request.reference_get = &get;
    exit_code = ask(session, cli, SESSION_READ, "read the reference set", &request,
                    TCCP__ADMIN_RESPONSE__KIND_REFERENCE_PIECE, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (response->reference_piece->data.len == 0 ||
        response->reference_piece->size > MANIFEST_REFERENCE_SIZE_MAX) {
        return report(cli, EXIT_FAILED, "", "the coordinator shows no reference set");
    }
    writer_view(content, protobuf_view(response->reference_piece->data));
    *ret_size = response->reference_piece->size;
    return EXIT_DONE;
}

static enum exit_code download(const struct cli *cli, const char *name, const struct digest *digest,
                               struct bytes *ret_content)
{
    OWN(session) struct session *session = NULL;
    OWN(writer) struct writer content = writer_new(MANIFEST_REFERENCE_SIZE_MAX);
    enum exit_code exit_code = session_open(cli, false, &session);
    uint64_t size = 1;
    struct digest seen;

    while (exit_code == EXIT_DONE && content.size < size) {
        exit_code = piece_get(cli, session, digest, &content, &size);
        if (content.status != STATUS_OK) {
            return report_status(cli, "read the reference set", content.status);
        }
        if (exit_code == EXIT_DONE && content.size <= size) {
            progress(cli, name, content.size, size);
        }
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    seen = sha256((struct view){content.data, content.size});
    if (!digest_equal(&seen, digest)) {
        return report(cli, EXIT_UNTRUSTED, "",
                      "the coordinator shows other bytes than those of this digest");
    }
    return writer_take(&content, ret_content) == STATUS_OK
               ? EXIT_DONE
               : report_status(cli, "read the reference set", STATUS_NO_MEMORY);
}

enum exit_code policy_download(struct cli *cli)
{
    OWN(value) struct value *object = value_object();
    OWN(bytes) struct bytes content = {0};
    const char *name = argument_at(cli, 0), *out = option_value(cli, "out");
    struct digest digest;
    enum exit_code exit_code;

    if (!out) {
        return report_usage(cli, "--out is missing: where the set goes");
    }
    if (hex_decode(name, digest.bytes, sizeof digest.bytes) != STATUS_OK) {
        return report_usage(cli, "not a digest: 64 hexadecimal digits");
    }
    exit_code = download(cli, name, &digest, &content);
    if (exit_code == EXIT_DONE) {
        exit_code = file_store(cli, out, 0644, bytes_view(&content));
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    value_set_hex(object, "digest", digest_view(&digest));
    value_set_number(object, "size", content.size);
    value_set_string(object, "file", out);
    return output_object(cli, object, download_columns);
}
