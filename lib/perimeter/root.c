#include "lib/perimeter/root.h"

#include "lib/base/protobuf.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { ROOT_FORMAT = 1, SUCCESSION_FORMAT = 1 };

void perimeter_id_print(const struct digest *id, char *ret_text)
{
    memcpy(ret_text, PERIMETER_ID_PREFIX, sizeof PERIMETER_ID_PREFIX - 1);
    base32_encode(digest_view(id), ret_text + sizeof PERIMETER_ID_PREFIX - 1);
}

enum status perimeter_id_parse(const char *text, struct digest *ret_id)
{
    static const size_t prefix_length = sizeof PERIMETER_ID_PREFIX - 1;

    if (strncasecmp(text, PERIMETER_ID_PREFIX, prefix_length) != 0) {
        return STATUS_MALFORMED;
    }
    return base32_decode(text + prefix_length, ret_id->bytes, sizeof ret_id->bytes);
}

const struct perimeter_key *root_key(const struct perimeter_root *root, const struct digest *key_id)
{
    for (size_t i = 0; i < root->key_count; i++) {
        if (digest_equal(&root->keys[i].id, key_id)) {
            return &root->keys[i];
        }
    }
    return NULL;
}

/* Puts keys and threshold into *root; the rest of it stays. */
static enum status root_set_keys(struct perimeter_root *root, const ProtobufCBinaryData *keys,
                                 size_t key_count, uint32_t threshold, struct refusal *ret_refusal)
{
    if (key_count < 1 || key_count > PERIMETER_KEY_COUNT_MAX) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%zu keys; 1 to %d are possible", key_count,
                      PERIMETER_KEY_COUNT_MAX);
    }
    if (threshold < 1 || threshold > key_count) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a threshold of %" PRIu32 " of %zu keys",
                      threshold, key_count);
    }
    root->key_count = 0;
    for (size_t i = 0; i < key_count; i++) {
        OWN(public_key) struct public_key *key = NULL;
        struct perimeter_key *place = &root->keys[i];
        struct view spki = protobuf_view(keys[i]);
        enum status status = public_key_parse(spki, &key);
        struct digest id;

        if (status == STATUS_MALFORMED) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "key %zu is no ECDSA P-256 or Ed25519 key", i + 1);
        }
        TRY(status);
        id = public_key_id(key);
        if (root_key(root, &id)) {
            return refuse(ret_refusal, REFUSAL_MALFORMED, "key %zu is there twice", i + 1);
        }
        place->id = id;
        place->size = spki.size;
        memcpy(place->spki, spki.data, spki.size);
        root->key_count++;
    }
    root->threshold = threshold;
    return STATUS_OK;
}

/* For people only, but it is printed: no control characters, nothing that could not be told apart
 * on a screen. */
static bool perimeter_name_is_valid(const char *name)
{
    size_t length = strlen(name);

    if (length < 1 || length >= PERIMETER_NAME_SIZE || name[0] == ' ' || name[length - 1] == ' ') {
        return false;
    }
    for (; *name; name++) {
        if (*name < 0x20 || *name > 0x7e) {
            return false;
        }
    }
    return true;
}

static enum status root_read(const Tccp__PerimeterRoot *message, struct perimeter_root *ret_root,
                             struct refusal *ret_refusal)
{
    if (message->format != ROOT_FORMAT) {
        return refuse(ret_refusal, REFUSAL_VERSION, "root of format %" PRIu32, message->format);
    }
    if (!perimeter_name_is_valid(message->name)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "the perimeter's name is not 1 to %d printable ASCII characters",
                      PERIMETER_NAME_SIZE - 1);
    }
    if (message->salt.len != PERIMETER_SALT_SIZE) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a salt of %zu bytes", message->salt.len);
    }
    memcpy(ret_root->name, message->name, strlen(message->name) + 1);
    return root_set_keys(ret_root, message->keys, message->n_keys, message->threshold, ret_refusal);
}

enum status root_parse(struct view bytes, struct perimeter_root *ret_root,
                       struct refusal *ret_refusal)
{
    struct perimeter_root root = {.id = sha256(bytes)};
    Tccp__PerimeterRoot *message;
    enum status status;

    if (bytes.size > PERIMETER_ROOT_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "a root of %zu bytes", bytes.size);
    }
    message = (Tccp__PerimeterRoot *)protobuf_unpack_strict(&tccp__perimeter_root__descriptor,
                                                            bytes, PERIMETER_ROOT_SIZE_MAX);
    if (!message) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not a perimeter root");
    }
    status = root_read(message, &root, ret_refusal);
    tccp__perimeter_root__free_unpacked(message, NULL);
    TRY(status);
    *ret_root = root;
    return STATUS_OK;
}

/* The keys as protobuf-c wants them. STATUS_MALFORMED when they are too many. */
static enum status keys_fill(const struct view *keys, size_t key_count,
                             ProtobufCBinaryData ret_keys[PERIMETER_KEY_COUNT_MAX])
{
    if (key_count > PERIMETER_KEY_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < key_count; i++) {
        ret_keys[i] = protobuf_data(keys[i]);
    }
    return STATUS_OK;
}

enum status root_build(const char *name, const struct view *keys, size_t key_count,
                       uint32_t threshold, const uint8_t salt[PERIMETER_SALT_SIZE],
                       struct bytes *ret_bytes)
{
    ProtobufCBinaryData fields[PERIMETER_KEY_COUNT_MAX];
    Tccp__PerimeterRoot message;
    OWN(bytes) struct bytes bytes = {0};
    struct perimeter_root root;

    TRY(keys_fill(keys, key_count, fields));
    tccp__perimeter_root__init(&message);
    message.format = ROOT_FORMAT;
    message.name = (char *)(uintptr_t)name;
    message.keys = fields;
    message.n_keys = key_count;
    message.threshold = threshold;
    message.salt = protobuf_data((struct view){salt, PERIMETER_SALT_SIZE});
    TRY(protobuf_pack(&message.base, PERIMETER_ROOT_SIZE_MAX, &bytes));
    if (root_parse(bytes_view(&bytes), &root, NULL) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    *ret_bytes = TAKE(bytes);
    return STATUS_OK;
}

enum status succession_build(const struct perimeter_root *root, const struct view *keys,
                             size_t key_count, uint32_t threshold, struct bytes *ret_bytes)
{
    ProtobufCBinaryData fields[PERIMETER_KEY_COUNT_MAX];
    Tccp__RootSuccession message;
    struct perimeter_root next = *root;

    TRY(keys_fill(keys, key_count, fields));
    if (root_set_keys(&next, fields, key_count, threshold, NULL) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    tccp__root_succession__init(&message);
    message.format = SUCCESSION_FORMAT;
    message.perimeter_id = protobuf_data(digest_view(&root->id));
    message.number = root->succession + 1;
    message.keys = fields;
    message.n_keys = key_count;
    message.threshold = threshold;
    return protobuf_pack(&message.base, SUCCESSION_SIZE_MAX, ret_bytes);
}

static enum status succession_read(const Tccp__RootSuccession *message,
                                   const Tccp__SignedDocument *document,
                                   struct perimeter_root *root, struct refusal *ret_refusal)
{
    const struct scope scope = {root->id, 0};

    if (message->format != SUCCESSION_FORMAT) {
        return refuse(ret_refusal, REFUSAL_VERSION, "succession of format %" PRIu32,
                      message->format);
    }
    if (!view_equal(protobuf_view(message->perimeter_id), digest_view(&root->id))) {
        return refuse(ret_refusal, REFUSAL_WRONG_PERIMETER, "succession %" PRIu64, message->number);
    }
    if (message->number <= root->succession) {
        return refuse(ret_refusal, REFUSAL_OLD_SUCCESSION,
                      "succession %" PRIu64 "; %" PRIu64 " is in force", message->number,
                      root->succession);
    }
    if (message->number != root->succession + 1) {
        return refuse(ret_refusal, REFUSAL_OUT_OF_ORDER,
                      "succession %" PRIu64 " cannot follow on %" PRIu64, message->number,
                      root->succession);
    }
    TRY(signed_document_check(document, DOCUMENT_SUCCESSION, &scope, root, ret_refusal));
    TRY(root_set_keys(root, message->keys, message->n_keys, message->threshold, ret_refusal));
    root->succession = message->number;
    return STATUS_OK;
}

enum status root_apply_succession(struct perimeter_root *root,
                                  const Tccp__SignedDocument *succession,
                                  struct refusal *ret_refusal)
{
    struct perimeter_root next = *root;
    Tccp__RootSuccession *message;
    enum status status;

    message = (Tccp__RootSuccession *)protobuf_unpack_strict(&tccp__root_succession__descriptor,
                                                             protobuf_view(succession->document),
                                                             SUCCESSION_SIZE_MAX);
    if (!message) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not a succession");
    }
    status = succession_read(message, succession, &next, ret_refusal);
    tccp__root_succession__free_unpacked(message, NULL);
    TRY(status);
    *root = next;
    return STATUS_OK;
}
