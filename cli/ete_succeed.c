/* `ete succeed`: other keys for the same perimeter, signed by one of those in force. Offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "cli/signing.h"

#include "lib/base/protobuf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct column columns[] = {
    {"FILE", "file", false},
    {"SIGNATURES", "signatures", false},
    {"THRESHOLD", "threshold", false},
    {"COMPLETE", "complete", false},
    {"PERIMETER", "perimeter", false},
    {"SUCCESSION", "succession", false},
    {"NEW KEYS", "keys", false},
    {"NEW THRESHOLD", "new_threshold", false},
    {NULL, NULL, false},
};

/* The keys to be, as they are put together. */
struct successor {
    size_t count;
    struct perimeter_key keys[PERIMETER_KEY_COUNT_MAX];
};

/* --remove names a key by the beginning of its id, which must fit exactly one. */
static enum exit_code key_remove(const struct cli *cli, struct successor *successor,
                                 const char *name)
{
    size_t found = PERIMETER_KEY_COUNT_MAX, length = strlen(name);

    for (size_t i = 0; i < successor->count; i++) {
        char text[HEX_SIZE(SHA256_SIZE)];

        hex_encode(digest_view(&successor->keys[i].id), text);
        if (length >= 4 && strncasecmp(text, name, length) == 0) {
            if (found != PERIMETER_KEY_COUNT_MAX) {
                return report_usage(cli, "--remove %s fits more than one key", name);
            }
            found = i;
        }
    }
    if (found == PERIMETER_KEY_COUNT_MAX) {
        return report(cli, EXIT_NOT_FOUND, "`tccpctl ete show` lists the keys",
                      "--remove %s fits no key in force (give 4 or more characters)", name);
    }
    successor->count--;
    memmove(&successor->keys[found], &successor->keys[found + 1],
            (successor->count - found) * sizeof successor->keys[0]);
    return EXIT_DONE;
}

static enum exit_code key_add(const struct cli *cli, struct successor *successor, const char *path)
{
    OWN(public_key) struct public_key *key = NULL;
    struct perimeter_key *place = &successor->keys[successor->count];
    enum exit_code exit_code = public_key_load(cli, path, &key);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (successor->count == PERIMETER_KEY_COUNT_MAX) {
        return report_usage(cli, "more than %d keys", PERIMETER_KEY_COUNT_MAX);
    }
    place->id = public_key_id(key);
    place->size = public_key_spki(key).size;
    memcpy(place->spki, public_key_spki(key).data, place->size);
    successor->count++;
    return EXIT_DONE;
}

static enum exit_code document_new(const struct cli *cli, const struct perimeter_root *root,
                                   struct bytes *ret_document)
{
    struct successor successor = {.count = root->key_count};
    struct view keys[PERIMETER_KEY_COUNT_MAX];
    const char *value, *text = option_value(cli, "threshold");
    unsigned long threshold = text ? strtoul(text, NULL, 10) : root->threshold;
    enum exit_code exit_code;

    if (!option_is_set(cli, "add") && !option_is_set(cli, "remove") && !text) {
        return report_usage(cli, "nothing is to be changed: give --add, --remove or --threshold");
    }
    memcpy(successor.keys, root->keys, sizeof successor.keys);
    for (size_t i = 0; (value = option_value_at(cli, "remove", i)); i++) {
        exit_code = key_remove(cli, &successor, value);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    for (size_t i = 0; (value = option_value_at(cli, "add", i)); i++) {
        exit_code = key_add(cli, &successor, value);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    for (size_t i = 0; i < successor.count; i++) {
        keys[i] = perimeter_key_view(&successor.keys[i]);
    }
    if (threshold > PERIMETER_KEY_COUNT_MAX ||
        succession_build(root, keys, successor.count, (uint32_t)threshold, ret_document) !=
            STATUS_OK) {
        return report_usage(cli,
                            "these keys are no root: %zu keys, threshold %lu; no key may be there "
                            "twice",
                            successor.count, threshold);
    }
    return EXIT_DONE;
}

static enum exit_code document_present(const struct cli *cli, const char *path,
                                       struct bytes *ret_document)
{
    OWN(signed_document) Tccp__SignedDocument *present = NULL;
    enum exit_code exit_code = signed_document_load(cli, path, &present);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (option_is_set(cli, "add") || option_is_set(cli, "remove") ||
        option_is_set(cli, "threshold")) {
        return report_usage(cli, "%s exists already: it can be signed, not changed", path);
    }
    return bytes_copy(protobuf_view(present->document), ret_document) == STATUS_OK
               ? EXIT_DONE
               : report_status(cli, "read a document", STATUS_NO_MEMORY);
}

/* What the document says; STATUS_OK promises that it would be the next succession. */
static enum exit_code describe(const struct cli *cli, const struct signing *signing,
                               struct view document, struct value *object)
{
    Tccp__RootSuccession *message = (Tccp__RootSuccession *)protobuf_unpack_strict(
        &tccp__root_succession__descriptor, document, SUCCESSION_SIZE_MAX);
    const struct perimeter_root *root = &signing->files.root;
    struct value *keys;

    if (!message || !view_equal(protobuf_view(message->perimeter_id), digest_view(&root->id)) ||
        message->number != root->succession + 1) {
        if (message) {
            tccp__root_succession__free_unpacked(message, NULL);
        }
        return report(cli, EXIT_FAILED, "", "this is not the next succession of %s",
                      signing->files.path);
    }
    keys = value_list();
    value_set_perimeter(object, "perimeter", &root->id);
    value_set_number(object, "succession", message->number);
    value_set_number(object, "new_threshold", message->threshold);
    for (size_t i = 0; i < message->n_keys; i++) {
        struct digest id = sha256(protobuf_view(message->keys[i]));
        char text[HEX_SIZE(SHA256_SIZE)], line[HEX_SIZE(SHA256_SIZE) + 8];

        hex_encode(digest_view(&id), text);
        (void)snprintf(line, sizeof line, "%s%s", text, root_key(root, &id) ? "" : " (new)");
        value_add(keys, value_string(line));
        note(cli, "%s %s", root_key(root, &id) ? " " : "+", text);
    }
    value_set(object, "keys", keys);
    note(cli, "  threshold %u (now %u of %zu)", message->threshold, root->threshold,
         root->key_count);
    tccp__root_succession__free_unpacked(message, NULL);
    return EXIT_DONE;
}

enum exit_code ete_succeed(struct cli *cli)
{
    OWN(signing) struct signing signing = {.key = NULL};
    OWN(signed_document) Tccp__SignedDocument *so_far = NULL;
    OWN(bytes) struct bytes document = {0};
    OWN(value) struct value *object = value_object();
    struct signing_job job = {.kind = DOCUMENT_SUCCESSION};
    char name[48], path[PATH_MAX];
    const char *out = option_value(cli, "out");
    enum exit_code exit_code = signing_begin(cli, &signing);
    size_t count = 0;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(name, sizeof name, "succession-%zu.signed", signing.files.succession_count + 1);
    path_beside(signing.files.path, name, sizeof path, path);
    job.out_path = out ? out : path;
    exit_code = file_exists(job.out_path) ? document_present(cli, job.out_path, &document)
                                          : document_new(cli, &signing.files.root, &document);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    job.scope = (struct scope){signing.files.root.id, 0};
    job.document = bytes_view(&document);
    exit_code = signing_look(cli, &signing, &job, &so_far);
    if (exit_code == EXIT_DONE) {
        exit_code = describe(cli, &signing, job.document, object);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = confirm(cli, "Put these keys in the place of those in force");
    }
    if (exit_code == EXIT_DONE) {
        exit_code = signing_end(cli, &signing, &job, so_far, &count);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    signing_describe(object, &signing, &job, count);
    if (count >= signing.files.root.threshold) {
        note(cli, "Now have manifest and endorsement signed by the new keys, and apply all three "
                  "together.");
    }
    return output_object(cli, object, columns);
}
